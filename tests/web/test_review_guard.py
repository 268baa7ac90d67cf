from __future__ import annotations

import asyncio

import pytest

from pawsight.web.review_guard import guarded


def heard(scope):
    """What the application behind the guard got to hear, and what was sent to the client."""
    inside, sent = [], []

    async def application(scope, receive, send):
        inside.append(scope["type"])
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(message)

    asyncio.run(guarded(application, frozenset({"127.0.0.1:8000"}))(scope, None, send))
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
