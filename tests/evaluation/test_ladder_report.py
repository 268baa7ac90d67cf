"""Tests of `evaluation.ladder_report` and the pieces it is made of."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pawsight.errors import WrongUsage
from pawsight.evaluation import ladder_words as words
from pawsight.evaluation.compare import gain
from pawsight.evaluation.ladder_outcome import Ladder, summary
from pawsight.evaluation.ladder_outcome import test_sentences as sentences_about_test
from pawsight.evaluation.ladder_report import as_markdown, build_report, told_about
from pawsight.evaluation.ladder_views import RungView, command_of, rung_views, unique_names
from pawsight.evaluation.run_folder import read_rung
from pawsight.runs import write_table

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


def change(run: Path, **values: Any) -> None:
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def without(run: Path, *keys: str) -> None:
    path = run / "metrics.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in values.items() if key not in keys}))


def test_a_ladder_is_told_in_three_files(make: Make, tmp_path: Path) -> None:
    more = {"adds": "A net of its own.", "parameters": {"total": 1234567, "trainable": 1000}, "layers": LAYERS}
    more |= {"seconds_per_epoch": 2.5, "command": "pawsight train x --recipe cnn", "notes": ["Loss stood still."]}
    runs = [make(0.5, recipe="majority"), make(0.7, epochs=4, more=more), make(0.95, recipe="probe", test=True)]
    report = build_report(runs, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    page = page_of(report)
    for told in (
        "Telling cats from dogs",
        "There are 23 images of cats and 23 images of dogs.",
        "A net of its own.",
        "1,234,567 (1,000 trained)",
        "158 × 158 × 32",
        "Loss stood still.",
        "2.5 s an epoch",
        "pawsight train x --recipe cnn",
        "numpy 2.4.6",
        "a processor, 2 cores",
        "d1ce" * 16,
        "probe has the highest validation accuracy",
        "On 40 pictures that it was neither trained on nor chosen by",
    ):
        assert told in page.text
    assert page.tags.count("svg") == 4  # two curves, the ladder, the confusion matrix


def test_the_json_holds_what_a_program_needs(make: Make, tmp_path: Path) -> None:
    runs = [make(0.5, more={"seconds_per_epoch": 2.5}), make(0.95, recipe="probe", test=True)]
    report = build_report(runs, tmp_path / "out")
    plain = json.loads((tmp_path / "out" / "report.json").read_text())
    assert plain == report.to_json()
    assert [(rung["recipe"], rung["run"]) for rung in plain["rungs"]] == [
        ("cnn", str(runs[0])),
        ("probe", str(runs[1])),
    ]
    assert plain["rungs"][0]["gain"] is None
    assert plain["rungs"][0]["seconds_per_epoch"] == 2.5
    assert plain["rungs"][0]["parameters"] is None
    assert {"points", "interval", "p_value", "verdict"} <= plain["rungs"][1]["gain"].keys()
    first, second = (rung["validation"] for rung in plain["rungs"])
    assert plain["rungs"][1]["gain"]["points"] == pytest.approx(100 * (second["accuracy"] - first["accuracy"]))
    assert plain["rungs"][1]["gain"]["verdict"] == "better"
    assert plain["chosen"] == "probe"
    assert plain["test"]["accuracy"] == second["accuracy"]
    assert plain["report"] == str(tmp_path / "out" / "report.html")


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(make: Make, tmp_path: Path) -> None:
    page = page_of(build_report([make(0.6, epochs=2), make(0.9)], tmp_path / "out"))
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    policy = [values for tag, values in page.attributes if tag == "meta" and "http-equiv" in values]
    assert policy == [
        {
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        }
    ]
    for _, values in page.attributes:
        assert (values.get("src") or "data:").startswith("data:")
        assert (values.get("href") or "#").startswith("#")
        assert not [name for name in values if name.startswith("on")]
    raw = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", raw)


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


def test_fifty_classes_with_long_names_stay_readable(make: Make, tmp_path: Path) -> None:
    classes = tuple(f"class number {number} with a name that does not want to end" for number in range(50))
    report = build_report([make(0.5, classes=classes)], tmp_path / "out")
    page = page_of(report)
    assert "Telling 50 classes apart" in page.text
    assert "44 more classes are not shown." in page.text
    assert "There are 1150 images of 50 classes, 23 of each." in page.text
    assert "Both are in the order of the table of classes." in page.text


def test_pictures_that_have_moved_are_named_and_not_shown(make: Make, tmp_path: Path) -> None:
    run = make(0.5)
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    page = page_of(build_report([run], tmp_path / "out"))
    assert "img" not in page.tags
    assert "The pictures are no longer where they were when the runs were made" in page.text
    assert "Their pictures are gone or were changed since, so they are only named." in page.text
    assert "validation/0/0." in page.text


def test_a_picture_that_was_changed_is_not_shown(make: Make, tmp_path: Path) -> None:
    run = make(1.0)
    changed = tmp_path / "pictures" / "train" / "0" / "0.1.jpg"
    changed.write_bytes((tmp_path / "pictures" / "train" / "1" / "1.1.jpg").read_bytes())
    page = page_of(build_report([run], tmp_path / "out"))
    assert page.tags.count("img") == 5
    assert "Of cats fewer than 3 could be found unchanged." in page.text


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
    story = text[text.index("most confident mistakes") :]
    assert story.index("over 99.9 %") < story.index(fields[0]) < story.index("validation/", story.index(fields[0]) + 20)


def test_a_run_without_mistakes_says_so(make: Make, tmp_path: Path) -> None:
    assert (
        "It made no mistake on 40 pictures of the validation part."
        in page_of(build_report([make(1.0)], tmp_path / "o")).text
    )


def test_two_rungs_that_answer_alike_are_a_tie(make: Make, tmp_path: Path) -> None:
    runs = [make(0.7, seed=5), make(0.7, seed=5, recipe="probe")]
    report = build_report(runs, tmp_path / "out")
    assert report.rungs[1].gain is not None
    assert report.rungs[1].gain.verdict == "tie"
    text = page_of(report).text
    assert "A tie: both are right, or both wrong, on each of 40 pictures." in text
    assert "Between it and the next best, probe, the paired test sees a tie" in text


def test_equal_accuracy_goes_to_the_lower_log_loss(make: Make, tmp_path: Path) -> None:
    runs = [make(0.7, seed=5), make(0.7, seed=5, recipe="probe")]
    better = json.loads((runs[1] / "metrics.json").read_text())["validation"] | {"log_loss": 0.01}
    change(runs[1], validation=better)
    assert build_report(runs, tmp_path / "out").chosen == "probe"


def test_only_the_chosen_rungs_test_score_is_told(make: Make, tmp_path: Path) -> None:
    low, high = make(0.6, test=True), make(0.95, recipe="probe", test=True)
    change(low, test=json.loads((low / "metrics.json").read_text())["test"] | {"accuracy": 0.4321})
    (high / "looks.json").write_text('{"looks_at_test": 3}')
    page = page_of(build_report([low, high], tmp_path / "out"))
    assert "43.2" not in page.text
    assert "Test scores of the other rungs are left out on purpose." in page.text
    assert "also looked at 3 times by pawsight evaluate or compare." in page.text


def test_without_a_test_score_the_report_says_how_to_get_one(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    report = build_report([run], tmp_path / "out")
    assert report.test is None
    text = page_of(report).text
    assert (
        f"There is no test score: the run holds none. Once all is decided, this measures it: pawsight evaluate {run} --test"
        in text
    )
    assert "The test, once" not in text


def test_a_run_that_says_little_is_told_as_far_as_it_goes(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    for name in ("predictions.csv", "splits.csv", "source.json", "recipe.toml", "bundle/bundle.json"):
        (run / name).unlink()
    (run / "metrics.json").write_text('{"recipe": "probe"}')
    report = build_report([make(0.7), run], tmp_path / "out")
    assert report.rungs[1].validation is None
    assert report.rungs[1].gain is None
    text = page_of(report).text
    assert "It was not measured on validation" in text
    assert "the two answered no validation picture in common" in text


def test_a_run_whose_fields_are_of_the_wrong_kind_is_still_told(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    wrong = dict.fromkeys(
        ("layers", "notes", "parameters", "seconds", "split", "counts", "left_out", "straddling", "test"), "x"
    )
    change(run, **wrong, seconds_per_epoch=True, command=["pawsight", "train", "my pictures"])
    (run / "history.csv").write_text("epoch,loss\nx,y\n")
    (run / "looks.json").write_text("[")
    text = page_of(build_report([run], tmp_path / "out")).text
    assert "pawsight train 'my pictures'" in text


def test_without_any_measured_run_none_is_chosen(make: Make, tmp_path: Path) -> None:
    run = make(0.8)
    change(run, validation=None)
    report = build_report([run], tmp_path / "out")
    assert (report.chosen, report.test) == (None, None)
    assert "None of these runs was measured on validation" in page_of(report).text


def test_an_older_run_gets_a_command_put_together_from_its_records(make: Make, tmp_path: Path) -> None:
    text = page_of(build_report([make(0.8, recipe="probe", seed=3)], tmp_path / "out")).text
    assert ", put together from what the run records" in text
    assert f"pawsight train {tmp_path / 'pictures'} --recipe probe --seed 3 --image-px 160" in text


def test_a_command_put_together_names_all_that_decides_a_run(make: Make, tmp_path: Path) -> None:
    run = make(0.8, recipe="probe", seed=3)
    (run / "recipe.toml").write_text('name = "probe"\nbackbone = "lite0"\nimage_px = 96\nseed = 3\nsplit_seed = 5\n')
    assert command_of(read_rung(run)) == (
        f"pawsight train {tmp_path / 'pictures'} --recipe probe --seed 3 --backbone lite0 --image-px 96 --split-seed 5",
        True,
    )
    (run / "recipe.toml").write_text('name = "probe"\n')
    assert "--image-px" not in command_of(read_rung(run))[0]


def views_of(*runs: Path) -> list[RungView]:
    rungs = [read_rung(run) for run in runs]
    return rung_views(rungs, unique_names(rungs), [None] * len(rungs), None)


def test_a_log_loss_that_is_not_known_is_not_told(make: Make) -> None:
    run = make(0.8)
    assert "with a log loss of" in views_of(run)[0].score
    plain = json.loads((run / "metrics.json").read_text())["validation"]
    change(run, validation=plain | {"log_loss": None})
    assert views_of(run)[0].score.endswith(" %).".replace(" ", "\N{NO-BREAK SPACE}"))


def test_of_two_equal_rungs_the_one_whose_log_loss_is_known_is_chosen(make: Make) -> None:
    known, unknown, unmeasured = make(0.8, seed=1), make(0.8, seed=1), make(0.9)
    plain = json.loads((unknown / "metrics.json").read_text())["validation"]
    change(unknown, validation=plain | {"log_loss": None})
    change(unmeasured, validation=None)
    assert told_about([unknown, unmeasured, known]) == known


def test_epochs_that_were_not_validated_are_not_summed_up(make: Make) -> None:
    best = {"number": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.75}
    best |= {"learning_rate": 0.001, "seconds": 2.5}

    def told(*epochs: dict[str, float]) -> str:
        run = make(0.8)
        write_table(run / "history.csv", tuple(best), [tuple(one.values()) for one in epochs])
        return views_of(run)[0].curve.replace("\N{NO-BREAK SPACE}", " ")

    summed = "it is right on 80.0 % of the training part and 75.0 % of validation."
    assert told(best | {"val_accuracy": math.nan}) == ""
    assert told(best) == f"At its best epoch, 1 of 1, {summed}"
    assert told(best, best | {"number": 2, "accuracy": 0.9, "val_accuracy": 0.7}) == (
        f"At its best epoch, 1 of 2, {summed} At the last, on 90.0 % and 70.0 %."
    )


def test_parameters_whose_training_is_not_recorded_are_counted_alone(make: Make) -> None:
    def told(parameters: dict[str, int]) -> str:
        return dict(views_of(make(0.8, more={"parameters": parameters}))[0].facts)["Parameters"]

    assert told({"total": 1234567, "trainable": 1000}) == "1,234,567 (1,000 trained)"
    assert told({"total": 1234567, "trainable": 1234567}) == "1,234,567 (all trained)"
    assert told({"total": 1234567}) == "1,234,567"


def test_scores_without_a_baseline_are_not_compared_with_one(make: Make) -> None:
    run = make(0.8, test=True)

    def told() -> list[str]:
        rung = read_rung(run)
        ladder = Ladder(rungs=(rung,), gains=(None,), chosen=rung)
        return [*summary(ladder, "cnn"), *sentences_about_test(ladder)]

    assert sum("Always giving the commonest answer would score" in one for one in told()) == 2
    plain = json.loads((run / "metrics.json").read_text())
    change(run, **{part: plain[part] | {"baseline": None} for part in ("validation", "test")})
    first, second, *_ = told()[:2]
    assert first.startswith("cnn was measured on validation: right on ")
    assert second.startswith("On the test part it is right on ")
    assert not any("would score" in one for one in told())


def test_runs_of_one_recipe_are_told_apart_by_seed(make: Make, tmp_path: Path) -> None:
    text = page_of(build_report([make(0.7, seed=1), make(0.8, seed=2)], tmp_path / "out")).text
    assert "cnn, seed 1, run 001" in text
    assert "cnn, seed 2, run 002" in text


def test_runs_on_different_splits_come_with_a_warning(make: Make, tmp_path: Path) -> None:
    runs = [make(0.7), make(0.8)]
    change(runs[1], split={"digest": "0" * 64, "train": 6, "validation": 40, "test": 0})
    text = page_of(build_report(runs, tmp_path / "out")).text
    assert "These runs did not use one and the same split." in text
    assert "only the pictures that both validated on count here" in text


def test_what_flatters_the_scores_is_said(make: Make, tmp_path: Path) -> None:
    left_out = [{"path": "a.heic", "reason": "not a picture"}] * 2
    run = make(0.7, more={"left_out": left_out, "straddling": [["a", "b"]]})
    text = page_of(build_report([run], tmp_path / "out")).text
    assert "2 files were left out: 2 not a picture." in text
    assert "1 group of pictures that look the same stands in two parts of the split" in text


def test_a_run_named_twice_counts_once(make: Make, tmp_path: Path) -> None:
    run = make(0.7)
    link = tmp_path / "latest"
    link.symlink_to(run.name)
    assert len(build_report([run, link], tmp_path / "out").rungs) == 1


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage) as caught:
        build_report([tmp_path / "none"], tmp_path / "out")
    assert str(caught.value) == (
        f"{tmp_path / 'none'} is no finished run.\n"
        "There is no metrics.json in it that can be read.\n"
        "Name finished runs, e.g. pawsight report runs/001 runs/002"
    )
    assert not (tmp_path / "out").exists()


def test_no_run_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="no run to report on"):
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
    rung = read_rung(run)
    assert any(one.probability != one.probability for one in rung.answers)
    assert words.certainty(float("nan")) == "unknown"


def test_words_for_figures() -> None:
    nbsp = "\N{NO-BREAK SPACE}"
    assert words.signed(0.04) == "0.0"
    assert words.signed(-1.26) == "−1.3"
    assert words.percent(1.0) == f"100.0{nbsp}%"
    assert words.certainty(1.0) == f"100.0{nbsp}%"
    assert words.chance(0.0004) == f"p{nbsp}<{nbsp}0.001"
    assert [words.duration(one) for one in (2.34, 75, 300, 7200, None)] == [
        f"2.3{nbsp}s", f"75{nbsp}s", f"5.0{nbsp}min", f"2.0{nbsp}h", "unknown",
    ]  # fmt: skip
    assert words.joined(["a", "b", "c"]) == "a, b and c"
    assert (
        words.count_sentence({"cats": 1000, "dogs": 1000}) == "There are 1000 images of cats and 1000 images of dogs."
    )
    assert words.count_sentence({"cat": 1, "dog": 2}) == "There is 1 image of cat and 2 images of dog."
    many = {f"c{number}": number + 1 for number in range(9)}
    assert words.count_sentence(many) == "There are 45 images of 9 classes, from 1 of c0 to 9 of c8."
    assert words.title(["a", "b", "c"]) == "Telling a, b and c apart"


def test_a_verdict_is_a_sentence_with_its_counts() -> None:
    told = words.verdict_sentence(gain(396, 8, 3, 401), "probe", "cnn").replace("\N{NO-BREAK SPACE}", " ")
    assert told == (
        "A tie: probe alone is right on 3, cnn alone on 8, of 808 pictures; chance alone explains a difference of that"
        " size (exact McNemar test, p = 0.23). About 1,981 more validation pictures would settle it, if it is real."
    )


def test_markdown_is_escaped() -> None:
    assert as_markdown("a|b<c>\n[d]") == "a\\|b\\<c\\>\\\\u000a\\[d\\]"


def test_markup_in_any_string_of_a_run_is_escaped_in_markdown(make: Make, tmp_path: Path) -> None:
    """Code spans too: no reader of Markdown is handed a tag."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(one) for key, one in value.items()}
        if isinstance(value, list):
            return [replaced(one) for one in value]
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
