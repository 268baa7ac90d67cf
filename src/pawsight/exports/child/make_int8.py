"""ONNX in float32 -> ONNX in 8 bits, by NNCF, in a process of its own: it is slow to import and talks.

Enters: on the command line an ONNX file, pictures as .npy (N, H, W, 3) uint8 to calibrate on, where to write. Leaves:
that file. Does not know: bundles, labels, whether it is still good.
"""

from __future__ import annotations

import logging
import sys

import nncf
import numpy as np
import onnx

# The head and the guard are a thousandth of the work, and their numbers are the answer: they stay in float32.
KEPT = ("head/.*", "trust/.*", "guard/.*", "unlikeness/.*")
# Weights use half the range of 8 bits: with all of it, sums overflow 16 bits where a processor has no VNNI and are
# clamped, and the answers are not those whose accuracy was measured (docs/decisions/0013-exports.md).
STEADY = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)


def main(source: str, pictures: str, target: str) -> None:
    """Quantise weights and activations of what comes before the head."""
    nncf.set_log_level(logging.ERROR)
    model = onnx.load(source)
    squares = np.load(pictures)
    entrance = model.graph.input[0].name
    dataset = nncf.Dataset(range(len(squares)), lambda index: {entrance: squares[index : index + 1]})
    quantised = nncf.quantize(
        model,
        dataset,
        subset_size=len(squares),
        ignored_scope=nncf.IgnoredScope(patterns=list(KEPT), validate=False),
        advanced_parameters=STEADY,
    )
    onnx.checker.check_model(quantised)
    onnx.save(quantised, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
