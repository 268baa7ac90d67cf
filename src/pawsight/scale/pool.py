"""The engine with a cluster: Ray Data hands the missing parts to a pool of actors, each with a bundle of its own.

Enters: a `Bundle`, a `Work`, how many actors. Leaves: finished parts with their numbers, as they come. Does not know:
where parts are written: the driver does that, so that workers need no disk in common with it, only the pictures.

An actor that dies is replaced and its part made again; the driver writes each part once, so nothing is doubled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from pawsight.bundle import Bundle
from pawsight.errors import PawsightError
from pawsight.machine import usable_cores
from pawsight.scale.clerk import Clerk
from pawsight.scale.ray_here import nothing_said, quiet_data, ray_running
from pawsight.scale.work import PATHS, Parts, Work, read_shard

CORES_EACH = 1  # of an actor: with as many actors as cores, none waits for another
_IN_FLIGHT = 2  # parts handed to an actor: the next one waits beside the one that is computed

_OURS = f"{PawsightError.__module__}."  # how a traceback names an error of ours


def parts_by_pool(bundle: Bundle, work: Work, *, actors: int | None = None, address: str | None = None) -> Parts:
    """Yield the missing parts in the order in which they are finished.

    Args:
        bundle: travels to the actors.
        work: its list is read by the driver's machine alone.
        actors: None is one for each core of the cluster.
        address: of a cluster that runs already; None starts one here.

    Raises:
        PawsightError: Ray cannot be had, or the pool could not go on.
    """
    if not (missing := work.missing()):
        return
    with ray_running(address, cores=_cores(actors)) as ray, nothing_said():
        quiet_data()
        try:
            yield from _run(ray, bundle, work, missing, actors)
        except ray.exceptions.RayError as error:
            raise _told(error) from error


@contextmanager
def ray_ready(work: Work, *, actors: int | None = None, address: str | None = None) -> Iterator[None]:
    """Start Ray, where anything is missing, before somebody shows a bar: standard error is shut while it starts."""
    with ray_running(address, cores=_cores(actors)) if work.missing() else nullcontext():
        yield


def _cores(actors: int | None) -> int:
    return max(usable_cores(), (actors or 0) * CORES_EACH)


def _run(ray: Any, bundle: Bundle, work: Work, missing: list[int], actors: int | None) -> Parts:
    size = min(actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // CORES_EACH), len(missing))
    desk, shipped = _desk(ray, work), ray.put(bundle)  # held here as long as an actor may have to begin anew
    parts = ray.data.from_items(missing, override_num_blocks=len(missing)).map_batches(
        _Seat,
        fn_constructor_args=([shipped], desk, work.stamp),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=_IN_FLIGHT),
        num_cpus=CORES_EACH,
    )
    for row in parts.iter_rows():
        yield int(row["part"]), row["file"]


class _Seat:
    """A clerk in an actor; asks the desk for the paths of each part."""

    def __init__(self, shipped: list[Any], desk: Any, stamp: Any) -> None:
        import ray

        self._desk, self._clerk = desk, Clerk(ray.get(shipped[0]), stamp, cores=CORES_EACH)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        import ray

        numbers = [int(number) for number in batch["item"]]
        files = [self._clerk.part(number, ray.get(self._desk.paths.remote(number))) for number in numbers]
        return {"part": numbers, "file": files}


class _Desk:
    """Reads the list where it lies, so that nobody holds all of it."""

    def __init__(self, place: str) -> None:
        import pyarrow.parquet as pq

        self._listing = pq.ParquetFile(place)

    def paths(self, index: int) -> list[str]:
        return read_shard(self._listing, index)


def _desk(ray: Any, work: Work) -> Any:
    """Start a desk on the driver's own machine; it costs no core."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(_Desk).options(**options).remote(str((work.folder / PATHS).resolve()))


def _told(error: Exception) -> PawsightError:
    """Return what an actor refused with, in its own words where they are ours: Ray hands them on as text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ours = [number for number, line in enumerate(lines) if line.startswith(_OURS)]
    if ours:
        own = [lines[ours[-1]].partition(": ")[2], *lines[ours[-1] + 1 :]]
        return PawsightError(own[0], own[1] if len(own) > 1 else "", own[2] if len(own) > 2 else "")
    why = f"It says: {lines[-1][:300]}"
    return PawsightError("Ray's workers could not go on.", why, "Finished parts are kept; --resume makes the others.")
