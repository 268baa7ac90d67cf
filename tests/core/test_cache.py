"""The cache: the same bytes or nothing, whatever happens to the file, for threads, processes and forks."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.core import cache as cache_module
from pawsight.core.cache import Cache
from pawsight.core.errors import DiskFull, StorageError

from ..conftest import says

FIX = "Set PAWSIGHT_CACHE to a folder that is writable, or delete this one: everything in it can be made again."
FILE, PAGE = "entries-1.sqlite", 8192
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def value(number: int, size: int = 300) -> bytes:
    return random.Random(number).randbytes(size)


VALUES = {f"key {number}": value(number) for number in range(40)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[Cache]:
    with Cache(folder) as opened:
        yield opened


@pytest.fixture
def closed(folder: Path) -> Path:
    """The file of a cache that holds VALUES and that nobody has open."""
    with Cache(folder) as cache:
        cache.put_many("facts", VALUES)
    return folder / FILE


def in_a_process(code: str, *arguments: object) -> str:
    """Run code in a Python of its own, which has `Cache` and `folder`, and return what it prints."""
    start = "import sys\nfrom pathlib import Path\nfrom pawsight.core.cache import Cache\nfolder = Path(sys.argv[1])\n"
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(cache_module.__file__).parents[2])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Say whether `work` is true in a fork of this process; a crash is not."""
    child = os.fork()
    if not child:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def test_what_was_put_is_got(cache: Cache) -> None:
    cache.put_many("facts", VALUES)
    assert cache.get_many("facts", VALUES) == VALUES
    assert cache.get_many("facts", iter(["key 3"])) == {"key 3": VALUES["key 3"]}


def test_what_is_missing_is_left_out(cache: Cache) -> None:
    cache.put_many("facts", {"here": b"x"})
    assert cache.get_many("facts", ["here", "gone"]) == {"here": b"x"}
    assert cache.get_many("facts", []) == {}


def test_nothing_and_empty_values_can_be_put(cache: Cache) -> None:
    cache.put_many("facts", {})
    cache.put_many("facts", {"empty": b"", "": b"empty key"})
    assert cache.get_many("facts", ["empty", ""]) == {"empty": b"", "": b"empty key"}


def test_spaces_are_apart(cache: Cache) -> None:
    cache.put_many("facts", {"key": b"fact"})
    cache.put_many("features", {"key": b"feature"})
    assert cache.get_many("facts", ["key"]) == {"key": b"fact"}
    assert cache.get_many("features", ["key"]) == {"key": b"feature"}
    assert cache.get_many("other", ["key"]) == {}


def test_a_later_value_replaces_an_earlier_one(cache: Cache) -> None:
    cache.put_many("facts", {"key": b"old"})
    cache.put_many("facts", {"key": b"new"})
    assert cache.get_many("facts", ["key"]) == {"key": b"new"}


def test_values_are_there_when_the_cache_is_opened_again(closed: Path) -> None:
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES) == VALUES


def test_keys_of_any_length_and_script_are_taken(cache: Cache) -> None:
    keys = {"x" * 5000: b"long", "Käthe 🐈": b"script", "a\0b": b"nul"}
    cache.put_many("facts", keys)
    assert cache.get_many("facts", keys) == keys


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3), st.binary(max_size=200)), max_size=8))
def test_a_cache_behaves_like_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[str, str, bytes]]
) -> None:
    expected: dict[tuple[str, str], bytes] = {}
    with Cache(tmp_path_factory.mktemp("cache")) as cache:
        for space, key, content in puts:
            cache.put_many(space, {key: content})
            expected[space, key] = content
        for space in "ab":
            found = cache.get_many(space, [key for _, key, _ in puts])
            assert found == {key: content for (where, key), content in expected.items() if where == space}


def stored(folder: Path) -> dict[int, bytes]:
    with closing(sqlite3.connect(folder / FILE)) as file:
        return dict(file.execute("SELECT place, content FROM entries"))


def store(folder: Path, entries: dict[int, bytes]) -> None:
    with closing(sqlite3.connect(folder / FILE)) as file, file:
        file.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", entries.items())


def test_a_flipped_bit_reads_as_missing_wherever_it_is(closed: Path) -> None:
    entries = stored(closed.parent)
    for number, (key, content) in enumerate(entries.items()):
        bit = number * 61 % (8 * len(content))
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        entries[key] = bytes(spoilt)
    store(closed.parent, entries)
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES) == {}


def test_swapped_values_read_as_missing(closed: Path) -> None:
    entries = stored(closed.parent)
    first, second = list(entries)[:2]
    store(closed.parent, {first: entries[second], second: entries[first]})
    with Cache(closed.parent) as cache:
        found = cache.get_many("facts", VALUES)
    assert len(found) == len(VALUES) - 2
    assert found.items() <= VALUES.items()


@pytest.mark.parametrize("left", [0, 1, 7, 8, 9, 299, 307])
def test_a_cut_value_reads_as_missing(left: int, closed: Path) -> None:
    store(closed.parent, {key: content[:left] for key, content in stored(closed.parent).items()})
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES) == {}


def test_a_damaged_value_can_be_made_again(closed: Path) -> None:
    store(closed.parent, dict.fromkeys(stored(closed.parent), b"rubbish"))
    with Cache(closed.parent) as cache:
        cache.put_many("facts", VALUES)
        assert cache.get_many("facts", VALUES) == VALUES


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda data: b"this is no cache",
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: random.Random(0).randbytes(len(data)),
    "head alone": lambda data: data[:100],
    "two pages": lambda data: data[: 2 * PAGE],
    "half": lambda data: data[: len(data) // 2],
    "last page gone": lambda data: data[:-PAGE],
    "noise behind the head": lambda data: data[:PAGE] + random.Random(0).randbytes(len(data) - PAGE),
    "zeros behind the head": lambda data: data[:PAGE] + bytes(len(data) - PAGE),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_broken_file_is_left_and_a_fresh_one_begun(how: str, closed: Path) -> None:
    spoilt = SPOILT[how](closed.read_bytes())
    closed.write_bytes(spoilt)
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES).items() <= VALUES.items()
        cache.put_many("facts", VALUES)
        assert cache.get_many("facts", VALUES) == VALUES
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES) == VALUES
    names = {path.name for path in closed.parent.iterdir()}
    assert names in ({FILE}, {FILE, "entries-2.sqlite"})
    assert names == {FILE} or closed.read_bytes() == spoilt


def test_an_empty_file_is_a_cache_with_nothing_in_it(closed: Path) -> None:
    closed.write_bytes(b"")
    with Cache(closed.parent) as cache:
        assert cache.get_many("facts", VALUES) == {}
        cache.put_many("facts", VALUES)
        assert cache.get_many("facts", VALUES) == VALUES


def test_damage_that_shows_when_writing_is_mended_too(closed: Path) -> None:
    data = closed.read_bytes()
    closed.write_bytes(data[:PAGE] + bytes(len(data) - PAGE))
    with Cache(closed.parent) as cache:
        cache.put_many("facts", {"new": b"value"})
        assert cache.get_many("facts", ["new"]) == {"new": b"value"}


def test_only_the_last_damaged_file_is_kept(closed: Path) -> None:
    for number in (1, 2, 3):
        (closed.parent / f"entries-{number}.sqlite").write_bytes(b"no cache at all" * 100)
        Cache(closed.parent).close()
    assert sorted(path.name for path in closed.parent.iterdir()) == ["entries-3.sqlite", "entries-4.sqlite"]


def test_those_who_find_the_same_damage_go_on_in_the_same_file(closed: Path) -> None:
    closed.write_bytes(b"no cache at all" * 1000)
    with Cache(closed.parent) as first, Cache(closed.parent) as second:
        first.put_many("facts", {"one": b"1"})
        second.put_many("facts", {"two": b"2"})
        assert first.get_many("facts", ["one", "two"]) == {"one": b"1", "two": b"2"}
    assert sorted(path.name for path in closed.parent.iterdir()) == [FILE, "entries-2.sqlite"]


def test_a_file_that_does_not_give_back_what_it_takes_is_left(cache: Cache, folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as file, file:
        file.execute("CREATE TRIGGER lose AFTER INSERT ON entries BEGIN DELETE FROM entries; END")
    cache.put_many("facts", VALUES)
    assert cache.get_many("facts", VALUES) == VALUES


@forks
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_spoilt_page_never_gives_a_wrong_value(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with Cache(folder) as cache:
        cache.put_many("facts", VALUES)
    file = folder / FILE
    content = bytearray(file.read_bytes())
    page = data.draw(st.integers(0, len(content) // PAGE - 1))
    content[page * PAGE : (page + 1) * PAGE] = random.Random(data.draw(st.integers(0, 999))).randbytes(PAGE)
    file.write_bytes(content)

    def nothing_wrong_is_read() -> bool:
        with Cache(folder) as cache:
            return cache.get_many("facts", VALUES).items() <= VALUES.items()

    assert in_a_fork(nothing_wrong_is_read)


def test_threads_read_while_another_stores(cache: Cache) -> None:
    known = {f"known {number}": value(number) for number in range(20)}
    cache.put_many("facts", known)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(cache.get_many, "facts", known) for _ in range(400)]
        for number in range(40):
            cache.put_many("features", {f"{number}": value(number, 20_000)})
        assert all(read.result() == known for read in reads)


def test_two_processes_see_what_the_other_stores(cache: Cache, folder: Path) -> None:
    cache.put_many("facts", {"here": b"from the first"})
    code = (
        "with Cache(folder) as cache:\n"
        "    print(cache.get_many('facts', ['here']))\n"
        "    cache.put_many('facts', {'there': b'from the second'})\n"
    )
    assert in_a_process(code, folder) == "{'here': b'from the first'}\n"
    assert cache.get_many("facts", ["there"]) == {"there": b"from the second"}


def test_processes_that_store_at_the_same_time_lose_nothing(folder: Path) -> None:
    code = (
        "with Cache(folder) as cache:\n"
        "    for n in range(40): cache.put_many('facts', {f'{sys.argv[2]} {n}': sys.argv[2].encode() * 50})\n"
    )
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: in_a_process(code, folder, name), "ab"))
    with Cache(folder) as cache:
        assert len(cache.get_many("facts", [f"{name} {n}" for name in "ab" for n in range(40)])) == 80


def test_a_process_that_is_killed_while_storing_leaves_a_whole_cache(folder: Path) -> None:
    code = (
        "import os, signal\n"
        "cache = Cache(folder)\n"
        "cache.put_many('facts', {'kept': b'kept'})\n"
        "class Killer(dict):\n"
        "    def items(self):\n"
        "        yield 'half', b'half'\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "cache.put_many('facts', Killer(half=b'half', rest=b'rest'))\n"
    )
    with pytest.raises(subprocess.CalledProcessError):
        in_a_process(code, folder)
    with Cache(folder) as cache:
        assert cache.get_many("facts", ["kept", "half", "rest"]) == {"kept": b"kept"}
        cache.put_many("facts", {"half": b"whole"})
        assert cache.get_many("facts", ["half"]) == {"half": b"whole"}


@forks
def test_a_forked_child_reads_and_stores_and_the_parent_goes_on(cache: Cache) -> None:
    cache.put_many("facts", VALUES)

    def child() -> bool:
        found = cache.get_many("facts", VALUES) == VALUES
        cache.put_many("facts", {"child": b"was here"})
        cache.close()
        return found

    assert in_a_fork(child)
    assert cache.get_many("facts", ["child", "key 1"]) == {"child": b"was here", "key 1": VALUES["key 1"]}
    cache.put_many("facts", {"parent": b"as well"})
    assert cache.get_many("facts", ["parent"]) == {"parent": b"as well"}


@forks
def test_a_child_that_was_forked_while_a_thread_held_the_lock_does_not_wait_for_it(cache: Cache) -> None:
    cache.put_many("facts", {"key": b"value"})
    with cache._lock:
        assert in_a_fork(lambda: cache.get_many("facts", ["key"]) == {"key": b"value"})


def test_a_write_that_fails_half_way_stores_nothing(cache: Cache) -> None:
    with pytest.raises(TypeError):
        cache.put_many("facts", {"good": b"x", "bad": "no bytes"})  # type: ignore[dict-item]
    assert cache.get_many("facts", ["good", "bad"]) == {}


@pytest.mark.parametrize("call", [lambda item: item.get_many("a", ["b"]), lambda item: item.put_many("a", {"b": b"c"})])
def test_a_closed_cache_says_so(call: Callable[[Cache], object], folder: Path) -> None:
    cache = Cache(folder)
    cache.close()
    cache.close()
    with pytest.raises(StorageError) as caught:
        call(cache)
    assert str(caught.value) == f"The cache in {folder} cannot be used.\nIt was closed.\n{FIX}"


def test_a_file_where_the_folder_should_be_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"mine")
    with pytest.raises(StorageError) as caught:
        Cache(tmp_path / "cache")
    assert caught.value.what == f"The cache in {tmp_path / 'cache'} cannot be used."
    assert "File exists" in caught.value.why
    assert caught.value.fix == FIX
    assert (tmp_path / "cache").read_bytes() == b"mine"


def refusing(cache: Cache, code: int) -> None:
    """Let SQLite fail at every transaction, with one of its codes."""

    class Refusing:
        def __enter__(self) -> None:
            error = sqlite3.OperationalError("it does not work")
            error.sqlite_errorcode = code
            raise error

        def __exit__(self, *_: object) -> None:
            return None

        close = cache._store.close

    cache._store = Refusing()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_full_disk_is_named(code: int, cache: Cache, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(cache, code)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6 - 5, 5))
    with pytest.raises(DiskFull) as caught:
        cache.put_many("facts", {"key": b"value"})
    assert says(caught.value, folder, "13 bytes", "no space left on device", "5 bytes are free")
    assert "\n" not in str(caught.value)


def test_who_can_do_without_is_told_once_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6 - 5, 5))
    told: list[str] = []
    with Cache(folder, refused=told.append) as cache:
        cache.put_many("facts", {"old": b"value"})
        store = cache._store
        refusing(cache, sqlite3.SQLITE_FULL)
        cache.put_many("facts", {"new": b"value"})
        cache._store = store
        cache.put_many("facts", {"new": b"value"})
        assert cache.get_many("facts", ["old", "new"]) == {"old": b"value"}
    assert len(told) == 1
    assert says(told[0], folder, "no space left on device")


def test_who_can_do_without_finds_nothing_where_there_can_be_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"mine")
    told: list[str] = []
    with Cache(tmp_path / "cache", refused=told.append) as cache:
        cache.put_many("facts", {"key": b"value"})
        assert cache.get_many("facts", ["key"]) == {}
    assert len(told) == 1


def test_an_input_output_error_where_there_is_room_is_the_disk_s_own(cache: Cache, folder: Path) -> None:
    refusing(cache, sqlite3.SQLITE_IOERR_WRITE)
    with pytest.raises(StorageError) as caught:
        cache.put_many("facts", {"key": b"value"})
    assert says(caught.value.what, folder)
    assert says(caught.value.why, "it does not work")
    assert caught.value.fix == FIX
