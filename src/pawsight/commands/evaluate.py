"""The verb `evaluate`: how good a bundle is on its own held-out pictures or on others, by slice, and with more data.

Pictures that the bundle was trained on are left out by content, whatever they are called now.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.classifier.bundle import Bundle, read_bundle
from pawsight.classifier.engine import Outputs
from pawsight.classifier.predictor import Predictor, answer_texts, load_predictor
from pawsight.classifier.trust import Trust
from pawsight.commands.run_split import (
    HeldOut,
    count_look,
    held_out,
    looks_sentence,
    reading_of,
    run_folder,
    subset_by_content,
)
from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, NoPictures, StorageError, WrongUsage
from pawsight.core.machine import CPU, Device, cache_folder, this_machine, usable_cores
from pawsight.core.progress import SILENT, Progress, ProgressLike, progress_of
from pawsight.core.runs import LEARNING_CURVE, SLICES, check_order, from_here
from pawsight.core.storage import as_path, write_json
from pawsight.core.text import look_of, plural, typed
from pawsight.data.dataset import LOSS_ALLOWED, Dataset, Picture, check_filled, check_losses, facts_by_name
from pawsight.data.facts import Facts, facts_for_groups
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.groups import grouped, numbers_of
from pawsight.data.label_sets import labels_in, truth_of
from pawsight.data.reading import FolderReading
from pawsight.data.sources import IN_PROGRAM, Source, listed, resolve
from pawsight.evaluation.comparison import WORSE, Answer
from pawsight.evaluation.learning_curve import sentence as curve_sentence
from pawsight.evaluation.learning_curve import trace_curve
from pawsight.evaluation.metrics import (
    FloatArray,
    Metrics,
    aligned,
    as_text,
    confusions,
    measure,
    sentence,
    table_rows,
    to_jsonable,
    why_no_auc,
)
from pawsight.evaluation.selective import (
    Abstention,
    CostFigures,
    SetFigures,
    measure_abstention,
    measure_costs,
    measure_sets,
)
from pawsight.evaluation.several_labels import SeveralLabelsMetrics, measure_labels
from pawsight.evaluation.several_labels import sentence as sentence_of_labels
from pawsight.evaluation.several_labels import to_jsonable as several_labels_json
from pawsight.evaluation.slices import Slice, measure_slices, slice_members
from pawsight.images.decode import GreyRange
from pawsight.images.loader import Loaded
from pawsight.reports.run_record import CurveRecord, RunRecord, SlicesRecord

_ROWS = 20  # of the printed table; --json has all
TRAINED_ON, OWN_TEST = "trained on", "in the run's own test set"  # why files are left out
MAYBE_TRAINED_ON = "may be a training picture, resized or saved again"
_CHANGED = "changed since the split was made"
LEAST_PICTURES = 20  # to train on: a tenth of it is one of each of two classes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport:
    """How good a bundle is on one set of pictures."""

    bundle: Path
    data: str
    part: str | None  # "validation" or "test" of the bundle's own run
    split_digest: str  # of the split the bundle was made from
    metrics: Metrics | None
    left_out: tuple[LeftOut, ...]
    looks_at_test: int | None = None  # evaluations of the test set, this one included; None for other pictures
    from_validation: int = 0  # pictures of other data that are in the run's own validation set
    abstention: Abstention | None = None  # None where the bundle answers every picture
    sets: SetFigures | None = None  # None where it gives no sets
    costs: CostFigures | None = None  # None where all mistakes cost the same
    slices: tuple[Slice, ...] | None = None  # None where they were not asked for
    learning_curve: CurveRecord | None = None
    several_labels: SeveralLabelsMetrics | None = None  # in place of `metrics`, where a picture may have several labels
    data_notes: tuple[str, ...] = ()  # how the folders of other data were read, where it could have been otherwise

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `evaluate --json` prints them."""
        plain: dict[str, Any] = {
            "bundle": str(self.bundle),
            "data": self.data,
            "part": self.part,
            "split": {"digest": self.split_digest},
            "metrics": to_jsonable(self.metrics),
            "left_out": [{"path": file.name, "reason": file.reason} for file in self.left_out],
            "looks_at_test": self.looks_at_test,
            "from_validation": self.from_validation,
            "abstention": self.abstention.to_json() if self.abstention else None,
            "sets": self.sets.to_json() if self.sets else None,
            "costs": self.costs.to_json() if self.costs else None,
            "data_notes": list(self.data_notes),
        }
        if self.slices is not None:
            plain["slices"] = [found.to_json() for found in self.slices]
        if self.several_labels is not None:
            plain["several_labels"] = several_labels_json(self.several_labels)
        if self.learning_curve is not None:
            plain["learning_curve"] = self.learning_curve.to_json()
        return plain


def evaluate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    test: bool = False,
    including_training: bool = False,
    slices: bool = False,
    learning_curve: bool = False,
    columns: Mapping[str, str] | None = None,
    max_megapixels: int | None = None,
    allow_missing: float | None = None,
    reading: FolderReading | None = None,
    device: Device = CPU,
    progress: ProgressLike = None,
) -> EvaluateReport:
    """Measure a run or a bundle.

    Args:
        run: a run or bundle folder.
        data: labelled pictures as for `train`; None for the run's own validation set. Pictures that the run was trained
            on and those of its test set are left out, whatever they are called, and those of its validation set are
            counted.
        test: measure on the run's own test set instead; with data, that set is looked for there. Each evaluation in
            which a picture was measured is counted.
        including_training: do not leave out pictures that the bundle was trained on.
        slices: also measure kinds of pictures; those of the run's own validation set are stored in the run.
        learning_curve: also estimate what twice the data would gain; for the run's own pictures, stored in the run.
        columns: of the data, as for `train`.
        max_megapixels: as for `predict`.
        allow_missing: as for `train`; of the run's own pictures, those that are gone or were changed are missing.
        reading: how the folders of other data are read; None: as those of the run's data were.
        device: as for `predict`.
        progress: as for `train`.

    Raises:
        PawsightError: the bundle is refused, or there is no picture that may be measured.
    """
    progress = progress_of(progress)
    _check_options(run, data, learning_curve=learning_curve)
    if data is not None:
        check_order("evaluate", as_path(run), [as_path(data, IN_PROGRAM)])
    folder = run_folder(as_path(run))
    report = measure_run(
        folder,
        data,
        test=test,
        including_training=including_training,
        slices=slices,
        learning_curve=learning_curve,
        columns=columns,
        max_megapixels=max_megapixels,
        allow_missing=allow_missing,
        reading=reading,
        device=device,
        progress=progress,
    )
    return replace(report, looks_at_test=count_look(folder)) if test else report


def measure_run(
    run: Path,
    data: str | os.PathLike[str] | None = None,
    *,
    test: bool = False,
    including_training: bool = False,
    slices: bool = False,
    learning_curve: bool = False,
    columns: Mapping[str, str] | None = None,
    max_megapixels: int | None = None,
    allow_missing: float | None = None,
    reading: FolderReading | None = None,
    device: Device = CPU,
    progress: Progress = SILENT,
) -> EvaluateReport:
    """Measure what `run_folder` gives as `evaluate` does, without counting an evaluation of the test set."""
    predictor = load_predictor(run, max_megapixels=max_megapixels, device=device, progress=progress)
    bundle, classes = predictor.bundle, predictor.classes
    progress.say(f"Bundle   {bundle.folder}, split {bundle.card.split_digest[:12]}")
    part = "test" if test else "validation" if data is None else None
    source, found = None, None
    _check_has_part(run, part)
    is_several = bundle.card.several_labels
    if learning_curve:
        _check_has_classes(run, bundle)
    if data is not None:
        source = _source(data, run, bundle, reading, columns, progress)
    if part is not None:
        files = held_out(run, part, place=source.root if source else None, progress=progress)
        name = f"the run's own {part} set"
    elif source is not None:
        found = listed(source, progress).find()
        files, name = _labelled(found, source, run, is_several), source.name
    _check_labels(classes, _labels_of(files.candidates, is_several))
    subsets = subset_by_content(run)
    answers, computed, facts, left_out = _answers(predictor, files, subsets, including_training, progress)
    answers = _with_groups(answers, facts, found)
    lost = [file for file in left_out if file.reason not in (TRAINED_ON, MAYBE_TRAINED_ON, OWN_TEST)]
    lost_names = {file.name for file in lost}
    read = [file for file in files.candidates if file.name not in lost_names]
    if part is None:
        labels = sorted(set(_labels_of(files.candidates, is_several)))
        check_filled(files.place, labels, Counter(_labels_of(read, is_several)), lost)
    if answers or part is None:
        allowed = LOSS_ALLOWED if allow_missing is None else allow_missing
        typed_data = os.fspath(data) if part is None and data is not None else ""
        check_losses(lost, [file.name for file in read], allowed, progress, were_read=part is not None, data=typed_data)
    if not answers:
        raise NoPictures(
            f"No picture of {name} can be measured.",
            f"Left out: {_reasons(left_out)}.",
            _how_to_measure(run, part),
        )
    decisions = [predictor.decision(outputs) for outputs in computed]
    table = np.stack([outputs["probabilities"] for outputs in computed])
    record = _record(run)
    commonest = record.commonest if record else None
    return EvaluateReport(
        bundle=bundle.folder,
        data=name,
        part=part,
        split_digest=bundle.card.split_digest,
        left_out=tuple(left_out),
        **_figures(bundle.card.trust, classes, answers, table, decisions, commonest),
        from_validation=sum(subsets.get(answer.sha256) == "validation" for answer in answers) if part is None else 0,
        slices=_slices(run, part, files.candidates, answers, progress) if slices else None,
        learning_curve=_learning_curve(run, progress) if learning_curve else None,
        data_notes=(*found.warnings, *found.notes) if found else (),
    )


def _source(
    data: str | os.PathLike[str],
    run: Path,
    bundle: Bundle,
    reading: FolderReading | None,
    columns: Mapping[str, str] | None,
    progress: Progress,
) -> Source:
    """Return where other pictures are, read as those of the run were where the user does not say how."""
    own = reading_of(run)
    if reading is None and bundle.card.several_labels and not as_path(data, IN_PROGRAM).is_dir():
        # A table says several labels as that of the run did.
        reading = FolderReading(several_labels=True, label_separator=own.label_separator if own else "")
    source = resolve(data, cache=cache_folder(), reading=reading, columns=columns, progress=progress)
    if reading is None and source.listed is None:  # a table says itself how it is read
        # A column of its table, or a pattern for its paths, may mean nothing here.
        source = replace(source, reading=replace(own, group_by="") if own else None)
    return source


def _labels_of(candidates: Iterable[Candidate], several_labels: bool) -> list[str]:
    texts = [file.label for file in candidates]
    return [label for text in texts for label in labels_in(text)] if several_labels else texts


def _figures(
    trust: Trust,
    classes: Sequence[str],
    answers: Sequence[Answer],
    table: FloatArray,
    decisions: Sequence[str],
    commonest: int | None,
) -> dict[str, Any]:
    """Return the fields of a report that are measured on answers to N pictures with probabilities (N, C)."""
    groups, labels = numbers_of([answer.group for answer in answers]), [answer.label for answer in answers]
    if trust.labels:
        truth = truth_of(labels, classes)
        return {
            "metrics": None,
            "several_labels": measure_labels(truth, table, trust.labels, classes, groups=groups),
            "abstention": measure_abstention(truth, table, decisions, trust, groups=groups),
        }
    true = np.array([classes.index(label) for label in labels])
    return {
        "metrics": measure(true, table, classes, commonest=commonest, groups=groups),
        "abstention": measure_abstention(true, table, decisions, trust, groups=groups),
        "sets": measure_sets(true, table, trust.sets, groups=groups) if trust.sets else None,
        "costs": measure_costs(true, table, trust) if trust.costs else None,
    }


def _check_has_classes(run: Path, bundle: Bundle) -> None:
    """Refuse a learning curve of several labels a picture."""
    if bundle.card.several_labels:
        raise WrongUsage(
            "A learning curve is one of pictures that are of one class each.",
            f"The pictures of {run} may have several labels.",
            f"Leave --learning-curve out: {typed('evaluate', run)}",
        )


def _check_options(run: str | os.PathLike[str], data: str | os.PathLike[str] | None, *, learning_curve: bool) -> None:
    if learning_curve and data is not None:
        raise WrongUsage(
            "--learning-curve measures the run's own pictures, not other data.",
            f"Other data was given: {os.fspath(data)}.",
            f"Leave it out: {typed('evaluate', os.fspath(run), '--learning-curve')}",
        )


def _check_has_part(run: Path, part: str | None) -> None:
    """Refuse to measure a subset that a run does not have, as it was measured by cross-validation.

    Raises:
        BadDataset: with that measurement.
    """
    record = _record(run)
    if record and record.cross_validation is not None and part is not None and record.sizes.get(part) == 0:
        raise BadDataset(
            f"{run} has no {part} set: those pictures were trained on.",
            record.cross_validation.sentences(None)[0],
            f"Give labelled pictures that it was not trained on: {typed('evaluate', run, 'DATA')}",
        )


def _record(run: Path) -> RunRecord | None:
    """Return what the run says of itself; None for a bundle without its run."""
    with suppress(WrongUsage):
        return RunRecord.read(run)
    return None


def _labelled(found: Found, source: Source, run: Path, several_labels: bool) -> HeldOut:
    if several_labels and not found.several_labels:
        raise BadDataset(
            f"{source.name} gives each picture one label, and the pictures of {run} may have several.",
            "In folders all labels but one would be missing.",
            f"List them in a table: {typed('evaluate', run, 'labels.csv', '--label-separator', ';')}",
        )
    if not found.candidates:
        raise BadDataset(
            f"The pictures in {source.name} have no labels: none is in a folder of its class.",
            "Without labels nothing can be measured.",
            f"To classify them, type: {typed('predict', run, source.data)}",
        )
    return HeldOut(found.candidates, {}, found.root)


def _check_labels(classes: Sequence[str], labels: Sequence[str]) -> None:
    counts = Counter(labels)
    unknown = sorted(counts.keys() - set(classes))
    if not unknown:
        return
    looks = set(map(look_of, classes))
    alike = [label for label in unknown if look_of(label) in looks]
    knows = f"The bundle knows {', '.join(map(repr, classes[:20]))}."
    if len(alike) == len(unknown):
        raise BadDataset(
            f"Classes are spelt otherwise than in training: {', '.join(map(repr, unknown[:5]))}.",
            knows,
            "Give the folders, or the labels in the table, the names that the bundle knows.",
        )
    others = [f"{label!r} ({plural(counts[label], 'picture')})" for label in unknown[:5]]
    raise BadDataset(
        f"The data has classes that the bundle does not know: {', '.join(others)}.",
        knows,
        "Name the folders as they were named for training, or leave the others out.",
    )


def _answers(
    predictor: Predictor, files: HeldOut, subsets: Mapping[str, str], including_training: bool, progress: Progress
) -> tuple[list[Answer], list[Outputs], list[Facts], list[LeftOut]]:
    """Classify files; return answers, outputs of the graph and facts, and the files that may not be measured and why.

    The facts are those that other pictures are grouped by; there are none of the run's own, whose groups are known.
    """
    answers: list[Answer] = []
    computed: list[Outputs] = []
    facts: list[Facts] = []
    left_out: list[LeftOut] = []
    with progress.stage("Classifying", len(files.candidates), "pictures") as step:
        classified = predictor.outputs(file.path for file in files.candidates)
        for file, (loaded, outputs) in zip(files.candidates, classified, strict=True):
            step.advance()
            if outputs is None:
                is_lost = file.name in files.contents and not file.path.exists()
                where = f"not found in {from_here(files.place)}"
                left_out.append(LeftOut(file.name, where if is_lost else loaded.problem))
            elif loaded.sha256 != files.contents.get(file.name, loaded.sha256):
                left_out.append(LeftOut(file.name, _CHANGED))
            elif loaded.sha256 in predictor.bundle.trained and not including_training:
                left_out.append(LeftOut(file.name, TRAINED_ON))
            elif not files.contents and subsets.get(loaded.sha256) == "test":
                left_out.append(LeftOut(file.name, OWN_TEST))
            # The run's own pictures were divided when the split was made, and train measured all of them.
            elif not (including_training or loaded.sha256 in subsets) and _may_be_trained(predictor, loaded):
                left_out.append(LeftOut(file.name, MAYBE_TRAINED_ON))
            else:
                table, trust = outputs["probabilities"][None], predictor.bundle.card.trust
                (answer,) = answer_texts(trust, table, predictor.classes)
                # Of several labels that of the least certain one, as `RunRecord.answers` has it.
                probability = float(np.maximum(table, 1 - table).min() if trust.labels else table.max())
                answers.append(Answer(file.name, loaded.sha256, file.label, answer, probability, file.group))
                computed.append(outputs)
                if not files.contents and loaded.decoded is not None:
                    facts.append(facts_for_groups(loaded.decoded))
    return answers, computed, facts, left_out


def _with_groups(answers: list[Answer], facts: Sequence[Facts], found: Found | None) -> list[Answer]:
    """Return answers to other pictures than the run's own with their groups: those that the user named, or found."""
    if found is None or not answers:
        return answers
    pictures = tuple(
        Picture(found.root / answer.path, answer.path, answer.label, None, answer.sha256, own, answer.group)
        for answer, own in zip(answers, facts, strict=True)
    )
    dataset = grouped(Dataset(found.root, pictures, (), reading=found.reading))
    return [replace(answer, group=own.group) for answer, own in zip(answers, dataset.pictures, strict=True)]


def _may_be_trained(predictor: Predictor, loaded: Loaded) -> bool:
    return loaded.decoded is not None and predictor.bundle.may_be_trained(loaded.decoded.pixels)


def _how_to_measure(run: Path, part: str | None) -> str:
    if part is None:
        return "Give pictures the run was not trained on, or add --including-training."
    words = ["evaluate", str(run), "FOLDER", *(["--test"] if part == "test" else [])]
    return f"If the pictures were moved, name the folder they are in now: {typed(*words)}"


def _reasons(left_out: Sequence[LeftOut]) -> str:
    reasons = Counter(file.reason for file in left_out)
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "no files at all"


def summary(report: EvaluateReport) -> list[str]:
    """Return the report as lines of text."""
    if report.several_labels is not None:
        lines = [f"On {report.data}: {sentence_of_labels(report.several_labels)}"]
        lines += aligned(_label_rows(report.several_labels))
        return [*lines, *_closing(report)]
    lines = [f"On {report.data}: {sentence(report.metrics)}"]
    if report.metrics is None:
        return lines
    if report.metrics.roc_auc is not None:
        ends = report.metrics.intervals["roc_auc"]
        interval = f" (95 % interval {ends.low:.4f}-{ends.high:.4f})" if ends is not None else ""
        lines.append(f"Area under the ROC curve {report.metrics.roc_auc:.4f}{interval}")
    else:
        reason = why_no_auc({row.name: row.pictures for row in report.metrics.classes})
        lines.append(f"Area under the ROC curve: not defined, {reason} here")
    lines += aligned([("class", "pictures", "precision", "recall", "F1"), *table_rows(report.metrics)])
    mistakes = confusions(report.metrics)
    if mistakes:
        lines.append("Most frequent mistakes: " + "; ".join(f"{n} {a} taken for {b}" for a, b, n in mistakes))
    return [*lines, *_closing(report)]


def _closing(report: EvaluateReport) -> list[str]:
    lines = [f"Left out: {_reasons(report.left_out)}"] if report.left_out else []
    if any(file.reason == OWN_TEST for file in report.left_out):
        command = typed("evaluate", report.bundle.parent, "--test")
        lines.append(f"To measure the run's own test set, which is counted: {command}")
    if report.from_validation:
        pictures = plural(report.from_validation, "picture is", "pictures are")
        lines.append(f"WARNING: {pictures} in the run's own validation set; the figures may be too high.")
    lines += [f"Abstention: {report.abstention.sentence()}"] if report.abstention is not None else []
    lines += [f"Sets: {report.sets.sentence()}"] if report.sets is not None else []
    lines += [f"Costs: {report.costs.sentence()}"] if report.costs is not None else []
    lines += [looks_sentence(report.looks_at_test)] if report.looks_at_test is not None else []
    if report.slices is not None:
        lines += [*aligned(slice_lines(report.slices)), *slice_remarks(report.slices)]
    if report.learning_curve is not None:
        lines += curve_lines(report.learning_curve)
    return [*lines, f"The split it was trained with has the digest {report.split_digest[:12]}."]


def _label_rows(metrics: SeveralLabelsMetrics) -> list[tuple[str, ...]]:
    header = ("label", "pictures", "average precision", "precision", "recall", "F1", "from")
    return [
        header,
        *(
            (
                label.name,
                f"{label.pictures:,}",
                *map(as_text, (label.average_precision, label.precision, label.recall, label.f1)),
                f"{100 * label.threshold:.0f} %",
            )
            for label in metrics.labels
        ),
    ]


# Slices


def _slices(
    run: Path, part: str | None, candidates: Sequence[Candidate], answers: Sequence[Answer], progress: Progress
) -> tuple[Slice, ...]:
    """Return the slices of the pictures that were answered, storing those of the run's own validation set."""
    greys = read_bundle(run).card.decode.grey_range
    slices = slices_of(candidates, answers, grey_range=greys, progress=progress)
    if part == "validation":
        record = SlicesRecord(subset="validation", pictures=len(answers), slices=slices)
        keep(run / SLICES, record.to_json(), progress)
    return slices


def keep(path: Path, values: Mapping[str, Any], progress: Progress) -> None:
    """Write what was computed about a run into it, for its report; where it cannot be written a note says so."""
    try:
        write_json(path, values)
    except StorageError as error:
        progress.say(f"Not kept in the run. {' '.join(str(error).splitlines())}")


def slices_of(
    candidates: Sequence[Candidate],
    answers: Sequence[Answer],
    *,
    grey_range: GreyRange | None = None,
    progress: Progress = SILENT,
) -> tuple[Slice, ...]:
    """Return how good a classifier is by trait, format and folder.

    Args:
        candidates: files; those without an answer are skipped.
        answers: to pictures with the names of the candidates.
        grey_range: that the classifier decodes 16-bit pictures with.
        progress: hears how far it is.
    """
    by_name = {answer.path: answer for answer in answers}
    answered = [file for file in candidates if file.name in by_name]
    with Cache(cache_folder() / "cache", refused=progress.say) as cache:
        facts = facts_by_name(answered, cache=cache, threads=usable_cores(), grey_range=grey_range, progress=progress)
    known = [by_name[file.name] for file in answered if file.name in facts]
    members = slice_members(
        [answer.path for answer in known], [answer.label for answer in known], [facts[answer.path] for answer in known]
    )
    return measure_slices(known, members)


def slice_lines(slices: Sequence[Slice]) -> list[list[str]]:
    """Return the table, a header and the worst first, as cells; nothing without slices."""
    if not slices:
        return []
    rows = [["slice", "pictures", "right", "95 % interval", "the rest", "p (Holm)", "verdict"]]
    for found in slices[:_ROWS]:
        rest = "-" if found.rest_accuracy is None else f"{100 * found.rest_accuracy:.1f} %"
        p_holm = "-" if found.p_holm is None else "< 0.001" if found.p_holm < 0.001 else f"{found.p_holm:.3f}"
        name = found.name if found.kind in ("trait", "fifth") else f"{found.kind}: {found.name}"
        right = f"{100 * found.accuracy:.1f} %"
        rows.append([name, f"{found.pictures:,}", right, str(found.interval), rest, p_holm, found.verdict])
    return rows


def slice_remarks(slices: Sequence[Slice]) -> list[str]:
    """Return what follows the table: the wrong pictures of worse slices, and what the test allows to say."""
    more = len(slices) - _ROWS
    lines = [f"and {more:,} more slices (--json has all)"] if more > 0 else []
    worse = [found for found in slices if found.verdict == WORSE]
    tested = sum(found.p_holm is not None for found in slices)
    if not tested:
        lines.append("No slice is large enough to test.")
    elif not worse:
        lines.append(
            f"No slice is worse than the rest beyond chance (Fisher's exact test, Holm's correction over {tested:,})."
        )
    for found in worse:
        points = -(found.difference or 0.0)
        lines.append(f"Worse on {found.name} pictures, by {points:.1f} points. Mistakes, the most confident first:")
        lines += [f"  {wrong.path}: {wrong.label} taken for {wrong.predicted}" for wrong in found.worst]
    return lines


# Learning curve


def _learning_curve(run: Path, progress: Progress) -> CurveRecord:
    curve = trace_learning_curve(run, progress=progress)
    keep(run / LEARNING_CURVE, curve.to_json(), progress)
    return curve


def trace_learning_curve(run: Path, *, progress: Progress = SILENT) -> CurveRecord:
    """Train a probe on growing shares of a run's training set and measure each on its validation set.

    The curve is that of a probe on cached features, which takes seconds; for other recipes it is a stand-in, and says
    so. The test set is not read.

    Raises:
        WrongUsage: the folder is a bundle without its run, or there are too few pictures.
        ModelError: the backbone is missing. StorageError: a file of the run cannot be read.
    """
    from pawsight.training.features import depth_of, probe_recipe, recipe_of, run_features
    from pawsight.training.learning_curve import try_sizes

    own = recipe_of(run)
    seen = probe_recipe(own)
    bundle = read_bundle(run)
    _check_has_classes(run, bundle)
    card = bundle.card
    classes, greys = card.classes, card.decode.grey_range
    cache, machine = cache_folder(), this_machine()
    parts, groups, left_out = [], [], 0
    for part in ("train", "validation"):
        files = held_out(run, part, progress=progress)
        contents = [files.contents[file.name] for file in files.candidates]
        rows, features = run_features(
            files.candidates, contents, seen, cache=cache, machine=machine, progress=progress, grey_range=greys
        )
        labels = np.array([classes.index(files.candidates[row].label) for row in rows], dtype=np.int64)
        parts.append((features, labels))
        groups.append(numbers_of([files.candidates[row].group for row in rows]))
        left_out += len(contents) - len(rows)
    train, validation = parts
    taught, validated = len(train[1]), len(validation[1])
    if taught < LEAST_PICTURES or not validated or len(np.unique(train[1])) < len(classes):
        raise WrongUsage(
            f"{run} has too few pictures for a learning curve.",
            f"It needs {LEAST_PICTURES} to train on, some of each class, and some to validate on;"
            f" there are {taught:,} and {validated:,}.",
            f"Leave --learning-curve out: {typed('evaluate', run)}",
        )
    tried = try_sizes(
        train,
        validation,
        classes=len(classes),
        folds=seen.folds,
        depth=depth_of(run),
        seed=seen.seed,
        groups=groups[0],
        progress=progress,
    )
    return CurveRecord(
        recipe=own.name,
        trained=f"probe on {seen.backbone} at {seen.image_px} px",
        is_stand_in=own.method != "probe",
        left_out=left_out,
        curve=trace_curve(tried, seed=seen.seed, groups=groups[1]),
    )


def curve_lines(report: CurveRecord) -> list[str]:
    """Return a learning curve as lines of text."""
    stand_in = f"; the run's own recipe, {report.recipe}, may learn otherwise" if report.is_stand_in else ""
    lines = [f"Learning curve of a {report.trained}{stand_in}:"]
    for point in report.curve.points:
        low, high = 100 * (1 - point.interval.high), 100 * (1 - point.interval.low)
        right = f"{100 * (1 - point.error):.1f} % (95 % interval {low:.1f}-{high:.1f} %)"
        trainings = f", mean of {point.seeds} trainings" if point.seeds > 1 else ""
        lines.append(f"  {point.pictures:>9,} training pictures: {right}{trainings}")
    if report.left_out:
        lines.append(f"  {report.left_out:,} pictures of the run are gone or were changed; they are left out.")
    return [*lines, curve_sentence(report.curve)]
