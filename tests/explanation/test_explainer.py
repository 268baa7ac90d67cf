"""Which class, which method; occlusion finds the corner that a made-up graph looks at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pawsight.core.errors import WrongUsage
from pawsight.explanation.explainer import Explainer
from pawsight.explanation.heat import HeatMap
from pawsight.explanation.occlusion import CELLS, occlusion_map

from .conftest import CORNER_PX, EXACT


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


def test_what_speaks_for_one_of_two_classes_speaks_against_the_other(corner_predictor, explainer, speckled):
    for one, labels in (
        (Explainer(corner_predictor, machine=EXACT), ("bright", "dark")),
        (explainer, ("cats", "dogs")),
    ):
        side = one._predictor.bundle.card.decode.image_px
        square = np.resize(speckled, (side, side, 3))
        first, second = (one.explain(square, size=(9, 9), label=label).values for label in labels)
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
        for one in squares:
            nonlocal changed
            changed = changed + (one != square).any(axis=2)
            assert ((one == square) | (one == colour)).all()
        return np.zeros(1000, np.float32)[: (1 + len(_places()))]

    occlusion_map(square, scores)
    assert changed.min() == changed.max()
    assert square.tobytes() == np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).tobytes()


def _places():
    from pawsight.explanation.occlusion import _starts

    return [(row, column) for row in _starts() for column in _starts()]


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


def test_predicting_does_not_compile_the_graph_a_second_time(probe):
    assert Explainer(probe, machine=EXACT)._opened is None


def test_a_network_without_a_mean_has_no_exact_maps(corner_predictor, speckled):
    assert Explainer(corner_predictor).class_maps(speckled) is None


def test_an_unknown_class_is_named_with_those_that_are_known(explainer):
    with pytest.raises(WrongUsage) as told:
        explainer.explain(np.zeros((96, 96, 3), np.uint8), size=(9, 9), label="cows")
    assert "'cows'" in told.value.what
    assert "cats, dogs" in told.value.why


def test_an_unknown_method_is_named_with_those_that_are_known(explainer):
    with pytest.raises(WrongUsage, match="'magic'") as told:
        explainer.check("", "magic")
    assert "auto, cam, occlusion" in told.value.why


def test_a_network_without_a_mean_is_told_to_be_covered_instead(corner_predictor):
    with pytest.raises(WrongUsage) as told:
        Explainer(corner_predictor, machine=EXACT).check("", "cam")
    assert "--method occlusion" in told.value.fix


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
