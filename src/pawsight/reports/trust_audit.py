"""What is wrong with the data of a run: findings counted, and pictures side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pawsight.core.text import plural, typed
from pawsight.data.audit import Finding
from pawsight.reports import words
from pawsight.reports.audit_page import EXPLAINED, SECOND_LOOK, by_severity, figure
from pawsight.reports.candidates import data_of, label_words
from pawsight.reports.pictures import Exhibit, Gallery
from pawsight.reports.run_record import RunRecord, SuspectsRecord, pairs_up

PAIRS = 8  # shown of a kind
CLOSEST = 4  # shown where nothing looks the same
_PICTURED, _EACH = 3, 4  # problems with pictures, and pictures of each
_SIDES = {"two-labels", "near-two-labels", "across-parts", "near-across-parts"}  # have their own place


def audit_view(run: RunRecord, gallery: Gallery, suspects: SuspectsRecord | None) -> dict[str, Any]:
    """Return what is wrong with the data of a run, as pictures and words that are not yet escaped.

    Args:
        run: the run.
        gallery: of its pictures.
        suspects: for what a network finds most alike across parts.
    """
    findings, groups = run.findings, leaks(run)
    pairs = [gallery.exhibit(pair) for group in groups[:PAIRS] if (pair := gallery.apart(group)) is not None]
    conflicts = _conflicts(findings or ())
    closest = suspects.across[:CLOSEST] if suspects is not None and not groups else ()
    return {
        "summary": _summary(findings),
        "problems": _problems(findings or (), gallery),
        "leaks": _leaks_sentence(run, groups, gallery, len(pairs)),
        "pairs": pairs,
        "closest": [gallery.exhibit(pair, f"{100 * cosine:.0f}{words.NBSP}% alike") for *pair, cosine in closest],
        "conflicts": "" if run.label_rules else _conflicts_sentence(findings, len(conflicts)),
        "conflicting": [gallery.exhibit(pair) for pair in conflicts[:PAIRS]],
        "is_kept": findings is not None,
        "command": typed("inspect", data_of(run), *label_words(run), "--report"),
    }


def audit_json(run: RunRecord) -> dict[str, Any] | None:
    """Return the findings counted, as plain JSON values; None where the run does not say."""
    findings, groups = run.findings, leaks(run)
    if findings is None:
        return {"straddling": [list(group) for group in groups]} if run.leaks is not None else None
    counted = Counter(finding.problem for finding in findings)
    severities = {finding.problem: finding.severity for finding in findings}
    return {
        "findings": len(findings),
        "problems": {name: {"severity": severities[name], "count": count} for name, count in counted.items()},
        "straddling": [list(group) for group in groups],
        "disputed": [list(pair) for pair in _conflicts(findings)],
    }


def leaks(run: RunRecord) -> list[tuple[str, ...]]:
    """Return the groups of pictures that look the same and lie in two parts."""
    return [group for group in run.leaks or () if len(group) > 1]


def _summary(findings: Sequence[Finding] | None) -> str:
    if findings is None:
        return "The run does not keep its findings: an earlier version of Pawsight made it."
    if not findings:
        return "The audit found nothing wrong."
    text = by_severity(findings)
    if len(findings) == 1:
        return f"The audit has one finding, {text.removeprefix('1 ')}."
    if len({finding.severity for finding in findings}) == 1:
        return f"The audit has {len(findings):,} findings, all of {findings[0].severity} severity."
    return f"The audit has {len(findings):,} findings: {text}."


def _problems(findings: Sequence[Finding], gallery: Gallery) -> list[dict[str, Any]]:
    """Return all findings of each kind, with the first pictures of some."""
    rows, pictured = [], 0
    for name, group in groupby(findings, key=lambda finding: finding.problem):
        own = list(group)
        exhibits = [] if name in _SIDES or pictured == _PICTURED else _exhibits(own, gallery)
        pictured += bool(exhibits)
        text = [
            ": ".join(filter(None, (words.visible(finding.path), figure(finding))))
            for finding in own
            if finding.path not in gallery.placed
        ]
        known = {"explained": EXPLAINED[name], "severity": own[0].severity, "count": len(own)}
        rows.append(known | {"text": text[:_EACH], "exhibits": exhibits})
    return rows


def _exhibits(findings: Sequence[Finding], gallery: Gallery) -> list[Exhibit]:
    """Return the first pictures of a problem that can still be shown; those of the test part are counted, not shown."""
    found: list[Exhibit] = []
    for finding in [finding for finding in findings if gallery.part(finding.path) != "test"][: 3 * _EACH]:
        if pairs_up(finding.problem):
            exhibit = gallery.exhibit([finding.path, str(finding.value)])
        else:
            exhibit = gallery.exhibit([finding.path], figure(finding))
        found += [exhibit] if exhibit.is_there else []
        if len(found) == _EACH:
            break
    return found


def _leaks_sentence(run: RunRecord, groups: Sequence[Sequence[str]], gallery: Gallery, shown: int) -> str:
    if run.leaks is None:
        return "The run does not record whether pictures of two subsets look the same."
    how = f"equal bytes, or {SECOND_LOOK}"
    if not groups:
        return f"No picture looks the same as one in another subset ({how})."
    pictures = words.pictures(sum(map(len, groups)))
    across = Counter(_across(group, gallery) for group in groups)
    text = words.joined([f"{count:,} across {parts}" for parts, count in across.most_common() if parts])
    single, several = "group of pictures looks the same and is", "groups of pictures look the same and are"
    first = f"{plural(len(groups), single, several)} in two subsets of the split"
    rest = f" The first {shown} are shown." if 0 < shown < len(groups) else ""
    return f"{first}: {pictures}{', ' + text if text else ''} ({how}). They may make the scores too high.{rest}"


def _across(group: Sequence[str], gallery: Gallery) -> str:
    parts = {gallery.part(path) for path in group}
    return words.joined([part for part in ("train", "validation", "test") if part in parts])


def _conflicts(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the pairs of pictures that look the same under two labels, each once."""
    text = [finding for finding in findings if finding.problem in ("two-labels", "near-two-labels")]
    pairs = {tuple(sorted((finding.path, str(finding.value)))): (finding.path, str(finding.value)) for finding in text}
    return list(pairs.values())


def _conflicts_sentence(findings: Sequence[Finding] | None, pairs: int) -> str:
    if findings is None:
        return ""
    if not pairs:
        return "No two pictures that look the same have different labels."
    single, several = "pair of pictures looks the same and has", "pairs of pictures look the same and have"
    rest = f" The first {PAIRS} are shown." if pairs > PAIRS else ""
    return f"{plural(pairs, single, several)} two labels; one of them may be wrong.{rest}"
