"""ONNX in float32 -> ONNX in 8 bits, by NNCF.

Arguments: an ONNX file, pictures to calibrate on as .npy (N, H, W, 3) uint8, the file to write.
"""

from __future__ import annotations

import logging
import sys

import nncf
import numpy as np
import onnx

# Averages, head and detector are a thousandth of the work and give the answer: they stay in float32.
# Averages of several depths have different ranges, and joined in 8 bits they would share one.
FLOAT32_NODES = (".*/mean", ".*/picked", "features", "head/.*", "trust/.*", "guard/.*", "unlikeness/.*")
# Weights use half the range of 8 bits: with all of it, sums overflow 16 bits where a processor has no VNNI and are
# clamped, and the accuracy is not the measured one (docs/decisions/0013-exports.md).
NO_OVERFLOW = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)


def main(source: str, pictures: str, target: str) -> None:
    """Quantise weights and activations before the head."""
    nncf.set_log_level(logging.ERROR)
    model = onnx.load(source)
    squares = np.load(pictures)
    input_name = model.graph.input[0].name
    dataset = nncf.Dataset(range(len(squares)), lambda index: {input_name: squares[index : index + 1]})
    quantised = nncf.quantize(
        model,
        dataset,
        subset_size=len(squares),
        ignored_scope=nncf.IgnoredScope(patterns=list(FLOAT32_NODES), validate=False),
        advanced_parameters=NO_OVERFLOW,
    )
    onnx.checker.check_model(quantised)
    onnx.save(quantised, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
