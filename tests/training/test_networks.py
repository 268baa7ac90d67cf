"""Gradient descent: equal seeds give equal bits, also across a stop, and the best epoch is what is kept."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from pawsight.core.errors import TrainingFailed
from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT, Silent
from pawsight.core.runs import Epoch, best_epoch
from pawsight.models.keras_networks import import_keras
from pawsight.models.recipes import RECIPES, Recipe
from pawsight.training.checkpoint import FILE, load_checkpoint, save_checkpoint
from pawsight.training.diagnostics import Diagnostics
from pawsight.training.networks import EVENTS, fit_epochs, learning_rate, predict, write_events

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")

RECIPE = Recipe(name="tiny", method="network", backbone="", epochs=5, batch_size=8, learning_rate=0.01, seed=3)


def without_seconds(history):
    """A history without what differs between equal runs: how long they took."""
    return tuple(replace(epoch, seconds=0.0) for epoch in history)


def built(seed=3):
    """A network with everything that has a state: batch norm, two dropouts, weights."""
    import_keras()
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, activation="relu")(inputs)
    x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dropout(0.2, seed=seed)(x)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


def data(*, count=40, noise=1.2, seed=1):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return (rng.normal(size=(count, 6)) * noise + labels[:, None]).astype(np.float32), labels


def work_in(folder, recipe=RECIPE, *, weights=None, feed=None):
    inputs, labels = data()
    held, truths = data(count=20, seed=2)
    weights = np.ones(len(labels), np.float32) if weights is None else weights

    def batches(epoch):
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(labels))
        for start in range(0, len(order), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            yield inputs[rows], labels[rows], weights[rows]

    folder.mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(
        recipe=recipe,
        classes=("cats", "dogs"),
        folder=folder,
        identity=lambda: "1" * 64,
        labels=lambda subset: labels if subset == "train" else truths,
        feed=feed or batches,
        held_out=held,
        truths=truths,
    )


def fit(model, work, diagnostics, progress):
    """Train on what `work_in` returns: as much of a context as the epochs need, and what they are fed."""
    work.env = SimpleNamespace(progress=progress)
    return fit_epochs(model, work, work.feed, work.held_out, diagnostics)


def bits(model):
    return [variable.numpy().tobytes() for variable in model.variables]


def all_bits(model):
    return bits(model) + [variable.numpy().tobytes() for variable in model.optimizer.variables]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of five epochs that nobody stopped: its weights, its history, its last checkpoint, its variables' names."""
    folder = tmp_path_factory.mktemp("whole")
    model = built()
    history = fit(model, work_in(folder), Diagnostics(), SILENT)
    names = [variable.path for variable in model.variables], [variable.path for variable in model.optimizer.variables]
    return bits(model), history, load_checkpoint(folder, identity="1" * 64), names


def same_checkpoint(one, other):
    pairs = zip((*one.state, *one.best), (*other.state, *other.best), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs) and len(one.state) == len(other.state)


def test_without_patience_all_epochs_are_trained(whole):
    assert [epoch.number for epoch in whole[1]] == [1, 2, 3, 4, 5]


def test_pictures_that_weigh_nothing_teach_nothing(tmp_path):
    model = built()
    before = [layer.get_weights()[0].tobytes() for layer in model.layers if "dense" in layer.name]
    fit(model, work_in(tmp_path, replace(RECIPE, epochs=1), weights=np.zeros(40, np.float32)), Diagnostics(), SILENT)
    assert [layer.get_weights()[0].tobytes() for layer in model.layers if "dense" in layer.name] == before


def test_the_same_seed_gives_the_same_bits(whole, tmp_path):
    model = built()
    history = fit(model, work_in(tmp_path), Diagnostics(), SILENT)
    assert bits(model) == whole[0]
    assert without_seconds(history) == without_seconds(whole[1])
    assert same_checkpoint(load_checkpoint(tmp_path, identity="1" * 64), whole[2])


def test_another_seed_gives_other_bits(whole, tmp_path):
    (first,) = fit(built(4), work_in(tmp_path, replace(RECIPE, epochs=1)), Diagnostics(), SILENT)
    assert first.loss != whole[1][0].loss


class Stopped(Exception):
    pass


class StopIn(Silent):
    """Stops a run in the middle of one epoch."""

    def __init__(self, epoch, batch):
        self.epoch, self.batch, self.now = epoch, batch, 0

    def stage(self, name, total, unit=""):
        self.now = int(name.split()[1])
        outer, steps = self, iter(range(1, 10**6))

        class Step:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def advance(self, _steps=1):
                if outer.now == outer.epoch and next(steps) == outer.batch:
                    raise Stopped

            def note(self, text):
                pass

        return Step()


@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (4, 5)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(whole, tmp_path, epoch, batch):
    """All of it: weights, batch norm's averages, the dropouts' random states, Adam's moments and its step count."""
    with pytest.raises(Stopped):
        fit(built(), work_in(tmp_path), Diagnostics(), StopIn(epoch, batch))
    before = load_checkpoint(tmp_path, identity="1" * 64)
    assert len(before.history if before else ()) == epoch - 1
    model = built(seed=99 if before else 3)  # what it starts with is replaced, random states and all
    history = fit(model, work_in(tmp_path), Diagnostics(), SILENT)
    assert without_seconds(history) == without_seconds(whole[1])
    assert [entry.seconds for entry in history[: epoch - 1]] == [
        entry.seconds for entry in (before.history if before else ())
    ]
    assert bits(model) == whole[0]
    assert same_checkpoint(load_checkpoint(tmp_path, identity="1" * 64), whole[2])


def test_more_epochs_go_on_from_fewer_to_the_bits_of_a_run_of_them(whole, tmp_path):
    fit(built(), work_in(tmp_path, replace(RECIPE, epochs=2)), Diagnostics(), SILENT)
    model = built(seed=99)
    history = fit(model, work_in(tmp_path), Diagnostics(), SILENT)
    assert without_seconds(history) == without_seconds(whole[1])
    assert bits(model) == whole[0]


def test_the_checkpoint_holds_dropout_states_and_the_optimizer(whole):
    _, _, found, (names, of_optimizer) = whole
    assert len(found.state) == len(names) + len(of_optimizer)
    assert len(found.best) == len(names)
    assert len([name for name in names if "seed_generator" in name]) == 2
    assert int(found.state[len(names)]) == 25  # Adam's own count, one a batch


def test_a_finished_run_is_not_trained_on(whole, tmp_path):
    save_checkpoint(tmp_path, whole[2])
    stamp = (tmp_path / FILE).stat().st_mtime_ns
    model = built()

    def no_more(epoch):
        raise AssertionError(f"epoch {epoch} was trained again")

    history = fit(model, work_in(tmp_path, feed=no_more), Diagnostics(), SILENT)
    assert without_seconds(history) == without_seconds(whole[1])
    assert bits(model) == whole[0]
    assert (tmp_path / FILE).stat().st_mtime_ns == stamp


def test_a_checkpoint_of_another_run_is_not_taken_up(whole, tmp_path):
    save_checkpoint(tmp_path, whole[2])
    other = work_in(tmp_path, replace(RECIPE, epochs=1))
    other.identity = lambda: "2" * 64
    assert len(fit(built(), other, Diagnostics(), SILENT)) == 1
    assert load_checkpoint(tmp_path, identity="2" * 64) is not None


FAST = replace(RECIPE, epochs=6, learning_rate=0.05)  # best before its last epoch


@pytest.fixture(scope="module")
def past_its_best(tmp_path_factory):
    """A run of FAST: its weights at the end, its history, its weights as each epoch begins, which answers are right."""
    seen = []

    class Spy(Silent):
        def stage(self, name, total, unit=""):
            seen.append(bits(model))  # as it stands at the end of the epoch before
            return super().stage(name, total, unit)

    model = built()
    work = work_in(tmp_path_factory.mktemp("best"), FAST)
    history = fit(model, work, Diagnostics(), Spy())
    return bits(model), history, seen, predict(model, work.held_out, 8).argmax(axis=1) == work.truths


def test_the_model_is_left_at_its_best_epoch(past_its_best):
    left, history, seen, right = past_its_best
    best = min(history, key=lambda epoch: (-epoch.val_accuracy, epoch.val_loss))
    assert best.number < 6  # otherwise this test shows nothing
    assert float(right.mean()) == best.val_accuracy
    assert left[:2] == seen[best.number][:2]


def test_the_best_weights_survive_a_stop_after_the_best_epoch(past_its_best, tmp_path):
    with pytest.raises(Stopped):
        fit(built(), work_in(tmp_path, FAST), Diagnostics(), StopIn(6, 2))
    model = built()
    fit(model, work_in(tmp_path, FAST), Diagnostics(), SILENT)
    assert bits(model) == past_its_best[0]


def test_an_epoch_s_figures_are_means_over_its_pictures_and_of_validation_afterwards(tmp_path):
    model = built()
    work = work_in(tmp_path, replace(RECIPE, epochs=1))
    (epoch,) = fit(model, work, Diagnostics(), SILENT)
    shares = softmax(predict(model, work.held_out, 7), axis=1)
    given = shares[np.arange(len(work.truths)), work.truths]
    assert epoch.val_loss == pytest.approx(-np.log(given).mean(), rel=1e-5)
    assert epoch.val_accuracy == (shares.argmax(axis=1) == work.truths).mean()
    assert 0 <= epoch.accuracy <= 1
    assert epoch.accuracy * 40 == pytest.approx(round(epoch.accuracy * 40), abs=1e-4)
    assert epoch.learning_rate == 0.01
    assert epoch.seconds > 0


def test_patience_ends_a_run_whose_validation_loss_no_longer_falls(tmp_path):
    recipe = replace(RECIPE, epochs=60, learning_rate=0.2, patience=2)
    history = fit(built(), work_in(tmp_path, recipe), Diagnostics(), SILENT)
    assert fit(built(), work_in(tmp_path, recipe), Diagnostics(), SILENT) == history  # and is over when it is taken up
    lowest = min(history, key=lambda epoch: epoch.val_loss)
    assert len(history) == lowest.number + 2 < 60


def test_the_learning_rate_is_constant_unless_it_warms_up():
    assert {learning_rate(RECIPE, done / 7) for done in range(35)} == {0.01}


@pytest.mark.parametrize(
    ("done", "share"),
    [
        (0, 0.01),  # never nothing: a hundredth of the first epoch's slope
        (0.5, 0.25),
        (1, 0.5),
        (2, 1),
        (4, 0.5 * (1 + math.cos(math.pi / 4))),
        (6, 0.5),
        (10, 0),
        (11, 0),
    ],
)
def test_the_learning_rate_climbs_in_a_line_and_falls_as_half_a_cosine(done, share):
    recipe = replace(RECIPE, epochs=10, warmup_epochs=2, learning_rate=0.4)
    assert learning_rate(recipe, done) == pytest.approx(0.4 * share, abs=1e-12)


def test_a_warm_up_as_long_as_the_run_does_not_divide_by_nothing():
    recipe = replace(RECIPE, epochs=2, warmup_epochs=2)
    assert [learning_rate(recipe, done) for done in (1, 2, 3)] == pytest.approx([0.005, 0.01, 0])


def test_each_epoch_notes_the_rate_of_its_last_step(tmp_path):
    recipe = replace(RECIPE, epochs=4, warmup_epochs=1)
    history = fit(built(), work_in(tmp_path, recipe), Diagnostics(), SILENT)
    rates = [learning_rate(recipe, number + 4 / 5) for number in range(4)]
    assert [epoch.learning_rate for epoch in history] == pytest.approx(rates)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_cause(tmp_path):
    def poisoned(epoch):
        inputs, labels = data()
        yield inputs[:8], labels[:8], np.full(8, np.nan, np.float32)

    with pytest.raises(TrainingFailed) as raised:
        fit(built(), work_in(tmp_path, feed=poisoned), Diagnostics(), SILENT)
    assert "nan at step 1." in raised.value.what
    assert "--learning-rate 0.001," in raised.value.fix
    assert "without --resume" in raised.value.fix


def test_remarks_told_before_a_stop_are_told_once_and_not_forgotten(tmp_path):
    class Ear(StopIn):
        def __init__(self, epoch, batch):
            super().__init__(epoch, batch)
            self.lines = []

        def say(self, line):
            self.lines.append(line)

    def useless(epoch):
        for _ in range(2):
            yield np.zeros((8, 6), np.float32), np.arange(8) % 2, np.ones(8, np.float32)

    recipe = replace(RECIPE, epochs=4, learning_rate=1e-6)  # reported after the third
    first, second, diagnostics = Ear(4, 1), Ear(0, 0), Diagnostics()
    with pytest.raises(Stopped):
        fit(built(), work_in(tmp_path, recipe, feed=useless), Diagnostics(), first)
    fit(built(), work_in(tmp_path, recipe, feed=useless), diagnostics, second)
    assert [line for line in first.lines if "0.6931" in line]
    assert not [line for line in second.lines if "0.6931" in line]
    assert "stuck" in diagnostics.names


def test_predict_takes_any_length():
    model = built()
    inputs, _ = data(count=21)
    logits = predict(model, inputs, 4)
    assert logits.shape == (21, 2)
    assert logits.dtype == np.float32
    assert np.allclose(logits, predict(model, inputs, 21), atol=1e-5)


SMALL = replace(RECIPES["cnn-normalised"].recipe, image_px=32, epochs=2, batch_size=16, precision="f32")


def numbers_in(graph):
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(graph).graph.initializer]
    return sorted((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def fitted(context):
    from pawsight.training.networks import train_network

    return train_network(context)


@pytest.fixture(scope="module")
def once(context_at, shared_environment):
    return fitted(context_at(shared_environment, SMALL))


def test_it_gives_back_a_graph_its_answers_its_layers_and_its_history(once, context_of):
    assert [epoch.number for epoch in once.history] == [1, 2]
    assert once.parameters[0] == once.parameters[1] == sum(parameters for *_, parameters in once.layers)
    assert [output for _, _, output, _ in once.layers[:3]] == ["32 x 32 x 3", "32 x 32 x 3", "30 x 30 x 32"]
    assert once.features["validation"].shape == (16, 64)
    best = best_epoch(once.history)
    assert once.notes[0].startswith(f"kept epoch {best.number} of 2")
    assert once.notes[1] == "trained in float32"
    truths = context_of(SMALL).labels("validation")
    answers = context_of(SMALL).answers(once.graph, once.features)["validation"]
    measured = (answers.argmax(axis=1) == truths).mean()
    assert measured == pytest.approx(best.val_accuracy, abs=0.07)  # one picture may fall otherwise in bfloat16


def test_the_same_recipe_gives_the_same_numbers_after_other_networks_were_built(once, context_of):
    import keras

    keras.layers.Dense(3)(keras.Input((2,)))
    np.random.default_rng().random(3)
    again = fitted(context_of(SMALL))
    assert [replace(epoch, seconds=0) for epoch in again.history] == [
        replace(entry, seconds=0) for entry in once.history
    ]
    assert numbers_in(again.graph) == numbers_in(once.graph)


def test_bfloat16_is_for_the_gradients_and_the_saved_graph_is_float32(context_of):
    import onnx

    model = fitted(context_of(replace(SMALL, precision="bf16", epochs=1)))
    assert "trained in bfloat16" in model.notes
    kinds = {tensor.data_type for tensor in onnx.load_from_string(model.graph).graph.initializer}
    assert onnx.TensorProto.BFLOAT16 not in kinds
    assert onnx.TensorProto.FLOAT in kinds


@pytest.mark.parametrize(
    ("wanted", "bfloat16", "expected"),
    [("f32", "AMX", "f32"), ("bf16", "", "bf16"), ("auto", "", "f32")],
)
def test_the_arithmetic_is_the_wished_one_or_what_the_processor_is_best_at(wanted, bfloat16, expected):
    from pawsight.training.networks import training_precision

    assert training_precision(wanted, replace(this_machine(), bfloat16=bfloat16)) == expected


def test_labels_that_are_not_the_folders_stop_it_before_the_first_step(context_of):
    context = context_of(SMALL)
    swap = {"cats": "dogs", "dogs": "cats"}
    wrong = tuple(replace(assigned, label=swap[assigned.label]) for assigned in context.split.assigned)
    with pytest.raises(TrainingFailed, match="label that is not their folder's"):
        fitted(replace(context, split=replace(context.split, assigned=wrong)))
    assert list(context.folder.iterdir()) == []


def test_pictures_scaled_twice_stop_it_before_the_first_step(context_of, monkeypatch):
    import keras

    from pawsight.models import keras_networks as networks
    from pawsight.models.keras_networks import import_keras

    import_keras()

    def twice(pictures, scaling):
        once = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pictures)
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=networks.SCALED)(once)

    monkeypatch.setattr(networks, "scale", twice)
    with pytest.raises(TrainingFailed, match=r"is fed -1\.\d+ to -0\.99\d+ "):
        fitted(context_of(SMALL))


HISTORY = (Epoch(1, 0.7, 0.5, 0.69, 0.51, 0.001, 2.0), Epoch(2, 0.6, 0.6, 0.66, 0.55, 0.001, 2.0))


def scalars(place):
    import tensorflow as tf

    (file,) = place.iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag, event.step] = value.simple_value
    return found


def test_every_epoch_has_its_scalars_and_a_second_writing_replaces_the_first(tmp_path):
    write_events(tmp_path, HISTORY[:1])
    write_events(tmp_path, HISTORY)
    train, validation = (scalars(tmp_path / EVENTS / part) for part in ("train", "validation"))
    assert train["loss", 2] == pytest.approx(0.6)
    assert train["learning_rate", 1] == pytest.approx(0.001)
    assert validation["accuracy", 2] == pytest.approx(0.55)
    assert len(train) == 6
    assert len(validation) == 4
