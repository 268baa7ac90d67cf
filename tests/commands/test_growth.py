"""`train --from RUN --add NEW`: subsets that stay, features from the cache, options of the run, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import pawsight
from pawsight.cli import cli
from pawsight.commands.compare import compare
from pawsight.commands.growth import growing_run, growth_record
from pawsight.commands.inspect import inspect
from pawsight.commands.review import review
from pawsight.commands.train import train
from pawsight.commands.train_options import TrainOptions, command_for
from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.progress import Silent
from pawsight.core.runs import read_table
from pawsight.core.storage import sha256_of_file
from pawsight.data.reading import FolderReading
from pawsight.data.split import Assigned, Split
from pawsight.reports.run_record import RunRecord
from pawsight.sample.picture import draw


@pytest.fixture(scope="session")
def more(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Path:
    """Twelve pictures of a third class, a picture of the drawings as it is, and one of its cats as a dog."""
    folder = tmp_path_factory.mktemp("more")
    for label in ("things", "dogs"):
        (folder / label).mkdir()
    for number in range(12):
        draw("other", seed=3, index=number, sides=(96, 144)).save(folder / "things" / f"{number}.png")
    for number, kind in enumerate(("cats", "dogs")):
        shutil.copy(sorted((drawings / "train" / kind).iterdir())[0], folder / "dogs" / f"old{number}.jpg")
    return folder


@pytest.fixture(scope="session")
def grown(trained: Any, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run of the drawings with a third class and a corrected label. Read, never write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(trained.cache))
        yield train(from_run=trained.report.run, add=more, out=tmp_path_factory.mktemp("grown"))


def rows_of(run: Path, part: str) -> dict[str, str]:
    return {row["sha256"]: row["label"] for row in read_table(run / "splits.csv") if row["part"] == part}


def test_the_held_out_pictures_of_the_run_stay_with_their_labels_and_new_ones_come_to_them(trained, grown):
    for part in grown.record.growth.parts:
        before, after = rows_of(trained.report.run, part.part), rows_of(grown.run, part.part)
        assert before.items() <= after.items()
        assert part.digest_before == part.digest_after
        assert (part.before, part.kept, part.added) == (len(before), len(before), len(after) - len(before))
    assert sum(part.added for part in grown.record.growth.parts) > 0
    before, after = rows_of(trained.report.run, "train"), rows_of(grown.run, "train")
    assert before.keys() <= after.keys()
    assert [before[sha256] + after[sha256] for sha256 in before if before[sha256] != after[sha256]] == ["catsdogs"]


def test_only_new_pictures_are_computed_and_old_and_new_ones_are_compared_apart(trained, grown):
    record = RunRecord.read(grown.run)
    assert grown.computed == 12
    assert (record.growth.added, record.growth.known, record.growth.new_classes) == (12, 1, {"things": 12})
    assert [(fix.before, fix.after) for fix in record.growth.corrected] == [("cats", "dogs")]
    sides = {(change.subset, change.is_new): change for change in record.growth.changes}
    assert sides["validation", False].gain.pictures == trained.report.validation.pictures
    assert sides["validation", False].accuracy[0] == pytest.approx(trained.report.validation.accuracy)
    assert sides["validation", True].accuracy[0] == 0, "the run before does not know the class"
    assert record.to_json() == grown.to_json()


def test_the_run_before_and_what_is_added_are_as_they_were_and_the_recipe_is_the_same(trained, grown):
    before, after = ((run / "recipe.toml").read_text() for run in (trained.report.run, grown.run))
    assert before == after
    assert grown.record.command.split()[:4] == ["pawsight", "train", "--from", str(trained.report.run)]


def test_what_works_on_a_run_works_on_one_that_grew(trained, grown, warm, tmp_path):
    report = compare([trained.report.run, grown.run])
    assert report.pictures == trained.report.validation.pictures
    run = shutil.copytree(grown.run, tmp_path / "001")
    assert len(review(run).pictures) == grown.split.sizes["train"] + grown.split.sizes["validation"]
    page = pawsight.open_run(run).report(quick=True).read_text()
    assert 'id="growth"' in page
    assert "pawsight inspect splits.csv --report" in page
    assert f"pawsight train --from {os.path.relpath(trained.report.run, run)} --add" in page
    assert inspect(run / "splits.csv").split.digest == grown.split.digest, "a run's list of pictures is a table of them"
    assert json.loads((run / "report.json").read_text())["trust"]["growth"] == grown.to_json()["growth"]


def test_a_chain_of_runs_merges_and_drops_classes_and_keeps_parts_of_folders(grown, warm, tmp_path, drawings):
    for part in ("train", "test"):
        (tmp_path / "new" / part / "cats").mkdir(parents=True)
        for number in range(2):
            drawn = draw("cats", seed=9, index=number + 2 * (part == "test"), sides=(96, 144))
            drawn.save(tmp_path / "new" / part / "cats" / f"{number}.png")
    report = train(
        from_run=grown.run, add=tmp_path / "new", merge={"things": "rest"}, drop="dogs", recipe="majority",
        out=tmp_path / "runs",
    )  # fmt: skip
    growth = report.record.growth
    assert report.dataset.classes == ("cats", "rest")
    assert growth.dropped == {"dogs": sum(row["label"] == "dogs" for row in read_table(grown.run / "splits.csv"))}
    parts = {picture.name: picture.part for picture in report.split.assigned if "/new/" in picture.name}
    assert all(f"/{part}/" in name for name, part in parts.items())
    assert len(parts) == 4
    (old,) = (change for change in growth.changes if change.subset == "validation")
    assert {row.name for row in old.classes} == {"cats", "rest"}, "the answers before have the names of today"
    assert old.accuracy[0] > 0


def test_with_nothing_to_add_the_split_is_the_same(trained, warm, tmp_path):
    report = train(from_run=trained.report.run, recipe="majority", out=tmp_path / "runs")
    assert report.split.digest == trained.report.split.digest
    assert [part.is_same for part in report.record.growth.parts] == [True, True]
    assert [(change.subset, change.is_new) for change in report.record.growth.changes] == [
        ("validation", False),
        ("test", False),
    ]


def test_pictures_of_the_run_that_are_gone_are_named_with_what_to_type(own_run, more, tmp_path):
    root = Path(json.loads((own_run / "source.json").read_text())["root"])
    moved = root.rename(tmp_path / "moved")
    with pytest.raises(BadDataset) as error:
        train(from_run=own_run, add=more, recipe="majority", out=tmp_path / "grown")
    assert "pawsight train DATA --from" in error.value.fix
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", moved)
    found = train(archive, from_run=own_run, recipe="majority", out=tmp_path / "grown")
    assert all(part.is_same for part in found.record.growth.parts)
    lost = next(row["path"] for row in read_table(own_run / "splits.csv") if row["part"] == "test")
    (moved / lost).unlink()
    fewer = train(moved, from_run=own_run, recipe="majority", out=tmp_path / "grown")
    test = fewer.record.growth.parts[1]
    assert (test.part, test.before - test.kept, test.is_same) == ("test", 1, False)
    assert lost in [name for name, _ in fewer.record.left_out]


def test_pictures_of_the_run_are_known_by_content_wherever_they_are_found(own_run, tmp_path):
    root = Path(json.loads((own_run / "source.json").read_text())["root"])
    rows = read_table(own_run / "splits.csv")
    cat, dog = (next(row for row in rows if (row["label"], row["part"]) == (label, part))
        for label, part in (("cats", "train"), ("dogs", "validation")))  # fmt: skip
    (root / cat["path"]).rename(root / "aside")
    (root / dog["path"]).rename(root / cat["path"])  # the names are exchanged
    (root / "aside").rename(root / dog["path"])
    tested = next(row for row in rows if row["part"] == "test")
    elsewhere = tmp_path / "new" / tested["label"] / "again.jpg"
    elsewhere.parent.mkdir(parents=True)
    (root / tested["path"]).rename(elsewhere)
    changed = next(row for row in rows if row["part"] == "train" and row != cat)
    draw("cats", seed=99, index=0, sides=(96, 144)).save(root / changed["path"], "JPEG")
    report = train(from_run=own_run, add=tmp_path / "new", recipe="majority", out=tmp_path / "grown")
    known = {row["sha256"]: (row["label"], row["part"]) for row in rows}
    found = {picture.sha256: (picture.label, picture.part) for picture in report.split.assigned}
    assert found == {sha256: value for sha256, value in known.items() if sha256 != changed["sha256"]}
    assert (report.record.growth.added, report.record.growth.corrected) == (0, ())
    assert all(part.is_same for part in report.record.growth.parts)


def test_what_the_run_was_asked_for_is_asked_for_again(own_run, tmp_path):
    values = json.loads((own_run / "metrics.json").read_text())
    values["command"] = "pawsight train DATA --false-alarms 5%"
    (own_run / "metrics.json").write_text(json.dumps(values | {"sets": None}))
    lines: list[str] = []

    class Listener(Silent):
        def say(self, line: str) -> None:
            lines.append(line)

    report = train(from_run=own_run, recipe="majority", image_px=32, out=tmp_path / "runs", progress=Listener())
    assert any("false_alarms 0.05" in line for line in lines)
    assert any("name majority instead of probe" in line for line in lines)
    assert "--false-alarms" not in report.record.command
    assert report.record.growth.asked == {"false_alarms": 0.05}
    again = train(from_run=report.run, out=tmp_path / "runs")
    assert again.record.growth.asked == {"false_alarms": 0.05}, "the command of the run in between does not have it"


def test_tables_and_pictures_in_memory_are_added_from_python(trained, warm, tmp_path, more):
    pictures = sorted((more / "things").iterdir())[:3]
    table = {"path": pictures, "label": ["things"] * 3}
    run = pawsight.train(
        from_run=trained.report.run, add=table, recipe="majority", out=tmp_path / "runs", progress=False
    )
    assert run.classes == ("cats", "dogs", "things")
    assert run.growth is not None
    assert run.growth.new_classes == {"things": 3}
    assert pawsight.open_run(trained.report.run).growth is None
    with pytest.raises(WrongUsage):
        pawsight.train({"path": pictures, "label": ["a"] * 3}, from_run=trained.report.run)
    with pytest.raises(WrongUsage):
        pawsight.train()
    with pytest.raises(WrongUsage, match="without from_run"):
        pawsight.train(pictures, ["a", "b", "a"], add=table)


def test_a_run_of_several_labels_takes_tables_of_several_labels(own_run, tmp_path, more):
    source = json.loads((own_run / "source.json").read_text())
    (own_run / "source.json").write_text(json.dumps(source | {"reading": {"label_separator": "|"}}))
    rows = ["path,label", *(f"{file},things|cats" for file in sorted((more / "things").iterdir())[:2])]
    (tmp_path / "new.csv").write_text("\n".join(rows))
    growing = partial(
        growing_run, own_run, merged={}, dropped=(), place=None, columns=None, allow_missing=None, progress=Silent()
    )
    growth = growing(tmp_path / "new.csv", reading=None).growth
    assert {file.label for file in growth.new} == {"cats;things"}
    assert (growth.found.several_labels, growth.found.folders) == (True, ("cats", "dogs", "things"))
    assert growth.new_classes == {"things": 2}
    with pytest.raises(WrongUsage, match="no effect"):
        growing(more, reading=None)
    (own_run / "source.json").write_text(json.dumps(source))
    with pytest.raises(WrongUsage, match="one label a picture"):
        growing(tmp_path / "new.csv", reading=FolderReading(label_separator="|"))


def test_a_bundle_that_cannot_answer_leaves_the_gain_on_new_pictures_unknown(own_run, more, tmp_path):
    model = own_run / "bundle" / "model.onnx"
    growing = growing_run(
        own_run, more, merged={}, dropped=(), place=None, reading=None, columns=None, allow_missing=None,
        progress=Silent(),
    )  # fmt: skip
    model.write_bytes(model.read_bytes()[:-9])
    new = growing.growth.new[0]
    digest = sha256_of_file(new.path)
    old = next(file for file in growing.rows if file.part == "validation")
    split = Split(
        (
            Assigned(new.name, digest, new.label, "validation"),
            Assigned(old.name, growing.contents[old.name], old.label, "validation"),
        ),
        "made up",
    )
    record = growth_record(growing, split, {"validation": [new.label, old.label]}, Silent())
    assert [(change.is_new, change.gain.pictures) for change in record.changes] == [(False, 1)]
    assert [(part.kept, part.added) for part in record.parts] == [(1, 1), (0, 0)]


def test_what_users_of_the_page_say_is_a_source(trained, warm, tmp_path, more):
    from pawsight.web.feedback import Feedback

    feedback = Feedback(tmp_path / "feedback", most=10, most_bytes=2**20, each=10)
    cat = next(row for row in read_table(trained.report.run / "splits.csv") if row["label"] == "cats")
    feedback.keep((trained.data / cat["path"]).read_bytes(), "dogs")
    feedback.keep((more / "things" / "0.png").read_bytes(), "cats")
    report = train(
        from_run=trained.report.run, add=tmp_path / "feedback" / "labels.csv", recipe="majority", out=tmp_path / "runs"
    )
    growth = report.record.growth
    assert growth.added == 1
    assert [(fix.sha256, fix.after) for fix in growth.corrected] == [(cat["sha256"], "dogs")]


@pytest.mark.parametrize(
    "options",
    [
        {"add": "x"},
        {"merge": {"a": "b"}},
        {"drop": ["a"]},
        {"from_run": "RUN", "split": "x.csv"},
        {"from_run": "RUN", "allow_leaks": True},
        {"from_run": "RUN", "drop": ["birds"]},
        {"from_run": "RUN", "drop": ["cats"]},
        {"from_run": "RUN", "drop": ["cats", "dogs"]},
        {"from_run": "RUN", "merge": {"cats": "dogs"}},
        {"from_run": "RUN", "add": "RUN/nothing"},
        {"from_run": "RUN/bundle/model.onnx"},
        {"from_run": "nowhere"},
        {},
    ],
)
def test_options_that_do_not_fit_are_refused_in_three_lines(trained, warm, tmp_path, options):
    words = {
        name: value.replace("RUN", str(trained.report.run)) if isinstance(value, str) else value
        for name, value in options.items()
    }
    if options == {"from_run": "RUN/bundle/model.onnx"}:
        words = {"from_run": shutil.copytree(trained.report.run / "bundle", tmp_path / "bundle")}
    with pytest.raises(WrongUsage) as error:
        train(None, out=tmp_path / "runs", **words)
    assert error.value.what
    assert error.value.fix
    assert not (tmp_path / "runs").exists()


def test_what_is_typed_reaches_the_run_and_the_next_one_has_its_recipe(trained, warm, tmp_path):
    words = ["train", "--from", str(trained.report.run), "--merge", "dogs=pets", "--recipe", "majority", "--json"]
    done = CliRunner().invoke(cli, [*words, "--quiet", "--out", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["classes"], told["growth"]["merged"]) == (["cats", "pets"], {"dogs": "pets"})
    run = tmp_path / "runs" / "001"
    assert json.loads((run / "source.json").read_text())["command"] == told["command"]
    following = train(from_run=tmp_path / "runs" / "latest", drop=[], out=tmp_path / "runs").record
    assert (following.recipe, following.classes) == ("majority", ("cats", "pets"))
    assert following.growth.run == str(run), "not the link, which leads to another run by now"
    wrong = CliRunner().invoke(cli, [*words[:3], "--drop", "birds"])
    assert (wrong.exit_code, len(wrong.stderr.splitlines())) == (2, 3)


def test_the_command_that_makes_a_grown_run_again():
    options = TrainOptions(from_run="runs/001", add="new", merge={"tabby": "cats"}, drop=("birds",))
    assert command_for("", options) == "pawsight train --from runs/001 --add new --merge tabby=cats --drop birds"
