"""TFLite metadata, which tells a phone's libraries how to feed a .tflite file and what its outputs are called.

The format is Google's (https://ai.google.dev/edge/litert/models/metadata): a FlatBuffer inside the model, and files in
a zip appended to it. Its writers come with MediaPipe (a camera and drawing library) or tflite-support (not built for
today's Python), so the few tables that are needed are written here; numbers are fields of metadata_schema.fbs 1.5.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LABELS = "labels.txt"
_IDENTIFIER, _MODEL_IDENTIFIER, _ENTRY = b"M001", b"TFL3", "TFLITE_METADATA"
_RGB, _AXIS_LABELS = np.int8(1), np.int8(2)  # ColorSpaceType, AssociatedFileType
_FEATURE, _IMAGE, _NORMALIZATION = np.uint8(1), np.uint8(2), np.uint8(1)  # ContentProperties, ProcessUnitOptions
_ABOUT = {
    "probabilities": "probability of each class, in the order of labels.txt",
    "features": "features of the backbone, for search and clustering",
    "unlikeness": "out-of-distribution score; its limit is unlike_anything_seen_above in pawsight.json",
}


def with_tflite_metadata(model: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Return a .tflite model whose first output is the probabilities, with TFLite metadata.

    Args:
        model: a model of one subgraph with one signature.
        metadata: of `metadata_of`; the files that it names are appended by the caller.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
        """Aligns weights to 16 bytes as the schema says (`force_align`), which the generated code leaves out."""

        def StartVector(self, size: int, count: int, alignment: int) -> Any:  # noqa: N802  # the library's name
            return super().StartVector(size, count, 16 if size == 1 else alignment)

    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    names = {output.tensorIndex: output.name.decode() for output in unpacked.signatureDefs[0].outputs}
    order = list(metadata["outputs"])
    graph = unpacked.subgraphs[0]
    graph.outputs = sorted(graph.outputs, key=lambda index: order.index(names[index]))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    outputs = [names[index] for index in graph.outputs]
    buffer.data = np.frombuffer(tflite_metadata(metadata, outputs), np.uint8)
    entry.name, entry.buffer = _ENTRY, len(unpacked.buffers)
    unpacked.buffers.append(buffer)
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    builder = AlignedBuilder(len(model))
    builder.Finish(unpacked.Pack(builder), _MODEL_IDENTIFIER)
    return bytes(builder.Output())


def tflite_metadata(metadata: Mapping[str, Any], outputs: list[str]) -> bytes:
    """Return the FlatBuffer `ModelMetadata` for a model with these outputs, in the order of the model."""
    import flatbuffers

    picture = {
        0: metadata["input"]["name"],
        1: "; ".join(metadata["decode"]["steps"]),
        3: {0: _IMAGE, 1: {0: _RGB}},
        # The model scales the values itself, so nothing is subtracted and the divisor is 1.
        4: [{0: _NORMALIZATION, 1: {0: np.zeros(1, np.float32), 1: np.ones(1, np.float32)}}],
        5: {0: np.full(1, 255, np.float32), 1: np.zeros(1, np.float32)},
    }
    labels = {0: LABELS, 1: "class names, one a line", 2: _AXIS_LABELS}
    tensors = [
        {0: name, 1: _ABOUT[name], 3: {0: _FEATURE, 1: {}}} | ({6: [labels]} if name == "probabilities" else {})
        for name in outputs
    ]
    tables = {
        0: f"Pawsight {metadata['recipe'].get('name', 'classifier')}",
        1: f"Classifies pictures into {len(metadata['classes'])} classes.",
        2: metadata["created"],
        3: [{2: [picture], 3: tensors}],
        5: metadata["licence"],
        6: [{0: "pawsight.json", 1: "class names, decoding and thresholds, as JSON"}],
        7: "1.0.0",  # the parser that is needed
    }
    builder = flatbuffers.Builder(1024)
    builder.Finish(_written(builder, tables), _IDENTIFIER)
    return bytes(builder.Output())


def _written(builder: Any, value: Any) -> int:
    """Write a string, numbers, a list of tables or a table ({field: value}), children first; return its offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, list):
        offsets = [_written(builder, item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    fields = {field: item if isinstance(item, np.integer) else _written(builder, item) for field, item in value.items()}
    builder.StartObject(max(fields, default=-1) + 1)
    for field, item in fields.items():
        if isinstance(item, np.uint8):
            builder.PrependUint8Slot(field, int(item), 0)
        elif isinstance(item, np.int8):
            builder.PrependInt8Slot(field, int(item), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, item, 0)
    return int(builder.EndObject())
