"""The application: what each route returns, within limits, and how a request fails."""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import shlex
import shutil

import pytest
from markupsafe import escape

from pawsight.classifier.bundle import add_figures, read_bundle
from pawsight.classifier.predictor import load_predictor
from pawsight.core.errors import BundleRefused
from pawsight.web.app import record_of, report_of, report_text
from pawsight.web.middleware import with_own_target
from pawsight.web.problems import RequestProblem, of_status

PNG = {"content-type": "image/png"}

MEMBERS = {"type", "code", "title", "status", "detail", "instance", "request_id"}


@pytest.fixture(scope="module")
def client(make_client):
    with make_client() as one:
        yield one


def problem(answer, status):
    """The document of a refusal, looked at as every refusal must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) >= MEMBERS
    assert told["type"] == f"urn:pawsight:problem:{told['code']}"
    assert told["status"] == status
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


def events(caplog, name):
    """What the service told the standard logging of one kind."""
    return [vars(record) for record in caplog.records if (record.name, record.msg) == ("pawsight.serve", name)]


def post(client, data, kind="image/png", **headers):
    return client.post("/api/v1/predict", content=data, headers={"content-type": kind, **headers})


def test_one_picture_as_a_body_is_answered(client, serving):
    answer = post(client, serving.picture("green"))
    assert answer.status_code == 200
    (one,) = answer.json()["predictions"]
    assert (one["file"], one["label"], one["error"]) == ("picture", "green", None)
    assert one["probability"] == one["probabilities"]["green"] > 0.9
    assert list(one["probabilities"]) == ["red", "green", "blue"]
    assert set(one) == {"file", "label", "probability", "probabilities", "decision", "verdict", "set", "error", "code"}
    assert (one["decision"], one["verdict"], one["code"]) == ("answered", "answered", None)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "IMAGE/PNG; q=1", ""])
def test_a_picture_is_known_by_its_content_and_not_by_what_it_is_called(client, serving, kind):
    assert post(client, serving.picture("blue"), kind).json()["predictions"][0]["label"] == "blue"


def test_several_files_are_answered_in_order_and_a_broken_one_does_not_fail_the_others(client, serving):
    files = [("red.png", serving.picture("red")), ("list.txt", b"milk"), ("blue.jpg", serving.picture("blue", "JPEG"))]
    body, kind = serving.form(*files)
    answer = post(client, body, kind)
    assert answer.status_code == 200
    told = [
        (prediction["file"], prediction["label"], prediction["error"]) for prediction in answer.json()["predictions"]
    ]
    assert told == [("red.png", "red", None), ("list.txt", None, "not a picture"), ("blue.jpg", "blue", None)]


def test_the_same_file_twice_is_answered_twice(client, serving):
    body, kind = serving.form(*[("a.png", serving.picture("red"))] * 5)
    assert [prediction["label"] for prediction in post(client, body, kind).json()["predictions"]] == ["red"] * 5


def test_a_request_whose_only_picture_cannot_be_read_is_refused_with_file_and_reason(client, serving):
    body, kind = serving.form(("holiday.jpg", serving.picture("red", "JPEG", 200)[:400]))
    told = problem(post(client, body, kind), 422)
    assert "holiday.jpg" in told["detail"]
    assert (told["file"], told["reason"]) == ("holiday.jpg", "truncated")
    assert told["type"] == "urn:pawsight:problem:unreadable-picture"
    assert told["instance"] == "/api/v1/predict"


def test_an_empty_body_is_an_empty_picture(client):
    assert problem(post(client, b""), 422)["reason"] == "empty"


def test_control_characters_in_a_name_are_replaced_and_no_name_is_logged(client, serving, caplog):
    caplog.set_level(logging.DEBUG)
    body, kind = serving.form(("a\x1b[31m\u202e.png", b"x"))
    assert problem(post(client, body, kind), 422)["file"] == "a\ufffd[31m\ufffd.png"
    (told,) = events(caplog, "request")
    assert "31m" not in repr(told)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"x", "multipart/form-data", "The Content-Type of the form names no boundary."),
        (b"nonsense", "multipart/form-data; boundary=edge", "The form is not written as multipart/form-data"),
        (b"--edge--\r\n", "multipart/form-data; boundary=edge", "The form"),
        (b"", "multipart/form-data; boundary=edge", "The form ends before its last boundary."),
        (
            b'--edge\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\nhalf',
            "multipart/form-data; boundary=edge",
            "The form ends before its last boundary.",
        ),
        (
            b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n--edge--\r\n',
            "multipart/form-data; boundary=edge",
            "A part of the form is no file",
        ),
        (
            b"--edge\r\nContent-Disposition: form-data; filename=" + b"n" * 9000 + b"\r\n\r\nx\r\n--edge--\r\n",
            "multipart/form-data; boundary=edge",
            "The form is not written as multipart/form-data",
        ),
        (
            b"--edge\r\n" + b"A: b\r\n" * 20 + b"\r\nx\r\n--edge--\r\n",
            "multipart/form-data; boundary=edge",
            "The form is not written as multipart/form-data",
        ),
        (b"x", f"multipart/form-data; boundary={'b' * 500}", "The form is not written as multipart/form-data"),
    ],
)
def test_a_form_that_is_none_is_refused(client, body, kind, told):
    assert problem(post(client, body, kind), 400)["detail"].startswith(told)


def test_more_files_than_allowed_are_refused(make_client, serving):
    with make_client(files=2) as client:
        body, kind = serving.form(*[("a.png", serving.picture("red"))] * 3)
        told = problem(post(client, body, kind), 413)
        assert told["code"] == "too-many-pictures"
        assert "2 files" in told["detail"]


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(make_client):
    with make_client(body_mib=0.01) as client:
        told = problem(post(client, bytes(20_000)), 413)
        assert "0.01 MiB" in told["detail"]
        chunked = client.post("/api/v1/predict", content=iter([bytes(6000)] * 2), headers={"content-type": "image/png"})
        problem(chunked, 413)


def test_the_bytes_of_all_requests_together_are_bounded(make_client):
    with make_client() as client:
        service = client.app.user_middleware[0].kwargs["service"]
        with service.body_bytes.hold(service.limits.buffer_bytes, ""):
            answer = post(client, b"x")
            told = problem(answer, 503)
            assert told["code"] == "busy"
            assert "bytes" in told["detail"]
            assert answer.headers["retry-after"] == "1"
        assert service.body_bytes.held == 0


def test_a_kind_of_body_that_holds_no_picture_is_refused(client):
    told = problem(post(client, b"{}", "text/plain"), 415)
    kinds = ("image/*", "application/octet-stream", "multipart/form-data", "application/json")
    assert all(kind in told["detail"] for kind in kinds)


def test_an_address_without_meaning_and_a_wrong_method_are_problems(client):
    assert problem(client.get("/nowhere"), 404)["title"] == "There is nothing here"
    answer = client.get("/api/v1/predict")
    assert problem(answer, 405)["title"] == "The method is not allowed here"
    assert answer.headers["allow"] == "POST"
    problem(client.get("/static/../app.py"), 404)
    problem(client.get("/static/%2e%2e/app.py"), 404)


def test_the_model_says_what_answers_and_within_which_limits(client):
    told = client.get("/api/v1/model").json()
    assert told["classes"] == ["red", "green", "blue"]
    assert told["split_digest"] == "5" * 64
    assert told["limits"]["files"] == 64
    assert told["limits"]["megapixels"] == 50


def test_a_page_is_there_with_the_policy_that_keeps_strangers_out(client):
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


def test_files_of_the_page_are_kept_for_good_and_others_are_asked_for_anew(client):
    page = client.get("/", headers={"accept-encoding": "gzip"})
    (address,) = re.findall(r'src="(static/[0-9a-f]{16}/start\.js)"', page.text)
    assert client.get(address).headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = client.get("/static/start.js")
    assert plain.text == client.get(address).text
    assert plain.headers["cache-control"] == page.headers["cache-control"] == "no-cache"
    again = client.get("/static/start.js", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/0123456789abcdef/start.js").status_code == 404


def test_pages_are_compressed_and_answers_are_not(client, serving):
    gzip = {"accept-encoding": "gzip"}
    for path in ("/", "/docs", "/openapi.json", "/static/page.js", "/static/page.css"):
        answer = client.get(path, headers=gzip)
        assert answer.headers.get("content-encoding") == "gzip", path
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert "content-encoding" not in client.get(path, headers={"accept-encoding": "identity"}).headers
    for answer in (client.get("/api/v1/model", headers=gzip), post(client, serving.picture("red"), **gzip)):
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/docs", "/static/docs.js", "/static/docs.css"])
def test_pages_name_no_other_host(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert not re.findall(r"(?:https?:)?//[a-z]", answer.text.replace("http://www.w3.org/2000/svg", ""))


def test_metrics_count_what_was_asked(make_client, serving):
    with make_client() as client:
        post(client, serving.picture("red"))
        post(client, b"x")
        text = client.get("/metrics").text
    for status in ("200", "422"):
        assert serving.figure(text, "pawsight_requests_total", route="/api/v1/predict", status=status) == 1
    for outcome in ("answered", "refused"):
        assert serving.figure(text, "pawsight_pictures_total", outcome=outcome) == 1
    assert serving.figure(text, "pawsight_batch_pictures_count") == 1
    assert serving.figure(text, "pawsight_ready") == 1


def test_the_latest_pictures_tell_how_many_answers_are_likely_right(make_client, serving, watched_bundle):
    with make_client(opener=lambda: load_predictor(watched_bundle), window=10) as client:
        text = client.get("/metrics").text
        assert client.get("/api/v1/model").json()["window"] is None
        assert serving.figure(text, "pawsight_window_pictures") == 0
        assert math.isnan(serving.figure(text, "pawsight_window_expected_accuracy"))
        frame = client.post("/api/v1/predict?window=false", content=serving.picture("red"), headers=PNG)
        assert frame.status_code == 200
        assert client.get("/api/v1/model").json()["window"] is None, "frames of a camera do not count"
        for _ in range(4):
            for colour in ("red", "green", "blue"):
                post(client, serving.picture(colour))
        text, told = client.get("/metrics").text, client.get("/api/v1/model").json()["window"]
    assert told["pictures"] == serving.figure(text, "pawsight_window_pictures") == 10
    assert told["accuracy"] == serving.figure(text, "pawsight_window_expected_accuracy") > 0.9
    ends = [serving.figure(text, f"pawsight_window_expected_accuracy_{end}") for end in ("low", "high")]
    assert told["interval"] == ends
    assert told["p_value"] == serving.figure(text, "pawsight_window_p_value")
    assert told["alarm"] == bool(serving.figure(text, "pawsight_window_alarm"))


def test_a_bundle_without_a_reference_has_no_window(client, serving):
    post(client, serving.picture("red"))
    assert client.get("/api/v1/model").json()["window"] is None
    assert serving.figure(client.get("/metrics").text, "pawsight_window_pictures") == 0


def test_a_harmless_request_id_is_kept_and_any_other_replaced(client):
    assert client.get("/livez", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for given in ("a b", "x" * 65, '"quoted"', "a\tb"):
        assert re.fullmatch(
            r"[0-9a-f]{16}", client.get("/livez", headers={"x-request-id": given}).headers["x-request-id"]
        )


def test_the_log_has_one_event_for_a_request_and_no_path_of_the_client(client, serving, caplog):
    caplog.set_level(logging.INFO, "pawsight.serve")
    post(client, serving.picture("red"), **{"x-request-id": "one"})
    client.get("/secret-path")
    first, second = events(caplog, "request")
    wanted = {"id": "one", "method": "POST", "route": "/api/v1/predict", "status": 200, "pictures": 1}
    assert {name: first[name] for name in wanted} == wanted
    assert first["ms"] > 0
    assert (second["route"], second["status"]) == ("other", 404)
    assert "secret-path" not in repr(second)


def test_where_only_warnings_are_wanted_what_goes_as_it_should_is_not_logged(make_client, caplog):
    caplog.set_level(logging.WARNING, "pawsight.serve")
    with make_client() as client:
        client.get("/livez")
    assert events(caplog, "request") + events(caplog, "serving") == []


def test_a_token_guards_the_classifier_and_not_the_pulse(make_client, serving):
    with make_client(token="correct-horse-battery") as client:
        for path in ("/livez", "/readyz", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic correct-horse-battery"}):
            answer = client.get("/api/v1/model", headers=shown)
            told = problem(answer, 401)
            assert "Authorization: Bearer" in told["detail"]
            assert answer.headers["www-authenticate"] == "Bearer"
            problem(client.get("/metrics", headers=shown), 401)
        good = {"authorization": "Bearer correct-horse-battery"}
        assert client.get("/api/v1/model", headers=good).status_code == 200
        assert post(client, serving.picture("red"), **good).status_code == 200


def test_a_name_that_points_here_from_elsewhere_is_not_answered(make_client):
    with make_client(hosts=("127.0.0.1", "localhost", "::1")) as client:
        for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "192.0.2.7:80", "[2001:db8::1]"):
            assert client.get("/api/v1/model", headers={"host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "", "127.1", "2130706433"):
            told = problem(client.get("/api/v1/model", headers={"host": host}), 421)
            assert all(name in told["detail"] for name in ("127.0.0.1", "::1", "localhost", "--allow-host"))
        assert client.get("/livez", headers={"host": "10.0.0.7"}).status_code == 200


def test_a_page_of_another_site_is_not_answered(client, serving):
    ours, theirs = {"origin": "http://127.0.0.1"}, {"origin": "http://evil.example"}
    assert post(client, serving.picture("red"), **ours).status_code == 200
    for origin in (theirs, {"origin": "null"}, {"origin": "http://127.0.0.1:9"}):
        problem(post(client, serving.picture("red"), **origin), 403)
    assert "access-control-allow-origin" not in client.options("/api/v1/predict", headers=theirs).headers


def test_a_site_that_was_allowed_may_ask_read_answers_and_refusals_and_no_other_may(make_client, serving):
    allowed = "https://cats.example"
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    with make_client(origins=[allowed], token="correct-horse-battery") as client:
        answer = client.options("/api/v1/predict", headers={"origin": allowed, **preflight})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == allowed
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert {"authorization", "content-type"} <= set(
            answer.headers["access-control-allow-headers"].lower().split(", ")
        )
        for token, status in (("correct-horse-battery", 200), ("wrong", 401)):
            answer = post(client, serving.picture("red"), origin=allowed, authorization=f"Bearer {token}")
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == allowed
            assert "origin" in answer.headers["vary"].lower()
            assert "access-control-allow-credentials" not in answer.headers
        for origin in ("https://cats.example.evil.example", "http://cats.example", "https://cats.example:8443", "null"):
            answer = client.options("/api/v1/predict", headers={"origin": origin, **preflight})
            assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
            answer = post(client, serving.picture("red"), origin=origin, authorization="Bearer correct-horse-battery")
            problem(answer, 403)
            assert "access-control-allow-origin" not in answer.headers


def test_a_service_that_is_not_ready_says_so(make_client, serving):
    with make_client(start=False) as client:
        assert client.get("/livez").status_code == 200
        for answer in (client.get("/readyz"), post(client, serving.picture("red")), client.get("/api/v1/model")):
            assert problem(answer, 503)["detail"] == "The classifier is still being opened."
            assert answer.headers["retry-after"] == "1"


def test_an_answer_that_takes_too_long_is_given_up(make_client, serving, monkeypatch):
    import asyncio

    from pawsight.web.batcher import Batcher

    async def never(self, pixels):
        await asyncio.sleep(30)

    monkeypatch.setattr(Batcher, "compute", never)
    with make_client(request_seconds=0.4, receive_seconds=0.4) as client:
        told = problem(post(client, serving.picture("red")), 504)
        assert "0.4 s" in told["detail"]
        service = client.app.user_middleware[0].kwargs["service"]
        assert (service.pictures.held, service.requests.held, service.body_bytes.held) == (0, 0, 0)


def test_what_nobody_thought_of_is_a_problem_without_a_traceback(make_client, serving, monkeypatch, caplog):
    from pawsight.classifier.predictor import Predictor

    def broken(self, name, outputs):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(Predictor, "prediction", broken)
    with make_client() as client:
        answer = post(client, serving.picture("red"))
        told = problem(answer, 500)
        assert "secret" not in answer.text
    (event,) = events(caplog, "failed")
    assert (event["id"], event["error"]) == (told["request_id"], "RuntimeError")
    assert event["said"] == "the secret of the house"


def test_an_engine_that_fails_fails_the_pictures_under_way_and_not_the_next(make_client, serving, monkeypatch):
    from pawsight.classifier.engine import InferenceQueue

    plain, calls = InferenceQueue.finished, []

    def brittle(self, wait_ms):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("out of order")
        return plain(self, wait_ms)

    monkeypatch.setattr(InferenceQueue, "finished", brittle)
    with make_client() as client:
        problem(post(client, serving.picture("red")), 500)
        assert post(client, serving.picture("red")).status_code == 200


def test_one_picture_or_request_too_many_is_told_when_to_come_again(make_client, serving):
    with make_client() as client:
        service = client.app.user_middleware[0].kwargs["service"]
        for quota, said in ((service.pictures, r"100 pictures .* 1 s"), (service.requests, r"128 requests .* 1 s")):
            with quota.hold(quota.most, ""):
                answer = post(client, serving.picture("red"))
                told = problem(answer, 503)
            assert told["code"] == "busy"
            assert re.match(said, told["detail"])
            assert answer.headers["retry-after"] == "1"
        assert post(client, serving.picture("red")).status_code == 200


def test_heat_maps_and_predictions_keep_no_place_of_each_other(make_client, serving):
    def ask(path):
        body, kind = serving.picture("red"), {"content-type": "image/png"}
        return client.post(f"/api/v1/{path}", content=body, headers=kind).status_code

    with make_client() as client:
        service = client.app.user_middleware[0].kwargs["service"]
        with service.heat_maps.hold(service.limits.heat_maps, ""):
            assert (ask("explain"), ask("predict")) == (503, 200)
        with service.pictures.hold(service.limits.queue, ""):
            assert (ask("explain"), ask("predict")) == (200, 503)


def test_an_address_has_its_share_and_leaves_the_rest_to_others(make_client, serving, monkeypatch):
    monkeypatch.setattr("pawsight.web.middleware.share_of", lambda host: "192.0.2.7")
    with make_client() as client:
        service = client.app.user_middleware[0].kwargs["service"]
        with service.requests.hold(64, "192.0.2.7"):
            assert "64" in problem(post(client, serving.picture("red")), 503)["detail"]
        with service.requests.hold(64, "192.0.2.8"):
            assert post(client, serving.picture("red")).status_code == 200


def base64_of(data):
    return base64.b64encode(data).decode()


def test_json_may_hold_pictures_in_base64_in_a_data_address_and_with_names(client, serving):
    red = base64_of(serving.picture("red"))
    pictures = [
        red,
        f"data:image/png;base64,{red}",
        {"data": red, "name": "a\x1b.png"},
        base64.encodebytes(serving.picture("blue")).decode(),
        base64_of(b"milk"),
    ]
    answer = post(client, json.dumps({"pictures": pictures}).encode(), "application/json")
    assert answer.status_code == 200, answer.text
    rows = [[row[key] for key in ("file", "label", "decision", "code")] for row in answer.json()["predictions"]]
    assert rows == [
        ["[0]", "red", "answered", None],
        ["[1]", "red", "answered", None],
        ["a\ufffd.png", "red", "answered", None],
        ["[3]", "blue", "answered", None],
        ["[4]", None, None, "unreadable-picture"],
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[", 400, "bad-request"),
        (b"[" * 900, 400, "bad-request"),
        (b"1" * 5000, 400, "bad-request"),
        (b'"\xff"', 400, "bad-request"),
        (b"[]", 400, "bad-request"),
        (b'{"pictures": []}', 400, "bad-request"),
        (b'{"pictures": "eA=="}', 400, "bad-request"),
        (b'{"pictures": ["eA=="], "top": 1}', 400, "bad-request"),
        (b'{"pictures": ["no base64!"]}', 400, "bad-request"),
        (b'{"pictures": ["\\ud800"]}', 400, "bad-request"),
        (b'{"pictures": [{"data": "eA==", "name": "\\ud800"}]}', 400, "bad-request"),
        (b'{"pictures": [{"data": "eA==", "name": 1}]}', 400, "bad-request"),
        (b'{"pictures": ["https://cats.example/cat.jpg"]}', 400, "bad-request"),
        (b'{"pictures": ["data:image/svg+xml,<svg/>"]}', 400, "bad-request"),
        (b'{"pictures": [null]}', 400, "bad-request"),
        (b'{"pictures": ["eA=="]}', 422, "unreadable-picture"),
        (json.dumps({"pictures": ["eA=="] * 65}).encode(), 413, "too-many-pictures"),
        (b"[" + b"[]," * 2**18 + b"1]", 413, "too-many-pictures"),
    ],
)
def test_json_that_holds_no_pictures_is_refused_by_its_code(client, body, status, code):
    assert problem(post(client, body, "application/json"), status)["code"] == code


def test_the_likeliest_classes_come_first_and_a_doubtful_answer_is_none(client, serving):
    def ask(query):
        answer = client.post(f"/api/v1/predict?{query}", content=serving.picture("red"), headers=PNG)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"][0]

    top = ask("top=2")
    assert next(iter(top["probabilities"])) == "red"
    assert len(top["probabilities"]) == 2
    assert ask("top=9")["probabilities"] == ask("")["probabilities"]
    assert (ask("threshold=0.5")["label"], ask("threshold=0.5")["decision"]) == ("red", "answered")
    doubtful = ask("threshold=1")
    assert [doubtful[name] for name in ("label", "probability", "decision")] == [None, None, "unsure"]
    assert doubtful["probabilities"] == ask("")["probabilities"]


@pytest.mark.parametrize("query", ["top=0", "top=1.5", "top=x", "threshold=2", "threshold=nan", "threshold="])
def test_a_parameter_that_cannot_be_is_refused_with_its_range(client, serving, query):
    answer = client.post(f"/api/v1/predict?{query}", content=serving.picture("red"), headers=PNG)
    told = problem(answer, 400)
    assert told["code"] == "bad-parameter"
    assert told["detail"].startswith(query.partition("=")[0])


@pytest.fixture(scope="module")
def label_client(make_client, label_bundle):
    from pawsight.classifier.predictor import load_predictor

    with make_client(opener=lambda: load_predictor(label_bundle)) as client:
        yield client


def test_a_picture_may_have_several_labels(label_client, serving):
    pictures = [*map(serving.picture, ["yellow", "black", "blue", "orange"]), b"no picture"]
    uploads = [("files", (f"{place}.png", data, "image/png")) for place, data in enumerate(pictures)]
    *answers, broken = label_client.post("/api/v1/predict", files=uploads).json()["predictions"]
    assert [(answer["labels"], answer["unsure"], answer["decision"]) for answer in answers] == [
        (["red", "green"], [], "answered"),
        ([], [], "answered"),
        ([], ["blue"], "unsure"),
        (["red"], ["green"], "unsure"),
    ]
    assert all(answer["label"] is answer["probability"] is answer["set"] is None for answer in answers)
    assert list(answers[0]["probabilities"]) == ["red", "green", "blue"]
    assert (broken["labels"], broken["unsure"], broken["code"]) == (None, None, "unreadable-picture")
    assert label_client.get("/api/v1/model").json()["several_labels"] is True


def test_one_threshold_for_several_labels_is_refused(label_client, serving):
    kind = {"content-type": "image/png"}
    answer = label_client.post("/api/v1/predict?threshold=0.5", content=serving.picture("red"), headers=kind)
    assert problem(answer, 400)["code"] == "bad-parameter"


def test_a_client_of_tensorflow_serving_is_answered(client, serving):
    instances = [{"b64": base64_of(serving.picture("green"))}, {"image": {"b64": base64_of(serving.picture("red"))}}]
    body = {"signature_name": "serving_default", "instances": instances}
    answer = client.post("/v1/models/cats:predict", json=body)
    assert [row["label"] for row in answer.json()["predictions"]] == ["green", "red"]
    assert problem(client.post("/v1/models/cats:predict", json={"pictures": []}), 400)["code"] == "bad-request"


def test_an_address_as_target_is_read_as_its_path_and_its_host_is_the_one_that_counts():
    def read(target, host=b"evil.example"):
        raw = target.encode()
        return with_own_target({"path": target, "raw_path": raw, "headers": [(b"host", host), (b"a", b"b")]})

    scope = read("HTTP://127.0.0.1:80/api/v1/a%20b")
    assert (scope["path"], scope["headers"]) == ("/api/v1/a b", [(b"host", b"127.0.0.1:80"), (b"a", b"b")])
    assert read("http://here")["path"] == "/"
    assert read("/livez")["headers"][0] == (b"host", b"evil.example")
    for target in ("here:80", "ftp://here/", "http:///livez", "livez"):
        with pytest.raises(RequestProblem) as error:
            read(target)
        assert error.value.code == "bad-request"


@pytest.mark.parametrize(
    "host", ["user@127.0.0.1", "[", "127.0.0.1@evil.example", "a b", "127.0.0.1:x", "a/b", "a,b@c"]
)
@pytest.mark.parametrize("path", ["/api/v1/model", "/livez"])
def test_a_host_that_is_none_is_refused(client, path, host):
    assert problem(client.get(path, headers={"host": host}), 400)["code"] == "bad-host"


def test_a_bundle_that_is_refused_at_the_start_ends_it(make_client):
    def refuse():
        raise BundleRefused("It is broken.")

    with pytest.raises(BundleRefused, match="It is broken"), make_client(opener=refuse):
        pass


FIGURES = {"split": {"digest": "5" * 64}, "validation": {"pictures": 808, "accuracy": 0.99, "interval": [0.98, 0.995]}}


@pytest.fixture
def run(colour_bundle, tmp_path):
    shutil.copytree(colour_bundle, tmp_path / "run" / "bundle")
    return tmp_path / "run"


def test_a_bundle_that_lies_alone_tells_nothing_more(run):
    assert record_of(read_bundle(run)) is None
    assert report_of(read_bundle(run)) is None


def test_the_figures_of_validation_are_read_from_the_run(run):
    (run / "metrics.json").write_text(json.dumps(FIGURES))
    record = record_of(read_bundle(run))
    assert record.headline() == FIGURES["validation"]
    assert record.measured() == FIGURES["validation"] | {"subset": "validation"}


def test_a_bundle_that_lies_alone_has_the_figures_of_its_card(run, make_client):
    add_figures(run / "bundle", figures := FIGURES["validation"] | {"subset": "test"})
    with make_client(opener=lambda: load_predictor(run)) as client:
        model = client.get("/api/v1/model").json()
    assert (model["validation"], model["measured"]) == (None, figures)


def test_the_figures_of_the_test_set_come_first(run, make_client):
    test = {"pictures": 192, "accuracy": 0.98, "interval": [0.95, 0.99]}
    (run / "metrics.json").write_text(json.dumps(FIGURES | {"test": test}))
    with make_client(opener=lambda: load_predictor(run)) as client:
        model = client.get("/api/v1/model").json()
    assert (model["validation"], model["measured"]) == (FIGURES["validation"], test | {"subset": "test"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(FIGURES | {"validation": None}),
        json.dumps(FIGURES | {"split": {"digest": "6" * 64}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"accuracy": 99}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"interval": [0.1]}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"accuracy": float("nan")}}),
        json.dumps(FIGURES) + " " * 2**22,  # right, and too long to be read for every visitor
    ],
)
def test_figures_that_are_none_or_anothers_are_left_out(run, make_client, text):
    (run / "metrics.json").write_text(text)
    with make_client(opener=lambda: load_predictor(run)) as client:
        model = client.get("/api/v1/model").json()
    assert (model["validation"], model["measured"]) == (None, None)


def test_the_report_is_served_where_it_can_do_nothing(run, make_client):
    with make_client(opener=lambda: load_predictor(run), with_report=True) as client:
        assert client.get("/api/v1/model").json()["report"] is None
        assert client.get("/api/v1/report").status_code == 404
        (run / "report.html").write_text("<!doctype html><title>Report</title><style>p {}</style>")
        (run / "metrics.json").write_text(json.dumps(FIGURES))
        told = client.get("/api/v1/model").json()
        assert told["report"] == "/api/v1/report"
        assert told["validation"]["pictures"] == 808
        answer = client.get(told["report"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_report_is_behind_the_token(run, make_client):
    (run / "report.html").write_text("secret")
    with make_client(opener=lambda: load_predictor(run), with_report=True, token="a-word-nobody-knows") as client:
        assert client.get("/api/v1/report").status_code == 401


def test_the_report_is_not_shown_unasked(run, make_client):
    (run / "report.html").write_text("secret")
    with make_client(opener=lambda: load_predictor(run)) as client:
        assert client.get("/api/v1/model").json()["report"] is None
        answer = client.get("/api/v1/report")
    assert answer.status_code == 404
    assert "--with-report" in answer.json()["detail"]


def test_the_report_names_no_place_of_this_machine_and_keeps_its_pictures(run):
    picture = f"data:image/jpeg;base64,AAAA{run.parent}/photos/"  # as a picture might look
    (run / "metrics.json").write_text(json.dumps(FIGURES))
    (run / "source.json").write_text(json.dumps({"root": str(run.parent / "a & b" / "photos")}))
    page = f"""<img src="{picture}"><p>{run.parent}/a &amp; b/photos</p><p>pawsight report {run} '{run}'</p>"""
    (run / "report.html").write_text(page)
    (run / "link").symlink_to(run / "bundle")
    text = report_text(read_bundle(run))
    name = run.parent.name
    assert text == f"""<img src="{picture}"><p>photos</p><p>pawsight report ./{name}/run './{name}/run'</p>"""
    (run / "link").unlink()


def test_pictures_outside_the_root_are_named_by_their_folder_alone(run):
    (run / "metrics.json").write_text(json.dumps(FIGURES))
    rows = ["path,sha256,label,part", "cats/1.jpg,a,cats,train", "/srv/anna/new/cats/2.jpg,b,cats,train"]
    (run / "splits.csv").write_text("\n".join(rows))
    (run / "report.html").write_text("<code>/srv/anna/new/cats/2.jpg</code><code>cats/1.jpg</code>")
    assert report_text(read_bundle(run)) == "<code>cats/2.jpg</code><code>cats/1.jpg</code>"


def test_the_commands_of_the_report_name_no_place_of_this_machine(run):
    (run / "metrics.json").write_text(json.dumps(FIGURES))
    (run / "source.json").write_text(json.dumps({"root": str(run.parent / "unpacked")}))
    archive, split = "/home/anna/it's private/a & b.zip", "/srv/anna/split.csv"
    typed = [
        "pawsight",
        "train",
        archive,
        "--split",
        split,
        "--patch=/srv/anna/labels.csv",
        "--weights",
        "/mnt/anna/w/",
    ]
    shown = ["pawsight", "train", "a & b.zip", "--split", "split.csv", "--patch=labels.csv", "--weights", "w/"]
    page = "<pre><code>{}</code></pre><p>{}</p><pre><code>pawsight review {} 'open</code></pre>"
    (run / "report.html").write_text(page.format(escape(shlex.join(typed)), escape(archive), "/srv/anna/runs/1"))
    text = report_text(read_bundle(run))
    assert text == page.format(escape(shlex.join(shown)), "a &amp; b.zip", "1")


@pytest.mark.parametrize(
    ("status", "answered", "detail"),
    [
        (404, 404, "There is no such address; /docs lists the addresses."),
        (405, 405, "This address does not accept this method; /docs lists the methods."),
        (406, 400, "Not Acceptable."),
        (502, 500, "Bad Gateway."),
    ],
)
def test_a_status_that_the_router_found_is_a_problem_in_words(status, answered, detail):
    problem = of_status(status)
    assert (problem.status, problem.detail) == (answered, detail)
