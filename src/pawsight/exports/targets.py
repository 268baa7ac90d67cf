"""The table of formats: who wants another adds a line here and a module beside.

Enters: names. Leaves: `Target`s. Does not know: bundles.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawsight.core.errors import WrongUsage, require_extra
from pawsight.exports.card import make_card
from pawsight.exports.keras_family import make_keras_family
from pawsight.exports.onnx_file import make_onnx
from pawsight.exports.openvino_ir import make_openvino
from pawsight.exports.target import REDUCED, Target
from pawsight.exports.web import MODEL, PAGE, make_web

_TENSORFLOW = ("onnx", "keras", "tensorflow")

TARGETS = {
    one.name: one
    for one in (
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


def chosen(names: Sequence[str], *, int8: bool) -> tuple[Target, ...]:
    """Return what is named, each once, in the table's order.

    Raises:
        WrongUsage: nothing is named, a name is unknown, or 8 bits are asked of formats that have none here.
        MissingExtra: a format needs what is not installed.
    """
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        raise WrongUsage(
            f"There is no export to {unknown[0]!r}." if unknown else "It is not said what to export to.",
            f"There are: {', '.join(TARGETS)}.",
            "Type for example --to onnx,card",
        )
    targets = tuple(target for name, target in TARGETS.items() if name in names)
    if int8 and not any(target.has_reduced for target in targets):
        able = ", ".join(target.name for target in TARGETS.values() if target.has_reduced)
        raise WrongUsage(
            f"There is no int8 for {', '.join(target.name for target in targets)}.",
            f"8 bits go to: {able}.",
            "Add one of them, or leave --int8 out.",
        )
    _check_needs(targets, int8=int8)
    return targets


def _check_needs(targets: Sequence[Target], *, int8: bool) -> None:
    needs = {module: target.name for target in targets for module in target.needs}
    needs |= {"onnx": REDUCED, "nncf": REDUCED} if int8 else {}
    for module, wanted in needs.items():
        require_extra(
            "keras,export" if module in _TENSORFLOW[1:] else "train,export",
            module,
            needed_by=f"The export to {wanted}",
            why="Without it Pawsight predicts, measures and explains.",
        )
