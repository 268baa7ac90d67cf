"""The findings of an audit as one self-contained page with pictures, and as a table for programs.

Enters: a catalog and its findings. Leaves: text of audit.html and audit.csv. Does not know: how anything was found,
where the files go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from pawsight.core.storage import table_text
from pawsight.data.audit import PROBLEMS, SEVERITIES, Finding
from pawsight.data.dataset import Dataset
from pawsight.reports import ladder_words as words
from pawsight.reports.audit_words import EXPLAINED, SEVERITY_WORDS, Explained, figure, pairs_up
from pawsight.reports.chart_style import chart_variables
from pawsight.reports.ladder_pictures import Shown, show
from pawsight.reports.pages import environment

SHOWN = 24  # findings of a kind on the page; audit.csv has all
_CLASSES = 6  # whose counts are told
COLUMNS = ("path", "problem", "value", "severity")


@dataclass(frozen=True, slots=True)
class Item:
    """One finding on the page."""

    path: str
    told: str
    pictures: tuple[tuple[str, Shown], ...]  # name and picture; none for files that are no pictures


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one kind."""

    problem: str
    severity: str
    explained: Explained
    count: int
    items: tuple[Item, ...]
    more: int  # of them in audit.csv alone
    by_class: str  # how many of each class, where the findings are about pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Everything the template needs, in words that are not yet escaped."""

    title: str
    summary: str
    count_sentence: str
    root: str
    groups: tuple[Group, ...]
    clean: tuple[tuple[str, str], ...]  # what was looked for and not found: title and test
    severities: dict[str, str]
    again: str


def make_page(name: str, catalog: Dataset, findings: Sequence[Finding], *, again: str) -> AuditPage:
    """Tell what is wrong.

    Args:
        name: of the data, as the user gave it.
        catalog: that was audited; its pictures are shown where they still are what they were.
        findings: in their order.
        again: the command that makes the page again.
    """
    called = words.visible(PurePosixPath(name).name or name)
    kinds = {problem: list(own) for problem, own in groupby(findings, key=lambda one: one.problem)}
    return AuditPage(
        title=f"What is wrong with {called}" if findings else f"Nothing found wrong with {called}",
        summary=_summary(findings),
        count_sentence=words.count_sentence(catalog.counts),
        root=str(catalog.root),
        groups=tuple(_group(problem, own, catalog) for problem, own in kinds.items()),
        clean=tuple((EXPLAINED[one].title, EXPLAINED[one].test) for one in PROBLEMS if one not in kinds),
        severities=SEVERITY_WORDS,
        again=again,
    )


def render_html(page: AuditPage) -> str:
    """Return the page as one self-contained HTML file."""
    template = environment().get_template("audit.html.j2")
    return template.render(page=page, light=chart_variables(dark=False), dark=chart_variables(dark=True))


def render_csv(findings: Sequence[Finding]) -> str:
    """Return a table with a row for each finding; a path that looks like a formula has an apostrophe before it."""
    return table_text(COLUMNS, ((one.path, one.problem, one.value, one.severity) for one in findings))


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing of what is listed below was found."
    counted = Counter(one.severity for one in findings)
    told = words.joined([f"{counted[one]:,} of {one} severity" for one in SEVERITIES if counted[one]])
    if len(findings) == 1:
        return f"There is one finding, {told.removeprefix('1 ')}."
    return f"There are {len(findings):,} findings: {told}. No file was changed."


def _group(problem: str, findings: Sequence[Finding], catalog: Dataset) -> Group:
    contents = {one.name: one.sha256 for one in catalog.pictures}
    items, once = [], _once(findings)
    for one in once[:SHOWN]:
        names = [one.path, str(one.value)] if pairs_up(problem) else [one.path]
        shown = [(name, show(catalog.root, name, contents[name])) for name in names if name in contents]
        items.append(Item(one.path, figure(one), tuple((name, picture) for name, picture in shown if picture)))
    more, by_class = len(once) - len(items), _by_class(findings, catalog)
    return Group(problem, findings[0].severity, EXPLAINED[problem], len(findings), tuple(items), more, by_class)


def _by_class(findings: Sequence[Finding], catalog: Dataset) -> str:
    """Return how many pictures of each class the findings are about, in few words."""
    labels = {one.name: one.label for one in catalog.pictures}
    counted = Counter(labels[one.path] for one in findings if one.path in labels)
    shown = counted.most_common(_CLASSES)
    told = [f"{count:,} of {catalog.counts[label]:,} {words.visible(label)}" for label, count in shown]
    none = [label for label in catalog.counts if label not in counted]
    if counted and len(catalog.counts) <= _CLASSES:
        told += [f"none of {catalog.counts[label]:,} {words.visible(label)}" for label in none]
    return ", ".join(told)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out pairs that were shown the other way round."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for one in findings:
        pair = tuple(sorted((one.path, str(one.value)))) if pairs_up(one.problem) else (one.path,)
        if pair not in seen:
            seen.add(pair)
            kept.append(one)
    return kept
