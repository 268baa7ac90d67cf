"""Slices as lines: what is said where nothing could be tested."""

from __future__ import annotations

import numpy as np

from pawsight.evaluation.report import aligned
from pawsight.evaluation.slices import Judged, SliceKey, measure_slices
from pawsight.jobs.slices import slice_lines, slice_remarks


def test_without_a_slice_that_is_large_enough_that_is_said_and_no_test_is_claimed() -> None:
    judged = [Judged(f"{number}.jpg", "cats", "cats", 0.9) for number in range(4)]
    few = measure_slices(judged, {SliceKey("trait", "dark"): np.array([True, False, False, False])})
    assert few[0].p_holm is None
    for slices in ((), few):
        assert slice_remarks(slices) == ["No slice is large enough to test."]
    assert len(slice_lines(few)) == 2


def test_without_a_slice_there_is_no_table() -> None:
    assert aligned(slice_lines(())) == []
