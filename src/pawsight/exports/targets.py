"""The table of export formats, and the functions that write a model file. A new format is a row and a function here.

The page for browsers is in web_page.py, the model card in model_card.py.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pawsight.classifier.engine import openvino_core
from pawsight.core.errors import ExportRefused, WrongUsage, require_extra
from pawsight.core.storage import scratch_folder, write_bytes, write_json
from pawsight.core.text import visible
from pawsight.exports.export_context import (
    METADATA_FILE,
    REDUCED,
    ExportContext,
    Target,
    as_text,
    metadata_of,
    with_metadata,
)
from pawsight.exports.litert_metadata import LABELS, with_tflite_metadata
from pawsight.exports.model_card import make_card
from pawsight.exports.subprocesses import run_maker
from pawsight.exports.web_page import MODEL, PAGE, make_web

_NO_DATE = (1980, 1, 1, 0, 0, 0)  # so that equal models are equal files
_TENSORFLOW = ("onnx", "keras", "tensorflow")


def make_onnx(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write the bundle's own graph with its metadata.

    Opset 17 (18 for `majority`), one file without external data. Input `pictures` uint8 (N, H, W, 3), with N free, H
    and W fixed. Outputs `probabilities` float32 (N, C), `features` float32 (N, D) and, with an out-of-distribution
    detector, `unlikeness` float32 (N,).
    """
    write_bytes(paths["onnx"], with_metadata(context.onnx, metadata_of(context)))


def make_openvino(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write graph and weights; the metadata is under `rt_info/pawsight` in the .xml.

    By default OpenVINO rounds weights to float16. Here they stay float32, so that the self-test holds to 1e-3.
    """
    import openvino

    model = openvino_core().read_model(context.onnx, b"")
    for name, value in as_text(metadata_of(context)).items():
        model.set_rt_info(value, ["pawsight", name])
    openvino.save_model(model, str(paths["openvino"]), compress_to_fp16=False)


def make_keras_family(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write those of keras, saved-model and litert that have a path: the graph rebuilt from stock Keras layers.

    A SavedModel has pawsight.json in assets.extra/, which the format reserves for it. A .tflite has TFLite metadata,
    and a zip appended to it with pawsight.json and labels.txt. A .keras file has no place for metadata.

    Raises:
        ExportRefused: the graph has an operator without a stock layer.
    """
    metadata = metadata_of(context)
    with scratch_folder() as folder:
        source = folder / "model.onnx"
        source.write_bytes(context.onnx)
        arguments = [argument for name, path in paths.items() for argument in (name, path)]
        if error := run_maker("onnx_to_keras", source, *arguments):
            raise ExportRefused(
                f"The export to {', '.join(paths)} is refused: the model cannot be rebuilt in Keras.",
                f"The converter says: {error}",
                "Export to onnx or openvino, which hold any model.",
            )
    if "saved-model" in paths:
        write_json(paths["saved-model"] / "assets.extra" / METADATA_FILE, metadata)
    if "litert" in paths:
        write_bytes(paths["litert"], with_tflite_metadata(paths["litert"].read_bytes(), metadata))
        labels = "".join(f"{visible(name)}\n" for name in metadata["classes"])
        with zipfile.ZipFile(paths["litert"], "a", zipfile.ZIP_STORED) as archive:
            for name, text in ((METADATA_FILE, json.dumps(metadata, indent=2)), (LABELS, labels)):
                archive.writestr(zipfile.ZipInfo(name, _NO_DATE), text)


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="onnx",
            file="model.onnx",
            says="ONNX, for ONNX Runtime, OpenVINO and most others",
            make=make_onnx,
            needs=("onnx", "onnxruntime"),
            runtime="onnx",
            has_reduced=True,
        ),
        Target(
            name="openvino",
            file="model.xml",
            says="OpenVINO IR, for Intel processors",
            make=make_openvino,
            runtime="openvino",
            has_reduced=True,
        ),
        Target(
            name="litert",
            file="model.tflite",
            says="LiteRT, once TensorFlow Lite, for phones and small boards",
            make=make_keras_family,
            needs=(*_TENSORFLOW, "ai_edge_litert"),
            runtime="litert",
        ),
        Target(
            name="keras",
            file="model.keras",
            says="Keras 3, of stock layers",
            make=make_keras_family,
            needs=_TENSORFLOW,
            runtime="keras",
        ),
        Target(
            name="saved-model",
            file="model",
            says="TensorFlow's SavedModel, for TensorFlow Serving",
            make=make_keras_family,
            needs=_TENSORFLOW,
            runtime="saved-model",
        ),
        Target(
            name="web",
            file=PAGE,
            says="a page for any static host, which answers in the browser",
            make=make_web,
            needs=("onnx", "onnxruntime"),
            runtime="onnx",
            model=MODEL,
        ),
        Target(name="card", file="README.md", says="a model card, as Hugging Face shows it", make=make_card),
    )
}


def choose_targets(names: Sequence[str], *, int8: bool) -> tuple[Target, ...]:
    """Return the named formats, each once, in the order of the table.

    Raises:
        WrongUsage: no format is named, a name is unknown, or none of the formats can hold 8 bits.
        MissingExtra: a format needs a package that is not installed.
    """
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        raise WrongUsage(
            f"There is no export to {unknown[0]!r}." if unknown else "No export format is given.",
            f"The formats are: {', '.join(TARGETS)}.",
            "Type for example --to onnx,card",
        )
    targets = tuple(target for name, target in TARGETS.items() if name in names)
    if int8 and not any(target.has_reduced for target in targets):
        able = ", ".join(target.name for target in TARGETS.values() if target.has_reduced)
        raise WrongUsage(
            f"There is no int8 for {', '.join(target.name for target in targets)}.",
            f"Formats with 8 bits: {able}.",
            "Add one of them, or leave --int8 out.",
        )
    needs = {module: target.name for target in targets for module in target.needs}
    needs |= {"onnx": REDUCED, "nncf": REDUCED} if int8 else {}
    for module, wanted in needs.items():
        require_extra(
            "keras,export" if module in _TENSORFLOW[1:] else "train,export",
            module,
            needed_by=f"The export to {wanted}",
            why="Writing a format needs the packages that write and read it.",
        )
    return targets
