"""`RunRecord`: what a finished run says about itself, read from its folder. Everything that reads runs reads them here.

`metrics.json` is written by `commands/train_report.py`; the names of the files in a run folder are in `core/runs.py`.
Runs outlive versions of Pawsight. A field that is missing is None or empty; a field of another type is too, and
`problems` says so in one line each. Refused are only folders without a `metrics.json` and those of a later version.
"""

from __future__ import annotations

import csv
import json
import math
import shlex
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import OodDetector, RiskGuarantee, Trust, trust_from
from pawsight.core.errors import PawsightError, StorageError, WrongUsage
from pawsight.core.runs import (
    AUDIT,
    HISTORY,
    LEARNING_CURVE,
    LOOKS,
    METRICS,
    PREDICTIONS,
    RECIPE,
    SLICES,
    SOURCE,
    SPLITS,
    SUSPECTS,
    Epoch,
    read_history,
    read_table,
)
from pawsight.core.storage import write_json
from pawsight.data.audit import PROBLEMS, SEVERITIES, Finding
from pawsight.evaluation.comparison import Answer, Gain
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import CurvePoint, LearningCurve, honest
from pawsight.evaluation.metrics import Metrics, to_jsonable
from pawsight.evaluation.slices import Slice

VERSION = 1  # of metrics.json; files without one have the same keys
FIGURES = ("log_loss", "roc_auc", "macro_f1", "brier", "ece")
SUBSETS = ("train", "validation", "test")
_CALIBRATED = ("ece", "brier", "log_loss")  # measured before and after calibration
_HALF_DIGIT = 5e-7  # predictions.csv holds six digits, so that 0.000000 is anything below this
_SHOWN = 40  # characters of a value in a problem

Ends = tuple[float, float]
Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure."""

    value: float
    interval: Ends | None  # 95 %; None where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """What is known of one class; None where the run does not say."""

    name: str
    pictures: int | None
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A run's figures on one subset."""

    pictures: int
    accuracy: float
    interval: Ends  # of the accuracy, 95 %, shares
    baseline: float | None  # share of the commonest class
    figures: Mapping[str, Figure]  # of FIGURES those that the run says
    has_intervals: bool  # whether the run gives intervals of them at all
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]  # row = truth, column = answer; empty where it does not fit the classes

    def headline(self) -> dict[str, Any]:
        """Return pictures, accuracy and its interval as plain JSON values, as web pages show them."""
        return {"pictures": self.pictures, "accuracy": self.accuracy, "interval": list(self.interval)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the probabilities were calibrated, and what that changed on validation."""

    temperature: float | None
    pictures: int  # that the temperature was fitted on
    fitted_on: str
    changes: Mapping[str, Ends]  # figure -> before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Selective:
    """What was asked of selective prediction, and what came of it."""

    max_error: float | None  # share of wrong answers that was to be guaranteed
    guarantee: RiskGuarantee | None
    detector: OodDetector | None  # of out-of-distribution pictures
    reason: str  # why there is no guarantee


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One layer of a network."""

    name: str
    type: str
    output: str
    parameters: int | None


@dataclass(frozen=True, slots=True)
class Placed:
    """One picture's place in the split."""

    path: str
    sha256: str
    label: str
    part: str


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Answers to pictures known by content and label."""

    classes: tuple[str, ...]
    answered: tuple[Answer, ...]
    probabilities: NDArray[np.float64]  # (N, C), rows adding up to 1

    @property
    def true(self) -> NDArray[np.int64]:
        """The class index (N,) of each picture."""
        places = {name: index for index, name in enumerate(self.classes)}
        return np.array([places[answer.label] for answer in self.answered], np.int64)


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


@dataclass(frozen=True, eq=False, kw_only=True)
class RunRecord:
    """A finished run, as far as it says about itself.

    The fields are those of small files; the tables of pictures are read when they are first asked for.
    """

    folder: Path
    version: int
    recipe: str
    settings: Mapping[str, Any]  # recipe.toml
    seed: int | None
    image_px: int | None
    backbone: str
    weights: str
    precision: str
    adds: str  # what the recipe adds to the one below it
    command: str  # that made the run
    machine: str
    classes: tuple[str, ...]  # in the order of the answers
    counts: Mapping[str, int]  # pictures of each class
    baseline: float | None
    left_out: tuple[tuple[str, str], ...]  # path and reason
    digest: str  # SHA-256 of the split
    sizes: Mapping[str, int]  # pictures of each subset
    how: str  # the split came about
    leaks: (
        tuple[tuple[str, ...], ...] | None
    )  # groups of pictures that look the same in two subsets; None: not recorded
    validation: Scores | None
    test: Scores | None
    parameters: int | None
    trainable: int | None  # of the parameters
    layers: tuple[LayerRecord, ...]
    seconds: float | None
    seconds_per_epoch: float | None
    notes: tuple[str, ...]
    is_patched: bool  # trained with a patch of labels
    gain_from_patch: Gain | None
    calibration: Calibration | None
    selective: Selective
    versions: Mapping[str, str]  # of packages
    root: Path | None  # of the pictures
    looks_at_test: int
    problems: tuple[str, ...]  # fields that cannot be read, one line each
    values: Mapping[str, Any]  # metrics.json as it is, for what passes it on

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read a run.

        Raises:
            WrongUsage: the folder holds no finished run, or one of a later version of Pawsight.
        """
        place = folder.expanduser().resolve()
        values = _mapping(_read_json(place / METRICS))
        if not values:
            raise WrongUsage(
                f"{folder} is no finished run.",
                f"There is no {METRICS} in it that can be read.",
                "Name finished runs, e.g. pawsight report runs/001 runs/002",
            )
        problems: list[str] = []
        fields = _Fields(values, problems)
        version = fields.count("version") or 0
        if version > VERSION:
            raise WrongUsage(
                f"{folder} was made by a later version of Pawsight.",
                f"Its {METRICS} has version {version}; this Pawsight reads up to {VERSION}.",
                "Install the newest version: pip install --upgrade pawsight",
            )
        settings = _read_toml(place / RECIPE)
        classes = tuple(str(name) for name in fields.items("classes"))
        split, parameters = fields.inside("split"), fields.inside("parameters")
        root = _Fields(_mapping(_read_json(place / SOURCE)), problems, f"{SOURCE}: ").text("root")
        looks = _Fields(_mapping(_read_json(place / LOOKS)), problems, f"{LOOKS}: ").count("looks_at_test")
        versions = _mapping(_mapping(_read_json(place / "bundle" / "bundle.json")).get("versions"))
        return cls(
            folder=place,
            version=version,
            recipe=fields.text("recipe") or str(settings.get("name") or place.name),
            settings=settings,
            seed=fields.count("seed"),
            image_px=fields.count("image_px"),
            backbone=fields.text("backbone"),
            weights=fields.text("weights"),
            precision=fields.text("precision"),
            adds=fields.text("adds"),
            command=_command(fields),
            machine=fields.text("machine"),
            classes=classes,
            counts=fields.inside("counts").counts(),
            baseline=fields.number("baseline"),
            left_out=tuple((file.text("path"), file.text("reason")) for file in fields.objects("left_out")),
            digest=split.text("digest"),
            sizes={name: size for name in SUBSETS if (size := split.count(name)) is not None},
            how=split.text("how"),
            leaks=_leaks(fields),
            validation=_scores(fields.inside("validation"), len(classes)),
            test=_scores(fields.inside("test"), len(classes)),
            parameters=parameters.count("total"),
            trainable=parameters.count("trainable"),
            layers=tuple(_layer(layer) for layer in fields.objects("layers")),
            seconds=fields.inside("seconds").number("total"),
            seconds_per_epoch=fields.number("seconds_per_epoch"),
            notes=tuple(str(note) for note in fields.items("notes")),
            is_patched=bool(fields.inside("patch").values),
            gain_from_patch=_gain(fields.inside("gain_from_patch")),
            calibration=_calibration(fields.inside("calibration")),
            selective=_selective(fields.inside("abstention")),
            versions={str(package): str(number) for package, number in versions.items()},
            root=Path(root) if root else None,
            looks_at_test=looks or 0,
            problems=tuple(problems),
            values=values,
        )

    def object(self, name: str) -> dict[str, Any] | None:
        """Return an object of `metrics.json` as it is, for what passes it on; None where there is none."""
        return dict(_mapping(self.values.get(name))) or None

    def store_test(self, metrics: Metrics | None) -> None:
        """Write into `metrics.json` what was measured on the test part.

        Raises:
            StorageError: the disk refused.
        """
        write_json(self.folder / METRICS, {**self.values, "test": to_jsonable(metrics)})

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The answers to the validation part; none where the run holds none that can be read."""
        return tuple(_answer(row) for row in _read_rows(self.folder / PREDICTIONS) if row.get("part") == "validation")

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs of the training; none for recipes without epochs."""
        path = self.folder / HISTORY
        try:
            return read_history(path) if path.is_file() else ()
        except (PawsightError, ValueError):
            return ()

    @cached_property
    def split(self) -> tuple[Placed, ...]:
        """Every picture of the split; none where the run does not hold it."""
        return tuple(
            Placed(row.get("path") or "", row.get("sha256") or "", row.get("label") or "", row.get("part") or "")
            for row in _read_rows(self.folder / SPLITS)
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...] | None:
        """What the audit found when the run was made; None where the run does not say."""
        path = self.folder / AUDIT
        if not path.is_file():
            return None
        rows = [{key: value or "" for key, value in row.items() if key} for row in _read_rows(path)]
        return tuple(
            Finding(row.get("path", ""), row["problem"], _value(row["problem"], row.get("value", "")), row["severity"])
            for row in rows
            if row.get("problem") in PROBLEMS and row.get("severity") in SEVERITIES
        )

    @cached_property
    def slices(self) -> KeptSlices | None:
        """The slices that the run keeps; None where there are none that can be read."""
        return _kept(self.folder / SLICES, _slices)

    @cached_property
    def learning_curve(self) -> KeptCurve | None:
        """The learning curve that the run keeps; None where there is none that can be read."""
        return _kept(self.folder / LEARNING_CURVE, _curve)

    @cached_property
    def suspects(self) -> KeptSuspects | None:
        """The likely wrong labels that the run keeps; None where there are none that can be read."""
        return _kept(self.folder / SUSPECTS, _suspects)

    def answer_table(self, subset: str) -> AnswerTable:
        """Read the probabilities of the answers to validation or test; no row where the run has not answered to it.

        Raises:
            StorageError: the file is missing, or is not as `train` writes it.
        """
        path = self.folder / PREDICTIONS
        rows = [row for row in read_table(path) if row.get("part") == subset]
        try:
            table = np.array([[float(row[f"p({name})"]) for name in self.classes] for row in rows])
            table = table.reshape(-1, len(self.classes))
            answered = tuple(
                Answer(row["path"], row["sha256"], row["label"], row["predicted"], float(row[f"p({row['predicted']})"]))
                for row in rows
            )
            if not np.isfinite(table).all() or {answer.label for answer in answered} - set(self.classes):
                raise ValueError("a probability is no number, or a label is no class of the run")
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(
                f"{path} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
            ) from error
        table = np.maximum(table, _HALF_DIGIT)
        return AnswerTable(self.classes, answered, table / table.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a JSON object by type. One of another type is None or empty, and a line in `problems`."""

    values: Mapping[str, Any]
    problems: list[str]
    place: str = ""  # before the name of a field in a problem

    def number(self, name: str, *, least: float = -math.inf, most: float = math.inf) -> float | None:
        """Return a finite number within bounds."""
        value = self.values.get(name)
        number = finite(value)
        if value is not None and (number is None or not least <= number <= most):
            self._refuse(name, "a finite number" if math.isinf(most) else f"a number from {least:g} to {most:g}")
            return None
        return number

    def count(self, name: str) -> int | None:
        """Return a number of things."""
        number = self.number(name)
        return None if number is None else int(number)

    def counts(self) -> dict[str, int]:
        """Return all fields as numbers of things, without those that are none."""
        return {name: count for name in self.values if (count := self.count(name)) is not None}

    def text(self, name: str) -> str:
        """Return text, empty where there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            self._refuse(name, "text")
        return value if isinstance(value, str) else ""

    def items(self, name: str) -> list[Any]:
        """Return a list."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            self._refuse(name, "a list")
        return value if isinstance(value, list) else []

    def inside(self, name: str) -> _Fields:
        """Return the fields of an object."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, Mapping):
            self._refuse(name, "an object")
        return _Fields(_mapping(value), self.problems, f"{self.place}{name}.")

    def objects(self, name: str) -> list[_Fields]:
        """Return the fields of each object of a list."""
        places = enumerate(self.items(name))
        return [
            _Fields({str(index): item}, self.problems, f"{self.place}{name}.").inside(str(index))
            for index, item in places
        ]

    def ends(self, name: str, *, least: float = -math.inf, most: float = math.inf) -> Ends | None:
        """Return the two ends of an interval."""
        value = self.values.get(name)
        numbers = [finite(end) for end in value] if isinstance(value, list) else []
        known = [number for number in numbers if number is not None and least <= number <= most]
        if len(known) == len(numbers) == 2:
            return known[0], known[1]
        if value is not None:
            self._refuse(name, "two numbers")
        return None

    def _refuse(self, name: str, wanted: str) -> None:
        shown = repr(self.values.get(name))
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        self.problems.append(f"{self.place}{name} is {shown}, not {wanted}")


def finite(value: object) -> float | None:
    """Return a finite number as a float and anything else as None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    with suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None


def _scores(fields: _Fields, classes: int) -> Scores | None:
    accuracy, interval = fields.number("accuracy", least=0, most=1), fields.ends("interval", least=0, most=1)
    pictures = fields.count("pictures")
    if accuracy is None or interval is None or not pictures or pictures < 1:
        return None
    ends = fields.inside("intervals")
    figures = {name: Figure(value, ends.ends(name)) for name in FIGURES if (value := fields.number(name)) is not None}
    return Scores(
        pictures=pictures,
        accuracy=accuracy,
        interval=interval,
        baseline=fields.number("baseline"),
        figures=figures,
        has_intervals=bool(ends.values),
        classes=tuple(_class_scores(known) for known in fields.objects("classes")),
        confusion=_confusion(fields, classes),
    )


def _class_scores(fields: _Fields) -> ClassScores:
    precision, recall, f1 = (fields.number(name) for name in ("precision", "recall", "f1"))
    pictures = fields.count("pictures")
    return ClassScores(name=fields.text("name"), pictures=pictures, precision=precision, recall=recall, f1=f1)


def _confusion(fields: _Fields, classes: int) -> tuple[tuple[int, ...], ...]:
    rows = [row if isinstance(row, list) else [] for row in fields.items("confusion")]
    if not len(rows) == classes > 0 or any(len(row) != classes for row in rows):
        return ()
    return tuple(tuple(int(finite(cell) or 0) for cell in row) for row in rows)


def _leaks(fields: _Fields) -> tuple[tuple[str, ...], ...] | None:
    groups = fields.items("straddling")
    if "straddling" not in fields.values:
        return None
    return tuple(tuple(map(str, group)) for group in groups if isinstance(group, list))


def _command(fields: _Fields) -> str:
    """Return the command that made the run; some runs keep it as a list of words."""
    command = fields.values.get("command")
    return shlex.join(str(word) for word in command) if isinstance(command, list) else fields.text("command")


def _layer(fields: _Fields) -> LayerRecord:
    output = fields.values.get("output", "")
    if isinstance(output, list):
        output = " × ".join(str(size) for size in output if size is not None)
    return LayerRecord(fields.text("name"), fields.text("type"), str(output), fields.count("parameters"))


def _gain(fields: _Fields) -> Gain | None:
    numbers = [fields.number(name) for name in ("points", "p_value", "only_first", "only_second", "pictures")]
    points, p_value, first, second, pictures = numbers
    interval, verdict = fields.ends("interval"), fields.text("verdict")
    if None in (points, p_value, first, second, pictures) or interval is None or not verdict:
        return None
    points, p_value, first, second, pictures = (number or 0.0 for number in numbers)
    return Gain(points, interval, p_value, verdict, int(first), int(second), int(pictures))


def _calibration(fields: _Fields) -> Calibration | None:
    if not fields.values:
        return None
    validation, changes = fields.inside("validation"), {}
    for name in _CALIBRATED:
        known = validation.inside(name)
        before, after = known.number("before"), known.number("after")
        if before is not None and after is not None:
            changes[name] = before, after
    return Calibration(
        temperature=fields.number("temperature"),
        pictures=fields.count("pictures") or 0,
        fitted_on=fields.text("fitted_on"),
        changes=changes,
    )


def _selective(fields: _Fields) -> Selective:
    """Read the guarantee and the detector as a bundle's card has them, each whole or not at all."""
    return Selective(
        max_error=fields.number("max_error"),
        guarantee=_trusted(fields, "promise").guarantee,
        detector=_trusted(fields, "guard").detector,
        reason=fields.text("broken"),
    )


def _trusted(fields: _Fields, name: str) -> Trust:
    none = {"temperature": 1.0, "fitted_on": "", "promise": None, "guard": None}
    try:
        return trust_from(none | {name: fields.values.get(name)})
    except (KeyError, TypeError, ValueError) as error:
        fields.problems.append(f"{fields.place}{name} cannot be read: {' '.join(map(str, error.args))[:100]}")
        return Trust()


def _answer(row: Mapping[str, str]) -> Answer:
    predicted = row.get("predicted") or ""
    probability = math.nan
    with suppress(ValueError, TypeError):
        probability = float(row.get(f"p({predicted})") or "nan")
    return Answer(row.get("path") or "", row.get("sha256") or "", row.get("label") or "", predicted, probability)


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
        return make(_mapping(_read_json(path)))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def _slices(plain: Mapping[str, Any]) -> KeptSlices:
    slices = tuple(_slice(values) for values in plain["slices"])
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
            Answer(str(wrong["path"]), "", str(wrong["label"]), str(wrong["predicted"]), _number(wrong["probability"]))
            for wrong in plain["worst"]
        ),
    )


def _curve(plain: Mapping[str, Any]) -> KeptCurve:
    points = tuple(
        CurvePoint(
            _number(point["share"]),
            int(point["pictures"]),
            int(point["seeds"]),
            _number(point["error"]),
            Interval(*_pair(point["interval"])),
        )
        for point in plain["points"]
    )
    if len(points) < 2 or any(point.pictures < 1 for point in points):
        raise ValueError("these points make no curve")
    floor, scale, exponent = (_number(plain["fit"][name]) for name in ("floor", "scale", "exponent"))
    ends = plain["twice"]["interval"]
    interval = None if ends is None else _pair(ends)
    # Earlier runs keep intervals where there was too little for one.
    curve = honest(LearningCurve(points, int(plain["measured_on"]), floor, scale, exponent, interval))
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
        top=tuple(_likely_wrong(label) for label in plain["suspects"]),
        across=tuple(
            Alike(paths=(str(pair["path"]), str(pair["other"])), similarity=_number(pair["similarity"]))
            for pair in plain["alike_across"]
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


def shared(tables: Sequence[AnswerTable]) -> list[AnswerTable]:
    """Return the answers to the pictures that all tables have, in the same order of pictures.

    Pictures are matched by content and label, copies of one as often as every table has them.
    """
    counts = [Counter(_key(answer) for answer in table.answered) for table in tables]
    common = counts[0]
    for other in counts[1:]:
        common &= other
    return [_only(table, common) for table in tables]


def _key(answer: Answer) -> tuple[str, str]:
    return answer.sha256, answer.label


def _only(table: AnswerTable, wanted: Counter[tuple[str, str]]) -> AnswerTable:
    left, chosen = Counter(wanted), []
    for row in sorted(range(len(table.answered)), key=lambda row: _key(table.answered[row])):
        key = _key(table.answered[row])
        if left[key]:
            left[key] -= 1
            chosen.append(row)
    rows = np.array(chosen, np.int64)
    return AnswerTable(table.classes, tuple(table.answered[row] for row in chosen), table.probabilities[rows])


def pairs_up(problem: str) -> bool:
    """Return whether the value of a problem's findings is the name of another picture."""
    return problem.endswith(("two-labels", "across-parts", "duplicate"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table, none where it is missing or no table."""
    try:
        return read_table(path) if path.is_file() else []
    except (PawsightError, csv.Error):
        return []


def _read_json(path: Path) -> object:
    """Return the values of a JSON file, None where it is missing or no JSON."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return None
    return value


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
