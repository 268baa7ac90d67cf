"""Mutation testing: change the source in one place after another, and see whether the tests that mirror it notice.

    PYTHONPATH=.venv/mutmut python benchmarks/mutants.py [MODULE ...] [--minutes 10] [--show]

Enters: names of modules in `TESTS`, all by default. Leaves: a Markdown table on stdout, with --show each survivor's
change too. Works in a copy under the system's temporary folder: neither sources nor tests here are touched. Does not
know what a survivor means: docs/reliability.md tells.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
EXAMPLES = 15  # of Hypothesis in each property: a mutant that lives has met all tests, and there are many mutants
CODES = {
    "killed": "killed",
    "segfault": "killed",
    "timeout": "out of time",
    "survived": "survived",
    "no tests": "no test",
}
COLUMNS = ("killed", "out of time", "survived", "no test", "not run")
TESTS = {
    "data/split": ["data/test_split.py"],
    "evaluation/intervals": ["evaluation/test_intervals.py"],
    "evaluation/metrics": ["evaluation/test_metrics.py"],
    "evaluation/calibration": ["evaluation/test_calibration.py"],
    "evaluation/bootstrap": ["evaluation/test_bootstrap.py", "evaluation/test_metrics.py"],
    "evaluation/selective": ["evaluation/test_selective.py"],
    "evaluation/comparison": ["evaluation/test_comparison.py"],
    "evaluation/slices": ["evaluation/test_slices.py"],
    "evaluation/label_errors": ["evaluation/test_label_errors.py"],
    "evaluation/learning_curve": ["evaluation/test_learning_curve.py"],
}


def copy(folder: Path, module: str) -> None:
    """Copy what the tests of a module need, with fewer examples a property, and say what is to be changed."""
    for name in ("src", "tests"):
        shutil.copytree(HOME / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for test in folder.joinpath("tests").rglob("test_*.py"):
        test.write_text(re.sub(r"max_examples=\d+", f"max_examples={EXAMPLES}", test.read_text("utf-8")), "utf-8")
    tests = ", ".join(f'"tests/{name}"' for name in TESTS[module])
    mutmut = f"""
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/pawsight/{module}.py"]
pytest_add_cli_args_test_selection = [{tests}]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-seed=0"]
timeout_multiplier = 3.0
timeout_constant = 5.0
track_dependencies = false
use_git_change_detection = false
"""
    folder.joinpath("pyproject.toml").write_text(HOME.joinpath("pyproject.toml").read_text("utf-8") + mutmut, "utf-8")


def mutmut(folder: Path, *typed: str, seconds: float | None = None) -> str:
    """Run mutmut in the copy and return what it says; whatever is still running when time is up is ended."""
    given = [str(Path(one).resolve()) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    path = os.pathsep.join([str(folder / "src"), *given])
    command = [sys.executable, "-m", "mutmut", *typed]
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"time was up in {folder}", file=sys.stderr)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)  # the tests of a mutant run in a process of their own
                running.wait()
        said.seek(0)
        return said.read().decode("utf-8", "replace")


def examine(module: str, minutes: float, show: bool) -> str:
    """Return a module's row of the table, and each survivor's change below it if asked."""
    with tempfile.TemporaryDirectory(prefix="pawsight-mutants-") as name:
        folder = Path(name)
        copy(folder, module)
        said = mutmut(folder, "run", "--max-children", "1", seconds=60 * minutes)
        found = re.findall(r"^\s*(\S+): ([a-z ]+)$", mutmut(folder, "results", "--all", "true"), re.MULTILINE)
        if not found:
            raise SystemExit(f"mutmut did not get to work on {module}. It said:\n{said[-2000:]}")
        counts = Counter(CODES.get(state, "not run") for _, state in found)
        row = f"| `{module}.py` | {len(found)} | " + " | ".join(str(counts[state]) for state in COLUMNS)
        lived = [mutant for mutant, state in found if CODES.get(state) in {"survived", "no test"}] if show else []
        return "\n".join([f"{row} |", *(mutmut(folder, "show", mutant) for mutant in lived)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TESTS)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each module at most")
    parser.add_argument("--show", action="store_true", help="print each survivor's change")
    given = parser.parse_args()
    if unknown := set(given.modules) - set(TESTS):
        parser.error(f"{', '.join(sorted(unknown))} is none of {', '.join(TESTS)}")
    print(f"| module | mutants | {' | '.join(COLUMNS)} |\n{'|---' * (2 + len(COLUMNS))}|")
    for module in given.modules or TESTS:
        print(examine(module, given.minutes, given.show), flush=True)


if __name__ == "__main__":
    main()
