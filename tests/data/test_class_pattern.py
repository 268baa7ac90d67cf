"""Classes in the names of pictures: the pattern that is offered fits all of them, or none is."""

from __future__ import annotations

import re

import pytest

from pawsight.data.class_pattern import suggest


def numbered(form: str, labels: str = "cat dog") -> list[str]:
    return [form.format(label, number) for label in labels.split() for number in range(4, 12)]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (numbered("{}.{}.jpg"), "cat dog"),
        (numbered("train/{}_{:03}.PNG"), "cat dog"),
        (numbered("{}_{}.jpg", "great_pyrenees Bombay saint_bernard"), "Bombay great_pyrenees saint_bernard"),
        (numbered("{}{:04}.jpeg"), "cat dog"),
        (numbered("{} ({}).jpg"), "cat dog"),
        (numbered("{1:05}_{0}.jpg"), "cat dog"),
        (numbered("{}-{}.jpg", "7 10"), "7 10"),
        (numbered("{}_left{}x.jpg"), "cat dog"),
    ],
)
def test_the_pattern_finds_the_class_of_every_name(names: list[str], classes: str) -> None:
    pattern, counts = suggest(names)
    assert list(counts) == classes.split()
    assert set(counts.values()) == {8}
    assert all(re.search(pattern, name) for name in names)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [f"IMG_{number:04}.jpg" for number in range(20)],
        [f"{camera}_{number:04}.jpg" for camera in ("IMG", "DSC") for number in range(20)],
        [f"{number:05x}.jpg" for number in range(20)],
        [f"202401{day:02}_{day}1530.jpg" for day in range(1, 20)],
        ["cat.1.jpg", "dog.2.jpg", "bird.3.jpg"],
        [*numbered("{}.{}.jpg"), "holiday.jpg"],
    ],
)
def test_names_that_carry_no_class_give_no_pattern(names: list[str]) -> None:
    assert suggest(names) is None
