"""How far the answers of a run can be trusted: scores with intervals, calibration, risk guarantee, detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawsight.classifier.temperature import with_temperature
from pawsight.classifier.trust import Guard, Promise
from pawsight.core.errors import PawsightError
from pawsight.evaluation.bootstrap import intervals
from pawsight.evaluation.calibration import Bin, reliability
from pawsight.evaluation.intervals import wilson
from pawsight.reports import words
from pawsight.reports.candidates import command_of
from pawsight.reports.charts import reliability_svg
from pawsight.reports.run_record import AnswerTable, Calibration, Ends, RunRecord, Scores

Spoken = Callable[[float], str]  # how a figure is told
NOT_CALIBRATED = "The run does not say how its probabilities were calibrated; it was made by an earlier Pawsight."


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a classifier on two parts."""

    name: str
    meaning: str
    validation: str
    validation_interval: str
    test: str
    test_interval: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A figure on validation before and after calibration."""

    name: str
    before: str
    before_interval: str
    after: str
    after_interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersView:
    """How far the answers hold, in words that are not yet escaped."""

    scores: tuple[Measure, ...]
    has_test: bool
    calibration: str
    changed: tuple[Changed, ...]
    reliability_svg: str
    promise: tuple[str, ...]
    guard: str
    seen: tuple[Seen, ...]  # how many strange pictures the guard noticed


def _as_share(value: float) -> str:
    return f"{100 * value:.2f}{words.NBSP}%"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _four(value: float) -> str:
    return f"{value:.4f}"


_MEASURES: Mapping[str, tuple[str, str, Spoken]] = {
    "log_loss": ("Log loss", "nats; the lower the better", _three),
    "roc_auc": ("ROC AUC", "a picture of a class ranks above one of another", _four),
    "macro_f1": ("Macro F1", "mean F1 of the classes", _three),
    "brier": ("Brier score", "squared distance from the truth, 0 to 2", _four),
    "ece": ("Calibration error", "how far sureness and being right lie apart", _as_share),
}


def answers_view(run: RunRecord) -> AnswersView:
    """Tell how far the answers of a run hold."""
    table = _table(run, "validation")
    before, after = _bins(run.calibration, table)
    detector = run.selective.detector
    return AnswersView(
        scores=tuple(_scores(run)),
        has_test=run.test is not None,
        calibration=_calibration_sentence(run.calibration),
        changed=tuple(_changed(run, table)),
        reliability_svg=reliability_svg(before, after) if after and run.calibration is not None else "",
        promise=tuple(promise_sentences(run, _table(run, "test"))),
        guard=guard_sentence(detector) if detector is not None else "",
        seen=tuple(seen_rows(detector)) if detector is not None else (),
    )


def calibration_json(run: RunRecord) -> dict[str, Any] | None:
    """Return what the run says of its calibration, with intervals and the bins of the diagram; None where nothing."""
    recorded = run.object("calibration")
    if recorded is None:
        return None
    before, after = _bins(run.calibration, _table(run, "validation"))
    figures = run.validation.figures if run.validation is not None else {}
    ends = {name: list(figure.interval) if figure.interval else None for name, figure in figures.items()}
    return {
        **recorded,
        "intervals": {name: ends.get(name) for name in ("ece", "brier", "log_loss")},
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


def _bins(calibration: Calibration | None, table: AnswerTable | None) -> tuple[tuple[Bin, ...], tuple[Bin, ...]]:
    """Return the bins before and after calibration; before is empty where no temperature changed anything."""
    if table is None:
        return (), ()
    after = reliability(table.true, table.probabilities)
    temperature = calibration.temperature if calibration is not None else None
    if temperature is None or temperature <= 0 or temperature == 1:
        return (), after
    return reliability(table.true, with_temperature(table.probabilities, 1 / temperature)), after


def _scores(run: RunRecord) -> list[Measure]:
    parts = run.validation, run.test
    if parts == (None, None):
        return []
    told = [_accuracy(score) for score in parts]
    rows = [Measure("Accuracy", "share answered right", *told[0], *told[1])]
    for key, (name, meaning, spoken) in _MEASURES.items():
        cells = [_figure(score, key, spoken) for score in parts]
        if any(figure for figure, _ in cells):
            rows.append(Measure(name, meaning, *cells[0], *cells[1]))
    return rows


def _accuracy(score: Scores | None) -> tuple[str, str]:
    return ("", "") if score is None else (words.percent(score.accuracy), words.between(score.interval))


def _figure(score: Scores | None, key: str, spoken: Spoken) -> tuple[str, str]:
    figure = score.figures.get(key) if score is not None else None
    if score is None or figure is None:
        return "", ""
    unknown = "interval unknown" if score.has_intervals else ""
    return spoken(figure.value), _ends(figure.interval, spoken) or unknown


def _ends(interval: Ends | None, spoken: Spoken) -> str:
    if interval is None:
        return ""
    low, high = map(spoken, interval)
    return f"{low.removesuffix(words.NBSP + '%')} to {high}"


def _calibration_sentence(calibration: Calibration | None) -> str:
    if calibration is None or calibration.temperature is None:
        return NOT_CALIBRATED
    temperature = calibration.temperature
    if not calibration.pictures:
        return "There are no answers that were not fitted to, so the probabilities stand as they came out of training."
    source = f"{words.whole(calibration.pictures)} {words.visible(calibration.fitted_on or 'answers')}"
    if temperature == 1:
        return f"The temperature is 1, from {source}: the probabilities stand as they came out of training."
    change = "flattens them: they were surer than they were right" if temperature > 1 else ""
    change = change or "sharpens them: they were less sure than they were right"
    return (
        f"A temperature of {temperature:.2f}, fitted on {source}, divides the logarithms of the probabilities. "
        f"It {change}. No answer changes, only how sure it is."
    )


def _changed(run: RunRecord, table: AnswerTable | None) -> list[Changed]:
    """Return the figures on validation before and after, with intervals."""
    if run.calibration is None:
        return []
    figures = run.validation.figures if run.validation is not None else {}
    ends_before: Mapping[str, Sequence[float] | None] = {}
    temperature = run.calibration.temperature
    if table is not None and temperature is not None and temperature > 0:
        ends_before = intervals(table.true, with_temperature(table.probabilities, 1 / temperature)).as_lists()
    rows = []
    for key, (before, after) in run.calibration.changes.items():
        name, _, spoken = _MEASURES[key]
        low_high, figure = ends_before.get(key), figures.get(key)
        rows.append(
            Changed(
                name=name,
                before=spoken(before),
                before_interval=_ends((low_high[0], low_high[1]) if low_high is not None else None, spoken),
                after=spoken(after),
                after_interval=_ends(figure.interval if figure is not None else None, spoken),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class Seen:
    """How many pictures of one strange kind the guard noticed."""

    kind: str
    pictures: str
    caught: str
    share: str
    interval: str


def promise_sentences(run: RunRecord, test: AnswerTable | None) -> Iterator[str]:
    """Yield what was guaranteed in plain sentences, and whether the test part bears it out.

    Args:
        run: the run.
        test: its answers to the test part, None where it holds none.
    """
    asked, promise = run.selective.max_error, run.selective.guarantee
    if asked is None:
        yield f"No promise was asked for, so every picture is answered. This asks for one: {_asking(run)}"
    elif promise is None:
        why = words.visible(run.selective.reason or "The run does not say why.")
        yield f"A promise of at most {_share(asked)} of wrong answers was asked for and could not be made. {why}"
    else:
        yield _promised(promise)
        yield _kept_on_validation(promise)
        if test is not None:
            yield from _kept_on_test(promise, test)


def guard_sentence(guard: Guard) -> str:
    """Return what the out-of-distribution detector is for and how often it is wrong."""
    return (
        "A second guard says “unlike anything seen” where a picture lies far from all that was learnt. It is set on "
        f"{words.whole(guard.pictures)} validation pictures so that at most {_share(guard.false_alarms)} of pictures "
        "like those are turned away by mistake. What it noticed of pictures that are neither class:"
    )


def seen_rows(guard: Guard) -> Iterator[Seen]:
    """Yield how many pictures of each kind the out-of-distribution detector noticed."""
    for known in guard.caught:
        if known.pictures:
            share, ends = words.percent(known.caught / known.pictures), wilson(known.caught, known.pictures)
            between = words.between(ends.as_list())
            yield Seen(known.kind, words.whole(known.pictures), words.whole(known.caught), share, between)


def _asking(run: RunRecord) -> str:
    return f"{command_of(run)[0]} --max-error 1%"


def _promised(promise: Promise) -> str:
    return (
        f"Promised: of the pictures that it answers, at most {_share(promise.max_error)} are wrong"
        f", with {100 * promise.confidence:.0f}{words.NBSP}% confidence, as long as they are like those of validation."
    )


def _kept_on_validation(promise: Promise) -> str:
    how = (
        f"It keeps that by answering only where it is at least {_share(promise.threshold)} sure and saying “unsure” "
        "elsewhere"
    )
    if promise.threshold == 0:
        how = "For that it need not leave any picture unanswered"
    return (
        f"{how}: on validation it answers {words.whole(promise.answered)} of {words.whole(promise.pictures)} "
        f"({words.percent(promise.coverage)}, 95{words.NBSP}% interval {words.between(promise.coverage_interval)}) "
        f"and is wrong on {words.whole(promise.errors)} of them."
    )


def _kept_on_test(promise: Promise, test: AnswerTable) -> Iterator[str]:
    said = test.probabilities.max(axis=1) >= promise.threshold - 5e-7  # predictions.csv holds six digits
    answered, pictures = int(said.sum()), len(said)
    wrong = sum(not answer.is_right for answer, is_said in zip(test.answered, said.tolist(), strict=True) if is_said)
    if answered:
        ends = words.between(wilson(wrong, answered).as_list())
        yield (
            f"On the test part, the guard aside, it would answer {answered:,} of {pictures:,} and be wrong on "
            f"{wrong:,} of those ({words.percent(wrong / answered)}, 95{words.NBSP}% interval {ends})."
        )


def _share(share: float) -> str:
    return f"{100 * share:.4g}{words.NBSP}%"
