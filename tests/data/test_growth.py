"""What a run's pictures grow by: matched by content, corrected, merged, dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.data.found import Candidate, Found
from pawsight.data.growth import Growth, grow, merges_typed
from pawsight.data.reading import DROPPED

ROOT = Path("/photos")


def found(*files: tuple[str, str], root: Path = ROOT, part: str | None = "train") -> Found:
    """Pictures by content and label; the name is the label and the content."""
    names = [(f"{label}/{content}.jpg", label) for content, label in files]
    candidates = [Candidate(root / name, name, label, part) for name, label in names]
    return Found(root, tuple(candidates), (), (), tuple(sorted({label for _, label in files})))


def grown(own: Found, added: Found | None, **changes: object) -> Growth:
    contents = {file.name: file.path.stem for file in own.candidates}
    changes = {"merged": {}, "dropped": ()} | changes
    digests = [file.path.stem for file in added.candidates] if added is not None else []
    return grow(own, contents, added, digests, **changes)


OWN = found(("a", "cats"), ("b", "cats"), ("c", "dogs"), ("d", "dogs"))


def labels(growth: Growth) -> dict[str, str]:
    return {file.path.stem: file.label for file in growth.found.candidates}


def test_only_other_contents_are_new_and_their_names_do_not_hide_old_ones():
    growth = grown(OWN, found(("a", "cats"), ("e", "cats"), ("f", "birds"), root=Path("/new"), part=None))
    assert labels(growth) == {"a": "cats", "b": "cats", "c": "dogs", "d": "dogs", "e": "cats", "f": "birds"}
    assert {file.name for file in growth.new} == {"/new/cats/e.jpg", "/new/birds/f.jpg"}
    assert (growth.known, growth.corrections, growth.new_classes) == (1, (), {"birds": 1})
    assert growth.found.folders == ("birds", "cats", "dogs")
    inside = grown(OWN, found(("e", "cats"), root=ROOT / "more"))
    assert [file.name for file in inside.new] == ["more/cats/e.jpg"]


def test_another_label_for_the_same_content_is_a_correction_of_every_copy():
    own = found(("a", "cats"), ("b", "cats"), ("c", "dogs"))
    copy = Candidate(ROOT / "again" / "a.jpg", "again/a.jpg", "cats", "test")
    own = Found(ROOT, (*own.candidates, copy), (), (), own.folders)
    growth = grown(own, found(("a", "dogs"), root=Path("/new")))
    assert [(fix.name, fix.part, fix.before, fix.after) for fix in growth.corrections] == [
        ("again/a.jpg", "test", "cats", "dogs"),
        ("cats/a.jpg", "train", "cats", "dogs"),
    ]
    assert growth.new == ()
    assert {file.label for file in growth.found.candidates if file.path.stem == "a"} == {"dogs"}


def test_a_file_in_the_place_of_a_picture_of_the_run_takes_its_place():
    other = Found(ROOT, (Candidate(ROOT / "cats" / "a.jpg", "cats/a.jpg", "dogs", None),), (), (), ("dogs",))
    contents = {file.name: file.path.stem for file in OWN.candidates}
    growth = grow(OWN, contents, other, ["other content"], merged={}, dropped=())
    assert len(growth.found.candidates) == len(OWN.candidates)
    assert {file.name: file.label for file in growth.new} == {"cats/a.jpg": "dogs"}


def test_classes_are_merged_and_dropped_in_old_and_new_pictures():
    added = found(("e", "tabby"), ("f", "birds"), root=Path("/new"))
    growth = grown(OWN, added, merged={"tabby": "cats"}, dropped=["birds", "dogs"])
    assert labels(growth) == {"a": "cats", "b": "cats", "e": "cats"}
    assert growth.dropped == {"birds": 1, "dogs": 2}
    assert [file.reason for file in growth.found.left_out] == [DROPPED] * 3
    assert growth.new_classes == {}


@pytest.mark.parametrize(
    ("merged", "dropped", "named"),
    [
        ({"x": "cats"}, (), "'x' to merge"),
        ({}, ("x",), "'x' to drop"),
        ({"cats": "dogs", "dogs": "cats"}, (), "cats=dogs"),
        ({"cats": "dogs"}, ("dogs",), "cats=dogs"),
        ({"cats": "cats"}, (), "cats=cats"),
    ],
)
def test_changes_of_classes_that_cannot_be_are_refused(merged, dropped, named):
    with pytest.raises(WrongUsage, match=named):
        grown(OWN, None, merged=merged, dropped=dropped)


def test_a_label_that_reads_as_several_is_no_target():
    own = replace(found(("a", "red"), ("b", "round")), several_labels=True)
    with pytest.raises(WrongUsage, match="red=a;b"):
        grown(own, None, merged={"red": "a;b"})


def test_one_content_with_two_new_labels_is_refused():
    added = found(("e", "cats"), ("f", "dogs"), ("e", "dogs"), root=Path("/new"))
    with pytest.raises(BadDataset) as error:
        grown(OWN, added)
    assert "cats/e.jpg is 'cats', and dogs/e.jpg" in error.value.why


def test_a_file_that_cannot_be_hashed_is_new_and_left_to_the_reader():
    added = found(("e", "cats"), ("f", "dogs"), root=Path("/new"))
    contents = {file.name: file.path.stem for file in OWN.candidates}
    growth = grow(OWN, contents, added, ["", ""], merged={}, dropped=())
    assert len(growth.new) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["cats", "dogs", "birds"])), unique_by=lambda x: x[0]
    )
)
def test_every_content_is_there_once_with_the_newest_label(files):
    growth = grown(OWN, found(*files, root=Path("/new")) if files else None)
    before = {"a": "cats", "b": "cats", "c": "dogs", "d": "dogs"}
    assert labels(growth) == before | dict(files)
    assert len(growth.found.candidates) == len(before | dict(files))
    assert growth.known == sum(before.get(content) == label for content, label in files)
    assert {fix.sha256 for fix in growth.corrections} == {c for c, label in files if before.get(c, label) != label}


def test_several_labels_are_merged_and_dropped_one_by_one_and_pictures_stay():
    own = replace(found(("a", "red;round"), ("b", "red"), ("c", "")), several_labels=True)
    own = replace(own, folders=("red", "round"))
    added = replace(found(("d", "odd;round"), ("b", "red;round"), root=Path("/new")), several_labels=True)
    growth = grown(own, added, merged={"odd": "red"}, dropped=["round"])
    assert labels(growth) == {"a": "red", "b": "red", "c": "", "d": "red"}
    assert growth.found.folders == ("red",)
    assert (growth.dropped, growth.new_classes) == ({"round": 3}, {})
    assert [(fix.before, fix.after) for fix in growth.corrections] == [("red", "red;round")]
    assert growth.found.left_out == ()
    assert growth.renamed("odd;round") == "red"


def test_merges_are_typed_as_pairs():
    assert merges_typed(["tabby=cats", " a b = c=d "]) == {"tabby": "cats", "a b": "c=d"}
    for wrong in (["tabby"], ["=cats"], ["tabby="], ["a=b", "a=c"]):
        with pytest.raises(WrongUsage):
            merges_typed(wrong)
