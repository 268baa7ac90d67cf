"""What stops a data set, and the whole text that is said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pawsight.data.checks import check_classes, check_found
from pawsight.data.finder import Candidate, Found, LeftOut
from pawsight.errors import BadCatalog, DataError, NoPictures

ROOT = Path("/home/me/photos")
READABLE = "Readable types are AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP."
CONVERT = "Put one folder per class below it, e.g. photos/cats/1.jpg, or convert the files first."
AGAIN = "Put pictures there, or move the folder out of the data and type the same command again."
TEACH = "Put pictures of it into train, or move its folders out of the data and type the same command again."


def found(
    *names: str,
    folders: Sequence[str] | None = None,
    loose: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
    part: str | None = None,
) -> Found:
    """What a walk would find: each name is a file in the folder of its class."""
    candidates = tuple(Candidate(ROOT / name, name, name.rpartition("/")[0], part) for name in names)
    labels = tuple(sorted({one.label for one in candidates})) if folders is None else tuple(folders)
    return Found(ROOT, candidates, tuple(left_out), tuple(loose), labels)


def message(kind: type[DataError], *arguments: object) -> str:
    check = check_found if len(arguments) == 1 else check_classes
    with pytest.raises(DataError) as caught:
        check(*arguments)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    return str(caught.value)


def after_reading(one: Found, counts: dict[str, int], left_out: Sequence[LeftOut] = ()) -> tuple[object, ...]:
    return one, counts, left_out, set(counts)


def test_two_classes_with_files_pass() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg")
    check_found(one)
    check_classes(one, {"cats": 1, "dogs": 1}, (), {"cats", "dogs"})


def test_nothing_at_all() -> None:
    assert message(NoPictures, found()) == (
        f"No pictures found under /home/me/photos.\nThe folder holds no files. {READABLE}\n{CONVERT}"
    )


def test_nothing_but_hidden_files() -> None:
    hidden = [LeftOut(".DS_Store", "hidden"), LeftOut("__MACOSX", "hidden")]
    assert message(NoPictures, found(left_out=hidden)) == (
        f"No pictures found under /home/me/photos.\nFound instead: 2 no suffix (hidden). {READABLE}\n{CONVERT}"
    )


def test_nothing_that_can_be_read() -> None:
    one = found("cats/1.heic", "dogs/1.heic")
    left_out = [LeftOut(f"cats/{n}.HEIC", "HEIC is not read") for n in range(212)]
    left_out += [LeftOut(f"dogs/{n}.txt", "not a picture") for n in range(3)]
    assert message(NoPictures, one, {}, left_out, ()) == (
        "No pictures found under /home/me/photos.\n"
        f"Found instead: 212 .heic (HEIC is not read), 3 .txt (not a picture). {READABLE}\n{CONVERT}"
    )


def test_of_many_kinds_the_commonest_are_shown() -> None:
    left_out = [LeftOut(f"a/{n}.k{kind}", "not a picture") for kind in range(8) for n in range(1000 * (9 - kind))]
    assert "Found instead: 9,000 .k0 (not a picture), 8,000 .k1 (not a picture), " in message(
        NoPictures, found("a/1.k0", "b/1.k0"), {}, left_out, ()
    )
    assert "5,000 .k4 (not a picture) and 3 other kinds. Readable" in message(
        NoPictures, found("a/1.k0", "b/1.k0"), {}, left_out, ()
    )


def test_one_file_beside_the_class_folders() -> None:
    assert message(BadCatalog, found("cats/1.jpg", "dogs/1.jpg", loose=["tom.jpg"])) == (
        "1 file lies beside the class folders in /home/me/photos.\n"
        "They belong to no class: tom.jpg.\n"
        "Put each picture into the folder of its class, e.g. photos/cats/1.jpg, and other files elsewhere."
    )


def test_many_pictures_and_no_class_folders() -> None:
    assert message(BadCatalog, found(loose=[f"{n}.jpg" for n in range(1, 1301)])) == (
        "1,300 files lie beside the class folders in /home/me/photos.\n"
        "They belong to no class: 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg and 1,295 more.\n"
        "Put each picture into the folder of its class, e.g. photos/cats/1.jpg, and other files elsewhere."
    )


@pytest.mark.parametrize(("first", "second"), [("Cats", "cats"), ("STRASSE", "straße"), ("ﬁsh", "Fish")])
def test_folders_that_differ_in_case_alone(first: str, second: str) -> None:
    labels = sorted([first, second])
    assert message(BadCatalog, found(f"{first}/1.jpg", f"{second}/1.jpg", "dogs/1.jpg")) == (
        f"The folders {labels[0]!r} and {labels[1]!r} in /home/me/photos differ in upper and lower case alone.\n"
        "They would become two classes that nobody can tell apart by name.\n"
        "Give them the same name, or two clearly different ones."
    )


def test_one_class_only() -> None:
    expected = (
        "Only one class was found in /home/me/photos: 'cats'.\n"
        "A classifier needs at least two to choose between.\n"
        "Put one folder per class below it, e.g. photos/cats/1.jpg and photos/dogs/1.jpg."
    )
    assert message(BadCatalog, found("cats/1.jpg", "cats/2.jpg")) == expected
    assert message(BadCatalog, found("cats/1.jpg"), {"cats": 1}, (), {"cats"}) == expected


def test_an_empty_folder_is_told_before_anything_is_read() -> None:
    assert message(BadCatalog, found("cats/1.jpg", folders=["birds", "cats"])) == (
        f"Class 'birds' in /home/me/photos has no readable picture.\nThe folder is empty.\n{AGAIN}"
    )


def test_a_folder_with_hidden_files_alone_is_told_so() -> None:
    one = found("cats/1.jpg", folders=["birds", "cats"], left_out=[LeftOut("birds/.DS_Store", "hidden")])
    assert message(BadCatalog, one) == (
        f"Class 'birds' in /home/me/photos has no readable picture.\nFound instead: 1 no suffix (hidden).\n{AGAIN}"
    )


def test_a_class_of_which_nothing_could_be_read() -> None:
    one = found("birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("birds/1.jpg", "truncated"), LeftOut("cats/2.gif", "unreadable")]
    assert message(BadCatalog, *after_reading(one, {"cats": 1, "dogs": 1}, left_out)) == (
        f"Class 'birds' in /home/me/photos has no readable picture.\nFound instead: 1 .jpg (truncated).\n{AGAIN}"
    )


def test_in_parts_the_files_of_an_unreadable_class_are_found_as_well() -> None:
    one = found("a/birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("train/a/birds/1.jpg", "empty"), LeftOut("validation/a/birds/2.jpg", "empty")]
    assert "Found instead: 2 .jpg (empty)." in message(
        BadCatalog, *after_reading(one, {"cats": 1, "dogs": 1}, left_out)
    )


def test_several_classes_of_which_nothing_could_be_read() -> None:
    one = found(*[f"c{n}/1.jpg" for n in range(9)])
    left_out = [LeftOut(f"c{n}/1.jpg", "empty") for n in range(2, 9)]
    assert message(BadCatalog, *after_reading(one, {"c0": 1, "c1": 1}, left_out)) == (
        "Classes 'c2', 'c3', 'c4', 'c5', 'c6' and 2 more in /home/me/photos have no readable picture.\n"
        f"Found instead: 7 .jpg (empty).\n{AGAIN}"
    )


UNTAUGHT = (
    "Class 'foxes' in /home/me/photos has no readable picture in train.\n"
    f"Nothing can be learnt about a class from validation and test pictures.\n{TEACH}"
)


def test_a_class_that_only_validation_has_is_told_before_anything_is_read() -> None:
    train, validation = found("cats/1.jpg", "dogs/1.jpg", part="train"), found("foxes/1.jpg", part="validation")
    one = Found(ROOT, train.candidates + validation.candidates, (), (), ("cats", "dogs", "foxes"))
    assert message(BadCatalog, one) == UNTAUGHT


def test_a_class_whose_training_pictures_cannot_be_read_is_told() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg", "foxes/1.jpg", part="train")
    counts = Counter(cats=2, dogs=2, foxes=1)
    assert message(BadCatalog, one, counts, (), {"cats", "dogs"}) == UNTAUGHT


def test_validation_without_any_training_is_told() -> None:
    assert message(BadCatalog, found("cats/1.jpg", "dogs/1.jpg", part="validation")).startswith(
        "Classes 'cats', 'dogs' in /home/me/photos have no readable picture in train.\n"
    )
