"""Text for people: counts, shares, and names that others chose made safe to show."""

from __future__ import annotations

import html
import math
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
NBSP = "\N{NO-BREAK SPACE}"


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a count with its noun: 1 picture, 1,234 pictures, 0 classes.

    Args:
        count: 0 or more.
        noun: of one.
        several: of any other number, where that is not the noun and an s.
    """
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def percent(share: float | None, digits: str = ".1f", *, space: str = " ") -> str:
    """Return a share as a percentage: 0.984 is 98.4 %.

    Args:
        share: usually 0 to 1; what is missing or not finite is "unknown".
        digits: a format of the number, ".1f" or ".4g".
        space: between the number and the sign.
    """
    return "unknown" if share is None or not math.isfinite(share) else f"{100 * share:{digits}}{space}%"


def typed(*words: object) -> str:
    """Return a command of Pawsight as a shell takes it: names with spaces are quoted."""
    return shlex.join(["pawsight", *map(str, words)])


def seconds_of(text: str) -> float:
    """Return a length of time such as 90s, 10m or 2h in seconds.

    Raises:
        ValueError: the text is none.
    """
    try:
        seconds = float(text[:-1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:], math.nan)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"{text!r} is not a length of time; type for example 90s, 10m or 2h")
    return seconds


def look_of(name: str) -> str:
    """Return what two names share that differ in upper and lower case, width or spaces alone."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers in names as numbers: 2 before 10, cat2 before cat10."""
    pieces = re.split(r"([0-9]+)", name)
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], name


def printable(text: str, *, instead: str = REPLACEMENT) -> str:
    """Replace every character that is not printable: controls, line breaks, marks that reverse the line."""
    return _without_controls(text, lambda character: instead)


def terminal_text(text: str, *, one_line: bool = False) -> str:
    """Escape what would move the cursor, change colours or reverse the line in a terminal.

    Args:
        text: anything.
        one_line: escape line breaks too, so that a file name cannot look like a line of ours.
    """

    def escape(character: str) -> str:
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")

    return _without_controls(text, escape, keep=" \t" if one_line else " \t\n")


def legible(text: str) -> str:
    """Return text that every Parquet reader accepts: bytes of file names that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(value: object) -> str:
    """Return text for a page: it cannot break or reverse a line, and it can be written as UTF-8."""
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _without_controls(text, lambda character: f"\\u{ord(character):04x}", keep=NBSP)


def html_table(header: Sequence[object], rows: Iterable[Sequence[object]], *, caption: object = "") -> str:
    """Return a table for a notebook: text to the left, numbers to the right, everything escaped."""

    def cells(values: Sequence[object], tag: str) -> str:
        texts = (f"{value:,.4g}" if isinstance(value, float) else visible(value) for value in values)
        sides = ("right" if isinstance(value, int | float) else "left" for value in values)
        pairs = zip(texts, sides, strict=True)
        return "".join(f'<{tag} style="text-align:{side}">{html.escape(text)}</{tag}>' for text, side in pairs)

    head = f'<caption style="text-align:left">{html.escape(visible(caption))}</caption>' if caption else ""
    head += f"<thead><tr>{cells(header, 'th')}</tr></thead>" if header else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _without_controls(text: str, instead: Callable[[str], str], *, keep: str = "") -> str:
    return "".join(
        character if character.isprintable() or character in keep else instead(character) for character in text
    )
