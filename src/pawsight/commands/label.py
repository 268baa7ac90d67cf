"""The verb `label`: names for pictures that have none, on a page of this machine, and the table that `train` takes.

Which pictures come next is chosen in training/labelling.py, the page is served by web/label_page.py.
"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.predictor import Predictor, load_predictor
from pawsight.core.cache import Cache
from pawsight.core.errors import DataError, NoPictures, WrongUsage, require_extra
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Progress, ProgressLike, Step, Stopwatch, progress_of
from pawsight.core.runs import RECIPE, from_here
from pawsight.core.storage import as_path
from pawsight.core.text import legible, plural, typed
from pawsight.data.dataset import FileRead, Picture, grey_range_of, is_lost, read_files
from pawsight.data.folders import clean_label, expand, name_below
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.label_patch import DROP, RELABEL, Decision, read_patch
from pawsight.data.parts import part_named, says_nothing, says_unlabelled
from pawsight.data.reading import may_be_picture
from pawsight.images.decode import DECODER_VERSION, DecodeSettings, GreyRange
from pawsight.images.loader import while_storage_answers
from pawsight.models.recipes import BLOCKS, RecipeOptions, make_recipe
from pawsight.training.features import FeatureSink, feature_sink, probe_recipe, recipe_of
from pawsight.training.labelling import SURE, UNNAMED, Adviser, principal_components

TABLE = "labels.csv"
_MOST_OFFERED = 50  # names of folders


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class LabelReport:
    """The pictures of a folder, what is known of their names, and what says which of them to name next."""

    folder: Path
    table: Path  # where names are kept
    contents: tuple[tuple[Picture, ...], ...]  # each with its exact copies, which have one name
    offered: tuple[str, ...]  # names to choose from before any was given: classes of the run, else folders
    left_out: tuple[LeftOut, ...]  # pictures that cannot be read
    adviser: Adviser
    grey_range: GreyRange | None

    def __repr__(self) -> str:
        return f"LabelReport({str(self.folder)!r}: {plural(self.pictures, 'picture')}, names in {str(self.table)!r})"

    @property
    def pictures(self) -> int:
        """Files that can be read, copies among them."""
        return sum(map(len, self.contents))

    @property
    def named(self) -> int:
        """How many contents have a name in the table."""
        return int((self._labels()[0] != UNNAMED).sum())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object a picture, as `label --json` prints them: its name, or the one that is suggested.

        A picture that was put aside has neither.
        """
        labels, classes = self._labels()
        dropped = {line.sha256 for line in table_of(self.table) if line.action == DROP}
        is_aside = np.array([copies[0].sha256 in dropped for copies in self.contents])
        _, groups = self.adviser.next(labels, is_aside, len(classes), SURE, most=len(labels))
        suggested = {int(row): number for rows, number in groups for row in rows}
        for row, copies in enumerate(self.contents):
            number = suggested.get(row)
            for picture in copies:
                yield {
                    "path": legible(picture.name),
                    "sha256": picture.sha256,
                    "label": classes[labels[row]] if labels[row] != UNNAMED else None,
                    "suggested": None if number is None else classes[number],
                }

    def _labels(self) -> tuple[NDArray[np.int64], list[str]]:
        """Return the index of the name (N,) of each content, `UNNAMED` where there is none, and the names."""
        known = {(line.sha256, line.path): line.label for line in table_of(self.table) if line.action == RELABEL}
        classes = list(dict.fromkeys([*self.offered, *known.values()]))
        labels = [
            next((name for copy in copies if (name := known.get((copy.sha256, copy.name)))), None)
            for copies in self.contents
        ]
        return np.array([UNNAMED if name is None else classes.index(name) for name in labels], np.int64), classes


def label(
    folder: str | os.PathLike[str],
    *,
    run: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = TABLE,
    seed: int = 0,
    max_megapixels: int | None = None,
    progress: ProgressLike = None,
) -> LabelReport:
    """Read the pictures of a folder and find out which of them look alike.

    Features are those of the backbone of the run, else of the default recipe; they come from the cache, or go there, so
    that a later `train` finds them.

    Args:
        folder: with pictures, at any depth. Nothing in it is changed.
        run: a run or bundle folder, whose answers are the first suggestions and whose classes are the first names.
        out: the table of names, a CSV; one that `label` wrote is continued.
        seed: of the clusters.
        max_megapixels: width x height of a picture, in millions; larger ones are left out. None: 50, or the run's.
        progress: as for `train`.

    Raises:
        WrongUsage: there is no such folder, the table is another file, or the run gives several labels to a picture.
        NoPictures: no picture can be read. StorageError: the disk or network share does not answer.
        BundleRefused: the run cannot be used.
    """
    progress = progress_of(progress)
    root, table = as_path(folder), Path(os.path.abspath(as_path(out)))
    _check_places(root, table)
    machine, cache = this_machine(), cache_folder()
    recipe, settings, predictor = make_recipe("probe", RecipeOptions()), None, None
    if run is not None:
        predictor = load_predictor(run, max_megapixels=max_megapixels, progress=progress)
        if predictor.bundle.card.several_labels:
            raise WrongUsage(
                f"{run} gives several labels to a picture.",
                "label gives each picture one name.",
                f"Leave --run out: {typed('label', root)}",
            )
        settings = predictor.bundle.card.decode
        recipe = probe_recipe(recipe_of(as_path(run))) if (as_path(run) / RECIPE).is_file() else recipe
    candidates = tuple(
        Candidate(path, _name_of(path, table), "", None) for path in expand([root]) if may_be_picture(path.name)
    )
    if settings is None:
        settings = DecodeSettings(image_px=recipe.image_px)
        settings = replace(settings, max_megapixels=max_megapixels or settings.max_megapixels)
        found = Found(root, candidates, (), (), ())
        greys = grey_range_of(found, settings, threads=machine.feeders, progress=progress)
        settings = replace(settings, grey_range=greys)
    settings = replace(settings, image_px=recipe.image_px, version=DECODER_VERSION)
    with Cache(cache / "cache", refused=progress.say) as store:
        sink = feature_sink(recipe, store, machine, Stopwatch(), grey_range=settings.grey_range)
        files = read_files(candidates, settings, cache=store, threads=machine.feeders, sink=sink)
        with progress.stage("Reading pictures", len(candidates), "pictures") as step, sink.kept(), closing(files):
            copies, left_out = _sorted_out(files, sink, step)
        if not copies:
            raise _no_pictures(root, left_out)
        features = sink.features_of(list(copies))
        scores = principal_components(features, features.depths[BLOCKS], seed=seed)
    contents = tuple(map(tuple, copies.values()))
    earlier = None if predictor is None else _answers(predictor, contents, progress)
    return LabelReport(
        folder=root,
        table=table,
        contents=contents,
        offered=tuple(predictor.classes) if predictor is not None else _folder_names(root, contents),
        left_out=tuple(left_out),
        adviser=Adviser(scores, seed=seed, earlier=earlier),
        grey_range=settings.grey_range,
    )


def _sorted_out(
    files: Iterator[FileRead], sink: FeatureSink, step: Step
) -> tuple[dict[str, list[Picture]], list[LeftOut]]:
    """Send pixels to the backbone; return the pictures by content, and those that cannot be read."""
    copies: dict[str, list[Picture]] = defaultdict(list)
    left_out = []
    for file in while_storage_answers(files, lambda file: (file.candidate.name, file.problem)):
        step.advance()
        place = file.candidate
        if file.facts is None:
            left_out.append(LeftOut(place.name, file.problem))
            continue
        if file.pixels is not None and file.sha256 not in copies:
            sink.take(file.sha256, file.pixels)
        facts = replace(file.facts, thumbnail=b"")  # 3 kB a picture that nothing here looks at
        copies[file.sha256].append(Picture(place.path, place.name, "", None, file.sha256, facts))
    return copies, [file for file in left_out if is_lost(file)]


def _answers(predictor: Predictor, contents: Sequence[tuple[Picture, ...]], progress: Progress) -> NDArray[np.float32]:
    """Return the probabilities (N, C) of a classifier; all the same where a picture cannot be read any more."""
    found = np.full((len(contents), len(predictor.classes)), 1 / len(predictor.classes), np.float32)
    with progress.stage("Asking the run", len(contents), "pictures") as step:
        for row, (_, outputs) in enumerate(predictor.outputs(first.path for first, *_ in contents)):
            step.advance()
            if outputs is not None:
                found[row] = outputs["probabilities"]
    return found


def _check_places(root: Path, table: Path) -> None:
    """Refuse what is no folder, and a table that `label` did not write."""
    if not root.is_dir():
        raise WrongUsage(
            f"{root} is no folder.",
            "label names the pictures in a folder." if root.exists() else "There is nothing of that name.",
            "Type for example: pawsight label photos/",
        )
    if not table.parent.is_dir():
        raise WrongUsage(f"There is no folder {table.parent}.", "The table is written into it.", "Make it first.")
    table_of(table)


def table_of(table: Path) -> tuple[Decision, ...]:
    """Return the lines of a table of names; none where it is not there yet.

    Raises:
        WrongUsage: it is a file that `label` did not write. StorageError: it cannot be read.
    """
    if not table.exists():
        return ()
    if table.is_dir():
        fix = f"Type --out {shlex.quote(str(from_here(table / TABLE)))}"
        raise WrongUsage(f"{table} is a folder.", "The names are written to a file.", fix)
    try:
        return read_patch(table).decisions
    except DataError as error:
        raise WrongUsage(
            f"{table} is not a table that pawsight label wrote.",
            f"{error.what} {error.why}",
            "Name another: --out FILE",
        ) from error


def _name_of(path: Path, table: Path) -> str:
    """Return a picture's path as the table has it: from the table's folder where it lies below that, else absolute."""
    absolute = Path(os.path.abspath(path))
    return name_below(table.parent, absolute) if absolute.is_relative_to(table.parent) else absolute.as_posix()


def _folder_names(root: Path, contents: Sequence[tuple[Picture, ...]]) -> tuple[str, ...]:
    """Return the names of the first folders below the root, where they may be classes."""
    paths = [first.path.relative_to(root) for first, *_ in contents]
    names = {path.parts[0] for path in paths if len(path.parts) > 1}
    good = [name for name in names if not (part_named(name) or says_nothing(name) or says_unlabelled(name))]
    return tuple(map(clean_label, sorted(good))) if 1 < len(good) <= _MOST_OFFERED else ()


def _no_pictures(root: Path, left_out: Sequence[LeftOut]) -> NoPictures:
    first = f" The first is {left_out[0].name}: {left_out[0].reason}." if left_out else ""
    return NoPictures(
        f"No picture in {root} can be read.",
        f"{plural(len(left_out), 'picture')} could not be read.{first}" if left_out else "It holds no pictures.",
        "Name a folder with pictures.",
    )


def summary(report: LabelReport) -> list[str]:
    """Return what was found as lines of text."""
    copies = report.pictures - len(report.contents)
    lines = [
        plural(report.pictures, "picture")
        + (f", of which {copies:,} {'is a copy' if copies == 1 else 'are copies'} of others" if copies else "")
    ]
    if named := report.named:
        have = f"{plural(named, 'picture')} {'has' if named == 1 else 'have'}"
        lines.append(f"{have} a name in {os.path.relpath(report.table)}.")
    if report.left_out:
        first = report.left_out[0]
        lines.append(
            f"{plural(len(report.left_out), 'picture')} cannot be read, the first: {first.name} ({first.reason})."
        )
    return lines


def check_page() -> None:
    """Raise where the page cannot be served.

    Raises:
        MissingExtra: pawsight[serve] is not installed.
    """
    require_extra(
        "serve",
        "starlette",
        "uvicorn",
        needed_by="The labelling page",
        why="What is suggested needs no web server: pawsight label FOLDER --json",
    )


def open_page(
    report: LabelReport, *, port: int = 0, ready: Callable[[str], None], stop: Event | None = None
) -> list[str]:
    """Serve the page on this machine until it is stopped, and return lines that say what was named.

    Args:
        report: from `label`.
        port: of 127.0.0.1; 0 takes a free one.
        ready: called with the page's address once it can be opened.
        stop: ends it from another thread.

    Raises:
        MissingExtra: pawsight[serve] is not installed. WrongUsage: the port is taken.
    """
    check_page()
    from pawsight.web.label_page import LabelSession, serve_label

    board = {
        "name": report.folder.name or str(report.folder),
        "table": str(report.table),
        "command": command_of(report),
        "left_out": len(report.left_out),
    }
    session = LabelSession(
        report.contents,
        report.table,
        adviser=report.adviser,
        offered=report.offered,
        board=board,
        grey_range=report.grey_range,
    )
    serve_label(session, port=port, ready=ready, stop=stop)
    state = session.state()
    if not state["named"]:
        return ["Nothing was named."]
    used = sum(name["pictures"] > 0 for name in state["names"])
    lines = [
        f"{state['named']:,} of {plural(len(report.contents), 'picture')} have a name, {plural(used, 'name')} in all;"
        f" the table is {os.path.relpath(report.table)}."
    ]
    return [
        *lines,
        f"Next: {command_of(report)}" if used > 1 else "Two names are needed to train; go on with the same command.",
    ]


def command_of(report: LabelReport) -> str:
    """Return the command that trains on the table."""
    return typed("train", os.path.relpath(report.table))
