"""`--backbone auto`: the cheapest that none of the others beats on the training subset."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import load_predictor
from pawsight.core.errors import WrongUsage
from pawsight.models import backbones
from pawsight.models.recipes import RecipeOptions, make_recipe
from pawsight.training import backbone_choice
from pawsight.training.backbone_choice import candidates, choice_note, choose_backbone

from ..conftest import BACKBONE, says


def test_what_is_installed_is_tried_from_cheap_to_costly_and_what_is_not_in_the_cache_is_not():
    tried = candidates(make_recipe("probe", RecipeOptions(backbone="auto")))
    assert [recipe.backbone for recipe in tried] == list(backbones.BACKBONES)
    assert [recipe.image_px for recipe in tried] == [entry.native_px for entry in backbones.BACKBONES.values()]


def test_a_download_whose_digest_is_that_of_the_first_one_is_tried_too(cache_folder):
    (cache_folder / "backbones").mkdir(parents=True)
    digest = "ab" * 32
    for name, content in (("siglip-base-patch16-224.sha256", f"{digest}\n"), (f"{digest}.onnx", "content")):
        (cache_folder / "backbones" / name).write_text(content)
    last = candidates(make_recipe("probe", RecipeOptions(backbone="auto")))[-1]
    assert (last.backbone, last.backbone_sha256) == ("siglip-base-patch16-224", digest)


@pytest.fixture
def two_small(monkeypatch):
    """Two candidates: lite0 at two sizes, so that both are quick and the costlier is no better on easy drawings."""

    def small(recipe):
        return [
            make_recipe("probe", RecipeOptions(backbone=name, image_px=px))
            for name, px in ((BACKBONE, 32), ("efficientnet-lite1", 64))
        ]

    monkeypatch.setattr("pawsight.training.run.candidates", small)


def test_the_run_has_the_backbone_that_was_chosen_and_says_why(warm, two_small, tmp_path):
    from pawsight.commands.train import train

    report = train(warm.data, backbone="auto", out=tmp_path / "runs")
    metrics = json.loads((report.run / "metrics.json").read_text())
    choice = metrics["depth"]["backbone"]
    assert [entry["backbone"] for entry in choice["tried"]] == [BACKBONE, "efficientnet-lite1"]
    assert choice["pictures"] == 32
    losses = {entry["backbone"]: entry["log_loss"] for entry in choice["tried"]}
    if choice["chosen"] == BACKBONE:
        assert choice["gain"] is None
    else:
        assert losses["efficientnet-lite1"] < losses[BACKBONE]
        assert choice["gain"]["interval"][0] > 0
    assert report.recipe.backbone == choice["chosen"]
    assert any(note == choice_note(choice) for note in report.record.notes)
    card = read_bundle(report.run).card
    assert (card.recipe["backbone"], card.decode.image_px) == (choice["chosen"], report.recipe.image_px)
    assert load_predictor(report.run).predict([next((warm.data / "validation" / "cats").iterdir())])[0].error is None


def test_ray_cannot_compare_backbones(warm, tmp_path):
    from pawsight.commands.train import train

    with pytest.raises(WrongUsage) as caught:
        train(warm.data, backbone="auto", engine="ray", out=tmp_path / "runs")
    assert says(caught.value, "--backbone auto", "--engine ray")


def test_a_note_says_what_was_compared():
    tried = [{"backbone": "a", "depth": "last", "log_loss": 0.5}, {"backbone": "b", "depth": "last", "log_loss": 0.25}]
    even = {"chosen": "a", "pictures": 500, "tried": tried, "gain": None}
    assert says(choice_note(even), "a", "0.500", "0.250", "500")
    better = even | {"chosen": "b", "gain": {"log_loss": 0.25, "interval": [0.125, 0.375]}}
    assert says(choice_note(better), "b", "0.125 to 0.375")
    assert says(choice_note(even | {"tried": []}), "a", "too few")
    assert backbone_choice.MOST_PICTURES == 500


@pytest.mark.parametrize("classes", [2, 10, 99])
def test_networks_are_compared_on_no_more_than_five_hundred_pictures(monkeypatch, classes):
    seen = []

    def fit(features, labels, **options):
        seen.append(labels)
        return SimpleNamespace(out_of_fold=None)

    monkeypatch.setattr(backbone_choice, "_features", lambda recipe, pictures, env: None)
    monkeypatch.setattr(backbone_choice, "fit_head", fit)
    labels = np.arange(3000) % classes
    recipes = candidates(make_recipe("probe", RecipeOptions(backbone="auto")))
    chosen, choice = choose_backbone(recipes, [None] * 3000, labels, np.arange(3000), None)
    assert (chosen, choice["tried"]) == (recipes[0], [])
    assert 400 <= len(seen[0]) == choice["pictures"] <= 500
    assert len(np.unique(seen[0])) == classes


def test_the_costlier_network_is_taken_where_it_is_better_beyond_its_interval(monkeypatch):
    """Of three, the second is no better than the first, and the third is sure where they guess."""
    labels = np.arange(200) % 2
    sure = np.eye(2, dtype=np.float32)[labels] * 6
    logits = {"efficientnet-lite0": sure * 0, "efficientnet-lite1": sure * 0, "efficientnet-lite2": sure}
    monkeypatch.setattr(backbone_choice, "_features", lambda recipe, pictures, env: recipe.backbone)

    def fit(features, labels, **options):
        return SimpleNamespace(out_of_fold=(np.arange(len(labels)), logits[features][: len(labels)]), depth="last")

    monkeypatch.setattr(backbone_choice, "fit_head", fit)
    recipes = candidates(make_recipe("probe", RecipeOptions(backbone="auto")))
    chosen, choice = choose_backbone(recipes, [None] * 200, labels, np.arange(200), None)
    assert chosen.backbone == choice["chosen"] == "efficientnet-lite2"
    assert choice["gain"]["interval"][0] > 0
    chosen, choice = choose_backbone(recipes[:2], [None] * 200, labels, np.arange(200), None)
    assert (chosen.backbone, choice["gain"]) == ("efficientnet-lite0", None)
