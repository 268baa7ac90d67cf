from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.errors import WrongUsage
from pawsight.web.limits import Limits, flag_of, flags

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


def test_the_limits_that_were_asked_for_are_the_defaults():
    limits = Limits()
    assert (limits.body_bytes, limits.megapixels, limits.files, limits.queue) == (10 * 2**20, 50, 64, 100)
    assert (limits.batch_wait_ms, limits.receive_seconds, limits.request_seconds) == (5, 15, 30)
    assert (limits.decode_seconds, limits.decode_bytes, limits.drain_seconds) == (5, 2**30, 30)


def test_limits_cannot_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Limits().files = 3


@pytest.mark.parametrize("limit", flags(), ids=flag_of)
def test_every_limit_has_a_unit_a_reason_a_flag_and_a_line_in_the_page(limit):
    assert limit.metadata["unit"]
    assert limit.metadata["told"].endswith(".")
    assert f"--{flag_of(limit)}" in CliRunner().invoke(cli, ["serve", "--help"], terminal_width=200).output
    row = next(line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| `--{flag_of(limit)}`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == [f"{limit.default:g}", limit.metadata["unit"]]


def test_the_page_names_no_limit_that_is_not_there():
    named = set(re.findall(r"^\| `--([a-z-]+)`", PAGE.read_text("utf-8"), re.M))
    assert named == {flag_of(limit) for limit in flags()}


def test_a_limit_outside_its_range_is_refused_with_its_flag_and_unit():
    with pytest.raises(WrongUsage) as error:
        Limits(megapixels=51)
    assert str(error.value) == "--megapixels cannot be 51.\nIt is counted in Mpx and goes from 1 to 50."


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0])
def test_what_is_no_number_of_seconds_is_refused(value):
    with pytest.raises(WrongUsage, match="--receive-seconds cannot be"):
        Limits(receive_seconds=value)


def test_limits_that_contradict_each_other_are_refused():
    with pytest.raises(WrongUsage, match="--files 64 does not fit into --queue 10"):
        Limits(queue=10)
    with pytest.raises(WrongUsage, match="--receive-seconds 15 does not fit into --request-seconds 10"):
        Limits(request_seconds=10)


def test_a_wrong_limit_is_told_at_the_command_line(tmp_path):
    done = CliRunner().invoke(cli, ["serve", str(tmp_path), "--files", "200"])
    assert done.exit_code == 2
    assert "--files 200 does not fit into --queue 100." in done.stderr
