"""Names become paths: every kind of place gives the same pictures in the same order, lazily."""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.classifier.bundle import read_bundle
from pawsight.core.errors import BadDataset, DownloadFailed, MissingExtra, NoPictures, StorageError, WrongUsage
from pawsight.data.folders import expand
from pawsight.distributed import remote
from pawsight.distributed.answer_folder import Manifest
from pawsight.distributed.path_lists import paths_of
from pawsight.distributed.worker import Worker

from .conftest import says


@pytest.fixture
def memory():
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def as_folder(pictures, memory):
    return [pictures[0].parent]


def as_files(pictures, memory):
    return pictures


def as_csv(pictures, memory):
    place = pictures[0].parent.parent / "list.csv"
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "note"], *([f"pictures/{path.name}", "a, b"] for path in pictures)])
    return [place]


def as_csv_with_semicolons(pictures, memory):
    place = pictures[0].parent / ".list.CSV"
    place.write_text("\ufeffnote;Path\n" + "\n".join(f";{path.name}" for path in pictures) + "\n\n", "utf-8")
    return [place]


def as_parquet(pictures, memory):
    place = pictures[0].parent.parent / "list.parquet"
    pq.write_table(pa.table({"label": ["?"] * len(pictures), "path": list(map(str, pictures))}), place)
    return [place]


def as_file_urls(pictures, memory):
    return [path.as_uri() for path in pictures]


def as_folder_behind_an_address(pictures, memory):
    return [pictures[0].parent.as_uri()]


def as_bucket(pictures, memory):
    for path in pictures:
        memory.pipe(f"/bucket/photos/{path.name}", path.read_bytes())
    memory.pipe("/bucket/photos/.hidden/1.png", b"")
    return ["memory://bucket/photos"]


def as_csv_in_a_bucket(pictures, memory):
    as_bucket(pictures, memory)
    memory.pipe("/bucket/list.csv", ("path\n" + "\n".join(f"photos/{path.name}" for path in pictures)).encode())
    return ["memory://bucket/list.csv"]


def as_parquet_of_addresses(pictures, memory):
    as_bucket(pictures, memory)
    place = pictures[0].parent / ".list.parquet"
    pq.write_table(pa.table({"path": [f"memory://bucket/photos/{path.name}" for path in pictures]}), place)
    return [place]


PLACES = [
    *(as_folder, as_files, as_csv, as_csv_with_semicolons, as_parquet, as_file_urls),
    *(as_folder_behind_an_address, as_bucket, as_csv_in_a_bucket, as_parquet_of_addresses),
]


@pytest.fixture(scope="module")
def worker(colour_bundle):
    return Worker(
        read_bundle(colour_bundle),
        Manifest(bundle="b", paths="p", shard=5, pictures=12, classes=("red", "green", "blue")),
    )


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_kind_of_place_gives_the_same_pictures_and_answers(place, pictures, memory, worker):
    named = list(map(os.fspath, place(pictures, memory)))
    paths = list(paths_of(named))
    assert [path.rpartition("/")[2] for path in paths] == [path.name for path in pictures]
    answered = list(worker.rows(paths))
    assert answered == [
        (sha256, type(answer)(path, *[getattr(answer, name) for name in answer.__slots__[1:]]))
        for path, (sha256, answer) in zip(paths, worker.rows(list(map(str, pictures))), strict=True)
    ]
    assert [answer.label for _, answer in answered] == [path.stem.partition("-")[2] for path in pictures]


def test_a_folder_is_walked_in_the_order_of_predict(tmp_path):
    for name in ["b.png", "a/2.png", "a/b/1.png", "a.png", "a-b.png", "a0.png", ".git/x.png", "c/.x.png", "ä/1.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "0link").symlink_to("a")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "broken").symlink_to("nowhere")
    assert list(paths_of([str(tmp_path)])) == list(map(str, expand([tmp_path])))


NAMES = st.lists(st.lists(st.sampled_from(["a", "b", "a-", "a.", "a0", "Z"]), min_size=1, max_size=3), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_any_tree_is_walked_in_the_order_of_predict(tmp_path, names):
    root = tmp_path / str(len(list(tmp_path.iterdir())))
    for parts in names:
        file = root.joinpath(*parts[:-1], f"{parts[-1]}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    root.mkdir(exist_ok=True)
    assert list(paths_of([str(root)])) == list(map(str, expand([root])))


def test_quotes_around_a_path_are_taken_off_where_no_file_is_called_so(tmp_path):
    (tmp_path / '"b".png').touch()
    (tmp_path / "list.txt").write_text('"a c.png"\r\n"b".png\n"\n')
    listed = list(paths_of([str(tmp_path / "list.txt")]))
    assert listed == [str(tmp_path / name) for name in ("a c.png", '"b".png', '"')]


def test_labels_of_a_list_may_be_lists(tmp_path):
    rows = '{"file_name": "a.jpg", "labels": ["red", "round"]}\n{"file_name": "b.jpg", "labels": []}\n'
    (tmp_path / "labels.jsonl").write_text(rows, encoding="utf-8")
    assert [Path(path).name for path in paths_of([f"@{tmp_path / 'labels.jsonl'}"])] == ["a.jpg", "b.jpg"]


def test_a_list_is_read_no_further_than_asked(tmp_path):
    def lines():
        yield "path"
        yield from (f"{number}.png" for number in range(200_000))
        yield '"'  # would be refused

    place = tmp_path / "list.csv"
    place.write_text("\n".join(lines()))
    first = list(itertools.islice(paths_of([str(place)]), 2))
    assert first == [str(tmp_path / "0.png"), str(tmp_path / "1.png")]


def test_the_folder_of_the_answers_is_no_folder_of_pictures(pictures):
    folder = pictures[0].parent
    (folder / "out").mkdir()
    (folder / "out" / "x.parquet").touch()
    assert len(list(paths_of([str(folder)], without=folder / "out"))) == len(pictures)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"label\ncat\n", "lists no pictures.\nIts columns are 'label'."),
        (b"", "Its columns are none."),
        (b"path,path\n1,2\n", "Its columns are 'path', 'path'."),
        (b"path,label\n1.png,cat\n ,dog\n", "no usable path in row 3.\nIt has ' '."),
        (b'label,path\ncat,"1.png', "Line 2: the quotes do not match"),
        ("path\n1.png".encode("utf-16")[:-1], "no UTF-16 text"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_line(tmp_path, content, told):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(BadDataset) as refusal:
        list(paths_of([str(tmp_path / "list.csv")]))
    assert told in str(refusal.value)
    assert "column called path" in str(refusal.value)


def test_a_parquet_that_is_none_is_refused(tmp_path):
    (tmp_path / "list.parquet").write_bytes(b"no")
    with pytest.raises(BadDataset, match="cannot be read as Parquet"):
        list(paths_of([str(tmp_path / "list.parquet")]))
    pq.write_table(pa.table({"note": ["1.png"]}), tmp_path / "list.parquet")
    with pytest.raises(BadDataset, match="Its columns are 'note'"):
        list(paths_of([str(tmp_path / "list.parquet")]))


def test_what_is_not_there_is_said(tmp_path, memory):
    with pytest.raises(NoPictures, match=r"There is no .*nowhere"):
        list(paths_of([str(tmp_path / "nowhere")]))
    with pytest.raises(DownloadFailed, match="memory://bucket/nowhere"):
        list(paths_of(["memory://bucket/nowhere"]))
    with pytest.raises(WrongUsage, match="input is empty"):
        list(paths_of([""]))
    (tmp_path / "list.csv").touch()
    (tmp_path / "list.csv").chmod(0)
    if os.geteuid():
        with pytest.raises(StorageError, match="Could not read"):
            list(paths_of([str(tmp_path / "list.csv")]))


def test_a_protocol_without_its_package_names_what_to_type(monkeypatch):
    def absent(protocol, **_):
        raise ImportError(f"Install s3fs to access {protocol}")

    monkeypatch.setattr(fsspec, "filesystem", absent)
    with pytest.raises(MissingExtra) as refusal:
        list(paths_of(["s3://bucket/photos"]))
    assert says(refusal.value, "s3://", "pip install s3fs")


@pytest.mark.parametrize("url", ["nosuch://bucket/photos", "simplecache::memory://bucket", "memory::s3://bucket"])
def test_an_address_that_cannot_be_meant_is_refused(url):
    with pytest.raises((WrongUsage, NoPictures)):
        list(paths_of([url]))


def test_ftp_is_refused_before_a_server_is_asked():
    with pytest.raises(WrongUsage, match="ftp://"):
        remote.filesystem("ftp://localhost:1/a.png")


def test_an_address_is_one_address_of_one_protocol():
    for url in ("photos", "simplecache::memory://bucket"):
        with pytest.raises(WrongUsage) as error:
            remote.filesystem(url)
        assert error.value.what == f"{url} is not a URL of pictures."
        assert error.value.fix == "Type for example s3://bucket/photos"


def test_folders_behind_an_address_are_walked_in_order_and_what_is_hidden_is_not(memory):
    for name in ("b/2.png", "b/1.png", "a.png", "b.png", ".hidden/3.png", "b/.hidden.png"):
        memory.pipe(f"/walked/{name}", b"x")
    assert list(remote.below("memory://walked")) == [
        f"memory:///walked/{name}" for name in ("a.png", "b.png", "b/1.png", "b/2.png")
    ]


def test_a_picture_behind_an_address_that_cannot_be_had_is_a_row_with_the_reason(worker, memory, monkeypatch):
    monkeypatch.setattr(remote, "_PAUSE_S", 0.0)
    tries = itertools.count(1)

    def broken(path, start=None, end=None):
        if path == "memory://bucket/flaky.png" and next(tries) > 2:
            return b"not a picture after all, but at last it came"
        raise OSError("The line is dead\nand more")

    monkeypatch.setattr(type(memory), "cat_file", lambda self, path, start=None, end=None: broken(path))
    rows = list(worker.rows(["memory://bucket/dead.png", "memory://bucket/flaky.png"]))
    assert [(sha256 != "", answer.error) for sha256, answer in rows] == [
        (False, "the line is dead"),
        (True, "not a picture"),
    ]


def test_a_file_too_large_behind_an_address_is_not_kept(memory, worker, monkeypatch):
    monkeypatch.setattr(remote, "MAX_FILE_BYTES", 10)
    memory.pipe("/bucket/1.png", b"x" * 11)
    assert [answer.error for _, answer in worker.rows(["memory://bucket/1.png", "memory://bucket/2.png"])] == [
        "too large",
        "no such file or directory",
    ]


def test_a_name_that_is_no_utf8_is_listed(tmp_path):
    name = os.fsdecode(b"\xff.png")
    Path(tmp_path, name).touch()
    assert list(paths_of([str(tmp_path)])) == [str(tmp_path / name)]
