"""The folder of a run while it is being made: opened anew or found again, and cleared where nothing is worth keeping.

Enters: `Material` without its folder. Leaves: a folder with recipe, split and catalog in it. Does not know: what is
trained.

A run is finished when it has its metrics, and its lock and its checkpoint are gone. An unfinished one can be gone on
with; its `source.json` carries the identity of everything its numbers depend on, and only an equal run may take it up.
A folder with nothing in it, whose process was killed before it wrote that, is anybody's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pawsight.core.errors import TrainingFailed
from pawsight.core.runs import CATALOG, METRICS, RECIPE, SOURCE, SPLITS, new_run, write_table
from pawsight.core.storage import remove, write_json, write_text
from pawsight.data.dataset import Dataset
from pawsight.data.split import Split
from pawsight.training.checkpoint import FILE as CHECKPOINT
from pawsight.training.claim import LOCK, claim, taken
from pawsight.training.material import Material

BUNDLE = "bundle"


def open_folder(material: Material, *, resume: bool) -> Path:
    """Return the folder of a run, with its tables written, held until `material.place.held` closes.

    Args:
        material: of the run; its own folder is not looked at.
        resume: take up the newest unfinished run with the same identity, where there is one.

    Raises:
        StorageError: another process is making the run that is to be taken up, or the disk refused.
    """
    folder = _taken_up(material) if resume else None
    if folder is None:
        if resume:
            material.place.progress.say(
                "Resume   there is no unfinished run of this recipe on this data; starting a new one"
            )
        folder = _begun(material)
    with kept_or_cleared(folder):
        _write_tables(folder, material)
    return folder


def _taken_up(material: Material) -> Path | None:
    """Claim the newest run that can be gone on with, and clear what is half done in it."""
    place, identity = material.place, material.identity
    for folder in _numbered(place.runs):
        if not _is_unfinished(folder, identity):
            continue
        with ExitStack() as held:
            is_ours = claim(folder, held)
            if not is_ours and not _is_bare(folder):
                raise taken(folder)
            if is_ours and _is_unfinished(folder, identity):  # nobody finished it in between
                place.held.push(held.pop_all())
                place.progress.say(f"Resume   {folder}")
                _clear_parts(folder)
                return folder
    return None


def _begun(material: Material) -> Path:
    """Make a run folder of our own; one that somebody takes up at once, having found it empty, is left to them."""
    while True:
        folder = new_run(material.place.runs)
        with kept_or_cleared(folder):
            if claim(folder, material.place.held):
                return folder


def _write_tables(folder: Path, material: Material) -> None:
    """Write what is known before training; the identity comes first, so that a run killed here is found again."""
    source = {"root": str(material.catalog.root.absolute()), "identity": material.identity}
    write_json(folder / SOURCE, source)
    write_text(folder / RECIPE, material.recipe.to_toml())
    write_split(folder / SPLITS, material.split)
    write_catalog(folder / CATALOG, material.catalog)


@contextmanager
def kept_or_cleared(folder: Path) -> Iterator[None]:
    """Take a run folder away when what fills it fails or is stopped, unless it has a checkpoint to go on from.

    A run that a tripwire ended is taken away too: going on from its checkpoint would end in the same place.
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


def clear_scaffolding(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _numbered(runs: Path) -> list[Path]:
    """Return the run folders, the newest first."""
    numbered = [path for path in runs.glob("*") if path.name.isdecimal()] if runs.is_dir() else []
    return [path.absolute() for path in sorted(numbered, key=lambda path: -int(path.name))]


def _is_unfinished(folder: Path, identity: str) -> bool:
    """Say whether a run with this identity can go on here."""
    is_finished = (folder / METRICS).exists() and not any((folder / name).exists() for name in (CHECKPOINT, LOCK))
    return not is_finished and (_identity_of(folder) == identity or _is_bare(folder))


def _is_bare(folder: Path) -> bool:
    """Say whether nothing has been written here yet."""
    return folder.is_dir() and not any(path.name != LOCK and not path.match(".*.part") for path in folder.iterdir())


def _identity_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / SOURCE).read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, KeyError, TypeError):  # killed before it was written: there is nothing to go on with
        return ""


def _clear_parts(folder: Path) -> None:
    """Remove what a killed process left under temporary names, and a bundle that was not measured."""
    for path in (folder / BUNDLE, *folder.rglob(".*.part")):
        remove(path)


def write_split(path: Path, split: Split) -> None:
    """Write splits.csv: every picture's content, label and part."""
    rows = [(one.name, one.sha256, one.label, one.part) for one in split.assigned]
    write_table(path, ("path", "sha256", "label", "part"), rows)


def write_catalog(path: Path, catalog: Dataset) -> None:
    """Write catalog.csv: every file, with what it is or why it was left out."""
    used = [
        (one.name, one.label, one.sha256, one.facts.width, one.facts.height, one.facts.format, "")
        for one in catalog.pictures
    ]
    unused = [(one.name, "", "", "", "", "", one.reason) for one in catalog.left_out]
    write_table(path, ("path", "label", "sha256", "width", "height", "format", "left_out"), [*used, *unused])
