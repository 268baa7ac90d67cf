"""A made-up run that keeps everything a report may tell, and the pieces it is made of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pawsight.classifier.trust import LabelRule, trust_from
from pawsight.core.runs import read_table, write_table
from pawsight.core.storage import sha256_of, write_json
from pawsight.data.audit import Finding
from pawsight.data.label_sets import joined
from pawsight.evaluation.learning_curve import trace_curve
from pawsight.evaluation.several_labels import measure_labels
from pawsight.evaluation.slices import measure_slices
from pawsight.models.recipes import RECIPES
from pawsight.reports.ladder_report import build_report
from pawsight.reports.run_record import RunRecord

CLASSES = ("cats", "dogs")
EVIL = '"><script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}'
LABELS = ("large", EVIL, "red")
COLUMNS = ("path", "problem", "value", "severity")
PROMISE = {
    "max_error": 0.05, "confidence": 0.9, "threshold": 0.7, "pictures": 40, "answered": 35, "errors": 1,
    "coverage": 0.875, "coverage_interval": [0.73, 0.96], "expected_risk": 0.05,
}  # fmt: skip
GUARD = {
    "threshold": 0.6, "false_alarms": 0.01, "pictures": 40, "components": 8,
    "caught": [{"kind": "noise", "pictures": 15, "caught": 14}],
}  # fmt: skip
PAIR = {"before": 0.04, "after": 0.02}
TRUST = {
    "calibration": {
        "temperature": 1.4, "fitted_on": "out-of-fold answers of the training set", "pictures": 90,
        "validation": {"ece": PAIR, "brier": PAIR, "log_loss": PAIR},
    },
    "abstention": {"max_error": 0.05, "promise": PROMISE, "guard": GUARD, "broken": None},
}  # fmt: skip


def one_run(place: Path, fake_runs: Any, **more: Any) -> Path:
    rows = fake_runs.draw_pictures(place / "pictures", CLASSES)
    run: Path = fake_runs.write_run(place / "001", rows, CLASSES, root=place / "pictures", accuracy=0.8, more=more)
    return run


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, fake_runs: Any) -> Path:
    """A run that keeps everything. Read, never write: copy it."""
    groups = [["train/0/0.0.jpg", "validation/0/0.1.jpg"], ["train/1/1.2.jpg", "validation/1/1.0.jpg", "gone.jpg"]]
    place = tmp_path_factory.mktemp("whole")
    run = one_run(place, fake_runs, straddling=groups, **TRUST)
    findings = [
        Finding.of("train/0/0.0.jpg", "two-labels", "train/1/1.0.jpg"),
        Finding.of("train/1/1.0.jpg", "two-labels", "train/0/0.0.jpg"),
        Finding.of("train/0", "shortcut-size", f"size {EVIL}"),
        Finding.of("train/0/0.1.jpg", "dark", 12.5),
    ]
    write_findings(run, findings)
    write_json(run / "slices.json", plain_slices(run))
    write_json(run / "suspects.json", plain_suspects(run))
    write_json(run / "learning_curve.json", plain_curve())
    return run


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory, fake_runs: Any) -> Path:
    """A made-up run with several labels a picture and a guarantee of each but the last. Read, never write: copy it."""
    place = tmp_path_factory.mktemp("labelled")
    rows = fake_runs.draw_pictures(place / "pictures", LABELS[:2], train=6, drawn=6)
    chance = np.random.default_rng(3)
    truth = chance.random((len(rows), len(LABELS))) < [0.6, 0.4, 0.2]
    probabilities = np.clip(np.where(truth, 0.8, 0.2) + chance.normal(0, 0.25, truth.shape), 0.001, 0.999)
    texts = [joined(name for name, has in zip(LABELS, row, strict=True) if has) for row in truth]
    said = [joined(name for name, share in zip(LABELS, row, strict=True) if share >= 0.5) for row in probabilities]
    sure = trust_from({"temperature": 1.0, "fitted_on": "", "promise": PROMISE, "guard": None}).guarantee
    rules = (*[LabelRule(threshold=0.5, max_error=0.05, has=sure, has_not=sure)] * 2, LabelRule(threshold=0.5))
    held_out = np.array([part == "validation" for *_, part in rows])
    measured = measure_labels(truth[held_out], probabilities[held_out], rules, LABELS)
    assert measured is not None
    (run := place / "001").mkdir()
    written = [(path, digest, text, part, "") for (path, digest, _, part), text in zip(rows, texts, strict=True)]
    write_table(run / "splits.csv", ("path", "sha256", "label", "part", "group"), written)
    answers = [
        (path, digest, part, text, answer, *shares)
        for (path, digest, text, part, _), answer, shares in zip(written, said, probabilities, strict=True)
        if part == "validation"
    ]
    header = ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in LABELS))
    write_table(run / "predictions.csv", header, answers)
    write_json(run / "source.json", {"root": str(place / "pictures"), "from_run": "../pictures", "identity": ""})
    write_table(run / "audit.csv", COLUMNS, [])
    RunRecord(
        folder=run,
        recipe="probe",
        classes=LABELS,
        counts=dict(zip(LABELS, truth.sum(axis=0).tolist(), strict=True)),
        digest="d" * 64,
        sizes={"train": int((~held_out).sum()), "validation": int(held_out.sum()), "test": 0},
        how="as made up",
        temperature=1.0,
        max_error=0.05,
        label_rules=rules,
        several_labels={"validation": measured},
        no_guarantee=f"never sure enough: has {LABELS[2]!r}",
        command="pawsight train labels.csv --recipe probe --max-error 5% --label-separator '|'",
        seconds={"total": 1.0},
    ).write()
    return run


@pytest.fixture(scope="session")
def comparison(whole: Path, fake_runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it: seven made-up candidates, curves, layers, and all that is told of how far to trust one.

    That a real ladder climbs all seven is the slow test below; tests/commands/test_ladder.py climbs three of them.
    """
    place = tmp_path_factory.mktemp("browser")
    rows = [
        tuple(row[name] for name in ("path", "sha256", "label", "part")) for row in read_table(whole / "splits.csv")
    ]
    layers = [{"name": "conv2d", "type": "Conv2D", "output": [None, 158, 158, 32], "parameters": 896}]
    more = {"adds": "A net of its own.", "layers": layers, "parameters": {"total": 1234567, "trainable": 1000}}
    options = {"root": whole.parent / "pictures", "more": more}
    runs = [
        fake_runs.write_run(
            place / f"{number:03d}", rows, CLASSES, accuracy=0.3, seed=number, recipe=recipe, epochs=number, **options
        )
        for number, recipe in enumerate(RECIPES)
        if recipe != "probe"
    ]
    chosen = shutil.copytree(whole, place / "chosen")
    metrics = json.loads((chosen / "metrics.json").read_text(encoding="utf-8"))
    changed = {"recipe": "probe", "test": metrics["validation"]}
    (chosen / "metrics.json").write_text(json.dumps(metrics | changed), encoding="utf-8")
    made = build_report([*runs[:5], chosen, *runs[5:]], place / "out")
    assert made.chosen == "probe"
    return made.report


def write_findings(run: Path, findings: list[Finding]) -> None:
    write_table(
        run / "audit.csv",
        COLUMNS,
        [(finding.path, finding.problem, finding.value, finding.severity) for finding in findings],
    )


def slices_of(run: Path) -> Any:
    answers = RunRecord.read(run).answers
    dark = np.array([not answer.is_right for answer in answers]) | (np.arange(len(answers)) < 6)
    return measure_slices(answers, {("trait", "dark"): dark, ("folder", EVIL): ~dark})


def plain_slices(run: Path) -> dict[str, Any]:
    return {"part": "validation", "pictures": 40, "slices": [item.to_json() for item in slices_of(run)]}


def plain_suspects(run: Path) -> dict[str, Any]:
    digest = sha256_of((run.parent / "pictures" / "train/0/0.0.jpg").read_bytes())
    row = {"given": "cats", "suggested": EVIL, "score": 0.9, "suspect": True, "reason": f"all say {EVIL}"}
    rows = [{"path": "train/0/0.0.jpg", "sha256": digest, "part": "train"} | row] * 14
    return {
        "pictures": 46, "flagged": 14, "left_out": 0, "suspects": rows,
        "alike_across": [{"path": "train/0/0.0.jpg", "other": "validation/0/0.0.jpg", "similarity": 0.91}],
    }  # fmt: skip


def curve() -> Any:
    chance = np.random.default_rng(0)
    return trace_curve([(share, int(100 * share), chance.random((2, 50)) < 0.3 - share / 5) for share in (0.2, 0.5, 1)])


def plain_curve() -> dict[str, Any]:
    told = {"recipe": "cnn", "trained": "probe on a backbone at 96 px", "is_stand_in": True, "left_out": 3}
    return told | json.loads(json.dumps(curve().to_json()))
