"""Abuses a running service, then measures it: python benchmarks/serve_load.py RUN PHOTOGRAPHS [--seconds 60]

RUN is a run or bundle folder, PHOTOGRAPHS a folder of pictures of its classes. The service is started as people start
it. First, CLIENTS at once for SECONDS: half send good pictures, a tenth each oversized bodies (plain and chunked by
turns), trickled ones, truncated pictures, bombs, and broken forms. Then good pictures alone, beside the bare network on
the same pictures; then one client alone; then many predictions, for memory. Exit status 1 when a demand is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import median

from PIL import Image

PATH = "/api/v1/predict"
EDGE = "multipart/form-data; boundary=edge"
ABUSE = ("oversized", "trickled", "truncated", "bomb", "form")


class Client:
    """One keep-alive connection that opens itself again."""

    def __init__(self, port):
        self.port, self.writer = port, None

    async def ask(self, head, *pieces, pause=0.0):
        """Return the status, 0 where the connection just ended, and the body."""
        try:
            if self.writer is None or self.writer.is_closing():
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.writer.write(head)
            with suppress(ConnectionError):
                for piece in pieces:
                    self.writer.write(piece)
                    await self.writer.drain()
                    if pause:
                        await asyncio.sleep(pause)
            answer = await self.reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r")[0])
            body = await self.reader.readexactly(length)
            if b"connection: close" in answer.lower():
                self.close()
            return int(answer.split()[1]), body
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def post(length, kind="image/jpeg"):
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    return f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{size}\r\n\r\n".encode()


def bomb(width=60_000, height=60_000):
    def chunk(kind, data):
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
    )


def slow_bomb():
    """Just within the limit of pixels, so that it is decoded: 49 Mpx in a small file."""
    out = io.BytesIO()
    Image.new("L", (7000, 7000)).save(out, "PNG")
    return out.getvalue()


def broken_forms(good):
    part = b'--edge\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    return [
        part + good,
        b"--edge\r\n" * 50_000,
        (part + b"x\r\n") * 3000 + b"--edge--\r\n",
        b"--edge\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\nz\r\n--edge--\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"text" * 100_000 + b"\r\n--edge--\r\n",
        b"\0" * 100_000,
    ]


async def one(kind, client, good, draw):
    """Send one request of a kind; returns its status, and whether the answer was right where one was due."""
    picture, label = draw.choice(good)
    if kind == "good":
        status, body = await client.ask(post(len(picture)), picture)
        return status, status == 200 and json.loads(body)["predictions"][0]["label"] == label
    if kind == "oversized":
        block = bytes(2**18)
        if draw.random() < 0.5:
            return (await client.ask(post(12 * 2**20), *[block] * 48))[0], None
        return (await client.ask(post(None), *[b"40000\r\n" + block + b"\r\n"] * 48))[0], None
    if kind == "trickled":
        return (await client.ask(post(len(picture)), *[picture[i : i + 1] for i in range(160)], pause=0.1))[0], None
    if kind == "form":
        body = draw.choice(broken_forms(picture))
        return (await client.ask(post(len(body), EDGE), body))[0], None
    hostile = picture[: len(picture) // 2] if kind == "truncated" else draw.choice(BOMBS)
    return (await client.ask(post(len(hostile)), hostile))[0], None


BOMBS = [bomb(), slow_bomb()]


def tree(pid):
    """This process and all below it."""
    found = [pid]
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            if folder.name.isdecimal() and (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                found += tree(int(folder.name))
    return found


def rss_mib(pid):
    total = 0
    for each in tree(pid):
        with suppress(OSError):
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20


def files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def watch(port, pid, seen):
    while True:
        start = time.perf_counter()
        client = Client(port)
        status, _ = await client.ask(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        client.close()
        seen["livez"].append((time.perf_counter() - start) if status == 200 else 99.0)
        seen["rss"].append(rss_mib(pid))
        await asyncio.sleep(0.25)


async def crowd(port, kinds, good, seconds):
    """All clients at once; returns (kind, status, right, seconds) of every request."""
    last, seen = time.monotonic() + seconds, []

    async def work(number, kind):
        draw, client = random.Random(number), Client(port)
        while time.monotonic() < last:
            start = time.perf_counter()
            status, right = await one(kind, client, good, draw)
            seen.append((kind, status, right, time.perf_counter() - start))
            if kind == "good" and status != 200:
                await asyncio.sleep(0.2)
        client.close()

    await asyncio.gather(*(work(number, kind) for number, kind in enumerate(kinds)))
    return seen


async def abuse(port, pid, good, arguments):
    others = arguments.clients // 10
    kinds = [kind for kind in ABUSE for _ in range(others)]
    kinds += ["good"] * (arguments.clients - len(kinds))
    seen = {"livez": [], "rss": []}
    start_rss, start_files = rss_mib(pid), files(pid)
    watching = asyncio.create_task(watch(port, pid, seen))
    answers = await crowd(port, kinds, good, arguments.seconds)
    watching.cancel()
    by_kind = {kind: Counter(status for name, status, *_ in answers if name == kind) for kind in ("good", *ABUSE)}
    for kind, counts in by_kind.items():
        print(f"  {kind:<10} {dict(sorted(counts.items()))}")
    right = [answer[2] for answer in answers if answer[0] == "good"]
    share = sum(right) / max(1, len(right))
    wrong = [answer for answer in answers if answer[0] == "good" and not answer[2] and answer[1] not in {429, 503}]
    waited = await settle(pid, start_files)
    worst = max(seen["livez"])
    print(
        f"  good answers right {100 * share:.2f} %, otherwise than 429/503 {len(wrong)}; /livez slowest {worst:.3f} s"
    )
    print(
        f"  memory {start_rss:.0f} MiB at the start, {max(seen['rss']):.0f} at most; files {start_files}, back after {waited:.1f} s"
    )
    return {
        "no 500": not any(status >= 500 and status != 503 for counts in by_kind.values() for status in counts),
        "95 % right": share >= 0.95 and not wrong,
        "livez under 1 s": worst < 1,
        "memory within 512 MiB": max(seen["rss"]) - start_rss < 512,
        "files back within 30 s": waited < 30,
    }


async def settle(pid, count):
    start = time.monotonic()
    while files(pid) > count and time.monotonic() - start < 30:
        await asyncio.sleep(0.2)
    return time.monotonic() - start


async def plain(port, pid, good, bare, arguments):
    """Good pictures alone, the bare network before and after: other work on the machine meets both."""
    before, bare_ms = bare.rate()
    used = processor_ms(pid)
    answers = await crowd(port, ["good"] * arguments.clients, good, arguments.good_seconds)
    used = (processor_ms(pid) - used) / len(answers)
    after, _ = bare.rate()
    times = sorted(answer[3] for answer in answers)
    rate, alone = len(times) / arguments.good_seconds, (before + after) / 2
    p50, p99 = times[len(times) // 2], times[int(0.99 * len(times))]
    print(
        f"  good alone, {arguments.clients} clients: {rate:.0f} requests/s, p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms"
    )
    print(
        f"  bare network {before:.0f} pictures/s before and {after:.0f} after; the service is at {100 * rate / alone:.0f} %"
    )
    print(
        f"  processor time: bare {bare_ms:.1f} ms a picture, service {used:.1f} ms, which is {100 * bare_ms / used:.0f} %"
    )
    return {
        "good alone all right": all(answer[2] for answer in answers),
        "70 % of the bare network": bare_ms / used >= 0.7,
    }


async def single(port, picture):
    client, times = Client(port), []
    for _ in range(300):
        start = time.perf_counter()
        await client.ask(post(len(picture)), picture)
        times.append(time.perf_counter() - start)
    client.close()
    print(f"  one client, one 500 x 375 JPEG: median {1000 * median(times):.1f} ms, fastest {1000 * min(times):.1f} ms")
    return median(times)


async def memory(port, pid, good, count):
    async def send(requests):
        client = Client(port)
        for number in range(requests):
            picture, _ = good[number % len(good)]
            await client.ask(post(len(picture)), picture)
        client.close()

    await asyncio.gather(*(send(250) for _ in range(4)))  # warm
    before = rss_mib(pid)
    await asyncio.gather(*(send(count // 4) for _ in range(4)))
    growth = rss_mib(pid) - before
    print(f"  {count:,} predictions: memory grew by {growth:.1f} MiB from {before:.0f} MiB")
    return growth


class Bare:
    """The network alone, in this process: what the service is measured against."""

    def __init__(self, run, pictures):
        from pawsight.classifier.predictor import load_predictor
        from pawsight.images.decode import decode

        self.predictor = load_predictor(run)
        settings = self.predictor.bundle.card.decode
        self.squares = [decode(data, settings, name="x").pixels for data in pictures]
        answers = self.predictor._engine.run(enumerate(self.squares))
        self.labels = [self.predictor.prediction("x", outputs).label for _, outputs in answers]

    def rate(self, seconds=8.0):
        """Pictures a second, and processor milliseconds for one."""
        start, used, count = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < seconds:
            count += sum(1 for _ in self.predictor._engine.run(enumerate(self.squares)))
        return count / (time.perf_counter() - start), 1000 * (time.process_time() - used) / count


def processor_ms(pid):
    total = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return 1000 * total / os.sysconf("SC_CLK_TCK")


def prepared(folder, count):
    paths = sorted(path for path in Path(folder).rglob("*.jpg"))
    chosen = random.Random(3).sample(paths, min(count, len(paths)))
    out = io.BytesIO()
    with Image.open(chosen[0]) as image:
        image.convert("RGB").resize((500, 375)).save(out, "JPEG", quality=90)
    return [path.read_bytes() for path in chosen], out.getvalue()


def start_service(run):
    words = [sys.executable, "-m", "pawsight", "serve", run, "--port", "0", "--json", "--quiet"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())["port"]


async def until_ready(port):
    client = Client(port)
    while (await client.ask(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))[0] != 200:
        await asyncio.sleep(0.1)
    client.close()


async def measure(process, port, good, picture, bare, arguments):
    await until_ready(port)
    print(
        f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {arguments.clients} clients, {arguments.seconds} s"
    )
    for _ in range(4):
        await crowd(port, ["good"] * 4, good, 1)  # warm, so that growth is growth
    met = await abuse(port, process.pid, good, arguments) if arguments.seconds else {}
    met["same process"] = process.poll() is None
    met |= await plain(port, process.pid, good, bare, arguments)
    met["one picture under 25 ms"] = await single(port, picture) < 0.025
    if arguments.predictions:
        met["memory growth under 10 MiB"] = await memory(port, process.pid, good, arguments.predictions) < 10
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("photographs")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--good-seconds", type=int, default=20)
    parser.add_argument("--predictions", type=int, default=10_000)
    arguments = parser.parse_args()
    pictures, picture = prepared(arguments.photographs, 64)
    bare = Bare(arguments.run, pictures)
    process, port = start_service(arguments.run)
    try:
        good = list(zip(pictures, bare.labels, strict=True))
        met = asyncio.run(measure(process, port, good, picture, bare, arguments))
        process.terminate()
        met["ends with 0"] = process.wait(35) == 0
    finally:
        process.kill()
        process.wait()
    for demand, is_met in met.items():
        print(f"{'met    ' if is_met else 'NOT MET'} {demand}")
    sys.exit(not all(met.values()))


if __name__ == "__main__":
    main()
