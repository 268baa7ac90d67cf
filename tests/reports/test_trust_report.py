"""What a report says of trust: read back from the run, told in words and pictures, and silent about what is not there."""

from __future__ import annotations

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from pawsight.classifier.trust import DetectionCount, OodDetector
from pawsight.core.runs import write_table
from pawsight.core.storage import write_json
from pawsight.data.audit import Finding
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import sentence as curve_sentence
from pawsight.evaluation.slices import Slice
from pawsight.reports.candidates import unique_names
from pawsight.reports.ladder_page import class_rows
from pawsight.reports.ladder_report import build_report, report_subject
from pawsight.reports.run_record import AnswerTable, RunRecord
from pawsight.reports.trust_answers import answers_view, guarantee_sentences, seen_rows
from pawsight.reports.trust_page import make_trust, trust_json
from pawsight.reports.words import visible

from .conftest import (
    CLASSES,
    COLUMNS,
    EVIL,
    GUARD,
    PROMISE,
    curve,
    one_run,
    plain_curve,
    plain_suspects,
    slices_of,
    write_findings,
)  # fmt: skip

KINDS = [("noise", 15, 14), ("writing", 0, 0)]


class Page(HTMLParser):
    """The tags of a page, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).replace("\N{NO-BREAK SPACE}", " ").split())


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def without_pictures(run: Path, place: Path) -> Path:
    """A copy of a run that knows of no pictures: decoding them takes the time."""
    copy = shutil.copytree(run, place / "001")
    (copy / "source.json").write_text("{}")
    return copy


def page_of(run: Path, target: Path) -> Page:
    return Page(build_report([run], target).report.read_text(encoding="utf-8"))


def test_slices_and_curve_come_back_as_they_were(whole: Path) -> None:
    slices, kept = RunRecord.read(whole).slices, RunRecord.read(whole).learning_curve
    assert slices is not None
    assert [slice_.to_json() for slice_ in slices.slices] == [item.to_json() for item in slices_of(whole)]
    assert (slices.subset, slices.pictures) == ("validation", 40)
    assert kept is not None
    assert kept.curve == curve()
    assert kept.is_stand_in


def test_findings_come_back_as_they_were_and_names_stay_names(tmp_path: Path) -> None:
    findings = [
        Finding.of("a.jpg", "near-duplicate", "123"),
        Finding.of("b.jpg", "dark", 12.5),
        Finding.of("c.jpg", "tiny", 20),
    ]
    findings += [Finding.of("cats", "shortcut-format", "PNG: 1 %"), Finding.of("d,\r\n.jpg", "blurry", 0.004)]
    write_json(tmp_path / "metrics.json", {"recipe": "probe"})
    write_findings(tmp_path, findings)
    assert RunRecord.read(tmp_path).findings == tuple(findings)
    write_table(tmp_path / "audit.csv", COLUMNS, [("a", "a problem of tomorrow", "1", "high"), ("b", "dark", "1", "?")])
    assert RunRecord.read(tmp_path).findings == ()


def test_every_part_of_trust_is_told(whole: Path, tmp_path: Path) -> None:
    page, trust = page_of(whole, tmp_path), make_trust(RunRecord.read(whole), {})
    assert trust["suspects"] is not None
    assert trust["slices"] is not None
    told = [
        trust["audit"]["summary"],
        trust["audit"]["leaks"],
        trust["suspects"]["sentence"],
        trust["slices"]["sentence"],
    ]
    told += [*trust["answers"]["guarantee"], trust["answers"]["calibration"], curve_sentence(curve())]
    for sentence in told:
        assert sentence
        assert " ".join(plain(sentence).split()) in page.text
    assert page.text.count("cats → ") == 12  # the top of the ranking
    assert "12.5 of 255" in page.text  # brightness
    assert f"pawsight review {os.path.relpath(whole, tmp_path)}" in page.text
    assert "script" not in page.tags
    assert "\\u202e" in page.text


def test_pairs_stand_side_by_side_with_their_names_and_parts(whole: Path) -> None:
    trust = make_trust(RunRecord.read(whole), {})
    first, second = trust["audit"]["pairs"]
    assert [(side.path, side.part) for side in first.sides] == [
        ("train/0/0.0.jpg", "train"),
        ("validation/0/0.1.jpg", "validation"),
    ]
    assert all(side.address.startswith("data:image/jpeg") for side in (*first.sides, *second.sides))
    (dispute,) = trust["audit"]["conflicting"]
    assert {side.label for side in dispute.sides} == {"cats", "dogs"}
    assert trust["audit"]["closest"] == []  # where pictures straddle, the nearly alike are beside the point


def test_where_nothing_straddles_the_most_alike_are_shown(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "001")
    metrics = json.loads((run / "metrics.json").read_text()) | {"straddling": []}
    (run / "metrics.json").write_text(json.dumps(metrics))
    audit = make_trust(RunRecord.read(run), {})["audit"]
    assert audit["pairs"] == []
    assert [[side.part for side in item.sides] for item in audit["closest"]] == [["train", "validation"]]
    assert audit["closest"][0].text.startswith("91\N{NO-BREAK SPACE}%")


def test_the_json_holds_all_figures(whole: Path, tmp_path: Path) -> None:
    build_report([whole], tmp_path)
    plain = json.loads((tmp_path / "report.json").read_text())["trust"]
    assert plain["audit"]["problems"]["two-labels"] == {"severity": "high", "count": 2}
    assert len(plain["audit"]["straddling"]) == 2
    assert plain["audit"]["disputed"] == [["train/1/1.0.jpg", "train/0/0.0.jpg"]]
    assert plain["calibration"]["temperature"] == 1.4
    assert len(plain["calibration"]["intervals"]["brier"]) == 2
    assert sum(item["pictures"] for item in plain["calibration"]["reliability"]["before"]) == 40
    assert plain["abstention"] == {"max_error": 0.05, "promise": PROMISE, "broken": None}
    assert plain["guard"] == GUARD
    assert plain["suspects"]["flagged"] == 14
    assert plain["slices"]["slices"][0]["verdict"] == "worse"
    assert plain["learning_curve"]["twice"]["pictures"] == 200
    assert plain["gain_from_patch"] is None


def test_the_words_alone_hold_it_too(whole: Path, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    build_report([whole], tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<script", "")
    assert "\n\n\n" not in text
    for place in (tmp_path, whole.parent):
        assert str(place) not in text
    assert text.replace(os.path.relpath(whole.parent, tmp_path), "PLACE") == snapshot


def test_a_run_of_an_earlier_version_says_what_to_type(
    tmp_path: Path, fake_runs: Any, snapshot: SnapshotAssertion
) -> None:
    run = one_run(tmp_path, fake_runs)
    text = page_of(run, tmp_path / "out").text
    for options in ("evaluate {} --slices", "evaluate {} --learning-curve", "review {}"):
        assert f"pawsight {options.format('../001')}" in text
    trust = make_trust(RunRecord.read(run), {})
    (no_promise,) = trust["answers"]["guarantee"]
    told = [trust["audit"]["summary"], trust["answers"]["calibration"], no_promise.replace(str(tmp_path), "PLACE")]
    assert [plain(sentence) for sentence in told] == snapshot
    assert trust_json(RunRecord.read(run)) == {
        "run": str(run), "audit": {"straddling": []}, "cross_validation": None,
        "calibration": None, "abstention": None, "guard": None,
        "suspects": None, "gain_from_patch": None, "growth": None, "slices": None, "learning_curve": None, "looks_at_test": 0,
    }  # fmt: skip


def test_why_a_part_is_absent_is_told_as_it_is(tmp_path: Path, fake_runs: Any) -> None:
    run = one_run(tmp_path, fake_runs)
    build_report([run], tmp_path / "out", absent={"slices": f"The pictures {EVIL} are gone."})
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert visible(EVIL) in page.text
    assert "script" not in page.tags


def test_a_promise_that_could_not_be_kept_says_why(tmp_path: Path, fake_runs: Any, snapshot: SnapshotAssertion) -> None:
    broken = {"max_error": 0.001, "promise": None, "guard": None, "broken": "40 pictures are too few."}
    run = one_run(tmp_path, fake_runs, abstention=broken)
    (told,) = answers_view(RunRecord.read(run))["guarantee"]
    assert plain(told) == snapshot


def guarantee_of(
    run: Path, place: Path, promise: dict[str, Any], test: AnswerTable | None = None
) -> tuple[RunRecord, list[str]]:
    """A run with another guarantee, and what its report says about it."""
    copy = without_pictures(run, place)
    abstention = {"max_error": 0.05, "promise": promise, "guard": None, "broken": None}
    metrics = json.loads((copy / "metrics.json").read_text()) | {"abstention": abstention}
    (copy / "metrics.json").write_text(json.dumps(metrics))
    record = RunRecord.read(copy)
    return record, [plain(sentence) for sentence in guarantee_sentences(record, test)]


def answered_to_test() -> AnswerTable:
    """Answers to five pictures: three are surer than 0.7, one of these is wrong."""
    table = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55]])
    said = [CLASSES[item] for item in table.argmax(axis=1)]
    true = ["cats", "dogs", "dogs", "cats", "cats"]
    answers = tuple(Answer("", str(row), *pair, 1.0) for row, pair in enumerate(zip(true, said, strict=True)))
    return AnswerTable(CLASSES, answers, table)


def test_the_test_part_bears_a_promise_out_or_does_not(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    _, (*_, told) = guarantee_of(whole, tmp_path, PROMISE, answered_to_test())
    assert told == snapshot


def test_the_test_part_says_nothing_of_a_promise_under_which_none_of_it_is_answered(
    whole: Path, tmp_path: Path
) -> None:
    _, told = guarantee_of(whole, tmp_path, PROMISE | {"threshold": 0.95}, answered_to_test())
    assert len(told) == 2
    assert not re.search(r"\bof 5\b", " ".join(told))


def test_a_promise_that_cannot_be_read_is_none_and_the_record_says_why(whole: Path, tmp_path: Path) -> None:
    broken = {name: value for name, value in PROMISE.items() if name != "threshold"}
    record, _ = guarantee_of(whole, tmp_path, broken, answered_to_test())
    assert record.guarantee is None
    (problem,) = record.problems
    assert "threshold" in problem


def test_a_promise_that_needs_no_silence_says_so(whole: Path, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    free = PROMISE | {"threshold": 0.0, "answered": 40, "coverage": 1.0, "coverage_interval": [0.9, 1.0]}
    _, (_, told) = guarantee_of(whole, tmp_path, free)
    assert told == snapshot


def test_a_kind_of_strange_picture_of_which_there_was_none_is_left_out() -> None:
    known = tuple(DetectionCount(kind=kind, pictures=pictures, caught=caught) for kind, pictures, caught in KINDS)
    detector = OodDetector(threshold=0.6, false_alarms=0.01, pictures=40, components=8, caught=known)
    (seen,) = seen_rows(detector)
    assert (seen["kind"], seen["pictures"], seen["caught"]) == ("noise", "15", "14")


@pytest.mark.parametrize(
    "findings", [[Finding.of(name, "dark", 12.5) for name in names] for names in ("", "a", "ab")], ids=len
)
def test_few_findings_are_told_in_few_words(
    tmp_path: Path, fake_runs: Any, findings: list[Finding], snapshot: SnapshotAssertion
) -> None:
    run = fake_runs.write_run(tmp_path / "001", [("a.jpg", "0" * 64, "cats", "validation")] * 2, CLASSES, root=tmp_path,
                              accuracy=1.0)  # fmt: skip
    write_findings(run, findings)
    assert make_trust(RunRecord.read(run), {})["audit"]["summary"] == snapshot


def test_of_many_pictures_with_one_fault_the_first_are_shown(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "001")
    there = [f"train/{number}/{number}.{index}.jpg" for number in (0, 1) for index in (0, 1, 2)]
    write_findings(run, [Finding.of(path, "dark", 12.5) for path in there])
    (problem,) = make_trust(RunRecord.read(run), {})["audit"]["problems"]
    assert problem["count"] == 6
    assert [exhibit.sides[0].path for exhibit in problem["exhibits"]] == there[:4]


def test_a_run_that_does_not_say_what_straddles_is_not_called_clean(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | {"straddling": []}))
    clean = make_trust(RunRecord.read(run), {})["audit"]["leaks"]
    del metrics["straddling"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert [clean, make_trust(RunRecord.read(run), {})["audit"]["leaks"]] == snapshot


def test_labels_that_nobody_doubts_are_called_the_least_certain(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)
    write_json(run / "suspects.json", plain_suspects(whole) | {"flagged": 0, "left_out": 2})
    view = make_trust(RunRecord.read(run), {})["suspects"]
    assert view is not None
    assert plain(view["sentence"]) == snapshot


def one_slice(**changes: Any) -> Slice:
    values = {
        "name": "dark", "kind": "trait", "pictures": 9, "right": 9, "accuracy": 1.0, "interval": Interval(0.7, 1.0),
        "rest_accuracy": 0.9, "difference": 10.0, "p_value": 1.0, "p_holm": 1.0, "verdict": "tie", "worst": (),
    }  # fmt: skip
    return Slice(**(values | changes))


def test_kinds_of_pictures_that_are_as_good_as_the_rest_are_told_so(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)

    def told(*slices: Slice) -> str:
        kept = {"part": "validation", "pictures": 40, "slices": [slice_.to_json() for slice_ in slices]}
        write_json(run / "slices.json", kept)
        view = make_trust(RunRecord.read(run), {})["slices"]
        assert view is not None
        return plain(view["sentence"])

    kinds = [[one_slice(p_holm=None)], [one_slice()], [one_slice(), one_slice(name="bright", accuracy=0.5)]]
    assert [told(*slices) for slices in kinds] == snapshot


def test_a_worst_slice_with_no_rest_is_told_without_a_difference(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)
    wrong = Answer("validation/0/0.0.jpg", "", "cats", "dogs", 0.9)
    alone = one_slice(right=8, accuracy=8 / 9, rest_accuracy=None, difference=None, worst=(wrong,))
    write_json(run / "slices.json", {"part": "validation", "pictures": 9, "slices": [alone.to_json()]})
    view = make_trust(RunRecord.read(run), {})["slices"]
    assert view is not None
    (spot,) = view["spots"]
    assert spot["sentence"] == snapshot
    assert len(spot["exhibits"]) == 1


def test_a_figure_that_is_none_stays_text_and_a_curve_of_one_point_is_none(whole: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"recipe": "probe"})
    write_table(
        tmp_path / "audit.csv", COLUMNS, [("a", "dark", value, "low") for value in ("nan", "inf", "3.5", "3", "grey")]
    )
    read = RunRecord.read(tmp_path).findings
    assert read is not None
    assert [item.value for item in read] == ["nan", "inf", 3.5, 3, "grey"]
    write_json(tmp_path / "learning_curve.json", plain_curve() | {"points": plain_curve()["points"][:1]})
    assert RunRecord.read(tmp_path).learning_curve is None
    plain = plain_suspects(whole)
    plain["suspects"] = [plain["suspects"][0] | {"score": "inf"}]
    write_json(tmp_path / "suspects.json", plain)
    assert RunRecord.read(tmp_path).suspects is None


@pytest.mark.parametrize(
    "calibration",
    [
        {"temperature": 1.0, "pictures": 90, "fitted_on": "x"},
        {"temperature": 0.5, "pictures": 90},
        {"temperature": 0.5, "pictures": 0},
    ],
    ids=["as it was", "sharpened", "none"],
)
def test_every_temperature_is_told_for_what_it_does(
    whole: Path, tmp_path: Path, calibration: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)
    metrics = json.loads((run / "metrics.json").read_text()) | {"calibration": calibration}
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert plain(answers_view(RunRecord.read(run))["calibration"]) == snapshot


def test_what_a_patch_gained_is_told_with_its_interval(
    whole: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    run = without_pictures(whole, tmp_path)
    gain = {"points": 1.25, "interval": [0.2, 2.5], "p_value": 0.02, "verdict": "better", "only_first": 1}
    gain |= {"only_second": 9, "pictures": 640, "p_holm": None}
    metrics = json.loads((run / "metrics.json").read_text()) | {"gain_from_patch": gain, "patch": {"relabelled": 9}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    for name in ("suspects.json", "another.json"):
        build_report([run], tmp_path / "out")
        (told,) = [line for line in (tmp_path / "out" / "report.md").read_text().splitlines() if "+1.2" in line]
        assert plain(told) == snapshot
        (run / name).unlink(missing_ok=True)


def test_pictures_that_are_gone_are_only_named(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "001")
    (run / "source.json").write_text(json.dumps({"root": str(tmp_path / "nowhere")}))
    page = page_of(run, tmp_path / "out")
    assert "img" not in page.tags
    assert "validation/0/0.1.jpg" in page.text


@pytest.mark.parametrize("name", ["slices.json", "suspects.json", "learning_curve.json", "audit.csv"])
@pytest.mark.parametrize("content", ["", "[]", "{", '{"slices": 3, "points": [1], "suspects": [{}]}', "\x00,\n\n"])
def test_files_that_were_cut_short_are_as_good_as_none(
    whole: Path, few_resamples: None, tmp_path: Path, name: str, content: str
) -> None:
    run = without_pictures(whole, tmp_path)
    (run / name).write_text(content)
    make_trust(RunRecord.read(run), {})
    record = RunRecord.read(run)
    kept = {
        "slices.json": record.slices,
        "suspects.json": record.suspects,
        "learning_curve.json": record.learning_curve,
    }
    assert name not in kept or kept[name] is None


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of 20 resamples instead of 1,000, where what they say does not matter."""
    monkeypatch.setattr("pawsight.evaluation.bootstrap.MOST", 20)
    monkeypatch.setattr("pawsight.evaluation.bootstrap.LEAST", 20)
    monkeypatch.setattr("pawsight.evaluation.calibration._DRAWS", 20)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["slices.json", "suspects.json", "learning_curve.json", "metrics.json"]),
    st.data(),
)
def test_whatever_a_field_holds_the_report_is_made(
    whole: Path, few_resamples: None, tmp_path: Path, name: str, data: Any
) -> None:
    run = tmp_path / "001"
    if not run.is_dir():
        shutil.copytree(whole, run)
        (run / "source.json").write_text("{}")  # without pictures: decoding them takes the time
    plain = json.loads((whole / name).read_text())
    keys = ["abstention", "calibration", "gain_from_patch", "straddling", "validation"]
    key = data.draw(st.sampled_from(sorted(plain) if name != "metrics.json" else keys))
    try:
        (run / name).write_text(json.dumps(plain | {key: data.draw(json_values)}))
        candidate = RunRecord.read(run)
        make_trust(candidate, {})
        trust_json(candidate)
    finally:
        (run / name).write_text((whole / name).read_text())


def test_trust_is_about_the_chosen_candidate_alone(whole: Path, tmp_path: Path, fake_runs: Any) -> None:
    rows = fake_runs.draw_pictures(tmp_path / "pictures", CLASSES)
    worse = fake_runs.write_run(tmp_path / "002", rows, CLASSES, root=tmp_path / "pictures", accuracy=0.3)
    assert report_subject([worse, whole]) == whole
    report = build_report([worse, whole], tmp_path / "out")
    assert report.trust is not None
    assert report.trust["run"] == str(whole)
    chosen = unique_names([RunRecord.read(worse), RunRecord.read(whole)])[1]
    assert chosen in Page(report.report.read_text(encoding="utf-8")).text
    for run in (worse, shutil.copytree(whole, tmp_path / "003")):
        metrics = json.loads((run / "metrics.json").read_text()) | {"validation": None}
        (run / "metrics.json").write_text(json.dumps(metrics))
    assert report_subject([worse, tmp_path / "003"]) is None
    assert report_subject([worse]) == worse


def test_each_class_has_an_interval_on_every_figure(whole: Path) -> None:
    rows = class_rows(RunRecord.read(whole))
    assert [row["name"] for row in rows] == list(CLASSES)
    for row in rows:
        for figure, interval in row["figures"]:
            low, high = interval.split(" to ")
            assert float(low) <= float(figure) <= float(high)


def test_a_class_without_pictures_has_no_scores_and_the_missing_area_is_explained(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    values = json.loads((run / "metrics.json").read_text())
    (cats, dogs), pictures = values["validation"]["classes"], values["validation"]["pictures"]
    values["validation"]["classes"] = [cats, dogs | {"pictures": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}]
    values["validation"] |= {"roc_auc": None, "confusion": [[pictures, 0], [0, 0]]}
    write_json(run / "metrics.json", values)
    assert class_rows(RunRecord.read(run))[1]["figures"] == [("-", "")] * 3
    (area,) = [row for row in answers_view(RunRecord.read(run))["scores"] if row["name"] == "ROC AUC"]
    assert area["validation"] == "-"
    assert "'dogs'" in area["validation_interval"]
