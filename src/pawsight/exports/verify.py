"""Verifies an export: its own runtime answers the bundle's self-test pictures, and the answers are compared.

In float32 a probability may differ by 1e-3, a hundred times what rounding does, and no label may change. In 8 bits the
accuracy on the run's own pictures decides (int8.py), so an export is compared with the answers of the 8-bit graph whose
accuracy was measured: runtimes round 8 bits differently, by 0.03 at most on 500 photographs, and 0.1 is allowed. The
difference from float32 is reported either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.predictor import run_self_test
from pawsight.classifier.trust import Trust
from pawsight.core.errors import ExportRefused
from pawsight.core.storage import scratch_folder
from pawsight.exports.export_context import SelfTestResult, Target
from pawsight.exports.subprocesses import run_alone
from pawsight.images.decode import Pixels
from pawsight.models.graph import OOD_SCORE

ALLOWED = 1e-3  # in float32: difference of a probability and of the out-of-distribution score
ALLOWED_REDUCED = 0.1  # in 8 bits: difference of a probability between two runtimes
_ROUNDING = 1e-5  # of a probability, in float32
ENGINE_STREAMS = 2
_FAILS = "The export to {} is refused: it fails the bundle's self-test."
_FIX = "Nothing was written. Export to another format, or train again and export that."

Outputs = Mapping[str, NDArray[np.float32]]


def expected_outputs(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """Return the outputs that exports of a bundle must give for its self-test pictures, in float32.

    Returns:
        `probabilities` (K, C) and, with an out-of-distribution detector, `unlikeness` (K,).

    Raises:
        BundleRefused: the bundle fails its own self-test.
    """
    engine = Engine(bundle.model, image_px=bundle.card.decode.image_px, precision="f32", streams=ENGINE_STREAMS)
    run_self_test(bundle, engine)
    computed = engine.run_all(bundle.golden.pictures)
    scores = {OOD_SCORE: computed[OOD_SCORE]} if OOD_SCORE in computed else {}
    return {"probabilities": bundle.golden.probabilities, **scores}


def runtime_outputs(runtime: str, model: Path, pictures: Pixels) -> tuple[Outputs, str, float, float]:
    """Run a model in its own runtime, in a process that imports nothing of Pawsight.

    Returns:
        its outputs, the runtime with its version, the seconds to load, and the pictures per second.

    Raises:
        ExportRefused: the runtime cannot load the model or run it.
    """
    with scratch_folder() as folder:
        inputs, outputs = folder / "pictures.npy", folder / "answers.npz"
        np.save(inputs, pictures, allow_pickle=False)
        if error := run_alone("answers", runtime, model, inputs, outputs):
            raise ExportRefused(
                f"The export to {runtime} is refused: its own runtime cannot use it.",
                f"The runtime says: {error}",
                "Update the runtime, or export to another format.",
            )
        with np.load(outputs, allow_pickle=False) as values:
            return (
                {name.removeprefix("output/"): values[name] for name in values.files if name.startswith("output/")},
                str(values["runtime"]),
                float(values["load_seconds"]),
                float(values["pictures_per_second"]),
            )


def verify(
    target: Target,
    model: Path,
    bundle: Bundle,
    expected: Outputs,
    *,
    reference: NDArray[np.float32] | None = None,
) -> SelfTestResult:
    """Compare an export's answers, in its own runtime, with those it must give.

    Args:
        target: its format.
        model: the file or folder that the runtime opens.
        bundle: with the pictures of the self-test.
        expected: the bundle's outputs for them, from `expected_outputs`.
        reference: for 8 bits, the probabilities (K, C) of the same 8-bit graph where its accuracy was measured.

    Raises:
        ExportRefused: it cannot be run, its outputs have other shapes, or they differ by more than is allowed.
    """
    outputs, runtime, load_seconds, rate = runtime_outputs(str(target.runtime), model, bundle.golden.pictures)
    golden, probabilities = expected["probabilities"], outputs.get("probabilities")
    if probabilities is None or probabilities.shape != golden.shape:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in sorted(outputs.items())) or "nothing"
        raise ExportRefused(
            f"The export to {target.name} is refused: its outputs do not fit the bundle's self-test.",
            f"{runtime} returned {shapes}.",
            "Export to another format.",
        )
    result = SelfTestResult(
        runtime=runtime,
        pictures=len(probabilities),
        difference=float(np.abs(probabilities - golden).max()),
        flips=flips_of(golden, probabilities, bundle.card.trust),
        load_seconds=load_seconds,
        pictures_per_second=rate,
    )
    if reference is not None:
        off = float(np.abs(probabilities - reference).max())
        _check(off, ALLOWED_REDUCED, f"{target.name} in int8", f"In {result.runtime} a probability")
        return result
    if not (result.difference <= ALLOWED and not result.flips):
        raise ExportRefused(
            _FAILS.format(target.name),
            f"In {result.runtime} a probability is off by {result.difference:.4f}, {ALLOWED:g} is allowed, and"
            f" {result.flips:,} of {result.pictures:,} labels flip.",
            _FIX,
        )
    if OOD_SCORE in expected:
        scores = outputs.get(OOD_SCORE)
        off = np.inf if scores is None else float(np.abs(scores.reshape(-1) - expected[OOD_SCORE]).max())
        _check(off, ALLOWED, target.name, f"In {result.runtime} the output {OOD_SCORE}")
    return result


def flips_of(expected: NDArray[np.float32], found: NDArray[np.float32], trust: Trust = Trust()) -> int:
    """Count pictures whose best class is not, or not one of, the best expected ones; both (K, C).

    With several labels those are counted of which any label changes by its threshold, further from it than by rounding.
    """
    if trust.labels:
        thresholds = np.array([rule.threshold for rule in trust.labels])
        is_clear = np.abs(expected - thresholds) > _ROUNDING
        return int((((expected >= thresholds) != (found >= thresholds)) & is_clear).any(axis=1).sum())
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return int((chosen < expected.max(axis=1)).sum())


def _check(off: float, allowed: float, name: str, what: str) -> None:
    if not off <= allowed:
        raise ExportRefused(_FAILS.format(name), f"{what} is off by {off:.4f}, {allowed:g} is allowed.", _FIX)
