"""The bytes of an archive, counted as they come out.

Enters: compressed files and the content of members. Leaves: the same bytes unpacked, in files of their own, or
UnsafeArchive as soon as they are more than the limits allow. Does not know: names, tables of contents.
"""

from __future__ import annotations

import bz2
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from pawsight.data.archive_names import ArchiveLimits, refusal, shown

PIECE_BYTES = 2**18
_XZ_MEMORY_BYTES = 2**28  # more than `xz -9` asks for
_LONG_NUMBER = re.compile(rb"\d{300}")


class Counter:
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
    """What bz2 and lzma offer, and `_Gunzip` after them."""

    @property
    def eof(self) -> bool:
        """Say whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Say whether more can come out only when more goes in."""

    @property
    def unused_data(self) -> bytes:
        """Return what came after the end of the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; without it, all that can come out."""


class _Gunzip:
    """zlib behind the interface of its two sisters."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Say whether the stream has ended."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Say whether more can come out only when more goes in."""
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """Return what came after the end of the stream."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; without it, all that can come out."""
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


def gunzip() -> Decompressor:
    """Return a decompressor for one gzip stream."""
    return _Gunzip()


def bunzip2() -> Decompressor:
    """Return a decompressor for one bzip2 stream."""
    return bz2.BZ2Decompressor()


def unxz() -> Decompressor:
    """Return a decompressor for one xz stream, of bounded memory."""
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


class Unpacked:
    """A tar as tarfile wants to read it: a file that goes forwards only, every byte of it counted.

    Going backwards is refused, so a tar that lies about its sizes cannot be read in circles.
    """

    def __init__(
        self,
        archive: Path,
        file: BinaryIO,
        fresh: Callable[[], Decompressor] | None,
        counter: Counter,
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
        """Refuse: the interface asks for it, but an archive is only read."""
        raise tarfile.ReadError("it is open for reading only")

    def close(self) -> None:
        """Leave the file to whoever opened it."""

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
