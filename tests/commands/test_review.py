"""The verb `review`: wrong labels first, nothing of the user's changed, decisions kept and their gain told."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawsight.cli import cli
from pawsight.cli import commands as verbs
from pawsight.commands import review as module
from pawsight.commands.review import (
    ReviewReport,
    board_of,
    check_page,
    command_with_patch,
    decision_lines,
    decisions_of,
    open_page,
    review,
    summary,
)
from pawsight.commands.train_report import gain_sentence
from pawsight.commands.train_report import summary as train_summary
from pawsight.core.errors import BadDataset, DataError, MissingExtra, WrongUsage
from pawsight.core.runs import read_table
from pawsight.data.dataset import Picture
from pawsight.data.facts import Facts
from pawsight.data.found import LeftOut
from pawsight.data.label_patch import Decision, read_patch, write_patch
from pawsight.evaluation.label_errors import Suspect

needs_serve = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs pawsight[serve]")

FLIPPED = {"train/speckled/shaded-03.png", "train/shaded/speckled-05.png"}


def draw(kind, number):
    if kind == "speckled":
        return Image.effect_noise((96, 96 + number % 7), 50 + 3 * number).convert("RGB")
    return Image.linear_gradient("L").resize((96, 96)).rotate(13 * number, fillcolor=90 + number).convert("RGB")


def write_pictures(root):
    """Two classes that any backbone tells apart, 20 + 12 each; one of each kind lies in the other's folder."""
    for part, numbers in (("train", range(20)), ("validation", range(20, 32))):
        for kind in ("speckled", "shaded"):
            for number in numbers:
                name, other = f"{kind}-{number:02d}.png", {"speckled": "shaded", "shaded": "speckled"}[kind]
                folder = other if f"{part}/{other}/{name}" in FLIPPED else kind
                (root / part / folder).mkdir(parents=True, exist_ok=True)
                draw(kind, number).save(root / part / folder / name)
    return root


@pytest.fixture(scope="module")
def flipped(trained, tmp_path_factory):
    """Data with two wrong labels and a run on it: folder, run, cache. Read, never write."""
    place = tmp_path_factory.mktemp("flipped")
    data = write_pictures(place / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(trained.cache))
        run = trained.again(data, place / "runs").run
    return data, run


@pytest.fixture
def run(flipped, warm, tmp_path):
    """A copy of the run, in which decisions may be made."""
    return shutil.copytree(flipped[1], tmp_path / "runs" / "001")


def tree_of(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_wrong_labels_come_first_and_every_picture_but_the_test_part_is_ranked(run, flipped):
    rows = list(review(run).rows())
    assert {row["path"] for row in rows[:2]} == FLIPPED
    assert all(row["suspect"] for row in rows[:2])
    assert {row["given"]: row["suggested"] for row in rows[:2]} == {"speckled": "shaded", "shaded": "speckled"}
    parts = [row["part"] for row in read_table(run / "splits.csv")]
    assert len(rows) == len(parts) - parts.count("test")
    assert {row["part"] for row in rows} == {"train", "validation"}
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_nothing_of_the_user_s_is_changed_and_the_test_part_is_not_looked_at(run, flipped):
    before = tree_of(flipped[0]), tree_of(run)
    review(run)
    assert (tree_of(flipped[0]), tree_of(run)) == before
    assert not (run / "looks.json").exists() or "looks.json" in {path.name for path in before[1]}


def test_json_is_one_object_a_line_and_nothing_else(run):
    done = CliRunner().invoke(cli, ["review", str(run), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["path"] for row in rows[:2]} == FLIPPED
    assert set(rows[0]) == {"path", "given", "suggested", "score", "suspect", "reason", "part", "sha256"}


def test_files_that_changed_or_are_gone_are_listed_and_left_out(run, flipped, tmp_path):
    data = shutil.copytree(flipped[0], tmp_path / "data")
    source = json.loads((run / "source.json").read_text())
    (run / "source.json").write_text(json.dumps(source | {"root": str(data)}))
    (data / "train/shaded/shaded-07.png").unlink()
    draw("shaded", 90).save(data / "train/shaded/shaded-08.png")
    report = review(run)
    gone, changed = report.left_out
    assert [gone.name, changed.name] == ["train/shaded/shaded-07.png", "train/shaded/shaded-08.png"]
    assert gone.reason != changed.reason
    assert not {gone.name, changed.name} & {row["path"] for row in report.rows()}
    (line,) = [line for line in summary(report) if gone.name in line]
    assert f"({gone.reason})" in line
    for path in (data / "train/speckled").iterdir():
        draw("speckled", 95).save(path)
    for path in (data / "validation/speckled").iterdir():
        draw("speckled", 96).save(path)
    with pytest.raises(BadDataset) as error:
        review(run)
    assert str(data) in error.value.what


def test_a_place_without_a_run_is_told(tmp_path):
    with pytest.raises(WrongUsage) as error:
        review(tmp_path / "none")
    assert str(tmp_path / "none") in error.value.what
    assert "runs/latest" in error.value.fix


def test_without_a_web_server_the_page_is_refused_and_the_ranking_named(monkeypatch):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        check_page()
    assert 'pip install "pawsight[serve]"' in error.value.fix
    assert "pawsight review RUN --json" in error.value.why


@needs_serve
def test_the_page_is_served_until_it_is_stopped_and_says_what_was_decided(run):
    report, stop, seen = review(run), threading.Event(), []

    def ready(address):
        with urllib.request.urlopen(address + "state") as answer:
            state = json.load(answer)
        seen.extend(state["board"]["sections"][0]["items"][:2])
        body = json.dumps({"picture": seen[0]["picture"], "action": "keep"}).encode()
        request = urllib.request.Request(address + "decision", body, {"Origin": address[: address.index("/", 7)]})
        urllib.request.urlopen(request).close()
        stop.set()

    lines = open_page(report, ready=ready, stop=stop)
    assert lines[0].count("1") >= 2  # one decision, one of them kept
    assert "labels.patch.csv" in lines[0]
    assert f"--patch {os.path.relpath(run / 'labels.patch.csv')}" in lines[1]
    (one,) = read_patch(run / "labels.patch.csv").decisions
    assert (one.path in FLIPPED, one.action, one.label) == (True, "keep", "")
    assert decisions_of(run)[0].path == one.path


@needs_serve
def test_a_file_of_decisions_that_cannot_be_understood_is_not_overwritten(run):
    (run / "labels.patch.csv").write_text("my notes\n")
    with pytest.raises(DataError):
        open_page(review(run), ready=lambda address: None, stop=threading.Event())
    assert (run / "labels.patch.csv").read_text() == "my notes\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pawsight train 'my pets' --seed 3", "pawsight train 'my pets' --seed 3 --patch {patch}"),
        ("pawsight train pets --patch old.csv --seed 3", "pawsight train pets --seed 3 --patch {patch}"),
        (None, "pawsight train DATA --patch {patch}"),
        ("'", "pawsight train DATA --patch {patch}"),  # not what a shell understands
    ],
)
def test_what_to_type_next_is_what_made_the_run_and_one_patch(tmp_path, command, told):
    (tmp_path / "metrics.json").write_text(json.dumps({"command": command} if command else {}))
    assert command_with_patch(tmp_path) == told.format(patch=tmp_path / "labels.patch.csv")


def report_on(*pictures, ranking, **changes):
    """A report on pictures that all look the same: label, part and content of each."""
    rows = [
        Picture(Path(f"{row}.jpg"), f"{row}.jpg", label, part, sha256, Facts(9, 9, "JPEG", 1, 0, None))
        for row, (label, part, sha256) in enumerate(pictures)
    ]
    values = {
        "run": Path("runs/001"),
        "classes": ("cats", "dogs"),
        "pictures": tuple(rows),
        "labels": np.array([("cats", "dogs").index(picture.label) for picture in rows]),
        "duplicates": (tuple(range(len(rows))),),
        "left_out": (),
        "near": (np.full((len(rows), 1), -1), np.zeros((len(rows), 1), np.float32)),
        "ranking": ranking,
    }
    return ReviewReport(**values | changes)


def suspect(row, score=0.1):
    return Suspect(row, 0, 1, score, 0.9, 0.1, (), (), "no reason")


@pytest.mark.parametrize(
    ("other", "score", "action", "label"),
    [
        (("dogs", "train", "a"), 0.1, "relabel", 0),
        (("dogs", "train", "b"), 0.9, "relabel", 0),
        (("dogs", "train", "b"), 0.1, "keep", None),
        (("cats", "validation", "a"), 0.9, "drop", None),
        (("cats", "validation", "b"), 0.9, "drop", None),
        (("cats", "train", "a"), 0.9, "drop", None),
    ],
    ids=["two labels", "maybe, and features agree", "maybe two labels", "two parts", "maybe two parts", "twice"],
)
def test_of_duplicates_one_stays_and_the_others_say_what_harm_they_do(other, score, action, label, snapshot):
    report = report_on(("cats", "train", "a"), other, ranking=(suspect(0), suspect(1, score=score)))
    (item,) = board_of(report)[0]["sections"][1]["items"]
    assert (item["picture"], item["action"], item["label"]) == (1, action, label)
    assert [entry["picture"] for entry in item["beside"]] == [0]
    assert [item["reason"], item["beside"][0]["note"]] == snapshot


def test_one_doubtful_label_is_told_in_the_singular_and_what_is_left_out_by_its_first(tmp_path, snapshot):
    ranking = (suspect(0, score=0.9), suspect(1), suspect(2))
    report = report_on(*[("cats", "train", "a")] * 3, ranking=ranking)
    (first,) = summary(report)
    report = replace(report, left_out=(LeftOut("a.jpg", "truncated"), LeftOut("b.jpg", "empty")))
    assert summary(report)[0] == first
    assert "\n".join(summary(report)) == snapshot


def test_what_was_decided_is_told_with_what_to_type_next(tmp_path, monkeypatch, snapshot):
    monkeypatch.chdir(tmp_path)
    actions = ("keep", "keep", "drop", "relabel")
    decisions = tuple(Decision(f"{row}.jpg", "0" * 64, action, "") for row, action in enumerate(actions))
    assert decision_lines(decisions, tmp_path / "runs" / "001") == snapshot
    assert decision_lines((), tmp_path) == snapshot


@needs_serve
@pytest.mark.parametrize(("options", "window", "opened"), [([], True, 1), ([], False, 0), (["--no-browser"], True, 0)])
def test_the_page_is_opened_where_there_is_a_window_and_it_is_wanted(monkeypatch, options, window, opened):
    addresses = []

    def page(report, *, port, ready):
        ready(f"http://127.0.0.1:{port}/secret/")
        return ["Nothing."]

    monkeypatch.setattr(module, "review", lambda run, progress: run)
    monkeypatch.setattr(module, "summary", lambda report: [f"About {report}."])
    monkeypatch.setattr(module, "open_page", page)
    monkeypatch.setattr(verbs.webbrowser, "open", addresses.append)
    monkeypatch.setattr(verbs, "_has_window", lambda: window)
    done = CliRunner().invoke(cli, ["review", "runs/001", "--port", "8123", *options])
    first, place, last = done.stdout.splitlines()
    assert (first, last) == ("About runs/001.", "Nothing.")
    assert "http://127.0.0.1:8123/secret/" in place
    assert addresses == ["http://127.0.0.1:8123/secret/"] * opened


def test_a_browser_that_would_take_over_the_terminal_is_no_window(monkeypatch):
    def none():
        raise verbs.webbrowser.Error("could not locate runnable browser")

    for get, window in (
        (lambda: verbs.webbrowser.GenericBrowser("lynx"), False),
        (lambda: verbs.webbrowser.BackgroundBrowser("firefox"), True),
        (none, False),
    ):
        monkeypatch.setattr(verbs.webbrowser, "get", get)
        assert verbs._has_window() is window


def corrected(run):
    """Write what a person would decide."""
    rows = [row for row in review(run).rows() if row["path"] in FLIPPED]
    write_patch(run / "labels.patch.csv", [Decision(r["path"], r["sha256"], "relabel", r["suggested"]) for r in rows])
    return run / "labels.patch.csv"


def test_training_with_the_patch_corrects_the_labels_and_tells_the_gain(trained, flipped, run, tmp_path):
    patch = corrected(run)
    before = tree_of(flipped[0])
    report = trained.again(flipped[0], tmp_path / "runs", patch=patch)
    assert tree_of(flipped[0]) == before
    plain = json.loads((report.run / "metrics.json").read_text())
    assert plain["patch"]["relabelled"] == 2
    assert plain["patch"]["sha256"] == hashlib.sha256(patch.read_bytes()).hexdigest()
    gain = plain["gain_from_patch"]
    assert gain["pictures"] == report.split.sizes["validation"]
    assert gain["interval"][0] <= gain["points"] <= gain["interval"][1]
    assert gain["verdict"] in ("better", "worse", "tie")
    assert plain["command"].endswith(f"--patch {patch}")
    labels = {picture.name: picture.label for picture in report.split.assigned}
    assert {labels[name] for name in FLIPPED if "shaded-" in name} == {"shaded"}
    lines = train_summary(report)
    assert any(report.record.patch.sentence() in line for line in lines)
    assert any(gain_sentence(report.record.gain_from_patch, report.record.patch.file) in line for line in lines)
    assert not [row for row in review(report.run).rows() if row["suspect"] and row["path"] in FLIPPED]
    assert {item.path for item in decisions_of(report.run)} == FLIPPED  # a review of it goes on from there


def test_parts_stay_as_they_are_under_a_patch(trained, flipped, run, tmp_path):
    before = {line.split(",")[0]: line.split(",")[3] for line in (run / "splits.csv").read_text().splitlines()}
    report = trained.again(flipped[0], tmp_path / "runs", patch=corrected(run))
    after = {line.split(",")[0]: line.split(",")[3] for line in (report.run / "splits.csv").read_text().splitlines()}
    assert after == before


def test_a_patch_that_lies_in_no_run_has_no_gain_to_tell(trained, flipped, run, tmp_path):
    patch = shutil.copy(corrected(run), tmp_path / "mine.csv")
    report = trained.again(flipped[0], tmp_path / "runs", patch=patch)
    assert report.to_json()["gain_from_patch"] is None
    assert report.to_json()["patch"]["relabelled"] == 2


def test_a_run_without_a_patch_says_nothing_of_one(trained):
    plain = trained.report.to_json()
    assert (plain["patch"], plain["gain_from_patch"]) == (None, None)
    assert not [line for line in train_summary(trained.report) if line.startswith("Patch ")]


@pytest.mark.slow
def test_of_a_hundred_flipped_photographs_97_are_among_the_first_140(photographs, tmp_path, monkeypatch):
    import random
    import zipfile

    from pawsight.commands.train import train

    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "cache"))
    if photographs.is_dir():
        root = shutil.copytree(photographs, tmp_path / "photographs")
    else:
        zipfile.ZipFile(photographs).extractall(tmp_path / "photographs")
        root = next((tmp_path / "photographs").rglob("train")).parent
    chosen = random.Random(7).sample(sorted((root / "train").rglob("*.jpg")), 100)
    names = {
        path.rename(root / "train" / {"cats": "dogs", "dogs": "cats"}[path.parent.name] / path.name).name
        for path in chosen
    }
    run = train(root, out=tmp_path / "runs").run
    first = [row["path"] for row in review(run).rows() if row["part"] == "train"][:140]
    assert len(names & {Path(path).name for path in first}) >= 97
