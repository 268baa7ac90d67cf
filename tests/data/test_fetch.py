"""The smallest parts of fetching; whole downloads are in test_download.py."""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import time
import urllib.error
from types import SimpleNamespace

import pytest

from pawsight.data import fetch as module
from pawsight.data.fetch import FetchFailed, fetch


def untrusted():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


FAILURES = {
    "The server said nothing for 3 seconds.": (TimeoutError(), True),
    "The server's certificate is not to be trusted: self-signed certificate.": (untrusted(), False),
    "Its server cannot be found: no network, or a name misspelt.": (socket.gaierror(socket.EAI_NONAME, "none"), False),
    "It is not a URL that can be asked for: a space in it.": (http.client.InvalidURL("a space in it"), False),
    "The connection failed: RemoteDisconnected.": (http.client.RemoteDisconnected(), True),
    "The connection failed: [Errno 111] Connection refused.": (ConnectionRefusedError(111, "Connection refused"), True),
}


@pytest.mark.parametrize("told", FAILURES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_went_wrong_is_a_sentence_and_whether_to_try_again(told, wrapped):
    error, again = FAILURES[told]
    failure = module._failure(urllib.error.URLError(error) if wrapped else error, 3.0)
    assert (str(failure), failure.again) == (told, again)


def test_a_name_that_may_be_known_in_a_moment_is_asked_for_again():
    assert module._failure(socket.gaierror(socket.EAI_AGAIN, "later"), 3.0).again


def test_a_failure_that_was_told_already_stays_as_it_is():
    known = FetchFailed("The server sent us round.", again=False)
    assert module._failure(known, 3.0) is known


def test_a_bug_is_not_taken_for_the_network():
    with pytest.raises(ZeroDivisionError):
        module._failure(ZeroDivisionError("a bug"), 3.0)


def test_an_answer_without_content_or_range_is_no_file():
    closed = []
    response = SimpleNamespace(status=204, reason="No Content", close=lambda: closed.append(True))
    with pytest.raises(FetchFailed, match=r"The server answered 204 No Content\."):
        module._good(response)
    assert closed


def test_content_before_its_headers_is_a_bug_of_ours(monkeypatch):
    monkeypatch.setattr(module, "_talk", lambda url, headers, silence, put: put(b"content"))
    with (
        pytest.raises(TypeError, match="the content came before its headers"),
        fetch("http://127.0.0.1/a", {}, silence=1, deadline=time.monotonic() + 5),
    ):
        pass


def test_headers_among_the_content_are_left_out_of_it():
    box: queue.Queue = queue.Queue()
    for item in (b"one", module.Answer(200, {}), b"two", b""):
        box.put(item)
    assert list(module._pieces(box, time.monotonic() + 5, 1, length=6)) == [b"one", b"two"]
