"""The reliability diagram is an SVG whose words say what the bins say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from pawsight.evaluation.calibration import expected_calibration_error, reliability
from pawsight.reports.chart_reliability import reliability_svg


def answers(sharpness):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 1)) * 3
    true = (rng.random(500) < 1 / (1 + np.exp(-logits[:, 0]))).astype(int)
    share = 1 / (1 + np.exp(-sharpness * logits))
    return true, np.concatenate([1 - share, share], axis=1)


def labels_of(root):
    """What the chart says, its numbers along the axes aside."""
    found = ("".join(one.itertext()).strip() for one in root.iter() if one.tag.endswith("text"))
    return [text for text in found if any(letter.isalpha() for letter in text)]


def test_it_is_one_svg_element_that_tells_both_errors(snapshot):
    before, after = (reliability(*answers(sharpness)) for sharpness in (3.0, 1.0))
    svg = reliability_svg(before, after, name="r1")
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert labels_of(root) == snapshot
    for sharpness in (3.0, 1.0):
        assert f"{100 * expected_calibration_error(*answers(sharpness)):.2f} %" in root.attrib["aria-label"]


def test_equal_bins_give_equal_bytes_and_nothing_at_all_is_drawn_too(snapshot):
    bins = reliability(*answers(1.0))
    assert reliability_svg((), bins) == reliability_svg((), bins)
    assert labels_of(ET.fromstring(reliability_svg((), bins))) == snapshot  # one line fewer to name
    assert ET.fromstring(reliability_svg((), ())).attrib["aria-label"] == snapshot
