"""What a user reads of Pawsight: the guide, the text of pages and templates, the messages of the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .conftest import GUIDE, README, ROOT

PACKAGE = ROOT / "src" / "pawsight"
# Records of a day and the page that quotes the words: they are not read for style.
RECORDS = {"experiments.md", "decisions", "walkthrough", "style.md"}
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')
_INTERPOLATION = re.compile(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_MARKUP = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<(script|style)\b.*?</\1>|<!--.*?-->", re.S)
_READ_ALOUD = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"]*)"')


def visible_texts() -> list[tuple[str, str]]:
    """Return (file, text) of everything that a user reads, with the files relative to the checkout."""
    paths = [
        README,
        *(page for page in sorted(GUIDE.rglob("*.md")) if not RECORDS & {page.name, page.parent.name}),
        *(path for path in sorted(PACKAGE.rglob("*")) if path.suffix in _READERS),
    ]
    return [(str(path.relative_to(ROOT)), text) for path in paths for text in _READERS[path.suffix](path)]


def _prose(path: Path) -> list[str]:
    """The prose of a Markdown page: no code, no addresses of links."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", " ", path.read_text("utf-8"), flags=re.M | re.S)
    return [re.sub(r"\]\([^)]*\)|<[^>]*>", "]", text)]


def _page(path: Path) -> list[str]:
    """The text of a page or template, and what its attributes say aloud."""
    text = re.sub(r"`[^`\n]*`", " ", _MARKUP.sub(" ", path.read_text("utf-8")))
    return [*_READ_ALOUD.findall(text), re.sub(r"<[^>]*>", " ", text)]


def _messages(path: Path) -> list[str]:
    """The texts of a module that have more than a word, without docstrings; what is filled in is left out."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if " " in node.value
    ]


def _strings(path: Path) -> list[str]:
    """The texts of a script that have more than a word."""
    code = re.sub(r"(?m)(^|\s)//.*$", "", path.read_text("utf-8"))
    texts = [_INTERPOLATION.sub(" ", found)[1:-1] for found in _STRING.findall(code)]
    return [text for text in texts if " " in text.strip()]


def _documents(path: Path) -> list[str]:
    """The sentences of the API's document."""
    return re.findall(r'"(?:summary|description|title)": "((?:[^"\\]|\\.)*)"', path.read_text("utf-8"))


_READERS = {".md": _prose, ".html": _page, ".j2": _page, ".py": _messages, ".js": _strings, ".json": _documents}
