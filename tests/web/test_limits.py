"""Every limit of the service: its default, its range and its option."""

from __future__ import annotations

import tomllib
from dataclasses import FrozenInstanceError, asdict, fields
from inspect import signature
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.commands import serve as job
from pawsight.commands.serve import serve
from pawsight.core.errors import WrongUsage
from pawsight.web.limits import Limits

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


def test_the_limits_that_were_asked_for_are_the_defaults():
    limits = Limits()
    assert (limits.body_bytes, limits.megapixels, limits.files, limits.queue) == (10 * 2**20, 50, 64, 100)
    assert (limits.batch_wait_ms, limits.receive_seconds, limits.request_seconds) == (5, 15, 30)
    assert (limits.decode_seconds, limits.decode_bytes, limits.drain_seconds) == (5, 2**30, 30)


def test_limits_cannot_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Limits().files = 3


def example():
    """The file in docs/serving.md."""
    page = PAGE.read_text("utf-8")
    begin = page.index('    host = "127.0.0.1"')
    return page[begin : page.index("\n\n", begin)]


def test_the_example_in_the_page_says_every_default():
    defaults = {name: signature(serve).parameters[name].default for name in ("port", "share", "with_report")}
    lists = {"allow_host": [], "allow_origin": [], "proxy": []}
    assert tomllib.loads(example()) == {"host": "127.0.0.1"} | defaults | lists | asdict(Limits())


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_has_a_unit_and_a_reason_in_the_page_and_a_flag_in_the_whole_help(limit):
    (line,) = [line for line in example().splitlines() if line.split()[0] == limit.name]
    assert line.partition("# ")[2] == f"{limit.metadata['unit']}: {limit.metadata['help']}"
    flag = f"--{limit.name.replace('_', '-')} "
    assert flag in CliRunner().invoke(cli, ["serve", "--help-all"]).output
    assert flag not in CliRunner().invoke(cli, ["serve", "--help"]).output


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("megapixels", 51, ("51", "1 to 50", "Mpx", "whole")),
        ("files", 2.5, ("2.5", "1 to 10,000", "files", "whole")),
        ("files", True, ("True", "1 to 10,000")),
        ("queue", "100", ("'100'", "1 to 100,000", "pictures")),
        ("receive_seconds", float("nan"), ("nan", "0.1 to")),
        ("receive_seconds", float("inf"), ("inf", "0.1 to")),
        ("receive_seconds", -1, ("-1", "0.1 to")),
        ("receive_seconds", 0, ("0", "0.1 to")),
    ],
)
def test_a_limit_outside_its_range_is_refused_with_value_range_and_unit(name, value, said):
    with pytest.raises(WrongUsage) as error:
        Limits(**{name: value})
    assert error.value.why.startswith(f"{name} ")
    assert all(word in error.value.why for word in said)


def test_all_limits_outside_their_ranges_are_told_at_once():
    with pytest.raises(WrongUsage) as error:
        Limits(megapixels=51, decoders=-1)
    assert [line.split()[0] for line in error.value.why.splitlines()] == ["megapixels", "decoders"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"queue": 10}, ("files 64", "queue 10")),
        ({"request_seconds": 10}, ("receive_seconds 15", "request_seconds 10")),
        ({"body_mib": 129}, ("body_mib 129", "buffer_mib 128")),
    ],
)
def test_limits_that_contradict_each_other_are_refused(given, names):
    with pytest.raises(WrongUsage) as error:
        Limits(**given)
    assert all(name in error.value.what for name in names)


@pytest.mark.parametrize(
    ("words", "named"), [(("--files", 200), ("files 200", "queue 100")), (("--files", 0), ("files", "1 to 10,000"))]
)
def test_a_wrong_limit_is_told_at_the_command_line(tmp_path, words, named):
    done = CliRunner().invoke(cli, ["serve", str(tmp_path), *map(str, words)])
    assert done.exit_code == 2
    assert all(name in done.stderr for name in named)


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "serve.toml").write_text(text)
        return tmp_path / "serve.toml"

    return write


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("files = 0", ["files", "0", "1 to 10,000"]),
        ("files = 3.5", ["files", "3.5", "whole"]),
        ("files = true", ["files", "True", "1 to 10,000"]),
        ("body_mib = nan", ["body_mib", "nan", "0.001 to"]),
        ('queue = "many"', ["queue", "many", "1 to 100,000"]),
        ("head-kib = 0.5", ["head-kib", "0.5", "1 to"]),
    ],
)
def test_a_limit_of_a_file_outside_its_range_is_refused_with_value_range_and_unit(written, text, named):
    done = CliRunner().invoke(cli, ["serve", "run", "--config", str(written(text))])
    assert done.exit_code == 2
    assert all(word in done.stderr for word in named)


def test_flags_win_over_the_file_and_the_file_over_the_defaults(written, monkeypatch):
    given = {}
    monkeypatch.setattr(job, "serve", lambda run, **options: given.update(options))
    monkeypatch.setattr("pawsight.web.server.log_json_lines", lambda level: given.update(level=level))
    text = 'port = 7\nhost = "::1"\nallow_host = ["a", "b"]\nwith_report = true\nfiles = 3\nqueue = 50\nhead_kib = 8'
    path = written(text)
    done = CliRunner().invoke(cli, ["serve", "run", "--config", str(path), "--port", "0", "--files", "4", "--quiet"])
    assert done.exit_code == 0, done.output
    assert (given["port"], given["host"], given["allow_host"]) == (0, "::1", ("a", "b"))
    assert given["with_report"] is True
    assert given["limits"] == Limits(files=4, queue=50, head_kib=8)
    CliRunner().invoke(cli, ["serve", "run", "--config", str(path), "--allow-host", "c"])
    assert given["allow_host"] == ("c",)
