from __future__ import annotations

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.commands import serve as job
from pawsight.core.errors import WrongUsage
from pawsight.web.config import read_config
from pawsight.web.limits import Limits


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "serve.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "serve.toml"

    return write


def test_what_a_file_says_is_read_and_nothing_is_added(written, tmp_path):
    path = written(
        'host = "::1"\nport = 0\nallow_host = ["cats.example"]\ntoken_file = "word"\nfiles = 3\nbody_mib = 0.5'
    )
    assert read_config(path) == {
        "host": "::1", "port": 0, "allow_host": ["cats.example"], "token_file": tmp_path / "word",
        "files": 3, "body_mib": 0.5,
    }  # fmt: skip
    assert read_config(written("")) == {}


def test_a_token_elsewhere_is_looked_for_there(written):
    assert read_config(written('token_file = "/run/token"'))["token_file"].as_posix() == "/run/token"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("filse = 3", ["filse"]),
        ("workers = 2", ["workers"]),
        ("[limits]\nfiles = 3", ["limits"]),
        ("files = 0", ["files", "0", "1 to 10,000"]),
        ("files = 3.5", ["files", "3.5", "whole"]),
        ("files = true", ["files", "True", "1 to 10,000"]),
        ("body_mib = nan", ["body_mib", "nan", "0.001 to"]),
        ('queue = "many"', ["queue", "many", "1 to 100,000"]),
        ("port = 65536", ["port", "65536", "0 to 65535"]),
        ("port = true", ["port", "True", "0 to 65535"]),
        ("host = 127", ["host", "127", "text"]),
        ("token_file = 1", ["token_file", "1", "path"]),
        ('allow_host = "cats.example"', ["allow_host", "cats.example", "list"]),
        ("allow_host = [1]", ["allow_host", "[1]", "list"]),
    ],
)
def test_a_key_or_a_value_that_means_nothing_is_refused_by_name(written, text, named):
    path = written(text)
    with pytest.raises(WrongUsage) as error:
        read_config(path)
    assert str(path) in error.value.what
    assert error.value.why.startswith(named[0])
    assert all(word in error.value.why for word in named)
    assert "token_file" in error.value.fix
    assert "drain_seconds" in error.value.fix


def test_all_that_is_wrong_is_told_at_once(written):
    with pytest.raises(WrongUsage) as error:
        read_config(written("filse = 3\nport = -1\nfiles = 0"))
    assert [line.split()[0] for line in error.value.why.splitlines()] == ["filse", "port", "files"]


@pytest.mark.parametrize("text", ["files", "files = 1\nfiles = 2", b"\xff", "#" * 70_000])
def test_what_is_no_toml_is_refused(written, text):
    path = written(text)
    with pytest.raises(WrongUsage) as error:
        read_config(path)
    assert str(path) in error.value.what
    assert error.value.why


def test_a_file_that_is_not_there_is_told(tmp_path):
    done = CliRunner().invoke(cli, ["serve", str(tmp_path), "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert str(tmp_path / "none.toml") in done.stderr


def test_flags_win_over_the_file_and_the_file_over_the_defaults(written, monkeypatch):
    given = {}
    monkeypatch.setattr(job, "serve", lambda run, **options: given.update(options))
    monkeypatch.setattr("pawsight.web.logs.log_json_lines", lambda level: given.update(level=level))
    path = written('port = 7\nhost = "::1"\nallow_host = ["a", "b"]\nfiles = 3\nqueue = 50\nhead_kib = 8')
    done = CliRunner().invoke(cli, ["serve", "run", "--config", str(path), "--port", "0", "--files", "4", "--quiet"])
    assert done.exit_code == 0, done.output
    assert (given["port"], given["host"], given["allow_host"]) == (0, "::1", ["a", "b"])
    assert given["limits"] == Limits(files=4, queue=50, head_kib=8)
    CliRunner().invoke(cli, ["serve", "run", "--config", str(path), "--allow-host", "c"])
    assert given["allow_host"] == ("c",)
