"""What was measured beside what, what was aimed at, and whether it was met: the pure part of `make bench`.

Enters: samples of both sides, taken by turns. Leaves: `Figure`s, a table, results.json and back, and a comparison of a
fresh run with the committed one by ratios. Does not know: processes, pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any, Literal

FASTER, WITHIN, OVER, UNDER, FLAT, MORE = "faster", "within", "over", "under", "flat", "more"
Kind = Literal["faster", "within", "over", "under", "flat", "more"]
# A fresh run may cost this many times what the committed one did, each measured against its own peer. Two runs of the
# same code on an idle machine of two cores differed by less; what a change costs is usually more.
TOLERANCE = 1.25
COLUMNS = ("what", "measured beside", "ours", "beside it", "result", "spread", "aim", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str  # e.g. "predict/keras"; the part before the stroke is the row that is chosen by --rows
    what: str
    beside: str
    kind: Kind
    aim: float
    ours: tuple[
        float, ...
    ]  # seconds, in the order they were taken; for "flat" the median at each size; shares of one for "more"
    peer: tuple[float, ...] = ()  # the same; for "under" a yardstick that bench-check compares with
    note: str = ""
    pictures: int = 0
    drawn: bool = False  # drawings stood in for photographs
    date: str = ""
    load: float = 0.0  # processes that wanted a core at the end, less than one more than the cores when idle
    detail: Mapping[str, Any] | None = None

    @property
    def value(self) -> float:
        """What is judged, from the medians."""
        if self.kind == FLAT:
            return max(self.ours) / min(self.ours) - 1
        return _value(self.kind, median(self.ours), median(self.peer) if self.peer else 0.0)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and greatest value of the single rounds, each with the peer of its own round."""
        if self.kind == FLAT:
            return self.value, self.value
        peers = self.peer or (0.0,)
        padded = [*peers, *[median(peers)] * (len(self.ours) - len(peers))]
        each = [_value(self.kind, one, other) for one, other in zip(self.ours, padded, strict=False)]
        return min(each), max(each)

    @property
    def is_met(self) -> bool:
        """Whether the aim is reached."""
        if self.kind in (FASTER, MORE):
            return self.value > self.aim if self.kind == MORE else self.value >= self.aim
        return self.value < self.aim if self.kind == UNDER else self.value <= self.aim

    @property
    def cost(self) -> float | None:
        """Ours as a multiple of the peer, which is what two runs can be compared by; None where there is none."""
        if self.kind in (FLAT, MORE) or not self.peer:
            return None
        return median(self.ours) / median(self.peer)


def _value(kind: Kind, ours: float, peer: float) -> float:
    return {FASTER: peer / ours if ours else 0.0, WITHIN: ours / peer if peer else 0.0, UNDER: ours}.get(
        kind, ours - peer
    )


def spoken(kind: Kind, value: float) -> str:
    """Return a value as it stands in the table."""
    if kind in (FASTER, WITHIN):
        return f"{value:.2f} times" if value < 10 else f"{value:.1f} times"
    if kind == FLAT:
        return f"{100 * value:.1f} %"
    return f"{100 * value:+.1f} points" if kind == MORE else f"{value:.2f} s"


def spoken_aim(figure: Figure) -> str:
    """Return an aim as it stands in the table."""
    aim = figure.aim
    return {
        FASTER: f"at least {aim:g} times faster",
        WITHIN: f"at most {aim:g} times",
        OVER: f"at most {aim:g} s more",
        UNDER: f"under {aim:g} s",
        FLAT: f"within {100 * aim:g} %",
        MORE: "more",
    }[figure.kind]


def cells(figure: Figure) -> tuple[str, ...]:
    """Return one line of the table, cell by cell, as `COLUMNS` says."""
    share = figure.kind == MORE
    ours = _middle(figure.ours, share) if figure.kind != FLAT else _each(figure.ours)
    peer = _middle(figure.peer, share) if figure.peer else ""
    low, high = (spoken(figure.kind, one).split()[0] for one in figure.spread)
    spread = f"{low} to {high}" if figure.kind != FLAT and len(figure.ours) > 1 else ""
    verdict = "met" if figure.is_met else "falls short"
    return (
        figure.what, figure.beside, ours, peer, spoken(figure.kind, figure.value), spread, spoken_aim(figure), verdict
    )  # fmt: skip


def _middle(samples: Sequence[float], share: bool) -> str:
    middle = median(samples)
    return f"{100 * middle:.1f} %" if share else f"{middle:.3g} s" if middle < 100 else f"{middle:.0f} s"


def _each(values: Sequence[float]) -> str:
    return " / ".join(f"{one:.3g}" for one in values)


def table(figures: Iterable[Figure]) -> str:
    """Return all lines in columns, with the notes below."""
    found = list(figures)
    rows = [COLUMNS, *map(cells, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"  {one.name}: {one.note}" for one in found if one.note)])


def merged(old: Iterable[Figure], new: Iterable[Figure]) -> list[Figure]:
    """Return the old figures with those of the same name replaced, and what is new behind them."""
    by_name = {one.name: one for one in old} | {one.name: one for one in new}
    return list(by_name.values())


def write(place: Path, figures: Iterable[Figure], about: Mapping[str, Any]) -> None:
    """Write results.json so that it is there whole or as it was.

    Args:
        place: the file.
        figures: all that are known.
        about: machine, versions, date, command.
    """
    rows = [
        asdict(one) | {"value": one.value, "spread": list(one.spread), "cost": one.cost, "met": one.is_met, "runs": len(one.ours)}
        for one in figures
    ]  # fmt: skip
    part = place.with_suffix(".part")
    part.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    part.replace(place)


def read(place: Path) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of a results.json and what else it says; nothing where there is none."""
    if not place.exists():
        return [], {}
    said = json.loads(place.read_text())
    known = {one.name for one in fields(Figure)}
    rows = [{key: value for key, value in row.items() if key in known} for row in said.pop("rows")]
    return [Figure(**row | {"ours": tuple(row["ours"]), "peer": tuple(row["peer"])}) for row in rows], said


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a fresh run beside the committed one."""

    name: str
    then: float | None  # cost, in multiples of the peer of its own run
    now: float | None
    why: str = ""  # it is not compared

    @property
    def is_slower(self) -> bool:
        """Whether it costs more than the tolerance allows."""
        return not self.why and bool(self.then and self.now and self.now > self.then * TOLERANCE)


def changes(committed: Iterable[Figure], fresh: Iterable[Figure]) -> list[Change]:
    """Compare by ratios; what was taken otherwise or only once is named and not compared."""
    known, found = {one.name: one for one in committed}, []
    for one in fresh:
        then = known.get(one.name)
        if then is None:
            why = "not among the committed results"
        elif (then.pictures, then.drawn) != (one.pictures, one.drawn):
            why = "measured on other pictures"
        else:
            why = "" if one.cost and then.cost else "has no peer to be compared by"
        found.append(Change(one.name, then.cost if then else None, one.cost, why))
    return found
