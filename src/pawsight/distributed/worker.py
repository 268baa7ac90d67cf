"""Answers the missing parts of an answer folder: here, on all cores, or on Ray's actors, with the same bits.

One `Worker` opens a bundle once and turns lists of paths into Parquet parts. The driver alone reads the list and
writes parts, so that actors share no disk with it and each part is written once, whichever actor dies. Actors are
started in ray_actors.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Outputs
from pawsight.classifier.predictor import Prediction, Predictor, unanswered
from pawsight.core.machine import CPU, Device, this_machine
from pawsight.core.progress import SILENT, Progress
from pawsight.core.thread_pool import ordered_map
from pawsight.distributed.answer_folder import PATHS, AnswerFolder, Manifest, Parts, part_of, read_shard
from pawsight.distributed.ray_actors import CORES_EACH, Ask, Pool, parts_from_actors
from pawsight.distributed.remote import decoded, fetch, fetched_ahead
from pawsight.images.loader import Loaded, while_storage_answers

Row = tuple[str, Prediction]  # SHA-256 and answer


class Worker:
    """A predictor for lists of paths.

    Args:
        bundle: checked here by its own self-test.
        manifest: what the parts belong to.
        cores: how many to compute on; None is all.
        device: what computes, as for `Predictor`.
        progress: hears where that is not what was asked for.
    """

    def __init__(
        self,
        bundle: Bundle,
        manifest: Manifest,
        *,
        cores: int | None = None,
        device: Device = CPU,
        progress: Progress = SILENT,
    ) -> None:
        machine = this_machine()
        machine = replace(machine, cores=min(cores or machine.cores, machine.cores))
        self._manifest, self._feeders, self._has_one_core = manifest, machine.feeders, machine.cores == 1
        self._predictor = Predictor(bundle, machine=machine, device=device, progress=progress)
        self._precision = self._predictor.precision

    def part(self, index: int, paths: Sequence[str]) -> bytes:
        """Answer the paths of one part, in order, and return it as a Parquet file."""
        several = self._predictor.bundle.card.several_labels
        rows, precision = self.rows(paths), self._precision
        return part_of(rows, self._manifest, index=index, precision=precision, several_labels=several)

    def rows(self, paths: Sequence[str]) -> Iterator[Row]:
        """Yield hash and answer of each picture, in order; a picture that cannot be read has an error.

        On one core decoding and inference alternate: a thread for each would take a second core from another worker.
        """
        queue = self._predictor.queue()
        files = while_storage_answers(self._loaded(paths), lambda file: (file[0], file[1].problem))
        for name, loaded in files:
            if loaded.decoded is None:
                yield from self._answers(queue.drain())
                yield loaded.sha256, unanswered(name, loaded.problem)
            else:
                yield from self._answers(queue.push((name, loaded.sha256), loaded.decoded.pixels))
            if self._has_one_core:
                yield from self._answers(queue.drain())
        yield from self._answers(queue.drain())

    def _loaded(self, paths: Sequence[str]) -> Iterator[tuple[str, Loaded]]:
        settings = self._predictor.bundle.card.decode
        if self._has_one_core:
            for fetched in fetched_ahead(paths):
                yield fetched.name, decoded(fetched, settings)
        else:
            yield from ordered_map(lambda path: (path, decoded(fetch(path), settings)), paths, threads=self._feeders)

    def _answers(self, results: Iterator[tuple[tuple[str, str], Outputs]]) -> Iterator[Row]:
        return ((sha256, self._predictor.prediction(name, outputs)) for (name, sha256), outputs in results)


def parts_here(bundle: Bundle, answers: AnswerFolder, device: Device = CPU, progress: Progress = SILENT) -> Parts:
    """Yield the missing parts in order, computed in this process on a device."""
    import pyarrow.parquet as pq

    if not (missing := answers.missing()):
        return
    worker = Worker(bundle, answers.manifest, device=device, progress=progress)
    with pq.ParquetFile(answers.folder / PATHS) as path_list:
        for index in missing:
            yield index, worker.part(index, read_shard(path_list, index))


def parts_by_pool(bundle: Bundle, answers: AnswerFolder, pool: Pool) -> Parts:
    """Yield the missing parts in the order in which Ray's actors finish them.

    Args:
        bundle: sent to the actors.
        answers: its list of paths is read on the driver's machine only.
        pool: the actors.

    Raises:
        PawsightError: Ray is not available, or the actors failed.
    """
    if not (missing := answers.missing()):
        return
    yield from parts_from_actors(
        pool,
        missing,
        worker=_RemoteWorker,
        shared=bundle,
        worker_args=(answers.manifest,),
        coordinator=_PathLookup,
        coordinator_args=(str((answers.folder / PATHS).resolve()),),
        remedy="Finished parts are kept; --resume makes the others.",
    )


class _RemoteWorker:
    """A worker on one core that asks the driver for the paths of each part."""

    def __init__(self, bundle: Bundle, manifest: Manifest) -> None:
        self._worker = Worker(bundle, manifest, cores=CORES_EACH)

    def part(self, index: int, ask: Ask) -> bytes:
        return self._worker.part(index, ask("paths", index))


class _PathLookup:
    """Reads single shards of the list of paths on the driver's machine, so that no process holds all of it."""

    def __init__(self, path_list: str) -> None:
        import pyarrow.parquet as pq

        self._path_list = pq.ParquetFile(path_list)

    def paths(self, index: int) -> list[str]:
        return read_shard(self._path_list, index)
