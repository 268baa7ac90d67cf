"""What a run promises about its answers and what its guard notices, as sentences and rows.

Enters: what metrics.json says of abstention, answers to the test part. Leaves: words, not yet escaped. Does not know:
pages, how a threshold was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pawsight.evaluation.intervals import wilson
from pawsight.reports import ladder_words as words
from pawsight.reports.answer_table import AnswerTable
from pawsight.reports.ladder_views import command_of
from pawsight.reports.run_folder import Rung, finite, listing, mapping


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
