"""The verb `evaluate`: how good is a bundle, on its own held-out pictures or on others.

Enters: a run or bundle, and perhaps data. Leaves: an `EvaluateReport`. Does not know: terminals.

Pictures that the bundle was trained on are refused by content, whatever they are called now.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.classifier.predictor import Predictor, load_predictor
from pawsight.commands.learning_curve import CurveReport, curve_lines
from pawsight.commands.learning_curve import learning_curve as curve_of
from pawsight.commands.sealed import HeldOut, held_out, looks_at_test, told_looks
from pawsight.commands.slices import slice_lines, slice_remarks, slices_of, store_slices
from pawsight.core.errors import BadCatalog, NoPictures, WrongUsage
from pawsight.core.machine import cache_folder
from pawsight.core.progress import SILENT, Progress
from pawsight.data.finder import Candidate, LeftOut, find, find_listed
from pawsight.data.sources import resolve
from pawsight.evaluation.metrics import Metrics, aligned, confusions, measure, sentence, table_rows, to_jsonable
from pawsight.evaluation.selective import Abstention, measure_abstention
from pawsight.evaluation.slices import Judged, Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport:
    """How a bundle did on one set of pictures."""

    bundle: Path
    data: str
    part: str | None  # "validation" or "test" of the bundle's own run
    split_digest: str  # of the split the bundle was made from
    metrics: Metrics | None
    left_out: tuple[LeftOut, ...]
    looks_at_test: int | None = None  # looks so far, this one included; None where other pictures were measured
    abstention: Abstention | None = None  # None where the bundle answers every picture
    slices: tuple[Slice, ...] | None = None  # None where they were not asked for
    learning_curve: CurveReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `evaluate --json` prints them."""
        return {
            "bundle": str(self.bundle),
            "data": self.data,
            "part": self.part,
            "split": {"digest": self.split_digest},
            "metrics": to_jsonable(self.metrics),
            "left_out": [{"path": one.name, "reason": one.reason} for one in self.left_out],
            "looks_at_test": self.looks_at_test,
            "abstention": self.abstention.to_json() if self.abstention else None,
            **({} if self.slices is None else {"slices": [one.to_json() for one in self.slices]}),
            **({} if self.learning_curve is None else {"learning_curve": self.learning_curve.to_json()}),
        }


def evaluate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    test: bool = False,
    including_training: bool = False,
    counts_look: bool = True,
    slices: bool = False,
    learning_curve: bool = False,
    progress: Progress = SILENT,
) -> EvaluateReport:
    """Measure a bundle.

    Args:
        run: a run or bundle folder.
        data: labelled pictures as for `train`; None for the run's own validation part.
        test: take the run's own test part instead; its every look is counted.
        counts_look: count this look at the test part; only what belongs to the end of training does not.
        including_training: do not leave out pictures that the bundle was trained on.
        slices: say how it does by kind of picture; those of the run's own validation part are stored in the run.
        learning_curve: say what twice the data would buy; of the run's own pictures, and stored in the run.

    Raises:
        PawsightError: the bundle is refused, or there is no picture that may be measured.
    """
    _check_wishes(run, data, test=test, learning_curve=learning_curve)
    predictor = load_predictor(run)
    progress.say(f"Bundle   {predictor.bundle.folder}, split {predictor.bundle.card.split_digest[:12]}")
    part = ("test" if test else "validation") if data is None else None
    chosen, name = _chosen(run, data, part, counts_look, progress)
    truths, probabilities, verdicts, left_out = _answers(predictor, chosen, including_training, progress)
    if not truths:
        raise _nothing_left(name, left_out)
    classes = predictor.classes
    true, table = np.array([classes.index(label) for label in truths]), np.stack(probabilities)
    metrics = measure(true, table, classes)
    return EvaluateReport(
        bundle=predictor.bundle.folder,
        data=name,
        part=part,
        split_digest=predictor.bundle.card.split_digest,
        metrics=metrics,
        left_out=tuple(left_out),
        abstention=measure_abstention(true, table, verdicts, predictor.bundle.card.trust),
        looks_at_test=looks_at_test(Path(run)) if test else None,
        slices=_sliced(Path(run), part, predictor, chosen, left_out, probabilities, progress) if slices else None,
        learning_curve=curve_of(Path(run), progress=progress) if learning_curve else None,
    )


def _check_wishes(
    run: str | os.PathLike[str], data: str | os.PathLike[str] | None, *, test: bool, learning_curve: bool
) -> None:
    if test and data is not None:
        raise WrongUsage(
            "Either the run's own test part can be measured or other data, not both.",
            f"--test was given beside {os.fspath(data)}.",
            "Leave one of them out.",
        )
    if learning_curve and data is not None:
        raise WrongUsage(
            "A learning curve is that of a run's own pictures.",
            f"Other data was given: {os.fspath(data)}.",
            f"Leave it out: pawsight evaluate {os.fspath(run)} --learning-curve",
        )


def _chosen(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None,
    part: str | None,
    counts_look: bool,
    progress: Progress,
) -> tuple[HeldOut, str]:
    """Return the pictures to be measured, and what they are called."""
    if data is None:
        return held_out(Path(run), part or "validation", counts=counts_look), f"the run's own {part} part"
    source = resolve(data, cache=cache_folder(), progress=progress)
    found = find_listed(source.root, source.listed) if source.listed else find(source.root)
    return HeldOut(found.candidates, {}), source.name


def _sliced(
    run: Path,
    part: str | None,
    predictor: Predictor,
    chosen: HeldOut,
    left_out: Sequence[LeftOut],
    probabilities: Sequence[np.ndarray[Any, Any]],
    progress: Progress,
) -> tuple[Slice, ...]:
    """Return the slices of the pictures that were answered, storing those of the run's own validation part."""
    unanswered = {one.name for one in left_out}
    answered = [one for one in chosen.candidates if one.name not in unanswered]
    judged = [
        Judged(one.name, one.label, predictor.classes[int(row.argmax())], float(row.max()))
        for one, row in zip(answered, probabilities, strict=True)
    ]
    slices = slices_of(answered, judged, progress=progress)
    if part == "validation":
        store_slices(run, slices, part=part, pictures=len(judged))
    return slices


def _answers(
    predictor: Predictor, chosen: HeldOut, including_training: bool, progress: Progress
) -> tuple[list[str], list[np.ndarray[Any, Any]], list[str], list[LeftOut]]:
    """Return truths, probabilities, verdicts, and what was left out."""
    candidates = chosen.candidates
    _check_labels(predictor.classes, candidates)
    truths, probabilities, verdicts, left_out = [], [], [], []
    with progress.stage("Classifying", len(candidates), "pictures") as step:
        answers = predictor.outputs(one.path for one in candidates)
        for one, (loaded, outputs) in zip(candidates, answers, strict=True):
            step.advance()
            if outputs is None:
                left_out.append(LeftOut(one.name, loaded.problem))
            elif loaded.sha256 != chosen.contents.get(one.name, loaded.sha256):
                left_out.append(LeftOut(one.name, "changed since the split was made"))
            elif loaded.sha256 in predictor.bundle.trained and not including_training:
                left_out.append(LeftOut(one.name, "trained on"))
            else:
                truths.append(one.label)
                probabilities.append(outputs["probabilities"])
                verdicts.append(predictor.verdict(outputs))
    return truths, probabilities, verdicts, left_out


def _check_labels(classes: Sequence[str], candidates: Sequence[Candidate]) -> None:
    unknown = sorted({one.label for one in candidates} - set(classes))
    if unknown:
        raise BadCatalog(
            f"The data has classes that the bundle does not know: {', '.join(map(repr, unknown[:5]))}.",
            f"The bundle knows {', '.join(map(repr, classes[:20]))}.",
            "Name the folders as they were named for training, or leave the others out.",
        )


def _nothing_left(name: str, left_out: Sequence[LeftOut]) -> NoPictures:
    return NoPictures(
        f"No picture of {name} can be measured.",
        f"Left out: {_told(left_out)}.",
        "Give pictures the bundle has not seen, or add --including-training to measure memory instead of skill.",
    )


def summary(report: EvaluateReport) -> list[str]:
    """Return the lines that tell a person how good it is."""
    lines = [f"On {report.data}: {sentence(report.metrics)}"]
    if report.metrics is None:
        return lines
    if report.metrics.roc_auc is not None:
        ends = report.metrics.intervals.roc_auc
        told = f" (95 % interval {ends.low:.4f}-{ends.high:.4f})" if ends is not None else ""
        lines.append(f"Area under the ROC curve {report.metrics.roc_auc:.4f}{told}")
    lines += aligned([("class", "pictures", "precision", "recall", "F1"), *table_rows(report.metrics)])
    mistakes = confusions(report.metrics)
    if mistakes:
        lines.append("Commonest mistakes: " + "; ".join(f"{n} {a} taken for {b}" for a, b, n in mistakes))
    if report.left_out:
        lines.append(f"Left out: {_told(report.left_out)}")
    if report.abstention is not None:
        lines.append(f"Abstention: {report.abstention.sentence()}")
    return [*lines, *_asked_for(report), f"The split it was trained with has the digest {report.split_digest[:12]}."]


def _asked_for(report: EvaluateReport) -> list[str]:
    """Return the lines about what was asked for beyond the figures."""
    lines = [] if report.looks_at_test is None else [told_looks(report.looks_at_test)]
    if report.slices is not None:
        lines += [*aligned(slice_lines(report.slices)), *slice_remarks(report.slices)]
    if report.learning_curve is not None:
        lines += curve_lines(report.learning_curve)
    return lines


def _told(left_out: Sequence[LeftOut]) -> str:
    reasons = Counter(one.reason for one in left_out)
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "no files at all"
