"""What is said about how a folder was read: notes on what could have been read otherwise, warnings of what is lost."""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pawsight.core.runs import from_here
from pawsight.core.text import natural, plural, typed
from pawsight.data.found import Candidate, Entry, Found
from pawsight.data.parts import words_of
from pawsight.data.reading import (
    BESIDE,
    NO_CLASS,
    NO_PICTURE,
    OUTSIDE,
    OWN_NAME,
    READABLE_ENDINGS,
    TABLE_ENDINGS,
    UNLABELLED,
    is_picture_name,
)

_SHOWN = 4  # names in a line
_MASK_NAME = re.compile(r"(?i)^(.+?)[ _.-]*(?:masks?|seg|segmentation|annotation|gt)(?:[ _.-]?\d+)?$")
MASK_FOLDERS = frozenset({"mask", "masks", "segmentation", "segmentations", "annotation", "annotations", "gt"})
_DATE = re.compile(r"(19|20)\d\d([-_. ]?(0\d|1[0-2])([-_. ]?[0-3]\d)?)?")  # of a folder that a phone or a program made
_PHOTO_ENDINGS = (".jpg", ".jpeg")
_LEAST_GROUPS = 3  # sub-folders of a class that may be patients or series


def remarks(
    found: Found, entries: Sequence[Entry], parts: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes and warnings, a line each.

    Args:
        found: the result, without them.
        entries: all that was met, within their parts.
        parts: folders that are parts, with the part of each.
    """
    notes = [*_sub_folders(found, entries, parts), *_unlabelled(found), *_no_pictures(found)]
    warnings = [*_lost(found, entries), *_masks(found)]
    if found.folders and all(map(_DATE.fullmatch, found.folders)):
        warnings.append(f"All classes are dates: {_listed(found.folders)}; do they say what the pictures show?")
    return tuple(notes), tuple(warnings)


def _sub_folders(found: Found, entries: Sequence[Entry], parts: Mapping[str, str]) -> list[str]:
    """Say which folders belong to the classes above them, and what to type where they are the classes."""
    if found.reading.class_from:
        return []
    depth = found.reading.class_depth
    below: dict[str, set[str]] = defaultdict(set)  # class -> names of the folders in it
    places: dict[str, set[tuple[str, ...]]] = defaultdict(set)  # class -> its folders
    for entry in entries:
        if entry.kind in ("file", "unreadable") and entry.counts and len(entry.folder) >= depth:
            places[entry.folder[depth - 1]].add(entry.folder[:depth])
            below[entry.folder[depth - 1]].update(entry.folder[depth : depth + 1])
    merged = sorted((label for label, folders in places.items() if len(folders) > 1), key=natural)
    notes = [f"Folders of the same name in different places are one class: {_listed(merged)}"] if merged else []
    below = {label: names for label, names in below.items() if names}
    each = len(below) == len(found.folders) > 1
    shared = sorted(set.intersection(*below.values()), key=natural) if each else []
    deeper = f"for a class of each: --class-depth {depth + 1}"
    if shared:
        notes.append(
            f"Every class has the folders {_listed(shared)}; their pictures belong to the class above them ({deeper})"
        )
        if not parts and len(shared) > 1 and any(map(words_of, shared)):
            pairs = ",".join(f"{top}={part}" for top, part in zip(found.folders, ("train", "test"), strict=False))
            notes[-1] += f"; if {_listed(found.folders)} are parts: --parts {shlex.quote(pairs)}"
    elif below:
        first = min(below, key=natural)
        more = f", and {plural(len(below) - 1, 'more class', 'more classes')} likewise" if len(below) > 1 else ""
        names = _listed(sorted(below[first], key=natural))
        notes.append(f"The folders in {first} ({names}) belong to that class{more} ({deeper})")
    if each and not shared and all(len(names) >= _LEAST_GROUPS for names in below.values()):
        notes.append(
            "If each of these folders is one patient or series, pictures of one may be trained and tested on;"
            " to keep them together, give the split: --split FILE"
        )
    return notes


def _unlabelled(found: Found) -> list[str]:
    counts = Counter(file.name.partition("/")[0] for file in found.left_out if file.reason == UNLABELLED)
    return [
        f"{top} has {plural(count, 'picture')} without a class, left out; classify"
        f" {'it' if count == 1 else 'them'} with: {typed('predict', 'runs/latest', from_here(found.root / top))}"
        for top, count in sorted(counts.items())
    ]


def _no_pictures(found: Found) -> list[str]:
    """Name what is no picture and lies where classes are; a table of labels with the command that reads it."""
    notes = []
    files = [file.name for file in found.left_out if file.reason == NO_PICTURE]
    beside = [name for name in files if "/" not in name]
    folders = sorted({name.partition("/")[0] for name in files if "/" in name} - set(found.folders))
    parts = {candidate.name.partition("/")[0] for candidate in found.candidates if candidate.part}
    folders = [folder for folder in folders if folder not in parts]
    if beside:
        notes.append(f"No pictures, left out: {_listed(beside)}")
    if folders:
        notes.append(f"Folders without pictures, left out: {_listed(folders)}")
    tables = [name for name in files if PurePosixPath(name).suffix.lower() in TABLE_ENDINGS and name.count("/") < 2]
    if tables and len(found.folders) > 1:  # else an error says it
        notes.append(f"If {tables[0]} lists labels, train on it with: {table_command(found, tables[0])}")
    notes += [
        f"{file.name} is taken for a folder that Pawsight wrote and left out; if it is a class, rename it"
        for file in found.left_out
        if file.reason == OWN_NAME
    ]
    return notes


def table_command(found: Found, name: str) -> str:
    """Return the command that trains on a table below the root."""
    return typed("train", from_here(found.root / name))


def _lost(found: Found, entries: Sequence[Entry]) -> list[str]:
    """Count pictures that are left out because of where they lie or what they are called."""
    warnings = []
    for reason, text in ((BESIDE, "beside the class folders"), (NO_CLASS, "without a class in their names")):
        names = [file.name for file in found.left_out if file.reason == reason and is_picture_name(file.name)]
        if names:
            warnings.append(f"{plural(len(names), 'picture')} {text}, left out: {_listed(names)}")
    outside = Counter(
        file.name.partition("/")[0]
        for file in found.left_out
        if file.reason.startswith(OUTSIDE) and is_picture_name(file.name)
    )
    for top, count in sorted(outside.items()):
        are, command = "is" if count == 1 else "are", typed("predict", "runs/latest", from_here(found.root / top))
        warnings.append(
            f"{plural(count, 'picture')} in {top} {are} in none of the parts and left out (if it is a part: --parts;"
            f" to classify: {command})"
        )
    unreadable = [entry for entry in entries if entry.kind == "unreadable"]
    warnings += [f"The folder {entry.name} cannot be read, left out: {entry.reason}" for entry in unreadable[:_SHOWN]]
    if len(unreadable) > _SHOWN:
        warnings.append(f"{len(unreadable) - _SHOWN:,} more folders cannot be read")
    return warnings


def _masks(found: Found) -> list[str]:
    """Point out files that are probably masks: the name of a picture with another ending, "mask" in name or folder."""
    endings: dict[str, Counter[str]] = defaultdict(Counter)
    for candidate in found.candidates:
        path = PurePosixPath(candidate.name)
        if path.suffix.lower() in READABLE_ENDINGS:
            endings[str(path.with_suffix(""))][path.suffix.lower()] += 1
    twins = {name: kinds for name, kinds in endings.items() if len(kinds) > 1}
    warnings = []
    if twins:
        kinds = Counter(ending for name in twins.values() for ending in name)
        photo = max(kinds, key=lambda ending: (ending in _PHOTO_ENDINGS, kinds[ending], ending))
        name = min(twins)
        example = " and ".join(f"{PurePosixPath(name).name}{ending}" for ending in sorted(twins[name]))
        warnings.append(
            f"{plural(len(twins), 'picture')} of the same name as another but for the ending, e.g. {example}; if these"
            f" are masks, leave them out: --only '*{photo}'"
        )
    named = [candidate for candidate in found.candidates if _has_mask_name(candidate, endings)]
    if named:
        path = PurePosixPath(named[0].name)
        pattern = next((folder for folder in path.parts[:-1] if folder.casefold() in MASK_FOLDERS), "")
        if not pattern and (match := _MASK_NAME.match(path.stem)):
            pattern = f"*{path.stem[len(match[1]) :].rstrip('0123456789 _.-')}*"
        warnings.append(
            f"{plural(len(named), 'file')} named like a mask, e.g. {path}; if so, leave"
            f" {'it' if len(named) == 1 else 'them'} out: --ignore {shlex.quote(pattern)}"
        )
    return warnings


def _has_mask_name(candidate: Candidate, names: Mapping[str, object]) -> bool:
    path = PurePosixPath(candidate.name)
    if any(folder.casefold() in MASK_FOLDERS and folder != candidate.label for folder in path.parts[:-1]):
        return True
    named = _MASK_NAME.match(path.stem)
    return named is not None and str(path.with_name(named[1])) in names


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
