"""Files of decisions: what is written is read, and what is wrong is named by line."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.core.errors import DataError, StorageError
from pawsight.data import patch as module
from pawsight.data.csv_list import read_list
from pawsight.data.patch import ACTIONS, Decision, newest, read_patch, write_patch
from pawsight.data.split_file import read_split_file

HEADER = "path,sha256,action,label,when\n"
A, B = "a" * 64, "b" * 64
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
decisions = st.builds(
    Decision,
    path=texts,
    sha256=st.sampled_from([A, B, "0123456789abcdef" * 4]),
    action=st.sampled_from(ACTIONS),
    label=texts.filter(bool),
    when=texts,
)


def plain(some):
    return [(one.path, one.sha256, one.action, one.label, one.when) for one in some]


@settings(deadline=None)
@given(st.lists(decisions, max_size=12))
def test_what_is_written_is_read_again_the_last_about_each_picture(tmp_path_factory, some):
    file = tmp_path_factory.mktemp("patch") / "labels.patch.csv"
    write_patch(file, some)
    assert plain(read_patch(file).decisions) == plain(newest(some))


def written(tmp_path, text):
    file = tmp_path / "labels.patch.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_file_from_a_spreadsheet_is_read(tmp_path):
    text = f"\ufeffwhen,Label,action,sha256,path\r\n2026,dogs,relabel,{A},train/1.jpg\r\n\r\n,,keep,{B},train/2.jpg\r\n"
    found = read_patch(written(tmp_path, text))
    assert plain(found.decisions) == [("train/1.jpg", A, "relabel", "dogs", "2026"), ("train/2.jpg", B, "keep", "", "")]
    assert [one.line for one in found.decisions] == [2, 4]
    assert len(found.sha256) == 64


def test_names_that_are_no_text_stay_what_they_are(tmp_path):
    file, name = tmp_path / "p.csv", os.fsdecode(b"train/\xe9.jpg")
    write_patch(file, [Decision(name, A, "drop")])
    assert read_patch(file).decisions[0].path == name


def test_copies_of_one_picture_have_a_decision_each_and_the_last_counts():
    first, second, third = (Decision(path, A, action) for path, action in (("1", "keep"), ("2", "drop"), ("1", "drop")))
    assert newest([first, second, third]) == (second, third)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (f"1.jpg,{A},burn,,\n", "Line 2: the action is 'burn', not one of keep, relabel, drop."),
        (f"1.jpg,{A},relabel,,\n", "Line 2: the action is 'relabel' and the label is empty."),
        (f"1.jpg,{A},keep,,\n2.jpg,abc,keep,,\n", "Line 3: 'abc' is no SHA-256."),
        (f"1.jpg,{A}\n", "Line 2: it has too few columns, 2 of 5."),
        (f'1.jpg,{A},keep,"unclosed\n', "the quotes do not match"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_read(tmp_path, rows, told):
    file = written(tmp_path, HEADER + rows)
    with pytest.raises(DataError) as refused:
        read_patch(file)
    assert refused.value.what.startswith(f"{file} has 1 problem;")
    assert told in refused.value.why
    assert "path,sha256,action,label,when" in refused.value.fix


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no column 'path'"),
        ("path,sha256,action\n", "Line 1: there is no column 'label'."),
        ("path,path,sha256,action,label\n", "Line 1: there are 2 columns 'path'."),
        (HEADER + "a\0b", "There is a NUL character in it."),
    ],
)
def test_a_file_that_is_no_patch_is_told(tmp_path, text, told):
    with pytest.raises(DataError) as refused:
        read_patch(written(tmp_path, text))
    assert told in refused.value.why


def test_many_problems_are_counted_and_some_are_named(tmp_path):
    with pytest.raises(DataError) as refused:
        read_patch(written(tmp_path, HEADER + "x,y,z,,\n" * 30))
    assert "60 problems" in refused.value.what
    assert refused.value.why.endswith("And 40 more.")


def test_an_endless_file_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="is too large for a patch"):
        read_patch(written(tmp_path, HEADER + "x" * 100))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError) as told:
        read_patch(tmp_path / "none.csv")
    assert "pawsight review RUN" in told.value.fix


def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(tmp_path_factory):
    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def any_bytes(data):
        file = tmp_path_factory.mktemp("bytes") / "p.csv"
        file.write_bytes(HEADER.encode() + data)
        actions = set()
        with suppress(DataError):
            actions = {one.action for one in read_patch(file).decisions}
        assert actions <= {"keep", "relabel", "drop"}
        assert file.read_bytes() == HEADER.encode() + data

    any_bytes()


@pytest.mark.parametrize("reader", [read_patch, read_split_file, read_list])
def test_a_pipe_is_refused_at_once(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(StorageError, match=r"pipe\.csv\.\n.*: not a regular file\."):
        reader(tmp_path / "pipe.csv")
