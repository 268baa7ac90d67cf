"""Pictures that users of the service label, kept in a folder where the owner allows it.

    labels.csv    pictures with the class that a user gave: a table for `train`, and a patch for `train --patch`
    none.csv      pictures of none of the classes: a patch alone
    pictures/     the files as they were sent, named by their SHA-256 and type

Nothing that a client sends becomes a part of a name. Several processes may keep into one folder.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from pawsight.classifier.bundle import Card
from pawsight.core.errors import DataError, WrongUsage
from pawsight.core.storage import refusal, sha256_of, turn_to_rewrite, write_bytes
from pawsight.data.label_patch import DROP, RELABEL, Decision, read_patch, write_patch
from pawsight.images.decode import ending_of
from pawsight.web.problems import RequestProblem

LABELS, NONE, PICTURES = "labels.csv", "none.csv", "pictures"
_TABLES = {RELABEL: LABELS, DROP: NONE}  # by the action of their rows


class Feedback:
    """The labelled pictures in one folder.

    Args:
        folder: made where it is not there; its tables may have been written by earlier services.
        most: pictures.
        most_bytes: of all pictures.
        each: pictures that one address may add while this process runs.

    Raises:
        WrongUsage: the folder holds tables of another kind, or is none.
        StorageError: it cannot be written to.
    """

    def __init__(self, folder: Path, *, most: int, most_bytes: int, each: int) -> None:
        self._folder, self._most, self._most_bytes, self._each = folder, most, most_bytes, each
        self._by_address: Counter[str] = Counter()
        self._lock = Lock()
        self._versions: list[tuple[int, ...] | None] = []  # of the tables as they were last read or written
        self._decisions: dict[str, Decision] = {}  # by SHA-256, the last about each picture
        self._bytes = 0
        if folder.exists() and not folder.is_dir():
            raise WrongUsage(f"{folder} cannot keep feedback.", "It is a file.", "Name a folder: --feedback FOLDER")
        try:
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal("make the folder", folder, error, fix="Name another: --feedback FOLDER") from error
        try:
            with self._turn():
                pass
        except DataError as error:
            raise WrongUsage(
                f"{folder} cannot keep feedback.",
                f"{error.what} {error.why}",
                "Name another folder: --feedback FOLDER",
            ) from error

    @property
    def pictures(self) -> int:
        """How many pictures are kept, as far as this process knows."""
        return len(self._decisions)

    def keep(self, data: bytes, label: str | None, *, address: str = "") -> str:
        """Keep a picture with its label; a later label of the same picture takes the place of an earlier one.

        Args:
            data: the file.
            label: its class; None where it shows none of the classes.
            address: whose share it takes, as `share_of` gives it.

        Returns:
            the SHA-256 of the file.

        Raises:
            RequestProblem: there is no room for another picture.
            StorageError: the disk refused. DataError: a table was edited and cannot be read; it is left as it is.
        """
        sha256 = sha256_of(data)
        action, name = DROP if label is None else RELABEL, f"{PICTURES}/{sha256}{ending_of(data)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._turn() as decisions:
            if sha256 not in decisions:
                self._check_room(len(data), address)
                write_bytes(self._folder / name, data)
                self._bytes += len(data)
                self._by_address[address] += 1
            self._write({**decisions, sha256: Decision(name, sha256, action, label or "", now)})
        return sha256

    def withdraw(self, sha256: str) -> bool:
        """Remove a picture and its label; False where it is not there.

        Raises:
            As `keep`.
        """
        with self._turn() as decisions:
            if sha256 not in decisions:
                return False
            self._write({key: decision for key, decision in decisions.items() if key != sha256})
            file = self._folder / decisions[sha256].path
            with suppress(FileNotFoundError):
                size = file.stat().st_size
                file.unlink()
                self._bytes -= size
        return True

    def _check_room(self, size: int, address: str) -> None:
        if len(self._decisions) >= self._most or self._bytes + size > self._most_bytes:
            raise RequestProblem("feedback-full", "This service keeps no more pictures. Tell the person who runs it.")
        if address and self._by_address[address] >= self._each:
            raise RequestProblem("feedback-full", f"This service keeps {self._each:,} pictures of one address.")

    @contextmanager
    def _turn(self) -> Iterator[dict[str, Decision]]:
        """Hold the folder while its decisions are changed; other processes' changes are read first."""
        with self._lock, turn_to_rewrite(self._folder / LABELS):
            if self._versions != (versions := self._read_versions()):
                tables = [self._folder / name for name in _TABLES.values()]
                decisions = [decision for table in tables if table.exists() for decision in _read(table)]
                self._decisions = {
                    decision.sha256: decision for decision in sorted(decisions, key=lambda decision: decision.when)
                }
                with os.scandir(self._folder / PICTURES) as files:
                    self._bytes = sum(file.stat().st_size for file in files)
                self._versions = versions
            yield self._decisions

    def _write(self, decisions: dict[str, Decision]) -> None:
        """Write the tables that change; the one that gains a row first, so that no crash loses it."""
        rows = {
            action: [decision for decision in decisions.values() if decision.action == action] for action in _TABLES
        }
        before = Counter(decision.action for decision in self._decisions.values())
        for action in sorted(rows, key=lambda action: before[action] - len(rows[action])):
            if rows[action] != [decision for decision in self._decisions.values() if decision.action == action]:
                write_patch(self._folder / _TABLES[action], rows[action])
        self._decisions, self._versions = decisions, self._read_versions()

    def _read_versions(self) -> list[tuple[int, ...] | None]:
        versions: list[tuple[int, ...] | None] = []
        for name in _TABLES.values():
            try:
                status = (self._folder / name).stat()
                versions.append((status.st_ino, status.st_mtime_ns, status.st_size))
            except FileNotFoundError:
                versions.append(None)
        return versions


def check_one_class(card: Card, run: str | os.PathLike[str]) -> None:
    """Refuse feedback about a classifier with several labels a picture.

    Raises:
        WrongUsage: it is one.
    """
    if card.several_labels:
        raise WrongUsage(
            f"--feedback cannot be used with {os.fspath(run)}.",
            "Its pictures may have several labels, and the page keeps one class a picture.",
            "Leave --feedback out.",
        )


def _read(table: Path) -> list[Decision]:
    """Return the rows of a table of this module.

    Raises:
        DataError: it is another one; writing it again would change what is not ours. StorageError: it cannot be read.
    """
    decisions = [replace(decision, line=0) for decision in read_patch(table).decisions]
    for decision in decisions:
        if not decision.path.startswith(f"{PICTURES}/{decision.sha256}") or "/" in decision.path[len(PICTURES) + 1 :]:
            raise DataError(f"{table} was not written by pawsight serve.", f"It names {decision.path!r}.")
    return decisions
