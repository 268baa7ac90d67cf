"""The reference of a bundle: rows of validation pictures, how new rows are made, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.bundle import REFERENCE, read_bundle, write_bundle
from pawsight.classifier.reference import Reference, confidences_of
from pawsight.core.errors import BundleRefused


@pytest.fixture
def reference():
    """Of twelve pictures with three features, two directions and the classes of the colour bundle."""
    rng = np.random.default_rng(0)
    made = Reference(
        mean=np.array([1, 2, 3], np.float32),
        spread=np.array([1, 2, 4], np.float32),
        directions=np.eye(3, 2, dtype=np.float32),
        rows=np.zeros((12, 5), np.float32),
        predicted=np.arange(12, dtype=np.int32) % 3,
        right=np.arange(12) > 2,
        classes=3,
    )
    features = rng.normal(size=(12, 3)).astype(np.float32)
    return replace(made, rows=made.rows_of(features, np.full((12, 3), 1 / 3, np.float32)))


def test_a_row_has_the_directions_what_lies_outside_the_length_and_the_confidence(reference):
    features, probabilities = np.array([2, 6, 11], np.float32), np.array([0.1, 0.8, 0.1], np.float32)
    row = reference.row({"features": features, "probabilities": probabilities})
    assert row == pytest.approx([1, 2, np.log(2), np.log(5) / 2, np.log(4)], rel=1e-5)
    assert confidences_of(row[None]) == pytest.approx([0.8])


def test_a_row_is_finite_even_for_the_mean_picture_and_a_certain_answer(reference):
    row = reference.row({"features": reference.mean, "probabilities": np.array([0, 1, 0], np.float32)})
    assert np.isfinite(row).all()


def test_a_bundle_gives_back_the_reference_it_was_written_with(reference, colour_bundle, tmp_path):
    bundle = read_bundle(colour_bundle)
    written = write_bundle(
        tmp_path / "with",
        bundle.card,
        model=bundle.model,
        golden=bundle.golden,
        trained=bundle.trained,
        reference=reference,
    )
    read = read_bundle(written).reference
    assert bundle.reference is None
    assert all(np.array_equal(array, read.arrays()[name]) for name, array in reference.arrays().items())
    (written / REFERENCE).write_bytes(b"another")
    with pytest.raises(BundleRefused, match=REFERENCE):
        read_bundle(written)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": np.zeros(2, np.float32)},
        {"spread": np.array([1, 0, 1], np.float32)},
        {"rows": np.zeros((12, 4), np.float32)},
        {"rows": np.full((12, 5), np.nan, np.float32)},
        {"rows": np.zeros((0, 5), np.float32), "predicted": np.zeros(0, np.int32), "right": np.zeros(0, bool)},
        {"predicted": np.full(12, 3, np.int32)},
        {"predicted": np.full(12, -1, np.int32)},
        {"right": np.zeros(12, np.int32)},
        {"directions": np.zeros((3, 2), np.float64)},
    ],
)
def test_arrays_that_contradict_each_other_are_refused(reference, colour_bundle, tmp_path, changes):
    bundle = read_bundle(colour_bundle)
    spoilt = replace(reference, **changes)
    assert spoilt.fault()
    folder = write_bundle(
        tmp_path / "spoilt",
        bundle.card,
        model=bundle.model,
        golden=bundle.golden,
        trained=frozenset(),
        reference=spoilt,
    )
    with pytest.raises(BundleRefused, match=REFERENCE):
        read_bundle(folder)


def test_a_run_keeps_a_row_for_each_validation_picture(trained):
    reference = read_bundle(trained.report.run).reference
    validation = trained.report.to_json()["validation"]
    assert len(reference.rows) == validation["pictures"]
    assert reference.right.mean() == pytest.approx(validation["accuracy"])
    assert reference.directions.T @ reference.directions == pytest.approx(
        np.eye(reference.directions.shape[1]), abs=1e-4
    )


def test_a_copied_run_without_its_reference_is_refused(trained, tmp_path):
    copied = shutil.copytree(trained.report.run / "bundle", tmp_path / "copied")
    (copied / REFERENCE).unlink()
    with pytest.raises(BundleRefused, match=REFERENCE):
        read_bundle(copied)
