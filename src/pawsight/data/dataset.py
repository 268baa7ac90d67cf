"""The dataset: labelled pictures, what was left out and why, and the checks that it can be trained on.

Which files are pictures of which class is read in folders.py. Here each file is read once: hashed, decoded, measured
(facts.py) and handed to a `PixelSink`, in which training computes features, so that no picture is decoded twice.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, NoPictures, UnreadablePicture
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import from_here
from pawsight.core.storage import sha256_of
from pawsight.core.text import look_of, natural, plural, typed
from pawsight.core.thread_pool import ordered_map
from pawsight.data.class_pattern import suggest
from pawsight.data.facts import Facts, facts_of, facts_space, facts_to_bytes, known_facts
from pawsight.data.folder_notes import MASK_FOLDERS, table_command
from pawsight.data.folders import leaving_out
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.label_sets import labels_in
from pawsight.data.parts import part_named, says_nothing, says_unlabelled
from pawsight.data.reading import BY_NAME, MISSING, NO_PARTS, NO_PICTURE, TABLE_ENDINGS, FolderReading, is_picture
from pawsight.images.decode import (
    MOST_MEGAPIXELS,
    READABLE_NAMES,
    DecodeSettings,
    GreyRange,
    Pixels,
    check_megapixels,
    decode,
)
from pawsight.images.fingerprint import HASHED_PX
from pawsight.images.grey_range import grey_range
from pawsight.images.loader import ReadAhead, read_regular_file, while_storage_answers

LOSS_WARNED, LOSS_ALLOWED = 0.01, 0.1  # of the pictures, by default
_CAMERA_FOLDER = re.compile(r"[1-9]\d\d[A-Z0-9_]{5}")  # JEITA CP-3461 (DCF), 3.2.3: 100APPLE, 101CANON
_ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")  # that lie packed in a folder
_NOT_TRAINED = ("validation", "test")
_SHOWN = 5  # names listed in a message before "and N more"
_WRITE_EVERY = 512  # pictures whose facts are stored in one transaction


@dataclass(frozen=True, slots=True)
class Picture:
    """One readable, labelled picture."""

    path: Path
    name: str  # path below the root of the data, with forward slashes
    label: str  # as in `Candidate`
    part: str | None  # "train", "validation" or "test" where the folders say so
    sha256: str
    facts: Facts
    group: str = ""  # as in `Candidate`

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a picture in a data set of several labels, sorted; none where it has none of them."""
        return labels_in(self.label)


@dataclass(frozen=True, repr=False)  # without slots, for the cached properties
class Dataset:
    """All pictures of a data set, sorted by name."""

    root: Path
    pictures: tuple[Picture, ...]
    left_out: tuple[LeftOut, ...]
    grey_range: GreyRange | None = None  # that its 16-bit pictures were decoded with
    notes: tuple[str, ...] = ()  # how the folders were read, where it could have been otherwise
    warnings: tuple[str, ...] = ()  # what that loses, or what may be wrong with it
    reading: FolderReading = field(default_factory=FolderReading)  # options that they were read with
    several_labels: bool = False  # a picture may have several labels, or none of them

    def __repr__(self) -> str:
        counted = f"{plural(len(self.pictures), 'picture')} of {plural(len(self.counts), 'class', 'classes')}"
        return f"Dataset({counted} in {str(self.root)!r}, {len(self.left_out):,} left out)"

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of pictures in each class, or with each label, by sorted name; numbers sort as numbers."""
        counted = Counter(self.labels_of(self.pictures))
        return {label: counted[label] for label in sorted(counted, key=natural)}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the labels, sorted."""
        return tuple(self.counts)

    def labels_of(self, pictures: Iterable[Picture]) -> Iterator[str]:
        """Yield the label of each picture, or each of its labels."""
        for picture in pictures:
            yield from picture.labels if self.several_labels else (picture.label,)

    @property
    def trainable(self) -> set[str]:
        """Classes with a picture that may be used for training."""
        return set(self.labels_of(picture for picture in self.pictures if picture.part in (None, "train")))

    @property
    def baseline(self) -> float:
        """Share of the largest class, or of the commonest labels together: the accuracy of always answering them."""
        return max(Counter(picture.label for picture in self.pictures).values()) / len(self.pictures)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the contents and labels, whatever the files are called."""
        lines = sorted(f"{picture.sha256},{picture.label}" for picture in self.pictures)
        return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))


class PixelSink(Protocol):
    """A consumer of the pixels while they are in memory."""

    def wants(self, sha256: str) -> bool:
        """Return whether the pixels of this content are needed; called from several threads, for every file."""

    def take(self, sha256: str, pixels: Pixels) -> None:
        """Receive pixels (image_px, image_px, 3) uint8; called from one thread, in the order of the dataset."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """The result of reading one file: its facts, or the problem that keeps it out."""

    candidate: Candidate
    sha256: str
    facts: Facts | None
    fresh: bool  # the facts are not in the cache yet
    pixels: Pixels | None
    problem: str


class FileReader(Protocol):
    """A function that reads files as `read_files` does; it prepares what it needs when it is called."""

    def __call__(
        self,
        candidates: Sequence[Candidate],
        settings: DecodeSettings,
        *,
        cache: Cache,
        threads: int,
        sink: PixelSink | None,
    ) -> Generator[FileRead, None, None]:
        """Return one `FileRead` for each file, in order; one without pixels has handed to the sink what it wants."""


def read_dataset(
    found: Found,
    settings: DecodeSettings,
    *,
    cache: Cache,
    threads: int,
    sink: PixelSink | None = None,
    progress: Progress = SILENT,
    reader: FileReader | None = None,
    allow_missing: float = LOSS_ALLOWED,
    data: str = "",
) -> Dataset:
    """Read every file that was found, once.

    Args:
        found: files with their labels, from `folders.find`.
        settings: how to decode; the pixels go to `sink`.
        cache: where facts about known contents are stored.
        threads: files worked on at once.
        sink: receives the pixels, those of equal files once.
        progress: shows how far it is.
        reader: reads the files; None is `read_files`, in this process.
        allow_missing: largest share of the pictures that may be unreadable; above 1 % `progress` is warned.
        data: as `pawsight inspect` reads it, for what is said of unreadable pictures; empty: it is not mentioned.

    Raises:
        NoPictures, BadDataset: there is nothing that can be trained on, or too many pictures are missing.
        StorageError: the disk or network share does not answer.
    """
    check_found(found)
    pictures, left_out, taken = [], list(found.left_out), set()
    files = (reader or read_files)(found.candidates, settings, cache=cache, threads=threads, sink=sink)
    with progress.stage("Reading pictures", len(found.candidates), "pictures") as step, closing(files):
        for file in while_storage_answers(files, lambda file: (file.candidate.name, file.problem)):
            step.advance()
            candidate = file.candidate
            if file.facts is None:
                left_out.append(LeftOut(candidate.name, file.problem))
                continue
            if sink is not None and file.pixels is not None and file.sha256 not in taken:
                taken.add(file.sha256)
                sink.take(file.sha256, file.pixels)
            pictures.append(
                Picture(
                    candidate.path,
                    candidate.name,
                    candidate.label,
                    candidate.part,
                    file.sha256,
                    file.facts,
                    candidate.group,
                )
            )
    dataset = Dataset(
        found.root,
        tuple(pictures),
        tuple(sorted(left_out, key=lambda file: file.name)),
        grey_range=settings.grey_range,
        notes=found.notes,
        warnings=found.warnings,
        reading=found.reading,
        several_labels=found.several_labels,
    )
    check_classes(found, dataset.counts, dataset.left_out, dataset.trainable)
    check_losses(dataset.left_out, [picture.name for picture in pictures], allow_missing, progress, data=data)
    return dataset


def check_losses(
    left_out: Sequence[LeftOut],
    read: Collection[str],
    allow_missing: float,
    progress: Progress = SILENT,
    *,
    were_read: bool = False,
    data: str = "",
) -> None:
    """Warn of pictures that could not be read, above 1 % of all; refuse to go on above an allowed share.

    Args:
        left_out, read, were_read, data: as for `losses`.
        allow_missing: largest share of the pictures that may be missing.
        progress: is warned.

    Raises:
        BadDataset: more pictures are missing; it says why, and what to type.
    """
    share, what, why = losses(left_out, read, were_read=were_read, data=data)
    if share > allow_missing:
        option = f"--allow-missing {math.ceil(100 * share)}%"
        remedy = "Put them back as they were" if were_read else "Make them readable"
        raise BadDataset(what, why, f"{remedy}, or go on without them: {option}")
    if share > LOSS_WARNED:
        progress.say(f"WARNING  {what} {why}")


def is_lost(file: LeftOut) -> bool:
    """Return whether a file is left out that is a picture and was not left out for its name or place."""
    return not file.reason.startswith(BY_NAME) and is_picture(file.name, file.reason)


def losses(
    left_out: Sequence[LeftOut], read: Collection[str], *, were_read: bool = False, data: str = ""
) -> tuple[float, str, str]:
    """Return the share of pictures that could not be read, and as text: how many they are, and the reasons.

    Args:
        left_out: files that are not used; those that are no pictures by their ending or content do not count.
        read: names of the pictures that were read; a raw file beside the JPEG of the same shot is no loss.
        were_read: all were read before, when a split was made, so that each one left out is a loss.
        data: as `pawsight inspect` reads it: the reasons end with that command; empty: they do not.
    """
    stems = {PurePosixPath(name).with_suffix("") for name in read}
    lost = [
        file
        for file in left_out
        if were_read or (is_lost(file) and PurePosixPath(file.name).with_suffix("") not in stems)
    ]
    pictures = len(lost) + len(read)
    share = len(lost) / (pictures or 1)
    what = f"{len(lost):,} of {pictures:,} pictures cannot be read ({100 * share:.1f} %)."
    missing = next((file.name for file in lost if file.reason.startswith(MISSING)), None)
    why = f"{_kinds(lost)}." + (f" The first that is missing is {missing}." if missing else "")
    return share, what, why + (f" To list them, type: {typed('inspect', data)}" if data else "")


def grey_range_of(
    found: Found, settings: DecodeSettings, *, threads: int, progress: Progress = SILENT
) -> GreyRange | None:
    """Return the range that the 16-bit pictures to train on use, where it is not that of their type, and say so.

    Args:
        found: files with their labels.
        settings: the limits of a picture.
        threads: files read at once.
        progress: is told the range.
    """
    paths = [candidate.path for candidate in found.candidates if candidate.part in (None, "train")]
    greys = grey_range(paths, settings, threads=threads)
    if greys is not None:
        progress.say(f"Note     {grey_range_sentence(greys)}")
    return greys


def grey_range_sentence(greys: GreyRange) -> str:
    """Return what is done with pictures that use a part of their range."""
    low, high = (f"{value:,.10g}" for value in greys)
    return (
        f"The 16-bit pictures use {low} to {high}: {low} is shown as black, {high} as white, here and in predictions."
    )


def read_files(
    candidates: Sequence[Candidate],
    settings: DecodeSettings,
    *,
    cache: Cache,
    threads: int,
    sink: PixelSink | None = None,
) -> Generator[FileRead, None, None]:
    """Read files in threads, yielding one `FileRead` for each in order; new facts are stored in the cache."""
    ahead = ReadAhead(threads, read_regular_file)

    def read(candidate: Candidate) -> FileRead:
        try:
            data = ahead.read(candidate.path)
        except UnreadablePicture as error:
            return FileRead(candidate, "", None, False, None, error.why)
        with ahead.computing():
            return read_bytes(candidate, data)

    def read_bytes(candidate: Candidate, data: bytes) -> FileRead:
        sha256 = sha256_of(data)
        try:
            known = known_facts(cache, sha256, settings)
            if known is not None:  # perhaps read where more pixels were allowed
                check_megapixels(known.width, known.height, settings, name=candidate.name)
            wanted = sink is not None and sink.wants(sha256)
            decoded = decode(data, settings, name=candidate.name) if wanted else None
            facts = known or facts_of(data, settings, decoded, candidate.name)
            return FileRead(candidate, sha256, facts, known is None, decoded.pixels if decoded else None, "")
        except UnreadablePicture as error:
            return FileRead(candidate, sha256, None, False, None, error.why)

    return store_facts(ordered_map(read, candidates, threads=ahead.threads), cache, settings)


def store_facts(files: Iterator[FileRead], cache: Cache, settings: DecodeSettings) -> Generator[FileRead, None, None]:
    """Yield all files, storing fresh facts as they come and when the reading ends early."""
    fresh: dict[str, bytes] = {}
    try:
        for file in files:
            if file.fresh and file.facts is not None:
                fresh[file.sha256] = facts_to_bytes(file.facts)
            if len(fresh) >= _WRITE_EVERY:
                cache.put_many(facts_space(settings), fresh)
                fresh = {}
            yield replace(file, fresh=False)
    finally:
        cache.put_many(facts_space(settings), fresh)


def facts_by_name(
    candidates: Sequence[Candidate],
    *,
    cache: Cache,
    threads: int,
    grey_range: GreyRange | None = None,
    progress: Progress = SILENT,
) -> dict[str, Facts]:
    """Return candidate name -> facts of files that need not form a dataset; unreadable ones are not there.

    Args:
        candidates: the files.
        cache: where facts about known contents are stored, and new ones go.
        threads: files worked on at once.
        grey_range: that the classifier decodes 16-bit pictures with.
        progress: shows how far it is.
    """
    settings = DecodeSettings(
        image_px=HASHED_PX, max_megapixels=MOST_MEGAPIXELS, grey_range=grey_range
    )  # they were allowed before
    files = read_files(candidates, settings, cache=cache, threads=threads)
    with progress.stage("Looking at the pictures", len(candidates), "pictures") as step, closing(files):
        facts = {}
        for file in files:
            step.advance()
            if file.facts is not None:
                facts[file.candidate.name] = file.facts
    return facts


def check_found(found: Found, *, is_addition: bool = False) -> None:
    """Refuse what file and folder names alone show to be wrong.

    Args:
        found: files with their labels.
        is_addition: they are added to others, so that one class is enough and none needs a training picture.

    Raises:
        NoPictures: there is no file that could be a picture.
        BadDataset: there are pictures and no class folder, two folders differ in case alone, there is one class only,
            a class folder is empty, or a class has no file to learn from.
    """
    if not found.candidates and not found.loose:
        raise _nothing_found(found, found.left_out)
    if found.loose and not found.folders:
        raise _flat(found)
    _check_lookalikes(found)
    if found.several_labels and len(found.folders) < 2 and not is_addition:
        names = ", ".join(map(repr, found.folders)) or "none"
        raise BadDataset(
            f"{_place(found)} has fewer than two labels: {names}.",
            "With several labels a picture has any of two or more, or none of them.",
            "For one label, give two classes, e.g. with and without it, and leave --several-labels out.",
        )
    if len(found.folders) == 1 and not is_addition:
        raise _one_class(found, found.folders[0])
    if not (found.is_table or found.reading.class_from or found.reading.class_depth > 1):
        _check_are_classes(found)
        _check_no_masks(found)
    check_filled(found.root, found.folders, Counter(_labels_of(found, found.candidates)), found.left_out)
    if not is_addition:
        learnt = (candidate for candidate in found.candidates if candidate.part in (None, "train"))
        _check_trainable(found, set(_labels_of(found, learnt)))


def _labels_of(found: Found, candidates: Iterable[Candidate]) -> Iterator[str]:
    for candidate in candidates:
        yield from labels_in(candidate.label) if found.several_labels else (candidate.label,)


def check_classes(
    found: Found, counts: Mapping[str, int], left_out: Sequence[LeftOut], trainable: Collection[str]
) -> None:
    """Refuse classes that turned out to hold nothing readable.

    Args:
        found: as `check_found` let it pass.
        counts: readable pictures of each class.
        left_out: all files that are not used.
        trainable: classes with a readable picture that may be used for training.

    Raises:
        NoPictures: no file was a readable picture.
        BadDataset: a class is empty, only one class is left, or a class has no picture to learn from.
    """
    if not counts:
        raise _nothing_found(found, left_out)
    check_filled(found.root, found.folders, counts, left_out)
    if len(counts) == 1:
        raise _one_class(found, next(iter(counts)))
    _check_trainable(found, trainable)


def check_filled(root: Path, labels: Collection[str], counts: Mapping[str, int], left_out: Sequence[LeftOut]) -> None:
    """Refuse classes without a readable picture.

    Args:
        root: the folder of the data.
        labels: classes that the data has.
        counts: readable pictures of each class.
        left_out: files that are not used.

    Raises:
        BadDataset: a class is empty; it says what was found instead.
    """
    empty = [label for label in labels if not counts.get(label)]
    if empty:
        raise BadDataset(
            f"{_classes(empty)} in {root} {_has(empty)} no readable picture.",
            _why_left_out([file for file in left_out if _in_any(file.name, empty)]),
            "Put pictures there, or move the folder out of the data and type the same command again.",
        )


def _check_trainable(found: Found, trainable: Collection[str]) -> None:
    missing = [label for label in found.folders if label not in trainable]
    if missing:
        raise BadDataset(
            f"{_classes(missing)} in {found.root} {_has(missing)} no readable picture in train.",
            "A class is learnt from training pictures alone, not from validation and test pictures.",
            "Put pictures of it into train, or move its folders out of the data and type the same command again.",
        )


def _check_are_classes(found: Found) -> None:
    """Refuse folders whose names say that they are no classes: a camera's, images and data, test and unlabeled."""
    reading, data = found.reading, found.data or str(from_here(found.root))
    all_the_same = f"If the folders are classes all the same: {_by_folder(found)}"
    if all(_CAMERA_FOLDER.fullmatch(label) for label in found.folders):
        raise BadDataset(
            f"The folders {_listed(found.folders)} in {_place(found)} are named by a camera.",
            "A camera begins a new folder when one is full, so the names say nothing about the pictures.",
            f"To classify the pictures with a run, type: {typed('predict', 'runs/latest', data)}\n{all_the_same}",
        )
    if any(candidate.part for candidate in found.candidates):
        return
    if all(map(says_nothing, found.folders)):
        raise BadDataset(
            f"The folders {_listed(found.folders)} in {_place(found)} are no classes by their names.",
            "Names such as images, data or test say nothing about what the pictures show.",
            f"{_how_to_label(found, [file.name for file in found.candidates])}\n{all_the_same}",
        )
    if outside := [label for label in found.folders if says_unlabelled(label) or part_named(label) in _NOT_TRAINED]:
        raise BadDataset(
            f"The folder {outside[0]!r} in {_place(found)} lies beside the classes and is none by its name.",
            "A classifier would learn it as a further class.",
            f"Leave it out: {leaving_out(data, *outside, options=reading.words())}\n"
            f"Classify its pictures later: {typed('predict', 'runs/latest', from_here(found.root / outside[0]))}\n"
            f"{all_the_same}",
        )


def _check_no_masks(found: Found) -> None:
    """Refuse a folder of masks beside that of the pictures."""
    stems = defaultdict(set)
    for file in found.candidates:
        stems[file.label].add(PurePosixPath(file.name).stem)
    for label in MASK_FOLDERS & {label.casefold() for label in found.folders}:
        own = next(folder for folder in found.folders if folder.casefold() == label)
        others = set().union(*(names for folder, names in stems.items() if folder != own))
        if shared := len(stems[own] & others):
            data = found.data or str(from_here(found.root))
            raise BadDataset(
                f"The folder {own!r} in {_place(found)} is no class: {shared:,} of its files have names of pictures.",
                "They are masks of these pictures, and a classifier would learn to tell masks from photographs.",
                f"Leave them out: {leaving_out(data, own, options=found.reading.words())}\n"
                f"If the folders are classes all the same: {_by_folder(found)}",
            )


def _by_folder(found: Found) -> str:
    """Return the command that takes every folder for a class."""
    return typed("train", found.data or from_here(found.root), *found.reading.words(), "--class-from", "([^/]+)/")


def _check_lookalikes(found: Found) -> None:
    alike = defaultdict(set)
    for label in found.folders:
        alike[look_of(label)].add(label)
    for labels in alike.values():
        if len(labels) > 1:
            names = " and ".join(repr(label) for label in sorted(labels))
            raise BadDataset(
                f"The {'labels' if found.is_table else 'folders'} {names} in {_place(found)} differ in upper and lower"
                " case or spaces alone.",
                "They would become two classes whose names look the same.",
                "Give them the same name, or two clearly different ones.",
            )


def _flat(found: Found) -> BadDataset:
    lie = "picture lies" if len(found.loose) == 1 else "pictures lie"
    fix = _how_to_label(found, found.loose)
    if found.reading.parts is None and found.loose[0].count("/"):  # in a part
        classes = typed("train", found.data or from_here(found.root), *found.reading.words(), "--parts", NO_PARTS)
        fix += f"\nIf the folders named as parts are classes, type: {classes}"
    return BadDataset(
        f"{len(found.loose):,} {lie} in no class folder of {_place(found)}.",
        f"The class of a picture is the folder it lies in; these have none: {_listed(found.loose)}.",
        fix,
    )


def _one_class(found: Found, label: str) -> BadDataset:
    return BadDataset(
        f"Only one class was found in {_place(found)}: {label!r}.",
        "A classifier needs at least two to choose between.",
        _how_to_label(found, [file.name for file in found.candidates]),
    )


def _place(found: Found) -> Path:
    """Return the root as it reads in a message: never a lone dot."""
    return found.root if found.root.name else found.root.absolute()


def _how_to_label(found: Found, names: Sequence[str]) -> str:
    """Return what to type where folders do not give the classes: names or a table may; else how folders would."""
    lines = []
    if suggested := suggest(names):
        pattern, counts = suggested
        classes = ", ".join(f"{label}: {count:,}" for label, count in list(counts.items())[:_SHOWN])
        more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
        command = typed("train", found.data or from_here(found.root), *found.reading.words(), "--class-from", pattern)
        lines.append(f"If the names carry the class ({classes}{more}), type: {command}")
    files = [file.name for file in found.left_out if file.reason == NO_PICTURE]
    files += [file.name for file in found.candidates]
    tables = [name for name in files if PurePosixPath(name).suffix.lower() in TABLE_ENDINGS]
    lines += [f"If {name} lists the labels, type: {table_command(found, name)}" for name in tables[:2]]
    cat, dog = (Path(found.root.name) / label / "1.jpg" for label in ("cats", "dogs"))
    lines.append(f"{'Else put' if lines else 'Put'} one folder per class below it, e.g. {cat} and {dog}.")
    return "\n".join(lines)


def _nothing_found(found: Found, left_out: Sequence[LeftOut]) -> NoPictures:
    instead = _why_left_out(left_out) if left_out else "The folder holds no files."
    example = Path(found.root.name) / "cats" / "1.jpg"
    archives = [file.name for file in left_out if PurePosixPath(file.name).suffix.lower() in _ARCHIVE_ENDINGS]
    unpack = f"Unpack {_listed(archives)}, and give the folder of what was in them.\n" if archives else ""
    return NoPictures(
        f"No pictures found under {_place(found)}.",
        f"{instead} Readable types are {READABLE_NAMES}.",
        f"{unpack}Put one folder per class below it, e.g. {example}, or convert the files first.",
    )


def _why_left_out(left_out: Sequence[LeftOut]) -> str:
    return f"Found instead: {_kinds(left_out)}." if left_out else "The folder is empty."


def _kinds(left_out: Sequence[LeftOut]) -> str:
    """Return how many files of which ending have which problem, the most frequent first."""
    kinds = Counter((PurePosixPath(file.name).suffix.lower() or "without an ending", file.reason) for file in left_out)
    shown = [f"{count:,} {suffix} ({reason})" for (suffix, reason), count in kinds.most_common(_SHOWN)]
    more = f" and {len(kinds) - _SHOWN} other kinds" if len(kinds) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def _classes(labels: Sequence[str]) -> str:
    return f"Class {labels[0]!r}" if len(labels) == 1 else f"Classes {_listed([repr(label) for label in labels])}"


def _has(labels: Sequence[str]) -> str:
    return "has" if len(labels) == 1 else "have"


def _in_any(name: str, labels: Sequence[str]) -> bool:
    folder = unicodedata.normalize("NFC", PurePosixPath(name).parent.as_posix())
    return any(folder == label or folder.endswith("/" + label) for label in labels)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
