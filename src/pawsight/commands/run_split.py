"""The split of a run: given by --split, its files found again, and how often its test set was evaluated.

The cut into training, validation and test set is made in data/split.py.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core import runs
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import BUNDLE, LOOKS, SOURCE, SPLITS, read_table
from pawsight.core.storage import as_path, regular_file, turn_to_rewrite, write_json
from pawsight.core.text import typed
from pawsight.data.folders import expand
from pawsight.data.found import Candidate
from pawsight.data.given_split import SplitFile, read_split_file
from pawsight.data.reading import FolderReading
from pawsight.images.decode import is_readable_type
from pawsight.reports.run_record import SUBSETS

_HEAD = 16  # bytes that tell a picture's type
_MORE_STARTS = (b"BM", b"II", b"MM")  # BMP, and TIFF in every order of bytes: too short to say that a file is one


def given_split(
    split: str | os.PathLike[str] | None, split_seed: int = 0, *, allow_leaks: bool = False
) -> SplitFile | None:
    """Read the split that --split names, a file or a run; None where there is none.

    Raises:
        WrongUsage: a seed was given beside it, leaks are allowed without one, or there is no such file.
        BadDataset: lines of it cannot be used. StorageError: it cannot be read.
    """
    if split is None:
        if allow_leaks:
            raise WrongUsage(
                "--allow-leaks has no effect without --split.",
                "A split drawn here keeps duplicates in one subset.",
                "Leave it out, or give a file: --split splits.csv --allow-leaks",
            )
        return None
    path = as_path(split)
    if split_seed:
        raise WrongUsage(
            f"--split-seed {split_seed} has no effect beside --split {split}.",
            "The file assigns each picture, so nothing is drawn at random.",
            "Leave one of them out.",
        )
    file = path / SPLITS if path.is_dir() else path
    if not file.is_file():
        raise WrongUsage(
            f"{file} is not a regular file." if file.exists() else f"There is no file {file}.",
            "--split needs a CSV file with the columns path,part, or a run that has one.",
            "Check the path, e.g. --split runs/001/splits.csv",
        )
    return read_split_file(file, allow_leaks=allow_leaks)


def run_folder(path: Path) -> Path:
    """Return the run that a path means, also by its bundle or a file of that; a bundle without its run as it is.

    Links are followed now: `latest` may lead to another run when the work ends.

    Raises:
        WrongUsage: the path means none, with what it is instead. StorageError: the system refuses the path.
    """
    with suppress(OSError, ValueError, RuntimeError):  # a loop of links, or no name of a file: `named_run` says so
        if path.exists() and (followed := path.resolve()) != path.absolute():
            path = runs.from_here(followed)
    folder = runs.named_run(path)
    folder = folder if folder.name else folder.absolute()
    return folder.parent if folder.name == BUNDLE and (folder.parent / SPLITS).is_file() else folder


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The files of one subset, where they are now, and what they held when the split was made."""

    candidates: tuple[Candidate, ...]  # by their names in the split, also those that are gone
    contents: Mapping[str, str]  # name -> SHA-256
    place: Path  # that was looked in


def held_out(run: Path, subset: str, *, place: Path | None = None, progress: Progress = SILENT) -> HeldOut:
    """Return the files of a run's training, validation or test set.

    Where one is not where it was, all are found by their content, so that files may be moved or renamed. Files in the
    places of another set's test pictures are opened only where pictures have changed places.

    Args:
        run: a run folder.
        subset: "train", "validation" or "test".
        place: the folder to look in; None is the one they were read from when the run was made.
        progress: shows how far the search is.

    Raises:
        WrongUsage: the folder is a bundle without its run. StorageError: a file of the run cannot be read.
    """
    table, root = _split_of(run), root_of(run) if place is None else place
    rows = [row for row in table if row["part"] == subset]
    paths = {row["path"]: root / row["path"] for row in rows}
    if root.is_dir() and not all(path.is_file() for path in paths.values()):
        known = {root / row["path"]: row["sha256"] for row in table}
        sealed = {root / row["path"] for row in table if row["part"] == "test" != subset}
        files = list(expand([root]))
        found = _by_content([file for file in files if file not in sealed], progress)
        if any(known.get(file, sha256) != sha256 for sha256, same in found.items() for file in same):
            for sha256, same in _by_content([file for file in files if file in sealed], progress).items():
                found[sha256] += same
        for row in rows:
            same = found[row["sha256"]]
            if same:
                paths[row["path"]] = same.pop(same.index(own) if (own := paths[row["path"]]) in same else 0)
    return HeldOut(
        tuple(Candidate(paths[row["path"]], row["path"], row["label"], subset, row.get("group", "")) for row in rows),
        {row["path"]: row["sha256"] for row in rows},
        root,
    )


def _by_content(files: Sequence[Path], progress: Progress) -> dict[str, list[Path]]:
    """Return SHA-256 -> files; what cannot be read or does not begin like a picture is left out."""
    found: dict[str, list[Path]] = defaultdict(list)
    with progress.stage("Looking for moved pictures", len(files), "files") as step:
        for path in files:
            step.advance()
            with suppress(OSError), open(path, "rb", opener=regular_file) as file:
                head = file.read(_HEAD)
                if is_readable_type(head) or head.startswith(_MORE_STARTS):
                    file.seek(0)
                    found[hashlib.file_digest(file, "sha256").hexdigest()].append(path)
    return found


def subset_by_content(run: Path) -> dict[str, str]:
    """Return the subset of every content (SHA-256) of a run's split; of copies in several the most sealed one.

    Empty for a bundle without its run.
    """
    sealed_last = sorted(_split_of(run), key=lambda row: SUBSETS.index(row["part"])) if (run / SPLITS).is_file() else []
    return {row["sha256"]: row["part"] for row in sealed_last}


def _split_of(run: Path) -> list[dict[str, str]]:
    path = run / SPLITS
    if not path.is_file():
        raise WrongUsage(
            f"{run} has no {SPLITS}, so it has no pictures of its own to measure.",
            "It is a bundle without its run.",
            f"Give pictures: {typed('evaluate', run, 'DATA')}",
        )
    table = read_table(path)
    columns = {"path", "sha256", "label", "part"}
    if any(not columns <= row.keys() or None in row.values() or row["part"] not in SUBSETS for row in table):
        raise StorageError(
            f"{path} cannot be read.",
            "It lacks one of the columns path, sha256, label, part.",
            "Name a finished run, e.g. runs/latest.",
        )
    return table


def root_of(run: Path) -> Path:
    """Return the folder that the paths of a run's pictures are below.

    Raises:
        StorageError: the run does not say.
    """
    return runs.root_of(run) or Path(_value(run / SOURCE, "root", str))


def reading_of(run: Path) -> FolderReading | None:
    """Return how the folders of a run's data were read; None where the names said it, or the run does not say.

    Raises:
        StorageError: what the run says cannot be read.
    """
    try:
        source = json.loads((run / SOURCE).read_text(encoding="utf-8", errors="surrogateescape"))
        return FolderReading.from_json(source["reading"])
    except (OSError, KeyError):
        return None
    except (ValueError, TypeError, AttributeError, WrongUsage) as error:
        why = f"Reading it failed: {error}."
        raise StorageError(f"{run / SOURCE} cannot be read.", why, "Name a finished run, e.g. runs/latest.") from error


def count_look(run: Path) -> int:
    """Count one more evaluation of the test set, and return how many there were."""
    with turn_to_rewrite(run / LOOKS):
        looks = looks_at_test(run) + 1
        write_json(run / LOOKS, {"looks_at_test": looks})
    return looks


def looks_at_test(run: Path) -> int:
    """Return how often the test set of a run was evaluated since training."""
    path = run / LOOKS
    return int(_value(path, "looks_at_test", int)) if path.is_file() else 0


def looks_sentence(looks: int) -> str:
    """Return what the number of evaluations of a test set means."""
    if looks <= 1:
        return "Test set evaluated once since training."
    return (
        f"Test set evaluated {looks:,} times since training. If you use it to choose a model, its score is biased:"
        " measure the choice on other pictures."
    )


def _value(path: Path, key: str, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))[key]
        if not isinstance(value, kind):
            raise TypeError(f"{key} is {value!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read.", f"Reading it failed: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error
    return value
