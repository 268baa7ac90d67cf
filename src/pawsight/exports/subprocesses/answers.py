"""Runs one exported model in its own runtime, without importing Pawsight, and writes its answers as .npz.

Arguments: a runtime, the model, pictures as .npy (N, H, W, 3) uint8, the file to write. The file has each output by
name, the seconds to load (without importing the runtime) and the pictures per second. An isolated interpreter runs this
file by its path, so that the figures are those of a user without Pawsight.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

BATCH = 8  # pictures at a time
Outputs = dict[str, Any]
Predict = Callable[[Any], Outputs]


def _onnx() -> Callable[[str], Predict]:
    import onnxruntime

    def load(path: str) -> Predict:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        input_name = session.get_inputs()[0].name
        return lambda pictures: dict(zip(names, session.run(names, {input_name: pictures}), strict=True))

    return load


def _openvino() -> Callable[[str], Predict]:
    import openvino

    def load(path: str) -> Predict:
        # OpenVINO lowers its precision by itself where the processor has bfloat16.
        model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda pictures: {output.get_any_name(): value for output, value in model([pictures]).items()}

    return load


def _litert() -> Callable[[str], Predict]:
    from ai_edge_litert.interpreter import Interpreter

    def load(path: str) -> Predict:
        runner = Interpreter(path, num_threads=os.cpu_count()).get_signature_runner("serving_default")
        return lambda pictures: dict(runner(pictures=pictures))

    return load


def _keras() -> Callable[[str], Predict]:
    import keras

    def load(path: str) -> Predict:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        return lambda pictures: dict(model.predict_on_batch(pictures))

    return load


def _saved_model() -> Callable[[str], Predict]:
    import tensorflow as tf

    def load(path: str) -> Predict:
        model = tf.saved_model.load(path)
        signature = model.signatures["serving_default"]

        def predict(pictures: Any) -> Outputs:
            return {name: value.numpy() for name, value in signature(pictures=tf.constant(pictures)).items()}

        predict.model = model  # type: ignore[attr-defined]  # a signature does not keep the variables it needs
        return predict

    return load


RUNTIMES: dict[str, tuple[str, Callable[[], Callable[[str], Predict]]]] = {
    "onnx": ("onnxruntime", _onnx),
    "openvino": ("openvino", _openvino),
    "litert": ("ai-edge-litert", _litert),
    "keras": ("keras", _keras),
    "saved-model": ("tensorflow", _saved_model),
}


def main(runtime: str, model: str, pictures: str, target: str) -> None:
    """Load the model, predict one batch to warm up, predict everything, write the outputs."""
    package, import_runtime = RUNTIMES[runtime]
    load = import_runtime()
    squares = np.load(pictures)
    start = perf_counter()
    predict = load(model)
    load_seconds = perf_counter() - start
    predict(squares[:BATCH])
    start = perf_counter()
    parts = [predict(squares[first : first + BATCH]) for first in range(0, len(squares), BATCH)]
    rate = len(squares) / (perf_counter() - start)
    answers = {f"output/{name}": np.concatenate([np.asarray(outputs[name]) for outputs in parts]) for name in parts[0]}
    foreign = sorted(name for name in sys.modules if name.partition(".")[0] == "pawsight")
    if foreign:
        raise SystemExit(f"{foreign[0]} was loaded beside {runtime}")
    figures = {"load_seconds": np.float64(load_seconds), "pictures_per_second": np.float64(rate)}
    np.savez(target, allow_pickle=False, **figures, runtime=np.array(version_of(package)), **answers)


def version_of(package: str) -> str:
    """Return the name and version of a package, or of its build for CPUs."""
    for name in (package, f"{package}-cpu"):
        try:
            return f"{package} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return package


if __name__ == "__main__":
    main(*sys.argv[1:])
