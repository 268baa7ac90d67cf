"""The story of a ladder, ready for a template: every sentence is made from the figures of the runs.

Enters: `Rung`s, their gains, the chosen one. Leaves: a `Page`. Does not know: HTML, Markdown, where it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pawsight.evaluation.intervals import Interval
from pawsight.reports import ladder_words as words
from pawsight.reports.chart_matrix import NAMED
from pawsight.reports.charts import Score, ladder_svg
from pawsight.reports.ladder_outcome import (
    ClassRow,
    Ladder,
    choice_sentence,
    class_rows,
    confusion,
    confusions,
    mistakes_note,
    summary,
    test_sentences,
)
from pawsight.reports.ladder_pictures import (
    COLUMNS,
    ROWS,
    GridRow,
    Mistake,
    confident_mistakes,
    picture_grid,
)
from pawsight.reports.ladder_views import RungView, rung_views, unique_names
from pawsight.reports.run_folder import Placed, Rung, finite, listing, mapping, read_split
from pawsight.reports.trust_page import TrustPage

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything a template needs, in words that are not yet escaped."""

    left_out: tuple[tuple[str, str], ...]  # recipes that were asked for and not trained, and why
    title: str
    summary: tuple[str, ...]
    classes: tuple[str, ...]
    count_sentence: str
    root: str
    baseline: str
    data_notes: tuple[str, ...]
    grid: tuple[GridRow, ...]
    grid_note: str
    split_rows: tuple[tuple[str, ...], ...]  # class or "all", train, validation, test
    split_notes: tuple[str, ...]
    digest: str
    rungs: tuple[RungView, ...]
    is_corrected: bool  # whether Holm's correction was applied
    ladder_svg: str
    chosen: str
    choice: str
    has_test: bool
    test: tuple[str, ...]
    confusion_svg: str
    confusion_note: str
    confusions: tuple[tuple[str, str, int], ...]
    class_rows: tuple[ClassRow, ...]
    mistakes: tuple[Mistake, ...]
    mistakes_note: str
    versions: tuple[tuple[str, str], ...]
    machines: tuple[str, ...]
    digests: tuple[tuple[str, str], ...]
    again: str
    trust: TrustPage | None = None  # of the chosen run, or the only one


def make_page(ladder: Ladder, *, again: str, seed: int, left_out: Mapping[str, str], trust: TrustPage | None) -> Page:
    """Tell the story.

    Args:
        ladder: at least one rung.
        again: the command that makes the report again.
        seed: of the choice of pictures.
        left_out: recipes that were not trained, each with the reason.
        trust: how far to trust the chosen run, or the only one.
    """
    first, names = ladder.rungs[0], unique_names(ladder.rungs)
    chosen_name = next((name for rung, name in zip(ladder.rungs, names, strict=True) if rung is ladder.chosen), "")
    split = read_split(first)
    grid = picture_grid(split, first.classes, first.root, seed=seed)
    mistakes, wrong = confident_mistakes(ladder.chosen) if ladder.chosen else ([], 0)
    return Page(
        title=words.title(first.classes),
        summary=tuple(summary(ladder, chosen_name)),
        classes=first.classes,
        left_out=tuple(left_out.items()),
        count_sentence=words.count_sentence(_counts(first)),
        root=str(first.root or ""),
        baseline=_baseline_sentence(first),
        data_notes=tuple(_data_notes(first)),
        grid=tuple(row for row in grid if row.pictures),
        grid_note=_grid_note(grid, len(first.classes)),
        split_rows=tuple(_split_rows(split, first)),
        split_notes=tuple(_split_notes(ladder, split)),
        digest=first.digest,
        rungs=tuple(rung_views(ladder.rungs, names, ladder.gains, ladder.chosen)),
        is_corrected=any(gain is not None and gain.p_holm is not None for gain in ladder.gains),
        ladder_svg=_ladder_svg(ladder, names),
        chosen=chosen_name,
        choice=choice_sentence(ladder, names, chosen_name),
        has_test=ladder.chosen is not None and ladder.chosen.test is not None,
        test=tuple(test_sentences(ladder)),
        confusion_svg=confusion(ladder.chosen),
        confusion_note=" Both are in the order of the table of classes." if len(first.classes) > NAMED else "",
        confusions=tuple(confusions(ladder.chosen)),
        class_rows=tuple(class_rows(ladder.chosen)),
        mistakes=tuple(mistakes),
        mistakes_note=mistakes_note(ladder.chosen, wrong, len(mistakes)),
        versions=tuple(_versions(ladder.rungs, names)),
        machines=tuple(dict.fromkeys(str(rung.plain.get("machine") or "not recorded") for rung in ladder.rungs)),
        digests=tuple((name, rung.digest or "not recorded") for rung, name in zip(ladder.rungs, names, strict=True)),
        again=again,
        trust=trust,
    )


def _counts(rung: Rung) -> dict[str, int]:
    counted = {str(name): finite(count) for name, count in mapping(rung.plain.get("counts")).items()}
    return {name: int(count) for name, count in counted.items() if count is not None}


def _baseline_sentence(rung: Rung) -> str:
    baseline, counts = rung.number("baseline"), _counts(rung)
    if baseline is None or not counts:
        return ""
    most = max(counts.values())
    commonest = [name for name, count in counts.items() if count == most]
    answer = f"always answers {words.visible(commonest[0])}" if len(commonest) == 1 else "always gives the same answer"
    return f"Whoever {answer} is right on {words.percent(baseline)} of them; a classifier has to beat that."


def _data_notes(rung: Rung) -> list[str]:
    left_out = [mapping(one) for one in listing(rung.plain.get("left_out"))]
    notes = []
    if left_out:
        reasons = Counter(str(one.get("reason", "no reason given")) for one in left_out).most_common(5)
        told = words.joined([f"{count:,} {words.visible(reason)}" for reason, count in reasons])
        plural = "s were" if len(left_out) > 1 else " was"
        notes.append(f"{len(left_out):,} file{plural} left out: {told}. catalog.csv in the run folder names each.")
    straddling = listing(rung.plain.get("straddling"))
    if straddling:
        told = "groups of pictures that look the same stand" if len(straddling) > 1 else ""
        told = told or "group of pictures that look the same stands"
        notes.append(f"{len(straddling):,} {told} in two parts of the split, so the scores below flatter.")
    return notes


def _grid_note(grid: Sequence[GridRow], classes: int) -> str:
    short = [row for row in grid if len(row.pictures) < COLUMNS]
    notes = [f"{classes - ROWS:,} more classes are not shown."] if classes > ROWS else []
    if grid and not any(row.pictures for row in grid):
        notes.append("The pictures are no longer where they were when the runs were made, so none can be shown.")
    elif short:
        told = words.joined([words.visible(row.label) for row in short])
        notes.append(f"Of {told} fewer than {COLUMNS} could be found unchanged.")
    return " ".join(notes)


def _split_rows(split: Sequence[Placed], rung: Rung) -> list[tuple[str, ...]]:
    sizes = mapping(rung.plain.get("split"))
    rows = [("all", *(words.whole(finite(sizes.get(part))) for part in PARTS))]
    counted = Counter((one.label, one.part) for one in split)
    rows += [(name, *(f"{counted[name, part]:,}" for part in PARTS)) for name in rung.classes if split]
    return rows


def _split_notes(ladder: Ladder, split: Sequence[Placed]) -> list[str]:
    held_out = [one.label for one in split if one.part == "validation"]
    unmeasured = words.unmeasured_sentence(ladder.rungs[0].classes, held_out)
    notes = [f"Warning: {unmeasured}."] if unmeasured else []
    if len({rung.digest for rung in ladder.rungs}) > 1:
        notes.append(
            "These runs did not use one and the same split. Gains are taken from shared validation pictures only, and "
            "the choice of the best rung compares scores on different pictures."
        )
    return notes


def _ladder_svg(ladder: Ladder, names: Sequence[str]) -> str:
    scores = [
        Score(name, rung.validation.accuracy, Interval(*rung.validation.interval), rung is ladder.chosen)
        for rung, name in zip(ladder.rungs, names, strict=True)
        if rung.validation is not None
    ]
    baseline = next((rung.validation.baseline for rung in ladder.rungs if rung.validation), None)
    return ladder_svg(scores, baseline=baseline) if scores else ""


def _versions(rungs: Sequence[Rung], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return package and version, with the rungs named where they differ."""
    rows = []
    for package in dict.fromkeys(key for rung in rungs for key in rung.versions):
        found = {
            name: rung.versions[package] for rung, name in zip(rungs, names, strict=True) if package in rung.versions
        }
        several = {version: [name for name in found if found[name] == version] for version in found.values()}
        told = [version if len(several) == 1 else f"{version} ({', '.join(own)})" for version, own in several.items()]
        rows.append((package, "; ".join(told)))
    return rows
