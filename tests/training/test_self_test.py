"""The pictures of the golden outputs: drawn once, cached, and always the same."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.training import self_test
from pawsight.training.self_test import golden_pictures


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "cache") as opened:
        yield opened


def test_they_are_eight_squares_of_the_side_and_all_different(cache):
    pictures = golden_pictures(32, cache)
    assert (pictures.shape, pictures.dtype) == ((8, 32, 32, 3), np.uint8)
    assert len({picture.tobytes() for picture in pictures}) == 8


def test_a_second_call_draws_nothing_and_gives_the_same(cache, monkeypatch):
    drawn = golden_pictures(32, cache)
    monkeypatch.setattr(self_test, "draw", None)  # drawing fails from here on
    assert np.array_equal(golden_pictures(32, cache), drawn)


def test_another_side_gives_other_pictures(cache):
    assert golden_pictures(32, cache).shape != golden_pictures(48, cache).shape == (8, 48, 48, 3)


def test_drawings_of_other_code_are_not_taken(cache, monkeypatch):
    drawn = golden_pictures(32, cache)
    monkeypatch.setattr(self_test, "drawing_digest", lambda: "newer")
    monkeypatch.setattr(self_test, "draw", lambda *_, **__: Image.new("RGB", (9, 9)))
    assert not golden_pictures(32, cache).any()
    assert drawn.any()


def test_an_entry_of_another_length_is_drawn_anew(cache):
    drawn = golden_pictures(32, cache)
    cache.put_many(f"exam/{self_test.drawing_digest()}", {"32 px": b"short"})
    assert np.array_equal(golden_pictures(32, cache), drawn)
