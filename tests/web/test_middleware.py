from __future__ import annotations

import asyncio

from pawsight.web.limits import Limits
from pawsight.web.middleware import ServiceMiddleware
from pawsight.web.problems import RequestProblem
from pawsight.web.service import Service


def heard(scope, application):
    """What an application behind the middleware makes a client hear."""
    sent = []

    async def send(message):
        sent.append(dict(message))

    async def ask():
        service = Service(lambda: None, limits=Limits())
        await ServiceMiddleware(application, service=service, token="", hosts=())(scope, None, send)

    asyncio.run(ask())
    return sent


def request():
    return {"type": "http", "method": "GET", "path": "/api/v1/model", "headers": [(b"host", b"here")]}


def test_a_web_socket_is_let_in_by_nobody():
    def never(*_):
        raise AssertionError("it was let in")

    assert heard({"type": "websocket", "path": "/", "headers": []}, never) == []


def test_a_problem_that_is_found_when_the_answer_has_begun_adds_no_second_answer():
    async def half_done(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RequestProblem("failed", "too late to say so")

    sent = heard(request(), half_done)
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert sent[0]["status"] == 200


def test_a_problem_before_the_answer_is_the_answer():
    async def refuse(scope, receive, send):
        raise RequestProblem("not-ready", "Not yet.")

    start, body = heard(request(), refuse)
    assert start["status"] == 503
    assert b'"detail": "Not yet."' in body["body"]
