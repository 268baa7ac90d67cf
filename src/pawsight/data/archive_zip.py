"""What a zip says about itself, looked at before it is believed.

Enters: an open zip. Leaves: its members as zipfile lists them, when their number is within the limit, no two share
bytes and each is a plain file or folder. Does not know: what the members hold, where they will be written.

Layout: PKWARE APPNOTE 6.3.10, sections 4.3.12 to 4.3.16. Members that share bytes are how a small zip is made to unpack
to terabytes (D. Fifield, "A better zip bomb", WOOT 2019).
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from pawsight.core.errors import UnsafeArchive
from pawsight.data.archive_names import ArchiveLimits, refusal, shown, too_many

_END = struct.Struct("<4s4H2LH")  # signature, 2 disks, 2 counts, listing size and offset, comment length
_END_64 = struct.Struct("<4sQ2H2L4Q")  # signature, size, 2 versions, 2 disks, 2 counts, listing size and offset
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s24x3H12x")  # signature, lengths of name, extra field and comment
_LOCAL_HEADER_BYTES = 30
_LONGEST_COMMENT = 2**16
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the table of contents of a zip lies."""

    start: int  # bytes from the beginning of the file
    size: int  # bytes
    count: int  # members, by the zip's own account


def find_listing(file: BinaryIO) -> Listing:
    """Find the table of contents from the end of the file, as zipfile does.

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
    return Listing(end - size, size, count)


def trusted_members(archive: Path, whole: zipfile.ZipFile, listing: Listing) -> list[zipfile.ZipInfo]:
    """Return the members of an opened zip after looking at each.

    Raises:
        UnsafeArchive: one is a link, a device or encrypted, or two share bytes.
        zipfile.BadZipFile: zipfile saw another table of contents than `listing`.
    """
    members = whole.infolist()
    if len(members) != listing.count:
        raise zipfile.BadZipFile("it has two tables of contents that differ")
    for member in members:
        if fault := _fault(member):
            raise refusal(archive, f"Its member {shown(member.orig_filename)} {fault}.")
    _refuse_overlaps(archive, members, listing.start)
    return members


def count_listed(archive: Path, file: BinaryIO, limits: ArchiveLimits) -> Listing:
    """Count the members one by one, holding none of them.

    Raises:
        UnsafeArchive: there are more than the limit.
        zipfile.BadZipFile: there are not as many as the zip says.
    """
    listing = find_listing(file)
    if listing.count > limits.max_members:
        raise too_many(archive, limits)
    if listing.size > limits.max_listing_bytes:
        raise refusal(archive, f"Its table of contents is longer than {limits.max_listing_bytes:,} bytes.")
    if _entries(file, listing) != listing.count:
        raise zipfile.BadZipFile("its table of contents does not hold as many members as it says")
    return listing


def _entries(file: BinaryIO, listing: Listing) -> int:
    """Count entries until the listing ends, or until one more than was announced."""
    file.seek(listing.start)
    left, count = listing.size, 0
    while left > 0 and count <= listing.count:
        entry = file.read(_ENTRY.size)
        if len(entry) < _ENTRY.size or not entry.startswith(b"PK\x01\x02"):
            raise zipfile.BadZipFile("its table of contents is damaged")
        _, name, extra, comment = _ENTRY.unpack(entry)
        file.seek(name + extra + comment, os.SEEK_CUR)
        left -= _ENTRY.size + name + extra + comment
        count += 1
    return count


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
    """Refuse members whose packed bytes reach into the next member or into the table of contents."""
    spans = sorted((member.header_offset, member.compress_size, member.orig_filename) for member in members)
    if spans and spans[0][0] < 0:
        raise zipfile.BadZipFile("a member of it lies before its beginning")
    spans.append((end, 0, "the table of contents"))
    for (start, size, name), (next_start, _, next_name) in pairwise(spans):
        if start + _LOCAL_HEADER_BYTES + size > next_start:
            raise _overlap(archive, name, next_name)


def _overlap(archive: Path, name: str, other: str) -> UnsafeArchive:
    return refusal(
        archive, f"Its members {shown(name)} and {shown(other)} share bytes, as in archives made to fill a disk."
    )
