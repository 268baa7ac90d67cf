"""Names of parts: of folders, of cells, after --parts."""

from __future__ import annotations

import pytest

from pawsight.data.parts import part_named, parts_named


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (
            "train",
            "train Train TRAINING trainings train_set TrainSet trainset training-images 1_train train2017 train_data Entraînement 訓練データ",
        ),
        (
            "validation",
            "val valid VALID validation validations dev eval Evaluation val_images 2_val valset dev-set Validação",
        ),
        (
            "test",
            "test tests Testing test_set testdata holdout hold-out held_out 3_test test1 TestImages Pruebas テスト",
        ),
    ],
)
def test_a_name_means_a_part_in_any_case_with_numbers_and_separators(part: str, names: str) -> None:
    assert {name: part_named(name) for name in names.split()} == dict.fromkeys(names.split(), part)


@pytest.mark.parametrize(
    "name",
    ["", "cats", "trainers", "test tubes", "train_val", "trainé", "set", "1", "contest", "steam train", "trains"],
)
def test_other_names_mean_none(name: str) -> None:
    assert part_named(name) is None


def test_words_that_all_names_share_say_nothing() -> None:
    assert parts_named(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert parts_named(["seg_train"]) == {}
    assert parts_named(["train1", "train2"]) == {"train1": "train", "train2": "train"}
    assert parts_named(["cats", "dogs"]) == {}
