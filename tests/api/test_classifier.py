"""The classifier of a Python program: scikit-learn's names, decisions, heat maps, what notebooks show, what is logged."""

from __future__ import annotations

import io
import logging
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.api.classifier import Classifier
from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.classifier.trust import OodDetector, RiskGuarantee, Trust
from pawsight.core.errors import NoPictures, UnreadablePicture, WrongUsage
from pawsight.models.graph import with_ood_score

MAX_CELL_BYTES = 20_000


def filled(*colour):
    return np.full((20, 30, 3), colour, np.uint8)


RED, GREEN, BLUE = filled(250, 5, 5), filled(5, 250, 5), filled(5, 5, 250)


@pytest.fixture(scope="module")
def classifier(colour_bundle):
    return pawsight.load(colour_bundle)


@pytest.fixture(scope="module")
def cautious(colour_bundle, red_score):
    """One that wants 90 %, and to which pictures are familiar that differ from grey only in red."""
    guarantee = RiskGuarantee(
        max_error=0.01,
        confidence=0.9,
        threshold=0.9,
        pictures=800,
        answered=700,
        errors=2,
        coverage=0.875,
        coverage_interval=(0.85, 0.9),
        expected_risk=0.004,
    )
    detector = OodDetector(threshold=0.95, false_alarms=0.01, pictures=800, components=1, caught=())
    bundle = read_bundle(colour_bundle)
    model = with_ood_score(bundle.model, red_score)
    card = replace(bundle.card, trust=Trust(guarantee=guarantee, detector=detector))
    return Classifier(Predictor(replace(bundle, model=model, card=card)), colour_bundle)


def test_the_names_and_shapes_are_those_of_scikit_learn(classifier):
    assert classifier.classes_.tolist() == ["red", "green", "blue"]
    labels, table = classifier.predict([RED, BLUE, GREEN]), classifier.predict_proba([RED, BLUE, GREEN])
    assert labels.tolist() == ["red", "blue", "green"]
    assert (labels.dtype, labels.shape) == (object, (3,))
    assert (table.dtype, table.shape) == (np.float32, (3, 3))
    assert classifier.classes_[table.argmax(axis=1)].tolist() == labels.tolist()
    assert table.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_of_no_pictures_there_are_no_rows(classifier):
    assert classifier.predict([]).shape == (0,)
    assert classifier.predict_proba([]).shape == (0, 3)
    assert classifier.embed([]).shape == (0, 3)
    assert list(classifier.answers([])) == []


def test_a_picture_that_is_not_answered_is_called_unsure_or_unfamiliar(cautious):
    pictures = [filled(250, 128, 128), filled(140, 135, 128), filled(130, 250, 128), None]
    assert cautious.predict(pictures).tolist() == ["red", "unsure", "unfamiliar", None]
    answers = cautious.answers(pictures)
    assert [answer.decision for answer in answers] == ["answered", "unsure", "unfamiliar", None]
    assert np.isnan(cautious.predict_proba(pictures)).any(axis=1).tolist() == [False, False, False, True]


def test_the_answers_are_those_of_the_command_line(trained):
    from pawsight.commands.predict import predict

    paths = sorted(trained.data.glob("validation/*/*.jpg"))
    assert pawsight.load(trained.report.run).answers(paths) == list(predict(trained.report.run, paths))


def test_what_is_expected_of_pictures_in_memory(watched_bundle, classifier):
    told = pawsight.load(watched_bundle).expect([RED, GREEN, BLUE, None] * 5)
    assert isinstance(told, pawsight.Deployment)
    assert told.pictures == 15
    assert told.interval.low <= told.accuracy <= told.interval.high
    assert pawsight.load(watched_bundle).expect([None]) is None
    with pytest.raises(pawsight.PawsightError, match="nothing to compare"):
        classifier.expect([RED])


def test_score_counts_the_likeliest_class_and_unreadable_ones_as_wrong(classifier, cautious):
    assert classifier.score([RED, GREEN, BLUE, BLUE], ["red", "green", "blue", "red"]) == 0.75
    assert classifier.score([RED, None], np.array(["red", "red"])) == 0.5
    assert cautious.score([filled(140, 135, 128)], ["red"]) == 1.0
    with pytest.raises(UnreadablePicture):
        classifier.score([RED, None], ["red", "red"], errors="raise")


@pytest.mark.parametrize(("pictures", "labels"), [([RED], ["red", "red"]), ([RED], ["crimson"]), ([], [])])
def test_labels_that_do_not_fit_are_refused(classifier, pictures, labels):
    with pytest.raises(WrongUsage):
        classifier.score(pictures, labels)


def test_score_is_what_evaluate_measures(warm):
    classifier = pawsight.load(warm.report.run)
    measured = classifier.evaluate()
    held_out = warm.report.split.part("validation")
    paths, labels = [warm.data / picture.name for picture in held_out], [picture.label for picture in held_out]
    assert classifier.score(paths, labels) == pytest.approx(measured.metrics.accuracy)


def test_an_export_is_that_of_the_verb(classifier, tmp_path):
    exported = classifier.export("onnx", out=tmp_path / "out")
    assert [export.target for export in exported.exports] == ["onnx"]
    assert any((tmp_path / "out").rglob("*.onnx"))


def test_serve_passes_its_options_on(classifier, monkeypatch):
    told = {}
    monkeypatch.setattr("pawsight.commands.serve.serve", lambda run, **options: told.update({"run": run, **options}))
    classifier.serve(port=0)
    assert told == {"run": classifier.path.resolve(), "port": 0}


def test_what_is_measured_is_the_run_that_was_loaded_wherever_latest_leads_by_then(
    colour_bundle, tmp_path, monkeypatch
):
    runs = [shutil.copytree(colour_bundle, tmp_path / name) for name in ("001", "002")]
    (tmp_path / "latest").symlink_to("001")
    classifier = pawsight.load(tmp_path / "latest")
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("002")
    monkeypatch.setattr("pawsight.commands.evaluate.evaluate", lambda run, data, **options: (run, options))
    run, options = classifier.evaluate(test=True)
    assert run == runs[0].resolve()
    assert options == {"max_megapixels": None, "device": "cpu", "test": True}
    assert pickle.loads(pickle.dumps(classifier)).path == runs[0].resolve()


def test_heat_maps_are_those_of_the_verb(trained, tmp_path):
    classifier = pawsight.load(trained.report.run)
    path = next(trained.data.glob("validation/dogs/*.jpg"))
    (verb,) = pawsight.explain(trained.report.run, [path], out=tmp_path, label="dogs")
    as_file, as_array, missing = classifier.explain([path, np.asarray(Image.open(path)), None], label="dogs")
    assert as_file.heat.values.tolist() == verb.values == as_array.heat.values.tolist()
    assert (as_file.label, as_file.probability, as_file.heat.box()) == ("dogs", verb.probability, verb.box)
    drawn = as_file.image()
    with Image.open(verb.file) as file:
        assert drawn.size == file.size
    assert (missing.path, missing.heat, missing.error) == ("[2]", None, "missing")
    with pytest.raises(UnreadablePicture, match="missing"):
        missing.image()


def test_what_is_wrong_is_raised_by_the_call_and_not_by_the_first_answer(classifier, colour_bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    for call in (
        lambda: classifier.explain(RED, label="crimson"),
        lambda: classifier.stream(3),
        lambda: classifier.stream(RED, errors="ignore"),
        lambda: pawsight.explain(colour_bundle, ["cat.jpg"], label="crimson"),
    ):
        with pytest.raises(WrongUsage):
            call()
    for call in (
        lambda: classifier.stream(tmp_path / "empty"),
        lambda: pawsight.explain(colour_bundle, [tmp_path / "empty"]),
    ):
        with pytest.raises(NoPictures):
            call()


def test_a_closed_classifier_says_how_to_open_it(colour_bundle):
    with pawsight.load(colour_bundle) as classifier:
        assert classifier.predict(RED).tolist() == ["red"]
    for call in (classifier.predict, classifier.explain, classifier.stream):
        with pytest.raises(WrongUsage, match=r"pawsight\.load"):
            call(RED)
    assert "3 classes" in repr(classifier)


def test_pictures_that_cannot_be_read_are_logged_and_printed_nowhere(classifier, caplog, capfd):
    with caplog.at_level(logging.WARNING, "pawsight"):
        classifier.predict([RED, b"no picture", None])
    (record,) = caplog.records
    assert record.name == "pawsight"
    assert record.args == (2, 3, "[1]: not a picture")
    assert capfd.readouterr() == ("", "")
    assert [type(handler) for handler in logging.getLogger("pawsight").handlers] == [logging.NullHandler]


# What people ask

QUESTIONS = re.findall(
    r"^\| .+ \| `(.+)` \|$",
    (Path(__file__).parents[2] / "docs" / "python.md")
    .read_text("utf-8")
    .partition("## Questions")[2]
    .partition("\n## ")[0],
    re.M,
)


@pytest.mark.parametrize("typed", QUESTIONS)
def test_a_line_that_answers_a_question_works(classifier, tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").mkdir()
    Image.fromarray(RED).save(tmp_path / "train" / "1.jpg")
    names = {"np": np, "islice": islice, "clf": classifier, "X": [RED, GREEN, BLUE, RED], "y": [0, 1, 2, 0]}
    names |= {"frame": BLUE[..., ::-1], "video": iter([BLUE[..., ::-1]] * 30)}
    if "Logistic" in typed:
        names["LogisticRegression"] = pytest.importorskip("sklearn.linear_model").LogisticRegression
    if "upload" in typed:
        names["upload"] = SimpleNamespace(file=io.BytesIO((tmp_path / "train" / "1.jpg").read_bytes()))
    if "table" in typed:
        names["table"] = pytest.importorskip("pandas").DataFrame({"id": ["1", "2"]})
    if "to_frame" in typed:
        pytest.importorskip("pandas")
    if "batch" in typed:
        names["batch"] = pytest.importorskip("torch").from_numpy(np.stack([RED, GREEN]) / 255).permute(0, 3, 1, 2)
    given = eval(typed, names)
    expected = {
        "embed(X), y": lambda: given.predict(classifier.embed(GREEN)).tolist() == [1],
        "predict(frame": lambda: given.tolist() == ["blue"],
        "upload": lambda: given["label"] == "red",
        "table": lambda: given["label"].tolist()[0] == "red",
        ":3]": lambda: given.shape == (4, 3) and given[:, 0].tolist() == ["red", "green", "blue", "red"],
        "permute": lambda: given.tolist() == ["red", "green"],
        "video": lambda: given == ["blue"] * 3,
        "ask me": lambda: given.tolist() == ["red", "green", "blue", "red"],
        ":5]": lambda: {0, 3} == set(given[:2].tolist()),
        "to_csv": lambda: (tmp_path / "answers.csv").read_text().count("red") >= 2,
    }
    (holds,) = [check() for part, check in expected.items() if part in typed]
    assert holds


def test_ten_questions_are_answered():
    assert len(QUESTIONS) == 10


# In a notebook


class Text(HTMLParser):
    """What a page shows, and its tags."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_a_list_of_answers_shows_pictures_in_less_than_a_small_cell(classifier):
    noise = np.random.default_rng(0).integers(0, 256, (50, 300, 400, 3), np.uint8)
    answers = classifier.answers([*noise, None])
    page = answers._repr_html_()
    assert len(page) < MAX_CELL_BYTES
    shown = Text()
    shown.feed(page)
    pictures = [attributes["src"] for tag, attributes in shown.tags if tag == "img"]
    assert len(pictures) == 8
    assert all(source.startswith("data:image/webp;base64,") for source in pictures)
    assert "51 pictures" in shown.text
    assert len(repr(answers)) < 2_000


def test_names_of_files_and_classes_are_escaped(classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = "<script>alert(1)<!--\u202e"
    Path(evil).write_bytes(b"nothing")
    answers = classifier.answers([evil, evil])
    renamed = [replace(answer, label=evil, error=None) for answer in answers]
    for page in (answers._repr_html_(), type(answers)(renamed, [None, None])._repr_html_()):
        assert "<script" not in page
        assert "\u202e" not in page


def test_answers_become_a_table(classifier):
    pd = pytest.importorskip("pandas")
    table = classifier.answers([RED, None]).to_frame()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == [
        *("path", "label", "probability", "decision", "error", "p(red)", "p(green)", "p(blue)")
    ]  # fmt: skip
    assert table["label"].tolist()[0] == "red"
    assert table["error"].tolist()[1] == "missing"
    assert len(classifier.answers([]).to_frame()) == 0


def test_a_heat_map_shows_itself_in_less_than_a_small_cell(trained):
    classifier = pawsight.load(trained.report.run)
    (explained,) = classifier.explain(next(trained.data.glob("validation/cats/*.jpg")))
    assert len(explained._repr_html_()) < MAX_CELL_BYTES
    assert explained.label in repr(explained)
    assert len(repr(explained.heat)) < 200
    (missing,) = classifier.explain([None])
    assert "<img" not in missing._repr_html_()


def test_reprs_are_one_short_line(classifier):
    (answer, missing) = classifier.answers([RED, None])
    assert repr(answer).startswith("Prediction('[0]', 'red', 1.0")
    assert repr(missing) == "Prediction('[1]', error='missing')"
    assert len(repr(classifier)) < 200


# Types

TYPED = """
from pathlib import Path
import numpy as np
from PIL import Image
import pawsight

clf = pawsight.load("runs/latest")
reveal_type(clf)
reveal_type(clf.predict("cat.jpg"))
reveal_type(clf.predict_proba([Path("cat.jpg"), np.zeros((9, 9, 3), np.uint8), b"", None]))
reveal_type(clf.score(np.zeros((2, 9, 9, 3), np.uint8), ["cats", "dogs"]))
reveal_type(clf.answers(Image.new("RGB", (9, 9)))[0].probability)
reveal_type(clf.explain(open("cat.jpg", "rb"))[0].heat)
for answer in clf.stream(Path(".").glob("*.jpg")):
    reveal_type(answer.label)
pawsight.load(3)
clf.predict(3)
clf.predict("cat.jpg", errors="ignore")
clf.predictt("cat.jpg")
"""


# None of their types is one of what a user holds, and to read them all takes three times as long.
UNREAD = (
    "IPython certifi click cv2 datasets filelock jinja2 keras matplotlib onnx openvino pandas polars pyarrow pydicom ray"
    " rich scipy sklearn tensorflow threadpoolctl"
)


def test_a_users_file_is_helped_by_types(tmp_path):
    pytest.importorskip("mypy")
    packages = ",".join(f"{name}.*" for name in UNREAD.split())
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n[mypy-{packages}]\nfollow_imports = skip\n")
    (tmp_path / "mine.py").write_text(TYPED)
    words = ["-m", "mypy", "--strict", "--python-version", "3.11", "mine.py"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("mine.py")]
    revealed = [line.partition("Revealed type is ")[2] for line in lines if "note: Revealed" in line]
    kinds = ("Classifier", "object_", "floating", "float", "float | None", "HeatMap | None", "str | None")
    assert [kind for kind, told in zip(kinds, revealed, strict=True) if kind not in told.replace("builtins.", "")] == []
    found = [line.rpartition("[")[2].rstrip("]") for line in lines if ": error:" in line]
    assert found == ["arg-type", "arg-type", "arg-type", "attr-defined"]


def test_labelled_pictures_in_memory_are_measured(trained):
    classifier = pawsight.load(trained.report.run)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8)
    measured = classifier.evaluate(pictures, ["cats", "dogs"] * 2, progress=False)
    assert measured.metrics.pictures == 4
    assert measured.metrics.accuracy == classifier.score(pictures, ["cats", "dogs"] * 2)


@pytest.mark.parametrize("limit", ["50", 0, 0.5])
def test_a_limit_that_is_none_is_refused(colour_bundle, limit):
    with pytest.raises(WrongUsage, match="max_megapixels"):
        pawsight.load(colour_bundle, max_megapixels=limit)


@pytest.mark.parametrize("to", [None, 3])
def test_an_export_to_nothing_known_is_refused(classifier, to):
    with pytest.raises(WrongUsage, match=str(to)):
        classifier.export(to)


YELLOW, BLACK, ORANGE = filled(250, 250, 5), filled(5, 5, 5), filled(250, 130, 5)


@pytest.fixture(scope="module")
def labeller(label_bundle):
    return pawsight.load(label_bundle)


def test_several_labels_are_sets_and_their_probabilities_do_not_add_up(labeller):
    pictures = [YELLOW, BLACK, ORANGE, b"no picture"]
    assert labeller.predict(pictures).tolist() == [{"red", "green"}, set(), {"red"}, None]
    table = labeller.predict_proba(pictures)
    assert table.shape == (4, 3)
    assert table[0, :2].min() > 0.99
    assert np.isnan(table[3]).all()
    assert "3 labels" in repr(labeller)


def test_answers_with_several_labels_say_what_is_unsure(labeller):
    answers = labeller.answers([YELLOW, BLACK, ORANGE, b"no picture"])
    assert [(answer.labels, answer.unsure, answer.decision) for answer in answers[:3]] == [
        (("red", "green"), (), "answered"),
        ((), (), "answered"),
        (("red",), ("green",), "unsure"),
    ]
    assert answers.counts() == {"red": 2, "green": 1, "no label": 1, "unreadable": 1}
    assert "green?" in answers._repr_html_()
    pandas = pytest.importorskip("pandas")
    frame = answers.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns[:5]) == ["path", "labels", "unsure", "decision", "error"]


def test_the_score_of_several_labels_is_the_share_of_pictures_that_are_all_right(labeller):
    pictures = [YELLOW, BLACK, ORANGE, b"no picture"]
    names = [{"red", "green"}, set(), {"red"}, {"blue"}]  # orange has green too, by its threshold alone
    assert labeller.score(pictures, names) == 0.5
    assert labeller.score(pictures, np.array([[1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]])) == 0.75
    with pytest.raises(WrongUsage, match="striped"):
        labeller.score(pictures, [{"striped"}, *names[1:]])


def test_a_heat_map_of_several_labels_is_of_one_alone(labeller):
    likeliest, red = labeller.explain(YELLOW), labeller.explain(YELLOW, label="red")
    assert likeliest[0].label in {"red", "green"}
    assert red[0].probability > 0.99
