"""What a report says of a run with several labels a picture: figures by label, labels that occur together, mistakes.

The figures are measured in evaluation/several_labels.py. Runs with one class a picture need nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pawsight.core.text import plural
from pawsight.data.label_sets import labels_in, truth_of
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.several_labels import LabelMetrics, SeveralLabelsMetrics, co_occurrence
from pawsight.reports import words
from pawsight.reports.pictures import Exhibit, gallery_of
from pawsight.reports.run_record import RunRecord

Row = dict[str, Any]
_PAIRS = 5  # of labels shown that occur together most, and least
_MISTAKES = 8
# What figures of training pictures are, where validation is small.
OUT_OF_FOLD = "by folds of training; the thresholds were chosen on them, so F1 and exact match flatter a little"
_FIGURES = (
    ("mean_average_precision", "Mean average precision", "mean over labels; how far pictures with a label rank first"),
    ("micro_f1", "F1 over all labels", "all answers about all labels together"),
    ("macro_f1", "F1 by label", "mean over labels"),
    ("exact_match", "Exact match", "share of the pictures of which every label is right"),
    ("log_loss", "Log loss", "mean over labels, nats; the lower the better"),
)


def measured_on(run: RunRecord) -> tuple[str, SeveralLabelsMetrics] | None:
    """Return the subset that a run of several labels is quoted on, test before validation, and its figures."""
    subset = next((part for part in ("test", "validation") if part in run.several_labels), None)
    return None if subset is None else (subset, run.several_labels[subset])


def several_sentence(subset: str, metrics: SeveralLabelsMetrics) -> str:
    """Return mean average precision, F1 and exact match on one subset."""
    figures = [
        f"{name} {words.percent(value)}{_within(metrics.intervals.get(key))}"
        for key, name in (("mean_average_precision", "mean average precision"), ("micro_f1", "F1 over all labels"))
        if (value := getattr(metrics, key)) is not None
    ]
    exact = f"{words.percent(metrics.exact_match)} of {words.pictures(metrics.pictures)} of {subset}"
    return f"{'; '.join([f'Every label is right on {exact}', ', '.join(figures)])}."


def several_cards(run: RunRecord) -> list[tuple[str, str, str]]:
    """Return what it is, the figure and what stands below it, for the top of a report."""
    known = measured_on(run)
    if known is None:
        return []
    subset, metrics = known
    below = f"{words.pictures(metrics.pictures)} of {subset}"
    cards = [
        (name, words.percent(value), f"{interval}, {below}" if (interval := _between(metrics, key)) else below)
        for key, name, _ in _FIGURES[:4]
        if (value := getattr(metrics, key)) is not None and key != "macro_f1"
    ]
    sure = [answers.answered for label in metrics.labels for answers in (label.has, label.has_not) if answers]
    if sure and run.max_error is not None:
        every = metrics.pictures * len(metrics.labels)
        sure_of = f"{sum(sure):,} of {every:,} answers about labels of {subset} pictures; the rest is unsure"
        cards.append(("Sure answers", words.percent(sum(sure) / every), sure_of))
    return cards


def several_view(run: RunRecord) -> Row:
    """Return the tables and mistakes of a run, as text that is not yet escaped."""
    held_out = run.several_labels.get("validation") or run.several_labels.get("test")
    mistakes, wrong = _mistakes(run)
    pairs = co_occurrences(run)
    shown = pairs[:_PAIRS] + [pair for pair in pairs[-_PAIRS:] if pair not in pairs[:_PAIRS]]
    return {
        "rows": [_label_row(label) for label in held_out.labels] if held_out is not None else [],
        "guarantees": [_guarantee_row(label) for label in held_out.labels if label.has is not None]
        if held_out is not None
        else [],
        "pairs": [
            {
                "labels": " and ".join(words.visible(name) for name in pair["labels"]),
                "pictures": words.whole(pair["pictures"]),
                "expected": f"{pair['expected']:,.1f}",
                "deviation": words.signed(pair["deviation"]),
            }
            for pair in shown
        ],
        "more_pairs": len(pairs) - len(shown),
        "mistakes": mistakes,
        "note": f"{plural(wrong, 'answer is', 'answers are')} wrong about a label of a validation picture."
        + (f" The {len(mistakes)} most confident are shown." if wrong > len(mistakes) else ""),
    }


def several_guarantee(run: RunRecord) -> list[str]:
    """Return what was guaranteed of the answers about labels in plain sentences; nothing where nothing was asked."""
    if run.max_error is None:
        return []
    text = (
        f"Risk guarantee by label: of the answers that a picture has a label, at most {words.percent(run.max_error)}"
        " are wrong, and of those that it has not, for each label and provided the pictures are like those of"
        " validation. Other answers are “unsure”."
    )
    return [text, *([f"{run.no_guarantee[0].upper()}{run.no_guarantee[1:]}."] if run.no_guarantee else [])]


def crossed_sentences(run: RunRecord) -> list[str]:
    """Return what the folds of training measured; nothing where validation is large enough."""
    crossed = run.several_labels.get("train")
    return [] if crossed is None else [f"{several_sentence('training', crossed).rstrip('.')}, {OUT_OF_FOLD}."]


def several_json(run: RunRecord) -> dict[str, Any]:
    """Return the figures of a run as plain JSON values, with how often labels occur together."""
    return {**run.to_json()["several_labels"], "co_occurrence": co_occurrences(run)}


def co_occurrences(run: RunRecord) -> list[dict[str, Any]]:
    """Return how often each two labels occur together in all pictures of a run, the most beyond chance first."""
    texts = [picture.label for picture in run.split]
    known = {label for text in texts for label in labels_in(text)} <= set(run.classes)
    return co_occurrence(truth_of(texts, run.classes), run.classes) if texts and known else []


def count_sentence(counts: Mapping[str, int], pictures: int) -> str:
    """Return how many pictures there are, and how many have each label."""
    named = ", ".join(f"{words.visible(name)}: {count:,}" for name, count in counts.items())
    return f"There are {words.pictures(pictures)}; with each label: {named}."


def several_scores(run: RunRecord) -> list[Row]:
    """Return each figure on validation and test with its interval, as text."""
    rows = []
    for key, name, meaning in _FIGURES:
        row: Row = {"name": name, "meaning": meaning}
        for subset in ("validation", "test"):
            metrics = run.several_labels.get(subset)
            value = None if metrics is None else getattr(metrics, key)
            written = "" if value is None else f"{value:.3f}" if key == "log_loss" else words.percent(value)
            row |= {subset: written, f"{subset}_interval": _between(metrics, key) if metrics is not None else ""}
        rows.append(row)
    return rows


def _label_row(label: LabelMetrics) -> Row:
    shares = ("average_precision", "precision", "recall", "f1")
    figures = [
        ("-" if (value := getattr(label, key)) is None else f"{value:.3f}", _ends(label.intervals.get(key)))
        for key in shares
    ]
    threshold = f"{100 * label.threshold:.0f}{words.NBSP}%"
    return {"name": label.name, "pictures": words.whole(label.pictures), "figures": figures, "threshold": threshold}


def _guarantee_row(label: LabelMetrics) -> Row:
    sides = {}
    for side in ("has", "has_not"):
        answers = getattr(label, side)
        error = "-" if answers.error is None else words.percent(answers.error)
        sides[side] = f"{answers.wrong:,} of {answers.answered:,} wrong ({error})"
    return {"name": label.name, **sides, "unsure": words.whole(label.unsure or 0)}


def _mistakes(run: RunRecord) -> tuple[list[Exhibit], int]:
    """Return the most confident wrong answers about labels on validation, and how many wrong ones there are."""
    gallery, found = gallery_of(run), []
    table = run.label_table("validation")
    for answer, shares in zip(table.answered, table.probabilities.tolist(), strict=True):
        true, predicted = labels_in(answer.label), labels_in(answer.predicted)
        for name, share in zip(table.classes, shares, strict=True):
            if (name in true) != (name in predicted):
                confidence = share if name in predicted else 1 - share
                found.append((-confidence, answer.path, name, name in predicted))
    rows = []
    for negative, path, name, is_predicted in sorted(found)[:_MISTAKES]:
        text = f"{name} {'answered' if is_predicted else 'not answered'}, {words.certainty(-negative)}"
        rows.append(gallery.exhibit([path], text))
    return rows, len(found)


def _between(metrics: SeveralLabelsMetrics, key: str) -> str:
    ends = metrics.intervals.get(key)
    if ends is None:
        return ""
    return _ends(ends) if key == "log_loss" else words.between(ends.as_list())


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _within(interval: Interval | None) -> str:
    return "" if interval is None else f" ({words.between(interval.as_list())})"
