"""What a report says of several labels a picture, from a made-up run: figures, escaped names, mistakes, JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pawsight.core.errors import WrongUsage
from pawsight.core.runs import read_table
from pawsight.data.label_sets import labels_in, truth_of
from pawsight.reports.ladder_report import build_report
from pawsight.reports.run_record import RunRecord
from pawsight.reports.several_labels import co_occurrences, several_view

from .conftest import EVIL, LABELS


@pytest.fixture(scope="module")
def made(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A report about the made-up run."""
    return build_report([labelled], tmp_path_factory.mktemp("report"))


def test_the_page_has_every_label_and_escapes_its_name(made: Any) -> None:
    page = made.report.read_text("utf-8")
    assert EVIL not in page
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert '<section id="more"' not in page  # the learning curve
    assert "--label-separator" in page


def test_the_json_has_the_figures_of_the_run(made: Any, labelled: Path) -> None:
    plain = json.loads(made.report.with_name("report.json").read_text("utf-8"))
    record = json.loads((labelled / "metrics.json").read_text("utf-8"))
    pairs = plain["several_labels"].pop("co_occurrence")
    assert plain["several_labels"] == record["several_labels"] == plain["rungs"][0]["several_labels"]
    assert len(pairs) == 3
    assert plain["chosen"] == "probe"
    assert plain["rungs"][0]["validation"] is None


def test_mistakes_are_the_answers_that_differ_the_most_confident_first(labelled: Path) -> None:
    record = RunRecord.read(labelled)
    rows = [row for row in read_table(labelled / "predictions.csv") if row["part"] == "validation"]
    wrong = sum(len(set(labels_in(row["label"])) ^ set(labels_in(row["predicted"]))) for row in rows)
    view = several_view(record)
    assert view["note"].startswith(f"{wrong} ")
    assert len(view["mistakes"]) == min(8, wrong)
    shares = [float(exhibit.text.rsplit(", ", 1)[1].rstrip(" %\N{NO-BREAK SPACE}")) for exhibit in view["mistakes"]]
    assert shares == sorted(shares, reverse=True)


def test_labels_that_occur_together_are_counted_over_all_pictures(labelled: Path) -> None:
    record = RunRecord.read(labelled)
    truth = truth_of([picture.label for picture in record.split], LABELS)
    for pair in co_occurrences(record):
        places = [LABELS.index(name) for name in pair["labels"]]
        assert pair["pictures"] == int(truth[:, places].all(axis=1).sum())
        assert pair["expected"] == pytest.approx(np.prod(truth[:, places].mean(axis=0)) * len(truth))


def test_of_two_runs_the_one_with_the_higher_mean_average_precision_is_chosen(labelled: Path, tmp_path: Path) -> None:
    worse = shutil.copytree(labelled, tmp_path / "002")
    values = json.loads((worse / "metrics.json").read_text("utf-8"))
    values["several_labels"]["validation"]["mean_average_precision"] = 0.1
    (worse / "metrics.json").write_text(json.dumps(values), encoding="utf-8")
    made = build_report([worse, labelled], tmp_path / "report")
    assert made.chosen_run == labelled
    assert made.candidates[1].gain.verdict == "tie"  # of exact matches, which are the same


def test_a_record_that_was_spoilt_says_so(labelled: Path, tmp_path: Path) -> None:
    run = shutil.copytree(labelled, tmp_path / "001")
    values = json.loads((run / "metrics.json").read_text("utf-8"))
    del values["several_labels"]["validation"]["micro_f1"]
    values["several_labels"]["rules"][0]["threshold"] = "high"
    (run / "metrics.json").write_text(json.dumps(values), encoding="utf-8")
    record = RunRecord.read(run)
    assert record.several_labels == {}
    assert record.label_rules == ()
    assert len(record.problems) == 2
    assert build_report([run], tmp_path / "report").report.is_file()


def test_answers_by_class_are_refused(labelled: Path) -> None:
    with pytest.raises(WrongUsage, match="several labels"):
        RunRecord.read(labelled).answer_table("validation")
