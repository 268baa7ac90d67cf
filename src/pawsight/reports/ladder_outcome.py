"""What a ladder comes to: the choice, the test score, and where the chosen rung goes wrong, as sentences and rows.

Enters: a `Ladder`. Leaves: words that are not yet escaped. Does not know: pages, pictures.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawsight.evaluation.comparison import TIE, Gain, compare
from pawsight.evaluation.intervals import Interval, wilson
from pawsight.reports import ladder_words as words
from pawsight.reports.chart_matrix import confusion_svg
from pawsight.reports.run_folder import Rung, finite, listing, mapping

_COMMONEST = 8  # confusions named in the table


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class, as text."""

    name: str
    pictures: str
    figures: tuple[tuple[str, str], ...]  # precision, recall and F1, each with its 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What is told: runs from the lowest up, what each gains over the one below, and which was chosen."""

    rungs: tuple[Rung, ...]
    gains: tuple[Gain | None, ...]  # None for the first and where nothing can be compared
    chosen: Rung | None  # None where no run was measured on validation


def summary(ladder: Ladder, name: str) -> list[str]:
    """Return the sentences at the top: which rung is best, how good, and against what."""
    chosen = ladder.chosen
    if chosen is None or chosen.validation is None:
        return ["None of these runs was measured on validation, so none of them can be chosen."]
    score = chosen.validation
    count = len(ladder.rungs)
    lead = f"Of {count} rungs, {name} is the best on validation" if count > 1 else f"{name} was measured on validation"
    told = [
        f"{lead}: right on {words.percent(score.accuracy)} of {words.pictures(score.pictures)} "
        f"(95{words.NBSP}% interval {words.between(score.interval)})."
    ]
    if chosen.test is not None:
        told.append(
            f"On the test part it is right on {words.percent(chosen.test.accuracy)} of "
            f"{words.pictures(chosen.test.pictures)} ({words.between(chosen.test.interval)})."
        )
    if score.baseline is not None:
        told.append(f"Always giving the commonest answer would score {words.percent(score.baseline)} on validation.")
        if score.interval[0] <= score.baseline:
            told.append("Its interval reaches down to that, so it may have learnt nothing.")
    return told


def choice_sentence(ladder: Ladder, names: Sequence[str], chosen_name: str) -> str:
    """Return how the best rung was chosen, and whether the next best is really behind it."""
    if ladder.chosen is None:
        return "No rung was measured on validation, so none was chosen."
    others = [
        (rung, name)
        for rung, name in zip(ladder.rungs, names, strict=True)
        if rung is not ladder.chosen and rung.validation is not None
    ]
    if not others:
        return f"{chosen_name} is the only rung measured on validation, so there was nothing to choose from."
    rung, name = max(others, key=lambda pair: pair[0].validation.accuracy if pair[0].validation else 0.0)
    gain = compare([one.answered for one in rung.answers], [one.answered for one in ladder.chosen.answers])
    told = f"{chosen_name} has the highest validation accuracy and was chosen for that alone."
    if gain is not None and gain.verdict == TIE:
        told += f" Between it and the next best, {name}, the paired test sees a tie ({words.chance(gain.p_value)})."
        told = f"{told} {words.settling_sentence(gain)}".rstrip()
    return told


def test_sentences(ladder: Ladder) -> list[str]:
    """Return what the test part says of the chosen rung, and of no other."""
    chosen = ladder.chosen
    if chosen is None:
        return ["Without a chosen rung there is no test score."]
    if chosen.test is None:
        command = shlex.join(["pawsight", "evaluate", str(chosen.folder), "--test"])
        told = [f"There is no test score: the run holds none. Once all is decided, this measures it: {command}"]
        return [*told, *([_looks_sentence(chosen)] if chosen.looks_at_test else [])]
    score = chosen.test
    told = [
        f"On {words.pictures(score.pictures)} that it was neither trained on nor chosen by, it is right on "
        f"{words.percent(score.accuracy)} (95{words.NBSP}% interval {words.between(score.interval)})."
    ]
    if score.baseline is not None:
        told.append(f"Always giving the commonest answer would score {words.percent(score.baseline)} there.")
    if len(ladder.rungs) > 1:
        told.append("This is the score to quote: the validation score of the best of several flatters a little.")
    if any(rung.test is not None for rung in ladder.rungs if rung is not chosen):
        told.append("Test scores of the other rungs are left out on purpose.")
    return [*told, _looks_sentence(chosen)]


def _looks_sentence(chosen: Rung) -> str:
    if not chosen.looks_at_test:
        return "Nobody has looked at the test part of this run again since."
    times = "once" if chosen.looks_at_test == 1 else f"{chosen.looks_at_test:,} times"
    return f"The test part of this run was also looked at {times} by pawsight evaluate or compare."


def _matrix(rung: Rung | None) -> list[list[int]]:
    """Return the validation confusion matrix, empty where the run holds none that fits its classes."""
    if rung is None or rung.validation is None:
        return []
    rows = [[finite(cell) for cell in listing(row)] for row in listing(rung.validation.plain.get("confusion"))]
    fits = len(rows) == len(rung.classes) > 0 and all(len(row) == len(rows) for row in rows)
    return [[int(cell or 0) for cell in row] for row in rows] if fits else []


def confusion(rung: Rung | None) -> str:
    """Return the confusion matrix on validation as an SVG element, empty where there is none."""
    matrix = _matrix(rung)
    return confusion_svg(matrix, rung.classes) if rung is not None and matrix else ""


def confusions(rung: Rung | None) -> list[tuple[str, str, int]]:
    """Return the commonest mistakes: truth, answer, how often."""
    names = rung.classes if rung is not None else ()
    wrong = [
        (names[row], names[column], count)
        for row, counts in enumerate(_matrix(rung))
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(wrong, key=lambda one: -one[2])[:_COMMONEST]


def class_rows(rung: Rung | None) -> list[ClassRow]:
    """Return what is known of each class on validation, as text."""
    if rung is None or rung.validation is None:
        return []
    matrix = _matrix(rung)
    plain = [mapping(one) for one in listing(rung.validation.plain.get("classes"))]
    fits = len(plain) == len(matrix)
    return [_class_row(one, _class_intervals(matrix, index) if fits else ()) for index, one in enumerate(plain)]


def _class_row(one: Mapping[str, Any], ends: Sequence[Interval | None]) -> ClassRow:
    shares = (finite(one.get(key)) for key in ("precision", "recall", "f1"))
    told = ["unknown" if share is None else f"{share:.3f}" for share in shares]
    between = [f"{end.low:.3f} to {end.high:.3f}" if end is not None else "" for end in ends] or ["", "", ""]
    figures = tuple(zip(told, between, strict=True))
    return ClassRow(str(one.get("name", "")), words.whole(finite(one.get("pictures"))), figures)


def _class_intervals(matrix: Sequence[Sequence[int]], index: int) -> tuple[Interval | None, ...]:
    """Return the 95 % intervals of a class's precision, recall and F1, None where there is nothing to count.

    Precision and recall are shares of answers and of pictures (Wilson). F1 = 2 J / (1 + J) with J the share of right
    ones among all that are of the class, answered as it, or both; so the ends of J's interval give those of F1.
    """
    right, given = matrix[index][index], sum(matrix[index])
    answered = sum(row[index] for row in matrix)
    shared = _wilson(right, given + answered - right)
    f1 = Interval(*(2 * end / (1 + end) for end in shared.as_list())) if shared is not None else None
    return _wilson(right, answered), _wilson(right, given), f1


def _wilson(right: int, pictures: int) -> Interval | None:
    return wilson(right, pictures) if 0 <= right <= pictures and pictures else None


def mistakes_note(rung: Rung | None, wrong: int, shown: int) -> str:
    """Return how often the chosen rung was wrong and which mistakes are shown."""
    if rung is None or not rung.answers:
        return "The run holds no answers to single pictures, so its mistakes cannot be shown."
    if not wrong:
        return f"It made no mistake on {words.pictures(len(rung.answers))} of the validation part."
    told = f"It was wrong on {wrong:,} of {words.pictures(len(rung.answers))} of the validation part."
    return f"{told} These are the {shown} it was surest of." if shown < wrong else f"{told} The surest comes first."
