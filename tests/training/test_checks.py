"""What a data set must have to become a classifier."""

from __future__ import annotations

import pytest

from pawsight.core.errors import BadCatalog
from pawsight.data.split import Assigned, Split
from pawsight.training.checks import check_names, check_taught


def split_of(*places):
    pictures = [Assigned(f"{label}/{number}", "0" * 64, label, part) for number, (label, part) in enumerate(places)]
    return Split(tuple(pictures), "by hand", ())


@pytest.mark.parametrize("names", [["cats", "dogs"], ["a/cats", "b/cats"], ["猫", "Ünïcödé", "with space", "🐈"], []])
def test_ordinary_names_pass(names):
    check_names(names)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ca\nts", "has control characters"),
        ("\x1b[31mcats", "has control characters"),
        ("caf\udce9", "is not UTF-8"),
        ("c" * 1025, "is not a text of 1 to 1,024 characters"),
    ],
)
def test_names_that_no_bundle_could_carry_are_refused(name, why):
    with pytest.raises(BadCatalog) as told:
        check_names(["dogs", name])
    assert repr(name) in told.value.what
    assert why in told.value.why
    assert told.value.fix


def test_every_class_has_something_to_learn_from():
    check_taught(split_of(("cats", "train"), ("dogs", "train"), ("dogs", "test")), compares_epochs=False)
    with pytest.raises(BadCatalog) as told:
        check_taught(
            split_of(("cats", "train"), ("dogs", "train"), ("foxes", "test"), ("asses", "validation")),
            compares_epochs=True,
        )
    assert "'asses', 'foxes'" in told.value.what
    assert "'cats', 'dogs'" in told.value.why
    assert "train/" in told.value.fix


def test_many_classes_without_pictures_are_counted_not_listed():
    with pytest.raises(BadCatalog, match=r"'class 4' and 3 more\."):
        check_taught(
            split_of(("cats", "train"), *((f"class {number}", "test") for number in range(8))), compares_epochs=False
        )


def test_a_recipe_that_compares_epochs_needs_validation():
    split = split_of(("cats", "train"), ("dogs", "train"), ("dogs", "test"))
    with pytest.raises(BadCatalog) as caught:
        check_taught(split, compares_epochs=True)
    assert "validation" in caught.value.what
    assert "--recipe probe" in caught.value.fix
