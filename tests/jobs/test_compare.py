"""Tests of the job `compare`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.errors import StorageError, WrongUsage
from pawsight.evaluation.answer_table import AnswerTable
from pawsight.evaluation.compare import holm
from pawsight.jobs import compare as job
from pawsight.jobs.compare import compare, summary
from pawsight.jobs.sealed import looks_at_test


@pytest.fixture(scope="session")
def fake() -> Any:
    place = Path(__file__).parents[1] / "evaluation" / "fake_runs.py"
    spec = importlib.util.spec_from_file_location("pawsight_tests_fake_runs", place)
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


@pytest.fixture
def make(fake: Any, tmp_path: Path) -> Any:
    """Make runs on 200 invented pictures, as often right as is asked for."""

    def made(*accuracies: float, place: str = "runs", classes: tuple[str, str] = ("cats", "dogs")) -> list[str]:
        rows = fake.draw_pictures(tmp_path / "data", classes, validation=100, drawn=0)
        return [
            str(
                fake.write_run(
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


def test_every_run_has_its_figures_with_intervals_and_json_says_all(make: Any) -> None:
    runs = make(0.6, 0.95)
    plain = json.loads(json.dumps(compare(runs).to_json(), allow_nan=False))
    assert [one["run"] for one in plain["runs"]] == runs
    assert all(one["interval"][0] < one["accuracy"] < one["interval"][1] for one in plain["runs"])
    assert all(one["intervals"]["log_loss"][0] < one["log_loss"] for one in plain["runs"])
    (pair,) = plain["pairs"]
    assert set(pair) >= {"first", "second", "points", "interval", "p_value", "p_holm", "verdict", "pictures"}
    assert pair["pictures"] == 200
    assert pair["p_holm"] is None  # one comparison needs no correction
    assert pair["more_pictures"] == 0


def test_more_than_four_runs_are_each_compared_with_the_first(make: Any) -> None:
    runs = make(0.6, 0.7, 0.8, 0.9, 0.95)
    made = compare(runs)
    assert [(pair.first, pair.second) for pair in made.pairs] == [(runs[0], other) for other in runs[1:]]
    assert any(line.startswith("Each against the first") for line in summary(made))


def test_a_tie_says_how_many_more_pictures_would_settle_it(make: Any) -> None:
    made = compare(make(0.95, 0.94))
    (pair,) = made.pairs
    assert pair.gain.verdict == "tie"
    told = f": a tie; about {pair.more_pictures:,} more pictures would settle it if it is real"
    assert any(line.endswith(told) for line in summary(made))


def test_a_table_without_pictures_is_no_measurement() -> None:
    empty = AnswerTable(("cats", "dogs"), (), np.empty((0, 2)))
    with pytest.raises(ValueError, match="without pictures cannot be measured"):
        job._measured(empty, seed=0)


def test_only_shared_pictures_are_compared(make: Any) -> None:
    runs = make(0.6, 0.9)
    path = Path(runs[1]) / "predictions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-50]) + "\n")
    made = compare(runs)
    assert made.pictures == 150
    assert made.left_aside == (50, 0)
    assert all(one.metrics.pictures == 150 for one in made.runs)
    assert any(
        line.startswith("Left aside, as not all runs have them under the same label: 50 of ") for line in summary(made)
    )


def test_runs_that_share_no_picture_are_refused(make: Any) -> None:
    (first,), (second,) = make(0.9), make(0.9, place="others", classes=("geese", "swans"))
    with pytest.raises(WrongUsage) as error:
        compare([first, second])
    assert str(error.value).startswith(f"{first} and {second} share no validation picture.\n")
    assert f"pawsight train DATA --split {first}" in str(error.value)


@pytest.mark.parametrize(
    ("times", "why"), [(0, "No run was named."), (1, "1 run was named."), (2, "The same run was named twice: {run}")]
)
def test_one_run_alone_is_nothing_to_compare(make: Any, times: int, why: str) -> None:
    runs = make(0.9) * times
    with pytest.raises(WrongUsage) as error:
        compare(runs)
    why = why.format(run=runs[0] if runs else "")
    told = ("There is nothing to compare with.", why, "Name two runs or more, e.g. pawsight compare runs/001 runs/002")
    assert str(error.value) == "\n".join(told)


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
    with pytest.raises(WrongUsage, match="has not answered to its test part") as error:
        compare(runs, test=True)
    assert "or train it by itself: pawsight train" in str(error.value)
    assert looks_at_test(Path(runs[0])) == 0


@pytest.mark.parametrize(("old", "new"), [("p(cats)", "p(mice)"), (",cats,", ",mice,"), ("0.", "x.")])
def test_a_table_of_answers_that_is_damaged_is_named(make: Any, old: str, new: str) -> None:
    runs = make(0.6, 0.9)
    path = Path(runs[1]) / "predictions.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StorageError, match=r"predictions\.csv cannot be read\.\nThe reader says: "):
        compare(runs)


def test_a_tie_without_any_difference_says_that_no_number_would_settle_it(make: Any, fake: Any) -> None:
    first, second = make(0.9, 0.9)
    answers = (Path(first) / "predictions.csv").read_bytes()
    (Path(second) / "predictions.csv").write_bytes(answers)
    told = summary(compare([first, second]))
    assert told[-1].endswith("a tie; no difference was seen, so no number of pictures would settle it")


def test_people_see_a_table_and_programs_one_object(make: Any) -> None:
    runs = make(0.6, 0.95)
    told = CliRunner().invoke(cli, ["compare", *runs, "--quiet"])
    assert told.exit_code == 0, told.output
    head, columns, *rows = told.stdout.splitlines()
    assert head == "On the 200 validation pictures that all 2 runs share:"
    assert columns.split()[:3] == ["run", "recipe", "right"]
    assert len({len(row) for row in (columns, *rows[:2])}) == 1
    assert rows[2].startswith(f"{runs[1]} against {runs[0]}: +")
    assert rows[2].endswith(": better")
    plain = CliRunner().invoke(cli, ["compare", *runs, "--json", "--quiet"])
    assert json.loads(plain.stdout)["pairs"][0]["verdict"] == "better"
