"""Row 5: bits flipped in the cache, entries swapped, files cut, emptied or of something else: made again, same result.

What `Cache` makes of such files is tested in tests/test_cache.py, decoded arrays in tests/training/test_context.py; here
all of training that goes through the cache must not notice.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from cold_workers import Worker, draw, same

FILE, HEAD = "entries-1.sqlite", 100
PAGE = 8192


@pytest.fixture(scope="module")
def worker(tmp_path_factory, colour_backbone):
    place = tmp_path_factory.mktemp("cold")
    (place / "graph.onnx").write_bytes(colour_backbone)
    with Worker(draw(place / "data"), place / "graph.onnx") as worker:
        yield worker


@pytest.fixture(scope="module")
def whole(worker, tmp_path_factory):
    """(what is seen, the cache's file when it is whole)."""
    cache = tmp_path_factory.mktemp("whole")
    first = worker.seen(cache)
    assert first["computed"] == 24
    assert worker.seen(cache) == first | {"computed": 0}
    return first, cache / "cache" / FILE


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path


def is_made_again(worker, whole, cache, **damage):
    """Whether the same is seen with a spoilt file, and soon everything is in the cache again."""
    seen = [worker.seen(cache, whole=str(whole[1]), **damage), worker.seen(cache)]
    return all(same(picture, whole[0]) for picture in seen) and worker.seen(cache) == whole[0] | {"computed": 0}


@pytest.mark.parametrize("count", [16, pytest.param(1_000, marks=pytest.mark.slow)])
def test_flipped_bits_change_nothing(worker, whole, cache, count):
    """Half of them anywhere, half in the heads of pages, where a database says what is where."""
    chance, size = random.Random(count), whole[1].stat().st_size
    for number in range(count):
        anywhere = chance.randrange(8 * size)
        in_a_head = 8 * (chance.randrange(size // PAGE) * PAGE) + chance.randrange(8 * HEAD)
        bit = (anywhere, in_a_head)[number % 2]
        assert is_made_again(worker, whole, cache, flip=bit), bit


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ([0, 99, PAGE], 3),
        pytest.param([0, 1, 15, 16, 99, 100, PAGE - 1, PAGE], 13, marks=pytest.mark.slow),
    ],
    ids=["some", "twenty"],
)
def test_files_that_are_cut_change_nothing(worker, whole, cache, lengths, parts):
    """Around the head of the file and the end of its first page, and at equal parts of it."""
    size = whole[1].stat().st_size
    for length in [*lengths, *(size * part // parts for part in range(1, parts))]:
        assert is_made_again(worker, whole, cache, cut=length), length


def test_swapped_entries_change_nothing(worker, whole, cache):
    worker.seen(cache)
    with closing(sqlite3.connect(cache / "cache" / FILE)) as file, file:
        rows = file.execute("SELECT place, content FROM entries ORDER BY length(content), place").fetchall()
        places = [place for place, _ in rows]
        contents = [content for _, content in rows]
        swapped = zip(places, [*contents[1:], contents[0]], strict=True)
        file.executemany("UPDATE entries SET content = ?2 WHERE place = ?1", swapped)
    assert worker.seen(cache) == whole[0]  # all features were computed again
    assert worker.seen(cache) == whole[0] | {"computed": 0}


def test_entries_of_another_version_are_not_taken(worker, whole, cache):
    """Those that another space has, under the same content, with a digest that is right."""
    from pawsight.core.cache import Cache
    from pawsight.core.storage import sha256_of
    from pawsight.data.facts import FACTS_SPACE

    kind, version = FACTS_SPACE.split("/")[:2]
    pictures = [sha256_of(path.read_bytes()) for path in worker.data.rglob("*.png")]
    with Cache(cache / "cache") as store:
        for space in (f"{kind}/{int(version) - 1}", "features/another network"):
            store.put_many(space, dict.fromkeys(pictures, b"of another version"))
    assert worker.seen(cache) == whole[0]


@pytest.mark.parametrize("content", [b"", bytes(3 * PAGE), random.Random(1).randbytes(3 * PAGE), b"text\n" * 999])
def test_files_of_something_else_change_nothing(worker, whole, cache, content):
    (cache / "cache" / FILE).write_bytes(content)
    assert worker.seen(cache) == whole[0]
    assert worker.seen(cache) == whole[0] | {"computed": 0}


def test_the_cache_of_an_older_version_beside_it_is_left_alone(worker, whole, cache):
    """Until 2026-11-26 it was a file of LMDB."""
    (cache / "cache" / "data.mdb").write_bytes(b"old")
    assert worker.seen(cache) == whole[0]
    assert (cache / "cache" / "data.mdb").read_bytes() == b"old"
