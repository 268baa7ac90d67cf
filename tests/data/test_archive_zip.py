"""Zips that mean harm, made byte by byte."""

from __future__ import annotations

import io
import os
import stat
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from pawsight.core.errors import DataError, UnsafeArchive
from pawsight.data.archive import ArchiveLimits, extract
from pawsight.data.archive_zip import Listing, trusted_members


def zipped(
    files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, mode: int = 0, comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as whole:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            whole.writestr(member, content, method)
        whole.comment = comment
    return out.getvalue()


def local(name: bytes, packed: bytes, size: int, crc: int, *, extra: bytes = b"") -> bytes:
    head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), len(extra))
    return head + name + extra + packed


def entry(name: bytes, packed_size: int, size: int, crc: int, offset: int, *, extra: bytes = b"") -> bytes:
    lengths = (len(name), len(extra), 0)
    fields = (b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, packed_size, size, *lengths, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", *fields) + name + extra


def end(count: int, listing: bytes, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(listing), offset, 0)


def wide_end(count: int, listing: bytes, offset: int) -> bytes:
    """The 64-bit end of a zip, with the record for 32-bit readers that says to look here."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listing), offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + len(listing), 1)
    return record + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)


def deflated(content: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return machine.compress(content) + machine.flush()


@pytest.fixture
def unpack(tmp_path):
    def unpacked(content: bytes, **limits: object) -> dict[str, bytes]:
        """Unpack `content` and return the files, or make sure that nothing is left of them."""
        archive, target = tmp_path / "pets.zip", tmp_path / "target"
        archive.write_bytes(content)
        began = time.monotonic()
        try:
            extract(archive, target, limits=ArchiveLimits(**limits))
        except DataError:
            assert [file.name for file in tmp_path.iterdir()] == ["pets.zip"]
            raise
        finally:
            assert time.monotonic() - began < 10
        return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}

    return unpacked


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (stat.S_IFLNK, "is a symbolic link"),
        (stat.S_IFBLK, "is a device"),
        (stat.S_IFCHR, "is a device"),
        (stat.S_IFIFO, "is a pipe"),
        (stat.S_IFSOCK, "is a socket"),
    ],
)
def test_a_member_that_is_no_file_is_refused(unpack, mode, why):
    with pytest.raises(UnsafeArchive, match=f"Its member 'cats/1.jpg' {why}"):
        unpack(zipped({"cats/1.jpg": b"/etc/passwd"}, mode=mode | 0o777))


def test_an_encrypted_member_is_refused_by_name(unpack):
    content = bytearray(zipped({"cats/1.jpg": b"secret"}))
    for at in (6, content.index(b"PK\1\2") + 8):
        content[at] |= 1
    with pytest.raises(UnsafeArchive, match=r"Its member 'cats/1\.jpg' is encrypted"):
        unpack(bytes(content))


@pytest.mark.parametrize(("method", "number"), [(zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)])
def test_a_method_that_python_unpacks_in_one_go_is_refused(unpack, method, number):
    with pytest.raises(UnsafeArchive, match=f"zip method {number}"):
        unpack(zipped({"cats/1.jpg": bytes(10**6)}, method=method))


def test_the_same_name_twice_is_refused(unpack):
    content = zipped({"cats/1.jpg": b"x", "cats/2.jpg": b"y"}).replace(b"cats/2", b"cats/1")
    with pytest.raises(UnsafeArchive, match=r"Its member 'cats/1\.jpg' is there twice"):
        unpack(content)


def test_a_nul_in_a_name_is_refused(unpack):
    with pytest.raises(UnsafeArchive, match="has a NUL character in its name"):
        unpack(zipped({"cats/1.jpg_.exe": b"x"}).replace(b"1.jpg_", b"1.jpg\0"))


def test_a_second_name_hidden_in_an_extra_field_does_not_lead_out(unpack, tmp_path):
    name, packed = b"cats/1.jpg", deflated(b"x")
    hidden = b"../evil.jpg"
    extra = struct.pack("<2HBL", 0x7075, 5 + len(hidden), 1, zlib.crc32(name)) + hidden
    body = local(name, packed, 1, zlib.crc32(b"x"))
    listing = entry(name, len(packed), 1, zlib.crc32(b"x"), 0, extra=extra)
    try:
        assert unpack(body + listing + end(1, listing, len(body))) == {"cats/1.jpg": b"x"}
    except UnsafeArchive:
        return
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pets.zip", "target"]


def test_a_member_that_swells_is_refused_by_name(unpack):
    content = zipped({"cats/1.jpg": bytes(3000), "cats/2.jpg": bytes(12 * 2**20), "noise": os.urandom(300_000)})
    with pytest.raises(UnsafeArchive, match=r"'cats/2\.jpg' is more than 200 times"):
        unpack(content)


def test_many_small_members_that_swell_together_are_refused(unpack):
    content = zipped({f"{number}.jpg": bytes(4 * 2**20) for number in range(4)})
    with pytest.raises(UnsafeArchive, match="more than 200 times its own size"):
        unpack(content)


def test_what_is_declared_is_not_believed(unpack):
    packed = deflated(bytes(12 * 2**20))
    for declared in (10, 0xFFFFFFF0):
        body = local(b"1.jpg", packed, declared, 0)
        listing = entry(b"1.jpg", len(packed), declared, 0, 0)
        with pytest.raises(DataError):
            unpack(body + listing + end(1, listing, len(body)))


def test_limits_on_bytes_and_members_hold(unpack):
    files = {f"cats/{number}.jpg": bytes(100) for number in range(10)}
    assert len(unpack(zipped(files), max_bytes=1000, max_members=11)) == 10


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"max_bytes": 999}, "more than 999 bytes: the limit"),
        ({"max_members": 10}, "more than 10 files and folders"),
        ({"max_members": 9}, "more than 9 files and folders"),
        ({"max_listing_bytes": 99}, "Its table of contents is longer than 99 bytes"),
    ],
)
def test_one_beyond_a_limit_is_refused(unpack, limits, why):
    files = {f"cats/{number}.jpg": bytes(100) for number in range(10)}
    with pytest.raises(UnsafeArchive, match=why):
        unpack(zipped(files), **limits)


def test_members_that_all_point_at_the_same_bytes_are_refused(unpack):
    packed = deflated(bytes(2**20))
    crc = zlib.crc32(bytes(2**20))
    body = local(b"0", packed, 2**20, crc)
    listing = b"".join(entry(str(n).encode(), len(packed), 2**20, crc, 0) for n in range(1000))
    with pytest.raises(UnsafeArchive, match="Its members '0' and '1' share bytes"):
        unpack(body + listing + end(1000, listing, len(body)))


@pytest.mark.parametrize("quoted_in", ["content", "extra"])
def test_members_that_quote_the_next_member_are_refused(unpack, quoted_in):
    packed = deflated(bytes(2**20))
    body, spans = local(b"z", packed, 2**20, 0), [(b"z", len(packed), 0)]
    for number in range(20):
        name = str(number).encode()
        if quoted_in == "content":
            quote = struct.pack("<BHH", 0, 30, 30 ^ 0xFFFF)
            head = local(name, b"", 0, 0)
            spans = [(known, size, at + len(head) + len(quote)) for known, size, at in spans]
            spans.append((name, len(quote) + len(body), 0))
            body = head + quote + body
        else:
            head = local(name, b"", 0, 0, extra=bytes(40))
            spans = [(known, size, at + len(head)) for known, size, at in spans]
            spans.append((name, len(packed) + len(body), 0))
            body = head + body
    listing = b"".join(entry(name, size, 2**20, 0, at) for name, size, at in spans)
    with pytest.raises(UnsafeArchive, match="share bytes"):
        unpack(body + listing + end(len(spans), listing, len(body)))


def test_a_zip_that_says_it_has_a_million_members_is_refused_unread(unpack):
    listing = entry(b"1.jpg", 0, 0, 0, 0) * 1_000_000
    content = listing + wide_end(1_000_000, listing, 0)
    content = b"PK\3\4" + content
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[1]
        with pytest.raises(UnsafeArchive, match="more than 100,000 files and folders"):
            unpack(content)
        assert tracemalloc.get_traced_memory()[1] - before < 2**21
    finally:
        tracemalloc.stop()


def test_a_zip_that_hides_how_many_members_it_has_is_refused_before_they_are_held(unpack):
    listing = entry(b"1.jpg", 0, 0, 0, 0) * 300_000
    for count in (3, 0):
        with pytest.raises(DataError, match="not hold as many members"):
            unpack(b"PK\3\4" + listing + end(count, listing, 4))


def test_an_end_that_lies_about_where_the_listing_is_is_refused(unpack):
    whole = zipped({"cats/1.jpg": b"x"})
    at = whole.index(b"PK\5\6")
    for size in (0, 1, 45, 0xFFFFFF):
        with pytest.raises(DataError):
            unpack(whole[: at + 12] + struct.pack("<L", size) + whole[at + 16 :])


def test_a_second_end_in_the_comment_is_not_taken_for_the_first(unpack):
    inner = zipped({"evil.jpg": b"evil"})
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(zipped({"cats/1.jpg": b"x"}, comment=inner[:-1]))
    assert unpack(zipped({"cats/1.jpg": b"x"}, comment=inner)) == {"evil.jpg": b"evil"}, "as every reader of zips does"


def test_unusual_but_honest_zips_are_read(unpack, tmp_path):
    whole = zipped({"cats/1.jpg": b"x", "empty/": b""}, comment=b"made by hand")
    assert unpack(whole) == {"cats/1.jpg": b"x"}
    assert Path(tmp_path / "target" / "empty").is_dir()


def test_a_wide_zip_is_read(unpack):
    packed = deflated(b"x")
    body = local(b"cats/1.jpg", packed, 1, zlib.crc32(b"x"))
    listing = entry(b"cats/1.jpg", len(packed), 1, zlib.crc32(b"x"), 0)
    assert unpack(body + listing + wide_end(1, listing, len(body))) == {"cats/1.jpg": b"x"}


def test_an_empty_zip_is_an_empty_folder(unpack):
    assert unpack(zipped({})) == {}


def test_a_table_of_contents_that_reads_otherwise_the_second_time_is_damaged(tmp_path):
    archive = tmp_path / "pets.zip"
    archive.write_bytes(zipped({"a.jpg": b"a", "b.jpg": b"b"}))
    with zipfile.ZipFile(archive) as whole, pytest.raises(zipfile.BadZipFile, match="two tables of contents"):
        trusted_members(archive, whole, Listing(0, 0, 3))
