"""A process that trains, writes down the moments it comes to, and at one of them kills itself or waits to be killed.

Enters: `DEED NUMBER JOURNAL SHARE` and what is to be typed. Leaves: whatever `pawsight` leaves, and a line in the
journal for each moment. Does not know: what should come of it.

Moments are steps of training; for every file that is written the instants when it is half there, whole but not renamed,
and renamed; links made and files removed. DEED is `die` (at moment NUMBER, by SIGKILL, which nothing can catch; a half
file then has SHARE of its bytes), `wait` (there, for ever), or `go` (through all of them; only what ends a run, the
removal of its checkpoint, is waited at). Number 0 comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

DEED, LAST, SHARE = sys.argv[1], int(sys.argv[2]), float(sys.argv[4])
came: list[str] = []
journal = Path(sys.argv[3]).open("w", buffering=1)  # noqa: SIM115 (open until the process is killed)
replace, fsync, symlink, unlink = os.replace, os.fsync, os.symlink, os.unlink


def moment(what: str) -> None:
    came.append(what)
    journal.write(what + "\n")
    count = len(came)
    if LAST and DEED == "go" and what.startswith("remove") and what.endswith("checkpoint.npz"):
        time.sleep(600)
    if count == LAST and DEED == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if count == LAST and DEED == "wait":
        time.sleep(600)


def half_written(descriptor) -> None:
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if len(came) + 1 == LAST and DEED == "die":
        os.truncate(path, int(path.stat().st_size * SHARE))
    moment(f"half {path}")
    fsync(descriptor)
    moment(f"whole {path}")


def renamed(source, target, **options) -> None:
    replace(source, target, **options)
    moment(f"renamed {target}")


def linked(source, target, *rest, **options) -> None:
    symlink(source, target, *rest, **options)
    moment(f"linked {target}")


def removed(path, **options) -> None:
    if Path(path).name in ("checkpoint.npz", ".lock"):
        moment(f"remove {path}")
    unlink(path, **options)


def listen_to_steps() -> None:
    from pawsight.cli.process import QUIET_SETTINGS, quiet_libraries

    os.environ.update(QUIET_SETTINGS)
    with quiet_libraries():
        import keras

    step = keras.Model.train_on_batch

    def stepped(self, *arguments, **options):
        moment("step")
        return step(self, *arguments, **options)

    keras.Model.train_on_batch = stepped


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
    if "cnn" in sys.argv:
        listen_to_steps()
    os.fsync, os.replace, os.symlink, os.unlink = half_written, renamed, linked, removed
    sys.argv = ["pawsight", *sys.argv[5:]]
    from pawsight.cli import main

    main()
