"""Cross-validation of a whole probe: what each fold may know, and that the choice of a head does not flatter."""

from __future__ import annotations

from functools import partial

import numpy as np

from pawsight.training.cross_validation import NEVER, cross_validate
from pawsight.training.features import FeatureTable
from pawsight.training.probe import fit_head


def table(features):
    return FeatureTable(features, {"last": np.arange(features.shape[1])})


def nearest_mean(features, labels, *, classes, groups):
    """A head that is quick: minus the squared distance from each class's mean."""
    means = np.stack([features.last[labels == label].mean(axis=0) for label in range(classes)])
    return lambda others: -((others.last[:, None] - means) ** 2).sum(axis=2).astype(np.float32)


def crossed(labels, groups=None, *, fit=nearest_mean, features=None, folds=5):
    labels = np.asarray(labels)
    rows = np.arange(len(labels))
    features = np.eye(len(labels), dtype=np.float32) if features is None else features
    groups = rows if groups is None else np.asarray(groups)
    return cross_validate(fit, table(features), labels, groups, classes=3, folds=folds, seed=0)


def test_no_picture_or_any_of_its_group_teaches_the_head_that_answers_it():
    labels, groups = np.arange(60) % 3, np.arange(60) // 2
    seen = []

    def fit(features, known, *, classes, groups):
        seen.append((set(groups.tolist()), features))
        inside = set(groups.tolist())

        def answer(others):
            outside = {int(row.argmax()) // 2 for row in others.last}
            assert not inside & outside
            return np.zeros((len(others), classes), np.float32)

        return answer

    logits = crossed(labels, groups, fit=fit)
    assert len(seen) == 5
    assert (logits == 0).all()


def test_a_rare_class_is_measured_by_taking_turns_and_one_picture_alone_is_not():
    labels = [0] * 20 + [1] * 2 + [2]
    features = np.zeros((23, 3), np.float32)
    features[np.arange(23), labels] = 1.0
    logits = crossed(labels, features=features)
    assert (logits[:22].argmax(axis=1) == labels[:22]).all()  # each of the two is answered by a head that saw the other
    assert np.isnan(logits[22]).all()
    assert (logits[:22, 2] == NEVER).any()  # by the head that never saw the third class
    groups = [*range(20), 20, 20, 21]
    assert np.isnan(crossed(labels, groups, features=features)[20:]).all()  # the two are one group


def test_the_choice_among_heads_flatters_the_folds_that_chose_and_not_these():
    """Of noise nothing can be learnt. What chose between strengths and depths does better than chance all the same."""
    labels = np.tile([0, 1], 15)
    losses = {"chose": [], "whole": []}
    for seed in range(6):
        features = np.random.default_rng(seed).normal(size=(30, 2100)).astype(np.float32)
        noise = FeatureTable(features, {"last": np.arange(40), "blocks": np.arange(400)})
        fit = partial(fit_head, folds=5, seed=0)
        _, chose = fit(noise, labels, classes=2).out_of_fold
        whole = cross_validate(
            lambda *pictures, **options: partial(fit_head, folds=5, seed=0)(*pictures, **options).logits,
            noise, labels, np.arange(30), classes=2, folds=5, seed=0,
        )  # fmt: skip
        for name, logits in (("chose", chose), ("whole", whole)):
            losses[name].append(
                np.logaddexp(0, logits[:, 1 - labels].diagonal() - logits[np.arange(30), labels]).mean()
            )
    assert np.mean(losses["chose"]) < np.mean(losses["whole"])
    assert np.mean(losses["whole"]) > np.log(2)
