"""Importing Keras without TensorFlow's chatter.

Enters: nothing. Leaves: a process that has Keras in it and a stderr that says only what Pawsight says. Does not know:
what Keras is wanted for.

TensorFlow's settings silence most of it, but lines such as "oneDNN custom operations are on" come before any setting is
read, straight from C++. So while the import lasts stderr goes to a file, and what is not chatter is passed on after it.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from pawsight.errors import MissingExtra

QUIET_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # errors only
    "KERAS_BACKEND": "tensorflow",
}
_CHATTER = re.compile(rb"WARNING: All log messages before absl::|[IW]\d{4} \d\d:\d\d:")


def import_keras() -> None:
    """Import Keras on TensorFlow, keeping their notes to themselves; settings the user made are kept.

    Raises:
        MissingExtra: Keras or TensorFlow is not installed.
    """
    for name, value in QUIET_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        with _without_chatter():
            importlib.import_module("keras")
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
    except ModuleNotFoundError as error:
        raise needs_keras_extra(str(error.name)) from error


def needs_keras_extra(module: str) -> MissingExtra:
    """Say that a part of `pawsight[keras]` is missing."""
    return MissingExtra(
        f"This recipe needs {module}, which is not installed.",
        "The recipes probe and majority need neither Keras nor TensorFlow; the others do.",
        'Type: pip install "pawsight[keras]"',
    )


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what reaches file descriptor 2, and at the end pass on the lines that are not TensorFlow's notes."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            held.seek(0)
            os.write(real, b"".join(line for line in held if not _CHATTER.match(line)))
            os.close(real)
