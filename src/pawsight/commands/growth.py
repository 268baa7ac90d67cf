"""A run that grows (`train --from RUN --add NEW`): its pictures and options before training, and what was gained after.

Which pictures are new is decided in data/growth.py, the parts of new ones in data/given_split.py.
"""

from __future__ import annotations

import math
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import answer_texts, load_predictor
from pawsight.commands.run_split import held_out, reading_of, run_folder
from pawsight.core.errors import BadDataset, ModelError, StorageError, UnreadablePicture, WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Progress
from pawsight.core.runs import METRICS, PREDICTIONS, SPLITS, from_here, read_table
from pawsight.core.storage import as_path, sha256_of
from pawsight.core.text import typed
from pawsight.core.thread_pool import ordered_map
from pawsight.data.dataset import LOSS_ALLOWED, check_found
from pawsight.data.folders import name_below
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.given_split import SplitFile, read_split_file
from pawsight.data.groups import is_found
from pawsight.data.growth import Growth, grow
from pawsight.data.parts import PARTS
from pawsight.data.reading import MISSING, FolderReading
from pawsight.data.sources import Source, listed, resolve
from pawsight.data.split import Assigned, Split
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.growth import Change, changed
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import read_regular_file
from pawsight.reports.growth import GrownPart, GrowthRecord
from pawsight.reports.run_record import RunRecord

HELD_OUT = ("validation", "test")
FROM_COMMAND = ("false_alarms", "answer_all", "folds")  # options that of the files of a run only its command has
Placed = tuple[Candidate, str]  # a picture of a run where it lies now, and its SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingRun:
    """A finished run, and the pictures that it grows by."""

    folder: Path
    record: RunRecord
    rows: tuple[Candidate, ...]  # every picture of the run's split, also those that are gone
    contents: Mapping[str, str]  # name -> SHA-256 of each when the run was made
    growth: Growth
    source: Source  # of all pictures
    given: SplitFile  # the parts of the run's pictures


def growing_run(
    run: str | os.PathLike[str],
    add: str | os.PathLike[str] | None,
    *,
    merged: Mapping[str, str],
    dropped: Iterable[str],
    place: str | os.PathLike[str] | None,
    reading: FolderReading | None,
    columns: Mapping[str, str] | None,
    allow_missing: float | None,
    progress: Progress,
) -> GrowingRun:
    """Read a run, find its pictures again, and join them with what is added.

    Args:
        run: as the user named it.
        add: any source of labelled pictures.
        merged, dropped: as for `grow`.
        place: DATA in which the run's pictures lie now, e.g. another folder; None is where they were.
        reading, columns: how `add` is read.
        allow_missing: largest share of the run's pictures that may be gone; None is a tenth.
        progress: hears what is found.

    Raises:
        WrongUsage: `run` is no finished run with a split, or fewer than two classes are left. BadDataset: too many of
            its pictures are gone, or what is added has no labels. StorageError: a file of the run cannot be read.
    """
    folder = run_folder(as_path(run))
    if not (folder / SPLITS).is_file() or not (folder / METRICS).is_file():
        raise WrongUsage(
            f"{folder} cannot grow: it has no {SPLITS if not (folder / SPLITS).is_file() else METRICS}.",
            "It is a bundle without its run, which does not say what pictures it was trained and measured on.",
            "Name the run, e.g. --from runs/latest; or train on all pictures: pawsight train DATA",
        )
    lie_in = None if place is None else resolve(place, cache=cache_folder(), progress=progress).root
    parts = [held_out(folder, part, place=lie_in, progress=progress) for part in PARTS]
    rows = tuple(file for part in parts for file in part.candidates)
    contents = {name: sha256 for part in parts for name, sha256 in part.contents.items()}
    root, own_reading = parts[0].place, reading_of(folder) or FolderReading()
    there, missing, displaced = _as_they_were(rows, contents, (folder / SPLITS).stat().st_mtime, progress)
    there += _moved(missing, contents, displaced, root)
    added, digests = None, list[str]()
    if add is not None:
        reading = _reading_of_added(own_reading, reading, folder)
        source = resolve(add, cache=cache_folder(), reading=reading, columns=columns, progress=progress)
        added = _in_groups_of(own_reading, listed(source, progress).find())
        check_found(added, is_addition=True)
        digests = _digests(added.candidates, progress)
        files = [(file.path, sha256) for file, sha256 in zip(added.candidates, digests, strict=True)]
        there += _moved(missing, contents, files, root)
    _check_there(folder, rows, missing, root, add, LOSS_ALLOWED if allow_missing is None else allow_missing)
    growth = grow(
        Found(
            root,
            tuple(file for file, _ in there),
            tuple(LeftOut(file.name, MISSING) for file in missing),
            (),
            (),
            reading=own_reading,
            is_table=True,
            several_labels=own_reading.several_labels,
        ),
        {file.name: sha256 for file, sha256 in there},
        added,
        digests,
        merged=merged,
        dropped=dropped,
    )
    if (growth.merged or growth.dropped) and len(growth.found.folders) < 2:
        left = ", ".join(map(repr, growth.found.folders)) or "none"
        raise WrongUsage(
            f"{'--drop' if growth.dropped else '--merge'} leaves fewer than two classes: {left}.",
            "A classifier chooses between two at least.",
            "Leave the option out for one of them, or add pictures of another class with --add.",
        )
    for line in growth.lines() or ["nothing is added and no label is another"]:
        progress.say(f"Grows    {line}")
    # By content, as a picture may have moved. Groups that were found are found again among all pictures, so that a new
    # one can be of an old burst.
    names = {file.name for file in growth.found.candidates} - {file.name for file in growth.new}
    kept = {sha256 for file, sha256 in there if file.name in names}
    given = read_split_file(folder / SPLITS)
    lines = [replace(row, group="" if is_found(row.group) else row.group) for row in given.rows if row.sha256 in kept]
    return GrowingRun(
        folder=folder,
        record=RunRecord.read(folder),
        rows=rows,
        contents=contents,
        growth=growth,
        source=Source("folder", root, root.name, listed=growth.found),
        given=replace(given, rows=tuple(lines), allow_leaks=True, run=str(from_here(folder))),
    )


def _as_they_were(
    rows: Sequence[Candidate], contents: Mapping[str, str], made: float, progress: Progress
) -> tuple[list[Placed], list[Candidate], list[tuple[Path, str]]]:
    """Return the pictures of a run that lie where they were, those that do not, and the files in their places.

    Files that were touched since the run was made are hashed: another picture may have been renamed to their name.
    """
    held = [replace(file, group="" if is_found(file.group) else file.group) for file in rows]
    is_there = [file.path.is_file() for file in held]
    touched = [file for file, there in zip(held, is_there, strict=True) if there and _touched(file.path) >= made]
    now = dict(zip((file.name for file in touched), _digests(touched, progress), strict=True))
    there, missing, displaced = list[Placed](), list[Candidate](), list[tuple[Path, str]]()
    for file, exists in zip(held, is_there, strict=True):
        sha256 = now.get(file.name, contents[file.name])
        if exists and sha256 == contents[file.name]:
            there.append((file, sha256))
        else:
            missing.append(file)
            displaced += [(file.path, sha256)] if exists else []
    return there, missing, displaced


def _touched(path: Path) -> float:
    """Return when a file was last changed, renamed or copied, in seconds since 1970."""
    known = path.stat()
    return max(known.st_mtime, known.st_ctime)


def _moved(
    missing: list[Candidate], contents: Mapping[str, str], files: Iterable[tuple[Path, str]], root: Path
) -> list[Placed]:
    """Return the missing pictures that files hold, with the names that they have there; they are missing no more."""
    waiting: dict[str, list[Candidate]] = defaultdict(list)
    for file in missing:
        waiting[contents[file.name]].append(file)
    found = []
    for path, sha256 in files:
        if waiting.get(sha256):
            file, place = waiting[sha256].pop(), Path(os.path.abspath(path))
            found.append((replace(file, path=place, name=name_below(root.absolute(), place)), sha256))
    missing[:] = [file for files_of_content in waiting.values() for file in files_of_content]
    return found


def _reading_of_added(own: FolderReading, reading: FolderReading | None, folder: Path) -> FolderReading | None:
    """Return how NEW is read: as typed, with several labels a picture where the run has them."""
    if own.several_labels and not (reading is not None and reading.several_labels):
        return replace(reading or FolderReading(), several_labels=True, label_separator=own.label_separator)
    if reading is not None and reading.several_labels and not own.several_labels:
        raise WrongUsage(
            f"{from_here(folder)} has one label a picture, and --several-labels gives what is added several.",
            "A classifier has either.",
            "Leave the option out, or train on all pictures: pawsight train TABLE --several-labels",
        )
    return reading


def _check_there(
    folder: Path,
    rows: Sequence[Candidate],
    missing: Sequence[Candidate],
    root: Path,
    add: str | os.PathLike[str] | None,
    allowed: float,
) -> None:
    if len(missing) > allowed * len(rows):
        counted = Counter(file.part for file in missing)
        spread = ", ".join(f"{counted[part]:,} {part}" for part in PARTS if counted[part])
        words = ["--from", from_here(folder), *(["--add", os.fspath(add)] if add is not None else [])]
        share = math.ceil(100 * len(missing) / len(rows))
        raise BadDataset(
            f"{len(missing):,} of {len(rows):,} pictures of {from_here(folder)} are gone: {spread}.",
            f"The first is {missing[0].name}; they were looked for in {root}, by name and by content.",
            f"Name the folder or archive that they lie in now: {typed('train', 'DATA', *words)}"
            + (f"\nOr go on without them: --allow-missing {share}%" if len(missing) < len(rows) else ""),
        )


def _in_groups_of(reading: FolderReading, added: Found) -> Found:
    """Return what is added with the groups that its paths name as those of the run do, where it has no others."""
    if not reading.group_by or any(file.group for file in added.candidates):
        return added
    named = [replace(file, group=reading.group_in(file.name) or "") for file in added.candidates]
    return replace(added, candidates=tuple(named))


def _digests(files: Sequence[Candidate], progress: Progress) -> list[str]:
    """Return the SHA-256 of each file, "" where one cannot be read: reading it as a picture says why."""

    def digest(file: Candidate) -> str:
        try:
            return sha256_of(read_regular_file(file.path))
        except UnreadablePicture:
            return ""

    digests = []
    with progress.stage("Comparing with the run", len(files), "pictures") as step:
        for sha256 in ordered_map(digest, files, threads=this_machine().cores):
            digests.append(sha256)
            step.advance()
    return digests


def options_of(growing: GrowingRun) -> dict[str, Any]:
    """Return what the run was asked for beside its recipe: name of the option -> value."""
    record, card = growing.record, read_bundle(growing.folder).card
    merged, dropped = growing.growth.merged, growing.growth.dropped
    trust, classes = card.trust, card.classes
    asked: dict[str, Any] = {
        "max_error": record.max_error,
        "max_error_per_class": record.max_error_per_class,
        "sets": record.sets.coverage if record.sets else None,
    }
    if card.decode.max_megapixels != DecodeSettings().max_megapixels:
        asked["max_megapixels"] = card.decode.max_megapixels
    if trust.none_class is not None and classes[trust.none_class] not in (*merged, *dropped):
        asked["none_class"] = classes[trust.none_class]
    if trust.costs is not None:
        named = {(classes[true], classes[answer]): cost for true, answer, cost in trust.costs.listed}
        asked["costs"] = {pair: cost for pair, cost in named.items() if not {*pair} & {*merged, *dropped}} or None
    asked |= record.growth.asked if record.growth is not None else {}
    words = _words(record.command)
    with suppress(ValueError, IndexError):  # it was not typed, or the command was edited by hand
        share = words[words.index("--false-alarms") + 1]
        asked["false_alarms"] = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    if "--answer-all" in words:
        asked["answer_all"] = True
    if record.cross_validation is not None and record.sizes.get("validation") == 0 and "--folds" in words:
        asked["folds"] = record.cross_validation.folds
    return {name: value for name, value in asked.items() if value is not None}


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # quotes that do not close: it was edited by hand
        return command.split()


# After training


def growth_record(
    growing: GrowingRun,
    split: Split,
    predicted: Mapping[str, Sequence[str | None]],
    progress: Progress,
    *,
    asked: Mapping[str, Any] = MappingProxyType({}),
) -> GrowthRecord:
    """Compare the run with the one that it grew to, on validation and test, the old and the new pictures apart.

    Args:
        growing: the run before, with what it grew by.
        split: of the run after.
        predicted: subset -> what the run after answers to its pictures, in the order of the split; of "train" out of
            fold, None for pictures in no fold.
        progress: hears how far it is.
        asked: options of the run after that its command may not say; the next run that grows has them again.
    """
    own = set(growing.contents.values())
    new = [picture for part in predicted for picture in split.part(part) if picture.sha256 not in own]
    names = {picture.name for picture in new}
    answers_to_new = _answers_of(growing, new, progress)
    changes: list[Change] = []
    for part, texts in predicted.items():
        pairs = [(picture, text) for picture, text in zip(split.part(part), texts, strict=True) if text is not None]
        old = _kept_answers(growing, part)
        for is_new, before in ((False, old), (True, answers_to_new)):
            side = [(picture, answer) for picture, answer in pairs if (picture.name in names) is is_new]
            several = growing.growth.found.several_labels
            change = changed(part, before, side, is_new=is_new, several_labels=several)
            changes += [change] if change is not None else []
    growth = growing.growth
    return GrowthRecord(
        run=str(growing.folder.absolute()),
        added=len(growth.new),
        known=growth.known,
        corrected=growth.corrections,
        new_classes=growth.new_classes,
        merged=growth.merged,
        dropped=growth.dropped,
        parts=tuple(_grown_part(growing, split, part, names) for part in HELD_OUT),
        changes=tuple(changes),
        several_labels=growth.found.several_labels,
        asked=asked,
    )


def _grown_part(growing: GrowingRun, split: Split, part: str, new: set[str]) -> GrownPart:
    after = split.part(part)
    before = [file for file in growing.rows if file.part == part]
    kept = [picture for picture in after if picture.name not in new]
    return GrownPart(
        part=part,
        before=len(before),
        kept=len(kept),
        added=len(after) - len(kept),
        corrected=sum(change.part == part for change in growing.growth.corrections),
        digest_before=_digest((growing.contents[file.name], file.label) for file in before),
        digest_after=_digest((picture.sha256, picture.label) for picture in kept),
    )


def _digest(pictures: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over contents and labels."""
    lines = sorted(",".join(picture) for picture in pictures)
    return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))


def _kept_answers(growing: GrowingRun, part: str) -> dict[str, list[Answer]]:
    """Return the answers of the run before to one of its subsets, by content, in the names that classes have now."""
    answers: dict[str, list[Answer]] = defaultdict(list)
    with suppress(StorageError, KeyError):
        for row in read_table(growing.folder / PREDICTIONS):
            if row["part"] == part:
                predicted = growing.growth.renamed(row["predicted"])
                answers[row["sha256"]].append(Answer(row["path"], row["sha256"], row["label"], predicted, math.nan))
    return answers


def _answers_of(growing: GrowingRun, pictures: Sequence[Assigned], progress: Progress) -> dict[str, list[Answer]]:
    """Return what the bundle of the run before answers to pictures that it was not measured on, by content."""
    answers: dict[str, list[Answer]] = defaultdict(list)
    if not pictures:
        return answers
    paths = {file.name: file.path for file in growing.growth.found.candidates}
    try:
        predictor = load_predictor(growing.folder, progress=progress)
    except ModelError as error:  # the new run is finished: it is not lost for that
        progress.say(f"WARNING  the gain on new pictures is not known: {error.what} {error.why}")
        return answers
    with progress.stage("Asking the run before", len(pictures), "pictures") as step:
        computed = predictor.outputs(paths[picture.name] for picture in pictures)
        for picture, (loaded, outputs) in zip(pictures, computed, strict=True):
            step.advance()
            if outputs is not None and loaded.sha256 == picture.sha256:
                table = outputs["probabilities"][None]
                (predicted,) = answer_texts(predictor.bundle.card.trust, table, predictor.classes)
                answers[picture.sha256].append(
                    Answer(
                        picture.name,
                        picture.sha256,
                        picture.label,
                        growing.growth.renamed(predicted),
                        math.nan,
                        picture.group,
                    )
                )
    return answers
