"""Exact maps add up to the logit, lie on the animal, and depend on the weights that were learnt."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.explanation.class_maps import MAPS, LinearHead, reveal_maps
from pawsight.explanation.explainer import Explainer
from pawsight.explanation.heat import finer
from pawsight.images.decode import decode
from pawsight.sample import draw_with_place

from .conftest import EXACT, predictor_of, with_weights

DRAWN = 40
FINE = 96


def drawn(index, settings, part="validation"):
    """Return a drawing's label, its square, its size and the share of each fine cell's place that is the animal's."""
    label = ("cats", "dogs")[index % 2]
    picture, (left, top, right, bottom) = draw_with_place(label, seed=99, index=index, part=part)
    file = io.BytesIO()
    picture.save(file, "PNG")
    inside = np.zeros((FINE, FINE), bool)
    wide, high = picture.size
    inside[
        round(FINE * top / high) : round(FINE * bottom / high), round(FINE * left / wide) : round(FINE * right / wide)
    ] = True
    return label, decode(file.getvalue(), settings, name="drawing").pixels, picture.size, inside


@pytest.fixture(scope="module")
def drawings_with_places(probe):
    return [drawn(index, probe.bundle.card.decode) for index in range(DRAWN)]


def test_the_mean_of_a_map_and_the_bias_are_the_logit(explainer, probe, drawings_with_places):
    """To 1e-4, against the probabilities and, by itself, against features times weights."""
    engine, head = explainer._open()
    for _, square, size, _ in drawings_with_places[:6]:
        maps, bias = explainer.class_maps(square)
        outputs = engine.run_all(square[None])
        logits = outputs["features"][0] @ head.weights + head.bias
        np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, atol=1e-4)
        heat = explainer.explain(square, size=size)
        best = probe.classes.index(heat.label)
        assert heat.method == "cam"
        assert float(heat.values.mean()) + heat.bias == pytest.approx(logits[best] - logits.mean(), abs=1e-4)


def test_the_map_of_a_mean_of_colours_is_the_picture_itself(colour_bundle):
    """Channels last: the red logit is the mean of red / 16."""
    explainer = Explainer(Predictor(read_bundle(colour_bundle), machine=EXACT), machine=EXACT)
    square = np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8)
    maps, bias = explainer.class_maps(square)
    np.testing.assert_allclose(maps, square.transpose(2, 0, 1) / np.float32(16), atol=1e-4)
    assert list(bias) == [0, 0, 0]
    heat = explainer.explain(square, size=(8, 8), label="green")
    green = square[..., 1] / 16 - square.mean(axis=2) / 16
    np.testing.assert_allclose(heat.values, green, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (5, 3), elements=st.floats(-2, 2, width=32)),
    arrays(np.float32, (5, 4, 2), elements=st.floats(0, 6, width=32)),
)
def test_mean_and_head_change_places_whatever_the_numbers(weights, maps):
    head = LinearHead(weights, np.zeros(3, np.float32), 0)
    np.testing.assert_allclose(
        head.class_maps(maps).mean(axis=(1, 2)), maps.mean(axis=(1, 2)) @ weights, atol=1e-4, rtol=1e-4
    )
    last = LinearHead(weights, np.zeros(3, np.float32), 2)
    np.testing.assert_allclose(last.class_maps(maps.transpose(1, 2, 0)), head.class_maps(maps), atol=1e-5)


def share_inside(explainer, cases, method):
    """Mean share of the heat that lies in the animals' boxes, and of the pictures that the boxes take."""
    heats = [
        finer(explainer.explain(square, size=size, label=label, method=method), (FINE, FINE))
        for label, square, size, _ in cases
    ]
    inside = [heat[box].sum() / max(heat.sum(), 1e-9) for heat, (*_, box) in zip(heats, cases, strict=True)]
    hits = sum(box[np.unravel_index(heat.argmax(), heat.shape)] for heat, (*_, box) in zip(heats, cases, strict=True))
    area = float(np.mean([box.mean() for *_, box in cases]))
    print(f"{method}: heat inside {np.mean(inside):.3f}, area {area:.3f}, greatest heat inside {hits} of {len(cases)}")
    return float(np.mean(inside)), area, hits


@pytest.fixture(scope="module")
def finer_probe(probe):
    """A probe at 192 px, so with maps of 6 x 6, on 60 drawings.

    At 96 px the maps are 3 x 3 and every cell of theirs sees nearly all of the picture, so they tell no place: 53 % of the
    heat lay in boxes that take 58 % of the pictures.
    """
    from pawsight.classifier.engine import Engine
    from pawsight.models.efficientnet_onnx import backbone_onnx
    from pawsight.models.graph import append_head
    from pawsight.training.probe import fit_head

    backbone = backbone_onnx("efficientnet-lite0", 192)
    decode_at = replace(probe.bundle.card.decode, image_px=192)
    learnt = [drawn(index, decode_at, part="train") for index in range(60)]
    engine = Engine(backbone, image_px=192, precision="f32", streams=EXACT.cores)
    features = engine.run_all(np.stack([square for _, square, *_ in learnt]))["features"]
    labels = np.array([probe.classes.index(label) for label, *_ in learnt])
    head = fit_head(features, labels, classes=2, folds=3, seed=0)
    model = append_head(backbone, head.weights, head.bias, classes=probe.classes)
    return predictor_of(model, probe.bundle, classes=probe.classes, image_px=192)


def test_the_heat_lies_on_the_animal(finer_probe):
    cases = [drawn(index, finer_probe.bundle.card.decode) for index in range(DRAWN)]
    explainer = Explainer(finer_probe, machine=EXACT)
    inside, area, hits = share_inside(explainer, cases, "cam")
    assert inside > 1.2 * area
    assert hits > 0.65 * DRAWN
    inside, area, _ = share_inside(explainer, cases[:6], "occlusion")
    assert inside > 1.05 * area


def correlations(explainer, other, cases):
    """Rank correlations of the maps of two explainers, of one class."""
    found = []
    for _, square, size, _ in cases:
        one, two = (each.explain(square, size=size, label="cats").values for each in (explainer, other))
        found.append(spearmanr(one.ravel(), two.ravel()).statistic)
    return np.array(found)


def shuffled(probe, seed, chosen):
    """Return an explainer of the probe with the initialisers that `chosen` picks shuffled, each within itself."""
    rng = np.random.default_rng(seed)

    def change(name, values):
        return rng.permutation(values.ravel()).reshape(values.shape) if chosen(name, values) else values

    model = with_weights(probe.bundle.model, change)
    decode_px = probe.bundle.card.decode.image_px
    return Explainer(predictor_of(model, probe.bundle, classes=probe.classes, image_px=decode_px), machine=EXACT)


@pytest.mark.parametrize(
    "chosen",
    [lambda name, _: name == "head/weights", lambda _, values: values.ndim == 4 and values.shape[0] == 1280],
    ids=["head", "last convolution"],
)
def test_with_random_weights_the_map_is_another(probe, explainer, drawings_with_places, chosen):
    """The sanity check of Adebayo et al. 2018: a map that outlives the weights would be an edge detector."""
    cases = drawings_with_places[:10]
    found = np.concatenate([correlations(explainer, shuffled(probe, seed, chosen), cases) for seed in range(6)])
    print(f"mean rank correlation {found.mean():.3f}, standard error {found.std() / 6**0.5:.3f}")
    assert abs(found.mean()) < 0.35


def test_with_the_same_weights_the_map_is_the_same(probe, explainer, drawings_with_places):
    same = shuffled(probe, 0, lambda *_: False)
    assert correlations(explainer, same, drawings_with_places[:10]).mean() > 0.999


def test_a_bundle_of_a_majority_says_nothing_about_places(colour_bundle, snapshot):
    from pawsight.models.graph import append_head, mean_colour_graph

    bias = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    model = append_head(mean_colour_graph(8), np.zeros((3, 3), np.float32), bias, classes=("a", "b", "c"))
    predictor = predictor_of(model, read_bundle(colour_bundle), classes=("a", "b", "c"), image_px=8)
    heat = Explainer(predictor, machine=EXACT).explain(np.full((8, 8, 3), 77, np.uint8), size=(30, 20))
    assert (heat.label, heat.method, heat.silent, heat.box()) == ("a", "cam", True, None)
    assert heat.place() == snapshot
    assert heat.bias == pytest.approx(np.log(0.6) - bias.mean(), abs=1e-5)


def graph_with(pooled, *, kept="Constant", shape=(1, 8, 8, 3), names=("head/weights", "head/bias")):
    """An OpenVINO graph whose features are the mean of a picture over the axes `pooled`, and a head of three classes."""
    import openvino
    from openvino import opset13 as ops

    picture = ops.parameter(shape, np.float32)
    axes = ops.constant(np.array(pooled))
    if kept != "Constant":
        axes = ops.convert(ops.constant(np.array(pooled, np.int32)), "i64")
    features = ops.reduce_mean(picture, axes, keep_dims=False)
    head = [ops.constant(np.eye(3, dtype=np.float32)), ops.constant(np.zeros(3, np.float32))]
    for node, name in zip(head, names, strict=True):
        node.set_friendly_name(name)
    logits = ops.add(ops.matmul(features, head[0], False, False), head[1])
    graph = openvino.Model([ops.result(features), ops.result(logits)], [picture])
    graph.outputs[0].get_tensor().set_names({"features"})
    return graph


@pytest.mark.parametrize(
    ("pooled", "options", "allowed"),
    [
        ((1, 2), {}, True),
        ((-2, -3), {}, True),
        ((1, 2), {"names": ("weights", "bias")}, False),  # no head of ours
        ((1, 2), {"shape": (1, -1, 8, 3)}, False),  # of any size
        ((2, 3), {"shape": (1, 3, 8, 8, 3)}, False),  # of five axes
        ((1, 2), {"kept": "computed"}, False),  # over axes that are reckoned
    ],
)
def test_maps_are_revealed_where_a_mean_of_fixed_axes_and_one_layer_follow(pooled, options, allowed):
    graph = graph_with(pooled, **options)
    before = len(graph.outputs)
    head = reveal_maps(graph)
    assert (head is not None) == allowed
    assert len(graph.outputs) == before + allowed
    if head is not None:
        assert head.channel_axis == 2
        assert graph.outputs[-1].get_names() == {MAPS}
