"""The report of `pawsight inspect`: audit.html and audit.csv, and what each problem of a data set means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from pawsight.core.storage import table_text
from pawsight.data import facts
from pawsight.data.audit import (
    GIVES_AWAY,
    IMBALANCED,
    OF_ONE_CLASS,
    OF_SEVERAL_LABELS,
    ROTATION_DIFFERS,
    SEVERITIES,
    Finding,
)
from pawsight.data.dataset import Dataset
from pawsight.data.duplicates import MOST_EDGES
from pawsight.data.split import Assigned
from pawsight.images.fingerprint import THUMBNAIL_PX
from pawsight.reports import words
from pawsight.reports.pictures import show
from pawsight.reports.run_record import pairs_up
from pawsight.reports.several_labels import count_sentence as several_count_sentence
from pawsight.reports.style import chart_variables, environment
from pawsight.reports.words import NBSP, visible

SHOWN = 24  # findings of a kind on the page; audit.csv has all
_CLASSES = 6  # whose counts are given
COLUMNS = ("path", "problem", "value", "severity")


def render_html(name: str, dataset: Dataset, findings: Sequence[Finding], *, data: str = "", again: str) -> str:
    """Return the audit as one self-contained HTML file.

    Args:
        name: of the data, as the user gave it.
        dataset: that was audited; its pictures are shown where they still are what they were.
        findings: in their order.
        data: the data as the folder of the page names it; its name where it is none of the disk.
        again: the command that makes the page again.
    """
    called = words.visible(PurePosixPath(name).name or name)
    kinds = {problem: list(own) for problem, own in groupby(findings, key=lambda finding: finding.problem)}
    return (
        environment()
        .get_template("audit.html.j2")
        .render(
            light=chart_variables(dark=False),
            dark=chart_variables(dark=True),
            title=f"What is wrong with {called}" if findings else f"Nothing found wrong with {called}",
            summary=_summary(findings),
            count_sentence=several_count_sentence(dataset.counts, len(dataset.pictures))
            if dataset.several_labels
            else words.count_sentence(dataset.counts),
            root=data or name,
            groups=[_group(problem, own, dataset) for problem, own in kinds.items()],
            clean=[
                (known.title, known.test)
                for problem, known in EXPLAINED.items()
                if problem not in {*kinds, *(OF_ONE_CLASS if dataset.several_labels else OF_SEVERAL_LABELS)}
            ],
            severities=SEVERITY_WORDS,
            again=again,
        )
    )


def render_csv(findings: Sequence[Finding]) -> str:
    """Return a table with a row for each finding; a path that looks like a formula has an apostrophe before it."""
    rows = ((finding.path, finding.problem, finding.value, finding.severity) for finding in findings)
    return table_text(COLUMNS, rows)


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing of what is listed below was found."
    text = by_severity(findings)
    if len(findings) == 1:
        return f"There is one finding, {text.removeprefix('1 ')}."
    if len({finding.severity for finding in findings}) == 1:
        return f"There are {len(findings):,} findings, all of {findings[0].severity} severity. No file was changed."
    return f"There are {len(findings):,} findings: {text}. No file was changed."


def by_severity(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each severity: 2 of high severity and 1 of low severity."""
    counted = Counter(finding.severity for finding in findings)
    return words.joined([f"{counted[level]:,} of {level} severity" for level in SEVERITIES if counted[level]])


def _group(problem: str, findings: Sequence[Finding], dataset: Dataset) -> dict[str, Any]:
    """Return what the page shows of all findings of one kind."""
    contents = {picture.name: picture.sha256 for picture in dataset.pictures}
    items, once = [], _once(findings)
    for finding in once[:SHOWN]:
        names = [finding.path, str(finding.value)] if pairs_up(problem) else [finding.path]
        shown = [
            show(dataset.root, Assigned(name, contents[name], "", ""), dataset.grey_range)
            for name in names
            if name in contents
        ]
        pictures = [picture for picture in shown if picture.address]
        items.append({"path": finding.path, "text": figure(finding), "pictures": pictures})
    return {
        "problem": problem,
        "severity": findings[0].severity,
        "explained": EXPLAINED[problem],
        "count": len(findings),
        "items": items,
        "more": len(once) - len(items),  # in audit.csv alone
        "by_class": _by_class(findings, dataset),
    }


def _by_class(findings: Sequence[Finding], dataset: Dataset) -> str:
    """Return how many pictures of each class the findings are about, in few words."""
    pictures = {picture.name: picture for picture in dataset.pictures}
    counted = Counter(dataset.labels_of(pictures[finding.path] for finding in findings if finding.path in pictures))
    shown = counted.most_common(_CLASSES)
    text = [f"{count:,} of {dataset.counts[label]:,} {words.visible(label)}" for label, count in shown]
    none = [label for label in dataset.counts if label not in counted]
    if counted and len(dataset.counts) <= _CLASSES:
        text += [f"none of {dataset.counts[label]:,} {words.visible(label)}" for label in none]
    return ", ".join(text)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out pairs that were shown the other way round."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for finding in findings:
        pair = tuple(sorted((finding.path, str(finding.value)))) if pairs_up(finding.problem) else (finding.path,)
        if pair not in seen:
            seen.add(pair)
            kept.append(finding)
    return kept


SEVERITY_WORDS = {
    "high": "makes labels or scores wrong unless something is done",
    "medium": "may do so, loses pictures, counts some twice or starves a class",
    "low": "is unusual and worth a look",
}


@dataclass(frozen=True, slots=True)
class ProblemText:
    """A kind of problem in words."""

    title: str
    test: str  # what is looked for
    why: str
    advice: str
    figure: str = "{}"  # how a number is written


SECOND_LOOK = (  # also told in trust_audit.py
    f"thumbnails of {THUMBNAIL_PX} pixels that, laid over each other, leave at most {100 * MOST_EDGES:.0f} % of their"
    " edges and half of what the next picture leaves, and have the same colours"
)
_SHORTCUT = "Compare how the pictures of the classes were collected, and bring them to a common form before you train."
_ASSOCIATION = f"tells the class beyond chance (p < 0.01 after Holm’s correction) with Cramér’s V from {GIVES_AWAY} up"
EXPLAINED = {
    "two-labels": ProblemText(
        "The same picture under two labels",
        "equal bytes in two classes",
        "One of the labels is wrong, and a classifier is taught a contradiction.",
        "Delete the copy with the wrong label.",
        "also as {}",
    ),
    "labels-differ": ProblemText(
        "Equal or nearly equal pictures whose labels differ",
        f"equal bytes, or {SECOND_LOOK}, with other labels",
        "One of the two may lack a label, or have one too many.",
        "Look at each pair and correct the labels, if one is wrong.",
        "like {}",
    ),
    "near-two-labels": ProblemText(
        "What may be one picture under two labels",
        f"{SECOND_LOOK}, in two classes",
        "If both show the same thing, one of the labels is wrong.",
        "Look at each pair and correct the wrong label, if there is one.",
        "like {}",
    ),
    "across-parts": ProblemText(
        "The same picture in two parts",
        "equal bytes in two of train, validation and test",
        "What was learnt is examined again, so the score flatters.",
        "Delete the copy in validation or test, or put all pictures in one folder per class and let Pawsight cut.",
        "also as {}",
    ),
    "near-across-parts": ProblemText(
        "What may be one picture in two parts",
        f"{SECOND_LOOK}, in two of train, validation and test",
        "If both show the same thing, what was learnt is examined again, and the score flatters.",
        "Keep a series on one side, or put all pictures in one folder per class and let Pawsight cut.",
        "like {}",
    ),
    "torn-group": ProblemText(
        "One group in several parts",
        "pictures of one group, such as a burst, a video or a patient, in two of train, validation and test",
        "What was learnt from one picture is asked of the next, so the score flatters.",
        "Keep each group on one side, or put all pictures in one folder per class and let Pawsight cut.",
        "{}",
    ),
    "class-missing": ProblemText(
        "A part without a class",
        "a part holds nothing of a class of which at least one picture was expected there",
        "The score of that part says nothing about the class.",
        "Move some of its pictures there, collect more, or put all pictures in one folder per class.",
    ),
    "uneven-parts": ProblemText(
        "Classes with another share in a part",
        "a part holds a tenth of the class more or less than it holds of all pictures",
        "The score of that part weighs the classes in another way than training does.",
        "Nothing has to be done; move pictures if the parts should have the same shares.",
    ),
    "shortcut-size": ProblemText(
        "The size of a picture gives the class away",
        f"size in pixels {_ASSOCIATION}",
        "A classifier may learn the traces of a size instead of what is shown, and fail on pictures from elsewhere.",
        _SHORTCUT,
    ),
    "shortcut-camera": ProblemText(
        "The camera gives the class away",
        f"maker and model in EXIF {_ASSOCIATION}",
        "A classifier may learn what a camera does to a picture instead of what is shown.",
        _SHORTCUT,
    ),
    "shortcut-format": ProblemText(
        "The file format gives the class away",
        f"format by content {_ASSOCIATION}",
        "A classifier may learn the traces of compression instead of what is shown.",
        _SHORTCUT,
    ),
    "shortcut-colour": ProblemText(
        "Missing colour gives the class away",
        f"being grey {_ASSOCIATION}",
        "A classifier may learn whether there is colour instead of what is shown.",
        _SHORTCUT,
    ),
    "shortcut-rotation": ProblemText(
        "Rotation by EXIF gives the class away",
        f"an EXIF orientation other than upright {_ASSOCIATION}",
        "Pawsight turns pictures upright, but a reader that ignores EXIF sees one class lying on its side.",
        "Turn the pictures themselves upright if other programs will read them.",
    ),
    "rotation-differs": ProblemText(
        "One class is rotated by EXIF more often",
        f"the same test with Cramér’s V from {ROTATION_DIFFERS} up",
        "Pawsight turns pictures upright, but the difference may leak the label through a reader that ignores EXIF.",
        "Turn the pictures themselves upright if other programs will read them.",
    ),
    "unreadable": ProblemText(
        "Files that could not be read as pictures",
        "decoding fails, or the file is none of the readable types",
        "They are left out of everything.",
        "Fetch or convert them again, or delete them.",
    ),
    "truncated": ProblemText(
        "Pictures that are cut off",
        "the file ends before its picture does",
        "They are left out of everything; half a picture is often grey below.",
        "Fetch them again, or delete them.",
    ),
    "duplicate": ProblemText(
        "The same picture twice in a class",
        "equal bytes within a class and part",
        "It counts more than others, and the data set is smaller than it looks.",
        "Keep one of each.",
        "also as {}",
    ),
    "single-colour": ProblemText(
        "Pictures of one colour",
        f"the most varied channel has a standard deviation below {facts.SINGLE_COLOUR:g} of 255",
        "There is nothing to learn from, and one label is as wrong as the other.",
        "Delete them.",
        "standard deviation {}",
    ),
    "lopsided": ProblemText(
        "Classes with few pictures",
        f"the commonest class has more than {IMBALANCED:g} times as many",
        "A classifier that never answers a rare class still scores well: accuracy alone does not show it.",
        "Collect more of the rare classes.",
        "the commonest class has {} times as many",
    ),
    "outside-parts": ProblemText(
        "Files outside train, validation and test",
        "beside the folders of the parts",
        "They belong to no part, so they are not used.",
        "Move them into a part if you want them used.",
    ),
    "near-duplicate": ProblemText(
        "What may be one picture twice in a class",
        f"{SECOND_LOOK}, within a class and part",
        "It counts more than others; the split keeps such pictures on one side.",
        "Nothing has to be done; delete what adds nothing.",
        "like {}",
    ),
    "wrong-extension": ProblemText(
        "Names that say another format",
        "the suffix names another format than the content",
        "Pawsight goes by content, but other programs go by name and fail.",
        "Rename them.",
        "is {}",
    ),
    "tiny": ProblemText(
        "Tiny pictures",
        f"shorter side below {facts.TINY_PX} pixels",
        "They are magnified until little but blur is left to see.",
        "Find larger ones, or check that answers on them can be trusted.",
        "shorter side {} px",
    ),
    "huge": ProblemText(
        "Huge pictures",
        f"more than {facts.HUGE_MEGAPIXELS:g} megapixels",
        "They are slow to read, and larger pictures give no better answers: the network's input is a small square.",
        "Save them smaller if reading takes too long.",
        "{} megapixels",
    ),
    "odd-aspect": ProblemText(
        "Very long or high pictures",
        f"one side more than {facts.ODD_ASPECT:g} times the other",
        "The network's input is a square, so what is shown is squeezed out of shape.",
        "Crop them to what matters.",
        "{} to 1",
    ),
    "dark": ProblemText(
        "Very dark pictures",
        f"mean brightness below {facts.DARK:g} of 255",
        "Little can be seen in them, and answers on them are less certain.",
        "Check that the label can be recognised in the picture; keep them if such pictures will come.",
        "brightness {} of 255",
    ),
    "bright": ProblemText(
        "Very bright pictures",
        f"mean brightness above {facts.BRIGHT:g} of 255",
        "Detail is lost in white, and answers on them are less certain.",
        "Check that the label can be recognised in the picture; keep them if such pictures will come.",
        "brightness {} of 255",
    ),
    "blurry": ProblemText(
        "Blurred pictures",
        f"variance of the Laplacian below {facts.BLURRY:g} of that of brightness, from {facts.UNBLURRED_PX} px up",
        "Fur, texture and edges are gone. A smooth dark shape on white may be listed here though it is sharp.",
        "Check that the label can be recognised in the picture; keep them if such pictures will come.",
        "sharpness {}",
    ),
    "grey": ProblemText(
        "Grey pictures among coloured ones",
        f"mean chroma below {facts.GREY:g} of 255, where most pictures have colour",
        "If they come from another source, they may be of another kind.",
        "Keep them if such pictures will come.",
        "chroma {} of 255",
    ),
    "rotated": ProblemText(
        "Pictures that EXIF turns",
        "an EXIF orientation other than upright",
        "Pawsight shows and learns them upright; programs that ignore EXIF do not.",
        "Nothing has to be done here.",
        "orientation {}",
    ),
}


def figure(finding: Finding) -> str:
    """Return what was measured in words, empty where there is nothing to add."""
    text = f"{finding.value:,}" if isinstance(finding.value, int | float) else visible(finding.value)
    return EXPLAINED[finding.problem].figure.format(text).replace(" of 255", f"{NBSP}of{NBSP}255") if text else ""
