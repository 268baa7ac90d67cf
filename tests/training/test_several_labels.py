"""A sigmoid for every label: as scikit-learn fits each alone, by folds that keep groups, with thresholds and guarantees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

from pawsight.classifier.trust import HAS, HAS_NOT
from pawsight.core.progress import SILENT
from pawsight.training.features import FeatureTable
from pawsight.training.folds import label_folds, rarest_labels
from pawsight.training.guarantees import BOTH, TRAINING
from pawsight.training.logistic import fit_sigmoids
from pawsight.training.probe import STRENGTHS, depth_note, logits_by_folds
from pawsight.training.relevance import Relevance
from pawsight.training.several_labels import (
    best_threshold,
    cross_validate_labels,
    fit_labels,
    label_rules,
    log_losses,
    strengths_note,
)

from ..conftest import says

SHARES = (0.5, 0.3, 0.1)


def pictures(seed, count, *, shares=SHARES, apart=2.0, width=12):
    """Features with an axis for each label, and whether each picture has it."""
    chance = np.random.default_rng(seed)
    truth = chance.random((count, len(shares))) < shares
    features = chance.normal(size=(count, width))
    features[:, : len(shares)] += apart * truth
    return features.astype(np.float32), truth


def table(features, **depths):
    return FeatureTable(features, depths or {"last": np.arange(features.shape[1])})


def fit(features, truth, *, folds=4, seed=0, **options):
    return fit_labels(table(features), truth, folds=folds, seed=seed, **options)


@pytest.mark.parametrize("strength", [1e-3, 1e-1])
def test_each_label_is_fitted_as_scikit_learn_fits_it_alone(strength):
    features, truth = pictures(0, 120)
    weights, bias = fit_sigmoids(features, truth, strength=strength, tolerance=1e-5)
    assert weights.dtype == bias.dtype == np.float32
    for column, own in enumerate(truth.T):
        alone = LogisticRegression(C=strength, tol=1e-6, max_iter=500).fit(features, own)
        assert weights[:, column] == pytest.approx(alone.coef_[0], abs=1e-3)
        assert bias[column] == pytest.approx(alone.intercept_[0], abs=2e-3)


def test_heads_in_the_span_of_few_pictures_give_the_same_logits():
    features, truth = pictures(3, 40, width=200)
    fold, rows = np.arange(40) % 4, table(features)
    relevance = Relevance(rows, rarest_labels(truth), seed=0, truth=truth)

    def fit_closely(scaled, fitted, **options):
        return fit_sigmoids(scaled, truth[fitted], tolerance=1e-6, **options)

    with SILENT.stage("", 8, "folds") as step:
        plain, spanned = (
            logits_by_folds(rows, fit_closely, fold, "last", relevance, step, in_span=in_span)
            for in_span in (False, True)
        )
    assert list(plain) == list(spanned) == list(STRENGTHS)
    for strength in STRENGTHS:
        assert spanned[strength] == pytest.approx(plain[strength], abs=5e-3)


def test_probabilities_of_a_head_are_those_of_scikit_learn_at_its_strengths():
    features, truth = pictures(1, 150)
    head = fit(features, truth)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    for column, own in enumerate(truth.T):
        alone = LogisticRegression(C=head.strengths[column], max_iter=500).fit(scaled, own)
        assert head.probabilities(table(features))[:, column] == pytest.approx(
            alone.predict_proba(scaled)[:, 1],
            abs=1e-2,  # steps end a little before the minimum
        )


def test_each_label_takes_the_strength_with_its_least_loss_out_of_fold():
    chance = np.random.default_rng(2)
    truth = chance.random((120, 2)) < 0.5
    features = chance.normal(size=(120, 30)).astype(np.float32)
    features[:, 0] += 6 * truth[:, 0]  # the second label cannot be told from the features
    head = fit(features, truth)
    assert head.strengths[0] > head.strengths[1]
    assert {head.strength, *head.strengths} <= set(STRENGTHS)
    losses = log_losses(truth, head.logits_of_all(120)).mean(axis=0)
    assert losses[0] < 0.15
    assert losses[1] < 0.75
    assert head.tried == (("last", head.strength, pytest.approx(losses.mean(), rel=1e-5)),)
    says(strengths_note(head, ["first", "second"]), f"C = {head.strengths[1]:g} for 1", "4 folds")
    assert "12" not in depth_note(head)


def test_a_deeper_layer_is_read_where_the_mean_loss_is_clearly_smaller():
    features, truth = pictures(3, 160, width=24)
    features[:, :6] = np.random.default_rng(0).normal(size=(160, 6))
    features[:, 6:9] += 3 * truth
    head = fit_labels(table(features, last=np.arange(6), blocks=np.arange(24)), truth, folds=4, seed=0, depth="auto")
    assert head.depth == "blocks"
    assert head.gain[0] > head.gain[1] > 0
    assert head.depth_json()["chosen"] == "blocks"


def test_equal_seeds_give_equal_bytes():
    first, again = (fit(*pictures(4, 60), seed=3) for _ in range(2))
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.bias.tobytes() == again.bias.tobytes()


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 30),
    shares=st.lists(st.sampled_from([0.0, 0.05, 0.5, 1.0]), min_size=1, max_size=4),
    size=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None)
def test_any_labels_give_finite_probabilities_and_thresholds(seed, count, shares, size):
    features, truth = pictures(seed, count, shares=shares)
    groups = np.arange(count) // size
    head = fit(features, truth, groups=groups)
    shares_of = head.probabilities(table(features))
    assert np.isfinite(shares_of).all()
    assert ((shares_of >= 0) & (shares_of <= 1)).all()
    logits = head.logits_of_all(count)
    out_of_fold = None if logits is None else (truth, expit(logits))
    for rule in label_rules((truth[:0], shares_of[:0]), out_of_fold, max_error=0.1):
        assert 0.1 <= rule.threshold <= 0.9
        assert rule.has is None or rule.has.measured_on == TRAINING


def test_a_label_of_a_single_picture_takes_the_strength_of_the_others_and_has_no_answers_out_of_fold():
    features, truth = pictures(5, 80)
    truth = np.concatenate([truth, np.arange(80)[:, None] == 7], axis=1)
    head = fit(features, truth)
    assert head.strengths[3] == head.strength
    assert np.isnan(head.logits_of_all(80)).all(axis=0).tolist() == [False] * 3 + [True]
    says(strengths_note(head, ["a", "b", "c", "rare"]), "rare")
    alone = fit(features, truth[:, 3:])
    assert (alone.folds, alone.out_of_fold) == (0, None)
    says(strengths_note(alone, ["rare"]), "default")


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_folds_keep_groups_whole_and_deal_rare_labels(seed, count, size):
    truth = np.random.default_rng(seed).random((count, 3)) < SHARES
    groups = np.arange(count) // size
    folds = min(4, int(groups.max()) + 1)
    fold = label_folds(truth, groups, folds, seed)
    assert len(set(zip(groups.tolist(), fold.tolist(), strict=True))) == groups.max() + 1
    assert set(fold.tolist()) == set(range(int(fold.max()) + 1))
    rarest = min((own for own in truth.T if own.any()), key=lambda own: own.sum(), default=None)
    if rarest is not None and size == 1:
        assert np.bincount(fold[rarest], minlength=folds).max() <= -(-rarest.sum() // folds) + 1


def test_the_rarest_label_of_a_picture_is_its_stratum():
    truth = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
    assert rarest_labels(truth).tolist() == [2, 1, 1, 0, 3]


def test_whole_answers_out_of_fold_are_from_heads_that_never_saw_the_group():
    features, truth = pictures(6, 60)
    groups = np.arange(60) // 2
    logits = cross_validate_labels(table(features), truth, groups, folds=3, seed=0)
    fold = label_folds(truth, groups, 3, 0)
    inside, outside = fold != 0, fold == 0
    head = fit_labels(table(features[inside]), truth[inside], folds=3, seed=0, groups=groups[inside])
    assert logits[outside] == pytest.approx(head.logits(table(features[outside])), abs=1e-5)
    truth[:, 2] = groups == 4
    unknown = cross_validate_labels(table(features), truth, groups, folds=3, seed=0)
    assert set(np.flatnonzero(np.isnan(unknown[:, 2]))) > {8, 9}
    assert np.isfinite(unknown[:, :2]).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.4]))
@settings(max_examples=25, deadline=None)
def test_with_many_pictures_the_threshold_has_the_best_f1(seed, share):
    chance = np.random.default_rng(seed)
    truth = chance.random(3000) < share
    probabilities = expit(chance.normal(size=3000) + 3 * truth + np.log(share)).astype(np.float32)
    precision, recall, thresholds = precision_recall_curve(truth, probabilities)
    f1 = 2 * precision * recall / (precision + recall)
    chosen = np.searchsorted(thresholds, best_threshold(truth, probabilities))
    assert f1[chosen] >= f1.max() - 0.01


def test_a_rare_label_s_threshold_does_not_follow_its_one_picture():
    probabilities = np.linspace(0.01, 0.95, 50).astype(np.float32)
    thresholds = [best_threshold(np.arange(50) == place, probabilities) for place in (5, 49)]
    assert max(thresholds) - min(thresholds) < 0.15
    assert best_threshold(np.zeros(0, bool), np.zeros(0, np.float32)) == 0.5
    assert best_threshold(np.zeros(9, bool), np.full(9, 0.01, np.float32)) == 0.1  # not all pictures have it


def test_guarantees_count_training_pictures_where_validation_is_too_small():
    chance = np.random.default_rng(8)
    truth = chance.random((400, 1)) < 0.5
    answers = truth, expit(chance.normal(size=(400, 1)) + 7 * truth - 3.5).astype(np.float32)
    few = tuple(array[:10] for array in answers)
    (plain,) = label_rules(answers, None)
    (own,), (both,), (never,) = (
        label_rules(answers, answers, max_error=0.05),
        label_rules(few, answers, max_error=0.05),
        label_rules(few, None, max_error=0.05),
    )
    assert (plain.max_error, plain.has) == (None, None)
    assert own.has.measured_on != both.has.measured_on == BOTH
    assert (never.has, never.has_not) == (None, None)
    decided = own.decide(answers[1][:, 0])
    for side, kept in ((HAS, own.has), (HAS_NOT, own.has_not)):
        wrong = truth[decided == side, 0] != (side == HAS)
        assert (len(wrong), wrong.sum()) == (kept.answered, kept.errors)


def test_promises_hold_on_new_pictures():
    broken = total = 0
    for seed in range(30):
        features, truth = pictures(seed, 240, shares=(0.5, 0.2))
        head = fit(features, truth, folds=3)
        rules = label_rules((truth[:0], truth[:0] * 1.0), (truth, expit(head.logits_of_all(240))), max_error=0.1)
        others, known = pictures(1000 + seed, 4000, shares=(0.5, 0.2))
        answers = head.probabilities(table(others))
        for column, rule in enumerate(rules):
            decided = rule.decide(answers[:, column])
            for side, kept in ((HAS, rule.has), (HAS_NOT, rule.has_not)):
                if kept is not None:
                    wrong = known[decided == side, column] != (side == HAS)
                    broken, total = broken + (wrong.mean() > 0.1), total + 1
    assert total > 50
    assert broken <= 0.1 * total + 2.5 * (0.09 * total) ** 0.5
