"""The linear head: strength chosen inside the training part, odd classes survived, equal seeds give equal bytes."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.training.features import FeatureTable
from pawsight.training.folds import folds_for_fits, stratified_sample
from pawsight.training.logistic import class_weights
from pawsight.training.probe import STRENGTHS, Head, balancing_shift, depth_note, fit_head, regularisation_note
from pawsight.training.relevance import SELECTED_FEATURES

from ..conftest import says


def clouds(counts, *, apart=4.0, width=20, seed=0):
    """Features of one cloud a class, its middle `apart` along an axis of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = rng.normal(size=(len(labels), width))
    features[np.arange(len(labels)), labels] += apart
    order = rng.permutation(len(labels))
    return features[order].astype(np.float32), labels[order]


def table(features, **depths):
    """Features of one depth, or of several whose columns are given."""
    return FeatureTable(features, depths or {"last": np.arange(features.shape[1])})


def fit(features, labels, *, classes=None, folds=5, seed=0):
    return fit_head(table(features), labels, classes=classes or int(labels.max()) + 1, folds=folds, seed=seed)


def shares_of(head, features):
    return head.probabilities(table(features))


def accuracy(head, features, labels):
    return (shares_of(head, features).argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_clouds_apart_are_told_apart_also_when_new(classes):
    head = fit(*clouds([40] * classes))
    assert accuracy(head, *clouds([40] * classes, seed=1)) > 0.95
    assert head.weights.shape == (20, classes)
    assert head.bias.shape == (classes,)
    assert head.weights.dtype == head.bias.dtype == np.float32


@given(st.integers(2, 5), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_probabilities_are_shares(classes, seed):
    features, labels = clouds([6] * classes, seed=seed)
    shares = shares_of(fit(features, labels, folds=2), features * 100)
    assert shares.dtype == np.float32
    assert np.isfinite(shares).all()
    assert (shares >= 0).all()
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_the_strength_is_the_one_with_the_least_loss_on_held_out_folds():
    head = fit(*clouds([30, 30], apart=1.0))
    strengths = [strength for strength, _ in head.log_losses]
    losses = [loss for _, loss in head.log_losses]
    assert strengths == list(STRENGTHS)
    assert head.strength == strengths[int(np.argmin(losses))]


def test_noise_asks_for_more_regularisation_than_signal():
    rng = np.random.default_rng(0)
    noise = fit(rng.normal(size=(80, 50)).astype(np.float32), rng.integers(0, 2, 80))
    signal = fit(*clouds([40, 40], apart=6.0, width=50))
    assert noise.strength < signal.strength


def test_out_of_fold_losses_are_those_of_scikit_learn_fitted_fold_by_fold():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    features, labels = clouds([30, 30, 30], apart=2.0)
    head = fit(features, labels, folds=3, seed=5)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=5).split(scaled, labels))
    for strength, loss in head.log_losses:
        model = LogisticRegression(C=strength, max_iter=2000, tol=1e-6)
        expected = [
            log_loss(labels[out], model.fit(scaled[inside], labels[inside]).predict_proba(scaled[out]))
            for inside, out in folds
        ]
        assert loss == pytest.approx(np.mean(expected), abs=5e-3)


def test_the_head_takes_raw_features_and_gives_what_scikit_learn_gives_on_scaled_ones():
    from sklearn.linear_model import LogisticRegression

    for counts in ([30, 20], [30, 20, 10]):
        features, labels = clouds(counts, apart=2.0)
        features = features * np.linspace(1, 100, 20, dtype=np.float32) + 50
        head = fit(features, labels)
        scaled = (features - features.mean(axis=0)) / features.std(axis=0)
        model = LogisticRegression(C=head.strength, max_iter=2000, tol=1e-6).fit(scaled, labels)
        assert np.allclose(shares_of(head, features), model.predict_proba(scaled), atol=1e-2)


def test_equal_seeds_give_equal_bytes():
    features, labels = clouds([25, 25, 25], apart=1.0)
    one, other = fit(features, labels, seed=3), fit(features, labels, seed=3)
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()
    assert one.log_losses == other.log_losses


def test_another_seed_cuts_other_folds():
    features, labels = clouds([25, 25], apart=1.0)
    assert fit(features, labels, seed=1).log_losses != fit(features, labels, seed=2).log_losses


def test_what_it_is_given_is_left_as_it_was():
    features, labels = clouds([10, 10])
    kept = features.copy(), labels.copy()
    fit(features, labels)
    assert np.array_equal(features, kept[0])
    assert np.array_equal(labels, kept[1])


def test_a_class_with_one_picture_is_learnt_without_folds_at_the_middle_strength():
    features, labels = clouds([20, 20, 1], apart=8.0)
    head = fit(features, labels)
    assert head.strength == STRENGTHS[2]
    assert head.log_losses == ()
    assert shares_of(head, features)[:, 2].argmax() == np.flatnonzero(labels == 2)[0]


def test_a_class_with_fewer_pictures_than_folds_gets_fewer_folds_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = fit(*clouds([20, 2], apart=8.0), folds=5)
    assert len(head.log_losses) == len(STRENGTHS)


def test_features_that_never_change_do_no_harm():
    features, labels = clouds([20, 20])
    dead = np.concatenate([features, np.zeros((40, 3)), np.full((40, 3), 7.25)], axis=1).astype(np.float32)
    head = fit(dead, labels)
    assert np.isfinite(head.weights).all()
    assert np.allclose(shares_of(head, dead), shares_of(fit(features, labels), features), atol=1e-3)


def test_features_that_say_nothing_give_the_shares_of_the_classes():
    labels = np.array([0] * 30 + [1] * 10)
    head = fit(np.full((40, 5), 3.0, np.float32), labels)
    assert np.allclose(shares_of(head, np.full((1, 5), 3.0, np.float32)), [[0.75, 0.25]], atol=0.01)


def test_duplicates_and_features_in_lockstep_do_no_harm_and_warn_of_nothing():
    features, labels = clouds([15, 15])
    doubled = np.tile(features, (2, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = fit(doubled, np.tile(labels, 2))
    assert accuracy(head, doubled, np.tile(labels, 2)) == 1.0


def test_of_many_pictures_a_share_of_each_class_chooses_the_strength_and_two_at_least():
    labels = np.repeat([0, 1, 2], [900, 99, 3])
    assert np.array_equal(stratified_sample(labels, most=1002, seed=0), np.arange(1002))
    rows = stratified_sample(labels, most=100, seed=0)
    assert np.bincount(labels[rows]).tolist() == [90, 10, 2]
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, stratified_sample(labels, most=100, seed=0))
    assert not np.array_equal(rows, stratified_sample(labels, most=100, seed=1))


def test_progress_is_told_of_every_fold():
    events = []

    class Listener:
        def stage(self, name, total, unit=""):
            from contextlib import nullcontext

            events.append((name, total, unit))
            return nullcontext(self)

        def advance(self, steps=1):
            events.append(steps)

    features, labels = clouds([10, 10])
    fit_head(table(features), labels, classes=2, folds=4, seed=0, progress=Listener())
    assert events == [("Choosing the regularisation", 4, "folds"), 1, 1, 1, 1]


def test_out_of_fold_logits_belong_to_every_row_and_duplicates_share_a_fold():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 40)
    features = rng.normal(size=(80, 10)).astype(np.float32) + labels[:, None]
    twins = np.concatenate([features, features])
    groups = np.tile(np.arange(80), 2)
    apart = fit_head(table(twins), np.tile(labels, 2), classes=2, folds=5, seed=0)
    together = fit_head(table(twins), np.tile(labels, 2), classes=2, folds=5, seed=0, groups=groups)
    rows, logits = together.out_of_fold
    assert np.array_equal(rows, np.arange(160))
    assert np.allclose(logits[:80], logits[80:], atol=1e-4)
    assert np.array_equal(together.logits_of_all(160), logits)
    sampled = replace(together, out_of_fold=(rows[::2], logits[::2])).logits_of_all(160)
    assert np.array_equal(sampled[::2], logits[::2])
    assert np.isnan(sampled[1::2]).all()
    assert not np.allclose(apart.out_of_fold[1][:80], apart.out_of_fold[1][80:], atol=1e-3)


def test_the_class_with_too_few_pictures_for_folds_is_named():
    """It may have two pictures that look the same: those cannot be put into different folds."""
    head = Head(weights=np.zeros((1, 2)), bias=np.zeros(2), strength=1.0, folds=0, columns=np.arange(1))
    labels, apart, alike = np.array([0, 0, 0, 0, 1, 1]), np.arange(6), np.array([0, 1, 2, 3, 4, 4])
    for groups in (apart, alike):
        assert says(regularisation_note(head, labels, groups, ("many", "one")), "C = 1", "'one'")
    chosen = regularisation_note(replace(head, folds=3), labels, apart, ("many", "one"))
    assert says(chosen, "C = 1", "3 folds")


def deep(labels, *, last=0.0, earlier=0.0, seed=0):
    """Features of every depth: 3,000, of which the last 20 are the last layer; how far apart classes are in each."""
    centres = np.random.default_rng(9).normal(size=(labels.max() + 1, 3000)).astype(np.float32)
    centres[:, :2980] *= earlier
    centres[:, 2980:] *= last
    noise = np.random.default_rng(seed).normal(size=(len(labels), 3000)).astype(np.float32)
    features = noise + centres[labels]
    return table(features, last=np.arange(2980, 3000))


LABELS = np.tile([0, 1, 2], 40)


def choose(features, *, depth="auto", **options):
    return fit_head(features, LABELS, classes=3, folds=4, seed=0, depth=depth, **options)


def test_a_deeper_choice_is_made_where_it_is_better_and_its_gain_is_told():
    head = choose(deep(LABELS, earlier=0.5))
    assert (head.depth, len(head.columns)) == ("selected", SELECTED_FEATURES)
    assert head.columns.max() < 3000
    assert (np.diff(head.columns) > 0).all()
    assert [name for name, _, _ in head.tried] == ["last", "selected"]
    losses = [loss for _, _, loss in head.tried]
    gain, low, high = head.gain
    assert gain == pytest.approx(losses[0] - losses[1], abs=1e-5)
    assert 0 < low < gain < high
    assert says(depth_note(head), "2,048", "selected", f"{gain:.3f}")
    assert accuracy_of(head, deep(LABELS, earlier=0.5, seed=1)) > 0.9


def accuracy_of(head, features):
    return (head.probabilities(features).argmax(axis=1) == LABELS).mean()


def test_the_last_layer_stays_where_nothing_is_clearly_better():
    for features in (deep(LABELS, last=2.0), deep(LABELS)):
        head = choose(features)
        assert (head.depth, head.gain, len(head.tried)) == ("last", None, 2)
        assert np.array_equal(head.columns, np.arange(2980, 3000))
        assert says(depth_note(head), "20 features", "selected")


def test_the_last_layer_stays_where_it_is_sure_and_a_deeper_choice_gains_less_than_a_hundredth_of_a_nat():
    features = deep(LABELS, last=2.2, earlier=0.5)
    head = choose(features)
    last, selected = (loss for _, _, loss in head.tried)
    assert 0 < last - selected < 0.01
    assert head.depth == "last"


def test_a_depth_that_is_asked_for_is_taken():
    features = deep(LABELS, last=2.0)
    assert choose(features, depth="selected").depth == "selected"
    assert choose(features, depth="last").tried[0][0] == "last"


def test_features_selected_in_each_fold_do_not_flatter():
    head = choose(deep(LABELS), depth="selected")
    assert head.tried[0][2] > np.log(3) - 0.05
    rows, logits = head.out_of_fold
    assert abs((logits.argmax(axis=1) == LABELS[rows]).mean() - 1 / 3) < 0.15


def test_without_folds_the_last_layer_is_read():
    features, labels = deep(np.append(LABELS, 3)), np.append(LABELS, 3)
    head = fit_head(features, labels, classes=4, folds=5, seed=0)
    assert (head.depth, head.folds, head.tried) == ("last", 0, ())


def test_a_last_layer_of_many_features_is_still_the_first_choice_and_equal_depths_are_not_compared():
    features = np.random.default_rng(0).normal(size=(len(LABELS) + 1, 2600)).astype(np.float32)
    wide = table(features, last=np.arange(2500), blocks=np.arange(2600))
    head = fit_head(wide, np.append(LABELS, 3), classes=4, folds=5, seed=0)
    assert (head.depth, head.folds, len(head.columns)) == ("last", 0, 2500)
    alone = table(features[:-1, :50], last=np.arange(50), blocks=np.arange(50))
    assert [name for name, _, _ in choose(alone).tried] == ["last"]


def test_groups_share_a_fold_however_large_they_are():
    labels = np.repeat([0, 1], 60)
    groups = np.concatenate([np.repeat([0, 1, 2], 20), np.arange(60) + 3])
    fold = folds_for_fits(labels, groups, 5, 0)
    assert sorted(np.unique(fold)) == [0, 1, 2]  # class 0 has three groups
    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
    assert all(set(labels[fold != number]) == {0, 1} for number in range(3))
    assert folds_for_fits(labels, np.where(labels == 0, 0, groups), 5, 0) is None


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_outside_each_fold_every_class_is_left(seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 40)])
    groups = rng.integers(0, 25, len(labels))
    fold = folds_for_fits(labels, groups, 5, seed)
    if fold is not None:
        assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
        assert all(len(set(labels[fold != number])) == 4 for number in range(fold.max() + 1))


def test_the_shift_balances_what_a_rare_class_lost_out_of_fold():
    """Logits whose rare class lies three nats too low; weights make the classes equal."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [4_000, 400])
    scores = rng.normal(size=4_400) + 1.5 * (2 * labels - 1)
    logits = np.stack([-1.5 * scores, 1.5 * scores - 3], axis=1).astype(np.float32)
    shift = balancing_shift(labels, logits, class_weights(labels, classes=2))
    assert shift[1] - shift[0] == pytest.approx(3, abs=0.4)
    answers = (logits + shift).argmax(axis=1)
    recalls = [(answers[labels == label] == label).mean() for label in (0, 1)]
    assert abs(recalls[0] - recalls[1]) < 0.05


def test_balanced_heads_find_more_of_a_rare_class_and_answer_so_out_of_fold_too():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [190, 6])
    features = (rng.normal(size=(196, 40)) + labels[:, None] * np.eye(1, 40) * 2).astype(np.float32)
    others = (rng.normal(size=(500, 40)) + np.eye(1, 40) * 2).astype(np.float32)
    plain, balanced = (
        fit_head(table(features), labels, classes=2, folds=5, seed=0, is_balanced=flag) for flag in (False, True)
    )
    found = [head.probabilities(table(others)).argmax(axis=1).mean() for head in (plain, balanced)]
    assert found[1] > found[0] + 0.2
    rows, logits = balanced.out_of_fold
    assert (
        logits[labels[rows] == 1].argmax(axis=1).mean() > plain.out_of_fold[1][labels[rows] == 1].argmax(axis=1).mean()
    )
