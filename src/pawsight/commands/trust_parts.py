"""What a report needs beside what `train` leaves: slices, likely wrong labels, a learning curve, kept in the run.

Enters: a run folder. Leaves: slices.json, suspects.json, learning_curve.json, and why one of them could not be made.
Does not know: pages, terminals.

The test part stays sealed. What is there already is not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.sealed import held_out
from pawsight.commands.slices import slices_of, store_slices
from pawsight.core.errors import BadCatalog, PawsightError
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import SUSPECTS as SUSPECTS_FILE
from pawsight.core.storage import sha256_of_file, write_json
from pawsight.evaluation.slices import Judged
from pawsight.reports.run_record import RunRecord
from pawsight.reports.trust_page import LEARNING_CURVE, SLICES, SUSPECTS

if TYPE_CHECKING:
    from pawsight.commands.review import ReviewReport

QUICK = "This was left out, as --quick asks."
WITHOUT_BACKBONE = "This needs the backbone of the recipe probe, which this ladder did not climb."
_KEPT = 60  # likely wrong labels, and at most so many more than are flagged
_ACROSS = 12  # pairs of pictures in two parts
_FEATURES = (SUSPECTS, LEARNING_CURVE)  # need a backbone


def complete(run: Path, *, features: bool = True, progress: Progress = SILENT) -> dict[str, str]:
    """Compute and store what the run does not keep yet.

    Args:
        run: folder of a finished run.
        features: also what needs a backbone, which may first have to be made (some 20 s).
        progress: who is told how far it is.

    Returns:
        why a part could not be made, by its name in `evaluation.trust_page`.
    """
    absent = {}
    for name in lacking(run):
        if name in _FEATURES and not features:
            absent[name] = WITHOUT_BACKBONE
            continue
        try:
            _STEPS[name](run, progress)
        except PawsightError as error:
            absent[name] = " ".join(word for word in (error.what, error.why) if word)
    return absent


def lacking(run: Path) -> list[str]:
    """Return the names of the parts that a run does not keep."""
    record = RunRecord.read(run)
    kept = {SLICES: record.slices, SUSPECTS: record.suspects, LEARNING_CURVE: record.learning_curve}
    return [name for name, part in kept.items() if part is None]


def _slice(run: Path, progress: Progress) -> None:
    answers = RunRecord.read(run).answers
    judged = [Judged(one.path, one.answered.label, one.answered.predicted, one.probability) for one in answers]
    part = held_out(run, "validation")
    unchanged = [
        one for one in part.candidates if one.path.is_file() and sha256_of_file(one.path) == part.contents[one.name]
    ]
    if not judged or not unchanged:
        raise BadCatalog(
            "The validation pictures of the run are no longer where they were."
            if judged
            else "The run holds no answers to validation pictures.",
            "",
            "Put them back, or train again.",
        )
    slices = slices_of(unchanged, judged, progress=progress)
    store_slices(run, slices, part="validation", pictures=len(unchanged))


def _suspect(run: Path, progress: Progress) -> None:
    from pawsight.commands.review import review

    read_bundle(run)  # a run without its classifier is no run to spend time on
    write_json(run / SUSPECTS_FILE, suspects_json(review(run, progress=progress)))


def suspects_json(report: ReviewReport) -> dict[str, Any]:
    """Return the top of a review's ranking as plain JSON values."""
    rows = list(report.rows())
    return {
        "pictures": len(rows),
        "flagged": report.suspects,
        "left_out": len(report.material.left_out),
        "suspects": rows[:_KEPT],
        "alike_across": list(_alike_across(report)),
    }


def _alike_across(report: ReviewReport) -> Iterator[dict[str, Any]]:
    """Yield nearest neighbours that lie in train and validation and are in no group of equal pictures."""
    pictures, near = report.material.pictures, report.near
    pairs = {
        (min(row, int(other)), max(row, int(other))): float(similarity)
        for row in range(len(near.rows))
        for other, similarity in zip(near.rows[row], near.similarities[row], strict=True)
        if other >= 0 and (pictures[row].part or "") != (pictures[int(other)].part or "")
    }
    for (one, other), similarity in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_ACROSS]:
        first, second = sorted((pictures[one], pictures[other]), key=lambda picture: picture.part == "validation")
        yield {"path": first.name, "other": second.name, "similarity": similarity}


def _trace(run: Path, progress: Progress) -> None:
    from pawsight.commands.learning_curve import learning_curve

    learning_curve(run, progress=progress)


_STEPS: Mapping[str, Callable[[Path, Progress], None]] = {SLICES: _slice, SUSPECTS: _suspect, LEARNING_CURVE: _trace}
