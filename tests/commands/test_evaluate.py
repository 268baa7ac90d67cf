"""The verb `evaluate`: nobody is examined on what he has learnt, whatever it is called now."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pawsight.classifier.trust import Guard, Trust
from pawsight.commands import evaluate as job
from pawsight.commands.evaluate import EvaluateReport, evaluate, summary
from pawsight.commands.sealed import HeldOut
from pawsight.core.errors import BadCatalog, NoPictures, WrongUsage
from pawsight.core.progress import SILENT
from pawsight.data.finder import Candidate, LeftOut
from pawsight.evaluation.metrics import measure
from pawsight.evaluation.selective import measure_abstention


def test_a_run_s_own_validation_part_gives_the_figures_of_its_training(warm):
    report = evaluate(warm.report.run)
    assert report.part == "validation"
    assert report.metrics.confusion == warm.report.validation.confusion
    assert report.metrics.log_loss == pytest.approx(warm.report.validation.log_loss, abs=5e-3)
    assert report.split_digest == warm.report.split.digest
    assert report.left_out == ()


def test_the_test_part_is_measured_when_asked_for_and_the_look_is_counted(own_run, warm):
    from pawsight.commands.sealed import looks_at_test

    report = evaluate(own_run, test=True)
    assert report.part == "test"
    assert report.metrics.confusion == warm.report.test.confusion
    evaluate(own_run, test=True)
    assert looks_at_test(own_run) == 2


def test_pictures_that_were_trained_on_are_left_out_by_content(warm, snapshot):
    report = evaluate(warm.report.run, warm.data)
    assert report.metrics.pictures == 20
    assert sorted({one.reason for one in report.left_out}) == snapshot
    assert {one.name for one in report.left_out} == {one.name for one in warm.report.split.part("train")}


def test_also_when_they_were_renamed_and_moved(warm, tmp_path):
    for kind in ("cats", "dogs"):
        (tmp_path / "new" / kind).mkdir(parents=True)
        for number, path in enumerate(sorted((warm.data / "train" / kind).iterdir())):
            shutil.copy(path, tmp_path / "new" / kind / f"holiday-{number}.dat")
    with pytest.raises(NoPictures) as told:
        evaluate(warm.report.run, tmp_path / "new")
    assert "new" in told.value.what
    assert "32" in told.value.why
    assert "--including-training" in told.value.fix


def test_unless_told_otherwise(warm):
    report = evaluate(warm.report.run, warm.data, including_training=True)
    assert report.metrics.pictures == 52
    assert report.left_out == ()


def test_a_bundle_alone_refuses_them_too(warm, tmp_path):
    bundle = shutil.copytree(warm.report.run / "bundle", tmp_path / "alone")
    assert evaluate(bundle, warm.data).metrics.pictures == 20
    with pytest.raises(WrongUsage) as told:
        evaluate(bundle)
    assert str(bundle) in told.value.what
    assert "splits.csv" in told.value.what
    assert f"pawsight evaluate {bundle} DATA" in told.value.fix


def test_held_out_pictures_that_were_changed_or_are_gone_are_left_out(own_run, tmp_path, snapshot):
    cats = sorted((tmp_path / "data" / "validation" / "cats").iterdir())
    dogs = sorted((tmp_path / "data" / "validation" / "dogs").iterdir())
    before = evaluate(own_run).metrics.pictures
    for path in cats[:5]:
        shutil.copy(dogs[0], path)
    for path in dogs[1:6]:
        path.unlink()
    report = evaluate(own_run)
    names = {one.name for one in report.left_out}
    reasons = {(one.name.split("/")[1], one.reason) for one in report.left_out}
    parts = {line.split(",")[0]: line.split(",")[3] for line in (own_run / "splits.csv").read_text().splitlines()}
    spoilt = [path.relative_to(tmp_path / "data").as_posix() for path in (*cats[:5], *dogs[1:6])]
    assert names == {name for name in spoilt if parts[name] == "validation"}
    assert sorted(reasons) == snapshot  # cats were changed, dogs are gone
    assert report.metrics.pictures == before - len(names) < before


def test_a_run_finds_its_pictures_from_any_folder(warm, tmp_path, monkeypatch):
    monkeypatch.chdir(warm.data.parent)
    run = warm.again(warm.data.name, tmp_path / "runs").run
    monkeypatch.chdir(tmp_path)
    assert evaluate(run).metrics.pictures == 16


def test_classes_the_bundle_does_not_know_are_told(warm, tmp_path):
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "new" / "Cats")
    shutil.copytree(warm.data / "validation" / "dogs", tmp_path / "new" / "dogs")
    with pytest.raises(BadCatalog) as told:
        evaluate(warm.report.run, tmp_path / "new")
    assert "'Cats'" in told.value.what
    assert "'dogs'" not in told.value.what
    assert "'cats', 'dogs'" in told.value.why


def test_the_test_part_and_other_data_cannot_both_be_asked_for(warm):
    with pytest.raises(WrongUsage) as told:
        evaluate(warm.report.run, warm.data, test=True)
    assert "--test" in told.value.why
    assert str(warm.data) in told.value.why


def test_one_class_of_the_bundle_s_is_enough_to_measure(warm, tmp_path):
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "new" / "cats")
    (tmp_path / "new" / "dogs").mkdir()
    report = evaluate(warm.report.run, tmp_path / "new")
    assert report.metrics.pictures == 10
    assert report.metrics.roc_auc is None
    assert json.dumps(report.to_json(), allow_nan=False)


def test_json_says_what_was_measured_with_which_bundle_and_split(warm):
    plain = json.loads(json.dumps(evaluate(warm.report.run, warm.data).to_json(), allow_nan=False))
    assert set(plain) >= {"bundle", "data", "part", "split", "metrics", "left_out"}
    assert plain["bundle"] == str(warm.report.run / "bundle")
    assert plain["part"] is None
    assert plain["split"]["digest"] == warm.report.split.digest
    assert {"accuracy", "interval", "log_loss", "roc_auc", "pictures", "baseline", "classes", "confusion"} <= set(
        plain["metrics"]
    )
    assert warm.report.split.part("train")[0].name in {one["path"] for one in plain["left_out"]}
    assert {frozenset(one) for one in plain["left_out"]} == {frozenset({"path", "reason"})}


def test_the_listener_hears_which_bundle_and_split_it_is(warm):
    from pawsight.core.progress import Silent

    said = []

    class Listener(Silent):
        def say(self, line):
            said.append(line)

    evaluate(warm.report.run, progress=Listener())
    (line,) = said
    assert str(warm.report.run / "bundle") in line
    assert warm.report.split.digest[:12] in line


def measured(classes=("cats", "dogs"), count=6):
    """Figures of a classifier that is wrong on one picture."""
    true = np.arange(count) % len(classes)
    table = np.where(np.eye(len(classes))[true] > 0, 0.9, 0.1 / max(len(classes) - 1, 1))
    table[0] = table[0, ::-1]
    return measure(true, table, classes)


def report_of(**changes):
    values = {"bundle": Path("b"), "data": "holiday", "part": None, "split_digest": "5" * 64, "left_out": ()}
    return EvaluateReport(**({"metrics": measured()} | values | changes))


def test_where_nothing_was_measured_one_line_says_so():
    assert len(summary(report_of(metrics=None))) == 1


def test_an_area_that_is_not_known_is_not_told():
    known, unknown = summary(report_of()), summary(report_of(metrics=replace(measured(), roc_auc=None)))
    assert f"{measured().roc_auc:.4f}" in known[1]
    assert unknown == [known[0], *known[2:]]


def test_people_are_told_all_that_was_measured(snapshot):
    """The whole text: figures, table, mistakes, what was left out, abstention, the look, slices, the digest."""
    verdicts = ["answered"] * 5 + ["unlike anything seen"]
    guard = Guard(threshold=0.5, false_alarms=0.01, pictures=99, components=4, caught=())
    true = np.arange(6) % 2
    counted = measure_abstention(true, np.eye(2)[true], verdicts, Trust(guard=guard))
    left_out = (LeftOut("a.jpg", "trained on"), LeftOut("b.jpg", "trained on"), LeftOut("c.jpg", "truncated"))
    asked_for = {"abstention": counted, "looks_at_test": 2, "slices": (), "left_out": left_out}
    lines = summary(report_of(**asked_for))
    assert "\n".join(lines) == snapshot
    header, *rows = lines[2:5]
    assert [row.split()[:2] for row in rows] == [["cats", "3"], ["dogs", "3"]]
    assert {len(row) for row in rows} == {len(header)}


def test_a_held_out_picture_that_holds_something_else_now_is_not_measured(tmp_path):
    """Also where it can still be read: it is not the picture that was held out."""
    candidates = tuple(Candidate(tmp_path / name, name, "cats", None) for name in ("same", "other", "learnt", "broken"))
    loaded = [SimpleNamespace(sha256=name, problem="truncated") for name in ("same", "new", "learnt", "broken")]
    outputs = [{"probabilities": np.array([0.9, 0.1])}] * 3 + [None]
    predictor = SimpleNamespace(
        classes=("cats", "dogs"),
        bundle=SimpleNamespace(trained={"learnt"}),
        outputs=lambda paths: zip(loaded, outputs, strict=True),
        verdict=lambda one: "answered",
    )
    held = HeldOut(candidates, {one.name: one.name for one in candidates})
    truths, _, verdicts, left_out = job._answers(predictor, held, False, SILENT)
    assert (truths, verdicts) == (["cats"], ["answered"])
    assert [one.name for one in left_out] == ["other", "learnt", "broken"]
    assert left_out[2].reason == "truncated"  # as the decoder says
    assert len({one.reason for one in left_out}) == 3
