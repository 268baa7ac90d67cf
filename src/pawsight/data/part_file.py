"""The unfinished file beside a download's target.

Enters: a target's path. Leaves: where its part lies, which version of the original that is a part of, and a lock.
Does not know: networks.

`.NAME.part` holds the bytes, `.NAME.part.json` the URL and what the server called this version of the file (its ETag,
else its date), `.NAME.lock` keeps two processes from writing the same part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.progress import Progress
from pawsight.core.storage import file_lock, write_json


@dataclass(frozen=True, slots=True)
class PartFile:
    """What there is so far of `target`."""

    target: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def facts(self) -> Path:
        """Where it is said what they are a part of."""
        return self.target.with_name(f".{self.target.name}.part.json")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> str:
        """Return what the server called the version this is a part of; "" when it cannot be gone on with."""
        try:
            facts = json.loads(self.facts.read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        if not isinstance(facts, dict) or facts.get("url") != url or not self.size():
            return ""
        version = str(facts.get("version", ""))
        return version if version.isascii() and version.isprintable() else ""  # else no header can carry it

    def begin(self, url: str, version: str) -> None:
        """Start over with `version` of what `url` names; "" for one that has no name to ask for again."""
        self.forget()
        write_json(self.facts, {"url": url, "version": version})

    def forget(self) -> None:
        """Remove what is there."""
        for file in (self.path, self.facts):
            with suppress(FileNotFoundError):
                file.unlink()


@contextmanager
def lock_of(target: Path, *, wait: float, progress: Progress) -> Iterator[None]:
    """Hold the lock beside `target`, whose folder is made when missing.

    Raises:
        TimeoutError: another process held it for `wait` seconds.
    """

    def announce() -> None:
        progress.say(f"Waiting for another process that downloads {target.name}.")

    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(target.with_name(f".{target.name}.lock"), wait=wait, waiting=announce):
        yield
