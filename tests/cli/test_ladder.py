"""The front door of the ladder's verbs: ladder, recipes, report, preview, and train with --resume."""

from __future__ import annotations

import importlib.util
import json
import os
import re

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.models.recipes import RECIPES

from ..conftest import says

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")


def typed(*words):
    """Type a command in this process; an accident is raised."""
    result = CliRunner().invoke(cli, [os.fspath(word) for word in words], prog_name="pawsight")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def the_object(result):
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


@pytest.fixture(scope="module")
def runs(drawings, tmp_path_factory):
    """Two rungs that need neither Keras nor a backbone. Read, never write."""
    place = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
        for seed in (0, 1):
            result = typed("train", drawings, "--recipe", "majority", "--seed", str(seed), "--runs", place / "runs")
            assert result.exit_code == 0, result.stderr
    return place / "runs"


# ladder


def test_ladder_json_is_one_object_with_what_was_promised(drawings, tmp_path):
    plain = the_object(typed("ladder", drawings, "--recipes", "majority", "--runs", tmp_path / "runs", "--json"))
    assert set(plain) >= {"rungs", "chosen", "test", "report"}
    assert [rung["recipe"] for rung in plain["rungs"]] == ["majority"]
    assert plain["chosen"] == "majority"
    assert plain["report"] == str(tmp_path / "runs" / "ladder-001" / "report.html")


def test_ladder_tells_people_and_quiet_tells_only_the_result(drawings, tmp_path):
    loud = typed("ladder", drawings, "--recipes", " majority , majority", "--runs", tmp_path / "loud")
    assert loud.stderr.startswith("Machine  ")
    assert "Rung     majority" in loud.stderr
    assert loud.stdout.splitlines()[-1].startswith("Report: ")
    quiet = typed("ladder", drawings, "--recipes", "majority", "--runs", tmp_path / "quiet", "--quiet")
    assert quiet.stderr == ""
    assert "Chosen on validation: majority" in quiet.stdout


def test_ladder_with_an_unknown_recipe_is_wrong_usage_and_says_which_there_are(drawings, tmp_path):
    result = typed("ladder", drawings, "--recipes", "probe,resnet", "--runs", tmp_path / "runs")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says(result.stderr, "pawsight: ", "'resnet'", ", ".join(RECIPES), "--recipes cnn,probe")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("limit", "rungs"), [("0.001s", 1), ("2h", 2)])
def test_the_time_limit_is_a_length_of_time(drawings, tmp_path, limit, rungs):
    words = ("--recipes", "majority,majority", "--time-limit", limit, "--runs", tmp_path / "runs", "--json")
    plain = the_object(typed("ladder", drawings, *words))
    assert len(plain["rungs"]) == rungs


@pytest.mark.parametrize("limit", ["", "10", "m", "ten minutes", "5d"])
def test_a_time_limit_that_is_none_is_told_with_examples(drawings, limit):
    result = typed("ladder", drawings, "--time-limit", limit)
    assert result.exit_code == 2
    assert says(result.stderr, repr(limit), "90s, 10m or 2h")


@pytest.mark.parametrize("limit", ["-5s", "nans", "1e999h"])
def test_a_time_limit_without_sense_does_not_end_in_a_traceback(drawings, tmp_path, limit):
    result = typed("ladder", drawings, "--recipes", "majority", "--time-limit", limit, "--runs", tmp_path / "runs")
    assert result.exit_code in (0, 2)
    assert "Traceback" not in result.stderr


# recipes


def test_recipes_json_is_one_object():
    plain = the_object(typed("recipes", "--json"))
    assert [one["name"] for one in plain["recipes"]] == list(RECIPES)
    mobilenet = next(one for one in plain["recipes"] if one["name"] == "mobilenet")
    assert mobilenet["parameters"] == {"total": 4_306_178, "trainable": 2_048_194}


def test_recipes_tells_people_a_table_and_what_to_type_next():
    result = typed("recipes")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith("Next: pawsight train DATA --recipe NAME")
    assert all(re.search(rf"^{name} ", result.stdout, re.MULTILINE) for name in RECIPES)


# report


def test_report_makes_one_over_runs_that_were_made_one_at_a_time(runs, tmp_path):
    plain = the_object(typed("report", runs / "001", runs / "002", "--target", tmp_path / "told", "--json", "--quick"))
    assert [rung["recipe"] for rung in plain["rungs"]] == ["majority", "majority"]
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "told" / "report.json").read_text()) == plain


def test_report_tells_people_where_it_is(runs, tmp_path):
    result = typed("report", runs / "latest", "--target", tmp_path / "told", "--quick")
    assert result.stdout.splitlines()[-1] == f"Report: {tmp_path / 'told' / 'report.html'}"


def test_report_on_what_is_no_run_is_told(tmp_path):
    result = typed("report", tmp_path)
    assert result.exit_code != 0
    assert result.stderr.startswith("pawsight: ")
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr


def test_report_without_runs_is_wrong_usage():
    assert typed("report").exit_code == 2


# preview


def test_preview_json_names_three_sheets_that_are_there(drawings, tmp_path):
    plain = the_object(typed("preview", drawings, "--out", tmp_path / "sheets", "--json"))
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {"grid.png", "flips.png", "rotations.png"}
    for name, place in plain["files"].items():
        assert (tmp_path / "sheets" / f"{name}.png").samefile(place)
    assert list(plain["files"]) == ["grid", "flips", "rotations"]


def test_preview_says_the_count_sentence_the_baseline_and_what_to_type_next(drawings, tmp_path):
    result = typed("preview", drawings, "--out", tmp_path / "sheets")
    assert result.exit_code == 0
    assert says(result.stdout, "16 images of cats", "16 images of dogs", "50.0 %")
    assert result.stdout.splitlines()[-1] == f"Next: pawsight train {drawings}"


# train --resume


def test_resume_without_a_stopped_run_says_so_and_starts(drawings, tmp_path):
    words = ("train", drawings, "--recipe", "majority", "--runs", tmp_path / "runs", "--resume")
    result = typed(*words)
    assert result.exit_code == 0
    assert says(result.stderr, "Resume   there is no unfinished run")
    assert typed(*words).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["001", "002", "latest"]


@needs_keras
def test_resume_takes_up_the_run_that_was_stopped_and_says_which(drawings, tmp_path, monkeypatch):
    from pawsight.training import networks

    words = ("train", drawings, "--recipe", "cnn", "--epochs", "2", "--image-px", "32", "--runs", tmp_path / "runs")
    save_checkpoint = networks.save_checkpoint

    def stopped(*arguments):
        save_checkpoint(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(networks, "save_checkpoint", stopped)
    first = typed(*words)
    assert first.exit_code == 130
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["001"]
    monkeypatch.setattr(networks, "save_checkpoint", save_checkpoint)
    second = typed(*words, "--resume", "--json")
    assert f"Resume   {tmp_path / 'runs' / '001'}" in second.stderr
    plain = the_object(second)
    assert (plain["run"], plain["epochs"]) == (str(tmp_path / "runs" / "001"), 2)
    log = (tmp_path / "runs" / "001" / "log.txt").read_text()
    assert "Epoch 2 of 2" in log
    assert "Epoch 1 of 2" not in log


def test_a_recipe_that_cannot_be_used_is_wrong_usage(drawings, tmp_path):
    result = typed(
        "train", drawings, "--recipe", "cnn", "--backbone", "efficientnet-lite0", "--runs", tmp_path / "runs"
    )
    assert result.exit_code == 2
    assert says(result.stderr, "recipe cnn", "backbone")
