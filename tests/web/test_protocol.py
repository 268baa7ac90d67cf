"""The protocol in this process, between a socket and an application of six lines, so that each refusal is seen alone."""

from __future__ import annotations

import asyncio
import json

import pytest

from pawsight.web.limits import Limits
from pawsight.web.server import limited_protocol

CHUNKED = b"POST %s HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET %s HTTP/1.1\r\nHost: here\r\n%s\r\n"


class House:
    """An application: /whole reads the body first, /refused answers before it, /slow answers when it is let."""

    def __init__(self):
        self.gone, self.reading, self.let, self.messages = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    async def __call__(self, scope, receive, send):
        path = scope["path"]
        if path == "/whole":
            await self.read(receive)
        await send({"type": "http.response.start", "status": 413 if path == "/refused" else 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        if path == "/refused":
            await self.read(receive)
        elif path == "/slow":
            await self.let.wait()
        await send({"type": "http.response.body", "body": b""})

    async def read(self, receive):
        more = True
        while more:
            self.reading.set()
            self.messages.append(await receive())
            more = self.messages[-1].get("more_body", False)
        if self.messages[-1]["type"] == "http.disconnect":
            self.gone.set()


class Line:
    """A client's end of one connection."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    def say(self, data):
        self._writer.write(data)

    async def until(self, end):
        return await asyncio.wait_for(self._reader.readuntil(end), 10)

    async def rest(self):
        """All until the connection ends, which it does by itself."""
        try:
            return await asyncio.wait_for(self._reader.read(), 10)
        except ConnectionResetError:
            return b"reset"

    def close(self):
        self._writer.close()


def held(talk, *, proxies=(), **limits):
    """Return what `talk(call, house)` returns, where `call()` connects to a server with these limits."""

    async def hold():
        import uvicorn
        from uvicorn.server import ServerState

        house, state, lines, made = House(), ServerState(), [], []
        config = uvicorn.Config(house, log_config=None, lifespan="off", ws="none", interface="asgi3")

        class Kind(limited_protocol(Limits(**limits), proxies)):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.append(self)

        server = await asyncio.get_running_loop().create_server(lambda: Kind(config, state, {}), "127.0.0.1", 0)

        async def call(own="127.0.0.1"):
            before = len(made)
            address = server.sockets[0].getsockname()
            lines.append(Line(*await asyncio.open_connection(*address, local_addr=(own, 0))))
            while before == len(made):
                await asyncio.sleep(0)
            return lines[-1]

        try:
            return await talk(call, house)
        finally:
            house.let.set()
            for line in lines:
                line.close()
            server.close()
            for task in state.tasks:
                task.cancel()

    return asyncio.run(hold())


def test_a_head_beyond_the_limit_is_refused_though_it_came_whole():
    async def talk(call, house):
        line = await call()
        line.say(GET % (b"/whole", b"X: %s\r\n" % (b"y" * 1024)))
        return await line.rest()

    told = held(talk, head_kib=1)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"The head of a request may have 1,024 bytes." in told


def test_a_request_with_two_lengths_is_refused():
    async def talk(call, house):
        line = await call()
        line.say(GET % (b"/whole", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"))
        return await line.rest()

    told = held(talk)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"not both (RFC 9112, 6.1)" in told


def test_crumbs_are_refused_and_the_application_hears_that_nobody_is_left():
    async def talk(call, house):
        line = await call()
        line.say(CHUNKED % b"/whole")
        await house.reading.wait()
        line.say(b"1\r\na\r\n" * 300)
        told = await line.rest()
        await asyncio.wait_for(house.gone.wait(), 10)
        return told

    told = held(talk)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"The chunks of the body are too small: send 128 bytes or more in each." in told


def test_a_few_small_chunks_are_a_body_like_any_other():
    async def talk(call, house):
        line = await call()
        line.say(CHUNKED % b"/whole" + b"1\r\na\r\n" * 200 + b"0\r\n\r\n")
        return await line.until(b"some"), b"".join(message["body"] for message in house.messages)

    told, body = held(talk)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert body == b"a" * 200


def test_a_head_may_come_in_pieces_and_the_next_request_on_the_same_connection():
    async def talk(call, house):
        line = await call()
        told = []
        for path in (b"/whole", b"/whole"):
            for piece in (b"GET %s HTTP/1.1\r\n" % path, b"Host: ", b"here\r\n\r\n"):
                line.say(piece)
                await asyncio.sleep(0.01)
            told.append(await line.until(b"0\r\n\r\n"))
        return told

    assert [item[:12] for item in held(talk)] == [b"HTTP/1.1 200"] * 2


def test_the_connection_that_was_idle_for_longest_makes_room_for_a_new_one():
    async def talk(call, house):
        first, second = await call(), await call()
        third = await call()
        ended = await first.rest()
        told = []
        for line in (second, third):
            line.say(GET % (b"/whole", b""))
            told.append(await line.until(b"some"))
        return ended, told

    ended, told = held(talk, connections=2)
    assert ended in (b"", b"reset")
    assert [item[:12] for item in told] == [b"HTTP/1.1 200"] * 2


def test_where_all_are_being_answered_the_new_connection_is_closed():
    async def talk(call, house):
        first = await call()
        first.say(GET % (b"/slow", b""))
        begun = await first.until(b"some")
        refused = await (await call()).rest()
        house.let.set()
        return begun, refused, await first.until(b"0\r\n\r\n")

    begun, refused, _ = held(talk, connections=1)
    assert begun.startswith(b"HTTP/1.1 200 ")
    assert refused in (b"", b"reset")


@pytest.mark.parametrize("more", [b"ffff\r\nnot parsed any more", b"ZZ no chunk at all\r\n"])
def test_what_comes_after_a_refusal_is_thrown_away_until_the_body_ends(more):
    async def talk(call, house):
        line = await call()
        line.say(CHUNKED % b"/refused" + b"4\r\nlong\r\n")
        told = await line.until(b"some")
        line.say(more)
        await asyncio.sleep(0.01)
        still_reading = len(house.messages)
        line.say(b"\r\n0\r\n\r\n")
        return told, still_reading, await line.until(b"0\r\n\r\n"), house.messages

    told, still_reading, _, messages = held(talk)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert still_reading == 1  # the first four bytes; the application waits for more
    assert [message.get("more_body") for message in messages] == [True, False]
    assert b"".join(message.get("body", b"") for message in messages) == b"long"


def test_an_answer_that_has_begun_is_cut_off_when_what_follows_the_request_is_none():
    async def talk(call, house):
        line = await call()
        line.say(GET % (b"/slow", b"Connection: close\r\n"))
        told = await line.until(b"some")
        line.say(b"and something behind the last request")
        return told, await line.rest()

    told, rest = held(talk)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 400" not in rest
    assert not rest.endswith(b"0\r\n\r\n")
    assert rest.strip() in (b"", b"reset")


def test_what_is_not_http_is_refused_before_any_application_hears_of_it():
    async def talk(call, house):
        line = await call()
        line.say(b"\x16\x03\x01 hello\r\n\r\n")
        return await line.rest(), house.messages

    told, messages = held(talk)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert messages == []


def test_what_cannot_be_parsed_is_answered_with_a_code():
    async def talk(call, house):
        line = await call()
        line.say(GET % (b"/whole", b"X: a\r\n b\r\n"))
        return await line.rest()

    head, _, body = held(talk).partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad-request"


def test_an_address_with_its_share_of_connections_ends_one_of_its_own(monkeypatch):
    monkeypatch.setattr("pawsight.web.server.share_of", lambda host: host)

    async def talk(call, house):
        first = await call("127.0.0.2")
        others = [await call("127.0.0.1"), await call("127.0.0.1")]
        last = await call("127.0.0.1")
        ended = await others[0].rest()
        for line in (first, others[1], last):
            line.say(GET % (b"/whole", b""))
        return ended, [(await line.until(b"some"))[:12] for line in (first, others[1], last)]

    ended, told = held(talk, connections=4)
    assert ended in (b"", b"reset")
    assert told == [b"HTTP/1.1 200"] * 3


def test_the_connections_of_a_proxy_are_nobodys_share(monkeypatch):
    monkeypatch.setattr("pawsight.web.server.share_of", lambda host: host)

    async def talk(call, house):
        lines = [await call("127.0.0.1") for _ in range(4)]
        for line in lines:
            line.say(GET % (b"/whole", b""))
        return [(await line.until(b"some"))[:12] for line in lines]

    assert held(talk, proxies=["127.0.0.0/30"], connections=4) == [b"HTTP/1.1 200"] * 4


def test_where_all_are_sending_the_slowest_makes_room_and_none_that_has_just_begun(monkeypatch):
    monkeypatch.setattr("pawsight.web.server._YOUNG_SECONDS", 60)

    async def talk(call, house):
        slow, quick = await call(), await call()
        for line, body in ((slow, b"a"), (quick, b"a" * 5000)):
            line.say(CHUNKED % b"/whole" + b"%x\r\n%s\r\n" % (len(body), body))
        while sum(len(message["body"]) for message in house.messages) < 5001:
            await asyncio.sleep(0.01)
        refused = await (await call()).rest()
        monkeypatch.setattr("pawsight.web.server._YOUNG_SECONDS", 0)
        new = await call()
        ended = await slow.rest()
        quick.say(b"0\r\n\r\n")
        new.say(GET % (b"/whole", b""))
        return refused, ended, [(await line.until(b"some"))[:12] for line in (quick, new)]

    refused, ended, told = held(talk, connections=2)
    assert refused in (b"", b"reset")
    assert ended in (b"", b"reset")
    assert told == [b"HTTP/1.1 200"] * 2
