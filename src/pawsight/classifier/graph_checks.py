"""What an ONNX graph is made of, read off its bytes before any library opens it.

Enters: the bytes of a model. Leaves: the first thing in it that no classifier needs, in words; or nothing. Does not
know: OpenVINO, the onnx package, bundles.

A graph is no program as long as it only flows forwards: loops and branches can compute for ever, and an operator that
makes an array out of a number fills any memory from a file of a hundred bytes. So only operators that are known to be
neither are let in. How large the arrays between them are is checked where the graph is compiled (engine.py).

Wire format: protobuf's own documentation; fields: onnx.proto3 (ModelProto 7 graph, 25 functions; GraphProto 1 node, 5
initializer, 11 input; NodeProto 1 input, 2 output, 4 op_type, 7 domain, 5 attribute; AttributeProto 6 g, 11 graphs).
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_NODES = 100_000
_FORWARD = """
    Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv DequantizeLinear Div Dropout
    Elu Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax MatMul Max MaxPool Mean Min Mul Neg Not Or And PRelu Pad Pow QuantizeLinear Reciprocal ReduceL2
    ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid Slice
    Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""
_GRAPH, _FUNCTIONS, _NODE, _OP_TYPE, _ATTRIBUTE, _DOMAIN = 7, 25, 1, 4, 5, 7
_SUBGRAPHS = (6, 11)
_INPUT, _OUTPUT = 1, 2
_NAMED = {5: 8, 11: 1}  # where an initializer and an input of the graph say their names


def fault_in_graph(model: bytes) -> str:
    """Say what in an ONNX model no classifier needs, in words that follow its name; "" when nothing is."""
    try:
        return _fault(memoryview(model))
    except ValueError:
        return "is no ONNX model"


def _fault(model: memoryview) -> str:
    graphs = [content for field, content in _fields(model) if field == _GRAPH]
    if any(field == _FUNCTIONS for field, _ in _fields(model)):
        return "defines operators of its own"
    return _fault_in_nodes(graphs[0]) if len(graphs) == 1 else "is no ONNX model"


def _fault_in_nodes(graph: memoryview) -> str:
    """Look at every node; they must stand in the order in which they compute, so that none waits for itself."""
    known, nodes = {b""}, []
    for field, content in _fields(graph):
        if field == _NODE:
            nodes.append(content)
        elif field in _NAMED:
            known.update(bytes(name) for inner, name in _fields(content) if inner == _NAMED[field])
    if len(nodes) > MAX_NODES:
        return f"has more than {MAX_NODES:,} operators"
    for node in nodes:
        given = [bytes(name) for field, name in _fields(node) if field == _INPUT]
        if missing := [name for name in given if name not in known]:
            return f"has an operator that needs {_shown(missing[0][:80])} before it is there"
        known.update(bytes(name) for field, name in _fields(node) if field == _OUTPUT)
        if fault := _fault_in_node(node):
            return fault
    return "" if nodes else "is no ONNX model"


def _fault_in_node(node: memoryview) -> str:
    kind, domain = b"", b""
    for field, value in _fields(node):
        if field == _OP_TYPE:
            kind = bytes(value)[:80]
        elif field == _DOMAIN:
            domain = bytes(value)[:80]
        elif field == _ATTRIBUTE and any(inner in _SUBGRAPHS for inner, _ in _fields(value)):
            return "has a graph inside its graph, as loops and branches have"
    if domain not in (b"", b"ai.onnx"):
        return f"uses the operator {_shown(kind)} of {_shown(domain)}, which is nobody's standard"
    return (
        ""
        if _text(kind) in _FORWARD.split()
        else f"uses the operator {_shown(kind)}, which no classifier of Pawsight needs"
    )


def _text(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _shown(name: bytes) -> str:
    return repr(_text(name))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the fields of a message; numbers have no content here.

    Raises:
        ValueError: it is no message.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 2:
            size, place = _varint(message, place)
        elif kind == 0:
            end, size = _varint(message, place)[1], 0
            place = end
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + size > len(message):
            raise ValueError("it ends early")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("it ends early")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without end")
