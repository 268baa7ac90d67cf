"""What keeping one more labelled picture costs `serve --feedback`, by how many are kept already.

python benchmarks/feedback_cost.py
"""

from __future__ import annotations

import tempfile
import time
from hashlib import sha256
from pathlib import Path

from pawsight.data.label_patch import RELABEL, Decision, write_patch
from pawsight.web.feedback import LABELS, Feedback

LABELLED = 20  # measured


def main() -> None:
    """Print milliseconds for each picture of 50 kB."""
    for kept in (100, 1_000, 10_000):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            digests = [sha256(str(number).encode()).hexdigest() for number in range(kept - LABELLED)]
            write_patch(
                folder / LABELS,
                [
                    Decision(f"pictures/{digest}.jpg", digest, RELABEL, "cats", "2026-11-29T22:00:00Z")
                    for digest in digests
                ],
            )
            feedback = Feedback(folder, most=kept, most_bytes=10**9, each=kept)
            began, used = time.perf_counter(), time.process_time()
            for number in range(LABELLED):
                feedback.keep(b"\xff\xd8\xff" + bytes([number]) * 50_000, "cats")
            used, elapsed = time.process_time() - used, time.perf_counter() - began
            size = (folder / LABELS).stat().st_size
        print(
            f"{kept:,} pictures: {1000 * used / LABELLED:.1f} ms of processor time, {1000 * elapsed / LABELLED:.1f} ms "
            f"elapsed; the table has {size / 1e6:.2f} MB"
        )


if __name__ == "__main__":
    main()
