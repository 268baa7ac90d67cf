"""What a run's pictures grow by: new pictures, corrected labels, merged and dropped classes (`train --from RUN`).

A picture is known by its content: one of NEW that the run has is no new picture, and its label in NEW counts. The
parts of the run's pictures stay; the new ones are dealt in given_split.py.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.text import natural, plural
from pawsight.data.folders import clean_label, name_below
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.label_sets import SEPARATOR, joined, labels_in
from pawsight.data.reading import DROPPED
from pawsight.data.tables import first_lines

_SHOWN = 10  # pictures and classes that a message spells out


@dataclass(frozen=True, slots=True)
class Correction:
    """A picture of the run whose label is another one now."""

    name: str
    sha256: str
    part: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The pictures of a run and what they grow by."""

    found: Found  # all pictures; those of the run first have their part in the run
    new: tuple[Candidate, ...]  # of `found`, those that the run does not have
    known: int  # pictures of NEW that the run has with the same label
    corrections: tuple[Correction, ...]
    merged: Mapping[str, str]  # class -> the one that its pictures have now
    dropped: Mapping[str, int]  # class -> pictures of the run that are left out
    classes_before: tuple[str, ...]

    @property
    def new_classes(self) -> dict[str, int]:
        """Each class that the run does not know -> pictures of it."""
        own = {self.merged.get(label, label) for label in self.classes_before}
        counted = self._new_by_class()
        return {label: counted[label] for label in sorted(counted.keys() - own, key=natural)}

    def renamed(self, text: str) -> str:
        """Return a class, or several labels as one text, in the names that classes have now."""
        if self.found.several_labels:
            return _renamed(text, self.merged, self.dropped)
        return self.merged.get(text, text)

    def _new_by_class(self) -> Counter[str]:
        several = self.found.several_labels
        return Counter(label for file in self.new for label in (labels_in(file.label) if several else [file.label]))

    def lines(self) -> list[str]:
        """Return what the run grows by, a line of text each."""
        counted = self._new_by_class()
        names = [f"{label}: {counted[label]:,}" for label in sorted(counted, key=natural)[:_SHOWN]]
        more = f" and {plural(len(counted) - _SHOWN, 'more class', 'more classes')}" if len(counted) > _SHOWN else ""
        lines = [f"{plural(len(self.new), 'new picture')}; {', '.join(names)}{more}"] if self.new else []
        if self.new_classes:
            listed = [f"{label!r} ({plural(count, 'picture')})" for label, count in self.new_classes.items()]
            lines.append(f"new {'class' if len(listed) == 1 else 'classes'} {', '.join(listed[:_SHOWN])}")
        if self.known:
            lines.append(f"{plural(self.known, 'picture is', 'pictures are')} in the run already, with the same label")
        if self.corrections:
            changes = Counter((change.before, change.after) for change in self.corrections)
            kinds = [f"{count:,} {before!r} to {after!r}" for (before, after), count in changes.most_common(_SHOWN)]
            held_out = [change for change in self.corrections if change.part != "train"]
            where = f"; {len(held_out):,} of them in validation and test" if held_out else ""
            lines.append(f"{plural(len(self.corrections), 'corrected label')}: {', '.join(kinds)}{where}")
        lines += [f"class {before!r} is {after!r} now" for before, after in self.merged.items()]
        lines += [f"class {label!r} is dropped: {plural(count, 'picture')}" for label, count in self.dropped.items()]
        return lines


def grow(
    own: Found,
    contents: Mapping[str, str],
    added: Found | None,
    digests: Sequence[str],
    *,
    merged: Mapping[str, str],
    dropped: Iterable[str],
) -> Growth:
    """Join the pictures of a run with those that are added.

    Args:
        own: the run's pictures, with their parts; where they have several labels, those of NEW have too.
        contents: name -> SHA-256 of each of these.
        added: as NEW holds them; None where nothing is added.
        digests: SHA-256 of each of these, "" where one cannot be read.
        merged: class -> the class that its pictures are to have.
        dropped: classes whose pictures are left out; of several labels the label alone is taken away.

    Raises:
        WrongUsage: a class that is merged or dropped is not there. BadDataset: NEW has one picture with two labels.
    """
    several = own.several_labels
    coming = added.candidates if added is not None else ()
    merged = {clean_label(source): clean_label(target) for source, target in merged.items()}
    left_out = {clean_label(label) for label in dropped}
    before = _labels(own.candidates, several)
    _check_changes(merged, left_out, {*before, *_labels(coming, several)}, several)
    copies: dict[str, list[Candidate]] = defaultdict(list)
    for file in own.candidates:
        copies[contents[file.name]].append(file)
    labels = _labels_of_contents(coming, digests)
    fresh = [
        replace(file, path=(place := Path(os.path.abspath(file.path))), name=name_below(own.root.absolute(), place))
        for file, sha256 in zip(coming, digests, strict=True)
        if sha256 not in copies
    ]
    known = sum(
        all(same.label == file.label for same in copies[sha256])
        for file, sha256 in zip(coming, digests, strict=True)
        if sha256 in copies
    )
    corrections = [
        Correction(file.name, sha256, file.part or "", file.label, labels[sha256])
        for sha256, files in copies.items()
        if sha256 in labels
        for file in files
        if file.label != labels[sha256]
    ]
    right = {change.name: change.after for change in corrections}
    names = {file.name for file in fresh}
    still = [file for file in own.candidates if file.name not in names]  # else another picture lies in its place now
    together = [replace(file, label=right.get(file.name, file.label)) for file in (*still, *fresh)]
    if several:  # a label is taken from its pictures, which stay
        gone = Counter(label for file in together for label in labels_in(file.label) if label in left_out)
        kept = [replace(file, label=_renamed(file.label, merged, left_out)) for file in together]
    else:
        gone = Counter(file.label for file in together if file.label in left_out)
        still_classes = [file for file in together if file.label not in left_out]
        kept = [replace(file, label=merged.get(file.label, file.label)) for file in still_classes]
    kept_names = {file.name for file in kept}
    found = replace(
        own,
        candidates=tuple(sorted(kept, key=lambda file: file.name)),
        left_out=(
            *own.left_out,
            *(LeftOut(file.name, DROPPED) for file in together if file.name not in kept_names),
            *(added.left_out if added is not None else ()),
        ),
        folders=tuple(_labels(kept, several)),
        notes=(*own.notes, *(added.notes if added is not None else ())),
        warnings=(*own.warnings, *(added.warnings if added is not None else ())),
        is_table=True,
    )
    return Growth(
        found=found,
        new=tuple(file for file in found.candidates if file.name in names),
        known=known,
        corrections=tuple(sorted(corrections, key=lambda change: change.name)),
        merged=merged,
        dropped={label: gone[label] for label in sorted(left_out, key=natural)},
        classes_before=tuple(before),
    )


def _labels_of_contents(files: Sequence[Candidate], digests: Sequence[str]) -> dict[str, str]:
    """Return SHA-256 -> label.

    Raises:
        BadDataset: two files with the same content have different labels.
    """
    first: dict[str, Candidate] = {}
    conflicts = []
    for file, sha256 in zip(files, digests, strict=True):
        if sha256 and (other := first.setdefault(sha256, file)).label != file.label:
            conflicts.append(f"{other.name} is {other.label!r}, and {file.name} with the same content {file.label!r}.")
    if conflicts:
        raise BadDataset(
            f"What is added has two labels for the same content: {plural(len(conflicts), 'picture')}.",
            first_lines(conflicts, shown=_SHOWN),
            "Keep the one with the right label, and type the same command again.",
        )
    return {sha256: file.label for sha256, file in first.items()}


def _labels(files: Iterable[Candidate], several: bool) -> list[str]:
    """Return the labels that pictures have, each once and sorted."""
    texts = {file.label for file in files}
    return sorted({label for text in texts for label in labels_in(text)} if several else texts, key=natural)


def _renamed(text: str, merged: Mapping[str, str], dropped: Collection[str]) -> str:
    """Return several labels as one text, merged and without those that are dropped."""
    return joined(merged.get(label, label) for label in labels_in(text) if label not in dropped)


def _check_changes(merged: Mapping[str, str], dropped: set[str], classes: set[str], several: bool) -> None:
    unknown = sorted({*merged, *dropped} - classes)
    if unknown:
        listed = sorted(classes, key=natural)
        more = " and more" if len(listed) > _SHOWN else ""
        raise WrongUsage(
            f"There is no class {unknown[0]!r} to {'drop' if unknown[0] in dropped else 'merge'}.",
            f"The classes are {', '.join(map(repr, listed[:_SHOWN]))}{more}.",
            "Type for example --merge tabby=cats, or --drop dogs",
        )
    for source, target in merged.items():
        if several and SEPARATOR in target:
            raise WrongUsage(
                f"--merge {source}={target} cannot be done.",
                f"{SEPARATOR!r} stands between several labels, so {target!r} is no name of one.",
                "Name a label without it.",
            )
        if target in merged or {source, target} & dropped or source == target:
            raise WrongUsage(
                f"--merge {source}={target} cannot be done.",
                f"{target if target in merged or target in dropped else source!r} is itself merged or dropped.",
                "Name for each class the one that its pictures are to have in the end.",
            )


def merges_typed(pairs: Iterable[str]) -> dict[str, str]:
    """Return what was typed as "tabby=cats", class -> class.

    Raises:
        WrongUsage: a text is no such pair, or a class is named twice.
    """
    merged: dict[str, str] = {}
    for pair in pairs:
        source, _, target = (text.strip() for text in pair.partition("="))
        if not source or not target or merged.get(source, target) != target:
            raise WrongUsage(
                f"--merge {pair!r} names no two classes." if source not in merged else f"{source!r} is merged twice.",
                "It is the class that goes, an equals sign, and the class that its pictures are to have.",
                "Type for example --merge tabby=cats",
            )
        merged[source] = target
    return merged
