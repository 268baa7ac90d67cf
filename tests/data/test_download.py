"""Downloads from a server that cuts, stalls, lies and redirects."""

from __future__ import annotations

import hashlib
import http.client
import queue
import socket
import ssl
import threading
import time
import urllib.error
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import DataError, DownloadFailed, StorageError
from pawsight.data import download as module
from pawsight.data.download import (
    ALTERNATIVES,
    DownloadLimits,
    FetchFailed,
    PartFile,
    checked_url,
    download,
    fetch,
    scheme_of,
)

BODY = bytes(range(256)) * 40  # 10,240 bytes
QUICK = DownloadLimits(silence_seconds=0.4, total_seconds=8, first_wait_seconds=0.01, tries=3)
ONCE = DownloadLimits(silence_seconds=0.4, total_seconds=8, first_wait_seconds=0.01, tries=1)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "pets.zip"


def left_behind(target: Path) -> list[str]:
    """Name what lies beside the target, the lock apart, which stays for the next process."""
    return sorted(file.name for file in target.parent.iterdir() if not file.name.endswith(".lock"))


def test_a_good_download_arrives_whole_and_leaves_nothing_else(site, target, listener):
    url = site.page("/pets.zip", lambda talk: talk.serve(BODY, etag='"1"'))
    assert download(url, target, limits=QUICK, progress=listener) == target
    assert target.read_bytes() == BODY
    assert left_behind(target) == ["pets.zip"]
    assert listener.stages == [("Downloading pets.zip", len(BODY), "bytes")]
    assert sum(listener.steps) == len(BODY)


def test_a_cut_download_is_resumed_where_it_was_cut(site, target, listener):
    cut = lambda talk: talk.serve(BODY, etag='"1"', stop_after=4000 if talk.turn == 0 else None)  # noqa: E731
    download(site.page("/pets.zip", cut), target, limits=QUICK, progress=listener)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None, "bytes=4000-"]
    assert site.asked[1][1]["if-range"] == '"1"'
    assert len(listener.stages) == 1, "one bar, not one for each try"
    assert sum(listener.steps) == len(BODY)
    assert len(listener.lines) == 1
    assert "4,000 of 10,240 bytes" in listener.lines[0]


def test_a_later_process_goes_on_from_what_an_earlier_one_left(site, target):
    cut = lambda talk: talk.serve(BODY, etag='"1"', stop_after=4000 if talk.turn == 0 else None)  # noqa: E731
    url = site.page("/pets.zip", cut)
    with pytest.raises(DownloadFailed, match="the same command again to continue"):
        download(url, target, limits=ONCE)
    assert not target.exists()
    assert PartFile(target).path.read_bytes() == BODY[:4000]
    download(url, target, limits=ONCE)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None, "bytes=4000-"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 6000), max_size=4), honest=st.booleans())
def test_however_often_the_line_is_cut_the_content_is_the_same(site, tmp_path_factory, cuts, honest):
    def answer(talk):
        stop = cuts[talk.turn] if talk.turn < len(cuts) else None
        talk.serve(BODY, etag='"1"' if honest else "", stop_after=stop)

    site.asked.clear()
    place = tmp_path_factory.mktemp("cut") / "pets.zip"
    limits = DownloadLimits(first_wait_seconds=0.001, longest_wait_seconds=0.001, tries=6)
    download(site.page("/pets.zip", answer), place, limits=limits)
    assert place.read_bytes() == BODY


def test_tries_are_counted_only_while_nothing_new_comes(site, target):
    nibble = lambda talk: talk.serve(BODY, etag='"1"', stop_after=1500)  # noqa: E731
    download(site.page("/pets.zip", nibble), target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert len(site.asked) == 7, "seven tries of at most three in vain"


def test_a_server_that_ignores_range_is_read_from_the_start(site, target):
    def answer(talk):
        talk.start(200, content_length=len(BODY), etag='"1"')
        talk.write(BODY[:4000] if talk.turn == 0 else BODY)

    download(site.page("/pets.zip", answer), target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None, "bytes=4000-"]


@pytest.mark.parametrize("obeys", [True, False], ids=["sends all of the new file", "sends the rest of the new file"])
def test_a_file_that_changes_between_tries_is_not_patched_together(site, target, obeys):
    new = BODY[::-1]

    def answer(talk):
        if talk.turn == 0:
            talk.serve(BODY, etag='"1"', stop_after=4000)
        elif obeys or talk.turn > 1:
            talk.serve(new, etag='"2"')
        else:
            span = f"bytes 4000-{len(new) - 1}/{len(new)}"
            talk.send(new[4000:], 206, etag='"2"', content_range=span)

    download(site.page("/pets.zip", answer), target, limits=QUICK)
    assert target.read_bytes() == new


@pytest.mark.parametrize("etag", ["", 'W/"1"'], ids=["none", "weak"])
def test_without_a_strong_etag_nothing_is_resumed(site, target, etag):
    cut = lambda talk: talk.serve(BODY, etag=etag, stop_after=4000 if talk.turn == 0 else None)  # noqa: E731
    download(site.page("/pets.zip", cut), target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None, None]


@pytest.mark.parametrize(
    ("status", "span"), [(206, "bytes 3999-10239/10240"), (206, "nonsense"), (206, ""), (416, "bytes */10240")]
)
def test_an_answer_that_does_not_fit_the_part_begins_anew(site, target, status, span):
    def answer(talk):
        if talk.turn == 1:
            talk.send(BODY[4000:], status, etag='"1"', content_range=span)
        else:
            talk.serve(BODY, etag='"1"', stop_after=4000 if talk.turn == 0 else None)

    download(site.page("/pets.zip", answer), target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None, "bytes=4000-", None]


@pytest.mark.parametrize("facts", ["{", "[]", '{"url": 1}', '{"url": "URL", "version": "a\\nb"}', '{"url": "URL"}'])
def test_unusable_notes_about_a_part_mean_the_start(site, target, facts):
    url = site.page("/pets.zip", lambda talk: talk.serve(BODY, etag='"1"'))
    target.parent.mkdir()
    PartFile(target).path.write_bytes(b"rubbish")
    PartFile(target).metadata.write_text(facts.replace("URL", url))
    download(url, target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert site.ranges() == [None]


def test_headers_that_make_no_sense_do_no_harm(site, target):
    def answer(talk):
        talk.start(200, etag='"1\r\n 2"', content_length="9" * 5000, last_modified="\x80")
        talk.write(BODY)

    download(site.page("/pets.zip", answer), target, limits=QUICK)
    assert target.read_bytes() == BODY


def test_a_part_of_another_url_is_not_gone_on_with(site, target):
    old = site.page("/old.zip", lambda talk: talk.serve(BODY[::-1], etag='"1"', stop_after=100))
    with pytest.raises(DownloadFailed):
        download(old, target, limits=ONCE)
    download(site.page("/new.zip", lambda talk: talk.serve(BODY, etag='"1"')), target, limits=ONCE)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "answer",
    [
        lambda talk: talk.stall(),
        lambda talk: (talk.start(200, content_length=100), talk.write(b"x" * 10), talk.stall()),
    ],
    ids=["before the head", "in the middle"],
)
def test_a_server_that_falls_silent_is_given_up(site, target, answer):
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"nothing for 0\.4 seconds"):
        download(site.page("/pets.zip", answer), target, limits=ONCE)
    assert time.monotonic() - began < 3
    assert not target.exists()


@pytest.mark.parametrize(
    "answer",
    [
        lambda talk: talk.drip(b"x"),
        lambda talk: (talk.write(b"HTTP/1.0 200 OK\r\n"), talk.drip(b"x-a: b\r\n")),
        lambda talk: (talk.start(200, content_length=10_000), talk.drip(b"x")),
    ],
    ids=["status line", "headers", "content"],
)
def test_a_server_that_is_never_silent_and_never_done_ends_at_the_deadline(site, target, answer):
    limits = DownloadLimits(silence_seconds=5, total_seconds=0.5)
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match="longer than the time allowed"):
        download(site.page("/pets.zip", answer), target, limits=limits)
    assert time.monotonic() - began < 2


def test_less_than_announced_is_not_taken_for_the_whole(site, target):
    short = lambda talk: (talk.start(200, content_length=1000), talk.write(b"x" * 500))  # noqa: E731
    with pytest.raises(DownloadFailed, match=r"after 500 of 1,000 bytes"):
        download(site.page("/pets.zip", short), target, limits=QUICK)
    assert not target.exists()
    assert len(site.asked) == QUICK.tries


def test_more_than_announced_is_found_out_by_its_digest(site, target):
    long = lambda talk: (talk.start(200, content_length=500), talk.write(BODY[:1000]))  # noqa: E731
    came, expected = (hashlib.sha256(BODY[:length]).hexdigest() for length in (500, 1000))
    with pytest.raises(DownloadFailed, match=f"SHA-256 is {came} where {expected}"):
        download(site.page("/a", long), target, limits=QUICK, sha256=expected)
    assert left_behind(target) == []


def test_a_damaged_part_does_not_spoil_later_tries(site, target):
    url = site.page("/pets.zip", lambda talk: talk.serve(BODY, etag='"1"'))
    target.parent.mkdir()
    PartFile(target).begin(url, '"1"')
    PartFile(target).path.write_bytes(b"rubbish" * 10)
    download(url, target, limits=QUICK, sha256=hashlib.sha256(BODY).hexdigest())
    assert target.read_bytes() == BODY
    assert site.ranges() == ["bytes=70-", None]


def test_a_redirect_is_followed(site, target):
    site.page("/b/pets.zip", lambda talk: talk.serve(BODY))
    download(site.page("/a", lambda talk: talk.send(b"", 302, location="b/pets.zip?x=a b")), target, limits=QUICK)
    assert target.read_bytes() == BODY
    assert [path for path, _ in site.asked] == ["/a", "/b/pets.zip"]


def test_redirects_in_a_circle_end(site, target):
    url = site.page("/a", lambda talk: talk.send(b"", 302, location="/a"))
    with pytest.raises(DownloadFailed, match="redirected more than 10 times"):
        download(url, target, limits=QUICK)
    assert len(site.asked) == 11


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/pets.zip", "data:,pets"])
def test_a_redirect_to_anything_but_the_web_is_refused(site, target, place):
    with pytest.raises(DownloadFailed, match="only http and https are followed"):
        download(site.page("/a", lambda talk: talk.send(b"", 302, location=place)), target, limits=QUICK)
    assert left_behind(target) == []


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(FetchFailed, match="from https to http"):
        checked_url("http://pets.example/a.zip", coming_from="https://pets.example/a.zip")
    assert checked_url("https://pets.example/ä b.zip#x", coming_from="http://a.example/") == (
        "https://pets.example/%C3%A4%20b.zip"
    )


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "http://[", "http://me:secret@127.0.0.1/a", "pets"])
def test_what_is_no_web_address_is_refused(target, url):
    with pytest.raises(DownloadFailed):
        download(url, target, limits=QUICK)


def test_a_missing_page_is_not_asked_for_twice_and_the_message_ends_the_search(site, target):
    with pytest.raises(DownloadFailed) as caught:
        download(site.url("/nothing.zip"), target, limits=QUICK)
    assert caught.value.what.endswith(site.url("/nothing.zip"))
    assert "404 Not Found" in caught.value.why
    assert caught.value.fix == ALTERNATIVES
    assert "pawsight train FOLDER" in ALTERNATIVES
    assert "pawsight train sample" in ALTERNATIVES
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_waited_out(site, target, listener, status):
    answer = lambda talk: talk.serve(BODY) if talk.turn else talk.send(b"", status, retry_after=3600)  # noqa: E731
    limits = DownloadLimits(first_wait_seconds=0.01, longest_wait_seconds=0.1)
    download(site.page("/pets.zip", answer), target, limits=limits, progress=listener)
    assert target.read_bytes() == BODY
    assert listener.lines[0].endswith("Trying again in 0.1 s.")


def test_content_that_the_caller_refuses_never_gets_the_name(site, target):
    def check(path):
        raise DataError("It is no archive.", "It is a web page.")

    page = site.page("/pets.zip", lambda talk: talk.send(b"<!doctype html>Log in first", content_type="text/html"))
    with pytest.raises(DownloadFailed) as caught:
        download(page, target, limits=QUICK, check=check)
    assert caught.value.why.endswith(" It is no archive. It is a web page.")
    assert caught.value.fix == ALTERNATIVES
    assert left_behind(target) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_more_than_the_limit_is_refused(site, target, says_length):
    def answer(talk):
        talk.start(200, **({"content_length": len(BODY)} if says_length else {}))
        talk.write(BODY)

    with pytest.raises(DownloadFailed, match=r"larger than 1,000 bytes"):
        download(site.page("/pets.zip", answer), target, limits=DownloadLimits(max_bytes=1000))
    assert left_behind(target) == []


def test_a_file_that_is_there_is_not_fetched_again(site, target):
    target.parent.mkdir()
    target.write_bytes(b"here")
    assert download(site.url("/pets.zip"), target) == target
    assert target.read_bytes() == b"here"
    assert site.asked == []


def test_two_at_once_fetch_it_once(site, target):
    def answer(talk):
        time.sleep(0.3)
        talk.serve(BODY)

    url = site.page("/pets.zip", answer)
    both = [threading.Thread(target=download, args=(url, target)) for _ in range(2)]
    for item in both:
        item.start()
    for entry in both:
        entry.join()
    assert target.read_bytes() == BODY
    assert len(site.asked) == 1


def test_waiting_for_another_process_ends_too(site, target, listener):
    url = site.page("/pets.zip", lambda talk: talk.stall())

    def wait_in_vain():
        with pytest.raises(DownloadFailed):
            download(url, target, limits=DownloadLimits(total_seconds=0.8))

    first = threading.Thread(target=wait_in_vain)
    first.start()
    while not site.asked:
        time.sleep(0.01)
    with pytest.raises(DownloadFailed, match=r"Another process .* for 0\.2 seconds"):
        download(url, target, limits=DownloadLimits(lock_seconds=0.2), progress=listener)
    assert len(listener.lines) == 1
    assert listener.lines[0].startswith("Waiting for another process")
    assert "pets.zip" in listener.lines[0]
    first.join()


def test_a_server_that_is_not_there_is_said_to_be_so(target, unused_port):
    with pytest.raises(DownloadFailed, match="The connection failed"):
        download(f"http://127.0.0.1:{unused_port}/pets.zip", target, limits=ONCE)


def test_a_disk_that_refuses_is_not_taken_for_the_network(site, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Could not write"):
        download(site.page("/pets.zip", lambda talk: talk.serve(BODY)), tmp_path / "file" / "pets.zip", limits=QUICK)


@pytest.fixture
def unused_port(site):
    """A port that nobody listens on."""
    import socket

    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def untrusted():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


FAILURES = {
    "The server sent nothing for 3 seconds.": (TimeoutError(), True),
    "The server's certificate cannot be trusted: self-signed certificate.": (untrusted(), False),
    "The server was not found: there is no network, or its name is misspelt.": (
        socket.gaierror(socket.EAI_NONAME, "none"),
        False,
    ),
    "It is not a valid URL: a space in it.": (http.client.InvalidURL("a space in it"), False),
    "The connection failed: RemoteDisconnected.": (http.client.RemoteDisconnected(), True),
    "The connection failed: [Errno 111] Connection refused.": (ConnectionRefusedError(111, "Connection refused"), True),
}


@pytest.mark.parametrize("told", FAILURES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_went_wrong_is_a_sentence_and_whether_to_try_again(told, wrapped):
    error, again = FAILURES[told]
    failure = module.failure_of(urllib.error.URLError(error) if wrapped else error, 3.0)
    assert (str(failure), failure.again) == (told, again)


def test_a_name_that_may_be_known_in_a_moment_is_asked_for_again():
    assert module.failure_of(socket.gaierror(socket.EAI_AGAIN, "later"), 3.0).again


def test_a_failure_that_was_told_already_stays_as_it_is():
    known = FetchFailed("The server sent us round.", again=False)
    assert module.failure_of(known, 3.0) is known


def test_a_bug_is_not_taken_for_the_network():
    with pytest.raises(ZeroDivisionError):
        module.failure_of(ZeroDivisionError("a bug"), 3.0)


def test_an_answer_without_content_or_range_is_no_file():
    closed = []
    response = SimpleNamespace(status=204, reason="No Content", close=lambda: closed.append(True))
    with pytest.raises(FetchFailed, match=r"The server answered 204 No Content\."):
        module.checked_response(response)
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
    for item in (b"one", (200, {}), b"two", b""):
        box.put(item)
    assert list(module.content_pieces(box, time.monotonic() + 5, 1, length=6)) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("https://a.example/b.jpg", "https"),
        ("HTTP://A", "http"),
        ("s3://b/c", "s3"),
        ("C:\\a.jpg", ""),
        ("a/b://c", ""),
    ],
)
def test_the_scheme_tells_an_address_from_a_path(name, scheme):
    assert scheme_of(name) == scheme
