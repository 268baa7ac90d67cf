"""Graphs that are no message at all; those that are and mean harm are in tests/faults."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

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


def with_constant(colour_model, *, in_a_node, sparse=False):
    """The classifier with one more constant: from another file, or sparse."""
    model = onnx.load_from_string(colour_model)
    tensor = TensorProto(name="more", data_type=TensorProto.FLOAT, dims=[3])
    if not sparse:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/hostname")
    constant = onnx.SparseTensorProto(values=tensor, dims=[3])
    if in_a_node:
        value = {"sparse_value": constant} if sparse else {"value": tensor}
        model.graph.node.insert(0, helper.make_node("Constant", [], ["more"], **value))
    elif sparse:
        model.graph.sparse_initializer.append(constant)
    else:
        model.graph.initializer.append(tensor)
    return model.SerializeToString()


@pytest.mark.parametrize("in_a_node", [False, True])
def test_a_constant_in_another_file_is_refused_before_that_is_opened(colour_model, in_a_node):
    assert "another file" in fault_in_graph(with_constant(colour_model, in_a_node=in_a_node))
    assert "sparse" in fault_in_graph(with_constant(colour_model, in_a_node=in_a_node, sparse=True))
