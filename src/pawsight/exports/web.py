"""A page that needs no server: the page of `pawsight serve` with a model that runs in the browser.

Enters: an `Order`. Leaves: a folder for any static host: page, model, exam, runtime or where to get it. Does not know:
HTTP, what the page looks like.

    index.html       the page, with a policy that names all it may reach
    static/          the page's own files, the same as the server's, and the backend that runs the model
    model.onnx       float32, pictures uint8 (1, H, W, 3) in
    exam.u8          squares (K, H, W, 3) that the page asks itself before it answers anybody
    web.json         their probabilities, sizes of files, what the page says of the classifier
    runtime/         ONNX Runtime's files, with --runtime
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import Bundle
from pawsight.core.errors import WrongUsage
from pawsight.core.storage import write_bytes, write_json, write_text
from pawsight.exports.exam import ALLOWED, expected_of
from pawsight.exports.facts import as_metadata, facts_of
from pawsight.exports.onnx_file import with_metadata
from pawsight.exports.target import Order
from pawsight.exports.web_runtime import PUBLIC, Part, copied_parts, public_parts, read_runtime
from pawsight.reports.run_record import RunRecord

MODEL, EXAM, WEB, PAGE, STATIC = "model.onnx", "exam.u8", "web.json", "index.html", "static"
SQUARES = 8  # of the exam, which a phone answers in a second or two
_IMPORTED = re.compile(r"""(?:from|import|import\(|new URL\()\s*"\./([\w.-]+)\"""")
_REFERRED = re.compile(rf"""(?:href|src)="{STATIC}/([\w.-]+)\"""")
_HEAD = '<meta charset="utf-8">\n'
_FACTS = '<p class="facts" id="facts"></p>'
_HINT = "The page has not begun. A browser starts it only from a web server, such as: python -m http.server"


def make_web(order: Order, places: Mapping[str, Path]) -> None:
    """Write the folder.

    Raises:
        WrongUsage: the runtime's folder is not the package in the version that is wanted.
    """
    folder = places["web"].parent
    copied = [] if order.browser_runtime is None else read_runtime(order.browser_runtime)
    model = with_metadata(order.onnx, as_metadata(facts_of(order)))
    squares, exam = _exam(order.bundle)
    for name, content in [*copied, (MODEL, model), (EXAM, squares)]:
        write_bytes(folder / name, content)
    _write_page(folder, policy(is_copied=bool(copied)))
    write_json(
        folder / WEB,
        {
            "model": asdict(Part(address=MODEL, bytes=len(model))),
            "exam": {**asdict(Part(address=EXAM, bytes=len(squares))), **exam},
            "runtime": [asdict(part) for part in (copied_parts() if copied else public_parts())],
            "validation": _validation(order.run),
            "max_error": None if (promise := order.bundle.card.trust.promise) is None else promise.max_error,
        },
    )


def policy(*, is_copied: bool) -> str:
    """Return the page's Content-Security-Policy until it is loaded; static/load.js then forbids every request."""
    scripts, requests = ("'self'", "'self'") if is_copied else ("'self' blob:", f"'self' {PUBLIC}")
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts} 'wasm-unsafe-eval'",
            "worker-src 'self' blob:",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            f"connect-src {requests}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _exam(bundle: Bundle) -> tuple[bytes, dict[str, Any]]:
    """Return squares as bytes, and what the bundle answers to them in float32."""
    expected = expected_of(bundle)
    unlikeness = expected.unlikeness
    return expected.pictures[:SQUARES].tobytes(), {
        "probabilities": expected.probabilities[:SQUARES].tolist(),
        "unlikeness": None if unlikeness is None else unlikeness.reshape(-1)[:SQUARES].tolist(),
        "tolerance": ALLOWED,
    }


def _write_page(folder: Path, allowed: str) -> None:
    """Write index.html and all that it refers to, and what those import."""
    theirs, ours = files("pawsight") / "web" / STATIC, files("pawsight") / "exports" / STATIC
    page = (theirs / PAGE).read_text("utf-8")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{allowed}">\n'
    shown = _with(_with(page, _HEAD, _HEAD + meta), _FACTS, _FACTS.replace("></p>", f">{_HINT}</p>"))
    write_text(folder / PAGE, shown)
    for name, content in _needed(_REFERRED.findall(page), ours, theirs).items():
        write_bytes(folder / STATIC / name, content)


def _needed(names: list[str], *homes: Traversable) -> dict[str, bytes]:
    """Return files by name, the first home's before the second's, with all that scripts import."""
    found: dict[str, bytes] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = next(home / name for home in homes if (home / name).is_file()).read_bytes()
            waiting += _IMPORTED.findall(found[name].decode()) if name.endswith(".js") else []
    return found


def _with(page: str, place: str, text: str) -> str:
    if page.count(place) != 1:
        raise ValueError(f"{PAGE} has no one place {place!r}")
    return page.replace(place, text)


def _validation(run: Path | None) -> dict[str, Any] | None:
    """Return what the page's first line says, None where the run does not know it."""
    scores = None
    with suppress(WrongUsage):
        scores = RunRecord.read(run).validation if run is not None else None
    return scores.headline() if scores is not None else None
