"""Row 8: archives made to write elsewhere, to fill a disk or to keep a reader busy. More of each kind: tests/data."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import time
import zipfile
import zlib

import pytest

from pawsight.core.errors import DataError, StorageError
from pawsight.data.archive import ArchiveLimits, extract

MIB = 2**20


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content), names twice where they are given twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as whole:
        for name, content in members:
            whole.writestr(name, content)
    return out.getvalue()


def tarred(*members, form=tarfile.PAX_FORMAT):
    """A tar of (name, content, attributes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as whole:
        for name, content, attributes in members:
            one = tarfile.TarInfo(name)
            one.size = len(content)
            for attribute, value in attributes.items():
                setattr(one, attribute, value)
            whole.addfile(one, io.BytesIO(content))
    return out.getvalue()


def link(name, to, kind=tarfile.SYMTYPE):
    return name, b"", {"type": kind, "linkname": to}


def written_link(to):
    one = zipfile.ZipInfo("a")
    one.external_attr = 0o120777 << 16
    return one, to


def raw_tar(name=b"a", size=b"00000000000", kind=b"0", prefix=b""):
    """A tar header byte by byte, with its sum made right, and nothing behind but zeros."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108], block[124 : 124 + len(size)], block[156:157] = b"0000644\0", size, kind
    block[257:265], block[345 : 345 + len(prefix)] = b"ustar\x0000", prefix
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


def wide_zip_lie():
    """A zip whose 64-bit field says that a member of nine bytes has 2^62."""
    data = bytearray(zipped(("a.jpg", b"x" * 9), method=zipfile.ZIP_STORED))
    at = data.index(b"PK\1\2")
    name_end = at + 46 + 5
    extra = struct.pack("<HHQQ", 1, 16, 2**62, 2**62)
    data[at + 20 : at + 28] = b"\xff" * 8
    data[at + 30 : at + 32] = struct.pack("<H", len(extra))
    data[name_end:name_end] = extra
    end = data.index(b"PK\5\6")
    size = struct.unpack_from("<I", data, end + 12)[0]
    struct.pack_into("<I", data, end + 12, size + len(extra))
    return bytes(data)


def pax(**records):
    return tarred(
        ("a.jpg", b"x" * 600, {"pax_headers": {key.replace("_", "."): value for key, value in records.items()}})
    )


HOSTILE = {
    "parent in a zip": lambda: zipped(("../out", b"x")),
    "parent in a tar": lambda: tarred(("a/../../out", b"x", {})),
    "absolute in a zip": lambda: zipped(("/tmp/out", b"x")),
    "absolute in a tar": lambda: tarred(("/tmp/out", b"x", {})),
    "drive": lambda: zipped(("C:/out", b"x")),
    "backslash": lambda: zipped(("..\\out", b"x")),
    "link in a zip": lambda: zipped(written_link(b"/etc/passwd")),
    "link in a tar": lambda: tarred(link("a", "/etc/passwd")),
    "link, then a write through it": lambda: tarred(link("a", ".."), ("a/out", b"x", {})),
    "hard link outside": lambda: tarred(link("a", "/etc/passwd", tarfile.LNKTYPE)),
    "chain of hard links": lambda: tarred(
        ("f0", b"x", {}), *(link(f"f{n}", f"f{n - 1}", tarfile.LNKTYPE) for n in range(1, 500))
    ),
    "character device": lambda: tarred(("a", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5})),
    "block device": lambda: tarred(("a", b"", {"type": tarfile.BLKTYPE})),
    "pipe": lambda: tarred(("a", b"", {"type": tarfile.FIFOTYPE})),
    "sparse by GNU": lambda: raw_tar(kind=b"S"),
    "sparse by PAX": lambda: pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize=str(2**50)),
    "sparse map of PAX": lambda: pax(GNU_sparse_map="0,1," * 1000 + "0,1", GNU_sparse_size=str(2**50)),
    "size of PAX": lambda: pax(size=str(2**60)),
    "size of PAX below zero": lambda: pax(size="-5"),
    "path of PAX": lambda: pax(path="../../out"),
    "link by PAX": lambda: tarred(("a", b"", {"type": tarfile.SYMTYPE, "pax_headers": {"linkpath": "/etc"}})),
    "header of two megabytes": lambda: pax(comment="x" * 2 * MIB),
    "size in base 256": lambda: raw_tar(size=b"\x80" + b"\0" * 3 + b"\xff" * 8),
    "size below zero in base 256": lambda: raw_tar(size=b"\xff" * 12),
    "size of nonsense": lambda: raw_tar(size=b"zzzzzzzzzzz"),
    "prefix that leads out": lambda: raw_tar(name=b"out", prefix=b"../.."),
    "long name of nothing": lambda: raw_tar(kind=b"L", size=b"77777777777"),
    "twice in a zip": lambda: zipped(("a", b"1"), ("a", b"2")),
    "twice in a tar": lambda: tarred(("a", b"1", {}), ("a", b"2", {})),
    "case": lambda: zipped(("Cat.jpg", b"1"), ("cat.JPG", b"2")),
    "form of letters": lambda: zipped(("é.jpg", b"1"), ("e\u0301.jpg", b"2")),
    "sharp s": lambda: zipped(("strasse", b"1"), ("straße", b"2")),
    "file, then folder": lambda: zipped(("a", b"1"), ("a/b", b"2")),
    "bomb of one member": lambda: zipped(("a", bytes(60 * MIB))),
    "bomb of many members": lambda: zipped(*((f"{n}", bytes(3 * MIB)) for n in range(20))),
    "bomb in gzip": lambda: zlib.compress(bytes(60 * MIB), 9, wbits=31),
    "bomb in a tar in gzip": lambda: zlib.compress(tarred(("a", bytes(60 * MIB), {})), 9, wbits=31),
    "gzip in a hundred thousand pieces": lambda: zlib.compress(b"", wbits=31) * 100_000,
    "lie in 64 bits": wide_zip_lie,
    "wrong sum": lambda: zipped(("a", b"x" * 99), method=zipfile.ZIP_STORED).replace(b"x" * 99, b"y" * 99),
    "depth": lambda: zipped(("/".join("d" * 40) + "/f", b"x")),
    "long name": lambda: zipped(("n" * 300, b"x")),
    "name of a dot": lambda: tarred((".", b"x", {})),
    "name of nothing": lambda: raw_tar(name=b""),
    "name of nothing in a zip": lambda: zipped(("Aabc.jpg", b"x")).replace(b"Aabc.jpg", b"\0abc.jpg"),
}


def refused(folder, content, **limits):
    """Unpack, be refused within ten seconds, find nothing left; return the most that lay there meanwhile."""
    archive = folder / "pets.bin"
    archive.write_bytes(content)
    began = time.process_time()  # not by the clock, which others on the machine slow down
    with pytest.raises(DataError) as error:
        extract(archive, folder / "target", limits=ArchiveLimits(**limits))
    assert time.process_time() - began < 10
    assert [file.name for file in folder.iterdir()] == ["pets.bin"]
    return error.value


@pytest.mark.parametrize("how", HOSTILE)
def test_nothing_of_it_is_left_and_nothing_lies_outside(tmp_path, how):
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    error = refused(folder, HOSTILE[how]())
    assert error.what.startswith("pets.bin ")
    assert error.why
    assert error.fix
    assert [file.name for file in tmp_path.iterdir()] == ["deep"]
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["deeper"]
    assert not os.path.exists("/tmp/out")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_limits_hold_within_a_mebibyte(tmp_path, monkeypatch, kind):
    """What was written when the limit struck is the limit, to a mebibyte."""
    files = [(f"{n}.jpg", os.urandom(300_000)) for n in range(40)]
    content = zipped(*files) if kind == "zip" else tarred(*((name, data, {}) for name, data in files))
    seen = []
    import pawsight.core.storage as storage

    plain = storage.shutil.rmtree

    def weigh(path, **options):
        seen.append(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
        plain(path, **options)

    monkeypatch.setattr(storage.shutil, "rmtree", weigh)
    refused(tmp_path, content, max_bytes=5 * MIB)
    assert 4 * MIB < seen[0] <= 6 * MIB


def crowd(count):
    """A tar of empty files, the cheapest way to many members."""
    block = bytearray(raw_tar(name=b"00000000.jpg")[:512])
    parts = bytearray()
    for number in range(count):
        block[:8] = b"%08d" % number
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        parts += block
    return bytes(parts) + bytes(1024)


def test_one_member_too_many_is_refused(tmp_path):
    assert "more than 2,000 files and folders" in refused(tmp_path, crowd(2001), max_members=2000).why


@pytest.mark.slow
def test_a_crowd_beyond_the_default_limit_is_refused_within_ten_seconds(tmp_path):
    """What lies behind the first member too many is never read, be it one more or a million."""
    assert "more than 100,000 files and folders" in refused(tmp_path, crowd(100_100)).why


def test_a_zip_of_a_million_members_is_refused_before_one_is_written(tmp_path):
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    listing, start = entry * 1_000_000, 30
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, len(listing), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(listing), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    began = time.process_time()
    error = refused(tmp_path, b"PK\3\4".ljust(start, b"\0") + listing + wide + locator + end)
    assert "more than 100,000 files and folders" in error.why
    assert time.process_time() - began < 2


def test_an_archive_in_an_archive_stays_a_file(tmp_path):
    inner = zipped(("../out", b"x"))
    (tmp_path / "pets.bin").write_bytes(zipped(("inner.zip", inner)))
    extract(tmp_path / "pets.bin", tmp_path / "target")
    assert (tmp_path / "target" / "inner.zip").read_bytes() == inner


def test_a_target_that_is_a_link_is_not_written_through(tmp_path):
    (tmp_path / "pets.bin").write_bytes(zipped(("a", b"x")))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        extract(tmp_path / "pets.bin", tmp_path / "target")
    assert list((tmp_path / "elsewhere").iterdir()) == []
