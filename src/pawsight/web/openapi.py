"""The service described for programs: one OpenAPI 3.1 document, made from tables.

Enters: `Limits`. Leaves: plain JSON values, served at /openapi.json and shown at /docs. Does not know: routes' code.
"""

from __future__ import annotations

from typing import Any

from pawsight.machine import versions
from pawsight.trust import ANSWERED, UNLIKE, UNSURE
from pawsight.web.limits import Limits, flag_of, flags
from pawsight.web.problems import KINDS, MEDIA_TYPE

Json = dict[str, Any]
_ALWAYS = ("bad-request", "foreign-origin", "misdirected", "failed", "deadline")  # the gate's, for any address
_TEXT: Json = {"type": "string"}
_PROBABILITY: Json = {"type": "number", "minimum": 0, "maximum": 1}


def document(limits: Limits) -> Json:
    """Return the OpenAPI document of a service with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pawsight",
            "version": versions().get("pawsight", "unknown"),
            "summary": "A picture classifier as a service.",
            "description": _description(limits),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/api/v1/predict": {"post": _predict(limits)},
            "/api/v1/explain": {"post": _explain(limits)},
            "/api/v1/model": {"get": _model()},
            "/api/v1/report": {"get": _report()},
            "/livez": {"get": _status("livez", "Is the process alive?", "alive")},
            "/readyz": {"get": _status("readyz", "Has the classifier passed its exam?", "ready", "not-ready")},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Only where it was started with a token."}
            },
        },
    }


def _description(limits: Limits) -> str:
    rows = [
        f"- --{flag_of(one)} {getattr(limits, one.name):g} {one.metadata['unit']}: {one.metadata['told']}"
        for one in flags()
    ]
    return "Errors are problem documents by RFC 9457. Limits of this service:\n\n" + "\n".join(rows)


def _predict(limits: Limits) -> Json:
    return _operation(
        "predict",
        "Classify pictures.",
        "One prediction for each file, in order; a file among several that cannot be read has an error, and a request "
        "whose only picture cannot be read gets 422.",
        _ok("#/components/schemas/Predictions"),
        ("too-slow", "too-large", "wrong-type", "unreadable-picture", "busy"),
        guarded=True,
        requestBody=_pictures(limits.files),
    )


def _explain(limits: Limits) -> Json:
    png = {"schema": {"type": "string", "format": "binary", "contentMediaType": "image/png"}}
    named = {"name": "class", "in": "query", "schema": _TEXT, "description": "The likeliest where it is left out."}
    return _operation(
        "explain",
        "Draw where in a picture a class was seen.",
        "The picture in grey, as it is shaped, 640 pixels at most, with a heat map of what speaks for the class; a "
        "white line goes round the smallest area that holds half of it.",
        {"description": "The drawing.", "content": {"image/png": png}},
        ("too-slow", "too-large", "wrong-type", "unreadable-picture", "busy", "not-ready"),
        guarded=True,
        parameters=[named],
        requestBody=_pictures(1),
    )


def _pictures(most: int) -> Json:
    """Return a body of one picture, or of a form with some."""
    picture = {"schema": {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}}
    form = {
        "type": "object",
        "required": ["files"],
        "additionalProperties": False,
        "properties": {
            "files": {
                "type": "array",
                "minItems": 1,
                "maxItems": most,
                "items": {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"},
            }
        },
    }
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "image/*": picture,
            "application/octet-stream": picture,
        },
    }


def _model() -> Json:
    return _operation(
        "model",
        "Say what answers here.",
        "The classifier's classes in order, where it comes from, and the service's limits.",
        _ok("#/components/schemas/Model"),
        ("not-ready",),
        guarded=True,
    )


def _report() -> Json:
    answer = {"description": "One HTML file with everything in it.", "content": {"text/html": {"schema": _TEXT}}}
    kinds = ("not-found", "not-ready")
    return _operation("report", "Give the run's own report, where one was made.", "", answer, kinds, guarded=True)


def _status(name: str, summary: str, status: str, *kinds: str) -> Json:
    schema = {"type": "object", "required": ["status"], "properties": {"status": {"const": status}}}
    answer = {"description": summary, "content": {"application/json": {"schema": schema}}}
    return _operation(name, summary, "", answer, kinds)


def _metrics() -> Json:
    answer = {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": _TEXT}}}
    return _operation("metrics", "Counters of this process.", "", answer, (), guarded=True)


def _operation(
    name: str,
    summary: str,
    description: str,
    answer: Json,
    kinds: tuple[str, ...],
    *,
    guarded: bool = False,
    **more: Any,
) -> Json:
    said = (*_ALWAYS, *kinds, *(("token-wanted",) if guarded else ()))
    responses: Json = {"200": answer}
    for status in sorted({KINDS[kind][0] for kind in said}):
        responses[str(status)] = _problem([kind for kind in said if KINDS[kind][0] == status])
    security: Json = {"security": [{}, {"token": []}]} if guarded else {}
    about = {"description": description} if description else {}
    return {"operationId": name, "summary": summary, **about, **security, **more, "responses": responses}


def _ok(schema: str) -> Json:
    return {"description": "The answer.", "content": {"application/json": {"schema": {"$ref": schema}}}}


def _problem(kinds: list[str]) -> Json:
    headers: Json = {}
    if {"busy", "not-ready"} & set(kinds):
        headers = {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
    return {
        "description": "; ".join(KINDS[kind][1] for kind in kinds) + ".",
        **headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _schemas() -> Json:
    return {"Predictions": _predictions(), "Prediction": _prediction(), "Model": _model_schema(), "Problem": _rfc9457()}


def _predictions() -> Json:
    return _object(request_id=_TEXT, predictions=_list({"$ref": "#/components/schemas/Prediction"}))


def _prediction() -> Json:
    return _object(
        file=_TEXT,
        label={"type": ["string", "null"], "description": "A class, or the verdict where it is no answer."},
        probability={
            **_PROBABILITY,
            "type": ["number", "null"],
            "description": "Of the label; null where it is a verdict.",
        },
        probabilities={
            "type": ["object", "null"],
            "additionalProperties": _PROBABILITY,
            "description": "By class, adding up to 1.",
        },
        verdict={"enum": [ANSWERED, UNSURE, UNLIKE, None], "description": "Whether the label is an answer."},
        error={"type": ["string", "null"], "description": "Why there is no answer."},
    )


def _model_schema() -> Json:
    return _object(
        classes=_list(_TEXT),
        recipe={"type": ["string", "null"]},
        image_px={"type": "integer"},
        created=_TEXT,
        split_digest=_TEXT,
        trained_pictures={"type": "integer"},
        pawsight=_TEXT,
        limits={"type": "object", "additionalProperties": {"type": "number"}},
        validation={
            "type": ["object", "null"],
            "description": "How often the answer was right on the validation part, with its 95 % interval.",
            "properties": {
                "pictures": {"type": "integer"},
                "accuracy": _PROBABILITY,
                "interval": {"type": "array", "items": _PROBABILITY, "minItems": 2, "maxItems": 2},
            },
        },
        max_error={**_PROBABILITY, "type": ["number", "null"], "description": "Promised of the answered pictures."},
        heat_maps={"type": "boolean", "description": "Whether /api/v1/explain draws any."},
        report={"type": ["string", "null"], "description": "Address of the run's report."},
    )


def _rfc9457() -> Json:
    wanted = _object(
        type={"enum": [f"urn:pawsight:problem:{kind}" for kind in KINDS]},
        title=_TEXT,
        status={"type": "integer"},
        detail=_TEXT,
        instance=_TEXT,
        request_id=_TEXT,
    )
    wanted["properties"] |= {"file": _TEXT, "reason": _TEXT}
    return wanted


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}
