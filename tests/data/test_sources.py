"""What DATA may be, and the errors for what it may not be."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import types
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pawsight.core.errors import BadDataset, DataError, DownloadFailed, StorageError, UnsafeArchive, WrongUsage
from pawsight.data.archive import ArchiveLimits
from pawsight.data.download import DownloadLimits
from pawsight.data.reading import FolderReading
from pawsight.data.sources import NAMED, listed, resolve

from ..conftest import says

FILES = ["pets/cats/1.jpg", "pets/dogs/1.jpg"]


def zipped(names: list[str] = FILES) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as whole:
        for name in names:
            whole.writestr(name, b"x")
    return out.getvalue()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """Put a stand-in for the drawing code in place and record what it is asked for."""
    calls: list[tuple[Path, int]] = []

    def write_sample(target, *, seed, progress):
        calls.append((target, seed))
        (target / "train" / "cats").mkdir(parents=True)
        return target

    module = types.ModuleType("pawsight.sample")
    module.write_sample, module.drawing_digest = write_sample, lambda: "0123456789abcdef" * 4
    monkeypatch.setitem(sys.modules, "pawsight.sample", module)
    return calls


def test_a_folder_is_taken_as_it_is(here, cache):
    (here / "pets").mkdir()
    source = resolve("pets", cache=cache)
    assert (source.kind, source.root, source.name, source.note) == ("folder", Path("pets"), "pets", "")
    assert resolve(Path("pets"), cache=cache) == source
    assert resolve(".", cache=cache).name == "here"
    assert not cache.exists()


def test_a_tilde_is_the_home_folder(here, cache, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    (here / "pets").mkdir()
    assert resolve("~/pets", cache=cache).root == here / "pets"
    with pytest.raises(WrongUsage, match="There is no '~nobody-of-that-name/pets'"):
        resolve("~nobody-of-that-name/pets", cache=cache)


def test_an_archive_is_unpacked_once_and_its_wrapper_left_out(here, cache, listener):
    (here / "pets.tar.gz").write_bytes(zipped([*FILES, "__MACOSX/._x", ".DS_Store"]))
    source = resolve("pets.tar.gz", cache=cache, progress=listener)
    assert (source.kind, source.name) == ("archive", "pets")
    assert source.root.parent == cache / "extracted"
    assert sorted(path.name for path in source.find().root.iterdir()) == ["cats", "dogs"]
    assert source.note == f"Unpacked to {source.root}."
    (source.root / "mark").touch()
    again = resolve(here / "pets.tar.gz", cache=cache)
    assert (again.root / "mark").exists()
    assert again.note == f"Was unpacked before to {source.root}."
    assert os.listdir(here) == ["pets.tar.gz"]


def test_one_class_alone_is_not_taken_for_a_wrapper(here, cache):
    (here / "cats.zip").write_bytes(zipped(["cats/1.jpg", "cats/2.jpg"]))
    assert [path.name for path in resolve("cats.zip", cache=cache).root.iterdir()] == ["cats"]


def test_a_changed_archive_is_unpacked_anew(here, cache):
    roots = set()
    for names in (FILES, FILES[:1]):
        (here / "pets.zip").write_bytes(zipped(names))
        roots.add(resolve("pets.zip", cache=cache).root)
    assert len(roots) == 2


def test_a_refused_archive_leaves_nothing_in_the_cache(here, cache):
    (here / "pets.zip").write_bytes(zipped())
    with pytest.raises(UnsafeArchive):
        resolve("pets.zip", cache=cache, archive_limits=ArchiveLimits(max_members=1))
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_process_that_was_slower_uses_what_the_quicker_one_unpacked(here, cache, monkeypatch):
    def slower(archive, target, **rest):
        (target / "cats").mkdir(parents=True)
        raise StorageError("the folder is there by now")

    (here / "pets.zip").write_bytes(zipped())
    monkeypatch.setattr("pawsight.data.sources.extract", slower)
    assert (resolve("pets.zip", cache=cache).root / "cats").is_dir()


def test_a_url_is_downloaded_once(site, here, cache):
    url = site.page("/files/my%20pets.zip", lambda talk: talk.serve(zipped()))
    source = resolve(url, cache=cache)
    assert (source.kind, source.name) == ("archive", "my_pets")
    assert sorted(path.name for path in source.find().root.iterdir()) == ["cats", "dogs"]
    assert source.note == f"Downloaded from {url}. Unpacked to {source.root}."
    assert resolve(url, cache=cache).root == source.root
    assert len(site.asked) == 1
    (file,) = (path for path in (cache / "downloads").iterdir() if not path.name.startswith("."))
    assert file.name[16:] == "-my_pets.zip"


def test_a_web_page_instead_of_an_archive_is_refused_and_not_kept(site, here, cache):
    url = site.page("/pets.zip", lambda talk: talk.send(b"<html>Please log in</html>"))
    with pytest.raises(DownloadFailed) as caught:
        resolve(url, cache=cache)
    assert "It is a web page." in caught.value.why
    assert "pawsight train sample" in caught.value.fix
    assert [path.suffix for path in (cache / "downloads").iterdir() if path.suffix != ".lock"] == []


def test_a_download_that_cannot_be_unpacked_is_fetched_anew_next_time(site, here, cache):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as whole:
        whole.addfile(tarfile.TarInfo("cats/1.jpg"))
    damaged = out.getvalue()[:700]
    url = site.page("/pets.tar", lambda talk: talk.serve(zipped() if talk.turn else damaged))
    with pytest.raises(DataError, match="cannot be unpacked"):
        resolve(url, cache=cache)
    assert resolve(url, cache=cache).find().root.name == "pets"


def test_a_named_dataset_is_downloaded_from_its_address(site, here, cache):
    url = site.page("/filtered.zip", lambda talk: talk.serve(zipped()))
    named = {"cats-and-dogs": (url, "Two photographs")}
    source = resolve("cats-and-dogs", cache=cache, named=named)
    assert (source.kind, source.name) == ("archive", "cats-and-dogs")
    assert source.note.startswith(f"Two photographs. Downloaded from {url}.")


def test_a_named_dataset_that_cannot_be_had_names_the_alternatives(site, here, cache):
    named = {"cats-and-dogs": (site.url("/gone.zip"), "Two photographs")}
    with pytest.raises(DownloadFailed) as caught:
        resolve("cats-and-dogs", cache=cache, named=named, download_limits=DownloadLimits(tries=1))
    assert "The server answered 404 Not Found." in str(caught.value)
    assert "pawsight train FOLDER" in caught.value.fix
    assert "pawsight train sample" in caught.value.fix


def test_the_exercise_is_among_the_names():
    url, _ = NAMED["cats-and-dogs"]
    address = urlsplit(url)
    assert (address.scheme, address.netloc) == ("https", "storage.googleapis.com")
    assert address.path.split("/") == ["", "mledu-datasets", "cats_and_dogs_filtered.zip"]
    with pytest.raises(TypeError):
        NAMED["more"] = (url, "")


def test_the_sample_is_drawn_once_and_said_to_be_drawings(here, cache, drawn):
    source = resolve("sample", cache=cache)
    assert (source.kind, source.name) == ("sample", "sample")
    assert source.root.parent == cache / "sample"
    assert "drawings of cats and dogs" in source.note
    assert "no photographs" in source.note
    assert resolve("sample", cache=cache) == source
    assert drawn == [(source.root, 0)]


def test_a_folder_called_sample_wins_only_when_written_as_a_place(here, cache, drawn):
    (here / "sample").mkdir()
    assert resolve("sample", cache=cache).kind == "sample"
    assert resolve("sample", cache=cache).note.endswith("to use that, write ./sample")
    for place in ("./sample", "sample/", Path("sample"), str(here / "sample")):
        assert resolve(place, cache=cache).kind == "folder"


def test_a_csv_is_read_and_its_paths_are_its_own(here, cache):
    (here / "lists").mkdir()
    (here / "lists" / "Pets.CSV").write_text("path,label\n1.jpg,cat\n")
    (here / "lists" / "1.jpg").touch()
    source = resolve("lists/Pets.CSV", cache=cache)
    assert (source.kind, source.root, source.name) == ("csv", Path("lists"), "Pets")
    assert [(file.path, file.label) for file in source.find().candidates] == [(Path("lists/1.jpg"), "cat")]
    (here / "bad.csv").write_text("a,b\n")
    with pytest.raises(BadDataset):
        resolve("bad.csv", cache=cache)


def test_a_misspelt_name_is_answered_with_the_nearest_and_with_all_there_is(here, cache):
    (here / "cats-and-docks").mkdir()
    with pytest.raises(WrongUsage) as caught:
        resolve("cats-and-dog", cache=cache)
    assert caught.value.exit_status == 2
    assert "'cats-and-dog'" in caught.value.what
    assert "cats-and-dogs, cats-and-docks" in caught.value.why
    kinds = [line.split()[0] for line in caught.value.fix.splitlines()[1:]]
    assert kinds == ["photos/", "pets.zip", "https://...", "pets.csv", "sample", "cats-and-dogs"]


@pytest.mark.parametrize("data", ["", "nothing/like/it", "a\0b", "x" * 5000, "\0/x"])
def test_what_is_nothing_at_all_is_said_to_be_nothing(here, cache, data):
    with pytest.raises(WrongUsage, match="to use as DATA"):
        resolve(data, cache=cache)


def test_a_place_misspelt_is_answered_with_its_neighbour(here, cache):
    (here / "photos" / "Holidays").mkdir(parents=True)
    with pytest.raises(WrongUsage, match=r"The nearest there is: photos.Holidays\."):
        resolve("photos/holiday", cache=cache)


@pytest.mark.parametrize("url", ["ftp://pets.example/a.zip", "file:///etc/passwd", "s3://bucket/pets.zip"])
def test_other_addresses_are_wrong_usage(here, cache, url):
    with pytest.raises(WrongUsage, match=":// is not fetched"):
        resolve(url, cache=cache)


def test_one_picture_is_no_data(here, cache):
    (here / "cat.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 1000)
    with pytest.raises(WrongUsage) as caught:
        resolve("cat.jpg", cache=cache)
    assert caught.value.what.startswith("cat.jpg ")
    assert "neither an archive nor a .csv" in caught.value.why
    assert "pawsight predict RUN cat.jpg" in caught.value.fix
    assert "DATA may be:\n" in caught.value.fix


def test_the_command_for_a_picture_can_be_typed_whatever_the_picture_is_called(here, cache):
    (here / "my cat.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 1000)
    with pytest.raises(WrongUsage) as caught:
        resolve("my cat.jpg", cache=cache)
    assert "pawsight predict RUN 'my cat.jpg'" in caught.value.fix


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on this system")
def test_a_pipe_is_not_waited_for(here, cache):
    os.mkfifo(here / "pipe")
    with pytest.raises(WrongUsage, match="neither a file nor a folder"):
        resolve("pipe", cache=cache)


def test_drawings_that_another_process_has_made_meanwhile_are_taken(tmp_path, monkeypatch):
    from pawsight import sample

    def too_late(target, **_):
        target.mkdir(parents=True)
        raise StorageError("Could not write the sample.", "The folder is not empty.", "")

    monkeypatch.setattr(sample, "write_sample", too_late)
    source = resolve("sample", cache=tmp_path)
    assert source.kind == "sample"
    assert source.root.is_dir()


def test_drawings_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    from pawsight import sample

    def refuse(target, **_):
        raise StorageError("Could not write the sample.", "The disk is full.", "")

    monkeypatch.setattr(sample, "write_sample", refuse)
    with pytest.raises(StorageError, match="The disk is full"):
        resolve("sample", cache=tmp_path)


# How folders are read


def test_the_reading_goes_with_the_source_and_an_archive_is_read_as_a_folder(here, cache):
    names = ["pets/animals/cats/1.jpg", "pets/animals/dogs/1.jpg", "pets/plants/trees/1.jpg", "pets/README.md"]
    (here / "pets.zip").write_bytes(zipped(names))
    assert resolve("pets.zip", cache=cache).find().folders == ("animals", "plants")
    source = resolve("pets.zip", cache=cache, reading=FolderReading(class_depth=2))
    assert source.find().folders == ("cats", "dogs", "trees")
    assert source.find().data == "pets.zip"


def test_what_was_decided_is_said_once_and_the_files_are_listed_once(here, cache, listener, monkeypatch):
    for name in ("pets/cats/old/1.jpg", "pets/dogs/1.jpg", "pets/2.jpg"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()
    source = listed(resolve("pets", cache=cache), listener)
    assert [line.split()[0] for line in listener.lines] == ["WARNING", "Note"]
    monkeypatch.setattr("pawsight.data.sources.find", None)
    assert source.find().folders == ("cats", "dogs")


def test_options_for_folders_are_refused_for_a_table(here, cache):
    (here / "pets.csv").write_text("path,label\na.jpg,cat\nb.jpg,dog\n")
    for name in ("a.jpg", "b.jpg"):
        (here / name).touch()
    with pytest.raises(WrongUsage) as caught:
        resolve("pets.csv", cache=cache, reading=FolderReading(class_depth=2))
    assert says(caught.value, "--class-depth 2", "pets.csv")


@pytest.mark.parametrize("name", ["labels.xlsx", "x.npz", "pets.rar", "pets.7z"])
def test_files_of_other_programs_are_refused_by_name_though_some_are_zip_files(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("xl/media/image1.png", b"x")
    with pytest.raises(WrongUsage, match=rf"{name} cannot be used as DATA") as caught:
        resolve(tmp_path / name, cache=tmp_path / "cache")
    assert says(caught.value.why, "not read")
    assert not (tmp_path / "cache").exists()
