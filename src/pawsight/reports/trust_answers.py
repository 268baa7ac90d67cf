"""How far the answers of a run hold, for its report: scores with intervals, calibration, promise, guard.

Enters: a run. Leaves: an `AnswersView`. Does not know: how a temperature or a threshold was found, pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawsight.classifier.temperature import with_temperature
from pawsight.core.errors import PawsightError
from pawsight.evaluation.bootstrap import Intervals, intervals
from pawsight.evaluation.calibration import Bin, reliability
from pawsight.evaluation.intervals import wilson
from pawsight.reports import words
from pawsight.reports.candidates import command_of
from pawsight.reports.charts import reliability_svg
from pawsight.reports.run_record import AnswerTable, Rung, Scored, finite, listing, mapping, read_answers

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


def answers_view(rung: Rung) -> AnswersView:
    """Tell how far the answers of a run hold."""
    told = mapping(rung.plain.get("calibration"))
    table = _table(rung, "validation")
    before, after = _bins(told, table)
    abstention = mapping(rung.plain.get("abstention"))
    return AnswersView(
        scores=tuple(_scores(rung)),
        has_test=rung.test is not None,
        calibration=_calibration_sentence(told),
        changed=tuple(_changed(rung, told, table)),
        reliability_svg=reliability_svg(before, after) if after and told else "",
        promise=tuple(promise_sentences(rung, abstention, _table(rung, "test"))),
        guard=guard_sentence(mapping(abstention.get("guard"))),
        seen=tuple(seen_rows(mapping(abstention.get("guard")))),
    )


def calibration_json(rung: Rung) -> dict[str, Any] | None:
    """Return what the run says of its calibration, with intervals and the bins of the diagram; None where nothing."""
    told = mapping(rung.plain.get("calibration"))
    if not told:
        return None
    before, after = _bins(told, _table(rung, "validation"))
    ends = mapping(rung.validation.plain.get("intervals")) if rung.validation is not None else {}
    return {
        **told,
        "intervals": {name: ends.get(name) for name in ("ece", "brier", "log_loss")},
        "reliability": {"before": [_bin(one) for one in before], "after": [_bin(one) for one in after]},
    }


def _bin(one: Bin) -> dict[str, Any]:
    ends = {"low": one.low, "high": one.high, "interval": one.interval.as_list()}
    return ends | {"pictures": one.pictures, "confidence": one.confidence, "accuracy": one.accuracy}


def _table(rung: Rung, part: str) -> AnswerTable | None:
    """Return the answers to a part, None where the run holds none that can be read."""
    try:
        table = read_answers(rung.folder, rung.classes, part)
    except PawsightError:
        return None
    return table if table.answered else None


def _bins(told: Mapping[str, Any], table: AnswerTable | None) -> tuple[tuple[Bin, ...], tuple[Bin, ...]]:
    """Return the bins before and after calibration; before is empty where no temperature changed anything."""
    if table is None:
        return (), ()
    after = reliability(table.true, table.probabilities)
    temperature = finite(told.get("temperature"))
    if not temperature or temperature <= 0 or temperature == 1:
        return (), after
    return reliability(table.true, with_temperature(table.probabilities, 1 / temperature)), after


def _scores(rung: Rung) -> list[Measure]:
    parts = rung.validation, rung.test
    if parts == (None, None):
        return []
    told = [_accuracy(one) for one in parts]
    rows = [Measure("Accuracy", "share answered right", *told[0], *told[1])]
    for key, (name, meaning, spoken) in _MEASURES.items():
        cells = [_figure(one, key, spoken) for one in parts]
        if any(figure for figure, _ in cells):
            rows.append(Measure(name, meaning, *cells[0], *cells[1]))
    return rows


def _accuracy(score: Scored | None) -> tuple[str, str]:
    return ("", "") if score is None else (words.percent(score.accuracy), words.between(score.interval))


def _figure(score: Scored | None, key: str, spoken: Spoken) -> tuple[str, str]:
    value = finite(score.plain.get(key)) if score is not None else None
    if score is None or value is None:
        return "", ""
    known = mapping(score.plain.get("intervals"))
    return spoken(value), _ends(known.get(key), spoken) or ("interval unknown" if known else "")


def _ends(interval: object, spoken: Spoken) -> str:
    ends = [finite(end) for end in listing(interval)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return ""
    low, high = spoken(ends[0]), spoken(ends[1])
    return f"{low.removesuffix(words.NBSP + '%')} to {high}"


def _calibration_sentence(told: Mapping[str, Any]) -> str:
    temperature, pictures = finite(told.get("temperature")), finite(told.get("pictures"))
    if temperature is None:
        return NOT_CALIBRATED
    if not pictures:
        return "There are no answers that were not fitted to, so the probabilities stand as they came out of training."
    source = f"{words.whole(pictures)} {words.visible(told.get('fitted_on') or 'answers')}"
    if temperature == 1:
        return f"The temperature is 1, from {source}: the probabilities stand as they came out of training."
    change = "flattens them: they were surer than they were right" if temperature > 1 else ""
    change = change or "sharpens them: they were less sure than they were right"
    return (
        f"A temperature of {temperature:.2f}, fitted on {source}, divides the logarithms of the probabilities. "
        f"It {change}. No answer changes, only how sure it is."
    )


def _changed(rung: Rung, told: Mapping[str, Any], table: AnswerTable | None) -> list[Changed]:
    """Return the figures on validation before and after, with intervals."""
    known = mapping(told.get("validation"))
    after_ends = mapping(rung.validation.plain.get("intervals")) if rung.validation is not None else {}
    before_ends = _intervals_before(told, table)
    rows = []
    for key in ("ece", "brier", "log_loss"):
        before, after = (finite(mapping(known.get(key)).get(when)) for when in ("before", "after"))
        if before is not None and after is not None:
            name, _, spoken = _MEASURES[key]
            ends = before_ends.get(key)
            rows.append(Changed(name, spoken(before), _ends(ends, spoken), spoken(after), _after(after_ends, key)))
    return rows


def _after(ends: Mapping[str, Any], key: str) -> str:
    return _ends(ends.get(key), _MEASURES[key][2])


def _intervals_before(told: Mapping[str, Any], table: AnswerTable | None) -> dict[str, Sequence[float] | None]:
    temperature = finite(told.get("temperature"))
    if table is None or not temperature or temperature <= 0:
        return {}
    found: Intervals = intervals(table.true, with_temperature(table.probabilities, 1 / temperature))
    return dict(found.as_lists())


@dataclass(frozen=True, slots=True)
class Seen:
    """How many pictures of one strange kind the guard noticed."""

    kind: str
    pictures: str
    caught: str
    share: str
    interval: str


def promise_sentences(rung: Rung, abstention: Mapping[str, Any], test: AnswerTable | None) -> Iterator[str]:
    """Yield what was promised in plain sentences, and whether the test part bears it out.

    Args:
        rung: the run.
        abstention: of its metrics.json, empty where nothing was asked.
        test: its answers to the test part, None where it holds none.
    """
    asked, promise = finite(abstention.get("max_error")), mapping(abstention.get("promise"))
    if asked is None:
        yield f"No promise was asked for, so every picture is answered. This asks for one: {_asking(rung)}"
    elif not promise:
        why = words.visible(abstention.get("broken") or "The run does not say why.")
        yield f"A promise of at most {_share(asked)} of wrong answers was asked for and could not be made. {why}"
    else:
        yield _promised(promise)
        yield _kept_on_validation(promise)
        yield from _kept_on_test(promise, test)


def guard_sentence(guard: Mapping[str, Any]) -> str:
    """Return what the guard is for and how often it is wrong, empty where there is none."""
    alarms, pictures = finite(guard.get("false_alarms")), finite(guard.get("pictures"))
    if alarms is None:
        return ""
    return (
        "A second guard says “unlike anything seen” where a picture lies far from all that was learnt. It is set on "
        f"{words.whole(pictures)} validation pictures so that at most {_share(alarms)} of pictures like those are "
        "turned away by mistake. What it noticed of pictures that are neither class:"
    )


def seen_rows(guard: Mapping[str, Any]) -> Iterator[Seen]:
    """Yield how many pictures of each strange kind the guard noticed."""
    for one in map(mapping, listing(guard.get("caught"))):
        pictures, caught = finite(one.get("pictures")), finite(one.get("caught"))
        if pictures and caught is not None and 0 <= caught <= pictures:
            ends = wilson(int(caught), int(pictures))
            share = words.percent(caught / pictures)
            between = words.between(ends.as_list())
            yield Seen(str(one.get("kind", "")), words.whole(pictures), words.whole(caught), share, between)


def _asking(rung: Rung) -> str:
    return f"{command_of(rung)[0]} --max-error 1%"


def _promised(promise: Mapping[str, Any]) -> str:
    confidence = finite(promise.get("confidence"))
    sure = f", with {100 * confidence:.0f}{words.NBSP}% confidence" if confidence is not None else ""
    return (
        f"Promised: of the pictures that it answers, at most {_share(finite(promise.get('max_error')))} are wrong"
        f"{sure}, as long as they are like those of validation."
    )


def _kept_on_validation(promise: Mapping[str, Any]) -> str:
    answered, pictures, errors = (finite(promise.get(key)) for key in ("answered", "pictures", "errors"))
    ends = [finite(end) for end in listing(promise.get("coverage_interval"))]
    interval = ""
    if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
        interval = f", 95{words.NBSP}% interval {words.between((ends[0], ends[1]))}"
    threshold = finite(promise.get("threshold"))
    how = f"It keeps that by answering only where it is at least {_share(threshold)} sure and saying “unsure” elsewhere"
    if threshold == 0:
        how = "For that it need not leave any picture unanswered"
    return (
        f"{how}: on validation it answers {words.whole(answered)} of {words.whole(pictures)} "
        f"({words.percent(finite(promise.get('coverage')))}{interval}) and is wrong on {words.whole(errors)} of them."
    )


def _kept_on_test(promise: Mapping[str, Any], test: AnswerTable | None) -> Iterator[str]:
    threshold = finite(promise.get("threshold"))
    if test is None or threshold is None:
        return
    said = test.probabilities.max(axis=1) >= threshold - 5e-7  # predictions.csv holds six digits
    answered, pictures = int(said.sum()), len(said)
    wrong = sum(not one.is_right for one, is_said in zip(test.answered, said.tolist(), strict=True) if is_said)
    if answered:
        ends = words.between(wilson(wrong, answered).as_list())
        yield (
            f"On the test part, the guard aside, it would answer {answered:,} of {pictures:,} and be wrong on "
            f"{wrong:,} of those ({words.percent(wrong / answered)}, 95{words.NBSP}% interval {ends})."
        )


def _share(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.4g}{words.NBSP}%"
