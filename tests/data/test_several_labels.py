"""Several labels of a picture: three kinds of tables, what is typed for each, and splits that keep each label's share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.data.audit import label_associations
from pawsight.data.dataset import check_found
from pawsight.data.label_sets import joined, labels_in, truth_of
from pawsight.data.picture_lists import read_list
from pawsight.data.reading import FolderReading
from pawsight.data.sources import resolve
from pawsight.data.split import iterative_split, missed

SEVERAL = FolderReading(several_labels=True)
SHARES = (0.7, 0.15, 0.15)
WANTED = {"1.png": ("red", "round"), "2.png": (), "3.png": ("large",), "4.png": ("large", "red", "round")}
# How each table is read, and the option that is offered where it is read without one.
TABLES = {
    "separator": (
        "path,label\n1.png,red|round\n2.png,\n3.png,large\n4.png,round|large| red\n",
        FolderReading(label_separator="|"),
        "--label-separator '|'",
    ),
    "list": (
        "path,label\n1.png,\"['red', 'round']\"\n2.png,[]\n3.png,['large']\n4.png,\"['round', 'large', 'red']\"\n",
        SEVERAL,
        "--several-labels",
    ),
    "one-hot": (
        "path,large,red,round\n1.png,0,1,1\n2.png,0,0,0\n3.png,1,0,0\n4.png,1,1,1\n",
        SEVERAL,
        "--several-labels",
    ),
    "lines": (
        "path,label\n1.png,red\n1.png,round\n2.png,\n3.png,large\n4.png,round\n4.png,red\n4.png,large\n4.png,red\n",
        SEVERAL,
        "--several-labels",
    ),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a table and return its path."""

    def write_text(text: str) -> Path:
        (path := tmp_path / "labels.csv").write_text(text, encoding="utf-8")
        return path

    return write_text


@pytest.mark.parametrize("kind", TABLES)
def test_each_kind_of_table_gives_each_picture_its_labels(kind: str, write: Callable[[str], Path]) -> None:
    text, reading, _ = TABLES[kind]
    found = read_list(write(text), reading=reading)
    assert {file.name: labels_in(file.label) for file in found.candidates} == WANTED
    assert found.several_labels
    assert found.folders == ("large", "red", "round")


@pytest.mark.parametrize("kind", TABLES)
def test_without_the_option_a_table_is_answered_with_it(kind: str, write: Callable[[str], Path]) -> None:
    text, _, option = TABLES[kind]
    with pytest.raises(BadDataset) as caught:
        read_list(write(text))
    assert f"If pictures have several labels, add {option}\n" in caught.value.fix


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_of_labels_are_read_where_several_are(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels.{ending}"
    rows = [{"file_name": name, "labels": list(labels)} for name, labels in WANTED.items()]
    if ending == "parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_list(path, reading=SEVERAL)
    assert {file.name: labels_in(file.label) for file in found.candidates} == WANTED
    with pytest.raises(BadDataset) as caught:
        read_list(path)
    assert "--several-labels" in caught.value.fix


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("\"['a, b', 'c']\"", ("a, b", "c")),
        ("[1]", ("1",)),
        ("[not python]", ("[not python]",)),
        ("[[1]]", ("[[1]]",)),
        ("[]", ()),
    ],
)
def test_a_cell_that_is_a_list_is_one(cell: str, labels: tuple[str, ...], write: Callable[[str], Path]) -> None:
    found = read_list(write(f"path,label\n1.png,{cell}\n2.png,x\n"), reading=SEVERAL)
    assert labels_in(found.candidates[0].label) == labels


def test_a_label_with_the_separator_of_run_files_is_refused(write: Callable[[str], Path]) -> None:
    path = write("path,label\n1.png,a;b\n2.png,c\n")
    with pytest.raises(BadDataset, match="'a;b'") as caught:  # as for a run's splits.csv, read without its separator
        read_list(path, reading=SEVERAL)
    assert "--label-separator ';'" in caught.value.fix
    with pytest.raises(BadDataset, match="'a;b'") as caught:
        read_list(path, reading=FolderReading(label_separator="|"))
    assert "--label-separator" not in caught.value.fix


@pytest.mark.parametrize("reading", [SEVERAL, FolderReading()])
@pytest.mark.parametrize(
    ("table", "in_the_way"),
    [
        ("path,red,round,width\n1.png,1,1,96\n2.png,0,1,96\n", ["width"]),
        ("path,a,red,b,round\n1.png,,1,x,0\n", ["a", "b"]),
    ],
)
def test_columns_that_keep_others_from_being_labels_are_named(
    table: str, in_the_way: list[str], reading: FolderReading, write: Callable[[str], Path]
) -> None:
    with pytest.raises(BadDataset) as caught:
        read_list(write(table), reading=reading)
    assert caught.value.fix.endswith(": " + ", ".join(map(repr, in_the_way)))
    assert "--columns" not in caught.value.fix, "it would read the numbers of one label as classes"


def test_a_table_with_another_separator_than_the_one_typed_is_answered_with_its_own(
    write: Callable[[str], Path],
) -> None:
    path = write("path,label\n1.png,red|round\n2.png,red\n3.png,round\n")
    with pytest.raises(BadDataset, match=r"'red\|round' is several labels") as caught:
        read_list(path, reading=FolderReading(label_separator=";"))
    assert "--label-separator '|'" in caught.value.fix
    columns = {"path": "path", "label": "label"}
    assert read_list(path, columns=columns, reading=FolderReading(label_separator=";")).folders == (
        "red",
        "red|round",
        "round",
    )


def test_words_for_yes_and_no_are_no_flags(write: Callable[[str], Path]) -> None:
    with pytest.raises(BadDataset, match="'red' holds 'yes'"):
        read_list(write("path,red,round\n1.png,yes,no\n"), reading=SEVERAL)


def test_an_empty_separator_is_refused() -> None:
    with pytest.raises(WrongUsage, match="--label-separator is empty"):
        FolderReading.from_words(label_separator="")


def test_lines_of_one_picture_must_agree_on_its_part(write: Callable[[str], Path]) -> None:
    with pytest.raises(BadDataset, match="in part test here and in part train in line 2"):
        read_list(write("path,label,part\n1.png,red,train\n1.png,round,test\n"), reading=SEVERAL)


@pytest.mark.parametrize("label", ["red", ""])
def test_one_label_alone_is_refused(label: str, write: Callable[[str], Path]) -> None:
    with pytest.raises(BadDataset, match="fewer than two labels"):
        check_found(read_list(write(f"path,label\n1.png,{label}\n2.png,\n"), reading=SEVERAL))


def test_folders_have_one_label_a_picture(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(WrongUsage) as caught:
        resolve(tmp_path, cache=tmp_path / "cache", reading=SEVERAL)
    assert "--several-labels has no effect" in caught.value.what


@pytest.mark.parametrize("reading", [SEVERAL, FolderReading(label_separator=";"), FolderReading()])
def test_the_options_are_kept_as_words_and_as_json(reading: FolderReading) -> None:
    words = reading.words()
    separator = words[words.index("--label-separator") + 1] if "--label-separator" in words else None
    typed = FolderReading.from_words(several_labels="--several-labels" in words, label_separator=separator)
    assert (typed or FolderReading()) == FolderReading.from_json(reading.to_json()) == reading


labels = st.sets(st.text("abcdé :,|", min_size=1, max_size=4))


@given(st.lists(labels, max_size=12))
def test_labels_as_text_and_as_truths_are_the_labels(rows: list[set[str]]) -> None:
    names = sorted(set().union(*rows))
    texts = [joined(row) for row in rows]
    assert [set(labels_in(text)) for text in texts] == rows
    found = [{name for name, has in zip(names, row, strict=True) if has} for row in truth_of(texts, names)]
    assert found == rows


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw truths (N, L) and groups (N,), most of them of one picture."""
    seed, pictures, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 150)), draw(st.integers(1, 6))
    rng = np.random.default_rng(seed)
    truth = rng.random((pictures, count)) < rng.uniform(0.02, 0.7, count)
    largest = draw(st.sampled_from([1, 1, 3, 8]))
    return truth, np.sort(rng.integers(0, max(1, pictures // largest) * 2, pictures)) if largest > 1 else np.arange(
        pictures
    )


@settings(max_examples=150)
@given(labelled())
def test_every_picture_has_a_part_and_groups_are_whole(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, groups = case
    parts = iterative_split(truth, groups, SHARES)
    assert parts.shape == groups.shape
    assert set(parts.tolist()) <= {0, 1, 2}
    assert all(len(set(parts[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert (truth[parts == 0].any(axis=0) == truth.any(axis=0)).all()  # every label can be learnt
    assert (iterative_split(truth, groups, SHARES) == parts).all()


@settings(max_examples=150)
@given(labelled())
def test_shares_of_every_label_are_near(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, _ = case
    parts = iterative_split(truth, np.arange(len(truth)), SHARES)
    counts = np.stack([truth[parts == part].sum(axis=0) for part in range(3)], axis=1)
    wanted = np.outer(truth.sum(axis=0), SHARES)
    assert np.abs(counts - wanted).max() <= 3
    assert np.abs(np.bincount(parts, minlength=3) - len(truth) * np.array(SHARES)).max() <= 3
    assert not missed(counts, wanted)[truth.sum(axis=0) >= 20].any()


def test_many_labels_in_groups_have_their_shares() -> None:
    rng = np.random.default_rng(0)
    truth, groups = rng.random((1500, 20)) < rng.uniform(0.005, 0.5, 20), rng.integers(0, 400, 1500)
    parts = iterative_split(truth, groups, SHARES)
    counts = np.stack([truth[parts == part].sum(axis=0) for part in range(3)], axis=1)
    assert np.abs(counts - np.outer(truth.sum(axis=0), SHARES)).max() <= 5


def test_one_label_a_picture_is_cut_as_its_class_would_be() -> None:
    truth = np.eye(4, dtype=bool)[np.random.default_rng(0).integers(0, 4, 400)]
    parts = iterative_split(truth, np.arange(400), SHARES)
    counts = np.stack([truth[parts == part].sum(axis=0) for part in range(3)], axis=1)
    assert np.abs(counts - np.outer(truth.sum(axis=0), SHARES)).max() <= 1


def test_a_format_that_goes_with_a_label_is_a_shortcut_of_that_label() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((120, 3)) < (0.5, 0.4, 0.05)
    formats = np.where(truth[:, 1] & (rng.random(120) < 0.9), "PNG", "JPEG")
    names = ("large", "red", "rare")
    labels = [[name for name, has in zip(names, row, strict=True) if has] for row in truth]
    ((feature, (strength, label, category, share, elsewhere)),) = label_associations(
        labels, names, {"format": formats.tolist(), "camera": ["A"] * 120}
    )
    assert (feature, label, category) == ("format", "red", "PNG")
    assert share == pytest.approx((formats == "PNG")[truth[:, 1]].mean())
    assert elsewhere == 0
    assert strength > 0.8
