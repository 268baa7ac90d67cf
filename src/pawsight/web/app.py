"""The application: its routes, and what each returns.

    /  /static/*  /docs  /openapi.json     the page and the documentation
    POST /api/v1/predict                   pictures in, one prediction for each
    POST /v1/models/NAME:predict           the same as TensorFlow Serving's clients ask it
    POST /api/v1/explain?class=NAME        one picture in, a PNG with its heat map out
    POST /api/v1/thumbnail                 one picture in, a small JPEG of it out
    POST /api/v1/feedback?class=NAME       one picture in, kept with the class that a user gave, where that is allowed
    DELETE /api/v1/feedback/SHA256         one that was kept is removed
    GET  /api/v1/model                     the classifier and the limits of the service
    GET  /api/v1/report                    the run's report, where one was made and may be shown
    /share.svg                             the page's address as a QR code, where it is shared
    /livez  /readyz  /metrics              for operators

middleware.py checks every request before; service.py has the classifier.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, fields
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

from markupsafe import escape
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.predictor import Prediction
from pawsight.classifier.trust import ANSWERED, UNSURE, Trust
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import versions
from pawsight.core.runs import METRICS
from pawsight.images.decode import READABLE_NAMES
from pawsight.reports.run_record import RunRecord
from pawsight.web.limits import Limits
from pawsight.web.middleware import REPORT_HEADERS, RequestState, ServiceMiddleware
from pawsight.web.problems import RequestProblem, of_status
from pawsight.web.service import Served, Service
from pawsight.web.uploads import RequestBody, Upload

STATIC = Path(__file__).parent / "static"
OPENAPI = Path(__file__).parent / "templates" / "openapi.json"
REPORT = "report.html"
_DATA_URL = r"""data:[^"')\s]*"""  # a picture, left as it is: its letters may look like a path
# Pages and their files hold no secret and nothing that a request sends, so their length tells nothing (BREACH). Answers
# of the classifier are not compressed.
_COMPRESSED = [Middleware(GZipMiddleware, compresslevel=6)]
_BATCHES = (  # parts of the OpenAPI document that hold up to `files` pictures
    ("/api/v1/predict", "multipart/form-data", "files"),
    ("/api/v1/predict", "application/json", "pictures"),
    ("/v1/models/{name}:predict", "application/json", "instances"),
)
_LARGEST_METRICS = 4 * 2**20  # bytes; with a thousand classes the file stays below


def create_app(
    service: Service,
    *,
    token: str = "",
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    with_report: bool = False,
    title: str = "",
    share: str = "",
    start: bool = True,
) -> Starlette:
    """Return the application around a service.

    Args:
        service: the classifier; it is stopped with the application.
        token: required by /api/ and /metrics; empty for none.
        hosts: names of the service; empty allows all.
        origins: of other sites whose pages may use the service, as scheme://host:port; no cookies are involved.
        with_report: show the run's report, which contains training pictures.
        title: the question of the page; empty: the classes make it.
        share: the page's address for other devices, which it shows as a QR code; empty: it shows none.
        start: open the classifier before the first request; False where the server does it, so that /livez answers
            before.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if start:
            await service.start()
        yield
        await service.stop()

    routes = _Routes(service, with_report=with_report, title=title, share=share)
    middleware = [Middleware(ServiceMiddleware, service=service, token=token, hosts=hosts, origins=origins)]
    if origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
        middleware.insert(0, cors)  # outermost: refusals need its headers too, and a preflight sends no token
    return Starlette(
        routes=routes.table(),
        middleware=middleware,
        exception_handlers={HTTPException: _as_problem},
        lifespan=lifespan,
    )


class _Routes:
    """One method for each route."""

    def __init__(self, service: Service, *, with_report: bool, title: str, share: str) -> None:
        self._service, self._with_report, self._title, self._share = service, with_report, title, share
        self._openapi = json.dumps(openapi(service.limits)).encode()
        self._version = static_version()

    def table(self) -> list[Route | Mount]:
        return [
            Route("/", self._page("index.html"), middleware=_COMPRESSED),
            Route("/docs", self._page("docs.html"), middleware=_COMPRESSED),
            Route("/openapi.json", self.openapi, middleware=_COMPRESSED),
            Route("/api/v1/predict", self.predict, methods=["POST"]),
            Route("/v1/models/{name}:predict", self.predict_instances, methods=["POST"]),
            Route("/api/v1/explain", self.explain, methods=["POST"]),
            Route("/api/v1/thumbnail", self.thumbnail, methods=["POST"]),
            Route("/api/v1/feedback", self.feedback, methods=["POST"]),
            Route("/api/v1/feedback/{sha256}", self.withdraw, methods=["DELETE"]),
            Route("/api/v1/model", self.model),
            Route("/api/v1/report", self.report),
            Route("/share.svg", self.share),
            Route("/livez", self.livez),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
            Mount(
                f"/static/{self._version}", _StaticFiles("public, max-age=31536000, immutable"), middleware=_COMPRESSED
            ),
            Mount("/static", _StaticFiles("no-cache"), middleware=_COMPRESSED),
        ]

    async def predict(self, request: Request) -> Response:
        return await self._predict(request, "/api/v1/predict", key="pictures")

    async def predict_instances(self, request: Request) -> Response:
        return await self._predict(request, "/v1/models", key="instances")  # any NAME: there is one classifier

    async def _predict(self, request: Request, route: str, *, key: str) -> Response:
        state = _state(request, route)
        top = _number(request, "top", whole=True, least=1, most=10_000)
        threshold = _number(request, "threshold", whole=False, least=0, most=1)
        is_watched = _is_true(request, "window", default=True)
        async with self._received(request, state, key) as (served, uploads):
            several = served.predictor.bundle.card.several_labels
            if several and threshold is not None:
                raise RequestProblem(
                    "bad-parameter", "There is no threshold for all answers: each of several labels has its own."
                )
            answers = await self._service.predict(served, uploads, address=state.address, is_watched=is_watched)
        if len(answers) == 1 and isinstance(answers[0], RequestProblem):
            raise answers[0]
        predictions = [_to_json(answer, top=top, threshold=threshold, several=several) for answer in answers]
        return _json({"request_id": state.id, "predictions": predictions})

    async def explain(self, request: Request) -> Response:
        state = _state(request, "/api/v1/explain")
        async with self._received(request, state) as (served, uploads):
            _check_single(uploads)
            label = request.query_params.get("class", "")
            png = await self._service.explain(served, uploads[0], label, address=state.address)
            return Response(png, media_type="image/png")

    async def thumbnail(self, request: Request) -> Response:
        state = _state(request, "/api/v1/thumbnail")
        async with self._received(request, state) as (served, uploads):
            _check_single(uploads)
            jpeg = await self._service.thumbnail(served, uploads[0], address=state.address)
            return Response(jpeg, media_type="image/jpeg")

    async def feedback(self, request: Request) -> Response:
        state = _state(request, "/api/v1/feedback")
        label = request.query_params.get("class")
        if (label is None) != _is_true(request, "none", default=False):
            raise RequestProblem("bad-parameter", "Send class=NAME, or none=true for a picture of none of the classes.")
        async with self._received(request, state) as (served, uploads):
            _check_single(uploads)
            sha256 = await self._service.keep(served, uploads[0], label, address=state.address)
        return _json({"request_id": state.id, "sha256": sha256, "label": label})

    async def withdraw(self, request: Request) -> Response:
        state = _state(request, "/api/v1/feedback/{sha256}")
        await self._service.withdraw(request.path_params["sha256"])
        return _json({"request_id": state.id})

    @asynccontextmanager
    async def _received(
        self, request: Request, state: RequestState, key: str = "pictures"
    ) -> AsyncIterator[tuple[Served, list[Upload]]]:
        """Hold the classifier and the uploads while a request is answered.

        A request counts once its body is in: slow ones are bounded by connections and bytes, and keep no other out.
        """
        service, address = self._service, state.address
        body = RequestBody(request, service.limits, service.body_bytes, service.arriving, address=address)
        with service.served() as served, body:
            uploads = await body.uploads(key)
            state.pictures = len(uploads)
            with service.requests.hold(1, address):
                async with _connected(request):
                    yield served, uploads

    async def model(self, request: Request) -> Response:
        _state(request, "/api/v1/model")
        with self._service.served() as served:
            window = await self._service.deployment()
            card, record = served.predictor.bundle.card, record_of(served.predictor.bundle)
            has_report = self._with_report and report_of(served.predictor.bundle) is not None
            return _json(
                {
                    "title": self._title or None,
                    "classes": list(card.classes),
                    "several_labels": card.several_labels,
                    "recipe": card.recipe.get("name"),
                    "image_px": card.decode.image_px,
                    "created": card.created,
                    "split_digest": card.split_digest,
                    "trained_pictures": len(served.predictor.bundle.trained),
                    "pawsight": versions().get("pawsight", "unknown"),
                    "limits": {**asdict(self._service.limits), "megapixels": served.settings.max_megapixels},
                    "validation": record and record.headline(),
                    "measured": card.measured if record is None else record.measured(),
                    "window": None if window is None else window.to_json(),
                    "max_error": card.trust.max_error,
                    "sets": None if card.trust.sets is None else card.trust.sets.coverage,
                    "detector": detector_of(card.trust),
                    "heat_maps": True,
                    "thumbnails": True,
                    "reads": READABLE_NAMES.split(", "),
                    "feedback": self._service.keeps_feedback,
                    "report": "/api/v1/report" if has_report else None,
                    "share": self._share or None,
                }
            )

    async def report(self, request: Request) -> Response:
        _state(request, "/api/v1/report")
        if not self._with_report:
            raise RequestProblem("not-found", "This service shows no report: it was started without --with-report.")
        with self._service.served() as served:
            text = await run_in_threadpool(report_text, served.predictor.bundle)
        if text is None:
            raise RequestProblem("not-found", "The run has no report. Make one with: pawsight report RUN")
        return Response(text, media_type="text/html; charset=utf-8", headers=dict(REPORT_HEADERS))

    async def openapi(self, request: Request) -> Response:
        _state(request, "/openapi.json")
        return Response(self._openapi, media_type="application/json")

    async def share(self, request: Request) -> Response:
        _state(request, "/share.svg")
        if not self._share:
            raise RequestProblem("not-found", "This page is not shared: it was started without --share.")
        from pawsight.web.qr_code import svg_of

        return Response(svg_of(self._share), media_type="image/svg+xml")

    async def livez(self, request: Request) -> Response:
        _state(request, "/livez")
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        _state(request, "/readyz")
        with self._service.served():
            return _json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        _state(request, "/metrics")
        await self._service.deployment()
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _page(self, name: str) -> Any:
        """Return a page whose files are those of this version, which browsers may keep for good."""
        page = re.sub('"(/?static)/', rf'"\1/{self._version}/', (STATIC / name).read_text("utf-8"))

        async def give(request: Request) -> Response:
            _state(request, str(request.url.path))
            return Response(page, media_type="text/html", headers={"Cache-Control": "no-cache"})

        return give


class _StaticFiles(StaticFiles):
    """The files of the page, with what browsers may do with their copies."""

    def __init__(self, cache_control: str) -> None:
        super().__init__(directory=STATIC)
        self._cache_control = cache_control

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = self._cache_control
        return response


def static_version() -> str:
    """Return a name for the content of the page's files."""
    digest = sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def openapi(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service with these limits."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text("utf-8"))
    document["info"]["version"] = versions().get("pawsight", "unknown")
    document["x-limits"] = {
        limit.name: {
            "value": getattr(limits, limit.name),
            "unit": limit.metadata["unit"],
            "description": limit.metadata["help"],
        }
        for limit in fields(limits)
    }
    for path, kind, name in _BATCHES:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        content[kind]["schema"]["properties"][name]["maxItems"] = limits.files
    return document


def _check_single(uploads: Sequence[Upload]) -> None:
    if len(uploads) != 1:
        raise RequestProblem("bad-request", f"Send one picture, not {len(uploads)}: they are taken one at a time.")


def _state(request: Request, route: str) -> RequestState:
    state: RequestState = request.scope["pawsight.request"]
    state.route = route
    return state


def _to_json(
    answer: Prediction | RequestProblem, *, top: int | None, threshold: float | None, several: bool
) -> dict[str, Any]:
    """Return one prediction as plain JSON values.

    Args:
        answer: a problem where the picture cannot be read.
        top: how many of the likeliest classes `probabilities` has, likeliest first; None for all, in order.
        threshold: least probability of an answer.
        several: a picture may have several labels, so that there are `labels` and `unsure`.
    """
    if isinstance(answer, RequestProblem):
        names: tuple[str, ...] = ("label", "probability", "probabilities", "decision", "verdict", "set")
        names += ("labels", "unsure") if several else ()
        return {"file": answer.file, **dict.fromkeys(names), "error": answer.reason, "code": answer.code}
    decision, probabilities = answer.decision, answer.probabilities or {}
    is_answer = decision == ANSWERED and not several
    if is_answer and threshold is not None and (answer.probability or 0) < threshold:
        decision, is_answer = UNSURE, False
    if top is not None:
        likeliest = sorted(probabilities, key=lambda name: -probabilities[name])[:top]
        probabilities = {name: probabilities[name] for name in likeliest}
    return {
        "file": answer.path,
        "label": answer.label if is_answer else None,
        "probability": answer.probability if is_answer else None,
        "probabilities": probabilities,
        "decision": decision,
        "verdict": decision,  # its name in earlier versions
        "set": None if answer.set is None else list(answer.set),
        **({"labels": list(answer.labels or ()), "unsure": list(answer.unsure or ())} if several else {}),
        "error": None,
        "code": None,
    }


def _number(request: Request, name: str, *, whole: bool, least: float, most: float) -> Any:
    """Return a parameter of the address as a number, None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    with suppress(ValueError):
        value = int(text) if whole else float(text)
        if least <= value <= most:
            return value
    kind = "whole number" if whole else "number"
    raise RequestProblem("bad-parameter", f"{name} is {text[:40]!r}; it is a {kind} from {least:,} to {most:,}.")


def _is_true(request: Request, name: str, *, default: bool) -> bool:
    """Return a parameter of the address that is true or false."""
    text = request.query_params.get(name, str(default).lower())
    if text not in ("true", "false"):
        raise RequestProblem("bad-parameter", f"{name} is {text[:40]!r}; it is true or false.")
    return text == "true"


@asynccontextmanager
async def _connected(request: Request) -> AsyncIterator[None]:
    """End what is inside when the client closes the connection: no answer is read then.

    Raises:
        ClientDisconnect: it did.
    """
    try:
        async with asyncio.timeout(None) as connection:
            watching = asyncio.create_task(_end_with_client(request, connection))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if connection.expired():
            raise ClientDisconnect from None
        raise


async def _end_with_client(request: Request, connection: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    connection.reschedule(asyncio.get_running_loop().time())


def _json(values: dict[str, Any]) -> Response:
    return Response(json.dumps(values, allow_nan=False).encode(), media_type="application/json")


async def _as_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = of_status(status)
    if isinstance(error, HTTPException):
        problem.headers.update(error.headers or {})
    raise problem from None


def detector_of(trust: Trust) -> dict[str, Any] | None:
    """Return how a classifier notices pictures of other things; None where it calls none unfamiliar."""
    if trust.detector is None:
        return None
    caught, pictures = trust.detector.seen
    return {"false_alarms": trust.detector.false_alarms, "caught": caught, "pictures": pictures}


def record_of(bundle: Bundle) -> RunRecord | None:
    """Return the record of the run that a bundle lies in; None where it lies alone or in another's."""
    path = bundle.folder.parent / METRICS
    try:
        if path.stat().st_size > _LARGEST_METRICS:
            return None
        record = RunRecord.read(path.parent)
    except (OSError, WrongUsage):
        return None
    return record if record.digest == bundle.card.split_digest else None


def report_of(bundle: Bundle) -> Path | None:
    """Return the report that `pawsight report RUN` wrote beside the bundle, None where there is none."""
    path = bundle.folder.parent / REPORT
    return path if path.is_file() else None


def report_text(bundle: Bundle) -> str | None:
    """Return the report without places of this machine; None where there is none.

    Paths of the run begin with a dot; those of its pictures, and all that a command on the page has, end as names.
    """
    path = report_of(bundle)
    if path is None:
        return None
    run = path.parent.resolve()
    root, outside = None, set[str]()  # folders of pictures that do not lie below the root
    with suppress(WrongUsage):
        record = RunRecord.read(run)
        root = record.root
        folders = {Path(picture.name).parent for picture in record.split}
        outside = {folder.as_posix() for folder in folders if folder.is_absolute()}
    text = path.read_text("utf-8", "replace")
    typed = [word for word in _command_paths(text) if not Path(word).is_relative_to(run.parent)]
    places = {word: Path(word).name for word in (*typed, *outside, *([str(root)] if root else []))} | {
        str(run.parent.parent): "."
    }
    spelled = {place: shown for place, shown in places.items() if place.strip("/")}
    spelled |= {_in_quotes(place): _in_quotes(shown) for place, shown in spelled.items()}
    names = {str(escape(place)): shown for place, shown in spelled.items()}
    longest_first = sorted(names, key=len, reverse=True)
    patterns = (_DATA_URL, *(f"{re.escape(name)}(?![\\w.-])" for name in longest_first))
    return re.sub("|".join(patterns), lambda found: str(escape(names.get(found[0], ""))) or found[0], text)


def _command_paths(page: str) -> set[str]:
    """Return the absolute paths in the commands of a report."""
    paths = set()
    for line in map(unescape, re.findall(r"<code>(pawsight [^<]*)</code>", page)):
        try:
            words = shlex.split(line)
        except ValueError:  # a quote that does not end, which a record of the run can hold
            words = line.split()
        paths |= {re.sub("^--[a-z-]+=", "", word).rstrip("/") for word in words}
    return {path for path in paths if Path(path).is_absolute()}


def _in_quotes(path: str) -> str:
    return path.replace("'", "'\"'\"'")  # as shlex.quote writes an apostrophe
