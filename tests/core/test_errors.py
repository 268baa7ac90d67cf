"""Errors: three parts in one message, one root, and whole after a journey between processes."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from pawsight.core import errors
from pawsight.core.errors import (
    MissingExtra,
    PawsightError,
    UnreadablePicture,
    WrongUsage,
    install,
    require_extra,
    tensorflow_package,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_a_message_is_what_why_and_fix_each_on_a_line() -> None:
    parts = ("No cats.", "They are asleep.", "Type: wake cats")
    error = PawsightError(*parts)
    assert (error.what, error.why, error.fix) == parts
    assert str(error).splitlines() == list(parts)


@pytest.mark.parametrize(
    ("parts", "text"),
    [(("What.",), "What."), (("What.", "", "Fix."), "What.\nFix."), (("What.", "Why."), "What.\nWhy.")],
)
def test_parts_that_are_missing_leave_no_empty_line(parts: tuple[str, ...], text: str) -> None:
    assert str(PawsightError(*parts)) == text


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_can_be_caught_by_its_root(kind: type[Exception]) -> None:
    assert issubclass(kind, PawsightError)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_wrong_usage_alone_ends_with_status_2(kind: type[PawsightError]) -> None:
    assert kind.exit_status == (2 if issubclass(kind, WrongUsage) else 1)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_survives_being_sent_to_another_process(kind: type[PawsightError]) -> None:
    sent = kind("What.", "Why.", "Fix.")
    come = pickle.loads(pickle.dumps(sent))
    assert type(come) is kind
    assert (come.what, come.why, come.fix, str(come)) == ("What.", "Why.", "Fix.", str(sent))


def test_the_tree_drawn_on_top_is_the_tree() -> None:
    drawn = re.findall(r"^    ([ │├└─]*)([A-Z]\w+) ", errors.__doc__ or "", re.MULTILINE)
    names = [(len(branch) // 4, name) for branch, name in drawn]
    for place, (depth, name) in enumerate(names[1:], start=1):
        parent = next(above for level, above in reversed(names[:place]) if level == depth - 1)
        assert getattr(errors, name).__base__ is getattr(errors, parent)
    assert sorted(name for _, name in names) == sorted(kind.__name__ for kind in ALL)


def test_an_unreadable_picture_is_a_problem_of_data() -> None:
    with pytest.raises(errors.DataError):
        raise UnreadablePicture("Could not read x.", "empty")


def test_packages_that_are_installed_are_enough() -> None:
    assert require_extra("train", "numpy", "PIL", needed_by="Training") is None


@pytest.mark.parametrize(
    ("packages", "missing"),
    [(("no_such_cat",), "no_such_cat, which is"), (("no_cat", "numpy", "no_dog"), "no_cat and no_dog, which are")],
)
def test_packages_that_are_missing_are_named_with_what_to_install(packages: tuple[str, ...], missing: str) -> None:
    with pytest.raises(MissingExtra) as refusal:
        require_extra("train", *packages, needed_by="Training", why="The rest works.")
    assert missing in refusal.value.what
    assert refusal.value.why == "The rest works."
    assert 'pip install "pawsight[train]"' in refusal.value.fix


def test_tensorflow_is_named_beside_the_extra_that_does_not_bring_it() -> None:
    assert install("keras", ["keras", "tensorflow"]) == f'pip install "pawsight[keras]" {tensorflow_package()}'
    assert install("keras", ["tensorflow"]) == f"pip install {tensorflow_package()}"
    assert install("keras", ["tf2onnx"]) == 'pip install "pawsight[keras]"'
