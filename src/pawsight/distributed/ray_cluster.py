"""Starts Ray on loopback for as long as it is needed, or joins a running cluster; actors are in ray_actors.py."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pawsight.core.errors import PawsightError

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


@contextmanager
def ray_running(address: str | None, *, cores: int) -> Iterator[Any]:
    """Yield the module `ray`, connected.

    Args:
        address: of a cluster; Nx A Ray that this process has
            initialised already is used and left running.
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
