"""The verb `ladder`: rungs on one split, compared on validation, and one look at the test part, by the chosen rung."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from pawsight.commands import ladder as room
from pawsight.commands import train_options
from pawsight.commands.ladder import ladder, summary
from pawsight.commands.run_split import looks_at_test
from pawsight.core.errors import PawsightError, TrainingFailed, WeightsUnavailable, WrongUsage
from pawsight.core.progress import Silent
from pawsight.core.runs import read_table
from pawsight.data.sources import Source
from pawsight.models.recipes import RECIPES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
CLIMBED = ("majority", "probe", "cnn")


class Ear(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def made_small(patch):
    """Let every rung see small pictures, so that no test waits for large ones."""
    make_recipe = train_options.make_recipe

    def small(name, recipe_options):
        recipe = make_recipe(name, recipe_options)
        if recipe.method == "probe":
            return replace(recipe, backbone="efficientnet-lite0", image_px=96)
        return replace(recipe, image_px=32)

    patch.setattr(train_options, "make_recipe", small)


@pytest.fixture
def small(monkeypatch):
    made_small(monkeypatch)


@pytest.fixture(scope="module")
def climbed(trained, tmp_path_factory):
    """A ladder of three rungs, once: outcome, its folder of runs, what was said. Read, never write."""
    runs = tmp_path_factory.mktemp("ladder") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(trained.cache))
        made_small(patch)
        ear = Ear()
        outcome = ladder(trained.data, recipes=CLIMBED, epochs=1, out=runs, progress=ear)
    return outcome, runs, ear.lines


def strict(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_the_json_has_what_was_promised(climbed):
    plain = strict(climbed[0].to_json())
    assert set(plain) >= {"rungs", "chosen", "test", "report", "left_out"}
    assert [rung["recipe"] for rung in plain["rungs"]] == list(CLIMBED)
    for rung in plain["rungs"]:
        assert set(rung) == {
            "recipe",
            "run",
            "validation",
            "seconds_per_epoch",
            "parameters",
            "gain",
            "cross_validation",
        }
        assert set(rung["validation"]) >= {"accuracy", "interval", "log_loss", "pictures"}
        assert set(rung["parameters"]) == {"total", "trainable"}
        assert (Path(rung["run"]) / "metrics.json").is_file()
    assert plain["left_out"] == {}
    assert Path(plain["report"]).name == "report.html"
    assert json.loads(Path(plain["report"]).with_name("report.json").read_text())["chosen"] == plain["chosen"]


def test_each_rung_but_the_lowest_has_its_gain_over_the_one_below(climbed):
    rungs = strict(climbed[0].to_json())["rungs"]
    assert rungs[0]["gain"] is None
    for lower, upper in pairwise(rungs):
        gain = upper["gain"]
        assert set(gain) >= {"points", "interval", "p_value", "verdict"}
        difference = upper["validation"]["accuracy"] - lower["validation"]["accuracy"]
        assert gain["points"] == pytest.approx(100 * difference, abs=1e-6)
        low, high = gain["interval"]
        assert low <= gain["points"] <= high
        assert 0 <= gain["p_value"] <= 1
        assert gain["verdict"] in ("better", "worse", "tie")


def test_seconds_per_epoch_are_told_of_those_that_have_epochs(climbed):
    seconds = {rung["recipe"]: rung["seconds_per_epoch"] for rung in strict(climbed[0].to_json())["rungs"]}
    assert seconds["majority"] is None
    assert seconds["probe"] is None
    assert seconds["cnn"] > 0


def test_the_rung_that_is_right_most_often_on_validation_is_chosen(climbed):
    outcome, runs, _ = climbed
    rungs = strict(outcome.to_json())["rungs"]
    best = max(rungs, key=lambda rung: (rung["validation"]["accuracy"], -rung["validation"]["log_loss"]))
    assert outcome.report.chosen == best["recipe"]
    assert (runs / "latest").resolve() == Path(best["run"])


def test_the_test_part_is_looked_at_once_and_by_the_chosen_rung_alone(climbed):
    outcome, runs, _ = climbed
    looks = {folder.name: looks_at_test(folder) for folder in sorted(runs.glob("0*"))}
    chosen = outcome.report.chosen_run
    assert looks == dict.fromkeys(("001", "002", "003"), 0)  # the ladder's own look ends the training, as train's does
    for folder in runs.glob("0*"):
        metrics = json.loads((folder / "metrics.json").read_text())
        assert (metrics["test"] is not None) == (folder == chosen)
        assert {row["part"] for row in read_table(folder / "predictions.csv")} == {"validation"}
    assert outcome.report.test["pictures"] == 4
    assert strict(outcome.to_json())["test"] == json.loads((chosen / "metrics.json").read_text())["test"]


def test_all_rungs_stand_on_the_same_split(climbed):
    tables = {(folder / "splits.csv").read_bytes() for folder in climbed[1].glob("0*")}
    assert len(tables) == 1


def test_the_report_stands_beside_the_runs_in_three_forms(climbed):
    outcome, runs, _ = climbed
    assert outcome.report.report == runs / "ladder-001" / "report.html"
    assert sorted(path.name for path in (runs / "ladder-001").iterdir()) == ["report.html", "report.json", "report.md"]
    page = outcome.report.report.read_text()
    root = json.loads((outcome.report.candidates[0].run / "source.json").read_text())["root"]
    data = os.path.relpath(root, outcome.report.report.parent)  # as it is typed where the page lies
    for rung in outcome.report.candidates:
        assert f"pawsight train {data} --recipe {rung.recipe}" in page


def test_the_way_up_is_told_rung_by_rung(climbed):
    lines = climbed[2]
    assert all(word in lines[2] for word in (*CLIMBED, "seed 0"))
    rungs = [line for line in lines[3:] if "seed 0" in line]
    assert [name for line in rungs for name in CLIMBED if f" {name}:" in line] == list(CLIMBED)
    assert "efficientnet-lite0 at 96 px" in rungs[1]
    assert "32 px" in rungs[2]


def test_people_are_told_each_rung_the_choice_the_test_and_the_place(climbed):
    """What this text says is pinned in test_report.py, with figures that are the same everywhere."""
    outcome = climbed[0]
    *rungs, chosen, test, place = summary(outcome)
    assert [line.split()[0] for line in rungs] == list(CLIMBED)
    assert chosen.endswith(f": {outcome.report.chosen}")
    assert f"{100 * outcome.report.test['accuracy']:.1f} %" in test
    assert place.endswith(f": {outcome.report.report}")


def refuse_weights(*_arguments, **_options):
    raise WeightsUnavailable("MobileNetV2's weights could not be downloaded.", "Keras says: no route.", "--weights")


def test_a_rung_that_cannot_be_trained_is_left_out_with_the_reason(small, drawings, tmp_path, monkeypatch):
    train_on = room.train_on
    reasons = {
        "mobilenet": "MobileNetV2's weights could not be downloaded. Keras says: no route.",
        "cnn": "The training loss is nan at step 1. The numbers overflowed.",
    }

    def train_or_fail(source, options, *rest, **named):
        if options.recipe == "mobilenet":
            refuse_weights()
        if options.recipe == "cnn":
            raise TrainingFailed("The training loss is nan at step 1.", "The numbers overflowed.", "Smaller steps.")
        return train_on(source, options, *rest, **named)

    monkeypatch.setattr(room, "train_on", train_or_fail)
    ear = Ear()
    asked = ("majority", "mobilenet", "cnn")
    outcome = ladder(drawings, recipes=asked, epochs=1, out=tmp_path / "runs", progress=ear)
    assert outcome.left_out == reasons
    told = outcome.report.report.with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"- {name}: " in told for name in reasons)
    assert strict(outcome.to_json())["left_out"] == reasons
    assert [rung.recipe for rung in outcome.report.candidates] == ["majority"]
    for name, reason in reasons.items():
        assert sum(reason in line and name in line for line in summary(outcome)) == 1
        assert sum(reason in line for line in ear.lines) == 1


def test_where_no_rung_can_be_trained_the_reasons_are_the_error(small, drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "train_on", refuse_weights)
    with pytest.raises(PawsightError) as error:
        ladder(drawings, recipes=["mobilenet"], epochs=1, out=tmp_path / "runs")
    assert error.value.why == " ".join(raised_by(refuse_weights))
    assert "--recipes probe" in error.value.fix


def raised_by(function):
    with pytest.raises(PawsightError) as error:
        function()
    return error.value.what, error.value.why


def climb(monkeypatch, tmp_path, *, validation, test_pictures):
    """Climb one rung without training; returns what was said, and which folders were told of."""
    made = SimpleNamespace(
        validation=validation,
        run=tmp_path / "001",
        record=SimpleNamespace(seconds={"total": 1.25}),
        split=SimpleNamespace(sizes={"test": test_pictures}),
    )
    told = {"latest": [], "reported": [], "completed": []}
    monkeypatch.setattr(room, "train_on", lambda *_, **__: made)
    monkeypatch.setattr(room, "measure_run", lambda *_, **__: pytest.fail("the test part was looked at"))
    monkeypatch.setattr(room, "set_latest", told["latest"].append)
    monkeypatch.setattr(room, "complete", lambda run, **_: told["completed"].append(run) or ({}, {}))
    monkeypatch.setattr(room, "_has_features", lambda *_: True)
    monkeypatch.setattr(room, "build_report", lambda folders, *_, **__: told["reported"].extend(folders))
    monkeypatch.setattr(room, "resolve", lambda *_, **__: Source("drawn", tmp_path, "folder", "These are drawings."))
    ear = Ear()
    room.ladder("drawings", recipes=["majority"], seed=3, out=tmp_path, progress=ear)
    return ear.lines, told


def test_a_rung_that_was_not_measured_is_reported_and_not_chosen(monkeypatch, tmp_path):
    lines, told = climb(monkeypatch, tmp_path, validation=None, test_pictures=9)
    assert " majority:" in lines[-1]
    assert told == {"latest": [tmp_path / "001"], "reported": [tmp_path / "001"], "completed": []}


def test_without_a_test_part_the_chosen_rung_is_measured_on_none(monkeypatch, tmp_path):
    validation = SimpleNamespace(accuracy=0.75, log_loss=0.5, interval="40.9-92.9 %")
    lines, told = climb(monkeypatch, tmp_path, validation=validation, test_pictures=0)
    assert all(figure in lines[-1] for figure in ("75.0 %", "(40.9-92.9 %)", "1.2 s"))
    assert told["completed"] == told["latest"] == [tmp_path / "001"]


def test_what_is_to_be_known_of_the_data_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    lines, _ = climb(monkeypatch, tmp_path, validation=None, test_pictures=9)
    for line, words in zip(lines[1:4], (["drawings"], ["majority", "seed 3"], ["These are drawings."]), strict=True):
        assert all(word in line for word in words)


def test_a_rung_that_would_begin_after_the_time_limit_is_left_out(small, drawings, tmp_path, snapshot):
    outcome = ladder(drawings, recipes=("majority", "cnn", "probe"), time_limit=0.0, out=tmp_path / "runs")
    assert list(outcome.left_out) == ["cnn", "probe"]
    assert sorted(set(outcome.left_out.values())) == snapshot
    assert [rung.recipe for rung in outcome.report.candidates] == ["majority"]


def test_a_ladder_of_one_rung_has_no_gain_and_is_chosen_and_the_next_stands_beside_it(small, drawings, tmp_path):
    for number, limit in ((1, None), (2, math.inf)):
        outcome = ladder(drawings, recipes=["majority"], time_limit=limit, out=tmp_path / "runs")
        assert outcome.report.report.parent.name == f"ladder-00{number}"
        assert outcome.left_out == {}
        (rung,) = outcome.report.candidates
        assert rung.gain is None
        assert outcome.report.chosen == "majority"
        assert outcome.report.test["accuracy"] == 0.5


@pytest.mark.parametrize("names", [["cnn", "cnm"], ["cnm"]])
def test_an_unknown_recipe_is_told_with_those_there_are(tmp_path, names):
    with pytest.raises(WrongUsage) as error:
        ladder(tmp_path / "nowhere", recipes=names, out=tmp_path / "runs")
    assert "'cnm'" in error.value.what
    assert "'cnn'" not in error.value.what
    assert ", ".join(RECIPES) in error.value.why
    assert "--recipes cnn,probe" in error.value.fix
    assert list(tmp_path.iterdir()) == []


def test_no_recipe_at_all_is_told_too(tmp_path):
    with pytest.raises(WrongUsage, match="''"):
        ladder(tmp_path / "nowhere", recipes=[], out=tmp_path / "runs")


def test_a_weights_file_that_is_not_there_is_told_before_anything_is_trained(drawings, tmp_path):
    with pytest.raises(WrongUsage, match=r"nothing\.h5"):
        ladder(drawings, weights=tmp_path / "nothing.h5", out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
