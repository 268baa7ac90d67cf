"""What a patch gained, against the run it lies in or the run whose split was given."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pawsight.commands.train import _gain
from pawsight.commands.train_report import gain_from_patch, spoken
from pawsight.core.runs import write_table
from pawsight.data.patch import Patch
from pawsight.data.split import Assigned
from pawsight.data.split_file import SplitFile

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
    assert spoken(gain, str(patch.file)) == snapshot


def test_a_patch_without_a_run_and_pictures_that_nobody_answered_have_no_gain(before, tmp_path):
    elsewhere = Patch(tmp_path / "labels.patch.csv", "0" * 64, ())
    assert gain_from_patch(elsewhere, validation(), ["cats"] * 6) is None
    strangers = [Assigned(name, "another", "cats", "validation") for name in NAMES]
    assert gain_from_patch(Patch(before / "labels.patch.csv", "0" * 64, ()), strangers, ["cats"] * 6) is None


def test_a_run_without_validation_pictures_has_no_gain(before):
    for probabilities in ({}, {"validation": []}):
        outcome = SimpleNamespace(fitted=SimpleNamespace(probabilities=probabilities))
        assert _gain(outcome, Patch(before / "labels.patch.csv", "0" * 64, ()), None) is None
