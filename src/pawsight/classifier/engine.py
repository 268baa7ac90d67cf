"""Runs an ONNX graph over pictures with OpenVINO; nothing else talks to OpenVINO.

One picture at a time on as many streams as there are cores: measured as fast as batches on two cores (293 pictures a
second against 273 at batch 8), and the outputs for a picture then never depend on the pictures beside it.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Literal, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import BundleRefused, PawsightError, WrongUsage
from pawsight.core.machine import CPU, DEVICES, Device, Machine, usable_cores
from pawsight.images.decode import Pixels
from pawsight.models.graph import FEATURES, OOD_SCORE, PROBABILITIES

Precision = Literal["f32", "bf16"]
PRECISION_NAMES: Mapping[Precision, str] = {"f32": "float32", "bf16": "bfloat16"}
Outputs = Mapping[str, NDArray[np.float32]]
Key = TypeVar("Key")
MAX_ARRAY = 2**25  # numbers in one array of a graph: what the exercise's CNN has at 1,024 px; no recipe has more
_LOCKS: dict[tuple[int, str], Lock] = {}
_ENGINES: WeakSet[Engine] = WeakSet()
_REOPENING_S = 120.0  # to compile again in a forked process; it takes a second or two
_REQUESTS_A_STREAM = 2  # one runs while the next one's picture is copied in


def best_precision(machine: Machine) -> Precision:
    """Return bfloat16 where it is faster, else float32.

    AMX doubles the speed of EfficientNet-Lite0 (443 against 196 pictures a second); AVX-512 alone halves it
    (133 against 293), so the instruction set decides, not the mere support of bfloat16.
    """
    return "bf16" if machine.bfloat16 == "AMX" else "f32"


def devices() -> dict[str, str]:
    """Return what OpenVINO can compute on here, with the full names: {"CPU": "Intel(R) Core(TM) ...", "GPU": "..."}."""
    core = openvino_core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")).strip() for name in core.available_devices}


def check_device(device: Device) -> None:
    """Check that this machine has a device.

    Raises:
        WrongUsage: it has none of that kind, or there is no such kind; the message names what there is.
    """
    known = devices()
    if device in (CPU, "auto") or any(name.partition(".")[0].lower() == device for name in known):
        return
    there = ", ".join(f"{name.lower()} ({text})" for name, text in known.items())
    raise WrongUsage(
        f"--device {device} cannot be used: OpenVINO finds no such device.",
        f"There is {there}. A GPU or NPU needs its driver; pawsight doctor lists what is found.",
        f"Type {' or '.join(f'--device {kind}' for kind in DEVICES[:2])}",
    )


class Engine:
    """A compiled graph with one uint8 input (1, H, W, 3).

    Args:
        model: ONNX bytes; the batch dimension is free and is set to one.
        image_px: side of the squares.
        precision: of the arithmetic.
        streams: pictures computed side by side, usually one for each core.
        change: is given OpenVINO's graph before it is compiled, e.g. to add an output.
        device: what computes; "auto" is what OpenVINO's AUTO prefers, the CPU where there is nothing else.

    In a process forked from this one it compiles the graph again when it is first used there: the threads that compute
    are not copied by a fork.

    Raises:
        BundleRefused: OpenVINO cannot read the graph, or the device cannot compute it.
    """

    def __init__(
        self,
        model: bytes,
        *,
        image_px: int,
        precision: Precision,
        streams: int,
        change: Callable[[Any], None] | None = None,
        device: Device = CPU,
    ) -> None:
        self.image_px, self.precision = image_px, precision
        self._compile = partial(_compile, model, image_px, precision, streams, change, device)
        self._compiled, self.pid = self._compile(), os.getpid()
        self._names = [(index, _name(output)) for index, output in enumerate(self._compiled.outputs)]
        self._most = _REQUESTS_A_STREAM * streams  # under way in one queue
        self._free: deque[Any] = deque()
        self._queues: WeakSet[InferenceQueue] = WeakSet()
        _ENGINES.add(self)

    def run(self, squares: Iterable[tuple[Key, Pixels]]) -> Iterator[tuple[Key, Outputs]]:
        """Compute the outputs of each square, in order, a bounded number ahead.

        Args:
            squares: pairs of any key and pixels (image_px, image_px, 3) uint8; consumed lazily.

        Yields:
            the same keys with copies of the outputs, each without the batch dimension.
        """
        queue = InferenceQueue(self)
        for key, pixels in squares:
            yield from queue.push(key, pixels)
        yield from queue.drain()

    def run_all(self, squares: Pixels) -> dict[str, NDArray[np.float32]]:
        """Compute the outputs of a stack of squares (N, H, W, 3) at once."""
        tables = [outputs for _, outputs in self.run(enumerate(squares))]
        return {name: np.stack([table[name] for table in tables]) for _, name in self._names}

    def width(self, name: str) -> int:
        """Return the length of a picture's row of the output with this name."""
        return int(self._compiled.output(name).shape[-1])

    def reopen_after_fork(self) -> None:
        """Compile the graph again where this is another process than the one that did; otherwise do nothing.

        Raises:
            PawsightError: it could not, because a thread of the parent held a lock of OpenVINO's while it forked.
        """
        if self.pid == os.getpid():
            return
        with _lock("reopen"):
            if self.pid != os.getpid():
                self._compiled, self._free = _in_time(self._compile), deque()
                self.pid = os.getpid()

    @property
    def device(self) -> str:
        """What computes, as OpenVINO names it: CPU, GPU.0 ..."""
        return ", ".join(self._compiled.get_property("EXECUTION_DEVICES"))

    def _request(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:  # all are under way, in this queue or in others
            return self._compiled.create_infer_request()


def run_head(head: bytes, features: NDArray[np.float32], precision: Precision) -> NDArray[np.float32]:
    """Compute the output (N, C) of a head for features (N, D): the bits that the whole graph gives.

    Args:
        head: ONNX from `features` to one output, as `models.graph.head_of` cuts it out of a graph.
        features: as the whole graph computes them in the same precision.
        precision: of the arithmetic.
    """
    core = openvino_core()
    graph = core.read_model(head, b"")
    graph.reshape([1, graph.inputs[0].get_partial_shape()[1].get_length()])
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1"}
    request = core.compile_model(graph, "CPU", settings).create_infer_request()
    given, computed = request.get_input_tensor().data, request.get_output_tensor().data
    outputs = np.empty((len(features), computed.shape[1]), np.float32)
    for row, values in enumerate(features):
        given[0] = values
        request.infer()
        outputs[row] = computed[0]
    return outputs


class InferenceQueue:
    """One caller's pictures under way in an engine: pushed in, their outputs returned in the same order.

    Queues of one engine do not wait for each other, and one that is abandoned takes nothing from the rest.
    """

    def __init__(self, engine: Engine) -> None:
        engine.reopen_after_fork()
        self._engine, self._pid = engine, engine.pid
        self._under_way: deque[tuple[Any, Any]] = deque()
        engine._queues.add(self)

    def push(self, key: Any, pixels: Pixels) -> Iterator[tuple[Any, Outputs]]:
        """Start one picture; yields the oldest outputs first where the queue is full."""
        self._check_process()
        if len(self._under_way) >= self._engine._most:
            yield self._oldest()
        request = self._engine._request()
        request.get_input_tensor().data[0] = pixels
        request.start_async()
        self._under_way.append((key, request))

    def drain(self) -> Iterator[tuple[Any, Outputs]]:
        """Wait for all pictures that are under way and yield their outputs."""
        while self._under_way:
            yield self._oldest()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def places(self) -> int:
        """How many more pictures may be pushed without waiting for outputs."""
        return self._engine._most - len(self._under_way)

    def finished(self, wait_ms: int) -> Iterator[tuple[Any, Outputs]]:
        """Wait up to `wait_ms` for the oldest picture; yields it and those after it that are finished by then."""
        while self._under_way and self._under_way[0][1].wait_for(wait_ms):
            yield self._oldest()
            wait_ms = 0

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise _forked("Predictions that were under way in a process cannot be finished in one forked from it.")

    def _oldest(self) -> tuple[Any, Outputs]:
        self._check_process()
        key, request = self._under_way.popleft()
        request.wait()
        outputs = {name: request.get_output_tensor(index).data[0].copy() for index, name in self._engine._names}
        self._engine._free.append(request)
        return key, outputs


def _compile(
    model: bytes,
    image_px: int,
    precision: Precision,
    streams: int,
    change: Callable[[Any], None] | None,
    device: Device,
) -> Any:
    try:
        core = openvino_core()
        if device == "auto" and set(core.available_devices) == {"CPU"}:
            device = CPU  # the same settings, so the same bits
        if device == CPU:
            settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": str(streams)} | _share(streams)
        else:
            settings = {"PERFORMANCE_HINT": "THROUGHPUT"}
            if device != "npu":  # which computes in float16 alone; the self-test says whether that is good enough
                settings |= {"INFERENCE_PRECISION_HINT": precision}
            if device == "auto":  # one device computes all pictures: another one would round differently
                settings |= {"ENABLE_STARTUP_FALLBACK": "NO", "ENABLE_RUNTIME_FALLBACK": "NO"}
        graph = core.read_model(model, b"")
        graph.reshape([1, image_px, image_px, 3])
        _check_shapes(graph)
        if change is not None:
            change(graph)
        return core.compile_model(graph, device.upper(), settings)
    except BundleRefused:
        raise
    except Exception as error:  # OpenVINO raises RuntimeError and its own kinds, with pages of C++ in them
        raise BundleRefused(
            "The model cannot be loaded by OpenVINO.", str(error).strip().splitlines()[-1], "Train or export it again."
        ) from error


def _name(output: Any) -> str:
    """Return the name of an output; where operators that do nothing were taken out it has several."""
    names = output.get_names()
    return str(min(names & {PROBABILITIES, FEATURES, OOD_SCORE}, default=output.get_any_name()))


def _check_shapes(graph: Any) -> None:
    """Refuse a graph with an array of unknown size, or larger than a classifier needs, before memory is allocated."""
    for node in graph.get_ordered_ops():
        for output in node.outputs():
            shape = output.get_partial_shape()
            if shape.is_dynamic or math.prod(shape.to_shape()) > MAX_ARRAY:
                where = f"Its operator {node.get_friendly_name()[:80]!r} has an output of shape {str(shape)[:80]}"
                raise BundleRefused(
                    "The model cannot be used.",
                    f"{where}; known shapes of at most {MAX_ARRAY:,} numbers are allowed.",
                    "Train or export it again.",
                )


def _share(streams: int) -> dict[str, str]:
    """Return the settings that limit a graph to its streams, where it does not use all cores.

    One thread a stream, as with all cores, so that outputs are the same bits. Not pinned to cores: two processes with
    one core each would both pin themselves to the first.
    """
    if streams >= usable_cores():
        return {}
    return {"INFERENCE_NUM_THREADS": str(streams), "ENABLE_CPU_PINNING": "NO"}


def openvino_core() -> Any:
    """Return the one `openvino.Core` of this process.

    On Linux the CPU plugin of each `Core` sets the signal stack of the thread that loads it, and restores the previous
    one when it is destroyed (https://github.com/openvinotoolkit/openvino/pull/11894). Of two cores, the second restores
    the freed stack of the first, and the next Ctrl-C ends the process with a segmentation fault.
    """
    with _lock("core"):
        return _core(os.getpid())


def _lock(purpose: Literal["core", "reopen"]) -> Lock:
    """Return a lock of this process: a fork may copy one that is taken."""
    return _LOCKS.setdefault((os.getpid(), purpose), Lock())


def _in_time(compile_graph: Callable[[], Any]) -> Any:
    """Compile in a thread, and give up where that hangs."""
    compiled: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        try:
            compiled.put(compile_graph())
        except BaseException as error:  # raised below, in the caller's thread
            compiled.put(error)

    Thread(target=work, name="reopen", daemon=True).start()
    try:
        result = compiled.get(timeout=_REOPENING_S)
    except Empty:
        raise _forked("The classifier could not be opened again in a forked process.") from None
    if isinstance(result, BaseException):
        raise result
    return result


def _forked(what: str) -> PawsightError:
    return PawsightError(
        what,
        "A fork copies no threads, and perhaps locks that nothing releases.",
        'Load it in the new process, or start that with multiprocessing.get_context("spawn").',
    )


@cache
def _core(pid: int) -> Any:
    # OpenVINO's model converter reports every import to Google Analytics and makes ~/intel, except in continuous
    # integration (openvino_telemetry/utils/opt_in_checker.py).
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        import openvino
    finally:
        del os.environ["CI"]
        if before is not None:
            os.environ["CI"] = before
    core = openvino.Core()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_never_destroy, core))
    return core


def _never_destroy(core: Any) -> None:
    """In a forked process, keep what its parent opened, even when Python ends.

    The end of each would wait for threads that a fork does not copy: a process that ends with sys.exit, as Gunicorn's
    workers do, would hang or be aborted.
    """
    opened = [core]
    for engine in _ENGINES:
        opened += [engine._compiled, *engine._free]
        opened += [request for queue in engine._queues for _, request in queue._under_way]
    for thing in opened:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
