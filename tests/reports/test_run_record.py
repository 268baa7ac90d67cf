"""Run records: what a run writes is read back by type, and what cannot be read is one line each."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.data.growth import Correction
from pawsight.evaluation.comparison import Gain
from pawsight.evaluation.growth import Change, ClassChange, Forgotten
from pawsight.evaluation.intervals import Interval
from pawsight.reports.growth import GrownPart, GrowthRecord
from pawsight.reports.run_record import FIGURES, VERSION, RunRecord, figure

from .conftest import CLASSES, GUARD, PROMISE

LOSS, AUC = {"log_loss": 0.25, "intervals": {"log_loss": [0.2, 0.3]}}, {"roc_auc": 0.9}
SCORES: dict[str, Any] = {"pictures": 10, "accuracy": 0.9, "interval": [0.6, 0.98], "baseline": 0.5} | LOSS | AUC


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that says its recipe alone; `write` says more."""
    return write(tmp_path / "001")


def write(folder: Path, **fields: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({"recipe": "probe"} | fields))
    return folder


def test_what_train_writes_is_read_back_whole(trained: Any) -> None:
    report = trained.report
    record = RunRecord.read(report.run)
    assert record.problems == ()
    assert (record.recipe, record.seed, record.classes) == (
        report.recipe.name,
        report.recipe.seed,
        report.dataset.classes,
    )
    assert (record.digest, record.sizes) == (report.split.digest, dict(report.split.sizes))
    assert record.counts == dict(report.dataset.counts)
    training = Counter(picture.label for picture in record.split if picture.part == "train")
    commonest = max(record.classes, key=lambda name: training[name])
    assert record.classes[record.commonest] == commonest
    held_out = [picture.label == commonest for picture in record.split if picture.part == "validation"]
    assert record.baseline == record.validation.baseline == pytest.approx(sum(held_out) / len(held_out))
    assert record.validation == report.validation
    assert (record.settings, record.root) == (report.record.settings, report.record.root)
    kept = json.loads((report.run / "metrics.json").read_text())
    assert record.to_json() == report.to_json() == kept | {"run": str(report.run)}
    assert kept["run"] == report.run.name
    assert len(record.answers) == report.validation.pictures
    assert {picture.part for picture in record.split} == {"train", "validation", "test"}


def test_a_run_that_says_little_is_read_as_far_as_it_goes(run: Path) -> None:
    record = RunRecord.read(run)
    assert (record.recipe, record.validation, record.test, record.leaks) == ("probe", None, None, None)
    assert (record.answers, record.history, record.split) == ((), (), ())
    assert (record.findings, record.slices, record.learning_curve, record.suspects) == (None, None, None, None)
    assert record.problems == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "3"])
def test_a_folder_that_is_no_run_is_refused(run: Path, text: str) -> None:
    (run / "metrics.json").write_text(text)
    with pytest.raises(WrongUsage) as caught:
        RunRecord.read(run)
    assert str(run) in caught.value.what
    assert "pawsight report runs/001" in caught.value.fix


def test_a_run_of_a_later_version_is_refused_with_what_to_type(run: Path) -> None:
    with pytest.raises(WrongUsage) as caught:
        RunRecord.read(write(run, version=VERSION + 1))
    assert str(VERSION + 1) in caught.value.why
    assert "pip install" in caught.value.fix


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"seed": "x"}, "seed"),
        ({"baseline": True}, "baseline"),
        ({"notes": {}}, "notes"),
        ({"split": []}, "split"),
        ({"split": {"digest": 3}}, "split.digest"),
        ({"parameters": {"total": "many"}}, "parameters.total"),
        ({"layers": [{"parameters": 1}, 3]}, "layers.1"),
        ({"validation": SCORES | {"accuracy": 99}}, "validation.accuracy"),
        ({"validation": SCORES | {"interval": [0.1]}}, "validation.interval"),
        ({"validation": SCORES | {"intervals": {"log_loss": [1, "x"]}}}, "validation.intervals.log_loss"),
        ({"abstention": {"max_error": 0.1, "promise": PROMISE | {"errors": -1}}}, "abstention.promise"),
        ({"abstention": {"max_error": 0.1, "guard": GUARD | {"caught": 3}}}, "abstention.guard"),
        ({"gain_from_patch": {"interval": "x"}}, "gain_from_patch.interval"),
        ({"growth": {"added": 3}}, "growth"),
    ],
)
def test_a_field_that_cannot_be_read_is_one_line(run: Path, fields: dict[str, Any], place: str) -> None:
    (problem,) = RunRecord.read(write(run, **fields)).problems
    assert problem.startswith(place)


def test_a_long_value_is_cut_in_its_line(run: Path) -> None:
    (problem,) = RunRecord.read(write(run, seed="x" * 10_000)).problems
    assert len(problem) < 100


def test_scores_have_the_intervals_that_the_run_says(run: Path) -> None:
    scores = RunRecord.read(write(run, validation=SCORES)).validation
    assert scores is not None
    assert (scores.pictures, scores.accuracy, scores.interval, scores.baseline) == (10, 0.9, Interval(0.6, 0.98), 0.5)
    assert figure(scores, "log_loss") == (0.25, Interval(0.2, 0.3))
    assert figure(scores, "roc_auc") == (0.9, None)
    assert figure(scores, "ece") is None
    assert scores.confusion == ()


def test_the_guarantee_and_the_detector_are_those_of_the_bundle(whole: Path) -> None:
    record = RunRecord.read(whole)
    assert record.guarantee is not None
    assert record.detector is not None
    assert (record.max_error, record.guarantee.threshold, record.detector.threshold) == (0.05, 0.7, 0.6)


def test_the_test_score_is_written_beside_what_is_there(own_run: Path) -> None:
    before, record = json.loads((own_run / "metrics.json").read_text()), RunRecord.read(own_run)
    replace(record, test=None).write()
    assert json.loads((own_run / "metrics.json").read_text()) == before | {"run": own_run.name, "test": None}


# Everything that may stand in metrics.json

SETS = {"coverage": 0.95, "thresholds": [0.3, 0.2], "pictures": [40, 9], "shared": [1], "measured_on": "validation"}
shares, counts, words = st.floats(0, 1), st.integers(0, 10**6), st.text(max_size=5)
ends = st.tuples(shares, shares).map(sorted)


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(strategies)


def perhaps(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


figures = dict.fromkeys(("log_loss", "macro_f1", "brier", "ece"), shares)
metrics = fields(
    pictures=st.integers(1, 9), accuracy=shares, interval=ends, **figures, roc_auc=perhaps(shares), baseline=shares,
    intervals=fields(**dict.fromkeys(FIGURES, perhaps(ends))),
    classes=st.lists(fields(name=words, pictures=counts, precision=shares, recall=shares, f1=shares), max_size=2),
    confusion=st.lists(st.tuples(counts, counts).map(list), min_size=2, max_size=2),
    groups=perhaps(counts), design_effect=perhaps(st.floats(1, 9)),
)  # fmt: skip
crossed = st.builds(
    lambda scores, counted: scores | counted,
    metrics, fields(folds=st.integers(2, 9), is_whole=st.booleans(), unmeasured=counts),
)  # fmt: skip
changes = fields(**dict.fromkeys(("ece", "brier", "log_loss"), fields(before=shares, after=shares)))
gains = fields(
    points=shares, interval=ends, p_value=shares, p_holm=perhaps(shares), verdict=st.sampled_from(("tie", "better")),
    only_first=counts, only_second=counts, pictures=counts, design_effect=perhaps(st.floats(1, 9)),
)  # fmt: skip
growths = st.builds(
    GrowthRecord,
    run=words, several_labels=st.booleans(), added=counts, known=counts, new_classes=st.dictionaries(words, counts, max_size=2),
    merged=st.dictionaries(words, words, max_size=2), dropped=st.dictionaries(words, counts, max_size=2),
    corrected=st.lists(st.builds(Correction, words, words, words, words, words), max_size=2).map(tuple),
    parts=st.lists(
        st.builds(
            GrownPart, part=words, before=counts, kept=counts, added=counts, corrected=counts, digest_before=words,
            digest_after=words,
        ), max_size=2,
    ).map(tuple),
    changes=st.lists(
        st.builds(
            Change, subset=words, is_new=st.booleans(), accuracy=st.tuples(shares, shares),
            gain=st.builds(Gain, shares, ends.map(tuple), shares, words, counts, counts, st.integers(1, 9)),
            classes=st.lists(st.builds(ClassChange, words, counts, counts, counts, counts, counts), max_size=2).map(tuple),
            forgotten=st.lists(st.builds(Forgotten, words, words, words, words), max_size=2).map(tuple),
        ), max_size=2,
    ).map(tuple),
).map(lambda grown: json.loads(json.dumps(grown.to_json())))  # fmt: skip
patches = fields(
    file=words,
    sha256=words,
    **dict.fromkeys(("relabelled", "dropped", "kept", "unknown", "changed", "in_test"), counts),
)
runs = fields(
    version=st.just(VERSION), run=st.just(str(Path("/runs/001"))), recipe=words, backbone=words, image_px=counts,
    seed=counts, precision=words, grey_range=st.none() | st.just([0.0, 4095.0]), classes=st.just(list(CLASSES)), counts=st.dictionaries(words, counts, max_size=2),
    split=fields(digest=words, train=counts, validation=counts, test=counts, how=words, seed=counts),
    straddling=st.lists(st.lists(words, max_size=2), max_size=2), validation=perhaps(metrics), test=perhaps(metrics),
    cross_validation=perhaps(crossed),
    baseline=shares, left_out=st.lists(fields(path=words, reason=words), max_size=2), adds=words,
    parameters=fields(total=counts, trainable=counts), epochs=counts, seconds_per_epoch=perhaps(shares),
    layers=st.lists(fields(name=words, type=words, output=words, parameters=counts), max_size=2),
    notes=st.lists(words, max_size=2), data_notes=st.lists(words, max_size=2), depth=perhaps(fields(chosen=words, features=counts)), patch=perhaps(patches), gain_from_patch=perhaps(gains), growth=perhaps(growths), command=words,
    calibration=perhaps(
        fields(
            temperature=shares, fitted_on=words, pictures=counts, validation=changes, test=changes,
            gain=perhaps(fields(log_loss=shares, standard_error=shares)),
        )
    ),
    abstention=perhaps(
        fields(
            max_error=shares, promise=st.sampled_from((None, PROMISE)), guard=st.sampled_from((None, GUARD)),
            broken=perhaps(st.just("too few pictures")),
        )
    ) | fields(
        max_error=st.none(), promise=st.none(), guard=st.none(), broken=st.none(), max_error_per_class=shares,
        class_promises=st.sampled_from((None, [PROMISE, None])),
    ),
    sets=perhaps(fields(rule=st.just(SETS), validation=fields(
        pictures=counts, held=counts, coverage=shares, interval=ends, mean_size=shares, single=shares,
    ))),
    costs=perhaps(fields(listed=st.just([[0, 1, 5.0]]), test=fields(
        pictures=counts, mean=shares, interval=ends, likeliest=shares, differ=counts,
    ))),
    seconds=st.dictionaries(words, shares, max_size=2), machine=words,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(runs)
def test_what_is_written_is_what_was_read(values: dict[str, Any]) -> None:
    detector = (values["abstention"] or {}).get("guard")
    values = {"detector": detector, "decided": {"test": {"answered": 3}}} | values
    record = RunRecord.from_json(values, Path("/runs/001"))
    assert record.problems == ()
    written = record.to_json()
    if written["cross_validation"] is not None:  # which to believe follows from the figures
        assert written["cross_validation"].pop("believe") in ("validation", "cross-validation")
        assert written["cross_validation"].pop("why")
    assert json.dumps(written, sort_keys=True) == json.dumps(values, sort_keys=True)


def test_a_detector_without_a_guarantee_is_read_back() -> None:
    values = {"version": 1, "detector": GUARD, "abstention": None}
    record = RunRecord.from_json(values, Path("/runs/001"))
    assert record.problems == ()
    assert record.to_json()["detector"] == GUARD
    assert record.to_json()["abstention"] is None


def test_probabilities_of_answers_are_read_strictly(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "001")
    table = RunRecord.read(run).answer_table("validation")
    assert table.classes == CLASSES
    assert table.probabilities.shape == (40, 2)
    assert table.probabilities.sum(axis=1) == pytest.approx(1)
    assert RunRecord.read(run).answer_table("test").answered == ()
    predictions = run / "predictions.csv"
    predictions.write_text(predictions.read_text().replace("p(cats)", "p(other)"))
    with pytest.raises(StorageError, match="cannot be read"):
        RunRecord.read(run).answer_table("validation")
