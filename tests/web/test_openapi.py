from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest

from pawsight import __version__
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE
from pawsight.web.app import OPENAPI, openapi
from pawsight.web.limits import Limits
from pawsight.web.problems import CODES, MEDIA_TYPE


def test_the_document_describes_every_route_and_no_other(make_client):
    described = {(path, method) for path, item in openapi(Limits())["paths"].items() for method in item}
    client = make_client(start=False)
    pages = {"/", "/docs", "/openapi.json"}
    routes = {
        (route.path, method.lower())
        for route in client.app.routes
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        if route.path not in pages and not route.path.startswith("/static")
    }
    assert described == routes


def test_every_reference_leads_somewhere():
    whole = openapi(Limits())
    for name in set(re.findall(r'"#/components/(\w+/[\w-]+)"', json.dumps(whole))):
        kind, _, key = name.partition("/")
        assert key in whole["components"][kind]
    for schema in whole["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_code_is_described_under_its_status():
    whole = openapi(Limits())
    shared, described = whole["components"]["responses"], {}
    for operation in (value for item in whole["paths"].values() for value in item.values()):
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                response = shared[answer["$ref"].rpartition("/")[2]]
                described.setdefault(int(status), set()).add(response["description"])
                assert list(response["content"]) == [MEDIA_TYPE]
    for code in set(CODES) - {"wrong-method"}:  # which no operation answers with
        status, title = CODES[code]
        assert any(title in description for description in described[status]), code
    problem = whole["components"]["schemas"]["Problem"]["properties"]
    assert problem["code"]["enum"] == list(CODES)
    assert problem["type"]["enum"] == [f"urn:pawsight:problem:{code}" for code in CODES]


def test_the_page_lists_every_code():
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", page, re.M))
    assert {code: int(status) for code, status in rows.items()} == {code: status for code, (status, _) in CODES.items()}


def test_the_decisions_are_those_of_the_classifier():
    prediction = openapi(Limits())["components"]["schemas"]["Prediction"]["properties"]
    assert prediction["decision"]["enum"] == [ANSWERED, UNSURE, UNFAMILIAR, None]


def test_version_and_limits_are_filled_into_the_file_and_nothing_else_is():
    written, told = json.loads(OPENAPI.read_text("utf-8")), openapi(Limits(files=3))
    assert told["x-limits"] == {
        field.name: {
            "value": getattr(Limits(files=3), field.name),
            "unit": field.metadata["unit"],
            "description": field.metadata["help"],
        }
        for field in fields(Limits)
    }
    assert told["info"] == written["info"] | {"version": __version__}
    assert re.findall(r'"maxItems": (\d+)', json.dumps(told["paths"])) == ["3", "3", "3", *["1"] * 6]
    for document in (written, told):
        del document["info"], document["x-limits"]
    assert re.sub(r'("maxItems": )3', r"\g<1>64", json.dumps(told)) == json.dumps(written)


@pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_whatever_is_made_from_the_document_is_answered_as_it_says(process, examples):
    import hypothesis
    import schemathesis
    from schemathesis import checks

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{process.port}/openapi.json")
    wanted = [
        checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
    ]
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.seed(5)
        @hypothesis.settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case):
            answer = case.call_and_validate(checks=wanted, headers={"Origin": f"http://127.0.0.1:{process.port}"})
            asked.append((case.operation.label, answer.status_code))

        ask()
    assert {label for label, _ in asked} >= {"POST /api/v1/predict", "GET /api/v1/model", "GET /readyz"}
    assert {status for label, status in asked if "predict" in label} & {400, 422}
