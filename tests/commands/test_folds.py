"""`train --folds`: a run of all pictures that cross-validation measured, and what the other verbs say of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pawsight
from pawsight.classifier.bundle import read_bundle
from pawsight.commands.compare import compare
from pawsight.commands.evaluate import evaluate
from pawsight.commands.report import report
from pawsight.commands.report import summary as reported
from pawsight.commands.train import train
from pawsight.commands.train_report import summary
from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.runs import LOOKS
from pawsight.reports.run_record import RunRecord

from ..conftest import says


@pytest.fixture(scope="module")
def crossed(trained, tmp_path_factory):
    """The drawings, whose folders give train and validation, trained with four folds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(trained.cache))
        return trained.again(trained.data, tmp_path_factory.mktemp("folds"), folds=4)


def test_every_picture_is_trained_on_and_answered_once_by_a_classifier_without_it(crossed):
    record = RunRecord.read(crossed.run)
    assert record.sizes == {"train": 52, "validation": 0, "test": 0}
    assert (record.validation, record.test, record.calibrated) == (None, None, {})
    assert (record.cross_validation.folds, record.cross_validation.is_whole) == (4, True)
    assert record.cross_validation.metrics.pictures == 52
    table = record.answer_table("train")
    assert {answer.sha256 for answer in table.answered} == {picture.sha256 for picture in record.split}
    right = np.mean([answer.is_right for answer in table.answered])
    assert record.cross_validation.metrics.accuracy == pytest.approx(right)
    assert len(read_bundle(crossed.run).trained) == len({picture.sha256 for picture in record.split})


def test_the_run_its_json_its_bundle_and_python_say_how_it_was_measured(crossed):
    lines = summary(crossed)
    assert sum(line.startswith("Cross-val.") for line in lines) == 1
    assert not any(line.startswith(("Validation", "Test", "Believe")) for line in lines)
    plain = json.loads((crossed.run / "metrics.json").read_text())
    assert plain["validation"] is plain["test"] is None
    assert (plain["cross_validation"]["folds"], plain["cross_validation"]["believe"]) == (4, "cross-validation")
    assert "--folds 4" in plain["command"]
    assert read_bundle(crossed.run).card.measured_by == "cross-validation with 4 folds"
    run = pawsight.open_run(crossed.run)
    assert run.validation is None
    assert run.cross_validation.metrics.pictures == len(run.predictions) == 52
    assert says(repr(run), "cross-validation", "of 52")
    assert RunRecord.read(crossed.run).headline()["pictures"] == 52


@pytest.mark.parametrize("test", [False, True])
def test_it_has_no_held_out_set_to_measure_and_nothing_is_counted(crossed, test):
    with pytest.raises(BadDataset) as error:
        evaluate(crossed.run, test=test)
    assert says(error.value, "no test set" if test else "no validation set", "of 52", "DATA")
    assert not (crossed.run / LOOKS).exists()


def test_such_runs_are_compared_with_each_other_and_not_with_runs_that_have_a_validation_set(crossed, trained):
    with pytest.raises(WrongUsage, match="no validation set"):
        compare([trained.report.run, crossed.run])
    other = crossed.run.parent / "again"
    other.mkdir()
    for name in ("metrics.json", "predictions.csv"):
        (other / name).write_bytes((crossed.run / name).read_bytes())
    made = compare([crossed.run, other])
    assert (made.part, made.pictures) == ("train", 52)


def test_its_report_gives_the_cross_validated_accuracy(crossed, tmp_path):
    made = report([crossed.run], out=tmp_path, quick=True)
    (candidate,) = made.to_json()["rungs"]
    assert candidate["validation"] is None
    assert candidate["cross_validation"]["pictures"] == 52
    assert says(" ".join(reported(made)), "cross-validation")
    accuracy = f"{100 * candidate['cross_validation']['accuracy']:.1f}"
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert accuracy in text
        assert "not measured on validation" not in text


def test_beside_a_small_validation_set_the_cross_validated_accuracy_is_given_and_one_is_to_be_believed(trained):
    record = trained.report.record
    assert record.validation.pictures == 16
    assert (record.cross_validation.metrics.pictures, record.cross_validation.folds) == (32, 5)
    lines = {line.split()[0]: line for line in summary(trained.report)}
    believed, _ = record.cross_validation.believed(record.validation)
    assert f"by {believed}:" in lines["Believe"]
    assert list(lines).index("Validation") < list(lines).index("Cross-val.") < list(lines).index("Believe")
    assert record.answer_table("train").answered == ()


def test_a_given_test_part_stays_sealed(warm, tmp_path):
    names = sorted(path.relative_to(warm.data) for path in warm.data.rglob("*.jpg"))
    split = tmp_path / "split.csv"
    parts = ["train", "train", "validation", "test"] * len(names)
    split.write_text("path,part\n" + "".join(f"{name},{part}\n" for name, part in zip(names, parts, strict=False)))
    made = warm.again(warm.data, tmp_path / "runs", folds=3, split=split, allow_leaks=True)
    assert made.record.sizes == {"train": 39, "validation": 0, "test": 13}
    assert made.test is None
    assert made.record.cross_validation.metrics.pictures == 39
    assert RunRecord.read(made.run).answer_table("test").answered == ()


@pytest.mark.parametrize(
    ("options", "word"), [({"folds": 1}, "2"), ({"folds": 101}, "100"), ({"folds": 5, "recipe": "cnn"}, "probe")]
)
def test_folds_that_cannot_be_made_are_refused_before_anything_is_read(options, word, tmp_path):
    with pytest.raises(WrongUsage) as error:
        pawsight.train(tmp_path / "nothing", out=tmp_path, **options)
    assert says(error.value, "--folds", word)
    assert not list(Path(tmp_path).iterdir())


def test_a_run_without_held_out_pictures_grows_and_is_compared_by_its_answers_out_of_fold(crossed, warm, tmp_path):
    from pawsight.sample.picture import draw

    (tmp_path / "new" / "things").mkdir(parents=True)
    for number in range(6):
        draw("other", seed=5, index=number, sides=(96, 144)).save(tmp_path / "new" / "things" / f"{number}.png")
    grown = train(from_run=crossed.run, add=tmp_path / "new", out=tmp_path / "runs").record
    assert grown.sizes == {"train": 58, "validation": 0, "test": 0}
    assert grown.cross_validation.folds == 4
    old, new = grown.growth.changes
    assert [(change.subset, change.is_new, change.gain.pictures) for change in (old, new)] == [
        ("train", False, 52),
        ("train", True, 6),
    ]
    assert old.accuracy[0] == pytest.approx(crossed.record.cross_validation.metrics.accuracy)
    assert new.accuracy[0] == 0
