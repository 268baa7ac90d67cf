"""The exam's pictures: drawn once, kept, and the same ever after."""

from __future__ import annotations

import numpy as np
import pytest
from pawsight.training.golden import exam_pictures

from pawsight.core.cache import Cache
from pawsight.training import exam


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "cache") as opened:
        yield opened


def test_they_are_eight_squares_of_the_side_and_all_different(cache):
    pictures = exam_pictures(32, cache)
    assert (pictures.shape, pictures.dtype) == ((8, 32, 32, 3), np.uint8)
    assert len({picture.tobytes() for picture in pictures}) == 8


def test_a_second_call_draws_nothing_and_gives_the_same(cache, monkeypatch):
    drawn = exam_pictures(32, cache)
    monkeypatch.setattr(exam, "draw", None)  # whoever draws now fails
    assert np.array_equal(exam_pictures(32, cache), drawn)


def test_another_side_is_another_exam(cache):
    assert exam_pictures(32, cache).shape != exam_pictures(48, cache).shape == (8, 48, 48, 3)


def test_drawings_of_other_code_are_not_taken(cache, monkeypatch):
    drawn = exam_pictures(32, cache)
    monkeypatch.setattr(exam, "drawing_digest", lambda: "newer")
    monkeypatch.setattr(exam, "_drawn", lambda side: np.zeros((8, *side, 3), np.uint8))
    assert not exam_pictures(32, cache).any()
    assert drawn.any()


def test_an_entry_of_another_length_is_drawn_anew(cache):
    drawn = exam_pictures(32, cache)
    cache.put_many(f"exam/{exam.drawing_digest()}", {"32 px": b"short"})
    assert np.array_equal(exam_pictures(32, cache), drawn)
