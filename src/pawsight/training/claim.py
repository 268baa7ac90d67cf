"""One process at a time in the folder of a run that is being made.

Enters: a run folder, and how long it is to be held. Leaves: a lock that ends with its holder, however that ends. Does
not know: what is written there.

The lock file is also the mark of a run that is not finished: it goes when the run is, and stays where the holder was
killed.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from pawsight.core.errors import StorageError
from pawsight.core.storage import file_lock

LOCK = ".lock"


def claim(folder: Path, until: ExitStack) -> bool:
    """Hold a run folder until a stack of contexts closes; False where another process holds it.

    Raises:
        StorageError: the disk refused.
    """
    try:
        until.enter_context(file_lock(folder / LOCK, remove_after=True))
    except TimeoutError:
        return False
    return True


def taken(folder: Path) -> StorageError:
    """Return the error for a run that another process is making."""
    return StorageError(
        f"Another process is training in {folder}.",
        "Two that write into one run would spoil it.",
        "Wait for it to end, or stop it; without --resume a run of its own begins.",
    )
