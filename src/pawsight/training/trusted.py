"""From a fitted classifier to one that says how far to believe it: temperature, then guard, then promise.

Enters: `Material`, `Fitted`, and what the user asks. Leaves: `Settled`: the same classifier, calibrated, with its
`Trust`. Does not know: recipes, except where each keeps answers to pictures it was not fitted to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from pawsight.classifier.engine import Engine
from pawsight.classifier.trust import (
    DetectionCount,
    OodDetector,
    SelectiveOptions,
    Trust,
    fit_temperature,
    log_probabilities,
    with_temperature,
)
from pawsight.core.errors import TrainingFailed
from pawsight.data.finder import Found
from pawsight.data.split import Split
from pawsight.data.split_file import SplitFile
from pawsight.models.trust_graph import UNLIKENESS, unlikeness_of, with_guard
from pawsight.models.trust_graph import with_temperature as graph_with_temperature
from pawsight.training import abstention, guard
from pawsight.training.material import Fitted, Floats, Material
from pawsight.training.strangers import strangers

OUT_OF_FOLD, VALIDATION = "out-of-fold answers of the training part", "the validation part"
_WITHOUT_FEATURES = ("majority",)


@dataclass(frozen=True, slots=True)
class Settled:
    """A classifier and what its answers are worth."""

    fitted: Fitted  # calibrated
    trust: Trust
    before: Mapping[str, Floats]  # part -> probabilities (N, C) as they were before the temperature
    calibrated_on: int  # pictures the temperature was fitted on
    caution: SelectiveOptions | None = None
    broken: str = ""  # why a promise that was asked for could not be made


def check_promise(split: Split, caution: SelectiveOptions, *, guarded: bool) -> None:
    """Refuse a promise that the validation part is too small for, whatever is learnt.

    Raises:
        TrainingFailed: even without a single wrong answer nothing could be promised.
    """
    pictures, wanted = split.sizes["validation"], abstention.least_pictures(caution.max_error)
    if _kept(pictures, caution, guarded) < wanted:
        raise _too_few(pictures, f"{pictures:,}", caution, guarded)


def check_promise_by_names(found: Found, given: SplitFile | None, caution: SelectiveOptions, *, guarded: bool) -> None:
    """Refuse such a promise before any picture is read, where the names of files show it.

    Raises:
        TrainingFailed: validation will be too small, however the pictures turn out.
    """
    likely, most = _validation_by_names(found, given)
    if most < _needed(caution, guarded):
        raise _too_few(likely, f"about {likely:,}", caution, guarded)


def _validation_by_names(found: Found, given: SplitFile | None) -> tuple[int, int]:
    """Return how many pictures validation will likely have, and how many at most."""
    if given is not None:
        lines = sum(one.part == "validation" for one in given.placings)
        return lines, lines
    counts = Counter(one.part for one in found.candidates)
    if counts["train"] and counts["validation"]:
        held_out = counts["validation"]
        return held_out if counts["test"] else round(0.8 * held_out), held_out
    cut = counts["train"] if counts["train"] and counts["test"] else len(found.candidates)
    return round(0.15 * cut), math.ceil(0.17 * cut) + len(found.folders)  # rounded class by class


def _too_few(pictures: int, told: str, caution: SelectiveOptions, guarded: bool) -> TrainingFailed:
    noun = "picture" if pictures == 1 else "pictures"
    return TrainingFailed(
        f"An error of at most {percent(caution.max_error)} cannot be promised on {told} validation {noun}: "
        f"{_needed(caution, guarded):,} are needed at least.",
        "Even if every answer were right, fewer could be so by luck more often than once in ten.",
        _smaller_wish(_kept(pictures, caution, guarded), pictures) + " Or add pictures to validation.",
    )


def _needed(caution: SelectiveOptions, guarded: bool) -> int:
    """Return the fewest validation pictures with which a promise is possible at all."""
    wanted = abstention.least_pictures(caution.max_error)
    return next(n for n in count(wanted) if _kept(n, caution, guarded) >= wanted)


def settle(material: Material, fitted: Fitted, caution: SelectiveOptions | None = None) -> Settled:
    """Calibrate a classifier and, where the user asks for caution, give it a guard and a promise."""
    temperature, source, pictures = _temperature(material, fitted)
    calibrated = replace(
        fitted,
        model=graph_with_temperature(fitted.model, temperature),
        probabilities={part: with_temperature(table, temperature) for part, table in fitted.probabilities.items()}
        if temperature != 1.0
        else fitted.probabilities,
    )
    settled = Settled(calibrated, Trust(temperature=temperature, fitted_on=source), fitted.probabilities, pictures)
    return settled if caution is None else _cautious(material, settled, caution)


def try_out(trust: Trust, engine: Engine) -> Trust:
    """Let the guard look at pictures that are no class of anybody's, and note how many it catches."""
    if trust.guard is None:
        return trust
    limit = trust.guard.threshold
    caught = tuple(
        DetectionCount(
            kind=kind, pictures=len(squares), caught=int((engine.run_all(squares)[UNLIKENESS] > limit).sum())
        )
        for kind, squares in strangers(engine.image_px).items()
    )
    return replace(trust, guard=replace(trust.guard, caught=caught))


def percent(share: float) -> str:
    """Return a share as people write it, e.g. 1 % or 0.5 %."""
    return f"{100 * share:.4g} %"


def _kept(pictures: int, caution: SelectiveOptions, guarded: bool) -> int:
    """Return how many validation pictures a promise can stand on: the guard's threshold takes the strangest away."""
    if not guarded or pictures < guard.least_pictures(caution.false_alarms):
        return pictures
    return math.ceil((pictures + 1) * (1 - caution.false_alarms) - 1e-9) - 1


def _smaller_wish(kept: int, pictures: int) -> str:
    """Say what could be promised with room for two errors."""
    share = abstention.least_promise(kept, pictures)
    return f"Type --max-error {100 * share:g}%, if that will do." if share else "No promise can be made on them."


def _temperature(material: Material, fitted: Fitted) -> tuple[float, str, int]:
    """Return the temperature, what it was fitted on, and how many pictures that were."""
    known = fitted.out_of_fold
    if known is not None:
        truths = material.truths("train")[known.rows]
        return fit_temperature(truths, known.log_probabilities), OUT_OF_FOLD, len(truths)
    table = fitted.probabilities.get("validation")
    if table is None or not len(table) or not material.recipe.epochs:
        return 1.0, Trust().fitted_on, 0
    return fit_temperature(material.truths("validation"), log_probabilities(table)), VALIDATION, len(table)


def _cautious(material: Material, settled: Settled, caution: SelectiveOptions) -> Settled:
    fitted = settled.fitted
    table, truths = fitted.probabilities["validation"], material.truths("validation")
    model, watching, unlikeness, notes = _guarded(material, fitted.model, caution)
    usual = np.ones(len(truths), bool) if watching is None else unlikeness < watching.threshold
    right = table.argmax(axis=1) == truths
    sureness = table.max(axis=1)[usual]
    promise = abstention.choose(sureness, right[usual], max_error=caution.max_error, pictures=len(truths))
    broken = "" if promise else _why_broken(sureness, right[usual], caution)
    if material.recipe.epochs and promise:
        notes += ("the promise stands on validation pictures that also chose the epoch, so it may be a little rosy",)
    return replace(
        settled,
        fitted=replace(fitted, model=model, notes=(*fitted.notes, *notes)),
        trust=replace(settled.trust, promise=promise, guard=watching),
        caution=caution,
        broken=broken,
    )


def _guarded(
    material: Material, model: bytes, caution: SelectiveOptions
) -> tuple[bytes, OodDetector | None, Floats, tuple[str, ...]]:
    """Return the model with a guard, the guard, how unlike each validation picture is, and remarks."""
    nothing = np.zeros(0, np.float32)
    pictures, needed = material.split.sizes["validation"], guard.least_pictures(caution.false_alarms)
    if pictures < needed:
        why = (
            f"{pictures:,} validation pictures cannot set a threshold with {percent(caution.false_alarms)} false alarms"
        )
        return model, None, nothing, (f"no guard against strange pictures: {why}; {needed:,} can",)
    engine = None if material.recipe.method == "probe" else material.engine(model)
    rows = guard.some_rows(material.split.sizes["train"], seed=material.recipe.seed)
    is_blind = material.recipe.method in _WITHOUT_FEATURES
    space = None if is_blind else guard.fit_subspace(_features(material, engine, "train", rows))
    if space is None:
        return model, None, nothing, ("no guard against strange pictures: this recipe has too few features for one",)
    held_out = _features(material, engine, "validation", np.arange(pictures))
    unlikeness = unlikeness_of(held_out, space.mean, space.directions)
    threshold = guard.threshold_for(unlikeness, caution.false_alarms)
    assured = OodDetector(
        threshold=1.0 if threshold is None else threshold,
        false_alarms=caution.false_alarms,
        pictures=pictures,
        components=space.directions.shape[1],
        caught=(),
    )
    return with_guard(model, space.mean, space.directions), assured, unlikeness, ()


def _features(material: Material, engine: Engine | None, part: str, rows: guard.Rows) -> Floats:
    if engine is None:
        return material.features(part)[rows]
    pixels = material.pixels(part)
    return np.stack([outputs["features"] for _, outputs in engine.run((row, pixels[row]) for row in rows.tolist())])


def _why_broken(sureness: Floats, right: abstention.Flags, caution: SelectiveOptions) -> str:
    """Say what stands in the way: the errors among the surest half of the answers."""
    surest = np.argsort(-sureness, kind="stable")[: max(abstention.least_pictures(caution.max_error), len(right) // 2)]
    wrong = int((~right[surest]).sum())
    verb = "is" if wrong == 1 else "are"
    return (
        f"{wrong:,} of the {len(surest):,} surest answers on validation {verb} wrong, so no threshold keeps an error "
        f"of {percent(caution.max_error)}; nothing is unsure, every picture gets an answer"
    )
