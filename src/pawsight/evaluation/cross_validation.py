"""What cross-validation measured, and which figure of a small set to believe: that one or the few of validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pawsight.core.text import plural
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.metrics import Metrics, sentence

FEWEST, FEWEST_OF_CLASS = 100, 5  # validation pictures; with fewer the cross-validated figure is given too
VALIDATION, CROSS_VALIDATION = "validation", "cross-validation"
_DIFFERENT = 0.01  # p value from which down chance does not explain that the two figures differ
_NAMED = 5  # classes that a message lists


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """Answers to training pictures, each by a classifier that was fitted without it and all that look like it."""

    folds: int
    metrics: Metrics  # of the pictures that were measured
    unmeasured: int = 0  # pictures without an answer, as no other picture of their class is in another fold
    is_whole: bool = False  # depth and strength were chosen again in each fold, not by these folds

    def believed(self, validation: Metrics | None) -> tuple[str, str]:
        """Return which accuracy to believe, `VALIDATION` or `CROSS_VALIDATION`, and why, as half a sentence.

        Where the two differ beyond chance (Fisher's exact test), validation has other pictures than training, as
        folders of two cameras may have, and cross-validation knows nothing of those.
        """
        from scipy.stats import fisher_exact

        if validation is None:
            return CROSS_VALIDATION, "there are no validation pictures"
        if validation.pictures >= FEWEST:
            return VALIDATION, f"it has {validation.pictures:,} pictures"
        counts = [
            (right := round(measured.accuracy * measured.pictures), measured.pictures - right)
            for measured in (validation, self.metrics)
        ]
        chance = float(fisher_exact(counts).pvalue)
        if chance < _DIFFERENT:
            return VALIDATION, f"chance does not explain the difference (p = {chance:.2g}), so its pictures are others"
        which, more, fewer = CROSS_VALIDATION, self.metrics.pictures, validation.pictures
        if more <= fewer:  # most training pictures were not measured
            which, more, fewer = VALIDATION, fewer, more
        than = f"not {fewer:,}" if fewer < more else "so is the other"
        return which, f"it is measured on {plural(more, 'picture')} and {than}, and chance explains the difference"

    def rare(self, validation: Metrics | None) -> Iterator[str]:
        """Yield a sentence for each class with fewer than 5 validation pictures: the share of its pictures found.

        Without validation these are the classes of which fewer than 5 pictures were measured.
        """
        held_out = {row.name: row.pictures for row in (validation or self.metrics).classes}
        for row in self.metrics.classes:
            if held_out.get(row.name, FEWEST_OF_CLASS) >= FEWEST_OF_CLASS:
                continue
            few = f"has {plural(held_out[row.name], 'validation picture')}" if validation else "has few pictures"
            if row.recall is None:
                fewer = (
                    f"{few} and too few training pictures" if validation else "has too few pictures, or groups of them,"
                )
                yield f"Class {row.name!r} {fewer} to measure it"
                continue
            found = round(row.recall * row.pictures)
            yield (
                f"Class {row.name!r} {few}; of {plural(row.pictures, 'training picture')} cross-validation finds"
                f" {found:,} (95 % interval {wilson(found, row.pictures)})"
            )

    def sentences(self, validation: Metrics | None) -> list[str]:
        """Return what was measured, which accuracy to believe and the rare classes, as whole sentences."""
        believed, why = self.believed(validation)
        advice = [f"Believe the accuracy by {believed}: {why}."] if validation is not None else []
        return [f"By cross-validation: {self.sentence()}.", *advice, *(f"{text}." for text in self.rare(validation))]

    def sentence(self) -> str:
        """Return the accuracy with its interval, as one line."""
        left_out = f"; {plural(self.unmeasured, 'picture is', 'pictures are')} not measured" if self.unmeasured else ""
        return f"{sentence(self.metrics)}; {self.folds} folds of the training pictures{left_out}"


def is_small(labels: Sequence[str], classes: Sequence[str]) -> bool:
    """Say whether a validation subset is too small to be believed alone: below 100 pictures, or 5 of a class.

    Args:
        labels: of its pictures.
        classes: names of all classes.
    """
    counts = Counter(labels)
    return len(labels) < FEWEST or any(counts[name] < FEWEST_OF_CLASS for name in classes)
