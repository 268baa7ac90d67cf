"""Starts Ray's actors: each holds one worker, and turns numbers of parts into the bytes of parts.

What all workers need (a bundle, a backbone) is sent once through Ray's object store. What differs from part to part is
asked of a coordinator: an actor on the driver's machine that takes no core, so that Ray never holds anything as long as
the list of pictures. An actor that dies is replaced and its part is made again. Ray itself is started in
ray_cluster.py; the workers are in worker.py and feature_extraction.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pawsight.core.errors import PawsightError
from pawsight.core.machine import usable_cores
from pawsight.distributed.ray_cluster import ray_running

CORES_EACH = 1  # of an actor: with as many actors as cores, none waits for another
_IN_FLIGHT = 2  # parts given to an actor at once: the next one waits while one is computed
_OWN_ERRORS = f"{PawsightError.__module__}."  # how a traceback names an error of this package

Ask = Callable[..., Any]  # ask(method, *arguments): calls that method of the coordinator


class ActorWorker(Protocol):
    """What an actor holds one of."""

    def part(self, index: int, ask: Ask) -> bytes:
        """Make one part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How many actors to start, and on which cluster."""

    actors: int | None = None  # None is one for each core of the cluster
    address: str | None = None  # of a running cluster; None starts one on this machine

    def __str__(self) -> str:
        how_many = f"{self.actors:,} actor{'s' if self.actors != 1 else ''}" if self.actors else "an actor a core"
        return f"Ray, {how_many}, at {self.address}" if self.address else f"Ray, {how_many}"

    def running(self) -> AbstractContextManager[Any]:
        """Return Ray, started or joined for the length of a `with` block.

        Raises:
            PawsightError: it is not available.
        """
        return ray_running(self.address, cores=max(usable_cores(), (self.actors or 0) * CORES_EACH))


def parts_from_actors(
    pool: Pool,
    parts: Sequence[int],
    *,
    worker: Callable[..., ActorWorker],
    shared: Any,
    worker_args: tuple[Any, ...] = (),
    coordinator: Callable[..., Any],
    coordinator_args: tuple[Any, ...],
    remedy: str,
) -> Iterator[tuple[int, bytes]]:
    """Yield parts in the order in which they are finished.

    `worker` and `coordinator` are classes at the top of a module, so that every machine of a cluster can import them.

    Args:
        pool: the actors.
        parts: numbers of the parts to make.
        worker: called in each actor as worker(shared, *worker_args).
        shared: what all workers need, sent once.
        worker_args: further arguments of `worker`.
        coordinator: called on the driver's machine as coordinator(*coordinator_args).
        coordinator_args: arguments of `coordinator`.
        remedy: what to type where the actors failed.

    Raises:
        PawsightError: Ray is not available, a worker refused its input, or the actors failed.
    """
    with pool.running() as ray:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        try:
            size = min(pool.actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // CORES_EACH), len(parts))
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            placed = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
            answering = ray.remote(coordinator).options(**placed).remote(*coordinator_args)
            stored = ray.put(shared)  # held here for as long as a replaced actor may need it
            made = ray.data.from_items(list(parts), override_num_blocks=len(parts)).map_batches(
                _Actor,
                fn_constructor_args=(worker, [stored], worker_args, answering),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=_IN_FLIGHT),
                num_cpus=CORES_EACH,
            )
            for row in made.iter_rows():
                yield int(row["part"]), row["file"]
        except ray.exceptions.RayError as error:
            raise error_from_ray(error, remedy) from error


class _Actor:
    """A worker in an actor, with its connection to the coordinator."""

    def __init__(
        self, worker: Callable[..., ActorWorker], stored: list[Any], worker_args: tuple[Any, ...], coordinator: Any
    ) -> None:
        import ray

        self._coordinator, self._worker = coordinator, worker(ray.get(stored[0]), *worker_args)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        numbers = [int(number) for number in batch["item"]]
        return {"part": numbers, "file": [self._worker.part(number, self._ask) for number in numbers]}

    def _ask(self, method: str, *arguments: Any) -> Any:
        import ray

        return ray.get(getattr(self._coordinator, method).remote(*arguments))


def error_from_ray(error: Exception, remedy: str) -> PawsightError:
    """Return the error that an actor raised. Ray passes it on as the text of a traceback, so it is read from that."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    own = [number for number, line in enumerate(lines) if line.startswith(_OWN_ERRORS)]
    if own:
        message = [lines[own[-1]].partition(": ")[2], *lines[own[-1] + 1 :]]
        return PawsightError(message[0], message[1] if len(message) > 1 else "", message[2] if len(message) > 2 else "")
    return PawsightError("Ray's workers failed.", f"The last line of the error: {lines[-1][:300]}", remedy)
