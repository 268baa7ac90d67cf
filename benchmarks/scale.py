"""Measures `predict --out`: two actors against one, and the memory of a long list.

usage: python benchmarks/scale.py RUN PHOTOGRAPHS [--pictures 20000] [--rounds 1]
       python benchmarks/scale.py RUN PHOTOGRAPHS --million [--rows 10000 100000 1000000]
    RUN is a run or bundle folder, PHOTOGRAPHS a folder of pictures.

Without --million the photographs are repeated under other names (hard links) until there are as many as wanted. The path
keeps nothing by content: each name is read, hashed, decoded and computed; what is warm are the system's pages of
the few files. One actor and two take turns, --rounds times, each in a process of its own, as people start it. Rates are
from the first finished part to the last, so that Ray's start (in the seconds of all) is left out. An actor may use one
core; how many it kept busy is told beside it, since one that takes two would make the comparison worthless. The answers
of all are compared as bytes.

With --million this process without Ray (`--engine local`) answers lists that name the pictures again and again; told are
seconds and the largest memory of each. Use few small pictures and a small network.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

DEMAND, FLAT = 1.6, 1.05  # at least; at most, of the memory for the longest list over that for the one before
POLL_S = 0.5


def command(run, pictures, out, *more):
    words = [run, pictures, "--out", out, "--json", "--quiet", *more]
    return [sys.executable, "-m", "pawsight", "predict", *map(str, words)]


def by_actors(run, pictures, out, *, actors, shard):
    """Return the figures of one process with its children."""
    start = time.monotonic()
    process = psutil.Popen(
        command(run, pictures, out, "--shard", shard, "--engine", "ray", "--actors", actors),
        stdout=subprocess.PIPE,
        text=True,
    )
    seen, peak = [], {}
    watch = threading.Thread(target=_watch, args=(process, seen, peak))
    watch.start()
    told = json.loads(process.communicate()[0])
    watch.join()
    seconds = time.monotonic() - start
    times = sorted(path.stat().st_mtime for path in out.glob("part-*"))
    first, last = times[0], times[-1]
    within = [one for one in seen if first <= one[0] <= last]
    span = within[-1][0] - within[0][0]
    busy = [(within[-1][kind] - within[0][kind]) / span for kind in (1, 2)]
    return {
        "actors": actors,
        "pictures/s": round(shard * (len(times) - 1) / (last - first), 1),
        "cores an actor": round(busy[0] / actors, 2),
        "cores of all else": round(busy[1], 2),
        "seconds in all": round(seconds, 1),
        "errors": told["errors"],
        **{f"MiB, {name}": round(value) for name, value in peak.items()},
    }


def _watch(process, seen, peak):
    """Note when, the processor seconds of actors and of all others so far, and the largest memory."""
    spent = {}
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            for one in [process, *process.children(recursive=True)]:
                kind = "actor" if "MapBatches" in " ".join(one.cmdline()) else "driver" if one == process else "Ray"
                spent[one.pid] = (kind, sum(one.cpu_times()[:2]))
                if kind != "Ray":
                    peak[kind] = max(peak.get(kind, 0), one.memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            continue
        actors = sum(seconds for kind, seconds in spent.values() if kind == "actor")
        seen.append((time.time(), actors, sum(seconds for _, seconds in spent.values()) - actors))
        time.sleep(POLL_S)


def pictures_of(photographs):
    return sorted(path.resolve() for path in Path(photographs).rglob("*") if path.is_file())


def repeated(photographs, count, folder):
    """Put `count` names of photographs into a folder, and return it with how many contents there are."""
    originals = pictures_of(photographs)
    for number, path in enumerate(itertools.islice(itertools.cycle(originals), count)):
        name = folder / f"{number // 1000:04d}" / f"{number:07d}{path.suffix}"
        name.parent.mkdir(parents=True, exist_ok=True)
        try:
            name.hardlink_to(path)
        except OSError:  # another disk
            shutil.copyfile(path, name)
    return folder, min(count, len(originals))


def speed(given, folder):
    """One actor and two by turns; returns whether the demand is met with the same bytes."""
    pictures, contents = repeated(given.photographs, given.pictures, folder / "pictures")
    print(f"{given.pictures:,} names of {contents:,} photographs; load average {os.getloadavg()[0]:.1f}", flush=True)
    rows, outs = [], []
    for number in range(2 * given.rounds):
        actors, out = 1 + number % 2, folder / f"out-{number}"
        rows.append(by_actors(given.run, pictures, out, actors=actors, shard=given.shard))
        outs.append(out)
        print(rows[-1], flush=True)
    parts = sorted(path.name for path in outs[0].glob("part-*"))
    same = all(len({(out / name).read_bytes() for out in outs}) == 1 for name in parts)
    one, two = (statistics.median(row["pictures/s"] for row in rows if row["actors"] == actors) for actors in (1, 2))
    gain = two / one
    print(f"one actor {one:.1f}, two {two:.1f} pictures/s: {gain:.2f} times (demand {DEMAND}); the same bytes: {same}")
    return same and gain >= DEMAND


def memory(given, folder):
    """Lists of growing length through one process; returns whether its memory does not grow with them."""
    peaks = []
    for count in given.rows:
        pictures = _list(pictures_of(given.photographs), count, folder / "list.csv")
        start = time.monotonic()
        process = subprocess.Popen(
            command(given.run, pictures, folder / f"out-{count}", "--engine", "local"), stdout=subprocess.PIPE
        )
        told = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        seconds = time.monotonic() - start
        peaks.append(used.ru_maxrss / 1024)
        print(
            f"{told['pictures']:,} rows ({told['answered']:,} answered, {told['errors']:,} errors): {peaks[-1]:.0f} MiB,"
            f" {seconds:.1f} s, {1e6 * (used.ru_utime + used.ru_stime) / count:.0f} processor-microseconds a row",
            flush=True,
        )
    return len(peaks) < 2 or peaks[-1] <= FLAT * peaks[-2]


def _list(paths, count, place):
    with place.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path"])
        rows.writerows([path] for path in itertools.islice(itertools.cycle(paths), count))
    return place


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--shard", type=int, default=250)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    given.run = given.run.resolve()
    with tempfile.TemporaryDirectory() as place:
        sys.exit(not (memory if given.million else speed)(given, Path(place)))


if __name__ == "__main__":
    main()
