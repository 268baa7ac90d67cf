"""A figure has one value: train, evaluate, compare, report, predictions.csv through scikit-learn and predict agree."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from pawsight.commands.compare import compare
from pawsight.commands.evaluate import evaluate
from pawsight.commands.predict import predict
from pawsight.commands.report import report as write_report
from pawsight.commands.train import train
from pawsight.core.runs import PREDICTIONS, read_table
from pawsight.models.recipes import RECIPES

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
LAST = 3
OPTIONS = {"majority": {}} | {"probe": {"backbone": "efficientnet-lite0", "image_px": 96}}
# A rate at which the outputs of the exercise's networks soon lie far apart.
OPTIONS |= {key: {"image_px": 32, "learning_rate": 0.01} for key in ("cnn", "cnn-augmented", "cnn-normalised")}
OPTIONS |= {"mobilenet": {"image_px": 32}}
# MobileNetV2 takes seconds to build, and its epochs are run by the same function as the other networks'.
EPOCHS = {"network": (1, 2, LAST), "transfer": (LAST,)}
CASES = [
    pytest.param(name, epochs, id=f"{name}-{epochs}", marks=needs_keras if epochs else ())
    for name, row in RECIPES.items()
    for epochs in EPOCHS.get(row.recipe.method, (0,))
]


def through_sklearn(rows, classes):
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    table = np.array([[float(row[f"p({name})"]) for name in classes] for row in rows])
    true = np.array([classes.index(row["label"]) for row in rows])
    area = None  # where a class has no picture
    if len(np.unique(true)) == len(classes):
        area = roc_auc_score(true, table[:, 1] if len(classes) == 2 else table, multi_class="ovr", average="macro")
    return {
        "log_loss": log_loss(true, table, labels=range(len(classes))),
        "roc_auc": area,
        "accuracy": accuracy_score(true, table.argmax(axis=1)),
    }


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")  # float32 adds up to 1 to seven digits
@pytest.mark.parametrize(("name", "epochs"), CASES)
def test_every_place_gives_the_same_figures(name, epochs, warm, request, tmp_path):
    options = OPTIONS[name] | ({"epochs": epochs, "batch_size": 8} if epochs else {})
    if name == "mobilenet":
        options |= {"weights": request.getfixturevalue("mobilenet_weights")}
    run = train(warm.data, recipe=name, out=tmp_path / "runs", **options).run
    check_figures(run, warm.data, tmp_path)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_they_do_with_three_classes_and_where_a_subset_lacks_one(warm, tmp_path):
    """The test set has no picture of the third class, so that its area under the curve is not defined."""
    chance = np.random.default_rng(5)
    for part, counts in {"train": (9, 9, 9), "validation": (6, 5, 4), "test": (4, 4, 0)}.items():
        for channel, count in enumerate(counts):
            folder = tmp_path / "data" / part / ("blue", "green", "red")[channel]
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = chance.integers(0, 200, (40, 40, 3), np.uint8)
                pixels[..., channel] += np.uint8(chance.integers(0, 12))  # so little that many answers are wrong
                Image.fromarray(pixels).save(folder / f"{number}.png")
    run = train(tmp_path / "data", recipe="probe", depth="last", out=tmp_path / "runs", **OPTIONS["probe"]).run
    recorded = check_figures(run, tmp_path / "data", tmp_path)
    assert 0.5 < recorded["validation"]["roc_auc"] < 1
    assert recorded["test"]["roc_auc"] is None


def check_figures(run, data, tmp_path):
    """Compare the figures of all places with scikit-learn's and return what the run recorded."""
    recorded = json.loads((run / "metrics.json").read_text())
    rows, classes = read_table(run / PREDICTIONS), recorded["classes"]

    answers = [answer.to_json() for answer in predict(run, [data / row["path"] for row in rows], answer_all=True)]
    for row, answer in zip(rows, answers, strict=True):
        assert {name: np.float32(row[f"p({name})"]) for name in classes} == answer["probabilities"]
        assert answer["label"] == row["predicted"]

    write_report([run], out=tmp_path / "report", quick=True)
    page = json.loads((tmp_path / "report" / "report.json").read_text())
    reported = {"validation": page["rungs"][0]["validation"], "test": page["test"]}
    other = train(data, recipe="majority", out=tmp_path / "others").run
    for part in ("validation", "test"):
        is_test = part == "test"
        expected = through_sklearn([row for row in rows if row["part"] == part], classes)
        places = {
            "metrics.json": recorded[part],
            "evaluate": evaluate(run, test=is_test).to_json()["metrics"],
            "compare": compare([run, other], test=is_test).to_json()["runs"][0],
            "report.json": reported[part],
        }
        for place, figures in places.items():
            assert {key: figures[key] for key in expected} == pytest.approx(expected, abs=1e-6), place
    return recorded
