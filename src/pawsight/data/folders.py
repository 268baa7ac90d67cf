"""Reads the class and the part of each picture from the names of folders and files; dataset.py reads the files.

The first folder below a part, or below the root, is the class; what is deeper belongs to it. The user's options are in
reading.py, the names of parts in parts.py, what is said about the result in folder_notes.py. A list of pictures
(picture_lists.py) gives the same form.
"""

from __future__ import annotations

import glob
import os
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NoReturn

from pawsight.core.errors import BadDataset, StorageError, WrongUsage
from pawsight.core.runs import from_here, is_output
from pawsight.core.text import natural, typed
from pawsight.data.folder_notes import MASK_FOLDERS, remarks
from pawsight.data.found import Candidate, Entry, Found, LeftOut
from pawsight.data.parts import parts_named, says_nothing, words_of
from pawsight.data.reading import (
    BESIDE,
    EMPTY,
    HIDDEN,
    IGNORE_FILE,
    IGNORED,
    LISTED,
    NO_CLASS,
    NO_PARTS,
    NO_PICTURE,
    NOT_AMONG,
    OUTSIDE,
    OWN,
    OWN_NAME,
    OWN_NAMES,
    UNLABELLED,
    FolderReading,
    is_hidden,
    is_picture_name,
    lies_in,
    matches,
)
from pawsight.images.decode import NOT_DOWNLOADED
from pawsight.images.loader import storage_failed, storage_problem

_MAYBE_PARTS = frozenset({"fold", "folds", "set", "split", "subset", "part", "batch", "domain", "site"})
_BESIDE_PICTURES = MASK_FOLDERS | {"label", "labels"}


def find(root: Path, reading: FolderReading | None = None, *, data: str = "") -> Found:
    """List the files below a folder with their classes and parts.

    A folder that holds pictures in nothing but one folder of folders is stepped into. Folders named as parts are parts
    where train and another one are there, or where there is nothing but them with class folders in each. Links to
    folders are followed, but no folder is listed twice. Hidden files and folders, what systems and tools leave and what
    Pawsight wrote are left out.

    Args:
        root: the folder.
        reading: options of the user; None: the first folder is the class, names of folders decide about parts.
        data: as the user named it, for what is to be typed.

    Raises:
        BadDataset: a class or part cannot be listed, or what the parts are has to be asked; with what to type.
        WrongUsage: an option names folders that are not there.
        StorageError: the disk or network share does not answer.
    """
    reading = reading or FolderReading()
    root, entries = _unwrapped(root, sorted(_walk(root, root, set(), reading.ignore)), reading.ignore)
    data = data or str(from_here(root))
    parts = _parts(entries, reading, root, data)
    entries = _in_parts(entries, parts)
    if not reading.class_from:
        entries = _without_unlabelled(entries, parts)
    _check_listed(entries, reading.class_depth, root, data)
    files = [entry for entry in entries if entry.kind == "file"]
    labels = _labels(entries, reading, root)
    with_pictures = {labels[entry.name] for entry in files if entry.counts}
    candidates: list[Candidate] = []
    left_out = [LeftOut(entry.name, entry.reason) for entry in entries if entry.reason and not _is_class(entry)]
    loose: list[Entry] = []
    for entry in files:
        label = labels[entry.name]
        if label not in with_pictures or not (label or entry.counts):
            left_out.append(LeftOut(entry.name, NO_PICTURE))
        elif not reading.takes(entry.name):
            left_out.append(LeftOut(entry.name, NOT_AMONG))
        elif label:
            candidates.append(Candidate(entry.path, entry.name, label, entry.part))
        else:
            loose.append(entry)
    empty = [] if reading.class_from else [entry for entry in entries if _is_class(entry)]
    folders = with_pictures | {labels[entry.name] for entry in empty}
    if candidates:
        left_out += [LeftOut(entry.name, NO_CLASS if reading.class_from else BESIDE) for entry in loose]
        loose = []
    found = Found(
        root,
        tuple(candidates),
        tuple(sorted(left_out, key=lambda file: file.name)),
        tuple(entry.name for entry in loose),
        tuple(sorted(filter(None, folders), key=natural)),
        reading=reading,
        data=data,
    )
    notes, warnings = remarks(found, entries, parts)
    return replace(found, notes=notes, warnings=warnings)


def expand(paths: list[Path]) -> Iterator[Path]:
    """Yield files as they are and, for folders, the visible files below them, sorted.

    What cannot be entered or leads nowhere is among them: reading it gives the reason.
    """
    for path in paths:
        if is_folder(path):
            entries = _walk(path, path, set(), ())  # of which only names are kept: there may be a hundred thousand
            names = sorted(entry.name for entry in entries if entry.kind in ("file", "unreadable"))
            yield from (path / name for name in names)
        else:
            yield path


def is_regular_file(path: Path) -> bool:
    """Return whether a path names a file; as `is_folder`."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path names a folder; one that cannot be looked at does not, and reading it gives the reason."""
    try:
        return path.is_dir()
    except OSError:
        return False


def clean_label(label: str) -> str:
    """Return the label in composed Unicode, so that a name typed on one system equals the same one from another."""
    return unicodedata.normalize("NFC", label)


def name_below(root: Path, path: Path) -> str:
    """Return a path below a root with forward slashes; the whole path where it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


# The walk


def _walk(root: Path, folder: Path, seen: set[tuple[int, int]], ignored: Sequence[str]) -> Iterator[Entry]:
    """Yield files, and folders that are not entered or have nothing visible in them."""
    between = folder.relative_to(root).parts
    inside = _listing(folder, seen, depth=len(between))
    if isinstance(inside, tuple):
        yield Entry(name_below(root, folder), folder, between, *inside)
        return
    if any(entry.name == IGNORE_FILE for entry in inside):
        ignored = [*ignored, *_patterns(folder / IGNORE_FILE)]
    if all(is_hidden(entry.name) for entry in inside):
        yield Entry(name_below(root, folder), folder, between, "empty", EMPTY)
    above = "".join(f"{name}/" for name in between)  # to ask each path for its name takes longer than listing them
    for entry in inside:
        path, name = folder / entry.name, above + entry.name
        if reason := _why_not_entered(entry, name, ignored):
            yield Entry(name, path, between, "left out", reason)
        elif _is_folder(entry):
            yield from _walk(root, path, seen, ignored)
        elif entry.is_symlink() and not is_picture_name(entry.name) and not os.path.exists(path):
            yield Entry(name, path, (*between, entry.name), "unreadable", "a link that leads nowhere")
        else:
            yield Entry(name, path, between, "file", "")


def _listing(
    folder: Path, seen: set[tuple[int, int]], *, depth: int
) -> list[os.DirEntry[str]] | tuple[Literal["left out", "unreadable"], str]:
    """Return what is in a folder; else the kind of entry that it is, and why it is not entered."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return "left out", LISTED + "a folder that is listed already"
        seen.add((status.st_dev, status.st_ino))
        # Links come last: a folder keeps its own name where a link beside it leads to it.
        inside = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        if problem := storage_problem(error):
            raise storage_failed([str(folder)], problem) from error
        return "unreadable", (error.strerror or str(error)).lower()
    if depth and is_output({entry.name for entry in inside}):
        return "left out", OWN
    return ("left out", OWN_NAME) if depth == 1 and folder.name.casefold() in OWN_NAMES else inside


def _why_not_entered(entry: os.DirEntry[str], name: str, ignored: Sequence[str]) -> str:
    """Say why a file or folder is left out by its name; empty where it is not."""
    if is_hidden(entry.name):
        return NOT_DOWNLOADED if entry.name.endswith(".icloud") else HIDDEN
    if ignored and matches(name, ignored):
        return IGNORED
    return ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle: reading it as a file gives the reason
        return False


def _patterns(file: Path) -> list[str]:
    """Read a file of patterns: one a line, lines that begin with # are remarks.

    Raises:
        BadDataset: a line is of another kind. StorageError: it cannot be read.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()]
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {file}.", why, "Check that you may read it.") from error
    patterns = [line for line in lines if line and not line.startswith("#")]
    for pattern in patterns:
        if pattern.startswith("!") or not Path(pattern.strip("/")).parts:
            raise BadDataset(
                f"{file} has a line that is no pattern: {pattern!r}.",
                "Each line names files or folders to leave out, such as *_mask.png or masks.",
                "Take the line out.",
            )
    return patterns


# Wrappings, parts, classes


def _unwrapped(root: Path, entries: list[Entry], ignored: Sequence[str]) -> tuple[Path, list[Entry]]:
    """Step into a folder that alone holds pictures, in folders of its own, as archives often have it.

    Patterns that begin with a slash hold from there too: messages name folders without the wrapping.
    """
    anchored = [pattern for pattern in ignored if pattern.startswith("/")]
    while True:
        tops = {entry.folder[0] for entry in entries if entry.folder and entry.counts}
        pictures_beside = any(
            not entry.folder and entry.kind == "file" and is_picture_name(entry.name) for entry in entries
        )
        if len(tops) != 1 or pictures_beside:
            return root, entries
        (top,) = tops
        has_folders = any(len(entry.folder) > 1 and entry.counts for entry in entries)
        if parts_named([top]) or not has_folders or (root / top).is_symlink():  # a link may lead back here
            return root, entries
        root, start = root / top, len(top) + 1
        entries = [
            entry._replace(name=entry.name[start:], folder=entry.folder[1:])
            for entry in entries
            if entry.folder[:1] == (top,)
        ]
        if anchored:
            entries = [
                entry._replace(kind="left out", reason=IGNORED) if lies_in(entry.name, anchored) else entry
                for entry in entries
            ]


def _parts(entries: Sequence[Entry], reading: FolderReading, root: Path, data: str) -> dict[str, str]:
    """Return folder name -> part where the folders are parts, else nothing.

    Raises:
        BadDataset: some folders look like parts, others beside them have the same class folders. WrongUsage: an option
        names a folder that is not there.
    """
    tree = _tree(entries)
    if reading.parts is not None:
        if missing := sorted(reading.parts.keys() - tree.keys()):
            example = f"{min(tree, default='train_set')}=train,other=test"
            raise WrongUsage(
                f"--parts names {', '.join(map(repr, missing))}, which {root.absolute()} does not have.",
                f"Its folders are {', '.join(map(repr, sorted(tree)))}." if tree else "It has no folder with pictures.",
                f"E.g. --parts {shlex.quote(example)}",
            )
        return dict(reading.parts)
    named = parts_named(tree)
    classes = {top: _below(top, tree)[1] for top in tree}
    nothing_else = len(named) == len(tree) and all(classes.values())
    are_parts = nothing_else or ("train" in named.values() and len(set(named.values())) > 1)
    maybe = (
        named.keys()
        if are_parts
        else {top for top in tree if top in named or says_nothing(top) or _MAYBE_PARTS & set(words_of(top))}
    )
    alike = {top for top in tree if any(_mostly_same(classes[top], classes[part]) for part in maybe - {top})}
    alike |= {part for part in maybe if any(_mostly_same(classes[part], classes[top]) for top in alike)}
    if alike - named.keys() or (alike and not are_parts):
        _ask(sorted(alike | (maybe & named.keys()), key=natural), named, tree, data)
    if not are_parts and (doubtful := sorted((top for top in named if classes[top]), key=natural)):
        _ask_alone(doubtful, named, classes, data)
    return named if are_parts else {}


def _tree(entries: Sequence[Entry]) -> dict[str, set[tuple[str, ...]]]:
    """Return the first folders, each with all folders of pictures in it; one with files in it is there as itself."""
    tree: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for entry in entries:
        if entry.folder and entry.counts:
            tree[entry.folder[0]].add((*entry.folder, "") if entry.kind == "file" else entry.folder)
    return tree


def _below(top: str, tree: Mapping[str, set[tuple[str, ...]]]) -> tuple[int, set[str]]:
    """Return how many folders lie above the class folders of a part, and the names of these.

    train/train/cats and train/images/cats have one folder more than train/cats.
    """
    depth = 1
    while True:
        names = {folder[depth] for folder in tree[top] if len(folder) > depth}
        only = next(iter(names)) if len(names) == 1 else ""
        if not only or not (only.casefold() == top.casefold() or says_nothing(only)):
            return depth, names - {""}
        depth += 1


def _mostly_same(classes: set[str], others: set[str]) -> bool:
    shared = len(classes & others)
    return shared > 0 and 2 * shared >= min(len(classes), len(others))


def _ask(
    folders: Sequence[str], named: Mapping[str, str], tree: Mapping[str, set[tuple[str, ...]]], data: str
) -> NoReturn:
    """Ask about folders with the same class folders in them."""
    depths, classes = zip(*(_below(top, tree) for top in folders), strict=True)
    free = [part for part in ("train", "test", "validation") if part not in named.values()]
    guess = {top: named.get(top) or (free.pop(0) if free else "test") for top in folders}
    shared = sorted(set.intersection(*classes) or classes[0], key=natural)
    pairs = ",".join(f"{top}={part}" for top, part in guess.items())
    masks = [top for top in folders if set(words_of(top)) & _BESIDE_PICTURES]
    further = [f"If {top} holds masks, leave it out: {leaving_out(data, top)}" for top in masks]
    if set(depths) == {1} and not named:
        merged = typed("train", data, "--parts", NO_PARTS, "--class-depth", 2)
        further.append(f"If the folders in them are the classes, wherever they lie: {merged}")
    raise BadDataset(
        f"Are {' and '.join(map(repr, folders))} parts of the data, or classes?",
        f"The same folders are in them, e.g. {', '.join(shared[:4])}, and not all their names are known as parts.",
        "\n".join(
            [
                f"If they are parts, say which: {typed('train', data, '--parts', pairs)}",
                f"If they are classes: {typed('train', data, '--parts', NO_PARTS)}",
                *further,
            ]
        ),
    )


def _ask_alone(
    folders: Sequence[str], named: Mapping[str, str], classes: Mapping[str, set[str]], data: str
) -> NoReturn:
    """Ask about folders that are named as parts, with class folders in them, beside others that are no parts."""
    first = folders[0]
    pairs = ",".join(f"{top}=train" for top in folders if named[top] == "train")
    answer = (
        f"If it is the part, and what lies beside is left out: {typed('train', data, '--parts', pairs)}"
        if pairs
        else f"If it is a part, leave it out: {leaving_out(data, *folders)}"
    )
    raise BadDataset(
        f"{' and '.join(map(repr, folders))}: part of the data, or class?",
        f"{first} is named as the part {named[first]} and has the folders"
        f" {', '.join(sorted(classes[first], key=natural)[:4])}; the folders beside it are no parts.",
        f"{answer}\nIf it is a class: {typed('train', data, '--parts', NO_PARTS)}",
    )


def leaving_out(data: object, *names: str, options: Sequence[str] = ()) -> str:
    """Return the command that trains without some of the first folders, whatever letters are in their names."""
    ignored = [word for name in names for word in ("--ignore", f"/{glob.escape(name)}")]
    return typed("train", data, *options, *ignored)


def _in_parts(entries: Sequence[Entry], parts: Mapping[str, str]) -> list[Entry]:
    """Give each entry its part and the folder below that; what lies outside is left out."""
    if not parts:
        return list(entries)
    tree, outside = _tree(entries), OUTSIDE + ", ".join(sorted(parts))
    start = {top: _below(top, tree)[0] for top in parts}
    placed = []
    for entry in entries:
        if entry.folder and entry.folder[0] in parts:
            top = entry.folder[0]
            placed.append(entry._replace(part=parts[top], folder=entry.folder[start[top] :]))
        elif entry.kind == "file":
            placed.append(entry._replace(kind="left out", reason=outside))
        else:
            placed.append(entry._replace(kind="left out", reason=entry.reason or outside))
    return placed


def _without_unlabelled(entries: Sequence[Entry], parts: Mapping[str, str]) -> list[Entry]:
    """Leave out validation and test folders whose pictures have no class: no class folder, or one that train lacks."""
    classes: dict[str, set[str]] = {top: set() for top in parts}
    flat: set[str] = set()
    for entry in entries:
        if entry.top in classes and entry.counts:
            classes[entry.top].update(entry.folder[:1])
            flat.update([] if entry.folder or entry.kind != "file" else [entry.top])
    taught = {label for top, labels in classes.items() if parts[top] == "train" for label in labels}
    unlabelled = {
        top
        for top, part in parts.items()
        if part != "train"
        and ((top in flat and not classes[top]) or (taught and len(classes[top]) == 1 and not classes[top] & taught))
    }
    return [
        entry._replace(kind="left out", reason=UNLABELLED)
        if entry.top in unlabelled and entry.kind in ("file", "empty")
        else entry
        for entry in entries
    ]


def _check_listed(entries: Sequence[Entry], depth: int, root: Path, data: str) -> None:
    """Refuse a part or a class folder that cannot be listed: its pictures would be missing."""
    lost = [
        entry for entry in entries if entry.kind == "unreadable" and len(entry.folder) <= depth and entry.name != "."
    ]
    if lost:
        first = lost[0]
        more = f" Nor can {len(lost) - 1:,} more." if len(lost) > 1 else ""
        raise BadDataset(
            f"The folder {root / first.name} cannot be read: {first.reason}.{more}",
            "It may be a class or a part, and without it the result would be another.",
            f"Mend it, or leave it out: {leaving_out(data, first.name)}",
        )


def _labels(entries: Sequence[Entry], reading: FolderReading, root: Path) -> dict[str, str]:
    """Return the class of each entry by name; empty where it has none.

    Raises:
        WrongUsage: no folder is as deep as the option says.
    """
    if reading.class_from:
        return {entry.name: clean_label(reading.class_in(entry.name) or "") for entry in entries}
    depth = reading.class_depth
    above = (
        set()
        if depth == 1
        else {entry.folder[:length] for entry in entries if entry.counts for length in range(1, len(entry.folder))}
    )
    deepest = max((len(entry.folder) for entry in entries if entry.counts), default=0)
    if depth > max(1, deepest):
        raise WrongUsage(
            f"--class-depth {depth} is deeper than any folder in {root.absolute()}.",
            f"Its pictures lie {deepest} deep.",
            f"Type for example --class-depth {max(1, deepest)}",
        )
    return {
        entry.name: clean_label(entry.folder[min(depth, len(entry.folder)) - 1])
        if entry.folder and (len(entry.folder) >= depth or entry.folder not in above)
        else ""
        for entry in entries
    }


def _is_class(entry: Entry) -> bool:
    return entry.kind == "empty" and entry.counts
