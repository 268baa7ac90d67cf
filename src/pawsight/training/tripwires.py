"""What goes wrong in training, noticed early and named: cause, and what to type.

Enters: the figures of a run as it goes: inputs, labels, losses, probabilities. Leaves: `Alarm`s, or `TrainingFailed`.
Does not know: Keras, the network, how an alarm is shown.

The thresholds were chosen on the four histories printed in the exercise this project began with ("the exercise"
below); a test replays them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import TrainingFailed
from pawsight.core.runs import Epoch
from pawsight.training.input_checks import TRAIN as _TRAIN
from pawsight.training.input_checks import Alarm

STUCK_WITHIN = 0.01  # of ln C; the exercise's models that learn leave this band after one epoch in it
PATIENCE = 3  # epochs; its second model answered as by chance for two (50.7 %, 51.7 %) and reached 66 %
OVERFIT_GAP = 0.15  # training minus validation accuracy; its models 2 to 4 stay below 0.03, model 1 ends at 0.32
OVERFIT_RISE = 1.25  # validation loss over its lowest; its model 2 once jumps to 1.21 and comes back
DIVERGED_LOSS = 5.0  # times ln C; after its first epoch (63 and 21 ln 2 on raw input) nothing exceeds 1.03
SETTLED_STEPS = 126  # the exercise's raw models take one epoch of 63 steps to come down from 63 ln 2
DIVERGED_GROWTH = 2.0  # times the lowest loss before, so that a loss falling from 63 ln C is none
EQUAL_WITHIN = 1e-3  # probability; a network that sees its pictures differs by more between any ten
LOPSIDED = 0.8  # share of the commonest class from which one answer for all is a fair guess
ENOUGH_PICTURES = 10  # one answer for ten balanced pictures happens by chance once in 512

Floats = NDArray[np.floating]
_USUAL_RATE = 1e-3  # of every recipe that has one and is not told otherwise


class Watch:
    """Listens to all alarms of one run: tells each remark once, stops at what is fatal."""

    def __init__(self, told: Iterable[str] = ()) -> None:
        self._told: dict[str, str] = {}
        self.remember(told)

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the remarks already told, sorted."""
        return tuple(sorted(self._told))

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks themselves, as `name: what and why`; give them to the `Watch` of a resumed run."""
        return tuple(f"{name}: {self._told[name]}" for name in self.told)

    def remember(self, remarks: Iterable[str]) -> None:
        """Take over the remarks that the run had been told before it was stopped."""
        self._told.update({name: text for name, _, text in (remark.partition(": ") for remark in remarks)})

    def heed(self, alarms: Sequence[Alarm]) -> list[Alarm]:
        """Return the alarms not told before; raise `TrainingFailed` for one that is fatal."""
        for alarm in alarms:
            if alarm.fatal:
                raise TrainingFailed(alarm.what, alarm.cause, alarm.fix)
        new = [alarm for alarm in alarms if alarm.name not in self._told]
        self._told.update({alarm.name: f"{alarm.what} {alarm.cause}" for alarm in new})
        return new

    def after_epoch(
        self,
        history: Sequence[Epoch],
        probabilities: Floats,
        classes: Sequence[str],
        baseline: float,
        learning_rate: float,
        steps: int = SETTLED_STEPS,
    ) -> list[Alarm]:
        """Return what `check_epoch` finds and was not told before; raise as `heed` does."""
        return self.heed(check_epoch(history, probabilities, classes, baseline, learning_rate, steps))


def check_step(loss: float, step: int, learning_rate: float = _USUAL_RATE) -> list[Alarm]:
    """Stop at the first step, counted from 1, whose loss is not finite."""
    return [] if math.isfinite(loss) else [_not_finite(f"The training loss is {loss} at step {step:,}.", learning_rate)]


def check_epoch(
    history: Sequence[Epoch],
    probabilities: Floats,
    classes: Sequence[str],
    baseline: float,
    learning_rate: float,
    steps: int = SETTLED_STEPS,
) -> list[Alarm]:
    """Look at a run after an epoch; only the last epoch can raise an alarm.

    Args:
        history: all epochs so far, at least one.
        probabilities: (N, C) of the validation pictures after the last epoch; N may be 0.
        classes: names (C,).
        baseline: share of the commonest class among the validation pictures.
        learning_rate: of the last step, for the message.
        steps: in an epoch; a loss may do anything before `SETTLED_STEPS` of them.
    """
    last = history[-1]
    if not (math.isfinite(last.loss) and math.isfinite(last.val_loss) and np.isfinite(probabilities).all()):
        losses = f"losses {last.loss:.4g} in training, {last.val_loss:.4g} in validation"
        return [_not_finite(f"Not all figures of epoch {last.number} are finite: {losses}.", learning_rate)]
    guess = math.log(len(classes))
    settled = len(history) * steps >= SETTLED_STEPS
    learning = _diverging(history, guess, learning_rate) if settled else None, _stuck(history, guess, len(classes))
    knowing = _constant(history, probabilities, classes, baseline), _overfitting(history, len(probabilities))
    return [alarm for alarm in (*learning, *knowing) if alarm]


def _not_finite(what: str, learning_rate: float) -> Alarm:
    cause = f"The numbers overflowed: at a learning rate of {learning_rate:g} a step threw the weights too far."
    return Alarm("not finite", what, cause, _smaller_steps(learning_rate), fatal=True)


def _smaller_steps(learning_rate: float) -> str:
    return f"Type the same command with --learning-rate {learning_rate / 10:g}, without --resume."


def _diverging(history: Sequence[Epoch], guess: float, learning_rate: float) -> Alarm | None:
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
    return Alarm("diverging", what, cause, _smaller_steps(learning_rate), fatal=True)


def _stuck(history: Sequence[Epoch], guess: float, classes: int) -> Alarm | None:
    recent = [epoch.loss for epoch in history[-PATIENCE:]]
    if len(recent) < PATIENCE or any(abs(loss - guess) > STUCK_WITHIN * guess for loss in recent):
        return None
    what = f"The training loss has been {guess:.4f}, that of guessing (ln {classes}), for {PATIENCE} epochs."
    cause = "The network learns nothing: its steps are too large or too small, or its inputs all look alike to it."
    if history[0].loss > DIVERGED_LOSS * guess:
        cause = f"Its first steps, from a loss of {history[0].loss:.4g}, left units that no picture wakes."
    return Alarm("stuck", what, cause, _OTHER_START, fatal=False)


def _constant(history: Sequence[Epoch], probabilities: Floats, classes: Sequence[str], baseline: float) -> Alarm | None:
    if len(history) < PATIENCE or len(probabilities) < ENOUGH_PICTURES:
        return None
    answers = np.unique(probabilities.argmax(axis=1))
    same = float(np.ptp(probabilities, axis=0).max()) < EQUAL_WITHIN
    if not same and (len(answers) > 1 or baseline >= LOPSIDED):
        return None
    given = "the same probabilities" if same else f"the answer {classes[answers[0]]!r}"
    what = f"All {len(probabilities):,} validation pictures get {given} after epoch {history[-1].number}."
    cause = f"What the network says does not depend on the picture; the commonest class is {baseline:.1%} of them."
    return Alarm("constant", what, cause, _OTHER_START, fatal=False)


_OTHER_START = f"Type `{_TRAIN} --recipe cnn-normalised`, whose inputs are -1 to 1, or another --seed."


def _overfitting(history: Sequence[Epoch], pictures: int) -> Alarm | None:
    last = history[-1]
    best = min(history, key=lambda epoch: epoch.val_loss)
    if pictures < ENOUGH_PICTURES:
        return None
    if last.accuracy - last.val_accuracy <= OVERFIT_GAP or last.val_loss < OVERFIT_RISE * best.val_loss:
        return None
    what = f"Training is at {last.accuracy:.1%} but validation at {last.val_accuracy:.1%} after epoch {last.number}."
    rise = f"the validation loss rose from {best.val_loss:.4f} after epoch {best.number} to {last.val_loss:.4f}"
    cause = f"The network learns its training pictures by heart: {rise}."
    fix = (
        f"Type `{_TRAIN} --recipe cnn-normalised`, which turns and mirrors them (`pawsight preview DATA` shows how), "
        f"or --recipe probe, or stop with --epochs {best.number}."
    )
    return Alarm("overfitting", what, cause, fix, fatal=False)
