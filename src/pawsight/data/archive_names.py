"""The rules a member of an archive must keep before a byte of it is written.

Enters: names as an archive spells them. Leaves: the same names as safe parts of a relative path, or UnsafeArchive.
Does not know: archive formats, bytes, disks.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import UnsafeArchive

_DRIVE = re.compile(r"[A-Za-z]:")
_TRUST = "Unpack it with a tool you trust, look at what is in it, and give the folder instead: pawsight train FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """How much an archive may hold; everything is counted while it is written, declared sizes are not believed."""

    max_bytes: int = 20 * 2**30  # of all members together, unpacked
    max_ratio: float = 200.0  # unpacked bytes for each packed byte, for one member and for all
    ratio_free_bytes: int = 10 * 2**20  # unpacked bytes before the ratio counts
    max_members: int = 100_000  # files and folders, implied folders included; a tar of so many takes 6 to 8 s
    max_depth: int = 32  # folders above a file
    max_name_bytes: int = 255  # one part of a path, as UTF-8
    max_path_bytes: int = 1024  # a whole path, as UTF-8
    max_header_bytes: int = 2**20  # what a tar may say about one member besides its content
    max_listing_bytes: int = 256 * 2**20  # the table of contents of a zip


def refusal(archive: Path, why: str) -> UnsafeArchive:
    """Return the error that says `archive` was not unpacked, and `why`."""
    return UnsafeArchive(f"{archive.name} was not unpacked: it is not safe to.", why, _TRUST)


def shown(name: str) -> str:
    """Return a member's name for a message: quoted, control characters escaped, at most 120 characters."""
    quoted = ascii(name) if any(0xD800 <= ord(letter) <= 0xDFFF for letter in name) else repr(name)
    return quoted if len(quoted) <= 120 else quoted[:100] + "..." + quoted[-17:]


class MemberNames:
    """The names admitted so far from one archive, compared as the least careful disk would: without regard to case."""

    def __init__(self, archive: Path, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._limits = limits
        self._spelling: dict[str, str] = {}
        self._files: set[str] = set()

    def admit(self, name: str, *, folder: bool = False) -> tuple[str, ...]:
        """Return the parts of a member's path; () for the root itself.

        Raises:
            UnsafeArchive: the name could lead out of the folder, collide with another or is beyond a limit.
        """
        parts = self._parts(name)
        if not parts and not folder:
            raise self._refusal(name, "has no name")
        for depth in range(1, len(parts)):
            self._claim(name, "/".join(parts[:depth]), folder=True)
        if parts:
            self._claim(name, "/".join(parts), folder=folder)
        return parts

    def _parts(self, name: str) -> tuple[str, ...]:
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if fault := self._fault(name, parts):
            raise self._refusal(name, fault)
        return parts

    def _fault(self, name: str, parts: tuple[str, ...]) -> str:
        """Say what is wrong with one name by itself, in words that follow it; "" when nothing is."""
        limits = self._limits
        if "\0" in name:
            return "has a NUL character in its name"
        if "\\" in name:
            return "has a backslash in its name, which some systems take for a folder"
        if name.startswith("/") or any(_DRIVE.match(part) for part in parts):
            return "has an absolute path"
        if any(not part.strip(". ") for part in parts):
            return "has '..' in its path, so it would be written outside the folder"
        if max(map(_bytes_in, parts), default=0) > limits.max_name_bytes:
            return f"has a name longer than {limits.max_name_bytes:,} bytes"
        if _bytes_in(name) > limits.max_path_bytes:
            return f"has a path longer than {limits.max_path_bytes:,} bytes"
        if len(parts) - 1 > limits.max_depth:
            return f"lies {len(parts) - 1:,} folders deep; the limit is {limits.max_depth:,}"
        return ""

    def _claim(self, name: str, path: str, *, folder: bool) -> None:
        key = _folded(path)
        taken = self._spelling.get(key)
        if taken is None:
            self._remember(key, path, folder=folder)
        elif not folder and key not in self._files:
            raise self._refusal(name, "is a file where another member needs a folder")
        elif folder and key in self._files:
            raise self._refusal(name, f"needs a folder where {shown(taken)} is a file")
        elif taken != path:
            raise self._refusal(name, f"has the same name as {shown(taken)} but for the case or form of its letters")
        elif not folder:
            raise self._refusal(name, "is there twice")

    def _remember(self, key: str, path: str, *, folder: bool) -> None:
        self._spelling[key] = path
        if not folder:
            self._files.add(key)
        if len(self._spelling) > self._limits.max_members:
            raise too_many(self._archive, self._limits)

    def _refusal(self, name: str, fault: str) -> UnsafeArchive:
        return refusal(self._archive, f"Its member {shown(name)} {fault}.")


def too_many(archive: Path, limits: ArchiveLimits) -> UnsafeArchive:
    """Return the error for an archive of more members than `limits` allows."""
    return refusal(archive, f"It holds more than {limits.max_members:,} files and folders, which is the limit.")


def _bytes_in(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
