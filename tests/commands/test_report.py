"""Tests of the job `report`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pawsight.commands import report as job
from pawsight.commands.report import default_target, report, summary
from pawsight.core.errors import WrongUsage
from pawsight.reports.candidates import unique_names
from pawsight.reports.ladder_report import CandidateResult, LadderReport
from pawsight.reports.run_record import RunRecord


@pytest.fixture
def runs(tmp_path: Path, fake_runs: Any) -> list[Path]:
    """Two made-up runs, the second better."""
    rows = fake_runs.draw_pictures(tmp_path / "data", ("cats", "dogs"))
    return [
        fake_runs.write_run(tmp_path / "runs" / name, rows, ("cats", "dogs"), root=tmp_path / "data", **options)
        for name, options in {
            "001": {"accuracy": 0.5},
            "002": {"accuracy": 0.95, "recipe": "probe", "test": True, "seed": 1},
        }.items()
    ]


def test_one_run_is_reported_in_its_own_folder(runs: list[Path]) -> None:
    assert report([str(runs[0])]).report == runs[0] / "report.html"


def test_several_runs_are_reported_beside_them(runs: list[Path]) -> None:
    made = report(runs)
    assert made.report == runs[0].parent / "report-001-002" / "report.html"
    assert report(runs).report == made.report  # made again in the same place


def test_a_report_goes_where_the_user_says(runs: list[Path], tmp_path: Path) -> None:
    assert report(runs, target=tmp_path / "mine").report == tmp_path / "mine" / "report.html"


def test_many_runs_get_a_short_name() -> None:
    assert default_target([Path(f"/r/{number:03d}") for number in range(1, 10)]) == Path("/r/report-001-to-009")


def test_people_are_told_each_rung_the_choice_and_the_place(
    runs: list[Path], tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    text = "\n".join(summary(report(runs, quick=True)))
    assert text.replace(str(tmp_path), "PLACE") == snapshot


def test_without_runs_nothing_is_reported() -> None:
    with pytest.raises(WrongUsage, match="pawsight report runs/001"):
        report([])


def test_runs_that_were_not_measured_are_listed_and_none_is_chosen(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    rungs = [
        CandidateResult(
            recipe=name, run=tmp_path / name, validation=None, seconds_per_epoch=None, parameters=None, gain=None
        )
        for name in ("cnn", "majority")
    ]
    made = LadderReport(
        candidates=tuple(rungs), chosen=None, chosen_run=None, test=None, report=tmp_path / "report.html"
    )
    assert "\n".join(summary(made)).replace(str(tmp_path), "PLACE") == snapshot


def test_where_no_run_is_told_about_nothing_is_computed(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "complete", lambda *_, **__: pytest.fail("something was computed"))
    for run in runs:
        metrics = json.loads((run / "metrics.json").read_text()) | {"validation": None}
        (run / "metrics.json").write_text(json.dumps(metrics))
    made = report(runs)
    assert (made.chosen, made.trust) == (None, None)


def test_a_gain_on_a_few_shared_pictures_says_on_how_many(runs: list[Path]) -> None:
    answers = runs[0] / "predictions.csv"
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:8]))
    assert re.search(r"\b7\b[^\d]*$", summary(report(runs, quick=True))[1])


def test_runs_of_one_recipe_and_number_are_called_by_their_paths(runs: list[Path], tmp_path: Path) -> None:
    twin = shutil.copytree(runs[0], tmp_path / "other" / "001")
    first, second, chosen, *_ = summary(report([runs[0], twin], quick=True, target=tmp_path / "out"))
    assert first.startswith(f"cnn, run {runs[0]} ")
    assert second.startswith(f"cnn, run {twin} ")
    assert chosen.endswith(f": cnn, run {runs[0]}")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for name in unique_names([RunRecord.read(runs[0]), RunRecord.read(twin)]):
        assert name in page
