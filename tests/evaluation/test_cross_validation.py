"""Which accuracy of a small set is to be believed, and what is said of classes with few validation pictures."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.evaluation.cross_validation import CROSS_VALIDATION, VALIDATION, CrossValidation, is_small
from pawsight.evaluation.metrics import measure

NAMES = ("cats", "dogs", "ants")


def measured(right: int, wrong: int, *, ants: int = 0, found: int = 0):
    """Metrics of cats and dogs in turns, the first of them right, and of ants of which some are found."""
    labels = np.concatenate([np.arange(right + wrong) % 2, np.full(ants, 2)])
    answers = np.concatenate(
        [labels[:right], 1 - labels[right : right + wrong], np.repeat([2, 0], [found, ants - found])]
    )
    return measure(labels, np.eye(3, dtype=np.float32)[answers.astype(np.int64)] * 0.7 + 0.1, NAMES)


@pytest.mark.parametrize(
    ("validation", "crossed", "believed"),
    [
        (None, measured(90, 10), CROSS_VALIDATION),
        (measured(95, 5), measured(300, 200), VALIDATION),  # 100 pictures are enough
        (measured(18, 2), measured(90, 10), CROSS_VALIDATION),
        (measured(99, 0), measured(450, 50), VALIDATION),  # other pictures than those of training
        (measured(4, 16), measured(90, 10), VALIDATION),
        (measured(0, 1), measured(9, 1), CROSS_VALIDATION),
        (measured(1, 0), measured(0, 1), VALIDATION),  # most training pictures were not measured
    ],
)
def test_the_cross_validated_accuracy_is_believed_unless_validation_is_large_or_differs_beyond_chance(
    validation, crossed, believed
):
    which, why = CrossValidation(folds=5, metrics=crossed).believed(validation)
    assert which == believed
    assert why


def test_a_class_with_few_validation_pictures_is_measured_in_training():
    crossed = CrossValidation(folds=5, metrics=measured(100, 0, ants=7, found=6), unmeasured=2)
    (rare,) = crossed.rare(measured(120, 0, ants=2))
    assert all(
        text in rare for text in ("'ants'", "2 validation pictures", "7 training pictures", "finds 6", "48.7-97.4")
    )
    assert list(crossed.rare(measured(120, 0, ants=5))) == []
    assert list(crossed.rare(None)) == []
    few = CrossValidation(folds=5, metrics=measured(100, 0, ants=4, found=1))
    (rare,) = few.rare(None)  # where there is no validation
    assert all(text in rare for text in ("'ants'", "4 training pictures", "finds 1"))
    (untold,) = CrossValidation(folds=5, metrics=measured(100, 0)).rare(None)
    assert "'ants'" in untold
    (untold,) = CrossValidation(folds=5, metrics=measured(100, 0)).rare(measured(120, 0, ants=1))
    assert "'ants'" in untold


def test_sentences_say_what_was_measured_and_which_to_believe():
    crossed = CrossValidation(folds=4, metrics=measured(100, 0), unmeasured=2)
    assert len(crossed.sentences(None)) == 2  # the class without pictures is named
    assert all(text in crossed.sentences(None)[0] for text in ("100.0 %", "4 folds", "2 pictures are not measured"))
    assert len(crossed.sentences(measured(120, 0, ants=1))) == 3


@pytest.mark.parametrize(
    ("counts", "small"), [((50, 50), False), ((50, 49), True), ((200, 5), False), ((200, 4), True), ((200, 0), True)]
)
def test_a_validation_set_is_small_below_100_pictures_or_5_of_a_class(counts, small):
    labels = ["cats"] * counts[0] + ["dogs"] * counts[1]
    assert is_small(labels, ("cats", "dogs")) is small
