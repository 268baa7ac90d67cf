"""The labelling page's server: names reach the table before they are acknowledged, all of a request or none."""

from __future__ import annotations

import importlib.util
import json
from functools import partial

import pytest

from pawsight.core.errors import StorageError
from pawsight.data.label_patch import Decision, read_patch, write_patch
from pawsight.web.label_page import check_name, serve_label

from .label_server import Four, kept, make_session, name, send
from .review_server import Answer, served

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="needs pawsight[serve]"
)
serving = partial(served, serve=serve_label)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(make_session(tmp_path_factory.mktemp("label"))) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html"),
        *((name, "text/css") for name in ("tokens.css", "base.css", "review.css", "label.css")),
        *(
            (name, "text/javascript")
            for name in ("dom.js", "words.js", "label.js", "name_keys.js", "review_grid.js", "review_zoom.js")
        ),
        ("icon.svg", "image/svg+xml"),
        ("picture/3/small", "image/jpeg"),
    ],
)
def test_the_page_comes_with_all_it_needs_and_strict_headers(address, path, kind):
    found = Answer(address, path)
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    assert found.headers["content-type"].startswith(kind)
    assert "unsafe" not in found.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("next?way=best", 400),
        ("named?name=&from=x", 400),
        ("named?name=nobody&from=-1", 400),
        ("picture/99/small", 404),
        ("picture/0/huge", 404),
        ("labels.csv", 404),
        ("../state", 404),
    ],
)
def test_what_there_is_not_is_refused(address, path, status):
    assert Answer(address, path).status == status


def test_only_the_page_itself_may_write(address):
    body = json.dumps([{"picture": 0, "action": "relabel", "label": "cat"}])
    for headers in ({"Origin": "http://evil.example"}, {"Origin": None}, {"Host": "evil.example"}):
        assert Answer(address, "decision", method="POST", body=body, headers=headers).status == 403
    assert Answer(address, "state").json["named"] == 0


def test_many_pictures_get_one_name_and_their_copies_get_it_too(tmp_path):
    with serving(make_session(tmp_path, copies=2, offered=("dog",))) as address:
        answer = name(address, " cat ", 0, 1, 2)
        assert answer.json["named"] == 3
        assert answer.json["names"] == [{"name": "dog", "pictures": 0}, {"name": "cat", "pictures": 3}]
        assert set(answer.json["decisions"]) == {"0", "1", "2"}
        assert kept(tmp_path) == dict.fromkeys(
            ["data/0.png", "data/copy-0.png", "data/copy-1.png", "data/1.png", "data/2.png"], "cat"
        )
        following = Answer(address, "next").json
        assert (following["way"], following["groups"][0]["suggested"]) == ("alike", None)
        assert [shown["picture"] for shown in following["groups"][0]["pictures"]] == [3, 4, 5, 6]
        name(address, "dog", 3)
        assert Answer(address, "next?way=sure").json["groups"][0]["suggested"] == "cat"
        assert Answer(address, "named?name=cat&from=1").json["total"] == 3
        assert len(Answer(address, "named?name=cat&from=1").json["pictures"]) == 2
        send(address, [{"picture": 4, "action": "drop"}])
        assert [shown["picture"] for shown in Answer(address, "named?name=").json["pictures"]] == [4]
        assert Answer(address, "state").json["aside"] == 1
        assert Answer(address, "progress").json is None


def test_undo_takes_back_what_still_stands_and_nothing_else(tmp_path):
    with serving(make_session(tmp_path)) as address:
        made = name(address, "cat", 0, 1).json["decisions"]
        later = name(address, "dog", 1).json["decisions"]
        undo = [{"picture": number, "action": "undo", "undone": made[str(number)]} for number in (0, 1)]
        assert send(address, undo).status == 409  # the second is a dog by now
        assert kept(tmp_path) == {"data/0.png": "cat", "data/copy-0.png": "cat", "data/1.png": "dog"}
        back = {"picture": 1, "action": "relabel", "label": "cat", "undone": later["1"]}
        assert send(address, [back]).json["decisions"]["1"]["label"] == "cat"
        assert send(address, undo[:1]).json["named"] == 1
        assert kept(tmp_path) == {"data/1.png": "cat"}
        assert send(address, undo[:1]).status == 409  # it is undone already


def test_two_sessions_and_lines_about_other_pictures_keep_each_other(tmp_path):
    other = Decision("elsewhere/1.jpg", "a" * 64, "relabel", "fox", "2026-11-29T10:00:00+00:00")
    write_patch(tmp_path / "labels.csv", [other])
    with serving(make_session(tmp_path)) as first, serving(make_session(tmp_path)) as second:
        for number in range(10):
            assert name((first, second)[number % 2], f"kind {number % 3}", number).status == 200
        assert Answer(first, "state").json["names"] == Answer(second, "state").json["names"]
        assert len(kept(tmp_path)) == 12
        assert kept(tmp_path)["elsewhere/1.jpg"] == "fox"
        assert Answer(first, "state").json["named"] == 10  # the fox is not one of these pictures
        assert Answer(first, "next").json["groups"] == []
    assert make_session(tmp_path).state()["named"] == 10


def test_names_that_training_would_refuse_are_refused_at_once_and_nothing_of_the_request_is_kept(tmp_path):
    with serving(make_session(tmp_path)) as address:
        name(address, "Cat", 0)
        for wrong in (
            "",
            "  ",
            "a\nb",
            "a\x00",
            "\ud800",
            "cat",
            "C A T",
            "unsure",
            "unfamiliar",
            "a;b",
            "x" * 100_000,
        ):
            answer = send(
                address,
                [{"picture": 1, "action": "drop"}, {"picture": 2, "action": "relabel", "label": wrong}],
            )
            assert answer.status == 400
            assert 0 < len(answer.json["error"]) < 400
        two = [{"picture": number, "action": "relabel", "label": label} for number, label in ((3, "fox"), (4, "FOX"))]
        assert send(address, two).status == 400
        assert kept(tmp_path) == {"data/0.png": "Cat", "data/copy-0.png": "Cat"}
        for right in ("\U0001f98a", "=1+1", "'fox", "Schloss \u00dcnal", "e\u0301t\u00e9"):
            assert name(address, right, 5).status == 200
            assert kept(tmp_path)["data/5.png"] == check_name(right, {})
        assert kept(tmp_path)["data/5.png"] == "\u00e9t\u00e9"


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "{}", "7", "[7]", "[]", "[" * 4000, '"' + "x" * 500_000 + '"'),
        *(
            json.dumps([{"picture": 0, "action": "relabel", "label": "cat"} | change])
            for change in (
                *({"picture": 10}, {"picture": -1}, {"picture": True}, {"picture": "0"}),
                *({"action": "keep", "label": ""}, {"action": "drop"}, {"action": "undo", "label": ""}, {"label": 7}),
            )
        ),
        json.dumps([{"picture": 0, "action": "drop"}] * 1001),
    ],
)
def test_a_body_that_is_no_decision_is_refused(address, body):
    assert Answer(address, "decision", method="POST", body=body).status == 400
    assert Answer(address, "state").json["named"] == Answer(address, "state").json["aside"] == 0


def test_a_disk_that_refuses_is_told_and_nothing_counts_as_named(tmp_path, monkeypatch):
    from pawsight.web import label_page

    def refuse(path, decisions):
        raise StorageError("Could not write.", "The disk is full.", "Make room.")

    monkeypatch.setattr(label_page, "write_patch", refuse)
    with serving(make_session(tmp_path)) as address:
        answer = name(address, "cat", 0)
        assert (answer.status, "The disk is full." in answer.json["error"]) == (500, True)
        assert Answer(address, "state").json["named"] == 0


def test_a_table_that_was_spoilt_meanwhile_is_told_and_left_as_it_is(tmp_path):
    (table := tmp_path / "labels.csv").write_text("mine\n")
    with serving(make_session(tmp_path)) as address:
        for answer in (Answer(address, "state"), Answer(address, "next"), name(address, "cat", 0)):
            assert answer.status == 500
    assert table.read_text() == "mine\n"


def test_no_picture_is_changed_and_one_that_was_changed_is_not_shown(tmp_path):
    session = make_session(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    with serving(session) as address:
        name(address, "cat", *range(10))
        assert {path: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before
        (tmp_path / "data" / "3.png").write_bytes(before[tmp_path / "data" / "4.png"])
        assert Answer(address, "picture/3/large").status == 404


def test_what_the_curve_says_is_passed_on(tmp_path):
    adviser = Four()
    adviser.curve = {"pays": False}
    with serving(make_session(tmp_path, adviser=adviser)) as address:
        assert Answer(address, "progress").json == {"pays": False}


def test_the_table_is_a_label_patch_of_the_last_names(tmp_path):
    with serving(make_session(tmp_path)) as address:
        name(address, "cat", 3)
        name(address, "dog", 3)
    (line,) = read_patch(tmp_path / "labels.csv").decisions
    assert (line.path, line.action, line.label) == ("data/3.png", "relabel", "dog")
