"""The model card: filled from the run, readable as YAML and Markdown, whatever the classes are called."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.trust import RiskGuarantee, Trust
from pawsight.commands.export import export
from pawsight.exports.export_context import ExportContext, metadata_of
from pawsight.exports.model_card import make_card, markdown, view

from .conftest import HOSTILE

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def run_card(trained, tmp_path_factory):
    """The card of a real run, and its figures."""
    run, path = trained.report.run, tmp_path_factory.mktemp("card") / "README.md"
    make_card(ExportContext(bundle=read_bundle(run), run=run, licence="Apache-2.0"), {"card": path})
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


SLICE = {
    "name": "dark | x",
    "kind": "trait",
    "pictures": 4,
    "right": 3,
    "accuracy": 0.75,
    "interval": [0.3, 0.95],
    "rest_accuracy": None,
    "difference": None,
    "p_value": None,
    "p_holm": None,
    "verdict": "too few",
    "worst": [],
}
POINT = {"share": 0.5, "pictures": 8, "seeds": 3, "error": 0.2, "interval": [0.1, 0.4]}
CURVE = {
    "trained": "probe",
    "is_stand_in": False,
    "left_out": 0,
    "points": [POINT, {**POINT, "share": 1.0, "pictures": 16}],
    "measured_on": 200,
    "fit": {"floor": 0.0, "scale": 1.0, "exponent": 0.5},
    "twice": {"pictures": 32, "error": 0.1768, "gain": 7.32, "interval": [-1.0, 4.0], "is_measurable": False},
}
METRICS = {
    "split": {"train": 16, "validation": 200, "test": 0, "how": "as splits.csv says"},
    "counts": {"red": 100, "green": 100, "blue": 16},
    "left_out": [{"path": "red/9.jpg", "reason": "truncated"}],
    "validation": {
        "pictures": 200,
        "accuracy": 0.9,
        "interval": [0.85, 0.93],
        "baseline": 0.5,
        "log_loss": 0.25,
        "ece": 0.04,
        "intervals": {"log_loss": [0.2, 0.3]},
        "classes": [{"name": "red", "pictures": 100, "recall": 0.95}, {"name": "blue", "pictures": 0, "recall": None}],
    },
    "calibration": {"validation": {"ece": {"before": 0.06, "after": 0.04}}},
}


@pytest.fixture
def colour_run(colour_bundle, tmp_path):
    """A folder with the colour bundle, and figures that are the same on every machine."""
    shutil.copytree(colour_bundle, tmp_path / "run" / "bundle")
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(METRICS))
    return tmp_path / "run"


def card_of(run, *, slices=None, curve=None):
    for name, content in (("slices", slices), ("learning_curve", curve)):
        if content is not None:
            (run / f"{name}.json").write_text(json.dumps(content))
    make_card(ExportContext(bundle=read_bundle(run), run=run), {"card": run / "README.md"})
    return (run / "README.md").read_text("utf-8")


def test_the_whole_card(colour_run, snapshot):
    slices = {"part": "validation", "pictures": 20, "slices": [SLICE]}
    text = card_of(colour_run, slices=slices, curve=CURVE)
    assert front_of(text)["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9
    assert text == snapshot


@pytest.mark.parametrize("measured_on", [20, 200])
def test_slices_and_learning_curve_are_told_where_the_run_keeps_them(colour_run, measured_on):
    assert view(ExportContext(bundle=read_bundle(colour_run), run=colour_run))["slices"] is None
    slices = {"part": "validation", "pictures": 20, "slices": [SLICE]}
    text = card_of(colour_run, slices=slices, curve=CURVE | {"measured_on": measured_on})
    (row,) = (line for line in text.splitlines() if line.startswith("| dark \\| x |"))
    assert row.split(" | ")[1:] == ["4", "75.0 %", "30.0-95.0 %", "too few |"]
    assert ("7.3 points (95 % interval -1.0 to 4.0)" in text) == (measured_on == 200)
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

    from pawsight.reports.words import visible

    assert unescape(sub(r"</?(tr|td|tbody|table)>|\n", "", shown)) == visible(name)


def test_a_bundle_alone_has_a_card_that_says_what_is_not_known(colour_bundle, tmp_path):
    make_card(ExportContext(bundle=read_bundle(colour_bundle), run=None), {"card": tmp_path / "README.md"})
    text = (tmp_path / "README.md").read_text("utf-8")
    assert front_of(text)["license"] == "unknown"
    assert "model-index" not in front_of(text)
    assert "Not known: the run has no figures." in text


def test_the_card_and_its_facts_carry_what_is_said_of_every_class(colour_run, tmp_path):
    bundle = read_bundle(colour_run)
    own = RiskGuarantee(
        max_error=0.05, confidence=0.9, threshold=0.75, pictures=90, answered=80, errors=1, coverage=80 / 90,
        coverage_interval=(0.8, 0.95), expected_risk=0.02, measured_on="somewhere",
    )  # fmt: skip
    sets = PredictionSets(coverage=0.95, thresholds=(0.1, 0.2, 0.3), pictures=(40, 40, 40), shared=(), measured_on="")
    trust = Trust(by_class=(own, None, own), sets=sets, costs=Costs(((0, 1, 5.0),)), none_class=2)
    context = ExportContext(bundle=replace(bundle, card=replace(bundle.card, trust=trust)), run=None)
    make_card(context, {"card": tmp_path / "card.md"})
    facts, card = metadata_of(context), (tmp_path / "card.md").read_text("utf-8")
    assert facts["answer_from_probability_by_class"] == [0.75, None, 0.75]
    assert facts["sets"] == {"coverage": 0.95, "from_probability": [0.1, 0.2, 0.3], "with_likeliest": True}
    assert facts["costs"] == [[0, 1, 5.0]]
    assert all(
        words in card for words in ("5.0 %", "95.0 %", "Prediction sets", "Costs of mistakes", "None of the others")
    )
    assert f"Never answered, always `unsure`: {bundle.card.classes[1]}." in card
    plain = metadata_of(ExportContext(bundle=bundle, run=None))
    assert [plain[key] for key in ("answer_from_probability_by_class", "sets", "costs")] == [None, None, None]


def test_the_card_of_several_labels_has_their_figures_and_how_they_are_given(trained_labels, tmp_path):
    export(trained_labels.report.run, "card", out=tmp_path)
    text, record = (tmp_path / "card" / "README.md").read_text("utf-8"), trained_labels.report.record
    front = front_of(text)
    measured = [result["metrics"][0]["value"] for result in front["model-index"][0]["results"]]
    assert measured == [round(record.several_labels[subset].exact_match, 4) for subset in ("validation", "test")]
    assert text.count(f"{100 * record.several_labels['test'].micro_f1:.1f} %") >= 1
    assert all(f"| {name} |" in text for name in record.classes)
    assert "has_not_from" in text
    assert 'limits["from"]' in text
    assert "argmax" not in text
    assert "temperature" not in text
