"""The verb `inspect`: everything worth knowing before anything slow, and no model in sight."""

from __future__ import annotations

import csv
import html
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import pawsight
from pawsight.classifier.bundle import read_bundle
from pawsight.cli import cli
from pawsight.commands.inspect import InspectReport, count_sentence, finding_lines, inspect, summary
from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.data.audit import Finding

from ..conftest import says


@pytest.fixture
def data(drawings, tmp_path):
    """The drawings with a twin across parts and a file that is no picture."""
    folder = shutil.copytree(drawings, tmp_path / "photos")
    shutil.copy(next((folder / "train" / "cats").iterdir()), folder / "validation" / "cats" / "twin.png")
    (folder / "train" / "dogs" / "note.txt").write_text("hello")
    return folder


def test_json_says_what_is_there_and_what_is_not_used(data):
    plain = json.loads(json.dumps(inspect(data).to_json(), allow_nan=False))
    assert set(plain) >= {"data", "root", "classes", "counts", "baseline", "formats", "split", "straddling", "left_out"}
    assert plain["classes"] == ["cats", "dogs"]
    assert plain["counts"] == {"cats": 27, "dogs": 26}
    assert plain["baseline"] == pytest.approx(27 / 53)
    assert sum(plain["formats"].values()) == 53
    assert plain["left_out"] == [{"path": "train/dogs/note.txt", "reason": "not a picture"}]
    assert any("validation/cats/twin.png" in names for names in plain["straddling"])


def test_the_split_is_the_one_that_train_would_make(trained):
    report = inspect(trained.data)
    assert report.split.digest == trained.report.split.digest
    assert report.to_json()["split"] == {
        "digest": trained.report.split.digest,
        "train": 32,
        "validation": 16,
        "test": 4,
        "how": report.split.how,
    }


def test_the_current_folder_is_called_so(made_up):
    """A single dot before the full stop would read as the folder above."""
    dataset, split = made_up
    report = InspectReport(data="photos", dataset=replace(dataset, root=Path()), split=split, findings=())
    assert "in this folder" in summary(report)[0]


def test_lines_for_people_hold_counts_baseline_split_twins_and_files_left_out(made_up, snapshot):
    """The whole text."""
    dataset, split = made_up
    findings = (
        Finding.of("train/cats/1.jpg", "two-labels", "train/dogs/1.jpg"),
        Finding.of("train/dogs/0.jpg", "dark", 12.5),
    )
    report = InspectReport(
        data="photos",
        dataset=dataset,
        split=split,
        findings=findings,
        page=Path("/audit/audit.html"),
        table=Path("/audit/audit.csv"),
    )
    assert "\n".join(summary(report)).replace(split.digest[:12], "DIGEST") == snapshot


@pytest.mark.parametrize(
    "counts", [{"cats": 1000, "dogs": 1000}, {"cats": 1, "dogs": 2}, {"a": 1, "b": 2, "c": 3}], ids=len
)
def test_the_exercise_s_sentence_is_right_for_any_number(counts, snapshot):
    assert count_sentence(counts) == snapshot


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.txt").write_text("hello")
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "1.txt").write_text("hello")
    with pytest.raises(NoPictures, match=re.escape(str(tmp_path))):
        inspect(tmp_path)


# `inspect --report`: what is said of the findings, and the two files about them


@pytest.fixture
def mixed(drawings, tmp_path):
    """The drawings with a picture of a cat among the dogs, too, and a file that is no picture."""
    folder = shutil.copytree(drawings, tmp_path / "photos")
    shutil.copy(min((folder / "train" / "cats").iterdir()), folder / "train" / "dogs" / "twin.png")
    (folder / "train" / "dogs" / "note.txt").write_text("hello")
    return folder


def state(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_findings_are_in_the_report_and_its_json(mixed):
    report = inspect(mixed)
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["findings"] == [finding.to_json() for finding in report.findings]
    assert set(plain["findings"][0]) == {"path", "problem", "value", "severity"}
    problems = {(finding["path"], finding["problem"], finding["severity"]) for finding in plain["findings"]}
    assert ("train/dogs/twin.png", "two-labels", "high") in problems
    assert ("train/dogs/note.txt", "unreadable", "medium") in problems
    assert any("train/dogs/twin.png" in group for group in plain["duplicates"])
    assert (plain["report"], plain["table"]) == (None, None)


def test_with_a_target_two_files_are_written_and_nothing_of_the_user_s_is_touched(mixed, tmp_path):
    before = state(mixed)
    report = inspect(mixed, out=tmp_path / "audit")
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["audit.csv", "audit.html"]
    assert (report.table, report.page) == (tmp_path / "audit/audit.csv", tmp_path / "audit/audit.html")
    with report.table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["problem"], row["value"], row["severity"]) for row in rows] == [
        (finding.path, finding.problem, str(finding.value), finding.severity) for finding in report.findings
    ]
    assert "train/dogs/twin.png" in report.page.read_text(encoding="utf-8")
    assert state(mixed) == before


def test_a_second_look_replaces_the_first_and_says_the_same(mixed, tmp_path):
    first = inspect(mixed, out=tmp_path / "audit")
    page, table = first.page.read_bytes(), first.table.read_bytes()
    second = inspect(mixed, out=tmp_path / "audit")
    assert (second.page.read_bytes(), second.table.read_bytes()) == (page, table)


def test_without_a_target_nothing_is_written(mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert pawsight.inspect(mixed).page is None
    assert set(tmp_path.iterdir()) == before


def test_a_class_is_no_target_and_that_is_refused_before_anything_is_read(mixed):
    before = sorted(mixed.rglob("*"))
    with pytest.raises(WrongUsage) as refused:
        inspect(mixed, out=mixed / "train" / "cats")
    assert str(mixed / "train" / "cats") in refused.value.what
    assert f"--out {mixed.parent / 'audit'}" in refused.value.fix
    assert sorted(mixed.rglob("*")) == before


def test_a_target_among_the_pictures_is_no_class_of_them(mixed):
    first, second = (inspect(mixed, out=mixed / "audit") for _ in range(2))
    assert second.dataset.counts == first.dataset.counts
    assert second.page == mixed / "audit" / "audit.html"


def test_a_target_that_is_a_file_is_refused(mixed, tmp_path):
    (tmp_path / "audit").write_text("mine")
    with pytest.raises(WrongUsage, match="--out audit-2") as refused:
        inspect(mixed, out=tmp_path / "audit")
    assert str(tmp_path / "audit") in refused.value.what
    assert (tmp_path / "audit").read_text() == "mine"


def test_people_get_the_counts_worst_first_and_where_the_files_are(mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = summary(inspect(mixed, out="audit"))
    order = [
        line.split()[0] for line in lines if line.startswith("  ") and line.split()[0] in ("high", "medium", "low")
    ]
    assert order == sorted(order, key=("high", "medium", "low").index)
    assert "high" in order
    assert any("train/dogs/note.txt" in line for line in lines)
    assert "audit/audit.html" in lines[-1]
    assert "audit/audit.csv" in lines[-1]


def test_counts_of_problems_are_told_and_shortcuts_explained(snapshot):
    findings = [
        Finding.of("dogs", "shortcut-format", "PNG: 100 % of dogs, 0 % of the rest (Cramér's V 1.00)"),
        *(Finding.of(f"cats/{number}.jpg", "dark", 12.0) for number in range(1_200)),
    ]
    assert "\n".join(finding_lines(findings)) == snapshot
    assert finding_lines([]) == snapshot


@pytest.mark.parametrize("words", [["--report"], ["--report", "--out", "elsewhere"], ["--out", "elsewhere"]])
def test_typed_it_says_where_the_files_are(mixed, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["inspect", str(mixed), "--quiet", *words])
    assert result.exit_code == 0, result.output
    folder = "elsewhere" if "--out" in words else "audit"
    assert f" {folder}/audit.html" in result.stdout
    assert (tmp_path / folder / "audit.csv").is_file()


@pytest.mark.parametrize("options", [[], ["--split-seed", "3", "--ignore", "note.txt"]], ids=["plain", "options"])
def test_the_command_of_an_audit_runs_in_the_folder_of_the_audit(mixed, tmp_path, monkeypatch, options):
    (tmp_path / "else where").mkdir()
    monkeypatch.chdir(tmp_path / "else where")  # the pictures are not beside the folder that it is typed in
    typed = ["inspect", str(mixed), "--quiet", "--report", "--out", str(tmp_path / "audit"), *options]
    assert CliRunner().invoke(cli, typed).exit_code == 0
    page = tmp_path / "audit" / "audit.html"
    assert str(tmp_path) not in page.read_text("utf-8")
    before = page.read_text("utf-8")
    (command,) = re.findall(r"<code>(pawsight inspect .*?)</code>", before)
    page.unlink()
    monkeypatch.chdir(tmp_path / "audit")
    again = CliRunner().invoke(cli, [*shlex.split(html.unescape(command))[1:], "--quiet"])
    assert again.exit_code == 0, again.output
    assert re.findall(r"<h2>.*?</h2>", page.read_text("utf-8")) == re.findall(r"<h2>.*?</h2>", before)


def test_typed_with_json_there_is_one_object_that_names_the_files(mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["inspect", str(mixed), "--quiet", "--json", "--report"])
    plain = json.loads(result.stdout)
    assert plain["report"] == str(tmp_path / "audit" / "audit.html")
    assert {"classes", "counts", "baseline", "findings", "duplicates"} <= set(plain)


def test_the_range_of_12_bit_pictures_is_said_and_goes_into_run_and_bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    for label in ("crosses", "discs"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(8):
            values = rng.integers(0, 4096, (24, 24), np.uint16)
            Image.fromarray(values).save(tmp_path / "data" / label / f"{number}.png")
    inspected = CliRunner().invoke(cli, ["inspect", "data", "--json"])
    assert json.loads(inspected.stdout)["grey_range"] == [0, 4095]
    assert says(inspected.stderr, "16-bit", "4,095")
    assert not [finding for finding in json.loads(inspected.stdout)["findings"] if finding["problem"] == "dark"]
    assert CliRunner().invoke(cli, ["preview", "data"]).exit_code == 0
    trained = CliRunner().invoke(cli, ["train", "data", "--recipe", "majority", "--json", "--quiet"])
    plain = json.loads(trained.stdout)
    assert plain["grey_range"] == [0, 4095]
    assert any("4,095" in note for note in plain["notes"])
    assert read_bundle(Path(plain["run"])).card.decode.grey_range == (0, 4095)
