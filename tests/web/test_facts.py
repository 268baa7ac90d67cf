from __future__ import annotations

import json
import shutil

import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import load_predictor
from pawsight.web.facts import report_of, validation_of

FIGURES = {"split": {"digest": "5" * 64}, "validation": {"pictures": 808, "accuracy": 0.99, "interval": [0.98, 0.995]}}


@pytest.fixture
def run(colour_bundle, tmp_path):
    shutil.copytree(colour_bundle, tmp_path / "run" / "bundle")
    return tmp_path / "run"


def test_a_bundle_that_lies_alone_tells_nothing_more(run):
    assert validation_of(read_bundle(run)) is None
    assert report_of(read_bundle(run)) is None


def test_the_figures_of_validation_are_read_from_the_run(run):
    (run / "metrics.json").write_text(json.dumps(FIGURES))
    assert validation_of(read_bundle(run)) == FIGURES["validation"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(FIGURES | {"validation": None}),
        json.dumps(FIGURES | {"split": {"digest": "6" * 64}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"accuracy": 99}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"interval": [0.1]}}),
        json.dumps(FIGURES | {"validation": FIGURES["validation"] | {"accuracy": float("nan")}}),
        json.dumps(FIGURES) + " " * 2**22,  # right, and too long to be read for every visitor
    ],
)
def test_figures_that_are_none_or_anothers_are_left_out(run, text):
    (run / "metrics.json").write_text(text)
    assert validation_of(read_bundle(run)) is None


def test_the_report_is_served_where_it_can_do_nothing(run, make_client):
    with make_client(opener=lambda: load_predictor(run)) as client:
        assert client.get("/api/v1/model").json()["report"] is None
        assert client.get("/api/v1/report").status_code == 404
        (run / "report.html").write_text("<!doctype html><title>Report</title><style>p {}</style>")
        (run / "metrics.json").write_text(json.dumps(FIGURES))
        told = client.get("/api/v1/model").json()
        assert told["report"] == "/api/v1/report"
        assert told["validation"]["pictures"] == 808
        answer = client.get(told["report"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_report_is_behind_the_token(run, make_client):
    (run / "report.html").write_text("secret")
    with make_client(opener=lambda: load_predictor(run), token="a-word-nobody-knows") as client:
        assert client.get("/api/v1/report").status_code == 401
