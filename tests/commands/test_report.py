"""Tests of the job `report`."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion

from pawsight.cli import cli
from pawsight.commands import report as job
from pawsight.commands.evaluate import evaluate
from pawsight.commands.report import QUICK, WITHOUT_BACKBONE, complete, default_out, lacking, report, summary
from pawsight.core.errors import WrongUsage
from pawsight.core.progress import Silent
from pawsight.core.runs import read_table, source_json
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
    assert report(runs, out=tmp_path / "mine").report == tmp_path / "mine" / "report.html"


def test_many_runs_get_a_short_name() -> None:
    assert default_out([Path(f"/r/{number:03d}") for number in range(1, 10)]) == Path("/r/report-001-to-009")


def test_people_are_told_each_rung_the_choice_and_the_place(
    runs: list[Path], tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    text = "\n".join(summary(report(runs, quick=True)))
    assert text.replace(str(tmp_path), "PLACE") == snapshot


@pytest.mark.parametrize("several", [False, True], ids=["one run", "a comparison"])
def test_every_command_of_a_report_runs_where_the_report_is(
    several: bool, tmp_path: Path, fake_runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a POSIX shell reads it, from the page's own folder; a folder has a blank and an apostrophe in its name."""
    place = tmp_path / "Anna's cats"
    monkeypatch.chdir(place.parent)
    rows = fake_runs.draw_pictures(place / "data", ("cats", "dogs"))
    runs = [
        fake_runs.write_run(
            place / "runs" / name, rows, ("cats", "dogs"), root=place / "data", accuracy=0.8, recipe=recipe, more=more
        )
        for name, recipe, more in (
            ("001", "cnn", {"command": 'pawsight train "Anna\'s cats/data" --recipe cnn --seed 3'}),
            ("002", "probe", {"command": 'pawsight train --from "Anna\'s cats/runs/001" --add "Anna\'s cats/data"'}),
        )
    ]
    made = report(runs if several else runs[:1], quick=True).report
    page = made.read_text("utf-8")
    assert str(tmp_path) not in page + made.with_suffix(".md").read_text("utf-8")
    monkeypatch.chdir(made.parent)
    commands = [shlex.split(html.unescape(code)) for code in re.findall(r"<code>(pawsight .*?)</code>", page)]
    assert {words[1] for words in commands} >= {"train", "report", "evaluate", "review", "inspect"}
    for _, verb, *words in commands:
        with cli.commands[verb].make_context(verb, [*words]) as context:  # it reads every word
            names = ("data", "runs", "run", "add", "from_run")
            given = next(context.params[name] for name in names if context.params.get(name))
        for path in [given] if isinstance(given, str | Path) else given:
            assert Path(path).exists(), (verb, words)
        assert not [word for word in words if Path(word).is_absolute()]
    before = re.findall(r"<h2>.*?</h2>", page)
    made.unlink()
    (again,) = [words for _, verb, *words in commands if verb == "report"]
    result = CliRunner().invoke(cli, ["report", *again, "--quick", "--quiet"])
    assert result.exit_code == 0, result.output
    assert re.findall(r"<h2>.*?</h2>", made.read_text("utf-8")) == before


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
    first, second, chosen, *_ = summary(report([runs[0], twin], quick=True, out=tmp_path / "out"))
    assert first.startswith(f"cnn, run {runs[0]} ")
    assert second.startswith(f"cnn, run {twin} ")
    assert chosen.endswith(f": cnn, run {runs[0]}")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for name in unique_names([replace(RunRecord.read(run), page=tmp_path / "out") for run in (runs[0], twin)]):
        assert name in page


# What `report` computes where a run does not keep it yet, and what it says where it cannot


PARTS = ["slices", "suspects", "learning_curve"]
FILES = ("slices.json", "suspects.json", "learning_curve.json")


@pytest.fixture
def run(warm, tmp_path):
    """A copy of the trained run."""
    return shutil.copytree(warm.report.run, tmp_path / "runs" / "001")


def test_train_keeps_what_its_audit_found(trained):
    header, *rows = (trained.report.run / "audit.csv").read_text().splitlines()
    assert header == "path,problem,value,severity"
    assert all(row.count(",") >= 3 for row in rows)


def test_a_report_computes_what_the_run_lacks_and_keeps_it(run):
    assert lacking(run) == PARTS
    made = report([run])
    assert lacking(run) == []
    assert made.trust["slices"]["part"] == "validation"
    assert made.trust["suspects"]["pictures"] == 52 - made.trust["suspects"]["left_out"] - len(sealed(run))
    assert made.trust["learning_curve"]["points"]
    assert made.trust["calibration"]["temperature"] > 0
    before = {name: (run / name).stat().st_mtime_ns for name in FILES}
    report([run])
    assert {name: (run / name).stat().st_mtime_ns for name in FILES} == before
    assert not (run / "looks.json").exists()  # the test part stayed sealed


def test_a_run_that_takes_no_file_is_reported_on_as_well(run, tmp_path):
    expected = report([run], out=tmp_path / "first").trust
    for name in FILES:
        (run / name).unlink()
        (run / name).mkdir()
    assert report([run], out=tmp_path / "second").trust == expected
    assert expected["learning_curve"]["points"]


def test_pictures_of_the_test_part_are_nowhere_in_the_kept_parts(run):
    complete(run)
    for name in FILES:
        text = (run / name).read_text()
        assert not [path for path in sealed(run) if json.dumps(path) in text]


def sealed(run: Path) -> list[str]:
    return [row["path"] for row in read_table(run / "splits.csv") if row["part"] == "test"]


def test_quick_leaves_out_what_is_not_kept(run):
    answer = CliRunner().invoke(cli, ["report", str(run), "--quick"])
    assert answer.exit_code == 0
    assert not any((run / name).exists() for name in FILES)
    assert (run / "report.html").read_text().count(QUICK) == 3


def test_where_the_pictures_are_gone_the_report_says_so_and_stands(run, tmp_path):
    (run / "source.json").write_text(json.dumps({"root": str(tmp_path / "nowhere")}))
    absent, _ = complete(run)
    assert {"slices", "suspects"} <= set(absent)
    report([run])
    text = html.unescape((run / "report.html").read_text())
    assert absent["slices"] in text
    assert "pawsight evaluate . --slices" in text


def test_a_run_without_its_bundle_is_told_as_far_as_it_goes(run):
    shutil.rmtree(run / "bundle")
    absent, _ = complete(run)
    assert sorted(absent) == ["learning_curve", "suspects"]
    assert (run / "slices.json").is_file()


def test_a_ladder_without_a_backbone_computes_slices_alone(run):
    assert complete(run, features=False)[0] == dict.fromkeys(PARTS[1:], WITHOUT_BACKBONE)
    assert (run / "slices.json").is_file()


def test_a_changed_picture_is_in_no_slice(run, tmp_path):
    root = Path(json.loads((run / "source.json").read_text())["root"])
    copy = shutil.copytree(root, tmp_path / "copy")
    changed = sorted((copy / "validation").rglob("*.jpg"))
    for path in changed[::2]:
        path.write_bytes(path.read_bytes() + b"\0")
    (run / "source.json").write_text(json.dumps({"root": str(copy)}))
    complete(run, features=False)
    plain = json.loads((run / "slices.json").read_text())
    assert 0 < plain["pictures"] < sum("validation" in line for line in (run / "splits.csv").read_text().splitlines())
    assert all(slice_["pictures"] <= plain["pictures"] for slice_ in plain["slices"])


def test_of_several_runs_the_unfinished_and_earlier_reports_are_left_out_with_a_note(own_run: Path) -> None:
    runs = own_run.parent
    (runs / "002").mkdir()
    (runs / "002" / "source.json").write_text("{}")
    (runs / "report-001").mkdir()
    (runs / "report-001" / "report.html").touch()

    class Listener(Silent):
        lines: ClassVar[list[str]] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    made = report(sorted(runs.iterdir()), quick=True, progress=(ear := Listener()))
    assert [candidate.run for candidate in made.candidates] == [own_run]
    notes = [line for line in ear.lines if line.startswith("Left out")]
    assert [str(runs / "002") in notes[0], "--resume" in notes[0], str(runs / "report-001") in notes[1]] == [True] * 3
    with pytest.raises(WrongUsage, match="unfinished"):
        report([runs / "002"])


def test_a_report_made_in_the_project_names_no_place_of_this_machine(
    own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it holds where the project is moved to, and tells nothing of the machine where it is handed on."""
    monkeypatch.chdir(tmp_path)
    made = report(["runs/001"], out="out")
    assert made.report == tmp_path / "out" / "report.html"
    assert made.to_json()["report"] == str(Path("out", "report.html"))
    for path in (tmp_path / "out").iterdir():
        assert str(tmp_path) not in path.read_text("utf-8"), path.name
    assert f"pawsight review {Path('..', 'runs', '001')}" in made.report.read_text("utf-8")


def test_runs_and_pictures_that_are_moved_together_are_reported_on_with_pictures(own_run: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    source = own_run / "source.json"
    source.write_text(json.dumps(source_json(own_run, tmp_path / "data", "x")))
    for name in ("runs", "data"):
        (tmp_path / name).rename(tmp_path / "project" / name)
    moved = tmp_path / "project" / "runs" / "001"
    assert "data:image/jpeg" in report([moved], quick=True).report.read_text("utf-8")
    assert evaluate(moved).left_out == ()
