"""What `serve` checks and says before it serves; services that run are in tests/web/test_server.py."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from contextlib import suppress

import pytest

from pawsight.commands.serve import serve
from pawsight.core.errors import MissingExtra, PawsightError, WrongUsage
from pawsight.web.limits import Limits

pytestmark = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs pawsight[serve]")

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

    def begin(*, bundle=colour_bundle, **options):
        told, settings, ear = [], [], Ear()

        def run(listener, run, **given):
            listener.close()
            settings.append(given)

        monkeypatch.setattr("pawsight.web.server.serve_here", run)
        serve(bundle, port=0, ready=told.append, progress=ear, **options)
        return told[0], settings[0], ear.lines

    return begin


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://cats.example", "https://cats.example"),
        ("HTTPS://Cats.Example:443/", "https://cats.example"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[0:0::1]:81", "http://[::1]:81"),
        ("https://Bücher.example:8443", "https://xn--bcher-kva.example:8443"),
    ],
)
def test_an_origin_is_what_browsers_send(begun, typed, origin):
    _, settings, _ = begun(allow_origin=[typed])
    assert settings["origins"] == [origin]
    assert settings["with_report"] is False


@pytest.mark.parametrize(
    "typed",
    [
        *("*", "null", "", "cats.example", "https://*.example", "https://cats.example/page", "ftp://a", "http://a:b"),
        *(
            "https://anna@a",
            "https://@a",
            "https://anna:word@a",
            "https://a b",
            "https://a\n",
            " https://a",
            'https://"a"',
        ),
        *("https://a?", "https://a#", "https://a//", "https://a:", "https://a:65536", "https://a..b", "https://-a"),
        *(
            "https://[::1",
            "https://[::g]",
            "https://[fe80::1%25eth0]",
            "https://10.0.0.256",
            "https://a\\b",
            "https://a'",
        ),
    ],
)
def test_what_is_no_origin_is_refused(begun, typed):
    with pytest.raises(WrongUsage) as error:
        begun(allow_origin=[typed])
    assert typed in error.value.what
    assert "--allow-origin https://" in error.value.fix


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Cats.example:8443", "cats.example"),
        ("cats.example.", "cats.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),  # as browsers do, not "strasse"
        ("cats_web", "cats_web"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("[2001:db8::7]:80", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_an_allowed_host_is_what_browsers_send(begun, typed, name):
    _, settings, _ = begun(allow_host=[typed])
    assert set(settings["hosts"]) == {"127.0.0.1", "::1", "localhost", name}


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "*",
        "*.example",
        "https://cats.example",
        "cats.example/page",
        "a b",
        "anna@a",
        "a:b",
        "a..b",
        "a,b",
        "1.2",
    ],
)
def test_what_is_no_host_is_refused(begun, typed):
    with pytest.raises(WrongUsage) as error:
        begun(allow_host=[typed])
    assert typed in error.value.what
    assert "--allow-host " in error.value.fix


def token_in(path, text=TOKEN, mode=0o600):
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_on_this_machine_alone_it_answers_to_this_machine_s_names(begun, colour_bundle):
    told, settings, lines = begun(allow_host=["Cats.example"])
    assert told["url"] == f"http://127.0.0.1:{told['port']}/"
    assert (told["token"], settings["token"], told["pid"]) == (False, "", os.getpid())
    assert set(settings["hosts"]) == {"127.0.0.1", "::1", "localhost", "cats.example"}
    assert len(lines) == 1
    assert lines[0].startswith(f"Serving {colour_bundle} at {told['url']} (stop: Ctrl-C; ")


def test_elsewhere_it_says_who_may_ask_and_that_there_is_no_token(begun):
    told, settings, lines = begun(host="0.0.0.0")
    assert len(lines) == 3
    assert "0.0.0.0" in lines[1]
    assert "--token-file" in lines[2]
    names = {"localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname().lower()}
    assert names <= set(settings["hosts"])
    assert not told["token"]


def test_elsewhere_with_a_token_it_says_who_may_ask(begun, tmp_path):
    told, settings, lines = begun(host="0.0.0.0", token_file=token_in(tmp_path / "token", f"{TOKEN}\n"))
    assert len(lines) == 2
    assert "0.0.0.0" in lines[1]
    assert "token" in lines[1]
    assert (told["token"], settings["token"]) == (True, TOKEN)


def test_a_token_that_everybody_can_read_is_told_of_and_used(begun, tmp_path):
    path = token_in(tmp_path / "token", mode=0o644)
    _, settings, lines = begun(token_file=path)
    assert f"chmod 600 {path}" in lines[0]
    assert settings["token"] == TOKEN


@pytest.mark.parametrize("text", ["short", "two words of enough length", "a\x00b" * 9, ""])
def test_a_token_that_can_be_guessed_or_sent_by_nobody_is_refused(begun, tmp_path, text):
    with pytest.raises(WrongUsage) as error:
        begun(token_file=token_in(tmp_path / "token", text))
    assert str(tmp_path / "token") in error.value.what
    assert "16 characters" in error.value.why


def test_a_token_that_cannot_be_read_is_told(begun, tmp_path):
    with pytest.raises(PawsightError) as error:
        begun(token_file=tmp_path / "none")
    assert str(tmp_path / "none") in error.value.what
    assert os.strerror(errno.ENOENT) in error.value.why
    with pytest.raises(PawsightError) as error:
        begun(token_file=token_in(tmp_path / "token", "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n" * 9))
    assert "ASCII" in error.value.why


def test_a_port_that_is_taken_is_told_with_the_next_one(colour_bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PawsightError) as error:
            serve(colour_bundle, port=port)
    assert f"127.0.0.1, port {port}" in error.value.what
    assert f"--port {port + 1 if port < 65535 else 8001}" in error.value.fix


def test_what_is_not_installed_is_said_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None if name == "uvicorn" else sys)
    with pytest.raises(MissingExtra) as error:
        serve(tmp_path / "no such run")
    assert "uvicorn" in error.value.what
    assert 'pip install "pawsight[serve]"' in error.value.fix


def test_a_run_that_is_not_there_is_told(tmp_path):
    with pytest.raises(PawsightError) as error:
        serve(tmp_path / "none")
    assert str(tmp_path / "none") in error.value.what


def test_a_host_keeps_its_signal_handlers_and_its_logging_and_hears_the_events(colour_bundle, caplog):
    """Serves in this process, as a program of somebody else would, until a thread sends SIGTERM."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    heard, addresses = [], []
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    ours = {number: signal.getsignal(number) for number in numbers}
    root = (list(logging.root.handlers), logging.root.level, logging.raiseExceptions)
    caplog.set_level(logging.INFO, "pawsight.serve")

    def stop():
        last = time.monotonic() + 30
        while time.monotonic() < last:
            with suppress(OSError), urllib.request.urlopen(f"{addresses[0]}readyz", timeout=5):
                break
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    try:
        serve(
            colour_bundle,
            port=0,
            limits=Limits(decoders=1),
            ready=lambda serving: (addresses.append(serving["url"]), thread.start()),
        )
        thread.join()
        assert {number: signal.getsignal(number) for number in numbers} == ours
        os.kill(os.getpid(), signal.SIGHUP)
        assert heard == [signal.SIGHUP]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (list(logging.root.handlers), logging.root.level, logging.raiseExceptions) == root
    events = [record.msg for record in caplog.records if record.name == "pawsight.serve"]
    assert set(events) == {"serving", "request", "stopping"}


def test_windows_is_told_where_it_does_run(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(PawsightError) as error:
        serve(tmp_path / "no such run")
    assert "Windows" in error.value.what
    assert "docs/serving.md" in error.value.fix


def test_a_device_that_is_not_there_is_refused_before_it_listens(gpu, colour_bundle):
    with pytest.raises(WrongUsage, match="--device npu"):
        serve(colour_bundle, port=0, device="npu", ready=lambda serving: pytest.fail("it listens"))


@pytest.fixture
def network(monkeypatch):
    """A network in which this machine has an address, whatever the machine of the tests has."""
    real = socket.socket

    def give(own):
        class Probe(real):
            def connect(self, address):
                if self.type != socket.SOCK_DGRAM:
                    super().connect(address)
                elif own is None:
                    raise OSError(errno.ENETUNREACH, "Network is unreachable")

            def getsockname(self):
                return (own, 5) if self.type == socket.SOCK_DGRAM else super().getsockname()

        monkeypatch.setattr(socket, "socket", Probe)

    return give


def test_a_shared_page_listens_for_the_network_and_has_its_address(begun, network):
    network("192.0.2.17")
    told, settings, said = begun(share=True)
    assert told["host"] == "0.0.0.0"
    assert told["share"] == settings["share"] == f"http://192.0.2.17:{told['port']}/"
    assert any(told["share"] in line for line in said)
    told, settings, _ = begun()
    assert (told["host"], told["share"], settings["share"]) == ("127.0.0.1", None, "")


def test_a_page_cannot_be_shared_without_a_network(begun, network):
    for own in (None, "127.0.0.1"):
        network(own)
        with pytest.raises(PawsightError, match="cannot be shared"):
            begun(share=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_address_of_this_machine_alone_is_not_shared(begun, host):
    with pytest.raises(WrongUsage, match="no effect"):
        begun(share=True, host=host)


@pytest.mark.parametrize("title", ["a\nb", "a\x1b[31m", "x" * 101])
def test_a_title_is_one_line(begun, title):
    with pytest.raises(WrongUsage):
        begun(title=title)


def test_feedback_about_several_labels_is_refused_before_anything_is_made(begun, label_bundle, tmp_path):
    with pytest.raises(WrongUsage, match="several labels"):
        begun(bundle=label_bundle, feedback=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_of_feedback_is_checked_before_it_listens(begun, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\na.jpg,red\n")
    with pytest.raises(WrongUsage):
        begun(feedback=tmp_path)
    _, settings, said = begun(feedback=tmp_path / "new", title="Red or blue?")
    assert settings["title"] == "Red or blue?"
    assert settings["feedback"].pictures == 0
    assert any(str(tmp_path / "new") in line for line in said)
