"""The lines of training about temperature, promise and guard, where there is little to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pawsight.classifier.trust import RiskGuarantee
from pawsight.commands.train_report import accuracy_lines, gain_from_patch, gain_sentence, trust_lines
from pawsight.core.runs import write_table
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch
from pawsight.data.split import Assigned
from pawsight.reports.run_record import RunRecord

GUARANTEE = RiskGuarantee(
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
RECORD = RunRecord(
    folder=Path("001"),
    recipe="probe",
    classes=("cats", "dogs"),
    temperature=1.25,
    fitted_on="some answers",
    calibrated_on=30,
)


def test_without_a_validation_part_the_temperature_stands_alone(snapshot):
    assert trust_lines(RECORD) == snapshot
    assert trust_lines(replace(RECORD, calibrated={"validation": {"ece": (0.04, 0.021)}})) == snapshot


def test_without_answers_to_fit_to_there_is_no_temperature(snapshot):
    assert trust_lines(replace(RECORD, calibrated_on=0)) == snapshot


def test_where_nothing_is_measured_a_warning_says_so():
    _, warning = accuracy_lines(replace(RECORD, validation=None, cross_validation=None))
    assert warning.startswith("WARNING ")


def test_a_guarantee_that_could_not_be_given_is_a_warning(snapshot):
    record = replace(RECORD, max_error=0.05, no_guarantee="nothing is that sure")
    _, warning = trust_lines(record)
    assert warning == snapshot
    assert warning.startswith("WARNING ")
    assert record.to_json()["abstention"] == {
        "max_error": 0.05, "promise": None, "guard": None, "broken": "nothing is that sure",
    }  # fmt: skip


def test_a_threshold_that_every_answer_passes_leaves_no_picture_unsure(snapshot):
    record = replace(RECORD, max_error=0.05, guarantee=GUARANTEE)
    assert trust_lines(record)[1] == snapshot
    free = trust_lines(replace(record, guarantee=replace(GUARANTEE, threshold=0.5)))[1]
    assert free == snapshot
    assert "60.00 %" not in free


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
