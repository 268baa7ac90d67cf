"""Paired answers before and after a run grew: gain, classes, and what was forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.growth import changed, paired

LABELS = ("cats", "dogs")


def before(*answers: tuple[str, str, str]) -> dict[str, list[Answer]]:
    """Answers by content: name, label and prediction; the content is the first letter of the name."""
    found: dict[str, list[Answer]] = {}
    for name, label, predicted in answers:
        found.setdefault(name[0], []).append(Answer(name, name[0], label, predicted, 0.9))
    return found


def after(*answers: tuple[str, str, str]) -> list[tuple[Assigned, str]]:
    return [(Assigned(name, name[0], label, "validation"), predicted) for name, label, predicted in answers]


def test_forgotten_and_learnt_pictures_are_counted_by_class():
    old = before(("a", "cats", "cats"), ("b", "cats", "dogs"), ("c", "dogs", "dogs"), ("d", "dogs", "dogs"))
    new = after(("a", "cats", "dogs"), ("b", "cats", "cats"), ("c", "dogs", "dogs"), ("e", "dogs", "dogs"))
    change = changed("validation", old, new, is_new=False)
    assert change is not None
    assert change.gain.pictures == 3
    assert change.accuracy == (2 / 3, 2 / 3)
    cats, dogs = change.classes
    assert (cats.name, cats.pictures, cats.right_before, cats.right_after, cats.forgotten, cats.learnt) == (
        "cats", 2, 1, 1, 1, 1,
    )  # fmt: skip
    assert (dogs.pictures, dogs.forgotten, dogs.learnt) == (1, 0, 0)
    assert [(picture.path, picture.label, picture.predicted) for picture in change.forgotten] == [("a", "cats", "dogs")]


def test_of_several_labels_each_is_counted_and_the_gain_is_of_all_together():
    old = before(("a", "red;round", "red"), ("b", "", ""), ("c", "red", "red"))
    new = after(("a", "red;round", "red;round"), ("b", "", "red"), ("c", "red", ""))
    change = changed("validation", old, new, is_new=False, several_labels=True)
    assert change is not None
    assert change.accuracy == (2 / 3, 1 / 3)
    found = {row.name: (row.pictures, row.right_before, row.right_after) for row in change.classes}
    assert found == {"red": (2, 2, 1), "round": (1, 0, 1)}
    assert [picture.path for picture in change.forgotten] == ["b", "c"]


def test_both_are_judged_by_the_labels_of_today():
    change = changed("test", before(("a", "cats", "dogs")), after(("a", "dogs", "dogs")), is_new=False)
    assert change is not None
    assert change.accuracy == (1.0, 1.0)


def test_copies_are_paired_by_name_first():
    old = before(("a1", "cats", "cats"), ("a2", "cats", "dogs"))
    first, second = paired(old, after(("a2", "cats", "x"), ("a1", "cats", "y"), ("a3", "cats", "z")))
    assert [(one.predicted, other.predicted) for one, other in zip(first, second, strict=True)] == [
        ("dogs", "x"),
        ("cats", "y"),
    ]


def test_without_a_shared_picture_there_is_no_change():
    assert changed("test", {}, after(("a", "cats", "cats")), is_new=True) is None


@given(st.lists(st.tuples(*[st.sampled_from(LABELS)] * 3), min_size=1, max_size=40))
def test_the_gain_is_what_was_learnt_less_what_was_forgotten(rows):
    names = [chr(0x4E00 + row) for row in range(len(rows))]
    old = before(*((name, label, first) for name, (label, first, _) in zip(names, rows, strict=True)))
    new = after(*((name, label, second) for name, (label, _, second) in zip(names, rows, strict=True)))
    change = changed("validation", old, new, is_new=False)
    assert change is not None
    learnt, forgotten = (sum(getattr(row, name) for row in change.classes) for name in ("learnt", "forgotten"))
    assert (learnt, forgotten) == (change.gain.only_second, change.gain.only_first)
    assert len(change.forgotten) == forgotten
    start, end = change.accuracy
    assert abs(100 * (end - start) - change.gain.points) < 1e-9
