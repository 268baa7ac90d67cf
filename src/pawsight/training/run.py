"""One training run, from a source to a bundle in a numbered run folder.

Enters: a `Source`, a `Recipe`, a `Workplace`. Leaves: an `Outcome`, and on disk everything needed to make it again.
Does not know: how good the result is; `evaluation` is told the probabilities of the held-out parts.

Training proper is done by the recipe's method, and all it fits to is the training part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pawsight.classifier.bundle import Card, GoldenOutputs, write_bundle
from pawsight.classifier.engine import Engine, Precision, best_precision
from pawsight.classifier.trust import SelectiveOptions, Trust
from pawsight.core.cache import Cache
from pawsight.core.errors import PicturesChanged
from pawsight.core.machine import versions
from pawsight.core.thread_pool import ordered_map
from pawsight.data.catalog import Catalog, See, read_catalog
from pawsight.data.finder import find, find_listed
from pawsight.data.patch import Patch
from pawsight.data.patched import PatchOutcome, apply
from pawsight.data.sources import Source
from pawsight.data.split import PARTS, Split
from pawsight.data.split_file import SplitFile
from pawsight.data.split_given import cut, found_for
from pawsight.images.decode import DECODER_VERSION, DecodeSettings
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_onnx import backbone_onnx
from pawsight.models.recipe import SEES, Recipe
from pawsight.training.checks import check_names, check_taught, check_verdicts, without
from pawsight.training.events import write_events
from pawsight.training.exam import exam_pictures
from pawsight.training.features import FeatureSink
from pawsight.training.folder import BUNDLE, kept_or_cleared, open_folder
from pawsight.training.material import Fitted, Floats, Labels, Material, Workplace
from pawsight.training.simple import fit_majority, fit_probe
from pawsight.training.trusted import Settled, check_promise, check_promise_by_names, settle, try_out

HELD_OUT = ("validation", "test")
_DECODES = ("network", "transfer", "finetune")  # methods that look at the same pictures again and again


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made, ready to be measured."""

    folder: Path
    recipe: Recipe
    catalog: Catalog
    split: Split
    truths: Mapping[str, Labels]  # part -> class indices (N,)
    fitted: Fitted
    settled: Settled
    patched: PatchOutcome | None = None  # what a patch of labels did


def train(
    source: Source,
    recipe: Recipe,
    place: Workplace,
    *,
    parts: tuple[str, ...] = HELD_OUT,
    resume: bool = False,
    given: SplitFile | None = None,
    patch: Patch | None = None,
    caution: SelectiveOptions | None = None,
    see: See | None = None,
) -> Outcome:
    """Train a recipe on a source and write the run folder.

    Args:
        source: the pictures.
        recipe: what to train.
        place: where, and who is told.
        parts: held-out parts whose probabilities are wanted; without "test" the test part stays sealed.
        resume: go on with the newest unfinished run of the same recipe on the same split, where there is one.
        given: the split, where it is not to be cut here.
        patch: decisions about labels, applied after the split is cut so that every picture stays in its part.
        caution: what is asked of the answers; None: every picture is answered.
        see: who looks at the pictures; None is this process.

    Raises:
        DataError: the data cannot be trained on. ModelError: weights are missing, or validation is too small for the
        caution. StorageError: the disk refused.
    """
    found = found_for(find_listed(source.root, source.listed) if source.listed else find(source.root), given)
    check_names(found.folders)
    if caution is not None:
        check_verdicts(found.folders)
        check_promise_by_names(found, given, caution, guarded=recipe.method != "majority")
    with Cache(place.cache / "cache") as cache:
        sink = feature_sink(recipe, place, cache) if recipe.method in SEES else None
        with place.stopwatch.stage("reading"):
            settings = DecodeSettings(image_px=recipe.image_px)
            threads = place.machine.cores if sink is None else place.machine.feeders
            catalog = read_catalog(
                found, settings, cache=cache, threads=threads, sink=sink, progress=place.progress, see=see
            )
        while True:
            divided = _divided(catalog, recipe, place, given, patch, caution)
            draft = _draft(divided, recipe, place, parts, sink)
            changed = _changed_since(draft)
            if not changed:
                return replace(_fit(draft, resume, caution), patched=divided.patched)
            place.progress.say(f"Note     left out, since changed while being used: {', '.join(sorted(changed))}")
            catalog = without(catalog, changed, found)


@dataclass(frozen=True, slots=True)
class _Divided:
    """A catalog and its parts, with decisions about labels applied."""

    catalog: Catalog
    split: Split
    patched: PatchOutcome | None


def _divided(
    catalog: Catalog,
    recipe: Recipe,
    place: Workplace,
    given: SplitFile | None,
    patch: Patch | None,
    caution: SelectiveOptions | None,
) -> _Divided:
    with place.stopwatch.stage("splitting"):
        split = cut(catalog, seed=recipe.split_seed, given=given, progress=place.progress)
        patched = None
        if patch is not None:
            catalog, split, patched = apply(catalog, split, patch)
        check_taught(split, compares_epochs=recipe.epochs > 0)
        if caution is not None:
            check_promise(split, caution, guarded=recipe.method != "majority")
    return _Divided(catalog, split, patched)


def _draft(
    divided: _Divided, recipe: Recipe, place: Workplace, parts: tuple[str, ...], sink: FeatureSink | None
) -> Material:
    """Return the material of a run that has no folder yet."""
    by_name = {picture.name: picture for picture in divided.catalog.pictures}
    return Material(divided.catalog, divided.split, recipe, place, place.runs, parts, sink, by_name)


def _changed_since(material: Material) -> dict[str, str]:
    """Decode what will be needed, and return why, by name, for files that are no longer what was catalogued.

    From here on nothing is read where the user's pictures lie, so nothing that happens to them can matter.
    """
    changed: dict[str, str] = {}
    if material.recipe.method in _DECODES:
        for part in dict.fromkeys(("train", "validation", *material.parts)):
            try:
                material.pixels(part)
            except PicturesChanged as error:
                changed |= error.changed
    return changed


def _fit(material: Material, resume: bool, caution: SelectiveOptions | None) -> Outcome:
    recipe, place, folder = material.recipe, material.place, open_folder(material, resume=resume)
    material = replace(material, folder=folder)
    with kept_or_cleared(folder):
        fitted = _method(recipe)(material)
        with place.stopwatch.stage("trusting"):
            settled = settle(material, fitted, caution)
        with place.stopwatch.stage("writing"):
            settled = replace(settled, trust=_write_bundle(material, settled))
            if fitted.history:
                write_events(folder, fitted.history)
    truths = {part: material.truths(part) for part in PARTS}
    return Outcome(folder, recipe, material.catalog, material.split, truths, settled.fitted, settled)


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


def feature_sink(recipe: Recipe, place: Workplace, cache: Cache) -> FeatureSink:
    """Return what computes and keeps the features of a recipe's backbone on this machine."""
    precision = best_precision(place.machine)
    backbone = find_backbone(recipe.backbone)
    space = f"features/{backbone.sha256}/{recipe.image_px}/decoder{DECODER_VERSION}/{precision}"

    def make_engine() -> Engine:
        with place.stopwatch.stage("backbone"):
            model = backbone_onnx(recipe.backbone, recipe.image_px)
            return Engine(model, image_px=recipe.image_px, precision=precision, streams=place.machine.cores)

    return FeatureSink(make_engine, cache=cache, space=space, width=backbone.feature_dim)


def _write_bundle(material: Material, settled: Settled) -> Trust:
    """Write the bundle and return its trust, now with what the guard catches."""
    model = settled.fitted.model
    exam, engine = _examined(material, model)
    trust = try_out(settled.trust, engine)
    card = Card(
        classes=material.classes,
        decode=DecodeSettings(image_px=material.recipe.image_px),
        recipe=material.recipe.to_dict(),
        precision=material.precision,
        split_digest=material.split.digest,
        data_fingerprint=material.catalog.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        trust=trust,
    )
    trained = frozenset(one.sha256 for one in material.split.part("train"))
    write_bundle(material.folder / BUNDLE, card, model=model, golden=exam, trained=trained)
    return trust


def _examined(material: Material, model: bytes) -> tuple[GoldenOutputs, Engine]:
    """Return the exam with the graph's answers, and the graph compiled for this machine."""
    with Cache(material.place.cache / "cache") as cache:
        pictures = exam_pictures(material.recipe.image_px, cache)

    def sat(precision: Precision) -> tuple[Engine, Floats]:
        engine = material.engine(model, precision)
        return engine, engine.run_all(pictures)["probabilities"]

    # Compiling is work for one core, so two arithmetics are compiled side by side.
    (engine, answers), *exact = ordered_map(sat, dict.fromkeys((material.precision, "f32")), threads=2)
    return (
        GoldenOutputs(pictures, exact[0][1], reduced=answers) if exact else GoldenOutputs(pictures, answers)
    ), engine
