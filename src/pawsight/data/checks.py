"""What stops a data set from being trained on, said before anything slow where it can be.

Enters: what was found, and how many pictures each class kept. Leaves: nothing, or an error. Does not know: pixels.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from pawsight.core.errors import BadCatalog, NoPictures
from pawsight.data.finder import Found, LeftOut
from pawsight.images.decode import READABLE_NAMES

_SHOWN = 5  # names listed in a message before "and N more"


def check_found(found: Found) -> None:
    """Refuse what file and folder names alone show to be wrong.

    Raises:
        NoPictures: there is no file that could be a picture.
        BadCatalog: files lie beside the class folders, two folders differ in case alone, there is one class only, a
            class folder is empty, or a class has no file to learn from.
    """
    if not found.candidates and not found.loose:
        raise _nothing_found(found, found.left_out)
    if found.loose:
        raise _loose(found)
    _check_lookalikes(found)
    if len(found.folders) == 1:
        raise _one_class(found, found.folders[0])
    _check_filled(found, Counter(one.label for one in found.candidates), found.left_out)
    _check_taught(found, {one.label for one in found.candidates if one.part in (None, "train")})


def check_classes(
    found: Found, counts: Mapping[str, int], left_out: Sequence[LeftOut], taught: Collection[str]
) -> None:
    """Refuse classes that turned out to hold nothing readable.

    Args:
        found: as `check_found` let it pass.
        counts: readable pictures of each class.
        left_out: all files that are not used.
        taught: classes with a readable picture that training may see.

    Raises:
        NoPictures: no file was a readable picture.
        BadCatalog: a class is empty, only one class is left, or a class has no picture to learn from.
    """
    if not counts:
        raise _nothing_found(found, left_out)
    _check_filled(found, counts, left_out)
    if len(counts) == 1:
        raise _one_class(found, next(iter(counts)))
    _check_taught(found, taught)


def _check_filled(found: Found, counts: Mapping[str, int], left_out: Sequence[LeftOut]) -> None:
    empty = [label for label in found.folders if not counts.get(label)]
    if empty:
        raise BadCatalog(
            f"{_classes(empty)} in {found.root} {_has(empty)} no readable picture.",
            _why_left_out([one for one in left_out if _in_any(one.name, empty)]),
            "Put pictures there, or move the folder out of the data and type the same command again.",
        )


def _check_taught(found: Found, taught: Collection[str]) -> None:
    untaught = [label for label in found.folders if label not in taught]
    if untaught:
        raise BadCatalog(
            f"{_classes(untaught)} in {found.root} {_has(untaught)} no readable picture in train.",
            "Nothing can be learnt about a class from validation and test pictures.",
            "Put pictures of it into train, or move its folders out of the data and type the same command again.",
        )


def _check_lookalikes(found: Found) -> None:
    alike = defaultdict(set)
    for label in found.folders:
        alike[unicodedata.normalize("NFKC", label).casefold()].add(label)
    for labels in alike.values():
        if len(labels) > 1:
            names = " and ".join(repr(label) for label in sorted(labels))
            raise BadCatalog(
                f"The folders {names} in {found.root} differ in upper and lower case alone.",
                "They would become two classes that nobody can tell apart by name.",
                "Give them the same name, or two clearly different ones.",
            )


def _loose(found: Found) -> BadCatalog:
    what = f"{len(found.loose):,} file{'s lie' if len(found.loose) > 1 else ' lies'} beside the class folders"
    return BadCatalog(
        f"{what} in {found.root}.",
        f"They belong to no class: {_listed(found.loose)}.",
        f"Put each picture into the folder of its class, e.g. {found.root.name}/cats/1.jpg, and other files elsewhere.",
    )


def _one_class(found: Found, label: str) -> BadCatalog:
    return BadCatalog(
        f"Only one class was found in {found.root}: {label!r}.",
        "A classifier needs at least two to choose between.",
        f"Put one folder per class below it, e.g. {found.root.name}/cats/1.jpg and {found.root.name}/dogs/1.jpg.",
    )


def _nothing_found(found: Found, left_out: Sequence[LeftOut]) -> NoPictures:
    instead = _why_left_out(left_out) if left_out else "The folder holds no files."
    return NoPictures(
        f"No pictures found under {found.root}.",
        f"{instead} Readable types are {READABLE_NAMES}.",
        f"Put one folder per class below it, e.g. {found.root.name}/cats/1.jpg, or convert the files first.",
    )


def _why_left_out(left_out: Sequence[LeftOut]) -> str:
    if not left_out:
        return "The folder is empty."
    kinds = Counter((PurePosixPath(one.name).suffix.lower() or "no suffix", one.reason) for one in left_out)
    shown = [f"{count:,} {suffix} ({reason})" for (suffix, reason), count in kinds.most_common(_SHOWN)]
    more = f" and {len(kinds) - _SHOWN} other kinds" if len(kinds) > _SHOWN else ""
    return f"Found instead: {', '.join(shown)}{more}."


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
