"""The folder of a run while it is being made: opened or resumed, locked, and removed where nothing is worth keeping.

A run is finished when it has its metrics, and its lock and checkpoint are gone. An unfinished one can be resumed: its
`source.json` carries everything its numbers depend on and an identity, a digest of that. Only a run with the same
identity that asks for no fewer epochs may resume it. An empty folder, whose process was killed before it wrote that,
may be resumed by any run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pawsight.core.errors import StorageError, TrainingFailed
from pawsight.core.runs import BUNDLE, CATALOG, LOCK, METRICS, RECIPE, SOURCE, SPLITS, new_run, source_json, write_table
from pawsight.core.storage import file_lock, remove, write_json, write_text
from pawsight.training.checkpoint import FILE as CHECKPOINT
from pawsight.training.context import TrainingContext

_FINISHED = "is finished"
_SHOWN = 12  # characters of a value in a message: enough of a digest


def open_run_folder(context: TrainingContext, *, resume: bool) -> Path:
    """Return the folder of a run, with its tables written, locked until `context.env.held` closes.

    Args:
        context: of the run; its own folder is ignored.
        resume: use the newest unfinished run that this one continues, where there is one; else say what differs.

    Raises:
        StorageError: another process is making the run that is to be resumed, or the disk refused.
    """
    folder = _resumed(context) if resume else None
    if folder is None:
        folder = _new(context)
    with kept_or_removed(folder):
        _write_tables(folder, context)
    return folder


def _resumed(context: TrainingContext) -> Path | None:
    """Lock the newest run that can be resumed, and remove what is half written in it; None where there is none."""
    env = context.env
    numbered = [path.absolute() for path in env.runs.glob("*") if path.name.isdecimal()] if env.runs.is_dir() else []
    reasons: dict[str, str] = {}  # why the newest finished and the newest unfinished run are not resumed
    for folder in sorted(numbered, key=lambda path: -int(path.name)):
        if why := _why_not_resumed(folder, context):
            reasons.setdefault("finished" if why == _FINISHED else "unfinished", f"{folder.name} {why}")
            continue
        with ExitStack() as held:
            is_ours = acquire_lock(folder, held)
            if not is_ours and not _is_empty(folder):
                raise StorageError(
                    f"Another process is training in {folder}.",
                    "Two processes that write into one run would spoil it.",
                    "Wait for it to end, or stop it; without --resume a new run begins.",
                )
            if is_ours and not _why_not_resumed(folder, context):  # no process finished it in between
                env.held.push(held.pop_all())
                there, here = (_source_of(folder).get("basis") or {}).get("epochs"), context.recipe.epochs
                more = "" if there in (None, here) else f": epochs {there} there, {here} here"
                env.progress.say(f"Resume   {folder}{more}")
                for leftover in (folder / BUNDLE, *folder.rglob(".*.part")):  # a bundle that was not measured, too
                    remove(leftover)
                return folder
    reason = reasons.get("unfinished") or reasons.get("finished")
    env.progress.say(
        "Resume   there is no unfinished run of this recipe on this data; starting a new one"
        + (f" ({reason})" if reason else "")
    )
    return None


def _why_not_resumed(folder: Path, context: TrainingContext) -> str:
    """Say why a run cannot be resumed, with what differs there and here; empty where it can."""
    if (folder / METRICS).exists() and not any((folder / name).exists() for name in (CHECKPOINT, LOCK)):
        return _FINISHED
    if _is_empty(folder):
        return ""
    source, here = _source_of(folder), context.basis()
    there = source.get("basis")
    if not isinstance(there, dict):
        return "was begun by another version of Pawsight"
    differing = [name for name in here if there.get(name) != here[name]]
    if source.get("identity") == context.identity() and there.get("epochs", 0) <= context.recipe.epochs:
        return ""
    if "name" in differing:
        return f"is unfinished: recipe {there.get('name')} there, {here['name']} here"
    shown = [
        f"{name.replace('_', '-')} {str(there.get(name))[:_SHOWN]} there, {str(here[name])[:_SHOWN]} here"
        for name in differing
    ]
    return f"is unfinished: {'; '.join(shown)}"


def _new(context: TrainingContext) -> Path:
    """Make and lock a new run folder; one that another process resumes while it is empty is left to it."""
    while True:
        folder = new_run(context.env.runs)
        with kept_or_removed(folder):
            if acquire_lock(folder, context.env.held):
                return folder


def acquire_lock(folder: Path, until: ExitStack) -> bool:
    """Lock a run folder until a stack of contexts closes; False where another process holds the lock.

    Raises:
        StorageError: the disk refused.
    """
    try:
        until.enter_context(file_lock(folder / LOCK, remove_after=True))
    except TimeoutError:
        return False
    return True


@contextmanager
def kept_or_removed(folder: Path) -> Iterator[None]:
    """Remove a run folder when what fills it fails or is stopped, unless it has a checkpoint to resume from.

    A run that a training diagnostic ended is removed too: resuming from its checkpoint would end the same way.
    """
    try:
        yield
    except TrainingFailed:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        if not (folder / CHECKPOINT).exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def remove_checkpoint(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _is_empty(folder: Path) -> bool:
    """Say whether nothing has been written here yet."""
    return folder.is_dir() and not any(path.name != LOCK and not path.match(".*.part") for path in folder.iterdir())


def _source_of(folder: Path) -> dict[str, Any]:
    """Return the values of source.json; none where it is missing, or was not whole when the process was killed."""
    try:
        values = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write_tables(folder: Path, context: TrainingContext) -> None:
    """Write what is known before training; the identity comes first, so that a run killed here is found again."""
    dataset = context.dataset
    source = source_json(folder, dataset.root, context.identity(), reading=dataset.reading.to_json())
    command = {"command": context.env.command} if context.env.command else {}
    write_json(folder / SOURCE, {**source, **command, "basis": context.basis()})
    write_text(folder / RECIPE, context.recipe.to_toml())
    split = [
        (assigned.name, assigned.sha256, assigned.label, assigned.part, assigned.group)
        for assigned in context.split.assigned
    ]
    write_table(folder / SPLITS, ("path", "sha256", "label", "part", "group"), split)
    used = [
        (picture.name, picture.label, picture.sha256, facts.width, facts.height, facts.format, "")
        for picture in dataset.pictures
        for facts in [picture.facts]
    ]
    unused = [(file.name, "", "", "", "", "", file.reason) for file in dataset.left_out]
    header = ("path", "label", "sha256", "width", "height", "format", "left_out")
    write_table(folder / CATALOG, header, [*used, *unused])
