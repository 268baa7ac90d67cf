"""What a service gives to others while it is attacked: python benchmarks/serve_attacks.py RUN PICTURE [--attack NAME]

RUN is a run or bundle folder, PICTURE one file. Each attack meets a service that was started for it, as people start it, and
one client beside it that sends PICTURE again and again. Decision 32 says what each attack was, and what it gives now.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import median

from serve_load import Client, post, processor_ms, start_service, until_ready

HEADS = {
    "userinfo in Host": "GET /api/v1/model HTTP/1.1\r\nHost: user@127.0.0.1\r\n\r\n",
    "absolute form": "GET http://127.0.0.1/api/v1/model HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "absolute form, foreign": "GET http://evil.example/api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "folded header": "GET /api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n c\r\n\r\n",
    "folded length": "POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
}


async def predictions(port, picture, seconds):
    """What one client gets that asks all the time: statuses, and milliseconds of those that were answered."""
    client, last, statuses, times = Client(port), time.monotonic() + seconds, Counter(), []
    while time.monotonic() < last:
        start = time.perf_counter()
        status, _ = await client.ask(post(len(picture)), picture)
        statuses[status] += 1
        if status == 200:
            times.append(1000 * (time.perf_counter() - start))
        else:
            await asyncio.sleep(0.1)
    client.close()
    return statuses, times


async def held(port, begin, seconds, *, pause=1.0):
    """Begin bodies that do not end, each again when it is ended; returns how they ended, and after how long."""
    ends, last = [], time.monotonic() + seconds
    while time.monotonic() < last:
        start = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(begin)
            answer = None
            while answer is None and time.monotonic() < last:
                writer.write(b"x")
                await writer.drain()
                with suppress(TimeoutError):
                    answer = await asyncio.wait_for(reader.read(64), pause)
            if answer is not None:
                ends.append((int(answer.split()[1]) if answer else 0, time.monotonic() - start))
                await asyncio.sleep(0.1)
        except OSError:
            ends.append((0, time.monotonic() - start))
        finally:
            writer.close()
    return ends


async def trickled(port, pid, picture):
    """140 clients that send a byte a second."""
    attack = asyncio.gather(*(held(port, post(10_000), 20) for _ in range(140)))
    await asyncio.sleep(0.5)
    await tell(attack, predictions(port, picture, 19))


async def stalled(port, pid, picture):
    """Bodies without their last bytes, which fill all the memory for bodies."""
    sizes = [10 * 2**20] * 12 + [2**20] * 7 + [25 * 2**10] * 60 + [2**11] * 60
    attack = asyncio.gather(*(held(port, post(size) + bytes(size - 1000), 12) for size in sizes))
    await asyncio.sleep(1)
    await tell(attack, predictions(port, picture, 10))


async def heat_maps(port, pid, picture):
    """110 clients that ask for heat maps."""
    head, last = post(len(picture)).replace(b"/api/v1/predict", b"/api/v1/explain"), time.monotonic() + 15

    async def draw():
        client, ends = Client(port), []
        while time.monotonic() < last:
            start = time.monotonic()
            status, _ = await client.ask(head, picture)
            ends.append((status, time.monotonic() - start))
            if status != 200:
                await asyncio.sleep(0.5)
        client.close()
        return ends

    attack = asyncio.gather(*(draw() for _ in range(110)))
    await asyncio.sleep(0.5)
    await tell(attack, predictions(port, picture, 14))


async def leaving(port, pid, picture):
    """90 clients that send a picture and close; how much is still computed for them."""
    client, before = Client(port), processor_ms(pid)
    answered = await figure(client, 'pawsight_pictures_total{outcome="answered"}')
    for _ in range(90):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(len(picture)) + picture)
        await writer.drain()
        writer.close()
    await asyncio.sleep(0.2)
    while await figure(client, "pawsight_queue_pictures"):
        await asyncio.sleep(0.1)
    computed = await figure(client, 'pawsight_pictures_total{outcome="answered"}') - answered
    print(
        f"  of 90 pictures whose clients left {computed:.0f} were computed, in {processor_ms(pid) - before:.0f} ms of processor time"
    )


async def heads(port, pid, picture):
    for name, text in HEADS.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.encode())
        print(f"  {name}: {(await reader.read(12)).decode()}")
        writer.close()


async def figure(client, name):
    _, body = await client.ask(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return sum(float(line.split()[-1]) for line in body.decode().splitlines() if line.startswith(name))


async def tell(attack, beside):
    statuses, times = await beside
    ends = [end for client in await attack for end in client]
    if ends:
        counts = dict(sorted(Counter(status for status, _ in ends).items()))
        print(f"  the attack is answered {counts}, after {median(end for _, end in ends):.1f} s in the median")
    took = f", median {median(times):.0f} ms, longest {max(times):.0f} ms" if times else ""
    print(f"  predictions meanwhile {dict(sorted(statuses.items()))}{took}")


ATTACKS = {attack.__name__: attack for attack in (trickled, stalled, heat_maps, leaving, heads)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--attack", choices=ATTACKS, action="append")
    arguments = parser.parse_args()
    for name in arguments.attack or ATTACKS:
        print(name)
        process, port = start_service(arguments.run)
        try:
            asyncio.run(until_ready(port))
            asyncio.run(ATTACKS[name](port, process.pid, arguments.picture.read_bytes()))
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
