"""The lines of training about temperature, promise and guard, where there is little to say."""

from __future__ import annotations

from dataclasses import replace

from pawsight.classifier.trust import Promise, Trust
from pawsight.commands.train_report import TrustReport

PROMISE = Promise(
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
REPORT = TrustReport(trust=Trust(temperature=1.25, fitted_on="some answers"), pictures=30, parts={})


def test_without_a_validation_part_the_temperature_stands_alone(snapshot):
    assert REPORT.lines() == snapshot
    ece = {"validation": {"ece": {"before": 0.04, "after": 0.021}}}
    assert replace(REPORT, parts=ece).lines() == snapshot


def test_without_answers_to_fit_to_there_is_no_temperature(snapshot):
    assert replace(REPORT, pictures=0).lines() == snapshot


def test_a_promise_that_could_not_be_made_is_a_warning(snapshot):
    _, told = replace(REPORT, asked=0.05, broken="nothing is that sure").lines()
    assert told == snapshot
    assert told.startswith("WARNING ")
    assert replace(REPORT, asked=0.05, broken="too few").abstention() == {
        "max_error": 0.05, "promise": None, "guard": None, "broken": "too few",
    }  # fmt: skip


def test_a_bar_that_every_answer_passes_leaves_no_picture_unsure(snapshot):
    report = replace(REPORT, asked=0.05, trust=Trust(promise=PROMISE))
    assert report.lines()[1] == snapshot
    free = replace(report, trust=Trust(promise=replace(PROMISE, threshold=0.5)))
    assert free.lines()[1] == snapshot
    assert "60.00 %" not in free.lines()[1]
