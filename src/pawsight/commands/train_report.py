"""What `train` reports as text, and what a patch of labels gained. The figures are in reports/run_record.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core.errors import PawsightError
from pawsight.core.runs import CATALOG, PREDICTIONS, SPLITS, from_here
from pawsight.core.text import plural, typed
from pawsight.data.audit import Finding
from pawsight.data.dataset import LOSS_WARNED, Dataset, losses
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch
from pawsight.data.split import Assigned, Split
from pawsight.evaluation.comparison import Answer, Gain, compare
from pawsight.evaluation.growth import paired
from pawsight.evaluation.metrics import Metrics, sentence
from pawsight.evaluation.several_labels import sentence as sentence_of_labels
from pawsight.models.recipes import Recipe
from pawsight.reports.every_class import by_class_sentence, costs_sentences, never_sentence, sets_sentences, source_of
from pawsight.reports.growth import growth_lines
from pawsight.reports.run_record import RunRecord
from pawsight.reports.several_labels import OUT_OF_FOLD
from pawsight.reports.words import unmeasured_sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """A finished run: its record, as its folder holds it, and what only training knows."""

    record: RunRecord
    recipe: Recipe
    dataset: Dataset
    split: Split
    computed: int  # pictures whose features were not in the cache
    findings: tuple[Finding, ...] = ()  # of the audit
    data: str = "DATA"  # as `pawsight inspect` reads it

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.record.folder

    @property
    def validation(self) -> Metrics | None:
        """The metrics on validation, None without validation pictures."""
        return self.record.validation

    @property
    def test(self) -> Metrics | None:
        """The metrics on test, None also where the test set was not evaluated."""
        return self.record.test

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `train --json` prints them."""
        return self.record.to_json()


_FOR_EXPERTS = ("Calibration ", "Answered ", "Note ")  # lines that the log and the report have, and a terminal has not
_SHOWN = 8  # labels in a line


def headline(report: TrainReport) -> list[str]:
    """Return the lines of `summary` that a terminal shows; log.txt and the report have the rest."""
    return [line for line in summary(report) if not line.startswith(_FOR_EXPERTS)]


def following(report: TrainReport, run: str) -> list[str]:
    """Return what to type next, each with what it is for, as lines of text.

    Args:
        report: of the run.
        run: what the run is called on the command line.
    """
    validation = report.validation
    wrong = round((1 - validation.accuracy) * validation.pictures) if validation is not None else 0
    doubtful = plural(wrong, "validation answer differs from its label", "validation answers differ from their labels")
    steps = {
        typed("predict", run, "PICTURE..."): "classify your own pictures",
        typed("serve", run): "a page and a REST service on this machine",
        typed("report", run): "mistakes, kinds of pictures and calibration on a page",
        typed("review", run): f"{doubtful}: check the labels" if wrong else "check the least certain labels",
    }
    width = max(map(len, steps))
    heads = ("Next", *[""] * (len(steps) - 1))
    return [f"{head:<12}{step:<{width}}  {text}" for head, (step, text) in zip(heads, steps.items(), strict=True)]


def summary(report: TrainReport) -> list[str]:
    """Return the report as lines of text, the test score first."""
    record, sizes = report.record, report.record.sizes
    patch = record.patch
    counts = ", ".join(f"{name}: {count:,}" for name, count in list(record.counts.items())[:6])
    more = f" and {plural(len(record.classes) - 6, 'more class', 'more classes')}" if len(record.classes) > 6 else ""
    lines = [f"Test        {sentence(record.test)}"] if record.test is not None else []
    if (labels := record.several_labels.get("test")) is not None:
        lines.append(f"Test        {sentence_of_labels(labels)}")
    lines += accuracy_lines(record)
    lines += [
        f"Pictures    {sum(sizes.values()):,}; {counts}{more}",
        f"Split       {sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test"
        f" ({record.how}); digest {record.digest[:12]}",
    ]
    lines += growth_lines(record.growth) if record.growth is not None else []
    lines += _warnings(report)
    lines += [f"Patch       {patch.sentence()}"] if patch else []
    if patch is not None and patch.fits_nothing:
        lines.append(f"WARNING     {patch.file} changed nothing: it names none of these pictures")
    lines += [f"Note        {note}" for note in record.notes]
    lines += trust_lines(record)
    if patch is not None and not patch.fits_nothing:
        lines.append(f"Patch       {gain_sentence(record.gain_from_patch, patch.file)}")
    return [*lines, f"Run         {record.folder} in {record.seconds['total']:.1f} s"]


def accuracy_lines(record: RunRecord) -> list[str]:
    """Return the accuracy on validation and, where that is small, by cross-validation, and which to believe."""
    if record.label_rules:
        lines = [f"Validation  {sentence_of_labels(record.several_labels.get('validation'))}"]
        if (labels := record.several_labels.get("train")) is not None:
            lines.append(f"Cross-val.  {sentence_of_labels(labels)}; {OUT_OF_FOLD}")
        return lines
    crossed, validation = record.cross_validation, record.validation
    if crossed is None:
        lines = [f"Validation  {sentence(validation)}"]
        if validation is None:
            lines.append(
                "WARNING     the accuracy is unknown: each class has too few pictures, or groups of pictures, to leave"
                " some out of training. Add pictures of other occasions"
            )
        return lines
    lines = [f"Cross-val.  {crossed.sentence()}"]
    if validation is not None:
        believed, why = crossed.believed(validation)
        lines = [f"Validation  {sentence(validation)}", *lines, f"Believe     the accuracy by {believed}: {why}"]
    return [*lines, *(f"Rare        {text}" for text in crossed.rare(validation))]


def _warnings(report: TrainReport) -> list[str]:
    lines = [f"WARNING     {warning}" for warning in report.dataset.warnings]
    left_out, leaks = report.record.left_out, report.record.leaks
    read = [picture.name for picture in report.dataset.pictures]
    share, what, why = losses(report.dataset.left_out, read, data=report.data)
    lines += [f"WARNING     {what} {why}"] if share > LOSS_WARNED else []
    if left_out:
        reasons = Counter(reason for _, reason in left_out)
        text = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
        text = "" if share > LOSS_WARNED else f": {text}"  # the warning gave the reasons
        lines.append(f"Left out    {plural(len(left_out), 'file')}{text}; see {CATALOG}")
    if leaks:
        first = " = ".join(leaks[0][:2])
        lines.append(
            f"WARNING     {plural(len(leaks), 'picture')} may be in two subsets, and the scores too high;"
            f" the first: {first}. pawsight inspect lists them all"
        )
    unmeasured = unmeasured_sentence(
        report.dataset.classes,
        [label for picture in report.split.part("validation") for label in report.split.labels_of(picture)],
    )
    lines += [f"WARNING     {unmeasured}"] if unmeasured and report.record.cross_validation is None else []
    severe = sum(finding.severity == "high" for finding in report.findings)
    if severe:
        data = from_here(report.run / SPLITS) if report.record.growth is not None else report.data
        command = typed("inspect", data)
        lines.append(f"WARNING     the audit has {plural(severe, 'finding')} of high severity; see: {command}")
    return lines


def _calibration_line(record: RunRecord) -> str:
    if not record.calibrated_on or record.temperature is None:
        return "Calibration none: there are no answers to pictures the model was not fitted to"
    answers = f"{record.calibrated_on:,} {record.fitted_on}"
    if record.temperature == 1 and record.calibration_gain is not None:
        gain, error = record.calibration_gain
        line = (
            f"Calibration none: a temperature from {answers} makes no measurable difference (gain {gain:.3f} in log"
            f" loss, standard error {error:.3f})"
        )
        if "validation" in record.calibrated:
            ece = record.calibrated["validation"]["ece"][1]
            line += f"; expected calibration error on validation {100 * ece:.2f} %"
        return line
    text = f"temperature {record.temperature:.2f} from {answers}"
    if "validation" in record.calibrated:
        before, after = record.calibrated["validation"]["ece"]
        text += f"; expected calibration error on validation {100 * before:.2f} % before, {100 * after:.2f} % after"
    return f"Calibration {text}"


def trust_lines(record: RunRecord) -> list[str]:
    """Return how far the answers of a run can be trusted: calibration, risk guarantee, out-of-distribution detector."""
    lines = [] if record.label_rules else [_calibration_line(record)]
    guarantee = record.guarantee
    if guarantee is not None:
        low, high = guarantee.coverage_interval
        # The best of C probabilities is at least 1 / C.
        answers_all = guarantee.threshold * len(record.classes) <= 1
        bar = "no picture is unsure" if answers_all else f"answered if {100 * guarantee.threshold:.2f} % or more"
        lines.append(
            f"Guarantee   at most {100 * guarantee.max_error:.4g} % of the answered pictures wrong, with"
            f" {100 * guarantee.confidence:.0f} % confidence: {bar},"
            f" {guarantee.answered:,} of {guarantee.pictures:,} on {source_of(guarantee)}"
            f" ({100 * guarantee.coverage:.1f} %, {100 * low:.1f}-{100 * high:.1f} %),"
            f" {guarantee.errors:,} of them wrong"
        )
    elif record.by_class:
        lines.append(f"Guarantee   {by_class_sentence(record)}")
        never = never_sentence(record)
        lines += [f"WARNING     {never}"] if never else []
    elif record.label_rules:
        lines += _lines_of_labels(record)
    elif record.max_error is not None or record.max_error_per_class is not None:
        lines.append(f"WARNING     no guarantee: {record.no_guarantee}")
    lines += [f"Sets        {sentence}" for sentence in sets_sentences(record)]
    lines += [f"Costs       {sentence}" for sentence in costs_sentences(record)]
    return [*lines, *_lines_of_detector(record)]


def _lines_of_labels(record: RunRecord) -> list[str]:
    """Return the threshold of each label, and what is guaranteed of its answers."""
    rules = dict(zip(record.classes, record.label_rules, strict=True))
    shown = [f"{name} from {100 * rule.threshold:.0f} %" for name, rule in list(rules.items())[:_SHOWN]]
    more = f" and {len(rules) - _SHOWN:,} more" if len(rules) > _SHOWN else ""
    lines = [f"Labels      {', '.join(shown)}{more}"]
    if record.max_error is not None:
        lines.append(
            f"Guarantee   for each label at most {100 * record.max_error:.4g} % wrong of the answers that a picture has"
            " it, and of those that it has not; the others are unsure"
        )
        lines += [f"WARNING     {record.no_guarantee}"] if record.no_guarantee else []
    return lines


def _lines_of_detector(record: RunRecord) -> list[str]:
    """Return what the detector notices, a warning where that is little, and how many pictures are answered."""
    lines, detector = [], record.detector
    if detector is not None:
        kinds = ", ".join(f"{kind['caught']} of {kind['pictures']} {kind['kind']}" for kind in detector.caught)
        lines = [f"Detector    unfamiliar: {kinds} found, about {100 * detector.false_alarms:.2g} % false alarms"]
        if detector.is_weak:
            caught, pictures = detector.seen
            lines.append(
                f"WARNING     {pictures - caught} of {pictures} pictures of other things are not noticed and get one of"
                " the classes. More training pictures help, or a class of other things and --none-class"
            )
    return lines + [
        f"Answered    {part}: {figures['answered']:,} of {figures['pictures']:,}, {figures['unlike']:,} unfamiliar;"
        " the other figures are of all"
        for part, figures in record.decided.items()
    ]


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
    return compare(*paired(before, list(zip(validation, predicted, strict=True))))


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
