"""Charts: curves, the ladder, the confusion matrix, the reliability diagram."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from syrupy.assertion import SnapshotAssertion

from pawsight.core.runs import Epoch
from pawsight.evaluation.calibration import reliability
from pawsight.evaluation.intervals import wilson
from pawsight.reports.charts import (
    accuracy_svg,
    describe_history,
    draw_confidences,
    draw_history,
    draw_reliability,
    ladder_svg,
    loss_svg,
    reliability_svg,
)
from pawsight.reports.confusion_matrix import confusion_svg
from pawsight.reports.style import chart_variables, new_figure, shortened

TWO = {"classes": 2, "baseline": 0.5}


def epochs(count: int, **changes: float) -> list[Epoch]:
    values = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7} | changes
    return [Epoch(number=number + 1, **values) for number in range(count)]


def words(svg: str) -> str:
    return " ".join(
        "".join(element.itertext()) for element in ET.fromstring(svg).iter() if element.tag.endswith("text")
    )


def labels(svg: str) -> list[str]:
    """What a chart says, the numbers along its axes aside."""
    told = (
        "".join(element.itertext()).strip() for element in ET.fromstring(svg).iter() if element.tag.endswith("text")
    )
    return [text for text in told if re.search("[a-z]", text)]


def test_curves_are_drawn_as_png_and_svg(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    png, svg = tmp_path / "history.png", tmp_path / "history.svg"
    draw_history(epochs(20), png, svg, **TWO)
    with Image.open(io.BytesIO(png.read_bytes())) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
    assert labels(svg.read_text(encoding="utf-8")) == snapshot
    assert "70.0 %" in words(svg.read_text(encoding="utf-8"))  # at the best epoch


def test_the_svg_file_follows_light_and_dark_by_itself(tmp_path: Path) -> None:
    draw_history(epochs(3), tmp_path / "h.png", tmp_path / "h.svg", **TWO)
    text = (tmp_path / "h.svg").read_text(encoding="utf-8")
    assert "@media(prefers-color-scheme:dark)" in text
    assert chart_variables(dark=False) in text
    assert chart_variables(dark=True) in text


def test_training_and_validation_differ_in_more_than_colour() -> None:
    svg = accuracy_svg(epochs(5), baseline=0.5, name="x")
    assert "stroke-dasharray" in re.search(r"<path[^>]*chart-second[^>]*>", svg).group()  # type: ignore[union-attr]
    assert "stroke-dasharray" not in re.search(r"<path[^>]*chart-main[^>]*>", svg).group()  # type: ignore[union-attr]


def test_equal_figures_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        draw_history(epochs(4), tmp_path / f"{name}.png", tmp_path / f"{name}.svg", **TWO)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_two_charts_on_a_page_share_no_identifier() -> None:
    one, other = (set(re.findall(r'\bid="([^"]+)"', loss_svg(epochs(3), classes=2, name=name))) for name in ("a", "b"))
    assert one
    assert not one & other


def test_every_reference_in_a_chart_finds_its_target() -> None:
    svg = accuracy_svg(epochs(6), baseline=0.5, name="a")
    found = set(re.findall(r'\bid="([^"]+)"', svg))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', svg)) <= found


def test_a_loss_far_above_guessing_makes_the_axis_logarithmic(snapshot: SnapshotAssertion) -> None:
    far, near = (
        loss_svg([*epochs(3), *epochs(1, loss=80.0)], classes=2, name="x"),
        loss_svg(epochs(3), classes=2, name="x"),
    )
    assert set(labels(far)) - set(labels(near)) == snapshot


def test_figures_that_are_no_numbers_are_left_out_and_drawn_around(snapshot: SnapshotAssertion) -> None:
    history = [*epochs(2), *epochs(1, loss=math.inf, val_loss=math.nan, val_accuracy=math.nan)]
    ET.fromstring(loss_svg(history, classes=2, name="x"))
    assert labels(accuracy_svg(history, baseline=0.5, name="x")) == snapshot  # the best epoch is the first


def test_one_epoch_without_validation_is_drawn(snapshot: SnapshotAssertion) -> None:
    history = epochs(1, val_loss=math.nan, val_accuracy=math.nan)
    assert labels(accuracy_svg(history, baseline=0.5, name="x")) == snapshot  # no epoch is the best
    assert describe_history(history) == snapshot


def test_where_the_commonest_class_is_not_known_no_line_is_drawn_for_it(snapshot: SnapshotAssertion) -> None:
    scores = [("cnn", 0.6, wilson(60, 100))]
    for known, unknown in (
        (accuracy_svg(epochs(3), baseline=0.5, name="x"), accuracy_svg(epochs(3), baseline=None, name="x")),
        (ladder_svg(scores, chosen=None, baseline=0.5), ladder_svg(scores, chosen=None, baseline=None)),
    ):
        assert not set(labels(unknown)) - set(labels(known))
        assert set(labels(known)) - set(labels(unknown)) == snapshot


def test_a_best_epoch_without_a_loss_is_marked_on_the_accuracy_alone(snapshot: SnapshotAssertion) -> None:
    history = epochs(2, val_loss=math.nan)
    assert labels(accuracy_svg(history, baseline=0.5, name="x")) == snapshot
    assert labels(loss_svg(history, classes=2, name="x")) == snapshot


def test_a_history_without_epochs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_history([], tmp_path / "h.png", tmp_path / "h.svg", **TWO)
    assert str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_ladder_says_every_candidate_with_its_interval() -> None:
    scores = [("cnn", 0.6, wilson(60, 100)), ("probe", 0.99, wilson(99, 100))]
    svg = ladder_svg(scores, chosen=1, baseline=0.5)
    assert {"cnn", "probe", "60.0 %", "99.0 %"} <= set(re.findall(r">([^<>]+)</text>", svg))
    assert "cnn 60.0 % (50.2-69.1 %); probe 99.0 %" in ET.fromstring(svg).attrib["aria-label"]


def test_names_with_markup_and_mathematics_are_drawn_as_they_are() -> None:
    names = ["<script>alert(1)</script>", '$x$ & "y" id="z" #22262b']
    svg = confusion_svg([[3, 1], [0, 4]], names)
    ET.fromstring(svg)
    assert "<script" not in svg
    assert '$x$ & "y" id=' in words(svg)
    assert names[1] in ET.fromstring(svg).attrib["aria-label"]


def test_few_classes_get_counts_and_many_only_shades() -> None:
    assert {"396", "8", "3", "401"} <= set(words(confusion_svg([[396, 8], [3, 401]], ["cats", "dogs"])).split())
    svg = confusion_svg(np.eye(60, dtype=int).tolist(), [f"class {number}" for number in range(60)])
    assert "data:image/png;base64," in svg
    assert words(svg).split() == ["answer", "truth"]


def test_a_long_name_is_cut() -> None:
    assert shortened("abcdefgh", 5) == "abcd…"
    assert shortened("a\nb", 5) == "a\N{REPLACEMENT CHARACTER}b"


def test_drawing_leaves_matplotlib_as_it_was_and_loads_no_pyplot() -> None:
    code = (
        "import sys, matplotlib as mpl; mpl.rcParams['font.size'] = 31.0\n"
        "settings = lambda: {name: mpl.rcParams[name] for name in mpl.rcParams if name != 'backend'}\n"
        "before = settings()\n"
        "from pawsight.reports.charts import *; from pawsight.core.runs import Epoch\n"
        "accuracy_svg([Epoch(number=1, loss=1, accuracy=1, val_loss=1, val_accuracy=1)], baseline=.5, name='x')\n"
        "assert settings() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_charts_load_matplotlib_only_when_they_draw() -> None:
    code = "import sys, pawsight.reports.charts, pawsight.reports.ladder_report as r\n"
    code += "assert not {'matplotlib', 'scipy', 'jinja2', 'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def answers(sharpness):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 1)) * 3
    true = (rng.random(500) < 1 / (1 + np.exp(-logits[:, 0]))).astype(int)
    share = 1 / (1 + np.exp(-sharpness * logits))
    return true, np.concatenate([1 - share, share], axis=1)


def labels_of(root):
    """What the chart says, its numbers along the axes aside."""
    found = ("".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text"))
    return [text for text in found if any(letter.isalpha() for letter in text)]


def test_it_is_one_svg_element_that_tells_both_errors(snapshot):
    before, after = (reliability(*answers(sharpness)) for sharpness in (3.0, 1.0))
    svg = reliability_svg(before, after, answers(1.0)[1].max(axis=1), name="r1")
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert labels_of(root) == snapshot
    for bins in (before, after):
        gap = sum(bin_.pictures * abs(bin_.accuracy - bin_.confidence) for bin_ in bins) / sum(
            bin_.pictures for bin_ in bins
        )
        assert f"{100 * gap:.2f} %" in root.attrib["aria-label"]


def test_equal_bins_give_equal_bytes_and_nothing_at_all_is_drawn_too(snapshot):
    bins = reliability(*answers(1.0))
    confidences = answers(1.0)[1].max(axis=1)
    svg = reliability_svg((), bins, confidences)
    assert svg == reliability_svg((), bins, confidences)
    assert labels_of(ET.fromstring(svg)) == snapshot  # one line fewer to name
    assert ET.fromstring(reliability_svg((), (), np.empty(0))).attrib["aria-label"] == snapshot


def test_confidences_are_counted_in_twentieths_below_the_diagram() -> None:
    true, probabilities = answers(1.0)
    confidences = probabilities.max(axis=1)
    _, (above, below) = new_figure(4, 5, heights=(3, 1))
    draw_reliability(above, (), reliability(true, probabilities))
    draw_confidences(below, confidences, above)
    heights = [patch.get_height() for patch in below.patches]
    assert heights == pytest.approx(np.histogram(confidences, np.linspace(0, 1, 21))[0] / len(confidences))
    assert below.get_xlim() == above.get_xlim()


@pytest.mark.filterwarnings("error")
def test_where_every_answer_is_certain_the_reliability_diagram_has_a_width() -> None:
    certain = np.tile([1.0, 0.0], (30, 1)).astype(np.float32)
    bins = reliability(np.zeros(30, np.int64), certain)
    ticks = ET.fromstring(reliability_svg(bins, bins, certain.max(axis=1))).findall(".//{*}text")
    assert "100 %" in {"".join(tick.itertext()).replace("\N{NO-BREAK SPACE}", " ") for tick in ticks}
