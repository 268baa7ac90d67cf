"""Pictures as a report shows them side by side: one for itself, or two that are to be compared.

Enters: paths of pictures of a run. Leaves: `Exhibit`s. Does not know: why they are shown, pages.

A picture is shown only while it is still, byte for byte, the one that the run saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawsight.reports.ladder_pictures import MISSING, Shown, show
from pawsight.reports.run_folder import Placed, Rung, read_split


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of an exhibit."""

    path: str
    label: str  # empty where it is not known
    part: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture, or several to be compared, with what is to be said of them."""

    sides: tuple[Side, ...]
    told: str = ""

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

    def exhibit(self, paths: Iterable[str], told: str = "") -> Exhibit:
        """Return pictures side by side."""
        return Exhibit(tuple(self.side(path) for path in paths), told)

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


def gallery_of(rung: Rung) -> Gallery:
    """Return the pictures of a run."""
    return Gallery(rung.root, {one.path: one for one in read_split(rung)})
