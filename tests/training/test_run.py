"""A whole run: what it leaves on disk, that it can be made again, and that it learns from the training part alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.predictor import TOLERANCE, run_self_test
from pawsight.commands.run_split import reading_of
from pawsight.core.errors import BadDataset
from pawsight.core.runs import read_table
from pawsight.data.reading import FolderReading
from pawsight.data.split import Assigned, Split
from pawsight.images.decode import DECODER_VERSION
from pawsight.models.recipes import recipe_from_toml
from pawsight.training.run import check_names, check_split

from ..conftest import says


def copied(drawings, target, *, train=8, validation=10):
    """A smaller copy of the drawings, free to be spoilt."""
    for part, count in (("train", train), ("validation", validation)):
        for kind in ("cats", "dogs"):
            folder = target / part / kind
            folder.mkdir(parents=True)
            for path in sorted((drawings / part / kind).iterdir())[:count]:
                shutil.copy(path, folder)
    return target


def spy_on_fit_head(monkeypatch):
    """Record what the head is fitted to and at which depth, wherever it is called from."""
    from pawsight.training.probe import fit_head

    seen = []

    def spy(features, labels, **options):
        head = fit_head(features, labels, **options)
        seen.append((features.read(head.columns), labels.copy()))
        return head

    for name, module in list(sys.modules.items()):
        if name.startswith("pawsight.") and getattr(module, "fit_head", None) is fit_head:
            monkeypatch.setattr(module, "fit_head", spy)
    return seen


def model_of(report):
    return (report.run / "bundle" / "model.onnx").read_bytes()


def test_a_run_folder_holds_what_is_needed_to_check_it_and_make_it_again(trained):
    run = trained.report.run
    assert {path.name for path in run.iterdir()} >= {
        "bundle",
        "recipe.toml",
        "splits.csv",
        "catalog.csv",
        "predictions.csv",
        "metrics.json",
        "log.txt",
    }
    assert recipe_from_toml((run / "recipe.toml").read_text()) == trained.report.recipe
    assert json.loads((run / "metrics.json").read_text()) == json.loads(
        json.dumps(trained.report.to_json() | {"run": run.name})
    )
    assert (run.parent / "latest").resolve() == run.resolve()
    assert not [path for path in run.parent.rglob("*") if path.name.endswith(".part")]


def test_splits_csv_gives_the_digest_that_stands_beside_every_number(trained):
    rows = read_table(trained.report.run / "splits.csv")
    lines = sorted(f"{row['sha256']},{row['label']},{row['part']}" for row in rows)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    metrics = json.loads((trained.report.run / "metrics.json").read_text())
    card = read_bundle(trained.report.run).card
    assert digest == trained.report.split.digest == metrics["split"]["digest"] == card.split_digest
    for row in rows:
        assert hashlib.sha256((trained.data / row["path"]).read_bytes()).hexdigest() == row["sha256"]


def test_catalog_csv_lists_every_file_with_what_it_is(trained):
    rows = {row["path"]: row for row in read_table(trained.report.run / "catalog.csv")}
    assert set(rows) == {path.relative_to(trained.data).as_posix() for path in trained.data.rglob("*.*")}
    for name, row in rows.items():
        with Image.open(trained.data / name) as image:
            assert (int(row["width"]), int(row["height"]), row["format"]) == (*image.size, image.format)
        assert row["left_out"] == ""


def test_predictions_csv_has_every_held_out_picture_and_no_other(trained):
    rows = read_table(trained.report.run / "predictions.csv")
    held_out = {
        (picture.name, picture.sha256, picture.label, picture.part) for picture in trained.report.split.assigned
    } - {(picture.name, picture.sha256, picture.label, "train") for picture in trained.report.split.part("train")}
    assert {(row["path"], row["sha256"], row["label"], row["part"]) for row in rows} == held_out
    for row in rows:
        shares = {name: float(row[f"p({name})"]) for name in ("cats", "dogs")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(shares, key=shares.get)
    right = sum(row["predicted"] == row["label"] for row in rows if row["part"] == "validation")
    assert right / trained.report.validation.pictures == trained.report.validation.accuracy


def test_the_log_repeats_what_was_said_and_what_came_out(trained):
    log = (trained.report.run / "log.txt").read_text()
    for line in trained.lines:
        assert line in log
    assert "Validation  " in log
    assert all(line[:4].isdecimal() and "+00:00 " in line for line in log.splitlines())


def test_the_first_three_lines_say_machine_data_and_recipe(trained):
    machine, data, recipe = trained.lines[:3]
    assert machine.startswith("Machine  ")
    assert data == f"Data     {trained.data}"
    assert recipe.startswith(f"Recipe   {trained.report.recipe}, ")
    assert recipe.endswith({"f32": "float32", "bf16": "bfloat16"}[trained.report.record.precision])


def test_the_bundle_knows_how_it_was_made_and_what_it_has_learnt_from(trained):
    bundle = read_bundle(trained.report.run)
    assert bundle.trained == {picture.sha256 for picture in trained.report.split.part("train")}
    assert bundle.fingerprints.shape == (len(bundle.trained), 64)
    assert bundle.card.classes == ("cats", "dogs")
    assert (bundle.card.decode.image_px, bundle.card.decode.version) == (96, DECODER_VERSION)
    assert bundle.card.recipe == trained.report.recipe.to_dict()
    assert bundle.card.data_fingerprint == trained.report.dataset.fingerprint
    assert {"python", "numpy", "openvino", "scipy"} <= set(bundle.card.versions)
    assert bundle.card.created.endswith("+00:00")


@pytest.mark.parametrize("precision", ["f32", pytest.param("bf16", marks=pytest.mark.bfloat16)])
def test_a_bundle_passes_its_self_test_in_either_arithmetic(trained, precision):
    bundle = read_bundle(trained.report.run)
    off = run_self_test(bundle, Engine(bundle.model, image_px=96, precision=precision, streams=1))
    assert 0 <= off <= TOLERANCE[precision]


def test_the_head_is_fitted_to_exactly_the_training_rows_and_those_of_cross_validation_to_some_of_them(
    warm, tmp_path, monkeypatch
):
    import pawsight.training.run  # so that there is something to spy on

    assert pawsight.training.run
    seen = spy_on_fit_head(monkeypatch)
    report = warm.again(warm.data, tmp_path / "runs")
    (features, labels), *folds = seen
    assert len(folds) == report.recipe.folds
    rows = {row.tobytes() for row in features}
    assert all({row.tobytes() for row in inside} < rows for inside, _ in folds)
    part = report.split.part("train")
    assert [("cats", "dogs")[label] for label in labels] == [picture.label for picture in part]
    assert report.computed == 0
    answers = dict(_features(report, warm.data, report.split.assigned))
    allowed = 0.1 if report.record.precision == "bf16" else 1e-3
    assert np.allclose(features, [answers[picture.name] for picture in part], atol=allowed)
    others = [answers[picture.name] for picture in report.split.assigned if picture.part != "train"]
    nearest = np.abs(features[:, None] - np.array(others)[None]).max(axis=2).min()
    assert nearest > 10 * allowed


def _features(report, root, pictures):
    from pawsight.classifier.predictor import load_predictor

    predictor = load_predictor(report.run)
    outputs = predictor.outputs(root / picture.name for picture in pictures)
    return [(picture.name, out["features"]) for picture, (_, out) in zip(pictures, outputs, strict=True)]


def test_pixels_and_labels_of_validation_and_test_leave_the_model_as_it_is(warm, tmp_path):
    """The proof that nothing is learnt from them: other pictures and wrong labels there, the same bytes here."""
    first = copied(warm.data, tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "second")
    cats, dogs = second / "validation" / "cats", second / "validation" / "dogs"
    cats.rename(second / "swap")
    dogs.rename(cats)
    (second / "swap").rename(dogs)
    for number, path in enumerate(sorted((second / "validation").rglob("*.*"))[::2]):
        Image.effect_noise((100, 90), 20 + number).convert("RGB").save(path)
    one, other = (warm.again(data, tmp_path / "runs", depth="auto") for data in (first, second))
    assert one.split.digest != other.split.digest
    assert one.validation != other.validation
    assert [one.split.sizes, other.split.sizes] == [{"train": 16, "validation": 16, "test": 4}] * 2
    assert model_of(one) == model_of(other)


def test_pixels_of_the_training_part_do_change_the_model(warm, tmp_path):
    first = copied(warm.data, tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "second")
    path = next((second / "train" / "cats").iterdir())
    Image.effect_noise((100, 90), 60).convert("RGB").save(path)
    one, other = (warm.again(data, tmp_path / "runs") for data in (first, second))
    assert model_of(one) != model_of(other)


def test_equal_recipes_on_equal_data_give_equal_bytes_and_compute_nothing_twice(warm, tmp_path):
    moved = copied(warm.data, tmp_path / "moved", train=16)
    again = warm.again(moved, tmp_path / "runs")
    assert model_of(again) == model_of(warm.report)
    assert again.split.digest == warm.report.split.digest
    assert again.validation == warm.report.validation
    assert again.test == warm.report.test
    assert again.computed == 0


def test_a_model_made_with_a_cold_cache_is_the_same(trained, cache_folder, tmp_path):
    cold = trained.again(trained.data, tmp_path / "runs")
    assert cold.computed == len(trained.report.split.assigned)
    assert model_of(cold) == model_of(trained.report)


def test_three_classes_without_parts_are_cut_and_learnt(warm, tmp_path):
    for kind in ("cats", "dogs"):
        shutil.copytree(warm.data / "train" / kind, tmp_path / "data" / "pets" / kind)
    noise = tmp_path / "data" / "noise"
    noise.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (100, 90 + number, 3), np.uint8)).save(noise / f"{number}.png")
    report = warm.again(tmp_path / "data", tmp_path / "runs", reading=FolderReading(class_depth=2))
    assert report.dataset.classes == ("cats", "dogs", "noise")
    assert reading_of(report.run) == FolderReading(class_depth=2)
    assert says(report.record.command, "--class-depth 2")
    assert read_bundle(report.run).card.classes == report.dataset.classes
    assert min(report.split.sizes.values()) > 0
    assert [picture.name for picture in report.validation.classes] == list(report.dataset.classes)
    noisy = next(picture for picture in report.validation.classes if picture.name == "noise")
    assert noisy.recall == 1.0


def test_what_is_left_out_is_listed_with_its_reason_and_the_rest_is_learnt(warm, tmp_path):
    data = copied(warm.data, tmp_path / "data")
    (data / "train" / "cats" / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    (data / "train" / "dogs" / "note, please.txt").write_text("hello")
    (data / "train" / "dogs" / "empty.png").touch()
    report = warm.again(data, tmp_path / "runs")
    reasons = {picture.name: picture.reason for picture in report.dataset.left_out}
    assert reasons["train/dogs/note, please.txt"] == "not a picture"
    assert reasons["train/dogs/empty.png"] == "empty"
    assert set(reasons) == {"train/cats/broken.jpg", "train/dogs/note, please.txt", "train/dogs/empty.png"}
    rows = {row["path"]: row for row in read_table(report.run / "catalog.csv")}
    assert {name: rows[name]["left_out"] for name in reasons} == reasons
    assert report.split.sizes["train"] == 16


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text can be made on Linux")
def test_files_whose_names_are_no_text_are_learnt_from_and_keep_their_names(warm, tmp_path):
    data = copied(warm.data, tmp_path / "data")
    awkward = {os.fsdecode(b"caf\xe9.png"), "new\nline, and comma.png", "return\r.png"}
    for path, name in zip(sorted((data / "validation" / "cats").iterdir()), sorted(awkward), strict=False):
        path.rename(path.with_name(name))
    (data / "train" / "dogs" / os.fsdecode(b"\xe9.txt")).write_text("hello")
    report = warm.again(data, tmp_path / "runs")
    for table in ("splits.csv", "catalog.csv", "predictions.csv"):
        names = {Path(row["path"]).name for row in read_table(report.run / table)}
        assert awkward <= names
    left_out = json.loads((report.run / "metrics.json").read_text("utf-8"))["left_out"]
    assert [os.fsencode(picture["path"]) for picture in left_out] == [b"train/dogs/\xe9.txt"]


def test_nothing_of_the_user_s_is_changed(warm, tmp_path):
    def state(folder):
        return {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in sorted(folder.rglob("*"))}

    data = copied(warm.data, tmp_path / "data")
    (data / "train" / "cats" / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    before = state(data)
    warm.again(data, tmp_path / "runs")
    assert state(data) == before


def test_a_class_that_only_validation_has_is_refused(warm, tmp_path):
    data = copied(warm.data, tmp_path / "data")
    (data / "validation" / "foxes").mkdir()
    Image.effect_noise((90, 90), 50).convert("RGB").save(data / "validation" / "foxes" / "1.png")
    with pytest.raises(BadDataset, match=r"'foxes'.* no readable picture in train"):
        warm.again(data, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="such folder names can be made on Linux")
@pytest.mark.parametrize(("name", "why"), [(b"caf\xe9", "is not UTF-8"), (b"ca\nts", "has control characters")])
def test_class_names_that_no_bundle_could_carry_are_refused_before_anything_slow(warm, tmp_path, name, why):
    data = copied(warm.data, tmp_path / "data")
    for part in ("train", "validation"):
        (data / part / "cats").rename(data / part / os.fsdecode(name))
    with pytest.raises(BadDataset) as raised:
        warm.again(data, tmp_path / "runs")
    assert repr(os.fsdecode(name)) in raised.value.what
    assert why in raised.value.why
    assert not (tmp_path / "runs").exists()


def test_a_run_that_cannot_be_finished_leaves_no_half_of_it(warm, tmp_path, monkeypatch):
    import pawsight.training.run as room

    def fail(*_arguments, **_options):
        raise OSError("the disk went away")

    monkeypatch.setattr(room, "write_bundle", fail)
    with pytest.raises(OSError, match="went away"):
        warm.again(warm.data, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def split_of(*places):
    pictures = [Assigned(f"{label}/{number}", "0" * 64, label, part) for number, (label, part) in enumerate(places)]
    return Split(tuple(pictures), "by hand", ())


@pytest.mark.parametrize("names", [["cats", "dogs"], ["a/cats", "b/cats"], ["猫", "Ünïcödé", "with space", "🐈"], []])
def test_ordinary_names_pass(names):
    check_names(names)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ca\nts", "has control characters"),
        ("\x1b[31mcats", "has control characters"),
        ("caf\udce9", "is not UTF-8"),
        ("c" * 1025, "is not a text of 1 to 1,024 characters"),
    ],
)
def test_names_that_no_bundle_could_carry_are_refused(name, why):
    with pytest.raises(BadDataset) as raised:
        check_names(["dogs", name])
    assert repr(name) in raised.value.what
    assert why in raised.value.why
    assert raised.value.fix


def test_every_class_has_something_to_learn_from():
    check_split(split_of(("cats", "train"), ("dogs", "train"), ("dogs", "test")), compares_epochs=False)
    with pytest.raises(BadDataset) as raised:
        check_split(
            split_of(("cats", "train"), ("dogs", "train"), ("foxes", "test"), ("asses", "validation")),
            compares_epochs=True,
        )
    assert "'asses', 'foxes'" in raised.value.what
    assert "'cats', 'dogs'" in raised.value.why
    assert "train/" in raised.value.fix


def test_many_classes_without_pictures_are_counted_not_listed():
    with pytest.raises(BadDataset, match=r"'class 4' and 3 more\."):
        check_split(
            split_of(("cats", "train"), *((f"class {number}", "test") for number in range(8))), compares_epochs=False
        )


def test_a_recipe_that_compares_epochs_needs_validation():
    split = split_of(("cats", "train"), ("dogs", "train"), ("dogs", "test"))
    with pytest.raises(BadDataset) as raised:
        check_split(split, compares_epochs=True)
    assert "validation" in raised.value.what
    assert "--recipe probe" in raised.value.fix
