"""How folders are read, through the verbs: said, kept in the run, used again; own outputs change nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pawsight.cli import cli
from pawsight.commands.run_split import reading_of
from pawsight.data.reading import FolderReading

from ..conftest import says

KINDS = ("animals/cats", "animals/dogs", "plants/trees", "plants/ferns")


def put(folder: Path, names: list[str]) -> Path:
    """Write a picture of its own for each name."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).resize((32, 32), Image.Resampling.NEAREST).save(folder / name)
    return folder


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes with two folders each, a picture and a README beside them; the current folder is above."""
    monkeypatch.chdir(tmp_path)
    folder = put(tmp_path / "my photos", [f"{kind}/{number}.png" for kind in KINDS for number in range(8)])
    (folder / "README.md").write_text("photos")
    return put(folder, ["loose.png"])


def typed(*words: str) -> Result:
    result = CliRunner().invoke(cli, words, prog_name="pawsight")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def trained(*words: str) -> dict[str, object]:
    result = typed("train", *words, "--recipe", "majority", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_what_was_decided_is_said_once_and_kept_in_the_run(nested: Path) -> None:
    result = typed("train", "my photos", "--recipe", "majority")
    assert result.exit_code == 0
    lines = [line for line in result.stderr.splitlines() if line.startswith(("Note", "WARNING"))]
    assert [line.split()[0] for line in lines] == ["WARNING", "Note", "Note"]
    assert says(lines, "--class-depth 2", "README.md", "1 picture", "loose.png")
    kept = json.loads((Path("runs") / "001" / "metrics.json").read_text("utf-8"))
    assert kept["classes"] == ["animals", "plants"]
    assert [line.split(maxsplit=1)[1] for line in lines] == kept["data_notes"]
    assert reading_of(Path("runs/001")) is None


def test_quiet_keeps_the_warning(nested: Path) -> None:
    result = typed("train", "my photos", "--recipe", "majority", "--quiet")
    assert result.stderr == ""
    assert says(result.stdout, "WARNING", "loose.png")


def test_options_are_in_the_command_of_the_run_and_evaluate_reads_by_them(nested: Path) -> None:
    plain = trained("my photos", "--class-depth", "2", "--ignore", "ferns")
    assert plain["classes"] == ["cats", "dogs", "trees"]
    assert reading_of(Path("runs/001")) == FolderReading(class_depth=2, ignore=("ferns",))
    again = shlex.split(str(plain["command"]))
    assert again[:3] == ["pawsight", "train", "my photos"]
    assert trained(*again[2:])["split"] == plain["split"]
    measured = typed("evaluate", "runs/001", "my photos", "--including-training", "--json")
    assert measured.exit_code == 0, measured.stderr
    assert says(json.loads(measured.stdout)["data_notes"], "1 picture", "loose.png")
    assert {row["name"] for row in json.loads(measured.stdout)["metrics"]["classes"]} == {"cats", "dogs", "trees"}
    otherwise = typed("evaluate", "runs/001", "my photos", "--class-depth", "1")
    assert otherwise.exit_code == 1
    assert says(otherwise.stderr, "'animals'")


@pytest.mark.parametrize("verb", ["train", "inspect", "preview", "ladder"])
def test_a_question_is_an_error_whose_answer_can_be_typed(verb: str, nested: Path) -> None:
    put(Path("sets"), [f"{part}/{kind}/{n}.png" for part in ("set1", "set2") for kind in "ab" for n in range(6)])
    recipe = {"train": ["--recipe", "majority"], "ladder": ["--recipes", "majority"]}.get(verb, [])
    asked = typed(verb, "sets", *recipe)
    assert asked.exit_code == 1
    line = next(line for line in asked.stderr.splitlines() if "set1=train,set2=test" in line)
    answer = shlex.split(line[line.index("pawsight") :])
    done = typed(verb, *answer[2:], *recipe, "--json")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("options", [["--parts", "a"], ["--class-from", "("], ["--ignore", ""], ["--class-depth", "0"]])
def test_options_that_cannot_be_used_are_wrong_usage(options: list[str], nested: Path) -> None:
    result = typed("inspect", "my photos", *options)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_inspect_and_preview_hand_the_options_on(nested: Path) -> None:
    options = ["--class-depth", "2", "--only", "*.png"]
    for verb in ("inspect", "preview"):
        result = typed(verb, "my photos", *options)
        assert result.exit_code == 0, result.stderr
        assert shlex.split(result.stdout.splitlines()[-1])[1:] == ["pawsight", "train", "my photos", *options]


def test_nothing_that_is_written_into_the_folder_of_the_pictures_becomes_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(put(tmp_path, [f"{kind}/{number}.png" for kind in ("cats", "dogs") for number in range(8)]))
    first = trained(".")
    for words in (["preview", "."], ["inspect", ".", "--report"], ["preview", ".", "--out", "sheets"]):
        assert typed(*words).exit_code == 0
    second = trained(".", "--out", "my runs")
    assert second["counts"] == first["counts"] == {"cats": 8, "dogs": 8}
    assert trained(".")["split"] == first["split"]
