"""What `report` computes where a run does not keep it yet, and what it says where it cannot."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.commands.report import QUICK, WITHOUT_BACKBONE, complete, lacking, report

PARTS = ["slices", "suspects", "learning_curve"]
FILES = ("slices.json", "suspects.json", "learning_curve.json")


@pytest.fixture
def run(warm, tmp_path):
    """A copy of the trained run."""
    return shutil.copytree(warm.report.run, tmp_path / "runs" / "001")


def test_train_keeps_what_its_audit_found(trained):
    header, *rows = (trained.report.run / "audit.csv").read_text().splitlines()
    assert header == "path,problem,value,severity"
    assert all(row.count(",") >= 3 for row in rows)


def test_a_report_computes_what_the_run_lacks_and_keeps_it(run):
    assert lacking(run) == PARTS
    made = report([run])
    assert lacking(run) == []
    assert made.trust["slices"]["part"] == "validation"
    assert made.trust["suspects"]["pictures"] == 52 - made.trust["suspects"]["left_out"] - len(sealed(run))
    assert made.trust["learning_curve"]["points"]
    assert made.trust["calibration"]["temperature"] > 0
    before = {name: (run / name).stat().st_mtime_ns for name in FILES}
    report([run])
    assert {name: (run / name).stat().st_mtime_ns for name in FILES} == before
    assert not (run / "looks.json").exists()  # the test part stayed sealed


def test_pictures_of_the_test_part_are_nowhere_in_the_kept_parts(run):
    complete(run)
    for name in FILES:
        text = (run / name).read_text()
        assert not [path for path in sealed(run) if json.dumps(path) in text]


def sealed(run: Path) -> list[str]:
    rows = [row.split(",") for row in (run / "splits.csv").read_text().splitlines()]
    return [row[0] for row in rows if row[-1] == "test"]


def test_quick_leaves_out_what_is_not_kept(run):
    answer = CliRunner().invoke(cli, ["report", str(run), "--quick"])
    assert answer.exit_code == 0
    assert not any((run / name).exists() for name in FILES)
    assert (run / "report.html").read_text().count(QUICK) == 3


def test_where_the_pictures_are_gone_the_report_says_so_and_stands(run, tmp_path):
    (run / "source.json").write_text(json.dumps({"root": str(tmp_path / "nowhere")}))
    absent = complete(run)
    assert {"slices", "suspects"} <= set(absent)
    report([run])
    text = html.unescape((run / "report.html").read_text())
    assert absent["slices"] in text
    assert f"pawsight evaluate {run}" in text


def test_a_run_without_its_bundle_is_told_as_far_as_it_goes(run):
    shutil.rmtree(run / "bundle")
    absent = complete(run)
    assert sorted(absent) == ["learning_curve", "suspects"]
    assert (run / "slices.json").is_file()


def test_a_ladder_without_a_backbone_computes_slices_alone(run):
    assert complete(run, features=False) == dict.fromkeys(PARTS[1:], WITHOUT_BACKBONE)
    assert (run / "slices.json").is_file()


def test_a_changed_picture_is_in_no_slice(run, tmp_path):
    root = Path(json.loads((run / "source.json").read_text())["root"])
    copy = shutil.copytree(root, tmp_path / "copy")
    changed = sorted((copy / "validation").rglob("*.jpg"))
    for path in changed[::2]:
        path.write_bytes(path.read_bytes() + b"\0")
    (run / "source.json").write_text(json.dumps({"root": str(copy)}))
    complete(run, features=False)
    plain = json.loads((run / "slices.json").read_text())
    assert 0 < plain["pictures"] < sum("validation" in line for line in (run / "splits.csv").read_text().splitlines())
    assert all(one["pictures"] <= plain["pictures"] for one in plain["slices"])
