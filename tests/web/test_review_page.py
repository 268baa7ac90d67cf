"""The review page's server: its own tab alone is answered, no request names a file, every decision is on disk."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.data.label_patch import Decision, read_patch, write_patch
from pawsight.web.local_page import announce, own_page_only
from pawsight.web.review_page import serve_review

from .review_server import Answer, decide, kept, make_session, served

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="needs pawsight[serve]"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="module")
def address(place):
    with served(make_session(place)) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html"),
        ("tokens.css", "text/css"),
        ("base.css", "text/css"),
        ("review.css", "text/css"),
        *(
            (name, "text/javascript")
            for name in ("dom.js", "words.js", "review.js", "review_grid.js", "review_zoom.js")
        ),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_comes_with_all_it_needs_and_strict_headers(address, path, kind):
    found = Answer(address, path)
    assert found.status == 200
    assert found.headers["content-type"].startswith(kind)
    policy = found.headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert (rules["default-src"], rules["img-src"], rules["script-src"]) == ("'none'", "'self'", "'self'")
    assert "unsafe" not in policy
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["referrer-policy"] == "no-referrer"
    assert b"//cdn" not in found.body


def test_the_address_cannot_be_guessed_and_is_this_machine_s(address):
    assert address.startswith("http://127.0.0.1:")
    token = address.rstrip("/").rpartition("/")[2]
    assert len(token) >= 32
    for path in ("/", "/state", "/picture/0/small", "/x" * 20, f"/{token[:-1]}/state", f"/{token}x/state"):
        assert Answer(address, path).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:80@evil.example", "", None])
def test_a_name_that_was_bent_to_this_machine_is_refused(address, host):
    answer = Answer(address, "state", headers={"Host": host or ""})
    assert answer.status in (400, 403)
    assert b"board" not in answer.body


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", None])
def test_decisions_come_from_the_page_alone(address, place, origin):
    before = kept(place)
    body = json.dumps({"picture": 0, "action": "drop"})
    headers = {"Origin": origin} if origin else {"Origin": None}
    assert Answer(address, "decision", method="POST", body=body, headers=headers).status == 403
    assert kept(place) == before


def test_localhost_is_this_machine_too(address):
    port = address.split(":")[2].partition("/")[0]
    assert Answer(address, "state", headers={"Host": f"localhost:{port}"}).status == 200


def test_pictures_are_shown_by_number_in_their_own_shape_and_nothing_else_is(address):
    found = Answer(address, "picture/3/large")
    assert found.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(found.body)) as image:
        assert image.size == (960, 427)
    with Image.open(io.BytesIO(Answer(address, "picture/3/small").body)) as image:
        assert max(image.size) == 224
    with Image.open(io.BytesIO(Answer(address, "picture/3/full").body)) as image:
        assert image.size == (90, 40)  # its own size
    for path in (
        "99/small",
        "0/huge",
        "-1/small",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "0.png/small",
        "1e0/small",
    ):
        assert Answer(address, f"picture/{path}").status == 404


def test_a_picture_that_changed_is_not_shown_as_the_one_that_was_seen(tmp_path):
    session = make_session(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "data" / "2.png")
    (tmp_path / "data" / "3.png").unlink()
    assert session.thumbnails(2, "large") is None
    assert session.thumbnails(3, "small") is None
    assert session.thumbnails(1, "small")


def test_decisions_are_on_disk_when_the_answer_comes_and_the_newest_wins(tmp_path):
    with served(make_session(tmp_path)) as address:
        assert decide(address, picture=0, action="relabel", label="dogs").json["decided"] == 1
        assert kept(tmp_path) == [("train/cats/0.png", "relabel", "dogs")]
        decide(address, picture=1, action="drop")
        decide(address, picture=0, action="keep", label="")
        assert kept(tmp_path) == [("train/cats/1.png", "drop", ""), ("train/cats/0.png", "keep", "")]
        decided = Answer(address, "state").json["decided"]
        assert {number: row["action"] for number, row in decided.items()} == {"0": "keep", "1": "drop"}
        assert decide(address, picture=1, action="undo", undone=decided["1"]).status == 200
        assert kept(tmp_path) == [("train/cats/0.png", "keep", "")]
    (one,) = read_patch(tmp_path / "labels.patch.csv").decisions
    assert one.when.endswith("+00:00")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".labels.patch.csv.lock", "data", "labels.patch.csv"]


def test_what_was_decided_before_stays_and_is_shown(tmp_path):
    first = make_session(tmp_path)
    first.decide(2, "drop")
    other = Decision("train/cats/elsewhere.png", "e" * 64, "keep")
    again = make_session(tmp_path, decisions=first.decisions())
    write_patch(tmp_path / "labels.patch.csv", [*first.decisions(), other])  # by another session, meanwhile
    assert {number: row["action"] for number, row in again.decided().items()} == {2: "drop"}
    again.decide(3, "keep")
    assert [path for path, _, _ in kept(tmp_path)] == [
        "train/cats/2.png",
        "train/cats/elsewhere.png",
        "train/cats/3.png",
    ]


@pytest.mark.parametrize("restored", ["undo", "keep"])
@pytest.mark.parametrize("others", ["keep", "drop"])
def test_undo_takes_back_no_decision_of_another_session(tmp_path, others, restored):
    with served(make_session(tmp_path)) as address:
        own = decide(address, picture=0, action="drop").json["decision"]
        file = tmp_path / "labels.patch.csv"
        (decision,) = read_patch(file).decisions
        write_patch(file, [replace(decision, action=others, when="2026-11-29T18:00:00+00:00", line=0)])
        answer = decide(address, picture=0, action=restored, undone=own)
        assert answer.status == 409
        assert answer.json["decision"] == {"action": others, "label": "", "when": "2026-11-29T18:00:00+00:00"}
        assert kept(tmp_path) == [("train/cats/0.png", others, "")]


@pytest.mark.parametrize(
    "said",
    [
        {"picture": 99, "action": "keep"},
        {"picture": True, "action": "keep"},
        {"picture": "0", "action": "keep"},
        {"picture": [0], "action": "keep"},
        {"action": "keep"},
        {"picture": 0, "action": "burn"},
        {"picture": 0, "action": "undo"},
        {"picture": 0, "action": ["keep"]},
        {"picture": 0, "action": "relabel", "label": "geese"},
        {"picture": 0, "action": "relabel"},
        {"picture": 0, "action": "relabel", "label": ["dogs"]},
        {"picture": 0, "action": "keep", "label": "dogs"},
    ],
)
def test_a_decision_that_cannot_be_meant_is_refused_and_changes_nothing(address, place, said):
    before = kept(place)
    answer = decide(address, **said)
    assert answer.status == 400
    assert answer.json["error"]
    assert kept(place) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 4000, b'"' + b"x" * 9000 + b'"', b"\xff\xfe"])
def test_a_body_that_is_no_decision_is_refused(address, body):
    assert Answer(address, "decision", method="POST", body=body).status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(address, method):
    assert Answer(address, "decision", method=method).status in (403, 405)


def test_a_disk_that_refuses_is_told_and_nothing_counts_as_decided(tmp_path, monkeypatch):
    from pawsight.web import review_page as review

    def refuse(path, decisions):
        raise StorageError("Could not write.", "The disk is full.", "Make room.")

    session = make_session(tmp_path)
    monkeypatch.setattr(review, "write_patch", refuse)
    with served(session) as address:
        answer = decide(address, picture=0, action="drop")
        assert answer.status == 500
        assert "The disk is full." in answer.json["error"]
    assert session.decisions() == ()


def test_a_file_that_was_spoilt_meanwhile_is_told_and_left_as_it_is(tmp_path):
    (file := tmp_path / "labels.patch.csv").write_text("mine\n")
    with served(make_session(tmp_path)) as address:
        for answer in (Answer(address, "state"), decide(address, picture=0, action="drop")):
            assert answer.status == 500
            assert str(file) in answer.json["error"]
    assert file.read_text() == "mine\n"


def test_many_decisions_at_once_are_all_kept(tmp_path):
    session = make_session(tmp_path)
    threads = [threading.Thread(target=session.decide, args=(number, "drop")) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept(tmp_path)) == 6


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WrongUsage) as error:
            serve_review(make_session(tmp_path), port=port, ready=lambda address: None)
    assert error.value.what == f"Port {port} of 127.0.0.1 cannot be used."
    assert error.value.fix == "Leave --port out to use a free one."


def heard(scope):
    """What the application behind the guard got to hear, and what was sent to the client."""
    inside, sent = [], []

    async def application(scope, receive, send):
        inside.append(scope["type"])
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(message)

    asyncio.run(own_page_only(application, frozenset({"127.0.0.1:8000"}))(scope, None, send))
    return inside, sent


def test_a_server_s_start_and_end_reach_the_application_as_they_are():
    inside, sent = heard({"type": "lifespan"})
    assert inside == ["lifespan"]
    assert sent == [{"type": "http.response.start", "status": 200}]  # without the page's headers


def test_a_web_socket_reaches_nobody():
    assert heard({"type": "websocket", "headers": [(b"host", b"127.0.0.1:8000")]}) == ([], [])


@pytest.mark.parametrize("hosts", [[], [b"127.0.0.1:8000", b"127.0.0.1:8000"]], ids=["none", "two"])
def test_a_request_says_once_whom_it_means(hosts):
    inside, sent = heard({"type": "http", "method": "GET", "headers": [(b"host", host) for host in hosts]})
    assert inside == []
    assert sent[0]["status"] == 403
    assert (b"referrer-policy", b"no-referrer") in sent[0]["headers"]


def test_a_server_that_gives_up_before_it_listens_tells_no_address():
    told = []
    announce(SimpleNamespace(started=False, should_exit=True), told.append, "http://127.0.0.1:1/secret/", None)
    assert told == []


def test_without_anybody_to_stop_it_a_server_is_told_of_and_left_alone():
    told, server = [], SimpleNamespace(started=True, should_exit=False)
    announce(server, told.append, "http://127.0.0.1:1/secret/", None)
    assert told == ["http://127.0.0.1:1/secret/"]
    assert not server.should_exit


def test_a_server_ends_when_it_is_asked_to():
    stop, server = threading.Event(), SimpleNamespace(started=True, should_exit=False)
    stop.set()
    announce(server, lambda address: None, "http://127.0.0.1:1/secret/", stop)
    assert server.should_exit
