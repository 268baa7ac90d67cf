"""Slices: the right pictures in each, tested against the rest, and no alarm without a fire."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.data.facts import Facts
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.slices import fisher, group_p_value, measure_slices, slice_members
from pawsight.images.quality import ImageStatistics


def judged(right, *, start=0.5):
    return [
        Answer(f"{number:04}.jpg", "", "cat", "cat" if is_right else "dog", start + number / 1e4)
        for number, is_right in enumerate(right)
    ]


def key(name):
    return ("trait", name)


def first(count, of):
    return np.arange(of) < count


def test_a_slice_holds_its_figures_and_those_of_the_rest():
    right = np.ones(100, dtype=bool)
    right[:8] = False
    (one,) = measure_slices(judged(right), {key("dark"): first(20, 100)})
    assert (one.name, one.kind, one.pictures, one.right) == ("dark", "trait", 20, 12)
    assert (one.accuracy, one.rest_accuracy, one.difference) == (0.6, 1.0, pytest.approx(-40.0))
    assert one.interval == wilson(12, 20)
    assert one.verdict == "worse"
    assert one.p_value == one.p_holm


def test_the_p_value_is_scipy_s_and_that_of_the_lady_tasting_tea():
    assert fisher(3, 4, 1, 4) == pytest.approx(0.4857142857)
    assert fisher(12, 20, 80, 80) == pytest.approx(math.comb(20, 8) / math.comb(100, 8))


def test_holm_corrects_over_all_slices_that_were_tested():
    right = np.ones(200, dtype=bool)
    right[:4] = False
    masks = {key(f"slice {n}"): np.roll(first(20, 200), 15 * n) for n in range(8)}
    slices = {slice_.name: slice_ for slice_ in measure_slices(judged(right), masks | {key("few"): first(5, 200)})}
    smallest = slices["slice 0"]
    assert smallest.p_holm == pytest.approx(8 * smallest.p_value)
    assert slices["few"].p_holm is None
    assert slices["few"].verdict == "too few to test"


def test_worse_slices_come_first_and_name_what_is_wrong_the_surest_first():
    right = np.ones(400, dtype=bool)
    right[:15] = False
    slices = measure_slices(judged(right), {key("fine"): ~first(300, 400), key("dark"): first(40, 400)})
    assert [slice_.name for slice_ in slices] == ["dark", "fine"]
    assert [item.path for item in slices[0].worst] == [f"{number:04}.jpg" for number in range(14, 2, -1)]
    assert slices[1].worst == ()
    assert slices[0].to_json()["worst"][0] == {
        "path": "0014.jpg", "label": "cat", "predicted": "dog", "probability": pytest.approx(0.5014),
    }  # fmt: skip


def test_an_answer_without_a_probability_comes_last_and_is_json():
    answers = judged([False] * 12)
    answers[11] = Answer("none.jpg", "", "cat;dog", "", math.nan)
    (slice_,) = measure_slices(answers, {key("all"): np.ones(12, dtype=bool)})
    worst = json.loads(json.dumps(slice_.to_json(), allow_nan=False))["worst"]
    assert [item["path"] for item in worst][-2:] == ["0000.jpg", "none.jpg"]
    assert worst[-1]["probability"] is None


def test_a_slice_can_be_better_and_one_of_all_pictures_has_no_rest():
    right = np.arange(200) < 100
    slices = {
        slice_.name: slice_ for slice_ in measure_slices(judged(right), {key("a"): right, key("all"): first(200, 200)})
    }
    assert slices["a"].verdict == "better"
    assert slices["all"].rest_accuracy is None
    assert slices["all"].difference is None
    assert slices["all"].verdict == "too few to test"


def test_empty_slices_are_left_out_and_masks_of_another_length_refused():
    assert measure_slices(judged([True] * 5), {key("none"): np.zeros(5, dtype=bool)}) == ()
    with pytest.raises(ValueError, match=r"\b5\b"):
        measure_slices(judged([True] * 5), {key("long"): np.zeros(6, dtype=bool)})


def test_without_an_effect_a_false_alarm_is_raised_in_5_of_100_runs_at_most():
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        right = random.random(300) < 0.8
        masks = {key(str(n)): random.random(300) < 0.2 for n in range(8)}
        alarms += any(slice_.verdict in ("worse", "better") for slice_ in measure_slices(judged(right), masks))
    assert alarms <= 10


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_whatever_is_asked_the_figures_fit_together(rows):
    right, one, other = (np.array(column, dtype=bool) for column in zip(*rows, strict=True))
    for part in measure_slices(judged(right), {key("a"): one, key("b"): other}):
        assert 0 <= part.right <= part.pictures
        assert part.interval.low <= part.accuracy <= part.interval.high
        assert len(part.worst) == min(12, part.pictures - part.right)
        assert part.p_holm is None or part.p_value <= part.p_holm + 1e-12 <= 1 + 1e-9


def facts(**changes):
    looks = {"brightness": 120.0, "contrast": 60.0, "sharpness": 0.3, "chroma": 40.0}
    look = ImageStatistics(
        **looks | {name: changes[name] for name in changes if name in looks}, camera="", file_bytes=1_000
    )
    plain = {"width": 200, "height": 150, "format": "JPEG", "orientation": 1} | {
        name: value for name, value in changes.items() if name not in looks
    }
    return Facts(plain["width"], plain["height"], plain["format"], plain["orientation"], 0, look)


def members(all_facts, names=None, labels=None):
    names = names or [f"cats/{number}.jpg" for number in range(len(all_facts))]
    found = slice_members(names, labels or ["cats"] * len(names), all_facts)
    return {f"{kind}: {name}": mask for (kind, name), mask in found.items()}


def test_traits_are_those_of_the_audit():
    found = members([facts(brightness=10.0)] * 12 + [facts(orientation=6)] * 3 + [facts()] * 5)
    assert list(np.flatnonzero(found["trait: dark"])) == list(range(12))
    assert list(np.flatnonzero(found["trait: rotated"])) == [12, 13, 14]
    assert "trait: grey" not in found


def test_where_few_pictures_are_dark_or_tiny_the_extreme_fifth_stands_in():
    found = members([facts(brightness=60.0 + n, width=100 + n) for n in range(100)])
    assert list(np.flatnonzero(found["fifth: darkest fifth"])) == list(range(20))
    assert list(np.flatnonzero(found["fifth: brightest fifth"])) == list(range(80, 100))
    assert list(np.flatnonzero(found["fifth: smallest fifth"])) == list(range(20))
    assert "fifth: least sharp fifth" not in found, "all are equally sharp"


def test_no_fifth_stands_in_where_the_trait_is_common_or_the_fifth_would_be_small():
    many = [facts(brightness=10.0)] * 12 + [facts(brightness=60.0 + n) for n in range(88)]
    assert "fifth: darkest fifth" not in members(many)
    assert not any(name.startswith("fifth") for name in members([facts(brightness=60.0 + n) for n in range(45)]))


def test_formats_are_slices_where_there_are_several():
    found = members([facts()] * 3 + [facts(format="PNG")] * 2)
    assert list(np.flatnonzero(found["format: PNG"])) == [3, 4]
    assert not any(name.startswith("format") for name in members([facts()] * 5))


def test_folders_are_slices_unless_they_are_the_classes_over_again():
    names = [f"{site}/{label}/{n}.jpg" for site in ("north", "south") for label in ("cats", "dogs") for n in range(12)]
    labels = [name.split("/")[1] for name in names]
    found = members([facts()] * 48, names, labels)
    assert [name for name in found if name.startswith("folder")] == [
        "folder: north/cats", "folder: north/dogs", "folder: south/cats", "folder: south/dogs",
    ]  # fmt: skip
    by_class = [f"validation/{label}/{n}.jpg" for label in ("cats", "dogs") for n in range(12)]
    assert not any("folder" in name for name in members([facts()] * 24, by_class, [n.split("/")[1] for n in by_class]))


def test_of_very_many_folders_those_above_them_are_slices():
    names = [f"{'ab'[n % 2]}/{n}/cat.jpg" for n in range(120)]
    found = members([facts()] * 120, names, ["cats", "dogs", "dogs"] * 40)
    assert [name for name in found if name.startswith("folder")] == ["folder: a", "folder: b"]


def test_lists_of_different_lengths_are_refused(snapshot):
    with pytest.raises(ValueError) as error:
        slice_members(["a"], ["cats"], [])
    assert str(error.value) == snapshot


def test_a_slice_of_one_bad_group_is_not_worse_beyond_chance():
    """Forty pictures of four groups against sixty of six; one group of the slice was answered wrong."""
    rows = np.arange(100)
    alone = [Answer(f"{row}.jpg", "", "cat", "dog" if row < 10 else "cat", 0.9) for row in rows]
    groups = [
        Answer(
            *(getattr(answer, name) for name in ("path", "sha256", "label", "predicted", "probability")),
            f"g{row // 10}",
        )
        for row, answer in zip(rows, alone, strict=True)
    ]
    members = {("trait", "dark"): rows < 40}
    (without,), (within,) = measure_slices(alone, members), measure_slices(groups, members)
    assert (without.verdict, within.verdict) == ("worse", "like the rest")
    assert within.accuracy == without.accuracy
    assert within.interval.low < without.interval.low


def test_the_test_of_groups_is_near_fishers_where_each_picture_is_alone():
    right, mask = np.arange(200) % 4 > 0, np.arange(200) < 80
    right[:15] = False
    inside, outside = int(right[mask].sum()), int(right[~mask].sum())
    assert group_p_value(mask, right, np.arange(200)) == pytest.approx(fisher(inside, 80, outside, 120), rel=0.5)
    assert group_p_value(mask, np.ones(200, bool), np.arange(200)) == 1
