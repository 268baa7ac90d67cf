"""A process in which the n-th write finds the disk full: `pawsight` typed in a fork of it, once for each line it is sent.

Enters: lines of JSON with what to type, the environment, the folder that is full, and from which write on. Leaves: for
each a line with the exit status, what was printed, and which write failed. Does not know: what should come of it.

A write is whatever takes room: a file or folder made, bytes written (half of them arrive), synced, a rename, a link, a
transaction of SQLite. Everything slow is imported before the forks, so that each takes a fraction of a second.
"""

from __future__ import annotations

import builtins
import errno
import importlib
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any


class Disk:
    """Counts what takes room below a folder, and refuses from the n-th on, or the n-th alone; nothing where n is 0."""

    def __init__(self, folder: str, first: int, *, lasting: bool, journal: Path) -> None:
        self.folder, self.first, self.lasting, self.count = folder, first, lasting, 0
        self.journal = journal.open("w", buffering=1)

    def ask(self, what: str, path: Any) -> None:
        place = os.path.abspath(os.fsdecode(path))
        if not place.startswith(self.folder):
            return
        self.count += 1
        if self.count == self.first or (self.lasting and 0 < self.first < self.count):
            self.journal.write(json.dumps([self.count, what, place]) + "\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)


def install(disk: Disk) -> None:
    """Put the disk between Python and the system."""
    _install_files(disk)
    _install_descriptors(disk)
    _install_names(disk)
    _install_sqlite(disk)


def _install_files(disk: Disk) -> None:
    plain = io.open

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            try:
                disk.ask("write", self.name)
            except OSError:
                super().write(bytes(data)[: len(data) // 2])
                raise
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:
        is_written = bool(set(mode) & set("wxa+")) and isinstance(file, (str, os.PathLike))
        if is_written:
            disk.ask("open", file)
        if is_written and "b" in mode and "+" not in mode and "opener" not in options:
            return io.BufferedWriter(Raw(file, mode.replace("b", "")))
        return plain(file, mode, buffering, *rest, **options)

    io.open = builtins.open = opened


def _install_descriptors(disk: Disk) -> None:
    fsync, low = os.fsync, os.open

    def synced(descriptor: Any) -> None:
        disk.ask("sync", Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    def low_opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT and not os.path.exists(path):
            disk.ask("open", path)
        return low(path, flags, *rest, **options)

    os.fsync, os.open = synced, low_opened


def _install_names(disk: Disk) -> None:
    mkdir, replace, symlink = os.mkdir, os.replace, os.symlink

    def made(path: Any, *rest: Any, **options: Any) -> None:
        if not os.path.exists(path):
            disk.ask("mkdir", path)
        mkdir(path, *rest, **options)

    def replaced(source: Any, target: Any, **options: Any) -> None:
        disk.ask("rename", target)
        replace(source, target, **options)

    def linked(source: Any, target: Any, *rest: Any, **options: Any) -> None:
        disk.ask("link", target)
        symlink(source, target, *rest, **options)

    os.mkdir, os.replace, os.symlink = made, replaced, linked


def _install_sqlite(disk: Disk) -> None:
    import sqlite3

    plain = sqlite3.connect

    class Connection(sqlite3.Connection):
        path = ""

        def execute(self, words: str, *rest: Any) -> sqlite3.Cursor:
            if words.startswith(("BEGIN", "CREATE")):
                try:
                    disk.ask("transaction", self.path)
                except OSError as error:
                    told = sqlite3.OperationalError("database or disk is full")
                    told.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise told from error
            return super().execute(words, *rest)

    def connected(path: Any, **options: Any) -> Connection:
        made = plain(path, factory=Connection, **options)
        made.path = path
        return made

    sqlite3.connect = connected  # type: ignore[assignment]


def run(job: dict[str, Any]) -> None:
    """Type `pawsight` here, and never return."""
    place = Path(job["place"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(job["environment"])
    tempfile.tempdir = job["environment"]["TMPDIR"]
    install(Disk(job["folder"], job["first"], lasting=job["lasting"], journal=place / "journal"))
    sys.argv = ["pawsight", *job["typed"]]
    status = 70
    try:
        from pawsight.cli import main

        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def preload() -> None:
    """Import what is slow; nothing here starts a thread."""
    slow = ("openvino", "matplotlib.figure", "scipy.optimize", "scipy.stats", "pawsight.cli", "pawsight.commands.train")
    for name in (*slow, "pawsight.reports.charts", "pawsight.training.run"):
        importlib.import_module(name)


def serve() -> None:
    preload()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    serve()
