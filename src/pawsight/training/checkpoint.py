"""Everything a training run needs to resume after it was killed, in one file that is whole or not there.

An npz without objects: `state_00000`, ... are the variables of model and optimizer (random states among them),
`best_00000`, ... the weights of the best epoch, `history` the epochs, `told` the remarks of the diagnostics so far,
`identity` the digest of recipe, split and code that it is for. After the archive come the 32 bytes of its SHA-256: the
archive's own checksums cover its members and not its table of contents.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.runs import Epoch
from pawsight.core.storage import write_bytes

FILE = "checkpoint.npz"
_DIGEST_BYTES = 32
Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run as it stood at the end of an epoch."""

    identity: str  # digest of everything the numbers depend on
    state: Arrays  # variables of model and optimizer, in Keras's order
    best: Arrays  # variables of the model at the best epoch so far
    history: tuple[Epoch, ...]
    remarks: tuple[str, ...] = ()  # of the diagnostics, so that a resumed run reports each once and lists all


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint under a temporary name and rename it.

    Raises:
        StorageError: the disk refused; the previous checkpoint stays.
    """
    buffer = io.BytesIO()
    rows = [astuple(epoch) for epoch in checkpoint.history]
    np.savez(
        buffer,
        identity=np.array(checkpoint.identity),
        history=np.array(rows, dtype=np.float64),
        told=np.array(checkpoint.remarks, dtype=np.str_),
        **_named("state", checkpoint.state),
        **_named("best", checkpoint.best),
    )
    archive = buffer.getvalue()
    write_bytes(folder / FILE, archive + hashlib.sha256(archive).digest())


def load_checkpoint(folder: Path, *, identity: str) -> Checkpoint | None:
    """Return the checkpoint of a run, None where there is none, or it is damaged or for another run."""
    try:
        content = (folder / FILE).read_bytes()
        archive, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if hashlib.sha256(archive).digest() != digest:
            return None
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            if str(arrays["identity"]) != identity:
                return None
            history = tuple(Epoch(int(row[0]), *map(float, row[1:])) for row in arrays["history"])
            remarks = tuple(map(str, arrays["told"]))
            return Checkpoint(identity, _arrays("state", arrays), _arrays("best", arrays), history, remarks)
    except Exception:  # a file that is missing, cut or altered raises many kinds; training then starts afresh
        return None


def _named(kind: str, arrays: Arrays) -> dict[str, Any]:
    return {f"{kind}_{index:05d}": array for index, array in enumerate(arrays)}


def _arrays(kind: str, arrays: Mapping[str, Any]) -> list[NDArray[Any]]:
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{kind}_")]
