"""Runs of different data never share a page; copies, seeds and other splits of one data set do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pawsight.core.errors import WrongUsage
from pawsight.reports.ladder_report import build_report, told_about


@pytest.fixture
def write(tmp_path: Path, fake_runs: Any) -> Any:
    """Return a function that writes a run on a part of a hundred pictures, with a digest of its own."""
    rows = [(f"{part}/{n}.jpg", f"{n:064x}", "ab"[n % 2], part) for n in range(100) for part in [_part(n)]]

    def one(name: str, root: str, first: int, last: int) -> Path:
        split = {"split": {"digest": name * 64, "train": 1, "validation": 1, "test": 0}}
        options = {"root": tmp_path / root, "accuracy": 0.8, "more": split}
        return fake_runs.write_run(tmp_path / "runs" / name, rows[first:last], ("a", "b"), **options)

    return one


def _part(number: int) -> str:
    return "validation" if number % 5 < 2 else "train"


def test_runs_of_different_data_are_refused_by_name(write: Any, tmp_path: Path) -> None:
    runs = [write("1", "cats", 0, 50), write("2", "birds", 40, 100)]
    for ask in (told_about, lambda named: build_report(named, tmp_path / "out")):
        with pytest.raises(WrongUsage) as caught:
            ask(runs)
        places = [
            caught.value.why.index(str(place)) for place in (runs[0], tmp_path / "cats", runs[1], tmp_path / "birds")
        ]
        assert places == sorted(places)  # each run beside its own data
        assert all(f"pawsight report {run}" in caught.value.fix for run in runs)
    assert not (tmp_path / "out").exists()


def test_a_copy_of_the_data_and_one_that_grew_are_the_same_data(write: Any, tmp_path: Path) -> None:
    runs = [write("1", "cats", 0, 50), write("2", "copy", 10, 100), write("3", "cats", 50, 100)]
    build_report(runs, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert all(name * 64 in text for name in "123")  # the digest of each split
