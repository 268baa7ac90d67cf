"""Extraction of good archives, of damaged ones, and of tars and zips that are made to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import DataError, StorageError, UnsafeArchive
from pawsight.data.archive import (
    ArchiveLimits,
    ByteCounter,
    TarStream,
    archive_kind,
    check_archive,
    extract,
    trusted_members,
)

FILES = {"pets/cats/1.jpg": b"cat" * 1000, "pets/dogs/1.jpg": b"dog", "pets/dogs/ä 2.jpg": b""}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]
PACK = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as whole:
        for name, content in files.items():
            whole.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes], kind: str = "tar", **extra: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as whole:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in extra.items():
                setattr(member, attribute, value)
            whole.addfile(member, io.BytesIO(content))
    return PACK[kind](out.getvalue())


def packed(files: dict[str, bytes], kind: str) -> bytes:
    return zipped(files) if kind == "zip" else tarred(files, kind)


def found_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path):
    """A folder of its own, so that what is written outside the target can be seen."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def write(folder: Path, content: bytes) -> Path:
    archive = folder / "pets.bin"
    archive.write_bytes(content)
    return archive


def refused(place: Path, content: bytes, error: type[DataError] = UnsafeArchive, **limits: object) -> str:
    """Try to unpack and return the message; nothing may be left."""
    archive = write(place, content)
    began = time.monotonic()
    with pytest.raises(error) as caught:
        extract(archive, place / "target", limits=ArchiveLimits(**limits))
    assert time.monotonic() - began < 10
    assert [file.name for file in place.iterdir()] == ["pets.bin"]
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_known_by_content_and_unpacked(place, listener, kind):
    archive = write(place, packed(FILES, kind))
    assert archive_kind(archive) == kind
    check_archive(archive)
    assert extract(archive, place / "target", progress=listener) == place / "target"
    assert found_in(place / "target") == FILES
    assert listener.stages == [("Unpacking pets.bin", archive.stat().st_size, "bytes")]
    assert 0 < sum(listener.steps) <= archive.stat().st_size


def test_stored_zips_and_several_streams_in_one_file_are_read(place):
    extract(write(place, zipped(FILES, zipfile.ZIP_STORED)), place / "stored")
    whole = tarred(FILES)
    halves = gzip.compress(whole[:700]) + gzip.compress(whole[700:]) + b"\0" * 100
    extract(write(place, halves), place / "streams")
    assert found_in(place / "stored") == found_in(place / "streams") == FILES


def test_modes_and_times_are_not_applied_and_dots_are_tidied(place):
    extract(write(place, tarred({"./cats//1.jpg": b"x"}, mode=0o6777, mtime=1)), place / "target")
    assert found_in(place / "target") == {"cats/1.jpg": b"x"}
    status = (place / "target/cats/1.jpg").stat()
    assert status.st_mode & 0o7111 == 0
    assert status.st_mtime > 1e9


def test_folders_in_a_tar_are_made_and_its_root_may_be_named(place):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as whole:
        for name in (".", "pets", "pets/empty"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            whole.addfile(member)
        whole.addfile(tarfile.TarInfo("pets/cat.jpg"))
    extract(write(place, out.getvalue()), place / "target")
    assert sorted(file.relative_to(place / "target").as_posix() for file in (place / "target").rglob("*")) == [
        "pets", "pets/cat.jpg", "pets/empty",
    ]  # fmt: skip


def test_a_tar_is_read_forwards_alone(place):
    content = io.BytesIO(bytes(range(100)))
    archive, limits = place / "pets.tar", ArchiveLimits()
    stream = TarStream(archive, content, None, ByteCounter(archive, limits, 100), limits)
    assert stream.read(10) == bytes(range(10))
    assert stream.seek(20) == stream.tell() == 20
    with pytest.raises(tarfile.ReadError, match="a member lies inside another"):
        stream.seek(19)


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "Kätzchen/1.jpg"), ("cp437", "Kätzchen/1.jpg")])
def test_names_without_a_flag_are_utf_8_where_they_can_be(place, encoding, name):
    stored = name.encode(encoding)
    content = zipped({"x" * len(stored): b"1"}, zipfile.ZIP_STORED).replace(b"x" * len(stored), stored)
    extract(write(place, content), place / "target")
    assert found_in(place / "target") == {name: b"1"}


def test_a_name_without_a_flag_that_leads_astray_in_utf_8_is_refused(place):
    stored = "a/\u202e/../../é.jpg".encode()
    content = zipped({"x" * len(stored): b"1"}, zipfile.ZIP_STORED).replace(b"x" * len(stored), stored)
    assert "not safe" in refused(place, content)


def test_archives_inside_stay_files(place):
    inner = zipped({"a/1.jpg": b"x"})
    extract(write(place, zipped({"inner.zip": inner})), place / "target")
    assert found_in(place / "target") == {"inner.zip": inner}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_short_is_refused_wherever_it_is_cut(place, kind):
    whole = packed({name: os.urandom(3000) for name in FILES}, kind)
    last_block = len(whole.rstrip(b"\0")) // 512 * 512 + 512  # a tar goes on with zeros, which mark its end
    for end in (600, len(whole) // 3 + 1, last_block if kind == "tar" else len(whole) - 20):
        assert "cannot be unpacked" in refused(place, whole[:end], DataError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_or_does_no_harm(place, kind):
    whole = bytearray(packed(FILES, kind))
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        whole[at] ^= 0x10
        target = place / f"target{at}"
        try:
            extract(write(place, bytes(whole)), target)
        except DataError:
            assert not target.exists()
        whole[at] ^= 0x10
    assert all(file.is_file() and not file.is_symlink() for file in place.rglob("*") if not file.is_dir())


def test_a_broken_header_in_the_middle_of_a_tar_is_not_taken_for_its_end(place):
    whole = bytearray(tarred(FILES))
    at = whole.index(b"pets/dogs/1.jpg")
    whole[at : at + 4] = b"PETS"
    assert "before the mark that ends a tar" in refused(place, bytes(whole), DataError)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "It is empty."),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "It is a web page."),
        (b"7z\xbc\xaf\x27\x1c" + b"x" * 600, "It is a 7-Zip archive."),
        (b"\xff\xd8\xff" + b"x" * 600, "Its content is something else."),
        (b"\0" * 2000, "Its content is something else."),
    ],
)
def test_what_is_no_archive_is_said_to_be_none(place, content, why):
    what, reason, fix = refused(place, content, DataError).splitlines()
    assert what.startswith("pets.bin is not an archive")
    assert reason == why
    assert "zip, tar, tar.gz, tar.bz2, tar.xz" in fix
    assert "pawsight train FOLDER" in fix
    with pytest.raises(DataError):
        check_archive(place / "pets.bin")


def test_a_zip_without_its_end_fails_the_check_before_it_is_unpacked(place):
    with pytest.raises(DataError, match=r"table of contents.* missing"):
        check_archive(write(place, zipped(FILES)[:-40]))


def test_a_compressed_file_that_is_no_tar_is_refused(place):
    assert "cannot be unpacked" in refused(place, gzip.compress(b"just some text" * 100), DataError)


def test_what_stands_already_is_not_touched(place):
    (place / "target").mkdir()
    (place / "target" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError):
        extract(write(place, zipped(FILES)), place / "target")
    assert found_in(place / "target") == {"mine.txt": b"mine"}


def test_a_missing_archive_is_a_storage_error(place):
    with pytest.raises(StorageError, match="Could not read"):
        extract(place / "none.zip", place / "target")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["../evil.jpg"], "'../evil.jpg' has '..' in its path"),
        (["cats/../../evil.jpg"], "has '..' in its path"),
        (["cats/.. /evil.jpg"], "has '..' in its path"),
        (["/tmp/evil.jpg"], "has an absolute path"),
        (["C:/evil.jpg"], "has an absolute path"),
        (["cats/c:evil.jpg"], "has an absolute path"),
        (["cats\\..\\evil.jpg"], "has a backslash"),
        (["x" * 256], "name longer than 255 bytes"),
        (["é" * 128], "name longer than 255 bytes"),
        (["/".join(["d" * 99] * 11)], "path longer than 1,024 bytes"),
        (["d/" * 33 + "1.jpg"], "lies 33 folders deep; the limit is 32"),
        (["cats/1.jpg", "cats/1.JPG"], "same name as 'cats/1.jpg' but for the case or form"),
        (["Cats/1.jpg", "cats/2.jpg"], "same name as 'Cats' but for the case or form"),
        (["caf\u00e9.jpg", "cafe\u0301.jpg"], "but for the case or form"),
        (["stra\u00dfe.jpg", "STRASSE.jpg"], "but for the case or form"),
        (["cats", "cats/1.jpg"], "needs a folder where 'cats' is a file"),
        (["cats/1.jpg", "cats"], "is a file where another member needs a folder"),
        (["cats/1.jpg", "./cats/1.jpg"], "is in it twice"),
        (["."], "has no name"),
    ],
)
def test_a_name_that_leads_astray_is_refused(place, kind, names, why):
    files = dict.fromkeys(names, b"x")
    what, reason, fix = refused(place, packed(files, kind)).splitlines()
    assert what.startswith("pets.bin ")
    assert reason.startswith("Its member '")
    assert why in reason
    assert fix.endswith("pawsight train FOLDER")


NAMES = st.lists(
    st.lists(
        st.sampled_from(["..", ".", "", "a", "A", "b.jpg", "é", "e\u0301", "C:", "\\", "x" * 250]),
        min_size=1,
        max_size=4,
    )
    .map("/".join)
    .filter(bool),
    min_size=1,
    max_size=5,
    unique=True,
)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=NAMES)
def test_any_list_of_names_is_unpacked_inside_the_target_or_refused(tmp_path_factory, kind, names):
    place = tmp_path_factory.mktemp("names")
    content = packed(dict.fromkeys(names, b"x"), kind)
    try:
        extract(write(place, content), place / "target")
    except UnsafeArchive:
        assert [file.name for file in place.iterdir()] == ["pets.bin"]
    else:
        files = [name for name in names if kind == "tar" or not name.endswith("/")]
        assert len(found_in(place / "target")) == len(files)
        assert {file.name for file in place.iterdir()} == {"pets.bin", "target"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"]),
    rest=st.binary(max_size=300),
)
def test_random_bytes_are_refused(tmp_path_factory, start, rest):
    assert "cannot be unpacked" in refused(tmp_path_factory.mktemp("random"), start + rest, DataError)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "is a symbolic link"),
        (tarfile.LNKTYPE, "is a hard link"),
        (tarfile.CHRTYPE, "is a device or pipe"),
        (tarfile.FIFOTYPE, "is a device or pipe"),
        (b"Z", "is a device or pipe"),
    ],
)
def test_a_tar_member_that_is_no_file_is_refused(place, kind, why):
    content = tarred({"cats/1.jpg": b""}, type=kind, linkname="/etc/passwd")
    assert f"Its member 'cats/1.jpg' {why}" in refused(place, content)


def test_a_sparse_file_is_refused(place):
    sparse = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1", "GNU.sparse.size": "9999999"}
    assert "has holes" in refused(place, tarred({"cats/1.jpg": b"x"}, pax_headers=sparse))


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_that_swells_is_refused_while_it_swells(place, kind):
    content = tarred({"cats/1.jpg": bytes(16 * 2**20)}, kind)
    assert "more than 200 times its own size" in refused(place, content)


def test_bytes_after_the_end_of_a_tar_are_counted_too(place):
    assert "more than 200 times its own size" in refused(place, gzip.compress(tarred(FILES) + bytes(16 * 2**20)))


def test_a_tar_with_too_many_members_is_refused(place):
    files = {f"{number}.jpg": b"" for number in range(30)}
    assert "more than 29 files and folders" in refused(place, tarred(files), max_members=29)


def test_a_tar_beyond_the_limit_of_bytes_is_refused(place):
    assert "more than 2,000 bytes: the limit" in refused(place, tarred(FILES), max_bytes=2000)


def test_an_endless_tar_header_is_refused_before_it_is_read(place):
    for header in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        content = tarred({"cats/1.jpg": bytes(9 * 2**20)}, "tar.gz", type=header)
        assert "longer than 1,048,576 bytes" in refused(place, content)


@pytest.mark.parametrize(
    "payload", [b"1" * 900_000, b"10 a=bcdefg\n" * 80_000, b"0 hdrcharset=" * 70_000], ids=["digits", "many", "charset"]
)
def test_a_header_made_to_keep_the_reader_busy_is_over_soon(place, payload):
    content = tarred({"x": payload}, "tar.gz", type=tarfile.XHDTYPE) + tarred(FILES, "tar.gz")
    began = time.monotonic()
    try:
        extract(write(place, content), place / "target")
    except DataError:
        assert not (place / "target").exists()
    assert time.monotonic() - began < 5


def test_headers_upon_headers_are_refused(place):
    content = b"".join(tarred({"x": b"11 a=bcdefg\n"[:12]}, type=tarfile.XHDTYPE)[:1024] for _ in range(1500))
    assert "cannot be unpacked" in refused(place, gzip.compress(content), DataError)


def test_a_tar_that_leads_back_into_itself_is_refused(place):
    for size in ("-512", "-1024", "-99999999"):
        message = refused(place, tarred(FILES, pax_headers={"size": size}), DataError)
        assert "was not unpacked" in message or "cannot be unpacked" in message


def test_a_terminal_is_not_written_to_by_a_name(place):
    message = refused(place, tarred({"../\x1b[31m\n\r.jpg": b"x"}))
    assert "was not unpacked" in message
    assert "\x1b" not in message
    assert "\r" not in message


def zip_of(
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
        unpack(zip_of({"cats/1.jpg": b"/etc/passwd"}, mode=mode | 0o777))


def test_an_encrypted_member_is_refused_by_name(unpack):
    content = bytearray(zip_of({"cats/1.jpg": b"secret"}))
    for at in (6, content.index(b"PK\1\2") + 8):
        content[at] |= 1
    with pytest.raises(UnsafeArchive, match=r"Its member 'cats/1\.jpg' is encrypted"):
        unpack(bytes(content))


@pytest.mark.parametrize(("method", "number"), [(zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)])
def test_a_method_that_python_unpacks_in_one_go_is_refused(unpack, method, number):
    with pytest.raises(UnsafeArchive, match=f"zip method {number}"):
        unpack(zip_of({"cats/1.jpg": bytes(10**6)}, method=method))


def test_the_same_name_twice_is_refused(unpack):
    content = zip_of({"cats/1.jpg": b"x", "cats/2.jpg": b"y"}).replace(b"cats/2", b"cats/1")
    with pytest.raises(UnsafeArchive, match=r"Its member 'cats/1\.jpg' is in it twice"):
        unpack(content)


def test_a_nul_in_a_name_is_refused(unpack):
    with pytest.raises(UnsafeArchive, match="has a NUL character in its name"):
        unpack(zip_of({"cats/1.jpg_.exe": b"x"}).replace(b"1.jpg_", b"1.jpg\0"))


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
    content = zip_of({"cats/1.jpg": bytes(3000), "cats/2.jpg": bytes(12 * 2**20), "noise": os.urandom(300_000)})
    with pytest.raises(UnsafeArchive, match=r"'cats/2\.jpg' is more than 200 times"):
        unpack(content)


def test_many_small_members_that_swell_together_are_refused(unpack):
    content = zip_of({f"{number}.jpg": bytes(4 * 2**20) for number in range(4)})
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
    assert len(unpack(zip_of(files), max_bytes=1000, max_members=11)) == 10


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
        unpack(zip_of(files), **limits)


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
    whole = zip_of({"cats/1.jpg": b"x"})
    at = whole.index(b"PK\5\6")
    for size in (0, 1, 45, 0xFFFFFF):
        with pytest.raises(DataError):
            unpack(whole[: at + 12] + struct.pack("<L", size) + whole[at + 16 :])


def test_a_second_end_in_the_comment_is_not_taken_for_the_first(unpack):
    inner = zip_of({"evil.jpg": b"evil"})
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(zip_of({"cats/1.jpg": b"x"}, comment=inner[:-1]))
    assert unpack(zip_of({"cats/1.jpg": b"x"}, comment=inner)) == {"evil.jpg": b"evil"}, "as every reader of zips does"


def test_unusual_but_honest_zips_are_read(unpack, tmp_path):
    whole = zip_of({"cats/1.jpg": b"x", "empty/": b""}, comment=b"made by hand")
    assert unpack(whole) == {"cats/1.jpg": b"x"}
    assert Path(tmp_path / "target" / "empty").is_dir()


def test_a_wide_zip_is_read(unpack):
    packed = deflated(b"x")
    body = local(b"cats/1.jpg", packed, 1, zlib.crc32(b"x"))
    listing = entry(b"cats/1.jpg", len(packed), 1, zlib.crc32(b"x"), 0)
    assert unpack(body + listing + wide_end(1, listing, len(body))) == {"cats/1.jpg": b"x"}


def test_an_empty_zip_is_an_empty_folder(unpack):
    assert unpack(zip_of({})) == {}


def test_a_table_of_contents_that_reads_otherwise_the_second_time_is_damaged(tmp_path):
    archive = tmp_path / "pets.zip"
    archive.write_bytes(zip_of({"a.jpg": b"a", "b.jpg": b"b"}))
    with zipfile.ZipFile(archive) as whole, pytest.raises(zipfile.BadZipFile, match="two tables of contents"):
        trusted_members(archive, whole, 0, 3)
