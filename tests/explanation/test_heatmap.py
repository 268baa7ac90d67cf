"""Exact maps add up to the logit and lie on the animal; occlusion finds the corner that a made-up graph looks at."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.predictor import Predictor
from pawsight.core.errors import WrongUsage
from pawsight.explanation.heatmap import MAPS, Explainer, HeatMap, LinearHead, finer, reveal_maps
from pawsight.explanation.occlusion import CELLS, occlusion_map
from pawsight.images.decode import decode
from pawsight.sample import draw_with_place

from .conftest import CORNER_PX, EXACT, predictor_of, with_weights


@pytest.fixture
def speckled():
    return np.random.default_rng(3).integers(0, 256, (CORNER_PX, CORNER_PX, 3), np.uint8)


def test_occlusion_finds_the_corner_that_the_graph_looks_at(corner_predictor, speckled):
    heat = Explainer(corner_predictor, machine=EXACT).explain(speckled, size=(64, 64))
    assert (heat.label, heat.method, heat.bias) == ("bright", "occlusion", 0.0)
    half = CELLS // 2
    assert heat.values.shape == (CELLS, CELLS)
    assert (heat.values[half + 1 :, half + 1 :] > 0).all()
    # A window is wider than a cell, so only cells that share none with the corner are worth exactly nothing.
    np.testing.assert_allclose(heat.values[: half - 3], 0, atol=1e-5)
    np.testing.assert_allclose(heat.values[:, : half - 3], 0, atol=1e-5)
    assert heat.place().startswith("bottom right")
    left, top, right, bottom = heat.box()
    assert left >= 24
    assert top >= 24
    assert right <= 64
    assert bottom <= 64


def test_what_speaks_for_one_of_two_classes_speaks_against_the_other(corner_predictor, probe, speckled):
    for predictor in (corner_predictor, probe):
        side, explainer = predictor.bundle.card.decode.image_px, Explainer(predictor, machine=EXACT)
        square = np.resize(speckled, (side, side, 3))
        first, second = (explainer.explain(square, size=(9, 9), label=label).values for label in predictor.classes)
        np.testing.assert_allclose(first, -second, atol=1e-4)


def test_a_picture_of_one_colour_loses_nothing_by_being_covered():
    seen = []

    def scores(squares):
        seen.extend(squares)
        return np.array([square.sum() for square in seen], np.float32)

    assert not occlusion_map(np.full((20, 20, 3), 9, np.uint8), scores).any()
    assert len(seen) == 1 + (CELLS + 2) ** 2


def test_every_cell_is_covered_as_often_and_by_nothing_but_the_mean_colour():
    square = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    changed = np.zeros((16, 16))
    colour = np.rint(square.mean(axis=(0, 1))).astype(np.uint8)

    def scores(squares):
        nonlocal changed
        given = list(squares)
        for covered in given:
            changed = changed + (covered != square).any(axis=2)
            assert ((covered == square) | (covered == colour)).all()
        return np.zeros(len(given), np.float32)

    occlusion_map(square, scores)
    assert changed.min() == changed.max()
    assert square.tobytes() == np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).tobytes()


@pytest.mark.parametrize("method", ["cam", "occlusion"])
def test_the_same_picture_gives_the_same_map(explainer, probe, method):
    side = probe.bundle.card.decode.image_px
    square = np.random.default_rng(8).integers(0, 256, (side, side, 3), np.uint8)
    first = explainer.explain(square, size=(10, 20), method=method)
    again = Explainer(probe, machine=EXACT).explain(square, size=(10, 20), method=method)
    assert first.values.tobytes() == again.values.tobytes()
    assert first.method == again.method == method


def test_threads_may_share_an_explainer(explainer, probe):
    shared = Explainer(probe, machine=EXACT)  # not opened yet, so that they open it together
    side = probe.bundle.card.decode.image_px
    squares = np.random.default_rng(2).integers(0, 256, (6, side, side, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda square: shared.explain(square, size=(9, 9)).values.tobytes(), squares))
    assert together == [explainer.explain(square, size=(9, 9)).values.tobytes() for square in squares]


def test_the_graph_is_compiled_a_second_time_with_the_first_map_alone(probe, monkeypatch):
    monkeypatch.setattr("pawsight.explanation.heatmap.Engine", None)
    assert Explainer(probe, machine=EXACT).check("cats", "auto") is None


def test_a_network_without_a_mean_has_no_exact_maps(corner_predictor, speckled):
    assert Explainer(corner_predictor).class_maps(speckled) is None


def test_an_unknown_class_is_named_with_those_that_are_known(explainer):
    with pytest.raises(WrongUsage) as error:
        explainer.explain(np.zeros((96, 96, 3), np.uint8), size=(9, 9), label="cows")
    assert "'cows'" in error.value.what
    assert "cats, dogs" in error.value.why


def test_an_unknown_method_is_named_with_those_that_are_known(explainer):
    with pytest.raises(WrongUsage, match="'magic'") as error:
        explainer.check("", "magic")
    assert "auto, cam, occlusion" in error.value.why


def test_a_network_without_a_mean_is_told_to_be_covered_instead(corner_predictor):
    with pytest.raises(WrongUsage) as error:
        Explainer(corner_predictor, machine=EXACT).check("", "cam")
    assert "--method occlusion" in error.value.fix


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [(0, 0, "top left"), (3, 3, "centre"), (3, 7, "middle right"), (7, 4, "bottom centre"), (0, 7, "top right")],
)
def test_a_place_has_a_name(row, column, words):
    values = np.full((8, 8), -1, np.float32)
    values[row, column] = 5
    heat = HeatMap("cats", values, 0.0, "cam", (800, 400))
    assert heat.place().split(",")[0] == words
    left, top, right, bottom = heat.box()
    assert left - 30 <= 100 * column + 50 <= right + 30
    assert top - 15 <= 50 * row + 25 <= bottom + 15


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
    heads = []
    engine = Engine(
        probe.bundle.model,
        image_px=probe.bundle.card.decode.image_px,
        precision="f32",
        streams=1,
        change=lambda graph: heads.append(reveal_maps(graph)),
    )
    (head,) = heads
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
    head = LinearHead(weights, np.zeros(3, np.float32), 0, np.arange(5))
    np.testing.assert_allclose(
        head.class_maps(maps).mean(axis=(1, 2)), maps.mean(axis=(1, 2)) @ weights, atol=1e-4, rtol=1e-4
    )
    last = LinearHead(weights, np.zeros(3, np.float32), 2, np.arange(5))
    np.testing.assert_allclose(last.class_maps(maps.transpose(1, 2, 0)), head.class_maps(maps), atol=1e-5)


def test_of_several_depths_the_deepest_has_places_and_all_add_up_to_the_logit(probe, drawings_with_places):
    from pawsight.models.efficientnet_lite import backbone_onnx
    from pawsight.models.graph import append_head

    rng, px = np.random.default_rng(0), probe.bundle.card.decode.image_px
    channels = np.array([3, 40, 41, 5000, 18000, 19200, 19201, 20000])  # 18000 is a maximum of the deepest maps
    weights, bias = rng.normal(size=(len(channels), 2)).astype(np.float32), np.float32([1, -1])
    graph = append_head(backbone_onnx("efficientnet-lite0", px, channels), weights, bias, classes=probe.classes)
    explainer = Explainer(predictor_of(graph, probe.bundle, classes=probe.classes, image_px=px), machine=EXACT)
    _, square, *_ = drawings_with_places[0]
    features = Engine(graph, image_px=px, precision="f32", streams=1).run_all(square[None])["features"][0]
    maps, placeless = explainer.class_maps(square)
    assert maps.shape == (2, 3, 3)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + placeless, features @ weights + bias, atol=1e-4)
    np.testing.assert_allclose(placeless, features[:5] @ weights[:5] + bias, atol=1e-4)


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
    from pawsight.models.efficientnet_lite import backbone_onnx
    from pawsight.models.graph import append_head
    from pawsight.training.features import FeatureTable
    from pawsight.training.probe import fit_head

    backbone = backbone_onnx("efficientnet-lite0", 192)
    decode_at = replace(probe.bundle.card.decode, image_px=192)
    learnt = [drawn(index, decode_at, part="train") for index in range(60)]
    engine = Engine(backbone, image_px=192, precision="f32", streams=EXACT.cores)
    features = engine.run_all(np.stack([square for _, square, *_ in learnt]))["features"]
    labels = np.array([probe.classes.index(label) for label, *_ in learnt])
    table = FeatureTable(features, {"last": np.arange(1280)})
    head = fit_head(table, labels, classes=2, folds=3, seed=0)
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
        one, two = (item.explain(square, size=size, label="cats").values for item in (explainer, other))
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
