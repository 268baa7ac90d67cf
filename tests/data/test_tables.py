"""CSV files that users write, good and bad."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import BadDataset, NoPictures, PawsightError, StorageError
from pawsight.data.tables import read_list


@pytest.fixture
def write(tmp_path):
    def written(content: str | bytes) -> Path:
        path = tmp_path / "pets.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
def test_paths_and_labels_are_read(write, tmp_path, newline, mark, comma):
    lines = ["path,label", "cats/1.jpg,cat", "", '"dogs/ä, 2.jpg", dog ', "/else/where.jpg,Katze"]
    text = newline.join(lines).replace(",", comma)
    found = read_list(write(mark + text))
    assert [(picture.path, picture.name, picture.label, picture.part) for picture in found.candidates] == [
        (Path("/else/where.jpg"), "/else/where.jpg", "Katze", None),
        (tmp_path / "cats/1.jpg", "cats/1.jpg", "cat", None),
        (tmp_path / f"dogs/ä{comma} 2.jpg", f"dogs/ä{comma} 2.jpg", "dog", None),
    ]
    assert (found.root, found.folders, found.loose, found.left_out) == (tmp_path, ("Katze", "cat", "dog"), (), ())


def test_labels_are_composed(write):
    (picture,) = read_list(write(f"path,label\na.jpg,{unicodedata.normalize('NFD', 'Kätzchen')}\n")).candidates
    assert picture.label == unicodedata.normalize("NFC", "Kätzchen")


def test_parts_are_read_and_other_columns_are_not(write, tmp_path):
    listed = read_list(
        write("Label,note,PART,Path\ncat,x,train,1.jpg\ndog,,Validation,2.jpg\ncat,,test,3.jpg\n")
    ).candidates
    assert [(item.label, item.part, item.path.name) for item in listed] == [
        ("cat", "train", "1.jpg"),
        ("dog", "validation", "2.jpg"),
        ("cat", "test", "3.jpg"),
    ]


def test_a_line_said_twice_counts_once(write):
    path = write("path,label\n1.jpg,cat\n./1.jpg,cat\nx/../1.jpg,cat\n")
    assert [candidate.label for candidate in read_list(path).candidates] == ["cat"]


def test_all_problems_are_told_together(write):
    path = write("path,label,part\n1.jpg,,train\n,cat,train\n2.jpg,cat,exam\n3.jpg\n4.jpg,cat,\n5.jpg,dog,test\n")
    with pytest.raises(BadDataset) as caught:
        read_list(path)
    assert f"{path} has 5 problems" in caught.value.what
    problems = [line.split(": ", 1) for line in caught.value.why.splitlines()]
    assert [line for line, _ in problems] == ["Line 2", "Line 3", "Line 4", "Line 5", "Line 6"]
    facts = ("label of '1.jpg'", "path is empty", "'exam'", "1 of 3", "part is empty")
    assert all(fact in problem for fact, (_, problem) in zip(facts, problems, strict=True))
    assert caught.value.fix.splitlines()[1:] == ["path,label", "cats/1.jpg,cat", "dogs/1.jpg,dog"]


def test_a_picture_with_two_labels_or_parts_is_named(write, tmp_path):
    with pytest.raises(BadDataset) as caught:
        read_list(write("path,label\ncats/1.jpg,cat\n2.jpg,dog\ncats/../cats/1.jpg,dog\n"))
    assert caught.value.why.startswith(f"Line 4: {str(tmp_path / 'cats/../cats/1.jpg')!r} ")
    assert caught.value.why.endswith("'dog' here and 'cat' in line 2.")
    with pytest.raises(BadDataset, match=r"part test here .* part train in line 2"):
        read_list(write("path,label,part\n1.jpg,cat,train\n1.jpg,cat,test\n"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("cats/1.jpg,cat\n", "Line 1: there is no column 'path'; the columns are 'cats/1.jpg', 'cat'."),
        ("path,class\n1.jpg,cat\n", "Line 1: there is no column 'label'; the columns are 'path', 'class'."),
        ("", "the columns are none"),
        ("path,label,label\n1.jpg,cat,dog\n", "Line 1: there are 2 columns called label."),
        ('path,label\n"1.jpg,cat\n2.jpg,dog\n', "the quotes do not match"),
        ('path,label\n"1.jpg"x,cat\n', "Line 2: the quotes do not match"),
        ("path,label\n1\0.jpg,cat\n", "Line 2: the path has a NUL character in it."),
        ("path,label\n1.jpg,cat\n" + "x" * 20_000 + ",dog\n", "Line 3: it is longer than 16,384 characters."),
    ],
)
def test_a_file_that_is_no_list_is_said_to_be_none(write, content, why):
    with pytest.raises(BadDataset) as caught:
        read_list(write(content))
    assert why in str(caught.value)


def test_only_the_first_twenty_problems_are_spelt_out(write):
    with pytest.raises(BadDataset) as caught:
        read_list(write("path,label\n" + "1.jpg,\n" * 333))
    assert caught.value.what.split()[1:4] == ["has", "333", "problems;"]
    assert caught.value.why.splitlines()[19:] == ["Line 21: the label of '1.jpg' is empty.", "And 313 more."]


def test_lines_beyond_the_limit_are_refused(write):
    path = write("path,label\n1.jpg,cat\n2.jpg,cat\n")
    assert len(read_list(path, max_lines=3).candidates) == 2
    with pytest.raises(BadDataset, match="the limit is 2 lines"):
        read_list(path, max_lines=2)


def test_a_header_alone_lists_nothing(write):
    with pytest.raises(NoPictures, match="lists no pictures"):
        read_list(write("path,label\n"))


@pytest.mark.parametrize("content", ["path,label\n1.jpg,Kätzchen\n".encode("latin-1"), "path,label\n".encode("utf-16")])
def test_other_encodings_are_refused_with_what_to_do(write, content):
    with pytest.raises(BadDataset) as caught:
        read_list(write(content))
    assert caught.value.fix == "Save it as 'CSV UTF-8'."


def test_a_missing_file_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="Could not read"):
        read_list(tmp_path / "none.csv")


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)
ROWS = st.dictionaries(TEXT.filter(str.strip), TEXT.map(str.strip).filter(bool), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_whatever_python_writes_is_read_back(write, rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("path", "label"), *rows.items()])
    path = write(out.getvalue())
    spellings = {os.path.abspath(path.parent / name) for name in rows}
    if len(spellings) < len(rows) and len(set(rows.values())) > 1:
        return  # two spellings of one path, perhaps with two labels
    listed = read_list(path).candidates
    if len(spellings) == len(rows):
        assert {item.path: item.label for item in listed}.items() == {
            path.parent / name: unicodedata.normalize("NFC", label) for name, label in rows.items()
        }.items()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), header=st.booleans())
def test_random_bytes_are_read_or_refused(write, content, header):
    with contextlib.suppress(PawsightError):
        assert read_list(write(b"path,label\n" * header + content))
