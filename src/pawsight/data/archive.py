"""Safe extraction of zip and tar archives (plain, gzip, bzip2, xz) into a folder that appears whole or not at all.

A member's name is checked by `MemberNames`, the number of unpacked bytes by `ByteCounter`, a zip's table of contents by
`trusted_members`. Modes, owners and times are not applied; archives inside the archive stay files. Of zip's methods
only the usual two, stored and deflated, are opened: Python unpacks the others in one go, however large they are.
"""

from __future__ import annotations

import bz2
import lzma
import os
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from pawsight.core.errors import DataError, StorageError, UnsafeArchive
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import new_folder

__all__ = ["ArchiveLimits", "Kind", "archive_kind", "check_archive", "extract"]
Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]
PIECE_BYTES = 2**18
_XZ_MEMORY_BYTES = 2**28  # more than `xz -9` asks for
_LONG_NUMBER = re.compile(rb"\d{300}")
_DRIVE = re.compile(r"[A-Za-z]:")
_TRUST = "Unpack it with a tool you trust, look at what is in it, and give the folder instead: pawsight train FOLDER"
_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\0", "tar.xz"),
)
_OTHERS = ((b"7z\xbc\xaf", "7-Zip archive"), (b"Rar!", "RAR archive"), (b"\x28\xb5\x2f\xfd", "Zstandard file"))
_DAMAGE = (
    EOFError,
    NotImplementedError,
    RecursionError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_END = struct.Struct("<4s4H2LH")  # signature, 2 disks, 2 counts, listing size and offset, comment length
_END_64 = struct.Struct("<4sQ2H2L4Q")  # signature, size, 2 versions, 2 disks, 2 counts, listing size and offset
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s24x3H12x")  # signature, lengths of name, extra field and comment
_LOCAL_HEADER_BYTES = 30
_LONGEST_COMMENT = 2**16
_UTF_8 = 0x800  # general purpose bit 11
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


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


def archive_kind(path: Path) -> Kind | None:
    """Return the kind of archive by the first bytes of a file; None when it cannot be unpacked.

    Raises:
        StorageError: the file cannot be read.
    """
    head = _head(path)
    named = next((kind for start, kind in _STARTS if head.startswith(start)), None)
    return named or ("tar" if _is_tar_header(head) else None)


def check_archive(path: Path) -> None:
    """Make sure that a file is an archive and, where that can be seen at once, that it is whole.

    Raises:
        DataError: it is not.
    """
    kind = archive_kind(path)
    if kind is None:
        raise _no_archive(path)
    if kind == "zip":
        try:
            with path.open("rb") as file:
                find_listing(file)
        except zipfile.BadZipFile as error:
            raise _damaged(path, error) from error


def extract(
    archive: Path, target: Path, *, limits: ArchiveLimits = ArchiveLimits(), progress: Progress = SILENT
) -> Path:
    """Unpack `archive` into the new folder `target` and return that.

    Raises:
        UnsafeArchive: a member is no plain file or folder, would leave the folder, collides with another, or is
            beyond `limits`; nothing is left behind.
        DataError: the file is no archive, or a damaged one.
        StorageError: the disk refused, or `target` holds something already.
    """
    kind = archive_kind(archive)
    if kind is None:
        raise _no_archive(archive)
    packed = archive.stat().st_size
    with (
        new_folder(target) as folder,
        archive.open("rb") as file,
        progress.stage(f"Unpacking {archive.name}", packed, "bytes") as step,
    ):
        unpacking = _Unpacking(archive, folder, limits, step)
        try:
            unpacking.unzip(file) if kind == "zip" else unpacking.untar(file, _STREAMS.get(kind))
        except _DAMAGE as error:
            raise _damaged(archive, error) from error
        except OSError as error:
            if error.errno is None:  # how bz2 says that the data is wrong; the disk always has a number
                raise _damaged(archive, error) from error
            raise
    return target


class _Unpacking:
    """Writes the members of one archive into one folder."""

    def __init__(self, archive: Path, folder: Path, limits: ArchiveLimits, step: Step) -> None:
        self._archive = archive
        self._folder = folder
        self._limits = limits
        self._step = step
        self._names = MemberNames(archive, limits)
        self._counter = ByteCounter(archive, limits, archive.stat().st_size)
        self._made: set[tuple[str, ...]] = {()}

    def unzip(self, file: BinaryIO) -> None:
        """Write every member of a zip; all names are admitted before the first is written."""
        listing_start, count = _counted_listing(self._archive, file, self._limits)
        with zipfile.ZipFile(file) as whole:
            members = trusted_members(self._archive, whole, listing_start, count)
            for member, parts in [(member, self._admitted(member)) for member in members]:
                if _is_folder(member):
                    self._make_folder(parts)
                else:
                    self._write_zipped(whole, member, parts)
                self._step.advance(member.compress_size)

    def untar(self, file: BinaryIO, fresh: Callable[[], Decompressor] | None) -> None:
        """Write the members of a tar in their order."""
        stream = TarStream(self._archive, file, fresh, self._counter, self._limits)
        with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as whole:
            reported = 0
            while (member := whole.next()) is not None:
                whole.members.clear()  # type: ignore[attr-defined]  # else it keeps half a million of them
                self._write_tarred(stream, member)
                self._step.advance(file.tell() - reported)
                reported = file.tell()
        if stream.last_read != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it stops before the mark that ends a tar")
        stream.drain()

    def _admitted(self, member: zipfile.ZipInfo) -> tuple[str, ...]:
        """Admit a zip's member by the name zipfile uses and, where that was tidied, by the one in the file too."""
        if member.orig_filename != member.filename:
            MemberNames(self._archive, self._limits).admit(member.orig_filename, folder=_is_folder(member))
        return self._names.admit(_name_in(member), folder=_is_folder(member))

    def _write_zipped(self, whole: zipfile.ZipFile, member: zipfile.ZipInfo, parts: tuple[str, ...]) -> None:
        with whole.open(member) as content:
            written = self._write(parts, iter(lambda: content.read(PIECE_BYTES), b""), member)
        if written != member.file_size:
            raise zipfile.BadZipFile(f"its member {shown(member.filename)} is not as long as it says")

    def _write_tarred(self, stream: TarStream, member: tarfile.TarInfo) -> None:
        if fault := _fault_in_tar(member):
            raise refusal(self._archive, f"Its member {shown(member.name)} {fault}.")
        parts = self._names.admit(member.name, folder=member.isdir())
        if member.isdir():
            self._make_folder(parts)
        else:
            stream.seek(member.offset_data)
            self._write(parts, stream.pieces(member.size), None)

    def _write(self, parts: tuple[str, ...], pieces: Iterable[bytes], zipped: zipfile.ZipInfo | None) -> int:
        """Write one file and return its size; a tar's bytes are counted where they are read, a zip's here."""
        self._make_folder(parts[:-1])
        written = 0
        with self._folder.joinpath(*parts).open("xb") as file:
            for piece in pieces:
                if zipped is not None:
                    written += len(piece)
                    self._counter.add(len(piece))
                    self._counter.check_member(zipped.filename, written, zipped.compress_size)
                file.write(piece)
        return written

    def _make_folder(self, parts: tuple[str, ...]) -> None:
        if parts not in self._made:
            self._folder.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            self._made.add(parts)


def _fault_in_tar(member: tarfile.TarInfo) -> str:
    if member.issym():
        return "is a symbolic link"
    if member.islnk():
        return "is a hard link"
    if member.issparse():
        return "has holes (a sparse file), which are not opened here"
    if not (member.isreg() or member.isdir()):
        return "is a device or pipe, no file"
    return "has a size below zero" if member.size < 0 else ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(tarfile.BLOCKSIZE)
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {path}.", why, "Check that it exists and that you may read it.") from error


def _is_tar_header(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _no_archive(path: Path) -> DataError:
    head = _head(path)
    named = next((name for start, name in _OTHERS if head.startswith(start)), None)
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        named = "web page"
    why = f"It is a {named}." if named else ("It is empty." if not head else "Its content is something else.")
    fix = "Readable are zip, tar, tar.gz, tar.bz2, tar.xz. Or unpack it and give the folder: pawsight train FOLDER"
    return DataError(f"{path.name} is not an archive that can be unpacked.", why, fix)


def _damaged(path: Path, error: Exception) -> DataError:
    why = f"It is damaged or cut short: {error}."
    return DataError(f"{path.name} cannot be unpacked.", why, "Get it again, or give a folder: pawsight train FOLDER")


def _name_in(member: zipfile.ZipInfo) -> str:
    """Return a member's name; macOS writes UTF-8 without its flag, which zipfile reads as code page 437."""
    if member.flag_bits & _UTF_8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Return what `ZipInfo.is_dir` does, which fails on a member without a name, such as one that begins with a NUL."""
    return member.filename.endswith("/")


def find_listing(file: BinaryIO) -> tuple[int, int, int]:
    """Find the table of contents from the end of the file, as zipfile does (PKWARE APPNOTE 6.3.10, 4.3.12 to 4.3.16).

    Returns:
        where it starts, in bytes from the beginning of the file, its size in bytes, and the number of members by the
        zip's own account.

    Raises:
        zipfile.BadZipFile: there is none, so the file is cut short or no zip.
    """
    length = file.seek(0, os.SEEK_END)
    tail_start = max(0, length - _LONGEST_COMMENT - _END.size)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("its table of contents, which comes last, is missing")
    _, _, _, _, count, size, _, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if (wide := _wide_end(file, end)) is not None:
        count, size = wide
        end -= _LOCATOR_64.size + _END_64.size
    if size > end:
        raise zipfile.BadZipFile("its table of contents is larger than the file")
    return end - size, size, count


def trusted_members(archive: Path, whole: zipfile.ZipFile, listing_start: int, count: int) -> list[zipfile.ZipInfo]:
    """Return the members of an opened zip after looking at each.

    Args:
        archive: named in errors.
        whole: the opened zip.
        listing_start: where `find_listing` found the table of contents, in bytes.
        count: the number of members in it.

    Raises:
        UnsafeArchive: one is a link, a device or encrypted, or two share bytes.
        zipfile.BadZipFile: zipfile saw another table of contents.
    """
    members = whole.infolist()
    if len(members) != count:
        raise zipfile.BadZipFile("it has two tables of contents that differ")
    for member in members:
        if fault := _fault(member):
            raise refusal(archive, f"Its member {shown(member.orig_filename)} {fault}.")
    _refuse_overlaps(archive, members, listing_start)
    return members


def _counted_listing(archive: Path, file: BinaryIO, limits: ArchiveLimits) -> tuple[int, int]:
    """Count the members one by one, holding none of them; return where the listing starts, and how many there are.

    Raises:
        UnsafeArchive: there are more than the limit.
        zipfile.BadZipFile: there are not as many as the zip says.
    """
    start, size, count = find_listing(file)
    if count > limits.max_members:
        raise too_many(archive, limits)
    if size > limits.max_listing_bytes:
        raise refusal(archive, f"Its table of contents is longer than {limits.max_listing_bytes:,} bytes.")
    file.seek(start)
    left, entries = size, 0
    while left > 0 and entries <= count:
        entry = file.read(_ENTRY.size)
        if len(entry) < _ENTRY.size or not entry.startswith(b"PK\x01\x02"):
            raise zipfile.BadZipFile("its table of contents is damaged")
        _, name, extra, comment = _ENTRY.unpack(entry)
        file.seek(name + extra + comment, os.SEEK_CUR)
        left -= _ENTRY.size + name + extra + comment
        entries += 1
    if entries != count:
        raise zipfile.BadZipFile("its table of contents does not hold as many members as it says")
    return start, count


def _wide_end(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Return (members, bytes) of the listing from the 64-bit record that ends at `end`, None where there is none."""
    start = end - _LOCATOR_64.size - _END_64.size
    if start < 0:
        return None
    file.seek(start)
    record, locator = file.read(_END_64.size), file.read(_LOCATOR_64.size)
    if not (record.startswith(b"PK\x06\x06") and locator.startswith(b"PK\x06\x07")):
        return None
    fields = _END_64.unpack(record)
    return fields[7], fields[8]


def _fault(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode in _KINDS:
        return f"is {_KINDS[mode]}"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way that is not opened here (zip method {member.compress_type})"
    return ""


def _refuse_overlaps(archive: Path, members: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse members whose packed bytes reach into the next member or into the table of contents.

    Members that share bytes are how a small zip unpacks to terabytes (D. Fifield, "A better zip bomb", WOOT 2019).
    """
    spans = sorted((member.header_offset, member.compress_size, member.orig_filename) for member in members)
    if spans and spans[0][0] < 0:
        raise zipfile.BadZipFile("a member of it lies before its beginning")
    spans.append((end, 0, "the table of contents"))
    for (start, size, name), (next_start, _, next_name) in pairwise(spans):
        if start + _LOCAL_HEADER_BYTES + size > next_start:
            both = f"{shown(name)} and {shown(next_name)}"
            raise refusal(archive, f"Its members {both} share bytes, as in archives made to fill a disk.")


def refusal(archive: Path, why: str) -> UnsafeArchive:
    """Return the error that says `archive` was not unpacked, and `why`."""
    return UnsafeArchive(f"{archive.name} was not unpacked: it is not safe to.", why, _TRUST)


def shown(name: str) -> str:
    """Return a member's name for a message: quoted, control characters escaped, at most 120 characters."""
    quoted = ascii(name) if any(0xD800 <= ord(letter) <= 0xDFFF for letter in name) else repr(name)
    return quoted if len(quoted) <= 120 else quoted[:100] + "..." + quoted[-17:]


class MemberNames:
    """Checks the names of an archive's members; they are compared as some disks do, without regard to case."""

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
        """Return what is wrong with one name by itself, in words that follow it; "" when nothing is."""
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
            raise self._refusal(name, "is in it twice")

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


class ByteCounter:
    """Counts what comes out of one archive.

    Args:
        archive: named in the refusal.
        packed: the size of the archive in bytes.
    """

    def __init__(self, archive: Path, limits: ArchiveLimits, packed: int) -> None:
        self._archive = archive
        self._limits = limits
        self._packed = packed
        self._written = 0

    def add(self, count: int) -> None:
        """Count `count` more unpacked bytes of the whole archive.

        Raises:
            UnsafeArchive: these are too many, or too many for an archive of this size.
        """
        self._written += count
        if self._written > self._limits.max_bytes:
            raise refusal(self._archive, f"Unpacked it is more than {self._limits.max_bytes:,} bytes: the limit.")
        if self._swollen(self._written, self._packed):
            raise refusal(
                self._archive, f"Unpacked it is {self._times()} its own size, as archives made to fill a disk are."
            )

    def check_member(self, name: str, written: int, packed: int) -> None:
        """Refuse a member that has grown to `written` bytes out of `packed`.

        Raises:
            UnsafeArchive: that is more than the ratio allows.
        """
        if self._swollen(written, packed):
            why = f"Its member {shown(name)} is {self._times()} its packed size, as in archives made to fill a disk."
            raise refusal(self._archive, why)

    def _swollen(self, written: int, packed: int) -> bool:
        return written > self._limits.ratio_free_bytes and written > self._limits.max_ratio * packed

    def _times(self) -> str:
        return f"more than {self._limits.max_ratio:g} times"


class Decompressor(Protocol):
    """The interface of bz2's and lzma's decompressors, and of `_Gunzip`."""

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Return whether more can come out only when more goes in."""

    @property
    def unused_data(self) -> bytes:
        """Return what came after the end of the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; without it, all that can come out."""


class _Gunzip:
    """zlib with the interface of bz2 and lzma."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Return whether the stream has ended."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Return whether more can come out only when more goes in."""
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """Return what came after the end of the stream."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; without it, all that can come out."""
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


_STREAMS: dict[Kind, Callable[[], Decompressor]] = {
    "tar.gz": _Gunzip,
    "tar.bz2": bz2.BZ2Decompressor,
    "tar.xz": partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES),
}


class TarStream:
    """The content of a tar as a file for tarfile, read forwards only, every byte of it counted.

    Going backwards is refused, so a tar that lies about its sizes cannot be read in circles.
    """

    def __init__(
        self,
        archive: Path,
        file: BinaryIO,
        fresh: Callable[[], Decompressor] | None,
        counter: ByteCounter,
        limits: ArchiveLimits,
    ) -> None:
        self._archive = archive
        self._limits = limits
        self._source = _plain(file) if fresh is None else _decompressed(file, fresh)
        self._counter = counter
        self._ready = b""  # the last piece out of the source
        self._used = 0  # bytes of it
        self._position = 0
        self.last_read = b""

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._position

    def seek(self, position: int) -> int:
        """Go forwards to `position`."""
        if position < self._position:
            raise tarfile.ReadError("it says that a member lies inside another")
        for _ in self.pieces(position - self._position):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end.

        Raises:
            UnsafeArchive: they are more than a header may have, or written to keep tarfile busy.
        """
        if size > self._limits.max_header_bytes:
            raise refusal(self._archive, f"A header in it is longer than {self._limits.max_header_bytes:,} bytes.")
        taken = b"".join(self._some(size))
        if taken.count(b"hdrcharset=") > 1 or _LONG_NUMBER.search(taken):  # CVE-2024-6232, in Pythons still in use
            raise refusal(self._archive, "A header in it is made to keep its reader busy for hours.")
        self.last_read = taken
        return taken

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield exactly `size` bytes in pieces.

        Raises:
            tarfile.ReadError: the archive ends before.
        """
        end = self._position + size
        yield from self._some(size)
        if self._position < end:
            raise tarfile.ReadError("it ends in the middle of a file")

    def write(self, data: bytes) -> int:
        """Refuse; the interface asks for the method, but an archive is only read."""
        raise tarfile.ReadError("it is open for reading only")

    def close(self) -> None:
        """Leave the file open: the caller closes it."""

    def drain(self) -> None:
        """Read to the end, where the checksums of compressed files are."""
        while self._more():
            pass

    def _some(self, size: int) -> Iterator[bytes]:
        while size > 0 and (self._used < len(self._ready) or self._more()):
            piece = self._ready[self._used : self._used + size]
            self._used += len(piece)
            self._position += len(piece)
            size -= len(piece)
            yield piece

    def _more(self) -> bool:
        self._ready, self._used = next(self._source, b""), 0
        self._counter.add(len(self._ready))
        return bool(self._ready)


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _decompressed(file: BinaryIO, fresh: Callable[[], Decompressor]) -> Iterator[bytes]:
    """Yield the content of every compressed stream in `file`, one after the other, each at most PIECE_BYTES."""
    rest = file.read(PIECE_BYTES)
    while rest:
        stream = fresh()
        piece = stream.decompress(rest, PIECE_BYTES)
        while not stream.eof:
            if piece:
                yield piece
            more = file.read(PIECE_BYTES) if stream.needs_input else b""
            if stream.needs_input and not more:
                raise EOFError("it is cut short")
            piece = stream.decompress(more, PIECE_BYTES)
        if piece:
            yield piece
        rest = _next_stream(stream.unused_data, file)


def _next_stream(rest: bytes, file: BinaryIO) -> bytes:
    """Skip the zeros that may pad a stream; return the start of the next one, b"" at the end."""
    while not rest.strip(b"\0"):
        rest = file.read(PIECE_BYTES)
        if not rest:
            return b""
    return rest.lstrip(b"\0")
