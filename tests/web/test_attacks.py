"""A service under each attack of decision 32, with bounded load: what the others get."""

from __future__ import annotations

import socket
import time

import pytest


@pytest.fixture(scope="module")
def small(serving, colour_bundle, tmp_path_factory):
    """A service whose limits a few clients reach."""
    limits = {"requests": 4, "queue": 4, "files": 2, "heat_maps": 2, "decoders": 1, "connections": 24, "body_mib": 1}
    log = tmp_path_factory.mktemp("attacks") / "log"
    limits |= {"buffer_mib": 2, "proxy": ["127.0.0.1"], "address_percent": 1}
    with serving.Process(colour_bundle, log=log, limits=limits) as process:
        yield process


def head(path, length, *more):
    lines = "".join(f"{line}\r\n" for line in more)
    return (
        f"POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n"
        f"{lines}\r\n"
    ).encode()


@pytest.fixture
def send(small):
    """Send bytes on a connection of their own, which stays open until the end of the test."""
    lines = []

    def begin(data):
        lines.append(socket.create_connection(("127.0.0.1", small.port), timeout=20))
        lines[-1].sendall(data)
        return lines[-1]

    yield begin
    for line in lines:
        line.close()


def ask(process, serving, path="predict"):
    return process.ask("POST", f"/api/v1/{path}", serving.picture("red"), content_type="image/png")[0]


def test_bodies_that_do_not_end_take_no_place_in_the_queue(small, serving, send):
    for _ in range(12):  # three times as many as `requests`
        send(head("predict", 5000) + b"x")
    small.until(lambda: serving.figure(small.ask("GET", "/metrics")[1], "pawsight_held_bytes") == 12)
    assert {ask(small, serving) for _ in range(5)} == {200}
    assert serving.figure(small.ask("GET", "/metrics")[1], "pawsight_held_bytes") == 12


def test_connections_that_are_all_sending_make_room_for_a_new_one(small, serving, send):
    for _ in range(24):
        send(head("predict", 5000) + b"x")
    time.sleep(1.2)  # a body that has just begun is not slow
    assert {ask(small, serving) for _ in range(3)} == {200}


def test_bodies_that_fill_the_memory_make_room_for_others(small, serving, send):
    lines = [send(head("predict", 2**20) + bytes(2**20 - 20)) for _ in range(2)]
    small.until(lambda: serving.figure(small.ask("GET", "/metrics")[1], "pawsight_held_bytes") > 2 * 2**20 - 100)
    time.sleep(1.2)
    assert ask(small, serving) == 200
    answers = []
    for line in lines:
        line.settimeout(0.2)
        try:
            answers.append(line.recv(12))
        except TimeoutError:
            answers.append(b"")
    assert sorted(answers) == [b"", b"HTTP/1.1 408"]  # one of the two was enough


def test_behind_a_proxy_each_client_has_its_share(small, serving, send):
    """A share of bytes is that of the largest body at least: 1 MiB."""
    send(head("predict", 2**20, "X-Forwarded-For: 192.0.2.7") + bytes(2**20 - 20))
    small.until(lambda: serving.figure(small.ask("GET", "/metrics")[1], "pawsight_held_bytes") == 2**20 - 20)
    for client, status in (("192.0.2.7", 503), ("198.51.100.1, 192.0.2.7", 503), ("192.0.2.8", 200)):
        kind = {"content_type": "image/png", "x_forwarded_for": client}
        answered, told, _ = small.ask("POST", "/api/v1/predict", serving.picture("red"), **kind)
        assert answered == status
        assert status == 200 or "from your address" in told["detail"]


def test_heat_maps_keep_no_prediction_out(small, serving, send):
    body = serving.picture("red", side=900)
    lines = [send(head("explain", len(body)) + body) for _ in range(10)]
    statuses = {ask(small, serving) for _ in range(5)}
    answers = [line.recv(12) for line in lines]
    assert statuses == {200}
    assert set(answers) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}


def test_what_waits_for_clients_that_have_left_is_not_computed(process, serving):
    """Each of these pictures takes its decoder a tenth of a second."""
    body = serving.picture("red", side=4000)

    def computed():
        text = process.ask("GET", "/metrics")[1]
        return serving.figure(text, "pawsight_pictures_total", outcome="answered")

    ask(process, serving)
    before = computed()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", process.port)) as line:
            line.sendall(head("predict", len(body)) + body)
    process.until(lambda: "pawsight_queue_pictures 0.0" in process.ask("GET", "/metrics")[1])
    assert ask(process, serving) == 200
    assert computed() - before <= 1 + 6  # the last one, and those that had begun
    assert 499 in {event["status"] for event in process.events("request")}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET /api/v1/model HTTP/1.1\r\nHost: user@127.0.0.1\r\n\r\n", 400),
        ("GET http://127.0.0.1/api/v1/model HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
        ("GET http://evil.example/api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
        ("GET http://user@127.0.0.1/api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        ("GET /api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n c\r\n\r\n", 400),
        ("POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
        ("CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ],
)
def test_heads_are_read_as_rfc_9112_says(process, text, status):
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as line:
        line.sendall(text.encode())
        assert int(line.recv(12).split()[1]) == status
