"""Measures `predict --out`: python benchmarks/scale.py RUN PHOTOGRAPHS [--pictures 20000] [--paths 1000000]

RUN is a run or bundle folder, PHOTOGRAPHS a folder of pictures. The same photographs are listed again and again until
there are as many as wanted. Then: this process without Ray; one actor and two, each on one core and with one stream of
the network; the answers compared as bytes. Each figure is that of a process of its own, as people start it. Last, a list
of as many paths as --paths is cut into shards, for its memory. Rates are of the parts alone, from the first finished
part to the last, so that Ray's start (told beside them) and the opening of the bundle are left out.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

DEMAND = 1.6


def run_one(words, out, *, cores=None):
    """Return the rate between first and last part, and the largest memory, of one process with its children."""
    command = [sys.executable, "-m", "pawsight", "predict", *map(str, words), "--out", str(out), "--json", "--quiet"]
    if cores is not None:
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    start = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
    peak, spent = {"driver": 0.0, "largest worker": 0.0}, {}
    watch = threading.Thread(target=_watch, args=(process, peak, spent))
    watch.start()
    told = json.loads(process.communicate()[0])
    watch.join()
    times = sorted(path.stat().st_mtime for path in out.glob("part-*"))
    shard = json.loads((out / "_manifest.json").read_bytes())["shard"]
    return {
        "pictures a second": round(shard * (len(times) - 1) / (times[-1] - times[0]), 1),
        "seconds in all": round(time.monotonic() - start, 1),
        "core-milliseconds a picture": round(1000 * sum(spent.values()) / told["pictures"], 2),
        "errors": told["errors"],
        **{f"MiB, {name}": round(value) for name, value in peak.items()},
    }


def _watch(process, peak, spent):
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            spent[process.pid] = sum(process.cpu_times()[:2])
            peak["driver"] = max(peak["driver"], process.memory_info().rss / 2**20)
            for child in process.children(recursive=True):
                spent[child.pid] = sum(child.cpu_times()[:2])
                if "MapBatches" in " ".join(child.cmdline()):
                    peak["largest worker"] = max(peak["largest worker"], child.memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.25)


def write_list(photographs, count, place):
    paths = sorted(path.resolve() for path in Path(photographs).rglob("*") if path.is_file())
    with place.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path"])
        rows.writerows([path] for path in itertools.islice(itertools.cycle(paths), count))
    return place


LISTING = """
import resource, sys, time
from pathlib import Path
from pawsight.progress import SILENT
from pawsight.scale.sources import paths_of
from pawsight.scale.work import begin
import pyarrow.parquet
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
begin(Path(sys.argv[2]), paths_of([sys.argv[1]]), bundle="b", classes=("a", "b"), shard=2048, progress=SILENT)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{time.monotonic() - start:.1f} s, from {before / 1024:.0f} to {after / 1024:.0f} MiB")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("photographs")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--shard", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pictures = write_list(given.photographs, given.pictures, folder / "list.csv")
        words = [given.run, pictures, "--shard", given.shard]
        ray = [*words, "--engine", "ray", "--actors"]
        measured = {}
        for name, typed, cores in [
            ("local, all cores", words, None),
            ("one actor, one core", [*ray, 1], [0]),
            ("one actor", [*ray, 1], None),
            ("two actors", [*ray, 2], None),
        ]:
            measured[name] = run_one(typed, folder / name.replace(" ", "-"), cores=cores)
            print(f"{name}: {measured[name]}; load average {os.getloadavg()[0]:.1f}", flush=True)
        parts = sorted(path.name for path in (folder / "two-actors").glob("part-*"))
        same = all(len({(out / name).read_bytes() for out in folder.iterdir() if out.is_dir()}) == 1 for name in parts)
        rates = {name: one["pictures a second"] for name, one in measured.items()}
        gain = rates["two actors"] / rates["one actor, one core"]
        print(f"two actors on two cores / one on one: {gain:.2f} (demand {DEMAND}); answers the same bytes: {same}")
        for count in (given.paths // 10, given.paths):
            listed = write_list(given.photographs, count, folder / "many.csv")
            words = [sys.executable, "-c", LISTING, str(listed), str(folder / f"listing-{count}")]
            print(f"{count:,} paths listed:", subprocess.check_output(words, text=True).strip(), flush=True)
        sys.exit(not (same and gain >= DEMAND))


if __name__ == "__main__":
    main()
