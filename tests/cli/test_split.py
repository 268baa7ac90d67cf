"""What is typed about parts, slices and curves, from the command line to the answer."""

from __future__ import annotations

import json
import shutil

from click.testing import CliRunner

from pawsight.cli import cli

from ..conftest import says


def typed(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


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
        "ladder", warm.data, "--recipes", "majority", "--split", tmp_path / "mine.csv", "--runs", tmp_path / "runs"
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
