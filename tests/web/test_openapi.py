from __future__ import annotations

import json

import jsonschema
import pytest

from pawsight.web.limits import Limits, flag_of, flags
from pawsight.web.openapi import document
from pawsight.web.problems import KINDS


def test_the_document_describes_every_route_and_no_other(make_client):
    described = {(path, method) for path, item in document(Limits())["paths"].items() for method in item}
    client = make_client(start=False)
    pages = {"/", "/docs", "/openapi.json", "/static"}
    routes = {
        (route.path, method.lower())
        for route in client.app.routes
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        if route.path not in pages
    }
    assert described == routes


def test_every_reference_leads_somewhere_and_every_problem_is_described():
    whole = document(Limits())
    text = json.dumps(whole)
    for name in ("Predictions", "Prediction", "Model", "Problem"):
        assert f"#/components/schemas/{name}" in text
        jsonschema.Draft202012Validator.check_schema(whole["components"]["schemas"][name])
    said = {status for item in whole["paths"].values() for one in item.values() for status in one["responses"]}
    assert said >= {str(status) for status, _ in KINDS.values()} - {"404", "405", "500"}


def test_the_document_tells_every_limit_with_its_unit():
    told = document(Limits(files=3))["info"]["description"]
    assert "--files 3 files" in told
    assert all(f"--{flag_of(one)} " in told for one in flags())


@pytest.mark.parametrize("seed", [5])
def test_whatever_is_made_from_the_document_is_answered_as_it_says(process, seed):
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

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=25, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case):
            answer = case.call_and_validate(checks=wanted, headers={"Origin": f"http://127.0.0.1:{process.port}"})
            asked.append((case.operation.label, answer.status_code))

        ask()
    assert {label for label, _ in asked} >= {"POST /api/v1/predict", "GET /api/v1/model", "GET /readyz"}
    assert {status for label, status in asked if "predict" in label} & {400, 422}
