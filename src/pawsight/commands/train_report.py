"""What `train` reports: the run's figures as JSON and text, its calibration, and what a patch of labels gained."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.classifier.trust import Trust
from pawsight.core.errors import PawsightError
from pawsight.core.runs import PREDICTIONS, Epoch
from pawsight.data.audit import Finding
from pawsight.data.dataset import Dataset
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch, PatchOutcome
from pawsight.data.split import Assigned, Split
from pawsight.evaluation.calibration import brier_score, expected_calibration_error
from pawsight.evaluation.comparison import Answer, Gain, compare
from pawsight.evaluation.metrics import Metrics, log_loss, sentence, to_jsonable
from pawsight.models.recipes import Recipe
from pawsight.reports.run_record import VERSION, RunRecord
from pawsight.reports.words import unmeasured_sentence

if TYPE_CHECKING:
    from pawsight.training.context import Layer
    from pawsight.training.run import TrainedRun

_MEASURES = {"ece": expected_calibration_error, "brier": brier_score, "log_loss": log_loss}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a run made and how good it is."""

    run: Path
    recipe: Recipe
    dataset: Dataset
    split: Split
    validation: Metrics | None
    test: Metrics | None  # None also where the test set was not evaluated
    precision: str  # number format that pictures were computed in
    computed: int  # pictures whose features were not in the cache
    seconds: Mapping[str, float]
    machine: str
    adds: str = ""  # what the recipe adds to the one below it
    command: str = ""  # the command that makes the same run again
    parameters: tuple[int, int] = (0, 0)  # total and trainable
    layers: tuple[Layer, ...] = ()
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()
    depth: Mapping[str, Any] | None = None  # where a probe reads its backbone, and what else was tried
    patch: PatchOutcome | None = None  # what decisions about labels changed
    trust: TrustReport | None = None  # calibration, guarantee, detector
    gain_from_patch: Gain | None = None  # over the run that the patch was made for
    findings: tuple[Finding, ...] = ()  # of the audit
    data: str = "DATA"  # as `pawsight inspect` reads it

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean seconds of an epoch, None for recipes without epochs."""
        return sum(epoch.seconds for epoch in self.history) / len(self.history) if self.history else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `train --json` prints them."""
        return {
            "version": VERSION,
            "run": str(self.run),
            "recipe": self.recipe.name,
            "backbone": self.recipe.backbone,
            "image_px": self.recipe.image_px,
            "seed": self.recipe.seed,
            "precision": self.precision,
            "classes": list(self.dataset.classes),
            "counts": self.dataset.counts,
            "split": {
                "digest": self.split.digest,
                **self.split.sizes,
                "how": self.split.how,
                "seed": self.recipe.split_seed,
            },
            "straddling": [list(names) for names in self.split.duplicates_across_parts],
            "validation": to_jsonable(self.validation),
            "test": to_jsonable(self.test),
            "baseline": self.dataset.baseline,
            "left_out": [{"path": file.name, "reason": file.reason} for file in self.dataset.left_out],
            "adds": self.adds,
            "parameters": {"total": self.parameters[0], "trainable": self.parameters[1]},
            "layers": [asdict(layer) for layer in self.layers],
            "epochs": len(self.history),
            "seconds_per_epoch": self.seconds_per_epoch,
            "notes": list(self.notes),
            "depth": self.depth,
            "patch": self.patch.to_json() if self.patch else None,
            "gain_from_patch": self.gain_from_patch.to_json() if self.gain_from_patch else None,
            "calibration": self.trust.calibration() if self.trust else None,
            "abstention": self.trust.abstention() if self.trust else None,
            "command": self.command,
            "seconds": dict(self.seconds),
            "machine": self.machine,
        }


def summary(report: TrainReport) -> list[str]:
    """Return the report as lines of text."""
    sizes, patch = report.split.sizes, report.patch
    counts = ", ".join(f"{count:,} {name}" for name, count in list(report.dataset.counts.items())[:6])
    more = f" and {len(report.dataset.classes) - 6} more classes" if len(report.dataset.classes) > 6 else ""
    lines = [
        f"Pictures    {len(report.dataset.pictures):,}: {counts}{more}",
        f"Split       {sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test"
        f" ({report.split.how}); digest {report.split.digest[:12]}",
    ]
    lines += _warnings(report)
    lines += [f"Patch       {patch.sentence()}"] if patch else []
    if patch is not None and patch.fits_nothing:
        lines.append(f"WARNING     {patch.file} changed nothing: it names none of these pictures")
    lines += [f"Note        {note}" for note in report.notes]
    lines += report.trust.lines() if report.trust else []
    lines.append(f"Validation  {sentence(report.validation)}")
    if report.test is not None:
        lines.append(f"Test        {sentence(report.test)}")
    if patch is not None and not patch.fits_nothing:
        lines.append(f"Patch       {gain_sentence(report.gain_from_patch, patch.file)}")
    return [*lines, f"Run         {report.run} in {report.seconds['total']:.1f} s"]


def _warnings(report: TrainReport) -> list[str]:
    lines = []
    left_out, straddling = report.dataset.left_out, report.split.duplicates_across_parts
    if left_out:
        reasons = Counter(file.reason for file in left_out)
        text = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
        lines.append(f"Left out    {len(left_out):,} file{'s' if len(left_out) != 1 else ''}: {text}; see catalog.csv")
    if straddling:
        first = " = ".join(straddling[0][:2])
        noun = "picture is" if len(straddling) == 1 else "pictures are"
        lines.append(
            f"WARNING     {len(straddling):,} {noun} in two subsets, the same or nearly so. The scores below are too"
            f" high; the first: {first}. pawsight inspect lists them all"
        )
    unmeasured = unmeasured_sentence(
        report.dataset.classes, [picture.label for picture in report.split.part("validation")]
    )
    lines += [f"WARNING     {unmeasured}"] if unmeasured else []
    severe = sum(finding.severity == "high" for finding in report.findings)
    if severe:
        noun = "finding" if severe == 1 else "findings"
        command = shlex.join(["pawsight", "inspect", report.data])
        lines.append(f"WARNING     the audit has {severe:,} {noun} of high severity; see: {command}")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReport:
    """How far the answers of a run can be trusted: calibration, risk guarantee, out-of-distribution detector."""

    trust: Trust
    pictures: int  # the temperature was fitted on
    parts: Mapping[str, Mapping[str, Mapping[str, float]]]  # subset -> measure -> "before" and "after"
    asked: float | None = None  # largest share of errors that was asked for
    broken: str = ""  # why it cannot be guaranteed
    classes: int = 2

    def calibration(self) -> dict[str, Any]:
        """Return plain JSON values about the temperature."""
        known = {"temperature": self.trust.temperature, "fitted_on": self.trust.fitted_on, "pictures": self.pictures}
        return known | {part: {name: dict(pair) for name, pair in pairs.items()} for part, pairs in self.parts.items()}

    def abstention(self) -> dict[str, Any] | None:
        """Return plain JSON values about guarantee and detector, None where every picture is answered."""
        if self.asked is None:
            return None
        plain = self.trust.to_json()
        why = self.broken or None
        return {"max_error": self.asked, "promise": plain["promise"], "guard": plain["guard"], "broken": why}

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        return [self._calibration_line(), *self._guarantee_lines(), *self._detector_lines()]

    def _calibration_line(self) -> str:
        if not self.pictures:
            return "Calibration none: there are no answers to pictures the model was not fitted to"
        text = f"temperature {self.trust.temperature:.2f} from {self.pictures:,} {self.trust.fitted_on}"
        if "validation" in self.parts:
            error = self.parts["validation"]["ece"]
            text += (
                f"; expected calibration error on validation {100 * error['before']:.2f} % before,"
                f" {100 * error['after']:.2f} % after"
            )
        return f"Calibration {text}"

    def _guarantee_lines(self) -> list[str]:
        guarantee = self.trust.guarantee
        if self.asked is None:
            return []
        if guarantee is None:
            return [f"WARNING     no guarantee: {self.broken}"]
        low, high = guarantee.coverage_interval
        answers_all = guarantee.threshold * self.classes <= 1  # the best of C probabilities is at least 1 / C
        bar = "no picture is unsure" if answers_all else f"answered if {100 * guarantee.threshold:.2f} % or more"
        return [
            f"Guarantee   at most {100 * guarantee.max_error:.4g} % of the answered pictures wrong, with"
            f" {100 * guarantee.confidence:.0f} % confidence: {bar},"
            f" {guarantee.answered:,} of {guarantee.pictures:,} on validation ({100 * guarantee.coverage:.1f} %,"
            f" {100 * low:.1f}-{100 * high:.1f} %), {guarantee.errors:,} of them wrong"
        ]

    def _detector_lines(self) -> list[str]:
        detector = self.trust.detector
        if detector is None:
            return []
        caught = ", ".join(f"{kind['caught']} of {kind['pictures']} {kind['kind']}" for kind in detector.caught)
        alarms = f"at most {100 * detector.false_alarms:.4g} % false alarms"
        return [f"Detector    unlike anything seen: {caught} found, {alarms}"]


def trust_report(outcome: TrainedRun) -> TrustReport:
    """Measure what calibration changed on the held-out subsets."""
    parts = {}
    for part, after in outcome.model.probabilities.items():
        if len(after):
            true, before = outcome.labels[part], outcome.uncalibrated[part]
            parts[part] = {
                name: {"before": how(true, before), "after": how(true, after)} for name, how in _MEASURES.items()
            }
    return TrustReport(
        trust=outcome.trust,
        pictures=outcome.calibrated_on,
        parts=parts,
        asked=outcome.options.max_error if outcome.options else None,
        broken=outcome.no_guarantee,
        classes=len(outcome.dataset.classes),
    )


def gain_from_patch(
    patch: Patch, validation: Sequence[Assigned], predicted: Sequence[str], *, split: SplitFile | None = None
) -> Gain | None:
    """Compare the run that a patch lies in, else the run whose split was given, with the run trained with it.

    Both are measured on the same validation pictures with the corrected labels.

    Args:
        patch: that was applied.
        validation: the new run's validation set, with the corrected labels.
        predicted: the new run's answers to it, in the same order.
        split: that was given, maybe a run's.

    Returns:
        the gain of the new run on the pictures that are in both validation sets, None where neither
        file lies in a finished run or they share no picture.
    """
    before = _answers_before(patch.file.absolute().parent)
    if not before and split is not None:
        before = _answers_before(split.path.absolute().parent)
    old: list[Answer] = []
    new: list[Answer] = []
    for picture, label in zip(validation, predicted, strict=True):
        copies = before.get(picture.sha256, [])
        if copies:
            same_name = (place for place, copy in enumerate(copies) if copy.path == picture.name)
            known = copies.pop(next(same_name, -1))
            old.append(replace(known, label=picture.label))
            new.append(replace(known, label=picture.label, predicted=label))
    return compare(old, new)


def _answers_before(run: Path) -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = defaultdict(list)
    try:
        record = RunRecord.read(run)
    except PawsightError:
        return answers
    for answer in record.answers:
        answers[answer.sha256].append(answer)
    return answers


def gain_sentence(gain: Gain | None, file: str) -> str:
    """Return what the patch in a file gained."""
    if gain is None:
        return (
            f"its gain is unknown: {file} lies in no finished run with the same validation pictures."
            " To compare with the run it was made for, type --split RUN"
        )
    lies_in_run = (Path(file).absolute().parent / PREDICTIONS).is_file()
    run = "the run the patch lies in" if lies_in_run else "the run that --split names"
    low, high = gain.interval
    verdict = "no more than chance" if gain.verdict == "tie" else gain.verdict
    return (
        f"{gain.points:+.1f} points of accuracy against {run} (95 % interval {low:+.1f} to"
        f" {high:+.1f}, p = {gain.p_value:.2g}: {verdict}), both measured with the corrected labels of"
        f" {gain.pictures:,} validation pictures"
    )
