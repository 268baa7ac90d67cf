"""What the frozen network sees: each augmented view once, kept on disk, the same after a stop."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.core.progress import Silent
from pawsight.models.graph import mean_colour_graph
from pawsight.models.recipes import Recipe
from pawsight.training.networks import augmentation_of, view
from pawsight.training.transfer import FOLDER, VIEWS, Views

RECIPE = Recipe(
    name="mobilenet",
    method="transfer",
    backbone="mobilenet-v2",
    image_px=32,
    epochs=7,
    rotation=0.2,
    flip_vertical=True,
)
HALF = 1e-3  # half precision keeps eleven bits


class Counting(Silent):
    def __init__(self):
        self.names = []

    def stage(self, name, total, unit=""):
        self.names.append((name, total, unit))
        return super().stage(name, total, unit)


@pytest.fixture
def context(context_of):
    return context_of(RECIPE, progress=Counting())


@pytest.fixture
def graph():
    """Frozen network that sees the mean colour."""
    return mean_colour_graph(32)


def test_an_epoch_s_maps_are_those_of_its_augmented_pictures_in_their_order(context, graph):
    pixels, how = context.pixels("train"), augmentation_of(RECIPE)
    for epoch in (0, 3):
        maps = Views(graph, context).of_epoch(epoch)
        seen = [view(pixels[row], how, seed=RECIPE.seed, epoch=epoch, row=row) for row in range(len(pixels))]
        expected = np.stack(seen).mean(axis=(1, 2))
        assert (maps.shape, maps.dtype) == ((len(pixels), 3), np.float16)
        assert np.allclose(maps, expected, rtol=1e-2 if context.precision == "bf16" else HALF)


def test_the_epochs_take_turns_among_the_views_and_each_is_made_once(context, graph):
    views = Views(graph, context)
    maps = [np.array(views.of_epoch(epoch)) for epoch in range(2 * VIEWS)]
    for epoch in range(VIEWS):
        assert np.array_equal(maps[epoch], maps[epoch + VIEWS])
    assert len({table.tobytes() for table in maps}) == VIEWS
    stages = [stage for stage in context.env.progress.names if stage[0].startswith("Seeing")]
    assert stages == [(f"Seeing view {number + 1} of {VIEWS}", len(maps[0]), "pictures") for number in range(VIEWS)]


def test_views_that_are_there_are_used_again_after_a_stop(context, graph):
    before = np.array(Views(graph, context).of_epoch(1))
    context.env.progress.names.clear()
    assert np.array_equal(Views(graph, context).of_epoch(1), before)
    assert not [stage for stage in context.env.progress.names if stage[0].startswith("Seeing")]


def test_a_view_has_its_name_only_when_it_is_whole(context, graph, monkeypatch):
    folder, views = context.folder / FOLDER, Views(graph, context)
    monkeypatch.setattr(views, "_augmented", lambda number: iter(1 / 0 for _ in range(1)))
    with pytest.raises(ZeroDivisionError):
        views.of_epoch(0)
    assert list(folder.iterdir()) == []
    Views(graph, context).of_epoch(0)
    assert [path.name for path in folder.iterdir()] == ["0.npy"]


def test_held_out_pictures_are_seen_as_they_are_and_rounded_alike(context, graph):
    pixels = context.pixels("validation")
    maps = Views(graph, context).of_held_out(pixels)
    assert maps.dtype == np.float16
    allowed = 1e-2 if context.precision == "bf16" else HALF
    assert np.allclose(maps, np.asarray(pixels).mean(axis=(1, 2)), rtol=allowed)


def test_the_maps_lie_on_disk_and_not_in_memory(context, graph):
    maps = Views(graph, context).of_epoch(0)
    assert isinstance(maps, np.memmap)
    assert not maps.flags.writeable
