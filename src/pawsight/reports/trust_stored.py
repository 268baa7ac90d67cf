"""What a run keeps about trust, read back: findings, slices, learning curve, likely wrong labels.

Enters: a run folder. Leaves: the dataclasses that were written, or None. Does not know: how any of it was computed.

A file that is missing, cut short or from another version of Pawsight is as good as none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pawsight.core.runs import AUDIT, LEARNING_CURVE, SLICES, SUSPECTS
from pawsight.data.audit import PROBLEMS, SEVERITIES, Finding
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import CurvePoint, Fit, LearningCurve, Twice, honest
from pawsight.evaluation.slices import Judged, Slice
from pawsight.reports.audit_words import pairs_up
from pawsight.reports.run_folder import mapping, read_json, read_rows

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSlices:
    """Slices of one part of a run."""

    part: str
    pictures: int
    slices: tuple[Slice, ...]  # the worst first
    plain: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCurve:
    """A learning curve, and what was trained for it."""

    trained: str
    is_stand_in: bool  # the run's own recipe sees otherwise
    left_out: int  # pictures of the run that were changed or are gone
    curve: LearningCurve
    plain: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyWrong:
    """One label that is likely wrong."""

    path: str
    sha256: str
    part: str
    given: str
    suggested: str
    score: float
    is_suspect: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Two pictures of different parts that a network finds alike."""

    paths: tuple[str, str]
    similarity: float  # cosine of their features


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSuspects:
    """The top of the ranking of labels by how likely they are wrong."""

    pictures: int  # ranked
    flagged: int  # more speaks against their label than for it
    left_out: int
    top: tuple[LikelyWrong, ...]
    across: tuple[Alike, ...]  # nearest neighbours that lie in another part, the most alike first
    plain: Mapping[str, Any]


def read_findings(run: Path) -> tuple[Finding, ...] | None:
    """Return what the audit found when the run was made, None where the run does not say."""
    if not (run / AUDIT).is_file():
        return None
    rows = [{key: value or "" for key, value in row.items() if key} for row in read_rows(run / AUDIT)]
    return tuple(
        Finding(row.get("path", ""), row["problem"], _value(row["problem"], row.get("value", "")), row["severity"])
        for row in rows
        if row.get("problem") in PROBLEMS and row.get("severity") in SEVERITIES
    )


def read_slices(run: Path) -> KeptSlices | None:
    """Return the slices that a run keeps."""
    return _kept(run / SLICES, _slices)


def read_curve(run: Path) -> KeptCurve | None:
    """Return the learning curve that a run keeps."""
    return _kept(run / LEARNING_CURVE, _curve)


def read_suspects(run: Path) -> KeptSuspects | None:
    """Return the likely wrong labels that a run keeps."""
    return _kept(run / SUSPECTS, _suspects)


def _value(problem: str, text: str) -> str | float:
    """Return a measured figure as a number; names of pictures stay text, whatever they look like."""
    if not pairs_up(problem):
        with suppress(ValueError):
            number = float(text)
            if math.isfinite(number):
                return int(number) if number.is_integer() else number
    return text


def _kept(path: Path, make: Callable[[Mapping[str, Any]], Kept]) -> Kept | None:
    try:
        return make(mapping(read_json(path)))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def _slices(plain: Mapping[str, Any]) -> KeptSlices:
    slices = tuple(_slice(one) for one in plain["slices"])
    return KeptSlices(part=str(plain["part"]), pictures=int(plain["pictures"]), slices=slices, plain=plain)


def _slice(plain: Mapping[str, Any]) -> Slice:
    return Slice(
        name=str(plain["name"]),
        kind=str(plain["kind"]),
        pictures=int(plain["pictures"]),
        right=int(plain["right"]),
        accuracy=_number(plain["accuracy"]),
        interval=Interval(*_pair(plain["interval"])),
        rest_accuracy=_perhaps(plain["rest_accuracy"]),
        difference=_perhaps(plain["difference"]),
        p_value=_perhaps(plain["p_value"]),
        p_holm=_perhaps(plain["p_holm"]),
        verdict=str(plain["verdict"]),
        worst=tuple(
            Judged(str(one["path"]), str(one["label"]), str(one["predicted"]), _number(one["probability"]))
            for one in plain["worst"]
        ),
    )


def _curve(plain: Mapping[str, Any]) -> KeptCurve:
    points = tuple(
        CurvePoint(
            _number(one["share"]),
            int(one["pictures"]),
            int(one["seeds"]),
            _number(one["error"]),
            Interval(*_pair(one["interval"])),
        )
        for one in plain["points"]
    )
    if len(points) < 2 or any(one.pictures < 1 for one in points):
        raise ValueError("these points make no curve")
    fit = Fit(*(_number(plain["fit"][name]) for name in ("floor", "scale", "exponent")))
    told = plain["twice"]
    twice = Twice(
        max(1, int(told["pictures"])),
        _number(told["error"]),
        _number(told["gain"]),
        None if told["interval"] is None else _pair(told["interval"]),
        bool(told["is_measurable"]),
    )
    # Earlier runs keep intervals where there was too little for one.
    curve = honest(LearningCurve(points, int(plain["measured_on"]), fit, twice))
    return KeptCurve(
        trained=str(plain["trained"]),
        is_stand_in=bool(plain["is_stand_in"]),
        left_out=int(plain["left_out"]),
        curve=curve,
        plain={**plain, "twice": curve.to_json()["twice"]},
    )


def _suspects(plain: Mapping[str, Any]) -> KeptSuspects:
    return KeptSuspects(
        pictures=int(plain["pictures"]),
        flagged=int(plain["flagged"]),
        left_out=int(plain["left_out"]),
        top=tuple(_likely_wrong(one) for one in plain["suspects"]),
        across=tuple(
            Alike(paths=(str(one["path"]), str(one["other"])), similarity=_number(one["similarity"]))
            for one in plain["alike_across"]
        ),
        plain=plain,
    )


def _likely_wrong(plain: Mapping[str, Any]) -> LikelyWrong:
    return LikelyWrong(
        path=str(plain["path"]),
        sha256=str(plain["sha256"]),
        part=str(plain["part"]),
        given=str(plain["given"]),
        suggested=str(plain["suggested"]),
        score=_number(plain["score"]),
        is_suspect=bool(plain["suspect"]),
        reason=str(plain["reason"]),
    )


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no figure")
    return number


def _perhaps(value: object) -> float | None:
    return None if value is None else _number(value)


def _pair(values: Any) -> tuple[float, float]:
    low, high = values
    return _number(low), _number(high)
