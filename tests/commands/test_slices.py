"""Slices as lines: what is said where nothing could be tested."""

from __future__ import annotations

from typing import Any

import numpy as np
from syrupy.assertion import SnapshotAssertion

from pawsight.commands.slices import slice_lines, slice_remarks
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.metrics import aligned
from pawsight.evaluation.slices import Judged, Slice, SliceKey, measure_slices


def test_without_a_slice_that_is_large_enough_that_is_said_and_no_test_is_claimed(
    snapshot: SnapshotAssertion,
) -> None:
    judged = [Judged(f"{number}.jpg", "cats", "cats", 0.9) for number in range(4)]
    few = measure_slices(judged, {SliceKey("trait", "dark"): np.array([True, False, False, False])})
    assert few[0].p_holm is None
    assert slice_remarks(()) == slice_remarks(few) == snapshot
    assert len(slice_lines(few)) == 2


def test_without_a_slice_there_is_no_table() -> None:
    assert aligned(slice_lines(())) == []


def one_slice(**changes: Any) -> Slice:
    values = {
        "name": "dark", "kind": "trait", "pictures": 9, "right": 5, "accuracy": 5 / 9, "interval": Interval(0.3, 0.8),
        "rest_accuracy": 0.9, "difference": -34.4, "p_value": 0.001, "p_holm": 0.002, "verdict": "worse",
        "worst": (Judged("a.jpg", "cats", "dogs", 0.99),),
    }  # fmt: skip
    return Slice(**(values | changes))


def test_slices_that_are_worse_are_named_with_their_surest_mistakes(snapshot: SnapshotAssertion) -> None:
    as_good = one_slice(name="bright", verdict="tie", worst=())
    assert slice_remarks([as_good, one_slice()]) == snapshot
    assert aligned(slice_lines([as_good, one_slice()])) == snapshot


def test_where_none_is_worse_it_is_said_how_that_was_tested(snapshot: SnapshotAssertion) -> None:
    assert slice_remarks([one_slice(verdict="tie", p_holm=1.0)] * 2) == snapshot
