"""The verb `review`: which labels are likely wrong, and a page on which somebody decides.

Enters: a run. Leaves: a `ReviewReport`; with a page, decisions in the run's labels.patch.csv. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from pawsight.commands.review_board import board_of, most_shown
from pawsight.commands.review_material import ReviewMaterial, review_material
from pawsight.core.errors import WrongUsage, require_extra
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import APPLIED_PATCH, PATCH
from pawsight.data.label_patch import DROP, KEEP, RELABEL, Decision, read_patch
from pawsight.evaluation.label_errors import Neighbours, Suspect, nearest, rank
from pawsight.training.out_of_fold import out_of_fold

_SPOKEN = {RELABEL: "relabelled", DROP: "dropped", KEEP: "kept"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReport:
    """Every train and validation picture of a run, the one whose label is most likely wrong first."""

    run: Path
    material: ReviewMaterial
    near: Neighbours
    ranking: tuple[Suspect, ...]

    @property
    def suspects(self) -> int:
        """Pictures with more against their label than for it."""
        return sum(one.is_suspect for one in self.ranking)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object a picture, as `review --json` prints them."""
        pictures, classes = self.material.pictures, self.material.classes
        for one in self.ranking:
            picture = pictures[one.row]
            yield {
                "path": picture.name,
                "given": classes[one.given],
                "suggested": classes[one.suggested],
                "score": one.score,
                "suspect": one.is_suspect,
                "reason": one.reason,
                "part": picture.part,
                "sha256": picture.sha256,
            }


def review(run: str | os.PathLike[str], *, progress: Progress = SILENT) -> ReviewReport:
    """Rank the train and validation pictures of a run by how likely their label is wrong.

    Args:
        run: a run folder; its test part stays sealed.
        progress: who is told how far it is.

    Raises:
        PawsightError: the run or its pictures cannot be read.
    """
    folder = Path(run).expanduser().resolve()
    if not folder.is_dir():
        raise WrongUsage(f"There is no run {run}.", "review wants a run folder.", "Type for example: runs/latest")
    material = review_material(folder, progress)
    probabilities = out_of_fold(
        material.features, material.labels, material.groups, classes=len(material.classes), progress=progress
    )
    near = nearest(material.features, material.groups)
    ranking = rank(probabilities, material.labels, near, material.classes)
    return ReviewReport(run=folder, material=material, near=near, ranking=ranking)


def summary(report: ReviewReport) -> list[str]:
    """Return the lines that tell a person what was found."""
    count, pictures = report.suspects, report.material.pictures
    verb, them = ("has", "it") if count == 1 else ("have", "them")
    lines = [
        f"{count:,} of {len(pictures):,} labels {verb} more against {them} than for {them};"
        f" {most_shown(report.ranking):,} are to look at, the most doubtful first."
    ]
    if report.material.left_out:
        first = report.material.left_out[0]
        told = f"{len(report.material.left_out):,} pictures are left out, the first: {first.name} ({first.reason})"
        lines.append(f"{told}.")
    return lines


def decisions_of(run: Path) -> tuple[Decision, ...]:
    """Return what was decided about a run so far, else what it was trained with.

    Raises:
        DataError: the file of decisions cannot be understood; it is not overwritten.
    """
    for name in (PATCH, APPLIED_PATCH):
        if (run / name).is_file():
            return read_patch(run / name).decisions
    return ()


def check_page() -> None:
    """Refuse to begin where no page could be opened in the end.

    Raises:
        MissingExtra: pawsight[serve] is not installed.
    """
    require_extra(
        "serve",
        "starlette",
        "uvicorn",
        needed_by="The review page",
        why="The ranking alone needs no web server: pawsight review RUN --json",
    )


def open_page(
    report: ReviewReport, *, port: int = 0, ready: Callable[[str], None], stop: Event | None = None
) -> list[str]:
    """Serve the page on this machine until it is stopped, and return lines that say what was decided.

    Args:
        report: from `review`.
        port: of 127.0.0.1; 0 takes a free one.
        ready: called with the page's address once it can be opened.
        stop: ends it from another thread.

    Raises:
        MissingExtra: pawsight[serve] is not installed. WrongUsage: the port is taken.
    """
    check_page()
    from pawsight.web.review_page import ReviewSession, serve_review

    board, files = board_of(report.material, report.near, report.ranking, run=report.run)
    desk = ReviewSession(board, files, report.run / PATCH, decisions_of(report.run))
    serve_review(desk, port=port, ready=ready, stop=stop)
    return _decided(desk.decisions, report.run)


def _decided(decisions: tuple[Decision, ...], run: Path) -> list[str]:
    """Say what was decided and what to type next."""
    if not decisions:
        return ["Nothing was decided."]
    counted = Counter(one.action for one in decisions)
    told = ", ".join(f"{counted[action]:,} {spoken}" for action, spoken in _SPOKEN.items() if counted[action])
    file = os.path.relpath(run / PATCH)
    return [f"{len(decisions):,} decisions ({told}) are in {file}.", f"Next: pawsight train DATA --patch {file}"]
