"""axe-core, which examines a page for accessibility: AXE_PATH, or what `make test` fetched into .venv/axe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

_FETCHED = Path(__file__).parents[2] / ".venv" / "axe"
_RUN = """
const [only, done] = arguments;
const options = only.length ? {runOnly: {type: "rule", values: only}} : {};
axe.run(document, options).then(done, (e) => done({failed: String(e)}));
"""


def source() -> str:
    """The script; skips where there is none."""
    named = os.environ.get("AXE_PATH")
    places = [Path(named)] if named else sorted(_FETCHED.rglob("axe.min.js"))
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    pytest.skip(f"no axe.min.js at AXE_PATH or below {_FETCHED}; make test fetches it")


def violations(browser, *, only: Sequence[str] = ()) -> list[str]:
    """What axe-core has to complain of on the page as it is now; `only` names its rules, none all of them."""
    browser.execute_script(f"if (!window.axe) {{ {source()} }}")
    found = browser.execute_async_script(_RUN, list(only))
    assert "failed" not in found, found
    assert only or len(found["passes"]) > 10, "it looked at next to nothing"
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
