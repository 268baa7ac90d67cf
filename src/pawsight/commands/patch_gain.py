"""What a patch of labels gained: the run it was decided on against the run it was trained with.

Enters: the patch, the new run's validation part and answers. Leaves: a `Gain`, or None. Does not know: training.

Both are asked about the same validation pictures, and both are judged by the corrected labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pawsight.core.errors import PawsightError
from pawsight.core.runs import PREDICTIONS
from pawsight.data.patch import Patch
from pawsight.data.split import Assigned
from pawsight.data.split_file import SplitFile
from pawsight.evaluation.comparison import Answered, Gain, compare
from pawsight.reports.run_record import Answer, RunRecord


def gain_from_patch(
    patch: Patch, validation: Sequence[Assigned], predicted: Sequence[str], *, split: SplitFile | None = None
) -> Gain | None:
    """Compare the run that a patch lies in, else the run whose split was given, with the run trained with it.

    Args:
        patch: that was applied.
        validation: the new run's validation part, with the corrected labels.
        predicted: the new run's answers to it, in the same order.
        split: that was given, maybe a run's.

    Returns:
        the gain of the new run on the pictures that are in both validation parts, None where neither
        file lies in a finished run or they share no picture.
    """
    before = _answers_before(patch.file.absolute().parent)
    if not before and split is not None:
        before = _answers_before(split.path.absolute().parent)
    old: list[Answered] = []
    new: list[Answered] = []
    for one, answer in zip(validation, predicted, strict=True):
        copies = before.get(one.sha256, [])
        if copies:
            known = copies.pop(next((place for place, copy in enumerate(copies) if copy.path == one.name), -1))
            old.append(Answered(one.sha256, one.label, known.answered.predicted))
            new.append(Answered(one.sha256, one.label, answer))
    return compare(old, new)


def _answers_before(run: Path) -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = defaultdict(list)
    try:
        record = RunRecord.read(run)
    except PawsightError:
        return answers
    for answer in record.answers:
        answers[answer.answered.sha256].append(answer)
    return answers


def spoken(gain: Gain | None, file: str) -> str:
    """Return the line for people about what the patch in a file gained."""
    if gain is None:
        return (
            f"no gain is told, as {file} lies in no finished run with the same validation pictures; to compare with the"
            " run it was decided on, type --split RUN"
        )
    own, lies = Path(file).absolute().parent, "the run the patch lies in"
    run = lies if (own / PREDICTIONS).is_file() else "the run that --split names"
    low, high = gain.interval
    verdict = "no more than chance" if gain.verdict == "tie" else gain.verdict
    return (
        f"{gain.points:+.1f} points of accuracy against {run} (95 % interval {low:+.1f} to"
        f" {high:+.1f}, p = {gain.p_value:.2g}: {verdict}), both judged by the corrected labels of"
        f" {gain.pictures:,} validation pictures"
    )
