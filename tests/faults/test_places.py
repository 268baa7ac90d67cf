"""Places and systems as people have them: long paths, other encodings and locales, narrow terminals, names from Windows,
places that nothing can be written to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.sample import draw

from ..conftest import says, written_in

linux_only = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="uses a folder of Linux")
UTF8 = {"LC_ALL": "C.UTF-8"}


def photos(root: Path, *classes: str, count: int = 5) -> Path:
    """A folder of drawings, of one kind for every other class."""
    for number, label in enumerate(classes):
        (root / label).mkdir(parents=True)
        for index in range(count):
            picture = draw(("cats", "dogs")[number % 2], seed=number, index=index, sides=(64, 80))
            picture.save(root / label / f"{index}.png")
    return root


def typed(*words: object):
    result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="pawsight")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def in_environment(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    command = [sys.executable, "-m", "pawsight", *map(str, words)]
    return subprocess.run(command, env=kept | environment, capture_output=True, encoding="utf-8", check=False)


def test_a_path_of_400_characters_is_a_path_like_any_other(tmp_path):
    deep = tmp_path.joinpath(*["folder-with-a-long-name-" + "x" * 30] * 7)
    data = photos(deep / "data", "cats", "dogs")
    assert len(str(data / "cats" / "0.png")) > 400
    assert typed("inspect", data, "--json").exit_code == 0
    report = typed("train", data, "--recipe", "majority", "--out", deep / "runs", "--json")
    assert report.exit_code == 0, report.stderr
    answers = typed("predict", json.loads(report.stdout)["run"], data, "--json")
    assert answers.exit_code == 0
    assert answers.stdout.count('"error": ""') + answers.stdout.count('"error": null') == 10


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"LANG": "C"}, {"LC_ALL": "tr_TR.UTF-8"}, {}])
def test_names_beyond_ascii_are_read_and_shown_in_every_locale(environment, tmp_path):
    data = photos(tmp_path / "größe", "TRAIN/ñandú", "TRAIN/İLGİN ılgın", "VALIDATION/ñandú", "VALIDATION/İLGİN ılgın")
    result = in_environment(environment, "inspect", data, "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["counts"] == {"ñandú": 10, "İLGİN ılgın": 10}
    assert answer["split"]["train"] == 10
    assert in_environment(environment, "inspect", data).returncode == 0


@linux_only
def test_where_python_was_told_to_read_names_as_ascii_it_is_said_how_to_change_that(tmp_path):
    data = photos(tmp_path / "data", "ñandú", "dogs")
    ascii_names = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = in_environment(ascii_names, "inspect", data)
    assert result.returncode == 1
    assert says(result.stderr, "PYTHONUTF8=1")
    assert "Traceback" not in result.stderr


def test_in_a_terminal_of_40_columns_what_is_to_be_typed_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    data = photos(tmp_path / "data of mine", "cats", "dogs")
    result = typed("inspect", data)
    assert any(line.endswith(f"pawsight train '{data}'") for line in result.stdout.splitlines())
    widest = max(in_environment({"COLUMNS": "40"}, "predict", "--help").stdout.splitlines(), key=len)
    assert len(widest) <= 50, widest  # the least that click takes


@pytest.mark.parametrize("label", ["CON", "aux.", "Katzen & Hunde", "a;b", "100%", "cats (1)", "-cats", "@cats"])
def test_names_that_other_systems_and_shells_dislike_are_classes(label, tmp_path):
    data = photos(tmp_path / "data", label, "dogs")
    result = typed("inspect", data, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["counts"] == {label: 5, "dogs": 5}


def test_a_zip_with_backslashes_as_old_programs_of_windows_make_it_is_refused_with_what_to_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr(_with_backslashes("data\\cats\\0.png"), b"a picture")
    result = typed("inspect", tmp_path / "data.zip")
    assert result.exit_code == 1
    assert says(result.stderr, "data.zip", "backslash", "Unpack it")


def _with_backslashes(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("x")
    member.filename = name  # the constructor would change it
    return member


def test_a_class_folder_that_may_not_be_listed_stops_the_training_and_is_named(tmp_path, monkeypatch):
    data = photos(tmp_path / "data", "birds", "cats", "dogs")
    scandir = os.scandir

    def refused(place):
        if Path(place).name == "birds":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)
    for verb in (("inspect",), ("train", "--recipe", "majority", "--out", tmp_path / "runs")):
        result = typed(verb[0], data, *verb[1:])
        assert result.exit_code == 1
        assert says(result.stderr.lower(), "birds", "permission denied")
    assert not list((tmp_path / "runs").glob("0*"))


@linux_only
def test_where_nothing_can_be_written_the_place_and_the_option_are_named(tmp_path, monkeypatch):
    data = photos(tmp_path / "data", "cats", "dogs")
    result = typed("train", data, "--recipe", "majority", "--out", "/proc/nowhere/runs")
    assert result.exit_code == 1
    assert says(result.stderr, "/proc/nowhere/runs", "--out")
    monkeypatch.setenv("PAWSIGHT_CACHE", "/proc/nowhere")
    result = typed("train", data, "--recipe", "majority", "--out", tmp_path / "runs")
    assert result.exit_code == 1
    assert says(result.stderr, "/proc/nowhere", "PAWSIGHT_CACHE")


def test_nothing_is_written_beside_the_pictures_which_may_lie_on_a_read_only_disk(tmp_path):
    data = photos(tmp_path / "data", "cats", "dogs")
    before = written_in(data)
    for folder in (data / "cats", data / "dogs", data):
        folder.chmod(0o555)
    try:
        report = typed("train", data, "--recipe", "majority", "--out", tmp_path / "runs", "--json")
        run = json.loads(report.stdout)["run"]
        for words in (("inspect", data), ("evaluate", run), ("predict", run, data)):
            assert typed(*words).exit_code == 0
    finally:
        for folder in (data, data / "cats", data / "dogs"):
            folder.chmod(0o755)
    assert written_in(data) == before
