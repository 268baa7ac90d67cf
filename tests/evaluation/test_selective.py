"""What was answered and what of it was wrong, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.trust import OodDetector, RiskGuarantee, Trust
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.selective import measure_abstention, measure_costs, measure_sets

GUARD = OodDetector(threshold=0.5, false_alarms=0.01, pictures=99, components=4, caught=())
PROMISE = RiskGuarantee(
    max_error=0.05,
    confidence=0.9,
    threshold=0.6,
    pictures=100,
    answered=90,
    errors=1,
    coverage=0.9,
    coverage_interval=(0.8, 0.95),
    expected_risk=0.02,
)
TABLE = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.55, 0.45], [0.3, 0.7]])
TRUE = np.array([0, 1, 1, 1, 0])
VERDICTS = ["answered", "answered", "answered", "unsure", "unfamiliar"]


def test_answered_wrong_and_strange_are_counted(snapshot):
    told = measure_abstention(TRUE, TABLE, VERDICTS, Trust(guarantee=PROMISE, detector=GUARD))
    assert (told.pictures, told.answered, told.errors, told.unlike) == (5, 3, 1, 1)
    assert (told.coverage, told.error) == (0.6, pytest.approx(1 / 3))
    assert (told.coverage_interval, told.error_interval) == (wilson(3, 5), wilson(1, 3))
    plain = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert plain["coverage_interval"] == wilson(3, 5).as_list()
    assert plain["error_interval"] == wilson(1, 3).as_list()
    assert plain["promise"]["max_error"] == 0.05
    assert told.sentence() == snapshot


def test_nothing_answered_has_no_error(snapshot):
    told = measure_abstention(TRUE, TABLE, ["unsure"] * 5, Trust(guarantee=PROMISE))
    assert (told.answered, told.error, told.error_interval) == (0, None, None)
    assert told.to_json()["error_interval"] is None
    assert told.sentence() == snapshot


def test_who_answers_everything_and_who_was_asked_nothing_has_none():
    assert measure_abstention(TRUE, TABLE, ["answered"] * 5, Trust(temperature=2.0)) is None
    assert measure_abstention(np.empty(0, np.int64), np.empty((0, 2)), [], Trust(guarantee=PROMISE)) is None


def test_a_guard_alone_promises_nothing(snapshot):
    told = measure_abstention(TRUE, TABLE, VERDICTS, Trust(detector=GUARD))
    assert told.guarantee is None
    assert told.sentence() == snapshot


def test_sets_are_counted_by_what_they_hold():
    sets = PredictionSets(coverage=0.9, thresholds=(0.3, 0.5), pictures=(9, 9), shared=(), measured_on="")
    table = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]])
    figures = measure_sets(np.array([0, 0, 0, 1]), table, sets)
    assert (figures.pictures, figures.held, figures.coverage) == (4, 2, 0.5)
    assert (figures.mean_size, figures.single) == (1.25, 0.75)
    assert figures.interval.low < 0.5 < figures.interval.high
    assert figures.to_json()["interval"] == figures.interval.as_list()


def test_costs_are_those_of_the_answers_beside_the_likeliest():
    trust = Trust(costs=Costs(((1, 0, 9.0),)))
    table = np.array([[0.8, 0.2], [0.95, 0.05], [0.1, 0.9], [0.7, 0.3]])
    figures = measure_costs(np.array([0, 0, 1, 1]), table, trust)
    assert (figures.mean, figures.likeliest, figures.differ) == (0.25, 2.25, 2)
    assert 0 <= figures.interval.low <= figures.mean <= figures.interval.high
    assert figures.to_json()["differ"] == 2
