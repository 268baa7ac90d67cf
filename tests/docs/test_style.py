"""The words that docs/style.md takes out of use are in no page, template or message."""

from __future__ import annotations

import re

from .conftest import GUIDE
from .visible import visible_texts

_QUOTED = re.compile(r"`([^`]+)`")


def _rows() -> list[tuple[list[str], list[str]]]:
    """The phrases of each row of the tables, and the phrases around them that are right."""
    cells = [
        line.split("|")[1:-1] for line in (GUIDE / "style.md").read_text("utf-8").splitlines() if line[:3] == "| `"
    ]
    return [(_QUOTED.findall(phrases), _QUOTED.findall(right)) for phrases, _, right in cells]


def _found(phrases: list[str], right: list[str], text: str) -> list[str]:
    text = " ".join(text.split())
    for phrase in right:
        text = re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", "", text, flags=re.I)
    return [phrase for phrase in phrases if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.I)]


def test_no_page_template_or_message_uses_the_words_on_the_left():
    rows, texts = _rows(), visible_texts()
    assert len(rows) > 30
    used = {
        (file, phrase) for file, text in texts for phrases, right in rows for phrase in _found(phrases, right, text)
    }
    assert sorted(used) == []


def test_pages_templates_modules_and_scripts_are_all_read():
    endings = {file.rpartition(".")[2] for file, _ in visible_texts()}
    assert endings == {"md", "html", "j2", "py", "js", "json"}


def test_a_word_is_found_across_lines_and_not_within_another():
    assert _found(["once more", "exam"], [], "Copy it Once\nmore, for example.") == ["once more"]
    assert _found(["be told"], ["be told apart"], "cannot be told apart") == []
