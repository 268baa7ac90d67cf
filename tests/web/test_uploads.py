"""Bodies that come slowly, between a list of chunks and the quota of bytes."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from pawsight.web import uploads
from pawsight.web.limits import Limits
from pawsight.web.problems import RequestProblem
from pawsight.web.quotas import Quota
from pawsight.web.uploads import RequestBody


class Bodies:
    """Bodies of one service, which holds 100 bytes at most."""

    def __init__(self, **limits):
        self.limits, self.arriving = Limits(**limits), set()
        self.held = Quota("bytes of bodies are held", 100, each=100, retry_seconds=1)

    async def receive(self, size, *, chunks=1, pause=0.0):
        """The code of a body of so many chunks that comes with pauses, None where it was received."""

        async def message():
            nonlocal chunks
            await asyncio.sleep(pause)
            chunks -= 1
            return {"type": "http.request", "body": bytes(size), "more_body": chunks > 0}

        request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", b"image/png")]}, message)
        with RequestBody(request, self.limits, self.held, self.arriving) as body:
            try:
                await body.uploads()
            except RequestProblem as problem:
                return problem.code
            return None


def test_a_body_slower_than_the_least_rate_is_given_up_and_one_above_it_is_not(monkeypatch):
    monkeypatch.setattr(uploads, "_GRACE_SECONDS", 0.1)

    async def ask():
        slow, quick = Bodies(receive_kib=1), Bodies(receive_kib=0.1)
        start = asyncio.get_running_loop().time()
        codes = await asyncio.gather(slow.receive(1, chunks=90, pause=0.02), quick.receive(9, chunks=11, pause=0.02))
        return codes, asyncio.get_running_loop().time() - start, slow.held.held

    codes, seconds, held = asyncio.run(ask())
    assert codes == ["too-slow", None]
    assert seconds < 1.5
    assert held == 0


def test_where_bytes_have_no_room_the_slowest_body_makes_it(monkeypatch):
    monkeypatch.setattr(uploads, "_YOUNG_SECONDS", 0.05)

    async def ask():
        bodies = Bodies()
        slowest = asyncio.create_task(bodies.receive(30, chunks=9, pause=0.4))
        slower = asyncio.create_task(bodies.receive(45, chunks=2, pause=0.4))
        await asyncio.sleep(0.5)
        assert bodies.held.held == 75
        assert await bodies.receive(50) is None
        assert await slowest == "too-slow"
        return await slower, bodies.held.held, bodies.arriving

    assert asyncio.run(ask()) == (None, 0, set())


def test_bodies_that_have_just_begun_are_not_called_slow():
    async def ask():
        bodies = Bodies()
        first = asyncio.create_task(bodies.receive(40, chunks=2, pause=0.2))
        while bodies.held.held < 40:
            await asyncio.sleep(0.01)
        assert await bodies.receive(70) == "busy"
        return await first

    assert asyncio.run(ask()) is None


@pytest.mark.parametrize("json_limit", [1, 3])
def test_marks_of_json_are_counted_before_it_is_read(json_limit):
    body = bytearray(b'{"pictures": [' + b"[]," * 20 * json_limit + b"1]}")
    with pytest.raises(RequestProblem) as error:
        uploads.pictures_of_json(body, "pictures", Limits(files=json_limit))
    assert error.value.code == "too-many-pictures"
