"""The target web: the page of `pawsight serve` with a model that runs in the browser, for any static host.

    index.html       the page, with a policy that names every address it may request
    static/          the page's own files, the same as the server's, and the backend that runs the model
    model.onnx       float32, pictures uint8 (1, H, W, 3)
    exam.u8          squares (K, H, W, 3), which the page classifies as a self-test before it answers
    web.json         their probabilities, sizes of files, what the page says about the classifier
    runtime/         ONNX Runtime's files, with --runtime
    service_worker.js  keeps all of these in the browser, so that the page opens again without a network

ONNX Runtime comes from a public address or, with --runtime, from a folder of the npm package. Its build for WebAssembly
alone is the smallest that runs every operator needed, and its script contains the loader, so two files are enough. It
runs in one thread on hosts that send no special headers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import Card
from pawsight.core.errors import ExportRefused, WrongUsage
from pawsight.core.storage import write_bytes, write_json, write_text
from pawsight.exports.export_context import METADATA_FILE, ExportContext, metadata_of, with_metadata
from pawsight.exports.heat_maps import with_heat_maps
from pawsight.exports.verify import ALLOWED, expected_outputs
from pawsight.models.graph import OOD_SCORE
from pawsight.reports.run_record import RunRecord

MODEL, EXAM, WEB, PAGE, STATIC = "model.onnx", "exam.u8", "web.json", "index.html", "static"
SERVICE_WORKER = "service_worker.js"
SQUARES = 8  # of the self-test, which a phone answers in a second or two
IMPORTED = re.compile(r"""(?:from|import|import\(|new URL\()\s*"\./([\w.-]+)\"""")
_REFERRED = re.compile(rf"""(?:href|src)="{STATIC}/([\w.-]+)\"""")
_HEAD = '<meta charset="utf-8">\n'
_START = '<script src="static/start.js" type="module"></script>\n'
_NOTICE = '<script src="static/notice.js"></script>\n'  # says why the other one does not start
_HELD = 'const HELD = { digest: "", page: [], others: [] };'
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
PUBLIC = f"https://cdn.jsdelivr.net/npm/{PACKAGE}@{VERSION}/dist/"  # jsDelivr serves npm packages unchanged
RUNTIME_FOLDER = "runtime"
_LARGEST = 64 * 2**20  # bytes read of a runtime file


# Files of the package below dist/: name, name in the export (some hosts do not know that .mjs is JavaScript, and a
# browser then refuses it), bytes, and SHA-384 in base64 as in an integrity attribute.
RUNTIME = (
    (
        "ort.wasm.bundle.min.mjs",
        "ort.wasm.bundle.min.js",
        73_054,
        "PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    ),
    (
        "ort-wasm-simd-threaded.wasm",
        "ort-wasm-simd-threaded.wasm",
        14_239_897,
        "vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
    ),
)


def make_web(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write the folder of the page.

    Raises:
        WrongUsage: the runtime's folder is not the npm package in the required version.
        ExportRefused: the classifier scales 16-bit pictures, of which a browser gives 8 bits.
    """
    card = context.bundle.card
    if greys := card.decode.grey_range:
        raise ExportRefused(
            "The page of the target web cannot scale 16-bit pictures.",
            f"The classifier shows them from {greys[0]:,g} to {greys[1]:,g}; a browser gives the upper 8 bits alone.",
            "Use pawsight serve, or export to another target, e.g. --to onnx",
        )
    folder = paths["web"].parent
    copied = [] if context.browser_runtime is None else read_runtime(context.browser_runtime)
    mapped = with_heat_maps(context.onnx, card.decode.image_px, several_labels=card.several_labels)
    metadata = metadata_of(context)
    model = with_metadata(context.onnx if mapped is None else mapped, metadata)
    expected = expected_outputs(context.bundle)
    scores, detector = expected.get(OOD_SCORE), card.trust.detector
    squares = context.bundle.golden.pictures[:SQUARES].tobytes()
    answers = {
        "probabilities": expected["probabilities"][:SQUARES].tolist(),
        "unlikeness": None if scores is None else scores.reshape(-1)[:SQUARES].tolist(),
        "tolerance": ALLOWED,
    }
    web = {
        "model": _fetched(MODEL, len(model)),
        "exam": {**_fetched(EXAM, len(squares)), **answers},
        "runtime": [
            _fetched(f"{RUNTIME_FOLDER}/{copied_as}", size)
            if copied
            else _fetched(PUBLIC + name, size, integrity=f"sha384-{sha384}")
            for name, copied_as, size, sha384 in RUNTIME
        ],
        **_figures(context.run, context.bundle.card),
        "detector": None if detector is None else {"caught": detector.seen[0], "pictures": detector.seen[1]},
        "max_error": card.trust.max_error,
        "heat_maps": mapped is not None,
    }
    page = _page(policy(is_copied=bool(copied)))
    loaded = {**dict(copied), MODEL: model, EXAM: squares}
    elsewhere = [] if copied else [part["address"] for part in web["runtime"]]
    for name, content in {**page, **loaded}.items():
        write_bytes(folder / name, content)
    write_json(folder / WEB, web)
    write_text(folder / SERVICE_WORKER, _service_worker(page, loaded, [web, metadata], elsewhere))


def policy(*, is_copied: bool) -> str:
    """Return the page's Content-Security-Policy while it loads; static/load_model.js then forbids every request."""
    requests = "'self'" if is_copied else f"'self' {PUBLIC}"
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self' blob: 'wasm-unsafe-eval'",
            "worker-src 'self' blob:",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            f"connect-src {requests}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _page(allowed: str) -> dict[str, bytes]:
    """Return index.html, the files it refers to, and what those import, by name."""
    server, own = files("pawsight") / "web" / STATIC, files("pawsight") / "exports" / STATIC
    page = (server / PAGE).read_text("utf-8")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{allowed}">\n'
    shown = inserted(inserted(page, _HEAD, _HEAD + meta), _START, _NOTICE + _START)
    needed = _needed(_REFERRED.findall(shown), own, server)
    return {PAGE: shown.encode(), **{f"{STATIC}/{name}": content for name, content in needed.items()}}


def _service_worker(
    page: Mapping[str, bytes], loaded: Mapping[str, bytes], facts: object, elsewhere: Sequence[str]
) -> str:
    """Return the script that keeps the page offline, with what it holds and a digest of all of that."""
    script = (files("pawsight") / "exports" / STATIC / SERVICE_WORKER).read_text("utf-8")
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, content in sorted({**page, **loaded}.items()):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}".encode())
    held = {
        "digest": digest.hexdigest()[:16],
        "page": ["./", *page],
        "others": [*loaded, WEB, METADATA_FILE, *elsewhere],
    }
    return inserted(script, _HELD, f"const HELD = {json.dumps(held)};")


def _needed(names: list[str], *folders: Traversable) -> dict[str, bytes]:
    """Return files by name, those of the first folder before the second's, with all that scripts import."""
    found: dict[str, bytes] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = next(folder / name for folder in folders if (folder / name).is_file()).read_bytes()
            waiting += IMPORTED.findall(found[name].decode()) if name.endswith(".js") else []
    return found


def inserted(page: str, place: str, text: str) -> str:
    """Return a page with `place`, which occurs once, replaced by `text`."""
    if page.count(place) != 1:
        raise ValueError(f"{PAGE} does not have {place!r} exactly once")
    return page.replace(place, text)


def _figures(run: Path | None, card: Card) -> dict[str, Any]:
    """Return how often the answers were right, by the run or else by the bundle; None where neither says it."""
    record = None
    with suppress(WrongUsage):
        record = None if run is None else RunRecord.read(run)
    return {
        "validation": record and record.headline(),
        "measured": card.measured if record is None else record.measured(),
    }


def _fetched(address: str, size: int, *, integrity: str | None = None) -> dict[str, Any]:
    """Return a file that the page fetches; the browser checks the integrity of those that are not in the export."""
    return {"address": address, "bytes": size, "integrity": integrity}


def read_runtime(package: Path) -> Sequence[tuple[str, bytes]]:
    """Read the runtime from an npm package folder.

    Returns:
        names below the export, and contents.

    Raises:
        WrongUsage: a file is missing, or has another hash than the version that was tested.
    """
    contents = []
    for name, copied_as, _, sha384 in RUNTIME:
        try:
            with (package / "dist" / name).open("rb") as file:
                content = file.read(_LARGEST)
        except OSError as error:
            raise _refused(package, f"dist/{name} cannot be read: {error.strerror or error}.") from error
        if base64.b64encode(hashlib.sha384(content).digest()).decode() != sha384:
            raise _refused(package, f"dist/{name} is not that of version {VERSION}.")
        contents.append((f"{RUNTIME_FOLDER}/{copied_as}", content))
    return contents


def _refused(package: Path, why: str) -> WrongUsage:
    return WrongUsage(
        f"--runtime {package} is not the npm package {PACKAGE} in version {VERSION}.",
        why,
        f"Type: npm install {PACKAGE}@{VERSION}, then --runtime node_modules/{PACKAGE}",
    )
