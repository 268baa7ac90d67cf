"""One training run, from a source to a bundle in a numbered run folder.

Enters: a `Source`, a `Recipe`, a `Workplace`. Leaves: an `Outcome`, and on disk everything needed to make it again.
Does not know: how good the result is; `evaluation` is told the probabilities of validation and test.

Training proper is `fit_head`, and all it is given are the features and labels of the training part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pawsight.bundle import Card, Exam, write_bundle
from pawsight.cache import Cache
from pawsight.data.catalog import Catalog, read_catalog
from pawsight.data.finder import find, find_listed
from pawsight.data.sources import Source
from pawsight.data.split import PARTS, Split, make_split
from pawsight.engine import Engine, best_precision
from pawsight.images.decode import DECODER_VERSION, DecodeSettings
from pawsight.machine import Machine, versions
from pawsight.models.backbones import find_backbone
from pawsight.models.export_backbone import backbone_onnx
from pawsight.models.head_graph import append_head
from pawsight.models.recipe import Recipe
from pawsight.progress import Progress, Stopwatch
from pawsight.runs import CATALOG, RECIPE, SOURCE, SPLITS, new_run, write_table
from pawsight.storage import write_json, write_text
from pawsight.training.exam import exam_pictures
from pawsight.training.features import FeatureSink
from pawsight.training.probe import Floats, Head, Labels, fit_head

BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a run happens and who is told about it."""

    runs: Path  # folder that holds the run folders
    cache: Path  # folder for what can be made again
    machine: Machine
    progress: Progress
    stopwatch: Stopwatch


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made, ready to be measured."""

    folder: Path
    recipe: Recipe
    catalog: Catalog
    split: Split
    truths: Mapping[str, Labels]  # part -> class indices (N,)
    probabilities: Mapping[str, Floats]  # part -> (N, C), for validation and test
    head: Head
    precision: str  # of the backbone's arithmetic
    computed: int  # pictures whose features were not in the cache


def train(source: Source, recipe: Recipe, place: Workplace) -> Outcome:
    """Train a recipe on a source and write the run folder.

    Raises:
        DataError: the data cannot be trained on. ModelError: weights are missing. StorageError: the disk refused.
    """
    precision = best_precision(place.machine)
    found = find_listed(source.root, source.listed) if source.listed else find(source.root)
    with Cache(place.cache / "cache") as cache:
        sink = _feature_sink(recipe, place, cache)
        with place.stopwatch.stage("reading"):
            settings = DecodeSettings(image_px=recipe.image_px)
            catalog = read_catalog(
                found, settings, cache=cache, threads=place.machine.cores, sink=sink, progress=place.progress
            )
        with place.stopwatch.stage("splitting"):
            split = make_split(catalog, seed=recipe.seed)
        features = {
            part: sink.features_of([one.sha256 for one in split.part(part)]) for part in PARTS
        }
    truths = {part: _truths(split, part, catalog.classes) for part in PARTS}
    with place.stopwatch.stage("fitting"):
        head = fit_head(
            features["train"], truths["train"],
            classes=len(catalog.classes), folds=recipe.folds, seed=recipe.seed, progress=place.progress,
        )
    with place.stopwatch.stage("writing"):
        folder = _write_run(catalog, split, recipe, head, place)
    probabilities = {part: head.probabilities(features[part]) for part in ("validation", "test")}
    return Outcome(folder, recipe, catalog, split, truths, probabilities, head, precision, sink.computed)


def _feature_sink(recipe: Recipe, place: Workplace, cache: Cache) -> FeatureSink:
    precision = best_precision(place.machine)
    backbone = find_backbone(recipe.backbone)
    space = f"features/{backbone.sha256}/{recipe.image_px}/decoder{DECODER_VERSION}/{precision}"

    def make_engine() -> Engine:
        with place.stopwatch.stage("backbone"):
            model = _backbone(recipe, place)
            return Engine(model, image_px=recipe.image_px, precision=precision, streams=place.machine.cores)

    return FeatureSink(make_engine, cache=cache, space=space, width=backbone.feature_dim)


def _backbone(recipe: Recipe, place: Workplace) -> bytes:
    return backbone_onnx(recipe.backbone, recipe.image_px, place.cache, progress=place.progress).read_bytes()


def _truths(split: Split, part: str, classes: tuple[str, ...]) -> Labels:
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[one.label] for one in split.part(part)], dtype=np.int64)


def _write_run(
    catalog: Catalog, split: Split, recipe: Recipe, head: Head, place: Workplace
) -> Path:
    folder = new_run(place.runs)
    write_text(folder / RECIPE, recipe.to_toml())
    write_json(folder / SOURCE, {"root": str(catalog.root)})
    write_split(folder / SPLITS, split)
    write_catalog(folder / CATALOG, catalog)
    model = append_head(_backbone(recipe, place), head.weights, head.bias, classes=catalog.classes)
    trained = frozenset(one.sha256 for one in split.part("train"))
    write_bundle(
        folder / BUNDLE,
        _card(catalog, split, recipe, place),
        model=model,
        exam=_exam(model, recipe, place),
        trained=trained,
    )
    return folder


def _card(catalog: Catalog, split: Split, recipe: Recipe, place: Workplace) -> Card:
    return Card(
        classes=catalog.classes,
        decode=DecodeSettings(image_px=recipe.image_px),
        recipe=recipe.to_dict(),
        precision=best_precision(place.machine),
        split_digest=split.digest,
        data_fingerprint=catalog.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
    )


def _exam(model: bytes, recipe: Recipe, place: Workplace) -> Exam:
    pictures = exam_pictures(recipe.image_px)
    engine = Engine(
        model, image_px=recipe.image_px, precision=best_precision(place.machine), streams=place.machine.cores
    )
    return Exam(pictures, engine.run_all(pictures)["probabilities"])


def write_split(path: Path, split: Split) -> None:
    """Write splits.csv: every picture's content, label and part."""
    rows = [(one.name, one.sha256, one.label, one.part) for one in split.assigned]
    write_table(path, ("path", "sha256", "label", "part"), rows)


def write_catalog(path: Path, catalog: Catalog) -> None:
    """Write catalog.csv: every file, with what it is or why it was left out."""
    used = [
        (one.name, one.label, one.sha256, one.facts.width, one.facts.height, one.facts.format, "")
        for one in catalog.pictures
    ]
    unused = [(one.name, "", "", "", "", "", one.reason) for one in catalog.left_out]
    write_table(path, ("path", "label", "sha256", "width", "height", "format", "left_out"), [*used, *unused])
