"""Times the audit of 25,000 pictures beside bare decoding of the same files, in one run.

usage: python benchmarks/audit.py FOLDER [--pictures 25000] [--rounds 1]
    FOLDER has photographs below it, in class folders or in train/ and validation/ with class folders in each.

The photographs are copied, with a number after the end of each file, until there are enough: the pixels repeat, but every
content is new, so all is hashed, decoded and measured. Each round runs three whole processes: bare decoding to 240 px
(the loader, no facts, no cache), `pawsight inspect --report --json` with an empty cache, and decoding once more, so that
a machine that slows down or warms up shows. Copies look alike, which makes the fewest distinct hashes; the seconds to
compare 25,000 distinct ones are measured beside it. Prints a table; one JSON object last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from processes import PAWSIGHT, run

SECONDS, MEBIBYTES, RATIO = 120, 1_000, 1.5  # the aims
DECODE = """
import sys
from pathlib import Path
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import load
from pawsight.core.machine import usable_cores
files = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.is_file())
print(sum(one.decoded is not None for one in load(files, DecodeSettings(image_px=240), threads=usable_cores())))
"""


def multiplied(source: Path, target: Path, pictures: int) -> int:
    """Copy files until there are enough, each with other bytes after its end."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for number, file in zip(range(pictures), itertools.cycle(files)):
        place = target / file.relative_to(source).parent / f"{number}{file.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes() + f"copy {number}".encode())
    return len(files)


def grouping(pictures: int) -> float:
    """Return the seconds to compare so many distinct hashes."""
    import numpy as np

    from pawsight.images.fingerprint import near_pairs

    hashes = np.random.default_rng(0).integers(0, 2**64, pictures, dtype=np.uint64)
    start = time.perf_counter()
    near_pairs(hashes)
    return time.perf_counter() - start


def measure(folder: Path, place: Path, rounds: int) -> dict:
    decoding, auditing, ratios, work_ratios, peak, report = [], [], [], [], 0.0, {}
    for number in range(rounds):
        cache = place / f"cache{number}"
        before = run([sys.executable, "-c", DECODE, str(folder)], cache)
        audit = [str(PAWSIGHT), "inspect", str(folder), "--report", "--out", str(place / "audit")]
        ran = run([*audit, "--json", "--quiet"], cache)
        after = run([sys.executable, "-c", DECODE, str(folder)], cache)
        warm = run([*audit, "--json", "--quiet"], cache).seconds
        decoding += [before.seconds, after.seconds]
        auditing.append(ran.seconds)
        ratios.append(2 * ran.seconds / (before.seconds + after.seconds))
        work_ratios.append(ran.cpu / before.cpu)
        peak, report = max(peak, ran.peak_mib), json.loads(ran.out)
        shutil.rmtree(cache)
    return {
        "pictures": sum(report["counts"].values()),
        "findings": len(report["findings"]),
        "decoding": statistics.median(decoding),
        "audit": statistics.median(auditing),
        "ratio": statistics.median(ratios),
        "work_ratio": statistics.median(work_ratios),
        "again": warm,
        "peak_mib": peak,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        different = multiplied(asked.folder.resolve(), place / "pictures", asked.pictures)
        found = measure(place / "pictures", place, asked.rounds) | {"different": different}
    found["grouping"] = grouping(asked.pictures)
    rows = [
        ("bare decoding", f"{found['decoding']:.1f} s", ""),
        ("audit, empty cache, with its page", f"{found['audit']:.1f} s", f"aim {SECONDS} s"),
        ("audit / bare decoding", f"{found['ratio']:.2f} times", f"aim {RATIO}"),
        ("the same in processor time", f"{found['work_ratio']:.2f} times", "whatever else runs"),
        ("audit again, everything in the cache", f"{found['again']:.1f} s", ""),
        ("comparing as many distinct hashes", f"{found['grouping']:.1f} s", ""),
        ("peak memory of the audit", f"{found['peak_mib']:.0f} MiB", f"aim {MEBIBYTES} MiB"),
    ]
    print(f"{found['pictures']:,} pictures, copies of {different:,}; {found['findings']:,} findings")
    for what, value, aim in rows:
        print(f"  {what:<38} {value:>12}   {aim}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
