"""Hostile bundles: whole, sealed and with the right digests, as somebody would send them who wants harm.

Enters: an honest bundle, a canary that must not be touched. Leaves: folders. Does not know: why they are refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from pawsight.classifier.bundle import card_checksum

Refusal = tuple[str, dict[str, bytes], dict[str, Any], str]  # name, files, changes to the card, why (part of it)


class Touch:
    """A pickle that makes a file when it is opened."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def forge(folder: Path, honest: Path, files: dict[str, bytes], changes: dict[str, Any]) -> None:
    """Write a bundle whose digests and seal are right."""
    shutil.copytree(honest, folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    card = json.loads((honest / "bundle.json").read_text())
    digests = card["files"] | {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    card |= {"files": digests, **changes}
    if "bundle.json" not in files:
        (folder / "bundle.json").write_text(json.dumps(card | {"seal": card_checksum(card)}))


def hostile_bundles(canary: Path, model: bytes) -> Iterator[Refusal]:
    """Yield what to put into a bundle, and a part of the reason for which it must be refused."""
    for name, content, why in _models(canary, model):
        yield f"model-{name}", {"model.onnx": content}, {}, why
    for name, content, why in _exams(canary):
        yield f"exam-{name}", {"exam.npz": content}, {}, why
    for name, text in _cards().items():
        yield f"card-{name}", {"bundle.json": text}, {}, "bundle.json"
    for name, classes in _classes().items():
        yield f"classes-{name}", {}, {"classes": classes}, "class"


def _models(canary: Path, model: bytes) -> Iterator[tuple[str, bytes, str]]:
    run = pickle.dumps(Touch(canary))
    yield "pickle", run, "is not an ONNX model"
    yield "keras-with-lambda", _keras(canary), "is not an ONNX model"
    yield "xml-nested-deep", b'<?xml version="1.0"?><net>' + b"<a>" * 2_000_000, "is not an ONNX model"
    yield "nothing", b"", "is not an ONNX model"
    yield "cut", model[: len(model) // 2], "model.onnx"
    yield "external-data", _external(), "keeps weights in another file"
    for name, nodes, values in _graphs():
        yield name, _model(nodes, values), ""  # whoever finds it first
    functions = onnx.load_from_string(model)
    functions.functions.append(
        helper.make_function(
            "here", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 17)]
        )
    )
    yield "function", functions.SerializeToString(), "defines operators of its own"
    nested = helper.make_graph([helper.make_node("Identity", ["c"], ["o"])], "g", [], [])
    for _ in range(20):
        node = helper.make_node("If", ["c"], ["o"], then_branch=nested, else_branch=nested if _ == 0 else _empty())
        nested = helper.make_graph([node], "g", [], [])
    yield "branches-nested-20-deep", _wrapped(nested), "model.onnx"


def _empty() -> onnx.GraphProto:
    return helper.make_graph([], "e", [], [])


def _wrapped(graph: onnx.GraphProto) -> bytes:
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return content


def _graphs() -> Iterator[tuple[str, list[onnx.NodeProto], list[onnx.TensorProto]]]:
    cast = helper.make_node("Cast", ["pictures"], ["x"], to=TensorProto.FLOAT)
    body = helper.make_graph([], "body", [], [])
    many = helper.make_tensor("n", TensorProto.INT64, [1], [2**62])
    wide = helper.make_tensor("n", TensorProto.INT64, [2], [1, 2**40])
    yield "loop", [cast, helper.make_node("Loop", ["n", "", "x"], ["probabilities"], body=body)], [many]
    yield "scan", [cast, helper.make_node("Scan", ["x"], ["probabilities"], body=body, num_scan_inputs=1)], []
    yield "custom", [helper.make_node("Run", ["pictures"], ["probabilities"], domain="evil")], []
    yield "constant-of-any-shape", [helper.make_node("ConstantOfShape", ["n"], ["probabilities"])], [wide]
    yield "random", [helper.make_node("RandomNormal", [], ["probabilities"], shape=[2**20, 2**20])], []
    flat = helper.make_node("Flatten", ["x"], ["f"], axis=1)
    yield (
        "expand",
        [
            cast,
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Expand", ["m", "n"], ["probabilities"]),
        ],
        [helper.make_tensor("n", TensorProto.INT64, [2], [2**20, 2**20])],
    )
    pads = helper.make_tensor("n", TensorProto.INT64, [4], [0, 0, 0, 2**40])
    yield "pad", [cast, flat, helper.make_node("Pad", ["f", "n"], ["probabilities"])], [pads]
    twice = [helper.make_node("Concat", [f"c{n}", f"c{n}"], [f"c{n + 1}"], axis=1) for n in range(40)]
    first = helper.make_node("Flatten", ["x"], ["c0"], axis=1)
    yield "doubled-forty-times", [cast, first, *twice, helper.make_node("Identity", ["c40"], ["probabilities"])], []
    outer = [
        helper.make_node("Reshape", ["f", "a"], ["row"]),
        helper.make_node("Reshape", ["f", "b"], ["column"]),
        helper.make_node("Concat", ["row"] * 2000, ["rows"], axis=1),
        helper.make_node("Concat", ["column"] * 2000, ["columns"], axis=2),
        helper.make_node("Mul", ["rows", "columns"], ["probabilities"]),
    ]
    shapes = [
        helper.make_tensor("a", TensorProto.INT64, [3], [1, 192, 1]),
        helper.make_tensor("b", TensorProto.INT64, [3], [1, 1, 192]),
    ]
    yield "outer-product", [cast, flat, *outer], shapes
    claim = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=b"")
    yield "initializer-of-4-terabytes", [cast, flat, helper.make_node("MatMul", ["f", "w"], ["probabilities"])], [claim]
    negative = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-1, 3], raw_data=bytes(12))
    yield "initializer-below-zero", [cast, flat, helper.make_node("MatMul", ["f", "w"], ["probabilities"])], [negative]
    circle = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    yield "circle", [*circle, helper.make_node("Add", ["a", "b"], ["probabilities"])], []
    yield "many-operators", [helper.make_node("Relu", ["x"], [f"r{n}"]) for n in range(120_000)], []


def _model(nodes: list[onnx.NodeProto], values: list[onnx.TensorProto]) -> bytes:
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", 8, 8, 3])
    out = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [pictures], [out], values)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("evil", 1)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


def _external() -> bytes:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[192, 3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "../../../../etc/passwd"), ("offset", "0"), ("length", "2304")):
        tensor.external_data.add(key=key, value=value)
    cast = helper.make_node("Cast", ["pictures"], ["x"], to=TensorProto.FLOAT)
    flat = helper.make_node("Flatten", ["x"], ["f"], axis=1)
    return _model([cast, flat, helper.make_node("MatMul", ["f", "w"], ["probabilities"])], [tensor])


def _keras(canary: Path) -> bytes:
    code = {"class_name": "Lambda", "config": {"function": f"lambda x: __import__('os').system('touch {canary}')"}}
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [code]}}
    return _zip({"config.json": json.dumps(config).encode(), "metadata.json": b"{}", "model.weights.h5": b"\x89HDF"})


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _exams(canary: Path) -> Iterator[tuple[str, bytes, str]]:
    probabilities = np.full((1, 3), 1 / 3, np.float32)
    file = io.BytesIO()
    orders = np.array([Touch(canary)], dtype=object)
    np.savez(file, pictures=orders, probabilities=probabilities)
    yield "pickled", file.getvalue(), "Python objects"
    plain = io.BytesIO()
    np.save(plain, probabilities)
    bomb = _header("(1, 8, 8, 3)", "|u1") + bytes(400_000_000)
    yield "bomb", _zip({"pictures.npy": bomb, "probabilities.npy": plain.getvalue()}), "exam.npz"
    claims = _header("(1099511627776, 8, 8, 3)", "|u1") + bytes(192)
    yield "claims", _zip({"pictures.npy": claims, "probabilities.npy": plain.getvalue()}), "as long as its header"
    code = _header("(__import__('os').system('touch x'),)", "|u1")
    yield "code-in-header", _zip({"pictures.npy": code, "probabilities.npy": plain.getvalue()}), "exam.npz"
    deep = _header("(" * 20_000 + ")" * 20_000, "|u1")
    yield "brackets-in-header", _zip({"pictures.npy": deep, "probabilities.npy": plain.getvalue()}), "exam.npz"


def _header(shape: str, kind: str) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _cards() -> dict[str, bytes]:
    return {
        "deep": b"[" * 1_000_000,
        "deep-objects": b'{"a":' * 500_000 + b"1" + b"}" * 500_000,
        "of-15-megabytes-of-digits": b'{"format": ' + b"9" * 15_000_000 + b"}",
        "of-17-megabytes": b'{"format": "' + b"x" * 17_000_000 + b'"}',
        "of-five-million-numbers": b"[" + b"1," * 5_000_000 + b"1]",
        "with-an-infinite-number": b'{"format": 1e999, "files": {}}',
        "with-nul": b"\0" * 1000,
        "in-utf-16": '{"format": 2}'.encode("utf-16"),
    }


def _classes() -> dict[str, list[Any]]:
    return {
        "escape": ["\x1b[2J", "dogs", "cats"],
        "newline": ["cats\ndogs", "b", "c"],
        "nul": ["\0", "b", "c"],
        "of-12-megabytes": ["a" * 12_000_000, "b", "c"],
        "numbers": [1, 2, 3],
        "lists": [[], {}, None],
        "half-a-letter": ["\ud800", "b", "c"],
        "too-many": [f"c{n}" for n in range(100_001)],
    }
