"""Tests of the job `compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion

from pawsight.cli import cli
from pawsight.commands.compare import compare, summary
from pawsight.commands.run_split import looks_at_test
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.statistics import holm


@pytest.fixture
def make(fake_runs: Any, tmp_path: Path) -> Any:
    """Make runs on 200 invented pictures, as often right as is asked for."""

    def made(*accuracies: float, place: str = "runs", classes: tuple[str, str] = ("cats", "dogs")) -> list[str]:
        rows = fake_runs.draw_pictures(tmp_path / "data", classes, validation=100, drawn=0)
        return [
            str(
                fake_runs.write_run(
                    tmp_path / place / f"{number:03d}", rows, classes, root=tmp_path, accuracy=accuracy, seed=number
                )
            )
            for number, accuracy in enumerate(accuracies, 1)
        ]

    return made


def with_test_part(run: str) -> None:
    """Let a run have answered to half of its validation part as its test part."""
    path = Path(run) / "predictions.csv"
    header, *lines = path.read_text().splitlines()
    half = [line.replace(",validation,", ",test,") for line in lines[::2]]
    path.write_text("\n".join([header, *lines, *half]) + "\n")


def test_a_better_run_is_called_better_and_two_equal_ones_a_tie(make: Any) -> None:
    runs = make(0.6, 0.95, 0.94)
    made = compare(runs)
    verdicts = {(pair.first, pair.second): pair.gain.verdict for pair in made.pairs}
    assert verdicts == {(runs[0], runs[1]): "better", (runs[0], runs[2]): "better", (runs[1], runs[2]): "tie"}
    assert [pair.more_pictures == 0 for pair in made.pairs] == [True, True, False]
    assert [pair.gain.p_holm for pair in made.pairs] == holm([pair.gain.p_value for pair in made.pairs])
    assert made.pictures == 200


def test_the_baseline_is_the_commonest_class_of_training_on_what_both_answered(fake_runs: Any, tmp_path: Path) -> None:
    rows = fake_runs.draw_pictures(tmp_path / "data", ("cats", "dogs"), validation=20, drawn=0)
    rows = [row for row in rows if row[0] != "train/0/0.0.jpg"]  # 2 cats and 3 dogs to train on,
    rows = [row for row in rows if not (row[3] == "validation" and row[0] >= "validation/1/1.5")]  # 20 cats, 15 dogs
    runs = [fake_runs.write_run(tmp_path / name, rows, ("cats", "dogs"), root=tmp_path, accuracy=0.8) for name in "ab"]
    dogs = sum(row[2:] == ("dogs", "validation") for row in rows) / sum(row[3] == "validation" for row in rows)
    assert 0 < dogs < 0.5
    assert [metrics.baseline for metrics in compare(runs).metrics] == [dogs, dogs]


def test_every_run_has_its_figures_with_intervals_and_json_says_all(make: Any) -> None:
    runs = make(0.6, 0.95)
    plain = json.loads(json.dumps(compare(runs).to_json(), allow_nan=False))
    assert [run["run"] for run in plain["runs"]] == runs
    assert all(run["interval"][0] < run["accuracy"] < run["interval"][1] for run in plain["runs"])
    assert all(run["intervals"]["log_loss"][0] < run["log_loss"] for run in plain["runs"])
    (pair,) = plain["pairs"]
    assert set(pair) >= {"first", "second", "points", "interval", "p_value", "p_holm", "verdict", "pictures"}
    assert pair["pictures"] == 200
    assert pair["p_holm"] is None  # one comparison needs no correction
    assert pair["more_pictures"] == 0


def test_more_than_four_runs_are_each_compared_with_the_first(make: Any) -> None:
    runs = make(0.6, 0.7, 0.8, 0.9, 0.95)
    made = compare(runs)
    assert [(pair.first, pair.second) for pair in made.pairs] == [(runs[0], other) for other in runs[1:]]
    assert sum(runs[0] in line for line in summary(made)) == 1 + 1 + 4  # its row, that it is the first, each pair


def test_a_tie_says_how_many_more_pictures_would_settle_it(make: Any) -> None:
    made = compare(make(0.95, 0.94))
    (pair,) = made.pairs
    assert pair.gain.verdict == "tie"
    assert pair.more_pictures
    assert f" {pair.more_pictures:,} " in summary(made)[-1]


def test_groups_that_one_run_knows_are_those_of_all_rows(make: Any) -> None:
    runs = make(0.8, 0.8)
    path = Path(runs[1]) / "splits.csv"
    header, *lines = path.read_text().splitlines()
    grouped = [f"{line},occasion {row % 40}" for row, line in enumerate(lines)]
    path.write_text("\n".join([f"{header},group", *grouped]) + "\n")
    first, second = compare(runs).metrics
    assert first.groups == second.groups == 40


def test_only_shared_pictures_are_compared(make: Any) -> None:
    runs = make(0.6, 0.9)
    path = Path(runs[1]) / "predictions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-50]) + "\n")
    made = compare(runs)
    assert made.pictures == 150
    assert made.left_aside == (50, 0)
    assert all(metrics.pictures == 150 for metrics in made.metrics)
    assert [line for line in summary(made) if re.search(rf"\b50\b.*{re.escape(runs[0])}", line)]


def test_runs_that_share_no_picture_are_refused(make: Any) -> None:
    (first,), (second,) = make(0.9), make(0.9, place="others", classes=("geese", "swans"))
    with pytest.raises(WrongUsage) as error:
        compare([first, second])
    assert first in error.value.what
    assert second in error.value.what
    assert f"pawsight train DATA --split {first}" in error.value.fix


@pytest.mark.parametrize("times", [0, 1, 2])
def test_one_run_alone_is_nothing_to_compare(
    make: Any, times: int, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    runs = make(0.9) * times
    with pytest.raises(WrongUsage) as error:
        compare(runs)
    assert error.value.why.replace(str(tmp_path), "PLACE") == snapshot
    assert "pawsight compare runs/001 runs/002" in error.value.fix


def test_the_test_part_is_compared_only_when_asked_and_each_look_is_counted(make: Any) -> None:
    runs = make(0.6, 0.9)
    for run in runs:
        with_test_part(run)
    assert compare(runs).pictures == 200
    assert [looks_at_test(Path(run)) for run in runs] == [0, 0]
    made = compare(runs, test=True)
    assert (made.part, made.pictures) == ("test", 100)
    assert [looks_at_test(Path(run)) for run in runs] == [1, 1]


def test_a_run_that_has_not_answered_to_its_test_part_is_refused_before_any_look(make: Any) -> None:
    runs = make(0.6, 0.9)
    with_test_part(runs[0])
    with pytest.raises(WrongUsage, match=re.escape(runs[1])) as error:
        compare(runs, test=True)
    assert "--test" in error.value.fix
    assert "pawsight train " in error.value.fix
    assert looks_at_test(Path(runs[0])) == 0


def test_a_comparison_that_is_stopped_before_its_end_is_no_look(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = make(0.6, 0.9)
    for run in runs:
        with_test_part(run)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pawsight.commands.compare.paired_gain", stopped)
    with pytest.raises(KeyboardInterrupt):
        compare(runs, test=True)
    assert [looks_at_test(Path(run)) for run in runs] == [0, 0]


@pytest.mark.parametrize(("old", "new"), [("p(cats)", "p(mice)"), (",cats,", ",mice,"), ("0.", "x.")])
def test_a_table_of_answers_that_is_damaged_is_named(make: Any, old: str, new: str) -> None:
    runs = make(0.6, 0.9)
    path = Path(runs[1]) / "predictions.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StorageError, match=re.escape(f"{runs[1]}/predictions.csv")):
        compare(runs)


def test_a_tie_without_any_difference_says_that_no_number_would_settle_it(make: Any) -> None:
    first, second = make(0.9, 0.9)
    answers = (Path(first) / "predictions.csv").read_bytes()
    (Path(second) / "predictions.csv").write_bytes(answers)
    made = compare([first, second])
    assert made.pairs[0].more_pictures is None
    assert not re.search(r" about \d", summary(made)[-1])


def test_people_see_a_table_and_programs_one_object(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    runs = [str(Path(run).relative_to(tmp_path)) for run in make(0.6, 0.95, 0.94)]
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(cli, ["compare", *runs, "--quiet"])
    assert told.exit_code == 0, told.output
    assert told.stdout == snapshot
    _, columns, *rows = told.stdout.splitlines()
    assert {len(row) for row in rows[:3]} == {len(columns)}
    plain = CliRunner().invoke(cli, ["compare", *runs, "--json", "--quiet"])
    assert json.loads(plain.stdout)["pairs"][0]["verdict"] == "better"
