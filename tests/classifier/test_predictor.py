"""The predictor: one prediction a picture, in order, a bounded number ahead, and only after passing its self-test."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.bundle import GoldenOutputs, card_checksum, read_bundle
from pawsight.classifier.predictor import Predictor, load_predictor
from pawsight.classifier.trust import OodDetector, RiskGuarantee, Trust
from pawsight.core.errors import BundleRefused, WrongUsage
from pawsight.core.machine import this_machine
from pawsight.core.progress import Silent
from pawsight.models.graph import with_ood_score

from ..colour_profiles import PROFILES, converted, saved
from ..conftest import says

# OpenVINO asks for bfloat16 all the same where oneDNN is held back, and then cannot have it.

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}


@pytest.fixture(scope="module")
def predictor(colour_bundle):
    return load_predictor(colour_bundle)


@pytest.fixture
def pictures(tmp_path):
    """30 pictures, red, green and blue in turn, none like another."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = []
    for index, (name, colour) in zip(range(30), itertools.cycle(COLOURS.items()), strict=False):
        path = folder / f"{index:02d}-{name}.png"
        Image.new("RGB", (20 + index, 30), tuple(min(255, value + index) for value in colour)).save(path)
        paths.append(path)
    return paths


def named(path):
    return path.stem.partition("-")[2]


def test_every_picture_gets_its_label_in_the_order_given(predictor, pictures):
    mixed = pictures[::-1] + pictures[::2]
    answers = predictor.predict(mixed)
    assert [answer.path for answer in answers] == [str(path) for path in mixed]
    assert [answer.label for answer in answers] == [named(path) for path in mixed]


def test_an_answer_names_every_class_and_its_probability_is_the_label_s(predictor, pictures):
    for answer in predictor.predict(pictures):
        assert list(answer.probabilities) == ["red", "green", "blue"]
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert answer.probability == answer.probabilities[answer.label] == max(answer.probabilities.values())
        assert answer.error is None


def test_an_answer_does_not_depend_on_the_pictures_beside_it(predictor, pictures):
    together = predictor.predict(pictures)
    assert [predictor.predict([path])[0] for path in pictures] == together
    assert predictor.predict(pictures[::-1])[::-1] == together


def test_what_cannot_be_read_has_an_error_and_the_rest_go_on(predictor, pictures, tmp_path):
    (empty := tmp_path / "empty.jpg").touch()
    (text := tmp_path / "text.jpg").write_text("no picture at all")
    (cut := tmp_path / "cut.png").write_bytes(pictures[0].read_bytes()[:-30])
    missing = tmp_path / "missing.jpg"
    too_long = tmp_path / ("n" * 300)
    os.mkfifo(pipe := tmp_path / "pipe.jpg")
    given = [pictures[0], empty, text, pictures[1], cut, missing, too_long, pipe, pictures[2]]
    answers = predictor.predict(given)
    assert [answer.path for answer in answers] == [str(path) for path in given]
    assert [answer.label for answer in answers] == ["red", None, None, "green", None, None, None, None, "blue"]
    assert [answer.error for answer in answers if answer.error] == [
        "empty",
        "not a picture",
        "truncated",
        "no such file or directory",
        "file name too long",
        "not a regular file",
    ]
    assert all((answer.probability, answer.probabilities) == (None, None) for answer in answers if answer.label is None)


def test_a_folder_stands_for_the_files_below_it(predictor, pictures):
    (pictures[0].parent / "deeper").mkdir()
    moved = shutil.move(pictures[3], pictures[0].parent / "deeper")
    answers = predictor.predict([pictures[0].parent, pictures[0]])
    expected = [*sorted(pictures[:3] + pictures[4:]), moved, pictures[0]]
    assert [answer.path for answer in answers] == [str(path) for path in expected]


def test_paths_may_be_texts_and_there_may_be_none(predictor, pictures):
    assert predictor.predict([str(pictures[4])])[0].label == "green"
    assert predictor.predict([]) == []


def test_thousands_of_paths_are_taken_only_as_answers_leave(predictor, pictures):
    taken = 0

    def many():
        nonlocal taken
        for path in itertools.islice(itertools.cycle(pictures), 5000):
            taken += 1
            yield path

    most_ahead = 0
    for answered, answer in enumerate(predictor.stream(many()), start=1):
        most_ahead = max(most_ahead, taken - answered)
        if answered % 500 == 1:
            assert answer.label == named(pictures[(answered - 1) % len(pictures)])
    assert answered == taken == 5000
    assert most_ahead <= 10 * this_machine().cores


def test_a_stream_left_early_or_run_beside_another_spoils_nothing(predictor, pictures):
    for _ in range(5):
        next(predictor.stream(itertools.cycle(pictures)))
    pairs = list(zip(predictor.stream(pictures), predictor.stream(pictures[::-1]), strict=True))
    assert [named(path) for path in pictures] == [left.label for left, _ in pairs]
    assert [named(path) for path in pictures[::-1]] == [right.label for _, right in pairs]


def test_a_bundle_copied_elsewhere_alone_gives_the_same_answers(trained, tmp_path):
    copy = shutil.copytree(trained.report.run / "bundle", tmp_path / "elsewhere" / "cats-or-dogs")
    paths = [trained.data / picture.name for picture in trained.report.split.assigned]
    here, there = load_predictor(trained.report.run).predict(paths), load_predictor(copy).predict(paths)
    assert here == there
    assert len({answer.probability for answer in here}) > len(here) // 2


@pytest.mark.parametrize("name", PROFILES)
def test_a_picture_is_answered_as_it_looks_whatever_its_colour_profile(trained, tmp_path, name):
    plain, wide = tmp_path / "plain", tmp_path / "wide"
    for folder in (plain, wide):
        folder.mkdir()
    for path in sorted(trained.data.glob("validation/*/*.jpg")):
        with Image.open(path) as opened:
            image = converted(opened, name)
        (wide / f"{path.stem}.png").write_bytes(saved(image, icc_profile=PROFILES[name]))
        (plain / f"{path.stem}.png").write_bytes(saved(converted(image, "sRGB", of=name)))
    predictor = load_predictor(trained.report.run)
    answers = [predictor.predict(folder) for folder in (plain, wide)]
    assert len(answers[0]) == 20
    for in_srgb, with_profile in zip(*answers, strict=True):
        assert with_profile.probabilities == pytest.approx(in_srgb.probabilities, abs=0.02)


def test_a_bundle_of_the_decoder_before_profiles_answers_as_it_did(colour_bundle, tmp_path):
    path = tmp_path / "wide.png"
    image = Image.new("RGB", (20, 20), (60, 120, 90))
    path.write_bytes(saved(image, icc_profile=PROFILES["ProPhoto"]))
    bare = tmp_path / "bare.png"
    bare.write_bytes(saved(image))
    (new_wide, new_bare) = load_predictor(colour_bundle).predict([path, bare])
    bundle = read_bundle(colour_bundle)
    old = replace(bundle, card=replace(bundle.card, decode=replace(bundle.card.decode, version=2)))
    (old_wide, old_bare) = Predictor(old).predict([path, bare])
    assert old_wide.probabilities == old_bare.probabilities == new_bare.probabilities != new_wide.probabilities


def test_a_run_may_be_named_by_its_folder_its_bundle_or_latest(trained, monkeypatch):
    monkeypatch.chdir(trained.report.run.parent)
    for place in (trained.report.run, trained.report.run / "bundle", "latest", "latest/bundle"):
        assert load_predictor(place).classes == ("cats", "dogs")


def spoilt(colour_bundle, change):
    bundle = read_bundle(colour_bundle)
    return replace(bundle, golden=GoldenOutputs(bundle.golden.pictures, change(bundle.golden.probabilities)))


@pytest.mark.parametrize(
    ("change", "off"),
    [(lambda table: table[::-1].copy(), "1.0"), (lambda table: table + np.float32(0.05), "0.05"), (np.log, "")],
)
def test_a_bundle_that_answers_otherwise_than_it_did_is_refused(colour_bundle, change, off):
    with pytest.raises(BundleRefused) as raised:
        Predictor(spoilt(colour_bundle, change))
    assert raised.value.what == f"{colour_bundle} is not a usable bundle."
    assert says(raised.value.why, f"off by {off}", "0.001 is allowed")
    assert says(raised.value.fix, "Train again")


def test_an_exam_whose_answers_are_no_numbers_is_failed(colour_bundle):
    with pytest.raises(BundleRefused, match="off by nan"):
        Predictor(spoilt(colour_bundle, lambda table: table * np.float32("nan")))


def test_rounding_between_processors_is_forgiven(colour_bundle):
    bundle = spoilt(colour_bundle, lambda table: table + np.float32(5e-4))
    assert Predictor(bundle).classes == bundle.card.classes


def with_bfloat16(bundle, off):
    return replace(bundle, golden=replace(bundle.golden, reduced=bundle.golden.probabilities + np.float32(off)))


@pytest.mark.bfloat16
def test_each_arithmetic_is_held_to_its_own_answers(colour_bundle):
    here, rough = this_machine(), with_bfloat16(read_bundle(colour_bundle), 0.02)
    for machine in (replace(here, bfloat16=""), replace(here, bfloat16="AMX")):
        assert Predictor(rough, machine=machine).classes == rough.card.classes
    broken = with_bfloat16(read_bundle(colour_bundle), 0.5)
    Predictor(broken, machine=replace(here, bfloat16=""))
    with pytest.raises(BundleRefused, match=r"off by 0\.5\d*, 0\.03 is allowed"):
        Predictor(broken, machine=replace(here, bfloat16="AMX"))


@pytest.mark.bfloat16
def test_a_bundle_without_outputs_in_bfloat16_is_tested_in_float32(colour_bundle):
    amx = replace(this_machine(), bfloat16="AMX")
    assert Predictor(read_bundle(colour_bundle), machine=amx).classes == ("red", "green", "blue")
    with pytest.raises(BundleRefused, match=r"0\.0200, 0\.001 is allowed"):
        Predictor(spoilt(colour_bundle, lambda table: table + np.float32(0.02)), machine=amx)


def test_a_model_whose_outputs_have_another_shape_is_refused(colour_bundle, colour_backbone):
    with pytest.raises(BundleRefused, match="shape of its golden outputs"):
        Predictor(replace(read_bundle(colour_bundle), model=colour_backbone))


def test_a_forged_model_that_answers_otherwise_is_refused_though_its_digest_fits(colour_bundle, tmp_path):
    import hashlib

    import onnx
    from onnx import numpy_helper

    forged = shutil.copytree(colour_bundle, tmp_path / "forged")
    model = onnx.load(forged / "model.onnx")
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "head/weights")
    weights.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights), "head/weights"))
    onnx.save(model, forged / "model.onnx")
    card = json.loads((forged / "bundle.json").read_text())
    card["files"]["model.onnx"] = hashlib.sha256((forged / "model.onnx").read_bytes()).hexdigest()
    (forged / "bundle.json").write_text(json.dumps(card | {"seal": card_checksum(card)}))
    with pytest.raises(BundleRefused, match="It fails its self-test"):
        load_predictor(forged)


PROMISE = RiskGuarantee(
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
GUARD = OodDetector(threshold=0.95, false_alarms=0.01, pictures=800, components=1, caught=())


@pytest.fixture
def cautious(colour_bundle, red_score):
    """A predictor that wants 90 %, and pictures that differ from grey only in red."""
    bundle = read_bundle(colour_bundle)
    model = with_ood_score(bundle.model, red_score)
    return Predictor(
        replace(bundle, model=model, card=replace(bundle.card, trust=Trust(guarantee=PROMISE, detector=GUARD)))
    )


def test_a_picture_is_answered_or_unsure_or_unlike_anything_seen(cautious, tmp_path):
    colours = {"red": (250, 128, 128), "unsure": (140, 135, 128), "unfamiliar": (130, 250, 128)}
    for name, colour in colours.items():
        Image.new("RGB", (20, 20), colour).save(tmp_path / f"{name}.png")
    answers = cautious.predict([*(tmp_path / f"{name}.png" for name in colours), tmp_path / "missing.png"])
    assert [answer.label for answer in answers] == [*colours, None]
    assert [answer.decision for answer in answers] == ["answered", "unsure", "unfamiliar", None]
    for answer in answers[:3]:
        assert answer.probability == max(answer.probabilities.values())
        assert list(answer.probabilities) == ["red", "green", "blue"]


def test_without_guarantee_and_detector_every_picture_is_answered(predictor, pictures):
    assert {answer.decision for answer in predictor.predict(pictures)} == {"answered"}


def test_a_detector_whose_graph_has_no_score_is_refused(colour_bundle):
    bundle = read_bundle(colour_bundle)
    with pytest.raises(BundleRefused) as raised:
        Predictor(replace(bundle, card=replace(bundle.card, trust=Trust(detector=GUARD))))
    assert says(raised.value.why, "detector", "output unlikeness")


# Devices


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_a_device_that_gives_the_golden_outputs_is_trusted(gpu, colour_bundle, pictures, device):
    heard = Heard()
    answers = load_predictor(colour_bundle, device=device, progress=heard).predict(pictures)
    assert [answer.label for answer in answers] == [named(path) for path in pictures]
    assert gpu.used == [device.upper()]
    assert heard.lines == []


def test_auto_falls_back_to_the_processor_where_the_device_computes_wrongly(gpu, colour_bundle, predictor, pictures):
    gpu.wrong_by, heard = 0.01, Heard()
    answers = load_predictor(colour_bundle, device="auto", progress=heard).predict(pictures)
    assert answers == predictor.predict(pictures)
    assert gpu.used[:: len(gpu.used) - 1] == ["AUTO", "CPU"]
    assert says(heard.lines[0], "WARNING", "CPU", "self-test")


def test_a_named_device_that_computes_wrongly_is_refused(gpu, colour_bundle):
    gpu.wrong_by = 0.01
    with pytest.raises(BundleRefused) as caught:
        load_predictor(colour_bundle, device="gpu")
    assert says(caught.value, "--device gpu", colour_bundle, "self-test")
    assert len(str(caught.value).splitlines()) == 3
    with pytest.raises(WrongUsage):
        load_predictor(colour_bundle, device="npu")
