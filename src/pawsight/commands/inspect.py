"""The verb `inspect`: what a data set holds and what is wrong with it, before anything slow.

Findings are made in data/audit.py, their page in reports/audit_page.py.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.commands.run_split import given_split
from pawsight.core.cache import Cache
from pawsight.core.errors import MissingExtra, WeightsUnavailable, WrongUsage
from pawsight.core.machine import cache_folder, this_machine, usable_cores
from pawsight.core.progress import SILENT, Progress, ProgressLike, progress_of
from pawsight.core.runs import from_folder, from_here
from pawsight.core.storage import as_path, write_text
from pawsight.core.text import plural, typed
from pawsight.data.audit import Finding, audit
from pawsight.data.dataset import Dataset, grey_range_of, read_dataset
from pawsight.data.found import Candidate
from pawsight.data.given_split import SplitFile, cut, found_for
from pawsight.data.groups import found_sentence, grouped, is_found
from pawsight.data.label_sets import truth_of
from pawsight.data.reading import FolderReading
from pawsight.data.sources import Source, listed, resolve
from pawsight.data.split import Split, spread
from pawsight.data.tables import columns_text
from pawsight.evaluation.metrics import aligned
from pawsight.evaluation.several_labels import co_occurrence
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import RECIPES
from pawsight.reports.audit_page import EXPLAINED
from pawsight.training.features import run_features
from pawsight.training.random_split import RandomSplitGain, random_split_gain
from pawsight.training.run import check_names

_MOST_MEASURED = 2_000  # pictures that a random split is measured on: half a minute where none has features yet
_PAIRS = 3  # of labels that occur together most, and least
_NAMED = 12  # classes that the count sentence names before it sums up the others
FOLDER, CSV, HTML = "audit", "audit.csv", "audit.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectReport:
    """What a data set holds."""

    data: str
    dataset: Dataset
    split: Split  # as `train` would use it
    findings: tuple[Finding, ...]  # what is wrong, the most severe first
    page: Path | None = None  # absolute, audit.html; the findings with pictures, where they were written
    table: Path | None = None  # absolute, audit.csv; a row for each finding: path, problem, value, severity
    random_split: RandomSplitGain | None = None  # None without groups, or where it cannot be measured

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `inspect --json` prints them."""
        return {
            "data": self.data,
            "root": str(self.dataset.root),
            "classes": list(self.dataset.classes),
            "counts": self.dataset.counts,
            "baseline": self.dataset.baseline,
            "grey_range": list(self.dataset.grey_range) if self.dataset.grey_range else None,
            "formats": dict(Counter(picture.facts.format for picture in self.dataset.pictures).most_common()),
            "split": {"digest": self.split.digest, **self.split.sizes, "how": self.split.how},
            "duplicates": [[picture.name for picture in group] for group in self.split.duplicates],
            "disputed": [list(names) for names in self.split.conflicting_labels],
            "straddling": [list(names) for names in self.split.duplicates_across_parts],
            "left_out": [{"path": file.name, "reason": file.reason} for file in self.dataset.left_out],
            "groups": self._groups(),
            "data_notes": [*self.dataset.warnings, *self.dataset.notes],
            "findings": [finding.to_json() for finding in self.findings],
            **({"co_occurrence": self.co_occurrence()} if self.dataset.several_labels else {}),
            "report": str(self.page) if self.page else None,
            "table": str(self.table) if self.table else None,
        }

    def co_occurrence(self) -> list[dict[str, Any]]:
        """Return how often each two of several labels occur together, the most beyond chance first."""
        classes = self.dataset.classes
        return co_occurrence(truth_of([picture.label for picture in self.dataset.pictures], classes), classes)

    def _groups(self) -> dict[str, Any] | None:
        """Return what is kept together, and what a random split would seem to gain; None where nothing has a group."""
        groups = Counter(picture.group for picture in self.dataset.pictures if picture.group)
        if not groups:
            return None
        return {
            "groups": len(groups),
            "pictures": groups.total(),
            "found": sum(map(is_found, groups)),
            "largest": dict(groups.most_common(_NAMED)),
            "across_parts": {
                name: [picture.name for picture in group] for name, group in self.split.groups_across_parts.items()
            },
            "random_split": self.random_split.to_json() if self.random_split else None,
        }


def inspect(
    data: str | os.PathLike[str],
    *,
    split: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    allow_leaks: bool = False,
    columns: Mapping[str, str] | None = None,
    max_megapixels: int | None = None,
    reading: FolderReading | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: ProgressLike = None,
) -> InspectReport:
    """Read a data set without training on it, and list what is wrong with it.

    Args:
        data: as for `train`.
        split: as for `train`.
        split_seed: as for `train`.
        allow_leaks: as for `train`.
        columns: as for `train`.
        max_megapixels: as for `train`.
        reading: as for `train`.
        out: folder for audit.csv and audit.html, made if it is missing; without it nothing is written.
        progress: as for `train`.

    Raises:
        DataError: it cannot be trained on, and why.
        WrongUsage: `out` lies among the pictures. StorageError: the disk refused.
    """
    progress = progress_of(progress)
    cache, given = cache_folder(), given_split(split, split_seed, allow_leaks=allow_leaks)
    source = listed(resolve(data, cache=cache, reading=reading, columns=columns, progress=progress), progress)
    folder = checked_out(out, source.root) if out is not None else None
    dataset = dataset_of(source, cache=cache, given=given, max_megapixels=max_megapixels, progress=progress)
    made = cut(dataset, seed=split_seed, given=given, progress=progress)
    findings = audit(dataset, made)
    options = [*(reading.words() if reading else ()), *(["--columns", text] if (text := columns_text(columns)) else [])]
    options += ["--split", _beside(split, folder)] if split is not None and folder else []
    options += ["--split-seed", str(split_seed)] if split_seed else []
    options += ["--allow-leaks"] if allow_leaks else []
    typed_data = os.fspath(data) if isinstance(data, str | os.PathLike) else source.name
    page, table = write_audit(folder, typed_data, dataset, findings, options) if folder else (None, None)
    return InspectReport(
        data=source.name,
        dataset=dataset,
        split=made,
        findings=findings,
        page=page,
        table=table,
        random_split=_random_split(dataset, made, progress),
    )


def _random_split(dataset: Dataset, split: Split, progress: Progress) -> RandomSplitGain | None:
    """Measure what a random split seems to gain, on the training and validation pictures, where there are groups.

    Features come from the cache, or go there.
    """
    by_name = {picture.name: picture for picture in dataset.pictures}
    pictures = [by_name[assigned.name] for assigned in split.assigned if assigned.part != "test"]
    if dataset.several_labels or not any(picture.group for picture in pictures):
        return None
    groups = split.numbers("train", "validation")
    order = np.random.default_rng(0).permutation(int(groups.max()) + 1)[groups]  # of whole groups
    chosen = np.sort(np.argsort(order, kind="stable")[:_MOST_MEASURED])
    candidates = [Candidate(picture.path, picture.name, picture.label, None) for picture in pictures]
    recipe = RECIPES["probe"].recipe
    try:
        rows, features = run_features(
            [candidates[row] for row in chosen],
            [pictures[row].sha256 for row in chosen],
            recipe,
            cache=cache_folder(),
            machine=this_machine(),
            progress=progress,
            grey_range=dataset.grey_range,
        )
    except (MissingExtra, WeightsUnavailable) as error:
        progress.say(f"Note     what a random split would show was not measured: {error.what}")
        return None
    _, labels = np.unique([pictures[chosen[row]].label for row in rows], return_inverse=True)
    return random_split_gain(features, labels, groups[chosen[rows]], folds=recipe.folds, progress=progress)


def dataset_of(
    source: Source,
    *,
    cache: Path,
    given: SplitFile | None = None,
    max_megapixels: int | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Read every picture of a source once, however many cannot be read; what was read before comes from the cache.

    Raises:
        DataError: it cannot be trained on, and why.
    """
    found = found_for(source.find(), given)
    check_names(found.folders)
    with Cache(cache / "cache", refused=progress.say) as store:
        settings = DecodeSettings() if max_megapixels is None else DecodeSettings(max_megapixels=max_megapixels)
        threads = usable_cores()
        settings = replace(settings, grey_range=grey_range_of(found, settings, threads=threads, progress=progress))
        dataset = read_dataset(found, settings, cache=store, threads=threads, progress=progress, allow_missing=1.0)
    return grouped(dataset, progress)


def summary(report: InspectReport) -> list[str]:
    """Return the report as lines of text."""
    dataset, sizes = report.dataset, report.split.sizes
    widths = sorted(picture.facts.width for picture in dataset.pictures)
    heights = sorted(picture.facts.height for picture in dataset.pictures)
    formats = Counter(picture.facts.format for picture in dataset.pictures).most_common()
    named, middle = ", ".join(f"{n:,} {name}" for name, n in formats), len(widths) // 2
    to_train, has_parts = training_counts(dataset), any(picture.part for picture in dataset.pictures)
    learnt = sum(picture.part in ("train", None) for picture in dataset.pictures)
    kinds = "labels" if dataset.several_labels else "classes"
    place = dataset.root if dataset.root != Path() else "this folder"  # a full stop follows
    lines = [
        f"{report.data}: {len(dataset.pictures):,} pictures of {len(dataset.classes):,} {kinds} in {place}"
        f"{f', {learnt:,} of them in the training set' if has_parts else ''}.",
        *(
            _lines_of_labels(report, to_train)
            if dataset.several_labels
            else [
                count_sentence(to_train),
                f"Always answering the most frequent class would be right {100 * dataset.baseline:.1f} % of the time.",
            ]
        ),
        f"Widths {widths[0]} to {widths[-1]} pixels, median {widths[middle]}; heights "
        f"{heights[0]} to {heights[-1]} pixels, median {heights[middle]}; formats: {named}.",
        f"train would use {sizes['train']:,} train, {sizes['validation']:,} validation and {sizes['test']:,} test "
        f"pictures: {report.split.how} (digest {report.split.digest[:12]}).",
    ]
    lines += [f"WARNING: {warning}." for warning in dataset.warnings]
    lines += _group_lines(report)
    lines += finding_lines(report.findings)
    lines += _duplicate_lines(report.split)
    if dataset.left_out:
        lines.append(f"{plural(len(dataset.left_out), 'file is', 'files are')} left out:")
        lines += [f"  {file.name}: {file.reason}" for file in dataset.left_out[:10]]
        lines += [f"  and {len(dataset.left_out) - 10:,} more (--json has all)"] * (len(dataset.left_out) > 10)
    if report.page and report.table:
        lines.append(f"Written: {from_here(report.page)} (with pictures), {from_here(report.table)} (a table).")
    return lines


def _lines_of_labels(report: InspectReport, counts: Mapping[str, int]) -> list[str]:
    """Say how many pictures have each label and how many labels a picture has, and which labels occur together."""
    pictures = report.dataset.pictures
    sizes = [len(picture.labels) for picture in pictures]
    named = [f"{name}: {count:,}" for name, count in list(counts.items())[:_NAMED]]
    more = f" and {len(counts) - _NAMED:,} more" if len(counts) > _NAMED else ""
    lines = [
        f"Pictures with each label: {', '.join(named)}{more}.",
        f"A picture has {sum(sizes) / len(sizes):.1f} labels on average, {max(sizes)} at most;"
        f" {plural(sizes.count(0), 'picture has', 'pictures have')} none.",
        "Labels that occur together:",
    ]
    pairs = report.co_occurrence()
    shown = pairs[:_PAIRS] + [pair for pair in pairs[-_PAIRS:] if pair not in pairs[:_PAIRS]]
    header = ("", "pictures", "by chance", "standard deviations")
    rows = [
        (
            f"  {' and '.join(pair['labels'])}",
            f"{pair['pictures']:,}",
            f"{pair['expected']:,.1f}",
            f"{pair['deviation']:+.1f}",
        )
        for pair in shown
    ]
    return [*lines, *aligned([header, *rows])]


def _group_lines(report: InspectReport) -> list[str]:
    """Say what is kept together, what a random split would show, and which groups given parts tear apart."""
    groups = Counter(picture.group for picture in report.dataset.pictures if picture.group)
    if not groups:
        return []
    found = found_sentence([picture.group for picture in report.dataset.pictures])
    lines = [f"{plural(groups.total(), 'picture')} in {plural(len(groups), 'group')}{f' ({found})' if found else ''}."]
    lines += [report.random_split.sentence()] if report.random_split else []
    if torn := report.split.groups_across_parts:
        lines.append(f"{plural(len(torn), 'group lies', 'groups lie')} in several subsets, so the scores are too high:")
        lines += [f"  {name}: {spread(group)}" for name, group in islice(torn.items(), 10)]
        lines += [f"  and {len(torn) - 10:,} more (--json has all)"] * (len(torn) > 10)
    return lines


def _duplicate_lines(split: Split) -> list[str]:
    """Name the pictures that are there more than once, the most harmful first."""
    harmless = [
        tuple(picture.name for picture in group)
        for group in split.duplicates
        if len({(picture.part, picture.label) for picture in group}) == 1
    ]
    lines = []
    for groups, what in (
        (
            [] if split.several_labels else split.conflicting_labels,
            "may be in two classes; if so, one of its labels is wrong",
        ),
        (split.duplicates_across_parts, "may be in two subsets; if so, the scores are too high"),
        (harmless, "may be there more than once"),
    ):
        if groups:
            times = "once" if len(groups) == 1 else f"{len(groups):,} times"
            lines.append(f"The same or nearly the same picture {what}: {times}")
            lines += [f"  {' = '.join(names)}" for names in groups[:10]]
            lines += [f"  and {len(groups) - 10:,} more (--json has all)"] * (len(groups) > 10)
    return lines


def training_counts(dataset: Dataset) -> dict[str, int]:
    """Return the number of pictures of each class to train on: those in train where there are subsets, else all."""
    counted = Counter(dataset.labels_of(picture for picture in dataset.pictures if picture.part in ("train", None)))
    return {label: counted[label] for label in dataset.classes}


def count_sentence(counts: Mapping[str, int]) -> str:
    """Return the exercise's sentence, e.g. "There are 1000 images of cats and 1000 images of dogs."."""
    if any(name[:1].isdecimal() for name in counts):  # a name that could be taken for a count
        more = f" and {len(counts) - _NAMED} more classes" if len(counts) > _NAMED else ""
        return f"Images of each class: {', '.join(f'{name}: {n}' for name, n in list(counts.items())[:_NAMED])}{more}."
    parts = [f"{count} image{'s' if count != 1 else ''} of {name}" for name, count in counts.items()]
    if len(parts) > _NAMED:
        others = sum(list(counts.values())[_NAMED:])
        parts = [*parts[:_NAMED], f"{others} images of {len(parts) - _NAMED} more classes"]
    *first, last = parts
    verb = "is" if next(iter(counts.values())) == 1 else "are"
    return f"There {verb} {', '.join(first)} and {last}."


def checked_out(out: str | os.PathLike[str], root: Path) -> Path:
    """Return the folder for the two files.

    Raises:
        WrongUsage: it is a folder of the user's among the pictures, or a file.
    """
    folder = as_path(out).absolute()
    if folder.exists() and not folder.is_dir():
        raise WrongUsage(f"{folder} is not a folder.", "", f"Give another one, e.g. --out {FOLDER}-2")
    is_others = folder.exists() and not {path.name for path in folder.iterdir()} <= {CSV, HTML}
    if is_others and folder.resolve().is_relative_to(root.resolve()):
        raise WrongUsage(
            f"{folder} lies in the folder of the pictures, {root}, and holds files.",
            "Written there, the audit would stand among pictures.",
            f"Give another folder, e.g. --out {shlex.quote(str(root.resolve().parent / FOLDER))}",
        )
    return folder


def write_audit(
    folder: Path, name: str, dataset: Dataset, findings: Sequence[Finding], options: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Write audit.html and audit.csv, and return their paths; earlier ones are replaced.

    Args:
        folder: for both.
        name: of the data, as the user gave it.
        dataset: that was audited.
        findings: in their order.
        options: with which the same is read again.

    Raises:
        StorageError: the disk refused.
    """
    from pawsight.reports.audit_page import render_csv, render_html

    page, table = folder / HTML, folder / CSV
    data = _beside(name, folder)
    again = typed("inspect", data, "--report", "--out", ".", *options)
    write_text(table, render_csv(findings))
    write_text(page, render_html(name, dataset, findings, data=data, again=again))
    return page, table


def _beside(name: str | os.PathLike[str], folder: Path) -> str:
    """Return what a command that is typed in a folder calls a path; what is no path stays as it is."""
    return from_folder(Path(name), folder) if Path(name).exists() else os.fspath(name)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the counts of each problem, the most severe first."""
    if not findings:
        return ["The audit found nothing wrong."]
    kinds = [(problem, list(own)) for problem, own in groupby(findings, key=lambda finding: finding.problem)]
    widest = len(f"{max(len(own) for _, own in kinds):,}")
    first = f"{plural(len(findings), 'finding')}, the most severe first:"
    lines = [f"  {own[0].severity:<6}  {len(own):>{widest},}  {_title(problem)}" for problem, own in kinds]
    details = [
        f"          {finding.path}: {finding.value}"
        for finding in findings
        if finding.problem.startswith(("shortcut-", "rotation-differs"))  # findings about a class, not a file
    ]
    return [first, *lines, *details]


def _title(problem: str) -> str:
    title = EXPLAINED[problem].title
    return title[:1].lower() + title[1:]
