"""A split that somebody else made: the lines of a `--split splits.csv`.

Enters: a CSV with the columns path and part, and sha256 where it is known. Leaves: a `SplitFile`, or an error that
names every line to mend. Does not know: whether the pictures exist; `split_given` matches and checks them.

A run's own splits.csv is such a file, and the apostrophe that `safe_cell` puts before what looks like a formula is
taken off again. Other columns, label among them, are ignored: what a picture shows is said by
the data, and which part it lies in by this file alone.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import hexdigits
from typing import TextIO

from pawsight.core.errors import BadCatalog, StorageError
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import plain_cell, regular_file
from pawsight.data.dataset import Catalog, Picture
from pawsight.data.folders import PART_NAMES, Found
from pawsight.data.split import Assigned, Split, make_split, split_into

_EXAMPLE = "The file should look like this:\npath,part\ncats/1.jpg,train\ndogs/7.jpg,validation"
_MOST_TOLD = 10
_MOST_CHARS = 16_384  # in a line, as in a list of pictures


@dataclass(frozen=True, slots=True)
class Placing:
    """One line of a split file."""

    line: int  # in the file, 1 for the header
    path: str  # as written
    sha256: str  # lower case, "" where the line has none
    part: str  # one of the three names of parts


@dataclass(frozen=True, slots=True)
class SplitFile:
    """All lines of a split file, in its order."""

    path: Path
    placings: tuple[Placing, ...]


def read_split_file(path: Path) -> SplitFile:
    """Read a split file: UTF-8, with commas, semicolons or tabs between the columns.

    The names of parts are those that folders may have: train, training, validation, valid, val, test, testing.

    Raises:
        BadCatalog: with everything that is wrong in the file, by line.
        StorageError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="", opener=regular_file) as file:
            placings, problems = _read(file)
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {path}.", why, "Check the path that was given with --split.") from error
    if not placings and not problems:
        problems = ["It has a header and no line below."]
    if problems:
        what = f"{path} has {len(problems):,} problem{'s' if len(problems) > 1 else ''}; no picture was split by it."
        raise BadCatalog(what, "\n".join(told(problems)), _EXAMPLE)
    return SplitFile(path, tuple(placings))


def path_key(path: str) -> str:
    """Return a path as it is compared: forward slashes, composed Unicode, no leading `./`."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).removeprefix("./")


def told(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - _MOST_TOLD
    shown = [line.replace("\n", "\\n").replace("\r", "\\r") for line in lines[:_MOST_TOLD]]  # names may hold them
    return [*shown, *([f"And {more:,} more."] if more > 0 else [])]


def _read(file: TextIO) -> tuple[list[Placing], list[str]]:
    header = file.readline(_MOST_CHARS + 1)
    if len(header) > _MOST_CHARS:
        return [], [_too_long(1)]
    delimiter = max(",;\t", key=header.count)
    names = [name.strip().casefold() for name in next(csv.reader([header], delimiter=delimiter), [])]
    problems = [
        f"Line 1: there {'is no column' if name not in names else 'are several columns called'} {name!r};"
        f" the columns are {', '.join(map(repr, names)) or 'none'}."
        for name in ("path", "part")
        if names.count(name) != 1
    ]
    if problems:
        return [], problems
    columns: dict[str, int] = {name: names.index(name) for name in ("path", "part", "sha256") if name in names}
    placings: list[Placing] = []
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                _take(rows.line_num + 1, row, columns, placings, problems)
    except csv.Error as error:
        problems.append(
            _too_long(rows.line_num + 1)
            if "field limit" in str(error)
            else f"Line {rows.line_num + 1}: the quotes do not match ({error})."
        )
    return placings, problems + _contradictions(placings)


def _too_long(line: int) -> str:
    return f"Line {line}: it is too long."


def _take(
    line: int, row: Sequence[str], columns: Mapping[str, int], placings: list[Placing], problems: list[str]
) -> None:
    cells = {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}
    sha256 = cells.get("sha256", "").lower()
    part = PART_NAMES.get(cells["part"].casefold(), "")
    path = plain_cell(row[columns["path"]]) if columns["path"] < len(row) else ""
    faults = [
        (not path, "the path is empty"),
        (not part, f"the part of {path!r} is {cells['part']!r}, not train, validation or test"),
        (bool(sha256) and (len(sha256) != 64 or set(sha256) - set(hexdigits)), f"the sha256 of {path!r} is none"),
    ]
    found = [f"Line {line}: {fault}." for is_so, fault in faults if is_so]
    problems += found
    if not found:
        placings.append(Placing(line, path, sha256, part))


def _contradictions(placings: Iterable[Placing]) -> list[str]:
    """Return a sentence for each line that puts the same path elsewhere than an earlier one did."""
    first: dict[tuple[str, str], Placing] = {}
    problems = []
    for one in placings:
        known = first.setdefault((path_key(one.path), one.sha256), one)
        if known.part != one.part:
            where = f"{one.path!r} is in {one.part} here and in {known.part} in line {known.line}"
            problems.append(f"Line {one.line}: {where}.")
    return problems


def cut(catalog: Catalog, *, seed: int, given: SplitFile | None = None, progress: Progress = SILENT) -> Split:
    """Return the split of a catalog: as a file says, or else a cut of our own.

    Args:
        catalog: all pictures.
        seed: of our own cut; a given one has none.
        given: the lines of a split file.
        progress: is told about lines whose pictures are not there.

    Raises:
        BadCatalog: the file does not fit the pictures, or pictures leak from part to part; with the lines to change.
    """
    return make_split(catalog, seed=seed) if given is None else split_as_given(catalog, given, progress=progress)


def found_for(found: Found, given: SplitFile | None) -> Found:
    """Return what was found without the parts that folders say, where a file says others."""
    if given is None:
        return found
    return replace(found, candidates=tuple(replace(one, part=None) for one in found.candidates))


def split_as_given(catalog: Catalog, given: SplitFile, *, progress: Progress = SILENT) -> Split:
    """Give each picture the part of its line: matched by sha256 where the line has one, else by path below the root.

    Raises:
        BadCatalog: a picture has no line or two that disagree, a class has nothing to learn from, validation is
            empty, or equal or nearly equal pictures lie in different parts.
    """
    lines = _lines_of(catalog.pictures, given)
    _check_complete(catalog, given, lines)
    parts = [lines[picture.name].part for picture in catalog.pictures]
    split = split_into(catalog, parts, how=f"as {given.path.name} says")
    _check_filled(split, given)
    _check_leaks(split, given, lines)
    _note_unused(given, catalog, progress)
    return split


def _lines_of(pictures: Sequence[Picture], given: SplitFile) -> dict[str, Placing]:
    """Return picture name -> its line; pictures without one are not there.

    Of several lines with a picture's content, the one with its path is meant: copies have a line each.

    Raises:
        BadCatalog: none of several lines is meant, and they disagree.
    """
    by_content: dict[str, list[Placing]] = defaultdict(list)
    by_path: dict[str, list[Placing]] = {}
    for one in given.placings:
        if one.sha256:
            by_content[one.sha256].append(one)
        else:
            by_path.setdefault(path_key(one.path), [one])
    lines: dict[str, Placing] = {}
    problems = []
    for picture in pictures:
        key = path_key(picture.name)
        same = by_content.get(picture.sha256, [])
        own = [one for one in same if path_key(one.path) == key] or by_path.get(key, [])
        candidates = own or same
        if len({one.part for one in candidates}) > 1:
            where = ", ".join(f"line {one.line} says {one.part}" for one in candidates[:4])
            problems.append(f"{picture.name}: {where}.")
        elif candidates:
            lines[picture.name] = candidates[0]
    if problems:
        raise BadCatalog(
            f"{given.path} puts the content of {_pictures(len(problems))} into different parts.",
            "\n".join(told(problems)),
            "Leave one of the lines for each, and type the same command again.",
        )
    return lines


def _check_complete(catalog: Catalog, given: SplitFile, lines: Mapping[str, Placing]) -> None:
    missing = [picture.name for picture in catalog.pictures if picture.name not in lines]
    if not missing:
        return
    known = {path_key(one.path): one.line for one in given.placings}
    why = [
        f"{name}: line {known[path_key(name)]} has its path, but the sha256 of other content."
        if path_key(name) in known
        else f"{name}: no line."
        for name in missing
    ]
    example = missing[0] if missing[0].isprintable() else repr(missing[0])
    raise BadCatalog(
        f"{given.path} has no part for {len(missing):,} of {_pictures(len(catalog.pictures))} in {catalog.root}.",
        "\n".join(told(why)),
        f"Add a line for each, e.g. {example},train; or move the pictures out of the data.",
    )


def _check_filled(split: Split, given: SplitFile) -> None:
    if not split.part("validation"):
        raise BadCatalog(
            f"{given.path} puts no picture into validation.",
            f"Its parts hold {', '.join(f'{count:,} {name}' for name, count in split.sizes.items())}.",
            "Put some pictures of each class there: without them nothing could be measured before the test.",
        )
    untaught = sorted({one.label for one in split.assigned} - {one.label for one in split.part("train")})
    if untaught:
        raise BadCatalog(
            f"{given.path} puts no picture of {', '.join(map(repr, untaught[:5]))} into train.",
            "Nothing can be learnt about a class from validation and test pictures.",
            "Put pictures of every class into train, or move the class out of the data.",
        )


def _check_leaks(split: Split, given: SplitFile, lines: Mapping[str, Placing]) -> None:
    leaks = [group for group in split.alike if len({one.part for one in group}) > 1]
    if leaks:
        count = "once" if len(leaks) == 1 else f"{len(leaks):,} times"
        raise BadCatalog(
            f"{given.path} puts the same or nearly the same picture into different parts: {count}.",
            "\n".join(told([_leak(group, lines) for group in leaks])),
            f"Give the lines of each group the same part in {given.path}, and type the same command again: what is"
            " learnt must not be examined.",
        )


def _leak(group: Sequence[Assigned], lines: Mapping[str, Placing]) -> str:
    """Return one group as a line: a picture of each part, the others counted, and which are equal."""
    shown = {one.part: one for one in reversed(group)}
    names = " = ".join(
        f"{one.name} ({one.part}, line {lines[one.name].line})" for one in _in_order(shown.values(), group)
    )
    more = len(group) - len(shown)
    kind = "equal" if len({one.sha256 for one in shown.values()}) == 1 else "nearly equal"
    return f"{names}: {kind}{f', and {more:,} more like them' if more else ''}."


def _in_order(some: Iterable[Assigned], group: Sequence[Assigned]) -> list[Assigned]:
    return sorted(some, key=lambda one: [other.name for other in group].index(one.name))


def _note_unused(given: SplitFile, catalog: Catalog, progress: Progress) -> None:
    contents = {picture.sha256 for picture in catalog.pictures}
    paths = {path_key(picture.name) for picture in catalog.pictures}
    unused = [
        one for one in given.placings if (one.sha256 not in contents if one.sha256 else path_key(one.path) not in paths)
    ]
    if unused:
        lines = "1 line names a picture" if len(unused) == 1 else f"{len(unused):,} lines name pictures"
        progress.say(
            f"Note     {lines} that {'is' if len(unused) == 1 else 'are'} not in {catalog.root}; the first is"
            f" {unused[0].path!r} in line {unused[0].line} of {given.path.name}"
        )


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' if count != 1 else ''}"
