"""One training run, from a source of pictures to a bundle in a numbered run folder.

The recipe's method (`probe`, `networks`, `transfer`) does the training proper, on the training subset only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import Card, problem_with_name, write_bundle
from pawsight.classifier.costs import costs_for
from pawsight.classifier.trust import UNFAMILIAR, UNSURE, SelectiveOptions, Trust
from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, PicturesChanged, WrongUsage
from pawsight.core.machine import versions
from pawsight.core.progress import SILENT
from pawsight.core.runs import BUNDLE
from pawsight.data.dataset import Dataset, FileReader, check_classes, grey_range_of, read_dataset
from pawsight.data.facts import thumbnail_of
from pawsight.data.found import Found, LeftOut
from pawsight.data.given_split import SplitFile, cut, found_for
from pawsight.data.groups import grouped
from pawsight.data.label_patch import Patch, PatchOutcome, apply
from pawsight.data.parts import PARTS
from pawsight.data.sources import Source
from pawsight.data.split import Split, all_in_training
from pawsight.images.fingerprint import fingerprint
from pawsight.models.recipes import AUTO, Recipe
from pawsight.training.backbone_choice import candidates, choice_note, choose_backbone
from pawsight.training.calibration import (
    Flags,
    add_detector,
    add_guarantee,
    calibrate,
    count_detections,
)
from pawsight.training.context import Floats, Labels, RunEnvironment, TrainedModel, TrainingContext
from pawsight.training.features import FeatureSink, feature_sink, trusted_device
from pawsight.training.guarantees import check_guarantee, check_guarantee_by_names
from pawsight.training.label_probe import train_label_probe
from pawsight.training.networks import train_network, write_events
from pawsight.training.probe import train_majority, train_probe
from pawsight.training.reference import fit_reference
from pawsight.training.run_folder import kept_or_removed, open_run_folder
from pawsight.training.self_test import golden_outputs
from pawsight.training.transfer import train_transfer

HELD_OUT = ("validation", "test")
_USES_PIXELS = ("network", "transfer")  # methods that go over the same pictures again and again
_METHODS: Mapping[str, Callable[[TrainingContext], TrainedModel]] = {
    "majority": train_majority,
    "probe": train_probe,
    "network": train_network,
    "transfer": train_transfer,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """What a run made, ready to be measured."""

    folder: Path
    recipe: Recipe
    dataset: Dataset
    split: Split
    labels: Mapping[str, Labels]  # subset -> class indices (N,); empty where pictures have several labels
    truths: Mapping[str, Flags]  # subset -> which labels each picture has (N, L); empty where each has one
    model: TrainedModel  # calibrated
    trust: Trust
    uncalibrated: Mapping[str, Floats]  # subset -> probabilities (N, C) before the temperature
    calibrated_on: int  # pictures that the temperature was fitted on
    calibration_gain: tuple[float, float] | None  # in log loss, in nats, and its standard error
    options: SelectiveOptions  # what was asked of the answers
    familiar: Mapping[str, Flags]  # subset -> whether each picture is like the training pictures (N,), as far as known
    no_guarantee: str = ""  # why a risk guarantee that was asked for could not be given
    patched: PatchOutcome | None = None  # what a patch of labels did


def train_run(
    source: Source,
    recipe: Recipe,
    env: RunEnvironment,
    *,
    held_out: tuple[str, ...] = HELD_OUT,
    resume: bool = False,
    given: SplitFile | None = None,
    patch: Patch | None = None,
    options: SelectiveOptions = SelectiveOptions(),
    reader: FileReader | None = None,
    folds: int | None = None,
) -> TrainedRun:
    """Train a recipe on a source and write the run folder.

    Args:
        source: the pictures.
        recipe: what to train.
        env: where the run happens and what reports on it.
        held_out: subsets whose probabilities are wanted; without "test" the test subset stays sealed.
        resume: resume the newest unfinished run of the same recipe on the same split, where there is one.
        given: the split, where it is not to be cut here.
        patch: decisions about labels, applied after the split is cut so that every picture stays in its subset.
        options: what is asked of the answers.
        reader: computes facts and features elsewhere; None is this process.
        folds: of a cross-validation that is to measure the run in place of validation and test, which are then in
            training; a test part that is given stays sealed.

    Raises:
        DataError: the data cannot be trained on. ModelError: weights are missing, or validation is too small for the
        options. StorageError: the disk refused.
    """
    found = found_for(source.find(), given)
    check_several_labels(found, recipe, options, folds=folds)
    check_names(found.folders)
    check_reserved_names(found.folders, options)
    if options.costs is not None:
        costs_for(options.costs, found.folders)
    check_guarantee_by_names(found, given, options, has_out_of_fold=recipe.method == "probe")
    greys = grey_range_of(found, env.decode_settings(recipe), threads=env.machine.cores, progress=env.progress)
    env = replace(env, grey_range=greys)
    choice = None
    if recipe.backbone == AUTO:
        with env.stopwatch.stage("choosing"):
            recipe, choice = _choose_backbone(found, recipe, env, given)
        env.progress.say(f"Note     {choice_note(choice)}")
    with Cache(env.cache / "cache") as cache:
        sink, threads = None, env.machine.cores
        if recipe.method == "probe":
            env = replace(env, device=trusted_device(recipe, env.device, env.machine, env.progress))
            sink = feature_sink(recipe, cache, env.machine, env.stopwatch, env.device, env.grey_range)
            threads = env.machine.feeders
        with env.stopwatch.stage("reading"), sink.kept() if sink else nullcontext():
            dataset = read_dataset(
                found,
                env.decode_settings(recipe),
                cache=cache,
                threads=threads,
                sink=sink,
                progress=env.progress,
                reader=reader,
                allow_missing=env.allow_missing,
                data=env.data,
            )
        with env.stopwatch.stage("splitting"):
            dataset = grouped(dataset, env.progress)
        context, patched = _split_and_decode(found, dataset, recipe, env, held_out, given, patch, options, sink, folds)
        context = replace(context, folder=open_run_folder(context, resume=resume))
        with kept_or_removed(context.folder):
            trained = (train_label_probe if dataset.several_labels else _METHODS[recipe.method])(context)
            if choice is not None:
                depth = {**(trained.depth or {}), "backbone": choice}
                trained = replace(trained, notes=(choice_note(choice), *trained.notes), depth=depth)
            with env.stopwatch.stage("trusting"):
                model, trust, calibrated_on, gain = calibrate(context, trained)
                uncalibrated = context.answers(trained.graph, trained.features)
                model, trust, familiar = add_detector(context, model, trust, options)
                model, trust, no_guarantee = add_guarantee(context, model, trust, options, familiar)
            with env.stopwatch.stage("writing"):
                trust = _write_bundle(context, model, trust)
                if model.history:
                    write_events(context.folder, model.history)
    return TrainedRun(
        folder=context.folder,
        recipe=recipe,
        dataset=context.dataset,
        split=context.split,
        labels={} if dataset.several_labels else {subset: context.labels(subset) for subset in PARTS},
        truths={subset: context.truth(subset) for subset in PARTS} if dataset.several_labels else {},
        model=model,
        trust=trust,
        uncalibrated=uncalibrated,
        calibrated_on=calibrated_on,
        calibration_gain=gain,
        options=options,
        familiar=familiar,
        no_guarantee=no_guarantee,
        patched=patched,
    )


def _choose_backbone(
    found: Found, recipe: Recipe, env: RunEnvironment, given: SplitFile | None
) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe with the backbone that suits the training subset, and how that was chosen.

    Labels are those of the data: a patch comes later.
    """
    tried = candidates(recipe)
    with Cache(env.cache / "cache") as cache:
        settings = env.decode_settings(tried[0])
        threads, allowed = env.machine.cores, env.allow_missing
        dataset = read_dataset(
            found, settings, cache=cache, threads=threads, progress=env.progress, allow_missing=allowed, data=env.data
        )
    dataset = grouped(dataset)
    split = cut(dataset, seed=recipe.split_seed, given=given, progress=SILENT)
    check_split(split, compares_epochs=False)
    context = TrainingContext(dataset, split, recipe, env, env.runs, ())
    return choose_backbone(tried, context.pictures("train"), context.labels("train"), split.numbers("train"), env)


def _split_and_decode(
    found: Found,
    dataset: Dataset,
    recipe: Recipe,
    env: RunEnvironment,
    held_out: tuple[str, ...],
    given: SplitFile | None,
    patch: Patch | None,
    options: SelectiveOptions,
    sink: FeatureSink | None,
    folds: int | None,
) -> tuple[TrainingContext, PatchOutcome | None]:
    """Split the dataset and decode what training will need, leaving out pictures that changed since it was read.

    After this nothing is read where the user's pictures are, so that no later change to them matters.
    """
    while True:
        with env.stopwatch.stage("splitting"):
            split = cut(dataset, seed=recipe.split_seed, given=given, progress=env.progress)
            if folds is not None:
                is_given = given is not None or any(picture.part == "test" for picture in dataset.pictures)
                split = all_in_training(split, keeps_test=is_given)
            used, patched = dataset, None
            if patch is not None:
                used, split, patched = apply(dataset, split, patch)
            check_split(split, compares_epochs=recipe.epochs > 0)
            check_guarantee(split, options, has_out_of_fold=recipe.method == "probe")
        context = TrainingContext(used, split, recipe, env, env.runs, held_out, sink, folds)
        changed: dict[str, str] = {}  # why, by name
        for subset in dict.fromkeys(("train", "validation", *held_out)) if recipe.method in _USES_PIXELS else ():
            try:
                context.pixels(subset)
            except PicturesChanged as error:
                changed |= error.changed
        if not changed:
            return context, patched
        env.progress.say(f"Note     left out, since changed while being used: {', '.join(sorted(changed))}")
        dataset = without(dataset, changed, found)


def _write_bundle(context: TrainingContext, model: TrainedModel, trust: Trust) -> Trust:
    """Write the bundle and return its trust, now with what the detector notices."""
    golden, engine = golden_outputs(context, model.graph)
    trust = count_detections(trust, engine)
    card = Card(
        classes=context.classes,
        decode=context.env.decode_settings(context.recipe),
        recipe=context.recipe.to_dict(),
        precision=context.precision,
        split_digest=context.split.digest,
        data_fingerprint=context.dataset.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        trust=trust,
        measured_by=f"cross-validation with {model.folds} folds" if context.folds is not None else "",
    )
    trained = frozenset(assigned.sha256 for assigned in context.split.part("train"))
    fingerprints = {
        fingerprint(thumbnail_of(picture.facts)) for picture in context.dataset.pictures if picture.sha256 in trained
    }
    write_bundle(
        context.folder / BUNDLE,
        card,
        model=model.graph,
        golden=golden,
        trained=trained,
        fingerprints=fingerprints,
        reference=fit_reference(context, model),
    )
    return trust


def check_names(classes: Sequence[str]) -> None:
    """Refuse class names that a bundle could not carry.

    Raises:
        BadDataset: a name holds control characters, is not UTF-8 or is too long.
    """
    for name in classes:
        problem = problem_with_name(name)
        encoding = sys.getfilesystemencoding()
        if problem:
            raise BadDataset(
                f"The name {name!r} cannot be the name of a class.",
                f"It {problem}, so it could not be shown or sent everywhere."
                + (f" Python reads names as {encoding} here." if encoding != "utf-8" else ""),
                "Rename the folder, or change the label in the CSV, and type the same command again."
                if encoding == "utf-8"
                else "Set PYTHONUTF8=1 in the environment, and type the same command again.",
            )


def check_reserved_names(classes: Sequence[str], options: SelectiveOptions) -> None:
    """Refuse classes named like a decision that leaves a picture unanswered, and a class that is none.

    Raises:
        BadDataset: a class is called "unfamiliar", or "unsure" where pictures may be. WrongUsage: the class that stands
            for none of the others is not there.
    """
    asked = "--max-error" if options.max_error is not None else "--max-error-per-class"
    has_unsure = options.max_error is not None or options.max_error_per_class is not None
    reserved = {UNSURE: (has_unsure, f"leave {asked} out"), UNFAMILIAR: (not options.answer_all, "add --answer-all")}
    for name, (is_reserved, otherwise) in reserved.items():
        if is_reserved and name in classes:
            raise BadDataset(
                f"The name {name!r} cannot be the name of a class{f' with {asked}' if name == UNSURE else ''}.",
                "It is the output for pictures without an answer, so the two could not be told apart.",
                f"Rename the folder, or change the label in the CSV, or {otherwise}.",
            )
    if options.none_class is not None and options.none_class not in classes:
        raise WrongUsage(
            f"There is no class {options.none_class!r}.",
            f"The classes are {', '.join(map(repr, classes[:10]))}{' and more' if len(classes) > 10 else ''}.",
            "Name one of them after --none-class.",
        )


def check_several_labels(found: Found, recipe: Recipe, options: SelectiveOptions, *, folds: int | None) -> None:
    """Refuse what says nothing of pictures with several labels.

    Raises:
        WrongUsage: with the option.
    """
    asked = {
        "--class-weights": recipe.class_weights,
        "--backbone auto": recipe.backbone == AUTO,
        "--folds": folds is not None,
        "--max-error-per-class": options.max_error_per_class is not None,
        "--sets": options.sets is not None,
        "--costs": options.costs is not None,
        "--none-class": options.none_class is not None,
    }
    if not found.several_labels:
        return
    if recipe.method != "probe":
        raise WrongUsage(
            f"The recipe {recipe.name} cannot be trained with several labels a picture.",
            "It has one answer for each picture.",
            "Type --recipe probe",
        )
    if named := [option for option, is_asked in asked.items() if is_asked]:
        raise WrongUsage(
            f"{named[0]} cannot be used with several labels a picture.",
            "It is about pictures that are of one class each; here each label has its own answer.",
            f"Leave {named[0]} out.",
        )


def check_split(split: Split, *, compares_epochs: bool) -> None:
    """Refuse a split that no classifier can be trained on.

    Args:
        split: of all pictures.
        compares_epochs: the recipe chooses between its epochs on the validation subset, so there must be one.

    Raises:
        BadDataset: a class is only in validation or test, or validation is needed and empty.
    """
    if compares_epochs and not split.part("validation"):
        raise BadDataset(
            "The validation set has no pictures.",
            "This recipe keeps its best epoch, and only validation can say which that is.",
            "Add pictures, or train without epochs: --recipe probe",
        )
    taught = split.labels_in("train")
    untaught = sorted((split.labels_in("validation") | split.labels_in("test")) - taught)
    if untaught:
        more = f" and {len(untaught) - 5:,} more" if len(untaught) > 5 else ""
        raise BadDataset(
            f"No training picture shows {', '.join(map(repr, untaught[:5]))}{more}.",
            f"Classes are learnt from the training set, which has {', '.join(map(repr, sorted(taught)[:5]))}.",
            "Put pictures of every class into train/, or take the others out of validation/ and test/.",
        )
    if not split.several_labels:
        return
    common = set.intersection(*(set(split.labels_of(picture)) for picture in split.part("train")))
    if common:
        raise BadDataset(
            f"Every training picture has the label {min(common)!r}.",
            "What sets it apart is learnt from pictures without it.",
            "Add pictures without it, or leave the label out of the table.",
        )


def without(dataset: Dataset, changed: Mapping[str, str], found: Found) -> Dataset:
    """Return a dataset with the pictures that changed moved to those left out.

    Args:
        dataset: as `read_dataset` returned it.
        changed: why, by name.
        found: what the dataset was read from.

    Raises:
        NoPictures, BadDataset: the others cannot be trained on.
    """
    gone = [LeftOut(name, f"changed while being used: {reason}") for name, reason in changed.items()]
    left_out = tuple(sorted([*dataset.left_out, *gone], key=lambda file: file.name))
    kept = tuple(picture for picture in dataset.pictures if picture.name not in changed)
    rest = replace(dataset, pictures=kept, left_out=left_out)
    check_classes(found, rest.counts, rest.left_out, rest.trainable)
    return rest
