"""What `serve` checks and says before it serves; services that run are in tests/web/test_server.py."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from pawsight.errors import MissingExtra, PawsightError, WrongUsage
from pawsight.jobs import serve as job
from pawsight.jobs.serve import serve

TOKEN = "correct-horse-battery"


class Ear:
    """A `Progress` that keeps what is said."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def begun(monkeypatch, colour_bundle):
    """Begin to serve without serving: returns what was told, the settings and what was said."""

    def begin(**options):
        told, settings, ear = [], [], Ear()

        def run(listener, given):
            listener.close()
            settings.append(given)

        monkeypatch.setattr(job, "_run", run)
        serve(colour_bundle, port=0, told=told.append, progress=ear, **options)
        return told[0], settings[0], ear.lines

    return begin


def token_in(path, text=TOKEN, mode=0o600):
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_on_this_machine_alone_it_answers_to_this_machine_s_names(begun, colour_bundle):
    told, settings, lines = begun(allow_host=["Cats.example"], workers=3)
    assert told.url == f"http://127.0.0.1:{told.port}/"
    assert (told.workers, settings.processes) == (3, 3)
    assert (told.token, settings.token, told.pid) == (False, "", os.getpid())
    assert set(settings.hosts) == {"127.0.0.1", "::1", "localhost", "cats.example"}
    assert len(lines) == 1
    assert lines[0].startswith(f"Serving {colour_bundle} at {told.url} (stop: Ctrl-C; ")


def test_elsewhere_it_says_who_may_ask_and_that_there_is_no_token(begun):
    told, settings, lines = begun(host="0.0.0.0")
    assert lines[1:] == [
        "It listens on 0.0.0.0: not this machine alone, anybody who can reach it at all may ask.",
        "There is no token; give one with --token-file, or let nobody reach this port but your proxy.",
    ]
    assert settings.hosts == ()  # any
    assert not told.token


def test_elsewhere_with_a_token_it_says_who_may_ask(begun, tmp_path):
    told, settings, lines = begun(host="0.0.0.0", token_file=token_in(tmp_path / "token", f"{TOKEN}\n"))
    assert lines[1:] == [
        "It listens on 0.0.0.0: not this machine alone, anybody who can reach it who knows the token may ask."
    ]
    assert (told.token, settings.token) == (True, TOKEN)


def test_a_token_that_everybody_can_read_is_told_of_and_used(begun, tmp_path):
    path = token_in(tmp_path / "token", mode=0o644)
    _, settings, lines = begun(token_file=path)
    assert lines[0] == f"{path} can be read by everybody on this machine; type: chmod 600 {path}"
    assert settings.token == TOKEN


@pytest.mark.parametrize("text", ["short", "two words of enough length", "a\x00b" * 9, ""])
def test_a_token_that_can_be_guessed_or_sent_by_nobody_is_refused(begun, tmp_path, text):
    with pytest.raises(WrongUsage) as told:
        begun(token_file=token_in(tmp_path / "token", text))
    assert told.value.what == f"The token in {tmp_path / 'token'} cannot be used."
    assert told.value.why == "It must be one word of 16 characters or more."


def test_a_token_that_cannot_be_read_is_told(begun, tmp_path):
    with pytest.raises(PawsightError) as told:
        begun(token_file=tmp_path / "none")
    assert told.value.what == f"The token cannot be read from {tmp_path / 'none'}."
    assert told.value.why == f"The system says: {os.strerror(errno.ENOENT)}."
    with pytest.raises(PawsightError) as told:
        begun(token_file=token_in(tmp_path / "token", "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n" * 9))
    assert told.value.why == "The system says: it holds more than ASCII."


def test_a_port_that_is_taken_is_told_with_the_next_one(colour_bundle):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PawsightError) as told:
            serve(colour_bundle, port=port)
    assert told.value.what == f"Cannot listen on 127.0.0.1, port {port}."
    assert f"--port {port + 1 if port < 65535 else 8001}" in told.value.fix


def test_what_is_not_installed_is_said_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(job, "find_spec", lambda name: None if name == "uvicorn" else sys)
    with pytest.raises(MissingExtra) as told:
        serve(tmp_path / "no such run")
    assert told.value.why == "Missing: uvicorn."
    assert told.value.fix == "Type: pip install 'pawsight[serve]'"


def test_windows_is_told_where_it_does_run(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(PawsightError) as told:
        serve(tmp_path / "no such run")
    assert told.value.what == "pawsight serve does not run on Windows."
    assert told.value.fix == "Use the Windows Subsystem for Linux, or the container (docs/serving.md)."
