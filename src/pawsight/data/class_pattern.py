"""Finds the regular expression that reads the class from the names of pictures that lie in one folder: cat.0.jpg."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pawsight.core.text import natural
from pawsight.data.parts import words_of
from pawsight.data.reading import READABLE_ENDINGS

_SEPARATORS = (".", "_", "-", " ")
_CAMERAS = frozenset(  # words that cameras and programs begin their names with
    """
    img image images imgp dsc dscn dscf dscnn pxl mvi mvimg vid p pic pict picture photo foto scan frame screenshot
    whatsapp signal dji gopr gopro sam cimg file untitled untitled copy
    """.split()  # noqa: SIM905
)
_LONGEST_NUMBER = 5  # digits of a class; longer ones are dates and counts
_TRIED = 20_000  # names


def suggest(names: Sequence[str]) -> tuple[str, dict[str, int]] | None:
    """Return what to give to --class-from for these pictures, and the pictures of each class by it.

    Args:
        names: paths below the root, with forward slashes.

    Returns:
        None where no pattern fits all pictures and gives at least two classes with at least two pictures each.
    """
    names = [name for name in names[:_TRIED] if PurePosixPath(name).suffix.lower() in READABLE_ENDINGS]
    for pattern in _patterns():
        found = [re.search(pattern, name) for name in names]
        if not found or not all(found):
            continue
        counts = Counter(match[1] for match in found if match is not None)
        if 2 <= len(counts) <= len(names) // 2 and min(counts.values()) >= 2 and all(map(_is_class, counts)):
            return pattern, {label: counts[label] for label in sorted(counts, key=natural)}
    return None


def _patterns() -> Iterator[str]:
    """Yield patterns, the usual ones first: cat.0.jpg, cat001.jpg, cat (1).jpg, 0001_cat.jpg, cat_left_b.jpg."""
    separators = [re.escape(separator) if separator == "." else separator for separator in _SEPARATORS]
    for separator in separators:
        yield rf"([^/]+){separator}\d+\.\w+$"
    yield r"([^/\d]+)\d+\.\w+$"
    yield r"([^/]+?) ?\(\d+\)\.\w+$"
    for separator in separators:
        yield rf"\d+{separator}([^/\d]+)\.\w+$"
    for separator in separators[1:]:
        yield rf"([^/{separator}]+){separator}[^/]*$"
        yield rf"{separator}([^/\d{separator}]+)\.\w+$"


def _is_class(label: str) -> bool:
    words = words_of(label)
    return not words if len(label) <= _LONGEST_NUMBER and label.isdecimal() else bool(set(words) - _CAMERAS)
