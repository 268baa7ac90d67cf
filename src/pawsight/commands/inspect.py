"""The verb `inspect`: what is in there, before anything slow.

Enters: what the user typed. Leaves: an `InspectReport`. Does not know: models, terminals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.commands.audit import AuditFiles, checked_target, told, write_audit
from pawsight.commands.given_split import given_split
from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, usable_cores
from pawsight.core.progress import SILENT, Progress
from pawsight.data.audit import Finding, audit
from pawsight.data.dataset import Dataset, read_dataset
from pawsight.data.folders import find, find_listed
from pawsight.data.given_split import SplitFile, cut, found_for
from pawsight.data.sources import Source, resolve
from pawsight.data.split import Split
from pawsight.images.decode import DecodeSettings
from pawsight.training.run import check_names

_NAMED = 12  # classes that the count sentence names before it sums up the others


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectReport:
    """What a data set holds."""

    data: str
    catalog: Dataset
    split: Split  # as `train` would cut it
    findings: tuple[Finding, ...]  # what is wrong, the gravest first
    files: AuditFiles | None = None  # where the findings were written to, if they were

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `inspect --json` prints them."""
        return {
            "data": self.data,
            "root": str(self.catalog.root),
            "classes": list(self.catalog.classes),
            "counts": self.catalog.counts,
            "baseline": self.catalog.baseline,
            "formats": dict(Counter(one.facts.format for one in self.catalog.pictures).most_common()),
            "split": {"digest": self.split.digest, **self.split.sizes, "how": self.split.how},
            "duplicates": [[one.name for one in group] for group in self.split.alike],
            "disputed": [list(names) for names in self.split.conflicting_labels],
            "straddling": [list(names) for names in self.split.duplicates_across_parts],
            "left_out": [{"path": one.name, "reason": one.reason} for one in self.catalog.left_out],
            "findings": [one.to_json() for one in self.findings],
            "report": str(self.files.html) if self.files else None,
            "table": str(self.files.csv) if self.files else None,
        }


def inspect(
    data: str | os.PathLike[str],
    *,
    split: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    target: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> InspectReport:
    """Look at a data set without training on it, and list what is wrong with it.

    Args:
        data: as for `train`.
        split, split_seed: as for `train`.
        target: folder for audit.csv and audit.html, made where it is missing; without it nothing is written.

    Raises:
        DataError: it cannot be trained on as it is, and why.
        WrongUsage: `target` lies among the pictures. StorageError: the disk refused.
    """
    cache, given = cache_folder(), given_split(split, split_seed)
    source = resolve(data, cache=cache, progress=progress)
    folder = checked_target(target, source.root) if target is not None else None
    catalog = catalog_of(source, cache=cache, given=given, progress=progress)
    made = cut(catalog, seed=split_seed, given=given, progress=progress)
    findings = audit(catalog, made)
    files = write_audit(folder, source.name, catalog, findings) if folder else None
    return InspectReport(data=source.name, catalog=catalog, split=made, findings=findings, files=files)


def catalog_of(source: Source, *, cache: Path, given: SplitFile | None = None, progress: Progress = SILENT) -> Dataset:
    """Read every picture of a source once; what was read before comes from the cache.

    Raises:
        DataError: it cannot be trained on as it is, and why.
    """
    found = found_for(find_listed(source.root, source.listed) if source.listed else find(source.root), given)
    check_names(found.folders)
    with Cache(cache / "cache") as store:
        return read_dataset(found, DecodeSettings(), cache=store, threads=usable_cores(), progress=progress)


def summary(report: InspectReport) -> list[str]:
    """Return the lines that tell a person what is in there."""
    catalog, sizes = report.catalog, report.split.sizes
    widths = sorted(one.facts.width for one in catalog.pictures)
    heights = sorted(one.facts.height for one in catalog.pictures)
    formats = Counter(one.facts.format for one in catalog.pictures).most_common()
    named, middle = ", ".join(f"{n:,} {name}" for name, n in formats), len(widths) // 2
    to_train, has_parts = training_counts(catalog), any(one.part for one in catalog.pictures)
    lines = [
        f"{report.data}: {len(catalog.pictures):,} pictures of {len(catalog.classes):,} classes in {catalog.root}"
        f"{f', {sum(to_train.values()):,} of them in the training part' if has_parts else ''}.",
        count_sentence(to_train),
        f"Always answering the commonest class would be right {100 * catalog.baseline:.1f} % of the time.",
        f"Widths from {widths[0]} to {widths[-1]} pixels, half of them below {widths[middle]}; heights from "
        f"{heights[0]} to {heights[-1]}, half of them below {heights[middle]}; formats: {named}.",
        f"train would use {sizes['train']:,} train, {sizes['validation']:,} validation and {sizes['test']:,} test "
        f"pictures: {report.split.how} (digest {report.split.digest[:12]}).",
    ]
    lines += told(report.findings)
    lines += _told_alike(report.split)
    if catalog.left_out:
        lines.append(f"{len(catalog.left_out):,} file{' is' if len(catalog.left_out) == 1 else 's are'} left out:")
        lines += [f"  {one.name}: {one.reason}" for one in catalog.left_out[:10]]
        lines += [f"  and {len(catalog.left_out) - 10:,} more (all with --json)"] * (len(catalog.left_out) > 10)
    if report.files:
        lines.append(
            f"Written: {_from_here(report.files.html)} (to look at), {_from_here(report.files.csv)} (a table)."
        )
    return lines


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _told_alike(split: Split) -> list[str]:
    """Name the pictures that are there more than once, those that do harm first."""
    harmless = [
        tuple(one.name for one in group) for group in split.alike if len({(one.part, one.label) for one in group}) == 1
    ]
    lines = []
    for groups, what in (
        (split.conflicting_labels, "lies in two classes, so one of its labels is wrong"),
        (split.duplicates_across_parts, "lies in two parts, so what is learnt is examined"),
        (harmless, "is there more than once"),
    ):
        if groups:
            lines.append(f"The same or nearly the same picture {what}: {_times(len(groups))}")
            lines += [f"  {' = '.join(names)}" for names in groups[:10]]
            lines += [f"  and {len(groups) - 10:,} more (all with --json)"] * (len(groups) > 10)
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def training_counts(catalog: Dataset) -> dict[str, int]:
    """Return how many pictures of each class there are to train on: those in train where there are parts, else all."""
    counted = Counter(one.label for one in catalog.pictures if one.part in ("train", None))
    return {label: counted[label] for label in catalog.classes}


def count_sentence(counts: Mapping[str, int]) -> str:
    """Return the exercise's sentence, e.g. "There are 1000 images of cats and 1000 images of dogs."."""
    parts = [f"{count} image{'s' if count != 1 else ''} of {name}" for name, count in counts.items()]
    if len(parts) > _NAMED:
        others = sum(list(counts.values())[_NAMED:])
        parts = [*parts[:_NAMED], f"{others} images of {len(parts) - _NAMED} more classes"]
    *first, last = parts
    verb = "is" if next(iter(counts.values())) == 1 else "are"
    return f"There {verb} {', '.join(first)} and {last}."
