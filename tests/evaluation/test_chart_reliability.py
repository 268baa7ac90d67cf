"""The reliability diagram is an SVG whose words say what the bins say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from pawsight.evaluation.calibration import expected_calibration_error, reliability
from pawsight.evaluation.chart_reliability import describe, reliability_svg


def answers(sharpness):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 1)) * 3
    true = (rng.random(500) < 1 / (1 + np.exp(-logits[:, 0]))).astype(int)
    share = 1 / (1 + np.exp(-sharpness * logits))
    return true, np.concatenate([1 - share, share], axis=1)


def test_it_is_one_svg_element_that_tells_both_errors():
    before, after = (reliability(*answers(sharpness)) for sharpness in (3.0, 1.0))
    svg = reliability_svg(before, after, name="r1")
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    text = "".join(root.itertext())
    for word in ("before", "after", "as sure as right", "how sure the answers are"):
        assert word in text
    for sharpness in (3.0, 1.0):
        assert f"{100 * expected_calibration_error(*answers(sharpness)):.2f} %" in root.attrib["aria-label"]


def test_equal_bins_give_equal_bytes_and_nothing_at_all_is_drawn_too():
    bins = reliability(*answers(1.0))
    assert reliability_svg((), bins) == reliability_svg((), bins)
    assert "before" not in "".join(ET.fromstring(reliability_svg((), bins)).itertext())
    assert describe((), ()) == "There are no answers to compare with the truth."
    ET.fromstring(reliability_svg((), ()))
