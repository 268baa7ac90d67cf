"""How far answers are to be trusted: temperature, guarantees, prediction sets, costs, out-of-distribution detector.

These values travel in a bundle's card. How they are chosen is in training: `calibration`, `guarantees`, `threshold`,
`ood_detector`; sets and costs have files of their own here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.costs import Costs, NamedCosts, costs_from
from pawsight.classifier.prediction_sets import GREATEST_COVERAGE, LEAST_COVERAGE, PredictionSets
from pawsight.core.errors import WrongUsage

ANSWERED, UNSURE, UNFAMILIAR = "answered", "unsure", "unfamiliar"  # decisions, as users and files have them
HAS, HAS_NOT, NOT_SURE = 1, 0, -1  # decisions about one of several labels
MOST = 0.5  # shares of pictures that may be asked for lie between 0 and this
CONFIDENCE = 0.9  # of a risk guarantee
VALIDATION = "the validation set"  # where pictures that were not fitted to are from; or training, out of fold
LEAST, GREATEST = 0.05, 20.0  # temperatures
_STEPS = 80  # of the bisection

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveOptions:
    """What the user asks of the answers; by default a familiar picture is answered with its likeliest class."""

    max_error: float | None = None  # share of the answered pictures that may be wrong
    max_error_per_class: float | None = None  # share of the answers with each class that may be wrong
    sets: float | None = None  # share of prediction sets that hold the true class
    costs: NamedCosts | None = None  # of mistakes
    false_alarms: float = 0.01  # share of pictures like the training pictures that may be called unfamiliar
    answer_all: bool = False  # no picture is called unfamiliar
    none_class: str | None = None  # name of the class that stands for none of the others

    def __post_init__(self) -> None:
        shares = (self.max_error, self.max_error_per_class, self.false_alarms)
        for option, share in zip(("--max-error", "--max-error-per-class", "--false-alarms"), shares, strict=True):
            if share is not None and not 0 < share < MOST:
                raise WrongUsage(
                    f"{option} cannot be {share:g}.",
                    "It is a share of pictures, above 0 and below 50 %.",
                    f"Type for example {option} 1%",
                )
        if self.sets is not None and not LEAST_COVERAGE <= self.sets <= GREATEST_COVERAGE:
            raise WrongUsage(
                f"--sets cannot be {self.sets:g}.",
                "It is the share of sets that hold the true class, "
                f"from {100 * LEAST_COVERAGE:g} to {100 * GREATEST_COVERAGE:g} %.",
                "Type for example --sets 95%",
            )
        if self.answer_all and (self.max_error is not None or self.max_error_per_class is not None):
            option = "--max-error" if self.max_error is not None else "--max-error-per-class"
            raise WrongUsage(
                f"--answer-all and {option} cannot be used together.",
                f"With {option} a picture that is not sure enough gets no answer.",
                "Leave one of the two out.",
            )
        if self.answer_all and self.none_class is not None:
            raise WrongUsage(
                "--answer-all and --none-class cannot be used together.",
                "Pictures of that class are called unfamiliar.",
                "Leave one of the two out.",
            )
        if self.max_error is not None and self.max_error_per_class is not None:
            raise WrongUsage(
                "--max-error and --max-error-per-class cannot be used together.",
                "A guarantee for the answers with each class is one for all answers too.",
                "Leave one of the two out.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskGuarantee:
    """At most `max_error` of the answered pictures are wrong, with `confidence`; of all, or of those with one class."""

    max_error: float
    confidence: float
    threshold: float  # probability of the answer from which on a picture is answered
    pictures: int  # on which the threshold was chosen
    answered: int  # of them
    errors: int  # answered and wrong
    coverage: float  # answered / pictures
    coverage_interval: tuple[float, float]  # Clopper-Pearson, 95 %
    expected_risk: float  # bound on the expected share of pictures answered and wrong: (errors + 1) / (pictures + 1)
    measured_on: str = VALIDATION  # where the pictures are from

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `measured_on` is left out where that is validation alone, as in earlier bundles."""
        plain = asdict(self)
        return {name: value for name, value in plain.items() if name != "measured_on" or value != VALIDATION}


class DetectionCount(TypedDict):
    """How many pictures of one kind of out-of-distribution example the detector noticed."""

    kind: str
    pictures: int
    caught: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OodDetector:
    """A picture whose score lies above the threshold is out of distribution: unlike the training pictures."""

    threshold: float  # of the graph's output `unlikeness`, in [0, 1]
    false_alarms: float  # largest expected share of pictures like the training pictures above it
    pictures: int  # on which it was set
    components: int  # directions in which training pictures vary that are kept
    caught: tuple[DetectionCount, ...]  # of drawings, writing, textures, noise and one colour
    measured_on: str = VALIDATION  # where the pictures are from

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `measured_on` is left out where that is validation, as in earlier bundles."""
        plain = asdict(self) | {"caught": [dict(kind) for kind in self.caught]}
        return {name: value for name, value in plain.items() if name != "measured_on" or value != VALIDATION}

    @property
    def seen(self) -> tuple[int, int]:
        """How many pictures of other things it noticed, and of how many."""
        return sum(kind["caught"] for kind in self.caught), sum(kind["pictures"] for kind in self.caught)

    @property
    def is_weak(self) -> bool:
        """Whether it noticed less than half of them."""
        caught, pictures = self.seen
        return pictures > 0 and 2 * caught < pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """When a picture has one of several labels, when it has not, and when neither is sure enough."""

    threshold: float  # probability from which on the answer is that it has
    max_error: float | None = None  # share of each of the two answers that may be wrong; None: nothing is unsure
    has: RiskGuarantee | None = None  # of the answers that it has the label; None: that is never sure enough
    has_not: RiskGuarantee | None = None  # of the answers that it has not; its threshold is one of 1 - probability

    def decide(self, probabilities: Floats) -> Labels:
        """Return the decision about each picture (N,): `HAS`, `HAS_NOT` or `NOT_SURE`.

        Args:
            probabilities: of the label (N,).
        """
        exact = np.asarray(probabilities, np.float64)  # in float32 a threshold between two could round to either
        found = np.where(exact >= self.threshold, HAS, HAS_NOT)
        if self.max_error is None:
            return found
        enough = [2.0 if kept is None else kept.threshold for kept in (self.has, self.has_not)]
        is_sure = np.where(found == HAS, exact >= enough[0], 1 - exact >= enough[1])
        return np.where(is_sure, found, NOT_SURE)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what belongs to the guarantee is there where one was asked for."""
        if self.max_error is None:
            return {"threshold": self.threshold}
        kept = {name: side and side.to_json() for name, side in (("has", self.has), ("has_not", self.has_not))}
        return {"threshold": self.threshold, "max_error": self.max_error, **kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The part of a bundle's card that says how far to trust the answers."""

    temperature: float = 1.0  # already in the graph
    fitted_on: str = "nothing"
    guarantee: RiskGuarantee | None = None
    detector: OodDetector | None = None
    # (C,) guarantees for the answers with each class, None for a class that is never answered; empty without any
    by_class: tuple[RiskGuarantee | None, ...] = ()
    sets: PredictionSets | None = None
    costs: Costs | None = None
    none_class: int | None = None  # index of the class that stands for none of the others
    labels: tuple[LabelRule, ...] = ()  # (L,) of a classifier with several labels a picture; empty of any other

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as a card has them: there the guarantee is `promise` and the detector `guard`.

        `class_promises`, `sets`, `costs` and `none_class` are there where they were asked for, `labels` where a picture
        may have several.
        """
        plain: dict[str, Any] = {
            "temperature": self.temperature,
            "fitted_on": self.fitted_on,
            "promise": self.guarantee.to_json() if self.guarantee is not None else None,
            "guard": self.detector.to_json() if self.detector is not None else None,
        }
        if self.by_class:
            plain["class_promises"] = [kept and kept.to_json() for kept in self.by_class]
        if self.sets is not None:
            plain["sets"] = self.sets.to_json()
        if self.costs is not None:
            plain["costs"] = self.costs.to_json()
        if self.none_class is not None:
            plain["none_class"] = self.none_class
        if self.labels:
            plain["labels"] = [rule.to_json() for rule in self.labels]
        return plain

    def answering_all(self) -> Trust:
        """Return the trust of a classifier that answers every picture."""
        rules = tuple(LabelRule(threshold=rule.threshold) for rule in self.labels)
        return replace(self, guarantee=None, detector=None, by_class=(), none_class=None, labels=rules)

    @property
    def max_error(self) -> float | None:
        """The largest share of wrong answers that is guaranteed: of all answers, or by class or label."""
        by_label = [side for rule in self.labels for side in (rule.has, rule.has_not)]
        kept = next((side for side in (self.guarantee, *self.by_class, *by_label) if side is not None), None)
        return None if kept is None else kept.max_error

    def answers(self, probabilities: Floats) -> Labels:
        """Return the answer (N,) to each picture, a class index: that of least expected cost, or else the likeliest.

        Args:
            probabilities: (N, C).
        """
        best = probabilities.argmax(axis=1) if self.costs is None else self.costs.expected(probabilities).argmin(axis=1)
        return np.asarray(best, np.int64)

    def decide_labels(self, probabilities: Floats) -> Labels:
        """Return the decision about each label of each picture (N, L): `HAS`, `HAS_NOT` or `NOT_SURE`.

        Args:
            probabilities: (N, L), of a classifier with several labels a picture.
        """
        decided = [rule.decide(column) for rule, column in zip(self.labels, probabilities.T, strict=True)]
        return np.stack(decided, axis=1)

    def decide(self, probabilities: Floats, score: float | None) -> str:
        """Return the decision about one picture: `ANSWERED`, `UNSURE` or `UNFAMILIAR`.

        With several labels a picture is unsure where any of its labels is.

        Args:
            probabilities: (C,) of the classes, or (L,) of the labels.
            score: the graph's output `unlikeness`, None where it has none.
        """
        if self.detector is not None and (score is None or not score <= self.detector.threshold):
            return UNFAMILIAR
        if self.labels:
            return UNSURE if (self.decide_labels(probabilities[None]) == NOT_SURE).any() else ANSWERED
        answer = int(self.answers(probabilities[None])[0])
        if answer == self.none_class:
            return UNFAMILIAR
        kept = self.by_class[answer] if self.by_class else self.guarantee
        if kept is None:
            return UNSURE if self.by_class else ANSWERED
        return ANSWERED if float(probabilities[answer]) >= kept.threshold else UNSURE

    def fault_for(self, classes: int) -> str:
        """Say what does not fit a number of classes, as the field of a card; empty where all does."""
        lengths: dict[str, Sequence[Any]] = {
            "class_promises": self.by_class,
            "sets.thresholds": self.sets.thresholds if self.sets else (),
            "labels": self.labels,
        }
        for name, values in lengths.items():
            if values and len(values) != classes:
                return f"trust.{name}, which has {len(values):,} values for {classes:,} classes"
        indices = [index for pair in (self.costs.listed if self.costs else ()) for index in pair[:2]]
        indices += [] if self.none_class is None else [self.none_class]
        if max([*indices, *(self.sets.shared if self.sets else ())], default=0) >= classes:
            return "trust, which names a class that there is not"
        return ""


def fit_temperature(true: Labels, logits: Floats, weights: Floats | None = None) -> float:
    """Return the temperature that gives softmax(logits / temperature) the lowest mean log loss.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.

    Args:
        true: class indices (N,), each in [0, C).
        logits: (N, C), up to a constant a row.
        weights: of the losses (N,); None: all count the same.

    Returns:
        a temperature from 0.05 to 20; 1.0 where every answer is right or there is none, since then the loss falls
        with the temperature without end.
    """
    scores = np.asarray(logits, np.float64)
    if not len(true) or bool((scores.argmax(axis=1) == true).all()):
        return 1.0
    scores = scores - scores.max(axis=1, keepdims=True)
    low, high = 1 / GREATEST, 1 / LEAST  # of the inverse, in which the loss is convex: halve on its slope
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(true, scores, middle, weights) > 0 else (middle, high)
    return float(np.clip(2 / (low + high), LEAST, GREATEST))


def _slope(true: Labels, scores: NDArray[np.float64], sharpness: float, weights: Floats | None) -> float:
    """Return the slope of the log loss in 1 / temperature: mean score expected minus mean score of the truth."""
    powers = np.exp(scores * sharpness)
    expected = (powers * scores).sum(axis=1) / powers.sum(axis=1)
    return float(np.average(expected - scores[np.arange(len(true)), true], weights=weights))


def trust_from(values: Any) -> Trust:
    """Read the trust of a card from its JSON values.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, of another type, or beyond what it can be.
    """
    optional = ("class_promises", "sets", "costs", "none_class", "labels")
    known = _checked(values, "trust", Trust().to_json(), optional)
    return Trust(
        temperature=_number(known, "trust.temperature", 0.01, 100.0),
        fitted_on=_text(known["fitted_on"], "trust.fitted_on"),
        guarantee=None if known["promise"] is None else _guarantee_from(known["promise"]),
        detector=None if known["guard"] is None else _detector_from(known["guard"]),
        by_class=tuple(
            None if kept is None else _guarantee_from(kept, "trust.class_promises")
            for kept in _list(known.get("class_promises", []), "trust.class_promises")
        ),
        sets=_sets_from(known["sets"]) if "sets" in known else None,
        costs=costs_from(known["costs"]) if "costs" in known else None,
        none_class=_count(known, "trust.none_class", 0, 2**53) if "none_class" in known else None,
        labels=tuple(_rule_from(rule) for rule in _list(known.get("labels", []), "trust.labels")),
    )


def _rule_from(values: Any) -> LabelRule:
    path, sides = "trust.labels", ("has", "has_not")
    asked = ("max_error", *sides) if isinstance(values, Mapping) and "max_error" in values else ()
    known = _checked(values, path, ("threshold", *asked))
    has, has_not = (
        None if known.get(side) is None else _guarantee_from(known[side], f"{path}.{side}") for side in sides
    )
    return LabelRule(
        threshold=_number(known, f"{path}.threshold", 0.0, 1.0),
        max_error=_number(known, f"{path}.max_error", 0.0, MOST) if asked else None,
        has=has,
        has_not=has_not,
    )


def _guarantee_from(values: Any, path: str = "trust.promise") -> RiskGuarantee:
    names = [field.name for field in fields(RiskGuarantee) if field.name != "measured_on"]
    known = _checked(values, path, names, ("measured_on",))
    pictures = _count(known, f"{path}.pictures", 1, 2**53)
    answered = _count(known, f"{path}.answered", 1, pictures)
    low, high = _pair(known, f"{path}.coverage_interval")
    return RiskGuarantee(
        max_error=_number(known, f"{path}.max_error", 0.0, MOST),
        confidence=_number(known, f"{path}.confidence", MOST, 1.0),
        threshold=_number(known, f"{path}.threshold", 0.0, 1.0),
        pictures=pictures,
        answered=answered,
        errors=_count(known, f"{path}.errors", 0, answered),
        coverage=_number(known, f"{path}.coverage", 0.0, 1.0),
        coverage_interval=(low, high),
        expected_risk=_number(known, f"{path}.expected_risk", 0.0, 1.0),
        measured_on=_text(known.get("measured_on", VALIDATION), f"{path}.measured_on"),
    )


def _sets_from(values: Any) -> PredictionSets:
    path = "trust.sets"
    known = _checked(values, path, [field.name for field in fields(PredictionSets)])
    thresholds = _list(known["thresholds"], f"{path}.thresholds")
    pictures = _list(known["pictures"], f"{path}.pictures")
    if not thresholds or len(pictures) != len(thresholds):
        raise ValueError(f"{path}.pictures, which is {pictures!r}")
    return PredictionSets(
        coverage=_number(known, f"{path}.coverage", LEAST_COVERAGE, 1.0),
        thresholds=tuple(_number({"thresholds": value}, f"{path}.thresholds", 0.0, 1.0) for value in thresholds),
        pictures=tuple(_count({"pictures": value}, f"{path}.pictures", 0, 2**53) for value in pictures),
        shared=tuple(
            _count({"shared": value}, f"{path}.shared", 0, 2**20) for value in _list(known["shared"], f"{path}.shared")
        ),
        measured_on=_text(known["measured_on"], f"{path}.measured_on"),
    )


def _detector_from(values: Any) -> OodDetector:
    path = "trust.guard"
    names = [field.name for field in fields(OodDetector) if field.name != "measured_on"]  # earlier bundles lack it
    known = _checked(values, path, names, ("measured_on",))
    return OodDetector(
        threshold=_number(known, f"{path}.threshold", 0.0, 1.0),
        false_alarms=_number(known, f"{path}.false_alarms", 0.0, MOST),
        pictures=_count(known, f"{path}.pictures", 1, 2**53),
        components=_count(known, f"{path}.components", 1, 2**20),
        caught=tuple(_caught(count) for count in _list(known["caught"], f"{path}.caught")),
        measured_on=_text(known.get("measured_on", VALIDATION), f"{path}.measured_on"),
    )


def _caught(values: Any) -> DetectionCount:
    path = "trust.guard.caught"
    known = _checked(values, path, DetectionCount.__annotations__)
    if not isinstance(known["kind"], str):
        raise TypeError(f"{path}.kind, which is {known['kind']!r}")
    pictures = _count(known, f"{path}.pictures", 0, 2**53)
    return DetectionCount(kind=known["kind"], pictures=pictures, caught=_count(known, f"{path}.caught", 0, pictures))


def _checked(values: Any, path: str, wanted: Iterable[str], optional: Iterable[str] = ()) -> Mapping[str, Any]:
    """Return a mapping that has every key that is wanted, maybe those that are optional, and no other."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{path}, which is {values!r}")
    for name in sorted(set(wanted) ^ (set(values) - set(optional))):
        raise KeyError(f"{path}.{name}")
    return values


def _list(values: Any, name: str) -> Sequence[Any]:
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name}, which is {values!r}")
    return values


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}, which is {value!r}")
    return value


def _number(values: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = values[name.rpartition(".")[2]]
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name}, which is {value!r}")
    return float(value)


def _count(values: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = values[name.rpartition(".")[2]]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name}, which is {value!r}")
    return value


def _pair(values: Mapping[str, Any], name: str) -> tuple[float, float]:
    ends = values[name.rpartition(".")[2]]
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        raise ValueError(f"{name}, which is {ends!r}")
    low, high = (_number({"end": end}, f"{name}.end", 0.0, 1.0) for end in ends)
    if low > high:
        raise ValueError(f"{name}, which is {ends!r}")
    return low, high
