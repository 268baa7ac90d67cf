"""A real process, stopped, swapped and abused as it will be."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

KINDS = {"content_type": "image/png"}


@pytest.fixture
def serve(serving, colour_bundle, tmp_path):
    """Start a service of one's own; it is gone after the test."""
    started = []

    def start(*options, run=colour_bundle, **how):
        one = serving.Process(run, *options, log=tmp_path / f"log{len(started)}", **how)
        started.append(one)
        return one

    yield start
    for item in started:
        item.__exit__()


@pytest.fixture(scope="module")
def tight(serving, colour_bundle, tmp_path_factory):
    """A running service that is full soon."""
    limits = {"connections": 16, "head_seconds": 30, "queue": 2, "files": 2, "decoders": 1, "requests": 3}
    with serving.Process(colour_bundle, log=tmp_path_factory.mktemp("tight") / "log", limits=limits) as one:
        yield one


def talk(port, *pieces, pause=0.0, wait=10.0, to_the_end=True):
    """Send pieces one after the other; return what comes back until the connection, or the first answer, ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as line:
        answer = b""
        try:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        try:
            while (to_the_end or not is_whole(answer)) and (data := line.recv(65536)):
                answer += data
        except ConnectionResetError:
            pass
        return answer


def is_whole(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.I)
    return length is not None and len(body) >= int(length[1])


def head(length=None, *more):
    lines = ["POST /api/v1/predict HTTP/1.1", "Host: 127.0.0.1", "Content-Type: image/png", *more]
    return "\r\n".join(
        [*lines, f"Content-Length: {length}" if length else "Transfer-Encoding: chunked", "", ""]
    ).encode()


def test_it_tells_where_it_listens_and_answers(process, serving):
    assert process.told["url"] == f"http://127.0.0.1:{process.port}/"
    assert process.told["token"] is False
    status, answer, headers = process.ask("POST", "/api/v1/predict", serving.picture("red"), **KINDS)
    assert (status, answer["predictions"][0]["label"]) == (200, "red")
    assert "server" not in headers
    assert f"Serving {process.told['run']} at {process.told['url']}" in process.log.read_text()


def test_a_body_is_not_held_back_until_its_head_is_acknowledged(process, serving):
    """Which takes 40 ms, every time, where the socket was not told otherwise."""
    connection, times = process.connect(), []
    for _ in range(10):
        start = time.monotonic()
        connection.request("GET", "/api/v1/model")
        connection.getresponse().read()
        times.append(time.monotonic() - start)
    connection.close()
    assert min(times) < 0.03


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(process):
    start = time.monotonic()
    answer = talk(process.port, head(2**21), to_the_end=False)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - start < 5


def test_a_body_that_turns_out_too_large_is_refused_and_not_read_on_for_ever(process):
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    answer = talk(process.port, head(), *[chunk] * 17, wait=5, to_the_end=False)
    assert answer.startswith(b"HTTP/1.1 413 ")
    start = time.monotonic()
    assert talk(process.port, head(), *[chunk] * 600).startswith((b"HTTP/1.1 413 ", b""))
    assert time.monotonic() - start < 8


def test_a_client_that_sends_all_before_it_reads_still_reads_the_refusal(process):
    status, told, _ = process.ask("POST", "/api/v1/predict", bytes(3 * 2**20), **KINDS)
    assert (status, told["title"]) == (413, "The request is too large")


def test_a_body_that_trickles_is_given_up_and_said_to_be_too_slow(process):
    start = time.monotonic()
    answer = talk(process.port, head(1000), *[b"x"] * 11, pause=0.1, to_the_end=False)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 1 s" in answer
    assert time.monotonic() - start < 6


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nHost: "], ids=["nothing", "half a head"])
def test_a_head_that_never_ends_ends_the_connection(process, begun):
    start = time.monotonic()
    assert talk(process.port, begun) == b""
    assert 0.9 < time.monotonic() - start < 5


def test_a_head_that_is_too_large_is_refused(process):
    assert talk(process.port, b"GET /livez HTTP/1.1\r\nX: " + b"y" * 60_000).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_is_too_large_is_refused_also_when_it_comes_in_one_piece(process):
    def fill(count):
        return talk(
            process.port,
            b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX: %s\r\n\r\n" % (b"y" * count),
        )

    assert fill(32_000).startswith(b"HTTP/1.1 200 ")
    for count in (32_768, 60_000, 100_000):
        assert fill(count).startswith((b"HTTP/1.1 400 ", b"")), count
        assert b" 200 " not in fill(count)
    assert b"The head of a request may have 32,768 bytes." in fill(32_768)


def test_a_long_address_is_not_repeated_in_full(process):
    status, told, _ = process.ask("GET", "/" + "a" * 30_000)
    assert (status, told["instance"]) == (404, "/" + "a" * 199)


def test_two_lengths_are_refused_and_nothing_behind_them_is_read(process):
    smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = talk(process.port, head(4, "Transfer-Encoding: chunked") + smuggled, wait=2)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer.lower()
    assert b"not both (RFC 9112, 6.1)" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_a_body_in_crumbs_is_refused_and_one_in_small_chunks_is_not(process, serving):
    answer = talk(process.port, head() + b"1\r\na\r\n" * 300)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The chunks of the body are too small" in answer
    body = serving.picture("red")
    crumbs = b"".join(b"1\r\n%c\r\n" % byte for byte in body[:50]) + b"%x\r\n%s\r\n0\r\n\r\n" % (
        len(body) - 50,
        body[50:],
    )
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as line:
        line.sendall(head() + crumbs)
        assert line.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("path", ["/api/v1/predict", "/nothing"], ids=["read", "refused at once"])
def test_endless_crumbs_keep_nobody_waiting(process, path):
    start = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    done = threading.Event()

    def flood():
        while not done.is_set():
            try:
                with socket.create_connection(("127.0.0.1", process.port), timeout=5) as line:
                    line.sendall(start.encode())
                    time.sleep(0.01)  # a refusal at once is under way before the crumbs
                    while not done.is_set():
                        line.sendall(b"1\r\na\r\n" * 10_000)
            except OSError:
                continue

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    times, last = [], time.monotonic() + 0.8
    try:
        while time.monotonic() < last:
            begun = time.monotonic()
            assert process.ask("GET", "/livez")[0] == 200
            times.append(time.monotonic() - begun)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert max(times) < 1.0  # it was 8 s


def test_connections_without_a_request_make_room_for_new_ones(tight, serving):
    lines = []
    try:
        for number in range(40):
            line = socket.create_connection(("127.0.0.1", tight.port), timeout=5)
            lines.append(line)
            whole = number % 2  # idle after an answer, or in the middle of a head
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1" + b"\r\n\r\n" * whole)
        begun = time.monotonic()
        for _ in range(5):
            assert tight.ask("POST", "/api/v1/predict", serving.picture("red"), **KINDS)[0] == 200
        assert time.monotonic() - begun < 3
    finally:
        for line in lines:
            line.close()


def test_what_is_no_http_is_refused(process):
    assert talk(process.port, b"\x16\x03\x01\x02\x00\x01\xfc").startswith((b"HTTP/1.1 400 ", b""))
    assert process.ask("GET", "/livez")[0] == 200


def test_a_client_that_leaves_half_way_costs_nobody_anything(process, serving):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", process.port)) as line:
            line.sendall(head(5000) + b"half")
    assert process.ask("POST", "/api/v1/predict", serving.picture("red"), **KINDS)[0] == 200
    process.until(lambda: "pawsight_held_bytes 0.0" in process.ask("GET", "/metrics")[1])


def test_a_full_queue_says_when_to_ask_again(tight, serving):
    body = serving.picture("red", side=3000)
    seen = []

    def ask():
        status, told, headers = tight.ask("POST", "/api/v1/predict", body, **KINDS)
        seen.append((status, headers.get("retry-after"), told.get("title")))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, *_ in seen} == {200, 503}
    assert {tuple(told) for status, *told in seen if status == 503} == {("1", "The service is busy")}
    assert tight.ask("POST", "/api/v1/predict", body, **KINDS)[0] == 200


def test_a_log_that_can_be_written_no_more_ends_nothing(serving, colour_bundle, tmp_path):
    os.mkfifo(log := tmp_path / "log")
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    with serving.Process(colour_bundle, "--decoders", 1, ready=False, log=log) as one:
        os.close(reader)
        one.until(lambda: one.ask("GET", "/readyz")[0] == 200)
        assert one.ask("GET", "/nowhere")[0] == 404
        assert one.stop() == 0


def test_decoders_do_not_outlive_a_server_that_was_killed(serve, serving):
    one = serve()
    decoders = serving.children(one.process.pid)
    one.process.kill()
    one.process.wait()
    last = time.monotonic() + 8
    while any(serving.is_running(pid) for pid in decoders) and time.monotonic() < last:
        time.sleep(0.05)
    assert not [pid for pid in decoders if serving.is_running(pid)]


def test_a_new_run_takes_over_without_failing_a_request_and_a_bad_one_is_refused(
    serve, serving, colour_bundle, tmp_path
):
    bad = "003\n{}\u2028\x1b[2J"  # which begins no line of the log and moves no cursor
    for name in ("001", "002", bad):
        shutil.copytree(colour_bundle, tmp_path / name)
    (tmp_path / bad / "model.onnx").write_bytes(b"nonsense")
    latest = tmp_path / "latest"
    latest.symlink_to("001")
    one = serve(run=latest)
    statuses, done = [], threading.Event()

    def ask():
        while not done.is_set():
            statuses.append(one.ask("POST", "/api/v1/predict", serving.picture("red"), **KINDS)[0])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for name, event, count in (("002", "serving", 2), (bad, "swap-refused", 1), ("001", "serving", 3)):
            latest.unlink()
            latest.symlink_to(name)
            one.process.send_signal(signal.SIGHUP)
            one.until(lambda event=event, count=count: len(one.events(event)) == count)
    finally:
        done.set()
        asking.join()
    assert set(statuses) == {200}
    (refused,) = one.events("swap-refused")
    assert refused["level"] == "WARNING"
    assert "model.onnx" in refused["said"]
    assert bad in refused["said"]
    assert re.fullmatch(r"[ -~\n]*", log := one.log.read_text())
    assert all(set(json.loads(line)) >= {"time", "level", "name", "event"} for line in log.splitlines()[1:])
    assert one.ask("GET", "/readyz")[0] == 200
    text = one.ask("GET", "/metrics")[1]
    assert serving.figure(text, "pawsight_swaps_total", outcome="done") == 2
    assert serving.figure(text, "pawsight_swaps_total", outcome="refused") == 1
    assert one.stop() == 0


def typed(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "pawsight", "serve", *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def test_a_bundle_that_fails_ends_the_service_with_the_reason(colour_bundle, tmp_path):
    broken = shutil.copytree(colour_bundle, tmp_path / "broken")
    (broken / "exam.npz").write_bytes(b"nonsense")
    done = typed(broken, "--port", 0)
    assert done.returncode == 1
    assert "exam.npz" in done.stderr
    assert "Traceback" not in done.stderr


def test_listening_for_everybody_is_said_and_a_token_read_from_its_file(serve, tmp_path, serving):
    token = tmp_path / "token"
    token.write_text("correct-horse-battery\n")
    token.chmod(0o644)
    one = serve("--host", "0.0.0.0", "--token-file", token)
    said = one.log.read_text()
    assert f"chmod 600 {token}" in said
    assert "0.0.0.0" in said
    assert one.ask("POST", "/api/v1/predict", serving.picture("red"), **KINDS)[0] == 401
    good = {**KINDS, "authorization": "Bearer correct-horse-battery"}
    assert one.ask("POST", "/api/v1/predict", serving.picture("red"), **good)[0] == 200
    assert "correct-horse" not in one.log.read_text()


def test_on_every_address_addresses_and_known_names_are_answered_and_a_rebound_name_is_not(serve, serving):
    one = serve("--host", "0.0.0.0", "--allow-host", "Cats.example", "--allow-origin", "https://Dogs.example:443/")
    body, names = serving.picture("red"), ("localhost", socket.gethostname(), "cats.example")
    for host in (f"127.0.0.1:{one.port}", "192.0.2.7", "[::1]:9", *names):
        assert one.ask("POST", "/api/v1/predict", body, host=host, **KINDS)[0] == 200, host
    for host in ("evil.example", f"evil.example:{one.port}", "cats.example.evil.example"):
        for origin in ({}, {"origin": f"http://{host}"}):
            assert one.ask("POST", "/api/v1/predict", body, host=host, **origin, **KINDS)[0] == 421
    assert one.ask("GET", "/readyz", host="evil.example")[0] == 200
    for origin, status in (("https://dogs.example", 200), ("https://evil.example", 403), ("null", 403)):
        answered, _, headers = one.ask("POST", "/api/v1/predict", body, origin=origin, **KINDS)
        assert (answered, headers.get("access-control-allow-origin")) == (status, origin if status == 200 else None)
    preflight = {"origin": "https://dogs.example", "access_control_request_method": "POST"}
    status, _, headers = one.ask("OPTIONS", "/api/v1/predict", **preflight)
    assert (status, headers["access-control-allow-origin"]) == (200, "https://dogs.example")


def test_after_report_its_pictures_and_places_stay_here_unless_it_is_asked_for(serving, own_run, tmp_path):
    from pawsight.commands.report import report

    report([own_run], quick=True)
    with serving.Process(own_run, "--decoders", 1, log=tmp_path / "log") as one:
        status, model, _ = one.ask("GET", "/api/v1/model")
        assert (status, model["report"]) == (200, None)
        assert one.ask("GET", "/api/v1/report")[0] == 404
    with serving.Process(own_run, "--decoders", 1, "--with-report", log=tmp_path / "log") as one:
        address = one.ask("GET", "/api/v1/model")[1]["report"]
        status, page, _ = one.ask("GET", address)
        assert status == 200
        assert page.count("data:image/") == (own_run / "report.html").read_text().count("data:image/") > 0
        assert str(tmp_path) not in page
