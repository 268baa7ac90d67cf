"""Help on two screens, and options from a file: for every verb."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.cli.options import DURATION, PERCENT
from pawsight.cli.verb import Verb, read_config
from pawsight.core.errors import WrongUsage

VERBS = sorted(cli.commands)
ROW = re.compile(r"^  (?:-\w, )?(--[\w-]+)", re.MULTILINE)


def rows(verb, flag):
    """The options in a verb's help."""
    done = CliRunner().invoke(cli, [verb, flag], prog_name="pawsight")
    assert done.exit_code == 0
    return ROW.findall(done.stdout)


# Help


@pytest.mark.parametrize("verb", VERBS)
def test_the_first_screen_has_at_most_fifteen_options_and_help_all_has_every_one(verb):
    command = cli.commands[verb]
    first, every = rows(verb, "--help"), rows(verb, "--help-all")
    options = {
        next(name for name in option.opts if name.startswith("--"))
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    }
    assert len(first) <= 15
    assert set(every) == options | {"--help"}
    assert len(every) == len(set(every))
    assert set(first) <= set(every)
    assert {"--config", "--json", "--quiet", "--help"} <= set(first)
    assert ("--help-all" in first) == (len(every) > len(first))
    assert [name for name in command.first if name not in {option.name for option in command.params}] == []


def test_the_last_line_of_a_first_screen_counts_the_other_options():
    done = CliRunner().invoke(cli, ["train", "--help"], prog_name="pawsight")
    more = len(rows("train", "--help-all")) - len(rows("train", "--help"))
    assert done.stdout.splitlines()[-1] == f"{more} more options: pawsight train --help-all"


# A file


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "serve.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "serve.toml"

    return write


def values(verb, path):
    return read_config(path, cli.commands[verb])


def test_what_a_file_says_is_read_and_nothing_is_added(written, tmp_path):
    path = written(
        'host = "::1"\nport = 0\nallow_host = ["cats.example"]\ntoken_file = "word"\nfiles = 3\nbody_mib = 0.5'
    )
    assert values("serve", path) == {
        "host": "::1", "port": 0, "allow_host": ("cats.example",), "token_file": tmp_path / "word",
        "files": 3, "body_mib": 0.5,
    }  # fmt: skip
    assert values("serve", written("")) == {}


def test_every_kind_of_option_may_stand_in_a_file(written, tmp_path):
    text = """
    image-px = 96
    learning_rate = 1
    class_weights = true
    max-error = "2%"
    false_alarms = 0.02
    precision = "bf16"
    columns = "path=file"
    split = "split.csv"
    only = ["*.jpg"]
    json = true
    """
    assert values("train", written(text)) == {
        "image_px": 96, "learning_rate": 1, "class_weights": True, "max_error": 0.02, "false_alarms": 0.02,
        "precision": "bf16", "columns": {"path": "file"}, "split": tmp_path / "split.csv", "only": ("*.jpg",),
        "as_json": True,
    }  # fmt: skip
    assert values("train", written(b"\xef\xbb\xbfseed = 3")) == {"seed": 3}  # as Windows' Notepad writes it
    assert values("train", written("balance = true")) == {"class_weights": True}
    assert values("predict", written('every = "2m"\nall = true')) == {"every": 120.0, "is_all": True}
    assert values("predict", written('out = "s3://there/answers"')) == {"out": "s3://there/answers"}


def test_a_token_elsewhere_is_looked_for_there(written):
    assert values("serve", written('token_file = "/run/token"'))["token_file"].as_posix() == "/run/token"


@pytest.mark.parametrize(
    ("verb", "text", "named"),
    [
        ("serve", "filse = 3", ["filse", "files"]),
        ("serve", "workers = 2", ["workers"]),
        ("serve", "[limits]\nfiles = 3", ["limits"]),
        ("serve", "port = 65536", ["port", "65536", "0 to 65535"]),
        ("serve", "port = true", ["port", "True", "0 to 65535"]),
        ("serve", "host = 127", ["host", "127", "text"]),
        ("serve", "token_file = 1", ["token_file", "1", "path"]),
        ("serve", 'allow_host = "cats.example"', ["allow_host", "cats.example", "list"]),
        ("serve", "allow_host = [1]", ["allow_host", "[1]", "list"]),
        ("serve", "allow_origin = 7", ["allow_origin", "7", "list"]),
        ("serve", "with_report = 1", ["with_report", "1", "true or false"]),
        ("serve", 'device = "tpu"', ["device", "tpu", "'cpu'", "'auto'"]),
        ("train", "data = 'photos'", ["data"]),
        ("train", "config = 'other.toml'", ["config"]),
        ("train", "help_all = true", ["help_all"]),
        ("train", "epochs = 2.5", ["epochs", "2.5", "whole number"]),
        ("train", "max_error = 0.9", ["max_error", "0.9", "share"]),
        ("train", "max_error = -0.1", ["max_error", "-0.1", "share"]),
        ("train", "columns = 'path'", ["columns", "path=image"]),
        ("train", "learning_rate = 1" + 400 * "0", ["learning_rate", "number"]),
        ("train", 'out = "a\\u0000b"', ["out", "path"]),
        ("train", "image_px = 96\nimage-px = 64", ["image_px and image-px are the same option"]),
        ("train", "balance = true\nclass_weights = true", ["balance and class_weights are the same option"]),
        ("predict", "every = 90", ["every", "90", "'90s'"]),
        ("predict", "every = '-1s'", ["every", "-1s", "'90s'"]),
    ],
)
def test_a_key_or_a_value_that_means_nothing_is_refused_by_name(written, verb, text, named):
    path = written(text)
    with pytest.raises(WrongUsage) as error:
        values(verb, path)
    assert str(path) in error.value.what
    assert error.value.why.startswith(named[0])
    assert all(word in error.value.why for word in named)
    assert "device" in error.value.fix
    assert "quiet" in error.value.fix


def test_all_that_is_wrong_is_told_at_once(written):
    with pytest.raises(WrongUsage) as error:
        values("serve", written("filse = 3\nport = -1\nfiles = 0"))
    assert [line.split()[0] for line in error.value.why.splitlines()] == ["filse", "port", "files"]


@pytest.mark.parametrize("text", ["files", "files = 1\nfiles = 2", b"\xff", "#" * 70_000, "files = " + "[" * 20_000])
def test_what_is_no_toml_is_refused(written, text):
    path = written(text)
    with pytest.raises(WrongUsage) as error:
        values("serve", path)
    assert str(path) in error.value.what
    assert error.value.why


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_an_unknown_key_in_three_lines_and_a_file_that_is_not_there(verb, written, tmp_path):
    path = written("colour = 'red'")
    done = CliRunner().invoke(cli, [verb, "--config", str(path)])
    what, why, fix = done.stderr.splitlines()
    assert done.exit_code == 2
    assert what.startswith(f"pawsight: {path}")
    assert why.startswith("colour ")
    assert "quiet" in fix
    done = CliRunner().invoke(cli, [verb, "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert str(tmp_path / "none.toml") in done.stderr


def test_what_is_typed_wins_over_the_file_and_the_file_over_the_default(written):
    @click.command(cls=Verb)
    @click.option("--share", type=PERCENT, default="1%")
    @click.option("--time", type=DURATION, default="1s")
    @click.option("--only", multiple=True)
    @click.option("--to", required=True)
    @click.option("--fast", is_flag=True)
    def probe(**options):
        click.echo(repr(options))

    def printed(*words):
        done = CliRunner().invoke(probe, words)
        assert done.exit_code == 0, done.output
        return eval(done.stdout)

    path = str(written('share = 0.03\nonly = ["a", "b"]\nto = "onnx"\nfast = true'))
    assert printed("--config", path) == {"share": 0.03, "time": 1.0, "only": ("a", "b"), "to": "onnx", "fast": True}
    assert printed("--share", "2%", "--only", "c", "--to", "web", "--config", path) == {
        "share": 0.02, "time": 1.0, "only": ("c",), "to": "web", "fast": True,
    }  # fmt: skip
    assert CliRunner().invoke(probe, []).exit_code == 2


def test_a_verb_does_what_its_file_says(tmp_path, written):
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir()
    path = written("json = true\nquiet = true\nonly = ['*.jpg']")
    done = CliRunner().invoke(cli, ["inspect", str(tmp_path / "photos"), "--config", str(path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("pawsight: ")
