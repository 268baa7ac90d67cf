"""Numbers, intervals, differences, counts and names as text for people; not yet escaped for a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pawsight.core import text
from pawsight.evaluation.comparison import BETTER, TIE, WORSE, Gain, pictures_to_settle

NBSP, visible = text.NBSP, text.visible
MINUS = "\N{MINUS SIGN}"
_NAMED_CLASSES = 6  # up to which a sentence names each


def percent(share: float | None) -> str:
    """Return a share as text with one digit: 0.984 is 98.4 %."""
    return text.percent(share, space=NBSP)


def certainty(probability: float) -> str:
    """Return a probability that is never rounded to certainty."""
    if not math.isfinite(probability):
        return "unknown"
    return f"over 99.9{NBSP}%" if 0.9995 <= probability < 1 else percent(probability)


def between(interval: Sequence[float]) -> str:
    """Return the two ends of an interval of shares: 97.6 to 99.2 %."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}{NBSP}%"


def signed(points: float) -> str:
    """Return a difference in percentage points with its sign and one digit."""
    rounded = round(points, 1)
    if rounded == 0:
        return "0.0"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.1f}"


def points_between(interval: Sequence[float]) -> str:
    """Return the two ends of an interval in percentage points: −1.5 to +0.2."""
    return f"{signed(interval[0])} to {signed(interval[1])}"


def chance(p_value: float) -> str:
    """Return a p value with what can be read off it."""
    return f"p{NBSP}<{NBSP}0.001" if p_value < 0.001 else f"p{NBSP}={NBSP}{p_value:.2g}"


def duration(seconds: float | None) -> str:
    """Return a length of time in the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 90:
        return f"{seconds:.1f}{NBSP}s" if seconds < 10 else f"{seconds:.0f}{NBSP}s"
    if seconds < 5400:
        return f"{seconds / 60:.1f}{NBSP}min"
    return f"{seconds / 3600:.1f}{NBSP}h"


def whole(number: float | None) -> str:
    """Return a count with its thousands parted."""
    return "unknown" if number is None else f"{int(number):,}"


def joined(parts: Sequence[str]) -> str:
    """Return a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def pictures(count: int) -> str:
    """Return a count of pictures."""
    return text.plural(count, "picture")


def count_sentence(counts: Mapping[str, int]) -> str:
    """Return the sentence that counts the pictures of each class."""
    if not counts:
        return "How many pictures each class has is not recorded."
    if len(counts) > _NAMED_CLASSES:
        least, most = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
        text = f"There are {sum(counts.values())} images of {len(counts)} classes"
        if counts[least] == counts[most]:
            return f"{text}, {counts[least]} of each."
        return f"{text}, from {counts[least]} of {visible(least)} to {counts[most]} of {visible(most)}."
    if any(name[:1].isdecimal() for name in counts):  # it could be taken for a count
        return f"Images of each class: {', '.join(f'{visible(name)}: {count}' for name, count in counts.items())}."
    each = [f"{count} image{'' if count == 1 else 's'} of {visible(name)}" for name, count in counts.items()]
    return f"There {'is' if next(iter(counts.values())) == 1 else 'are'} {joined(each)}."


def title(classes: Sequence[str], *, several_labels: bool = False) -> str:
    """Return the title of a report: the classes that are told apart, or the labels that are given."""
    if several_labels:
        named = joined([visible(name) for name in classes]) if len(classes) <= _NAMED_CLASSES else ""
        return f"Labels: {named}" if named else f"{len(classes):,} labels"
    if len(classes) == 2:
        return f"Telling {visible(classes[0])} from {visible(classes[1])}"
    if 2 < len(classes) <= 4:
        return f"Telling {joined([visible(name) for name in classes])} apart"
    return f"Telling {len(classes):,} classes apart" if classes else "A ladder of classifiers"


def unmeasured_sentence(classes: Sequence[str], held_out: Sequence[str]) -> str:
    """Return which classes no validation picture shows; empty where none, and where there is no validation at all."""
    absent = [name for name in classes if name not in set(held_out)] if held_out else []
    if len(absent) < 2:
        return f"class '{visible(absent[0])}' has no validation picture, so it is not measured" if absent else ""
    named = [f"'{visible(name)}'" for name in absent[:_NAMED_CLASSES]]
    more = [f"{len(absent) - len(named):,} more"] if len(absent) > len(named) else []
    return f"classes {joined([*named, *more])} have no validation picture, so they are not measured"


def verdict_sentence(gain: Gain, upper: str, lower: str, *, comparisons: int = 1) -> str:
    """Return what a paired comparison of two candidates says, its p value, and what would settle a tie.

    Args:
        gain: of the upper over the lower.
        upper, lower: their names.
        comparisons: how many are made at once.
    """
    alone = (
        f"{upper} alone is right on {whole(gain.only_second)}, {lower} alone on {whole(gain.only_first)}, "
        f"of {pictures(gain.pictures)}"
    )
    if gain.verdict == TIE:
        if not gain.only_first + gain.only_second:
            return f"A tie: both are right, or both wrong, on each of {pictures(gain.pictures)}."
        text = f"A tie: {alone}; chance alone explains a difference of that size ({_test(gain)})."
        return " ".join(filter(None, [text, settling_sentence(gain, comparisons=comparisons)]))
    word = {BETTER: "better", WORSE: "worse"}[gain.verdict]
    return f"{upper} is {word} than {lower}: {alone}; chance alone hardly explains that ({_test(gain)})."


def settling_sentence(gain: Gain, *, comparisons: int = 1) -> str:
    """Return how many more pictures would settle a tie, empty where nothing is to be settled."""
    more = pictures_to_settle(gain, comparisons=comparisons)
    if gain.verdict != TIE or not gain.only_first + gain.only_second:
        return ""
    if more is None:
        return "No difference was seen, so more pictures would not settle it."
    return f"About {text.plural(more, 'more validation picture')} would settle it, if it is real."


def _test(gain: Gain) -> str:
    if gain.p_holm is None:
        return f"exact McNemar test, {chance(gain.p_value)}"
    return f"exact McNemar test, {chance(gain.p_holm)} after Holm's correction"
