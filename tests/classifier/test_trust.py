"""What a card says of trust comes back, and nonsense is refused by the name of its field."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from pawsight.classifier.trust import ANSWERED, UNLIKE, UNSURE, Caught, Caution, Guard, Promise, Trust, trust_from
from pawsight.core.errors import WrongUsage

PROMISE = Promise(
    max_error=0.01,
    confidence=0.9,
    threshold=0.8,
    pictures=800,
    answered=700,
    errors=2,
    coverage=0.875,
    coverage_interval=(0.85, 0.9),
    expected_risk=0.004,
)
GUARD = Guard(
    threshold=0.6,
    false_alarms=0.01,
    pictures=800,
    components=256,
    caught=(Caught(kind="noise", pictures=15, caught=9),),
)
TRUST = Trust(temperature=1.5, fitted_on="the validation part", promise=PROMISE, guard=GUARD)


def plain(trust=TRUST):
    return json.loads(json.dumps(asdict(trust)))


@pytest.mark.parametrize("trust", [Trust(), TRUST, replace(TRUST, guard=None), replace(TRUST, promise=None)])
def test_what_was_written_comes_back(trust):
    assert trust_from(plain(trust)) == trust


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("temperature",), 0, "trust.temperature, which is 0"),
        (("temperature",), float("nan"), "trust.temperature, which is nan"),
        (("temperature",), True, "trust.temperature, which is True"),
        (("fitted_on",), 3, "trust.fitted_on, which is 3"),
        (("promise",), [], r"trust.promise, which is \[\]"),
        (("promise", "threshold"), 1.5, "trust.promise.threshold, which is 1.5"),
        (("promise", "max_error"), 0.7, "trust.promise.max_error, which is 0.7"),
        (("promise", "answered"), 801, "trust.promise.answered, which is 801"),
        (("promise", "errors"), 701, "trust.promise.errors, which is 701"),
        (("promise", "coverage_interval"), [0.9, 0.1], r"trust.promise.coverage_interval, which is \[0.9, 0.1\]"),
        (("promise", "coverage_interval"), "ab", "trust.promise.coverage_interval, which is 'ab'"),
        (("guard", "components"), 0, "trust.guard.components, which is 0"),
        (("guard", "caught"), None, "trust.guard.caught, which is None"),
        (("guard", "caught"), [{"kind": 3, "pictures": 1, "caught": 1}], "trust.guard.caught.kind, which is 3"),
        (("guard", "caught"), [{"kind": "x", "pictures": 1, "caught": 2}], "trust.guard.caught.caught, which is 2"),
        (("guard", "more"), 1, "trust.guard.more"),
    ],
)
def test_nonsense_is_refused_by_name(place, value, named):
    values = plain()
    holder = values
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    with pytest.raises((KeyError, TypeError, ValueError), match=named):
        trust_from(values)


def test_a_field_that_is_missing_is_named():
    values = plain()
    del values["promise"]["confidence"]
    with pytest.raises(KeyError, match=r"trust\.promise\.confidence"):
        trust_from(values)


@pytest.mark.parametrize(
    ("probability", "unlikeness", "said"),
    [
        (0.9, 0.5, ANSWERED),
        (0.8, 0.6, ANSWERED),
        (0.79, 0.5, UNSURE),
        (0.99, 0.61, UNLIKE),
        (0.5, 0.61, UNLIKE),
        (0.99, None, UNLIKE),
        (0.99, float("nan"), UNLIKE),
    ],
)
def test_a_verdict_asks_the_guard_first_and_then_the_promise(probability, unlikeness, said):
    assert TRUST.verdict(probability, unlikeness) == said


def test_without_guard_and_promise_everything_is_answered():
    assert Trust().verdict(0.01, None) == ANSWERED


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -0.01, float("nan")])
def test_a_share_that_cannot_be_promised_is_wrong_usage(share):
    with pytest.raises(WrongUsage, match="--max-error cannot be"):
        Caution(max_error=share)
    with pytest.raises(WrongUsage, match="--false-alarms cannot be"):
        Caution(max_error=0.01, false_alarms=share)
