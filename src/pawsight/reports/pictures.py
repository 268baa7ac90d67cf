"""The pictures in a report: some of each class, confident mistakes, pairs side by side; small JPEGs as data: addresses.

A picture is shown only while it is, byte for byte, the one that was trained or measured on.
"""

from __future__ import annotations

import base64
import io
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.core.storage import sha256_of
from pawsight.evaluation.comparison import Answer
from pawsight.images.decode import DecodeSettings, decode
from pawsight.reports.run_record import Placed, RunRecord

ROWS, COLUMNS = 6, 3  # classes in the grid, pictures of each
MISTAKES = 8
_SIDE = 256  # pixels of the longer side
_QUALITY = 78  # of the JPEG, 1-95
_TRIES = 12  # pictures looked for in a class before giving up: the data may be gone altogether


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture, ready for a page."""

    address: str  # data:image/jpeg;base64,... or empty where the picture is no longer there
    width: int  # pixels
    height: int


@dataclass(frozen=True, slots=True)
class GridRow:
    """A class with a few of its pictures."""

    label: str
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer with its picture."""

    path: str
    truth: str
    predicted: str
    probability: float
    shown: Shown


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of an exhibit."""

    path: str
    label: str  # empty where it is not known
    part: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture, or several to be compared, with a caption."""

    sides: tuple[Side, ...]
    text: str = ""

    @property
    def is_there(self) -> bool:
        """Whether at least one picture can be shown."""
        return any(side.shown.address for side in self.sides)


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a run, to be looked up by path."""

    root: Path | None
    placed: dict[str, Placed]

    def side(self, path: str) -> Side:
        """Return a picture with its label and part."""
        known = self.placed.get(path)
        if known is None:
            return Side(path, "", "", MISSING)
        return Side(path, known.label, known.part, show(self.root, path, known.sha256) or MISSING)

    def exhibit(self, paths: Iterable[str], text: str = "") -> Exhibit:
        """Return pictures side by side."""
        return Exhibit(tuple(self.side(path) for path in paths), text)

    def apart(self, group: Sequence[str]) -> tuple[str, str] | None:
        """Return two pictures of a group that lie in different parts, the one to learn from first."""
        order = {"train": 0, "validation": 1, "test": 2}
        known = sorted((path for path in group if path in self.placed), key=lambda path: order.get(self.part(path), 3))
        others = [path for path in known if self.part(path) != self.part(known[0])]
        return (known[0], others[0]) if others else None

    def part(self, path: str) -> str:
        """Return the part that a picture lies in, empty where it is not known."""
        known = self.placed.get(path)
        return known.part if known is not None else ""


MISSING = Shown("", 4, 3)


def picture_grid(split: Sequence[Placed], classes: Sequence[str], root: Path | None, *, seed: int) -> list[GridRow]:
    """Return up to three random training pictures of each of the first six classes.

    Args:
        split: every picture's place.
        classes: in the order in which they are shown.
        root: folder that the paths are below; None where it is not known.
        seed: of the choice.
    """
    chance = random.Random(seed)  # noqa: S311 - a choice of pictures is no secret
    rows = []
    for label in classes[:ROWS]:
        own = [picture for picture in split if picture.label == label]
        candidates = [picture for picture in own if picture.part == "train"] or own
        some = chance.sample(candidates, min(_TRIES, len(candidates)))
        rows.append(GridRow(label, _first_readable(some, root)))
    return rows


def confident_mistakes(run: RunRecord) -> tuple[list[Mistake], int]:
    """Return the wrong answers on validation that are most confident, and how many wrong ones there are."""
    wrong = [answer for answer in run.answers if not answer.is_right]
    shown = sorted(wrong, key=_rank)[:MISTAKES]
    return [_mistake(answer, run.root) for answer in shown], len(wrong)


def _rank(answer: Answer) -> tuple[float, str]:
    return (-answer.probability if math.isfinite(answer.probability) else 0.0), answer.path


def _mistake(answer: Answer, root: Path | None) -> Mistake:
    shown = show(root, answer.path, answer.sha256) or MISSING
    return Mistake(answer.path, answer.label, answer.predicted, answer.probability, shown)


def _first_readable(candidates: Sequence[Placed], root: Path | None) -> tuple[Shown, ...]:
    found: list[Shown] = []
    for picture in candidates:
        shown = show(root, picture.path, picture.sha256)
        if shown is not None:
            found.append(shown)
        if len(found) == COLUMNS:
            break
    return tuple(found)


def show(root: Path | None, path: str, sha256: str) -> Shown | None:
    """Return a small JPEG of a picture in its own shape, None where it is gone, changed or unreadable."""
    if root is None:
        return None
    try:
        data = (root / path).read_bytes()
        if sha256_of(data) != sha256:
            return None
        decoded = decode(data, DecodeSettings(image_px=_SIDE), name=path)
    except (OSError, ValueError, UnreadablePicture):  # ValueError: a path that no system can have
        return None
    from PIL import Image

    scale = _SIDE / max(decoded.width, decoded.height)
    size = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
    buffer = io.BytesIO()
    Image.fromarray(decoded.pixels).resize(size).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Shown(address, *size)


def gallery_of(run: RunRecord) -> Gallery:
    """Return the pictures of a run."""
    return Gallery(run.root, {picture.path: picture for picture in run.split})
