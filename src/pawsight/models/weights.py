"""Reads pretrained weights: published PyTorch checkpoints without PyTorch, and checks a user's HDF5 file.

The published checkpoints are in PyTorch's older form: five pickles (a magic number, a version, the writer's machine,
the tensors' names and shapes, the order of the storages), then each storage as a count and its raw numbers. Pickles can
run code, so they are read by an unpickler that knows tensors and refuses the rest, and only after the whole file has
proved to be the published one.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.core.errors import WeightsUnavailable
from pawsight.core.storage import sha256_of
from pawsight.models.backbones import find_backbone

INSTALL = 'Type: pip install "pawsight[train]"'
REINSTALL = 'Type: pip install --force-reinstall "pawsight[train]"'
MAX_BYTES = 512 * 2**20  # of all arrays; MobileNetV2 has 9 million
MAX_OBJECTS = 20_000  # groups and arrays
OTHERWISE = "Give a file with --weights FILE, or use the recipe whose weights are installed: --recipe probe"

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_STORAGES = {  # what PyTorch calls a storage -> what NumPy calls its numbers
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


def installed_checkpoint(name: str) -> Path:
    """Find the weights of a backbone among the installed packages, importing none of them.

    Raises:
        WrongUsage: there is no backbone of that name.
        WeightsUnavailable: its package is not installed, or lacks the file.
    """
    backbone = find_backbone(name)
    spec = importlib.util.find_spec(backbone.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / backbone.file).is_file():
            return path
    raise WeightsUnavailable(
        f"The pretrained weights of {name} are not installed.",
        f"No installed package {backbone.package} holds {backbone.file}.",
        INSTALL,
    )


def read_checkpoint(path: Path, *, sha256: str) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch checkpoint without PyTorch.

    Args:
        path: a file in the form that `torch.save` wrote before PyTorch 1.6.
        sha256: what the file's content must hash to, in lower-case hexadecimal.

    Returns:
        Arrays by their names, in the order of the file, each with its own memory.

    Raises:
        WeightsUnavailable: the file cannot be read, has another hash, is in another form, or holds more than tensors.
    """
    data = read_published(path, sha256=sha256)
    try:
        return _tensors(io.BytesIO(data))
    except Exception as error:  # a broken pickle can fail in any way at all
        reason = str(error) if isinstance(error, _NotACheckpoint) else f"It breaks off with: {error!r}."
        raise WeightsUnavailable(f"{path} cannot be used as pretrained weights.", reason, REINSTALL) from error


def read_published(path: Path, *, sha256: str) -> bytes:
    """Read a file that must be, byte for byte, the one that was published.

    Raises:
        WeightsUnavailable: the file cannot be read or has another hash.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsUnavailable(
            f"The pretrained weights {path} cannot be read.", f"The system says: {error.strerror or error}.", INSTALL
        ) from error
    if (found := sha256_of(data)) != sha256:
        raise WeightsUnavailable(
            f"{path} is not the file that was published.", f"Its SHA-256 is {found} instead of {sha256}.", REINSTALL
        )
    return data


def check_weights(path: Path) -> None:
    """Refuse what is no plain HDF5 file of arrays that fit in memory.

    Keras makes room for every array before it compares shapes, and follows links to other files. A file of a few
    kilobytes may claim terabytes, so the directory of the file is read first and none of its numbers.

    Raises:
        WeightsUnavailable: it is none; nothing in it was run or followed.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            fault = _hdf5_fault(file, h5py)
    except Exception as error:  # h5py raises OSError, RuntimeError and KeyError for files that are not what they say
        fault = f"It cannot be read as HDF5: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}."
    if fault:
        raise WeightsUnavailable(f"{path} does not hold MobileNetV2's weights.", fault, OTHERWISE)


class _NotACheckpoint(Exception):
    """The bytes do not say what a checkpoint says; the text names the difference."""


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor as the pickle describes it: a window on numbers that come later in the file; all of them, at first."""

    key: str  # of the storage, and what it holds
    dtype: str
    count: int
    offset: int = 0
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


def _tensors(file: io.BytesIO) -> dict[str, np.ndarray]:
    _check_header(file)
    views = _unpickle(file)
    if not isinstance(views, Mapping) or not all(
        isinstance(name, str) and isinstance(view, _View) for name, view in views.items()
    ):
        raise _NotACheckpoint("It holds something other than named tensors.")
    kinds = {(view.key, view.dtype, view.count) for view in views.values()}
    order = _unpickle(file)
    if not isinstance(order, list) or sorted(order) != sorted(key for key, _, _ in kinds):
        raise _NotACheckpoint("Its list of storages does not fit its tensors.")
    by_key = {key: (dtype, count) for key, dtype, count in kinds}
    storages = {key: _read_storage(file, key, *by_key[key]) for key in order}
    if file.read(1):
        raise _NotACheckpoint("It goes on after its last storage.")
    return {name: _array(view, storages[view.key]) for name, view in views.items()}


def _check_header(file: io.BytesIO) -> None:
    if file.getvalue()[:4] == b"PK\x03\x04":
        raise _NotACheckpoint("It is a zip file, the form that PyTorch writes since 1.6.")
    if _unpickle(file) != _MAGIC or _unpickle(file) != _VERSION:
        raise _NotACheckpoint("It does not begin like one.")
    machine = _unpickle(file)
    if not isinstance(machine, Mapping) or machine.get("little_endian") is not True:
        raise _NotACheckpoint("Its numbers are not stored little-endian.")


def _read_storage(file: io.BytesIO, key: str, dtype: str, count: int) -> np.ndarray:
    size, stored = count * np.dtype(dtype).itemsize, int.from_bytes(file.read(8), "little")
    data = file.read(size) if stored == count else b""
    if stored != count or len(data) != size:
        raise _NotACheckpoint(f"Storage {key} is shorter or longer than its tensors say.")
    return np.frombuffer(data, dtype)


def _array(view: _View, numbers: np.ndarray) -> np.ndarray:
    """Cut a tensor out of its storage, refusing windows that reach outside it."""
    steps = [(size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)]
    if min((view.offset, *view.shape, *view.strides)) < 0 or view.offset + sum(steps) >= len(numbers):
        raise _NotACheckpoint(f"A tensor reaches outside its storage {view.key}.")
    window = np.lib.stride_tricks.as_strided(
        numbers[view.offset :], view.shape, [stride * numbers.itemsize for stride in view.strides], writeable=False
    )
    return np.array(window, order="C")


def _unpickle(file: io.BytesIO) -> Any:
    return _TensorsOnly(file).load()


class _TensorsOnly(pickle.Unpickler):
    """Admits the names that a file of tensors needs; any other ends the reading before it is looked up.

    A pickle can also set attributes on what it is handed: that is a string, a type in C or a function of its own, so
    nothing that a later reader sees can be altered.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Resolve one of the admitted names; refuse every other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _new_rebuilder()
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise _NotACheckpoint(f"It asks for {module}.{name}, which no tensor needs; nothing in it was run.")

    def persistent_load(self, reference: Any) -> _View:
        """Take note of a storage: (the word, its type, key, device, count, view), as PyTorch writes it."""
        word, dtype, key, _device, count, view = reference
        if word != "storage" or dtype not in _STORAGES.values() or view is not None:
            raise _NotACheckpoint("It refers to something other than a plain storage.")
        return _View(str(key), dtype, int(count))


def _new_rebuilder() -> Callable[..., _View]:
    def rebuild(storage: Any, offset: int, shape: Sequence[int], strides: Sequence[int], *_gradients: object) -> _View:
        if not isinstance(storage, _View):
            raise _NotACheckpoint("It has a tensor without a storage.")
        window = int(offset), tuple(map(int, shape)), tuple(map(int, strides))
        return _View(storage.key, storage.dtype, storage.count, *window)

    return rebuild


def _hdf5_fault(file: Any, h5py: Any) -> str:
    waiting, seen, size = [file], 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS:
                return f"It holds more than {MAX_OBJECTS:,} arrays and groups, or leads in a circle."
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"Its {name[:80]!r} is a link to another place."
            member = group[name]
            if isinstance(member, h5py.Group):
                waiting.append(member)
                continue
            if not isinstance(member, h5py.Dataset) or member.external or member.is_virtual or member.dtype.hasobject:
                return f"Its {name[:80]!r} is no plain array."
            size += member.nbytes
            if size > MAX_BYTES:
                return f"Its arrays are larger than {MAX_BYTES:,} bytes together."
    return ""
