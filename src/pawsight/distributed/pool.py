"""A pool of Ray's actors: each makes one worker, and turns numbers of parts into the bytes of parts.

Enters: a `Crew` (which worker, what it needs, whom it asks), numbers, a `Pool`. Leaves: finished parts with their
numbers, as they come. Does not know: what parts are, where they go.

The large thing that all workers need (a bundle, a backbone) travels once through Ray's store; what differs from part to
part is asked of a desk, an actor on the driver's machine that takes no core, so that nothing as long as the list is in
Ray's hands. An actor that dies is replaced and its part made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pawsight.core.errors import PawsightError
from pawsight.core.machine import usable_cores
from pawsight.distributed.ray_here import ray_running

CORES_EACH = 1  # of an actor: with as many actors as cores, none waits for another
_IN_FLIGHT = 2  # parts handed to an actor: the next one waits beside the one that is computed
_OURS = f"{PawsightError.__module__}."  # how a traceback names an error of ours

Ask = Callable[..., Any]  # ask(question, *details): calls that method of the desk, wherever that is


class Worker(Protocol):
    """What an actor has one of."""

    def part(self, index: int, ask: Ask) -> bytes:
        """Make one part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Which actors to have."""

    actors: int | None = None  # None is one for each core of the cluster
    address: str | None = None  # of a cluster that runs already; None starts one here

    def __str__(self) -> str:
        how_many = f"{self.actors:,} actor{'s' if self.actors != 1 else ''}" if self.actors else "an actor a core"
        return f"Ray, {how_many}, at {self.address}" if self.address else f"Ray, {how_many}"

    def running(self) -> AbstractContextManager[Any]:
        """Return Ray, started or joined for the length of a `with` block.

        Raises:
            PawsightError: it cannot be had.
        """
        return ray_running(self.address, cores=max(usable_cores(), (self.actors or 0) * CORES_EACH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who works, and with what: callables of modules, so that every machine of a cluster has them."""

    worker: Callable[..., Worker]  # worker(large, *terms)
    large: Any
    terms: tuple[Any, ...] = ()
    desk: Callable[..., Any]  # desk(*place), on the driver's machine
    place: tuple[Any, ...] = ()
    remedy: str  # what to do where the pool could not go on


def made_by(pool: Pool, crew: Crew, parts: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield parts in the order in which they are finished.

    Raises:
        PawsightError: Ray cannot be had, a worker refused, or the pool could not go on.
    """
    with pool.running() as ray:
        try:
            yield from _run(ray, pool, crew, list(parts))
        except ray.exceptions.RayError as error:
            raise _told(error, crew.remedy) from error


def _run(ray: Any, pool: Pool, crew: Crew, parts: list[int]) -> Iterator[tuple[int, bytes]]:
    size = min(pool.actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // CORES_EACH), len(parts))
    desk, shipped = _desk(ray, crew), ray.put(crew.large)  # held here as long as an actor may have to begin anew
    made = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        _Seat,
        fn_constructor_args=(crew.worker, [shipped], crew.terms, desk),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=_IN_FLIGHT),
        num_cpus=CORES_EACH,
    )
    for row in made.iter_rows():
        yield int(row["part"]), row["file"]


class _Seat:
    """A worker in an actor, and its line to the desk."""

    def __init__(self, worker: Callable[..., Worker], shipped: list[Any], terms: tuple[Any, ...], desk: Any) -> None:
        import ray

        self._desk, self._worker = desk, worker(ray.get(shipped[0]), *terms)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        numbers = [int(number) for number in batch["item"]]
        return {"part": numbers, "file": [self._worker.part(number, self._ask) for number in numbers]}

    def _ask(self, question: str, *details: Any) -> Any:
        import ray

        return ray.get(getattr(self._desk, question).remote(*details))


def _desk(ray: Any, crew: Crew) -> Any:
    """Start a desk on the driver's own machine; it costs no core."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(crew.desk).options(**options).remote(*crew.place)


def _told(error: Exception, remedy: str) -> PawsightError:
    """Return what an actor refused with, in its own words where they are ours: Ray hands them on as text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ours = [number for number, line in enumerate(lines) if line.startswith(_OURS)]
    if ours:
        own = [lines[ours[-1]].partition(": ")[2], *lines[ours[-1] + 1 :]]
        return PawsightError(own[0], own[1] if len(own) > 1 else "", own[2] if len(own) > 2 else "")
    why = f"It says: {lines[-1][:300]}"
    return PawsightError("Ray's workers could not go on.", why, remedy)
