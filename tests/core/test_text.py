"""Counts, shares, and names that others chose."""

from __future__ import annotations

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.core.text import NBSP, REPLACEMENT, percent, plural, printable, terminal_text, visible


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("picture",), "0 pictures"),
        (1, ("picture",), "1 picture"),
        (1_234, ("picture",), "1,234 pictures"),
        (1, ("class", "classes"), "1 class"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_a_count_agrees_with_its_noun(count, nouns, text):
    assert plural(count, *nouns) == text


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.984, ".1f", "98.4 %"),
        (1.0, ".1f", "100.0 %"),
        (0.01, ".4g", "1 %"),
        (0.005, ".4g", "0.5 %"),
        (None, ".1f", "unknown"),
        (math.nan, ".1f", "unknown"),
        (math.inf, ".4g", "unknown"),
    ],
)
def test_a_share_is_written_as_a_percentage(share, digits, text):
    assert percent(share, digits) == text
    assert percent(share, digits, space=NBSP) == text.replace(" ", NBSP)


def test_what_cannot_be_printed_is_replaced():
    assert printable("cat\n\u202edog") == f"cat{REPLACEMENT}{REPLACEMENT}dog"
    assert printable("a\x00b", instead=" ") == "a b"


def test_a_page_gets_text_that_cannot_break_a_line_and_is_utf_8():
    assert visible("a\nb\u202ec") == "a\\u000ab\\u202ec"
    assert visible(f"98{NBSP}%") == f"98{NBSP}%"
    assert visible(os.fsdecode(b"caf\xe9")) == f"caf{REPLACEMENT}"
    assert visible(7) == "7"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("plain text, Ünïcödé and 猫\t\n", "plain text, Ünïcödé and 猫\t\n"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("back\x08space and\rreturn", "back\\x08space and\\rreturn"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("\u2066isolate", "\\u2066isolate"),
        (os.fsdecode(b"caf\xe9"), "caf\\udce9"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_control_characters_are_shown_instead_of_obeyed(given, seen):
    assert terminal_text(given) == seen


def test_a_line_break_in_a_name_cannot_pass_for_a_line_of_ours():
    assert terminal_text("cat.jpg\nWARNING: all is lost", one_line=True) == "cat.jpg\\nWARNING: all is lost"


@given(st.text(st.characters(), max_size=50))
def test_whatever_is_shown_can_be_printed_anywhere(anything):
    line = terminal_text(anything, one_line=True)
    assert all(character.isprintable() or character in " \t" for character in line)
    assert line.encode("utf-8").decode("utf-8") == line
