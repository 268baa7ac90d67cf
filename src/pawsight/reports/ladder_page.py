"""All that the report of a ladder shows, as plain text for the templates: `make_page`.

The candidates one by one are in `candidates.py`, how far to trust the chosen one in `trust_page.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawsight.core.runs import CATALOG
from pawsight.core.text import plural, typed
from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import TIE, Gain, compare
from pawsight.evaluation.intervals import Interval, wilson
from pawsight.evaluation.metrics import Metrics
from pawsight.reports import words
from pawsight.reports.candidates import candidate_views, data_of, unique_names
from pawsight.reports.charts import ladder_svg
from pawsight.reports.confusion_matrix import NAMED, WIDE, confusion_svg
from pawsight.reports.pictures import COLUMNS, ROWS, Shown, confident_mistakes, picture_grid
from pawsight.reports.run_record import SUBSETS, RunRecord, finite
from pawsight.reports.several_labels import count_sentence as several_count_sentence
from pawsight.reports.several_labels import several_sentence, several_view

Row = dict[str, Any]  # what a template shows, by name
_COMMONEST = 8  # confusions named in the table
_BASELINE = "The baseline, always answering the commonest class of the training set, is right on {}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Runs in the order of the ladder, what each gains over the one before, and which was chosen."""

    candidates: tuple[RunRecord, ...]
    gains: tuple[Gain | None, ...]  # None for the first and where nothing can be compared
    chosen: RunRecord | None  # None where no run was measured on validation


def make_page(ladder: Ladder, *, again: str, seed: int, left_out: Mapping[str, str], trust: Row | None) -> Row:
    """Return what the templates show, in words that are not yet escaped.

    Args:
        ladder: at least one candidate.
        again: the command that makes the report again.
        seed: of the choice of pictures.
        left_out: recipes that were not trained, each with the reason.
        trust: how far to trust the chosen run, or the only one.
    """
    first, names = ladder.candidates[0], unique_names(ladder.candidates)
    chosen_name = next((name for run, name in zip(ladder.candidates, names, strict=True) if run is ladder.chosen), "")
    split, is_several = first.split_by_label, bool(first.label_rules)
    grid = picture_grid(split, first.classes, first.root, seed=seed, grey_range=first.grey_range)
    mistakes, wrong = confident_mistakes(ladder.chosen) if ladder.chosen and not is_several else ([], 0)
    return {
        "title": words.title(first.classes, several_labels=is_several),
        "several_labels": several_view(ladder.chosen or first) if is_several else None,
        "summary": summary(ladder, chosen_name),
        "classes": first.classes,
        "left_out": list(left_out.items()),
        "count_sentence": several_count_sentence(first.counts, sum(first.sizes.values()))
        if is_several
        else words.count_sentence(first.counts),
        "root": data_of(first) if first.root else "",
        "baseline": _baseline_sentence(first),
        "data_notes": _data_notes(first),
        "grid": [row for row in grid if row[1]],
        "grid_note": _grid_note(grid, len(first.classes)),
        "split_rows": _split_rows(split, first),
        "split_notes": _split_notes(ladder, split),
        "digest": first.digest,
        "candidates": candidate_views(ladder.candidates, names, ladder.gains, ladder.chosen),
        "is_corrected": any(gain is not None and gain.p_holm is not None for gain in ladder.gains),
        "ladder_svg": _ladder_svg(ladder, names),
        "chosen": chosen_name,
        "choice": choice_sentence(ladder, names, chosen_name),
        "has_test": ladder.chosen is not None
        and (ladder.chosen.test is not None or "test" in ladder.chosen.several_labels),
        "test": test_sentences(ladder),
        "test_command": test_command(ladder.chosen),
        "confusion_svg": confusion(ladder.chosen),
        "is_confusion_wide": len(first.classes) > WIDE,
        "confusion_note": " Both are in the order of the table of classes." if len(first.classes) > NAMED else "",
        "confusions": confusions(ladder.chosen),
        "class_rows": class_rows(ladder.chosen),
        "mistakes": mistakes,
        "mistakes_note": mistakes_note(ladder.chosen, wrong, len(mistakes)),
        "versions": _versions(ladder.candidates, names),
        "machines": tuple(dict.fromkeys(run.machine or "not recorded" for run in ladder.candidates)),
        "digests": tuple(
            (name, run.digest or "not recorded") for run, name in zip(ladder.candidates, names, strict=True)
        ),
        "again": again,
        "trust": trust,
    }


def _baseline_sentence(run: RunRecord) -> str:
    if run.baseline is None or run.label_rules:
        return ""
    named = f"{words.visible(run.classes[run.commonest])}, " if run.commonest is not None else ""
    answered = "the training set" if run.validation is None else "validation"
    right = f"right on {words.percent(run.baseline)} of {answered} (the baseline)"
    return f"Always answering {named}the commonest class of the training set, is {right}."


def _data_notes(run: RunRecord) -> list[str]:
    left_out, notes = run.left_out, []
    if left_out:
        reasons = Counter(reason or "no reason given" for _, reason in left_out).most_common(5)
        text = words.joined([f"{count:,} {words.visible(reason)}" for reason, count in reasons])
        files = plural(len(left_out), "file was", "files were")
        notes.append(f"{files} left out: {text}. {CATALOG} in the run folder names each.")
    if run.leaks:
        alike = "of pictures that look the same"
        groups = plural(len(run.leaks), f"group {alike} is", f"groups {alike} are")
        notes.append(f"{groups} in two subsets of the split, so the scores are too high.")
    return notes


def _grid_note(grid: Sequence[tuple[str, list[Shown]]], classes: int) -> str:
    short = [label for label, pictures in grid if len(pictures) < COLUMNS]
    more = plural(classes - ROWS, "more class is", "more classes are")
    notes = [f"{more} not shown."] if classes > ROWS else []
    if grid and not any(pictures for _, pictures in grid):
        notes.append("No pictures are shown: they were moved or changed since the runs were made.")
    elif short:
        text = words.joined([words.visible(label) for label in short])
        notes.append(f"Fewer than {COLUMNS} unchanged pictures were found of {text}.")
    return " ".join(notes)


def _split_rows(split: Sequence[Assigned], run: RunRecord) -> list[tuple[str, ...]]:
    rows = [("all", *(words.whole(run.sizes.get(part)) for part in SUBSETS))]
    counted = Counter((picture.label, picture.part) for picture in split)
    rows += [(name, *(f"{counted[name, part]:,}" for part in SUBSETS)) for name in run.classes if split]
    return rows


def _split_notes(ladder: Ladder, split: Sequence[Assigned]) -> list[str]:
    held_out = [picture.label for picture in split if picture.part == "validation"]
    unmeasured = words.unmeasured_sentence(ladder.candidates[0].classes, held_out)
    notes = [f"Warning: {unmeasured}."] if unmeasured else []
    if len({run.digest for run in ladder.candidates}) > 1:
        notes.append(
            "The runs used different splits. Gains are measured on shared validation pictures only, and "
            "the best candidate was chosen by scores on different pictures."
        )
    return notes


def _ladder_svg(ladder: Ladder, names: Sequence[str]) -> str:
    measured = [(run, name) for run, name in zip(ladder.candidates, names, strict=True) if run.validation is not None]
    scores = [
        (name, run.validation.accuracy, run.validation.interval) for run, name in measured if run.validation is not None
    ]
    chosen = next((place for place, (run, _) in enumerate(measured) if run is ladder.chosen), None)
    baseline = next((finite(run.validation.baseline) for run, _ in measured if run.validation), None)
    return ladder_svg(scores, chosen=chosen, baseline=baseline) if scores else ""


def _versions(candidates: Sequence[RunRecord], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return package and version, with the candidates named where they differ."""
    rows = []
    for package in dict.fromkeys(key for run in candidates for key in run.versions):
        found = {
            name: run.versions[package] for run, name in zip(candidates, names, strict=True) if package in run.versions
        }
        several = {version: [name for name in found if found[name] == version] for version in found.values()}
        text = [version if len(several) == 1 else f"{version} ({', '.join(own)})" for version, own in several.items()]
        rows.append((package, "; ".join(text)))
    return rows


def summary(ladder: Ladder, name: str) -> list[str]:
    """Return the sentences at the top: which candidate is best, how good, and against what."""
    chosen = ladder.chosen
    if chosen is not None and chosen.several_labels:
        return [
            several_sentence(part, chosen.several_labels[part]) for part in SUBSETS[1:] if part in chosen.several_labels
        ]
    if (chosen is None or chosen.validation is None) and len(ladder.candidates) == 1:
        crossed = ladder.candidates[0].cross_validation
        if crossed is not None:
            return crossed.sentences(None)
    if chosen is None or chosen.validation is None:
        return ["None of these runs was measured on validation, so none can be chosen."]
    score = chosen.validation
    count = len(ladder.candidates)
    lead = (
        f"Of {count} candidates, {name} is the best on validation"
        if count > 1
        else f"{name} was measured on validation"
    )
    sentences = [
        f"{lead}: right on {words.percent(score.accuracy)} of {words.pictures(score.pictures)} "
        f"(95{words.NBSP}% interval {words.between(score.interval.as_list())})."
    ]
    if chosen.test is not None:
        sentences.append(
            f"On the test set it is right on {words.percent(chosen.test.accuracy)} of "
            f"{words.pictures(chosen.test.pictures)} ({words.between(chosen.test.interval.as_list())})."
        )
    if finite(score.baseline) is not None:
        sentences.append(_BASELINE.format(words.percent(score.baseline)))
        if score.interval.low <= score.baseline:
            sentences.append("The interval includes the baseline, so it may have learnt nothing.")
    return sentences


def choice_sentence(ladder: Ladder, names: Sequence[str], chosen_name: str) -> str:
    """Return how the best candidate was chosen, and whether the next best is really behind it."""
    if ladder.chosen is None:
        return "No candidate was measured on validation, so none was chosen."
    others = [
        (run, name)
        for run, name in zip(ladder.candidates, names, strict=True)
        if run is not ladder.chosen and run.is_measured
    ]
    if ladder.chosen.several_labels and others:
        return f"{chosen_name} was chosen: it has the highest mean average precision on validation."
    if not others:
        return f"{chosen_name} is the only candidate measured on validation."
    run, name = max(others, key=lambda pair: pair[0].validation.accuracy if pair[0].validation else 0.0)
    gain = compare(run.answers, ladder.chosen.answers)
    text = f"{chosen_name} was chosen: it has the highest validation accuracy."
    if gain is not None and gain.verdict == TIE:
        text += f" It ties with the next best, {name}, in the paired test ({words.chance(gain.p_value)})."
        text = f"{text} {words.settling_sentence(gain)}".rstrip()
    return text


def test_sentences(ladder: Ladder) -> list[str]:
    """Return what the test part says of the chosen candidate, and of no other."""
    chosen = ladder.chosen
    if chosen is None and not any(run.sizes.get("test", 1) for run in ladder.candidates):
        return ["There is no test set: all pictures were trained on, and cross-validation measured the classifier."]
    if chosen is None:
        return ["Without a chosen candidate there is no test score."]
    if (measured := chosen.several_labels.get("test")) is not None:
        return [several_sentence("test", measured), _looks_sentence(chosen)]
    if chosen.test is None:
        looks = [_looks_sentence(chosen)] if chosen.looks_at_test else []
        return ["There is no test score yet.", *looks, "Measure it when all choices are made:"]
    score = chosen.test
    sentences = [
        f"On {words.pictures(score.pictures)} that were used neither to train nor to choose it, it is right on "
        f"{words.percent(score.accuracy)} (95{words.NBSP}% interval {words.between(score.interval.as_list())})."
    ]
    if finite(score.baseline) is not None:
        sentences.append(_BASELINE.format(words.percent(score.baseline)))
    if len(ladder.candidates) > 1:
        sentences.append("Quote this score: the validation score of the best of several is slightly too high.")
    if any(run.test is not None for run in ladder.candidates if run is not chosen):
        sentences.append("Test scores of the other candidates are not shown, so that they cannot influence the choice.")
    return [*sentences, _looks_sentence(chosen)]


def test_command(chosen: RunRecord | None) -> str:
    """Return what measures the chosen candidate on the test set, empty where it was or where there is none."""
    if chosen is None or chosen.test is not None or "test" in chosen.several_labels:
        return ""
    return typed("evaluate", chosen.shown, "--test")


def _looks_sentence(chosen: RunRecord) -> str:
    if not chosen.looks_at_test:
        return "It was not measured on the test set again since."
    times = "once" if chosen.looks_at_test == 1 else f"{chosen.looks_at_test:,} times"
    return (
        f"Later pawsight evaluate or compare measured it on the test set {times}; if that influenced a choice, the "
        "score is biased."
    )


def confusion(run: RunRecord | None) -> str:
    """Return the confusion matrix on validation as an SVG element, empty where there is none."""
    matrix = run.validation.confusion if run is not None and run.validation is not None else ()
    return confusion_svg(matrix, run.classes) if run is not None and matrix else ""


def confusions(run: RunRecord | None) -> list[tuple[str, str, int]]:
    """Return the commonest mistakes: truth, answer, how often."""
    if run is None or run.validation is None:
        return []
    names = run.classes
    wrong = [
        (names[row], names[column], count)
        for row, counts in enumerate(run.validation.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(wrong, key=lambda mistake: -mistake[2])[:_COMMONEST]


def class_rows(run: RunRecord | None) -> list[Row]:
    """Return what is known of each class on validation, as text: precision, recall and F1 with 95 % intervals."""
    if run is None or run.validation is None:
        return []
    matrix, classes, rows = run.validation.confusion, run.validation.classes, []
    for index, scores in enumerate(classes):
        shares = (scores.precision, scores.recall, scores.f1)
        text = ["unknown" if finite(share) is None else f"{share:.3f}" for share in shares]
        ends = _class_intervals(run.validation, index) if len(classes) == len(matrix) else (None, None, None)
        between = [f"{end.low:.3f} to {end.high:.3f}" if end is not None else "" for end in ends]
        if not scores.pictures:  # whose scores earlier runs call 0
            text, between = ["-"] * 3, [""] * 3
        pictures, figures = words.whole(scores.pictures), list(zip(text, between, strict=True))
        rows.append({"name": scores.name, "pictures": pictures, "figures": figures})
    return rows


def _class_intervals(metrics: Metrics, index: int) -> tuple[Interval | None, ...]:
    """Return the 95 % intervals of a class's precision, recall and F1, None where there is nothing to count.

    Precision and recall are shares of answers and of pictures (Wilson). F1 = 2 J / (1 + J) with J the share of right
    ones among all that are of the class, answered as it, or both; so the ends of J's interval give those of F1.
    """
    matrix, effect = metrics.confusion, metrics.design_effect or 1.0
    right, given = matrix[index][index], sum(matrix[index])
    answered = sum(row[index] for row in matrix)
    shared = _wilson(right, given + answered - right, effect)
    f1 = Interval(*(2 * end / (1 + end) for end in shared.as_list())) if shared is not None else None
    return _wilson(right, answered, effect), _wilson(right, given, effect), f1


def _wilson(right: int, pictures: int, effect: float) -> Interval | None:
    return wilson(right / effect, pictures / effect) if 0 <= right <= pictures and pictures else None


def mistakes_note(run: RunRecord | None, wrong: int, shown: int) -> str:
    """Return how often the chosen candidate was wrong and which mistakes are shown."""
    if run is None or not run.answers:
        return "The run keeps no answers to single pictures, so no mistakes can be shown."
    if not wrong:
        return f"It made no mistake on {words.pictures(len(run.answers))} of validation."
    text = f"It was wrong on {wrong:,} of {words.pictures(len(run.answers))} of validation."
    return (
        f"{text} The {shown} most confident are shown." if shown < wrong else f"{text} The most confident comes first."
    )
