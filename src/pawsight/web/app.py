"""The application: its routes, and what each returns.

    /  /static/*  /docs  /openapi.json     the page and the documentation
    POST /api/v1/predict                   pictures in, one prediction for each
    POST /api/v1/explain?class=NAME        one picture in, a PNG with its heat map out
    GET  /api/v1/model                     the classifier and the limits of the service
    GET  /api/v1/report                    the run's report, where one was made and may be shown
    /livez  /readyz  /metrics              for operators

middleware.py checks every request before; service.py has the classifier.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
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
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.predictor import Prediction
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import versions
from pawsight.core.runs import METRICS
from pawsight.reports.run_record import RunRecord
from pawsight.web.limits import Limits
from pawsight.web.middleware import REPORT_HEADERS, RequestState, ServiceMiddleware
from pawsight.web.problems import RequestProblem, busy, of_status, unreadable
from pawsight.web.service import Served, Service
from pawsight.web.uploads import RequestBody, Upload

STATIC = Path(__file__).parent / "static"
OPENAPI = Path(__file__).parent / "templates" / "openapi.json"
REPORT = "report.html"
_DATA_URL = r"""data:[^"')\s]*"""  # a picture, left as it is: its letters may look like a path
_LARGEST_METRICS = 4 * 2**20  # bytes; with a thousand classes the file stays below


def create_app(
    service: Service,
    *,
    token: str = "",
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    with_report: bool = False,
    start: bool = True,
) -> Starlette:
    """Return the application around a service.

    Args:
        service: the classifier; it is stopped with the application.
        token: required by /api/ and /metrics; empty for none.
        hosts: names of the service; empty allows all.
        origins: of other sites whose pages may use the service, as scheme://host:port; no cookies are involved.
        with_report: show the run's report, which contains training pictures.
        start: open the classifier before the first request; False where the server does it, so that /livez answers
            before.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if start:
            await service.start()
        yield
        await service.stop()

    routes = _Routes(service, with_report=with_report)
    middleware = [Middleware(ServiceMiddleware, service=service, token=token, hosts=hosts, origins=origins)]
    if origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
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

    def __init__(self, service: Service, *, with_report: bool) -> None:
        self._service, self._with_report = service, with_report
        self._openapi = json.dumps(openapi(service.limits)).encode()

    def table(self) -> list[Route | Mount]:
        return [
            Route("/", self._file("index.html")),
            Route("/docs", self._file("docs.html")),
            Route("/openapi.json", self.openapi),
            Route("/api/v1/predict", self.predict, methods=["POST"]),
            Route("/api/v1/explain", self.explain, methods=["POST"]),
            Route("/api/v1/model", self.model),
            Route("/api/v1/report", self.report),
            Route("/livez", self.livez),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    async def predict(self, request: Request) -> Response:
        state = _state(request, "/api/v1/predict")
        async with self._received(request, state) as (served, uploads):
            return _answer(await self._service.predict(served, uploads), state.id)

    async def explain(self, request: Request) -> Response:
        state = _state(request, "/api/v1/explain")
        async with self._received(request, state) as (served, uploads):
            if len(uploads) != 1:
                raise RequestProblem("bad-request", "Send one picture: heat maps are drawn one at a time.")
            png = await self._service.explain(served, uploads[0], request.query_params.get("class", ""))
            return Response(png, media_type="image/png")

    @asynccontextmanager
    async def _received(self, request: Request, state: RequestState) -> AsyncIterator[tuple[Served, list[Upload]]]:
        """Hold the classifier and the uploads while a request is answered."""
        service = self._service
        if service.requests >= service.limits.requests:
            raise busy(f"{service.requests:,} requests are being answered.", seconds=service.limits.retry_seconds)
        service.requests += 1
        try:
            with service.served() as served, RequestBody(request, service.limits, service.budget) as body:
                uploads = await body.uploads()
                state.pictures = len(uploads)
                yield served, uploads
        finally:
            service.requests -= 1

    async def model(self, request: Request) -> Response:
        _state(request, "/api/v1/model")
        with self._service.served() as served:
            card = served.predictor.bundle.card
            has_report = self._with_report and report_of(served.predictor.bundle) is not None
            return _json(
                {
                    "classes": list(card.classes),
                    "recipe": card.recipe.get("name"),
                    "image_px": card.decode.image_px,
                    "created": card.created,
                    "split_digest": card.split_digest,
                    "trained_pictures": len(served.predictor.bundle.trained),
                    "pawsight": versions().get("pawsight", "unknown"),
                    "limits": {**asdict(self._service.limits), "megapixels": served.settings.max_megapixels},
                    "validation": validation_of(served.predictor.bundle),
                    "max_error": card.trust.max_error,
                    "sets": None if card.trust.sets is None else card.trust.sets.coverage,
                    "heat_maps": True,
                    "report": "/api/v1/report" if has_report else None,
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

    async def livez(self, request: Request) -> Response:
        _state(request, "/livez")
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        _state(request, "/readyz")
        with self._service.served():
            return _json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        _state(request, "/metrics")
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _file(self, name: str) -> Any:
        async def give(request: Request) -> Response:
            _state(request, str(request.url.path))
            return FileResponse(STATIC / name)

        return give


def openapi(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service with these limits."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text("utf-8"))
    rows = [
        f"- {limit.name} {getattr(limits, limit.name):g} {limit.metadata['unit']}: {limit.metadata['help']}"
        for limit in fields(limits)
    ]
    document["info"]["version"] = versions().get("pawsight", "unknown")
    document["info"]["description"] += "\n\n" + "\n".join(rows)
    forms = document["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]
    forms["schema"]["properties"]["files"]["maxItems"] = limits.files
    return document


def _state(request: Request, route: str) -> RequestState:
    state: RequestState = request.scope["pawsight.request"]
    state.route = route
    return state


def _answer(predictions: list[Prediction], request_id: str) -> Response:
    if len(predictions) == 1 and (reason := predictions[0].error) is not None:
        raise unreadable(predictions[0].path, reason)
    return _json({"request_id": request_id, "predictions": [_to_json(prediction) for prediction in predictions]})


def _to_json(prediction: Prediction) -> dict[str, Any]:
    return {
        "file": prediction.path,
        "label": prediction.label,
        "probability": prediction.probability,
        "probabilities": prediction.probabilities,
        "verdict": prediction.decision,
        "set": None if prediction.set is None else list(prediction.set),
        "error": prediction.error,
    }


def _json(values: dict[str, Any]) -> Response:
    return Response(json.dumps(values, allow_nan=False).encode(), media_type="application/json")


async def _as_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = of_status(status)
    if isinstance(error, HTTPException):
        problem.headers.update(error.headers or {})
    raise problem from None


def validation_of(bundle: Bundle) -> dict[str, Any] | None:
    """Return pictures, accuracy and its 95 % interval on the validation pictures; None where the run has none."""
    path = bundle.folder.parent / METRICS
    try:
        if path.stat().st_size > _LARGEST_METRICS:
            return None
        record = RunRecord.read(path.parent)
    except (OSError, WrongUsage):
        return None
    is_ours = record.digest == bundle.card.split_digest  # else figures of another classifier
    return record.headline() if is_ours else None


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
    try:
        root = RunRecord.read(run).root
    except WrongUsage:
        root = None
    text = path.read_text("utf-8", "replace")
    typed = [word for word in _command_paths(text) if not Path(word).is_relative_to(run.parent)]
    places = {word: Path(word).name for word in (*typed, *([str(root)] if root else []))} | {
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
