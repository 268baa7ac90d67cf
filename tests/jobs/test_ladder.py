"""The verb `ladder`: rungs on one split, compared on validation, and one look at the test part, by the chosen rung."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from pawsight.data.sources import Source
from pawsight.errors import PawsightError, TrainingFailed, WeightsUnavailable, WrongUsage
from pawsight.jobs import ladder as room
from pawsight.jobs.ladder import ladder, summary
from pawsight.jobs.sealed import looks_at_test
from pawsight.models.ladder import RUNGS
from pawsight.progress import Silent
from pawsight.runs import read_table

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[train]")
CLIMBED = ("majority", "probe", "cnn")


class Ear(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def made_small(patch):
    """Let every rung see small pictures, so that no test waits for large ones."""
    make_recipe = room.make_recipe

    def small(name, wishes):
        recipe = make_recipe(name, wishes)
        if recipe.method in ("probe", "finetune"):
            return replace(recipe, backbone="efficientnet-lite0", image_px=96)
        return replace(recipe, image_px=32)

    patch.setattr(room, "make_recipe", small)


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
        outcome = ladder(trained.data, recipes=CLIMBED, epochs=1, runs=runs, progress=ear)
    return outcome, runs, ear.lines


def strict(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_the_json_has_what_was_promised(climbed):
    plain = strict(climbed[0].to_json())
    assert set(plain) >= {"rungs", "chosen", "test", "report", "left_out"}
    assert [rung["recipe"] for rung in plain["rungs"]] == list(CLIMBED)
    for rung in plain["rungs"]:
        assert set(rung) == {"recipe", "run", "validation", "seconds_per_epoch", "parameters", "gain"}
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
    for rung in outcome.report.rungs:
        assert f"pawsight train {climbed_data(outcome)} --recipe {rung.recipe}" in page


def climbed_data(outcome):
    return json.loads((outcome.report.rungs[0].run / "source.json").read_text())["root"]


def test_the_way_up_is_told_rung_by_rung(climbed):
    lines = climbed[2]
    assert [line.split()[0] for line in lines[:3]] == ["Machine", "Data", "Recipes"]
    assert lines[2] == "Recipes  majority, probe, cnn, seed 0"
    assert [line for line in lines if line.startswith("Rung")] == [
        "Rung     majority: 32 px, seed 0",
        "Rung     probe: efficientnet-lite0 at 96 px, seed 0",
        "Rung     cnn: 32 px, 1 epochs, seed 0",
    ]


def test_people_are_told_each_rung_the_choice_the_test_and_the_place(climbed):
    outcome = climbed[0]
    *rungs, chosen, test, place = summary(outcome)
    assert [line.split()[0] for line in rungs] == list(CLIMBED)
    assert chosen == f"Chosen on validation: {outcome.report.chosen}"
    assert test.startswith("Test: right on ")
    assert place == f"Report: {outcome.report.report}"


def refuse_weights(*_arguments, **_options):
    raise WeightsUnavailable("MobileNetV2's weights could not be downloaded.", "Keras says: no route.", "--weights")


@pytest.mark.parametrize("error", [refuse_weights, None])
def test_a_rung_that_cannot_be_trained_is_left_out_with_the_reason(small, drawings, tmp_path, monkeypatch, error):
    train_on = room.train_on

    def train_or_fail(source, recipe, *rest):
        if recipe.name == "mobilenet":
            if error:
                error()
            raise TrainingFailed("The training loss is nan at step 1.", "The numbers overflowed.", "Smaller steps.")
        return train_on(source, recipe, *rest)

    monkeypatch.setattr(room, "train_on", train_or_fail)
    ear = Ear()
    outcome = ladder(drawings, recipes=("majority", "mobilenet"), epochs=1, runs=tmp_path / "runs", progress=ear)
    reason = {
        True: "MobileNetV2's weights could not be downloaded. Keras says: no route.",
        False: "The training loss is nan at step 1. The numbers overflowed.",
    }[error is not None]
    assert outcome.left_out == {"mobilenet": reason}
    told = outcome.report.report.with_suffix(".md").read_text(encoding="utf-8")
    assert "Asked for and not trained:" in told
    assert "- mobilenet: " in told
    assert strict(outcome.to_json())["left_out"] == {"mobilenet": reason}
    assert [rung.recipe for rung in outcome.report.rungs] == ["majority"]
    assert f"Left out: mobilenet, {reason}" in summary(outcome)
    assert f"         left out: {reason}" in ear.lines


def test_where_no_rung_can_be_trained_the_reasons_are_the_error(small, drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "train_on", refuse_weights)
    with pytest.raises(PawsightError) as told:
        ladder(drawings, recipes=["mobilenet"], epochs=1, runs=tmp_path / "runs")
    assert told.value.what == "No rung could be trained."
    assert told.value.why == "MobileNetV2's weights could not be downloaded. Keras says: no route."
    assert told.value.fix == "Try: --recipes probe"


def climb(monkeypatch, tmp_path, *, validation, test_pictures):
    """Climb one rung without training; returns what was said, and which folders were told of."""
    made = SimpleNamespace(
        validation=validation,
        run=tmp_path / "001",
        seconds={"total": 1.25},
        split=SimpleNamespace(sizes={"test": test_pictures}),
    )
    told = {"latest": [], "reported": [], "completed": []}
    monkeypatch.setattr(room, "train_on", lambda *_: made)
    monkeypatch.setattr(room, "evaluate", lambda *_, **__: pytest.fail("the test part was looked at"))
    monkeypatch.setattr(room, "set_latest", told["latest"].append)
    monkeypatch.setattr(room, "complete", lambda run, **_: told["completed"].append(run) or {})
    monkeypatch.setattr(room, "_has_features", lambda *_: True)
    monkeypatch.setattr(room, "build_report", lambda folders, *_, **__: told["reported"].extend(folders))
    reports, ear = [], Ear()
    room._climb(None, "majority", room.Wishes(), None, reports, {}, room.Logged(ear))
    room._tell(reports, {}, tmp_path, room.Logged(ear))
    return ear.lines, told


def test_a_rung_that_was_not_measured_is_reported_and_not_chosen(monkeypatch, tmp_path):
    lines, told = climb(monkeypatch, tmp_path, validation=None, test_pictures=9)
    assert [line.split(":")[0] for line in lines] == ["Rung     majority"]
    assert told == {"latest": [tmp_path / "001"], "reported": [tmp_path / "001"], "completed": []}


def test_without_a_test_part_the_chosen_rung_is_measured_on_none(monkeypatch, tmp_path):
    validation = SimpleNamespace(accuracy=0.75, log_loss=0.5, interval="40.9-92.9 %")
    lines, told = climb(monkeypatch, tmp_path, validation=validation, test_pictures=0)
    assert lines[-1] == "         validation 75.0 % (40.9-92.9 %) in 1.2 s"
    assert told["completed"] == told["latest"] == [tmp_path / "001"]


def test_what_is_to_be_known_of_the_data_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    source = Source("sample", tmp_path, "sample", "These are drawings.")
    monkeypatch.setattr(room, "resolve", lambda *_, **__: source)
    ear = Ear()
    assert room._announced("sample", ["majority", "probe"], 3, room.Logged(ear)) is source
    assert ear.lines[1:] == ["Data     sample", "Recipes  majority, probe, seed 3", "Note     These are drawings."]


def test_a_rung_that_would_begin_after_the_time_limit_is_left_out(small, drawings, tmp_path):
    outcome = ladder(drawings, recipes=("majority", "cnn", "probe"), time_limit=0.0, runs=tmp_path / "runs")
    assert outcome.left_out == dict.fromkeys(("cnn", "probe"), "the time limit of 0 s was over")
    assert [rung.recipe for rung in outcome.report.rungs] == ["majority"]


def test_a_time_limit_that_is_long_enough_leaves_nothing_out(small, drawings, tmp_path):
    outcome = ladder(drawings, recipes=["majority"], time_limit=math.inf, runs=tmp_path / "runs")
    assert outcome.left_out == {}


def test_a_ladder_of_one_rung_has_no_gain_and_is_chosen(small, drawings, tmp_path):
    outcome = ladder(drawings, recipes=["majority"], runs=tmp_path / "runs")
    (rung,) = outcome.report.rungs
    assert rung.gain is None
    assert outcome.report.chosen == "majority"
    assert outcome.report.test["accuracy"] == 0.5


def test_ladders_stand_beside_each_other(small, drawings, tmp_path):
    for number in (1, 2):
        outcome = ladder(drawings, recipes=["majority"], runs=tmp_path / "runs")
        assert outcome.report.report.parent.name == f"ladder-00{number}"


@pytest.mark.parametrize("names", [["cnn", "cnm"], ["cnm"]])
def test_an_unknown_recipe_is_told_with_those_there_are(tmp_path, names):
    with pytest.raises(WrongUsage) as told:
        ladder(tmp_path / "nowhere", recipes=names, runs=tmp_path / "runs")
    assert str(told.value) == (
        f"There is no recipe called 'cnm'.\nThe recipes are {', '.join(RUNGS)}.\nType for example --recipes cnn,probe"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_recipe_at_all_is_told_too(tmp_path):
    with pytest.raises(WrongUsage, match="There is no recipe called ''"):
        ladder(tmp_path / "nowhere", recipes=[], runs=tmp_path / "runs")


def test_a_weights_file_that_is_not_there_is_told_before_anything_is_trained(drawings, tmp_path):
    with pytest.raises(WrongUsage, match=r"There is no file .*nothing\.h5"):
        ladder(drawings, weights=tmp_path / "nothing.h5", runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
