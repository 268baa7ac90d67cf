"""The engine with a cluster: the missing parts, made by a pool of actors, each with a bundle of its own.

Enters: a `Bundle`, a `Work`, a `Pool`. Leaves: finished parts with their numbers, as they come. Does not know: where
parts are written: the driver does that, so that workers need no disk in common with it, only the pictures, and each
part is written once, whoever died.
"""

from __future__ import annotations

from pawsight.classifier.bundle import Bundle
from pawsight.distributed.clerk import Clerk
from pawsight.distributed.parts import Stamp
from pawsight.distributed.pool import CORES_EACH, Ask, Crew, Pool, made_by
from pawsight.distributed.work import PATHS, Parts, Work, read_shard

_REMEDY = "Finished parts are kept; --resume makes the others."


def parts_by_pool(bundle: Bundle, work: Work, pool: Pool) -> Parts:
    """Yield the missing parts in the order in which they are finished.

    Args:
        bundle: travels to the actors.
        work: its list is read by the driver's machine alone.
        pool: of actors.

    Raises:
        PawsightError: Ray cannot be had, or the pool could not go on.
    """
    if not (missing := work.missing()):
        return
    place = str((work.folder / PATHS).resolve())
    crew = Crew(worker=_Seated, large=bundle, terms=(work.stamp,), desk=_Desk, place=(place,), remedy=_REMEDY)
    yield from made_by(pool, crew, missing)


class _Seated:
    """A clerk that asks for the paths of each part."""

    def __init__(self, bundle: Bundle, stamp: Stamp) -> None:
        self._clerk = Clerk(bundle, stamp, cores=CORES_EACH)

    def part(self, index: int, ask: Ask) -> bytes:
        return self._clerk.part(index, ask("paths", index))


class _Desk:
    """Reads the list where it lies, so that nobody holds all of it."""

    def __init__(self, place: str) -> None:
        import pyarrow.parquet as pq

        self._listing = pq.ParquetFile(place)

    def paths(self, index: int) -> list[str]:
        return read_shard(self._listing, index)
