"""Keras, SavedModel and LiteRT: the bundle's graph rebuilt from Keras's stock layers, in a process of its own.

Enters: an `Order`. Leaves: model.keras, the folder model/, model.tflite, as wanted. Does not know: TensorFlow.

The format .keras has no place for more than its own; a SavedModel carries pawsight.json in assets.extra/, as the format
foresees. A .tflite may have files appended as a zip, as its metadata does with lists of labels: pawsight.json and
labels.txt lie there.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pawsight.core.errors import ExportRefused
from pawsight.core.storage import scratch_folder, write_json
from pawsight.exports.children import run_maker
from pawsight.exports.facts import FACTS, facts_of
from pawsight.exports.target import Order
from pawsight.reports.words import visible

LABELS = "labels.txt"
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # so that equal models are equal files


def make_keras_family(order: Order, places: Mapping[str, Path]) -> None:
    """Write what is wanted of the three.

    Raises:
        ExportRefused: the graph has something that no stock layer is known for.
    """
    facts = facts_of(order)
    with scratch_folder() as folder:
        source = folder / "model.onnx"
        source.write_bytes(order.onnx)
        words = [word for name, place in places.items() for word in (name, place)]
        if complaint := run_maker("make_keras", source, *words):
            raise ExportRefused(
                f"The export to {', '.join(places)} is refused: the model cannot be rebuilt in Keras.",
                f"The converter says: {complaint}",
                "Export to onnx or openvino, which hold any model.",
            )
    if "saved-model" in places:
        write_json(places["saved-model"] / "assets.extra" / FACTS, facts)
    if "litert" in places:
        _append(places["litert"], facts)


def _append(model: Path, facts: Mapping[str, Any]) -> None:
    labels = "".join(f"{visible(name)}\n" for name in facts["classes"])
    with zipfile.ZipFile(model, "a", zipfile.ZIP_STORED) as archive:
        for name, text in ((FACTS, json.dumps(facts, indent=2)), (LABELS, labels)):
            archive.writestr(zipfile.ZipInfo(name, _NO_DATE), text)
