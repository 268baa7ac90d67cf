"""The folder of a run while it is being made: opened anew or found again, and cleared where nothing is worth keeping.

Enters: `Material` without its folder. Leaves: a folder with recipe, split and catalog in it. Does not know: what is
trained.

A run is finished when it has its metrics and its checkpoint is gone. An unfinished one can be gone on with; its
`source.json` carries the identity of everything its numbers depend on, and only an equal run may take it up.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pawsight.data.catalog import Catalog
from pawsight.data.split import Split
from pawsight.errors import TrainingFailed
from pawsight.runs import CATALOG, METRICS, RECIPE, SOURCE, SPLITS, new_run, write_table
from pawsight.storage import write_json, write_text
from pawsight.training.checkpoint import FILE as CHECKPOINT
from pawsight.training.material import Material

BUNDLE = "bundle"


def open_folder(material: Material, *, resume: bool) -> Path:
    """Return the folder of a run, with its tables written.

    Args:
        material: of the run; its own folder is not looked at.
        resume: take up the newest unfinished run with the same identity, where there is one.
    """
    folder = _unfinished(material.place.runs, material.identity) if resume else None
    if folder is not None:
        material.place.progress.say(f"Resume   {folder}")
        _clear_parts(folder)
    else:
        if resume:
            material.place.progress.say(
                "Resume   there is no unfinished run of this recipe on this data; starting a new one"
            )
        folder = new_run(material.place.runs)
    _write_tables(folder, material)
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


def _unfinished(runs: Path, identity: str) -> Path | None:
    """Return the newest run with this identity that has no metrics, or was killed before it was cleared."""
    numbered = [path for path in runs.glob("*") if path.name.isdecimal()] if runs.is_dir() else []
    for folder in sorted(numbered, key=lambda path: -int(path.name)):
        is_finished = (folder / METRICS).exists() and not (folder / CHECKPOINT).exists()
        if not is_finished and _identity_of(folder) == identity:
            return folder.absolute()
    return None


def _identity_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / SOURCE).read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, KeyError, TypeError):  # killed before it was written: there is nothing to go on with
        return ""


def _clear_parts(folder: Path) -> None:
    """Remove what a killed process left under temporary names, and a bundle that was not measured."""
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    for path in folder.glob(".*.part"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_split(path: Path, split: Split) -> None:
    """Write splits.csv: every picture's content, label and part."""
    rows = [(one.name, one.sha256, one.label, one.part) for one in split.assigned]
    write_table(path, ("path", "sha256", "label", "part"), rows)


def write_catalog(path: Path, catalog: Catalog) -> None:
    """Write catalog.csv: every file, with what it is or why it was left out."""
    used = [
        (one.name, one.label, one.sha256, one.facts.width, one.facts.height, one.facts.format, "")
        for one in catalog.pictures
    ]
    unused = [(one.name, "", "", "", "", "", one.reason) for one in catalog.left_out]
    write_table(path, ("path", "label", "sha256", "width", "height", "format", "left_out"), [*used, *unused])
