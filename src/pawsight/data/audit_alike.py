"""Pictures that are there more than once, by what harm that does.

Enters: the groups of a `Split` that look alike. Leaves: `Finding`s whose value is the name of the other picture. Does
not know: how likeness was measured.

Of each picture the gravest is said: with two labels it teaches a contradiction; in two parts it is learnt and then
examined; within a class it counts twice. Where one of two can stay, the finding is about the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from pawsight.data.catalog import Catalog
from pawsight.data.findings import Finding, found
from pawsight.data.split import PARTS, Assigned, Split

_COMPARED = 20  # pictures of a class and part among which the nearest is looked for; a thousand white pages are alike


def alike_findings(catalog: Catalog, split: Split) -> Iterator[Finding]:
    """List pictures that equal or nearly equal another one."""
    hashes = {one.name: one.facts.phash for one in catalog.pictures}
    for group in split.alike:
        yield from _of_group(group, hashes)


def _of_group(group: Sequence[Assigned], hashes: Mapping[str, int]) -> Iterator[Finding]:
    ranked = sorted(group, key=lambda one: (PARTS.index(one.part), one.name))
    place = {one.name: number for number, one in enumerate(ranked)}
    by_content = defaultdict(list)
    for one in ranked:
        by_content[one.sha256].append(one)
    equal = {sha256: _few_of_each(members, 1) for sha256, members in by_content.items()}
    alike = _few_of_each(ranked, _COMPARED)
    for one in ranked:
        same, near = equal[one.sha256], sorted(alike, key=partial(_distance, hashes, one.name))
        told = _gravest(
            one, same, near, {other.name for other in (*same, *near) if place[other.name] < place[one.name]}
        )
        if told is not None:
            yield found(one.name, *told)


def _gravest(
    one: Assigned, same: Iterable[Assigned], near: Iterable[Assigned], earlier: Collection[str]
) -> tuple[str, str] | None:
    """Return the gravest problem that a picture has with those that are like it, and the name of the other one."""
    before_same = [other for other in same if other.name in earlier]
    before_near = [other for other in near if other.name in earlier]
    told = (
        ("two-labels", [other for other in same if other.label != one.label]),
        ("near-two-labels", [other for other in near if other.label != one.label]),
        ("across-parts", [other for other in before_same if other.part != one.part]),
        ("near-across-parts", [other for other in before_near if other.part != one.part]),
        ("duplicate", before_same),
        ("near-duplicate", before_near),
    )
    return next(((problem, others[0].name) for problem, others in told if others), None)


def _few_of_each(members: Iterable[Assigned], most: int) -> list[Assigned]:
    """Return the first members of each class in each part."""
    kept: dict[tuple[str, str], list[Assigned]] = defaultdict(list)
    for one in members:
        if len(kept[one.label, one.part]) < most:
            kept[one.label, one.part].append(one)
    return [one for few in kept.values() for one in few]


def _distance(hashes: Mapping[str, int], name: str, other: Assigned) -> tuple[int, int, str]:
    return (hashes[name] ^ hashes[other.name]).bit_count(), PARTS.index(other.part), other.name
