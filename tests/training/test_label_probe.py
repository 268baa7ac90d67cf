"""A probe of several labels as it lies in its bundle: a sigmoid for each label, and what the detector's classes are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pawsight.classifier.predictor import load_predictor
from pawsight.data.dataset import Dataset
from pawsight.data.label_sets import truth_of
from pawsight.data.split import Assigned, Split
from pawsight.models.graph import HEAD_WEIGHTS, PROBABILITIES
from pawsight.models.recipes import RECIPES
from pawsight.sample.shapes import LABELS
from pawsight.training.context import TrainingContext


def test_the_graph_ends_in_a_sigmoid_and_gives_what_the_run_keeps(trained_labels: Any) -> None:
    onnx = pytest.importorskip("onnx")
    predictor = load_predictor(trained_labels.report.run)
    graph = onnx.load_from_string(predictor.bundle.model).graph
    (last,) = (node for node in graph.node if PROBABILITIES in node.output)
    (weights,) = (tensor for tensor in graph.initializer if tensor.name == HEAD_WEIGHTS)
    assert (last.op_type, weights.dims[1]) == ("Sigmoid", len(LABELS))
    with (trained_labels.report.run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    kept = np.array([[row[f"p({name})"] for name in LABELS] for row in rows], np.float32)
    answers = predictor.predict([trained_labels.data.parent / row["path"] for row in rows])
    computed = np.array([[answer.probabilities[name] for name in LABELS] for answer in answers])
    assert computed == pytest.approx(kept, abs=0.03)  # in bfloat16 where the machine has it


def test_pictures_are_grouped_by_the_labels_that_ten_share(environment: Any) -> None:
    texts = ["large;red"] * 10 + ["red"] * 9 + [""] * 11 + ["large"] * 2
    assigned = tuple(Assigned(str(row), str(row), text, "train") for row, text in enumerate(texts))
    split = Split(assigned, "as made up", several_labels=True)
    dataset = Dataset(Path(), (), (), several_labels=True)
    context = TrainingContext(dataset, split, RECIPES["probe"].recipe, environment, Path(), ())
    strata = context.strata("train")
    assert len(set(strata[:10].tolist())) == 1
    assert len(set(strata[10:].tolist())) == 1  # of no label, and of labels that fewer have together
    assert set(strata.tolist()) == {0, 1}
    assert truth_of(texts, ("large", "red")).sum() == 31
