"""A finished run as a program holds it: what it says, shows and draws."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.core.errors import MissingExtra, WrongUsage
from pawsight.core.runs import Epoch, write_history
from pawsight.reports.run_record import RunRecord

from ..conftest import says

plt = pytest.importorskip("matplotlib.pyplot")
MOST = 20_000  # bytes of a cell's output


@pytest.fixture(scope="module")
def run(trained):
    return pawsight.open_run(trained.report.run)


@pytest.fixture
def axes():
    yield plt.subplots()[1]
    plt.close("all")


def test_a_run_that_is_opened_says_what_training_said(run, trained):
    assert run.path == trained.report.run
    assert run.classes == ("cats", "dogs")
    assert run.validation.confusion == trained.report.validation.confusion
    assert run.test.accuracy == trained.report.test.accuracy
    assert run.history == ()
    assert run.findings == trained.report.findings
    assert (run.split.digest, run.split.sizes) == (trained.report.split.digest, trained.report.split.sizes)
    assert run.to_json() == json.loads(json.dumps(trained.report.to_json()))


def test_a_run_is_taken_wherever_its_path_is(run):
    assert os.fspath(run) == str(run.path)
    assert pawsight.open_run(run).path == run.path
    assert list(pawsight.load(run).classes_) == ["cats", "dogs"]
    assert pawsight.evaluate(run).metrics.accuracy == run.validation.accuracy


def test_its_classifier_answers_as_the_run_did(run, trained):
    first = next(answer for answer in run.predictions if answer.path.startswith("validation/"))
    (answer,) = run.classifier.answers([trained.data / first.path])
    assert (answer.label, answer.probability) == (first.predicted, pytest.approx(first.probability, abs=1e-6))
    assert run.classifier is run.classifier


def test_predictions_are_those_of_validation_and_test_and_make_a_table(run):
    pd = pytest.importorskip("pandas")
    table = run.predictions.to_frame()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["path", "part", "label", "predicted", "probability", "right", "p(cats)", "p(dogs)"]
    assert table["part"].value_counts().to_dict() == {"validation": 16, "test": 4}
    assert table[table["part"] == "validation"]["right"].mean() == run.validation.accuracy
    assert np.allclose(table["p(cats)"] + table["p(dogs)"], 1)
    wrong = run.predictions.mistakes
    assert len(wrong) == (~table["right"]).sum()
    assert list(wrong) == sorted(wrong, key=lambda answer: -answer.probability)
    assert len(run.predictions[:3]) == 3


def test_without_a_library_of_tables_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(MissingExtra, match="pandas") as error:
        run.predictions.to_frame()
    assert error.value.fix == "Type: pip install pandas"


def test_what_a_cell_shows_is_small(run):
    for thing in (run, run.findings, run.split, run.predictions):
        assert len(repr(thing)) < 400
        assert len(thing._repr_html_().encode()) < MOST
    assert says(repr(run), run.path.name, "probe", "2 classes", f"{100 * run.validation.accuracy:.1f} %")
    assert says(repr(run.split), "32 train", "16 validation", "4 test", run.split.digest[:12])


def test_a_run_shows_figures_with_intervals_matrix_and_mistakes(run):
    page = run._repr_html_()
    assert says(page, f"{100 * run.validation.accuracy:.1f}", run.validation.interval, run.test.interval)
    counts = [int(cell) for cell in re.findall(r"rgba\([^)]*\)\">([\d,]+)</td>", page)]
    assert counts == [count for row in run.validation.confusion for count in row]
    wrong = [answer for answer in run.predictions.mistakes if answer.path.startswith("validation/")]
    shown = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    assert len(shown) == len(wrong[:10])
    assert all(max(Image.open(io.BytesIO(base64.b64decode(data))).size) == 64 for data in shown)


def test_names_are_escaped_and_a_cell_stays_small_whatever_they_are(own_run, fake_runs):
    names = ["<script>alert(1)</script>" + "x" * 300, "dogs"]
    values = json.loads((own_run / "metrics.json").read_text(encoding="utf-8"))
    (own_run / "metrics.json").write_text(
        json.dumps(values | {"classes": names, "recipe": "<b>bold</b>"}), encoding="utf-8"
    )
    rows = (own_run / "predictions.csv").read_text(encoding="utf-8").splitlines()
    header = "path,sha256,part,label,predicted,p(a),p(b)"
    wrong = [f'"<i>{index}{"y" * 500}",{index:064x},validation,"{names[0]}",dogs,0.1,0.9' for index in range(400)]
    (own_run / "predictions.csv").write_text("\n".join([header, *wrong]), encoding="utf-8")
    page = pawsight.open_run(own_run)._repr_html_()
    assert rows
    assert len(page.encode()) < MOST
    assert "400 mistakes" in page
    assert not re.search(r"<script|<b>bold|<i>\d", page)


def test_many_mistakes_are_ten_thumbnails_at_most(own_run):
    answers = RunRecord.read(own_run).split
    rows = [
        f"{a.name},{a.sha256},validation,{a.label},{'dogs' if a.label == 'cats' else 'cats'},0.4,0.6" for a in answers
    ]
    (own_run / "predictions.csv").write_text(
        "\n".join(["path,sha256,part,label,predicted,p(cats),p(dogs)", *rows]), encoding="utf-8"
    )
    page = pawsight.open_run(own_run)._repr_html_()
    assert len(page.encode()) < MOST
    assert 8 <= page.count("data:image/webp") <= 10


def test_a_run_with_epochs_shows_its_curve(own_run):
    write_history(
        own_run / "history.csv", [Epoch(n, 1 / n, 0.5 + n / 100, 1.1 / n, 0.5 + n / 120) for n in range(1, 41)]
    )
    run = pawsight.open_run(own_run)
    page = run._repr_html_()
    curve = re.search(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    assert Image.open(io.BytesIO(base64.b64decode(curve[1]))).size == (368, 224)
    assert says(curve[2], "After 40 epochs")
    assert len(page.encode()) < MOST
    assert "data:image/webp" in page  # and mistakes


def test_plots_are_axes_with_what_the_run_says(run, axes):
    drawn = run.plot_confusion(ax=axes)
    assert drawn is axes
    assert [text.get_text() for text in axes.texts] == [str(count) for row in run.validation.confusion for count in row]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cats", "dogs"]
    assert sum(int(text.get_text()) for text in run.plot_confusion(subset="test").texts) == run.test.pictures
    reliability = run.plot_reliability()
    assert f"{run.validation.pictures} or more" in reliability.get_xlabel()  # so few are one mark
    assert reliability.get_legend() is not None


def test_the_plot_of_a_history_has_its_epochs(own_run, axes):
    history = [Epoch(n, 1 / n, 0.5 + n / 100, 1.1 / n, 0.5 + n / 120) for n in range(1, 6)]
    write_history(own_run / "history.csv", history)
    run = pawsight.open_run(own_run)
    training, validation = run.plot_history(ax=axes).get_lines()[:2]
    assert list(training.get_ydata()) == [epoch.accuracy for epoch in history]
    assert list(validation.get_ydata()) == [epoch.val_accuracy for epoch in history]
    assert "loss" in run.plot_history(figure="loss").get_ylabel()


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda run: run.plot_history(), ("history", "probe", "run.plot_confusion()")),
        (lambda run: run.plot_confusion(subset="train"), ("'train'", "validation and test", "subset='validation'")),
        (lambda run: run.plot_reliability(subset="tset"), ("'tset'", "validation and test")),
    ],
)
def test_what_cannot_be_drawn_says_what_can(run, draw, words):
    with pytest.raises(WrongUsage) as error:
        draw(run)
    assert says(error.value, *words)


def test_the_report_is_a_page_beside_the_run(own_run, tmp_path):
    page = pawsight.open_run(own_run).report(out=tmp_path / "report", quick=True)
    assert page == tmp_path / "report" / "report.html"
    assert page.is_file()


def test_what_is_no_run_is_refused(tmp_path, colour_bundle):
    with pytest.raises(WrongUsage, match="missing"):
        pawsight.open_run(tmp_path / "missing")
    bundle = shutil.copytree(colour_bundle, tmp_path / "bundle")
    with pytest.raises(WrongUsage, match=r"metrics\.json"):
        pawsight.open_run(bundle)
