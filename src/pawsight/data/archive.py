"""Safe extraction.

Enters: a zip or tar (plain, gzip, bzip2, xz), recognised by content. Leaves: a folder of plain files under its final
name, or nothing. Does not know: where the archive came from, pictures.

What a member may be called is decided in `archive_names`, how much may come out in `archive_bytes`, what a zip's table
of contents may say in `archive_zip`. Modes, owners and times are not applied; archives inside the archive stay files.
Of zip's methods only the two that everybody writes, stored and deflated, are opened: Python unpacks the others in one
go, however large they are.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from pawsight.core.errors import DataError, StorageError
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import new_folder
from pawsight.data.archive_bytes import PIECE_BYTES, Counter, Decompressor, Unpacked, bunzip2, gunzip, unxz
from pawsight.data.archive_names import ArchiveLimits, MemberNames, refusal, shown
from pawsight.data.archive_zip import count_listed, find_listing, trusted_members

__all__ = ["ArchiveLimits", "Kind", "archive_kind", "check_archive", "extract"]
Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]

_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\0", "tar.xz"),
)
_STREAMS: dict[Kind, Callable[[], Decompressor]] = {"tar.gz": gunzip, "tar.bz2": bunzip2, "tar.xz": unxz}
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


def archive_kind(path: Path) -> Kind | None:
    """Say what kind of archive a file is by its first bytes; None when it is none that can be unpacked.

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
    """One archive on its way into one folder."""

    def __init__(self, archive: Path, folder: Path, limits: ArchiveLimits, step: Step) -> None:
        self._archive = archive
        self._folder = folder
        self._limits = limits
        self._step = step
        self._names = MemberNames(archive, limits)
        self._counter = Counter(archive, limits, archive.stat().st_size)
        self._made: set[tuple[str, ...]] = {()}

    def unzip(self, file: BinaryIO) -> None:
        """Write every member of a zip; all names are admitted before the first is written."""
        listing = count_listed(self._archive, file, self._limits)
        with zipfile.ZipFile(file) as whole:
            members = trusted_members(self._archive, whole, listing)
            for member, parts in [(member, self._admitted(member)) for member in members]:
                if _is_folder(member):
                    self._make_folder(parts)
                else:
                    self._write_zipped(whole, member, parts)
                self._step.advance(member.compress_size)

    def untar(self, file: BinaryIO, fresh: Callable[[], Decompressor] | None) -> None:
        """Write the members of a tar as they come by."""
        stream = Unpacked(self._archive, file, fresh, self._counter, self._limits)
        with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as whole:
            told = 0
            while (member := whole.next()) is not None:
                whole.members.clear()  # type: ignore[attr-defined]  # else it keeps half a million of them
                self._write_tarred(stream, member)
                self._step.advance(file.tell() - told)
                told = file.tell()
        if stream.last_read != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it stops before the mark that ends a tar")
        stream.drain()

    def _admitted(self, member: zipfile.ZipInfo) -> tuple[str, ...]:
        """Admit a zip's member by the name zipfile uses and, where that was tidied, by the one in the file too."""
        if member.orig_filename != member.filename:
            MemberNames(self._archive, self._limits).admit(member.orig_filename, folder=_is_folder(member))
        return self._names.admit(member.filename, folder=_is_folder(member))

    def _write_zipped(self, whole: zipfile.ZipFile, member: zipfile.ZipInfo, parts: tuple[str, ...]) -> None:
        with whole.open(member) as content:
            written = self._write(parts, iter(lambda: content.read(PIECE_BYTES), b""), member)
        if written != member.file_size:
            raise zipfile.BadZipFile(f"its member {shown(member.filename)} is not as long as it says")

    def _write_tarred(self, stream: Unpacked, member: tarfile.TarInfo) -> None:
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


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """As `ZipInfo.is_dir`, which trips over a member without a name, such as one that begins with a zero byte."""
    return member.filename.endswith("/")
