"""One candidate of a ladder as its report shows it: figures as words, layers as rows, curves as drawings."""

from __future__ import annotations

import math
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pawsight.core.runs import SPLITS, best_epoch
from pawsight.data.label_sets import SEPARATOR
from pawsight.evaluation.comparison import Gain
from pawsight.evaluation.intervals import Interval
from pawsight.reports import words
from pawsight.reports.charts import accuracy_svg, loss_svg
from pawsight.reports.run_record import RunRecord, figure, finite
from pawsight.reports.several_labels import several_sentence

_TRAIN = ["pawsight", "train"]
# Options of `train` that name a file or a folder.
_PATHS = ("--split", "--patch", "--weights", "--costs", "--from", "--add")
_NAMES = {"f32": "float32", "bf16": "bfloat16"}


def candidate_views(
    candidates: Sequence[RunRecord], names: Sequence[str], gains: Sequence[Gain | None], chosen: RunRecord | None
) -> list[dict[str, Any]]:
    """Return what the templates show of every candidate, in words that are not yet escaped.

    Args:
        candidates: from the lowest up.
        names: unique names for them.
        gains: of each over the one below, None where nothing can be compared.
        chosen: the one chosen on validation.
    """
    return [
        _view(candidates, names, index, gains[index] if index else None, is_chosen=candidates[index] is chosen)
        for index in range(len(candidates))
    ]


def unique_names(candidates: Iterable[RunRecord]) -> list[str]:
    """Return the recipes' names, with seed and run beside those that stand there more than once.

    Runs of one number in two folders have their paths beside them.
    """
    every = list(candidates)
    recipes = Counter(run.recipe for run in every)
    folders = Counter((run.recipe, run.folder.name) for run in every)
    return [
        run.recipe
        if recipes[run.recipe] == 1
        else f"{run.recipe}, seed {_seed(run)}, run "
        f"{run.folder.name if folders[run.recipe, run.folder.name] == 1 else run.shown}"
        for run in every
    ]


def command_of(run: RunRecord) -> tuple[str, bool]:
    """Return the command that made a run, and whether it is reconstructed from what the run records.

    Its paths are those of `RunRecord.path_shown`. On a page it writes beside the run, wherever it is typed.
    """
    place = ["--out", run.path_shown(run.folder.parent)] if run.page is not None else []
    if run.command:
        with suppress(ValueError):  # quotes that do not close: it was edited by hand
            words = shlex.split(run.command)
            if words[: len(_TRAIN)] == _TRAIN:
                return shlex.join([*_with_paths(run, words), *place]), False
        return run.command, False
    line = [*_TRAIN, data_of(run), "--recipe", run.recipe, "--seed", _seed(run)]
    for option in ("backbone", "image_px", "split_seed"):
        if run.settings.get(option):
            line += [f"--{option.replace('_', '-')}", str(run.settings[option])]
    return shlex.join([*line, *place]), True


def data_of(run: RunRecord) -> str:
    """Return the pictures of a run as a command names them: what was typed, of a run that grew its list of them."""
    if run.growth is not None:
        return run.path_shown(run.folder / SPLITS)
    with suppress(ValueError):  # quotes that do not close
        words = shlex.split(run.command)
        if words[: len(_TRAIN)] == _TRAIN and not (words[len(_TRAIN) :] or ["-"])[0].startswith("-"):
            return _with_paths(run, words)[len(_TRAIN)]
    return run.path_shown(run.root) if run.root else "DATA"


def label_words(run: RunRecord) -> list[str]:
    """Return the options that read several labels of a picture, as the run's command has them."""
    if not run.label_rules:
        return []
    if run.growth is not None:  # which are read from the run's own list
        return ["--label-separator", SEPARATOR]
    with suppress(ValueError):  # quotes that do not close, or no separator was typed
        words = shlex.split(run.command)
        place = words.index("--label-separator")
        return words[place : place + 2]
    return ["--several-labels"]


def _with_paths(run: RunRecord, words: Sequence[str]) -> list[str]:
    """Return the words of a `pawsight train ...` with its paths as `RunRecord.path_shown` has them.

    Paths were typed in the folder that the run was trained in. One that does not lead anywhere from the current folder
    stays as it is, but for the folder of the pictures, which the run records.
    """
    shown = list(words)
    for place, word in enumerate(words):
        is_data, path = place == len(_TRAIN) and not word.startswith("-"), Path(word)
        if is_data and not path.exists() and run.root is not None and run.root.parts[-len(path.parts) :] == path.parts:
            path = run.root
        if path.is_absolute() or ((is_data or words[place - 1] in _PATHS) and path.exists()):
            shown[place] = run.path_shown(path)
    return shown


def _view(
    candidates: Sequence[RunRecord], names: Sequence[str], index: int, gain: Gain | None, *, is_chosen: bool
) -> dict[str, Any]:
    run, command = candidates[index], command_of(candidates[index])
    score, ends = _score(run)
    accuracy, loss = _curves(run, index)
    return {
        "number": index + 1,
        "name": names[index],
        "adds": _sentence(run.adds),
        "accuracy": "not measured" if score is None else words.percent(score),
        "interval": "" if ends is None else words.between(ends.as_list()),
        "by": "cross-validated" if run.validation is None and run.cross_validation is not None else "",
        "score": _score_sentence(run),
        "points": words.signed(gain.points) if gain else "",
        "points_interval": words.points_between(gain.interval) if gain else "",
        "verdict": gain.verdict if gain else "",
        "chance": words.chance(gain.p_value if gain.p_holm is None else gain.p_holm) if gain else "",
        "gain": _gain_sentence(candidates, names, index, gain),
        "parameters": words.whole(run.parameters),
        "trainable": words.whole(run.trainable),
        "seconds_per_epoch": _per_epoch(run),
        "seconds": words.duration(run.seconds.get("total")),
        "facts": tuple(_facts(run)),
        "layers": run.layers,
        "problems": tuple(f"The run's record is damaged: {problem}." for problem in run.problems),
        "notes": tuple(map(_sentence, run.notes)),
        "curve": _curve_sentence(run),
        "accuracy_svg": accuracy,
        "loss_svg": loss,
        "run": run.shown if run.shown != os.curdir else run.folder.name,
        "command": command[0],
        "is_command_rebuilt": command[1],
        "is_chosen": is_chosen,
    }


def _score(run: RunRecord) -> tuple[float | None, Interval | None]:
    """Return the accuracy on validation or by cross-validation, of several labels the mean average precision."""
    if (labels := run.several_labels.get("validation")) is not None:
        return labels.mean_average_precision, labels.intervals["mean_average_precision"]
    score = run.validation or (run.cross_validation.metrics if run.cross_validation else None)
    return (score.accuracy, score.interval) if score else (None, None)


def _score_sentence(run: RunRecord) -> str:
    if (labels := run.several_labels.get("validation")) is not None:
        return several_sentence("validation", labels)
    score = run.validation
    if score is None and run.cross_validation is not None:
        return words.visible(run.cross_validation.sentences(None)[0])
    if score is None:
        return "It was not measured on validation."
    text = (
        f"It is right on {words.percent(score.accuracy)} of {words.pictures(score.pictures)} of validation "
        f"(95{words.NBSP}% interval {words.between(score.interval.as_list())})"
    )
    known = figure(score, "log_loss")
    if known is not None:
        loss, ends = known
        interval = f" ({ends.low:.3f} to {ends.high:.3f})" if ends is not None else ""
        text += f", with a log loss of {loss:.3f}{interval}"
    return f"{text}."


def _gain_sentence(candidates: Sequence[RunRecord], names: Sequence[str], index: int, gain: Gain | None) -> str:
    if index == 0:
        return ""
    lower, upper = candidates[index - 1], candidates[index]
    if gain is None:
        return f"It cannot be compared with {names[index - 1]}: the two share no validation picture."
    text = words.verdict_sentence(gain, names[index], names[index - 1], comparisons=len(candidates) - 1)
    if lower.digest != upper.digest:
        text += " The two runs used different splits; only shared validation pictures are compared."
    return text


def _curve_sentence(run: RunRecord) -> str:
    if not run.history:
        return ""
    best = best_epoch(run.history)
    if not math.isfinite(best.val_accuracy):
        return ""
    text = (
        f"At its best epoch, {best.number} of {len(run.history)}, it is right on {words.percent(best.accuracy)} of "
        f"the training set and {words.percent(best.val_accuracy)} of validation."
    )
    last = run.history[-1]
    if last.number != best.number:
        text += f" At the last, on {words.percent(last.accuracy)} and {words.percent(last.val_accuracy)}."
    return text


def _curves(run: RunRecord, index: int) -> tuple[str, str]:
    if not run.history:
        return "", ""
    baseline = finite(run.validation.baseline) if run.validation else None
    return (
        accuracy_svg(run.history, baseline=baseline, name=f"candidate{index + 1}-accuracy"),
        loss_svg(run.history, classes=len(run.classes), name=f"candidate{index + 1}-loss"),
    )


def _facts(run: RunRecord) -> Iterable[tuple[str, str]]:
    """Yield what a reader may want to know beside the scores, as far as the run says it."""
    total, trainable = run.parameters, run.trainable
    if total is not None:
        yield "Parameters", f"{words.whole(total)}{_taught(total, trainable)}"
    yield "Time", _time(run)
    if run.image_px:
        yield "Picture size", f"{words.whole(run.image_px)} px square"
    for term, value in (
        ("Backbone", run.backbone),
        ("Arithmetic", run.precision),
    ):
        if value:
            yield term, _NAMES.get(value, value)
    yield "Seed", _seed(run)


def _taught(total: float, trainable: float | None) -> str:
    if trainable is None or not total:
        return ""
    return " (all trained)" if trainable == total else f" ({words.whole(trainable)} trained)"


def _time(run: RunRecord) -> str:
    total = words.duration(run.seconds.get("total"))
    per_epoch = run.seconds_per_epoch
    return f"{total} in all" + (f", {words.duration(per_epoch)} an epoch" if per_epoch is not None else "")


def _per_epoch(run: RunRecord) -> str:
    per_epoch = run.seconds_per_epoch
    return words.duration(per_epoch) if per_epoch is not None else ""


def _sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}"


def _seed(run: RunRecord) -> str:
    return "unknown" if run.seed is None else str(run.seed)
