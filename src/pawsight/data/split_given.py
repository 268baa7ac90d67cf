"""Pictures into the parts that a split file says, with everything refused that would make the numbers wrong.

Enters: a `Catalog`, and a `SplitFile` or the seed of a cut of our own. Leaves: a `Split`. Does not know: models.

Nothing is guessed and nothing is moved: every picture needs a part, every class something to learn from, validation
something to measure on, and no picture may lie in two parts, nor nearly the same one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pawsight.core.errors import BadCatalog
from pawsight.core.progress import SILENT, Progress
from pawsight.data.catalog import Catalog, Picture
from pawsight.data.finder import Found
from pawsight.data.split import Assigned, Split, make_split, split_into
from pawsight.data.split_file import Placing, SplitFile, path_key, told


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
