"""The verb `predict`: lines for people and JSON for programs, as they come."""

from __future__ import annotations

import errno
import itertools
import json
import os
from dataclasses import replace

import pytest
from PIL import Image

from pawsight.classifier.predictor import Prediction
from pawsight.commands.predict import expected_lines, is_answer_file, line, predict, predict_file, predict_to
from pawsight.core.errors import NoPictures, StorageError, WrongUsage
from pawsight.core.progress import Silent
from pawsight.core.runs import read_table


@pytest.fixture
def red(tmp_path):
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def answered(verdict="answered", **shares):
    label = max(shares, key=shares.get)
    return Prediction("a.jpg", label if verdict == "answered" else verdict, shares[label], shares, None, verdict)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answered(cats=0.99, dogs=0.01), "a.jpg: cats 99.0 % (dogs 1.0 %)"),
        (answered(cats=0.999, dogs=0.001), "a.jpg: cats 99.9 %"),
        (answered(cats=0.1, dogs=0.6, geese=0.3), "a.jpg: dogs 60.0 % (geese 30.0 %, cats 10.0 %)"),
        (answered(a=0.4, b=0.3, c=0.2, d=0.1), "a.jpg: a 40.0 % (b 30.0 %, c 20.0 %)"),
        (answered("unsure", cats=0.621, dogs=0.379), "a.jpg: unsure (cats 62.1 %, dogs 37.9 %)"),
        (answered("unlike all", cats=0.001, dogs=0.999), "a.jpg: unlike all (dogs 99.9 %)"),
    ],
)
def test_a_line_for_people_names_the_answer_and_what_came_close(answer, expected):
    assert line(answer) == expected


def test_a_line_names_the_set_and_an_answer_that_is_not_the_likeliest_class():
    within = replace(answered(cats=0.9, dogs=0.1), set=("cats", "dogs"))
    assert line(within) == "a.jpg: cats 90.0 % (dogs 10.0 %), set: cats, dogs"
    unsure = replace(answered("unsure", cats=0.6, dogs=0.4), probability=None, set=("cats", "dogs"))
    assert line(unsure) == "a.jpg: unsure (cats 60.0 %, dogs 40.0 %), set: cats, dogs"
    cheapest = Prediction("a.jpg", "dogs", 0.4, {"cats": 0.6, "dogs": 0.4}, None, "answered")
    assert line(cheapest) == "a.jpg: dogs 40.0 % (cats 60.0 %)"


def test_a_line_for_people_says_why_there_is_no_answer(snapshot):
    shares = {"big": 0.9, "red": 0.6, "round": 0.2}
    several = Prediction("a.jpg", None, None, shares, None, "unsure", labels=("big",), unsure=("red",))
    assert line(several) == "a.jpg: big 90.0 % (unsure: red 60.0 %; round 20.0 %)", "each label is named once"
    assert line(Prediction("a.jpg", None, None, None, "truncated")) == snapshot


def test_json_has_these_keys_and_no_others(colour_bundle, red, tmp_path):
    good, bad = predict(colour_bundle, [red, tmp_path / "missing.png"])
    plain = json.loads(json.dumps(good.to_json(), allow_nan=False))
    assert list(plain) == ["path", "label", "probability", "probabilities", "error", "decision", "verdict", "set"]
    assert (plain["path"], plain["label"], plain["error"]) == (str(red), "red", None)
    assert plain["probabilities"]["red"] == plain["probability"] > 0.99
    assert bad.to_json() == {
        "path": str(tmp_path / "missing.png"),
        "label": None,
        "probability": None,
        "probabilities": None,
        "error": bad.error,
        "decision": None,
        "verdict": None,
        "set": None,
    }
    assert bad.error


def test_answers_come_while_pictures_are_still_being_given(colour_bundle, red):
    answers = predict(colour_bundle, [red] * 1000)
    assert [answer.label for answer in itertools.islice(answers, 3)] == ["red"] * 3
    answers.close()


def test_files_below_folders_are_answered_sorted_and_hidden_ones_left_alone(colour_bundle, red, tmp_path):
    folder = tmp_path / "holiday"
    for name in ("b.png", "a.png", ".hidden.png", "deep/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(red.read_bytes())
    answers = predict(colour_bundle, [folder, red])
    assert [answer.path for answer in answers] == [
        str(folder / "a.png"),
        str(folder / "b.png"),
        str(folder / "deep" / "c.png"),
        str(red),
    ]


def test_folders_without_files_are_told_instead_of_passed_over(colour_bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPictures) as error:
        list(predict(colour_bundle, [tmp_path / "empty"]))
    assert str(tmp_path / "empty") in error.value.what


def test_a_place_without_a_bundle_is_refused(red, tmp_path):
    with pytest.raises(WrongUsage, match="nowhere"):
        next(predict(tmp_path / "nowhere", [red]))


def test_a_run_that_stands_after_the_pictures_is_told_with_the_line_to_type(colour_bundle, red):
    with pytest.raises(WrongUsage) as error:
        next(predict(red, [colour_bundle]))
    assert f"pawsight predict {colour_bundle} {red}" in error.value.fix


def test_a_file_of_a_bundle_means_the_bundle_and_another_file_is_told(colour_bundle, red):
    (answer,) = predict(colour_bundle / "model.onnx", [red])
    assert answer.label == "red"
    with pytest.raises(WrongUsage, match="is a file"):
        next(predict(red, [red]))


@pytest.mark.parametrize(("folders", "total"), [(False, 3), (True, None)])
def test_the_listener_knows_the_total_where_it_can_be_known(colour_bundle, red, folders, total):
    told = []

    class Listener(Silent):
        def stage(self, name, total, unit=""):
            told.append((name, total, unit))
            return super().stage(name, total, unit)

    list(predict(colour_bundle, [red, red, red.parent if folders else red], progress=Listener()))
    ((_, counted, _),) = told
    assert counted == total


def test_a_large_picture_is_read_with_the_option_that_its_error_names(colour_bundle, tmp_path):
    Image.new("RGB", (8000, 6400), (250, 5, 5)).save(tmp_path / "phone.png")
    (refused,) = predict(colour_bundle, [tmp_path / "phone.png"])
    assert refused.error == "51.2 megapixels, 50 allowed: --max-megapixels 60"
    (answered,) = predict(colour_bundle, [tmp_path / "phone.png"], max_megapixels=60)
    assert answered.label == "red"


def test_a_share_that_is_gone_ends_a_prediction(colour_bundle, tmp_path, red, monkeypatch):
    def gone(*_):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("pawsight.images.loader.regular_file", gone)
    with pytest.raises(StorageError, match=os.strerror(errno.ESTALE).lower()):
        list(predict(colour_bundle, [red] * 9))


# Options


@pytest.mark.parametrize(("threshold", "label", "decision"), [(0.999, "red", "answered"), (1.0, "unsure", "unsure")])
def test_below_a_threshold_a_picture_is_unsure(colour_bundle, tmp_path, threshold, label, decision):
    Image.new("RGB", (20, 20), (250, 100, 5)).save(tmp_path / "orange.png")
    (answer,) = predict(colour_bundle, [tmp_path / "orange.png"], threshold=threshold)
    assert (answer.label, answer.decision) == (label, decision)
    assert answer.probabilities["red"] > 0.99
    assert answer.probability == answer.probabilities["red"]


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1, "a.jpg: a 40.0 %"),
        (2, "a.jpg: a 40.0 % (b 30.0 %)"),
        (9, "a.jpg: a 40.0 % (b 30.0 %, c 30.0 %, d 0.0 %)"),
        (None, "a.jpg: a 40.0 % (b 30.0 %, c 30.0 %, d 0.0 %)"),
    ],
)
def test_a_line_names_as_many_classes_as_are_asked_for(top, expected):
    assert line(answered(a=0.4, b=0.3, c=0.3, d=0.0), top) == expected


def test_other_files_in_a_folder_are_skipped_and_counted(colour_bundle, red, tmp_path, said):
    (tmp_path / "notes.docx").write_bytes(b"PK\3\4")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4\n")
    (answer,) = predict(colour_bundle, [tmp_path], progress=said)
    assert (answer.path, answer.error) == (str(red), None)
    assert [line.split()[:2] for line in said.lines] == [["Skipped", "2"]]
    (named,) = predict(colour_bundle, [tmp_path / "scan.pdf"])
    assert named.error
    red.unlink()
    with pytest.raises(NoPictures, match="2 files that are no pictures"):
        list(predict(colour_bundle, [tmp_path]))


@pytest.fixture
def said():
    class Listener(Silent):
        def __init__(self):
            self.lines = []

        def say(self, line):
            self.lines.append(line)

    return Listener()


# What the pictures say about the classifier


@pytest.fixture
def colours(tmp_path):
    """Twelve pictures like those that the classifier was measured on, and twelve pale ones."""
    for folder, (strong, weak) in {"like": (245, 5), "pale": (200, 150)}.items():
        (tmp_path / folder).mkdir()
        for number in range(12):
            colour = tuple(strong - number if place == number % 3 else weak + number for place in range(3))
            Image.new("RGB", (20, 20), colour).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def expected(run, folder):
    found = []
    assert len(list(predict(run, [folder], expect=found.append))) == 12
    (told,) = found
    return told


def test_what_is_expected_comes_after_the_last_picture(watched_bundle, colours):
    told = expected(watched_bundle, colours / "like")
    assert told.pictures == 12
    assert not told.is_alarm
    assert told.interval.high == 1
    lines = expected_lines(told)
    assert lines[0].startswith("Expected ")
    assert lines[1].startswith("Alike ")


def test_pictures_of_another_kind_are_expected_to_be_right_less_often_and_raise_an_alarm(watched_bundle, colours):
    like, pale = (expected(watched_bundle, colours / folder) for folder in ("like", "pale"))
    assert pale.is_alarm
    assert pale.interval.low < like.interval.low
    assert expected_lines(pale)[1].startswith("WARNING ")


def test_a_run_that_keeps_nothing_to_compare_with_says_so_before_a_picture_is_read(colour_bundle, red):
    with pytest.raises(WrongUsage) as error:
        predict(colour_bundle, [red], expect=print)
    assert str(colour_bundle) in error.value.what
    assert "--expect" in error.value.fix


def test_where_no_picture_can_be_read_nothing_is_expected(watched_bundle, tmp_path):
    found = []
    list(predict(watched_bundle, [tmp_path / "none.png"], expect=found.append))
    assert found == []
    assert len(expected_lines(None)) == 1


# A file of answers


def test_a_file_holds_a_row_for_each_picture_and_the_report_counts_them(colour_bundle, red, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    report = predict_file(colour_bundle, [red, tmp_path / "cut.jpg"], tmp_path / "answers.csv", top=2)
    rows = read_table(tmp_path / "answers.csv")
    assert [(row["path"], row["label"], row["decision"], row["class_1"]) for row in rows] == [
        (str(red), "red", "answered", "red"),
        (str(tmp_path / "cut.jpg"), "", "", ""),
    ]
    assert rows[1]["error"]
    assert (report.tally.pictures, report.tally.answered, report.tally.errors, report.parts) == (2, 1, 1, 0)
    assert {"out", "pictures", "answered", "errors", "classes", "bundle", "seconds"} <= set(report.to_json())
    assert "expected" not in report.to_json()


def test_the_report_of_a_file_says_what_is_expected(watched_bundle, colours):
    report = predict_file(watched_bundle, [colours / "like"], colours / "answers.csv", expect=True)
    assert report.to_json()["expected"]["pictures"] == 12
    assert len(report.lines()) == 4


@pytest.mark.parametrize(
    ("out", "is_file"),
    [
        ("a.csv", True),
        ("a.JSON", True),
        ("x/a.jsonl", True),
        ("a.parquet", True),
        ("a", False),
        ("a.csv/", False),
        ("v1.2", False),
    ],
)
def test_the_ending_says_whether_out_is_a_file(out, is_file):
    assert is_answer_file(out) == is_file


def test_a_folder_that_is_there_is_a_folder_whatever_it_is_called(tmp_path):
    (tmp_path / "old.parquet").mkdir()
    assert not is_answer_file(str(tmp_path / "old.parquet"))


def test_a_kind_that_is_not_written_is_refused_with_one_that_is():
    with pytest.raises(WrongUsage) as error:
        is_answer_file("my answers.xlsx")
    assert error.value.fix.endswith("--out 'my answers.csv'")


@pytest.mark.parametrize(
    ("out", "typed"), [("a.csv.gz", "--out a.csv"), ("b.parquet.zip", "--out b.csv"), ("-", "--json")]
)
def test_a_compressed_file_and_standard_output_are_no_folders(out, typed):
    with pytest.raises(WrongUsage) as error:
        is_answer_file(out)
    assert typed in error.value.fix


def test_every_way_to_predict_computes_on_the_device_that_is_named(gpu, colour_bundle, red, tmp_path):
    (answered,) = predict(colour_bundle, [red], device="gpu")
    predict_file(colour_bundle, [red], tmp_path / "answers.csv", device="gpu")
    predict_to(colour_bundle, [red], tmp_path / "answers", device="gpu")
    assert answered.label == "red"
    assert gpu.used == ["GPU"] * 3
    with pytest.raises(WrongUsage, match="--device gpu"):
        predict_to(colour_bundle, [red], tmp_path / "more", device="gpu", engine="ray")


def test_costs_change_the_answer_without_training(colour_bundle, red, tmp_path):
    (plain,) = predict(colour_bundle, [red])
    names = sorted(plain.probabilities, key=plain.probabilities.get)
    costs = tmp_path / "costs.csv"
    costs.write_text(f"true,predicted,cost\n{names[-1]},{names[-1]},1000\n{names[-1]},{names[-2]},500\n")
    (cheapest,) = predict(colour_bundle, [red], costs=costs)
    assert (plain.label, cheapest.label) == (names[-1], names[0])
    assert cheapest.probability == plain.probabilities[names[0]]
    assert cheapest.probabilities == plain.probabilities
    with pytest.raises(WrongUsage, match="'wolf'"):
        predict(colour_bundle, [red], costs={("wolf", names[0]): 2.0})


def test_sets_are_measured_on_the_validation_set_of_a_run(own_run, drawings, tmp_path):
    picture = next((drawings / "train" / "cats").iterdir())
    (within,) = predict(own_run, [picture], sets=0.8)
    assert within.set
    assert within.set[0] == max(within.probabilities, key=within.probabilities.get)
    report = predict_file(own_run, [picture], tmp_path / "answers.csv", sets=0.8)
    (row,) = read_table(tmp_path / "answers.csv")
    assert row["set"] == "|".join(within.set)
    assert report.tally.pictures == 1
    predict_file(own_run, [picture], tmp_path / "answers.json", sets=0.8)
    assert json.loads((tmp_path / "answers.json").read_text())[0]["set"] == list(within.set)
    (plain,) = predict(own_run, [picture])
    assert plain.set is None
    with pytest.raises(WrongUsage, match="999 validation pictures"):
        predict(own_run, [picture], sets=0.999)


def test_sets_need_a_run_and_not_a_bundle_alone(colour_bundle, red):
    with pytest.raises(WrongUsage, match="validation set") as error:
        predict(colour_bundle, [red], sets=0.9)
    assert "--sets 90%" in error.value.fix
