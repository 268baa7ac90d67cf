"""A split that the user gives (`--split splits.csv`): read, checked against the pictures, applied; ours is in split.py.

Every class needs a training picture, validation a picture, and duplicates must lie in the same part unless leaks are
allowed. Pictures without a line are dealt in the shares of the others, beside what looks like them.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import hexdigits

from pawsight.core.errors import BadDataset
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import plain_cell
from pawsight.core.text import plural
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.found import Found
from pawsight.data.groups import is_found
from pawsight.data.parts import part_named
from pawsight.data.split import Assigned, Split, make_split, split_around, split_into, spread
from pawsight.data.tables import MAX_LINE_CHARS, Problems, Table, TableError, first_lines, open_table, readable

_EXAMPLE = "The file should look like this:\npath,part\ncats/1.jpg,train\ndogs/7.jpg,validation"
_SHOWN = 10  # lines and pictures that a message spells out


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One line of a split file."""

    line: int  # in the file, 1 for the header
    path: str  # as written
    sha256: str  # lower case, "" where the line has none
    part: str  # one of the three names of parts
    group: str = ""  # "" where the line has none


@dataclass(frozen=True, slots=True)
class SplitFile:
    """All lines of a split file, in its order."""

    path: Path
    rows: tuple[SplitRow, ...]
    allow_leaks: bool = False  # duplicates in different parts are reported instead of refused
    run: str = ""  # that grows by pictures without a line; what its split lacks was accepted there


def read_split_file(path: Path, *, allow_leaks: bool = False) -> SplitFile:
    """Read a split file: a table with the columns path, part and, optionally, sha256 and group, as a run's splits.csv.

    The names of columns may be those of `tables.COLUMN_NAMES`; the names of parts are those that folders may have
    (parts.py). Other columns are ignored, the label too: it comes from the data.

    Raises:
        BadDataset: with everything that is wrong in the file, by line.
        StorageError: it cannot be read.
    """
    problems = Problems(_SHOWN)
    rows: list[SplitRow] = []
    with open_table(path, fix="Check the path that was given with --split.") as file:
        try:
            table = Table(file, name=path.name, max_line_chars=MAX_LINE_CHARS, lists=True)
            columns = _columns(table, problems)
            for line, cells in table if columns else ():
                if any(cell.strip() for cell in cells):
                    _add_row(line, cells, columns, rows, problems)
        except TableError as error:
            problems.add(error.line, error.fault)
    first: dict[tuple[str, str], SplitRow] = {}
    for row in rows:
        known = first.setdefault((path_key(row.path), row.sha256), row)
        if known.part != row.part:
            problems.add(row.line, f"{row.path!r} is in {row.part} here and in {known.part} in line {known.line}")
    if not rows and not problems:
        problems.add_text("It has a header and no line below.")
    if problems:
        raise BadDataset(problems.what(path, "no picture was split by it"), problems.why(), _EXAMPLE)
    return SplitFile(path, tuple(rows), allow_leaks)


def _columns(table: Table, problems: Problems) -> dict[str, int]:
    """Return the positions of path, part and sha256; nothing when a required one is missing or occurs twice."""
    for name in ("path", "part"):
        if table.columns.count(name) != 1:
            fault = "is no column" if name not in table.columns else "are several columns called"
            existing = ", ".join(map(repr, table.columns)) or "none"
            problems.add(1, f"there {fault} {name!r}; the columns are {existing}")
    names = ("path", "part", "sha256", "group")
    return {} if problems else {name: table.columns.index(name) for name in names if name in table.columns}


def _add_row(
    line: int, cells: Sequence[str], columns: Mapping[str, int], rows: list[SplitRow], problems: Problems
) -> None:
    values = {name: cells[column] if column < len(cells) else "" for name, column in columns.items()}
    path, sha256 = plain_cell(values["path"]), values.get("sha256", "").strip().lower()
    part = part_named(values["part"]) or ""
    checks = [
        (not path, "the path is empty"),
        (not part, f"the part of {path!r} is {values['part'].strip()!r}, not train, validation or test"),
        (bool(sha256) and (len(sha256) != 64 or set(sha256) - set(hexdigits)), f"the sha256 of {path!r} is none"),
    ]
    faults = [fault for is_wrong, fault in checks if is_wrong]
    for fault in faults:
        problems.add(line, fault)
    if not faults:
        rows.append(SplitRow(line, path, sha256, part, plain_cell(readable(values.get("group", ""), line).strip())))


def path_key(path: str) -> str:
    """Return a path as it is compared: forward slashes, composed Unicode, no leading `./`."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).removeprefix("./")


def cut(dataset: Dataset, *, seed: int, given: SplitFile | None = None, progress: Progress = SILENT) -> Split:
    """Return the split of a dataset: as a file says, or else by `make_split`.

    Args:
        dataset: all pictures.
        seed: for `make_split`; a given split has none.
        given: the lines of a split file.
        progress: receives a note about lines whose pictures are not there.

    Raises:
        BadDataset: the file does not fit the pictures, or pictures leak from part to part; with the lines to change.
    """
    if given is None:
        return make_split(dataset, seed=seed)
    return split_as_given(dataset, given, seed=seed, progress=progress)


def found_for(found: Found, given: SplitFile | None) -> Found:
    """Return what was found without the parts that folders say, where a file says others.

    Where the file has lines for some of the paths, the others keep the part of their folder: they were added since.
    """
    if given is None:
        return found
    paths = {path_key(row.path) for row in given.rows}
    listed = [path_key(candidate.name) in paths for candidate in found.candidates]
    kept = [
        candidate if not is_listed and any(listed) else replace(candidate, part=None)
        for candidate, is_listed in zip(found.candidates, listed, strict=True)
    ]
    return replace(found, candidates=tuple(kept))


def split_as_given(dataset: Dataset, given: SplitFile, *, seed: int = 0, progress: Progress = SILENT) -> Split:
    """Give each picture the part of its line: matched by sha256 where the line has one, else by path below the root.

    Pictures without a line are dealt by `split_around`, and `progress` is told how many.

    Raises:
        BadDataset: no picture has a line or one has two that disagree, a class has nothing to learn from, validation
            is empty, or pictures that are or may be the same, or are of one group that the user named, lie in
            different parts and that is not allowed.
    """
    lines = _lines_of(dataset.pictures, given)
    if not lines:
        raise _fits_nothing(dataset, given)
    if not dataset.reading.group_by:  # else the user says groups anew
        groups = {name: row.group for name, row in lines.items()}
        pictures = [replace(file, group=groups.get(file.name) or file.group) for file in dataset.pictures]
        dataset = replace(dataset, pictures=tuple(pictures))
    parts = [lines[picture.name].part if picture.name in lines else None for picture in dataset.pictures]
    how = f"as {given.run or given.path.name} {'has it' if given.run else 'says'}"
    if dealt := parts.count(None):
        how += f"; {plural(dealt, 'other picture was', 'other pictures were')} dealt in the same shares"
        split = split_around(dataset, parts, seed=seed, how=how)
        _note_dealt(split, given, lines, {picture.name: picture.part for picture in dataset.pictures}, progress)
    else:
        split = split_into(dataset, [lines[picture.name].part for picture in dataset.pictures], how=how)
    _check_filled(split, given)
    if not given.allow_leaks:
        _check_leaks(split, given, lines)
        _check_groups(split, given)
    _note_unused(given, dataset, progress)
    return split


def _lines_of(pictures: Sequence[Picture], given: SplitFile) -> dict[str, SplitRow]:
    """Return picture name -> its line; pictures without one are not there.

    Of several lines with a picture's content, the one with its path counts: copies have a line each.

    Raises:
        BadDataset: none of several lines is meant, and they disagree.
    """
    by_content: dict[str, list[SplitRow]] = defaultdict(list)
    by_path: dict[str, list[SplitRow]] = {}
    for row in given.rows:
        if row.sha256:
            by_content[row.sha256].append(row)
        else:
            by_path.setdefault(path_key(row.path), [row])
    lines: dict[str, SplitRow] = {}
    problems = []
    for picture in pictures:
        key = path_key(picture.name)
        same = by_content.get(picture.sha256, [])
        own = [row for row in same if path_key(row.path) == key] or by_path.get(key, [])
        candidates = own or same
        if len({row.part for row in candidates}) > 1:
            where = ", ".join(f"line {row.line} says {row.part}" for row in candidates[:4])
            problems.append(f"{picture.name}: {where}.")
        elif candidates:
            lines[picture.name] = candidates[0]
    if problems:
        raise BadDataset(
            f"{given.path} puts the content of {_pictures(len(problems))} into different parts.",
            first_lines(problems, shown=_SHOWN),
            "Leave one of the lines for each, and type the same command again.",
        )
    return lines


def _fits_nothing(dataset: Dataset, given: SplitFile) -> BadDataset:
    known = {path_key(row.path): row.line for row in given.rows}
    why = [
        f"{name}: line {known[path_key(name)]} has its path, but the sha256 of other content."
        if path_key(name) in known
        else f"{name}: no line."
        for name in (picture.name for picture in dataset.pictures)
    ]
    example = dataset.pictures[0].name
    return BadDataset(
        f"{given.path} has no part for any of {_pictures(len(dataset.pictures))} in {dataset.root}.",
        first_lines(why, shown=_SHOWN),
        f"Add lines for them, e.g. {example if example.isprintable() else repr(example)},train; or leave --split out.",
    )


def _note_dealt(
    split: Split,
    given: SplitFile,
    lines: Mapping[str, SplitRow],
    own: Mapping[str, str | None],
    progress: Progress,
) -> None:
    """Say how many pictures without a line went where; a warning where they are more than the others.

    Args:
        own: name -> part that a picture's folder says.
    """
    dealt = [picture for picture in split.assigned if picture.name not in lines]
    text = f"{plural(len(dealt), 'picture has', 'pictures have')} no line in {given.path.name}"
    if given.run:
        text = f"{plural(len(dealt), 'picture is', 'pictures are')} new"
    level = "Note    " if len(dealt) <= len(lines) else "WARNING "
    progress.say(f"{level} {text}, dealt in the shares of the others: {spread(dealt)}; the first is {dealt[0].name!r}")
    elsewhere = [picture for picture in dealt if own[picture.name] not in (None, picture.part)]
    if elsewhere:
        first = elsewhere[0]
        progress.say(
            f"Note     {plural(len(elsewhere), 'picture is', 'pictures are')} not in the part of the folder, but beside"
            f" what looks the same: {spread(elsewhere)}; the first is {first.name!r}, now in {first.part}"
        )


def _check_filled(split: Split, given: SplitFile) -> None:
    if not split.part("validation") and not given.run:
        raise BadDataset(
            f"{given.path} puts no picture into validation.",
            f"Its parts hold {', '.join(f'{count:,} {name}' for name, count in split.sizes.items())}.",
            "Put some pictures of each class there: without them nothing could be measured before the test.",
        )
    untaught = sorted((split.labels_in("validation") | split.labels_in("test")) - split.labels_in("train"))
    if untaught:
        raise BadDataset(
            f"{given.path} puts no picture of {', '.join(map(repr, untaught[:5]))} into train.",
            "Nothing can be learnt about a class from validation and test pictures.",
            "Put pictures of every class into train, or move the class out of the data.",
        )


def _check_leaks(split: Split, given: SplitFile, lines: Mapping[str, SplitRow]) -> None:
    groups = [[picture for picture in group if picture.name in lines] for group in split.duplicates]
    leaks = [group for group in groups if len({picture.part for picture in group}) > 1]
    if leaks:
        count = "once" if len(leaks) == 1 else f"{len(leaks):,} times"
        raise BadDataset(
            f"{given.path} puts what is or may be the same picture into different parts: {count}.",
            first_lines([_leak(group, lines) for group in leaks], shown=_SHOWN),
            f"Give the lines of each group the same part in {given.path}. Or, if they are different pictures or the"
            " leak is meant, add --allow-leaks.",
        )


def _check_groups(split: Split, given: SplitFile) -> None:
    torn = {name: group for name, group in split.groups_across_parts.items() if not is_found(name)}
    if torn:
        raise BadDataset(
            f"{given.path} puts pictures of one group into different parts: {plural(len(torn), 'group')}.",
            first_lines([f"{name!r}: {spread(group)}." for name, group in torn.items()], shown=_SHOWN),
            f"Give all lines of a group the same part in {given.path}, or leave --split out to have it made so."
            " If the leak is meant, add --allow-leaks.",
        )


def _leak(group: Sequence[Assigned], lines: Mapping[str, SplitRow]) -> str:
    """Return one group as a line: a picture of each part, the others counted, and which are equal."""
    shown = {picture.part: picture for picture in reversed(group)}
    names = " = ".join(
        f"{picture.name} ({picture.part}, line {lines[picture.name].line})"
        for picture in group
        if shown[picture.part] is picture
    )
    more = len(group) - len(shown)
    kind = "equal" if len({picture.sha256 for picture in shown.values()}) == 1 else "may be the same"
    return f"{names}: {kind}{f', and {more:,} more like them' if more else ''}."


def _note_unused(given: SplitFile, dataset: Dataset, progress: Progress) -> None:
    contents = {picture.sha256 for picture in dataset.pictures}
    paths = {path_key(picture.name) for picture in dataset.pictures}
    unused = [
        row for row in given.rows if (row.sha256 not in contents if row.sha256 else path_key(row.path) not in paths)
    ]
    if unused:
        lines = "1 line names a picture" if len(unused) == 1 else f"{len(unused):,} lines name pictures"
        progress.say(
            f"Note     {lines} that {'is' if len(unused) == 1 else 'are'} not in {dataset.root}; the first is"
            f" {unused[0].path!r} in line {unused[0].line} of {given.path.name}"
        )


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' if count != 1 else ''}"
