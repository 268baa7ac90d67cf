"""The pictures in a report: some of each class, confident mistakes, pairs side by side; small JPEGs as data: addresses.

A picture is shown only while it is, byte for byte, the one that was trained or measured on.
"""

from __future__ import annotations

import base64
import io
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.core.storage import sha256_of
from pawsight.data.label_sets import in_words
from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer
from pawsight.images.decode import MOST_MEGAPIXELS, Decoded, DecodeSettings, GreyRange, decode
from pawsight.reports.run_record import RunRecord

ROWS, COLUMNS = 6, 3  # classes in the grid, pictures of each
MISTAKES = 8
_SIDE = 256  # pixels of the longer side
_QUALITY = 78  # of the JPEG, 1-95
_THUMBNAIL = 96  # pixels up to which a copy is a WEBP
_TRIES = 12  # pictures looked for in a class before giving up: the data may be gone altogether


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture, ready for a page."""

    path: str
    label: str = ""  # empty where it is not known
    part: str = ""
    address: str = ""  # data:image/jpeg;base64,... or empty where the picture is no longer there
    width: int = 4  # pixels
    height: int = 3


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture, or several to be compared, with a caption."""

    sides: tuple[Shown, ...]
    text: str = ""

    @property
    def is_there(self) -> bool:
        """Whether at least one picture can be shown."""
        return any(side.address for side in self.sides)


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a run, to be looked up by path."""

    root: Path | None
    placed: Mapping[str, Assigned]
    grey_range: GreyRange | None = None

    def side(self, path: str) -> Shown:
        """Return a picture with its label and part."""
        known = self.placed.get(path)
        return Shown(path) if known is None else show(self.root, known, self.grey_range)

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


def picture_grid(
    split: Sequence[Assigned],
    classes: Sequence[str],
    root: Path | None,
    *,
    seed: int,
    grey_range: GreyRange | None = None,
) -> list[tuple[str, list[Shown]]]:
    """Return up to three random training pictures of each of the first six classes, with the class.

    Args:
        split: every picture's place.
        classes: in the order in which they are shown.
        root: folder that the paths are below; None where it is not known.
        seed: of the choice.
        grey_range: that 16-bit pictures were decoded with.
    """
    chance = random.Random(seed)  # noqa: S311 - a choice of pictures is no secret
    rows = []
    for label in classes[:ROWS]:
        own = [picture for picture in split if picture.label == label]
        candidates = [picture for picture in own if picture.part == "train"] or own
        some = chance.sample(candidates, min(_TRIES, len(candidates)))
        shown = (picture for picture in (show(root, chosen, grey_range) for chosen in some) if picture.address)
        rows.append((label, list(islice(shown, COLUMNS))))
    return rows


def confident_mistakes(run: RunRecord) -> tuple[list[tuple[Answer, Shown]], int]:
    """Return the wrong answers on validation that are most confident, and how many wrong ones there are."""
    wrong = [answer for answer in run.answers if not answer.is_right]
    first = sorted(wrong, key=_rank)[:MISTAKES]
    placed = [Assigned(answer.path, answer.sha256, answer.label, "validation") for answer in first]
    return [
        (answer, show(run.root, picture, run.grey_range)) for answer, picture in zip(first, placed, strict=True)
    ], len(wrong)


def _rank(answer: Answer) -> tuple[float, str]:
    return (-answer.probability if math.isfinite(answer.probability) else 0.0), answer.path


def show(root: Path | None, picture: Assigned, grey_range: GreyRange | None = None, *, side: int = _SIDE) -> Shown:
    """Return a small copy of a picture in its own shape; without one where it is gone, changed or unreadable."""
    absent = Shown(picture.name, picture.label, picture.part)
    if root is None:
        return absent
    try:
        data = (root / picture.name).read_bytes()
        if sha256_of(data) != picture.sha256:
            return absent
        settings = DecodeSettings(image_px=side, max_megapixels=MOST_MEGAPIXELS, grey_range=grey_range)
        decoded = decode(data, settings, name=picture.name)
    except (OSError, ValueError, UnreadablePicture):  # ValueError: a path that no system can have
        return absent
    address, width, height = data_address(decoded, side=side)
    return replace(absent, address=address, width=width, height=height)


def data_address(decoded: Decoded, *, side: int) -> tuple[str, int, int]:
    """Return a decoded picture as a data: address, its longer side `side` pixels, and its width and height.

    Small ones, for notebooks, are WEBP: at 64 pixels a JPEG's tables are half of the file.
    """
    from PIL import Image

    scale = side / max(decoded.width, decoded.height)
    size = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
    small, buffer = Image.fromarray(decoded.pixels).resize(size), io.BytesIO()
    if side <= _THUMBNAIL:
        small.save(buffer, "WEBP", quality=50, method=6)
    else:
        small.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    kind = "webp" if side <= _THUMBNAIL else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}", *size


def gallery_of(run: RunRecord) -> Gallery:
    """Return the pictures of a run."""
    placed = {picture.name: picture for picture in run.split}
    if run.label_rules:
        placed = {name: replace(picture, label=in_words(picture.label)) for name, picture in placed.items()}
    return Gallery(run.root, placed, run.grey_range)
