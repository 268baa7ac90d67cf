"""The target openvino: model.xml, the graph, and model.bin, the weights.

By default OpenVINO rounds weights to float16. Here they stay float32, so that the self-test holds to 1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pawsight.classifier.engine import openvino_core
from pawsight.exports.export_context import ExportContext, as_text, metadata_of


def make_openvino(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write graph and weights; the metadata is under `rt_info/pawsight` in the .xml."""
    import openvino

    model = openvino_core().read_model(context.onnx, b"")
    for name, value in as_text(metadata_of(context)).items():
        model.set_rt_info(value, ["pawsight", name])
    openvino.save_model(model, str(paths["openvino"]), compress_to_fp16=False)
