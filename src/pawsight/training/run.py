"""One training run, from a source to a bundle in a numbered run folder.

Enters: a `Source`, a `Recipe`, a `Workplace`. Leaves: an `Outcome`, and on disk everything needed to make it again.
Does not know: how good the result is; `evaluation` is told the probabilities of the held-out parts.

Training proper is done by the recipe's method, and all it fits to is the training part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pawsight.bundle import Card, Exam, write_bundle
from pawsight.cache import Cache
from pawsight.data.catalog import Catalog, read_catalog
from pawsight.data.finder import find, find_listed
from pawsight.data.sources import Source
from pawsight.data.split import PARTS, Split, make_split
from pawsight.engine import Engine, best_precision
from pawsight.images.decode import DECODER_VERSION, DecodeSettings
from pawsight.machine import versions
from pawsight.models.backbones import find_backbone
from pawsight.models.export_backbone import backbone_onnx
from pawsight.models.recipe import Recipe
from pawsight.training.checks import check_names, check_taught
from pawsight.training.events import write_events
from pawsight.training.exam import exam_pictures
from pawsight.training.features import FeatureSink
from pawsight.training.folder import BUNDLE, kept_or_cleared, open_folder
from pawsight.training.material import Fitted, Floats, Labels, Material, Workplace
from pawsight.training.simple import fit_majority, fit_probe

HELD_OUT = ("validation", "test")
_USES_FEATURES = ("probe", "finetune")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made, ready to be measured."""

    folder: Path
    recipe: Recipe
    catalog: Catalog
    split: Split
    truths: Mapping[str, Labels]  # part -> class indices (N,)
    fitted: Fitted


def train(
    source: Source, recipe: Recipe, place: Workplace, *, parts: tuple[str, ...] = HELD_OUT, resume: bool = False
) -> Outcome:
    """Train a recipe on a source and write the run folder.

    Args:
        source: the pictures.
        recipe: what to train.
        place: where, and who is told.
        parts: held-out parts whose probabilities are wanted; without "test" the test part stays sealed.
        resume: go on with the newest unfinished run of the same recipe on the same split, where there is one.

    Raises:
        DataError: the data cannot be trained on. ModelError: weights are missing. StorageError: the disk refused.
    """
    found = find_listed(source.root, source.listed) if source.listed else find(source.root)
    check_names(found.folders)
    with Cache(place.cache / "cache") as cache:
        sink = _feature_sink(recipe, place, cache) if recipe.method in _USES_FEATURES else None
        with place.stopwatch.stage("reading"):
            settings = DecodeSettings(image_px=recipe.image_px)
            threads = place.machine.cores if sink is None else place.machine.feeders
            catalog = read_catalog(found, settings, cache=cache, threads=threads, sink=sink, progress=place.progress)
        with place.stopwatch.stage("splitting"):
            split = make_split(catalog, seed=recipe.seed)
            check_taught(split, compares_epochs=recipe.epochs > 0)
        return _fit(catalog, split, recipe, place, sink, parts, resume)


def _fit(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    place: Workplace,
    sink: FeatureSink | None,
    parts: tuple[str, ...],
    resume: bool,
) -> Outcome:
    by_name = {picture.name: picture for picture in catalog.pictures}
    draft = Material(catalog, split, recipe, place, place.runs, parts, sink, by_name)
    folder = open_folder(draft, resume=resume)
    material = Material(catalog, split, recipe, place, folder, parts, sink, by_name)
    with kept_or_cleared(folder):
        fitted = _method(recipe)(material)
        with place.stopwatch.stage("writing"):
            _write_bundle(material, fitted)
            if fitted.history:
                write_events(folder, fitted.history)
    truths = {part: material.truths(part) for part in PARTS}
    return Outcome(folder, recipe, catalog, split, truths, fitted)


def _method(recipe: Recipe) -> Callable[[Material], Fitted]:
    """Return the function that trains a recipe; those that need Keras are loaded only now."""
    simple: Mapping[str, Callable[[Material], Fitted]] = {"majority": fit_majority, "probe": fit_probe}
    if recipe.method in simple:
        return simple[recipe.method]
    if recipe.method == "network":
        from pawsight.training.network import fit_network

        return fit_network
    from pawsight.training.transfer import fit_finetune, fit_transfer

    return fit_transfer if recipe.method == "transfer" else fit_finetune


def _feature_sink(recipe: Recipe, place: Workplace, cache: Cache) -> FeatureSink:
    precision = best_precision(place.machine)
    backbone = find_backbone(recipe.backbone)
    space = f"features/{backbone.sha256}/{recipe.image_px}/decoder{DECODER_VERSION}/{precision}"

    def make_engine() -> Engine:
        with place.stopwatch.stage("backbone"):
            model = backbone_onnx(recipe.backbone, recipe.image_px, place.cache, progress=place.progress).read_bytes()
            return Engine(model, image_px=recipe.image_px, precision=precision, streams=place.machine.cores)

    return FeatureSink(make_engine, cache=cache, space=space, width=backbone.feature_dim)


def _write_bundle(material: Material, fitted: Fitted) -> None:
    pictures = exam_pictures(material.recipe.image_px)
    answers: Floats = material.engine(fitted.model).run_all(pictures)["probabilities"]
    card = Card(
        classes=material.classes,
        decode=DecodeSettings(image_px=material.recipe.image_px),
        recipe=material.recipe.to_dict(),
        precision=material.precision,
        split_digest=material.split.digest,
        data_fingerprint=material.catalog.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
    )
    trained = frozenset(one.sha256 for one in material.split.part("train"))
    write_bundle(material.folder / BUNDLE, card, model=fitted.model, exam=Exam(pictures, answers), trained=trained)
