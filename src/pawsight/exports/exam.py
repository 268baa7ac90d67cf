"""An export sits the exam of the bundle it was made from, through its own runtime.

Enters: a model in its final form, and what the bundle answered. Leaves: a `Sitting`, or a refusal that names the
largest difference. Does not know: how the model was made.

In float32 a probability may differ by 1e-3, which is a hundred times what rounding does, and no label may flip. In 8
bits the accuracy on the run's own pictures decides (int8.py), so there an export is held to what the 8-bit graph
answered where that accuracy was measured: runtimes round 8 bits differently, by 0.03 at most on 500 photographs, and
0.1 is allowed. How far it is from float32 is told either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.predictor import run_self_test
from pawsight.core.errors import ExportRefused
from pawsight.core.storage import scratch_folder
from pawsight.exports.children import run_alone
from pawsight.exports.target import Sitting, Target
from pawsight.images.decode import Pixels
from pawsight.models.trust_graph import UNLIKENESS

ALLOWED = 1e-3  # in float32, of a probability and of the unlikeness
ALLOWED_REDUCED = 0.1  # in 8 bits, of a probability, between two runtimes
ENGINE_STREAMS = 2
_FAILS = "The export to {} is refused: it fails the bundle's exam."
_OTHERWISE = "Nothing was written. Export to another format, or train again and export that."


@dataclass(frozen=True, slots=True)
class Expected:
    """Questions, and what the bundle answers to them in float32."""

    pictures: Pixels  # (K, H, W, 3)
    probabilities: NDArray[np.float32]  # (K, C)
    unlikeness: NDArray[np.float32] | None  # (K,)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a runtime made of pictures."""

    outputs: dict[str, NDArray[np.float32]]
    runtime: str
    load_seconds: float
    pictures_per_second: float


def expected_of(bundle: Bundle) -> Expected:
    """Return what exports of a bundle are held to.

    Raises:
        BundleRefused: it fails its own exam.
    """
    engine = Engine(bundle.model, image_px=bundle.card.decode.image_px, precision="f32", streams=ENGINE_STREAMS)
    run_self_test(bundle, engine)
    strange = engine.run_all(bundle.golden.pictures).get(UNLIKENESS)
    return Expected(bundle.golden.pictures, bundle.golden.probabilities, strange)


def answers_of(runtime: str, model: Path, pictures: Pixels) -> Answers:
    """Let a runtime answer, in a process that has the runtime and nothing of Pawsight.

    Raises:
        ExportRefused: it cannot load the model or run it.
    """
    with scratch_folder() as folder:
        questions, target = folder / "pictures.npy", folder / "answers.npz"
        np.save(questions, pictures, allow_pickle=False)
        if complaint := run_alone("answers", runtime, model, questions, target):
            raise ExportRefused(
                f"The export to {runtime} is refused: its own runtime cannot use it.",
                f"It says: {complaint}",
                "Update the runtime, or export to another format.",
            )
        with np.load(target, allow_pickle=False) as told:
            return Answers(
                {name.removeprefix("output/"): told[name] for name in told.files if name.startswith("output/")},
                str(told["runtime"]),
                float(told["load_seconds"]),
                float(told["pictures_per_second"]),
            )


def sit(target: Target, model: Path, expected: Expected, *, twin: NDArray[np.float32] | None = None) -> Sitting:
    """Examine one export.

    Args:
        target: its format.
        model: what its runtime opens.
        expected: what the bundle answers.
        twin: for 8 bits, the probabilities (K, C) of the same 8-bit graph where its accuracy was measured.

    Raises:
        ExportRefused: it cannot be run, its outputs have other shapes, or it answers otherwise than it may.
    """
    answers = answers_of(str(target.runtime), model, expected.pictures)
    sitting = _compared(target.name, answers, expected)
    if twin is None:
        _check_exact(target.name, sitting, answers, expected)
    else:
        off = float(np.abs(answers.outputs["probabilities"] - twin).max())
        _check(off, ALLOWED_REDUCED, f"{target.name} in int8", f"In {sitting.runtime} a probability")
    return sitting


def _compared(name: str, answers: Answers, expected: Expected) -> Sitting:
    found = answers.outputs.get("probabilities")
    if found is None or found.shape != expected.probabilities.shape:
        raise ExportRefused(
            f"The export to {name} is refused: its outputs do not fit the bundle's exam.",
            f"{answers.runtime} returned {_told(answers)}.",
            "Export to another format.",
        )
    return Sitting(
        runtime=answers.runtime,
        pictures=len(found),
        difference=float(np.abs(found - expected.probabilities).max()),
        flips=flips_of(expected.probabilities, found),
        load_seconds=answers.load_seconds,
        pictures_per_second=answers.pictures_per_second,
    )


def flips_of(expected: NDArray[np.float32], found: NDArray[np.float32]) -> int:
    """Count pictures whose best class is not, or not one of, the best expected; both (K, C)."""
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return int((chosen < expected.max(axis=1)).sum())


def _check_exact(name: str, sitting: Sitting, answers: Answers, expected: Expected) -> None:
    if not (sitting.difference <= ALLOWED and not sitting.flips):
        raise ExportRefused(
            _FAILS.format(name),
            f"In {sitting.runtime} a probability is off by {sitting.difference:.4f}, {ALLOWED:g} is allowed, and"
            f" {sitting.flips:,} of {sitting.pictures:,} labels flip.",
            _OTHERWISE,
        )
    if expected.unlikeness is not None:
        found = answers.outputs.get(UNLIKENESS)
        off = np.inf if found is None else float(np.abs(found.reshape(-1) - expected.unlikeness).max())
        _check(off, ALLOWED, name, f"In {sitting.runtime} the output {UNLIKENESS}")


def _check(off: float, allowed: float, name: str, what: str) -> None:
    if not off <= allowed:
        raise ExportRefused(_FAILS.format(name), f"{what} is off by {off:.4f}, {allowed:g} is allowed.", _OTHERWISE)


def _told(answers: Answers) -> str:
    return ", ".join(f"{name} {value.shape}" for name, value in sorted(answers.outputs.items())) or "nothing"
