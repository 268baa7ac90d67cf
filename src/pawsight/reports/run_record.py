"""A run folder, read for a report.

Enters: the folder of a finished run. Leaves: a `Rung`. Does not know: other runs, pages.

Runs outlive versions of Pawsight, so what a run does not say, or says in another shape, is simply not there; only a
folder that is no run at all is refused.
"""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import PawsightError, StorageError, WrongUsage
from pawsight.core.history import HISTORY, Epoch, read_history
from pawsight.core.runs import (
    AUDIT,
    LEARNING_CURVE,
    LOOKS,
    METRICS,
    PREDICTIONS,
    RECIPE,
    SLICES,
    SOURCE,
    SPLITS,
    SUSPECTS,
    read_table,
)
from pawsight.data.findings import PROBLEMS, SEVERITIES, Finding
from pawsight.evaluation.comparison import Answered
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import CurvePoint, Fit, LearningCurve, Twice, honest
from pawsight.evaluation.slices import Judged, Slice


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run answered to one validation picture."""

    path: str  # below the root of the data
    answered: Answered
    probability: float  # of the answer; NaN where the run does not say


@dataclass(frozen=True, slots=True)
class Placed:
    """One picture's place in the split."""

    path: str
    sha256: str
    label: str
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A run's figures on one part."""

    pictures: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, shares
    log_loss: float  # NaN where the run does not say
    baseline: float | None
    plain: Mapping[str, Any]  # everything the run says, as JSON values


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One finished run, as far as it tells about itself."""

    folder: Path
    recipe: str
    plain: Mapping[str, Any]  # metrics.json
    settings: Mapping[str, Any]  # recipe.toml
    validation: Scored | None
    test: Scored | None
    answers: tuple[Answer, ...]  # to the validation part
    history: tuple[Epoch, ...]
    versions: Mapping[str, str]
    root: Path | None  # of the pictures
    looks_at_test: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the answers."""
        return tuple(str(name) for name in listing(self.plain.get("classes")))

    @property
    def digest(self) -> str:
        """SHA-256 of the split, empty where the run does not say."""
        return str(mapping(self.plain.get("split")).get("digest", ""))

    def number(self, *keys: str) -> float | None:
        """Return a finite number of metrics.json by its keys from outside in, None where there is none."""
        value: Any = self.plain
        for key in keys:
            value = mapping(value).get(key)
        return finite(value)


def read_rung(folder: Path) -> Rung:
    """Read one run.

    Raises:
        WrongUsage: the folder holds no finished run.
    """
    place = folder.expanduser().resolve()
    plain = mapping(read_json(place / METRICS))
    if not plain:
        raise WrongUsage(
            f"{folder} is no finished run.",
            f"There is no {METRICS} in it that can be read.",
            "Name finished runs, e.g. pawsight report runs/001 runs/002",
        )
    settings = _toml(place / RECIPE)
    root = mapping(read_json(place / SOURCE)).get("root")
    looks = finite(mapping(read_json(place / LOOKS)).get("looks_at_test"))
    return Rung(
        folder=place,
        recipe=str(plain.get("recipe") or settings.get("name") or place.name),
        plain=plain,
        settings=settings,
        validation=_scored(plain.get("validation")),
        test=_scored(plain.get("test")),
        answers=_answers(place / PREDICTIONS),
        history=_history(place / HISTORY),
        versions={str(key): str(value) for key, value in _versions(place).items()},
        root=Path(root) if isinstance(root, str) and root else None,
        looks_at_test=int(looks or 0),
    )


def read_split(rung: Rung) -> tuple[Placed, ...]:
    """Return every picture of a run's split, nothing where the run does not hold it."""
    return tuple(
        Placed(row.get("path") or "", row.get("sha256") or "", row.get("label") or "", row.get("part") or "")
        for row in read_rows(rung.folder / SPLITS)
    )


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: object) -> list[Any]:
    """Return a list as it is and anything else as an empty one."""
    return value if isinstance(value, list) else []


def finite(value: object) -> float | None:
    """Return a finite number as a float and anything else as None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def _scored(value: object) -> Scored | None:
    plain = mapping(value)
    accuracy, pictures = finite(plain.get("accuracy")), finite(plain.get("pictures"))
    ends = [finite(end) for end in listing(plain.get("interval"))]
    if accuracy is None or not pictures or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    loss = finite(plain.get("log_loss"))
    return Scored(
        pictures=int(pictures),
        accuracy=accuracy,
        interval=(ends[0], ends[1]),
        log_loss=math.nan if loss is None else loss,
        baseline=finite(plain.get("baseline")),
        plain=plain,
    )


def _answers(path: Path) -> tuple[Answer, ...]:
    return tuple(_answer(row) for row in read_rows(path) if row.get("part") == "validation")


def _answer(row: Mapping[str, str]) -> Answer:
    predicted = row.get("predicted") or ""
    probability = math.nan
    with suppress(ValueError, TypeError):
        probability = float(row.get(f"p({predicted})") or "nan")
    answered = Answered(row.get("sha256") or "", row.get("label") or "", predicted)
    return Answer(row.get("path") or "", answered, probability)


def _history(path: Path) -> tuple[Epoch, ...]:
    try:
        return read_history(path) if path.is_file() else ()
    except (PawsightError, ValueError):
        return ()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table, none where it is missing or no table."""
    try:
        return read_table(path) if path.is_file() else []
    except (PawsightError, csv.Error):
        return []


def _versions(place: Path) -> Mapping[str, Any]:
    return mapping(mapping(read_json(place / "bundle" / "bundle.json")).get("versions"))


def read_json(path: Path) -> object:
    """Return the values of a JSON file, None where it is missing or no JSON."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return None
    return value


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}


_HALF_DIGIT = 5e-7  # predictions.csv holds six digits, so that 0.000000 is anything below this


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Answers to pictures known by content and label."""

    classes: tuple[str, ...]
    answered: tuple[Answered, ...]
    probabilities: NDArray[np.float64]  # (N, C), rows adding up to 1

    @property
    def true(self) -> NDArray[np.int64]:
        """The class index (N,) of each picture."""
        places = {name: index for index, name in enumerate(self.classes)}
        return np.array([places[one.label] for one in self.answered], np.int64)


def read_answers(folder: Path, classes: Sequence[str], part: str) -> AnswerTable:
    """Read the answers of a run to its validation or test part; none where it has not answered to it.

    Args:
        folder: of a finished run.
        classes: its class names in order.
        part: "validation" or "test".

    Raises:
        StorageError: the file is missing, or is not as `train` writes it.
    """
    path = folder / PREDICTIONS
    rows = [row for row in read_table(path) if row.get("part") == part]
    try:
        table = np.array([[float(row[f"p({name})"]) for name in classes] for row in rows]).reshape(-1, len(classes))
        answered = tuple(Answered(row["sha256"], row["label"], row["predicted"]) for row in rows)
        if not np.isfinite(table).all() or {one.label for one in answered} - set(classes):
            raise ValueError("a probability is no number, or a label is no class of the run")
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error
    table = np.maximum(table, _HALF_DIGIT)
    return AnswerTable(tuple(classes), answered, table / table.sum(axis=1, keepdims=True))


def shared(tables: Sequence[AnswerTable]) -> list[AnswerTable]:
    """Return the answers to the pictures that all tables have, in the same order of pictures.

    Pictures are matched by content and label, copies of one as often as every table has them.
    """
    counts = [Counter(_key(one) for one in table.answered) for table in tables]
    common = counts[0]
    for other in counts[1:]:
        common &= other
    return [_only(table, common) for table in tables]


def _key(one: Answered) -> tuple[str, str]:
    return one.sha256, one.label


def _only(table: AnswerTable, wanted: Counter[tuple[str, str]]) -> AnswerTable:
    left, chosen = Counter(wanted), []
    for row in sorted(range(len(table.answered)), key=lambda row: _key(table.answered[row])):
        key = _key(table.answered[row])
        if left[key]:
            left[key] -= 1
            chosen.append(row)
    rows = np.array(chosen, np.int64)
    return AnswerTable(table.classes, tuple(table.answered[row] for row in chosen), table.probabilities[rows])


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


def pairs_up(problem: str) -> bool:
    """Say whether the value of a problem's findings is the name of another picture."""
    return problem.endswith(("two-labels", "across-parts", "duplicate"))
