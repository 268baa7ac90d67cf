"""What an export is made from and what it returns: types of this room, and the metadata that travels with a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import EXAM, Bundle
from pawsight.classifier.trust import LabelRule
from pawsight.core.runs import EXPORT_CARD
from pawsight.core.storage import sha256_of_file
from pawsight.images.decode import OLDEST_DECODER
from pawsight.models.graph import OOD_SCORE

EXACT, REDUCED = "f32", "int8"
METADATA_FILE = EXPORT_CARD
_METADATA_FORMAT = 1
_COLOUR_STEP = "convert the colours of an embedded profile to sRGB"
_GREYS_STEP = "scale greys of more than 8 bits so that {:g} becomes 0 and {:g} becomes 255"
_DECODING = (
    "rotate the picture as its EXIF orientation says",
    _COLOUR_STEP,
    "resize to a square with an antialiasing bilinear filter; the aspect ratio is not kept",
    "composite transparency on white, convert to RGB with 8 bits a channel",
    "pass the values 0 to 255 unscaled: the model scales them",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContext:
    """What to export, whatever the format."""

    bundle: Bundle
    run: Path | None  # the run that holds the bundle; None for a bundle alone
    licence: str = "unknown"  # of the weights, as an SPDX name; the owner of a classifier chooses its licence
    model: bytes | None = None  # ONNX to write instead of the bundle's own, in a reduced precision
    precision: str = EXACT
    browser_runtime: Path | None = None  # folder of the npm package onnxruntime-web, for the target web

    @property
    def onnx(self) -> bytes:
        """The graph to write."""
        return self.bundle.model if self.model is None else self.model


Make = Callable[[ExportContext, Mapping[str, Path]], None]  # target name -> the path of the file or folder to write


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One format."""

    name: str
    file: str  # what a runtime opens, below the target's folder
    says: str
    make: Make  # targets with the same function are made together
    needs: tuple[str, ...] = ()  # modules
    runtime: str | None = None  # in subprocesses/answers.py; None for a target that answers nothing
    has_reduced: bool = False  # can hold 8 bits
    model: str = ""  # the file that the self-test opens, where it is not `file`


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestResult:
    """How an export's answers compare with the bundle's, and how fast it is."""

    runtime: str  # with its version
    pictures: int
    difference: float  # largest of a probability
    flips: int  # pictures whose best class is another
    load_seconds: float  # without importing the runtime
    pictures_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One export that was written."""

    target: str
    precision: str
    folder: Path
    files: Mapping[str, int]  # name -> bytes
    self_test: SelfTestResult | None  # None for a target that answers nothing

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


def metadata_of(context: ExportContext) -> dict[str, Any]:
    """Return what a user of the model needs to know without Pawsight, as plain JSON values."""
    card, trust = context.bundle.card, context.bundle.card.trust
    side = card.decode.image_px
    coloured, greys = card.decode.version > OLDEST_DECODER, card.decode.grey_range
    scaling = () if greys is None else (_GREYS_STEP.format(*greys),)
    return {
        "format": _METADATA_FORMAT,
        "made_by": "Pawsight",
        "classes": list(card.classes),
        "input": {"name": "pictures", "type": "uint8", "shape": ["N", side, side, 3], "axes": "NHWC", "colours": "RGB"},
        "outputs": {
            "probabilities": ["N", len(card.classes)],
            "features": ["N", "D"],
            **({} if trust.detector is None else {OOD_SCORE: ["N"]}),
        },
        "decode": {
            **asdict(card.decode),
            "steps": [*scaling, *(step for step in _DECODING if coloured or step != _COLOUR_STEP)],
        },
        "temperature": {"value": trust.temperature, "where": "in the model already"},
        "answer_from_probability": None if trust.guarantee is None else trust.guarantee.threshold,
        "answer_from_probability_by_class": [kept and kept.threshold for kept in trust.by_class] or None,
        "sets": trust.sets
        and {"coverage": trust.sets.coverage, "from_probability": list(trust.sets.thresholds), "with_likeliest": True},
        "costs": trust.costs and trust.costs.to_json(),
        "none_class": None if trust.none_class is None else card.classes[trust.none_class],
        **({"several_labels": [_limits(rule) for rule in trust.labels]} if trust.labels else {}),
        "unlike_anything_seen_above": None if trust.detector is None else trust.detector.threshold,
        "precision": context.precision,
        "licence": context.licence,
        "recipe": dict(card.recipe),
        "split_digest": card.split_digest,
        "exam": {
            "sha256": sha256_of_file(context.bundle.folder / EXAM),
            "pictures": len(context.bundle.golden.pictures),
            "precision": EXACT,
        },
        "created": card.created,
        "versions": dict(card.versions),
    }


def _limits(rule: LabelRule) -> dict[str, float | None]:
    """Return the limits of a label's probability p, for programs without Pawsight.

    If p reaches `from`, the answer is that a picture has the label, which is sure if p reaches `has_from`. Else it is
    that it has not, which is sure if 1 - p reaches `has_not_from`. None: never sure.
    """
    if rule.max_error is None:
        return {"from": rule.threshold, "has_from": rule.threshold, "has_not_from": 0.0}
    has, has_not = (None if kept is None else kept.threshold for kept in (rule.has, rule.has_not))
    return {"from": rule.threshold, "has_from": has, "has_not_from": has_not}


def as_text(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata as model files hold it: text to text, in printable ASCII, which every reader takes."""
    return {
        name: value if isinstance(value, str) and value.isascii() and value.isprintable() else json.dumps(value)
        for name, value in metadata.items()
    }


def with_metadata(model: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Return an ONNX graph with this metadata and no other; the computation stays the same, byte for byte."""
    import onnx

    graph = onnx.load_from_string(model)
    onnx.helper.set_model_props(graph, as_text(metadata))
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString()
    return content
