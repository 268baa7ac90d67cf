"""What `inspect` says of the findings, and the two files it writes about them.

Enters: a catalog and its findings. Leaves: lines for people; audit.csv and audit.html. Does not know: how anything is
found, terminals.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pawsight.core.errors import WrongUsage
from pawsight.core.storage import write_text
from pawsight.data.catalog import Catalog
from pawsight.data.findings import Finding
from pawsight.reports.audit_page import EXPLAINED

FOLDER, CSV, HTML = "audit", "audit.csv", "audit.html"


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """Where the findings were written to."""

    csv: Path  # absolute; a row for each finding: path, problem, value, severity
    html: Path  # absolute; the same with pictures


def checked_target(target: str | os.PathLike[str], root: Path) -> Path:
    """Return the folder for the two files.

    Raises:
        WrongUsage: it lies among the pictures, where the next look would take it for a class, or is a file.
    """
    folder = Path(target).expanduser().absolute()
    if folder.resolve().is_relative_to(root.resolve()):
        raise WrongUsage(
            f"{folder} lies in the folder of the pictures, {root}.",
            "What is written there would be taken for files of a class.",
            f"Give another folder, e.g. --target {shlex.quote(str(root.resolve().parent / FOLDER))}",
        )
    if folder.exists() and not folder.is_dir():
        raise WrongUsage(f"{folder} is no folder.", "", f"Give --target another one, e.g. --target {FOLDER}-2")
    return folder


def write_audit(folder: Path, name: str, catalog: Catalog, findings: Sequence[Finding]) -> AuditFiles:
    """Write audit.csv and audit.html; those of an earlier look are replaced.

    Raises:
        StorageError: the disk refused.
    """
    from pawsight.reports.audit_page import make_page, render_csv, render_html

    files = AuditFiles(folder / CSV, folder / HTML)
    again = shlex.join(["pawsight", "inspect", name, "--report", "--target", str(folder)])
    write_text(files.csv, render_csv(findings))
    write_text(files.html, render_html(make_page(name, catalog, findings, again=again)))
    return files


def told(findings: Sequence[Finding]) -> list[str]:
    """Return the counts of each problem, the gravest first."""
    if not findings:
        return ["The audit found nothing wrong."]
    kinds = [(problem, list(own)) for problem, own in groupby(findings, key=lambda one: one.problem)]
    widest = len(f"{max(len(own) for _, own in kinds):,}")
    some = f"{len(findings):,} finding{'' if len(findings) == 1 else 's'}, the gravest first:"
    lines = [f"  {own[0].severity:<6}  {len(own):>{widest},}  {_title(problem)}" for problem, own in kinds]
    details = [f"          {one.path}: {one.value}" for _, own in kinds for one in own if _is_of_a_class(one)]
    return [some, *lines, *details]


def _title(problem: str) -> str:
    title = EXPLAINED[problem].title
    return title[:1].lower() + title[1:]


def _is_of_a_class(finding: Finding) -> bool:
    return finding.problem.startswith(("shortcut-", "rotation-differs"))
