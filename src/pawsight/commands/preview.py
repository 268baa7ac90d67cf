"""The verb `preview`: sheets of pictures of each class, and of flips and rotations of one, before training.

The sheets are drawn in reports/preview_sheets.py.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pawsight.commands.inspect import count_sentence, dataset_of, training_counts
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import cache_folder
from pawsight.core.progress import ProgressLike, progress_of
from pawsight.core.runs import mark_output
from pawsight.core.storage import as_path, new_folder, sha256_of, write_bytes
from pawsight.core.text import typed
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.reading import FolderReading
from pawsight.data.sources import listed, resolve
from pawsight.images.contact_sheet import png_of
from pawsight.images.decode import DecodeSettings, GreyRange, Pixels, decode
from pawsight.images.loader import read_regular_file
from pawsight.reports.preview_sheets import four_flips, grid, rotations

GRID, FLIPS, ROTATIONS = "grid.png", "flips.png", "rotations.png"
MOST_ROWS, COLUMNS = 12, 3  # of the grid
_TILE_PX = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewReport:
    """Where the sheets are, and what they show."""

    data: str
    out: Path  # the folder that holds the three files below
    grid: Path
    flips: Path
    rotations: Path
    counts: dict[str, int]  # pictures to train on, by class
    shown: dict[str, tuple[str, ...]]  # names of the pictures in the grid, by class
    left_out: int  # files that are not readable pictures
    data_notes: tuple[str, ...]  # how the folders were read, where it could have been otherwise
    seed: int

    @property
    def baseline(self) -> float:
        """Share of the commonest class among the pictures to train on."""
        return max(self.counts.values()) / sum(self.counts.values())

    @property
    def commonest(self) -> str:
        """The class with the most pictures to train on, the first by name where several have as many."""
        return max(self.counts, key=lambda label: self.counts[label])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `preview --json` prints them."""
        return {
            "data": self.data,
            "out": str(self.out),
            "files": {"grid": str(self.grid), "flips": str(self.flips), "rotations": str(self.rotations)},
            "classes": list(self.counts),
            "counts": self.counts,
            "sentence": count_sentence(self.counts),
            "baseline": self.baseline,
            "shown": {label: list(names) for label, names in self.shown.items()},
            "classes_not_shown": len(self.counts) - len(self.shown),
            "left_out": self.left_out,
            "data_notes": list(self.data_notes),
            "seed": self.seed,
        }


def preview(
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    reading: FolderReading | None = None,
    columns: Mapping[str, str] | None = None,
    progress: ProgressLike = None,
) -> PreviewReport:
    """Draw a grid of pictures of each class, and what flips and rotations make of one of them.

    Args:
        data: as for `train`.
        out: a folder that does not exist yet or is empty; without it ./preview, or ./preview-2 and so on.
        seed: of the choice of pictures and of their rotations.
        columns, reading: as for `train`.
        progress: as for `train`.

    Raises:
        DataError: it cannot be trained on, and why.
        WrongUsage: `out` holds something.
    """
    progress = progress_of(progress)
    if reading is not None and reading.several_labels:
        raise WrongUsage(
            "pawsight preview draws pictures that are of one class each.",
            f"{shlex.join(reading.words())} says that a picture may have several labels.",
            f"To see the pictures and their labels, type: {typed('inspect', data, *reading.words(), '--report')}",
        )
    folder, cache = _free_folder(out), cache_folder()
    source = listed(resolve(data, cache=cache, reading=reading, columns=columns, progress=progress), progress)
    dataset = dataset_of(source, cache=cache, progress=progress)
    counts = training_counts(dataset)
    chosen = _chosen(dataset, counts, seed)
    _write_sheets(folder, source.name, counts, chosen, seed, dataset.grey_range)
    return PreviewReport(
        data=source.name,
        out=folder,
        grid=folder / GRID,
        flips=folder / FLIPS,
        rotations=folder / ROTATIONS,
        counts=counts,
        shown={label: tuple(picture.name for picture in pictures) for label, pictures in chosen.items()},
        left_out=len(dataset.left_out),
        data_notes=(*dataset.warnings, *dataset.notes),
        seed=seed,
    )


def summary(report: PreviewReport) -> list[str]:
    """Return what was drawn, and where it is, as lines of text."""
    hidden = len(report.counts) - len(report.shown)
    cut = f", {hidden:,} more {'class is' if hidden == 1 else 'classes are'} not shown" if hidden else ""
    out = report.out.relative_to(Path.cwd()) if report.out.is_relative_to(Path.cwd()) else report.out
    left_out = []
    if report.left_out:
        noun = "1 file is" if report.left_out == 1 else f"{report.left_out:,} files are"
        left_out = [f"{noun} left out; see pawsight inspect."]
    return [
        count_sentence(report.counts),
        f"Always answering {report.commonest} would be right {100 * report.baseline:.1f} % of the time.",
        *left_out,
        f"{out / GRID}: pictures of each class{cut}",
        f"{out / FLIPS}: the four flips of one of them",
        f"{out / ROTATIONS}: random rotations of the same",
    ]


def _chosen(dataset: Dataset, counts: Mapping[str, int], seed: int) -> dict[str, list[Picture]]:
    """Choose pictures of the first classes, by their content and the seed alone."""
    to_train = [picture for picture in dataset.pictures if picture.part in ("train", None)]
    by_label: dict[str, dict[str, Picture]] = {label: {} for label in counts}
    for picture in reversed(to_train):  # so that of equal pictures the first by name is kept
        by_label[picture.label][sha256_of(f"{seed}:{picture.sha256}".encode())] = picture
    ranked = {label: [pictures[rank] for rank in sorted(pictures)] for label, pictures in by_label.items() if pictures}
    return {label: pictures[:COLUMNS] for label, pictures in list(ranked.items())[:MOST_ROWS]}


def _write_sheets(
    folder: Path,
    title: str,
    counts: Mapping[str, int],
    chosen: Mapping[str, Sequence[Picture]],
    seed: int,
    grey_range: GreyRange | None,
) -> None:
    settings = DecodeSettings(image_px=_TILE_PX, grey_range=grey_range)
    rows = {label: [_pixels(picture, settings) for picture in pictures] for label, pictures in chosen.items()}
    example = next(iter(rows.values()))[0]
    sheets = {
        GRID: grid(title, count_sentence(counts), counts, rows),
        FLIPS: four_flips(example),
        ROTATIONS: rotations(example, seed),
    }
    with new_folder(folder) as unfinished:
        mark_output(unfinished)
        for name, sheet in sheets.items():
            write_bytes(unfinished / name, png_of(sheet))


def _pixels(picture: Picture, settings: DecodeSettings) -> Pixels:
    return decode(read_regular_file(picture.path), settings, name=picture.name).pixels


def _free_folder(out: str | os.PathLike[str] | None) -> Path:
    """Return the folder to make: the one asked for, else ./preview or the first of ./preview-2, ... that is free."""
    if out is None:
        names = (Path("preview" if number == 1 else f"preview-{number}") for number in count(1))
        return next(path for path in names if not os.path.lexists(path)).absolute()
    folder = as_path(out).absolute()
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUsage(
            f"{folder} is not empty.",
            "preview overwrites nothing.",
            "Give --out a folder that does not exist yet.",
        )
    return folder
