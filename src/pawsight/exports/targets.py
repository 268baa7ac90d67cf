"""The table of export formats. A new format is a row here and a function that writes it."""

from __future__ import annotations

from collections.abc import Sequence

from pawsight.core.errors import WrongUsage, require_extra
from pawsight.exports.export_context import REDUCED, Target
from pawsight.exports.keras_family import make_keras_family
from pawsight.exports.model_card import make_card
from pawsight.exports.onnx_file import make_onnx
from pawsight.exports.openvino_ir import make_openvino
from pawsight.exports.web_page import MODEL, PAGE, make_web

_TENSORFLOW = ("onnx", "keras", "tensorflow")

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
