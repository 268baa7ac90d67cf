"""The verb `predict`: answers one by one, in a file, or any number of them in a folder of Parquet files."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.costs import NamedCosts, costs_for, read_costs
from pawsight.classifier.engine import Outputs
from pawsight.classifier.prediction_sets import choose_sets, fewest_for_sets
from pawsight.classifier.predictor import Prediction, Predictor, load_predictor
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE, VALIDATION, SelectiveOptions, Trust
from pawsight.commands.answer_file import ENDINGS, check_answer_file, write_answers
from pawsight.commands.named_pictures import (
    EVERY,
    DecodedPicture,
    count_of,
    decoded_pictures,
    has_camera,
    named_pictures,
)
from pawsight.core.errors import NoPictures, PawsightError, WrongUsage, require_extra
from pawsight.core.machine import CPU, Device
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import check_order
from pawsight.core.storage import as_path, path_texts
from pawsight.core.text import plural
from pawsight.data.folders import is_regular_file
from pawsight.data.reading import is_picture
from pawsight.evaluation.deployment import Deployment, Window

if TYPE_CHECKING:
    from pawsight.distributed.answer_folder import Tally
    from pawsight.distributed.ray_actors import EngineName

_RUNNERS_UP = 2  # other classes named beside the answer in a line of text
_WORTH_NAMING = 0.005  # least probability of a class that is named beside the answer
_NAMED = 5  # inputs listed in a message
_OTHER_ENDINGS = (  # that --out does not write
    *(".xlsx", ".xls", ".ods", ".txt", ".tsv", ".html", ".xml", ".npz", ".md"),
    *(".gz", ".zip", ".bz2", ".xz", ".zst"),
)


def predict(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    *,
    threshold: float | None = None,
    sets: float | None = None,
    costs: str | os.PathLike[str] | NamedCosts | None = None,
    answer_all: bool = False,
    every: float | None = None,
    max_megapixels: int | None = None,
    device: Device = CPU,
    progress: Progress = SILENT,
    expect: Callable[[Deployment], None] | None = None,
) -> Iterator[Prediction]:
    """Classify pictures, in order, in constant memory.

    A file in a folder that is no picture, neither by its ending nor by its content, is skipped; how many there are is
    said at the end.

    Args:
        run: a run or bundle folder.
        pictures: files, folders, lists, addresses, videos and cameras, as `named_pictures` reads them.
        threshold: pictures whose most likely class has a lower probability are `unsure`; None leaves it to the run.
        sets: share of prediction sets that hold the true class, by the run's answers to its validation subset; None
            leaves it to the run.
        costs: of mistakes, as for `train`; None leaves them to the run.
        answer_all: call no picture unfamiliar, or unsure but for the threshold.
        every: seconds between two frames of a video or a camera; None is 1.
        max_megapixels: width x height of a picture, in millions; larger ones have an error. None is the bundle's limit.
        device: "cpu", "gpu", "npu", or "auto" for what OpenVINO prefers; the bundle's self-test decides whether it is
            trusted.
        progress: hears how far it is.
        expect: is given, after the last picture, what the pictures say about the classifier, where any was answered.

    Raises:
        StorageError: the disk or network share does not answer.
        BundleRefused: the run has no bundle that can be trusted.
        WrongUsage: `expect` is given and the run keeps nothing to compare pictures with.
        NoPictures: folders or lists were named and hold no picture.
    """
    typed = path_texts(pictures)
    check_order("predict", as_path(run), [Path(name) for name in typed])
    listed = None if costs is None else read_costs(costs)
    predictor = load_predictor(
        run, max_megapixels=max_megapixels, answer_all=answer_all, device=device, progress=progress
    )
    not_of_several = {"--threshold": threshold, "--sets": sets, "--costs": costs, "--expect": expect}
    _check_several_labels(predictor.bundle, not_of_several)
    if listed is not None:
        predictor = predictor.with_trust(_with_costs(predictor, listed))
    if sets is not None:
        predictor = predictor.with_trust(_with_sets(run, predictor, sets))
    named = named_pictures(typed, every=EVERY if every is None else every)
    settings, is_live = predictor.bundle.card.decode, has_camera(typed)
    decoded = decoded_pictures(named, settings, threads=predictor.threads, is_live=is_live)
    each_at_once = chain.from_iterable(predictor.outputs_of([picture]) for picture in decoded)
    answers = _watched(each_at_once if is_live else predictor.outputs_of(decoded), predictor.bundle, expect)

    def predictions() -> Iterator[Prediction]:  # apart, so that what is wrong is raised by the call and not by `next`
        skipped, answered, first = 0, 0, ""
        with progress.stage("Classifying", count_of(typed), "pictures") as step:
            for picture, outputs in answers:
                step.advance()
                if picture.is_other_file:
                    skipped += 1
                    first = first or picture.name
                    continue
                answered += 1
                yield with_threshold(predictor.prediction(picture.name, outputs, problem=picture.problem), threshold)
        others = (
            f"{plural(skipped, 'file')} that {'is no picture' if skipped == 1 else 'are no pictures'}, e.g. {first}"
        )
        if skipped and not answered:
            raise NoPictures(
                f"No pictures found under {', '.join(typed[:_NAMED])}.",
                f"There {'is' if skipped == 1 else 'are'} {others}.",
                "Name pictures, or folders that hold some.",
            )
        if skipped:
            progress.say(f"Skipped  {others}")

    return predictions()


def _check_several_labels(bundle: Bundle, options: Mapping[str, object]) -> None:
    """Refuse options that say nothing of pictures with several labels.

    Raises:
        WrongUsage: one of them is given.
    """
    for option, value in options.items():
        if value is not None and bundle.card.several_labels:
            raise WrongUsage(
                f"{option} cannot be used with this run.",
                "Its pictures may have several labels, each with a threshold of its own.",
                f"Leave {option} out; --json has the probability of each label.",
            )


def _watched(
    answers: Iterator[tuple[DecodedPicture, Outputs | None]],
    bundle: Bundle,
    expect: Callable[[Deployment], None] | None,
) -> Iterator[tuple[DecodedPicture, Outputs | None]]:
    """Return the same answers, after the last of which `expect` is given what they say about the classifier.

    Raises:
        WrongUsage: the bundle keeps nothing to compare pictures with.
    """
    if expect is None:
        return answers
    window = Window.of(bundle)

    def watched() -> Iterator[tuple[DecodedPicture, Outputs | None]]:  # apart, so that the call raises and not `next`
        for picture, outputs in answers:
            if outputs is not None:
                window.add(outputs)
            yield picture, outputs
        if (found := window.deployment()) is not None:
            expect(found)

    return watched()


def expected_lines(found: Deployment | None) -> list[str]:
    """Return as lines of text what unlabelled pictures say about a classifier; None where none could be read."""
    if found is None:
        return ["Expected    nothing, since no picture could be read"]
    low, high = (100 * end for end in found.interval.as_list())
    lines = [
        f"Expected    {100 * found.accuracy:.1f} % of {plural(found.pictures, 'picture')} right by the likeliest class"
    ]
    lines[0] += f" (95 % interval {low:.0f}-{high:.0f} %)"
    if found.p_value is None:
        return [*lines, "Alike       too few pictures to compare with those of validation"]
    rate = f"{100 * found.false_alarms:g} % of collections like those of validation are called different"
    if not found.is_alarm:
        return [*lines, f"Alike       no difference from the validation pictures (p = {found.p_value:.3f}; {rate})"]
    return [
        *lines,
        f"WARNING     The pictures differ from the validation pictures (p = {found.p_value:.3f}; {rate}).",
        "            Label some of them and measure: pawsight evaluate RUN DATA (docs/deployed.md)",
    ]


def _with_costs(predictor: Predictor, costs: NamedCosts) -> Trust:
    """Return how answers are trusted with other costs than those of the run.

    Raises:
        WrongUsage: a class is unknown, or the run guarantees something of other answers.
    """
    trust = predictor.bundle.card.trust
    if trust.guarantee is not None or trust.by_class:
        raise WrongUsage(
            "--costs cannot be used with this run.",
            "It guarantees how many of its answers are wrong, and costs would change the answers.",
            "Train it with both: pawsight train DATA --costs FILE --max-error SHARE",
        )
    return replace(trust, costs=costs_for(costs, predictor.classes))


def _with_sets(run: str | os.PathLike[str], predictor: Predictor, coverage: float) -> Trust:
    """Return how answers are trusted with sets that are measured on the run's answers to its validation subset.

    Raises:
        WrongUsage: the run holds none, or too few.
    """
    from pawsight.reports.run_record import RunRecord  # with all that measures; other predictions start without it

    SelectiveOptions(sets=coverage)
    trust, bundle = predictor.bundle.card.trust, predictor.bundle
    if trust.sets is not None and trust.sets.coverage == coverage:
        return trust
    table, fix = None, f"Train with it, which counts training pictures too: --sets {100 * coverage:g}%"
    with suppress(PawsightError):
        record = RunRecord.read(bundle.folder.parent)
        table = record.answer_table("validation") if record.digest == bundle.card.split_digest else None
    if table is None or table.classes != predictor.classes:
        raise WrongUsage(
            f"--sets cannot be used with {os.fspath(run)}.",
            "Sets are measured on a run's answers to its validation set, and none lie beside this bundle.",
            fix,
        )
    chosen = choose_sets(table.true, table.probabilities, coverage=coverage, measured_on=VALIDATION)
    if chosen is None:
        raise WrongUsage(
            f"--sets {100 * coverage:g}% cannot be used with {os.fspath(run)}.",
            f"It needs {fewest_for_sets(coverage):,} validation pictures, and the run has {len(table.true):,}.",
            fix,
        )
    return replace(trust, sets=chosen)


def with_threshold(prediction: Prediction, threshold: float | None) -> Prediction:
    """Return a prediction that is `unsure` where it was answered with a lower probability than a threshold."""
    probability = prediction.probability
    if threshold is None or prediction.decision != ANSWERED or probability is None or probability >= threshold:
        return prediction
    return replace(prediction, label=UNSURE, decision=UNSURE)


def line(prediction: Prediction, top: int | None = 0) -> str:
    """Return a prediction as a line of text.

    Args:
        prediction: of one picture.
        top: classes that are named with their probabilities, None for all; 0 is the answer and what came close.
    """
    if prediction.labels is not None and prediction.probabilities is not None:
        return _line_of_labels(prediction, top)
    if prediction.probabilities is None or prediction.label is None:
        return f"{prediction.path}: not classified, {prediction.error}"
    ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    if top == 0:
        ranked = [pair for pair in ranked[: 1 + _RUNNERS_UP] if pair[1] >= _WORTH_NAMING]
    shares = [f"{name} {100 * value:.1f} %" for name, value in (ranked[:top] if top else ranked)]
    within = "" if prediction.set is None else f", set: {', '.join(prediction.set)}"
    if prediction.decision not in (None, ANSWERED) or prediction.probability is None:
        return f"{prediction.path}: {prediction.label} ({', '.join(shares)}){within}"
    own = f"{prediction.label} {100 * prediction.probability:.1f} %"
    others = [share for share in shares if share != own]
    beside = f" ({', '.join(others)})" if others else ""
    return f"{prediction.path}: {own}{beside}{within}"


def _line_of_labels(prediction: Prediction, top: int | None) -> str:
    by_label = prediction.probabilities or {}

    def shares(names: Iterable[str]) -> str:
        return ", ".join(f"{name} {100 * by_label[name]:.1f} %" for name in names)

    ranked = sorted(by_label, key=lambda name: -by_label[name])
    answered = (*(prediction.labels or ()), *(prediction.unsure or ()))
    others = [name for name in ranked if name not in answered]
    if top == 0:
        others = [name for name in others[:_RUNNERS_UP] if by_label[name] >= _WORTH_NAMING]
    elif top is not None:
        others = [name for name in others if name in ranked[:top]]
    answer = shares(prediction.labels or ()) or (UNFAMILIAR if prediction.decision == UNFAMILIAR else "none")
    beside = [*([f"unsure: {shares(prediction.unsure)}"] if prediction.unsure else []), shares(others)]
    beside = [text for text in beside if text]
    within = f" ({'; '.join(beside)})" if beside else ""
    return f"{prediction.path}: {answer}{within}"


@dataclass(frozen=True, slots=True)
class PredictReport:
    """What a file of answers or a folder of Parquet files holds."""

    out: str
    engine: str
    tally: Tally
    parts: int  # 0 for a file
    found: int  # parts that an earlier process had finished
    classes: tuple[str, ...]
    bundle: str  # SHA-256 of the bundle's card
    seconds: float
    failed: int  # pictures without an answer; a file in a folder that is no picture is none
    expected: Deployment | None = None  # where it was asked for

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --out --json` prints them."""
        plain = asdict(self)
        del plain["failed"], plain["expected"]
        if self.expected is not None:
            plain["expected"] = self.expected.to_json()
        return {"out": plain.pop("out"), "engine": plain.pop("engine"), **plain.pop("tally"), **plain}

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        tally = self.tally
        kinds = [(tally.answered, "answered"), (tally.unsure, "unsure"), (tally.unlike, "unfamiliar")]
        unread = f"{tally.errors - tally.not_pictures:,} could not be read"
        unread += f", {plural(tally.not_pictures, 'other file')}" if tally.not_pictures else ""
        counts = [f"{count:,} {kind}" for count, kind in kinds if count or kind == "answered"]
        parts = f", {plural(self.parts, 'part')}" if self.parts else ""
        found = f", {self.found:,} of them finished before" if self.found else ""
        return [
            f"Pictures    {tally.pictures:,}: {', '.join([*counts, unread])}",
            f"Answers     {self.out}{parts}{found}, {self.seconds:.1f} s",
            *(expected_lines(self.expected) if self.expected is not None else ()),
        ]


def is_answer_file(out: str) -> bool:
    """Return whether --out names a file of answers rather than a folder of parts.

    Raises:
        WrongUsage: it has the ending of a file that is not written.
    """
    if out == "-":
        raise WrongUsage(
            "--out cannot be -.",
            "Answers go to standard output where --out is left out.",
            "Type --json > answers.jsonl in its place, or --out answers.csv",
        )
    path = as_path(out)
    if out.endswith(("/", os.sep)) or path.is_dir():
        return False
    if path.suffix.lower() in _OTHER_ENDINGS:
        plain = path.with_name(f"{path.name.partition('.')[0] or 'answers'}.csv")
        raise WrongUsage(
            f"--out cannot be {out}.",
            f"Answers are written to files that end in {', '.join(ENDINGS)}, or to a folder of Parquet files.",
            f"Type for example --out {shlex.quote(str(plain))}",
        )
    return path.suffix.lower() in ENDINGS


def predict_file(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    top: int | None = 0,
    threshold: float | None = None,
    sets: float | None = None,
    costs: str | os.PathLike[str] | NamedCosts | None = None,
    answer_all: bool = False,
    every: float | None = None,
    max_megapixels: int | None = None,
    device: Device = CPU,
    progress: Progress = SILENT,
    expect: bool = False,
) -> PredictReport:
    """Classify pictures into one file, a row a picture, with the columns path, label, confidence, decision and error.

    With prediction sets there is a column `set`: a list in JSON, else names with a bar between them. With several
    labels the columns are path, labels, unsure, decision, error and one for each label; names have a semicolon between.

    Args:
        run: a run or bundle folder.
        pictures: as for `predict`.
        out: a new file that ends in .csv, .json, .jsonl or .parquet.
        top: most likely classes that get columns of their own; None: a column for each class.
        threshold, sets, costs, answer_all, every, max_megapixels, device: as for `predict`.
        progress: hears how far it is.
        expect: tell in the report what the pictures say about the classifier.

    Raises:
        StorageError: the file exists, or cannot be written. PawsightError: as for `predict`.
    """
    from pawsight.classifier.bundle import CARD, read_bundle
    from pawsight.core.storage import sha256_of_file
    from pawsight.distributed.answer_folder import Tally

    start, path = perf_counter(), as_path(out)
    check_answer_file(path)
    typed = path_texts(pictures)
    check_order("predict", as_path(run), [Path(name) for name in typed])
    bundle = read_bundle(as_path(run))
    counts: Counter[str] = Counter()
    found: list[Deployment] = []

    def counted() -> Iterator[Prediction]:
        for prediction in predict(
            run,
            typed,
            threshold=threshold,
            sets=sets,
            costs=costs,
            answer_all=answer_all,
            every=every,
            max_megapixels=max_megapixels,
            device=device,
            progress=progress,
            expect=found.append if expect else None,
        ):
            counts[prediction.decision or "error"] += 1
            yield prediction

    has_sets = sets is not None or bundle.card.trust.sets is not None
    several = bundle.card.several_labels
    shown = top or None if several else top  # of several labels all have a column, where no number is asked for
    write_answers(path, counted(), bundle.card.classes, top=shown, has_sets=has_sets, several_labels=several)
    tally = Tally(
        pictures=counts.total(),
        answered=counts[ANSWERED],
        unsure=counts[UNSURE],
        unlike=counts[UNFAMILIAR],
        errors=counts["error"],
    )
    seconds, digest = round(perf_counter() - start, 3), sha256_of_file(bundle.folder / CARD)
    expected = found[0] if found else None
    return PredictReport(
        os.fspath(out), "local", tally, 0, 0, bundle.card.classes, digest, seconds, tally.errors, expected
    )


def predict_to(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    engine: EngineName = "local",
    resume: bool = False,
    actors: int | None = None,
    shard: int | None = None,
    ray_address: str | None = None,
    answer_all: bool = False,
    max_megapixels: int | None = None,
    device: Device = CPU,
    progress: Progress = SILENT,
) -> PredictReport:
    """Classify any number of pictures into Parquet parts, in constant memory.

    Args:
        run: a run or bundle folder.
        pictures: files, folders, lists (.csv, .parquet with a column `path`), and URLs of these.
        out: a new or empty folder.
        engine: `local` is this process, `ray` a pool of actors.
        resume: continue with what `out` holds of the same bundle and list; begin where it holds nothing.
        actors: for `ray`; None is one for each core.
        shard: pictures in a part; None is 2,048, or what `out` was begun with.
        ray_address: of a running cluster.
        answer_all, max_megapixels: as for `predict`.
        device: as for `predict`; actors compute on the CPU.
        progress: hears how far it is.

    Raises:
        PawsightError: of all kinds; finished parts stay.
    """
    from pawsight.classifier.bundle import CARD, read_bundle, with_max_megapixels
    from pawsight.core.storage import sha256_of, sha256_of_file
    from pawsight.distributed import answer_folder as distributed
    from pawsight.distributed.path_lists import is_list
    from pawsight.distributed.path_lists import paths_of as listed
    from pawsight.distributed.ray_actors import pool_for
    from pawsight.distributed.remote import is_url
    from pawsight.distributed.worker import parts_by_pool, parts_here

    start = perf_counter()
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    pool = pool_for(engine, actors, ray_address, device, needed_by="--out")
    if not os.fspath(out) or is_url(os.fspath(out)):
        raise WrongUsage(f"--out cannot be {os.fspath(out)!r}.", "Answers are written to a folder of this machine.", "")
    folder = as_path(out)
    check_order("predict", as_path(run), [Path(picture) for picture in pictures])
    bundle = with_max_megapixels(read_bundle(as_path(run), answer_all=answer_all), max_megapixels)
    paths = listed([os.fspath(picture) for picture in pictures], without=folder)
    digest, classes = sha256_of_file(bundle.folder / CARD), bundle.card.classes
    if answer_all:  # other answers, which --resume must not put beside those of the bundle
        digest = sha256_of(f"{digest} answers all".encode())
    is_begun = resume and folder.is_dir() and any(folder.iterdir())
    if is_begun:
        distributed.opened(folder)  # before a lock is put into a folder of something else
    else:
        shard_size = shard or distributed.SHARD
        distributed.begin(folder, paths, bundle=digest, classes=classes, shard=shard_size, progress=progress)
    with distributed.locked(folder):
        work = distributed.opened(folder)
        if is_begun:
            distributed.resume(folder, paths, bundle=digest, classes=classes, shard=shard, progress=progress)
        missing = set(work.missing())
        found, done = work.parts - len(missing), work.manifest.pictures - sum(map(work.size, missing))
        work.tally()  # of what is there: a damaged part is reported before hours of work, not after
        with (
            pool.running() if pool and missing else nullcontext(),
            progress.stage("Classifying", work.manifest.pictures, "pictures") as step,
            closing(parts_by_pool(bundle, work, pool) if pool else parts_here(bundle, work, device, progress)) as parts,
        ):
            step.advance(done)
            for index, part in parts:
                work.add(index, part)
                step.advance(work.size(index) if index in missing else 0)
                missing.discard(index)
        tally = work.tally()
    seconds = round(perf_counter() - start, 3)
    named = [Path(picture) for picture in pictures if not is_list(os.fspath(picture))]
    named_others = sum(is_regular_file(path) and not is_picture(path.name, "") for path in named)
    failed = tally.errors - max(0, tally.not_pictures - named_others)
    return PredictReport(os.fspath(out), engine, tally, work.parts, found, classes, digest, seconds, failed)
