"""The lines of training about temperature, promise and guard, where there is little to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pawsight.classifier.trust import RiskGuarantee, Trust
from pawsight.commands.train_report import TrustReport, gain_from_patch, gain_sentence
from pawsight.core.runs import write_table
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch
from pawsight.data.split import Assigned

PROMISE = RiskGuarantee(
    max_error=0.05,
    confidence=0.9,
    threshold=0.6,
    pictures=100,
    answered=90,
    errors=1,
    coverage=0.9,
    coverage_interval=(0.8, 0.95),
    expected_risk=0.02,
)
REPORT = TrustReport(trust=Trust(temperature=1.25, fitted_on="some answers"), pictures=30, parts={})


def test_without_a_validation_part_the_temperature_stands_alone(snapshot):
    assert REPORT.lines() == snapshot
    ece = {"validation": {"ece": {"before": 0.04, "after": 0.021}}}
    assert replace(REPORT, parts=ece).lines() == snapshot


def test_without_answers_to_fit_to_there_is_no_temperature(snapshot):
    assert replace(REPORT, pictures=0).lines() == snapshot


def test_a_promise_that_could_not_be_made_is_a_warning(snapshot):
    _, told = replace(REPORT, asked=0.05, broken="nothing is that sure").lines()
    assert told == snapshot
    assert told.startswith("WARNING ")
    assert replace(REPORT, asked=0.05, broken="too few").abstention() == {
        "max_error": 0.05, "promise": None, "guard": None, "broken": "too few",
    }  # fmt: skip


def test_a_bar_that_every_answer_passes_leaves_no_picture_unsure(snapshot):
    report = replace(REPORT, asked=0.05, trust=Trust(guarantee=PROMISE))
    assert report.lines()[1] == snapshot
    free = replace(report, trust=Trust(guarantee=replace(PROMISE, threshold=0.5)))
    assert free.lines()[1] == snapshot
    assert "60.00 %" not in free.lines()[1]


# What a patch gained, against the run it lies in or the run whose split was given


NAMES = [f"validation/{number}.jpg" for number in range(6)]


@pytest.fixture
def before(tmp_path):
    """A finished run that took six cats for dogs twice."""
    run = tmp_path / "001"
    run.mkdir()
    (run / "metrics.json").write_text('{"recipe": "probe"}')
    rows = [(name, name * 2, "validation", "cats", "dogs" if name in NAMES[:2] else "cats") for name in NAMES]
    write_table(run / "predictions.csv", ("path", "sha256", "part", "label", "predicted"), rows)
    return run


def validation():
    return [Assigned(name, name * 2, "cats", "validation") for name in NAMES]


@pytest.mark.parametrize("lies", ["in the run", "elsewhere"])
def test_the_run_a_patch_lies_in_counts_and_else_the_one_whose_split_was_given(before, tmp_path, lies, snapshot):
    patch = Patch((before if lies == "in the run" else tmp_path) / "labels.patch.csv", "0" * 64, ())
    split = SplitFile(before / "splits.csv", ())
    gain = gain_from_patch(patch, validation(), ["cats"] * 6, split=split)
    assert (gain.pictures, gain.only_first, gain.only_second) == (6, 0, 2)
    assert gain.points == pytest.approx(100 / 3)
    assert gain_sentence(gain, str(patch.file)) == snapshot


def test_a_patch_without_a_run_and_pictures_that_nobody_answered_have_no_gain(before, tmp_path):
    elsewhere = Patch(tmp_path / "labels.patch.csv", "0" * 64, ())
    assert gain_from_patch(elsewhere, validation(), ["cats"] * 6) is None
    strangers = [Assigned(name, "another", "cats", "validation") for name in NAMES]
    assert gain_from_patch(Patch(before / "labels.patch.csv", "0" * 64, ()), strangers, ["cats"] * 6) is None
