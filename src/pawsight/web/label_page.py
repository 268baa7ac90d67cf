"""The page of `pawsight label`: names for many pictures at a time; each name is in the table before it is acknowledged.

Which pictures come next is said by an adviser (training/labelling.py); how the page is served is in local_page.py.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pawsight.classifier.bundle import problem_with_name
from pawsight.classifier.trust import UNFAMILIAR, UNSURE
from pawsight.core.storage import turn_to_rewrite
from pawsight.core.text import look_of
from pawsight.data.dataset import Picture
from pawsight.data.folders import clean_label
from pawsight.data.label_patch import DROP, RELABEL, Decision, newest, read_patch, write_patch
from pawsight.images.decode import GreyRange
from pawsight.web.local_page import (
    UNDO,
    Application,
    Superseded,
    Thumbnails,
    decision_json,
    local_app,
    serve_page,
    small_body,
)

ACTIONS = (RELABEL, DROP, UNDO)
_MOST_CHANGES = 1_000  # in one request
_MOST_BYTES = 400_000  # of a request
_NAME_SHOWN = 60  # characters of a name that is refused
_SHOWN = 120  # named pictures on one page
_UNNAMED = -1
_SEPARATORS = re.compile(r"[;,|]")
_FILES = (
    *("tokens.css", "base.css", "review.css", "label.css"),
    *("dom.js", "words.js", "label.js", "name_keys.js", "review_grid.js", "review_zoom.js"),
)

Values = dict[str, Any]


class Adviser(Protocol):
    """What says which pictures come next, as training.labelling.Adviser does."""

    def next(
        self, names: NDArray[np.int64], is_aside: NDArray[np.bool_], classes: int, way: str
    ) -> tuple[str, list[tuple[NDArray[np.int64], int | None]]]:
        """Return the way that was taken, and rows with the class index that is suggested for them."""

    def progress(self, names: NDArray[np.int64]) -> Values | None:
        """Return what the learning curve of the names says as JSON values; None with too few names."""


class LabelSession:
    """The pictures to name, and the table of names.

    Args:
        contents: the pictures to name, each with its exact copies, which have one name; the place here is the number.
        table: the file of names. Other sessions may write to it too; its lines about other pictures stay.
        offered: names to choose from before any is given, e.g. those of folders; the adviser knows them by place.
        adviser: says what comes next.
        board: what the page shows besides, as JSON values.
        grey_range: that 16-bit pictures are decoded with.
    """

    def __init__(
        self,
        contents: Sequence[tuple[Picture, ...]],
        table: Path,
        *,
        adviser: Adviser,
        offered: Sequence[str] = (),
        board: Mapping[str, Any] | None = None,
        grey_range: GreyRange | None = None,
    ) -> None:
        self._contents, self._table, self._adviser = contents, table, adviser
        self._board, self._offered, self._order = dict(board or {}), tuple(offered), list(offered)
        self._numbers = {(copy.sha256, copy.name): row for row, copies in enumerate(contents) for copy in copies}
        self._lock, self._computing = Lock(), Lock()
        self._read: tuple[tuple[int, ...], tuple[Decision, ...]] = ((), ())
        files = {row: (first.path, first.sha256, first.name) for row, (first, *_) in enumerate(contents)}
        self.thumbnails = Thumbnails(files, self._longest, grey_range)

    def decisions(self) -> tuple[Decision, ...]:
        """Return the lines of the table, those of other sessions included.

        Raises:
            StorageError, DataError: it cannot be read.
        """
        try:
            status = self._table.stat()
        except FileNotFoundError:
            return ()
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._read[0] != version:
            self._read = (version, read_patch(self._table).decisions)
        return self._read[1]

    def decided(self) -> dict[int, Decision]:
        """Return number -> the decision about it; of copies the last one counts."""
        found: dict[int, Decision] = {}
        for decision in self.decisions():
            if (row := self._numbers.get((decision.sha256, decision.path))) is not None:
                found[row] = decision
        return found

    def names(self) -> dict[str, int]:
        """Return each name and how many pictures have it: offered ones first, then in the order they came."""
        named = [decision for decision in self.decided().values() if decision.action == RELABEL]
        counts = Counter(decision.label for decision in named)
        came = (decision.label for decision in sorted(named, key=lambda decision: decision.when))
        self._order = list(dict.fromkeys([*self._order, *came]))  # no name moves to another key while the page is open
        return {name: counts[name] for name in self._order if counts[name] or name in self._offered}

    def state(self) -> Values:
        """Return what the page shows, as JSON values."""
        actions = Counter(decision.action for decision in self.decided().values())
        return {
            "board": {**self._board, "total": len(self._contents)},
            "names": [{"name": name, "pictures": count} for name, count in self.names().items()],
            "named": actions[RELABEL],
            "aside": actions[DROP],
        }

    def decide(self, changes: Sequence[Mapping[str, Any]]) -> dict[int, Values]:
        """Save decisions on disk, all or none, beside those that other sessions have saved meanwhile.

        Args:
            changes: each with the number of a picture as `picture`, the `action`, relabel, drop (it is not used) or
                undo, the `label` where that is relabel, and `undone`, the decision that is taken back, with undo.

        Returns:
            number -> the decision that stands now, as `decision_json` gives it.

        Raises:
            ValueError: a picture, an action or a name cannot be, or it is not said what is undone.
            Superseded: a decision that is to be undone no longer stands; nothing is changed.
            StorageError: the file cannot be written.
            DataError: it was edited and cannot be read; it is left as it is.
        """
        if not 0 < len(changes) <= _MOST_CHANGES:
            raise ValueError(f"a request changes 1 to {_MOST_CHANGES:,} pictures")
        made: dict[int, Decision | None] = {}
        with self._lock, turn_to_rewrite(self._table):
            known = {look_of(name): name for name in self.names()}
            for change in changes:
                number, decision = self._checked(change, known)
                made[number] = decision
                if decision is not None and decision.label:
                    known.setdefault(look_of(decision.label), decision.label)
            before = self.decided()
            for change in changes:
                last = before.get(change["picture"])
                stands = decision_json(last) if last else None
                if change.get("undone") not in (None, stands):
                    raise Superseded(stands)
            others = [
                decision
                for decision in self.decisions()
                if self._numbers.get((decision.sha256, decision.path)) not in made
            ]
            copies = [
                replace(decision, path=copy.name)
                for number, decision in made.items()
                if decision
                for copy in self._contents[number]
            ]
            write_patch(self._table, [replace(decision, line=0) for decision in newest((*others, *copies))])
        return {number: decision_json(decision) for number, decision in made.items() if decision}

    def _checked(self, change: Mapping[str, Any], known: Mapping[str, str]) -> tuple[int, Decision | None]:
        """Return the number of the picture that a change is about, and the decision; None where one is undone.

        Raises:
            ValueError: it cannot be.
        """
        number, action, label = change.get("picture"), change.get("action"), change.get("label", "")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self._contents):
            raise ValueError("there is no picture with this number")
        if action not in ACTIONS or not isinstance(action, str) or not isinstance(label, str):
            raise ValueError(f"the action must be one of {', '.join(ACTIONS)}")
        if (label != "") != (action == RELABEL):
            raise ValueError("a name is given with relabel, and with relabel alone")
        if action == UNDO:
            if change.get("undone") is None:
                raise ValueError("undo names the decision that is undone")
            return number, None
        picture, now = self._contents[number][0], datetime.now(UTC).isoformat(timespec="milliseconds")
        name = check_name(label, known) if label else ""
        return number, Decision(picture.name, picture.sha256, action, name, now)

    def next(self, way: str) -> Values:
        """Return the pictures to name next in groups, as JSON values.

        Args:
            way: as `Adviser.next` takes it.
        """
        labels, is_aside, names = self._arrays()
        with self._computing:
            way, groups = self._adviser.next(labels, is_aside, len(names), way)
        return {
            "way": way,
            "groups": [
                {
                    "pictures": [self._shown(int(row)) for row in rows],
                    "suggested": names[suggested] if suggested is not None and suggested < len(names) else None,
                }
                for rows, suggested in groups
            ],
            **self.state(),
        }

    def progress(self) -> Values | None:
        """Return what the learning curve says, as JSON values; None with too few names."""
        labels, _, _ = self._arrays()
        with self._computing:
            return self._adviser.progress(labels)

    def named(self, name: str, start: int) -> Values:
        """Return 120 of the pictures of a name, the last named first, from a place on; "" is those put aside."""
        wanted = sorted(
            (
                (decision.when, row)
                for row, decision in self.decided().items()
                if decision.label == name and (name or decision.action == DROP)
            ),
            reverse=True,
        )
        decided = self.decided()
        shown = [
            {**self._shown(row), "decision": decision_json(decided[row])} for _, row in wanted[start : start + _SHOWN]
        ]
        return {"pictures": shown, "from": start, "total": len(wanted), **self.state()}

    def _arrays(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[str]]:
        """Return the index of the name (N,) of each picture, which are put aside (N,), and the names."""
        names = list(self.names())
        places = {name: place for place, name in enumerate(names)}
        labels = np.full(len(self._contents), _UNNAMED)
        is_aside = np.zeros(len(labels), bool)
        for row, decision in self.decided().items():
            labels[row] = places[decision.label] if decision.action == RELABEL else _UNNAMED
            is_aside[row] = decision.action == DROP
        return labels, is_aside, names

    def _shown(self, row: int) -> Values:
        first, *copies = self._contents[row]
        return {
            "picture": row,
            "path": first.name.encode("utf-8", "replace").decode(),
            "copies": len(copies),
            "width": first.facts.width,
            "height": first.facts.height,
        }

    def _longest(self, row: int) -> int:
        return max(self._contents[row][0].facts.width, self._contents[row][0].facts.height)


def check_name(name: str, known: Mapping[str, str]) -> str:
    """Return a name as it is written to the table.

    Args:
        name: as it was typed.
        known: `look_of` the names that there are -> the name.

    Raises:
        ValueError: training would refuse it; it says why.
    """
    name = clean_label(name.strip())
    if problem := problem_with_name(name):
        shown = repr(name) if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]!r}..."
        raise ValueError(f"{shown} cannot be a name: it {problem}")
    if name in (UNSURE, UNFAMILIAR):
        raise ValueError(f"{name!r} cannot be a name: it is the answer for pictures without one")
    if separator := _SEPARATORS.search(name):
        raise ValueError(f"{name!r} cannot be a name: {separator[0]!r} stands between several labels in tables")
    if (other := known.get(look_of(name), name)) != name:
        raise ValueError(f"{name!r} looks like {other!r}: choose that one, or a clearly different name")
    return name


def label_app(session: LabelSession, token: str, hosts: frozenset[str]) -> Application:
    """Return the page of a session as an ASGI application; the arguments are those of `local_app`."""

    async def state(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.state))

    async def following(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.next, request.query_params.get("way", "auto")))

    async def progress(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.progress))

    async def named(request: Request) -> Response:
        start = request.query_params.get("from", "0")
        if not re.fullmatch(r"[0-9]{1,9}", start):
            raise ValueError("from is a number")
        return JSONResponse(await run_in_threadpool(session.named, request.query_params.get("name", ""), int(start)))

    async def decision(request: Request) -> Response:
        changes = json.loads(await small_body(request, _MOST_BYTES))
        if not isinstance(changes, list) or not all(isinstance(change, dict) for change in changes):
            raise ValueError("decisions are a JSON array of objects")
        made = await run_in_threadpool(session.decide, changes)
        return JSONResponse({"decisions": made, **await run_in_threadpool(session.state)})

    routes = [
        Route("/state", state),
        Route("/next", following),
        Route("/progress", progress),
        Route("/named", named),
        Route("/decision", decision, methods=["POST"]),
    ]
    return local_app("label.html", _FILES, routes, session.thumbnails, token=token, hosts=hosts)


def serve_label(session: LabelSession, *, port: int, ready: Callable[[str], None], stop: Event | None = None) -> None:
    """Serve the page of a session; the other arguments are those of `serve_page`.

    Raises:
        WrongUsage: the port cannot be used.
    """
    serve_page(partial(label_app, session), port=port, ready=ready, stop=stop)
