"""Pictures of any form that a Python program has them in, decoded one by one as files are.

What can be no picture (another type, shape or range of numbers) is the caller's mistake and raises at once. What cannot
be read (a missing file, bytes that break off, an empty cell of a table) is a problem in its place.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import SEEK_SET
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.core.errors import NoPictures, UnreadablePicture, WrongUsage
from pawsight.core.storage import as_path
from pawsight.core.thread_pool import ordered_map
from pawsight.data.download import WEB, fetch_bytes, scheme_of
from pawsight.data.folders import expand, is_folder
from pawsight.data.reading import is_picture
from pawsight.data.tables import roles_of
from pawsight.images.decode import Decoded, DecodeSettings, decode, decode_image
from pawsight.images.loader import MAX_FILE_BYTES, read_regular_file, while_storage_answers


class SupportsArray(Protocol):
    """Gives its numbers to NumPy: arrays of NumPy, JAX and TensorFlow, tensors of PyTorch, tables of pandas."""

    def __array__(self) -> NDArray[Any]: ...


class SupportsDLPack(Protocol):
    """Gives its numbers through DLPack."""

    def __dlpack__(self) -> Any: ...


class SupportsRead(Protocol):
    """A file object opened in binary mode, or an upload that behaves like one."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""


Picture = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | Image.Image
    | SupportsRead
    | SupportsArray
    | SupportsDLPack
    | None
)
Pictures = Picture | Iterable[Picture]  # what `X` may be

_TABLES = ("pandas", "polars")
_CHANNELS = (1, 3, 4)
_FETCHERS = 8  # addresses fetched at once
_MISSING = "missing"
_FORMS = (
    "It may be a path, an address, bytes, a file object, a PIL image, an array, or several of these in a list or table."
)


@dataclass(frozen=True, slots=True)
class InputPicture:
    """One picture of `X`, decoded, or why it is not."""

    name: str  # its path or address; "[3]" for the one at index 3 of what is answered, where it is in memory
    decoded: Decoded | None
    problem: str  # in a few words; empty where there is none
    is_other_file: bool = False  # of a folder, and no picture by its ending or its content


@dataclass(frozen=True, slots=True)
class _Address:
    url: str


@dataclass(frozen=True, slots=True)
class _InFolder:
    """A file of a folder that is named, where there may be others than pictures."""

    path: Path


_Source = Path | _InFolder | _Address | bytes | SupportsRead | Image.Image | NDArray[Any] | None


def read_pictures(X: Pictures, settings: DecodeSettings, *, threads: int) -> Iterator[InputPicture]:  # noqa: N803
    """Decode all pictures of `X`, in order and a bounded number ahead.

    Files and addresses are read in threads. What is in memory is brought to its square in the caller's thread when its
    turn comes, so that the caller may fill a buffer again. Files of a folder that are no pictures, neither by their
    ending nor by their content, are skipped, as the command line does.

    Args:
        X: a picture, or several: see docs/python.md. An iterator is consumed lazily, anything else checked at once.
        settings: how to decode.
        threads: how many files are worked on at once.

    Raises:
        WrongUsage: something in X is no picture by its type, shape or numbers.
        NoPictures: a folder has no files, or a pattern matches none.
        StorageError: the disk or network share does not answer.
    """
    sources: Iterable[_Source] = _sources(X)
    if not isinstance(X, Iterator):
        sources = list(sources)
        threads = max(threads, _FETCHERS) if any(isinstance(source, _Address) for source in sources) else threads
    prepared = (_prepared(f"[{index}]", source, settings) for index, source in enumerate(sources))
    pictures = ordered_map(lambda picture: _read(picture, settings), prepared, threads=threads)
    answered = while_storage_answers(pictures, lambda picture: (picture.name, picture.problem))
    return _without_other_files(answered)


def _without_other_files(pictures: Iterable[InputPicture]) -> Iterator[InputPicture]:
    """Yield the pictures; what is in memory is named by its place among them."""
    skipped = 0
    for index, picture in enumerate(pictures):
        if picture.is_other_file:
            skipped += 1
        elif skipped and picture.name == f"[{index}]":
            yield replace(picture, name=f"[{index - skipped}]")
        else:
            yield picture


def undecoded(X: Pictures) -> Iterator[Path | bytes | Image.Image | NDArray[Any] | None]:  # noqa: N803
    """Yield every picture of `X` as it is: the path of a file, the bytes of one, or what it is in memory.

    None stands for an empty cell of a table. Addresses and file objects are read.

    Raises:
        WrongUsage: something in X is no picture. NoPictures: a folder or a pattern has none.
        UnreadablePicture: an address or a file object cannot be read.
    """
    for index, source in enumerate(_sources(X)):
        if isinstance(source, _Address):
            yield fetch_bytes(source.url, max_bytes=MAX_FILE_BYTES)
        elif isinstance(source, _InFolder):
            yield source.path
        elif source is None or isinstance(source, Path | bytes | Image.Image | np.ndarray):
            yield source
        else:
            yield _content(source, f"[{index}]")


def _sources(X: Any) -> Iterator[_Source]:  # noqa: N803
    if X is None:
        raise _refused("X", X)
    if (found := _single(X, "X")) is not None:
        yield from found
    elif _is_table(X):
        yield from _rows(X)
    else:
        for index, item in enumerate(_items(X)):
            name = f"X[{index}]"
            found = _single(item, name)
            if found is None:
                raise _refused(name, item)
            yield from found


def _single(item: Any, name: str) -> Iterable[_Source] | None:
    """Return the pictures that one thing stands for; None where it is a table, a list or nothing known."""
    if is_missing(item):
        return [None]
    if isinstance(item, str):
        return _named(item)
    if isinstance(item, os.PathLike):
        return _files(Path(os.fsdecode(item)))
    if isinstance(item, Image.Image):
        return [item]
    if isinstance(item, bytes | bytearray | memoryview):
        return [bytes(item)]
    if _is_table(item):
        return None
    if hasattr(item, "__array__") or hasattr(item, "__dlpack__"):
        return _arrays(item, name)
    return [item] if callable(getattr(item, "read", None)) else None


def _items(X: Any) -> Iterator[Any]:  # noqa: N803
    if isinstance(X, Mapping):
        raise _refused("X", X)
    try:
        yield from X  # also of what only has __len__ and __getitem__, such as a data set of PyTorch
    except TypeError as error:
        raise _refused("X", X) from error


def _named(text: str) -> Iterable[_Source]:
    """Return the pictures that a text names: an address, a file, those in a folder, those that match a pattern."""
    if not text:
        raise WrongUsage(
            "One of the pictures has an empty name.",
            "An empty name would mean every file of this folder.",
            'Name ".", if that is what you want.',
        )
    if scheme := scheme_of(text):
        if scheme not in WEB:
            raise WrongUsage(f"{text} cannot be read.", f"{scheme}:// is not fetched.", "Fetch it, and give its bytes.")
        return [_Address(text)]
    place = as_path(text)
    if not glob.has_magic(text) or os.path.lexists(place):
        return _files(place)
    matches = sorted(Path(match) for match in glob.glob(os.fspath(place), recursive=True))  # noqa: PTH207, any root
    files = [match for match in matches if not is_folder(match)]
    if not files:
        raise NoPictures(f"No file matches {text}.", "", "Name a folder, or another pattern.")
    return files


def _files(place: Path) -> Iterable[_Source]:
    if not is_folder(place):
        return [place]
    files = expand([place])
    first = next(files, None)
    if first is None:
        raise NoPictures(f"No files found under {place}.", "The folder is empty or holds only hidden files.")
    return (_InFolder(file) for file in chain([first], files))


def _is_table(item: Any) -> bool:
    """Say whether this is a Series, Index or DataFrame, without importing what it comes from."""
    known = any(base.__module__.partition(".")[0] in _TABLES for base in type(item).__mro__)
    return known and (hasattr(type(item), "columns") or hasattr(type(item), "to_list"))  # else it is an array of theirs


def _rows(table: Any) -> Iterator[_Source]:
    """Yield one picture for each row: paths are files here, so that rows and answers stay side by side."""
    if hasattr(type(table), "collect"):
        raise _refused("X", table, "Type X.collect()")
    if hasattr(table, "columns"):
        table = _column(table)
    if not hasattr(table, "to_list"):
        raise _refused("X", table)
    for index, cell in enumerate(table.to_list()):
        if isinstance(cell, Mapping):  # as Hugging Face stores pictures in Parquet
            cell = cell.get("bytes") or cell.get("path")  # noqa: PLW2901
        if isinstance(cell, str) and not scheme_of(cell):
            yield as_path(cell) if cell else None
            continue
        pictures = _single(cell, f"X[{index}]")
        found = list(pictures) if pictures is not None else []
        if len(found) != 1:
            raise _refused(f"X[{index}]", cell)
        yield found[0]


def _column(table: Any) -> Any:
    """Return the column that holds pictures.

    Raises:
        WrongUsage: there is none, or several have its name.
    """
    names = list(table.columns)
    column = names[0] if len(names) == 1 else picture_column(names)
    if column is None:
        raise WrongUsage(
            "The table has no column of pictures that is known by its name.",
            f"Its columns are {', '.join(map(str, names[:12])) or 'none'}; known are image, path, file and others.",
            f"Give the column itself: table[{names[0] if names else 'path'!r}]",
        )
    cells = table[column]
    if hasattr(cells, "columns"):
        raise WrongUsage(f"The table has several columns that are called {column!r}.", "", "Rename the others.")
    return cells


def picture_column(names: Sequence[Any]) -> Any:
    """Return the name of the column that holds pictures: `image`, or else the first that is a path in data/tables.py.

    None where no column has such a name.
    """
    if image := [name for name in names if str(name).strip().casefold() == "image"]:
        return image[0]
    roles = roles_of([str(name) for name in names])
    return names[roles.index("path")] if "path" in roles else None


def is_missing(item: Any) -> bool:
    """Say whether this is an empty cell: None, a float that is not a number, or pandas' NA."""
    is_nan = isinstance(item, float | np.floating) and bool(np.isnan(item))
    return item is None or is_nan or type(item).__name__ in ("NAType", "NaTType")


def _arrays(item: Any, name: str) -> Iterable[_Source]:
    """Return the pictures of an array, still in its own numbers; texts and objects in an array are as in a list."""
    array = _as_array(item, name)
    if array.dtype.kind in "OUT" and array.ndim == 1:
        return chain.from_iterable(_single_or_refused(cell, f"{name}[{i}]") for i, cell in enumerate(array.tolist()))
    if array.dtype.kind in "OUT" and array.ndim != 3:
        raise WrongUsage(
            f"{name} is an array of {array.dtype} of shape {array.shape}.",
            "Texts and objects are pictures in an array of one dimension.",
            "Type array.ravel() if each of them is a picture.",
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise WrongUsage(
            f"{name} is an array of {array.dtype}, which is no picture.",
            "Pictures are arrays of uint8 from 0 to 255, or of floats from 0 to 1.",
            _recast(array),
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WrongUsage(
            f"{name} is an array of {array.dtype} with values that are no finite numbers.",
            "Arrays of floats are read as 0 for black and 1 for white.",
            "Type np.nan_to_num(array) if such pixels are black.",
        )
    if array.dtype.kind == "f" and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise WrongUsage(
            f"{name} is an array of {array.dtype} from {array.min():g} to {array.max():g}.",
            "Arrays of floats are read as 0 for black and 1 for white.",
            'Type array.astype("uint8") if it goes from 0 to 255; undo what was done to prepare it for a network.',
        )
    is_picture = array.ndim == 2 or (array.ndim == 3 and (array.shape[2] in _CHANNELS or not array.size))
    if is_picture:
        return [array]
    if array.ndim == 4 and array.shape[3] in _CHANNELS:
        return list(array)
    raise WrongUsage(
        f"{name} is an array of shape {array.shape}, which is no picture.",
        "Pictures have the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), and batches (N, H, W, 1, 3 or 4).",
        _moved(array.shape),
    )


def _single_or_refused(item: Any, name: str) -> Iterable[_Source]:
    found = _single(item, name)
    if found is None:
        raise _refused(name, item)
    return found


def _as_array(item: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(item) if hasattr(item, "__array__") else np.from_dlpack(item)
    except Exception as error:  # tensors on another device or with gradients raise whatever their library does
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        fix = "For a tensor of PyTorch type tensor.detach().cpu().float()"
        raise WrongUsage(f"{name} cannot be read as an array of NumPy.", reason, fix) from error


def _recast(array: NDArray[Any]) -> str:
    if array.dtype == np.uint16:
        return "Type (array // 257).astype('uint8') if 65535 is white; PIL.Image.fromarray(array) for a grey one."
    if array.dtype.kind == "b":
        return 'Type array.astype("uint8") * 255 if True is white.'
    return 'Type array.astype("uint8") if its numbers go from 0 to 255.' if array.dtype.kind in "iuO" else ""


def _moved(shape: tuple[int, ...]) -> str:
    """Return what to type for an array whose channels come first, or for a batch without channels."""
    if len(shape) == 4 and shape[1] in _CHANNELS:
        return "Its channels come first. Type array.transpose(0, 2, 3, 1), or tensor.permute(0, 2, 3, 1)"
    if len(shape) == 3 and shape[0] in _CHANNELS:
        return "Its channels come first. Type array.transpose(1, 2, 0), or tensor.permute(1, 2, 0)"
    return "A batch of grey pictures is array[..., None]." if len(shape) == 3 else ""


def _prepared(
    index: str, source: _Source, settings: DecodeSettings
) -> InputPicture | tuple[str, Path | _InFolder | _Address | bytes]:
    """Return what is in memory as a picture, and a name with what is still to be read or decoded."""
    if source is None:
        return InputPicture(index, None, _MISSING)
    if isinstance(source, Path):
        return os.fspath(source), source
    if isinstance(source, _InFolder):
        return os.fspath(source.path), source
    if isinstance(source, _Address):
        return source.url, source
    if isinstance(source, bytes):
        return index, source
    try:
        if not isinstance(source, Image.Image | np.ndarray):
            return index, _content(source, index)
        image = source if isinstance(source, Image.Image) else image_of(source, index)
        return InputPicture(index, decode_image(image, settings, name=index), "")
    except UnreadablePicture as error:
        return InputPicture(index, None, error.why)


def image_of(array: NDArray[Any], name: str) -> Image.Image:
    """Return an array that `Pictures` may be as a PIL image, without loss where it is of uint8.

    Raises:
        UnreadablePicture: it is empty.
    """
    if not array.size:
        raise UnreadablePicture(f"Could not read {name} as a picture.", "empty")
    if array.dtype.kind == "f":
        array = np.rint(np.asarray(array, np.float32) * 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _content(file: SupportsRead, name: str) -> bytes:
    """Return all bytes of a file object, which stands afterwards where it stood before, if it can."""
    try:
        seekable = bool(getattr(file, "seekable", lambda: False)())
        before = file.tell() if seekable else 0  # type: ignore[attr-defined]
        if seekable:
            file.seek(0, SEEK_SET)  # type: ignore[attr-defined]
        try:
            content = file.read(MAX_FILE_BYTES + 1)
        finally:
            if seekable:
                file.seek(before, SEEK_SET)  # type: ignore[attr-defined]
    except TypeError as error:  # what is called read here is no file's, such as that of the module os
        raise _refused(name, file, "Of a file object whose read() takes no size give the bytes: file.read()") from error
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise UnreadablePicture(f"Could not read {name}.", getattr(error, "strerror", None) or str(error)) from error
    if not isinstance(content, bytes | bytearray | memoryview):
        if hasattr(content, "close"):  # a coroutine, which is not awaited
            content.close()
        raise WrongUsage(
            f"{name} is a file object whose read() gives {type(content).__name__} where bytes are needed.",
            "",
            'Open it with "rb"; of an upload that is read asynchronously give the bytes: await upload.read()',
        )
    if len(content) > MAX_FILE_BYTES:
        raise UnreadablePicture(f"Could not read {name}.", "too large")
    return bytes(content)


def _read(
    picture: InputPicture | tuple[str, Path | _InFolder | _Address | bytes], settings: DecodeSettings
) -> InputPicture:
    """Read and decode what is no picture yet; called in threads."""
    if isinstance(picture, InputPicture):
        return picture
    name, source = picture
    data = b""
    try:
        if isinstance(source, Path | _InFolder):
            data = read_regular_file(source.path if isinstance(source, _InFolder) else source)
        elif isinstance(source, _Address):
            data = fetch_bytes(source.url, max_bytes=MAX_FILE_BYTES)
        else:
            data = source
        return InputPicture(name, decode(data, settings, name=name), "")
    except UnreadablePicture as error:
        is_other_file = isinstance(source, _InFolder) and bool(data) and not is_picture(name, error.why)
        return InputPicture(name, None, error.why, is_other_file)


def _refused(name: str, item: Any, fix: str = "") -> WrongUsage:
    what = f"{name} is {'None' if item is None else f'of type {type(item).__name__}'}, which is no picture."
    if isinstance(item, list) and name != "X":
        fix = fix or 'Of numbers make an array: np.array(X, "uint8"). Of lists of pictures make one: sum(X, [])'
    if isinstance(item, tuple) and name != "X":
        fix = fix or "Of pairs of a picture and its label give the pictures alone."
    return WrongUsage(what, _FORMS, fix)
