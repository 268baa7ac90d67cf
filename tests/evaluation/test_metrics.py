"""Metrics against scikit-learn, and at the edges where it warns or raises."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pawsight.evaluation.bootstrap import intervals
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.metrics import (
    confusion_matrix,
    confusions,
    log_loss,
    measure,
    roc_auc,
    sentence,
    table_rows,
    to_jsonable,
    why_no_auc,
)

NAMES = ("cats", "dogs", "ferrets", "geese")


@st.composite
def answers(draw, *, every_class: bool = False):
    """True classes (N,), probabilities (N, C) and names, for 2 to 4 classes."""
    classes = draw(st.integers(2, 4))
    true = draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=30))
    if every_class:
        true += range(classes)
    raw = draw(arrays(np.float64, (len(true), classes), elements=st.floats(0.01, 1.0)))
    return np.array(true), raw / raw.sum(axis=1, keepdims=True), NAMES[:classes]


@given(answers())
@settings(max_examples=60, deadline=None)
def test_shares_and_counts_are_those_of_scikit_learn(answered):
    from sklearn import metrics as sk

    true, probabilities, names = answered
    labels, predicted = list(range(len(names))), probabilities.argmax(axis=1)
    measured = measure(true, probabilities, names)
    precision, recall, f1, pictures = sk.precision_recall_fscore_support(
        true, predicted, labels=labels, zero_division=0
    )
    assert measured.pictures == len(true)
    assert measured.accuracy == pytest.approx(sk.accuracy_score(true, predicted))
    assert np.array_equal(measured.confusion, sk.confusion_matrix(true, predicted, labels=labels))
    assert [class_.name for class_ in measured.classes] == list(names)
    assert [class_.pictures for class_ in measured.classes] == list(pictures)
    for index, item in enumerate(measured.classes):
        scores = (precision[index], recall[index], f1[index]) if item.pictures else (None, None, None)
        assert (item.precision, item.recall, item.f1) == pytest.approx(scores)


@given(answers())
@settings(max_examples=60, deadline=None)
def test_log_loss_is_that_of_scikit_learn(answered):
    from sklearn.metrics import log_loss as reference

    true, probabilities, names = answered
    expected = reference(true, probabilities, labels=list(range(len(names))))
    assert measure(true, probabilities, names).log_loss == pytest.approx(expected)


@given(answers(every_class=True))
@settings(max_examples=60, deadline=None)
def test_the_area_under_the_curve_is_that_of_scikit_learn_for_any_number_of_classes(answered):
    from sklearn.metrics import roc_auc_score

    true, probabilities, names = answered
    if len(names) == 2:
        expected = roc_auc_score(true, probabilities[:, 1])
    else:
        expected = roc_auc_score(true, probabilities, multi_class="ovr", average="macro")
    assert roc_auc(true, probabilities) == pytest.approx(expected, abs=1e-12)


def test_the_area_of_two_classes_survives_certainties_that_float32_rounds_to_one():
    second = np.array([1e-12, 1e-10, 1e-11, 1e-9], np.float32)
    probabilities = np.stack([1 - second, second], axis=1)
    assert roc_auc(np.array([0, 1, 0, 1]), probabilities) == 1.0


@given(answers())
@settings(max_examples=60, deadline=None)
def test_every_accuracy_has_its_interval_and_its_baseline(answered):
    true, probabilities, names = answered
    measured = measure(true, probabilities, names)
    right = sum(measured.confusion[index][index] for index in range(len(names)))
    assert measured.interval == wilson(right, len(true))
    assert measured.baseline == pytest.approx(max(np.bincount(true)) / len(true))
    assert sum(map(sum, measured.confusion)) == len(true)


@given(answers(), st.lists(st.integers(0, 1), min_size=1, max_size=9))
@settings(max_examples=30, deadline=None)
def test_the_baseline_always_answers_the_commonest_class_of_training(answered, trained):
    from sklearn.dummy import DummyClassifier

    true, probabilities, names = answered
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(trained), 1)), trained)
    commonest = int(np.bincount(trained, minlength=len(names)).argmax())
    expected = dummy.score(np.zeros((len(true), 1)), true)
    assert measure(true, probabilities, names, commonest=commonest).baseline == pytest.approx(expected)


def test_a_part_without_pictures_has_no_metrics():
    assert measure(np.empty(0, np.int64), np.empty((0, 2)), ("cats", "dogs")) is None


def test_the_area_is_unknown_where_a_class_is_missing_and_nothing_is_warned_about():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = measure(np.array([0, 0]), probabilities, ("cats", "dogs"))
    assert measured.roc_auc is None
    assert measured.classes[1].precision is measured.classes[1].recall is measured.classes[1].f1 is None
    assert table_rows(measured)[1] == ("dogs", "0", "-", "-", "-")
    assert "'dogs'" in why_no_auc({"cats": 2, "dogs": 0})


def test_one_wrong_certainty_costs_much_but_not_everything():
    certain = np.array([[1.0, 0.0]])
    assert log_loss(np.array([1]), certain) == pytest.approx(36.044, abs=1e-3)
    assert log_loss(np.array([0]), certain) == 0.0


def test_rows_of_the_confusion_are_truths_and_columns_answers():
    counted = confusion_matrix(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), num_classes=3)
    assert counted.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("predicted", [np.array([0]), np.array([[0, 1]])])
def test_a_confusion_of_unequal_rows_is_refused(predicted):
    with pytest.raises(ValueError, match=r"\(2,\)"):
        confusion_matrix(np.array([0, 1]), predicted, num_classes=2)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (2,)])
def test_probabilities_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        measure(np.array([0, 1]), np.ones(shape), ("cats", "dogs"))


@given(answers())
@settings(max_examples=40, deadline=None)
def test_the_figures_with_intervals_are_those_of_scikit_learn_and_lie_within(answered):
    from sklearn.metrics import f1_score

    true, probabilities, names = answered
    measured = measure(true, probabilities, names)
    assert measured.macro_f1 == pytest.approx(f1_score(true, probabilities.argmax(axis=1), average="macro"))
    truths = np.eye(len(names))[true]
    assert measured.brier == pytest.approx(((probabilities - truths) ** 2).sum(axis=1).mean())
    for name, ends in measured.intervals.items():
        if ends is not None:
            assert ends.low - 1e-9 <= getattr(measured, name) <= ends.high + 1e-9


def test_measuring_never_loads_scikit_learn_or_keras():
    program = (
        "import sys, numpy as np\n"
        "from pawsight.evaluation.metrics import measure\n"
        "measure(np.array([0, 1, 1]), np.array([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]), ('a', 'b'))\n"
        "print([name for name in ('sklearn', 'keras', 'tensorflow') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"


def test_the_seed_reaches_the_resampling_and_is_nought_if_none_is_given():
    chance = np.random.default_rng(2)
    true, probabilities = chance.integers(0, 2, 60), chance.dirichlet([1, 1], 60)
    for seed in (0, 5):
        measured = measure(true, probabilities, ("a", "b"), seed=seed)
        assert measured.intervals == intervals(true, probabilities, seed=seed)
    assert measure(true, probabilities, ("a", "b")).intervals == intervals(true, probabilities, seed=0)
    assert intervals(true, probabilities, seed=0) != measured.intervals


def test_a_probability_that_rounding_puts_above_one_costs_nothing():
    assert log_loss(np.array([0]), np.array([[1.0000001, 0.0]])) == 0


THREE = ("cats", "dogs", "geese")
TRUE = np.array([0, 0, 0, 1, 1, 2])
ANSWERED = np.eye(3)[[0, 1, 1, 1, 2, 2]] * 0.7 + 0.1
MEASURED = measure(TRUE, ANSWERED, THREE)


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
        "groups",
        "design_effect",
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
    perfect = measure(TRUE, np.eye(3)[TRUE], THREE)
    assert confusions(perfect) == []
