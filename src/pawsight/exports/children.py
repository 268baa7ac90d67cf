"""Runs the scripts of child/ in processes of their own, and turns their failures into one line.

Enters: a script and its words. Leaves: nothing but the files it wrote, or the last line of what went wrong. Does not
know: what the scripts do.
"""

from __future__ import annotations

import os
from pathlib import Path

from pawsight.core.subprocesses import run_quietly

_TIMEOUT_SECONDS = 1800.0
_PACKAGE = "pawsight.exports.child"


def run_maker(script: str, *words: str | Path) -> str:
    """Run a script that may import Pawsight; return the last line of its complaint, or nothing."""
    roots = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return _complaint(["-P", "-m", f"{_PACKAGE}.{script}", *map(str, words)], {"PYTHONPATH": os.pathsep.join(roots)})


def run_alone(script: str, *words: str | Path) -> str:
    """Run a script in an interpreter that has the installed packages and nothing else; return its complaint."""
    return _complaint(["-I", str(Path(__file__).parent / "child" / f"{script}.py"), *map(str, words)], {})


def _complaint(words: list[str], more: dict[str, str]) -> str:
    return run_quietly(words, more=more, seconds=_TIMEOUT_SECONDS)[1]
