"""A split that the user gives: read, matched by content or path, checked, and refused where it leaks."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawsight.core.errors import BadDataset, StorageError
from pawsight.core.progress import Silent
from pawsight.core.runs import write_table
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts
from pawsight.data.found import Candidate, Found
from pawsight.data.given_split import SplitFile, SplitRow, cut, found_for, path_key, read_split_file, split_as_given
from pawsight.data.reading import FolderReading
from pawsight.data.split import PARTS, make_split
from pawsight.images.quality import ImageStatistics

LOOKS = ImageStatistics(brightness=120.0, contrast=60.0, sharpness=0.3, chroma=40.0, camera="", file_bytes=1_000)


def digest(content: object) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


def picture(name: str, label: str, content: object, *, looks_like: object = None) -> Picture:
    shown = content if looks_like is None else looks_like
    rough = np.random.default_rng(int(digest(shown)[:8], 16)).integers(0, 240, (6, 6, 3), dtype=np.uint8)
    thumbnail = Image.fromarray(rough).resize((32, 32), Image.Resampling.BICUBIC).tobytes()
    facts = Facts(10, 10, "JPEG", 1, int(digest(f"phash {shown}")[:16], 16), LOOKS, thumbnail)
    return Picture(Path("photos") / name, name, label, None, digest(content), facts)


def dataset(*pictures: Picture) -> Dataset:
    return Dataset(Path("photos"), tuple(sorted(pictures, key=lambda item: item.name)), ())


SIX = dataset(*(picture(f"{label}/{n}.jpg", label, f"{label}{n}") for label in ("cats", "dogs") for n in (1, 2, 3)))
GOOD = """path,part
cats/1.jpg,train
cats/2.jpg,validation
cats/3.jpg,test
dogs/1.jpg,train
dogs/2.jpg,validation
dogs/3.jpg,test
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., SplitFile]:
    def write(text: str, *changes: tuple[str, str]) -> SplitFile:
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "splits.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
        return read_split_file(tmp_path / "splits.csv")

    return write


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def sides(split: object) -> dict[str, str]:
    return {item.name: item.part for item in split.assigned}  # type: ignore[attr-defined]


def refusal(function: Callable[..., object], *arguments: object) -> BadDataset:
    with pytest.raises(BadDataset) as error:
        function(*arguments)
    return error.value


def test_every_picture_gets_the_part_of_its_line(written):
    split = split_as_given(SIX, written(GOOD))
    assert sides(split) == {f"{label}/{n}.jpg": PARTS[n - 1] for label in ("cats", "dogs") for n in (1, 2, 3)}
    assert split.how == "as splits.csv says"
    assert split.sizes == {"train": 2, "validation": 2, "test": 2}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(3, 12))
def test_a_cut_of_our_own_comes_back_from_its_file_with_the_same_digest(tmp_path_factory, seed, each):
    pictures = [picture(f"{label}/{n}.jpg", label, f"{label}{n}") for label in ("a, b", 'c "d"') for n in range(each)]
    whole = dataset(*pictures)
    made = make_split(whole, seed=seed)
    path = tmp_path_factory.mktemp("split") / "splits.csv"
    rows = [(item.name, item.sha256, item.label, item.part) for item in made.assigned]
    write_table(path, ("path", "sha256", "label", "part"), rows)
    if not made.part("validation"):
        assert "no picture into validation" in refusal(split_as_given, whole, read_split_file(path)).what
        return
    again = split_as_given(whole, read_split_file(path))
    assert again.assigned == made.assigned
    assert again.digest == made.digest


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(min_size=1), st.sampled_from(PARTS)), min_size=1, unique_by=lambda row: path_key(row[0]))
)
def test_any_path_comes_back_from_a_file_as_it_went(tmp_path_factory, rows):
    rows = [(path, part) for path, part in rows if "\0" not in path]
    path = tmp_path_factory.mktemp("paths") / "splits.csv"
    try:
        write_table(path, ("path", "part"), rows)
    except UnicodeEncodeError:  # half a surrogate pair: no file system has such a name
        return
    kept = [(row.path, row.part) for row in read_split_file(path).rows] if rows else []
    assert kept == rows


def test_the_file_may_be_in_any_order_with_other_columns_delimiters_slashes_and_names_of_parts(written):
    text = (
        "\ufeffnote;PART; Path \n"
        "x;Valid;.\\dogs\\2.jpg\nx;testing;dogs/3.jpg\n\nx; training ;dogs/1.jpg\n"
        "x;train;cats\\1.jpg\nx;val;cats/2.jpg\nx;test;./cats/3.jpg\n"
    )
    assert sides(split_as_given(SIX, written(text))) == sides(split_as_given(SIX, written(GOOD)))


def test_a_line_with_a_hash_finds_its_picture_under_any_name(written):
    split = split_as_given(
        SIX,
        written(
            GOOD, ("path,part", "path,part,sha256"), ("cats/3.jpg,test", f"old/name.jpg,test,{digest('cats3').upper()}")
        ),
    )
    assert sides(split)["cats/3.jpg"] == "test"


def test_copies_have_a_line_each_and_the_one_with_the_own_path_is_meant(written):
    twins = dataset(*SIX.pictures, picture("cats/4.jpg", "cats", "cats3"))
    lines = GOOD.replace("path,part", "path,part,sha256").replace(
        "cats/3.jpg,test", f"cats/3.jpg,test,{digest('cats3')}"
    )
    split = split_as_given(twins, written(lines + f"cats/4.jpg,test,{digest('cats3')}\n"))
    assert sides(split)["cats/4.jpg"] == "test"
    assert sides(split_as_given(twins, written(lines)))["cats/4.jpg"] == "test", "one line serves all copies"


def test_labels_in_the_file_are_not_looked_at(written):
    text = "\n".join(f"{line},{'label' if number == 0 else 'zebra'}" for number, line in enumerate(GOOD.splitlines()))
    assert {item.label for item in split_as_given(SIX, written(text)).assigned} == {"cats", "dogs"}


def test_lines_whose_pictures_are_gone_are_told_and_do_no_harm(written):
    listener = Listener()
    split = split_as_given(SIX, written(GOOD + "cats/9.jpg,train\ndogs/9.jpg,test\n"), progress=listener)
    assert split.sizes == {"train": 2, "validation": 2, "test": 2}
    (said,) = listener.said
    assert said.startswith("Note     2 lines ")
    assert "'cats/9.jpg' in line 8 of splits.csv" in said


def test_a_file_without_a_line_for_any_picture_is_refused(written):
    told = refusal(split_as_given, SIX, written("path,part\nbirds/1.jpg,train\n"))
    assert "any of 6 pictures in photos" in told.what
    assert told.why.splitlines()[0] == "cats/1.jpg: no line."
    assert "cats/1.jpg,train" in told.fix
    changed = f"path,part,sha256\ncats/3.jpg,test,{'0' * 64}\n"
    assert "cats/3.jpg: line 2 has its path" in refusal(split_as_given, SIX, written(changed)).why


@pytest.mark.parametrize("new", [12, 40])
def test_pictures_without_a_line_are_dealt_in_the_shares_of_the_others(written, new):
    more = [picture(f"{label}/new{n}.jpg", label, f"{label} new {n}") for label in ("cats", "dogs") for n in range(new)]
    listener = Listener()
    split = split_as_given(dataset(*SIX.pictures, *more), written(GOOD), progress=listener)
    dealt = {name: part for name, part in sides(split).items() if "new" in name}
    assert sides(split) == dealt | sides(split_as_given(SIX, written(GOOD)))
    for label in ("cats", "dogs"):
        counted = Counter(part for name, part in dealt.items() if name.startswith(label))
        assert all(abs(counted[part] - new / 3) <= 1 for part in PARTS)
    assert listener.said[0].startswith(f"WARNING  {2 * new} pictures have no line in splits.csv")
    again = split_as_given(dataset(*more, *SIX.pictures), written(GOOD))
    assert again.digest == split.digest, "equal contents are dealt equally"


def test_a_picture_without_a_line_goes_where_its_copies_its_group_and_what_looks_like_it_are(written):
    pictures = [
        picture("cats/like2.jpg", "cats", "other bytes", looks_like="cats2"),
        replace(picture("dogs/same.jpg", "dogs", "another"), group="litter"),
        *(replace(file, group="litter") if file.name == "dogs/3.jpg" else file for file in SIX.pictures),
    ]
    found = sides(split_as_given(dataset(*pictures), written(GOOD)))
    assert found["cats/like2.jpg"] == "validation"
    assert found["dogs/same.jpg"] == "test"


def test_what_shows_a_training_and_a_test_picture_goes_to_the_test_and_is_no_leak_of_the_lines(written):
    between = replace(picture("cats/between.jpg", "cats", "x"), group="litter")
    pictures = [replace(file, group="litter" * (file.name in ("cats/1.jpg", "cats/3.jpg"))) for file in SIX.pictures]
    split = split_as_given(dataset(between, *pictures), replace(written(GOOD), allow_leaks=True))
    assert sides(split)["cats/between.jpg"] == "test"


def test_what_looks_like_a_test_picture_is_not_trained_on_whatever_its_folder_says(written):
    listener = Listener()
    added = replace(picture("train/cats/9.jpg", "cats", "nine", looks_like="cats3"), part="train")
    split = split_as_given(dataset(added, *SIX.pictures), written(GOOD), progress=listener)
    assert sides(split)["train/cats/9.jpg"] == "test"
    assert "'train/cats/9.jpg', now in test" in listener.said[1]


def test_a_picture_without_a_line_keeps_the_part_of_its_folder(written):
    added = replace(picture("test/cats/9.jpg", "cats", "nine"), part="test")
    assert sides(split_as_given(dataset(added, *SIX.pictures), written(GOOD)))["test/cats/9.jpg"] == "test"


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 14), st.integers(0, 9), st.integers(0, 2**31 - 1))
def test_growing_a_cut_of_our_own_never_moves_a_picture(tmp_path_factory, each, more, seed):
    pictures = [picture(f"{label}/{n}.jpg", label, f"{label}{n}") for label in "ab" for n in range(each)]
    made = make_split(dataset(*pictures), seed=seed)
    rows = tuple(SplitRow(2, item.name, item.sha256, item.part) for item in made.assigned)
    new = [picture(f"c/{n}.jpg", "c", f"new {n}") for n in range(more)]
    grown = split_as_given(dataset(*pictures, *new), SplitFile(Path("splits.csv"), rows, run="runs/001"), seed=seed)
    assert {name: part for name, part in sides(grown).items() if name[0] != "c"} == sides(made)
    assert not more or grown.part("train")[-1].label == "c", "a new class can be learnt"


def test_a_content_in_two_parts_without_a_line_of_its_own_is_refused(written):
    text = GOOD.replace("path,part", "path,part,sha256").replace("cats/3.jpg,test\n", "")
    both = f"a.jpg,test,{digest('cats3')}\nb.jpg,train,{digest('cats3')}\n"
    told = refusal(split_as_given, SIX, written(text + both))
    assert "splits.csv" in told.what
    assert "1 picture into different parts" in told.what
    assert re.findall(r"line (\d) says (\w+)", told.why) == [("7", "test"), ("8", "train")]
    assert told.why.startswith("cats/3.jpg: ")


def test_duplicates_in_two_parts_are_listed_with_their_lines_and_refused(written):
    leaky = dataset(
        *SIX.pictures,
        picture("cats/1 copy.jpg", "cats", "cats1"),
        picture("dogs/1 small.jpg", "dogs", "small", looks_like="dogs1"),
    )
    file = written(GOOD + "cats/1 copy.jpg,validation\ndogs/1 small.jpg,test\n")
    told = refusal(split_as_given, leaky, file)
    assert told.what.startswith(f"{file.path} ")
    assert told.what.endswith(": 2 times.")
    pair = re.compile(r"(.+) \((\w+), line (\d)\) = (.+) \((\w+), line (\d)\): (.+)\.")
    assert [pair.fullmatch(line).groups() for line in told.why.splitlines()] == [
        ("cats/1 copy.jpg", "validation", "8", "cats/1.jpg", "train", "2", "equal"),
        ("dogs/1 small.jpg", "test", "9", "dogs/1.jpg", "train", "5", "may be the same"),
    ]
    assert str(file.path) in told.fix
    assert "--allow-leaks" in told.fix
    split = split_as_given(leaky, replace(file, allow_leaks=True))
    assert len(split.duplicates_across_parts) == 2


def test_pictures_of_which_only_the_hashes_are_near_are_not_refused(written):
    first, *others = SIX.pictures
    near = replace(others[0], facts=replace(others[0].facts, phash=first.facts.phash ^ 1))
    split = split_as_given(dataset(first, near, *others[1:]), written(GOOD))
    assert split.duplicates_across_parts == ()
    assert len(split.alike) == 1


def test_of_many_leaks_ten_are_listed(written):
    copies = [picture(f"cats/copy {n:02}.jpg", "cats", f"pair{n}") for n in range(13)]
    others = [picture(f"cats/orig {n:02}.jpg", "cats", f"pair{n}") for n in range(13)]
    lines = "".join(f"cats/copy {n:02}.jpg,train\ncats/orig {n:02}.jpg,test\n" for n in range(13))
    told = refusal(split_as_given, dataset(*SIX.pictures, *copies, *others), written(GOOD + lines))
    assert len(told.why.splitlines()) == 11
    assert told.why.endswith("And 3 more.")


def test_a_class_without_training_pictures_is_refused(written):
    told = refusal(split_as_given, SIX, written(GOOD, ("dogs/1.jpg,train", "dogs/1.jpg,validation")))
    assert told.what.endswith(" no picture of 'dogs' into train.")


def test_an_empty_validation_part_is_refused_and_an_empty_test_part_is_not(written):
    told = refusal(split_as_given, SIX, written(GOOD, ("validation", "test")))
    assert told.what.endswith(" no picture into validation.")
    assert "2 train, 0 validation, 4 test" in told.why
    assert split_as_given(SIX, written(GOOD, (",test", ",validation"))).sizes["test"] == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Line 1: there is no column 'path'; the columns are none."),
        ("path,label\na,b\n", "Line 1: there is no column 'part'; the columns are 'path', 'label'."),
        ("path,part,part\na,train,test\n", "Line 1: there are several columns called 'part'"),
        ("path,part\n", "It has a header and no line below."),
        ("path,part" + "," * 200_000, "Line 1: it is longer than 16,384 characters."),
        ("path,part\na.jpg,trial\n", "Line 2: the part of 'a.jpg' is 'trial', not train, validation or test."),
        ("path,part\na.jpg\n", "Line 2: the part of 'a.jpg' is '', not train, validation or test."),
        ("path,part\n,train\n", "Line 2: the path is empty."),
        ("path,part,sha256\na.jpg,train,xyz\n", "Line 2: the sha256 of 'a.jpg' is none."),
        ('path,part\n"a.jpg,train\n', "the quotes do not match"),
        (f"path,part\n{'a' * 200_000}.jpg,train\n", "Line 2: it is longer than 16,384 characters."),
        ("path,part\na.jpg,train\n.\\a.jpg,test\n", "Line 3: '.\\\\a.jpg' is in test here and in train in line 2."),
    ],
)
def test_what_is_wrong_in_the_file_is_told_by_line(written, text, problem):
    told = refusal(written, text)
    assert problem in told.why
    assert "no picture was split by it" in told.what
    assert told.fix.splitlines()[1] == "path,part"


def test_all_problems_are_told_at_once_the_first_ten_by_line(written):
    told = refusal(written, "path,part\n" + "".join(f"{n}.jpg,nowhere\n" for n in range(14)))
    assert "has 14 problems" in told.what
    assert told.why.splitlines()[-1] == "And 4 more."


def test_the_same_line_twice_says_nothing_new(written):
    assert split_as_given(SIX, written(GOOD + "cats/1.jpg,train\n")).sizes["train"] == 2


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StorageError, match=r"Could not read .*nowhere\.csv"):
        read_split_file(tmp_path / "nowhere.csv")


def test_names_that_are_no_text_are_found(written):
    odd = b"cats/\xe9.jpg".decode("utf-8", "surrogateescape")
    split = split_as_given(dataset(*SIX.pictures, picture(odd, "cats", "odd")), written(GOOD + f"{odd},train\n"))
    assert sides(split)[odd] == "train"


def test_without_a_file_the_cut_is_our_own():
    assert cut(SIX, seed=3).assigned == make_split(SIX, seed=3).assigned


def test_parts_that_folders_say_give_way_to_the_file():
    one = Candidate(Path("photos/train/cats/1.jpg"), "train/cats/1.jpg", "cats", "train")
    found = Found(Path("photos"), (one,), (), (), ("cats",))
    assert found_for(found, None) is found
    (without,) = found_for(found, SplitFile(Path("s.csv"), (SplitRow(2, "x", "", "train"),))).candidates
    assert without.part is None
    assert without.name == one.name


def test_lines_are_counted_from_the_header(written: Callable[[str], SplitFile]) -> None:
    lines: Sequence[SplitRow] = written(GOOD).rows
    assert [line.line for line in lines] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("before", "after"),
    [(",", ";"), (",", "\t"), ("path,part", "filename,split"), ("path,part", "image,subset"), ("/", "\\")],
)
def test_a_split_file_may_be_any_table(written, before, after):
    assert written(GOOD, (before, after)).rows[0].part == "train"
    assert split_as_given(SIX, written(GOOD, (before, after))).sizes == {"train": 2, "validation": 2, "test": 2}


def test_a_group_that_the_user_named_may_not_lie_in_two_parts(written):
    named = dataset(*(replace(item, group=f"person {item.name[5]}") for item in SIX.pictures))
    torn = written(GOOD, ("dogs/1.jpg,train", "dogs/1.jpg,test"), ("dogs/3.jpg,test", "dogs/3.jpg,train"))
    told = refusal(split_as_given, named, torn)
    assert told.what.endswith(": 2 groups.")
    assert told.why.splitlines() == ["'person 1': 1 train, 1 test.", "'person 3': 1 train, 1 test."]
    assert "--allow-leaks" in told.fix
    split = split_as_given(named, replace(torn, allow_leaks=True))
    assert set(split.groups_across_parts) == {"person 1", "person 3"}
    assert split_as_given(named, written(GOOD)).groups_across_parts == {}


def test_a_group_that_was_found_is_told_and_not_refused(written):
    found = dataset(*(replace(item, group="burst: cats/1.jpg") for item in SIX.pictures))
    assert set(split_as_given(found, written(GOOD)).groups_across_parts) == {"burst: cats/1.jpg"}


def test_groups_of_a_split_file_are_used_again_unless_others_are_named(written):
    file = written(GOOD.replace("part\n", "part,group\n").replace(",train\n", ",train,a\n"))
    assert [item.group for item in split_as_given(SIX, file).assigned] == ["a", "", "", "a", "", ""]
    named = replace(SIX, reading=FolderReading(group_by="folder"))
    assert {item.group for item in split_as_given(named, file).assigned} == {""}
