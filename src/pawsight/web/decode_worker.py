"""A process that decodes hostile bytes within limits of memory and time; decoders.py starts, feeds and kills it.

It reads requests from a socket, file descriptor 0, and writes replies to it:

    request   image_px u32, max_megapixels u32, decoder's version u32, seconds u32, bytes u64, the values that 16-bit
              pictures have for black and white f64 (equal: those of their type); then the file
    reply     status u8 (0 pixels, 1 a reason), bytes u32, width u32, height u32 of the whole picture;
              then the pixels or the reason in UTF-8

It ends when the other side closes the socket, and the system ends it when a picture takes too much memory or time.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.images.decode import DecodeSettings, decode

REQUEST, REPLY = struct.Struct("!IIIIQdd"), struct.Struct("!BIII")
PIXELS, REASON = 0, 1
NO_MEMORY = "needs more memory than a picture may take"


def main(memory_bytes: int) -> None:
    """Answer requests until the other side closes the socket."""
    _limit_memory(memory_bytes)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # from a terminal they are meant for the server
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=0) as line, suppress(ConnectionError):
        line.sendall(REPLY.pack(REASON, 0, 0, 0))  # ready
        while head := receive(line, REQUEST.size):
            image_px, megapixels, version, seconds, size, black, white = REQUEST.unpack(head)
            data = receive(line, size)
            _limit_time(seconds)
            settings = DecodeSettings(
                image_px=image_px,
                max_megapixels=megapixels,
                version=version,
                grey_range=None if black == white else (black, white),
            )
            status, content, size_of = answer(bytes(data), settings)
            signal.alarm(0)
            line.sendall(REPLY.pack(status, len(content), *size_of))
            line.sendall(content)


def answer(data: bytes, settings: DecodeSettings) -> tuple[int, bytes, tuple[int, int]]:
    """Return the status, the pixels or the reason, and the size of the whole picture."""
    try:
        decoded = decode(data, settings, name="picture")
        return PIXELS, decoded.pixels.tobytes(), (decoded.width, decoded.height)
    except UnreadablePicture as error:
        reason = error.why.partition(": --")[0]  # who asks a service cannot give options
        return REASON, (NO_MEMORY if isinstance(error.__cause__, MemoryError) else reason).encode(), (0, 0)


def receive(line: socket.socket, size: int) -> bytearray:
    """Return `size` bytes, or none when the other side has closed the socket."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = line.recv_into(view)
        if not count:
            return bytearray()
        view = view[count:]
    return data


def _limit_memory(allowed: int) -> None:
    """Allow `allowed` bytes of address space beyond the present size, on systems that can limit it."""
    import resource  # POSIX alone; the rest of the module is imported everywhere

    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + allowed
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_time(seconds: int) -> None:
    """Let the system end this process after some seconds, by the clock and by CPU time, if the server does not."""
    import resource

    signal.alarm(seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
