"""The classifier on disk: one folder that is enough to predict, and that proves itself when it is opened.

Enters: a model as ONNX bytes with what must travel with it; later a folder. Leaves: a folder; later a `Bundle`.
Does not know: how the model was made, where the pictures lie.

    bundle/
      bundle.json       class names in order, decode settings, recipe, precision, digests, versions, sha256 of each
                        file, how far to trust the answers, and a seal over all of these
      model.onnx        uint8 RGB pictures (N, H, W, 3) in; probabilities (N, C) and features (N, D) out,
                        with a guard also unlikeness (N,)
      exam.npz          pictures and the probabilities they got when the bundle was made
      trained.txt       sha256 of every picture trained on, so that nobody is examined on what he has learnt

No pickle and no code: ONNX without external data, JSON, npz without objects.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle_checks import (
    check_graph,
    check_self_contained,
    checked_arrays,
    checked_card,
    checked_files,
    refused,
    seal_of,
)
from pawsight.classifier.trust import Trust, trust_from
from pawsight.core.errors import BundleRefused
from pawsight.core.storage import new_folder, sha256_of, write_bytes, write_json
from pawsight.images.decode import DECODER_VERSION, DecodeSettings, Pixels

FORMAT = 2
CARD, MODEL, EXAM, TRAINED = "bundle.json", "model.onnx", "exam.npz", "trained.txt"
_LARGEST_SETTING = 100_000  # pixels or megapixels: beyond it a card is nonsense


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions with the answers that were right when the bundle was made."""

    pictures: Pixels  # (K, image_px, image_px, 3) uint8
    probabilities: NDArray[np.float32]  # (K, C), in float32 wherever the bundle was made
    reduced: NDArray[np.float32] | None = None  # (K, C), in bfloat16, where the machine that made it computes so


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What travels with the weights; the content of bundle.json."""

    classes: tuple[str, ...]  # in the order of the model's outputs
    decode: DecodeSettings
    recipe: Mapping[str, Any]
    precision: str  # in which the pictures were seen, "f32" or "bf16"
    split_digest: str
    data_fingerprint: str
    created: str  # ISO 8601, UTC
    versions: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are those it was written with."""

    folder: Path
    card: Card
    model: bytes  # ONNX
    exam: Exam
    trained: frozenset[str]


def write_bundle(folder: Path, card: Card, *, model: bytes, exam: Exam, trained: frozenset[str]) -> Path:
    """Write a bundle so that it is there whole or not at all.

    Raises:
        StorageError: the disk refused, or the folder is there already.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"pictures": exam.pictures, "probabilities": exam.probabilities}
    if exam.reduced is not None:
        arrays["reduced"] = exam.reduced
    np.savez_compressed(buffer, **arrays)
    files = {MODEL: model, EXAM: buffer.getvalue(), TRAINED: "\n".join(sorted(trained)).encode()}
    with new_folder(folder) as part:
        for name, content in files.items():
            write_bytes(part / name, content)
        digests = {name: sha256_of(content) for name, content in files.items()}
        values = {"format": FORMAT, **to_jsonable(card), "files": digests}
        write_json(part / CARD, {**values, "seal": seal_of(values)})
    return folder


def find_bundle(place: Path) -> Path:
    """Return the bundle folder for a bundle or a run folder.

    Raises:
        BundleRefused: there is no such place, or it holds neither.
    """
    for folder in (place, place / "bundle"):
        try:
            if (folder / CARD).is_file():
                return folder
        except OSError as error:
            raise refused(place, f"It cannot be read: {error.strerror}.") from error
    if not place.exists():
        raise BundleRefused(
            f"There is no {place}.", "A run or bundle folder is wanted.", "Type for example runs/latest"
        )
    raise refused(place, f"There is no {CARD} in it, nor in a folder bundle/ below it.")


def read_bundle(place: Path) -> Bundle:
    """Open a bundle or the bundle of a run, and check every file against its digest.

    Raises:
        BundleRefused: something is missing, altered, from another format, or not what it says.
    """
    folder = find_bundle(place)
    values, digests = checked_card(folder / CARD, FORMAT)
    files = checked_files(folder, digests, (MODEL, EXAM, TRAINED))
    check_self_contained(folder / MODEL, files[MODEL])
    check_graph(folder / MODEL, files[MODEL])
    card = _card_from(values, folder)
    return Bundle(
        folder,
        card,
        files[MODEL],
        _exam_from(files[EXAM], card, folder),
        frozenset(files[TRAINED].decode("ascii", "replace").split()),
    )


def _card_from(values: Mapping[str, Any], folder: Path) -> Card:
    try:
        return Card(
            classes=tuple(values["classes"]),
            decode=_decode_from(values["decode"]),
            recipe=dict(values["recipe"]),
            versions=dict(values["versions"]),
            precision=_text(values, "precision"),
            split_digest=_text(values, "split_digest"),
            data_fingerprint=_text(values, "data_fingerprint"),
            created=_text(values, "created"),
            trust=trust_from(values["trust"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise refused(folder, f"{CARD} lacks or misstates {error}.") from error


def _decode_from(values: Mapping[str, Any]) -> DecodeSettings:
    settings = DecodeSettings(**values)
    for key, value in asdict(settings).items():
        if type(value) is not int or not 0 < value <= _LARGEST_SETTING:
            raise ValueError(f"decode.{key}, which is {value!r}")
    if settings.version != DECODER_VERSION:
        raise ValueError(f"decode.version: it needs decoder {settings.version}, this Pawsight has {DECODER_VERSION}")
    return settings


def _text(values: Mapping[str, Any], key: str) -> str:
    if not isinstance(values[key], str):
        raise TypeError(f"{key}, which is {values[key]!r}")
    return str(values[key])


def _exam_from(content: bytes, card: Card, folder: Path) -> Exam:
    arrays = checked_arrays(folder / EXAM, content, ("pictures", "probabilities"), optional="reduced")
    exam = Exam(arrays["pictures"], arrays["probabilities"], arrays.get("reduced"))
    questions, side = exam.pictures.shape[:1], card.decode.image_px
    fits = (
        exam.pictures.dtype == np.uint8
        and exam.pictures.shape == (*questions, side, side, 3)
        and all(
            answers.dtype == np.float32 and answers.shape == (*questions, len(card.classes))
            for answers in (exam.probabilities, exam.reduced)
            if answers is not None
        )
    )
    if not fits or questions == (0,):
        raise refused(folder, f"{EXAM} has arrays of the wrong shape or kind, or no pictures.")
    return exam


def card_summary(bundle: Bundle) -> str:
    """Return one line for people: what the bundle is and what it was made from."""
    recipe = bundle.card.recipe.get("name", "?")
    made = f"{recipe} at {bundle.card.decode.image_px} px, {len(bundle.card.classes)} classes"
    return f"{made}, split {bundle.card.split_digest[:12]}, made {bundle.card.created[:10]}"


def to_jsonable(card: Card) -> dict[str, Any]:
    """Return the card as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(card)))
    return plain
