"""Scripts that exports run in processes of their own: they make Keras's formats and int8, and run a runtime alone.

TensorFlow and NNCF are slow to import and print; a runtime that is tested must not share a process with Pawsight.
"""

from __future__ import annotations

import os
from pathlib import Path

from pawsight.core.subprocesses import run_quietly

_TIMEOUT_SECONDS = 1800.0


def run_maker(script: str, *arguments: str | Path) -> str:
    """Run a script that may import Pawsight; return the last line of its error, or "" where there is none."""
    roots = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    words = ["-P", "-m", f"{__name__}.{script}", *map(str, arguments)]
    return run_quietly(words, more={"PYTHONPATH": os.pathsep.join(roots)}, seconds=_TIMEOUT_SECONDS)[1]


def run_alone(script: str, *arguments: str | Path) -> str:
    """Run a script in an interpreter with the installed packages and nothing else; return its error as `run_maker`."""
    words = ["-I", str(Path(__file__).with_name(f"{script}.py")), *map(str, arguments)]
    return run_quietly(words, more={}, seconds=_TIMEOUT_SECONDS)[1]
