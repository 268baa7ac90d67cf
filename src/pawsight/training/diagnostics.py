"""Training diagnostics: what goes wrong in training, noticed early, with its cause and what to type.

Inputs and labels are checked before the first step, losses and probabilities as training goes.

The thresholds were chosen on the four histories printed in the exercise this project began with ("the exercise"
below); a test replays them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import TrainingFailed
from pawsight.core.runs import Epoch

SLACK = 2e-3  # of an input's range: half the finest step of bfloat16 below 1, a quarter of what double scaling adds
SHIFTS_TRIED = 64  # rows either way
STUCK_WITHIN = 0.01  # of ln C; the exercise's models that learn leave this band after one epoch in it
PATIENCE = 3  # epochs; its second model answered as by chance for two (50.7 %, 51.7 %) and reached 66 %
OVERFIT_GAP = 0.15  # training minus validation accuracy; its models 2 to 4 stay below 0.03, model 1 ends at 0.32
OVERFIT_RISE = 1.25  # validation loss over its lowest; its model 2 once jumps to 1.21 and comes back
DIVERGED_LOSS = 5.0  # times ln C; after its first epoch (63 and 21 ln 2 on raw input) nothing exceeds 1.03
WARMED_UP_STEPS = 126  # the exercise's raw models take one epoch of 63 steps to come down from 63 ln 2
DIVERGED_GROWTH = 2.0  # times the lowest loss before, so that a loss falling from 63 ln C is none
EQUAL_WITHIN = 1e-3  # probability; a network that sees its pictures differs by more between any ten
IMBALANCED = 0.8  # share of the commonest class from which one answer for all is a fair guess
ENOUGH_PICTURES = 10  # one answer for ten balanced pictures happens by chance once in 512

Floats = NDArray[np.floating]
_DEFAULT_RATE = 1e-3  # of the recipes
_TRAIN = "pawsight train DATA"
_OTHER_START = f"Type `{_TRAIN} --recipe cnn-normalised`, whose inputs are -1 to 1, or another --seed."


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something wrong with a run, in the three parts of an error."""

    name: str  # short and stable, for logs and to report remarks once
    what: str
    cause: str
    fix: str
    fatal: bool  # continuing would waste time

    def __str__(self) -> str:
        return "\n".join((self.what, self.cause, self.fix))


class Diagnostics:
    """The diagnostics of one run: each remark is reported once, a fatal one ends the run."""

    def __init__(self) -> None:
        self._reported: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the remarks that were reported, sorted."""
        return tuple(sorted(self._reported))

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks themselves, as `name: what and why`; `remember` them in a resumed run."""
        return tuple(f"{name}: {self._reported[name]}" for name in self.names)

    def remember(self, remarks: Iterable[str]) -> None:
        """Take over the remarks that were reported before the run was stopped."""
        self._reported.update({name: text for name, _, text in (remark.partition(": ") for remark in remarks)})

    def report(self, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Return the diagnostics that were not reported before; raise `TrainingFailed` for one that is fatal."""
        for diagnostic in found:
            if diagnostic.fatal:
                raise TrainingFailed(diagnostic.what, diagnostic.cause, diagnostic.fix)
        new = [diagnostic for diagnostic in found if diagnostic.name not in self._reported]
        self._reported.update({diagnostic.name: f"{diagnostic.what} {diagnostic.cause}" for diagnostic in new})
        return new


def check_inputs(low: float, high: float, mean: float, scaling: str) -> list[Diagnostic]:
    """Compare the values that reach the first trainable layer, for one real batch, with what the recipe means.

    Args:
        low, high, mean: of the batch.
        scaling: "raw" for 0..255 or "signed" for -1..1, as in a `Recipe`.
    """
    meant, cause_of = {"raw": ("0 to 255", _raw_cause), "signed": ("-1 to 1", _signed_cause)}[scaling]
    cause = cause_of(low, high)
    if not all(map(math.isfinite, (low, high, mean))):
        cause = "Some values are not finite: something before the network divides by nothing."
    if not cause:
        return []
    what = f"The network is fed {low:.4g} to {high:.4g} (mean {mean:.4g}) where {meant} is meant."
    typed = f"type `{_TRAIN} --recipe cnn-normalised` for -1 to 1, or --recipe cnn for 0 to 255"
    fix = f"Scale once, inside the network: {typed}, and take out any other scaling."
    return [Diagnostic("scaling", what, cause, fix, fatal=True)]


def _signed_cause(low: float, high: float) -> str:
    if low >= -1.01 and low != -1 and high < -0.99:  # black pictures are -1 exactly
        return "Scaling to -1..1 was applied twice: to what is -1..1 already, it leaves next to nothing."
    if low >= 0 and high > 1 + SLACK:
        return "The scaling is missing: the pictures arrive as they were decoded."
    if abs(low) <= SLACK and 0.5 < high <= 1 + SLACK:  # no byte scaled to -1..1 comes nearer to 0 than 0.0039
        return "The pictures were divided by 255, which is another scaling."
    return "The pictures were scaled by another rule." if low < -1 - SLACK or high > 1 + SLACK else ""


def _raw_cause(low: float, high: float) -> str:
    if low < -SLACK and high <= 1 + SLACK:
        return "The pictures were scaled to -1..1 before they came here."
    if low >= -SLACK and 0 < high <= 1 + SLACK:
        return "The pictures were divided by 255 before they came here."
    return "The pictures were scaled by another rule." if low < -SLACK or high > 255 * (1 + SLACK) else ""


def check_labels(expected: Sequence[str], folders: Sequence[str], names: Sequence[str] = ()) -> list[Diagnostic]:
    """Compare the label each training row is taught with the label of the picture in that row.

    Args:
        expected: name of the class index of each row (N,).
        folders: label of the folder, or of the CSV, of the picture in each row (N,).
        names: names of the pictures (N,), to name the first that is wrong.
    """
    fix = f"Type `{_TRAIN}` again, without --resume if it was there; `pawsight inspect DATA` shows the folders."
    if len(expected) != len(folders):
        what = f"There are {len(expected):,} labels for {len(folders):,} training pictures."
        return [Diagnostic("labels", what, "Rows were lost or added between reading and training.", fix, fatal=True)]
    wrong = [row for row, (label, folder) in enumerate(zip(expected, folders, strict=True)) if label != folder]
    if not wrong:
        return []
    who = names[wrong[0]] if names else f"row {wrong[0] + 1}"
    first = f"{who} is in {folders[wrong[0]]!r} and would be taught as {expected[wrong[0]]!r}"
    what = f"{len(wrong):,} of {len(expected):,} training pictures have a label that is not their folder's: {first}."
    return [Diagnostic("labels", what, _labels_cause(expected, folders), fix, fatal=True)]


def _labels_cause(expected: Sequence[str], folders: Sequence[str]) -> str:
    pairs = sorted(set(zip(folders, expected, strict=True)))
    if len(pairs) == len(set(folders)) == len(set(expected)):
        swaps = [f"{folder!r} is called {label!r}" for folder, label in pairs if folder != label]
        return f"The class names are in another order than the class numbers: {', '.join(swaps[:3])}."
    _, numbers = np.unique([*expected, *folders], return_inverse=True)
    taught, true = np.split(numbers, 2)
    for shift in range(1, min(SHIFTS_TRIED, len(taught) - 1) + 1):
        if np.array_equal(np.roll(true, shift), taught) or np.array_equal(np.roll(true, -shift), taught):
            return f"The labels are shifted against the pictures by {shift} row{'s' if shift > 1 else ''}."
    return "Pictures and labels were shuffled apart: each must be reordered together with the other."


def check_step(loss: float, step: int, learning_rate: float = _DEFAULT_RATE) -> list[Diagnostic]:
    """Stop at the first step, counted from 1, whose loss is not finite."""
    return [] if math.isfinite(loss) else [_not_finite(f"The training loss is {loss} at step {step:,}.", learning_rate)]


def check_epoch(
    history: Sequence[Epoch],
    probabilities: Floats,
    classes: Sequence[str],
    baseline: float,
    learning_rate: float,
    steps: int = WARMED_UP_STEPS,
) -> list[Diagnostic]:
    """Check a run after an epoch; only the last epoch can give a diagnostic.

    Args:
        history: all epochs so far, at least one.
        probabilities: (N, C) of the validation pictures after the last epoch; N may be 0.
        classes: names (C,).
        baseline: share of the commonest class among the validation pictures.
        learning_rate: of the last step, for the message.
        steps: in an epoch; a loss may do anything before `WARMED_UP_STEPS` of them.
    """
    last = history[-1]
    if not (math.isfinite(last.loss) and math.isfinite(last.val_loss) and np.isfinite(probabilities).all()):
        losses = f"losses {last.loss:.4g} in training, {last.val_loss:.4g} in validation"
        return [_not_finite(f"Not all figures of epoch {last.number} are finite: {losses}.", learning_rate)]
    guess = math.log(len(classes))
    is_warm = len(history) * steps >= WARMED_UP_STEPS
    found = (
        _diverging(history, guess, learning_rate) if is_warm else None,
        _stuck(history, guess, len(classes)),
        _constant(history, probabilities, classes, baseline),
        _overfitting(history, len(probabilities)),
    )
    return [diagnostic for diagnostic in found if diagnostic]


def _not_finite(what: str, learning_rate: float) -> Diagnostic:
    cause = f"The numbers overflowed: at a learning rate of {learning_rate:g} a step changed the weights too much."
    return Diagnostic("not finite", what, cause, _smaller_steps(learning_rate), fatal=True)


def _smaller_steps(learning_rate: float) -> str:
    return f"Type the same command with --learning-rate {learning_rate / 10:g}, without --resume."


def _diverging(history: Sequence[Epoch], guess: float, learning_rate: float) -> Diagnostic | None:
    """Notice a loss that grows, or stays, far above that of guessing; the first epoch alone says nothing."""
    losses = [epoch.loss for epoch in history]
    recent = losses[1:][-PATIENCE:]
    grew = len(losses) > 1 and losses[-1] > DIVERGED_GROWTH * min(losses[:-1])
    stays = len(recent) == PATIENCE and min(recent) > DIVERGED_LOSS * guess and recent[-1] >= recent[0]
    if losses[-1] <= DIVERGED_LOSS * guess or not (grew or stays):
        return None
    before = f"after {min(losses[:-1]):.4g} before" if grew else f"no better than {PATIENCE - 1} epochs ago"
    what = f"The training loss is {losses[-1]:.4g} in epoch {history[-1].number}, {before}."
    cause = f"A learning rate of {learning_rate:g} overshoots: guessing alone would cost {guess:.4f}."
    return Diagnostic("diverging", what, cause, _smaller_steps(learning_rate), fatal=True)


def _stuck(history: Sequence[Epoch], guess: float, classes: int) -> Diagnostic | None:
    recent = [epoch.loss for epoch in history[-PATIENCE:]]
    if len(recent) < PATIENCE or any(abs(loss - guess) > STUCK_WITHIN * guess for loss in recent):
        return None
    what = f"The training loss has been {guess:.4f}, that of guessing (ln {classes}), for {PATIENCE} epochs."
    cause = "The network learns nothing: its steps are too large or too small, or its inputs all look alike to it."
    if history[0].loss > DIVERGED_LOSS * guess:
        cause = f"Its first steps, from a loss of {history[0].loss:.4g}, left units that are 0 for every picture."
    return Diagnostic("stuck", what, cause, _OTHER_START, fatal=False)


def _constant(
    history: Sequence[Epoch], probabilities: Floats, classes: Sequence[str], baseline: float
) -> Diagnostic | None:
    if len(history) < PATIENCE or len(probabilities) < ENOUGH_PICTURES:
        return None
    answers = np.unique(probabilities.argmax(axis=1))
    same = float(np.ptp(probabilities, axis=0).max()) < EQUAL_WITHIN
    if not same and (len(answers) > 1 or baseline >= IMBALANCED):
        return None
    given = "the same probabilities" if same else f"the answer {classes[answers[0]]!r}"
    what = f"All {len(probabilities):,} validation pictures get {given} after epoch {history[-1].number}."
    cause = f"The output does not depend on the picture; the commonest class is {baseline:.1%} of them."
    return Diagnostic("constant", what, cause, _OTHER_START, fatal=False)


def _overfitting(history: Sequence[Epoch], pictures: int) -> Diagnostic | None:
    last = history[-1]
    best = min(history, key=lambda epoch: epoch.val_loss)
    if pictures < ENOUGH_PICTURES:
        return None
    if last.accuracy - last.val_accuracy <= OVERFIT_GAP or last.val_loss < OVERFIT_RISE * best.val_loss:
        return None
    what = f"Training is at {last.accuracy:.1%} but validation at {last.val_accuracy:.1%} after epoch {last.number}."
    rise = f"the validation loss rose from {best.val_loss:.4f} after epoch {best.number} to {last.val_loss:.4f}"
    cause = f"The network memorises its training pictures: {rise}."
    fix = (
        f"Type `{_TRAIN} --recipe cnn-normalised`, which turns and mirrors them (`pawsight preview DATA` shows how), "
        f"or --recipe probe, or stop with --epochs {best.number}."
    )
    return Diagnostic("overfitting", what, cause, fix, fatal=False)
