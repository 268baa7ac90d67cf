"""What a classifier's answers are worth, as it travels in a bundle: temperature, promise, guard.

Enters: figures of a finished training run; later the JSON values of a bundle's card. Leaves: `Trust`, or an error that
names the field. Does not know: how any of it was found, files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pawsight.core.errors import WrongUsage

ANSWERED, UNSURE, UNLIKE = "answered", "unsure", "unlike anything seen"
MOST = 0.5  # shares that can be wished for lie between nothing and this
CONFIDENCE = 0.9  # that a promise holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What the user asks of the answers."""

    max_error: float  # share of the answered pictures that may be wrong
    false_alarms: float = 0.01  # share of pictures like those of validation that may be called unlike anything seen

    def __post_init__(self) -> None:
        for option, share in (("--max-error", self.max_error), ("--false-alarms", self.false_alarms)):
            if not 0 < share < MOST:
                raise WrongUsage(
                    f"{option} cannot be {share:g}.",
                    "It is a share of pictures, above nothing and below 50 %.",
                    f"Type for example {option} 1%",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """At most `max_error` of the answered pictures are wrong, with `confidence`: what is less sure is not answered."""

    max_error: float
    confidence: float
    threshold: float  # probability of the best class from which on a picture is answered
    pictures: int  # of the validation part, on which the threshold was chosen
    answered: int  # of them
    errors: int  # answered and wrong
    coverage: float  # answered / pictures
    coverage_interval: tuple[float, float]  # Clopper-Pearson, 95 %
    expected_risk: float  # bound on the expected share of pictures answered and wrong: (errors + 1) / (pictures + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """How many pictures of one kind that is neither class the guard noticed."""

    kind: str
    pictures: int
    caught: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A picture whose `unlikeness` lies above the threshold is like nothing in the training part."""

    threshold: float  # of the graph's output `unlikeness`, in [0, 1]
    false_alarms: float  # largest expected share of pictures like those of validation above it
    pictures: int  # of the validation part, on which it was set
    components: int  # directions in which training pictures differ most, kept
    caught: tuple[Caught, ...]  # what it noticed of drawings, writing, textures and noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What travels with the weights about how far to believe them."""

    temperature: float = 1.0  # already in the graph
    fitted_on: str = "nothing"
    promise: Promise | None = None
    guard: Guard | None = None

    def verdict(self, probability: float, unlikeness: float | None) -> str:
        """Say whether a picture is answered.

        Args:
            probability: of the best class.
            unlikeness: the graph's output of that name, None where it has none.
        """
        if self.guard is not None and (unlikeness is None or not unlikeness <= self.guard.threshold):
            return UNLIKE
        return ANSWERED if self.promise is None or probability >= self.promise.threshold else UNSURE


def trust_from(values: Any) -> Trust:
    """Read what a card says.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, of another type, or beyond what it can be.
    """
    known = _checked(values, "trust", Trust)
    promise, guard = known["promise"], known["guard"]
    if not isinstance(known["fitted_on"], str):
        raise TypeError(f"trust.fitted_on, which is {known['fitted_on']!r}")
    return Trust(
        temperature=_number(known, "trust.temperature", 0.01, 100.0),
        fitted_on=known["fitted_on"],
        promise=None if promise is None else _promise(promise),
        guard=None if guard is None else _guard(guard),
    )


def _promise(values: Any) -> Promise:
    place = "trust.promise"
    known = _checked(values, place, Promise)
    pictures = _count(known, f"{place}.pictures", 1, 2**53)
    answered = _count(known, f"{place}.answered", 1, pictures)
    low, high = _pair(known, f"{place}.coverage_interval")
    return Promise(
        max_error=_number(known, f"{place}.max_error", 0.0, MOST),
        confidence=_number(known, f"{place}.confidence", MOST, 1.0),
        threshold=_number(known, f"{place}.threshold", 0.0, 1.0),
        pictures=pictures,
        answered=answered,
        errors=_count(known, f"{place}.errors", 0, answered),
        coverage=_number(known, f"{place}.coverage", 0.0, 1.0),
        coverage_interval=(low, high),
        expected_risk=_number(known, f"{place}.expected_risk", 0.0, 1.0),
    )


def _guard(values: Any) -> Guard:
    place = "trust.guard"
    known = _checked(values, place, Guard)
    if not isinstance(known["caught"], list | tuple):
        raise TypeError(f"{place}.caught, which is {known['caught']!r}")
    return Guard(
        threshold=_number(known, f"{place}.threshold", 0.0, 1.0),
        false_alarms=_number(known, f"{place}.false_alarms", 0.0, MOST),
        pictures=_count(known, f"{place}.pictures", 1, 2**53),
        components=_count(known, f"{place}.components", 1, 2**20),
        caught=tuple(_caught(one) for one in known["caught"]),
    )


def _caught(values: Any) -> Caught:
    place = "trust.guard.caught"
    known = _checked(values, place, Caught)
    if not isinstance(known["kind"], str):
        raise TypeError(f"{place}.kind, which is {known['kind']!r}")
    pictures = _count(known, f"{place}.pictures", 0, 2**53)
    return Caught(kind=known["kind"], pictures=pictures, caught=_count(known, f"{place}.caught", 0, pictures))


def _checked(values: Any, place: str, kind: type) -> Mapping[str, Any]:
    """Return a mapping that has every field of a dataclass and no other."""
    wanted = {field.name for field in fields(kind)}
    if not isinstance(values, Mapping):
        raise TypeError(f"{place}, which is {values!r}")
    for name in sorted(wanted ^ set(values)):
        raise KeyError(f"{place}.{name}")
    return values


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
