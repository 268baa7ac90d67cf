"""Reading folders: every file is a candidate or left out with a reason, and classes are full folder names."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from pawsight.data.folders import Found, LeftOut, expand, find

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are a Linux matter")


def make(root: Path, *names: str) -> Path:
    """Make empty files, and a folder for each name that ends with a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def labelled(found: Found) -> dict[str, tuple[str | None, str]]:
    return {candidate.name: (candidate.part, candidate.label) for candidate in found.candidates}


def left_out(found: Found) -> dict[str, str]:
    return {file.name: file.reason for file in found.left_out}


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    found = find(make(tmp_path, "dogs/1.jpg", "cats/2.jpg", "cats/1.jpg"))
    assert labelled(found) == {"cats/1.jpg": (None, "cats"), "cats/2.jpg": (None, "cats"), "dogs/1.jpg": (None, "dogs")}
    assert [candidate.name for candidate in found.candidates] == ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"]
    assert (found.root, found.folders, found.left_out, found.loose) == (tmp_path, ("cats", "dogs"), (), ())
    assert found.candidates[0].path == tmp_path / "cats" / "1.jpg"


def test_folders_of_the_same_name_in_different_places_are_different_classes(tmp_path: Path) -> None:
    found = find(make(tmp_path, "a/cat/1.jpg", "b/cat/1.jpg", "b/cat/old/1.jpg"))
    assert found.folders == ("a/cat", "b/cat", "b/cat/old")


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "validation", "test"), ("train", "validation", "test")),
        (("train", "validation"), ("train", "validation")),
        (("train", "test"), ("train", "test")),
        (("Training", "VAL"), ("train", "validation")),
        (("train", "valid", "testing"), ("train", "validation", "test")),
    ],
)
def test_parts_have_customary_names(names: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path) -> None:
    found = find(make(tmp_path, *[f"{name}/cats/1.jpg" for name in names], *[f"{name}/a/dog/1.jpg" for name in names]))
    assert labelled(found) == {
        f"{name}/{label}/1.jpg": (part, label)
        for name, part in zip(names, parts, strict=True)
        for label in ("cats", "a/dog")
    }
    assert found.folders == ("a/dog", "cats")


@pytest.mark.parametrize("names", [("train", "dogs"), ("test", "validation"), ("trains", "validation"), ("train",)])
def test_without_train_and_another_part_the_names_are_classes(names: tuple[str, ...], tmp_path: Path) -> None:
    found = find(make(tmp_path, *[f"{name}/1.jpg" for name in names]))
    assert labelled(found) == {f"{name}/1.jpg": (None, name) for name in names}


def test_a_lone_part_with_class_folders_in_it_is_a_part(tmp_path: Path) -> None:
    found = find(make(tmp_path, "test/cats/1.jpg", "test/dogs/1.jpg"))
    assert labelled(found) == {"test/cats/1.jpg": ("test", "cats"), "test/dogs/1.jpg": ("test", "dogs")}


def test_beside_parts_everything_else_is_left_out(tmp_path: Path) -> None:
    found = find(make(tmp_path, "train/a/1.jpg", "test/a/1.jpg", "README.md", "extra/a/2.jpg"))
    assert left_out(found) == {"README.md": "outside test, train", "extra/a/2.jpg": "outside test, train"}
    assert len(found.candidates) == 2
    assert found.loose == ()


def test_files_where_class_folders_should_be_are_loose(tmp_path: Path) -> None:
    assert find(make(tmp_path / "plain", "1.jpg", "cats/1.jpg")).loose == ("1.jpg",)
    assert find(make(tmp_path / "parts", "train/1.jpg", "train/a/1.jpg", "val/a/1.jpg")).loose == ("train/1.jpg",)


@pytest.mark.parametrize("wrapper", ["pets/", "a/b/c/", "pets-1.0 (copy)/"])
def test_a_folder_that_only_wraps_others_is_entered(wrapper: str, tmp_path: Path) -> None:
    names = [f"{wrapper}{name}" for name in ("cats/1.jpg", "dogs/1.jpg")]
    found = find(make(tmp_path, *names, "__MACOSX/pets/._1.jpg", ".DS_Store"))
    assert found.root == tmp_path / wrapper
    assert labelled(found) == {"cats/1.jpg": (None, "cats"), "dogs/1.jpg": (None, "dogs")}


def test_parts_inside_a_wrapper_are_parts(tmp_path: Path) -> None:
    found = find(make(tmp_path, "pets/train/cats/1.jpg", "pets/validation/cats/2.jpg"))
    assert {candidate.part for candidate in found.candidates} == {"train", "validation"}


def test_a_single_class_or_part_is_not_taken_for_a_wrapper(tmp_path: Path) -> None:
    assert find(make(tmp_path / "one", "cats/1.jpg")).folders == ("cats",)
    assert find(make(tmp_path / "two", "train/cats/1.jpg", "train/dogs/1.jpg")).folders == ("cats", "dogs")
    assert find(make(tmp_path / "three", "pets/a/1.jpg", "1.jpg")).folders == ("pets/a",)


def test_hidden_files_and_folders_are_left_out_by_name(tmp_path: Path) -> None:
    found = find(
        make(
            tmp_path,
            "cats/1.jpg",
            "cats/.DS_Store",
            "cats/Thumbs.db",
            "dogs/1.jpg",
            "dogs/.cache/2.jpg",
            "__MACOSX/cats/._1.jpg",
            "desktop.ini",
            ".git/config",
        )
    )
    assert [candidate.name for candidate in found.candidates] == ["cats/1.jpg", "dogs/1.jpg"]
    assert set(left_out(found).values()) == {"hidden"}
    assert sorted(left_out(found)) == [
        ".git", "__MACOSX", "cats/.DS_Store", "cats/Thumbs.db", "desktop.ini", "dogs/.cache",
    ]  # fmt: skip
    assert found.loose == ()


def test_every_file_is_somewhere_whatever_it_is_called(tmp_path: Path) -> None:
    found = find(make(tmp_path, "cats/1.jpg", "cats/notes.txt", "cats/no suffix", "dogs/1.CR2"))
    assert len(found.candidates) == 4


def test_an_empty_folder_is_a_class_without_candidates(tmp_path: Path) -> None:
    found = find(make(tmp_path, "birds/", "cats/1.jpg", "dogs/.DS_Store", "fish/.hidden/1.jpg"))
    assert found.folders == ("birds", "cats", "dogs", "fish")
    assert [candidate.label for candidate in found.candidates] == ["cats"]


def test_an_empty_folder_that_is_called_like_a_picture_is_no_class(tmp_path: Path) -> None:
    found = find(make(tmp_path, "cats/1.jpg", "cats/2.JPG/", "dogs/1.jpg", "dogs/2.png/1.jpg"))
    assert left_out(found) == {"cats/2.JPG": "an empty folder"}
    assert found.folders == ("cats", "dogs", "dogs/2.png")


def test_an_empty_root_has_nothing(tmp_path: Path) -> None:
    found = find(tmp_path)
    assert (found.candidates, found.left_out, found.loose, found.folders) == ((), (), (), ())


def test_an_empty_part_is_no_class(tmp_path: Path) -> None:
    found = find(make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "validation/a/1.jpg", "validation/b/1.jpg", "test/"))
    assert found.folders == ("a", "b")


def test_a_folder_that_cannot_be_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "cats/1.jpg", "dogs/1.jpg", "secret/1.jpg")
    scandir = os.scandir

    def forbidding(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    assert left_out(find(tmp_path)) == {"secret": "permission denied"}


def test_a_root_that_is_gone_is_left_out_itself(tmp_path: Path) -> None:
    assert find(tmp_path / "gone").left_out == (LeftOut(".", "no such file or directory"),)


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/1.jpg", "data/dogs/1.jpg")
    (tmp_path / "data" / "cats").symlink_to(tmp_path / "elsewhere")
    found = find(tmp_path / "data")
    assert labelled(found) == {"cats/1.jpg": (None, "cats"), "dogs/1.jpg": (None, "dogs")}


def test_no_folder_is_listed_twice_and_its_own_name_counts(tmp_path: Path) -> None:
    make(tmp_path, "cats/1.jpg", "dogs/1.jpg")
    (tmp_path / "also cats").symlink_to("cats")
    found = find(tmp_path)
    assert [candidate.name for candidate in found.candidates] == ["cats/1.jpg", "dogs/1.jpg"]
    assert left_out(found).keys() == {"also cats"}
    assert left_out(found)["also cats"].startswith("a link to a folder")


@pytest.mark.parametrize("target", [".", "..", "../..", "back"])
def test_links_that_lead_round_in_a_circle_end(target: str, tmp_path: Path) -> None:
    make(tmp_path, "data/cats/1.jpg", "data/dogs/1.jpg")
    (tmp_path / "data" / "cats" / "back").symlink_to(target)
    found = find(tmp_path / "data")
    assert [candidate.name for candidate in found.candidates if "back" not in candidate.name] == [
        "cats/1.jpg",
        "dogs/1.jpg",
    ]
    assert len(found.candidates) + len(found.left_out) == 3


def test_a_folder_of_nothing_but_a_link_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    found = find(tmp_path)
    assert found.root == tmp_path
    assert found.candidates == ()


def test_a_link_to_nowhere_stays_a_candidate_until_it_is_read(tmp_path: Path) -> None:
    make(tmp_path, "cats/1.jpg", "dogs/1.jpg")
    (tmp_path / "cats" / "2.jpg").symlink_to("nowhere")
    assert [candidate.name for candidate in find(tmp_path).candidates] == ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg"]


def test_composed_and_decomposed_names_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Kätzchen") for form in ("NFC", "NFD"))
    found = find(make(tmp_path, f"{composed}/1.jpg", f"{decomposed}/2.jpg", "dogs/1.jpg"))
    assert found.folders == (composed, "dogs") or found.folders == ("dogs", composed)
    assert {candidate.label for candidate in found.candidates} == {composed, "dogs"}
    assert all(candidate.path.exists() for candidate in found.candidates)


@pytest.mark.parametrize(
    "label", ["猫", "🐈 of mine", "with, comma", "with 'quotes\"", " leading space", "line\nbreak"]
)
def test_any_name_that_a_disk_allows_is_a_class(label: str, tmp_path: Path) -> None:
    found = find(make(tmp_path, f"{label}/photo 1 😀.jpg", "dogs/1.jpg"))
    assert label in found.folders
    assert f"{label}/photo 1 😀.jpg" in labelled(found)


@linux_only
def test_names_that_are_not_utf_8_are_kept_as_they_are(tmp_path: Path) -> None:
    found = find(make(tmp_path, os.fsdecode(b"caf\xe9/\xff.jpg"), "dogs/1.jpg"))
    assert [os.fsencode(candidate.name) for candidate in found.candidates] == [b"caf\xe9/\xff.jpg", b"dogs/1.jpg"]
    assert all(candidate.path.exists() for candidate in found.candidates)
    assert os.fsencode(found.folders[0]) == b"caf\xe9"


def test_upper_case_comes_before_lower_case_in_every_place(tmp_path: Path) -> None:
    found = find(make(tmp_path, "b/1.jpg", "B/1.jpg", "a/2.jpg", "a/10.jpg", "a/B.jpg"))
    names = [candidate.name for candidate in found.candidates]
    assert names == sorted(names)


def test_the_order_does_not_depend_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *[f"{label}/{number}.jpg" for label in ("a", "b", "a/c") for number in range(9)])
    expected = find(tmp_path)
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: reversed(list(scandir(path))))
    assert find(tmp_path) == expected


def test_a_relative_root_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "data/cats/1.jpg", "data/dogs/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert labelled(find(Path("data"))) == labelled(find(tmp_path / "data"))


def test_nothing_is_opened_while_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise AssertionError

    make(tmp_path, "cats/1.jpg", "dogs/1.jpg")
    monkeypatch.setattr("builtins.open", forbid)
    monkeypatch.setattr(Path, "open", forbid)
    assert len(find(tmp_path).candidates) == 2


def test_files_and_folders_are_expanded_in_order(tmp_path: Path) -> None:
    make(tmp_path, "album/b.jpg", "album/a/1.jpg", "album/.hidden/2.jpg", "album/empty/", "one.jpg")
    (tmp_path / "album" / "loop").symlink_to(".")
    paths = [tmp_path / "one.jpg", tmp_path / "album", tmp_path / "gone.jpg"]
    assert [path.relative_to(tmp_path).as_posix() for path in expand(paths)] == [
        "one.jpg",
        "album/a/1.jpg",
        "album/b.jpg",
        "gone.jpg",
    ]
