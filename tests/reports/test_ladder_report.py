"""Tests of `evaluation.ladder_report` and the pieces it is made of."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pawsight.core.errors import WrongUsage
from pawsight.core.runs import write_table
from pawsight.evaluation.comparison import gain
from pawsight.evaluation.cross_validation import CrossValidation
from pawsight.reports import words
from pawsight.reports.candidates import candidate_views, command_of, unique_names
from pawsight.reports.first_screen import first_screen
from pawsight.reports.ladder_page import Ladder, choice_sentence, mistakes_note, summary
from pawsight.reports.ladder_page import test_sentences as sentences_about_test
from pawsight.reports.ladder_report import as_markdown, build_report, climbed, report_subject
from pawsight.reports.pictures import confident_mistakes
from pawsight.reports.run_record import RunRecord

CATS_AND_DOGS = ("cats", "dogs")
VOID = {"meta", "img", "br"}
LAYERS = [{"name": "conv2d", "type": "Conv2D", "output": [None, 158, 158, 32], "parameters": 896}]


class Page(HTMLParser):
    """A page taken apart: what is in it, and that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    @property
    def pieces(self) -> list[str]:
        return [piece for said in self.said if (piece := " ".join(said.split()))]


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, fake_runs: Any) -> Make:
    """Return a function that writes one run after another about the same pictures."""
    drawn: dict[tuple[str, ...], Any] = {}

    def one(accuracy: float, *, classes: tuple[str, ...] = CATS_AND_DOGS, **options: Any) -> Path:
        root = tmp_path / "pictures"
        if classes not in drawn:
            drawn[classes] = fake_runs.draw_pictures(root, classes)
        number = len(list(tmp_path.glob("[0-9]*"))) + 1
        options.setdefault("seed", number)
        return fake_runs.write_run(
            tmp_path / f"{number:03d}", drawn[classes], classes, root=root, accuracy=accuracy, **options
        )

    return one


def page_of(report: Any) -> Page:
    return Page(report.report.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def new_in(report: Any, before: list[str], place: Path) -> list[str]:
    """What a page says that another did not say, with the folder of the test called PLACE."""
    return [piece.replace(str(place), "PLACE") for piece in page_of(report).pieces if piece not in before]


def headings(report: Any) -> set[str]:
    lines = report.report.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("## ") for line in lines if line.startswith("## ")}


def change(run: Path, **values: Any) -> None:
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def without(run: Path, *keys: str) -> None:
    path = run / "metrics.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in values.items() if key not in keys}))


def test_a_ladder_is_told_in_three_files(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    more = {"adds": "A net of its own.", "parameters": {"total": 1234567, "trainable": 1000}, "layers": LAYERS}
    more |= {"seconds_per_epoch": 2.5, "command": "pawsight train x --recipe cnn", "notes": ["Loss stood still."]}
    runs = [make(0.5, recipe="majority"), make(0.7, epochs=4, more=more), make(0.95, recipe="probe", test=True)]
    report = build_report(runs, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    page = page_of(report)
    for told in (
        "A net of its own.",
        "1,234,567",
        "158 × 158 × 32",
        "Loss stood still.",
        "2.5 s",
        "pawsight train x --recipe cnn",
        "numpy 2.4.6",
        "a processor, 2 cores",
        "d1ce" * 16,
    ):
        assert told in page.text
    assert page.tags.count("svg") == 4  # two curves, the ladder, the confusion matrix
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert markdown.replace(str(tmp_path), "PLACE").replace(as_markdown(tmp_path), "PLACE") == snapshot


def test_the_json_holds_what_a_program_needs(make: Make, tmp_path: Path) -> None:
    runs = [make(0.5, more={"seconds_per_epoch": 2.5}), make(0.95, recipe="probe", test=True)]
    report = build_report(runs, tmp_path / "out")
    plain = json.loads((tmp_path / "out" / "report.json").read_text())
    assert plain == report.to_json()
    assert [(candidate["recipe"], candidate["run"]) for candidate in plain["rungs"]] == [
        ("cnn", str(runs[0])),
        ("probe", str(runs[1])),
    ]
    assert plain["rungs"][0]["gain"] is None
    assert plain["rungs"][0]["seconds_per_epoch"] == 2.5
    assert plain["rungs"][0]["parameters"] is None
    assert {"points", "interval", "p_value", "verdict"} <= plain["rungs"][1]["gain"].keys()
    first, second = (candidate["validation"] for candidate in plain["rungs"])
    assert plain["rungs"][1]["gain"]["points"] == pytest.approx(100 * (second["accuracy"] - first["accuracy"]))
    assert plain["rungs"][1]["gain"]["verdict"] == "better"
    assert plain["chosen"] == "probe"
    assert plain["test"]["accuracy"] == second["accuracy"]
    assert plain["report"] == str(tmp_path / "out" / "report.html")


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(make: Make, tmp_path: Path) -> None:
    page = page_of(build_report([make(0.6, epochs=2), make(0.9)], tmp_path / "out"))
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    (policy,) = [values for tag, values in page.attributes if tag == "meta" and "http-equiv" in values]
    assert policy["http-equiv"] == "Content-Security-Policy"
    directives = dict(word.strip().split(" ", 1) for word in str(policy["content"]).split(";"))
    assert directives == {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'"}
    for _, values in page.attributes:
        assert (values.get("src") or "data:").startswith("data:")
        assert (values.get("href") or "#").startswith("#")
        assert not [name for name in values if name.startswith("on")]
    raw = (tmp_path / "out" / "report.html").read_text()
    for elsewhere in (r"url\((?!#)", "@import", r"https?://(?!www\.w3\.org/)"):
        assert not re.search(elsewhere, raw)


def test_the_page_can_be_heard_as_well_as_seen(make: Make, tmp_path: Path) -> None:
    page = page_of(build_report([make(0.6, epochs=2, more={"layers": LAYERS}), make(0.9)], tmp_path / "out"))
    assert page.attributes[0] == ("html", {"lang": "en"})
    assert all(values.get("alt") for tag, values in page.attributes if tag == "img")
    assert all(values.get("aria-label") for tag, values in page.attributes if tag == "svg")
    assert page.tags.count("table") == page.tags.count("caption")
    assert page.tags.count("h1") == page.tags.count("main") == 1
    identifiers = [values["id"] for _, values in page.attributes if "id" in values]
    assert len(identifiers) == len(set(identifiers))
    targets = [(values["href"] or "")[1:] for tag, values in page.attributes if tag == "a"]
    assert targets
    assert set(targets) <= set(identifiers)


def test_names_with_markup_are_only_names(make: Make, tmp_path: Path) -> None:
    classes = (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "a|b`c*d",
        "\N{RIGHT-TO-LEFT OVERRIDE}evil",
        "{{ 7*7 }}",
    )
    hostile = {"notes": ["<b>bold</b>"], "adds": "<i>", "command": "rm `x` </code>", "machine": "<u>", "weights": "<s>"}
    hostile |= {"layers": [{"name": "</table>", "type": "<p>", "output": "<p>", "parameters": "<p>"}]}
    runs = [make(0.6, classes=classes, recipe="<h1>cnn</h1>", epochs=1, more=hostile) for _ in range(2)]
    page = page_of(build_report(runs, tmp_path / "out"))
    assert not {"script", "i", "u", "s"} & set(page.tags)
    assert page.tags.count("h1") == 1
    assert all((values.get("src") or "").startswith("data:") for tag, values in page.attributes if tag == "img")
    for told in ("<script>alert(1)</script>", "<h1>cnn</h1>", "\\u202eevil", "{{ 7*7 }}", "<b>bold</b>"):
        assert told in page.text
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in markdown.replace("\\<script", "")
    assert "a\\|b\\`c\\*d" in markdown


def test_fifty_classes_with_long_names_stay_readable(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    classes = tuple(f"class number {number} with a name that does not want to end" for number in range(50))
    of_two = page_of(build_report([make(0.5)], tmp_path / "two")).pieces
    said = new_in(build_report([make(0.5, classes=classes)], tmp_path / "out"), of_two, tmp_path)
    told = [
        piece for piece in said if re.search(r"[a-z]{4}", piece) and not re.search("class number|PLACE|pawsight", piece)
    ]
    assert told == snapshot  # how many there are, and how many are not shown


def test_pictures_that_have_moved_are_named_and_not_shown(
    make: Make, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = make(0.5)
    before = page_of(build_report([run], tmp_path / "out"))
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    report = build_report([run], tmp_path / "out")
    assert before.tags.count("img") > 6
    assert "img" not in page_of(report).tags
    assert "validation/0/0." in page_of(report).text
    assert new_in(report, before.pieces, tmp_path) == snapshot


def test_a_picture_that_was_changed_is_not_shown(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    run = make(1.0)
    before = page_of(build_report([run], tmp_path / "out"))
    changed = tmp_path / "pictures" / "train" / "0" / "0.1.jpg"
    changed.write_bytes((tmp_path / "pictures" / "train" / "1" / "1.1.jpg").read_bytes())
    report = build_report([run], tmp_path / "out")
    assert (before.tags.count("img"), page_of(report).tags.count("img")) == (6, 5)
    assert new_in(report, before.pieces, tmp_path) == snapshot


def test_the_same_seed_shows_the_same_pictures(make: Make, tmp_path: Path) -> None:
    run = make(0.5)
    build_report([run], tmp_path / "out")
    first = (tmp_path / "out" / "report.html").read_bytes()
    build_report([run], tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == first


def test_the_surest_mistakes_come_first_and_are_never_quite_certain(make: Make, tmp_path: Path) -> None:
    run = make(0.5)
    path = run / "predictions.csv"
    header, *lines = path.read_text().splitlines()
    fields = lines[30].split(",")  # the eleventh dog
    lines[30] = ",".join([*fields[:4], "cats", "0.999960", "0.000040"])
    path.write_text("\n".join([header, *lines]) + "\n")
    text = page_of(build_report([run], tmp_path / "out")).text
    first = text.index(" 99.9 %")  # nothing else is that sure
    assert "100.0 %" not in text[first:]
    assert first < text.index(fields[0], first) < text.index("validation/", text.index(fields[0], first) + 20)
    assert not re.search(r"validation/\S+", text[:first])


def test_a_run_without_mistakes_says_so(make: Make) -> None:
    run = make(1.0)
    assert "40" in mistakes_note(RunRecord.read(run), 0, 0)
    assert confident_mistakes(RunRecord.read(run)) == ([], 0)


def test_two_candidates_that_answer_alike_are_a_tie(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    runs = [make(0.7, seed=5), make(0.7, seed=5, recipe="probe")]
    report = build_report(runs, tmp_path / "out")
    assert report.candidates[1].gain is not None
    assert report.candidates[1].gain.verdict == "tie"
    ladder = climbed([RunRecord.read(run) for run in runs])
    told = [
        words.verdict_sentence(report.candidates[1].gain, "probe", "cnn"),
        choice_sentence(ladder, ["cnn", "probe"], "cnn"),
    ]
    assert [plain(sentence) for sentence in told] == snapshot
    assert all(plain(sentence) in page_of(report).text for sentence in told)


def test_equal_accuracy_goes_to_the_lower_log_loss(make: Make, tmp_path: Path) -> None:
    runs = [make(0.7, seed=5), make(0.7, seed=5, recipe="probe")]
    better = json.loads((runs[1] / "metrics.json").read_text())["validation"] | {"log_loss": 0.01}
    change(runs[1], validation=better)
    assert build_report(runs, tmp_path / "out").chosen == "probe"


def test_only_the_chosen_candidates_test_score_is_told(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    low, high = make(0.6, test=True), make(0.95, recipe="probe", test=True)
    change(low, test=json.loads((low / "metrics.json").read_text())["test"] | {"accuracy": 0.4321})
    (high / "looks.json").write_text('{"looks_at_test": 3}')
    page = page_of(build_report([low, high], tmp_path / "out"))
    assert "43.2" not in page.text
    told = [plain(item) for item in sentences_about_test(climbed([RunRecord.read(low), RunRecord.read(high)]))]
    assert told == snapshot
    assert all(item in page.text for item in told)


def test_without_a_test_score_the_report_says_how_to_get_one(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    report = build_report([run], tmp_path / "out")
    assert report.test is None
    text = page_of(report).text
    assert f"pawsight evaluate {os.path.relpath(run, tmp_path / 'out')} --test" in text
    measured = build_report([make(0.8, test=True)], tmp_path / "measured")
    (other,) = headings(measured) - headings(report)  # what is called a test where there was one
    assert other not in text


def test_a_run_that_says_little_is_told_as_far_as_it_goes(
    make: Make, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = make(0.8)
    for name in ("predictions.csv", "splits.csv", "source.json", "recipe.toml", "bundle/bundle.json"):
        (run / name).unlink()
    (run / "metrics.json").write_text('{"recipe": "probe"}')
    report = build_report([make(0.7), run], tmp_path / "out")
    assert report.candidates[1].validation is None
    assert report.candidates[1].gain is None
    _, little = views_of(*(candidate.run for candidate in report.candidates))
    assert [little["score"], little["gain"], little["facts"]] == snapshot
    assert little["score"] in page_of(report).text


def test_a_run_whose_fields_are_of_the_wrong_kind_is_still_told(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    wrong = dict.fromkeys(
        ("layers", "notes", "parameters", "seconds", "split", "counts", "left_out", "straddling", "test"), "x"
    )
    change(run, **wrong, seconds_per_epoch=True, command=["pawsight", "train", "my pictures"])
    (run / "history.csv").write_text("epoch,loss\nx,y\n")
    (run / "looks.json").write_text("[")
    text = page_of(build_report([run], tmp_path / "out")).text
    assert "pawsight train 'my pictures'" in text  # as a shell takes it


def test_without_any_measured_run_none_is_chosen(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    change(run, validation=None)
    report = build_report([run], tmp_path / "out")
    assert (report.chosen, report.test) == (None, None)
    assert summary(climbed([RunRecord.read(run)]), "")[0] in page_of(report).text


def test_an_older_run_gets_a_command_put_together_from_its_records(make: Make, tmp_path: Path) -> None:
    run = make(0.8, recipe="probe", seed=3)
    options = "--recipe probe --seed 3 --image-px 160"
    command = f"pawsight train ../pictures {options} --out {os.path.relpath(run.parent, tmp_path / 'out')}"
    rebuilt = page_of(build_report([run], tmp_path / "out"))
    change(run, command=f"pawsight train {tmp_path / 'pictures'} {options}")
    kept = page_of(build_report([run], tmp_path / "out"))
    assert command in rebuilt.text
    assert command in kept.text
    assert len(rebuilt.text) > len(kept.text)  # it says where it has the command from


def test_a_command_put_together_names_all_that_decides_a_run(make: Make, tmp_path: Path) -> None:
    run = make(0.8, recipe="probe", seed=3)
    (run / "recipe.toml").write_text('name = "probe"\nbackbone = "lite0"\nimage_px = 96\nseed = 3\nsplit_seed = 5\n')
    options = {"--recipe": "probe", "--seed": 3, "--backbone": "lite0", "--image-px": 96, "--split-seed": 5}
    typed = ["pawsight", "train", str(tmp_path / "pictures"), *(str(word) for pair in options.items() for word in pair)]
    assert command_of(RunRecord.read(run)) == (shlex.join(typed), True)
    (run / "recipe.toml").write_text('name = "probe"\n')
    assert "--image-px" not in command_of(RunRecord.read(run))[0]


def test_a_command_shows_places_below_the_current_folder_from_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(0.8)
    change(run, command=f"pawsight train {tmp_path / 'data'} --split '{tmp_path / 'a b.csv'}' --patch /else/where.csv")
    monkeypatch.chdir(tmp_path)
    expected = "pawsight train data --split 'a b.csv' --patch /else/where.csv"
    assert command_of(RunRecord.read(run)) == (expected, False)
    page = build_report([run], tmp_path / "out").report
    assert str(tmp_path / "data") not in page.read_text("utf-8")
    change(run, command="pawsight train 'not closed")
    assert command_of(RunRecord.read(run)) == ("pawsight train 'not closed", False)


def views_of(*runs: Path) -> list[dict[str, Any]]:
    candidates = [RunRecord.read(run) for run in runs]
    return candidate_views(candidates, unique_names(candidates), [None] * len(candidates), None)


def test_a_log_loss_that_is_not_known_is_not_told(make: Make) -> None:
    run = make(0.8)
    measured = json.loads((run / "metrics.json").read_text())["validation"]
    assert f"{measured['log_loss']:.3f}" in views_of(run)[0]["score"]
    change(run, validation=measured | {"log_loss": None})
    assert not re.search(r"\d\.\d{3}|nan", views_of(run)[0]["score"])


def test_of_two_equal_candidates_the_one_whose_log_loss_is_known_is_chosen(make: Make) -> None:
    known, unknown, unmeasured = make(0.8, seed=1), make(0.8, seed=1), make(0.9)
    measured = json.loads((unknown / "metrics.json").read_text())["validation"]
    change(unknown, validation=measured | {"log_loss": None})
    change(unmeasured, validation=None)
    assert report_subject([unknown, unmeasured, known]) == known


def test_epochs_that_were_not_validated_are_not_summed_up(make: Make, snapshot: SnapshotAssertion) -> None:
    best = {"number": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.75}
    best |= {"learning_rate": 0.001, "seconds": 2.5}

    def told(*epochs: dict[str, float]) -> str:
        run = make(0.8)
        write_table(run / "history.csv", tuple(best), [tuple(epoch.values()) for epoch in epochs])
        return plain(views_of(run)[0]["curve"])

    assert told(best | {"val_accuracy": math.nan}) == ""
    assert told(best) == snapshot
    assert told(best, best | {"number": 2, "accuracy": 0.9, "val_accuracy": 0.7}) == snapshot


def test_parameters_whose_training_is_not_recorded_are_counted_alone(make: Make, snapshot: SnapshotAssertion) -> None:
    def told(parameters: dict[str, int]) -> str:
        _, told = views_of(make(0.8, more={"parameters": parameters}))[0]["facts"][0]
        return told

    assert told({"total": 1234567, "trainable": 1000}) == snapshot
    assert told({"total": 1234567, "trainable": 1234567}) == snapshot
    assert told({"total": 1234567}) == "1,234,567"


def test_scores_without_a_baseline_are_not_compared_with_one(make: Make) -> None:
    run = make(0.8, test=True)

    def told() -> list[str]:
        candidate = RunRecord.read(run)
        ladder = Ladder(candidates=(candidate,), gains=(None,), chosen=candidate)
        return [*summary(ladder, "cnn"), *sentences_about_test(ladder)]

    metrics, before = json.loads((run / "metrics.json").read_text()), told()
    change(run, **{part: metrics[part] | {"baseline": None} for part in ("validation", "test")})
    compared = [sentence for sentence in before if sentence not in told()]
    assert len(compared) == 2
    assert all("50.0" in sentence for sentence in compared)
    assert told() == [sentence for sentence in before if sentence not in compared]


def test_where_nothing_was_held_out_the_first_screen_and_the_table_have_the_cross_validated_figures(make: Make) -> None:
    held_out = RunRecord.read(make(0.8))
    assert held_out.validation is not None
    run = replace(held_out, validation=None, cross_validation=CrossValidation(folds=3, metrics=held_out.validation))
    verdict = str(first_screen(run, "The classifier")["verdict"])
    assert verdict.startswith("By cross-validation, the classifier is right on")
    assert all(figure in verdict for figure in (words.percent(held_out.validation.accuracy), "50.0", "training"))
    (view,) = candidate_views([run], ["probe"], [None], None)
    (before,) = candidate_views([held_out], ["probe"], [None], None)
    assert (view["accuracy"], view["interval"]) == (before["accuracy"], before["interval"])
    assert (view["by"], before["by"]) == ("cross-validated", "")


def test_runs_of_one_recipe_are_told_apart_by_seed(make: Make, tmp_path: Path) -> None:
    runs = [make(0.7, seed=1), make(0.8, seed=2)]
    names = unique_names([RunRecord.read(run) for run in runs])
    for name, seed, run in zip(names, "12", ("001", "002"), strict=True):
        assert re.search(rf"^cnn.*\b{seed}\b.*\b{run}$", name)
        assert name in page_of(build_report(runs, tmp_path / "out")).text


def test_runs_on_different_splits_come_with_a_warning(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    runs = [make(0.7), make(0.8)]
    before = page_of(build_report(runs, tmp_path / "out")).pieces
    change(runs[1], split={"digest": "0" * 64, "train": 6, "validation": 40, "test": 0})
    assert new_in(build_report(runs, tmp_path / "out"), before, tmp_path) == snapshot


def test_what_flatters_the_scores_is_said(make: Make, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    run = make(0.7)
    before = page_of(build_report([run], tmp_path / "out")).pieces
    left_out = [{"path": "a.heic", "reason": "not a picture"}] * 2
    change(run, left_out=left_out, straddling=[["a", "b"]])
    assert new_in(build_report([run], tmp_path / "out"), before, tmp_path) == snapshot


def test_a_run_named_twice_counts_once(make: Make, tmp_path: Path) -> None:
    run = make(0.7)
    link = tmp_path / "latest"
    link.symlink_to(run.name)
    assert len(build_report([run, link], tmp_path / "out").candidates) == 1


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage) as caught:
        build_report([tmp_path / "none"], tmp_path / "out")
    assert str(tmp_path / "none") in caught.value.what
    (tmp_path / "none").mkdir()
    with pytest.raises(WrongUsage, match=r"metrics\.json"):
        build_report([tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_run_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="pawsight report runs/001"):
        build_report([], tmp_path / "out")


def test_paths_with_bytes_that_are_no_text_can_be_told(make: Make, tmp_path: Path) -> None:
    run = make(0.5)
    path = run / "predictions.csv"
    path.write_bytes(path.read_bytes().replace(b"validation/0/0.", b"validation/0/\xff."))
    text = page_of(build_report([run], tmp_path / "out")).text
    assert "\N{REPLACEMENT CHARACTER}" in text


def test_answers_without_a_probability_are_unknown(make: Make) -> None:
    run = make(0.5)
    path = run / "predictions.csv"
    path.write_text(path.read_text().replace("p(cats)", "p(other)"))
    candidate = RunRecord.read(run)
    assert any(answer.probability != answer.probability for answer in candidate.answers)
    assert words.certainty(float("nan")) == words.percent(None) == words.duration(None) == words.whole(None)


def test_words_for_figures(snapshot: SnapshotAssertion) -> None:
    nbsp = "\N{NO-BREAK SPACE}"
    assert words.signed(0.04) == "0.0"
    assert words.signed(-1.26) == "−1.3"
    assert words.percent(1.0) == f"100.0{nbsp}%"
    assert words.certainty(1.0) == f"100.0{nbsp}%"
    assert words.chance(0.0004) == f"p{nbsp}<{nbsp}0.001"
    assert [words.duration(number) for number in (2.34, 75, 300, 7200)] == [
        f"2.3{nbsp}s", f"75{nbsp}s", f"5.0{nbsp}min", f"2.0{nbsp}h",
    ]  # fmt: skip
    many = {f"c{number}": number + 1 for number in range(9)}
    counts = ({}, {"cats": 1000, "dogs": 1000}, {"cat": 1, "dog": 2}, many, dict.fromkeys(many, 23))
    assert [words.count_sentence(count) for count in counts] == snapshot
    assert [words.title("abcde"[:count]) for count in (0, 2, 3, 5)] == snapshot


def test_a_verdict_is_a_sentence_with_its_counts(snapshot: SnapshotAssertion) -> None:
    assert plain(words.verdict_sentence(gain(396, 8, 3, 401), "probe", "cnn")) == snapshot
    assert plain(words.verdict_sentence(gain(59, 3, 23, 37), "probe", "cnn")) == snapshot


def test_markdown_is_escaped() -> None:
    assert as_markdown("a|b<c>\n[d]") == "a\\|b\\<c\\>\\\\u000a\\[d\\]"


def test_markup_in_any_string_of_a_run_is_escaped_in_markdown(make: Make, tmp_path: Path) -> None:
    """Code spans too: no reader of Markdown is handed a tag."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        return "<script>alert(1)</script>" if isinstance(value, str) else value

    more = {"notes": ["a"], "adds": "a", "command": "a", "left_out": [{"path": "a", "reason": "b"}]}
    more |= {"straddling": [["a", "b"]], "layers": [{"name": "n", "type": "t", "output": "o", "parameters": 3}]}
    run = make(0.7, more=more, epochs=2, test=True)
    slices = [
        {"name": "dark", "kind": "trait", "pictures": 9, "right": 5, "accuracy": 0.5, "interval": [0.3, 0.7]}
        | {"rest_accuracy": 0.9, "difference": -1.0, "p_value": 0.01, "p_holm": 0.01, "verdict": "worse", "worst": []}
    ]
    (run / "slices.json").write_text(json.dumps(replaced({"part": "v", "pictures": 40, "slices": slices})))
    metrics = run / "metrics.json"
    metrics.write_text(json.dumps(replaced(json.loads(metrics.read_text()))))
    build_report([run], tmp_path / "out")
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert markdown.count("\\<script") > 10
    assert "<script" not in markdown.replace("\\<script", "")


@pytest.fixture
def write(tmp_path: Path, fake_runs: Any) -> Any:
    """Return a function that writes a run on a part of a hundred pictures, with a digest of its own."""
    rows = [(f"{part}/{n}.jpg", f"{n:064x}", "ab"[n % 2], part) for n in range(100) for part in [_part(n)]]

    def one(name: str, root: str, first: int, last: int) -> Path:
        split = {"split": {"digest": name * 64, "train": 1, "validation": 1, "test": 0}}
        options = {"root": tmp_path / root, "accuracy": 0.8, "more": split}
        return fake_runs.write_run(tmp_path / "runs" / name, rows[first:last], ("a", "b"), **options)

    return one


def _part(number: int) -> str:
    return "validation" if number % 5 < 2 else "train"


def test_runs_of_different_data_are_refused_by_name(write: Any, tmp_path: Path) -> None:
    runs = [write("1", "cats", 0, 50), write("2", "birds", 40, 100)]
    for ask in (report_subject, lambda named: build_report(named, tmp_path / "out")):
        with pytest.raises(WrongUsage) as caught:
            ask(runs)
        places = [
            caught.value.why.index(str(place)) for place in (runs[0], tmp_path / "cats", runs[1], tmp_path / "birds")
        ]
        assert places == sorted(places)  # each run beside its own data
        assert all(f"pawsight report {run}" in caught.value.fix for run in runs)
    assert not (tmp_path / "out").exists()


def test_a_copy_of_the_data_and_one_that_grew_are_the_same_data(write: Any, tmp_path: Path) -> None:
    runs = [write("1", "cats", 0, 50), write("2", "copy", 10, 100), write("3", "cats", 50, 100)]
    build_report(runs, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert all(name * 64 in text for name in "123")  # the digest of each split
