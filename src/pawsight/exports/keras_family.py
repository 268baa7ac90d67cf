"""The targets keras, saved-model and litert: the graph rebuilt from stock Keras layers, in a process of its own.

subprocesses/make_keras.py makes the files. A SavedModel has pawsight.json in assets.extra/, which the format reserves
for it. A .tflite may have a zip appended, as its own metadata does: pawsight.json and labels.txt are in it. A .keras
file has no place for metadata.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pawsight.core.errors import ExportRefused
from pawsight.core.storage import scratch_folder, write_json
from pawsight.core.text import visible
from pawsight.exports.export_context import METADATA_FILE, ExportContext, metadata_of
from pawsight.exports.subprocesses import run_maker

LABELS = "labels.txt"
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # so that equal models are equal files


def make_keras_family(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write those of the three that have a path.

    Raises:
        ExportRefused: the graph has an operator without a stock layer.
    """
    metadata = metadata_of(context)
    with scratch_folder() as folder:
        source = folder / "model.onnx"
        source.write_bytes(context.onnx)
        arguments = [argument for name, path in paths.items() for argument in (name, path)]
        if error := run_maker("make_keras", source, *arguments):
            raise ExportRefused(
                f"The export to {', '.join(paths)} is refused: the model cannot be rebuilt in Keras.",
                f"The converter says: {error}",
                "Export to onnx or openvino, which hold any model.",
            )
    if "saved-model" in paths:
        write_json(paths["saved-model"] / "assets.extra" / METADATA_FILE, metadata)
    if "litert" in paths:
        labels = "".join(f"{visible(name)}\n" for name in metadata["classes"])
        with zipfile.ZipFile(paths["litert"], "a", zipfile.ZIP_STORED) as archive:
            for name, text in ((METADATA_FILE, json.dumps(metadata, indent=2)), (LABELS, labels)):
                archive.writestr(zipfile.ZipInfo(name, _NO_DATE), text)
