"""Guarantees of answers, by class too, and prediction sets: what is measured on, what is refused, what holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from pawsight.classifier.costs import Costs
from pawsight.classifier.trust import VALIDATION, SelectiveOptions, Trust
from pawsight.core.errors import TrainingFailed, WrongUsage
from pawsight.data.found import Candidate, Found
from pawsight.data.given_split import SplitFile, SplitRow
from pawsight.data.split import Assigned, Split
from pawsight.training.guarantees import BOTH, TRAINING, add_guarantees, check_guarantee, check_guarantee_by_names
from pawsight.training.ood_detector import threshold_for

PRIORS = np.array([0.6, 0.3, 0.1])


def drawn(pictures, rng, *, spread=2.0):
    """True classes and the probabilities of a classifier that is overconfident and weakest on the rarest class."""
    true = rng.choice(3, pictures, p=PRIORS)
    logits = rng.normal(size=(pictures, 3)) + spread * np.eye(3)[true] + np.log(PRIORS)
    return true, softmax(1.5 * logits, axis=1)


def test_answers_with_each_class_are_wrong_as_rarely_as_promised():
    """Of 100 draws a tenth may break the promise of a class, and three standard errors more by chance."""
    rng = np.random.default_rng(0)
    others, table = drawn(200_000, rng)
    answers = table.argmax(axis=1)
    own = [(others[answers == label] != label, table[answers == label, label]) for label in range(3)]
    broken, given = np.zeros(3, int), np.zeros(3, int)
    for _ in range(100):
        trust, why, _ = add_guarantees(Trust(), SelectiveOptions(max_error_per_class=0.1), drawn(600, rng), None)
        assert not why
        for label, kept in enumerate(trust.by_class):
            if kept is not None:
                wrong, shares = own[label]
                given[label] += 1
                broken[label] += wrong[shares >= kept.threshold].mean() > 0.1
    assert given.min() > 20
    assert (broken <= 10 + 3 * 3).all()


def test_a_class_whose_answers_cannot_keep_the_promise_is_never_answered():
    rng = np.random.default_rng(1)
    true, table = drawn(2_000, rng)
    table = np.where((table.argmax(axis=1) == 2)[:, None], [0.0, 0.1, 0.9], table)
    trust, why, _ = add_guarantees(Trust(), SelectiveOptions(max_error_per_class=0.05), (true, table), None)
    assert not why
    assert trust.by_class[2] is None
    assert trust.by_class[0] is not None
    assert trust.decide(np.array([0.0, 0.01, 0.99]), None) == "unsure"
    assert trust.decide(np.array([1.0, 0.0, 0.0]), None) == "answered"


def test_without_any_class_that_keeps_it_there_is_no_guarantee_and_a_reason():
    rng = np.random.default_rng(2)
    table = softmax(rng.normal(size=(300, 3)), axis=1)
    trust, why, _ = add_guarantees(
        Trust(), SelectiveOptions(max_error_per_class=0.05), (rng.integers(0, 3, 300), table), None
    )
    assert trust.by_class == ()
    assert " 5 %" in why


def test_training_pictures_are_counted_out_of_fold_only_where_validation_is_too_small():
    rng = np.random.default_rng(3)
    small, large, crossed = drawn(20, rng), drawn(3_000, rng), drawn(900, rng)
    options = SelectiveOptions(max_error=0.1, sets=0.9)
    few = add_guarantees(Trust(), options, small, crossed)[0]
    assert (few.guarantee.measured_on, few.guarantee.pictures) == (BOTH, 920)
    assert (few.sets.measured_on, sum(few.sets.pictures)) == (BOTH, 920)
    many = add_guarantees(Trust(), options, large, crossed)[0]
    assert (many.guarantee.measured_on, many.guarantee.pictures) == (VALIDATION, 3_000)
    assert (many.sets.measured_on, sum(many.sets.pictures)) == (VALIDATION, 3_000)


def test_a_guarantee_is_of_the_answers_that_costs_decide():
    rng = np.random.default_rng(4)
    true, table = drawn(4_000, rng)
    costs = Costs(((2, 0, 10.0), (2, 1, 10.0)))
    trust, _, _ = add_guarantees(Trust(costs=costs), SelectiveOptions(max_error=0.3), (true, table), None)
    answers = costs.expected(table).argmin(axis=1)
    shares = table[np.arange(4_000), answers]
    kept = trust.guarantee
    assert kept.answered == int((shares >= kept.threshold).sum())
    assert kept.errors == int((answers != true)[shares >= kept.threshold].sum())


def test_pictures_that_are_called_unfamiliar_count_as_unanswered():
    rng = np.random.default_rng(5)
    trust, _, _ = add_guarantees(Trust(), SelectiveOptions(max_error=0.3), drawn(500, rng), None, unfamiliar=20)
    assert trust.guarantee.pictures == 520


def test_with_a_detector_the_guarantee_is_of_the_pictures_that_it_lets_pass():
    """Mistakes are more frequent among the strangest pictures; a tenth of the draws may break it, and chance adds."""
    rng, options, broken, given = np.random.default_rng(6), SelectiveOptions(max_error=0.1, false_alarms=0.1), 0, 0

    def with_scores(pictures):
        true, table = drawn(pictures, rng, spread=5.0)
        strangeness = rng.gamma(2.0, size=pictures)
        blurred = np.where((strangeness > 3)[:, None], 1 / 3 + (table - 1 / 3) * 0.5, table)
        return np.where(rng.random(pictures) < strangeness / 60, (true + 1) % 3, true), blurred, strangeness

    true, table, score = with_scores(20_000)
    for _ in range(60):
        (*training, left_out), (*validation, held_out) = with_scores(300), with_scores(200)
        limit = threshold_for(left_out, options.false_alarms)[0]
        familiar, known = held_out < limit, left_out < limit
        kept = add_guarantees(
            Trust(),
            options,
            tuple(part[familiar] for part in validation),
            tuple(part[known] for part in training),
            unfamiliar=int((~familiar).sum()),
        )[0].guarantee
        if kept is not None:
            answered = (score <= limit) & (table.max(axis=1) >= kept.threshold)
            given += 1
            broken += (table[answered].argmax(axis=1) != true[answered]).mean() > 0.1
    assert given > 30
    assert broken <= 6 + 3 * 2.3


def split_of(**counts):
    """A split with so many pictures of each part and class: train_a=3."""
    return Split(
        tuple(
            Assigned(f"{name}{number}", "", name.partition("_")[2], name.partition("_")[0])
            for name, count in counts.items()
            for number in range(count)
        ),
        "",
    )


@pytest.mark.parametrize(
    ("options", "numbers", "fix"),
    [
        (SelectiveOptions(max_error_per_class=0.05), (" 5 % ", " 45 "), "Add pictures"),
        (SelectiveOptions(sets=0.95), (" 95 % ", " 19 "), "--sets"),
        (SelectiveOptions(max_error=0.05), (" 5 % ", " 45 "), "--max-error"),
    ],
)
def test_what_so_few_pictures_cannot_show_is_refused_and_counts_training_pictures_of_the_probe(options, numbers, fix):
    small = split_of(train_a=50, train_b=50, validation_a=9, validation_b=9)
    with pytest.raises(TrainingFailed) as error:
        check_guarantee(small, options, has_out_of_fold=False)
    assert all(number in error.value.what for number in numbers)
    assert fix in error.value.fix
    assert "--recipe probe" in error.value.fix
    check_guarantee(small, options, has_out_of_fold=True)
    tiny = split_of(train_a=4, train_b=4, validation_a=2, validation_b=2)
    with pytest.raises(TrainingFailed) as error:
        check_guarantee(tiny, options, has_out_of_fold=True)
    assert "--recipe probe" not in error.value.fix


def test_two_guarantees_of_which_one_follows_from_the_other_are_refused():
    with pytest.raises(WrongUsage, match="--max-error-per-class"):
        SelectiveOptions(max_error=0.01, max_error_per_class=0.01)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0, float("nan")])
def test_a_share_of_sets_that_cannot_be_promised_is_wrong_usage(share):
    with pytest.raises(WrongUsage, match="--sets cannot be"):
        SelectiveOptions(sets=share)


def found_with(**counts):
    """What folders hold by name: so many files of each part."""
    files = [
        Candidate(Path(f"{part}{number}.jpg"), f"{part}{number}.jpg", "cats", None if part == "none" else part)
        for part, count in counts.items()
        for number in range(count)
    ]
    return Found(Path(), tuple(files), (), (), ("cats", "dogs"))


@pytest.mark.parametrize(
    ("found", "given", "number"),
    [
        (found_with(none=100), None, "about 15 validation pictures"),
        (found_with(train=100, test=900), None, "about 15 validation pictures"),  # train alone is cut
        (found_with(train=100, validation=10), None, "about 8 validation pictures"),  # a part becomes the test part
        (found_with(train=100, validation=10, test=10), None, "about 10 validation pictures"),
        (found_with(none=100), ("validation", "train", "validation"), "about 2 validation pictures"),
    ],
)
def test_a_promise_that_cannot_be_is_refused_by_the_names_of_files_alone(found, given, number):
    lines = SplitFile(Path("s.csv"), tuple(SplitRow(2, "a.jpg", "", part) for part in given)) if given else None
    with pytest.raises(TrainingFailed) as error:
        check_guarantee_by_names(found, lines, SelectiveOptions(max_error=0.05), has_out_of_fold=False)
    assert all(word in error.value.what for word in ("at most 5 % ", number, " 45 "))
    check_guarantee_by_names(found_with(none=1000), None, SelectiveOptions(max_error=0.05), has_out_of_fold=False)


def test_without_validation_the_training_pictures_alone_are_counted():
    rng = np.random.default_rng(4)
    none, crossed = drawn(0, rng), drawn(900, rng)
    trust = add_guarantees(Trust(), SelectiveOptions(max_error=0.1, sets=0.9), none, crossed)[0]
    assert (trust.guarantee.measured_on, trust.guarantee.pictures) == (TRAINING, 900)
    assert (trust.sets.measured_on, sum(trust.sets.pictures)) == (TRAINING, 900)
