"""The application: which address gives what.

Enters: requests that the gate let in. Leaves: answers, each from one call of the service. Does not know: sockets,
processes, signals.

    /  /static/*  /docs  /openapi.json     the page and the documents, the same for everybody
    POST /api/v1/predict                   pictures in, one prediction for each
    POST /api/v1/explain?class=NAME        one picture in, a PNG of where the class was seen in it
    GET  /api/v1/model                     what answers, and within which limits
    GET  /api/v1/report                    the run's own report, where one was made
    /livez  /readyz  /metrics              for those who run it
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pawsight.classifier.predictor import Prediction
from pawsight.core.machine import versions
from pawsight.web import metrics
from pawsight.web.facts import report_of, validation_of
from pawsight.web.gate import Gate, Visit
from pawsight.web.headers import REPORT_HEADERS
from pawsight.web.limits import Limits
from pawsight.web.problems import Problem, busy, of_status, unreadable
from pawsight.web.receive import Body, Upload
from pawsight.web.service import Served, Service

STATIC = Path(__file__).parent / "static"
OPENAPI = Path(__file__).parent / "templates" / "openapi.json"


def create_app(service: Service, *, token: str = "", hosts: Collection[str] = (), start: bool = True) -> Starlette:
    """Return the application around a service.

    Args:
        service: answers; it is stopped when the application is.
        token: that /api/ and /metrics demand; empty when there is none.
        hosts: names that the application answers to; empty allows all.
        start: open the classifier before the first request is let in; a server that says /livez before starts it
            itself.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if start:
            await service.start()
        yield
        await service.stop()

    routes = _Routes(service)
    return Starlette(
        routes=routes.table(),
        middleware=[Middleware(Gate, service=service, token=token, hosts=hosts)],
        exception_handlers={HTTPException: _as_problem},
        lifespan=lifespan,
    )


class _Routes:
    """One method for each address."""

    def __init__(self, service: Service) -> None:
        self._service = service
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
        visit = _visit(request, "/api/v1/predict")
        async with self._taken_in(request, visit) as (served, uploads):
            return _answer(await self._service.predict(served, uploads), visit.id)

    async def explain(self, request: Request) -> Response:
        visit = _visit(request, "/api/v1/explain")
        async with self._taken_in(request, visit) as (served, uploads):
            if len(uploads) != 1:
                raise Problem("bad-request", "Send one picture: a heat map is drawn for one at a time.")
            png = await self._service.explain(served, uploads[0], request.query_params.get("class", ""))
            return Response(png, media_type="image/png")

    @asynccontextmanager
    async def _taken_in(self, request: Request, visit: Visit) -> AsyncIterator[tuple[Served, list[Upload]]]:
        """Hold the classifier and the request's pictures for as long as it is answered."""
        service = self._service
        if service.requests >= service.limits.requests:
            raise busy(f"{service.requests:,} requests are under way.", seconds=service.limits.retry_seconds)
        service.requests += 1
        try:
            with service.served() as served, Body(request, service.limits, service.budget) as body:
                uploads = await body.uploads()
                visit.pictures = len(uploads)
                yield served, uploads
        finally:
            service.requests -= 1

    async def model(self, request: Request) -> Response:
        _visit(request, "/api/v1/model")
        with self._service.served() as served:
            card = served.predictor.bundle.card
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
                    "max_error": card.trust.promise.max_error if card.trust.promise is not None else None,
                    "heat_maps": True,
                    "report": "/api/v1/report" if report_of(served.predictor.bundle) is not None else None,
                }
            )

    async def report(self, request: Request) -> Response:
        _visit(request, "/api/v1/report")
        with self._service.served() as served:
            path = report_of(served.predictor.bundle)
        if path is None:
            raise Problem("not-found", "The run has no report. Make one with: pawsight report RUN")
        return FileResponse(path, media_type="text/html; charset=utf-8", headers=REPORT_HEADERS)

    async def openapi(self, request: Request) -> Response:
        _visit(request, "/openapi.json")
        return Response(self._openapi, media_type="application/json")

    async def livez(self, request: Request) -> Response:
        _visit(request, "/livez")
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        _visit(request, "/readyz")
        with self._service.served():
            return _json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        _visit(request, "/metrics")
        return Response(self._service.metrics.text(), media_type=metrics.MEDIA_TYPE)

    def _file(self, name: str) -> Any:
        async def give(request: Request) -> Response:
            _visit(request, str(request.url.path))
            return FileResponse(STATIC / name)

        return give


def openapi(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service with these limits."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text("utf-8"))
    rows = [
        f"- {limit.name} {getattr(limits, limit.name):g} {limit.metadata['unit']}: {limit.metadata['told']}"
        for limit in fields(limits)
    ]
    document["info"]["version"] = versions().get("pawsight", "unknown")
    document["info"]["description"] += "\n\n" + "\n".join(rows)
    forms = document["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]
    forms["schema"]["properties"]["files"]["maxItems"] = limits.files
    return document


def _visit(request: Request, route: str) -> Visit:
    visit: Visit = request.scope["pawsight.visit"]
    visit.route = route
    return visit


def _answer(predictions: list[Prediction], request_id: str) -> Response:
    if len(predictions) == 1 and (reason := predictions[0].error) is not None:
        raise unreadable(predictions[0].path, reason)
    return _json({"request_id": request_id, "predictions": [_told(one) for one in predictions]})


def _told(one: Prediction) -> dict[str, Any]:
    return {
        "file": one.path,
        "label": one.label,
        "probability": one.probability,
        "probabilities": one.probabilities,
        "verdict": one.verdict,
        "error": one.error,
    }


def _json(values: dict[str, Any]) -> Response:
    return Response(json.dumps(values, allow_nan=False).encode(), media_type="application/json")


async def _as_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = of_status(status)
    if isinstance(error, HTTPException):
        problem.headers.update(error.headers or {})
    raise problem from None
