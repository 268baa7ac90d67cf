"""Metrics as text and JSON."""

from __future__ import annotations

import json

import numpy as np

from pawsight.evaluation.metrics import measure
from pawsight.evaluation.report import confusions, sentence, table_rows, to_jsonable

NAMES = ("cats", "dogs", "geese")
TRUE = np.array([0, 0, 0, 1, 1, 2])
ANSWERED = np.eye(3)[[0, 1, 1, 1, 2, 2]] * 0.7 + 0.1
MEASURED = measure(TRUE, ANSWERED, NAMES)


def test_metrics_survive_json_whole():
    plain = json.loads(json.dumps(to_jsonable(MEASURED), allow_nan=False))
    assert set(plain) == {
        "pictures",
        "accuracy",
        "interval",
        "log_loss",
        "roc_auc",
        "macro_f1",
        "brier",
        "ece",
        "intervals",
        "baseline",
        "classes",
        "confusion",
    }
    assert plain["interval"] == [MEASURED.interval.low, MEASURED.interval.high]
    assert plain["confusion"] == [[1, 2, 0], [0, 1, 1], [0, 0, 1]]
    assert plain["classes"][0] == {
        "name": "cats",
        "pictures": 3,
        "precision": 1.0,
        "recall": 1 / 3,
        "f1": 0.5,
    }


def test_nothing_measured_is_null_and_says_so(snapshot):
    assert to_jsonable(None) is None
    assert sentence(None) == snapshot


def test_one_sentence_holds_accuracy_interval_loss_and_baseline(snapshot):
    assert sentence(MEASURED) == snapshot


def test_each_class_has_a_row():
    assert table_rows(MEASURED) == [
        ("cats", "3", "1.000", "0.333", "0.500"),
        ("dogs", "2", "0.333", "0.500", "0.400"),
        ("geese", "1", "0.500", "1.000", "0.667"),
    ]


def test_the_commonest_mistakes_come_first():
    assert confusions(MEASURED) == [("cats", "dogs", 2), ("dogs", "geese", 1)]
    assert confusions(MEASURED, most=1) == [("cats", "dogs", 2)]
    perfect = measure(TRUE, np.eye(3)[TRUE], NAMES)
    assert confusions(perfect) == []
