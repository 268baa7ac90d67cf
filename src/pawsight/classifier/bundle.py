"""The classifier on disk: one folder that is enough to predict. It is checked whole when it is opened.

Here an altered bundle is refused; which operators a graph may have is in `graph_guard`, whether the model still
computes what it did is in `predictor`.

    bundle/
      bundle.json       class names in order, decode settings, recipe, precision, digests, versions, sha256 of each
                        file, calibration and risk guarantee (`trust`), and a checksum of all of these (`seal`)
      model.onnx        uint8 RGB pictures (N, H, W, 3) in; probabilities (N, C) and features (N, D) out, with an
                        out-of-distribution detector also its score, unlikeness (N,)
      exam.npz          golden outputs: pictures, and the probabilities they got when the bundle was made
      trained.txt       sha256 and fingerprint of every training picture, so that no evaluation uses a picture that was
                        trained on, not even resized or saved again; earlier bundles have no fingerprints
      reference.npz     a few numbers of each validation picture, to compare later pictures with; earlier bundles and
                        those of few validation pictures have none

No pickle and no code: ONNX without external data, JSON, npz without objects.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import unicodedata
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pawsight.classifier.graph_guard import fault_in_graph
from pawsight.classifier.reference import ARRAYS, Reference
from pawsight.classifier.trust import Trust, trust_from
from pawsight.core.errors import BundleRefused, WrongUsage
from pawsight.core.runs import BUNDLE, BUNDLE_CARD, named_run
from pawsight.core.storage import new_folder, sha256_of, write_bytes, write_json
from pawsight.images.decode import DECODER_VERSION, OLDEST_DECODER, DecodeSettings, Pixels
from pawsight.images.fingerprint import FINGERPRINT_BYTES, fingerprint, fingerprints_of, is_known, thumbnail

FORMAT = 2
CARD, MODEL, EXAM, TRAINED = BUNDLE_CARD, "model.onnx", "exam.npz", "trained.txt"
REFERENCE = "reference.npz"
MAX_CARD_BYTES = 16 * 2**20
MAX_FILE_BYTES = 2 * 2**30
# Of the arrays in an npz, unpacked and together. Eight pictures of 1024 x 1024 are 24 MiB and their outputs less, while
# a file of a few kilobytes may claim any number of gigabytes.
MAX_ARRAY_BYTES = 256 * 2**20
_MAX_CLASSES = 100_000
_MAX_NAME = 1024  # characters of a class name
_LARGEST_SETTING = 100_000  # pixels or megapixels: a card beyond it is invalid
# The end of a protobuf field 1 that is a text of 8 bytes, just before that text; its two numbers may be padded.
_ENTRY_OF_8 = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)\Z")


@dataclass(frozen=True, slots=True)
class GoldenOutputs:
    """The self-test of a bundle: pictures with the probabilities that the model gave when the bundle was made."""

    pictures: Pixels  # (K, image_px, image_px, 3) uint8
    probabilities: NDArray[np.float32]  # (K, C), computed in float32
    reduced: NDArray[np.float32] | None = None  # (K, C), in bfloat16 where the machine that made the bundle uses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What travels with the weights; the content of bundle.json."""

    classes: tuple[str, ...]  # in the order of the model's outputs
    decode: DecodeSettings
    recipe: Mapping[str, Any]
    precision: str  # of the features trained on, "f32" or "bf16"
    split_digest: str
    data_fingerprint: str
    created: str  # ISO 8601, UTC
    versions: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)
    # Subset, pictures, accuracy and its 95 % interval, as RunRecord.measured gives them; None in earlier bundles.
    measured: Mapping[str, Any] | None = None
    measured_by: str = ""  # e.g. "cross-validation with 5 folds"; empty: held-out pictures, as in earlier bundles

    @property
    def several_labels(self) -> bool:
        """Whether a picture may have several of the classes, or none of them."""
        return bool(self.trust.labels)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are those it was written with."""

    folder: Path
    card: Card
    model: bytes  # ONNX
    golden: GoldenOutputs
    trained: frozenset[str]  # SHA-256 of the training pictures
    fingerprints: NDArray[np.uint8]  # (N, 64) of the training pictures
    reference: Reference | None = None  # to compare later pictures with

    def may_be_trained(self, pixels: Pixels) -> bool:
        """Return whether a decoded picture may be a training picture, resized or saved again."""
        return len(self.fingerprints) > 0 and is_known(fingerprint(thumbnail(pixels)), self.fingerprints)


def write_bundle(
    folder: Path,
    card: Card,
    *,
    model: bytes,
    golden: GoldenOutputs,
    trained: frozenset[str],
    fingerprints: Collection[bytes] = (),
    reference: Reference | None = None,
) -> Path:
    """Write a bundle: the folder appears whole or not at all.

    Args:
        folder: a new one.
        card: what travels with the weights.
        model: ONNX.
        golden: outputs for the self-test.
        trained: SHA-256 of the training pictures.
        fingerprints: of the training pictures.
        reference: of the validation pictures, where there are enough.

    Raises:
        StorageError: the disk refused, or the folder is there already.
    """
    arrays: dict[str, Any] = {"pictures": golden.pictures, "probabilities": golden.probabilities}
    if golden.reduced is not None:
        arrays["reduced"] = golden.reduced
    lines = sorted(trained) + sorted({found.hex() for found in fingerprints})
    files = {MODEL: model, EXAM: _packed(arrays), TRAINED: "\n".join(lines).encode()}
    if reference is not None:
        files[REFERENCE] = _packed(reference.arrays())
    with new_folder(folder) as staging:
        for name, content in files.items():
            write_bytes(staging / name, content)
        digests = {name: sha256_of(content) for name, content in files.items()}
        values = {"format": FORMAT, **to_jsonable(card), "files": digests}
        write_json(staging / CARD, {**values, "seal": card_checksum(values)})
    return folder


def add_figures(folder: Path, measured: Mapping[str, Any] | None) -> None:
    """Write into a bundle how often its answers were right, so that the figures travel with it.

    Args:
        folder: the bundle's.
        measured: as `Card` has it; None changes nothing.

    Raises:
        BundleRefused: it is none. StorageError: the disk refused; the bundle is as it was.
    """
    if measured is not None:
        values = _checked_card(folder / CARD)[0] | {"measured": dict(measured)}
        write_json(folder / CARD, {**values, "seal": card_checksum(values)})


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a name could be its own argument, and is none
    return buffer.getvalue()


def with_max_megapixels(bundle: Bundle, max_megapixels: int | None) -> Bundle:
    """Return the bundle with another limit for the pictures it is given; None keeps its own.

    Raises:
        WrongUsage: the limit is no whole number from 1.
    """
    if max_megapixels is None:
        return bundle
    if type(max_megapixels) is not int or max_megapixels < 1:
        raise WrongUsage(
            f"max_megapixels cannot be {max_megapixels!r}.", "It is a whole number of millions of pixels, at least 1."
        )
    decode = replace(bundle.card.decode, max_megapixels=max_megapixels)
    return replace(bundle, card=replace(bundle.card, decode=decode))


def find_bundle(path: Path) -> Path:
    """Return the bundle folder of a bundle or run folder.

    Raises:
        WrongUsage: the path means no run, with what it is. StorageError: the system refuses the path.
        BundleRefused: the run has no bundle.
    """
    place = named_run(path)
    for folder in (place, place / BUNDLE):
        if (folder / CARD).is_file():
            return folder
    raise refused(path, f"It has no {CARD}, and no folder bundle/ with one.")


def read_bundle(path: Path, *, answer_all: bool = False) -> Bundle:
    """Open a bundle, or the bundle of a run, and check every file against its digest.

    Args:
        path: the folder.
        answer_all: let the card say that every picture is answered.

    Raises:
        BundleRefused: a file is missing, altered or of another format, or its content contradicts the card.
    """
    folder = find_bundle(path)
    values, digests = _checked_card(folder / CARD)
    files = _checked_files(folder, digests, (MODEL, EXAM, TRAINED, *([REFERENCE] if REFERENCE in digests else [])))
    if _has_external_data(files[MODEL]):
        raise refused(folder, f"{MODEL} keeps weights in another file, which no bundle does.")
    if fault := fault_in_graph(files[MODEL]):
        raise refused(folder, f"{MODEL} {fault}.")
    card = _card_from(values, folder)
    if answer_all:
        card = replace(card, trust=card.trust.answering_all())
    golden = _golden_outputs_from(files[EXAM], card, folder)
    lines = files[TRAINED].decode("ascii", "replace").split()
    digits = 2 * FINGERPRINT_BYTES  # of a SHA-256 there are 64
    try:
        fingerprints = fingerprints_of(line for line in lines if len(line) == digits)
    except ValueError as error:
        raise refused(folder, f"{TRAINED} has a line that is no fingerprint.") from error
    trained = frozenset(line for line in lines if len(line) != digits)
    reference = _reference_from(files[REFERENCE], card, folder) if REFERENCE in files else None
    return Bundle(folder, card, files[MODEL], golden, trained, fingerprints, reference)


def _card_from(values: Mapping[str, Any], folder: Path) -> Card:
    try:
        trust = trust_from(values["trust"])
        if fault := trust.fault_for(len(values["classes"])):
            raise ValueError(fault)
        return Card(
            classes=tuple(values["classes"]),
            decode=_decode_from(values["decode"]),
            recipe=dict(values["recipe"]),
            versions=dict(values["versions"]),
            precision=_text(values, "precision"),
            split_digest=_text(values, "split_digest"),
            data_fingerprint=_text(values, "data_fingerprint"),
            created=_text(values, "created"),
            trust=trust,
            measured=_figures_from(values.get("measured")),
            measured_by=_text(values, "measured_by") if "measured_by" in values else "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise refused(folder, f"{CARD} lacks or misstates {error}.") from error


def _figures_from(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    numbers = (values["accuracy"], *values["interval"])
    is_right = (
        values["subset"] in ("test", "validation", "cross-validation")
        and type(values["pictures"]) is int
        and values["pictures"] > 0
        and len(numbers) == 3
        and all(type(number) in (int, float) and 0 <= number <= 1 for number in numbers)
    )
    if not is_right:
        raise ValueError(f"measured, which is {values!r}")
    return dict(values)


def _decode_from(values: Mapping[str, Any]) -> DecodeSettings:
    settings = DecodeSettings(**values)
    if isinstance(settings.grey_range, list):  # as JSON has a pair
        settings = replace(settings, grey_range=tuple(settings.grey_range))
    for key, value in asdict(settings).items():
        is_right = (
            _is_grey_range(value) if key == "grey_range" else type(value) is int and 0 < value <= _LARGEST_SETTING
        )
        if not is_right:
            raise ValueError(f"decode.{key}, which is {value!r}")
    if not OLDEST_DECODER <= settings.version <= DECODER_VERSION:
        known = f"{OLDEST_DECODER} to {DECODER_VERSION}"
        raise ValueError(f"decode.version: it needs decoder {settings.version}, this Pawsight has {known}")
    return settings


def _is_grey_range(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return all(type(end) in (int, float) and math.isfinite(end) for end in value) and bool(value[0] < value[1])


def _text(values: Mapping[str, Any], key: str) -> str:
    if not isinstance(values[key], str):
        raise TypeError(f"{key}, which is {values[key]!r}")
    return str(values[key])


def _golden_outputs_from(content: bytes, card: Card, folder: Path) -> GoldenOutputs:
    arrays = _checked_arrays(folder / EXAM, content, ("pictures", "probabilities"), optional="reduced")
    golden = GoldenOutputs(arrays["pictures"], arrays["probabilities"], arrays.get("reduced"))
    count, side = golden.pictures.shape[:1], card.decode.image_px
    fits = (
        golden.pictures.dtype == np.uint8
        and golden.pictures.shape == (*count, side, side, 3)
        and all(
            table.dtype == np.float32 and table.shape == (*count, len(card.classes))
            for table in (golden.probabilities, golden.reduced)
            if table is not None
        )
    )
    if not fits or count == (0,):
        raise refused(folder, f"{EXAM} has arrays of the wrong shape or kind, or no pictures.")
    return golden


def _reference_from(content: bytes, card: Card, folder: Path) -> Reference:
    reference = Reference(**_checked_arrays(folder / REFERENCE, content, ARRAYS), classes=len(card.classes))
    if fault := reference.fault():
        raise refused(folder, f"{REFERENCE} cannot be used: {fault}.")
    return reference


def to_jsonable(card: Card) -> dict[str, Any]:
    """Return the card as plain JSON values; `measured` is left out where nothing was."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(card) | {"trust": card.trust.to_json()}))
    if card.measured is None:
        del plain["measured"]
    return plain


def refused(path: Path, why: str) -> BundleRefused:
    """Return the error for a bundle that cannot be used."""
    return BundleRefused(f"{path} is not a usable bundle.", why, "Train again, or copy the whole bundle folder again.")


def _checked_card(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of bundle.json and the digests of the other files, or refuse."""
    try:
        values = json.loads(_content(path, MAX_CARD_BYTES))
        sealed = isinstance(values, dict) and values.get("seal") == card_checksum(values)
    except (ValueError, RecursionError) as error:
        raise refused(path.parent, f"{path.name} is not JSON: {error}.") from error
    if isinstance(values, dict) and not sealed:
        raise refused(path.parent, f"{path.name} was altered after it was written.")
    if not isinstance(values, dict) or not isinstance(values.get("files"), dict):
        raise refused(path.parent, f"{path.name} lists no files.")
    if values.get("format") != FORMAT:
        raise refused(path.parent, f"It has format {values.get('format')!r}; this Pawsight reads {FORMAT}.")
    problem = _problem_with_classes(values.get("classes"))
    if problem:
        raise refused(path.parent, f"{path.name} {problem}.")
    return values, values["files"]


def card_checksum(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a card's JSON values without the key `seal`, whatever the order and layout of the file.

    It detects an accident, such as classes put in another order. It stops no attacker, who can write it anew.
    """
    others = {key: value for key, value in values.items() if key != "seal"}
    return hashlib.sha256(json.dumps(others, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _checked_files(folder: Path, digests: Mapping[str, str], names: Sequence[str]) -> dict[str, bytes]:
    """Read the named files; refuse one with another SHA-256 than the card lists, and any other file in the folder."""
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}  # browsing leaves .DS_Store
    others = sorted(visible - set(names) - {CARD})
    if others:
        raise refused(folder, f"It holds {others[0]}, which belongs to no bundle.")
    files = {}
    for name in names:
        content = _content(folder / name, MAX_FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != digests.get(name):
            raise refused(folder, f"{name} is not the file that was written: its SHA-256 differs.")
        files[name] = content
    return files


def _has_external_data(model: bytes) -> bool:
    """Say whether an ONNX model keeps weights in other files: they would be read from wherever the model points.

    ONNX's `TensorProto.external_data` names the file under the key "location". It is searched for in the bytes, since
    predicting needs no onnx package.
    """
    return any(
        _ENTRY_OF_8.search(model[max(0, found.start() - 20) : found.start()])
        for found in re.finditer(b"location", model)
    )


def _checked_arrays(path: Path, content: bytes, names: Sequence[str], *, optional: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz that holds the named ones, an optional one and no others, or refuse.

    The sizes that its headers claim are checked before memory is allocated; Python objects are refused.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {member.filename: member for member in archive.infolist()}
            found = [*names, optional] if f"{optional}.npy" in members else names
            if len(archive.infolist()) != len(found) or set(members) != {f"{name}.npy" for name in found}:
                raise ValueError(f"it holds something else than {' and '.join(names)}")
            if sum(member.file_size for member in members.values()) > MAX_ARRAY_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_ARRAY_BYTES:,} bytes")
            return {name: _array(archive, members[f"{name}.npy"]) for name in found}
    except Exception as error:  # numpy and zipfile raise many kinds for a file that is not what it says
        raise refused(path.parent, f"{path.name} cannot be read: {error}.") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is packed in another way than Pawsight packs")
    with archive.open(member) as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} is of another version than Pawsight writes")
        shape, by_columns, kind = npy.read_array_header_1_0(file)
        if kind.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        size = math.prod(shape) * kind.itemsize
        if min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(f"{member.filename} is not as long as its header says")
        values = file.read(size)
    if len(values) != size:
        raise ValueError(f"{member.filename} ends early")
    flat = np.frombuffer(values, kind) if size else np.empty(0, kind)
    return flat.reshape(shape, order="F" if by_columns else "C").copy()


def _content(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise refused(path.parent, f"{path.name} is missing.")
        if path.stat().st_size > limit:
            raise refused(path.parent, f"{path.name} is larger than {limit:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise refused(path.parent, f"{path.name} cannot be read: {error.strerror}.") from error


def _problem_with_classes(classes: object) -> str:
    if not isinstance(classes, list) or not 2 <= len(classes) <= _MAX_CLASSES:
        return "has no list of classes"
    for name in classes:
        problem = problem_with_name(name)
        if problem:
            return f"has a class name that {problem}"
    return "names a class twice" if len(set(classes)) != len(classes) else ""


def problem_with_name(name: object) -> str:
    """Say why a value cannot be the name of a class; empty where it can."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        return f"is not a text of 1 to {_MAX_NAME:,} characters"
    kinds = {unicodedata.category(character) for character in name}
    if "Cs" in kinds:  # what Python makes of bytes in a file name that are no UTF-8
        return "is not UTF-8"
    return "has control characters" if "Cc" in kinds else ""
