"""What the review page shows: likely wrong labels, duplicates and odd ones, as plain values.

Enters: a ranking, neighbours, duplicate groups. Leaves: JSON values, and the files that may be shown. Does not know:
HTTP, decisions.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.commands.review_material import ReviewMaterial
from pawsight.core.errors import WrongUsage
from pawsight.core.runs import PATCH
from pawsight.data.catalog import Picture
from pawsight.data.patch import DROP, KEEP, RELABEL
from pawsight.evaluation.label_errors import Neighbours, Suspect, oddness
from pawsight.reports.run_record import RunRecord

_MOST_SUSPECTS = 2_000
_AFTER_SUSPECTS = 24  # pictures shown beyond the last suspect: who has come that far wants to see where it ends
_MOST_DUPLICATES = 2_000
_ODD_SHARE, _LEAST_ODD, _MOST_ODD = 0.01, 12, 200
_NEIGHBOURS = 6  # shown of the ten that were asked

Item = dict[str, Any]
File = tuple[Path, str, str]  # where it lies, SHA-256, name below the root


def board_of(
    material: ReviewMaterial, near: Neighbours, ranking: Sequence[Suspect], *, run: Path
) -> tuple[dict[str, Any], Mapping[int, File]]:
    """Return the board as JSON values, and the file of each picture by its number on the board.

    Args:
        material: the pictures; a picture's number is its row.
        near, ranking: of the same pictures.
        run: for the title and the next command.
    """
    by_row = {one.row: one for one in ranking}
    sections: list[dict[str, Any]] = [
        {"key": "labels", "title": "Likely wrong labels", "items": _labels(ranking)},
        {"key": "duplicates", "title": "Duplicates", "items": _duplicates(material, by_row)},
        {"key": "odd", "title": "Odd ones", "items": _odd(material, near, by_row)},
    ]
    for section in sections:
        for item in section["items"]:
            _add_opinion(item, by_row[item["picture"]])
    shown = _shown(sections)
    files = {row: _file(material.pictures[row]) for row in sorted(shown)}
    board = {
        "name": f"{run.parent.name}/{run.name}",
        "patch": str(run / PATCH),
        "command": _command(run),
        "classes": list(material.classes),
        "total": len(material.pictures),
        "pictures": {row: _plain(material.pictures[row]) for row in files},
        "sections": sections,
        "left_out": [{"path": one.name, "reason": one.reason} for one in material.left_out],
    }
    return board, files


def _command(run: Path) -> str:
    """Return what to type to train the same again with the decisions."""
    words: list[str] = []
    with suppress(WrongUsage, ValueError):  # no run, or a command that no shell would take
        words = shlex.split(RunRecord.read(run).command)
    if not words:
        return f"pawsight train DATA --patch {shlex.quote(str(run / PATCH))}"
    if "--patch" in words:  # what it was trained with is among the decisions
        place = words.index("--patch")
        del words[place : place + 2]
    return shlex.join([*words, "--patch", str(run / PATCH)])


def most_shown(ranking: Sequence[Suspect]) -> int:
    """Return how many labels are to look at: the suspects and some more."""
    suspects = sum(one.is_suspect for one in ranking)
    return min(suspects + _AFTER_SUSPECTS, _MOST_SUSPECTS, len(ranking))


def _labels(ranking: Sequence[Suspect]) -> list[Item]:
    return [
        {
            "picture": one.row,
            "suspect": one.is_suspect,
            "action": RELABEL,
            "label": one.suggested,
            "reason": one.reason,
            "beside": [
                {"picture": row, "told": f"{100 * likeness:.0f} % alike"}
                for row, likeness in zip(one.neighbours[:_NEIGHBOURS], one.similarities, strict=False)
            ],
        }
        for one in ranking[: most_shown(ranking)]
    ]


def _add_opinion(item: Item, one: Suspect) -> None:
    """Add what the model that has not learnt the picture says of it."""
    known = np.isfinite(one.given_probability)
    item["score"] = round(one.score, 4)
    item["suggested"] = one.suggested
    item["given_probability"] = round(one.given_probability, 4) if known else None
    item["suggested_probability"] = round(one.suggested_probability, 4) if known else None


def _duplicates(material: ReviewMaterial, by_row: Mapping[int, Suspect]) -> list[Item]:
    """Return one item for each picture of a group but the one to stay; those that do harm first."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(material.groups.tolist()):
        groups[group].append(row)
    items = []
    for rows in groups.values():
        if len(rows) > 1:
            first = min(rows, key=lambda row: _worth(material, by_row[row]))
            items += [_duplicate(material, row, first, rows) for row in sorted(rows) if row != first]
    items.sort(key=lambda item: (item.pop("harm"), item["picture"]))
    return items[:_MOST_DUPLICATES]


def _worth(material: ReviewMaterial, one: Suspect) -> tuple[float, bool, int]:
    """Order the pictures of a group, the one to stay first: the surest label, in validation rather than in train."""
    return round(one.score), material.pictures[one.row].part == "train", one.row


def _duplicate(material: ReviewMaterial, row: int, first: int, rows: Sequence[int]) -> Item:
    one, other = material.pictures[row], material.pictures[first]
    more = [{"picture": twin, "told": "also alike"} for twin in rows if twin not in (row, first)]
    disputed, straddling = one.label != other.label, one.part != other.part
    same = "the same file" if one.sha256 == other.sha256 else "nearly the same picture"
    told = f"{same} as {other.name}"
    if disputed:
        told += f", which is called {other.label}: one of the two labels is wrong"
    elif straddling:
        told += f", which lies in {other.part}: what is learnt would be examined"
    else:
        told += ": it counts more than once"
    return {
        "picture": row,
        "suspect": disputed or straddling,
        "action": RELABEL if disputed else DROP,
        "label": int(material.labels[first]) if disputed else None,
        "reason": told,
        "beside": [{"picture": first, "told": "stays"}, *more[: _NEIGHBOURS - 1]],
        "harm": 0 if disputed else 1 if straddling else 2,
    }


def _odd(material: ReviewMaterial, near: Neighbours, by_row: Mapping[int, Suspect]) -> list[Item]:
    """Return the pictures that are least like all others."""
    odd = oddness(near)
    count = min(len(odd), _MOST_ODD, max(_LEAST_ODD, round(_ODD_SHARE * len(odd))))
    usual = 100 * (1 - float(np.median(odd)))
    items = []
    for row in np.argsort(-odd, kind="stable")[:count].tolist():
        one = by_row[row]
        reason = (
            f"it is {100 * (1 - float(odd[row])):.0f} % like the pictures nearest to it; usual here is {usual:.0f} %"
        )
        beside = [
            {"picture": twin, "told": f"{100 * likeness:.0f} % alike"}
            for twin, likeness in zip(one.neighbours[:_NEIGHBOURS], one.similarities, strict=False)
        ]
        items.append(
            {"picture": row, "suspect": True, "action": KEEP, "label": None, "reason": reason, "beside": beside}
        )
    return items


def _shown(sections: Sequence[Mapping[str, Any]]) -> set[int]:
    items = [item for section in sections for item in section["items"]]
    return {item["picture"] for item in items} | {one["picture"] for item in items for one in item["beside"]}


def _plain(picture: Picture) -> dict[str, Any]:
    facts = picture.facts
    return {
        "path": picture.name.encode("utf-8", "replace").decode(),
        "label": picture.label,
        "part": picture.part,
        "width": facts.width,
        "height": facts.height,
    }


def _file(picture: Picture) -> File:
    return picture.path, picture.sha256, picture.name
