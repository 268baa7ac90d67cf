"""`RunRecord`: a finished run as its folder holds it, written and read here alone.

The names of the files in a run folder are in `core/runs.py`.
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
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.trust import LabelRule, OodDetector, RiskGuarantee, Trust, trust_from
from pawsight.core.errors import PawsightError, StorageError, WrongUsage
from pawsight.core.runs import (
    AUDIT,
    BUNDLE,
    BUNDLE_CARD,
    HISTORY,
    LEARNING_CURVE,
    LOOKS,
    METRICS,
    PREDICTIONS,
    RECIPE,
    SLICES,
    SPLITS,
    SUSPECTS,
    Epoch,
    from_folder,
    from_here,
    named_run,
    read_history,
    read_table,
    root_of,
)
from pawsight.core.storage import as_path, write_json
from pawsight.core.text import plural, typed
from pawsight.data.audit import PROBLEMS, SEVERITIES, Finding, Findings
from pawsight.data.groups import numbers_of
from pawsight.data.label_patch import PatchOutcome
from pawsight.data.label_sets import labels_in, truth_of
from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer, Gain
from pawsight.evaluation.cross_validation import CrossValidation
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import CurvePoint, LearningCurve, honest
from pawsight.evaluation.metrics import ClassMetrics, Metrics, to_jsonable
from pawsight.evaluation.selective import CostFigures, SetFigures
from pawsight.evaluation.several_labels import AnswerFigures, LabelMetrics, SeveralLabelsMetrics
from pawsight.evaluation.several_labels import to_jsonable as several_labels_json
from pawsight.evaluation.slices import Slice
from pawsight.images.decode import GreyRange
from pawsight.reports.growth import GrowthRecord

VERSION = 1  # of metrics.json; files without one have the same keys
FIGURES = ("log_loss", "roc_auc", "macro_f1", "brier", "ece")
SUBSETS = ("train", "validation", "test")
_CALIBRATED = ("ece", "brier", "log_loss")  # measured before and after calibration
_LAYER = ("name", "type", "output", "parameters")
_ROUNDED, _HALF_DIGIT = len("0.000000"), 5e-7  # in runs of version 0.2.0 and before: 0.000000 is anything below 5e-7
_SHOWN = 40  # characters of a value in a problem

Ends = tuple[float, float]
Layer = tuple[str, str, str, int | None]  # name, type, output, parameters
Kept = TypeVar("Kept")
OfSubset = TypeVar("OfSubset", SetFigures, CostFigures)


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Answers to pictures known by content and label."""

    classes: tuple[str, ...]
    answered: tuple[Answer, ...]
    probabilities: NDArray[np.float32]  # (N, C), as the bundle gives them
    rounding: float = 0.0  # by how much a probability may be off

    @property
    def true(self) -> NDArray[np.int64]:
        """The class index (N,) of each picture."""
        places = {name: index for index, name in enumerate(self.classes)}
        return np.array([places[answer.label] for answer in self.answered], np.int64)

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Which labels each picture has (N, L), where it may have several."""
        return truth_of([answer.label for answer in self.answered], self.classes)

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The group number (N,) of each picture; None where none has a group."""
        return numbers_of([answer.group for answer in self.answered])


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicesRecord:
    """Slices of one subset of a run, as slices.json holds them."""

    subset: str
    pictures: int
    slices: tuple[Slice, ...]  # the worst first

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        slices = [measured.to_json() for measured in self.slices]
        return {"part": self.subset, "pictures": self.pictures, "slices": slices}


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRecord:
    """A learning curve, and what was trained for it, as learning_curve.json holds them."""

    recipe: str  # of the run
    trained: str  # e.g. "probe on efficientnet-lite1 at 240 px"
    is_stand_in: bool  # the run's own recipe is another
    left_out: int  # pictures of the run that were changed or are gone
    curve: LearningCurve

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "recipe": self.recipe,
            "trained": self.trained,
            "is_stand_in": self.is_stand_in,
            "left_out": self.left_out,
            **self.curve.to_json(),
        }


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
class SuspectsRecord:
    """The top of the ranking of labels by how likely they are wrong, as suspects.json holds it."""

    pictures: int  # ranked
    flagged: int  # more speaks against their label than for it
    left_out: int
    top: tuple[LikelyWrong, ...]
    across: tuple[tuple[str, str, float], ...]  # nearest neighbours of two subsets, and their cosine
    plain: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RunRecord:
    """A finished run: what `metrics.json` holds, and what lies beside it.

    Training writes it once, with `write`; everything else reads it with `read`. A field that is missing in the file is
    None, NaN or empty. The tables of pictures are read when they are first asked for.
    """

    folder: Path
    recipe: str
    backbone: str = ""
    image_px: int | None = None
    seed: int | None = None
    precision: str = ""  # number format that pictures were computed in
    grey_range: GreyRange | None = None  # that 16-bit pictures were decoded with; None: that of their type
    classes: tuple[str, ...] = ()  # in the order of the answers
    counts: Mapping[str, int] = field(default_factory=dict)  # pictures of each class
    digest: str = ""  # SHA-256 of the split
    sizes: Mapping[str, int] = field(default_factory=dict)  # pictures of each subset
    how: str = ""  # the split came about
    split_seed: int | None = None
    leaks: tuple[tuple[str, ...], ...] | None = None  # pictures that look the same in two subsets; None: not recorded
    validation: Metrics | None = None
    test: Metrics | None = None
    cross_validation: CrossValidation | None = None  # in place of validation, or beside it where that is small
    baseline: float | None = None
    left_out: tuple[tuple[str, str], ...] = ()  # path and reason
    adds: str = ""  # what the recipe adds to the one below it
    parameters: int | None = None
    trainable: int | None = None  # of the parameters
    layers: tuple[Layer, ...] = ()
    epochs: int = 0
    seconds_per_epoch: float | None = None
    notes: tuple[str, ...] = ()
    data_notes: tuple[str, ...] = ()  # how the folders were read, where it could have been otherwise
    depth: Mapping[str, Any] = field(default_factory=dict)  # where a probe reads its backbone, and what else was tried
    patch: PatchOutcome | None = None  # what decisions about labels changed
    gain_from_patch: Gain | None = None  # over the run that the patch was made for
    growth: GrowthRecord | None = None  # how it grew out of another run
    temperature: float | None = None  # of the calibration; None: not recorded
    fitted_on: str = ""  # what the temperature was fitted on
    calibrated_on: int = 0  # pictures that the temperature was fitted on
    calibration_gain: Ends | None = None  # of fitted temperatures in log loss, out of fold, and its standard error
    calibrated: Mapping[str, Mapping[str, Ends]] = field(default_factory=dict)  # subset -> figure -> before and after
    max_error: float | None = None  # share of wrong answers that was to be guaranteed; None: none is unsure
    guarantee: RiskGuarantee | None = None
    max_error_per_class: float | None = None  # share of wrong answers with each class that was to be guaranteed
    by_class: tuple[RiskGuarantee | None, ...] = ()  # in the order of `classes`
    sets: PredictionSets | None = None
    measured_sets: Mapping[str, SetFigures] = field(default_factory=dict)  # by subset
    costs: Costs | None = None
    measured_costs: Mapping[str, CostFigures] = field(default_factory=dict)  # by subset
    detector: OodDetector | None = None  # of out-of-distribution pictures
    label_rules: tuple[LabelRule, ...] = ()  # in the order of `classes`, where a picture may have several; else empty
    several_labels: Mapping[str, SeveralLabelsMetrics] = field(default_factory=dict)  # by subset, in place of `Metrics`
    decided: Mapping[str, Any] = field(default_factory=dict)  # subset -> what was answered, as plain JSON values
    no_guarantee: str = ""  # why there is none
    command: str = ""  # that makes the same run again
    seconds: Mapping[str, float] = field(default_factory=dict)  # of each stage, and "total"
    machine: str = ""
    # From the files beside metrics.json
    settings: Mapping[str, Any] = field(default_factory=dict)  # recipe.toml
    versions: Mapping[str, str] = field(default_factory=dict)  # of packages
    root: Path | None = None  # of the pictures
    looks_at_test: int = 0
    problems: tuple[str, ...] = ()  # fields that cannot be read, one line each
    computed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # files that the run could not take
    page: Path | None = None  # folder of a page about it, where what the page says is typed; None: the current folder

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read a run.

        Raises:
            WrongUsage: the folder holds no finished run, or one of a later version of Pawsight.
        """
        place = as_path(folder).resolve()
        values = _mapping(_read_json(place / METRICS))
        if not values:
            named_run(as_path(folder))
            raise WrongUsage(
                f"{folder} is no finished run.",
                f"There is no {METRICS} in it that can be read.",
                "Name finished runs, e.g. pawsight report runs/001 runs/002",
            )
        record, settings = cls.from_json(values, place), _read_toml(place / RECIPE)
        problems = list(record.problems)
        looks = _Fields(_mapping(_read_json(place / LOOKS)), problems, f"{LOOKS}: ").count("looks_at_test")
        versions = _mapping(_mapping(_read_json(place / BUNDLE / BUNDLE_CARD)).get("versions"))
        return replace(
            record,
            recipe=record.recipe or str(settings.get("name") or place.name),
            settings=settings,
            versions={str(package): str(number) for package, number in versions.items()},
            root=root_of(place),
            looks_at_test=looks or 0,
            problems=tuple(problems),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any], folder: Path) -> RunRecord:
        """Read the values of a run's metrics.json; the opposite of `to_json`.

        Raises:
            WrongUsage: they are of a later version of Pawsight.
        """
        problems: list[str] = []
        fields = _Fields(values, problems)
        version = fields.count("version") or 0
        if version > VERSION:
            raise WrongUsage(
                f"{folder} was made by a later version of Pawsight.",
                f"Its {METRICS} has version {version}; this Pawsight reads up to {VERSION}.",
                "Install the newest version: pip install --upgrade pawsight",
            )
        split, parameters, command = fields.inside("split"), fields.inside("parameters"), values.get("command")
        calibration, selective = fields.inside("calibration"), fields.inside("abstention")
        classes, groups = tuple(str(name) for name in fields.items("classes")), fields.items("straddling")
        return cls(
            folder=folder,
            recipe=fields.text("recipe"),
            backbone=fields.text("backbone"),
            image_px=fields.count("image_px"),
            seed=fields.count("seed"),
            precision=fields.text("precision"),
            grey_range=_grey_range(fields.items("grey_range")),
            classes=classes,
            counts=fields.inside("counts").counts(),
            digest=split.text("digest"),
            sizes={name: size for name in SUBSETS if (size := split.count(name)) is not None},
            how=split.text("how"),
            split_seed=split.count("seed"),
            leaks=tuple(tuple(map(str, group)) for group in groups if isinstance(group, list))
            if "straddling" in values
            else None,
            validation=_metrics(fields.inside("validation"), len(classes)),
            test=_metrics(fields.inside("test"), len(classes)),
            cross_validation=_cross_validation(fields.inside("cross_validation"), len(classes)),
            baseline=fields.number("baseline"),
            left_out=tuple((file.text("path"), file.text("reason")) for file in fields.objects("left_out")),
            adds=fields.text("adds"),
            parameters=parameters.count("total"),
            trainable=parameters.count("trainable"),
            layers=tuple(_layer(layer) for layer in fields.objects("layers")),
            epochs=fields.count("epochs") or 0,
            seconds_per_epoch=fields.number("seconds_per_epoch"),
            notes=tuple(str(note) for note in fields.items("notes")),
            data_notes=tuple(str(note) for note in fields.items("data_notes")),
            depth=_mapping(values.get("depth")),
            patch=_patch(fields.inside("patch")),
            gain_from_patch=_gain(fields.inside("gain_from_patch")),
            growth=_growth(fields.inside("growth")),
            temperature=calibration.number("temperature"),
            fitted_on=calibration.text("fitted_on"),
            calibrated_on=calibration.count("pictures") or 0,
            calibration_gain=_gain_of(calibration.inside("gain")),
            calibrated={name: _changes(calibration.inside(name)) for name in SUBSETS if name in calibration.values},
            max_error=selective.number("max_error"),
            guarantee=_trusted(selective, "promise").guarantee,
            detector=_trusted(selective, "guard").detector or _trusted(fields, "guard", key="detector").detector,
            decided=fields.inside("decided").values,
            max_error_per_class=selective.number("max_error_per_class"),
            by_class=_trusted(selective, "class_promises").by_class,
            sets=_trusted(fields.inside("sets"), "sets", key="rule").sets,
            measured_sets=_figures(fields.inside("sets"), SetFigures),
            costs=_trusted(fields.inside("costs"), "costs", key="listed").costs,
            measured_costs=_figures(fields.inside("costs"), CostFigures),
            label_rules=_trusted(fields.inside("several_labels"), "labels", key="rules").labels,
            several_labels=_several_labels(fields.inside("several_labels")),
            no_guarantee=selective.text("broken"),
            # Some runs keep the command as a list of words.
            command=shlex.join(map(str, command)) if isinstance(command, list) else fields.text("command"),
            seconds=fields.inside("seconds").numbers(),
            machine=fields.text("machine"),
            problems=tuple(problems),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `train --json` and, but for the place of the run, metrics.json have them."""
        plain = {
            "version": VERSION,
            "run": str(self.folder),
            "recipe": self.recipe,
            "backbone": self.backbone,
            "image_px": self.image_px,
            "seed": self.seed,
            "precision": self.precision,
            "grey_range": list(self.grey_range) if self.grey_range else None,
            "classes": list(self.classes),
            "counts": dict(self.counts),
            "split": {"digest": self.digest, **self.sizes, "how": self.how, "seed": self.split_seed},
            "straddling": [list(names) for names in self.leaks or ()],
            "validation": metrics_json(self.validation),
            "test": metrics_json(self.test),
            "cross_validation": self.cross_validation_json(),
            "baseline": self.baseline,
            "left_out": [{"path": path, "reason": reason} for path, reason in self.left_out],
            "adds": self.adds,
            "parameters": {"total": self.parameters, "trainable": self.trainable},
            "layers": [dict(zip(_LAYER, layer, strict=True)) for layer in self.layers],
            "epochs": self.epochs,
            "seconds_per_epoch": self.seconds_per_epoch,
            "notes": list(self.notes),
            "data_notes": list(self.data_notes),
            "depth": dict(self.depth) or None,
            "patch": self.patch.to_json() if self.patch else None,
            "gain_from_patch": self.gain_from_patch.to_json() if self.gain_from_patch else None,
            "growth": self.growth.to_json() if self.growth else None,
            "calibration": self._calibration_json(),
            "abstention": self._abstention_json(),
            "detector": self.detector.to_json() if self.detector is not None else None,
            "decided": dict(self.decided),
            "sets": self.sets and {"rule": self.sets.to_json(), **_figures_json(self.measured_sets)},
            "costs": self.costs and {"listed": self.costs.to_json(), **_figures_json(self.measured_costs)},
            "command": self.command,
            "seconds": dict(self.seconds),
            "machine": self.machine,
        }
        if self.label_rules:
            rules = [rule.to_json() for rule in self.label_rules]
            measured = {subset: several_labels_json(metrics) for subset, metrics in self.several_labels.items()}
            plain["several_labels"] = {"rules": rules, **measured}
        return plain

    def cross_validation_json(self) -> dict[str, Any] | None:
        """Return the cross-validated figures and which accuracy to believe; None where none were needed."""
        crossed = self.cross_validation
        if crossed is None:
            return None
        believed, why = crossed.believed(self.validation)
        known = {"folds": crossed.folds, "is_whole": crossed.is_whole, "unmeasured": crossed.unmeasured}
        return known | (metrics_json(crossed.metrics) or {}) | {"believe": believed, "why": why}

    def _calibration_json(self) -> dict[str, Any] | None:
        if self.temperature is None:
            return None
        known: dict[str, Any] = {
            "temperature": self.temperature,
            "fitted_on": self.fitted_on,
            "pictures": self.calibrated_on,
        }
        names = ("log_loss", "standard_error")
        known["gain"] = dict(zip(names, self.calibration_gain, strict=True)) if self.calibration_gain else None
        return known | {
            subset: {name: {"before": before, "after": after} for name, (before, after) in changes.items()}
            for subset, changes in self.calibrated.items()
        }

    def _abstention_json(self) -> dict[str, Any] | None:
        """The guarantee and the detector as a bundle's card has them, None where no guarantee was asked for."""
        if self.max_error is None and self.max_error_per_class is None:
            return None
        plain = Trust(guarantee=self.guarantee, detector=self.detector, by_class=self.by_class).to_json()
        known = {"promise": plain["promise"], "guard": plain["guard"]}
        if self.max_error_per_class is not None:
            known |= {
                "max_error_per_class": self.max_error_per_class,
                "class_promises": plain.get("class_promises"),
            }
        return {"max_error": self.max_error, **known, "broken": self.no_guarantee or None}

    def write(self) -> None:
        """Write metrics.json, which says that the run is finished; of the run it has the name, wherever it is moved to.

        Raises:
            StorageError: the disk refused.
        """
        write_json(self.folder / METRICS, self.to_json() | {"run": self.folder.name})

    def headline(self) -> dict[str, Any] | None:
        """Return pictures, accuracy and its interval as plain JSON values, as web pages show them.

        They are those on validation, or by cross-validation where there is none.
        """
        measured = self.measured(("validation", "cross-validation"))
        return measured and {key: value for key, value in measured.items() if key != "subset"}

    def measured(self, subsets: Sequence[str] = ("test", "validation", "cross-validation")) -> dict[str, Any] | None:
        """Return subset, pictures, accuracy and its interval for the first of these subsets that was measured.

        They are plain JSON values, as web pages show them; None where none of the subsets was measured. Of several
        labels the accuracy is the share of the pictures of which every label is right.
        """
        crossed = None if self.cross_validation is None else self.cross_validation.metrics
        known = {"test": self.test, "validation": self.validation, "cross-validation": crossed}
        for subset in subsets:
            if (labels := self.several_labels.get(subset)) is not None and (ends := labels.intervals["exact_match"]):
                figures = {"pictures": labels.pictures, "accuracy": labels.exact_match}
                return {"subset": subset, **figures, "interval": ends.as_list()}
            if (scores := known[subset]) is not None:
                figures = {"pictures": scores.pictures, "accuracy": scores.accuracy}
                return {"subset": subset, **figures, "interval": scores.interval.as_list()}
        return None

    def __repr__(self) -> str:
        crossed = self.cross_validation
        crosswise = crossed.metrics if crossed is not None and self.validation is None else None
        known = {"validation": self.validation, "cross-validation": crosswise, "test": self.test}
        scores = {name: metrics for name, metrics in known.items() if metrics is not None}
        measured = [
            f"{name} {100 * metrics.accuracy:.1f} % ({metrics.interval}) of {metrics.pictures:,}"
            for name, metrics in scores.items()
        ]
        parts = [self.recipe, plural(len(self.classes), "class", "classes"), *measured]
        return f"Run({self.shown!r}: {', '.join(parts)})"

    @property
    def shown(self) -> str:
        """The folder as pages and commands show it: they should hold where runs and pages are moved to."""
        return self.path_shown(self.folder)

    def path_shown(self, path: Path) -> str:
        """Return a path as pages and commands show it: relative to the page, or to the current folder above it."""
        return str(from_here(path)) if self.page is None else from_folder(path, self.page)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The answers to the validation part; none where the run holds none that can be read."""
        groups = self._groups
        return tuple(
            replace(answer, group=groups.get(answer.path, ""))
            for row in _read_rows(self.folder / PREDICTIONS)
            if row.get("part") == "validation"
            for answer in [_answer(row, several_labels=bool(self.label_rules))]
        )

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs of the training; none for recipes without epochs."""
        path = self.folder / HISTORY
        try:
            return read_history(path) if path.is_file() else ()
        except (PawsightError, ValueError):
            return ()

    @cached_property
    def split(self) -> tuple[Assigned, ...]:
        """Every picture of the split; none where the run does not hold it."""
        return tuple(
            Assigned(*(row.get(column) or "" for column in ("path", "sha256", "label", "part", "group")))
            for row in _read_rows(self.folder / SPLITS)
        )

    @cached_property
    def commonest(self) -> int | None:
        """The class that the training subset has most pictures of, the first of several; None where it is not known."""
        counts = Counter(picture.label for picture in self.split if picture.part == "train")
        known = [index for index, name in enumerate(self.classes) if counts[name]]
        return max(known, key=lambda index: counts[self.classes[index]], default=None)

    @cached_property
    def _groups(self) -> dict[str, str]:
        return {picture.name: picture.group for picture in self.split if picture.group}

    @cached_property
    def findings(self) -> Findings | None:
        """What the audit found when the run was made; None where the run does not say."""
        path = self.folder / AUDIT
        if not path.is_file():
            return None
        rows = [{key: value or "" for key, value in row.items() if key} for row in _read_rows(path)]
        return Findings(
            Finding(row.get("path", ""), row["problem"], _value(row["problem"], row.get("value", "")), row["severity"])
            for row in rows
            if row.get("problem") in PROBLEMS and row.get("severity") in SEVERITIES
        )

    @cached_property
    def slices(self) -> SlicesRecord | None:
        """The slices that the run keeps; None where there are none that can be read."""
        return _kept(self.computed.get(SLICES) or _read_json(self.folder / SLICES), _slices)

    @cached_property
    def learning_curve(self) -> CurveRecord | None:
        """The learning curve that the run keeps; None where there is none that can be read."""
        return _kept(self.computed.get(LEARNING_CURVE) or _read_json(self.folder / LEARNING_CURVE), _curve)

    @cached_property
    def suspects(self) -> SuspectsRecord | None:
        """The likely wrong labels that the run keeps; None where there are none that can be read."""
        return _kept(self.computed.get(SUSPECTS) or _read_json(self.folder / SUSPECTS), _suspects)

    @property
    def is_measured(self) -> bool:
        """Whether the run was measured on validation."""
        return self.validation is not None or "validation" in self.several_labels

    @property
    def split_by_label(self) -> tuple[Assigned, ...]:
        """Every picture of the split, once for each label that it has."""
        if not self.label_rules:
            return self.split
        return tuple(replace(picture, label=label) for picture in self.split for label in labels_in(picture.label))

    def label_table(self, subset: str) -> AnswerTable:
        """Read the answers to pictures of several labels; no row where the run holds none that can be read.

        Labels and answers are texts of `label_sets.joined`; the probability is that of the least certain label.
        """
        rows = [row for row in _read_rows(self.folder / PREDICTIONS) if row.get("part") == subset]
        try:
            table = np.array([[_number(row[f"p({name})"]) for name in self.classes] for row in rows], np.float32)
        except (KeyError, ValueError, TypeError):
            rows, table = [], np.empty(0, np.float32)
        groups = self._groups
        answers = (_answer(row, several_labels=bool(self.label_rules)) for row in rows)
        answered = tuple(replace(answer, group=groups.get(answer.path, "")) for answer in answers)
        return AnswerTable(self.classes, answered, table.reshape(-1, len(self.classes)))

    def answer_table(self, subset: str) -> AnswerTable:
        """Read the probabilities of the answers to validation or test; no row where the run has not answered to it.

        Raises:
            WrongUsage: a picture may have several labels. StorageError: the file is missing, or is not as `train`
                writes it.
        """
        if self.label_rules:
            raise WrongUsage(
                f"The pictures of {self.shown} may have several labels.",
                "This is about pictures that are of one class each.",
                f"Its figures by label are in its report: {typed('report', self.shown)}",
            )
        path = self.folder / PREDICTIONS
        rows = [row for row in read_table(path) if row.get("part") == subset]
        try:
            cells = [[row[f"p({name})"] for name in self.classes] for row in rows]
            table = np.array(cells, np.float32).reshape(-1, len(self.classes))
            groups = self._groups
            answered = tuple(
                Answer(
                    row["path"],
                    row["sha256"],
                    row["label"],
                    row["predicted"],
                    float(row[f"p({row['predicted']})"]),
                    groups.get(row["path"], ""),
                )
                for row in rows
            )
            if not np.isfinite(table).all() or {answer.label for answer in answered} - set(self.classes):
                raise ValueError("a probability is no number, or a label is no class of the run")
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(
                f"{path} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
            ) from error
        if not rows or any(len(cell) != _ROUNDED for row in cells for cell in row):
            return AnswerTable(self.classes, answered, table)
        table = np.maximum(table, _HALF_DIGIT)
        return AnswerTable(self.classes, answered, table / table.sum(axis=1, keepdims=True), _HALF_DIGIT)


def _grey_range(ends: Sequence[object]) -> GreyRange | None:
    low, high = (finite(end) for end in ends) if len(ends) == 2 else (None, None)
    return None if low is None or high is None or low >= high else (low, high)


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

    def number_or_nan(self, name: str) -> float:
        """Return a finite number, NaN where there is none."""
        number = self.number(name)
        return math.nan if number is None else number

    def count(self, name: str) -> int | None:
        """Return a number of things."""
        number = self.number(name)
        return None if number is None else int(number)

    def numbers(self) -> dict[str, float]:
        """Return all fields as numbers, without those that are none."""
        return {name: number for name in self.values if (number := self.number(name)) is not None}

    def counts(self) -> dict[str, int]:
        """Return all fields as numbers of things, without those that are none."""
        return {name: int(number) for name, number in self.numbers().items()}

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


def metrics_json(metrics: Metrics | None) -> dict[str, Any] | None:
    """Return metrics as plain JSON values; what a run does not say is None."""
    if metrics is None:
        return None
    plain: dict[str, Any] = json.loads(json.dumps(to_jsonable(metrics)))  # lists where there are tuples
    for values in (plain, *plain["classes"]):
        values.update({name: None for name, value in values.items() if isinstance(value, float) and math.isnan(value)})
    return plain


def figure(metrics: Metrics | None, name: str) -> tuple[float, Interval | None] | None:
    """Return one of FIGURES with its interval; None where it is not known."""
    value = finite(getattr(metrics, name, None))
    return None if value is None or metrics is None else (value, metrics.intervals.get(name))


def _metrics(fields: _Fields, classes: int) -> Metrics | None:
    accuracy, interval = fields.number("accuracy", least=0, most=1), fields.ends("interval", least=0, most=1)
    pictures = fields.count("pictures")
    if accuracy is None or interval is None or not pictures or pictures < 1:
        return None
    ends = {name: fields.inside("intervals").ends(name) for name in FIGURES}
    return Metrics(
        pictures=pictures,
        accuracy=accuracy,
        interval=Interval(*interval),
        log_loss=fields.number_or_nan("log_loss"),
        roc_auc=fields.number("roc_auc"),
        macro_f1=fields.number_or_nan("macro_f1"),
        brier=fields.number_or_nan("brier"),
        ece=fields.number_or_nan("ece"),
        intervals={name: None if known is None else Interval(*known) for name, known in ends.items()},
        baseline=fields.number_or_nan("baseline"),
        classes=tuple(
            ClassMetrics(
                known.text("name"),
                known.count("pictures") or 0,
                *(known.number(name) for name in ("precision", "recall", "f1")),
            )
            for known in fields.objects("classes")
        ),
        confusion=_confusion(fields, classes),
        groups=fields.count("groups"),
        design_effect=fields.number("design_effect", least=1),
    )


def _several_labels(fields: _Fields) -> dict[str, SeveralLabelsMetrics]:
    """Read what was measured of several labels by subset; what cannot be read is left out and named."""
    measured = {}
    for subset in SUBSETS:
        if subset in fields.values:
            try:
                measured[subset] = _metrics_of_labels(fields.values[subset])
            except (KeyError, TypeError, ValueError) as error:
                fields.problems.append(f"{fields.place}{subset} cannot be read: {str(error)[:100]}")
    return measured


def _metrics_of_labels(plain: Mapping[str, Any]) -> SeveralLabelsMetrics:
    def ends(values: Mapping[str, Any]) -> dict[str, Interval | None]:
        return {name: None if known is None else Interval(*_pair(known)) for name, known in values.items()}

    def answers(values: Mapping[str, Any] | None) -> AnswerFigures | None:
        if values is None:
            return None
        interval = None if values["interval"] is None else Interval(*_pair(values["interval"]))
        return AnswerFigures(int(values["answered"]), int(values["wrong"]), _perhaps(values["error"]), interval)

    shares = ("average_precision", "precision", "recall", "f1")
    labels = tuple(
        LabelMetrics(
            name=str(label["name"]),
            pictures=int(label["pictures"]),
            threshold=_number(label["threshold"]),
            **{name: _perhaps(label[name]) for name in shares},
            intervals=ends(label["intervals"]),
            has=answers(label["has"]),
            has_not=answers(label["has_not"]),
            unsure=None if label["unsure"] is None else int(label["unsure"]),
        )
        for label in plain["labels"]
    )
    return SeveralLabelsMetrics(
        pictures=int(plain["pictures"]),
        mean_average_precision=_perhaps(plain["mean_average_precision"]),
        micro_f1=_number(plain["micro_f1"]),
        macro_f1=_perhaps(plain["macro_f1"]),
        exact_match=_number(plain["exact_match"]),
        log_loss=_number(plain["log_loss"]),
        intervals=ends(plain["intervals"]),
        labels=labels,
        absent=tuple(map(str, plain["absent"])),
        groups=None if plain["groups"] is None else int(plain["groups"]),
    )


def _cross_validation(fields: _Fields, classes: int) -> CrossValidation | None:
    metrics, folds = _metrics(fields, classes), fields.count("folds")
    if metrics is None or not folds:
        return None
    return CrossValidation(
        folds=folds,
        metrics=metrics,
        unmeasured=fields.count("unmeasured") or 0,
        is_whole=fields.values.get("is_whole") is True,
    )


def _gain_of(fields: _Fields) -> Ends | None:
    gain, error = fields.number("log_loss"), fields.number("standard_error")
    return None if gain is None or error is None else (gain, error)


def _confusion(fields: _Fields, classes: int) -> tuple[tuple[int, ...], ...]:
    rows = [row if isinstance(row, list) else [] for row in fields.items("confusion")]
    if not len(rows) == classes > 0 or any(len(row) != classes for row in rows):
        return ()
    return tuple(tuple(int(finite(cell) or 0) for cell in row) for row in rows)


def _layer(fields: _Fields) -> Layer:
    output = fields.values.get("output", "")
    if isinstance(output, list):
        output = " × ".join(str(size) for size in output if size is not None)
    return fields.text("name"), fields.text("type"), str(output), fields.count("parameters")


def _patch(fields: _Fields) -> PatchOutcome | None:
    if not fields.values:
        return None
    counts = ("relabelled", "dropped", "kept", "unknown", "changed", "in_test")
    known = {name: fields.count(name) or 0 for name in counts}
    return PatchOutcome(file=fields.text("file"), sha256=fields.text("sha256"), **known)


def _gain(fields: _Fields) -> Gain | None:
    numbers = [fields.number(name) for name in ("points", "p_value", "only_first", "only_second", "pictures")]
    points, p_value, first, second, pictures = numbers
    interval, verdict = fields.ends("interval"), fields.text("verdict")
    if None in (points, p_value, first, second, pictures) or interval is None or not verdict:
        return None
    points, p_value, first, second, pictures = (number or 0.0 for number in numbers)
    holm = fields.number("p_holm")
    effect = fields.number("design_effect", least=1)
    return Gain(points, interval, p_value, verdict, int(first), int(second), int(pictures), holm, effect)


def _growth(fields: _Fields) -> GrowthRecord | None:
    grown = _kept(fields.values, GrowthRecord.from_json)
    if grown is None and fields.values:
        fields.problems.append("growth cannot be read")
    return grown


def _changes(fields: _Fields) -> dict[str, Ends]:
    changes = {}
    for name in _CALIBRATED:
        known = fields.inside(name)
        before, after = known.number("before"), known.number("after")
        if before is not None and after is not None:
            changes[name] = before, after
    return changes


def _figures_json(measured: Mapping[str, SetFigures | CostFigures]) -> dict[str, Any]:
    return {subset: figures.to_json() for subset, figures in measured.items()}


def _figures(fields: _Fields, kind: type[OfSubset]) -> dict[str, OfSubset]:
    """Read what was measured of sets or costs by subset; what cannot be read is left out and named."""
    measured = {}
    for subset in SUBSETS:
        if subset in fields.values:
            try:
                values = dict(fields.values[subset])
                measured[subset] = kind(**values | {"interval": Interval(*map(float, values["interval"]))})
            except (KeyError, TypeError, ValueError) as error:
                fields.problems.append(f"{fields.place}{subset} cannot be read: {str(error)[:100]}")
    return measured


def _trusted(fields: _Fields, name: str, *, key: str = "") -> Trust:
    """Read the guarantees, the sets, the costs or the detector as a bundle's card has it, whole or not at all."""
    none = {"temperature": 1.0, "fitted_on": "", "promise": None, "guard": None}
    value = fields.values.get(key or name)
    try:
        return trust_from(none if value is None else none | {name: value})
    except (KeyError, TypeError, ValueError) as error:
        fields.problems.append(f"{fields.place}{name} cannot be read: {' '.join(map(str, error.args))[:100]}")
        return Trust()


def _answer(row: Mapping[str, str], *, several_labels: bool) -> Answer:
    """Return an answer; its probability is that of the class, of several labels that of the least certain one."""
    predicted = row.get("predicted") or ""
    probability = math.nan
    with suppress(ValueError, TypeError):
        if several_labels:
            shares = [float(cell) for name, cell in row.items() if name.startswith("p(")]
            probability = min((max(share, 1 - share) for share in shares), default=math.nan)
        else:
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


def _kept(values: object, make: Callable[[Mapping[str, Any]], Kept]) -> Kept | None:
    try:
        return make(_mapping(values))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def _slices(plain: Mapping[str, Any]) -> SlicesRecord:
    slices = tuple(_slice(values) for values in plain["slices"])
    return SlicesRecord(subset=str(plain["part"]), pictures=int(plain["pictures"]), slices=slices)


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
            Answer(
                str(wrong["path"]),
                "",
                str(wrong["label"]),
                str(wrong["predicted"]),
                math.nan if wrong["probability"] is None else _number(wrong["probability"]),
            )
            for wrong in plain["worst"]
        ),
    )


def _curve(plain: Mapping[str, Any]) -> CurveRecord:
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
    return CurveRecord(
        recipe=str(plain.get("recipe", "")),
        trained=str(plain["trained"]),
        is_stand_in=bool(plain["is_stand_in"]),
        left_out=int(plain["left_out"]),
        curve=curve,
    )


def _suspects(plain: Mapping[str, Any]) -> SuspectsRecord:
    return SuspectsRecord(
        pictures=int(plain["pictures"]),
        flagged=int(plain["flagged"]),
        left_out=int(plain["left_out"]),
        top=tuple(_likely_wrong(label) for label in plain["suspects"]),
        across=tuple(
            (str(pair["path"]), str(pair["other"]), _number(pair["similarity"])) for pair in plain["alike_across"]
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
    return AnswerTable(
        table.classes, tuple(table.answered[row] for row in chosen), table.probabilities[rows], table.rounding
    )


def pairs_up(problem: str) -> bool:
    """Return whether the value of a problem's findings is the name of another picture."""
    return problem.endswith(("two-labels", "labels-differ", "across-parts", "duplicate"))


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
