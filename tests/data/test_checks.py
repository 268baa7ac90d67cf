"""What stops a data set, and what the message names: the place, the classes, the files found instead, what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pawsight.core.errors import BadCatalog, DataError, NoPictures
from pawsight.data.checks import check_classes, check_found
from pawsight.data.finder import Candidate, Found, LeftOut

ROOT = Path("/home/me/photos")


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


def refusal(kind: type[DataError], *arguments: object) -> DataError:
    """The error of the check for so many arguments; it names the folder and says what to do."""
    check = check_found if len(arguments) == 1 else check_classes
    with pytest.raises(DataError) as caught:
        check(*arguments)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert str(ROOT) in caught.value.what
    assert caught.value.fix
    return caught.value


def after_reading(one: Found, counts: dict[str, int], left_out: Sequence[LeftOut] = ()) -> tuple[object, ...]:
    return one, counts, left_out, set(counts)


def test_two_classes_with_files_pass() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg")
    assert check_found(one) is None
    assert check_classes(one, {"cats": 1, "dogs": 1}, (), {"cats", "dogs"}) is None


def test_nothing_at_all() -> None:
    told = refusal(NoPictures, found())
    assert "no files" in told.why
    assert "AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP" in told.why
    assert "photos/cats/1.jpg" in told.fix


def test_nothing_but_hidden_files() -> None:
    hidden = [LeftOut(".DS_Store", "hidden"), LeftOut("__MACOSX", "hidden")]
    assert "2 no suffix (hidden)" in refusal(NoPictures, found(left_out=hidden)).why


def test_nothing_that_can_be_read() -> None:
    one = found("cats/1.heic", "dogs/1.heic")
    left_out = [LeftOut(f"cats/{n}.HEIC", "HEIC is not read") for n in range(212)]
    left_out += [LeftOut(f"dogs/{n}.txt", "not a picture") for n in range(3)]
    told = refusal(NoPictures, one, {}, left_out, ())
    assert "212 .heic (HEIC is not read), " in told.why
    assert "3 .txt (not a picture)" in told.why
    assert "convert" in told.fix


def test_of_many_kinds_the_commonest_are_shown() -> None:
    left_out = [LeftOut(f"a/{n}.k{kind}", "not a picture") for kind in range(8) for n in range(1000 * (9 - kind))]
    why = refusal(NoPictures, found("a/1.k0", "b/1.k0"), {}, left_out, ()).why
    shown = [("9,000", "k0"), ("8,000", "k1"), ("7,000", "k2"), ("6,000", "k3"), ("5,000", "k4")]
    assert re.findall(r"([\d,]+) \.(\w+) \(", why) == shown
    assert "and 3 other kinds" in why


def test_one_file_beside_the_class_folders() -> None:
    told = refusal(BadCatalog, found("cats/1.jpg", "dogs/1.jpg", loose=["tom.jpg"]))
    assert told.what.startswith("1 file ")
    assert told.why.endswith(": tom.jpg.")
    assert "photos/cats/1.jpg" in told.fix


def test_many_pictures_and_no_class_folders() -> None:
    told = refusal(BadCatalog, found(loose=[f"{n}.jpg" for n in range(1, 1301)]))
    assert told.what.startswith("1,300 files ")
    assert re.findall(r"\d+\.jpg", told.why) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert told.why.endswith(" and 1,295 more.")


@pytest.mark.parametrize(("first", "second"), [("Cats", "cats"), ("STRASSE", "straße"), ("ﬁsh", "Fish")])
def test_folders_that_differ_in_case_alone(first: str, second: str) -> None:
    labels = sorted([first, second])
    what = refusal(BadCatalog, found(f"{first}/1.jpg", f"{second}/1.jpg", "dogs/1.jpg")).what
    assert f"{labels[0]!r} and {labels[1]!r}" in what
    assert "upper and lower case" in what


def test_one_class_only() -> None:
    before = refusal(BadCatalog, found("cats/1.jpg", "cats/2.jpg"))
    assert before.what.endswith(": 'cats'.")
    assert "photos/cats/1.jpg and photos/dogs/1.jpg" in before.fix
    assert str(refusal(BadCatalog, found("cats/1.jpg"), {"cats": 1}, (), {"cats"})) == str(before)


def test_an_empty_folder_is_told_before_anything_is_read() -> None:
    told = refusal(BadCatalog, found("cats/1.jpg", folders=["birds", "cats"]))
    assert told.what.startswith("Class 'birds' in ")
    assert told.why == "The folder is empty."


def test_a_folder_with_hidden_files_alone_is_told_so() -> None:
    one = found("cats/1.jpg", folders=["birds", "cats"], left_out=[LeftOut("birds/.DS_Store", "hidden")])
    told = refusal(BadCatalog, one)
    assert told.what.startswith("Class 'birds' in ")
    assert "1 no suffix (hidden)" in told.why


def test_a_class_of_which_nothing_could_be_read() -> None:
    one = found("birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("birds/1.jpg", "truncated"), LeftOut("cats/2.gif", "unreadable")]
    told = refusal(BadCatalog, *after_reading(one, {"cats": 1, "dogs": 1}, left_out))
    assert told.what.startswith("Class 'birds' in ")
    assert told.why == "Found instead: 1 .jpg (truncated)."


def test_in_parts_the_files_of_an_unreadable_class_are_found_as_well() -> None:
    one = found("a/birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("train/a/birds/1.jpg", "empty"), LeftOut("validation/a/birds/2.jpg", "empty")]
    told = refusal(BadCatalog, *after_reading(one, {"cats": 1, "dogs": 1}, left_out))
    assert told.why == "Found instead: 2 .jpg (empty)."


def test_several_classes_of_which_nothing_could_be_read() -> None:
    one = found(*[f"c{n}/1.jpg" for n in range(9)])
    left_out = [LeftOut(f"c{n}/1.jpg", "empty") for n in range(2, 9)]
    told = refusal(BadCatalog, *after_reading(one, {"c0": 1, "c1": 1}, left_out))
    assert re.findall(r"'(\w+)'", told.what) == ["c2", "c3", "c4", "c5", "c6"]
    assert " and 2 more " in told.what
    assert told.why == "Found instead: 7 .jpg (empty)."


def is_untaught(told: DataError) -> bool:
    """Whether it is told that foxes have nothing to learn from, and where to put it."""
    return bool(re.fullmatch(r"Class 'foxes' in .* in train\.", told.what)) and "into train" in told.fix


def test_a_class_that_only_validation_has_is_told_before_anything_is_read() -> None:
    train, validation = found("cats/1.jpg", "dogs/1.jpg", part="train"), found("foxes/1.jpg", part="validation")
    one = Found(ROOT, train.candidates + validation.candidates, (), (), ("cats", "dogs", "foxes"))
    assert is_untaught(refusal(BadCatalog, one))


def test_a_class_whose_training_pictures_cannot_be_read_is_told() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg", "foxes/1.jpg", part="train")
    counts = Counter(cats=2, dogs=2, foxes=1)
    assert is_untaught(refusal(BadCatalog, one, counts, (), {"cats", "dogs"}))


def test_validation_without_any_training_is_told() -> None:
    told = refusal(BadCatalog, found("cats/1.jpg", "dogs/1.jpg", part="validation"))
    assert told.what.startswith("Classes 'cats', 'dogs' in ")
    assert told.what.endswith(" in train.")
