"""The review page: one person decides about pictures in a browser of this machine; each decision is saved at once.

How it is served, and to whom, is in local_page.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pawsight.core.storage import turn_to_rewrite
from pawsight.data.label_patch import ACTIONS, RELABEL, Decision, newest, read_patch, write_patch
from pawsight.images.decode import GreyRange
from pawsight.web.local_page import (
    UNDO,
    Application,
    File,
    Superseded,
    Thumbnails,
    decision_json,
    local_app,
    serve_page,
    small_body,
)

_MOST_BYTES = 4096  # of a request with a decision
_FILES = (
    *("tokens.css", "base.css", "review.css"),
    *("dom.js", "words.js", "review.js", "review_grid.js", "review_zoom.js"),
)


class ReviewSession:
    """The pictures to decide about, and the decisions.

    Args:
        board: what the page shows, as JSON values; `classes` are the labels.
        files: number on the board -> (path, SHA-256, name below the root of the data).
        patch: the file that decisions are written to. Other sessions may write to it too.
        decisions: earlier ones, which stand until that file is written; a new one about the same picture replaces them.
        grey_range: that the run decodes 16-bit pictures with.
    """

    def __init__(
        self,
        board: Mapping[str, Any],
        files: Mapping[int, File],
        patch: Path,
        decisions: tuple[Decision, ...] = (),
        *,
        grey_range: GreyRange | None = None,
    ) -> None:
        self.board, self._files, self._patch = board, files, patch
        self._classes = frozenset(board["classes"])
        self._earlier = decisions
        self._lock = Lock()
        self.thumbnails = Thumbnails(files, self._longest, grey_range)

    def decisions(self) -> tuple[Decision, ...]:
        """Return the last decision about each picture, those of other sessions included.

        Raises:
            StorageError, DataError: the file cannot be read.
        """
        return read_patch(self._patch).decisions if self._patch.exists() else self._earlier

    def decided(self) -> dict[int, dict[str, str]]:
        """Return number on the board -> its decision."""
        known = {(decision.sha256, decision.path): decision for decision in self.decisions()}
        found = {number: known.get((sha256, name)) for number, (_, sha256, name) in self._files.items()}
        return {number: decision_json(last) for number, last in found.items() if last}

    def decide(
        self, number: object, action: object, label: object = "", undone: object = None
    ) -> tuple[int, dict[str, str]]:
        """Save one decision on disk, beside those that other sessions have saved meanwhile.

        Args:
            number: of the picture on the board.
            action: keep, relabel, drop, or undo, which removes the decision about the picture.
            label: of a class where the action is relabel, else empty.
            undone: the decision, as `decided` gives it, that this one takes back; needed for undo.

        Returns:
            how many pictures are decided about, and the decision as `decided` gives it.

        Raises:
            ValueError: picture, action or label is unknown, or it is not said what is undone.
            Superseded: there is another decision than `undone`; it is left as it is.
            StorageError: the file cannot be written.
            DataError: it was edited and cannot be read; it is left as it is.
        """
        if not isinstance(number, int) or isinstance(number, bool) or number not in self._files:
            raise ValueError("there is no picture with this number")
        if action not in (*ACTIONS, UNDO) or not isinstance(action, str):
            raise ValueError(f"the action must be one of {', '.join((*ACTIONS, UNDO))}")
        if not isinstance(label, str) or (label not in self._classes if action == RELABEL else label != ""):
            raise ValueError("the label must be that of a class, and is given with relabel alone")
        if undone is None and action == UNDO:
            raise ValueError("undo names the decision that is undone")
        _, sha256, name = self._files[number]
        decision = Decision(name, sha256, action, label, datetime.now(UTC).isoformat(timespec="seconds"))
        with self._lock, turn_to_rewrite(self._patch):
            before = self.decided().get(number)
            if undone is not None and before != undone:
                raise Superseded(before)
            others = tuple(old for old in self.decisions() if (old.sha256, old.path) != (sha256, name))
            decisions = others if action == UNDO else newest((*others, decision))
            write_patch(self._patch, [replace(decision, line=0) for decision in decisions])
        return len(decisions), decision_json(decision)

    def _longest(self, number: int) -> int:
        facts = self.board["pictures"][number]
        return max(int(facts["width"]), int(facts["height"]))


def review_app(session: ReviewSession, token: str, hosts: frozenset[str]) -> Application:
    """Return the page of a session as an ASGI application; the arguments are those of `local_app`."""

    async def state(_: Request) -> Response:
        decided = await run_in_threadpool(session.decided)
        return JSONResponse({"board": session.board, "decided": decided, "classes": session.board["classes"]})

    async def decision(request: Request) -> Response:
        values = json.loads(await small_body(request, _MOST_BYTES))
        if not isinstance(values, dict):
            raise ValueError("a decision is a JSON object")
        count, made = await run_in_threadpool(
            session.decide,
            values.get("picture"),
            values.get("action"),
            values.get("label", ""),
            values.get("undone"),
        )
        return JSONResponse({"decided": count, "decision": made})

    routes = [Route("/state", state), Route("/decision", decision, methods=["POST"])]
    return local_app("review.html", _FILES, routes, session.thumbnails, token=token, hosts=hosts)


def serve_review(session: ReviewSession, *, port: int, ready: Callable[[str], None], stop: Event | None = None) -> None:
    """Serve the page of a session; the other arguments are those of `serve_page`.

    Raises:
        WrongUsage: the port cannot be used.
    """
    serve_page(partial(review_app, session), port=port, ready=ready, stop=stop)
