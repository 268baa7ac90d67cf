"""A run with selective-prediction options, from what is typed to what its bundle answers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.predictor import load_predictor
from pawsight.classifier.trust import UNFAMILIAR, SelectiveOptions, Trust
from pawsight.commands.evaluate import evaluate
from pawsight.commands.evaluate import summary as evaluated
from pawsight.commands.train_report import summary
from pawsight.core.errors import BadDataset, TrainingFailed, WrongUsage
from pawsight.core.runs import PREDICTIONS, read_table
from pawsight.data.split import Split
from pawsight.models.graph import append_embedding, append_head
from pawsight.models.recipes import Recipe
from pawsight.reports.run_record import RunRecord
from pawsight.training.calibration import (
    OUT_OF_FOLD,
    VALIDATION,
    add_detector,
    add_guarantee,
    calibrate,
    detector_features,
    none_class_note,
)
from pawsight.training.context import TrainedModel, TrainingContext
from pawsight.training.features import FeatureTable
from pawsight.training.run import check_reserved_names

from .test_temperature import answers_with


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Grainy pictures, reddish and bluish: 30 + 60 of each, in train/ and validation/."""
    folder, rng = tmp_path_factory.mktemp("coloured") / "data", np.random.default_rng(0)
    for part, count in (("train", 30), ("validation", 60)):
        for name, middle in (("blue", (80, 90, 190)), ("red", (190, 90, 80))):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(middle + rng.normal(0, 12, (12, 12, 3)) + rng.normal(0, 8, 3), 0, 255).astype(np.uint8)
                grown = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)
                grown.save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def cautious(trained, coloured, tmp_path_factory):
    """A probe of the colours with a risk guarantee of 10 %."""
    cache = shutil.copytree(trained.cache, tmp_path_factory.mktemp("cautious") / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(cache))
        yield trained.again(coloured, cache.parent / "runs", max_error=0.1, false_alarms=0.05)


def test_the_bundle_carries_temperature_promise_and_guard(cautious):
    trust = read_bundle(cautious.run).card.trust
    assert (trust.guarantee, trust.detector) == (cautious.record.guarantee, cautious.record.detector)
    assert trust.temperature == cautious.record.temperature
    assert trust.fitted_on == OUT_OF_FOLD
    assert (trust.guarantee.max_error, trust.guarantee.pictures) == (0.1, 96)
    kinds = ["drawn things", "writing", "textures", "noise", "one colour"]
    assert [count["kind"] for count in trust.detector.caught] == kinds
    assert trust.detector.seen[1] == 75
    assert (trust.detector.measured_on, trust.detector.pictures) == (OUT_OF_FOLD, 60)


def test_metrics_json_tells_calibration_and_abstention(cautious):
    plain = json.loads((cautious.run / "metrics.json").read_text())
    calibration, trust = plain["calibration"], read_bundle(cautious.run).card.trust
    assert calibration["temperature"] == trust.temperature
    assert calibration["pictures"] == 60
    for part in ("validation", "test"):
        assert set(calibration[part]) == {"ece", "brier", "log_loss"}
        assert all(set(pair) == {"before", "after"} for pair in calibration[part].values())
    assert calibration["validation"]["log_loss"]["after"] == pytest.approx(plain["validation"]["log_loss"])
    assert plain["abstention"]["promise"]["threshold"] == trust.guarantee.threshold
    assert plain["abstention"]["guard"]["threshold"] == plain["detector"]["threshold"] == trust.detector.threshold
    assert {part: figures["pictures"] for part, figures in plain["decided"].items()} == {"validation": 96, "test": 24}
    assert plain["command"].endswith(" --max-error 10% --false-alarms 5%")


def test_people_are_told_in_three_lines(cautious):
    lines = [line.partition(" ")[0] for line in summary(cautious)]
    assert {"Calibration", "Guarantee", "Detector"} <= set(lines)


def test_predictions_and_bundle_give_the_same_calibrated_probabilities(cautious, coloured):
    rows = read_table(cautious.run / PREDICTIONS)
    answers = load_predictor(cautious.run).predict([coloured / row["path"] for row in rows])
    written = [np.float32(row["p(red)"]) for row in rows]
    assert [answer.probabilities["red"] for answer in answers] == written


def test_evaluate_counts_the_answered_of_validation_as_the_promise_does(cautious):
    report = evaluate(cautious.run)
    selective = report.to_json()["abstention"]
    promise = read_bundle(cautious.run).card.trust.guarantee
    assert (selective["errors"], selective["pictures"]) == (promise.errors, 96)
    # The picture that is the guard's threshold may be answered; in bfloat16 its neighbour's rounding goes either way.
    assert selective["answered"] - promise.answered in ((-1, 0, 1) if cautious.record.precision == "bf16" else (0, 1))
    assert selective["promise"]["max_error"] == 0.1
    assert any(line.startswith(f"Abstention: answered {selective['answered']} of 96") for line in evaluated(report))


@pytest.fixture(scope="module")
def every_class(trained, coloured, cautious):
    """A probe of the colours that says something of every class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(cautious.run.parent.parent / "cache"))
        yield trained.again(
            coloured,
            cautious.run.parent,
            max_error_per_class=0.2,
            sets=0.9,
            costs={("red", "blue"): 3.0},
            class_weights=True,
        )


def test_the_bundle_carries_guarantees_by_class_sets_and_costs(every_class):
    trust, record = read_bundle(every_class.run).card.trust, RunRecord.read(every_class.run)
    assert record.problems == ()
    assert (record.by_class, record.sets, record.costs) == (trust.by_class, trust.sets, trust.costs)
    assert [kept.max_error for kept in trust.by_class] == [0.2, 0.2]
    assert trust.sets.coverage == 0.9
    assert trust.costs.listed == ((1, 0, 3.0),)
    assert record.measured_sets.keys() == record.measured_costs.keys() == {"validation", "test"}
    plain = every_class.to_json()
    assert plain["abstention"]["max_error_per_class"] == 0.2
    assert plain["sets"]["rule"]["coverage"] == 0.9
    assert plain["costs"]["listed"] == [[1, 0, 3.0]]
    assert {"Guarantee", "Sets", "Costs"} <= {line.partition(" ")[0] for line in summary(every_class)}


def test_answers_to_validation_are_as_the_guarantees_by_class_the_sets_and_the_costs_say(every_class, coloured):
    rows = [row for row in read_table(every_class.run / PREDICTIONS) if row["part"] == "validation"]
    trust = read_bundle(every_class.run).card.trust
    table = np.array([[row["p(blue)"], row["p(red)"]] for row in rows], np.float32)
    answers = load_predictor(every_class.run).predict([coloured / row["path"] for row in rows])
    known = [answer for answer in answers if answer.decision != UNFAMILIAR]
    assert known
    for answer, shares in zip(answers, table, strict=True):
        best = "red" if 3 * shares[1] > shares[0] else "blue"
        assert answer.label in (best, "unsure", UNFAMILIAR)
        if answer.decision != UNFAMILIAR:
            assert answer.set == tuple(("blue", "red")[index] for index in trust.sets.of(shares))
    report = evaluate(every_class.run).to_json()
    assert report["sets"]["held"] == RunRecord.read(every_class.run).measured_sets["validation"].held
    assert report["costs"]["mean"] == RunRecord.read(every_class.run).measured_costs["validation"].mean


def test_with_class_weights_the_temperature_counts_each_class_the_same(every_class, cautious):
    assert any("each class counts the same" in note for note in every_class.record.notes)
    assert not any("each class counts the same" in note for note in cautious.record.notes)


def test_with_class_weights_nothing_is_kept_to_expect_an_accuracy_by(every_class, cautious):
    assert read_bundle(cautious.run).reference is not None
    assert read_bundle(every_class.run).reference is None


def test_without_max_error_there_is_a_detector_and_no_guarantee(trained, warm):
    trust, record = read_bundle(trained.report.run).card.trust, RunRecord.read(trained.report.run)
    assert (trust.guarantee, trust.detector, record.problems) == (None, record.detector, ())
    assert 0 < trust.detector.false_alarms == pytest.approx(1 / (trust.detector.pictures + 1))  # so few show no 1 %
    assert trained.report.to_json()["abstention"] is None
    told = evaluate(trained.report.run).abstention
    assert record.decided["validation"]["unlike"] == told.unlike
    assert (told.guarantee, told.answered + told.unlike) == (None, told.pictures)


def test_answer_all_fits_no_detector_and_a_picture_of_the_none_class_is_unfamiliar(warm, tmp_path):
    plain = warm.again(warm.data, tmp_path / "runs", answer_all=True)
    trust = read_bundle(plain.run).card.trust
    assert trust == trust.answering_all()
    assert plain.to_json()["decided"] == {}
    none = warm.again(warm.data, tmp_path / "runs", none_class="dogs", split=plain.run)
    trust = read_bundle(none.run).card.trust
    assert trust.none_class == 1
    pictures = sorted((warm.data / "train").glob("*/*"))
    answers = load_predictor(none.run).predict(pictures)
    assert {answer.decision for answer in answers if answer.probabilities["dogs"] > 0.5} == {UNFAMILIAR}
    answers = load_predictor(none.run, answer_all=True).predict(pictures)
    assert {answer.decision for answer in answers} == {"answered"}
    assert none.validation == plain.validation  # measured on all pictures, by their classes


def test_a_none_class_that_is_none_is_refused_and_a_likely_one_is_offered(warm, tmp_path):
    with pytest.raises(WrongUsage) as raised:
        warm.again(warm.data, tmp_path / "runs", none_class="mice")
    assert "'mice'" in raised.value.what
    with pytest.raises(WrongUsage, match="--answer-all and --none-class"):
        SelectiveOptions(answer_all=True, none_class="cats")
    assert "--none-class Other" in none_class_note(("cats", "Other"))
    assert none_class_note(("cats", "dogs")) == ""


def test_a_promise_that_validation_is_too_small_for_is_refused_before_training(warm, tmp_path):
    with pytest.raises(TrainingFailed) as raised:
        warm.again(warm.data, tmp_path / "runs", max_error=0.01)
    assert all(words in raised.value.what for words in (" 1 % ", "validation and training pictures", " 230 "))
    assert "--max-error " in raised.value.fix
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("name", "options", "otherwise"),
    [
        ("unsure", {"max_error": 0.2}, "--max-error"),
        ("unsure", {"max_error_per_class": 0.2}, "--max-error-per-class"),
        ("unfamiliar", {}, "--answer-all"),
    ],
)
def test_a_class_named_like_a_decision_is_refused_where_that_is_given(name, options, otherwise):
    with pytest.raises(BadDataset) as raised:
        check_reserved_names(("cats", name), SelectiveOptions(**options))
    assert repr(name) in raised.value.what
    assert f"{otherwise}" in raised.value.fix
    check_reserved_names(("cats", name), SelectiveOptions(answer_all=True))


def test_errors_among_the_surest_end_in_a_warning_and_no_promise(context_of, colour_model):
    context = context_of(Recipe(name="majority", method="majority", backbone="", image_px=32))
    count = context.split.sizes["validation"]
    wrong = 1 - np.eye(2, dtype=np.float32)[context.labels("validation")]
    model, trust, why = add_guarantee(
        context,
        TrainedModel(graph=colour_model, features={}, probabilities={"validation": wrong}, parameters=(0, 0)),
        Trust(),
        SelectiveOptions(max_error=0.2),
        {},
    )
    assert trust == Trust()
    assert why.startswith("11 of the 11 ")
    assert " 20 %" in why
    assert model.notes == ()
    assert count == 16


def test_a_promise_on_pictures_that_chose_the_epoch_says_so(context_of, colour_model):
    context = context_of(Recipe(epochs=1, method="network", backbone="", image_px=32))
    sure = np.where(np.eye(2)[context.labels("validation")] > 0, 0.9, 0.1).astype(np.float32)
    trained = TrainedModel(graph=colour_model, features={}, probabilities={"validation": sure}, parameters=(0, 0))
    model, trust, why = add_guarantee(context, trained, Trust(), SelectiveOptions(max_error=0.2), {})
    assert why == ""
    assert trust.guarantee.answered == 16
    (chosen,) = model.notes
    assert "chose the epoch" in chosen


def test_nothing_is_guaranteed_of_unfamiliar_pictures(context_of, colour_model):
    context = context_of(Recipe(name="majority", method="majority", backbone="", image_px=32))
    labels = context.labels("validation")
    table = np.where(np.eye(2)[labels] > 0, 0.9, 0.1).astype(np.float32)
    table[:3] = table[:3, ::-1]  # the wrong ones are unfamiliar
    trained = TrainedModel(graph=colour_model, features={}, probabilities={"validation": table}, parameters=(0, 0))
    familiar = {"validation": np.arange(16) >= 3}
    _, trust, _ = add_guarantee(context, trained, Trust(), SelectiveOptions(max_error=0.2), familiar)
    assert (trust.guarantee.answered, trust.guarantee.errors, trust.guarantee.pictures) == (13, 0, 16)


def test_too_few_features_get_no_detector_and_a_note_says_so(context_of, colour_model):
    context = context_of(Recipe(epochs=1, method="network", backbone="", image_px=32))
    sizes = {part: context.split.sizes[part] for part in ("train", "validation")}
    features = {part: np.random.default_rng(0).random((count, 3), np.float32) for part, count in sizes.items()}
    model = TrainedModel(graph=colour_model, features=features, parameters=(0, 0))
    found, trust, familiar = add_detector(context, model, Trust(), SelectiveOptions())
    assert (trust, familiar) == (Trust(), {})
    (note,) = found.notes
    assert "no detector" in note


def test_the_threshold_of_a_network_is_from_validation_since_it_was_fitted_to_the_others(context_of, colour_backbone):
    context, rng = context_of(Recipe(epochs=1, method="network", backbone="", image_px=32)), np.random.default_rng(0)
    graph = append_embedding(colour_backbone, rng.normal(size=(3, 20)).astype(np.float32), np.zeros(20, np.float32))
    graph = append_head(graph, np.zeros((20, 2), np.float32), np.zeros(2, np.float32), classes=("cats", "dogs"))
    sizes = {part: context.split.sizes[part] for part in ("train", "validation")}
    features = {part: rng.normal(size=(count, 20)).astype(np.float32) for part, count in sizes.items()}
    model = TrainedModel(graph=graph, features=features, parameters=(0, 0))
    found, trust, familiar = add_detector(context, model, Trust(), SelectiveOptions(false_alarms=0.25))
    assert (trust.detector.measured_on, trust.detector.pictures) == (VALIDATION, 16)
    assert familiar["validation"].sum() == 12  # of a new picture 4 in 17 ranks lie above: at most 25 %
    squares = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    assert Engine(found.graph, image_px=8, precision="f32", streams=1).run_all(squares)["unlikeness"].shape == (4,)


def test_features_of_a_network_are_what_its_own_graph_says_of_the_pictures(colour_model):
    squares = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    known = FeatureTable(squares.mean(axis=(1, 2), dtype=np.float32), {"last": np.arange(3)})
    context = SimpleNamespace(
        pixels=lambda part: squares,
        features=lambda part: known,
        engine=lambda graph: Engine(graph, image_px=8, precision="f32", streams=1),
    )
    model = TrainedModel(graph=colour_model, features={}, parameters=(0, 0))
    rows = np.array([4, 1])
    for columns in (None, np.arange(2)):
        last, read = detector_features(context, replace(model, columns=columns), "train", rows)
        np.testing.assert_allclose(last, squares[rows].mean(axis=(1, 2)), atol=1e-3)
        np.testing.assert_allclose(read, last if columns is None else last[:, :2], atol=1e-3)


def test_recipes_with_epochs_are_calibrated_on_validation_and_others_out_of_fold(context_of, colour_backbone):
    context = context_of(Recipe(epochs=1, method="network", backbone="", image_px=32))
    logits = np.eye(2, dtype=np.float32)[context.labels("validation")] * 20
    logits[:4] = logits[:4, ::-1]
    graph = append_head(colour_backbone, np.eye(3, 2, dtype=np.float32), np.zeros(2, np.float32), classes="ab")
    features = {"validation": np.pad(logits, ((0, 0), (0, 1)))}
    fitted = TrainedModel(graph=graph, features=features, parameters=(0, 0))
    calibrated, trust, pictures, gain = calibrate(context, fitted)
    assert (trust.fitted_on, pictures) == (VALIDATION, 16)
    assert gain[0] > gain[1] > 0
    assert calibrated.probabilities["validation"].max() == pytest.approx(0.75, abs=1e-3)  # 12 of 16 are right
    logits = np.full((len(context.labels("train")), 2), np.nan, np.float32)
    logits[:8] = np.eye(2)[np.arange(8) % 2]
    crossed, trust, pictures, _ = calibrate(context, replace(fitted, logits_out_of_fold=logits))
    assert (trust.fitted_on, pictures) == (OUT_OF_FOLD, 8)
    assert calibrated.out_of_fold is None
    assert crossed.out_of_fold[:8] == pytest.approx(softmax(logits[:8] / trust.temperature, axis=1))
    assert np.isnan(crossed.out_of_fold[8:]).all()


@pytest.mark.parametrize(("sharpness", "is_applied"), [(1.0, False), (6.0, True)])
def test_a_temperature_that_does_not_help_validation_where_that_is_large_is_left_out(
    context_of, colour_backbone, monkeypatch, sharpness, is_applied
):
    """Out of fold the answers are six times too sure; whether the model's own are as well, 100 pictures tell."""
    context = context_of(Recipe(method="probe", image_px=32))
    true, logits = answers_with(sharpness, pictures=100)
    train = len(context.labels("train"))
    monkeypatch.setattr(TrainingContext, "labels", lambda _, subset: true if subset == "validation" else true[:train])
    monkeypatch.setattr(Split, "numbers", lambda _, subset: np.arange(len(true)))
    graph = append_head(colour_backbone, np.eye(3, dtype=np.float32), np.zeros(3, np.float32), classes="abc")
    fitted = TrainedModel(
        graph=graph,
        features={"validation": logits},
        parameters=(0, 0),
        logits_out_of_fold=answers_with(6.0, pictures=100)[1][:train],
    )
    _, trust, pictures, (gain, error) = calibrate(context, fitted)
    assert (trust.fitted_on, pictures) == (OUT_OF_FOLD, train)
    assert (gain > error) == is_applied
    assert (trust.temperature != 1.0) == is_applied
