"""The front door: exit statuses, nothing but JSON with --json, nothing on stderr with --quiet, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import pawsight
from pawsight.cli import cli

from ..conftest import says

COMMANDS = sorted(cli.commands)


@pytest.fixture
def typed():
    """Type a command in this process; what it prints and how it ends come back, an accident is raised."""

    def type_in(*words):
        result = CliRunner().invoke(cli, [os.fspath(word) for word in words], prog_name="pawsight")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return type_in


@pytest.fixture
def red(tmp_path):
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def the_object(result):
    """The one JSON object on stdout."""
    assert result.stdout.count("\n") == 1
    assert result.stdout.endswith("\n")
    value = json.loads(result.stdout, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert isinstance(value, dict)
    return value


def process(*words, **options):
    command = [sys.executable, "-m", "pawsight", *map(os.fspath, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment(), **options
    )


def environment(**changes):
    """This environment, with this very package on the path wherever the process starts."""
    return os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])} | changes


# What each verb prints as JSON


def test_train_json_has_all_that_was_promised(typed, warm, tmp_path):
    result = typed(*warm.typed(warm.data, tmp_path / "runs", "--json"))
    plain = the_object(result)
    assert result.exit_code == 0
    assert set(plain) >= {
        *("run", "recipe", "image_px", "classes", "split", "validation", "test"),
        *("baseline", "left_out", "seconds", "machine"),
    }
    assert plain["run"] == str(tmp_path / "runs" / "001")
    assert set(plain["split"]) >= {"digest", "train", "validation", "test"}
    for part in ("validation", "test"):
        assert set(plain[part]) >= {"accuracy", "interval", "log_loss", "pictures"}
    assert set(plain["seconds"]) > {"total"}
    kept = json.loads((tmp_path / "runs" / "latest" / "metrics.json").read_text())
    assert kept == plain | {"run": "001"}


def test_predict_json_is_one_object_a_line_with_these_keys(typed, colour_bundle, red, tmp_path):
    result = typed("predict", "--json", colour_bundle, red, tmp_path / "missing.png", red)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(line) for line in lines] == [
        ["path", "label", "probability", "probabilities", "error", "decision", "verdict", "set"]
    ] * 3
    assert [line["label"] for line in lines] == ["red", None, "red"]
    assert result.exit_code == 1


def test_evaluate_json_is_one_object(typed, warm):
    plain = the_object(typed("evaluate", warm.report.run, warm.data, "--json"))
    assert set(plain) >= {"bundle", "data", "part", "split", "metrics", "left_out"}


def test_inspect_json_is_one_object(typed, warm):
    plain = the_object(typed("inspect", warm.data, "--json"))
    assert set(plain) >= {"classes", "counts", "baseline", "split", "left_out"}


def test_doctor_json_is_one_object_of_findings(typed):
    plain = the_object(result := typed("doctor", "--json"))
    assert all(set(finding) == {"name", "good", "found", "fix"} for finding in plain["findings"])
    assert {"Pawsight", "Python", "System"} <= {finding["name"] for finding in plain["findings"]}
    assert result.exit_code == (0 if all(finding["good"] for finding in plain["findings"]) else 1)


def test_names_that_are_no_text_are_still_json(typed, colour_bundle, red, tmp_path):
    if sys.platform != "linux":
        pytest.skip("such file names can be made on Linux")
    odd = red.rename(tmp_path / os.fsdecode(b"caf\xe9\n.png"))
    plain = the_object(typed("predict", "--json", colour_bundle, odd))
    assert os.fsencode(plain["path"]) == os.fsencode(odd)


# What people see


def test_train_says_machine_data_and_recipe_first_and_what_to_type_next_last(typed, warm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = typed(*warm.typed(warm.data, tmp_path / "runs"))
    assert [line.split()[0] for line in result.stderr.splitlines()[:3]] == ["Machine", "Data", "Recipe"]
    lines = result.stdout.splitlines()
    assert [line.removeprefix("Next").split()[:3] for line in lines[-4:]] == [
        ["pawsight", verb, "runs/latest"] for verb in ("predict", "serve", "report", "review")
    ]
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds[0] == "Test"
    assert not {"Calibration", "Answered", "Note"} & set(kinds)  # these are in the report and the log


def test_what_it_says_to_type_next_can_be_typed(typed, warm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = typed(*warm.typed(warm.data, "runs")).stdout.splitlines()[-4].split("pawsight ")[1]
    words = told.split("PICTURE...")[0].split()
    picture = next((warm.data / "validation" / "cats").iterdir())
    assert typed(*words, picture).exit_code == 0


def test_predict_prints_a_line_a_picture_and_counts_failures_at_the_end(typed, colour_bundle, red, tmp_path):
    result = typed("predict", colour_bundle, red, tmp_path / "missing.png")
    first, second = result.stdout.splitlines()
    assert first == f"{red}: red 100.0 %"
    assert second.startswith(f"{tmp_path / 'missing.png'}: not classified")
    assert result.stderr.startswith("1 could not be read")
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 1


def test_a_file_name_cannot_forge_a_line_or_move_the_cursor(typed, colour_bundle, red, tmp_path):
    evil = red.rename(tmp_path / "cat.png\nall.png: red 100.0 %\x1b[2J.png")
    lines = typed("predict", colour_bundle, evil).stdout.splitlines()
    assert len(lines) == 1
    assert says(lines[0], r"cat.png\nall.png", r"\x1b[2J.png: red")


def test_evaluate_and_inspect_tell_people_what_they_want_to_know(typed, warm):
    measured = typed("evaluate", warm.report.run)
    assert "95 % interval" in measured.stdout
    assert measured.stderr.startswith("Bundle   ")
    looked = typed("inspect", warm.data)
    assert looked.stdout.splitlines()[-1] == f"Next: pawsight train {warm.data}"


def test_doctor_prints_one_line_a_thing_and_the_fix_where_there_is_one(typed):
    from pawsight.commands.doctor import doctor

    findings = doctor()
    lines = iter(typed("doctor").stdout.splitlines())
    for finding in findings:
        state = "FIX" if not finding.good else "--" if finding.fix else "ok"
        assert next(lines).split()[:2] == [state, finding.name]
        assert not finding.fix or next(lines).strip() == finding.fix
    assert list(lines) == []


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_quiet_leaves_stderr_empty(typed, warm, tmp_path, json_too):
    for words in (
        warm.typed(warm.data, tmp_path / "runs"),
        ["predict", warm.report.run, warm.data / "validation"],
        ["evaluate", warm.report.run, warm.data],
        ["inspect", warm.data],
    ):
        result = typed(*words, "--quiet", *json_too)
        assert result.exit_code == 0
        assert result.stdout
        assert result.stderr == ""


def test_quiet_still_tells_errors(typed, tmp_path):
    result = typed("predict", "--quiet", tmp_path / "nowhere", "x.jpg")
    assert result.stderr.startswith("pawsight: ")


# How it ends


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_has_help_json_and_quiet(typed, name):
    result = typed(name, "--help")
    assert result.exit_code == 0
    assert cli.commands[name].help
    assert "--json" in result.stdout
    assert "--quiet" in result.stdout


def test_help_lists_every_verb_and_what_to_start_with(typed):
    result = typed("--help")
    assert all(f"  {name} " in result.stdout for name in COMMANDS)
    assert "..." not in result.stdout.split("Commands:")[1]  # no first sentence is cut
    assert "Start with: pawsight train sample" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["predict"],
        ["predict", "runs/latest"],
        ["paint"],
        ["train", "photos", "--colour"],
        ["train", "photos", "--image-px", "big"],
        ["train", "photos", "--seed", "-1"],
        ["train", "photos", "--recipe", "soup"],
        ["train", "photos", "--backbone", "spine"],
        ["train", "photos", "--image-px", "5"],
    ],
)
def test_wrong_usage_ends_with_2_and_touches_nothing(typed, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = typed(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_what_cannot_be_done_ends_with_1_and_says_what_why_and_what_to_do(typed, tmp_path, json_too):
    (tmp_path / "metrics.json").touch()  # a run without its bundle
    result = typed("predict", tmp_path, "x.jpg", *json_too)
    assert result.exit_code == 1
    assert result.stdout == ""
    what, why, fix = result.stderr.splitlines()
    assert what.startswith(f"pawsight: {tmp_path}")
    assert "bundle.json" in why
    assert "Train again" in fix


def test_a_name_too_long_for_the_system_is_told_like_any_other(typed, colour_bundle):
    assert typed("predict", "n" * 300, "x.jpg").exit_code == 1
    result = typed("predict", colour_bundle, "n" * 300)
    assert result.exit_code == 1
    assert result.stdout.endswith(": not classified, file name too long\n")


def test_errors_show_the_control_characters_of_names_instead_of_obeying_them(typed):
    result = typed("predict", "run\x1b[2J", "x.jpg")
    assert "run\\x1b[2J" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("words", "status"), [(["--version"], 0), (["predict", "nowhere", "x.jpg"], 2), (["dance"], 2)]
)
def test_a_process_ends_with_the_same_status_and_no_traceback(words, status, tmp_path):
    done = process(*words, cwd=tmp_path)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(
        "pawsight: nowhere " if "nowhere" in words else {0: "", 2: "Usage: pawsight "}[status]
    )
    assert (done.stdout == f"pawsight, version {pawsight.__version__}\n") == (status == 0)


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")
def test_a_reader_that_leaves_early_is_no_accident(colour_bundle, red, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2000):
        os.link(red, folder / f"{number:05d}.png")
    running = subprocess.Popen(
        [sys.executable, "-m", "pawsight", "predict", str(colour_bundle), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert running.stdout.readline().startswith(str(folder / "00000.png"))
    running.stdout.close()
    assert running.wait(60) == 1
    assert running.stderr.read() == ""
    running.stderr.close()


def test_a_copied_bundle_predicts_in_a_process_of_its_own_from_any_folder(trained, tmp_path):
    shutil.copytree(trained.report.run / "bundle", tmp_path / "theirs")
    picture = next((trained.data / "validation" / "cats").iterdir())
    done = process("predict", "theirs", picture, "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["label"] in ("cats", "dogs")
    assert done.stderr == ""


@pytest.mark.parametrize("share", ["0%", "50%", "0.5", "1", "-1%", "nan", "one", ""])
def test_a_share_that_makes_no_sense_is_wrong_usage(typed, share):
    result = typed("train", "sample", "--max-error", share)
    assert result.exit_code == 2
    assert says(result.stderr, "--max-error", repr(share), "50 %", "1% or 0.01")


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("1 %", 0.01), ("0.5%", 0.005), ("0.02", 0.02)])
def test_a_share_may_be_typed_as_per_cent_or_as_a_number(text, share):
    from pawsight.cli.options import PERCENT

    assert PERCENT.convert(text, None, None) == pytest.approx(share)


def test_a_promise_on_too_few_pictures_says_how_many_are_needed(typed, warm, tmp_path):
    result = typed(*warm.typed(warm.data, tmp_path / "runs", "--max-error", "1%"))
    assert result.exit_code == 1
    assert says(result.stderr, "validation and training pictures", "230 are needed")


def test_values_that_are_numbers_already_are_taken_as_they_are():
    from pawsight.cli.options import DURATION, PERCENT

    assert DURATION.convert(90.0, None, None) == DURATION.convert("1.5m", None, None) == 90.0
    assert PERCENT.convert(0.01, None, None) == PERCENT.convert("1%", None, None) == 0.01
