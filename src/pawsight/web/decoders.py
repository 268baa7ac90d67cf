"""Decodes uploads in processes that can be killed: an upload is hostile until it is decoded.

A decoder that hangs or dies costs one picture, whose refusal names the cause, and is replaced while the others go on.
It is a program of its own (decode_worker.py), never forked from a process with threads, and gets only one socket.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from pawsight.core.errors import PawsightError, UnreadablePicture
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.web.decode_worker import PIXELS, REPLY, REQUEST

_START_SECONDS = 30.0  # a machine under load starts a decoder in a second or two
_LONGEST_REASON = 300  # bytes; a decoder that sends more is no longer trusted
RETRY_SECONDS = 1.0  # until a decoder that could not start is started again
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG", "TMPDIR")
DIED = "broke its decoder"

_Result = TypeVar("_Result")


class DecoderLost(UnreadablePicture):
    """A picture took too long to decode, or its decoder died; neither need be the picture's fault."""


class Decoders:
    """A fixed number of decoding processes.

    Args:
        count: how many pictures are decoded at once.
        seconds: longest for one picture; then its decoder is killed.
        memory_bytes: that one decoder may use above what it starts with.
        on_lost: called with one line when a decoder was lost.
        command: the program to start, without the memory limit as its last argument.
    """

    def __init__(
        self,
        count: int,
        *,
        seconds: float,
        memory_bytes: int,
        on_lost: Callable[[str], None] = lambda line: None,
        command: Sequence[str] = (sys.executable, "-m", "pawsight.web.decode_worker"),
    ) -> None:
        self._count, self._seconds, self._on_lost = count, seconds, on_lost
        self._command = [*command, str(memory_bytes)]
        self._idle: asyncio.LifoQueue[_Decoder] = asyncio.LifoQueue()
        self._all: set[_Decoder] = set()
        self._decoding: set[asyncio.Task[Any]] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self.lost = 0  # decoders that were killed or died

    async def start(self) -> None:
        """Start all processes.

        Raises:
            PawsightError: one of them does not start.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.gather(*(self._start_one() for _ in range(self._count)))
        except (OSError, EOFError, TimeoutError) as error:
            await self.stop()
            raise PawsightError(
                "The processes that decode pictures do not start.",
                str(error) or "They ended at once.",
                "Type pawsight doctor to see what is missing.",
            ) from error

    async def decode(self, data: bytes | bytearray, settings: DecodeSettings) -> Pixels:
        """Decode one picture.

        Returns:
            pixels (image_px, image_px, 3) uint8.

        Raises:
            UnreadablePicture: it is not a picture, or it hung or broke its decoder.
        """
        return (await self.decode_sized(data, settings))[0]

    async def decode_sized(self, data: bytes | bytearray, settings: DecodeSettings) -> tuple[Pixels, tuple[int, int]]:
        """Decode one picture as `decode` does; also return width and height of the upright picture."""
        return await finished(self._decode(await self._next_decoder(), data, settings), self._decoding)

    async def _decode(
        self, decoder: _Decoder, data: bytes | bytearray, settings: DecodeSettings
    ) -> tuple[Pixels, tuple[int, int]]:
        try:
            async with asyncio.timeout(self._seconds):
                status, content, size = await decoder.decode(data, settings, alarm=math.ceil(self._seconds) + 1)
        except TimeoutError:
            self._replace(decoder, reason := f"takes longer than {self._seconds:g} s to decode")
            raise DecoderLost("Could not read the picture.", reason) from None
        except (OSError, EOFError):
            self._replace(decoder, f"its picture {DIED}")
            raise DecoderLost("Could not read the picture.", DIED) from None
        self._idle.put_nowait(decoder)
        if status != PIXELS:
            raise UnreadablePicture("Could not read the picture.", content.decode("utf-8", "replace"))
        return np.frombuffer(content, np.uint8).reshape(settings.image_px, settings.image_px, 3), size

    async def stop(self) -> None:
        """End all processes, and wait until none is left."""
        for task in (tasks := [*self._starting, *self._decoding]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._ending, *(decoder.end() for decoder in self._all))
        self._all.clear()

    def pids(self) -> list[int]:
        """Return the ids of the running processes."""
        return [decoder.process.pid for decoder in self._all]

    async def _next_decoder(self) -> _Decoder:
        while (decoder := await self._idle.get()).process.poll() is not None:
            self._replace(decoder, "it had ended")
        return decoder

    def _replace(self, decoder: _Decoder, reason: str) -> None:
        self.lost += 1
        self._on_lost(f"A decoder was replaced: {reason}.")
        self._all.discard(decoder)
        _keep(self._ending, decoder.end())
        _keep(self._starting, self._start_one(retry=True))

    async def _start_one(self, *, retry: bool = False) -> None:
        while True:
            decoder = _Decoder(self._command)
            self._all.add(decoder)
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await decoder.ready()
            except (OSError, EOFError, TimeoutError):
                self._all.discard(decoder)
                await decoder.end()
                if not retry:
                    raise
                self._on_lost("A decoder could not be started; it is tried again.")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._idle.put_nowait(decoder)
                return


class _Decoder:
    """One process and the socket to it; it decodes one picture at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._line, other_end = socket.socketpair()
        with other_end:
            self._line.setblocking(False)
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            self.process = subprocess.Popen(
                command,
                stdin=other_end.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**environment, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )

    async def ready(self) -> None:
        await self._receive(REPLY.size)

    async def decode(
        self, data: bytes | bytearray, settings: DecodeSettings, *, alarm: int
    ) -> tuple[int, bytes, tuple[int, int]]:
        """Send a picture and return the reply, whose length must be that of pixels or of a short reason."""
        loop = asyncio.get_running_loop()
        greys = settings.grey_range or (0.0, 0.0)
        head = REQUEST.pack(settings.image_px, settings.max_megapixels, settings.version, alarm, len(data), *greys)
        await loop.sock_sendall(self._line, head)
        await loop.sock_sendall(self._line, data)
        status, size, width, height = REPLY.unpack(await self._receive(REPLY.size))
        if size != 3 * settings.image_px**2 if status == PIXELS else size > _LONGEST_REASON:
            raise EOFError
        return status, await self._receive(size), (width, height)

    async def end(self) -> None:
        self._line.close()
        with suppress(OSError):
            self.process.kill()
        await asyncio.get_running_loop().run_in_executor(None, self.process.wait)

    async def _receive(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = await loop.sock_recv_into(self._line, view)
            if not count:
                raise EOFError
            view = view[count:]
        return bytes(data)


async def finished(work: Coroutine[Any, Any, _Result], tasks: set[asyncio.Task[Any]]) -> _Result:
    """Return what a coroutine returns. It goes on to its end if its request is cancelled meanwhile.

    A decoder or a thread cannot be given to the next request before it has ended.
    """
    return await asyncio.shield(_keep(tasks, work))


def _keep(tasks: set[asyncio.Task[Any]], work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
    """Run a coroutine as a task and keep a reference while it runs."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
