"""How far the answers of a run can be trusted: scores with intervals, calibration, risk guarantee, detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.costs import Costs
from pawsight.classifier.trust import OodDetector, RiskGuarantee, Trust
from pawsight.core.errors import PawsightError
from pawsight.evaluation.bootstrap import intervals
from pawsight.evaluation.calibration import Bin, reliability
from pawsight.evaluation.intervals import Interval, wilson
from pawsight.evaluation.metrics import Metrics, why_no_auc
from pawsight.reports import words
from pawsight.reports.candidates import command_of
from pawsight.reports.charts import reliability_svg
from pawsight.reports.every_class import by_class_sentence, costs_sentences, never_sentence, sets_sentences, source_of
from pawsight.reports.run_record import AnswerTable, RunRecord, figure
from pawsight.reports.several_labels import crossed_sentences as several_crossed_sentences
from pawsight.reports.several_labels import several_guarantee, several_scores

Doubles = NDArray[np.float64]
Row = dict[str, str]  # of a table, by column
Format = Callable[[float], str]  # writes a figure
_CALIBRATED = ("ece", "brier", "log_loss")
NO_DIFFERENCE = "no measurable difference"  # the intervals before and after overlap
NOT_CALIBRATED = "The run does not record how it was calibrated: an earlier version of Pawsight made it."


def _as_share(value: float) -> str:
    return f"{100 * value:.2f}{words.NBSP}%"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _four(value: float) -> str:
    return f"{value:.4f}"


_MEASURES: Mapping[str, tuple[str, str, Format]] = {
    "log_loss": ("Log loss", "nats; the lower the better", _three),
    "roc_auc": ("ROC AUC", "chance that a picture of the class ranks above another", _four),
    "macro_f1": ("Macro F1", "mean F1 of the classes", _three),
    "brier": ("Brier score", "squared error of the probabilities, 0 to 2", _four),
    "ece": ("Calibration error", "difference between confidence and accuracy", _as_share),
}


def answers_view(run: RunRecord) -> dict[str, Any]:
    """Return how far the answers of a run can be trusted, in words that are not yet escaped."""
    table = _table(run, "validation")
    before, after = _bins(run.temperature, table)
    detector = run.detector
    return {
        "scores": several_scores(run) if run.label_rules else _scores(run),
        "has_test": run.test is not None or "test" in run.several_labels,
        "crossed": crossed_sentences(run),
        "calibration": _calibration_sentence(run),
        "changed": _changed(run, table),
        "reliability_svg": reliability_svg(before, after, table.probabilities.max(axis=1))
        if table is not None and run.temperature is not None
        else "",
        "guarantee": several_guarantee(run)
        if run.label_rules and run.max_error is not None
        else list(guarantee_sentences(run, _table(run, "test"))),
        "request": f"{command_of(run)[0]} --max-error 1%" if _is_unasked(run) else "",
        "detector": detector_sentence(detector) if detector is not None else "",
        "seen": list(seen_rows(detector)) if detector is not None else [],
    }


def crossed_sentences(run: RunRecord) -> list[str]:
    """Return what cross-validation measured and which accuracy to believe; nothing where validation is large enough."""
    if run.label_rules:
        return several_crossed_sentences(run)
    crossed = run.cross_validation
    return [] if crossed is None else [words.visible(text) for text in crossed.sentences(run.validation)]


def calibration_json(run: RunRecord) -> dict[str, Any] | None:
    """Return what the run says of its calibration, with intervals and the bins of the diagram; None where nothing."""
    recorded = run.to_json()["calibration"]
    if recorded is None:
        return None
    before, after = _bins(run.temperature, _table(run, "validation"))
    return {
        **recorded,
        "intervals": {
            name: ends.as_list() if (ends := _interval(run.validation, name)) else None for name in _CALIBRATED
        },
        "reliability": {"before": [_bin(bin_) for bin_ in before], "after": [_bin(bin_) for bin_ in after]},
    }


def _bin(bin_: Bin) -> dict[str, Any]:
    ends = {"low": bin_.low, "high": bin_.high, "interval": bin_.interval.as_list()}
    return ends | {"pictures": bin_.pictures, "confidence": bin_.confidence, "accuracy": bin_.accuracy}


def _table(run: RunRecord, part: str) -> AnswerTable | None:
    """Return the answers to a part, None where the run holds none that can be read."""
    try:
        table = run.answer_table(part)
    except PawsightError:
        return None
    return table if table.answered else None


def _bins(temperature: float | None, table: AnswerTable | None) -> tuple[tuple[Bin, ...], tuple[Bin, ...]]:
    """Return the bins before and after calibration; before is empty where no temperature changed anything."""
    if table is None:
        return (), ()
    after = reliability(table.true, table.probabilities, groups=table.groups)
    if temperature is None or temperature <= 0 or temperature == 1:
        return (), after
    return reliability(table.true, _uncalibrated(table, temperature), groups=table.groups), after


def _uncalibrated(table: AnswerTable, temperature: float) -> Doubles:
    """Return the probabilities (N, C) that the answers had before the temperature."""
    from scipy.special import softmax

    shares = np.maximum(table.probabilities, np.finfo(np.float32).tiny)  # 0 is what float32 cannot hold
    logs = np.log(shares.astype(np.float64))
    return np.asarray(softmax(temperature * logs, axis=1))


def _scores(run: RunRecord) -> list[Row]:
    parts = run.validation, run.test
    if parts == (None, None):
        return []
    columns = ("name", "meaning", "validation", "validation_interval", "test", "test_interval")
    accuracies = [_accuracy(score) for score in parts]
    rows = [dict(zip(columns, ("Accuracy", "share answered right", *accuracies[0], *accuracies[1]), strict=True))]
    for key, (name, meaning, written) in _MEASURES.items():
        cells = [_figure(score, key, written) for score in parts]
        if any(figure for figure, _ in cells):
            rows.append(dict(zip(columns, (name, meaning, *cells[0], *cells[1]), strict=True)))
    return rows


def _accuracy(score: Metrics | None) -> tuple[str, str]:
    return ("", "") if score is None else (words.percent(score.accuracy), words.between(score.interval.as_list()))


def _figure(score: Metrics | None, key: str, written: Format) -> tuple[str, str]:
    known = figure(score, key)
    if known is None and key == "roc_auc" and score is not None and not all(row.pictures for row in score.classes):
        return "-", words.visible(why_no_auc({row.name: row.pictures for row in score.classes}))
    if known is None:
        return "", ""
    value, interval = known
    return written(value), _ends(interval, written) or "interval unknown"


def _interval(score: Metrics | None, key: str) -> Interval | None:
    known = figure(score, key)
    return known[1] if known is not None else None


def _ends(interval: Interval | None, written: Format) -> str:
    if interval is None:
        return ""
    low, high = written(interval.low), written(interval.high)
    return f"{low.removesuffix(words.NBSP + '%')} to {high}"


def _calibration_sentence(run: RunRecord) -> str:
    temperature = run.temperature
    if run.label_rules:
        return "Each label has a sigmoid of its own, fitted with a regularisation of its own; no temperature is added."
    if temperature is None:
        return NOT_CALIBRATED
    if not run.calibrated_on:
        return "No held-out answers were available, so the probabilities are not calibrated."
    source = words.pictures(run.calibrated_on)
    if run.fitted_on:
        source += f" ({words.visible(run.fitted_on)})"
    if temperature == 1 and run.calibration_gain is not None:
        gain, error = run.calibration_gain
        effect = "makes no measurable difference" if gain > -error else "does not help"
        return (
            f"The probabilities are not changed: a temperature {effect} on {source}, a gain of "
            f"{gain:.3f} in log loss with a standard error of {error:.3f}.".replace(" -", f" {words.MINUS}")
        )
    if temperature == 1:
        return f"The temperature is 1, fitted on {source}: the probabilities needed no change."
    change = "lowers confidence: the classifier was overconfident" if temperature > 1 else ""
    change = change or "raises confidence: the classifier was underconfident"
    return (
        f"A temperature of {temperature:.2f}, fitted on {source}, divides the logarithms of the probabilities. "
        f"It {change}. Answers do not change, only their probabilities."
    )


def _changed(run: RunRecord, table: AnswerTable | None) -> list[Row]:
    """Return the figures on validation before and after, with intervals."""
    temperature = run.temperature
    if temperature == 1:
        return []  # nothing was changed
    ends_before: Mapping[str, Interval | None] = {}
    if table is not None and temperature is not None and temperature > 0:
        ends_before = intervals(table.true, _uncalibrated(table, temperature), groups=table.groups)
    rows = []
    for key, (before, after) in run.calibrated.get("validation", {}).items():
        name, _, written = _MEASURES[key]
        ends, ends_after = ends_before.get(key), _interval(run.validation, key)
        is_apart = (
            ends is not None and ends_after is not None and (ends.high < ends_after.low or ends_after.high < ends.low)
        )
        rows.append(
            {
                "name": name,
                "before": written(before),
                "before_interval": _ends(ends, written),
                "after": written(after),
                "after_interval": _ends(ends_after, written),
                "difference": f"{'lower' if after < before else 'higher'} after" if is_apart else NO_DIFFERENCE,
            }
        )
    return rows


def guarantee_sentences(run: RunRecord, test: AnswerTable | None) -> Iterator[str]:
    """Yield what was guaranteed in plain sentences, and whether the test set confirms it.

    Args:
        run: the run.
        test: its answers to the test part, None where it holds none.
    """
    asked, guarantee = run.max_error, run.guarantee
    if run.by_class:
        yield f"Risk guarantee by class: {words.visible(by_class_sentence(run))}."
        if never := never_sentence(run):
            yield words.visible(f"{never[0].upper()}{never[1:]}.")
    elif _is_unasked(run):
        every = "Every picture is answered" if run.detector is None else "Every familiar picture is answered"
        yield f"{every}: no risk guarantee was requested."
    elif guarantee is None:
        why = words.visible(run.no_guarantee or "The run does not record why.")
        share = _share(asked if asked is not None else run.max_error_per_class or 0.0)
        yield f"A guarantee of at most {share} wrong answers was requested and could not be given. {why}"
    else:
        yield _promised(guarantee)
        yield _kept_on_validation(guarantee)
        if test is not None:
            yield from _kept_on_test(guarantee, test, run.costs)
    for sentence in sets_sentences(run):
        yield words.visible(f"Prediction sets: {sentence}.")
    for sentence in costs_sentences(run):
        yield words.visible(f"Costs of mistakes: {sentence}.")


def detector_sentence(detector: OodDetector) -> str:
    """Return what the out-of-distribution detector is for and how often it is wrong."""
    weakness = "It misses most pictures of other things. " if detector.is_weak else ""
    return (
        "The out-of-distribution detector calls a picture “unfamiliar” that is unlike the training pictures. "
        f"Its threshold is set on {words.whole(detector.pictures)} pictures ({words.visible(detector.measured_on)}) so "
        f"that about {_share(detector.false_alarms)} of such pictures are rejected by mistake. "
        f"{weakness}"
    ).rstrip()


def seen_rows(detector: OodDetector) -> Iterator[Row]:
    """Yield how many pictures of each kind the out-of-distribution detector noticed."""
    for known in detector.caught:
        if known["pictures"]:
            share, ends = words.percent(known["caught"] / known["pictures"]), wilson(known["caught"], known["pictures"])
            between = words.between(ends.as_list())
            yield {
                "kind": known["kind"],
                "pictures": words.whole(known["pictures"]),
                "caught": words.whole(known["caught"]),
                "share": share,
                "interval": between,
            }


def _is_unasked(run: RunRecord) -> bool:
    return run.max_error is None and run.max_error_per_class is None and not run.by_class


def _promised(guarantee: RiskGuarantee) -> str:
    return (
        f"Risk guarantee: of the pictures that it answers, at most {_share(guarantee.max_error)} are wrong, with "
        f"{100 * guarantee.confidence:.0f}{words.NBSP}% confidence, provided they are like the validation pictures."
    )


def _kept_on_validation(guarantee: RiskGuarantee) -> str:
    how = f"It answers where its confidence is at least {_share(guarantee.threshold)} and says “unsure” elsewhere"
    if guarantee.threshold == 0:
        how = "It answers every picture"
    return (
        f"{how}: on {source_of(guarantee)} it answers "
        f"{words.whole(guarantee.answered)} of {words.whole(guarantee.pictures)} "
        f"({words.percent(guarantee.coverage)}, 95{words.NBSP}% interval {words.between(guarantee.coverage_interval)}) "
        f"and is wrong on {words.whole(guarantee.errors)} of them."
    )


def _kept_on_test(guarantee: RiskGuarantee, test: AnswerTable, costs: Costs | None) -> Iterator[str]:
    answers = Trust(costs=costs).answers(test.probabilities)
    shares = test.probabilities[np.arange(len(answers)), answers]
    is_answered = shares >= guarantee.threshold - test.rounding
    answered, pictures = int(is_answered.sum()), len(is_answered)
    right = np.array([answer.is_right for answer in test.answered], dtype=bool)
    right = right if costs is None else answers == test.true
    wrong = int((is_answered & ~right).sum())
    if answered:
        ends = words.between(wilson(wrong, answered).as_list())
        yield (
            f"On the test set, without the out-of-distribution detector, it would answer {answered:,} of {pictures:,} "
            f"and be wrong on {wrong:,} of those ({words.percent(wrong / answered)}, 95{words.NBSP}% interval {ends})."
        )


def _share(share: float) -> str:
    return f"{100 * share:.4g}{words.NBSP}%"
