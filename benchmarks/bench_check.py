"""Has anything become slower than the committed results say? By ratios to a peer, not by seconds: `make bench-check`.

usage: python benchmarks/bench_check.py [PHOTOGRAPHS] [any option of bench.py]
    A short run: import, one, predict and train, two rounds, without the exercise, unless said otherwise. Each row's
    cost as a multiple of its own peer's is compared with benchmarks/results.json; more than 1.25 times of it is slower,
    and the exit status is then 1. Machines may differ in seconds; in the ratios far less.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bench
import bench_figures
from bench_figures import TOLERANCE, Change

SHORT = ("--rows", "import,one,predict,train", "--runs", "2", "--peer-runs", "0")


def line(one: Change) -> str:
    """Return one row of the comparison."""
    if one.why or one.then is None or one.now is None:
        return f"  {one.name:<28} not compared: {one.why}"
    verdict = "SLOWER" if one.is_slower else "as it was" if one.now > one.then / TOLERANCE else "quicker"
    return f"  {one.name:<28} {one.then:8.3f} {one.now:8.3f} {one.now / one.then:6.2f} times   {verdict}"


def main() -> None:
    """Measure briefly and compare."""
    committed, said = bench_figures.read(bench.RESULTS)
    if not committed:
        raise SystemExit(f"There is no {bench.RESULTS.name} to compare with: run make bench first.")
    with tempfile.TemporaryDirectory() as folder:
        asked = bench.parser().parse_args([*SHORT, *sys.argv[1:], "--results", str(Path(folder) / "fresh.json")])
        fresh = bench.take(asked, [])
    found = bench_figures.changes(committed, fresh)
    print(f"Costs as multiples of the peer's: committed {said['date'][:10]}, now; {TOLERANCE} times of it is allowed")
    print("\n".join(map(line, found)))
    if any(one.is_slower for one in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
