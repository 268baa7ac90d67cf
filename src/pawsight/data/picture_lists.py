"""Lists of labelled pictures: a table's rows -> candidates, and where the files of its paths are on this disk.

The table itself is read in tables.py; a list without labels, for `predict`, in distributed/path_lists.py.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath

from pawsight.core.errors import BadDataset, NoPictures
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import SPLITS, root_of
from pawsight.core.storage import plain_cell
from pawsight.core.text import plural
from pawsight.data.download import WEB, download_all, scheme_of
from pawsight.data.folders import clean_label, name_below
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.label_sets import SEPARATOR, joined, labels_in
from pawsight.data.named_groups import with_named_groups
from pawsight.data.parts import PARTS, part_named
from pawsight.data.reading import MISSING, PICTURE_ENDINGS, FolderReading, is_hidden
from pawsight.data.tables import (
    MAX_LINE_CHARS,
    MAX_LINES,
    ListOfLabels,
    Problems,
    Table,
    TableError,
    open_table,
    readable,
    roles_of,
)

_MOST_LISTED = 500_000  # files below a table's folder that are searched for its names
_FOLDERS_KEPT = 256  # listings in memory: a list goes through its folders one after another, or through a few
_SHOWN = 3  # files that a message spells out
_ROLES = ("path", "label", "part", "group")
_DROPPED = "drop"  # label_patch.DROP, whose module is slow to load
_ONE_HOT = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_BETWEEN_LABELS = re.compile(r"[|;,]")  # in a cell with several labels; lists are written ['cat', 'furry']
_ADD_SEVERAL = "If pictures have several labels, add --several-labels"
_EXAMPLE = (
    "Name the columns, e.g. --columns path=image,label=class; or let the file look like this:\n"
    "path,label\ncats/1.jpg,cat\ndogs/1.jpg,dog"
)


def read_list(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    reading: FolderReading | None = None,
    max_lines: int = MAX_LINES,
) -> Found:
    """Read a list of pictures: a table with the columns path and label and, optionally, part and group.

    Paths are relative to the table's folder, which is the root of what is found; those of a run's splits.csv to the
    folder that the run's pictures were read from. `locate` looks for the files. Other
    columns are ignored, and so are blank lines and lines that repeat an earlier one. Instead of a label there may be
    a column for each class with 1 in that of the picture and 0 in the others. Labels are text, whatever they say. Where
    `reading` says that a picture may have several labels, these are those of all its columns with 1, of all its lines
    and, with a separator, of all pieces of its cell; a picture may have none.

    Args:
        path: of the table.
        columns: as for `Table`; None goes by their names.
        reading: groups and several labels; the name of a column is that before it is a pattern for the path.
        max_lines: in the file.

    Raises:
        BadDataset: with everything that is wrong in the file, by line.
        NoPictures: it has a header and nothing else.
        StorageError: it cannot be read.
    """
    reading = reading or FolderReading()
    problems, fix = Problems(), _EXAMPLE
    reader: _ListReader | None = None
    folder = (root_of(path.parent) if path.name == SPLITS else None) or path.parent
    with open_table(path) as file:
        try:
            table = Table(
                file,
                name=path.name,
                columns=columns,
                max_lines=max_lines,
                max_line_chars=MAX_LINE_CHARS,
                lists=reading.several_labels,
            )
            rows = iter(table)
            first = next(rows, None)
            reader = _ListReader(folder, table, first[1] if first else [], problems, reading)
            fix = reader.check_columns() or fix
            if not problems:
                for line, row in chain([first] if first else [], rows):
                    if any(row):
                        reader.add(line, row)
                fix = reader.check_rows(are_columns_typed=columns is not None) or fix
        except TableError as error:
            problems.add(error.line, error.fault)
            fix = _ADD_SEVERAL if isinstance(error, ListOfLabels) else fix
    if problems or reader is None:
        raise BadDataset(problems.what(path, "nothing was read from it"), problems.why(), fix)
    if not reader.seen:
        raise NoPictures(f"{path} lists no pictures.", "It has a header and nothing below.", _EXAMPLE)
    candidates = sorted((candidate for _, candidate in reader.seen.values()), key=lambda candidate: candidate.name)
    labels = {candidate.label for candidate in candidates}
    if reading.several_labels:
        labels = {label for text in labels for label in labels_in(text)}
    found = Found(
        folder,
        tuple(candidates),
        (),
        (),
        tuple(sorted(labels)),
        reader.notes(path.name),
        reading=reading,
        is_table=True,
        several_labels=reading.several_labels,
    )
    return found if reader.has_group_column else with_named_groups(found)


def _several_labels(labels: Iterable[str]) -> str:
    """Return a label that is several; else nothing.

    Its pieces are labels of other pictures, or half of all labels share pieces with others.
    """
    pieces = {label: set(_pieces(label)) for label in labels}
    used = Counter(piece for names in pieces.values() for piece in names)
    several = sorted(
        label for label, names in pieces.items() if len(names) > 1 and any(used[name] > 1 for name in names)
    )
    if 2 * len(several) < len(pieces):
        several = [label for label in several if pieces[label] <= pieces.keys()]
    return several[0] if several else ""


def _pieces(label: str) -> list[str]:
    listed = label.strip("[]{}() ") if label.startswith(("[", "{", "(")) else label
    return [piece for piece in (piece.strip(" '\"") for piece in _BETWEEN_LABELS.split(listed)) if piece]


def _listed(cell: str) -> list[str] | None:
    """Return the labels of a cell that is a list as JSON or Python write it: ["red", "round"]; None of any other."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        values = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    is_flat = all(isinstance(value, str | int | float) for value in values)
    return [label for value in values if (label := str(value).strip())] if is_flat else None


class _ListReader:
    """Makes candidates of the rows of one table, and remembers each file's first row."""

    def __init__(
        self, folder: Path, table: Table, first: Sequence[str], problems: Problems, reading: FolderReading
    ) -> None:
        self._folder, self._table, self._problems = folder, table, problems
        self._has_several = reading.several_labels
        self._between = re.compile(re.escape(reading.label_separator)) if reading.label_separator else None
        self._places: dict[str, int] = {role: table.columns.index(role) for role in _ROLES if role in table.columns}
        header = [readable(name, 1).strip() for name in table.header]
        self.has_group_column = reading.group_by in header
        self._is_patch = {"sha256", "action"} <= set(header)  # written by Pawsight, which marks formulas
        self._action = header.index("action") if self._is_patch else 0
        if self.has_group_column:
            self._places["group"] = header.index(reading.group_by)
        others = {
            column: readable(name, 1).strip()
            for column, name in enumerate(table.header)
            if name.strip() and column not in self._places.values()
        }
        values = {name: first[column].strip() if column < len(first) else "" for column, name in others.items()}
        is_one_hot = "path" in self._places and "label" not in self._places and len(others) > 1
        # What stands in the first row of columns that are in the way of a column for each label.
        self._no_flags = {name: value for name, value in values.items() if value.lower() not in _ONE_HOT}
        self._classes = others if is_one_hot and not self._no_flags else {}
        self._may_be_one_hot = is_one_hot and (self._has_several or len(values) - len(self._no_flags) > 1)
        self._guessed = ""  # a label that is not UTF-8
        self._several = ""  # a label that looks like several
        self._option = ""  # that reads several labels, where there seem to be some
        self._is_cell_wrong = False  # of a path or a label: leaving out the column of parts does not help
        self.seen: dict[str, tuple[int, Candidate]] = {}  # by absolute path

    def check_columns(self) -> str:
        """Note columns that are missing or there twice; return what to type where that can be said."""
        table, places, problems = self._table, self._places, self._problems
        for role in _ROLES:
            same = [name for name, column in zip(table.header, table.columns, strict=True) if column == role]
            if len(same) > 1:
                alike = f"called {role}" if len(set(same)) == 1 else f"for {role}: {', '.join(map(repr, same))}"
                problems.add(1, f"there are {len(same)} columns {alike}")
            elif not same and (role == "path" or (role == "label" and not self._classes)):
                existing = ", ".join(map(repr, table.header)) or "none"
                problems.add(1, f"there is no column {role!r}; the columns are {existing}")
        if not problems or not table.header:
            return ""
        if self._may_be_one_hot and self._no_flags:
            name, value = next(iter(self._no_flags.items()))
            return (
                "With a column for each label, every column but the path holds 0 or 1. In the first row"
                f" {name!r} holds {value!r}.\nWrite 0 and 1, or take out the columns that are no labels:"
                f" {', '.join(map(repr, self._no_flags))}"
            )
        columns = range(len(table.header))
        pictures = [n for n in columns if PurePosixPath(table.header[n].strip()).suffix.lower() in PICTURE_ENDINGS]
        path = (
            pictures[0] if pictures else places.get("path", next((n for n in columns if n != places.get("label")), 0))
        )
        label = places.get("label", next((n for n in columns if n != path), path))
        if pictures:
            typed = f"path={path + 1},label={label + 1}"
            return f"The first line is no header but a picture. Say which columns are what: --columns {typed}"
        if path == label:
            return _EXAMPLE
        typed = f"path={table.header[path].strip()},label={table.header[label].strip()}"
        return f"Say which columns are what, e.g. --columns {shlex.quote(typed)}"

    def check_rows(self, *, are_columns_typed: bool) -> str:
        """Note what is wrong with the rows together; return what to type where an option helps."""
        # Parts must be given for every picture or for none: a guess would mix tests with training.
        without = [line for line, candidate in self.seen.values() if candidate.part is None]
        if without and len(without) < len(self.seen):
            fault = f"the part is empty, as in {len(without):,} lines, while other lines have one"
            self._problems.add(without[0], fault)
        texts = [file.label for _, file in self.seen.values()]
        names = [label for text in texts for label in labels_in(text)] if self._has_several else texts
        self._several = several = _several_labels(names)
        if several and not are_columns_typed:
            line = next(line for line, candidate in self.seen.values() if several in candidate.label)
            read = "it is read as one" if self._between else "one label is read"
            self._problems.add(line, f"the label {several!r} is several labels, as others are; {read}")
            separator = next((character for character in several if _BETWEEN_LABELS.match(character)), ";")
            is_list = _listed(several) is not None
            self._option = "--several-labels" if is_list else f"--label-separator {shlex.quote(separator)}"
        if not self._problems:
            return ""
        fix = f"If pictures have several labels, add {self._option}\n" if self._option else ""
        if self._is_cell_wrong or "label" not in self._places:  # or reading other columns does not help
            return fix and f"{fix}Else mend these lines."
        header = self._table.header
        typed = ",".join(f"{role}={header[self._places[role]].strip()}" for role in ("path", "label"))
        return (
            f"{fix}Mend these lines; or, to read path and label alone and as they are: --columns {shlex.quote(typed)}"
        )

    def add(self, line: int, row: Sequence[str]) -> None:
        """Take one row, or note what is wrong with it."""
        needed = 1 + max(*self._places.values(), *self._classes)
        if len(row) < needed:
            self._problems.add(line, f"it has too few columns, {len(row)} of {needed}")
            self._is_cell_wrong = True
            return
        path = row[self._places["path"]]
        if self._is_patch:
            path = plain_cell(path)
            if row[self._action : self._action + 1] == [_DROPPED]:
                return  # it is to be used for nothing
        cells = {role: readable(row[column], line).strip() for role, column in self._places.items() if role != "path"}
        if self._is_patch and "label" in cells:
            cells["label"] = plain_cell(cells["label"])
        labels, fault = self._labels(path, row, cells.get("label", ""))
        cell = cells.get("part", "")
        part = part_named(cell)
        checks = [
            (not path.strip(), "the path is empty"),
            ("\0" in path, "the path has a NUL character in it"),
            (bool(fault), fault),
            (not (labels or fault or self._has_several), f"the label of {path!r} is empty"),
            (bool(cell) and not part, f"the part of {path!r} is {cell!r}, not one of {', '.join(PARTS)}"),
        ]
        faults = [fault for is_wrong, fault in checks if is_wrong]
        for fault in faults:
            self._problems.add(line, fault)
        self._is_cell_wrong = self._is_cell_wrong or any(is_wrong for is_wrong, _ in checks[:-1])
        if not faults:
            is_guessed = "label" in cells and cells["label"] != row[self._places["label"]].strip()
            self._guessed = self._guessed or (cells["label"] if is_guessed else "")
            self._keep(line, path, joined(labels) if self._has_several else labels[0], part, cells.get("group", ""))

    def _labels(self, path: str, row: Sequence[str], cell: str) -> tuple[list[str], str]:
        """Return the labels of a row, and what is wrong with them."""
        values = {name: _ONE_HOT.get(row[column].strip().lower()) for column, name in self._classes.items()}
        if None in values.values():
            return [], f"the columns of the classes of {path!r} hold other numbers than 0 and 1"
        listed = _listed(cell) if self._has_several else None
        pieces = listed if listed is not None else self._separated(cell)
        labels = [clean_label(label) for label in (*pieces, *(name for name, value in values.items() if value))]
        if self._classes and len(labels) != 1 and not self._has_several:
            self._option = "--several-labels"
            named = ", ".join(map(repr, labels)) or "none"
            return [], f"{path!r} has {len(labels)} classes, {named}; one label is read"
        if self._has_several and (wrong := [label for label in labels if SEPARATOR in label]):
            self._option = "" if self._between else f"--label-separator {shlex.quote(SEPARATOR)}"
            return [], f"the label {wrong[0]!r} of {path!r} has {SEPARATOR!r} in it, which stands between labels"
        return labels, ""

    def _separated(self, cell: str) -> list[str]:
        """Return the labels of a cell: what stands between separators, or all of it."""
        pieces = self._between.split(cell) if self._between else [cell]
        return [label for piece in pieces if (label := piece.strip())]

    def _keep(self, line: int, path: str, label: str, part: str | None, group: str) -> None:
        is_address = scheme_of(path.strip()) in WEB
        file = Path(path.strip()) if is_address else self._folder / path
        name = path.strip() if is_address else name_below(self._folder, file)
        candidate = Candidate(file, name, label, part, group)
        first_line, first = self.seen.setdefault(os.path.abspath(file), (line, candidate))
        shown = repr(str(file))
        if first.label != label and not self._has_several:
            self._option = "--several-labels"
            self._problems.add(line, f"{shown} is labelled {label!r} here and {first.label!r} in line {first_line}")
            self._is_cell_wrong = True
        elif first.part != part:
            self._problems.add(line, f"{shown} is in part {part} here and in part {first.part} in line {first_line}")
        elif first.label != label:
            several = joined((*labels_in(first.label), *labels_in(label)))
            self.seen[os.path.abspath(file)] = (first_line, replace(first, label=several))

    def notes(self, name: str) -> tuple[str, ...]:
        """Return in a line each what was read otherwise than a plain table with the columns path and label."""
        renamed = [
            f"{header.strip()} as {role}"
            for header, role in zip(self._table.header, self._table.columns, strict=True)
            if role in _ROLES and header.strip().casefold() != role and self._table.has_header
        ]
        renamed += [
            f"{roles_of([header])[0]} rather than {header.strip()}"
            for header, role in zip(self._table.header, self._table.columns, strict=True)
            if role not in _ROLES and role == header.strip().casefold() and roles_of([header])[0] in self._places
        ]
        kind, those = ("label", "those") if self._has_several else ("class", "that")
        notes = [
            (renamed, f"{name}: the columns {', '.join(renamed)}"),
            (self._classes, f"{name} has a column for each {kind}, with 1 in {those} of the picture"),
            (self._has_several, f"{name}: a picture may have several labels, or none of them"),
            (self._several, f"{name} has labels that look like several and are read as one, e.g. {self._several!r}"),
            (self._guessed, f"{name} is not UTF-8 and was read as Windows-1252, e.g. the label {self._guessed!r}"),
        ]
        return tuple(note for is_worth_saying, note in notes if is_worth_saying)


def locate(found: Found, *, cache: Path, progress: Progress = SILENT) -> Found:
    """Return what a list names with each picture's file as it is on this disk; addresses are downloaded.

    A path is taken as written; then without spaces around it, with forward slashes, with `~` expanded, and with the
    ending of the one picture of that name. Where none is found so, the paths may start elsewhere: the same leading
    folders are taken off each, and the rest is looked for in the table's folder and anywhere below it, as long as one
    file has that end. That must find more than half of the pictures. What is not found is left out.

    Args:
        found: as `read_list` gives it.
        cache: the folder for what can be made again; pictures at addresses go there.
        progress: hears how far it is.

    Raises:
        BadDataset: no picture was found, or one that two lines spell differently has two labels.
        DownloadFailed: no address could be fetched.
    """
    addresses = [candidate.name for candidate in found.candidates if scheme_of(candidate.name) in WEB]
    names = [candidate.name for candidate in found.candidates if scheme_of(candidate.name) not in WEB]
    files, problems = download_all(addresses, cache / "downloads" / "pictures", progress=progress)
    folders = Folders()
    files |= {name: file for name in names if (file := as_spelled(found.root, name, folders))}
    notes, warnings = list(found.notes), list(found.warnings)
    if names and not any(name in files for name in names):
        moved = _below_another_folder(found.root, names, folders)
        if not moved and not files:
            first, place = _slashed(names[0]), found.root.absolute()
            several = _ending_so(_files_by_end(found.root), first.rpartition("/")[2])[:_SHOWN]
            looked = f"The first is {names[0]!r}; it was looked for as {place / first}, and its end below {place}"
            raise BadDataset(
                f"None of {plural(len(names), 'listed picture')} was found.",
                f"{looked}, where {', '.join(several)} end so." if len(several) > 1 else f"{looked}.",
                "Put the list into the folder that its paths start from, or correct the paths.",
            )
        files |= moved
        if moved:
            name, file = next(iter(moved.items()))
            notes.append(f"The paths of the list start elsewhere: {name!r} was found as {name_below(found.root, file)}")
    missing = [candidate for candidate in found.candidates if candidate.name not in files]
    if missing:
        first = missing[0].name
        where = problems.get(first) or f"it was looked for as {found.root.absolute() / _slashed(first)}"
        warnings.append(
            f"{len(missing):,} of {plural(len(found.candidates), 'listed picture')} not found; the first is {first!r}:"
            f" {where}"
        )
    reasons = {url: f"{MISSING}: {problem.rstrip('.')}" for url, problem in problems.items()}
    left_out = [LeftOut(candidate.name, reasons.get(candidate.name, MISSING)) for candidate in missing]
    return replace(
        found,
        candidates=_distinct(found, files),
        left_out=(*found.left_out, *left_out),
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _distinct(found: Found, files: Mapping[str, Path]) -> tuple[Candidate, ...]:
    """Return the candidates that were found, once each, sorted by name.

    Raises:
        BadDataset: two spellings of one file have different labels or parts.
    """
    located: dict[str, tuple[str, Candidate]] = {}
    for candidate in found.candidates:
        if (file := files.get(candidate.name)) is None:
            continue
        moved = replace(candidate, path=file, name=name_below(found.root, file))
        spelling, first = located.setdefault(os.path.abspath(file), (candidate.name, moved))
        if found.several_labels and first.part == moved.part:
            labels = joined((*labels_in(first.label), *labels_in(moved.label)))
            located[os.path.abspath(file)] = (spelling, replace(first, label=labels))
        elif (first.label, first.part) != (moved.label, moved.part):
            given = [f"{file.label!r}{f' in {file.part}' if file.part else ''}" for file in (first, moved)]
            raise BadDataset(
                f"{file} is listed twice, as {' and as '.join(given)}.",
                f"The list spells it {spelling!r} and {candidate.name!r}.",
                "Leave one of the lines, and type the same command again.",
            )
    return tuple(sorted((candidate for _, candidate in located.values()), key=lambda candidate: candidate.name))


def _slashed(name: str) -> str:
    """Return a path as another program may have meant it: no spaces around it, forward slashes."""
    with suppress(TableError):  # else a name of raw bytes
        name = readable(name, 0)
    return name.strip().replace("\\", "/")


def as_spelled(root: Path, name: str, folders: Folders) -> Path | None:
    """Return the file that a list's path means: as written, or as `locate` says; None where there is none."""
    spellings = [Path(spelling) for spelling in dict.fromkeys((name, name.strip(), _slashed(name)))]
    with suppress(RuntimeError):  # ~NAME of an unknown user
        spellings.append(spellings[-1].expanduser())
    return next((file for spelling in spellings if (file := folders.file(root / spelling))), None)


def _below_another_folder(root: Path, names: Sequence[str], folders: Folders) -> dict[str, Path]:
    """Return where the files of displaced paths are: all without the same leading folders."""
    paths = {name: [part for part in _slashed(name).split("/") if part not in ("", ".")] for name in names}
    first = next(iter(paths.values()))
    ends = _files_by_end(root)
    for stripped in range(len(first)):
        moved: dict[str, Path] = {}
        for name, parts in paths.items():
            if parts[:stripped] == first[:stripped] and len(parts) > stripped:
                end = "/".join(parts[stripped:])
                matching = [file] if (file := folders.file(root / end)) else _ending_so(ends, end)
                if len(matching) == 1:
                    moved[name] = root / matching[0]
        if 2 * len(set(moved.values())) > len(names):
            return moved
    return {}


def _files_by_end(root: Path) -> dict[str, list[str]]:
    """Return last part of a path, with and without ending -> files below a folder that have it."""
    ends: dict[str, list[str]] = defaultdict(list)
    for file in islice(_visible_files(root), _MOST_LISTED):
        name = PurePosixPath(file).name
        ends[name].append(file)
        if (stem := _stem(name)) != name:
            ends[stem].append(file)
    return ends


def _visible_files(root: Path) -> Iterator[str]:
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not is_hidden(name))
        between = Path(folder).relative_to(root).as_posix()
        yield from (name if between == "." else f"{between}/{name}" for name in sorted(names) if not is_hidden(name))


def _ending_so(ends: Mapping[str, Sequence[str]], end: str) -> list[str]:
    """Return the files below the folder whose path ends so, with or without the ending of a picture."""
    return [
        file
        for file in ends.get(end.rpartition("/")[2], ())
        if f"/{file}".endswith(f"/{end}") or f"/{_stem(file)}".endswith(f"/{end}")
    ]


def _stem(name: str) -> str:
    """Return a file's name without the ending of a picture."""
    path = PurePosixPath(name)
    return name.removesuffix(path.suffix) if path.suffix.lower() in PICTURE_ENDINGS else name


class Folders:
    """Looks for files by listing folders: on a network share one question a folder, not one a file."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def file(self, path: Path) -> Path | None:
        """Return the path where there is a file, or that of the one picture with this name and an ending."""
        if path.parent not in self._listed:
            names: dict[str, list[str]] = defaultdict(list)
            with suppress(OSError, ValueError):  # else the whole path is asked for below
                for name in os.listdir(path.parent):
                    names[name].append(name)
                    if (stem := _stem(name)) != name:
                        names[stem].append(name)
            if len(self._listed) >= _FOLDERS_KEPT:
                del self._listed[next(iter(self._listed))]
            self._listed[path.parent] = names
        entries = self._listed[path.parent].get(path.name, [])
        if path.name in entries or (not entries and os.path.lexists(path)):  # some disks take names in any case
            return path
        return path.with_name(entries[0]) if len(entries) == 1 else None
