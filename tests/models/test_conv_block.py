"""The block that trains the exercise's network: the same numbers as the stock layers, in a cheaper order."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from pawsight.models.ladder import RUNGS
from pawsight.models.quiet import import_keras

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[train]")
CNN = replace(RUNGS["cnn"].recipe, image_px=32)
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def stock_and_trained(precision):
    import_keras()
    from pawsight.models.networks import build_network, build_trained

    stock, trained = (make(CNN, classes=3, precision=precision) for make in (build_network, build_trained))
    trained.set_weights(stock.get_weights())
    return stock, trained


def block(rate, *, seed=0, policy="float32"):
    import_keras()
    import keras

    from pawsight.models.conv_block import ConvBlock

    keras.utils.set_random_seed(seed)
    return ConvBlock(32, rate, policy=policy)


def maps(side=34):
    return np.random.default_rng(1).normal(size=(4, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-5), ("bf16", 0.02)])
def test_it_gives_the_logits_of_the_stock_layers(precision, tolerance):
    stock, trained = stock_and_trained(precision)
    logits = [np.asarray(model.predict_on_batch(PICTURES)) for model in (stock, trained)]
    assert np.allclose(*logits, atol=tolerance * np.abs(logits[0]).max())


def test_it_has_the_gradients_of_the_stock_layers():
    import_keras()
    import keras
    import tensorflow as tf

    found, weights = [], None
    for make in (lambda: _stock_block(keras), lambda: block(0.0)):
        layer = make()
        layer.build((None, 34, 34, 3))
        weights = layer.get_weights() if weights is None else weights
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(3.0 * layer(maps())))
        found.append([np.asarray(one) for one in tape.gradient(loss, layer.trainable_variables)])
    assert all(np.allclose(one, other, atol=1e-3) for one, other in zip(*found, strict=True))


def _stock_block(keras):
    return keras.Sequential([keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.MaxPooling2D(2)])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_it_drops_a_fifth_and_divides_the_rest_by_what_is_kept(policy):
    layer = block(0.2, policy=policy)
    layer.build((None, 34, 34, 3))
    layer.set_weights([layer.get_weights()[0], np.full(32, 5.0, np.float32)])  # so that relu leaves no zero
    whole, thinned = (np.asarray(layer(maps(), training=training), np.float32) for training in (False, True))
    kept = thinned != 0
    error = 4 * np.sqrt(0.2 * 0.8 / kept.size) + 1 / 256  # the limit of one step is a whole number of 256ths
    assert abs(1 - kept.mean() - 0.2) < error
    assert np.allclose(thinned[kept], whole[kept] / 0.8, rtol=1e-5 if policy == "float32" else 0.03)


def test_what_is_dropped_passes_no_gradient():
    import tensorflow as tf

    layer = block(0.5)
    layer.build((None, 4, 4, 3))
    seen = tf.ones((1, 4, 4, 3))
    layer.set_weights([np.zeros((3, 3, 3, 32), np.float32), np.ones(32, np.float32)])
    with tf.GradientTape() as tape:
        thinned = layer(seen, training=True)
        total = tf.reduce_sum(thinned)
    slope = np.asarray(tape.gradient(total, layer.bias.value))
    assert np.array_equal(slope, np.asarray(thinned)[0, 0, 0])  # 2 where the value was kept, 0 where it was dropped
    assert set(slope) == {0.0, 2.0}


def test_the_same_seed_drops_the_same_and_the_next_step_something_else():
    drawn = []
    for seed in (1, 1, 2):
        layer = block(0.2, seed=seed)
        layer.build((None, 34, 34, 3))
        layer.set_weights([layer.get_weights()[0] * 0, np.ones(32, np.float32)])
        drawn.append([np.asarray(layer(maps(), training=True)).tobytes() for _ in range(2)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]


def test_its_random_state_is_among_the_variables_that_a_checkpoint_keeps():
    _, trained = stock_and_trained("f32")
    states = [variable for variable in trained.variables if "seed" in variable.path]
    before = [np.asarray(state.value) for state in states]
    trained(PICTURES, training=True)
    assert len(states) == 2
    assert all(not np.array_equal(old, state.value) for old, state in zip(before, states, strict=True))


def test_filters_that_are_no_multiple_of_four_are_refused():
    import_keras()
    from pawsight.models.conv_block import ConvBlock

    with pytest.raises(ValueError, match="filters must be a multiple of 4: 34"):
        ConvBlock(34, 0.2, policy="float32")


@pytest.mark.parametrize("rate", [-0.1, 0.999])
def test_a_rate_that_eight_bits_cannot_tell_is_refused(rate):
    import_keras()
    from pawsight.models.conv_block import ConvBlock

    with pytest.raises(ValueError, match=r"rate must be from 0 to 0\.99609375"):
        ConvBlock(32, rate, policy="float32")


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.99])
def test_a_limit_drops_what_was_asked_for_on_average(rate):
    """Over all words that can be drawn, the mean of a limit is the rate, and it is one of two neighbours."""
    import_keras()
    import tensorflow as tf

    from pawsight.models.conv_block import _limit

    limits = np.array([int(_limit(rate, tf.constant(word, tf.uint32))) for word in range(0, 65536, 257)])
    assert limits.max() - limits.min() <= 1
    assert limits.mean() / 256 == pytest.approx(rate, abs=0.005 / 256)
