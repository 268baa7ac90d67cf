"""Reading folders: every file is a candidate or left out with a reason; what a class is, what a part, what neither."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.text import natural
from pawsight.data.archive import extract
from pawsight.data.folders import expand, find
from pawsight.data.found import Found, LeftOut
from pawsight.data.reading import FolderReading

from ..conftest import says

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


def test_the_first_folder_is_the_class_and_what_is_deeper_belongs_to_it(tmp_path: Path) -> None:
    found = find(make(tmp_path, "cats/2023/05/1.jpg", "cats/2.jpg", "dogs/poodle/1.jpg", "dogs/beagle/old/1.jpg"))
    assert labelled(found) == {
        "cats/2.jpg": (None, "cats"),
        "cats/2023/05/1.jpg": (None, "cats"),
        "dogs/beagle/old/1.jpg": (None, "dogs"),
        "dogs/poodle/1.jpg": (None, "dogs"),
    }
    assert len(found.notes) == 1
    assert says(found.notes[0], "--class-depth 2")


def test_the_depth_of_the_class_can_be_given(tmp_path: Path) -> None:
    make(tmp_path, "animals/cats/1.jpg", "animals/cats/old/2.jpg", "plants/trees/1.jpg", "plants/2.jpg", "stones/1.jpg")
    found = find(tmp_path, FolderReading(class_depth=2))
    assert found.folders == ("cats", "stones", "trees")
    assert labelled(found)["animals/cats/old/2.jpg"] == (None, "cats")
    assert left_out(found) == {"plants/2.jpg": "beside the class folders"}
    with pytest.raises(WrongUsage) as caught:
        find(tmp_path, FolderReading(class_depth=4))
    assert says(caught.value, "--class-depth 4", "--class-depth 3")


def test_folders_of_one_name_are_one_class_below_the_first_and_that_is_said(tmp_path: Path) -> None:
    found = find(make(tmp_path, "a/cat/1.jpg", "b/cat/1.jpg", "b/dog/1.jpg"), FolderReading(class_depth=2))
    assert found.folders == ("cat", "dog")
    assert says(found.notes[0], "cat")


def test_classes_are_sorted_with_numbers_as_numbers(tmp_path: Path) -> None:
    found = find(make(tmp_path, *[f"{number}/1.jpg" for number in range(1, 13)]))
    assert found.folders == tuple(map(str, range(1, 13)))


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
    found = find(make(tmp_path, *[f"{name}/cats/1.jpg" for name in names], *[f"{name}/dogs/a/1.jpg" for name in names]))
    assert labelled(found) == {
        f"{name}/{path}/1.jpg": (part, label)
        for name, part in zip(names, parts, strict=True)
        for path, label in (("cats", "cats"), ("dogs/a", "dogs"))
    }
    assert found.folders == ("cats", "dogs")


@pytest.mark.parametrize("names", [("train", "dogs"), ("test", "validation"), ("trains", "validation"), ("train",)])
def test_without_train_and_another_part_the_names_are_classes(names: tuple[str, ...], tmp_path: Path) -> None:
    found = find(make(tmp_path, *[f"{name}/1.jpg" for name in names]))
    assert labelled(found) == {f"{name}/1.jpg": (None, name) for name in names}


def test_a_lone_part_with_class_folders_in_it_is_a_part(tmp_path: Path) -> None:
    found = find(make(tmp_path, "test/cats/1.jpg", "test/dogs/1.jpg"))
    assert labelled(found) == {"test/cats/1.jpg": ("test", "cats"), "test/dogs/1.jpg": ("test", "dogs")}


def test_beside_parts_everything_else_is_left_out(tmp_path: Path) -> None:
    found = find(make(tmp_path, "train/a/1.jpg", "test/a/1.jpg", "README.md", "extra/old/2.jpg"))
    assert left_out(found) == {"README.md": "outside test, train", "extra/old/2.jpg": "outside test, train"}
    assert len(found.candidates) == 2
    assert found.loose == ()
    assert says(found.warnings, "1 picture", "extra", f"pawsight predict runs/latest {tmp_path / 'extra'}")


def test_a_picture_beside_class_folders_is_left_out_with_a_warning_that_counts(tmp_path: Path) -> None:
    plain = find(make(tmp_path / "plain", "1.jpg", "2.jpg", "cats/1.jpg", "dogs/1.jpg"))
    parts = find(make(tmp_path / "parts", "train/1.jpg", "train/a/1.jpg", "val/a/1.jpg"))
    assert left_out(plain) == dict.fromkeys(("1.jpg", "2.jpg"), "beside the class folders")
    assert says(plain.warnings, "2 pictures")
    assert left_out(parts) == {"train/1.jpg": "beside the class folders"}
    assert plain.loose == parts.loose == ()


def test_pictures_without_any_class_folder_are_loose(tmp_path: Path) -> None:
    assert find(make(tmp_path / "flat", "1.jpg", "2.jpg", "notes.txt")).loose == ("1.jpg", "2.jpg")
    assert find(make(tmp_path / "parts", "train/cat.1.jpg", "test1/1.jpg")).loose == ("train/cat.1.jpg",)


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
    assert find(make(tmp_path / "three", "pets/a/1.jpg", "1.jpg")).folders == ("pets",)


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
    assert found.folders == ("cats", "dogs")


def test_an_empty_root_has_nothing(tmp_path: Path) -> None:
    found = find(tmp_path)
    assert (found.candidates, found.left_out, found.loose, found.folders) == ((), (), (), ())


def test_an_empty_part_is_no_class(tmp_path: Path) -> None:
    found = find(make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "validation/a/1.jpg", "validation/b/1.jpg", "test/"))
    assert found.folders == ("a", "b")


@pytest.mark.parametrize("name", ["secret", "val"])
def test_a_class_or_part_that_cannot_be_listed_stops(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = "train/" if name == "val" else ""
    make(tmp_path, f"{above}cats/1.jpg", f"{above}dogs/1.jpg", f"{name}/cats/1.jpg")
    forbid_listing(monkeypatch, name)
    with pytest.raises(BadDataset) as caught:
        find(tmp_path)
    assert says(caught.value, tmp_path / name, "permission denied", f"--ignore /{name}")
    assert find(tmp_path, FolderReading(ignore=(f"/{name}",))).folders == ("cats", "dogs")


def test_a_deeper_folder_that_cannot_be_listed_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "cats/1.jpg", "cats/secret/1.jpg", "dogs/1.jpg")
    forbid_listing(monkeypatch, "secret")
    found = find(tmp_path)
    assert left_out(found) == {"cats/secret": "permission denied"}
    assert says(found.warnings, "cats/secret")


@pytest.mark.parametrize("name", ["val", "birds"])
def test_a_link_to_a_folder_that_is_not_there_stops(name: str, tmp_path: Path) -> None:
    above = "train/" if name == "val" else ""
    make(tmp_path, f"{above}cats/1.jpg", f"{above}dogs/1.jpg")
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(BadDataset) as caught:
        find(tmp_path)
    assert says(caught.value, tmp_path / name)


def forbid_listing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    scandir = os.scandir

    def forbidding(path: str | os.PathLike[str]) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)


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


# Parts


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train_set", "test_set"), ("train", "test")),
        (("train", "eval"), ("train", "validation")),
        (("1_train", "2_val", "3_test"), ("train", "validation", "test")),
        (("train", "validations", "tests"), ("train", "validation", "test")),
        (("train_images", "val_images"), ("train", "validation")),
        (("seg_train", "seg_test"), ("train", "test")),
        (("TRAIN", "Dev-Set", "HoldOut"), ("train", "validation", "test")),
    ],
)
def test_parts_are_known_by_the_names_that_people_give_them(
    names: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path
) -> None:
    found = find(make(tmp_path, *[f"{name}/{label}/1.jpg" for name in names for label in ("cats", "dogs")]))
    assert found.folders == ("cats", "dogs")
    assert {candidate.name.partition("/")[0]: candidate.part for candidate in found.candidates} == dict(
        zip(names, parts, strict=True)
    )


@pytest.mark.parametrize(
    ("names", "typed"),
    [
        (("train_set", "other"), "other=test,train_set=train"),
        (("train", "test", "more"), "more=validation,test=test,train=train"),
        (("fold1", "fold2"), "fold1=train,fold2=test"),
        (("set A", "set B"), "'set A=train,set B=test'"),
    ],
)
def test_folders_with_the_same_classes_that_are_not_all_known_as_parts_are_asked_about(
    names: tuple[str, ...], typed: str, tmp_path: Path
) -> None:
    make(tmp_path, *[f"{name}/{label}/1.jpg" for name in names for label in ("cats", "dogs")])
    with pytest.raises(BadDataset) as caught:
        find(tmp_path, data="photos")
    assert says(caught.value.fix, f"pawsight train photos --parts {typed}", "pawsight train photos --parts none")
    assert find(tmp_path, FolderReading(parts={})).folders == tuple(sorted(names, key=natural))
    answer = dict(pair.split("=") for pair in typed.strip("'").split(","))
    assert find(tmp_path, FolderReading(parts=answer)).folders == ("cats", "dogs")


def test_classes_with_the_same_folders_in_them_are_classes_and_that_is_said(tmp_path: Path) -> None:
    names = [f"{label}/{folder}/1.jpg" for label in ("cats", "dogs") for folder in ("indoors", "outdoors")]
    found = find(make(tmp_path, *names))
    assert found.folders == ("cats", "dogs")
    assert says(found.notes, "indoors, outdoors", "--class-depth 2", "--parts cats=train,dogs=test")
    dated = find(make(tmp_path / "dated", "cats/2023/1.jpg", "dogs/2023/1.jpg"))
    assert says(dated.notes, "2023", "--class-depth 2")
    assert not says(dated.notes, "--parts")


@pytest.mark.parametrize("inner", ["train", "images", "Train_Images"])
def test_a_folder_that_wraps_the_classes_of_a_part_is_none(inner: str, tmp_path: Path) -> None:
    found = find(make(tmp_path, f"train/{inner}/cats/1.jpg", f"train/{inner}/dogs/1.jpg", "test/test/cats/1.jpg"))
    assert found.folders == ("cats", "dogs")
    assert labelled(found)["test/test/cats/1.jpg"] == ("test", "cats")


def test_folders_of_masks_and_of_batches_have_answers_of_their_own(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        make(tmp_path / "masks", *[f"{name}/{label}/1.jpg" for label in ("cats", "dogs")])
        make(tmp_path / "batches", *[f"{name.replace('labels', 'data')}/{label}/1.jpg" for label in ("cats", "dogs")])
    with pytest.raises(BadDataset) as caught:
        find(tmp_path / "masks", data="photos")
    assert says(caught.value.what, "'images'", "'labels'")
    assert says(caught.value.fix, "pawsight train photos --ignore /labels")
    assert find(tmp_path / "masks", FolderReading(ignore=("/labels",))).folders == ("cats", "dogs")
    with pytest.raises(BadDataset) as caught:
        find(tmp_path / "batches", data="photos")
    assert says(caught.value.fix, "--parts none --class-depth 2")
    assert find(tmp_path / "batches", FolderReading(parts={}, class_depth=2)).folders == ("cats", "dogs")


@pytest.mark.parametrize("wrapping", ["", "wrap/"])
def test_what_is_to_be_typed_leaves_out_a_folder_of_any_name(wrapping: str, tmp_path: Path) -> None:
    make(tmp_path, *[f"{wrapping}{label}/1.jpg" for label in ("cats", "dogs", "1")])
    (tmp_path / wrapping / "[1]").symlink_to(tmp_path / "gone")
    with pytest.raises(BadDataset) as caught:
        find(tmp_path, data="photos")
    _, pattern = shlex.split(caught.value.fix)[-2:]
    assert find(tmp_path, FolderReading(ignore=(pattern,))).folders == ("1", "cats", "dogs")


@pytest.mark.parametrize("names", [("test/1.jpg", "test/2.jpg"), ("test/unknown/1.jpg",), ("test/images/1.jpg",)])
def test_an_unlabelled_test_part_is_left_out_and_the_command_that_classifies_it_is_said(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    found = find(make(tmp_path, "train/cats/1.jpg", "train/dogs/1.jpg", *names))
    assert left_out(found) == dict.fromkeys(names, "without a class folder")
    assert {candidate.part for candidate in found.candidates} == {"train"}
    assert says(found.notes, f"pawsight predict runs/latest {tmp_path / 'test'}")


def test_parts_that_are_not_there_are_named(tmp_path: Path) -> None:
    make(tmp_path, "a/cats/1.jpg", "b/cats/1.jpg")
    with pytest.raises(WrongUsage) as caught:
        find(tmp_path, FolderReading(parts={"a": "train", "c": "test"}))
    assert says(caught.value, "'c'", "'a', 'b'")


def test_an_example_for_parts_can_be_typed_whatever_the_folders_are_called(tmp_path: Path) -> None:
    make(tmp_path, "my set/cats/1.jpg", "other/cats/1.jpg")
    with pytest.raises(WrongUsage) as caught:
        find(tmp_path, FolderReading(parts={"c": "test"}))
    assert "--parts 'my set=train,other=test'" in caught.value.fix
    with pytest.raises(WrongUsage) as refused:
        FolderReading(parts={"my set": "training"})
    assert "--parts 'my set=train,other=test'" in refused.value.fix


# What does not belong


def test_what_systems_and_tools_leave_is_no_class(tmp_path: Path) -> None:
    junk = ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__", "@Recycle"]
    names = [f"{folder}/1.jpg" for folder in junk] + [f"cats/{folder}/1.jpg" for folder in junk]
    found = find(make(tmp_path, "cats/1.jpg", "dogs/1.jpg", *names))
    assert found.folders == ("cats", "dogs")
    assert set(left_out(found).values()) == {"hidden"}
    assert len(found.candidates) == 2


def test_files_that_are_no_pictures_beside_class_folders_are_noted(tmp_path: Path) -> None:
    files = ["README", "README.md", "classes.txt", "data.yaml", "labels.csv", "train.ipynb"]
    found = find(make(tmp_path, "cats/1.jpg", "dogs/1.jpg", "annotations/1.xml", "annotations/2.xml", *files))
    assert found.folders == ("cats", "dogs")
    assert left_out(found).keys() == {*files, "annotations/1.xml", "annotations/2.xml"}
    assert found.warnings == ()
    assert says(found.notes, "README.md", "annotations", f"pawsight train {tmp_path / 'labels.csv'}")


def test_what_pawsight_wrote_is_no_class(tmp_path: Path) -> None:
    run, bundle, export = (
        ["source.json", "splits.csv", "page.png"],
        ["bundle.json", "1.png"],
        ["pawsight.json", "1.png"],
    )
    make(tmp_path, "cats/1.jpg", "dogs/1.jpg", *[f"pets/001/{name}" for name in run])
    make(tmp_path, *[f"mine/{name}" for name in bundle], *[f"cats/web/{name}" for name in export])
    make(tmp_path, "sheets/.pawsight", "sheets/grid.png")
    found = find(tmp_path)
    assert found.folders == ("cats", "dogs")
    assert left_out(found) == dict.fromkeys(("cats/web", "mine", "pets/001", "sheets"), "written by Pawsight")
    assert find(tmp_path / "sheets").loose == ("grid.png",)


@pytest.mark.parametrize("name", ["runs", "explained"])
def test_a_folder_named_as_those_of_pawsight_is_no_class_and_that_is_said(name: str, tmp_path: Path) -> None:
    found = find(make(tmp_path, "cats/1.jpg", "dogs/1.jpg", f"{name}/1.jpg"))
    assert found.folders == ("cats", "dogs")
    assert says(found.notes, name)
    assert f"cats/{name}/1.jpg" in labelled(find(make(tmp_path, f"cats/{name}/1.jpg")))


def test_patterns_leave_out_files_and_folders(tmp_path: Path) -> None:
    names = ["cats/1.JPG", "cats/1_mask.png", "cats/masks/1.png", "dogs/1.jpg", "dogs/old/1.jpg", "old/1.jpg"]
    make(tmp_path, *names)
    found = find(tmp_path, FolderReading(ignore=("*_mask.png", "masks", "/old")))
    assert sorted(labelled(found)) == ["cats/1.JPG", "dogs/1.jpg", "dogs/old/1.jpg"]
    assert set(left_out(found).values()) == {"ignored"}
    only = find(tmp_path, FolderReading(only=("*.jpg",)))
    assert sorted(labelled(only)) == ["cats/1.JPG", "dogs/1.jpg", "dogs/old/1.jpg", "old/1.jpg"]
    assert left_out(only) == dict.fromkeys(("cats/1_mask.png", "cats/masks/1.png"), "not among --only")


def test_a_class_of_which_only_leaves_nothing_stays_a_class(tmp_path: Path) -> None:
    found = find(make(tmp_path, "cats/1.jpg", "dogs/1.png"), FolderReading(only=("*.jpg",)))
    assert found.folders == ("cats", "dogs")
    assert len(found.candidates) == 1


def test_a_file_of_patterns_holds_for_the_folder_it_lies_in(tmp_path: Path) -> None:
    make(tmp_path, "cats/1.jpg", "cats/bad/1.jpg", "dogs/1.jpg", "dogs/bad/1.jpg", "sketches/1.jpg")
    (tmp_path / ".pawsightignore").write_text("# remarks\n\nsketches/\n", encoding="utf-8")
    (tmp_path / "cats" / ".pawsightignore").write_text("bad\n", encoding="utf-8")
    assert sorted(labelled(find(tmp_path))) == ["cats/1.jpg", "dogs/1.jpg", "dogs/bad/1.jpg"]
    (tmp_path / ".pawsightignore").write_text("!cats\n", encoding="utf-8")
    with pytest.raises(BadDataset) as caught:
        find(tmp_path)
    assert says(caught.value, ".pawsightignore", "'!cats'")


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (("a/1.jpg", "a/1.png", "b/2.jpg", "b/2.png"), "--only '*.jpg'"),
        (("a/1.png", "a/1_mask.png", "b/2.png", "b/2_mask_1.png"), "--ignore '*_mask*'"),
        (("a/1.png", "a/masks/1.png", "b/2.png"), "--ignore masks"),
    ],
)
def test_masks_are_pointed_out(names: tuple[str, ...], option: str, tmp_path: Path) -> None:
    found = find(make(tmp_path, *names))
    assert len(found.candidates) == len(names)
    assert says(found.warnings, option)


def test_the_class_can_be_read_from_names(tmp_path: Path) -> None:
    make(tmp_path, "train/cat.0.jpg", "train/dog.1.jpg", "train/odd.jpg", "train/notes.txt", "test1/7.jpg")
    found = find(tmp_path, FolderReading(class_from=r"([^/]+)\.\d+\.\w+$"))
    assert labelled(found) == {"train/cat.0.jpg": ("train", "cat"), "train/dog.1.jpg": ("train", "dog")}
    assert left_out(found)["test1/7.jpg"] == left_out(found)["train/odd.jpg"] == "no class in its name"
    assert says(found.warnings, "2 pictures")


@pytest.mark.parametrize(("names", "is_said"), [(("2023-05", "2024_01"), True), (("2023-05", "cats"), False)])
def test_classes_that_are_dates_are_doubted(names: tuple[str, ...], is_said: bool, tmp_path: Path) -> None:
    found = find(make(tmp_path, *[f"{name}/1.jpg" for name in names]))
    assert bool(found.warnings) is is_said


# The law


FOLDERS = st.lists(
    st.sampled_from(["cats", "dogs", "train", "test", "images", "2023", "1", "10", "runs", "@eaDir"]), max_size=3
)
FILES = st.sampled_from(["1.jpg", "2.jpg", "cat.3.jpg", "1.png", "README.md", "labels.csv", ".DS_Store", "notes"])


def outcome(root: Path, monkeypatch: pytest.MonkeyPatch, *, backwards: bool = False) -> object:
    """What is found, or the error, without the place it was found in."""
    scandir = os.scandir
    with monkeypatch.context() as patch:
        if backwards:
            patch.setattr(os, "scandir", lambda path: reversed(list(scandir(path))))
        try:
            found = find(root, data="photos")
        except BadDataset as error:
            return str(error).replace(str(root), "")
    return [
        found.folders,
        labelled(found),
        left_out(found),
        found.loose,
        [text.replace(str(root), "") for text in found.notes],
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FOLDERS, FILES), min_size=1, max_size=12))
def test_what_is_found_depends_neither_on_the_order_nor_on_the_container(
    monkeypatch: pytest.MonkeyPatch, names: list[tuple[list[str], str]]
) -> None:
    paths = ["/".join([*folders, file]) for folders, file in names]
    with tempfile.TemporaryDirectory() as place:
        folder = make(Path(place) / "folder", *paths)
        archive = Path(shutil.make_archive(str(Path(place) / "packed"), "zip", folder))
        unpacked = extract(archive, Path(place) / "unpacked")
        expected = outcome(folder, monkeypatch)
        assert outcome(folder, monkeypatch, backwards=True) == expected
        assert outcome(unpacked, monkeypatch) == expected
