"""The verbs as they are typed; exit statuses and what all verbs share are in test_cli.py."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

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
            result = typed("train", drawings, "--recipe", "majority", "--seed", str(seed), "--out", place / "runs")
            assert result.exit_code == 0, result.stderr
    return place / "runs"


# ladder


def test_ladder_json_is_one_object_with_what_was_promised(drawings, tmp_path):
    plain = the_object(typed("ladder", drawings, "--recipes", "majority", "--out", tmp_path / "runs", "--json"))
    assert set(plain) >= {"rungs", "chosen", "test", "report"}
    assert [rung["recipe"] for rung in plain["rungs"]] == ["majority"]
    assert plain["chosen"] == "majority"
    assert plain["report"] == str(tmp_path / "runs" / "ladder-001" / "report.html")


def test_ladder_tells_people_and_quiet_tells_only_the_result(drawings, tmp_path):
    loud = typed("ladder", drawings, "--recipes", " majority , majority", "--out", tmp_path / "loud")
    assert loud.stderr.startswith("Machine  ")
    assert "Recipe   majority" in loud.stderr
    assert loud.stdout.splitlines()[-1].startswith("Report: ")
    quiet = typed("ladder", drawings, "--recipes", "majority", "--out", tmp_path / "quiet", "--quiet")
    assert quiet.stderr == ""
    assert "Chosen on validation: majority" in quiet.stdout


def test_ladder_with_an_unknown_recipe_is_wrong_usage_and_says_which_there_are(drawings, tmp_path):
    result = typed("ladder", drawings, "--recipes", "probe,resnet", "--out", tmp_path / "runs")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says(result.stderr, "pawsight: ", "'resnet'", ", ".join(RECIPES), "--recipes cnn,probe")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("limit", "rungs"), [("0.001s", 1), ("2h", 2)])
def test_the_time_limit_is_a_length_of_time(drawings, tmp_path, limit, rungs):
    words = ("--recipes", "majority,majority", "--time-limit", limit, "--out", tmp_path / "runs", "--json")
    plain = the_object(typed("ladder", drawings, *words))
    assert len(plain["rungs"]) == rungs


@pytest.mark.parametrize("limit", ["", "10", "m", "ten minutes", "5d"])
def test_a_time_limit_that_is_none_is_told_with_examples(drawings, limit):
    result = typed("ladder", drawings, "--time-limit", limit)
    assert result.exit_code == 2
    assert says(result.stderr, repr(limit), "90s, 10m or 2h")


@pytest.mark.parametrize("limit", ["-5s", "nans", "1e999h"])
def test_a_time_limit_without_sense_does_not_end_in_a_traceback(drawings, tmp_path, limit):
    result = typed("ladder", drawings, "--recipes", "majority", "--time-limit", limit, "--out", tmp_path / "runs")
    assert result.exit_code in (0, 2)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["--out", "--runs"])
def test_the_folder_for_runs_has_its_earlier_name_too(drawings, tmp_path, name):
    plain = the_object(typed("train", drawings, "--recipe", "majority", name, tmp_path / "mine", "--json", "--quiet"))
    assert plain["run"] == str(tmp_path / "mine" / "001")
    assert "--runs" not in typed("train", "--help").stdout


# predict


def test_expect_adds_an_object_or_lines_after_the_answers(watched_bundle, tmp_path):
    Image.new("RGB", (20, 20), (245, 5, 5)).save(tmp_path / "red.png")
    words = ("predict", watched_bundle, *[tmp_path / "red.png"] * 11, "--expect")
    *answers, told = map(json.loads, typed(*words, "--json").stdout.splitlines())
    assert len(answers) == 11
    assert set(told) == {"expected"}
    assert told["expected"]["pictures"] == 11
    assert set(told["expected"]) >= {"accuracy", "interval", "p_value", "alarm", "false_alarms"}
    assert len(typed(*words).stdout.splitlines()) > 12
    (tmp_path / "none.png").write_bytes(b"\x89PNG")
    *_, told = map(
        json.loads, typed("predict", watched_bundle, tmp_path / "none.png", "--expect", "--json").stdout.splitlines()
    )
    assert told == {"expected": None}


def test_expect_is_refused_for_a_folder_of_parts(watched_bundle, tmp_path):
    result = typed("predict", watched_bundle, tmp_path / "red.png", "--expect", "--out", tmp_path / "parts/")
    assert result.exit_code == 2
    assert "--expect" in result.stderr


# recipes


def test_recipes_json_is_one_object():
    plain = the_object(typed("recipes", "--json"))
    assert [recipe["name"] for recipe in plain["recipes"]] == list(RECIPES)
    mobilenet = next(recipe for recipe in plain["recipes"] if recipe["name"] == "mobilenet")
    assert mobilenet["parameters"] == {"total": 4_306_178, "trainable": 2_048_194}


def test_recipes_tells_people_a_table_and_what_to_type_next():
    result = typed("recipes")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith("Next: pawsight train DATA --recipe NAME")
    assert all(re.search(rf"^{name} ", result.stdout, re.MULTILINE) for name in RECIPES)


# report


def test_report_makes_one_over_runs_that_were_made_one_at_a_time(runs, tmp_path):
    plain = the_object(typed("report", runs / "001", runs / "002", "--out", tmp_path / "told", "--json", "--quick"))
    assert [rung["recipe"] for rung in plain["rungs"]] == ["majority", "majority"]
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "told" / "report.json").read_text()) == plain


def test_report_tells_people_where_it_is(runs, tmp_path):
    result = typed("report", runs / "latest", "--out", tmp_path / "told", "--quick")
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
    assert {path.name for path in (tmp_path / "sheets").glob("*.png")} == {"grid.png", "flips.png", "rotations.png"}
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
    words = ("train", drawings, "--recipe", "majority", "--out", tmp_path / "runs", "--resume")
    result = typed(*words)
    assert result.exit_code == 0
    assert says(result.stderr, "Resume   there is no unfinished run")
    assert typed(*words).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["001", "002", "latest"]


@needs_keras
def test_resume_takes_up_the_run_that_was_stopped_and_says_which(drawings, tmp_path, monkeypatch):
    from pawsight.training import networks
    from pawsight.training.checkpoint import save_checkpoint

    words = ("train", drawings, "--recipe", "cnn", "--epochs", "2", "--image-px", "32", "--out", tmp_path / "runs")

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
    result = typed("train", drawings, "--recipe", "cnn", "--backbone", "efficientnet-lite0", "--out", tmp_path / "runs")
    assert result.exit_code == 2
    assert says(result.stderr, "recipe cnn", "backbone")


# What is typed about parts, slices and curves, from the command line to the answer


def test_train_takes_the_split_of_a_run(warm, tmp_path):
    split = ["--split", str(warm.report.run), "--json"]
    result = typed(*warm.typed(warm.data, tmp_path / "runs", *split))
    assert result.exit_code == 0, result.stderr
    plain = json.loads(result.stdout)
    assert plain["split"]["digest"] == warm.report.split.digest
    assert plain["split"]["how"] == "as splits.csv says"


def test_inspect_and_ladder_take_one_too(warm, tmp_path):
    shutil.copy(warm.report.run / "splits.csv", tmp_path / "mine.csv")
    looked = typed("inspect", warm.data, "--split", tmp_path / "mine.csv", "--json")
    assert json.loads(looked.stdout)["split"]["how"] == "as mine.csv says"
    climbed = typed(
        "ladder", warm.data, "--recipes", "majority", "--split", tmp_path / "mine.csv", "--out", tmp_path / "runs"
    )
    assert climbed.exit_code == 0, climbed.stderr
    split = json.loads((tmp_path / "runs" / "001" / "metrics.json").read_text())["split"]
    assert (split["digest"], split["how"]) == (warm.report.split.digest, "as mine.csv says")


def test_another_split_seed_cuts_other_parts(warm):
    plain = json.loads(typed("inspect", warm.data, "--split-seed", "1", "--json").stdout)
    assert plain["split"]["digest"] != warm.report.split.digest


def test_a_wrong_file_is_told_in_plain_words_with_exit_status_1(warm, tmp_path):
    (tmp_path / "mine.csv").write_text("path,part\nx.jpg,nowhere\n")
    result = typed("inspect", warm.data, "--split", tmp_path / "mine.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pawsight: {tmp_path / 'mine.csv'} has 1 problem")
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_and_a_seed_beside_one_have_exit_status_2(warm, tmp_path):
    assert typed("inspect", warm.data, "--split", tmp_path / "none.csv").exit_code == 2
    run = warm.report.run
    assert typed("inspect", warm.data, "--split", run, "--split-seed", "4").exit_code == 2


def test_evaluate_prints_slices_and_the_curve(warm, tmp_path):
    run = shutil.copytree(warm.report.run, tmp_path / "run")
    result = typed("evaluate", run, "--slices", "--learning-curve")
    assert result.exit_code == 0, result.stderr
    assert "p (Holm)" in result.stdout or "No slice is large enough to test." in result.stdout
    assert says(result.stdout, "Learning curve", "efficientnet-lite0 at 96 px:", "64 training pictures")
    plain = json.loads(typed("evaluate", run, "--slices", "--learning-curve", "--json").stdout)
    assert isinstance(plain["slices"], list)
    assert plain["learning_curve"]["twice"]["pictures"] == 64


# The verb export, as it is typed


@pytest.fixture
def exported(colour_bundle, tmp_path):
    """Type `pawsight export BUNDLE ... --out OUT`."""

    def run(*words):
        return CliRunner().invoke(cli, ["export", str(colour_bundle), *words, "--out", str(tmp_path / "out")])

    return run


def test_it_prints_a_table_and_where_everything_is(exported, tmp_path):
    done = exported("--to", "openvino,card")
    assert done.exit_code == 0, done.output
    header, openvino, card, last = done.stdout.splitlines()
    assert header.split() == ["export", "opens", "MB", "largest", "difference", "labels", "flipped", "s", "to", "load"]
    assert openvino.startswith("openvino f32  openvino/model.xml")
    assert "0 of 4" in openvino
    assert card.split() == ["card", "card/README.md", "0.0", "-", "-", "-"]
    assert says(last, tmp_path / "out", "pawsight.json")


def test_as_json_it_is_one_object(exported, tmp_path):
    done = exported("--to", "openvino", "--json")
    told = json.loads(done.stdout)
    assert told["out"] == str(tmp_path / "out")
    (one,) = told["exports"]
    assert one["file"] == "model.xml"
    assert one["sitting"]["flips"] == 0
    assert told["int8"] is None


def test_twice_is_as_good_as_once_but_changed_files_are_kept(exported, tmp_path):
    assert exported("--to", "openvino").exit_code == 0
    assert exported("--to", "openvino").exit_code == 0
    (tmp_path / "out" / "openvino" / "model.xml").write_text("mine now")
    done = exported("--to", "openvino")
    assert done.exit_code == 2
    assert "openvino is not overwritten." in done.stderr
    assert (tmp_path / "out" / "openvino" / "model.xml").read_text() == "mine now"


def test_an_unknown_format_ends_with_status_2(exported):
    done = exported("--to", "pickle")
    assert done.exit_code == 2
    assert "There is no export to 'pickle'." in done.stderr


def test_the_public_name_is_the_function_even_after_the_room_was_loaded():
    import pawsight
    import pawsight.exports.targets

    assert callable(pawsight.export)


# predict


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """A folder with a picture and a document, as the current folder's `inbox`."""
    (tmp_path / "inbox").mkdir()
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "inbox" / "red.png")
    (tmp_path / "inbox" / "scan.pdf").write_bytes(b"%PDF-1.4\n")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "list.txt").write_text("inbox/red.png\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["inbox"], 0),
        (["inbox", "--out", "a.csv"], 0),
        (["inbox", "--out", "parts/"], 0),
        (["list.txt"], 0),
        (["@list.txt"], 0),
        (["inbox/*.png", "--top", "2"], 0),
        (["inbox/scan.pdf"], 1),
        (["inbox/scan.pdf", "--out", "a.json"], 1),
        (["inbox/scan.pdf", "inbox", "--out", "parts"], 1),
        (["cut.jpg"], 1),
        (["gone.jpg"], 1),
        (["inbox/*.gif"], 1),
        (["inbox", "--out", "list.txt"], 2),
        (["inbox", "--out", "parts", "--threshold", "80%"], 2),
        (["inbox", "--out", "a.csv", "--resume"], 2),
        ([], 2),
    ],
)
def test_predict_ends_with_one_where_a_picture_has_no_answer(colour_bundle, inbox, words, status):
    result = typed("predict", colour_bundle, *words)
    assert result.exit_code == status, result.stderr
    assert ("Skipped" in result.stderr) == (words in (["inbox"], ["inbox", "--out", "a.csv"]))


def test_predict_writes_the_file_that_is_named_and_never_over_another(colour_bundle, inbox):
    words = ["predict", colour_bundle, "inbox", "--all", "--threshold", "1.0", "--out", "answers.csv", "--json"]
    plain = the_object(typed(*words))
    assert (plain["out"], plain["pictures"], plain["errors"]) == ("answers.csv", 1, 0)
    header, row = (inbox / "answers.csv").read_text().splitlines()
    assert header == "path,label,confidence,decision,error,probability_red,probability_green,probability_blue"
    assert row.startswith("inbox/red.png,")
    before = (inbox / "answers.csv").read_bytes()
    again = typed(*words)
    assert (again.exit_code, (inbox / "answers.csv").read_bytes()) == (1, before)
    assert says(again.stderr, "answers.csv exists already", "--out")


def test_predict_without_pictures_says_what_comes_first(colour_bundle, inbox):
    assert says(typed("predict", "inbox/red.png").stderr, "pawsight predict runs/latest inbox/red.png")
    assert says(typed("predict", "inbox", colour_bundle).stderr, f"pawsight predict {colour_bundle} inbox")


# tables


def test_a_table_with_columns_of_its_own_is_inspected_and_the_next_line_names_them(drawings, tmp_path):
    pictures = sorted((drawings / "train").rglob("*.jpg"))
    rows = "".join(f"{picture.stem},{picture.parent.name}\n" for picture in pictures)
    (tmp_path / "t").symlink_to(drawings / "train")
    table = tmp_path / "my pets.csv"
    table.write_text("id,the breed\n" + rows)
    refused = typed("inspect", table)
    assert refused.exit_code == 1
    option = refused.stderr.strip().splitlines()[-1].rpartition("--columns ")[2]
    assert shlex.split(option) == ["path=id,label=the breed"]
    table.write_text("id,the breed\n" + "".join(f"{picture},{picture.parent.name}\n" for picture in pictures))
    result = typed("inspect", table, "--columns", *shlex.split(option))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith(f"{shlex.quote(str(table))} --columns 'path=id,label=the breed'")


@pytest.mark.parametrize("columns", ["path", "path=", "file=a,label=b", "path=a,path=b", ""])
def test_columns_that_name_none_are_wrong_usage(tmp_path, columns):
    assert typed("inspect", tmp_path, "--columns", columns).exit_code == 2


def test_a_run_says_how_it_read_its_table(drawings, tmp_path):
    table = tmp_path / "pets.csv"
    rows = [f"{picture}|{picture.parent.name}|{picture.parents[1].name}" for picture in sorted(drawings.rglob("*.jpg"))]
    table.write_text("\n".join(["a|b|c", *rows]), encoding="utf-16")
    words = ["--recipe", "majority", "--columns", "path=a,label=b,part=c", "--out", tmp_path / "runs", "--json"]
    plain = the_object(typed("train", table, *words))
    assert [plain["split"][part] for part in ("train", "validation", "test")] == [32, 16, 4]
    assert "--columns path=a,label=b,part=c" in json.loads((tmp_path / "runs/001/metrics.json").read_text())["command"]
