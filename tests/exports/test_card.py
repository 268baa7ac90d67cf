"""The model card: filled from the run, readable as YAML and Markdown, whatever the classes are called."""

from __future__ import annotations

import json

import pytest

from pawsight.bundle import read_bundle
from pawsight.exports.card import make_card, markdown, view
from pawsight.exports.target import Order
from pawsight.jobs.export import export

from .conftest import HOSTILE

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def run_card(trained, tmp_path_factory):
    """The card of a real run, and its figures."""
    run, path = trained.report.run, tmp_path_factory.mktemp("card") / "README.md"
    make_card(Order(bundle=read_bundle(run), run=run, licence="Apache-2.0"), {"card": path})
    return path.read_text("utf-8"), json.loads((run / "metrics.json").read_text("utf-8"))


def front_of(text):
    empty, front, _ = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front)


def test_the_front_matter_is_what_a_hub_reads(run_card):
    text, metrics = run_card
    front = front_of(text)
    assert front["license"] == "Apache-2.0"
    assert front["pipeline_tag"] == "image-classification"
    assert front["metrics"] == ["accuracy"]
    result = front["model-index"][0]["results"][0]
    assert result["dataset"]["split"] == "validation"
    assert result["metrics"][0]["value"] == pytest.approx(metrics["validation"]["accuracy"], abs=1e-4)
    assert "95 % interval" in result["metrics"][0]["name"]


def test_the_figures_are_those_of_the_run(run_card):
    text, metrics = run_card
    low, high = metrics["validation"]["interval"]
    accuracy = 100 * metrics["validation"]["accuracy"]
    assert f"| accuracy | {accuracy:.1f} % | {100 * low:.1f} % to {100 * high:.1f} % |" in text
    assert f"Split digest: `{metrics['split']['digest']}`" in text
    assert f"| train | {metrics['split']['train']} |" in text
    assert all(f"| {name} |" in text for name in metrics["classes"])
    assert "## Limits" in text
    assert "## To fill in" in text


@pytest.mark.parametrize("measured_on", [20, 200])
def test_slices_and_learning_curve_are_told_where_the_run_keeps_them(trained, tmp_path, measured_on):
    import shutil

    run = shutil.copytree(trained.report.run, tmp_path / "run")
    order = Order(bundle=read_bundle(run), run=run)
    assert view(order)["slices"] is None
    one = {"name": "dark | x", "kind": "trait", "pictures": 4, "right": 3, "accuracy": 0.75, "interval": [0.3, 0.95]}
    more = {
        "rest_accuracy": None,
        "difference": None,
        "p_value": None,
        "p_holm": None,
        "verdict": "too few",
        "worst": [],
    }
    slices = {"part": "validation", "pictures": 20, "slices": [one | more]}
    (run / "slices.json").write_text(json.dumps(slices))
    point = {"share": 0.5, "pictures": 8, "seeds": 3, "error": 0.2, "interval": [0.1, 0.4]}
    curve = {
        "trained": "probe",
        "is_stand_in": False,
        "left_out": 0,
        "points": [point, {**point, "share": 1.0, "pictures": 16}],
        "measured_on": measured_on,
        "fit": {"floor": 0.0, "scale": 1.0, "exponent": 0.5},
        "twice": {"pictures": 32, "error": 0.15, "gain": 1.5, "interval": [-1.0, 4.0], "is_measurable": False},
    }
    (run / "learning_curve.json").write_text(json.dumps(curve))
    make_card(order, {"card": tmp_path / "README.md"})
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "| dark \\| x | 4 | 75.0 % | 30.0-95.0 % | too few |" in text
    told = "a gain of 1.5 points (95 % interval -1.0 to 4.0)"
    assert (told in text) == (measured_on == 200)
    assert ("nothing that can be measured" in text) == (measured_on == 20)


def test_hostile_names_stay_text(bundle_of, tmp_path):
    (card,) = export(bundle_of("probe"), ["card"], out=tmp_path / "out", licence="CC0-1.0").exports
    text = (card.folder / "README.md").read_text("utf-8")
    assert front_of(text)["license"] == "CC0-1.0"
    assert "<b>" not in text
    assert "](javascript" not in text
    assert "\u202e" not in text
    assert "49" not in text.partition("\n# ")[2].partition("\n")[0]
    assert text.count("\n---\n") == 1


@pytest.mark.parametrize("name", [*HOSTILE, "a\nb", "`", "*", "\\", "# x", "https://x.example", "@who", "~~x~~", "$x$"])
def test_markdown_shows_a_name_as_it_is(name):
    from markdown_it import MarkdownIt

    rendered = (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(f"| a |\n|---|\n| {markdown(name)} |\n")
    )
    shown = rendered.partition("<tbody>")[2]
    from html import unescape
    from re import sub

    from pawsight.evaluation.ladder_words import visible

    assert unescape(sub(r"</?(tr|td|tbody|table)>|\n", "", shown)) == visible(name)


def test_a_bundle_alone_has_a_card_that_says_what_is_not_known(colour_bundle, tmp_path):
    make_card(Order(bundle=read_bundle(colour_bundle), run=None), {"card": tmp_path / "README.md"})
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "The run keeps no figures, so nothing is known." in text
    assert front_of(text)["license"] == "unknown"
