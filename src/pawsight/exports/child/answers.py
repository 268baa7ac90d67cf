"""Answers of one exported model by its own runtime alone: nothing of Pawsight is imported here.

Enters: on the command line a runtime, the model, pictures as .npy (N, H, W, 3) uint8, where to write. Leaves: an .npz
with each output by name, the seconds to load (the runtime itself already imported) and the pictures a second. Does not
know: Pawsight.

Run by path in an isolated interpreter, so that what is measured is what somebody without Pawsight gets.
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
Answers = dict[str, Any]
Ask = Callable[[Any], Answers]


def _onnx() -> Callable[[str], Ask]:
    import onnxruntime

    def load(path: str) -> Ask:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_outputs()]
        entrance = session.get_inputs()[0].name
        return lambda pictures: dict(zip(names, session.run(names, {entrance: pictures}), strict=True))

    return load


def _openvino() -> Callable[[str], Ask]:
    import openvino

    def load(path: str) -> Ask:
        # OpenVINO lowers its precision by itself where the processor has bfloat16.
        model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda pictures: {one.get_any_name(): value for one, value in model([pictures]).items()}

    return load


def _litert() -> Callable[[str], Ask]:
    from ai_edge_litert.interpreter import Interpreter

    def load(path: str) -> Ask:
        runner = Interpreter(path, num_threads=os.cpu_count()).get_signature_runner("serving_default")
        return lambda pictures: dict(runner(pictures=pictures))

    return load


def _keras() -> Callable[[str], Ask]:
    import keras

    def load(path: str) -> Ask:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        return lambda pictures: dict(model.predict_on_batch(pictures))

    return load


def _saved_model() -> Callable[[str], Ask]:
    import tensorflow as tf

    def load(path: str) -> Ask:
        model = tf.saved_model.load(path)
        ask = model.signatures["serving_default"]

        def answer(pictures: Any) -> Answers:
            return {name: value.numpy() for name, value in ask(pictures=tf.constant(pictures)).items()}

        answer.model = model  # type: ignore[attr-defined]  # a signature does not keep the variables it needs
        return answer

    return load


RUNTIMES: dict[str, tuple[str, Callable[[], Callable[[str], Ask]]]] = {
    "onnx": ("onnxruntime", _onnx),
    "openvino": ("openvino", _openvino),
    "litert": ("ai-edge-litert", _litert),
    "keras": ("keras", _keras),
    "saved-model": ("tensorflow", _saved_model),
}


def main(runtime: str, model: str, pictures: str, target: str) -> None:
    """Load, answer once to get going, answer everything, and write what was said."""
    package, start = RUNTIMES[runtime]
    load = start()
    squares = np.load(pictures)
    begun = perf_counter()
    ask = load(model)
    loaded = perf_counter() - begun
    ask(squares[:BATCH])
    begun = perf_counter()
    parts = [ask(squares[first : first + BATCH]) for first in range(0, len(squares), BATCH)]
    rate = len(squares) / (perf_counter() - begun)
    answers = {f"output/{name}": np.concatenate([np.asarray(one[name]) for one in parts]) for name in parts[0]}
    strangers = sorted(name for name in sys.modules if name.partition(".")[0] == "pawsight")
    if strangers:
        raise SystemExit(f"{strangers[0]} was loaded beside {runtime}")
    facts = {"load_seconds": np.float64(loaded), "pictures_per_second": np.float64(rate)}
    np.savez(target, allow_pickle=False, **facts, runtime=np.array(_version(package)), **answers)


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return f"{package} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return package


if __name__ == "__main__":
    main(*sys.argv[1:])
