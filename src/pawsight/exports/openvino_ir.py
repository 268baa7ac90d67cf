"""OpenVINO's own format: model.xml, the graph, and model.bin, the weights as they are.

Enters: an `Order`. Leaves: the two files. Does not know: who runs them.

OpenVINO halves the weights to float16 unless it is told not to; here it is told, so that the exam holds to 1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pawsight.classifier.engine import openvino_core
from pawsight.exports.facts import as_metadata, facts_of
from pawsight.exports.target import Order


def make_openvino(order: Order, places: Mapping[str, Path]) -> None:
    """Write graph and weights; the metadata stands under `rt_info/pawsight` in the .xml."""
    import openvino

    model = openvino_core().read_model(order.onnx, b"")
    for name, value in as_metadata(facts_of(order)).items():
        model.set_rt_info(value, ["pawsight", name])
    openvino.save_model(model, str(places["openvino"]), compress_to_fp16=False)
