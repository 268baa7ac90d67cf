"""One contract over every rung of the ladder: what the table says of it is so, and what it trains keeps its promises."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.models.graph import OOD_SCORE
from pawsight.models.recipes import RECIPES, RecipeOptions, make_recipe, recipe_from_toml

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")

RANDOM = ("random", "bernoulli", "dropout", "multinomial", "shuffle")
EPOCHS = 1


@pytest.fixture(scope="module", params=RECIPES)
def name(request):
    """Each rung's name, with its tests kept together: so two workers of pytest-xdist seldom train the same one."""
    return request.param


@dataclass(frozen=True)
class Trial:
    """A rung trained small."""

    outcome: object
    model: bytes


def small(name):
    """The rung at a size at which it takes no time."""
    recipe = make_recipe(name, RecipeOptions(epochs=EPOCHS if RECIPES[name].recipe.epochs else None))
    if recipe.method == "probe":
        return replace(recipe, backbone="efficientnet-lite0", image_px=96, batch_size=16)
    return replace(recipe, image_px=32, batch_size=8)


@pytest.fixture(scope="module")
def data(drawings, tmp_path_factory):
    """Sixteen drawings to learn from and twelve to be measured on."""
    folder = tmp_path_factory.mktemp("contract") / "data"
    for part, count in (("train", 8), ("validation", 6)):
        for kind in ("cats", "dogs"):
            (folder / part / kind).mkdir(parents=True)
            for path in sorted((drawings / part / kind).iterdir())[:count]:
                shutil.copy(path, folder / part / kind)
    swapped = shutil.copytree(folder, folder.with_name("swapped"))
    (swapped / "validation" / "cats").rename(swapped / "validation" / "foxes")
    (swapped / "validation" / "dogs").rename(swapped / "validation" / "cats")
    (swapped / "validation" / "foxes").rename(swapped / "validation" / "dogs")
    return folder, swapped


@pytest.fixture(scope="module")
def trials(data, mobilenet_weights, tmp_path_factory):
    """Every rung, trained when it is first asked for."""
    from pawsight.core.machine import this_machine
    from pawsight.data.sources import resolve
    from pawsight.training.context import RunEnvironment
    from pawsight.training.run import train_run

    place = tmp_path_factory.mktemp("trials")
    made = {}

    def run(name, folder):
        weights = mobilenet_weights if name == "mobilenet" else None
        work = RunEnvironment(place / name, place / "cache", this_machine(), SILENT, Stopwatch(), weights)
        return train_run(resolve(folder, cache=place / "cache"), small(name), work, held_out=("validation",))

    def trial(name, folder=data[0]):
        if (name, folder) not in made:
            outcome = run(name, folder)
            made[name, folder] = Trial(outcome, (outcome.folder / "bundle" / "model.onnx").read_bytes())
        return made[name, folder]

    return trial


def test_a_rung_s_recipe_survives_toml(name):
    recipe = RECIPES[name].recipe
    assert recipe_from_toml(recipe.to_toml()) == recipe
    assert recipe_from_toml(small(name).to_toml()) == small(name)


def test_a_rung_says_what_to_expect_where_it_was_measured_and_how_often(name):
    plain = json.loads(json.dumps(RECIPES[name].to_json(), allow_nan=False))
    expected = plain["expected"]
    low, high = expected["accuracy"]
    assert set(expected) == {"seconds", "accuracy", "machine", "runs"}
    assert expected["seconds"] > 0
    assert 0 < low <= high <= 1
    assert expected["machine"]
    assert expected["runs"] >= 3
    assert plain["name"] == name


def test_a_rung_s_parameters_are_those_that_its_arrays_hold_for_two_classes(name, mobilenet_weights):
    assert RECIPES[name].parameters == counted(RECIPES[name].recipe, mobilenet_weights)


def counted(recipe, weights):
    from pawsight.models.keras_networks import import_keras

    import_keras()
    import keras

    if recipe.method == "majority":
        return 2, 0  # a share for each class, counted and not learnt
    if recipe.method == "network":
        from pawsight.models.keras_networks import build_network

        return totals(build_network(recipe, classes=2, precision="f32"))
    if recipe.method == "transfer":
        from pawsight.models.keras_networks import build_mobilenet, build_top

        frozen = build_mobilenet(image_px=recipe.image_px, weights=weights)
        top = build_top(frozen.output.shape[1:], classes=2, seed=0)
        return totals(keras.Model(frozen.input, top(frozen.output)))
    from pawsight.models.backbones import find_backbone
    from pawsight.models.efficientnet_lite import published_weights

    backbone = find_backbone(recipe.backbone)
    head = 2 * (backbone.feature_dim + 1)
    frozen = sum(array.size for arrays in published_weights(backbone).values() for array in arrays)
    return frozen + head, head


def totals(model):
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return model.count_params(), trainable


def test_the_exercise_s_two_networks_have_the_parameters_that_it_prints():
    assert RECIPES["cnn"].parameters == (1_355_938, 1_355_938)
    total, trainable = RECIPES["mobilenet"].parameters
    assert (total, trainable, total - trainable) == (4_306_178, 2_048_194, 2_257_984)


def test_a_rung_trains_and_tells_what_it_did(name, trials):
    fitted = trials(name).outcome.model
    assert len(fitted.history) == (EPOCHS if small(name).epochs else 0)
    shares = fitted.probabilities["validation"]
    assert shares.shape == (len(trials(name).outcome.labels["validation"]), 2)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert list(fitted.probabilities) == ["validation"]
    total, trainable = fitted.parameters
    assert 0 <= trainable <= total
    if name != "majority":
        assert sum(parameters for *_, parameters in fitted.layers) == total


def test_a_rung_writes_a_bundle_that_passes_its_exam_and_predicts(name, trials, drawings):
    from pawsight.classifier.predictor import load_predictor

    outcome = trials(name).outcome
    predictor = load_predictor(outcome.folder / "bundle")  # sits the exam
    pictures = sorted((drawings / "validation" / "dogs").iterdir())[:3]
    answers = predictor.predict(pictures)
    assert [answer.error for answer in answers] == [None] * 3
    for answer in answers:
        assert answer.label in ("cats", "dogs", "unfamiliar")
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert read_bundle(outcome.folder / "bundle").card.recipe == small(name).to_dict()


def test_the_bundle_answers_as_the_rung_was_measured(name, trials):
    from pawsight.classifier.predictor import load_predictor

    outcome = trials(name).outcome
    part = outcome.split.part("validation")
    places = {picture.name: picture.path for picture in outcome.dataset.pictures}
    answers = load_predictor(outcome.folder / "bundle").predict([places[item.name] for item in part])
    given = [[answer.probabilities[label] for label in outcome.dataset.classes] for answer in answers]
    assert np.array_equal(np.array(given, np.float32), outcome.model.probabilities["validation"])


def test_the_saved_graph_takes_bytes_and_gives_probabilities_and_features(name, trials):
    import onnx

    from pawsight.classifier.engine import Engine

    content, side = trials(name).model, small(name).image_px
    graph = onnx.load_from_string(content).graph
    (pictures,) = graph.input
    assert pictures.name == "pictures"
    assert pictures.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    scores = [OOD_SCORE] if trials(name).outcome.trust.detector else []
    assert [item.name for item in graph.output] == ["probabilities", "features", *scores]
    squares = np.random.default_rng(2).integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    outputs = Engine(content, image_px=side, precision="f32", streams=1).run_all(squares)
    assert outputs["probabilities"].shape == (5, 2)
    assert outputs["probabilities"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert outputs["features"].ndim == 2
    assert np.isfinite(outputs["features"]).all()


def test_nothing_random_and_no_augmentation_is_in_the_saved_graph(name, trials):
    import onnx

    operations = {node.op_type for node in every_node(onnx.load_from_string(trials(name).model))}
    assert operations
    assert not [kind for kind in operations if any(word in kind.lower() for word in RANDOM)]
    assert not operations & {"GridSample", "AffineGrid", "Resize", "ReverseSequence", "If", "Loop", "Scan"}


def every_node(model):
    """All nodes, those of functions and of subgraphs included."""
    import onnx

    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                waiting.extend(attribute.g.node)


@pytest.mark.parametrize("name", ["majority", "cnn", "mobilenet", "probe"], indirect=True)
def test_labels_of_validation_never_fit_a_weight(name, trials, data):
    """One rung a method. One epoch leaves no choice between epochs; so exchanged labels must leave all weights as they are."""
    assert numbers_in(trials(name).model) == numbers_in(trials(name, data[1]).model)


def numbers_in(model):
    """The numbers in a graph, sorted: the converter orders them as it likes."""
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer]
    return sorted((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def test_a_finished_rung_leaves_no_views_and_nothing_half_written(name, trials):
    names = [path.name for path in trials(name).outcome.folder.rglob("*")]
    assert not [item for item in names if item.endswith(".part") or item == "views"]
