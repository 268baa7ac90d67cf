"""Trust comes back from a card, invalid values are refused by their field; a temperature is found again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.trust import (
    ANSWERED,
    HAS,
    HAS_NOT,
    NOT_SURE,
    UNFAMILIAR,
    UNSURE,
    LabelRule,
    OodDetector,
    RiskGuarantee,
    SelectiveOptions,
    Trust,
    fit_temperature,
    trust_from,
)
from pawsight.core.errors import WrongUsage

PROMISE = RiskGuarantee(
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
GUARD = OodDetector(
    threshold=0.6,
    false_alarms=0.01,
    pictures=800,
    components=256,
    caught=({"kind": "noise", "pictures": 15, "caught": 9},),
)
TRUST = Trust(temperature=1.5, fitted_on="the validation set", guarantee=PROMISE, detector=GUARD)


def plain(trust=TRUST):
    return json.loads(json.dumps(trust.to_json()))


@pytest.mark.parametrize("trust", [Trust(), TRUST, replace(TRUST, detector=None), replace(TRUST, guarantee=None)])
def test_what_was_written_comes_back(trust):
    assert trust_from(plain(trust)) == trust


def test_a_detector_of_an_earlier_bundle_was_set_on_validation():
    told = plain(replace(TRUST, detector=replace(GUARD, measured_on="elsewhere")))
    assert trust_from(told).detector.measured_on == "elsewhere"
    del told["guard"]["measured_on"]
    assert told == plain(TRUST)
    assert trust_from(told) == TRUST


def test_a_detector_that_notices_less_than_half_is_weak():
    kinds = ({"kind": "noise", "pictures": 15, "caught": 9}, {"kind": "writing", "pictures": 15, "caught": 5})
    assert replace(GUARD, caught=kinds).seen == (14, 30)
    assert replace(GUARD, caught=kinds).is_weak
    assert not replace(GUARD, caught=kinds[:1]).is_weak
    assert not replace(GUARD, caught=()).is_weak


def test_an_answer_of_the_class_that_is_none_of_the_others_is_unfamiliar():
    trust = Trust(none_class=1)
    assert [trust.decide(np.array(shares), None) for shares in ([0.9, 0.1], [0.4, 0.6])] == [ANSWERED, UNFAMILIAR]
    assert trust_from(plain(trust)) == trust
    assert trust.fault_for(1) != "" == trust.fault_for(2)
    assert trust.answering_all() == Trust()


LABELS = Trust(
    labels=(
        LabelRule(threshold=0.3),
        LabelRule(threshold=0.4, max_error=0.01, has=PROMISE, has_not=replace(PROMISE, threshold=0.9)),
        LabelRule(threshold=0.4, max_error=0.01, has_not=PROMISE),
    )
)


def test_a_label_is_given_denied_or_unsure():
    table = np.array([[0.3, 0.8, 0.99], [0.2, 0.79, 0.2], [0.9, 0.11, 0.21], [0.9, 0.1, 0.3]])
    expected = [
        [HAS, HAS, NOT_SURE],  # no guarantee says when a picture has the third label
        [HAS_NOT, NOT_SURE, HAS_NOT],
        [HAS, NOT_SURE, NOT_SURE],
        [HAS, HAS_NOT, NOT_SURE],
    ]
    assert LABELS.decide_labels(table).tolist() == expected
    assert [LABELS.decide(row, None) for row in table] == [UNSURE] * 4
    assert LABELS.decide(np.array([0.1, 0.9, 0.1]), None) == ANSWERED
    assert replace(LABELS, detector=GUARD).decide(np.array([0.1, 0.9, 0.1]), 0.7) == UNFAMILIAR
    assert LABELS.answering_all().decide_labels(table).tolist() == [[1, 1, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert LABELS.max_error == 0.01
    assert LABELS.answering_all().max_error is None


def test_rules_of_labels_come_back_and_must_fit_the_labels():
    assert trust_from(plain(LABELS)) == LABELS
    assert plain(LABELS)["labels"][0] == {"threshold": 0.3}
    assert "labels" not in plain()
    assert LABELS.fault_for(2) != "" == LABELS.fault_for(3)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "trust.labels.threshold"),
        ({"threshold": 1.2}, "trust.labels.threshold"),
        ({"threshold": 0.5, "max_error": 0.01}, "trust.labels.has"),
        ({"threshold": 0.5, "max_error": 0.7, "has": None, "has_not": None}, "trust.labels.max_error"),
        ({"threshold": 0.5, "max_error": 0.1, "has": 3, "has_not": None}, "trust.labels.has"),
        (7, "trust.labels"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_field(rule, field):
    with pytest.raises((KeyError, TypeError, ValueError), match=field):
        trust_from(plain() | {"labels": [rule]})


EVERY_CLASS = replace(
    TRUST,
    guarantee=None,
    by_class=(PROMISE, None, replace(PROMISE, threshold=0.0, measured_on="somewhere")),
    sets=PredictionSets(
        coverage=0.9, thresholds=(0.2, 0.5, 0.5), pictures=(40, 2, 9), shared=(1, 2), measured_on="somewhere"
    ),
    costs=Costs(((0, 1, 5.0), (2, 2, 0.5))),
)


def test_what_is_said_of_every_class_comes_back_and_must_fit_the_classes():
    assert trust_from(plain(EVERY_CLASS)) == EVERY_CLASS
    assert EVERY_CLASS.fault_for(3) == ""
    assert "3 values for 2 classes" in EVERY_CLASS.fault_for(2)
    assert "a class that there is not" in replace(Trust(), costs=EVERY_CLASS.costs).fault_for(2)
    assert (TRUST.max_error, EVERY_CLASS.max_error, Trust().max_error) == (0.01, 0.01, None)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("class_promises", 3, "trust.class_promises, which is 3"),
        ("class_promises", [{}], "trust.class_promises"),
        ("sets", {}, "trust.sets"),
        (
            "sets",
            {"coverage": 0.9, "thresholds": [2.0], "pictures": [1], "shared": [], "measured_on": ""},
            "thresholds",
        ),
        ("sets", {"coverage": 0.9, "thresholds": [0.5], "pictures": [], "shared": [], "measured_on": ""}, "pictures"),
        ("costs", {}, "trust.costs"),
        ("costs", [[0, 1]], r"trust.costs, in which there is \[0, 1\]"),
        ("costs", [[0, 1, -1]], "trust.costs, in which"),
        ("costs", [[-1, 1, 1]], "trust.costs, in which"),
    ],
)
def test_nonsense_about_a_class_is_refused_by_name(name, value, named):
    with pytest.raises((KeyError, TypeError, ValueError), match=named):
        trust_from(plain(EVERY_CLASS) | {name: value})


def test_costs_decide_the_answer_and_its_class_decides_whether_it_is_given():
    by_class = replace(EVERY_CLASS, detector=None)
    assert by_class.answers(np.array([[0.4, 0.6, 0.0], [0.1, 0.9, 0.0]])).tolist() == [0, 1]
    assert by_class.decide(np.array([0.85, 0.1, 0.05]), None) == ANSWERED
    assert by_class.decide(np.array([0.75, 0.2, 0.05]), None) == UNSURE
    assert by_class.decide(np.array([0.0, 1.0, 0.0]), None) == UNSURE
    assert by_class.decide(np.array([0.1, 0.1, 0.8]), None) == ANSWERED


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
    ("probability", "score", "decision"),
    [
        (0.9, 0.5, ANSWERED),
        (0.8, 0.6, ANSWERED),
        (0.79, 0.5, UNSURE),
        (0.99, 0.61, UNFAMILIAR),
        (0.51, 0.61, UNFAMILIAR),
        (0.99, None, UNFAMILIAR),
        (0.99, float("nan"), UNFAMILIAR),
    ],
)
def test_the_decision_asks_the_detector_first_and_then_the_guarantee(probability, score, decision):
    assert TRUST.decide(np.array([1 - probability, probability]), score) == decision


def test_without_detector_and_guarantee_everything_is_answered():
    assert Trust().decide(np.array([0.34, 0.33, 0.33]), None) == ANSWERED


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -0.01, float("nan")])
def test_a_share_that_cannot_be_guaranteed_is_wrong_usage(share):
    with pytest.raises(WrongUsage, match="--max-error cannot be"):
        SelectiveOptions(max_error=share)
    with pytest.raises(WrongUsage, match="--false-alarms cannot be"):
        SelectiveOptions(max_error=0.01, false_alarms=share)


def answers(count, classes, *, seed=0, scale=2.0):
    """Logits, and truths drawn from their own softmax: perfectly calibrated at temperature 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes)) * scale
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (shares.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return np.minimum(true, classes - 1), logits


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_temperature_that_was_put_in_is_found_again(classes, temperature):
    true, logits = answers(20_000, classes)
    assert fit_temperature(true, logits * temperature) == pytest.approx(temperature, rel=0.06)


def test_it_has_the_least_log_loss_of_all():
    from scipy.optimize import minimize_scalar

    true, logits = answers(300, 3, seed=4)

    def loss(temperature):
        scaled = logits / temperature
        return (np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(300), true]).mean()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
    assert fit_temperature(true, logits) == pytest.approx(best, rel=1e-3)


def test_what_is_added_to_a_row_does_not_matter():
    true, logits = answers(200, 4)
    moved = logits + np.random.default_rng(1).normal(size=(200, 1)) * 100
    assert fit_temperature(true, moved) == pytest.approx(fit_temperature(true, logits), rel=1e-9)


def test_nothing_wrong_and_nothing_at_all_say_nothing_of_a_temperature():
    assert fit_temperature(np.array([0, 1]), np.array([[3.0, 0], [0, 2.0]])) == 1.0
    assert fit_temperature(np.empty(0, np.int64), np.empty((0, 2))) == 1.0


def test_answers_worse_than_guessing_end_at_the_bound():
    assert fit_temperature(np.array([1, 0, 1]), np.array([[9.0, 0], [0, 9.0], [9.0, 0]])) == pytest.approx(20, rel=1e-3)


def test_weights_count_answers_as_often_as_they_say():
    true, logits = answers(400, 3, seed=2)
    weights = np.random.default_rng(3).integers(0, 4, 400)
    assert fit_temperature(true, logits, weights) == pytest.approx(
        fit_temperature(np.repeat(true, weights), np.repeat(logits, weights, axis=0)), rel=1e-6
    )
