from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.core.errors import PawsightError, UnreadablePicture
from pawsight.images.decode import DecodeSettings, decode
from pawsight.web import decoders
from pawsight.web.decode_worker import NO_MEMORY, REPLY, receive
from pawsight.web.decoders import Decoders

from ..colour_profiles import PROFILES, saved

SETTINGS = DecodeSettings(image_px=32)
SLEEPS = (
    "import socket, sys, time; line = socket.socket(fileno=0); line.sendall(bytes(13)); line.recv(40); time.sleep(60)"
)
LIES = (
    "import socket, struct, time; line = socket.socket(fileno=0); line.sendall(bytes(13)); line.recv(40);"
    "line.sendall(struct.pack('!BIII', {status}, {size}, 9, 9)); time.sleep(60)"
)


def with_decoders(work, **options):
    """Run `work(decoders)` in a loop of its own and see that no process is left."""

    async def run():
        decoders = Decoders(**{"count": 1, "seconds": 5.0, "memory_bytes": 2**30, **options})
        await decoders.start()
        pids = decoders.pids()
        try:
            return await work(decoders)
        finally:
            pids += decoders.pids()
            await decoders.stop()
            assert not [pid for pid in pids if exists(pid)]

    return asyncio.run(run())


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def reason(decoders, data, settings=SETTINGS):
    async def ask():
        with pytest.raises(UnreadablePicture) as error:
            await decoders.decode(data, settings)
        return error.value.why

    return ask()


def photograph(size=(90, 60), kind="JPEG"):
    out = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(out, kind)
    return out.getvalue()


def png_bomb(width, height):
    """A PNG whose header says width x height, 8 bits of grey."""

    def chunk(kind, data):
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 10)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_dicom_is_decoded_within_the_limits_of_memory():
    pytest.importorskip("pydicom", reason="needs pawsight[dicom]")
    from pydicom.data import get_testdata_file

    data = Path(get_testdata_file("MR_small.dcm")).read_bytes()
    pixels = with_decoders(lambda decoders: decoders.decode(data, SETTINGS), memory_bytes=2**29)
    assert np.array_equal(pixels, decode(data, SETTINGS, name="x").pixels)


def test_16_bit_pictures_are_scaled_as_the_bundle_says():
    out = io.BytesIO()
    Image.fromarray(np.linspace(0, 1023, 64).reshape(8, 8).astype("<u2")).save(out, "PNG")
    for settings in (
        SETTINGS,
        replace(SETTINGS, grey_range=(0.0, 1023.0)),
        replace(SETTINGS, grey_range=(-9.5, 500.0)),
    ):
        pixels = with_decoders(lambda decoders, settings=settings: decoders.decode(out.getvalue(), settings))
        assert np.array_equal(pixels, decode(out.getvalue(), settings, name="x").pixels)


def test_pixels_are_those_of_the_one_decoder():
    data = photograph()
    pixels = with_decoders(lambda decoders: decoders.decode(data, SETTINGS))
    assert np.array_equal(pixels, decode(data, SETTINGS, name="x").pixels)


def test_an_old_bundle_gets_the_colours_that_it_was_trained_on():
    data = saved(Image.new("RGB", (9, 9), (200, 40, 90)), icc_profile=PROFILES["ProPhoto"])
    found = []
    for settings in (SETTINGS, replace(SETTINGS, version=2)):
        found.append(with_decoders(lambda decoders, settings=settings: decoders.decode(data, settings)))
        assert np.array_equal(found[-1], decode(data, settings, name="x").pixels)
    assert not np.array_equal(*found)


def test_the_size_of_the_whole_picture_comes_with_it():
    out = io.BytesIO()
    Image.new("RGB", (70, 30)).save(out, "PNG")
    pixels, size = with_decoders(lambda decoders: decoders.decode_sized(out.getvalue(), SETTINGS))
    assert (pixels.shape, size) == ((32, 32, 3), (70, 30))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (photograph()[:900], "truncated"),
        (png_bomb(60_000, 60_000), "too large"),
    ],
    ids=["empty", "text", "cut", "bomb"],
)
def test_what_is_no_picture_is_refused_for_the_reason_that_the_decoder_gives(data, why):
    assert with_decoders(lambda decoders: reason(decoders, data)) == why


def test_the_limit_of_megapixels_is_the_one_that_was_sent():
    small = DecodeSettings(image_px=32, max_megapixels=1)
    data = photograph((1200, 1000))
    assert with_decoders(lambda decoders: reason(decoders, data, small)) == "1.2 megapixels, 1 allowed"


def test_a_decoder_that_hangs_is_killed_and_replaced():
    lines = []

    async def work(decoders):
        first = decoders.pids()
        start = time.monotonic()
        assert await reason(decoders, b"x") == "takes longer than 0.3 s to decode"
        assert time.monotonic() - start < 5
        assert await reason(decoders, b"x") == "takes longer than 0.3 s to decode"
        assert set(first).isdisjoint(decoders.pids())
        assert decoders.lost == 2

    with_decoders(work, seconds=0.3, command=(sys.executable, "-c", SLEEPS), on_lost=lines.append)
    assert len(lines) == 2
    assert all("0.3 s" in line for line in lines)


def test_a_decoder_that_is_killed_while_idle_costs_nobody_anything():
    data = photograph()

    async def work(decoders):
        for pid in decoders.pids():
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert (await decoders.decode(data, SETTINGS)).shape == (32, 32, 3)
        assert decoders.lost == 1

    with_decoders(work)


def test_a_picture_that_kills_its_decoder_is_refused_and_the_next_is_answered(tmp_path):
    """Dies at the first picture of a lifetime that is not a JPEG, as a broken library would."""
    program = tmp_path / "brittle.py"
    program.write_text(
        "import os, sys\nfrom pawsight.web import decode_worker as worker\nplain = worker.answer\n"
        "worker.answer = lambda data, settings: plain(data, settings) if data[:2] == b'\\xff\\xd8' else os.abort()\n"
        "worker.main(int(sys.argv[1]))\n"
    )

    async def work(decoders):
        assert await reason(decoders, b"boom") == "broke its decoder"
        return await decoders.decode(photograph(), SETTINGS)

    assert with_decoders(work, command=(sys.executable, str(program))).shape == (32, 32, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_a_picture_that_wants_too_much_memory_is_refused_and_says_so():
    out = io.BytesIO()
    Image.new("RGBA", (7000, 7000)).save(out, "PNG", compress_level=1)

    async def work(decoders):
        assert await reason(decoders, out.getvalue()) == NO_MEMORY
        return await decoders.decode(photograph(), SETTINGS)

    assert with_decoders(work, memory_bytes=64 * 2**20).shape == (32, 32, 3)


@pytest.mark.parametrize(("status", "size"), [(0, 32 * 32 * 3 - 1), (0, 2**31), (1, 10_000), (7, 10_000)])
def test_a_decoder_that_was_taken_over_cannot_answer_with_anything_else(status, size):
    command = (sys.executable, "-c", LIES.format(status=status, size=size))
    assert with_decoders(lambda decoders: reason(decoders, b"x"), command=command) == "broke its decoder"


def test_a_request_that_is_given_up_leaves_its_decoder_to_the_next_when_it_is_done():
    async def work(decoders):
        given_up = asyncio.create_task(decoders.decode(photograph(), SETTINGS))
        waiting = asyncio.create_task(decoders.decode(photograph(), SETTINGS))
        await asyncio.sleep(0)
        given_up.cancel()
        waiting.cancel()
        assert await reason(decoders, b"milk") == "not a picture"
        assert given_up.cancelled()
        assert waiting.cancelled()
        assert decoders.lost == 0

    with_decoders(work)


def test_decoders_that_do_not_start_are_told_of():
    with pytest.raises(PawsightError, match="decode") as error:
        with_decoders(None, command=(sys.executable, "-c", "raise SystemExit(1)"))
    assert "pawsight doctor" in error.value.fix


def test_a_decoder_ends_when_its_server_is_gone():
    import socket

    ours, theirs = socket.socketpair()
    worker = subprocess.Popen([sys.executable, "-m", "pawsight.web.decode_worker", "1073741824"], stdin=theirs)
    theirs.close()
    with ours:
        assert ours.recv(REPLY.size, socket.MSG_WAITALL)
    assert worker.wait(10) == 0


def test_a_request_that_comes_in_pieces_is_whole_and_half_a_one_is_none():
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = threading.Thread(target=lambda: [ours.sendall(piece) for piece in (b"on", b"etw", b"o", b"thr")])
        sent.start()
        assert receive(theirs, 3) == b"one"
        assert receive(theirs, 3) == b"two"
        sent.join()
        ours.shutdown(socket.SHUT_WR)
        assert receive(theirs, 9) == b""


def test_a_decoder_that_cannot_be_started_in_the_place_of_another_is_tried_again(tmp_path, monkeypatch):
    """The first of its kind starts, the second does not, all others do."""
    monkeypatch.setattr(decoders, "RETRY_SECONDS", 0.01)
    program, lines = tmp_path / "moody.py", []
    program.write_text(
        f"import pathlib\nplace = pathlib.Path({str(tmp_path)!r})\nturn = len(list(place.glob('turn*')))\n"
        f"(place / f'turn{{turn}}').touch()\nif turn == 1:\n    raise SystemExit(1)\n{SLEEPS}"
    )

    async def work(decoders):
        assert await reason(decoders, b"x") == "takes longer than 0.3 s to decode"
        assert await reason(decoders, b"x") == "takes longer than 0.3 s to decode"

    with_decoders(work, seconds=0.3, command=(sys.executable, str(program)), on_lost=lines.append)
    assert ["0.3 s" in line for line in lines].count(False) == 1, lines
    assert "tried again" in lines[1]


def test_a_decoder_starts_light():
    code = (
        "import sys, pathlib; import pawsight.web.decode_worker; status = pathlib.Path('/proc/self/status');"
        "text = status.read_text() if status.exists() else 'VmRSS: 0';"
        "print(text.partition('VmRSS:')[2].split()[0], *{n.partition('.')[0] for n in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"openvino", "starlette", "uvicorn", "asyncio", "sklearn", "scipy"} & set(done[1:])
    assert int(done[0]) < 60 * 1024  # KiB
