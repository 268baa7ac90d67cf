"""The verbs on pictures with several labels: one training, and what each verb makes of it or says instead."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.trust import UNFAMILIAR
from pawsight.commands.compare import compare
from pawsight.commands.compare import summary as compare_summary
from pawsight.commands.evaluate import evaluate
from pawsight.commands.evaluate import summary as evaluate_summary
from pawsight.commands.inspect import inspect
from pawsight.commands.inspect import summary as inspect_summary
from pawsight.commands.ladder import ladder
from pawsight.commands.predict import line, predict, predict_file
from pawsight.commands.preview import preview
from pawsight.commands.report import report
from pawsight.commands.report import summary as report_summary
from pawsight.commands.review import board_of, review
from pawsight.commands.train import train
from pawsight.commands.train_report import summary as train_summary
from pawsight.core.errors import BadDataset, DataError, WrongUsage
from pawsight.data.label_patch import RELABEL, Decision, Patch, apply
from pawsight.data.label_sets import NO_LABELS, joined, labels_in, truth_of
from pawsight.data.parts import PARTS
from pawsight.data.reading import FolderReading
from pawsight.data.split import missed
from pawsight.evaluation.several_labels import measure_labels
from pawsight.reports.run_record import RunRecord
from pawsight.sample.shapes import LABELS

SEPARATOR = FolderReading(label_separator=";")


@pytest.fixture
def labelled(trained_labels: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The trained run, with its cache as the cache of this test."""
    monkeypatch.setenv("PAWSIGHT_CACHE", str(trained_labels.cache))
    return trained_labels


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_names_labels_and_measures_them(labelled: Any) -> None:
    record, bundle = labelled.report.record, read_bundle(labelled.report.run)
    assert record.classes == bundle.card.classes == LABELS
    assert bundle.card.several_labels
    assert len(bundle.card.trust.labels) == len(LABELS)
    assert record.validation is None
    assert record.test is None
    assert set(record.several_labels) == {"train", "validation", "test"}
    assert record.several_labels["train"].pictures <= record.sizes["train"]
    assert sum(record.sizes.values()) == 90
    assert any(text.startswith("Validation ") for text in train_summary(labelled.report))


def test_the_record_is_read_as_it_was_written(labelled: Any) -> None:
    read = RunRecord.read(labelled.report.run)
    assert read.several_labels == labelled.report.record.several_labels
    assert read.label_rules == labelled.report.record.label_rules
    assert not read.problems


def test_metrics_are_those_of_the_predictions_and_the_table(labelled: Any) -> None:
    record, table = labelled.report.record, {row["path"]: row["label"] for row in rows_of(labelled.data)}
    rows = [row for row in rows_of(labelled.report.run / "predictions.csv") if row["part"] == "test"]
    assert {row["path"]: row["label"] for row in rows}.items() <= table.items()
    probabilities = np.array([[row[f"p({name})"] for name in LABELS] for row in rows], np.float32)
    truth = truth_of([row["label"] for row in rows], LABELS)
    measured = measure_labels(truth, probabilities, record.label_rules, LABELS)
    assert measured == record.several_labels["test"]
    said = probabilities >= [rule.threshold for rule in record.label_rules]
    assert (truth_of([row["predicted"] for row in rows], LABELS) == said).all()


def test_parts_of_the_split_have_their_share_of_every_label(labelled: Any) -> None:
    split = labelled.report.split
    parts = [truth_of([picture.label for picture in split.part(part)], LABELS).sum(axis=0) for part in PARTS]
    counts = np.stack(parts, axis=1)
    assert not missed(counts, np.outer(counts.sum(axis=1), (0.7, 0.15, 0.15))).any()


def test_predict_answers_with_the_labels_beyond_their_thresholds(labelled: Any) -> None:
    pictures = sorted(labelled.data.parent.glob("*.png"))[:6]
    rules = read_bundle(labelled.report.run).card.trust.labels
    for answer in predict(labelled.report.run, pictures, answer_all=True):
        shares = answer.probabilities
        assert answer.labels == tuple(
            name for name, rule in zip(LABELS, rules, strict=True) if shares[name] >= rule.threshold
        )
        assert (answer.label, answer.probability, answer.unsure) == (None, None, ())
        assert {"labels", "unsure"} <= answer.to_json().keys()
        assert all(name in line(answer) for name in answer.labels)


def test_a_label_that_is_not_sure_enough_is_neither_given_nor_denied(labelled: Any) -> None:
    run, seen = labelled.report.run, set()
    trust = read_bundle(run).card.trust
    for answer in predict(run, sorted(labelled.data.parent.glob("*.png"))):
        decided = trust.decide_labels(np.array([list(answer.probabilities.values())], np.float32))[0]
        is_known = answer.decision != UNFAMILIAR
        unsure = tuple(name for name, kind in zip(LABELS, decided, strict=True) if kind == -1 and is_known)
        assert answer.unsure == unsure
        assert not set(answer.labels) & set(unsure)
        seen.add(answer.decision)
    assert seen >= {"answered"} or seen >= {"unsure"}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_of_answers_has_the_labels_and_a_column_for_each(labelled: Any, tmp_path: Path, ending: str) -> None:
    pictures, out = sorted(labelled.data.parent.glob("*.png"))[:5], tmp_path / f"answers.{ending}"
    predict_file(labelled.report.run, [*pictures, tmp_path / "none.png"], out)
    if ending == "csv":
        rows: list[Any] = rows_of(out)
        named = [labels_in(row["labels"]) for row in rows]
    elif ending == "jsonl":
        rows = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
        named = [tuple(row["labels"] or ()) for row in rows]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(out).to_pylist()
        named = [labels_in(row["labels"] or "") for row in rows]
    columns = ["path", "labels", "unsure", "decision", "error", *(f"probability_{name}" for name in LABELS)]
    assert list(rows[0]) == columns
    expected = [answer.labels or () for answer in predict(labelled.report.run, pictures)]
    assert named == [*expected, ()]


def test_evaluate_measures_the_run_and_other_tables(labelled: Any) -> None:
    run, record = labelled.report.run, labelled.report.record
    own = evaluate(run)
    assert own.metrics is None
    assert own.several_labels.pictures == record.several_labels["validation"].pictures
    assert own.several_labels.mean_average_precision == pytest.approx(
        record.several_labels["validation"].mean_average_precision, abs=0.02
    )
    other = evaluate(run, labelled.data, including_training=True, slices=True)
    assert other.several_labels.pictures == 90 - record.sizes["test"]
    assert other.abstention.pictures == other.several_labels.pictures
    assert other.to_json()["several_labels"]["labels"][0]["name"] == LABELS[0]
    assert all(any(text.startswith(name) for text in evaluate_summary(own)) for name in LABELS)


def test_folders_cannot_measure_several_labels(labelled: Any, drawings: Path) -> None:
    with pytest.raises(BadDataset, match="one label"):
        evaluate(labelled.report.run, drawings)


def test_inspect_counts_labels_that_occur_together(label_table: Path) -> None:
    found = inspect(label_table, reading=SEPARATOR)
    texts = [row["label"] for row in rows_of(label_table)]
    truth = truth_of(texts, LABELS)
    assert found.to_json()["counts"] == dict(zip(LABELS, truth.sum(axis=0).tolist(), strict=True))
    pairs = found.to_json()["co_occurrence"]
    assert len(pairs) == 10
    for pair in pairs:
        both = truth[:, [LABELS.index(name) for name in pair["labels"]]].all(axis=1)
        assert pair["pictures"] == both.sum()
    assert found.to_json()["disputed"] == []
    assert any("occur together" in text for text in inspect_summary(found))


def test_copies_whose_labels_differ_are_a_note_and_no_conflict(label_table: Path, tmp_path: Path) -> None:
    for number in range(12):
        shutil.copy(label_table.parent / f"{number:02d}.png", tmp_path / f"{number:02d}.png")
    shutil.copy(tmp_path / "00.png", tmp_path / "copy.png")
    names = [f"{number:02d}.png" for number in range(12)]
    lines = [f"{name},{'red;large' if row % 2 else 'red'}" for row, name in enumerate(names)]
    (table := tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines, "copy.png,large"]), encoding="utf-8")
    found = inspect(table, reading=SEPARATOR)
    kinds = {finding.path: (finding.problem, finding.severity) for finding in found.findings if "copy" in finding.path}
    assert ("labels-differ", "low") in kinds.values()
    assert not {finding.problem for finding in found.findings} & {"two-labels", "near-two-labels"}


def test_report_shows_labels_co_occurrence_and_mistakes(labelled: Any, tmp_path: Path) -> None:
    run = shutil.copytree(labelled.report.run, tmp_path / "001")
    made = report([run], quick=True)
    plain = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert plain["several_labels"]["validation"] == labelled.report.record.to_json()["several_labels"]["validation"]
    assert len(plain["several_labels"]["co_occurrence"]) == 10
    assert plain["rungs"][0]["several_labels"]["rules"]
    assert made.chosen == "probe"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("Labels that occur together") >= 2
    assert "evaluate . --test" not in page  # it was measured on the test set
    text = (run / "report.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in text for name in LABELS)
    assert len(report_summary(made)) == 4


def test_the_split_of_a_run_is_used_again(labelled: Any) -> None:
    again = inspect(labelled.data, reading=SEPARATOR, split=labelled.report.run)
    assert again.split.digest == labelled.report.split.digest
    assert "--label-separator ';'" in labelled.report.record.command


def test_runs_are_compared_by_the_pictures_of_which_every_label_is_right(labelled: Any, tmp_path: Path) -> None:
    other = shutil.copytree(labelled.report.run, tmp_path / "other")
    rows = rows_of(other / "predictions.csv")
    changed = [row | {"predicted": ";".join(LABELS)} if row["part"] == "validation" else row for row in rows]
    with (other / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        (writer := csv.DictWriter(file, rows[0])).writeheader()
        writer.writerows(changed)
    found = compare([labelled.report.run, other])
    own = labelled.report.record.several_labels["validation"]
    figures = ("pictures", "mean_average_precision", "micro_f1", "macro_f1", "exact_match", "log_loss")
    assert [getattr(found.metrics[0], name) for name in figures] == pytest.approx(
        [getattr(own, name) for name in figures]
    )
    right = [
        sum(row["label"] == row["predicted"] for row in table if row["part"] == "validation")
        for table in (rows, changed)
    ]
    assert found.pairs[0].gain.points == pytest.approx(100 * (right[1] - right[0]) / found.pictures)
    assert found.to_json()["runs"][0]["labels"][0]["name"] == LABELS[0]
    assert any("mean AP" in text for text in compare_summary(found))


def test_runs_of_other_labels_are_not_compared(labelled: Any, warm: Any) -> None:
    with pytest.raises(WrongUsage, match="other labels"):
        compare([labelled.report.run, warm.report.run])


REFUSED: dict[str, tuple[Callable[[Any, Path], object], str]] = {
    "ladder": (lambda run, table: ladder(table, reading=SEPARATOR), "pawsight ladder"),
    "preview": (lambda run, table: preview(table, reading=SEPARATOR), "pawsight preview"),
    "majority": (lambda run, table: train(table, reading=SEPARATOR, recipe="majority"), "recipe majority"),
    "class weights": (lambda run, table: train(table, reading=SEPARATOR, class_weights=True), "--class-weights"),
    "folds": (lambda run, table: train(table, reading=SEPARATOR, folds=3), "--folds"),
    "sets": (lambda run, table: train(table, reading=SEPARATOR, sets=0.9), "--sets"),
    "costs": (lambda run, table: train(table, reading=SEPARATOR, costs={("red", "large"): 3.0}), "--costs"),
    "per class": (lambda run, table: train(table, reading=SEPARATOR, max_error_per_class=0.1), "--max-error-per-class"),
    "none class": (lambda run, table: train(table, reading=SEPARATOR, none_class="red"), "--none-class"),
    "auto": (lambda run, table: train(table, reading=SEPARATOR, backbone="auto"), "--backbone auto"),
    "threshold": (lambda run, table: predict(run, [table.parent], threshold=0.8), "--threshold"),
    "predict sets": (lambda run, table: predict(run, [table.parent], sets=0.9), "--sets"),
    "predict costs": (lambda run, table: predict(run, [table.parent], costs={("red", "large"): 3.0}), "--costs"),
    "expect": (lambda run, table: predict(run, [table.parent], expect=print), "--expect"),
    "curve": (lambda run, table: evaluate(run, learning_curve=True), "learning curve"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_about_one_class_a_picture_is_refused_by_name(
    kind: str, labelled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(labelled.data.parent, tmp_path / "shapes")
    call, named = REFUSED[kind]
    with pytest.raises(WrongUsage) as caught:
        call(labelled.report.run, tmp_path / "shapes" / labelled.data.name)
    assert named.casefold() in caught.value.what.casefold()
    assert caught.value.why
    assert caught.value.fix
    assert not (tmp_path / "runs").exists()


def test_a_label_of_every_training_picture_is_refused(labelled: Any, tmp_path: Path) -> None:
    rows = [f"{labelled.data.parent / row['path']},{row['label']};drawn" for row in rows_of(labelled.data)]
    (table := tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    with pytest.raises(BadDataset, match="'drawn'"):
        train(table, reading=SEPARATOR, backbone="efficientnet-lite0", image_px=96, out=tmp_path / "runs")


def test_a_review_doubts_one_label_of_a_picture_and_its_decision_is_trained_with(labelled: Any, tmp_path: Path) -> None:
    found = review(labelled.report.run)
    rows = {row["path"]: row for row in found.rows()}
    assert len(rows) == sum(labelled.report.record.sizes[part] for part in ("train", "validation"))
    for row in rows.values():
        sets = [set() if row[key] == NO_LABELS else set(labels_in(row[key])) for key in ("given", "suggested")]
        assert len(sets[0] ^ sets[1]) == 1
        assert sets[0] | sets[1] <= set(LABELS)
    board, _ = board_of(found)
    assert {picture["label"] for picture in board["pictures"].values()} <= set(board["classes"])
    assert NO_LABELS in board["classes"]
    dataset = labelled.report.dataset
    first, second, *_ = (picture for picture in dataset.pictures if len(picture.labels) > 1)
    decisions = (
        Decision(first.name, first.sha256, RELABEL, NO_LABELS),
        Decision(second.name, second.sha256, RELABEL, "; ".join(reversed((*second.labels[:1], "two")))),
    )
    patched, split, outcome = apply(dataset, labelled.report.split, Patch(tmp_path / "patch.csv", "a" * 64, decisions))
    labels = {picture.name: picture.label for picture in patched.pictures}
    assert labels[first.name] == ""
    assert labels[second.name] == joined({*second.labels[:1], "two"})
    assert {picture.name: picture.label for picture in split.assigned}[first.name] == ""
    assert outcome.relabelled == 2
    wrong = Patch(tmp_path / "patch.csv", "a" * 64, (replace(decisions[0], label="red;striped and red"),))
    with pytest.raises(DataError, match="striped and red"):
        apply(dataset, labelled.report.split, wrong)


def test_an_answer_is_as_certain_as_its_least_certain_label(labelled: Any) -> None:
    record = RunRecord.read(labelled.report.run)
    table = record.label_table("validation")
    shares = table.probabilities
    expected = np.maximum(shares, 1 - shares).min(axis=1)
    for answers in (table.answered, record.answers):
        assert [answer.probability for answer in answers] == pytest.approx(expected, abs=1e-6)
