"""Starts Ray's actors: each holds one worker, and turns numbers of parts into the bytes of parts.

What all workers need (a bundle, a backbone) is sent once through Ray's object store. What differs from part to part is
asked of a coordinator: an actor on the driver's machine that takes no core, so that Ray never holds anything as long as
the list of pictures. An actor that dies is replaced and its part is made again. Ray itself is started on loopback for
as long as it is needed, or a running cluster is joined. The workers are in worker.py and feature_extraction.py.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pawsight.core.errors import PawsightError, WrongUsage, require_extra
from pawsight.core.machine import CPU, Device, usable_cores

EngineName = Literal["local", "ray"]

CORES_EACH = 1  # of an actor: with as many actors as cores, none waits for another
_IN_FLIGHT = 2  # parts given to an actor at once: the next one waits while one is computed
_OWN_ERRORS = f"{PawsightError.__module__}."  # how a traceback names an error of this package
_STORE_BYTES = 256 * 2**20  # of shared memory: the bundle and the few unfinished parts
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about GPUs
}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on Windows and macOS Ray chooses loopback by default
_TOKEN = secrets.token_hex(32)  # one for each process: Ray reads it once, and a second start with another one fails

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


def pool_for(
    engine: str, actors: int | None, address: str | None, device: Device = CPU, *, needed_by: str
) -> Pool | None:
    """Return the pool that the options --engine, --actors and --ray-address ask for, None for this process.

    Raises:
        WrongUsage: the options do not fit together.
        MissingExtra: Ray is not installed; `needed_by` is the option that needs it.
    """
    if engine not in ("local", "ray"):
        raise WrongUsage(f"There is no engine {engine!r}.", "", "Type --engine local or --engine ray")
    if engine == "ray":
        if device != CPU:
            raise WrongUsage(
                f"--device {device} cannot be used with --engine ray.",
                "Ray's actors compute on CPUs, with equal answers on every machine.",
                "Leave one of the two out.",
            )
        require_extra("ray", "pyarrow", "fsspec", "ray", needed_by=needed_by)
        return Pool(actors=actors, address=address)
    if actors or address:
        raise WrongUsage("--actors and --ray-address need Ray.", "This is --engine local.", "Add --engine ray")
    return None


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


@contextmanager
def ray_running(address: str | None, *, cores: int) -> Iterator[Any]:
    """Yield the module `ray`, connected.

    Args:
        address: of a cluster; None starts one on this machine. A Ray that this process has initialised already is used
            and left running.
        cores: of the cluster that is started here.

    Raises:
        PawsightError: there is no cluster at that address, or Ray cannot be started.
    """
    # With a token given, Ray writes none into the home folder.
    own = {} if address else _LOOPBACK | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN}
    with _environment(_QUIET | own):
        with _sigterm_handler_kept():
            import ray

        if ray.is_initialized():
            yield ray
            return
        folder = None if address else tempfile.mkdtemp(prefix="pawsight-ray-")
        try:
            with _sigterm_handler_kept():
                _start(ray, address, cores, folder)
            yield ray
        finally:
            ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _start(ray: Any, address: str | None, cores: int, folder: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                "local",
                num_cpus=cores,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and errors of its own
        what = f"There is no Ray at {address}." if address else "Ray could not be started on this machine."
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PawsightError(what, f"Ray says: {first[:300]}", "Leave --engine out to work without Ray.") from error


@contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces when it is imported and when it starts.

    Ray's handlers end the process at once, without running `finally` blocks, and print pages on standard error.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for Ray and its processes, then restore them; variables that the user has set stay."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: value for name, value in values.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
