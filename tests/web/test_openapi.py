from __future__ import annotations

import json
import re
from dataclasses import fields

import jsonschema
import pytest

from pawsight import __version__
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE
from pawsight.web.app import OPENAPI, openapi
from pawsight.web.limits import Limits
from pawsight.web.problems import KINDS, MEDIA_TYPE


def test_the_document_describes_every_route_and_no_other(make_client):
    described = {(path, method) for path, item in openapi(Limits())["paths"].items() for method in item}
    client = make_client(start=False)
    pages = {"/", "/docs", "/openapi.json", "/static"}
    routes = {
        (route.path, method.lower())
        for route in client.app.routes
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        if route.path not in pages
    }
    assert described == routes


def test_every_reference_leads_somewhere():
    whole = openapi(Limits())
    for name in set(re.findall(r'"#/components/(\w+/[\w-]+)"', json.dumps(whole))):
        kind, _, key = name.partition("/")
        assert key in whole["components"][kind]
    for schema in whole["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_kind_of_problem_is_described_under_its_status():
    whole = openapi(Limits())
    shared, described = whole["components"]["responses"], set()
    for operation in (value for item in whole["paths"].values() for value in item.values()):
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                kind = answer["$ref"].rpartition("/")[2]
                described.add(kind)
                assert KINDS[kind][0] == int(status)
                assert KINDS[kind][1] in shared[kind]["description"]
                assert list(shared[kind]["content"]) == [MEDIA_TYPE]
    assert described == set(shared) == set(KINDS) - {"wrong-method"}  # which no operation answers with
    types = whole["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert types == [f"urn:pawsight:problem:{kind}" for kind in KINDS]


def test_the_verdicts_are_those_of_the_classifier():
    prediction = openapi(Limits())["components"]["schemas"]["Prediction"]["properties"]
    assert prediction["verdict"]["enum"] == [ANSWERED, UNSURE, UNFAMILIAR, None]


def test_version_and_limits_are_filled_into_the_file_and_nothing_else_is():
    written, told = json.loads(OPENAPI.read_text("utf-8")), openapi(Limits(files=3))
    rows = dict(re.findall(r"^- (\w+) (\S+ \S+): ", told["info"]["description"], re.M))
    assert rows == {
        field.name: f"{getattr(Limits(files=3), field.name):g} {field.metadata['unit']}" for field in fields(Limits)
    }
    assert told["info"]["version"] == __version__
    form = told["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["maxItems"] == 3
    form["properties"]["files"]["maxItems"] = Limits().files
    assert {**told, "info": None} == {**written, "info": None}


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
