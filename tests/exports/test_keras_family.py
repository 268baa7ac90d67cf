"""What stands beside a converted model, without converting any."""

from __future__ import annotations

import json
import zipfile

import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.core.errors import ExportRefused
from pawsight.exports import targets
from pawsight.exports.export_context import ExportContext


def tiny_litert():
    """A model of one subgraph without operators, whose outputs are in the wrong order."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs pawsight[export]")
    import flatbuffers

    model, graph, signature = schema.ModelT(), schema.SubGraphT(), schema.SignatureDefT()
    for index, name in enumerate(["features", "probabilities"]):
        tensor, output = schema.TensorT(), schema.TensorMapT()
        tensor.name = output.name = name
        output.tensorIndex = index
        graph.tensors = [*(graph.tensors or []), tensor]
        signature.outputs = [*(signature.outputs or []), output]
    graph.outputs = [0, 1]
    model.version, model.subgraphs, model.signatureDefs, model.buffers = 3, [graph], [signature], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def order(colour_bundle, monkeypatch):
    def make(script, source, *pairs):
        for name, path in zip(pairs[::2], pairs[1::2], strict=True):
            if name == "litert":
                path.write_bytes(tiny_litert())
        return ""

    monkeypatch.setattr(targets, "run_maker", make)
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
