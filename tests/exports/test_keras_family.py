"""What stands beside a converted model, without converting any."""

from __future__ import annotations

import json
import zipfile

import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.core.errors import ExportRefused
from pawsight.exports import targets
from pawsight.exports.export_context import ExportContext


@pytest.fixture
def order(colour_bundle, monkeypatch):
    monkeypatch.setattr(targets, "run_maker", lambda script, *words: "")
    return ExportContext(bundle=read_bundle(colour_bundle), run=None)


def test_each_format_has_the_facts_where_it_wants_them_and_no_other_is_touched(order, tmp_path):
    places = {name: tmp_path / name for name in ("keras", "saved-model", "litert")}
    for name, place in places.items():
        targets.make_keras_family(order, {name: place})
    assert not places["keras"].exists()  # the maker writes it whole
    facts = json.loads((places["saved-model"] / "assets.extra" / targets.METADATA_FILE).read_text("utf-8"))
    assert facts["classes"] == ["red", "green", "blue"]
    with zipfile.ZipFile(places["litert"]) as archive:
        assert archive.read("labels.txt") == b"red\ngreen\nblue\n"
        assert json.loads(archive.read(targets.METADATA_FILE)) == facts


def test_what_the_converter_complains_of_is_told(order, tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "run_maker", lambda script, *words: "no layer for Abs")
    with pytest.raises(ExportRefused) as error:
        targets.make_keras_family(order, {"keras": tmp_path / "a", "litert": tmp_path / "b"})
    assert "keras, litert" in error.value.what
    assert error.value.why.endswith(": no layer for Abs")
