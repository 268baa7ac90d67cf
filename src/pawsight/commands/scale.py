"""The verb `predict --out`: any number of pictures in, a folder of Parquet parts out, whatever happens on the way.

Enters: a run, names of places, a folder, an engine. Leaves: a `ScaleReport`. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from pawsight.classifier.bundle import CARD, read_bundle
from pawsight.core.errors import WrongUsage, require_extra
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import sha256_of_file
from pawsight.distributed.answer_folder import SHARD, AnswerFolder, Parts, begin, locked, opened, resume
from pawsight.distributed.parts import Tally
from pawsight.distributed.path_lists import paths_of
from pawsight.distributed.ray_actors import Pool
from pawsight.distributed.remote import is_url
from pawsight.distributed.worker import parts_by_pool, parts_here

EngineName = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class ScaleReport:
    """What a folder of answers holds."""

    out: str
    engine: str
    tally: Tally
    parts: int
    found: int  # of them, parts that an earlier process had finished
    classes: tuple[str, ...]
    bundle: str  # sha256 of the bundle's card
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --out --json` prints them."""
        plain = asdict(self)
        return {"out": plain.pop("out"), "engine": plain.pop("engine"), **plain.pop("tally"), **plain}

    def lines(self) -> list[str]:
        """Return the lines for people."""
        tally, before = self.tally, f", {self.found:,} of them found finished" if self.found else ""
        parts = f"{self.parts:,} part{'s' if self.parts != 1 else ''}"
        kinds = [(tally.answered, "answered"), (tally.unsure, "unsure"), (tally.unlike, "unlike anything seen")]
        told = [f"{count:,} {kind}" for count, kind in kinds if count or kind == "answered"]
        return [
            f"Pictures    {tally.pictures:,}: {', '.join([*told, f'{tally.errors:,} could not be read'])}",
            f"Answers     {self.out}, {parts}{before}, {self.seconds:.1f} s",
        ]


def predict_to(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    engine: EngineName = "local",
    resumed: bool = False,
    actors: int | None = None,
    shard: int | None = None,
    ray_address: str | None = None,
    progress: Progress = SILENT,
) -> ScaleReport:
    """Classify any number of pictures into Parquet parts, in constant memory.

    Args:
        run: a run or bundle folder.
        pictures: files, folders, lists (.csv, .parquet with a column `path`), and URLs of these.
        out: a new or empty folder.
        engine: `local` is this process, `ray` a pool of actors.
        resumed: go on with what `out` holds of the same bundle and list; where it holds nothing, begin.
        actors: for `ray`; None is one for each core.
        shard: pictures in a part; None is 2,048, or what `out` was begun with.
        ray_address: of a cluster that runs already.
        progress: who is told.

    Raises:
        PawsightError: of all kinds; finished parts stay.
    """
    start = perf_counter()
    folder = _checked(out, engine, actors, ray_address)
    pool = Pool(actors=actors, address=ray_address) if engine == "ray" else None
    bundle = read_bundle(Path(run).expanduser())
    paths = paths_of([os.fspath(picture) for picture in pictures], without=folder)
    digest, classes = sha256_of_file(bundle.folder / CARD), bundle.card.classes
    begun = resumed and folder.is_dir() and any(folder.iterdir())
    if begun:
        opened(folder)  # before a lock is put into a folder that is no work's
    else:
        begin(folder, paths, bundle=digest, classes=classes, shard=shard or SHARD, progress=progress)
    with locked(folder):
        work = opened(folder)
        if begun:
            resume(folder, paths, bundle=digest, classes=classes, shard=shard, progress=progress)
        found = work.parts - len(work.missing())
        work.tally()  # of what is there: a damaged part is told before hours of work, not after
        with pool.running() if pool and work.missing() else nullcontext():
            _finish(work, parts_by_pool(bundle, work, pool) if pool else parts_here(bundle, work), progress)
        tally = work.tally()
    seconds = round(perf_counter() - start, 3)
    return ScaleReport(os.fspath(out), engine, tally, work.parts, found, classes, digest, seconds)


def _finish(work: AnswerFolder, parts: Parts, progress: Progress) -> None:
    missing = set(work.missing())
    done = work.manifest.pictures - sum(map(work.size, missing))
    with progress.stage("Classifying", work.manifest.pictures, "pictures") as step, closing(parts):
        step.advance(done)
        for index, part in parts:
            work.add(index, part)
            step.advance(work.size(index) if index in missing else 0)
            missing.discard(index)


def _checked(out: str | os.PathLike[str], engine: str, actors: int | None, address: str | None) -> Path:
    """Return the folder for what comes out, once all that was typed fits together."""
    if engine not in ("local", "ray"):
        raise WrongUsage(f"There is no engine {engine!r}.", "", "Type --engine local or --engine ray")
    if engine != "ray" and (actors or address):
        raise WrongUsage("--actors and --ray-address are for Ray.", "This is --engine local.", "Add --engine ray")
    require_extra("ray", "pyarrow", "fsspec", *(["ray"] if engine == "ray" else []), needed_by="--out")
    if not os.fspath(out) or is_url(os.fspath(out)):
        raise WrongUsage(f"--out cannot be {os.fspath(out)!r}.", "Answers are written to a folder of this machine.", "")
    return Path(out).expanduser()
