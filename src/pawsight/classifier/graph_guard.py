"""Which ONNX graphs may be opened at all, read off their bytes before any library parses them.

Loops and branches can compute for ever, and an operator that makes an array out of a number fills any memory from a
file of a hundred bytes. So only forward operators that classifiers need are allowed. A constant may name any file of
this machine as its content, so constants in other files are refused. The sizes of the arrays between operators are
limited where the graph is compiled, in `engine`.

Wire format: protobuf's documentation. Fields: onnx.proto3 (ModelProto 7 graph, 25 functions; GraphProto 1 node, 5
initializer, 11 input, 15 sparse_initializer; NodeProto 1 input, 2 output, 4 op_type, 7 domain, 5 attribute;
AttributeProto 5 t, 6 g, 10 tensors, 11 graphs, 22 and 23 sparse tensors; TensorProto 13 external_data).
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
_SUBGRAPHS, _TENSORS = (6, 11), (5, 10)
_SPARSE, _SPARSE_CONSTANTS = 15, (22, 23)  # of a graph, of an attribute
_INITIALIZER, _EXTERNAL_DATA = 5, 13
_INPUT, _OUTPUT = 1, 2
_SPARSE_FAULT = "has a sparse constant, which no classifier of Pawsight needs"
_NAMED = {5: 8, 11: 1}  # field of the name in an initializer and in an input of the graph


def fault_in_graph(model: bytes) -> str:
    """Say why an ONNX model is refused, as words that follow the file's name; "" where it is allowed."""
    try:
        parts = list(_fields(memoryview(model)))
        if any(field == _FUNCTIONS for field, _ in parts):
            return "defines operators of its own"
        graphs = [content for field, content in parts if field == _GRAPH]
        if len(graphs) != 1:
            return "is not an ONNX model"
        return _fault_in_constants(graphs[0]) or _fault_in_nodes(graphs[0])
    except ValueError:
        return "is not an ONNX model"


def _fault_in_constants(graph: memoryview) -> str:
    for field, content in _fields(graph):
        if field == _SPARSE:
            return _SPARSE_FAULT
        if field == _INITIALIZER and (fault := _fault_in_tensor(content)):
            return fault
    return ""


def _fault_in_nodes(graph: memoryview) -> str:
    """Check every node; they must stand in the order in which they compute, so that none waits for itself."""
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
            return f"has an operator that needs {_shown(missing[0][:80])} before it is computed"
        known.update(bytes(name) for field, name in _fields(node) if field == _OUTPUT)
        if fault := _fault_in_node(node):
            return fault
    return "" if nodes else "is not an ONNX model"


def _fault_in_node(node: memoryview) -> str:
    kind, domain = b"", b""
    for field, value in _fields(node):
        if field == _OP_TYPE:
            kind = bytes(value)[:80]
        elif field == _DOMAIN:
            domain = bytes(value)[:80]
        elif field == _ATTRIBUTE and (fault := _fault_in_attribute(value)):
            return fault
    if domain not in (b"", b"ai.onnx"):
        return f"uses the operator {_shown(kind)} of {_shown(domain)}, which is not a standard"
    return (
        ""
        if _text(kind) in _FORWARD.split()
        else f"uses the operator {_shown(kind)}, which no classifier of Pawsight needs"
    )


def _fault_in_attribute(attribute: memoryview) -> str:
    for field, value in _fields(attribute):
        if field in _SUBGRAPHS:
            return "has a graph inside its graph, as loops and branches have"
        if field in _SPARSE_CONSTANTS:
            return _SPARSE_FAULT
        if field in _TENSORS and (fault := _fault_in_tensor(value)):
            return fault
    return ""


def _fault_in_tensor(tensor: memoryview) -> str:
    is_elsewhere = any(field == _EXTERNAL_DATA for field, _ in _fields(tensor))
    return "keeps its weights in another file" if is_elsewhere else ""


def _text(name: bytes) -> str:
    return name.decode("ascii", "backslashreposition")


def _shown(name: bytes) -> str:
    return repr(_text(name))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the fields of a message; numbers have no content here.

    Raises:
        ValueError: it is not a message.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 2:
            size, position = _varint(message, position)
        elif kind == 0:
            end, size = _varint(message, position)[1], 0
            position = end
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + size > len(message):
            raise ValueError("it ends early")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends early")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number without end")
