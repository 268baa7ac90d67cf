"""What a run can guarantee of its answers: errors of all answers or of those with each class, and prediction sets.

Guarantees are measured on pictures that were not fitted to: the validation subset, and where it is too small also the
training subset, by answers out of fold. How one threshold is chosen is in `threshold`, sets in
`classifier.prediction_sets`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.prediction_sets import choose_sets, fewest_for_sets
from pawsight.classifier.trust import VALIDATION, Floats, SelectiveOptions, Trust
from pawsight.core import text
from pawsight.core.errors import TrainingFailed
from pawsight.data.found import Found
from pawsight.data.given_split import SplitFile
from pawsight.data.split import Split
from pawsight.training.threshold import Flags, choose_threshold, fewest_for_guarantee, smallest_guarantee

BOTH = "validation and, out of fold, training pictures"
TRAINING = "training pictures, out of fold"
# True classes (N,) and probabilities (N, C); of several labels whether pictures have them, as their probabilities.
Answers = tuple[NDArray[Any], Floats]


def add_guarantees(
    trust: Trust,
    options: SelectiveOptions,
    validation: Answers,
    out_of_fold: Answers | None,
    *,
    unfamiliar: int = 0,
) -> tuple[Trust, str, str]:
    """Return a trust with the guarantees and sets that are asked for, and why one or the other is missing.

    Args:
        trust: with the costs that decide which class is answered.
        options: what is asked for.
        validation: answers to the validation subset, without pictures that are called unfamiliar.
        out_of_fold: answers to training pictures by models fitted without them; None where there are none.
        unfamiliar: validation pictures that are left out.

    Returns:
        the trust, why it has no guarantee, and why it has no sets; the reasons are empty where nothing is missing.
    """
    why, why_no_sets = "", ""
    if options.max_error is not None:
        is_enough = len(validation[0]) >= fewest_for_guarantee(options.max_error)
        (true, table), source = measured_on(validation, out_of_fold, is_enough)
        answers = trust.answers(table)
        confidences, right = table[np.arange(len(true)), answers], answers == true
        guarantee = choose_threshold(
            confidences, right, max_error=options.max_error, pictures=len(true) + unfamiliar, measured_on=source
        )
        trust = replace(trust, guarantee=guarantee)
        why = "" if guarantee else _why_no_guarantee(confidences, right, options.max_error, source)
    if options.max_error_per_class is not None:
        trust, why = _guarantees_by_class(trust, options.max_error_per_class, validation, out_of_fold)
    if options.sets is not None:
        fewest = np.bincount(validation[0], minlength=validation[1].shape[1]).min()
        (true, table), source = measured_on(validation, out_of_fold, fewest >= fewest_for_sets(options.sets))
        trust = replace(trust, sets=choose_sets(true, table, coverage=options.sets, measured_on=source))
        if trust.sets is None:
            needed = fewest_for_sets(options.sets)
            why_no_sets = f"{percent(options.sets)} need {needed:,} pictures, and there are {len(true):,}"
    return trust, why, why_no_sets


def measured_on(validation: Answers, out_of_fold: Answers | None, is_enough: bool) -> tuple[Answers, str]:
    """Return the answers that a guarantee is measured on, and what they are called."""
    if is_enough or out_of_fold is None:
        return validation, VALIDATION
    if not len(validation[0]):
        return out_of_fold, TRAINING
    return (np.concatenate([validation[0], out_of_fold[0]]), np.concatenate([validation[1], out_of_fold[1]])), BOTH


def _guarantees_by_class(
    trust: Trust, max_error: float, validation: Answers, out_of_fold: Answers | None
) -> tuple[Trust, str]:
    """Return a trust with a guarantee for the answers with each class, and why there is none for any."""
    classes = validation[1].shape[1]
    fewest = np.bincount(trust.answers(validation[1]), minlength=classes).min()
    (true, table), source = measured_on(validation, out_of_fold, fewest >= fewest_for_guarantee(max_error))
    answers = trust.answers(table)
    by_class = tuple(
        choose_threshold(table[own, label], true[own] == label, max_error=max_error, measured_on=source)
        for label in range(classes)
        for own in [answers == label]
    )
    if any(by_class):
        return replace(trust, by_class=by_class), ""
    confidences = table[np.arange(len(true)), answers]
    return trust, _why_no_guarantee(confidences, answers == true, max_error, source)


def check_guarantee(split: Split, options: SelectiveOptions, *, has_out_of_fold: bool) -> None:
    """Refuse what cannot be guaranteed on so few pictures, whatever is learnt.

    Args:
        split: of all pictures.
        options: what is asked for.
        has_out_of_fold: the recipe answers training pictures out of fold, so that these count too.

    Raises:
        TrainingFailed: even without a single wrong answer it could not be guaranteed.
    """
    training = split.part("train") if has_out_of_fold else ()
    counts = Counter(assigned.label for assigned in (*split.part("validation"), *training))
    if options.max_error is not None and counts.total() < fewest_for_guarantee(options.max_error):
        raise _too_few(split.sizes["validation"], len(training), f"{counts.total():,}", options.max_error)
    label, most = max(counts.items(), key=lambda pair: pair[1], default=("", 0))
    if options.max_error_per_class is not None and most < fewest_for_guarantee(options.max_error_per_class):
        share = smallest_guarantee(most, most)
        raise TrainingFailed(
            f"An error of at most {percent(options.max_error_per_class)} cannot be guaranteed for any class: "
            f"{fewest_for_guarantee(options.max_error_per_class):,} pictures of it are needed at least.",
            f"The most are {text.plural(most, 'picture')} of {label!r}{_of_whom(has_out_of_fold)}.",
            f"{f'Type --max-error-per-class {100 * share:g}%, or add' if share else 'Add'} pictures."
            f"{'' if has_out_of_fold else _WITH_PROBE}",
        )
    if options.sets is not None and counts.total() < fewest_for_sets(options.sets):
        possible = counts.total() / (counts.total() + 1)
        raise TrainingFailed(
            f"Sets that hold the true class of {percent(options.sets)} of the pictures cannot be made: "
            f"{fewest_for_sets(options.sets):,} pictures are needed.",
            f"There are {counts.total():,}{_of_whom(has_out_of_fold)}.",
            f"{f'Type --sets {math.floor(100 * possible)}%, or add' if possible >= 0.5 else 'Add'} pictures."
            f"{'' if has_out_of_fold else _WITH_PROBE}",
        )


def check_guarantee_by_names(
    found: Found, given: SplitFile | None, options: SelectiveOptions, *, has_out_of_fold: bool
) -> None:
    """Refuse a guarantee for all answers before any picture is read, where the names of files show that it cannot be.

    Raises:
        TrainingFailed: there will be too few pictures, however many can be read.
    """
    if options.max_error is None:
        return
    likely, most, training = _pictures_by_names(found, given)
    training = training if has_out_of_fold else 0
    if most + training < fewest_for_guarantee(options.max_error):
        raise _too_few(likely, training, f"about {likely + training:,}", options.max_error)


_WITH_PROBE = " The recipe probe counts training pictures too: --recipe probe"


def _of_whom(has_out_of_fold: bool) -> str:
    return " in validation and training" if has_out_of_fold else " in validation"


def _pictures_by_names(found: Found, given: SplitFile | None) -> tuple[int, int, int]:
    """Return how many pictures validation will likely have, how many at most, and how many training will have."""
    if given is not None:
        parts = Counter(row.part for row in given.rows)
        return parts["validation"], parts["validation"], parts["train"]
    counts = Counter(candidate.part for candidate in found.candidates)
    if counts["train"] and counts["validation"]:
        held_out = counts["validation"]
        return held_out if counts["test"] else round(0.8 * held_out), held_out, counts["train"]
    cut = counts["train"] if counts["train"] and counts["test"] else len(found.candidates)
    most = math.ceil(0.17 * cut) + len(found.folders)  # rounded class by class
    return round(0.15 * cut), most, round(0.7 * cut)


def _too_few(validation: int, training: int, number: str, max_error: float) -> TrainingFailed:
    pictures = validation + training
    share = smallest_guarantee(pictures, pictures)
    smaller = f"Type --max-error {100 * share:g}%, if that will do." if share else "Nothing can be guaranteed on them."
    return TrainingFailed(
        f"An error of at most {percent(max_error)} cannot be guaranteed on {number}"
        f" {'validation and training' if training else 'validation'} {'picture' if pictures == 1 else 'pictures'}: "
        f"{fewest_for_guarantee(max_error):,} are needed at least.",
        "Even if every answer were right, that could be chance with a probability above 10 %.",
        f"{smaller} Or add pictures{'.' if training else f' to validation.{_WITH_PROBE}'}",
    )


def percent(share: float) -> str:
    """Return a share in per cent, e.g. 1 % or 0.5 %."""
    return text.percent(share, ".4g")


def _why_no_guarantee(confidences: Floats, right: Flags, max_error: float, source: str) -> str:
    """Say how many of the most confident half of the answers are wrong."""
    most = max(fewest_for_guarantee(max_error), len(right) // 2)
    first = np.argsort(-confidences, kind="stable")[:most]
    wrong = int((~right[first]).sum())
    verb = "is" if wrong == 1 else "are"
    return (
        f"{wrong:,} of the {len(first):,} most confident answers on {source} {verb} wrong, so no threshold keeps an "
        f"error of {percent(max_error)}; nothing is unsure"
    )
