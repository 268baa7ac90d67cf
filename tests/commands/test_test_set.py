"""The seal of the test part: which verbs open its files, and which let a trained model answer to it.

What is recorded is every file that Python opens, in any thread, through the interpreter's own audit events.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli.commands import cli
from pawsight.commands.evaluate import OWN_TEST, evaluate, summary
from pawsight.commands.run_split import held_out, looks_at_test, looks_sentence, subset_by_content
from pawsight.core.errors import NoPictures
from pawsight.core.progress import Silent
from pawsight.core.storage import sha256_of_file

from ..conftest import BACKBONE, BACKBONE_PX

_OPENED: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _OPENED is not None and event == "open" and isinstance(arguments[0], str | bytes):
        _OPENED.append(os.fsdecode(arguments[0]))


@pytest.fixture(scope="module", autouse=True)
def _listening() -> None:
    sys.addaudithook(_note)  # cannot be taken away again, and does nothing outside `recording`


@contextmanager
def recording() -> Iterator[list[str]]:
    global _OPENED  # noqa: PLW0603
    opened: list[str] = []
    _OPENED = opened
    try:
        yield opened
    finally:
        _OPENED = None


@pytest.fixture
def run(own_run):
    """A run of this test's own, since looks are counted in it."""
    return own_run


@pytest.fixture
def sealed(run, tmp_path):
    """Paths of the test part's files."""
    with (run / "splits.csv").open(newline="") as file:
        paths = {str(tmp_path / "data" / row["path"]) for row in csv.DictReader(file) if row["part"] == "test"}
    assert paths
    return paths


def jobs(run):
    """Every verb that works on a finished run without asking for its test part."""
    from pawsight.commands.compare import compare
    from pawsight.commands.predict import predict
    from pawsight.commands.report import report
    from pawsight.commands.review import review

    twin = shutil.copytree(run, run.parent / "twin")
    picture = next((run.parent.parent / "data" / "train" / "cats").iterdir())
    return {
        "report": lambda: report([run]),  # first, so that it has to compute what the run does not keep
        "evaluate": lambda: evaluate(run),
        "evaluate --slices": lambda: evaluate(run, slices=True),
        "evaluate --learning-curve": lambda: evaluate(run, learning_curve=True),
        "compare": lambda: compare([run, twin]),
        "review": lambda: review(run),
        "predict": lambda: list(predict(run, [str(picture)])),
    }


def test_other_data_that_holds_the_run_s_own_pictures_is_measured_without_its_test_set(run, tmp_path):
    data, counts = tmp_path / "data", Counter(subset_by_content(run).values())
    renamed = data.rename(tmp_path / "renamed")
    for number, path in enumerate(sorted(renamed.rglob("*.jpg"))):
        path.rename(path.with_name(f"{number}.jpg"))
    made = evaluate(run, renamed)
    assert made.metrics.pictures == made.from_validation == counts["validation"]
    reasons = Counter(file.reason for file in made.left_out)
    assert (reasons[OWN_TEST], reasons["trained on"]) == (counts["test"], counts["train"])
    assert looks_at_test(run) == 0
    lines = summary(made)
    assert any(f"pawsight evaluate {run} --test" in line for line in lines)
    (warning,) = [line for line in lines if line.startswith("WARNING")]
    assert str(counts["validation"]) in warning
    # A set aside under another name is no way round the count.
    tested = [path for path in renamed.rglob("*.jpg") if subset_by_content(run)[sha256_of_file(path)] == "test"]
    for path in tested:
        (tmp_path / "new" / path.parent.name).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "new" / path.parent.name / path.name)
    with pytest.raises(NoPictures, match=OWN_TEST):
        evaluate(run, tmp_path / "new", including_training=True)
    assert looks_at_test(run) == 0
    assert evaluate(run, tmp_path / "new", test=True).metrics.pictures == counts["test"]
    assert looks_at_test(run) == 1


def test_an_evaluation_in_which_nothing_was_seen_is_not_counted(run, tmp_path):
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(NoPictures) as caught:
        evaluate(run, test=True)
    assert str(tmp_path / "data") in caught.value.why  # the place that was searched
    assert f"pawsight evaluate {run} FOLDER --test" in caught.value.fix
    assert looks_at_test(run) == 0


def test_the_look_is_counted_in_the_run_that_was_measured_wherever_latest_leads_meanwhile(run, monkeypatch):
    other, latest = shutil.copytree(run, run.parent / "002"), run.parent / "latest"
    latest.symlink_to(run.name)

    class Moves(Silent):
        def say(self, line):
            latest.unlink(missing_ok=True)
            latest.symlink_to(other.name)

    assert evaluate(latest, test=True, progress=Moves()).bundle == run / "bundle"
    assert (looks_at_test(run), looks_at_test(other)) == (1, 0)
    monkeypatch.setenv("HOME", str(run.parent))
    assert evaluate("~/001", test=True).looks_at_test == looks_at_test(run) == 2
    for name in ("bundle", "bundle/bundle.json"):
        assert evaluate(run / name).part == "validation"
    monkeypatch.chdir(run / "bundle")
    assert evaluate(".", test=True).looks_at_test == looks_at_test(run) == 3


# The table of the guide, row by row: which of them counts an evaluation of the test set
COUNTED = {
    "train DATA": False,
    "train --from RUN --add NEW": False,
    "train DATA --folds 5": False,
    "ladder DATA": False,
    "evaluate RUN": False,
    "evaluate RUN --test": True,
    "evaluate RUN DATA": False,
    "evaluate RUN DATA --test": True,
    "compare RUNS": False,
    "compare RUNS --test": True,
    "report RUNS": False,
    "review RUN": False,
    "predict RUN PICTURES": False,
}


def test_the_guide_s_table_is_what_is_counted(run, tmp_path):
    """Each row is typed; train and ladder make runs of their own, whose count is taken."""
    text = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+?)` \|.*\| (yes|no)\b[^|]*\|$", text, re.MULTILINE)
    assert {typed: answer == "yes" for typed, answer in rows} == COUNTED
    data, twin = tmp_path / "data", shutil.copytree(run, tmp_path / "twin")
    made = {row: tmp_path / "more" / f"{number:03}" for number, row in enumerate(list(COUNTED)[:4], 1)}
    more = {
        "train": ["--backbone", BACKBONE, "--image-px", str(BACKBONE_PX), "--depth", "last"],
        "ladder": ["--recipes", "majority"],
        "report": ["--quick"],
    }
    names = {"RUN": [run], "RUNS": [run, twin], "DATA": [data], "NEW": [data], "PICTURES": [next(data.rglob("*.jpg"))]}
    for row, is_counted in COUNTED.items():
        verb, *words = row.split()
        before = looks_at_test(run)
        typed = [verb, *(str(word) for name in words for word in names.get(name, [name])), *more.get(verb, [])]
        typed += ["--out", str(tmp_path / "more")] if row in made else []
        result = CliRunner().invoke(cli, [*typed, "--quiet", *(["--json"] if verb == "review" else [])])
        assert result.exit_code == 0, (row, result.output)
        assert looks_at_test(made.get(row, run)) - (0 if row in made else before) == is_counted, row
        assert looks_at_test(run) - before == (is_counted and row not in made), row
    assert looks_at_test(twin) == 1


def test_verbs_on_a_finished_run_open_no_test_picture(run, sealed):
    for verb, work in jobs(run).items():
        with recording() as opened:
            work()
        assert opened, f"{verb}: something was opened"
        assert sealed.isdisjoint(opened), verb
        assert looks_at_test(run) == 0, verb


@pytest.mark.parametrize("are_renamed", [False, True])
def test_pictures_are_looked_for_without_opening_the_test_set_unless_they_changed_places(
    run, sealed, tmp_path, are_renamed
):
    """Beside them lie files that are no pictures, one of which cannot be read."""
    data = tmp_path / "data"
    (data / "notes").mkdir()
    (data / "notes" / "text.dat").write_text("not a picture")
    (data / "notes" / "loop.bin").symlink_to("loop.bin")
    moved = held_out(run, "validation").candidates[0].path
    if are_renamed:
        at_test = Path(min(sealed))
        at_test.rename(data / "aside")
        moved.rename(at_test)
        (data / "aside").rename(moved)
        moved = held_out(run, "validation").candidates[1].path
    moved.rename(data / "notes" / "moved")
    with recording() as opened:
        found = held_out(run, "validation")
    assert all(sha256_of_file(file.path) == found.contents[file.name] for file in found.candidates)
    assert sealed.isdisjoint(opened) != are_renamed


def test_evaluate_test_opens_them_and_counts_and_shows_each_look(run, sealed):
    with recording() as opened:
        first = evaluate(run, test=True)
    assert sealed <= set(opened)
    assert first.to_json()["looks_at_test"] == 1
    assert looks_sentence(1) in summary(first)
    second = evaluate(run, test=True)
    assert second.to_json()["looks_at_test"] == looks_at_test(run) == 2
    assert looks_sentence(2) in summary(second)
    assert evaluate(run).to_json()["looks_at_test"] is None


def test_a_look_is_told_with_its_number(snapshot):
    assert [looks_sentence(number) for number in (1, 2, 1_000)] == snapshot


def test_the_report_shows_the_looks(run):
    from pawsight.commands.report import report

    pages = {}
    for looks in (2, 3):
        (run / "looks.json").write_text(json.dumps({"looks_at_test": looks}))
        pages[looks] = report([run], quick=True).report.with_suffix(".md").read_text("utf-8").splitlines()
    (two,), (three,) = (set(pages[looks]) - set(pages[5 - looks]) for looks in (2, 3))
    assert two.replace(" 2 ", " 3 ") == three


def test_comparing_on_the_test_part_is_a_look_at_both_and_is_shown(run):
    from pawsight.commands.compare import compare
    from pawsight.commands.compare import summary as lines_of

    twin = shutil.copytree(run, run.parent / "twin")
    made = compare([run, twin], test=True)
    assert made.to_json()["looks_at_test"] == [looks_at_test(run), looks_at_test(twin)] == [1, 1]
    assert looks_sentence(1) in lines_of(made)
    assert compare([run, twin]).to_json()["looks_at_test"] == []


def test_slices_of_the_test_part_are_a_look_and_are_not_stored(run):
    evaluate(run, test=True, slices=True)
    assert looks_at_test(run) == 1
    assert not (run / "slices.json").exists()


def test_a_ladder_lets_the_chosen_rung_alone_answer_to_the_test_part(warm, tmp_path):
    from pawsight.commands.ladder import ladder

    runs = tmp_path / "runs"
    outcome = ladder(warm.data, recipes=["majority"], out=runs)
    assert outcome.report.test is not None
    with (runs / "001" / "predictions.csv").open(newline="") as file:
        assert {row["part"] for row in csv.DictReader(file)} == {"validation"}
    assert looks_at_test(runs / "001") == 0, "the last word on the chosen rung belongs to the end of training"


def test_while_training_the_test_part_is_answered_to_once_at_the_end(warm):
    """Its files are read to hash them, and its features kept; nothing is fitted to them or chosen by them."""
    with (warm.report.run / "predictions.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert set(parts) == {"validation", "test"}
    assert json.loads((warm.report.run / "metrics.json").read_text())["test"]["pictures"] == parts.count("test")


def test_a_preview_shows_training_pictures_alone(warm, tmp_path, monkeypatch):
    from pawsight.commands.preview import preview

    monkeypatch.chdir(tmp_path)
    parts = {picture.name: picture.part for picture in warm.report.split.assigned}
    shown = preview(warm.data, out=tmp_path / "sheets").shown
    assert {parts[name] for names in shown.values() for name in names} == {"train"}
