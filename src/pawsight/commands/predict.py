"""The verb `predict`: answers one by one, or with --out any number of them in Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pawsight.classifier.predictor import Prediction, load_predictor
from pawsight.classifier.trust import ANSWERED
from pawsight.core.errors import NoPictures, WrongUsage, require_extra
from pawsight.core.machine import CPU, Device
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import check_order
from pawsight.data.folders import expand, is_folder

if TYPE_CHECKING:
    from pawsight.distributed.answer_folder import Tally
    from pawsight.distributed.ray_actors import EngineName

_RUNNERS_UP = 2  # other classes named beside the answer in a line of text
_WORTH_NAMING = 0.005  # least probability of a class that is named beside the answer
_NAMED = 5  # folders listed in a message


def predict(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    *,
    max_megapixels: int | None = None,
    device: Device = CPU,
    progress: Progress = SILENT,
) -> Iterator[Prediction]:
    """Classify files and the files below folders, in order, in constant memory.

    Args:
        run: a run or bundle folder.
        pictures: files and folders.
        max_megapixels: width x height of a picture, in millions; larger ones have an error. None is the bundle's limit.
        device: "cpu", "gpu", "npu", or "auto" for what OpenVINO prefers; the bundle's self-test decides whether it is
            trusted.
        progress: hears how far it is.

    Raises:
        StorageError: the disk or network share does not answer.
        BundleRefused: the run has no bundle that can be trusted.
        NoPictures: folders were named and none holds a file.
    """
    paths = paths_of(pictures)
    check_order("predict", Path(run), paths)
    predictor = load_predictor(run, max_megapixels=max_megapixels, device=device, progress=progress)
    files = files_below(paths)

    def predictions() -> Iterator[Prediction]:  # apart, so that what is wrong is raised by the call and not by `next`
        with progress.stage("Classifying", count_of(paths), "pictures") as step:
            for loaded, outputs in predictor.outputs(files):
                step.advance()
                yield predictor.prediction(os.fspath(loaded.path), outputs, problem=loaded.problem)

    return predictions()


def paths_of(pictures: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the pictures that were named as paths.

    Raises:
        WrongUsage: a name is empty.
    """
    if not all(os.fspath(picture) for picture in pictures):
        raise WrongUsage(
            "One of the pictures has an empty name.",
            "An empty name would mean every file of this folder.",
            "Type . if that is what you want.",
        )
    return [Path(picture) for picture in pictures]


def count_of(paths: Sequence[Path]) -> int | None:
    """Return the number of pictures, None where folders were named."""
    return None if any(is_folder(path) for path in paths) else len(paths)


def files_below(paths: list[Path]) -> Iterator[Path]:
    """Return the files that were named and those below folders, found as they are needed.

    Raises:
        NoPictures: folders were named and none holds a file.
    """
    files = expand(paths)
    first = next(files, None)
    if first is None and paths:
        raise NoPictures(
            f"No files found under {', '.join(map(str, paths[:_NAMED]))}.",
            "The folders are empty or hold only hidden files.",
            "Name pictures, or folders that hold some.",
        )
    return chain([first], files) if first is not None else files


def line(prediction: Prediction) -> str:
    """Return a prediction as a line of text."""
    if prediction.probabilities is None or prediction.label is None:
        return f"{prediction.path}: not classified, {prediction.error}"
    ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])[: 1 + _RUNNERS_UP]
    shares = [f"{name} {100 * value:.1f} %" for name, value in ranked if value >= _WORTH_NAMING]
    if prediction.decision not in (None, ANSWERED) or prediction.probability is None:
        return f"{prediction.path}: {prediction.label} ({', '.join(shares)})"
    others = f" ({', '.join(shares[1:])})" if shares[1:] else ""
    return f"{prediction.path}: {prediction.label} {100 * prediction.probability:.1f} %{others}"


@dataclass(frozen=True, slots=True)
class PredictReport:
    """What a folder of Parquet files holds."""

    out: str
    engine: str
    tally: Tally
    parts: int
    found: int  # parts that an earlier process had finished
    classes: tuple[str, ...]
    bundle: str  # SHA-256 of the bundle's card
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --out --json` prints them."""
        plain = asdict(self)
        return {"out": plain.pop("out"), "engine": plain.pop("engine"), **plain.pop("tally"), **plain}

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        tally = self.tally
        kinds = [(tally.answered, "answered"), (tally.unsure, "unsure"), (tally.unlike, "unlike anything seen")]
        counts = [f"{count:,} {kind}" for count, kind in kinds if count or kind == "answered"]
        parts = f"{self.parts:,} part{'s' if self.parts != 1 else ''}"
        found = f", {self.found:,} of them finished before" if self.found else ""
        return [
            f"Pictures    {tally.pictures:,}: {', '.join([*counts, f'{tally.errors:,} could not be read'])}",
            f"Answers     {self.out}, {parts}{found}, {self.seconds:.1f} s",
        ]


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
        max_megapixels: as for `predict`.
        device: as for `predict`; actors compute on the CPU.
        progress: hears how far it is.

    Raises:
        PawsightError: of all kinds; finished parts stay.
    """
    from pawsight.classifier.bundle import CARD, read_bundle, with_max_megapixels
    from pawsight.core.storage import sha256_of_file
    from pawsight.distributed import answer_folder as distributed
    from pawsight.distributed.path_lists import paths_of as listed
    from pawsight.distributed.ray_actors import pool_for
    from pawsight.distributed.remote import is_url
    from pawsight.distributed.worker import parts_by_pool, parts_here

    start = perf_counter()
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    pool = pool_for(engine, actors, ray_address, device, needed_by="--out")
    if not os.fspath(out) or is_url(os.fspath(out)):
        raise WrongUsage(f"--out cannot be {os.fspath(out)!r}.", "Answers are written to a folder of this machine.", "")
    folder = Path(out).expanduser()
    check_order("predict", Path(run), [Path(picture) for picture in pictures])
    bundle = with_max_megapixels(read_bundle(Path(run).expanduser()), max_megapixels)
    paths = listed([os.fspath(picture) for picture in pictures], without=folder)
    digest, classes = sha256_of_file(bundle.folder / CARD), bundle.card.classes
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
    return PredictReport(os.fspath(out), engine, tally, work.parts, found, classes, digest, seconds)
