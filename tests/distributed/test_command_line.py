"""`pawsight predict --out` as people type it."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from pawsight.cli import cli

from .conftest import says


def typed(*words):
    result = CliRunner().invoke(cli, ["predict", *map(os.fspath, words)], prog_name="pawsight")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_the_summary_counts_and_says_where(colour_bundle, pictures, tmp_path):
    out = tmp_path / "out"
    result = typed(colour_bundle, pictures[0].parent, "--out", out, "--shard", "5")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert says(first, "12 answered", "0 could not be read")
    assert second.startswith(f"Answers     {out}, 3 parts, ")
    again = typed(colour_bundle, pictures[0].parent, "--out", out, "--resume")
    assert f"Answers     {out}, 3 parts, 3 of them finished before, " in again.stdout


def test_what_could_not_be_read_makes_the_exit_status_one(colour_bundle, pictures, tmp_path):
    (tmp_path / "list.csv").write_text(f"path\n{pictures[0]}\nmissing.png\n")
    result = typed(colour_bundle, tmp_path / "list.csv", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [told[name] for name in ("pictures", "answered", "unsure", "unlike", "errors")] == [2, 1, 0, 0, 1]
    assert (told["parts"], told["found"]) == (1, 0)
    assert (told["out"], told["engine"], told["classes"]) == (str(tmp_path / "out"), "local", ["red", "green", "blue"])
    assert "1 could not be read" in result.stderr


@pytest.mark.parametrize("option", [["--engine", "ray"], ["--resume"], ["--shard", "5"], ["--actors", "2"]])
def test_options_of_scale_without_a_folder_are_refused(colour_bundle, pictures, option):
    result = typed(colour_bundle, pictures[0], *option)
    assert result.exit_code == 2
    assert says(result.stderr, "need --out", "--out predictions")


def test_without_out_predict_is_as_it_was_and_loads_no_parquet(colour_bundle, pictures):
    assert typed(colour_bundle, pictures[0]).stdout.startswith(f"{pictures[0]}: red ")
