"""Graphs that are no message at all; those that are and mean harm are in tests/faults."""

from __future__ import annotations

import pytest

from pawsight.classifier.graph_guard import fault_in_graph


@pytest.mark.parametrize(
    "model",
    [b"", b"\x80", b"\xff" * 12, b"\x3a\x05ab", b"\x0b", b"\x0d\x00\x00", b"\x3a\x80"],
    ids=["empty", "half a number", "an endless number", "too short", "a group", "half a float", "half a length"],
)
def test_what_is_no_message_is_no_model(model):
    assert fault_in_graph(model) == "is not an ONNX model"


def test_a_classifier_has_no_fault_and_none_of_its_beginnings_is_one(colour_model):
    assert fault_in_graph(colour_model) == ""
    for size in (1, 2, len(colour_model) // 2, len(colour_model) - 1):
        assert fault_in_graph(colour_model[:size])
