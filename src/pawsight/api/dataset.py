"""Labelled pictures from wherever a Python program has them, and back: folders, tables, arrays, other libraries' data.

What is in memory is stored once in the cache, without loss and named by its content, with a list of it (a CSV) beside:
from there on it is read, split and audited as files are.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.api.inputs import Picture, image_of, is_missing, picture_column, undecoded
from pawsight.api.predictions import frame
from pawsight.core.errors import BadDataset, MissingExtra, NoPictures, StorageError, WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path, new_folder, sha256_of, write_bytes
from pawsight.core.text import html_table, natural, plural
from pawsight.core.thread_pool import ordered_map
from pawsight.data.found import Candidate
from pawsight.data.label_sets import labels_in
from pawsight.data.parts import PARTS, part_named
from pawsight.data.reading import FolderReading
from pawsight.data.sources import Source, resolve
from pawsight.data.tables import roles_of
from pawsight.images.decode import DecodeSettings, Pixels, decode
from pawsight.images.loader import read_regular_file

_LIST = "pictures.csv"
_DIGITS = 16  # of the SHA-256 in the name of a stored data set
_IN_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # modes that PNG keeps as they are; TIFF keeps the others
_SHOWN = 5  # rows in a message
_EXAMPLE = 'Type for example columns={"path": "id", "label": "breed"}'
_CLASSES = 30  # in a notebook's table
_NAMES = (set, frozenset, list, tuple)  # what several labels of a picture may be


class Dataset:
    """Labelled pictures, found but not read yet. Every verb that takes DATA takes one of these too.

    Attributes:
        paths: (N,) the file of each picture, sorted by name.
        labels: (N,) the class of each; with several labels a tuple of those of each, maybe empty.
        splits: (N,) "train", "validation", "test", or None where the split is not given.
        classes: names of the classes, or labels, sorted.
        several_labels: whether a picture may have several labels, or none.

    Examples:
        >>> dataset = pawsight.Dataset.from_folder("photos/")
        >>> dataset.classes
        ('cats', 'dogs')
    """

    def __init__(self, source: Source, place: Path) -> None:
        self._source, self._place = source, place
        self.several_labels = source.reading is not None and source.reading.several_labels
        self._candidates: tuple[Candidate, ...] = source.find().candidates
        self.paths = tuple(candidate.path for candidate in self._candidates)
        texts = [candidate.label for candidate in self._candidates]
        self.labels: tuple[Any, ...] = tuple(map(labels_in, texts) if self.several_labels else texts)
        self.splits = tuple(candidate.part for candidate in self._candidates)
        names = {name for labels in self.labels for name in labels} if self.several_labels else set(texts)
        self.classes = tuple(sorted(names, key=natural))

    # From

    @classmethod
    def from_folder(
        cls, data: str | os.PathLike[str], *, reading: FolderReading | None = None, progress: Progress = SILENT
    ) -> Dataset:
        """Find the pictures of a folder, an archive, the address of one, a CSV, or a named data set.

        Args:
            data: as the command line takes it.
            reading: how classes are read, and whether a table has several labels; None: as `FolderReading()` says.
            progress: hears how far a download or an archive is.

        Raises:
            PawsightError: it is none of these, or cannot be had.
        """
        source = resolve(data, cache=cache_folder(), reading=reading, progress=progress)
        return cls(source, as_path(data).absolute() if source.kind == "csv" else source.root)

    @classmethod
    def from_table(
        cls, table: Any, *, columns: Mapping[str, str] | None = None, progress: Progress = SILENT
    ) -> Dataset:
        """Take the rows of a table: one picture and its label each.

        Args:
            table: a DataFrame of pandas or polars, or a mapping of columns. `image` or `path` holds paths, addresses,
                bytes or pictures, `label` the class; `split` and `group` are optional. Other columns are ignored.
            columns: which column is what, e.g. {"path": "id", "label": "breed"}; also "part" and "group". None goes by
                the names that people use.
            progress: hears how far it is.

        Raises:
            WrongUsage: a column is missing, or a cell is no picture. BadDataset: a label is missing.
        """
        if hasattr(type(table), "collect"):
            raise WrongUsage("The table has no rows yet.", f"It is a {type(table).__name__}.", "Type table.collect()")
        if not isinstance(table, Mapping) and not hasattr(table, "columns"):
            raise _no_data_set(table, "table", "It may be a DataFrame of pandas or polars, or a mapping of columns.")
        names = list(table.columns if hasattr(table, "columns") else table)
        if columns:
            chosen = _chosen_columns(names, columns)
        else:
            roles = dict(zip(roles_of(list(map(str, names))), names, strict=True))
            pictures, labels = _columns(names)
            chosen = {role: roles.get(role) for role in ("part", "group")} | {"path": pictures, "label": labels}
        cells: dict[str, Any] = {role: None if name is None else table[name] for role, name in chosen.items()}
        if twice := [chosen[role] for role, column in cells.items() if hasattr(column, "columns")]:
            raise WrongUsage(f"The table has several columns that are called {twice[0]!r}.", "", "Rename the others.")
        return cls.from_arrays(
            cells["path"], cells["label"], splits=cells["part"], groups=cells["group"], progress=progress
        )

    @classmethod
    def from_arrays(
        cls,
        X: Iterable[Picture],  # noqa: N803
        y: Iterable[Any],
        *,
        splits: Iterable[str | None] | None = None,
        groups: Iterable[Any] | None = None,
        classes: Sequence[str] | None = None,
        progress: Progress = SILENT,
    ) -> Dataset:
        """Take pictures in memory, or paths of pictures, and their labels.

        Args:
            X: N pictures, each as `Classifier.predict` takes it.
            y: (N,) class of each: names, or numbers, which become names. Several labels of each: (N,) sets or lists of
                names, maybe empty; or (N, L) zeros and ones, of which a DataFrame's columns are the names.
            splits: (N,) "train", "validation" or "test" for each; None for a split drawn by content.
            groups: (N,) what must not be torn apart by the split, such as the person that is shown.
            classes: names of the classes that numbers in y stand for, or of its L columns.
            progress: hears how far it is.

        Raises:
            WrongUsage: X and y differ in length, y has no single label for each picture, or something in X is no
            picture. NoPictures: X is empty. BadDataset: a label is missing, or a subset is missing or unknown.
            StorageError: the disk refused.
        """
        y = list(y) if isinstance(y, Iterator) else y
        sets = label_sets_of(y, classes)
        names: list[Any] = labels_of(y, classes) if sets is None else sets
        columns: dict[str, list[Any]] = {"label": names}
        columns |= {"part": [_text(part) for part in _items(splits, "splits")]} if splits is not None else {}
        columns |= {"group": [_text(group) for group in _items(groups, "groups")]} if groups is not None else {}
        found = list(undecoded(X))
        if not found:
            raise NoPictures("There are no pictures.", "X is empty.", "Check what it was made from.")
        for name, values in columns.items():
            if len(values) != len(found):
                raise WrongUsage(
                    f"There are {plural(len(found), 'picture')} and {len(values):,} values of {name}.",
                    "Each picture needs one.",
                )
        if missing := [index for index, name in enumerate(names) if not name and sets is None]:
            raise BadDataset(
                f"{plural(len(missing), 'picture')} of {len(names):,} have no label.",
                f"The first are at {', '.join(map(str, missing[:_SHOWN]))}.",
                "Leave them out, or label them first.",
            )
        _check_splits(columns.get("part", ()))
        place = _stored(found, columns, progress)
        reading = None if sets is None else FolderReading(several_labels=True)
        return cls(resolve(place, cache=cache_folder(), reading=reading), place)

    @classmethod
    def from_huggingface(cls, dataset: Any, *, progress: Progress = SILENT) -> Dataset:
        """Take a `datasets.Dataset` of Hugging Face with an image and a label column, or a `DatasetDict` of several.

        The files are taken as they are stored. The keys of a `DatasetDict` are the subsets.

        Args:
            dataset: its column of pictures is `image`, or has paths; the labels are a `ClassLabel` or text.
            progress: hears how far it is.

        Raises:
            WrongUsage: it has no such columns, or several that may be the label. BadDataset: a label is missing.
        """
        parts = dict(dataset) if isinstance(dataset, Mapping) else {None: dataset}
        if not all(hasattr(rows, "features") for rows in parts.values()):
            raise _no_data_set(dataset, "data set of Hugging Face", "It may be a datasets.Dataset or a DatasetDict.")
        pictures, labels, splits = [], [], []
        for part, rows in parts.items():
            image, label = _columns(list(rows.features), 'Type dataset.rename_column("NAME", "label"), or "image"')
            feature = rows.features[label]
            if hasattr(rows.features[image], "decode"):
                rows = rows.cast_column(image, type(rows.features[image])(decode=False))  # noqa: PLW2901
            names = getattr(feature, "names", None)
            for row in rows:
                cell = row[image]
                pictures.append((cell.get("bytes") or cell.get("path")) if isinstance(cell, Mapping) else cell)
                labels.append(_name_of(row[label], names))
                splits.append(part)
        return cls.from_arrays(pictures, labels, splits=splits if None not in parts else None, progress=progress)

    @classmethod
    def from_torch(cls, dataset: Any, *, classes: Sequence[str] | None = None, progress: Progress = SILENT) -> Dataset:
        """Take a map-style data set of PyTorch whose items are (picture, label).

        Of torchvision's `ImageFolder` the files are taken, without its transforms. Tensors may have their channels
        first.

        Args:
            dataset: has `__len__` and `__getitem__`.
            classes: names of the classes; None for `dataset.classes` where it has them.
            progress: hears how far it is.

        Raises:
            WrongUsage: an item is no picture.
        """
        if not hasattr(dataset, "samples") and not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
            raise _no_data_set(dataset, "map-style data set of PyTorch", "It needs __len__ and __getitem__.")
        names = classes or getattr(dataset, "classes", None)
        items = getattr(dataset, "samples", None) or (dataset[index] for index in range(len(dataset)))
        pictures, labels = _pairs(items)
        return cls.from_arrays(
            [_channels_last(picture) for picture in pictures], labels, classes=names, progress=progress
        )

    @classmethod
    def from_tf(cls, dataset: Any, *, classes: Sequence[str] | None = None, progress: Progress = SILENT) -> Dataset:
        """Take a `tf.data.Dataset` of (picture, label), batched or not.

        Floats are read as 0 to 255 where one of the data set is above 1, as those of Keras's
        `image_dataset_from_directory` are. Labels may be numbers, names or one-hot.

        Args:
            dataset: finite.
            classes: names of the classes; None for `dataset.class_names` where it has them.
            progress: hears how far it is.

        Raises:
            WrongUsage: an element is no picture.
        """
        if not hasattr(dataset, "as_numpy_iterator"):
            raise _no_data_set(dataset, "data set of TensorFlow", "It may be a tf.data.Dataset.")
        names = classes or getattr(dataset, "class_names", None)
        pictures, labels = [], []
        for batch, targets in dataset.as_numpy_iterator():
            is_batch = np.ndim(batch) == 4
            pictures += list(batch) if is_batch else [batch]
            labels += [_number(label) for label in (targets if is_batch else [targets])]
        return cls.from_arrays(_eight_bits(pictures), labels, classes=names, progress=progress)

    # To

    def to_frame(self) -> Any:
        """Return a DataFrame of pandas, or of polars where that alone is installed: path, label and split.

        Raises:
            MissingExtra: neither is installed.
        """
        return frame({"path": [os.fspath(path) for path in self.paths], "label": self.labels, "split": self.splits})

    def to_folder(self, out: str | os.PathLike[str]) -> Path:
        """Copy the pictures into a new folder: a folder for each class, inside of one for each subset where given.

        Args:
            out: a new folder.

        Returns:
            its path.

        Raises:
            WrongUsage: there is such a folder already, or a class cannot be its name. StorageError: the disk refused.
        """
        self._check_single("to_folder()")
        folder = as_path(out).absolute()
        if os.path.lexists(folder):
            raise WrongUsage(f"{folder} exists already.", "Nothing is written over.", "Name a new folder.")
        width = len(str(len(self)))
        with new_folder(folder) as staging:
            for index, candidate in enumerate(self._candidates):
                below = PurePosixPath(candidate.part or "", candidate.label)
                if ".." in below.parts or below.is_absolute():
                    raise WrongUsage(f"The class {candidate.label!r} cannot be the name of a folder.", "", "Rename it.")
                (staging / below).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(candidate.path, staging / below / f"{index:0{width}d}{candidate.path.suffix}")
        return folder

    def to_huggingface(self) -> Any:
        """Return a `datasets.Dataset` with the columns image and label, or a `DatasetDict` where the split is given.

        Raises:
            MissingExtra: the library datasets is not installed.
        """
        self._check_single("to_huggingface()")
        _require("datasets", "to_huggingface()")
        import datasets

        features = datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(self.classes))}
        )

        def part(name: str | None) -> Any:
            own = [candidate for candidate in self._candidates if candidate.part == name]
            rows = {
                "image": [os.fspath(candidate.path) for candidate in own],
                "label": [candidate.label for candidate in own],
            }
            return datasets.Dataset.from_dict(rows, features=features)

        given = [name for name in PARTS if name in self.splits]
        return datasets.DatasetDict({name: part(name) for name in given}) if given else part(None)

    def to_torch(
        self, image_px: int = 224, *, split: str | None = None, transform: Callable[[Any], Any] | None = None
    ) -> TorchPictures:
        """Return a map-style data set for a `DataLoader` of PyTorch: (picture, number of the class).

        Args:
            image_px: side of the squares that pictures are decoded to, as Pawsight decodes them.
            split: the subset that is wanted; None for all pictures.
            transform: is given each picture (image_px, image_px, 3) of uint8; None returns it as it is.
        """
        self._check_single("to_torch()")
        return TorchPictures(*self._chosen(split), image_px, transform)

    def to_tf(self, image_px: int = 224, *, split: str | None = None) -> Any:
        """Return a `tf.data.Dataset` of pictures (image_px, image_px, 3) of uint8 and numbers of classes.

        Args:
            image_px: side of the squares that pictures are decoded to, as Pawsight decodes them.
            split: the subset that is wanted; None for all pictures.

        Raises:
            MissingExtra: TensorFlow is not installed.
        """
        self._check_single("to_tf()")
        _require("tensorflow", "to_tf()")
        import tensorflow as tf

        pictures = TorchPictures(*self._chosen(split), image_px, None)
        signature = (tf.TensorSpec((image_px, image_px, 3), tf.uint8), tf.TensorSpec((), tf.int64))
        made = tf.data.Dataset.from_generator(lambda: iter(pictures), output_signature=signature)
        return made.apply(tf.data.experimental.assert_cardinality(len(pictures)))

    # As a value

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of pictures in each class, or with each label, by sorted name."""
        return dict(sorted(Counter(name for name, _ in self._pairs_of_names()).items()))

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[Path, Any]]:
        return iter(zip(self.paths, self.labels, strict=True))

    def __fspath__(self) -> str:
        return os.fspath(self._place)

    def __repr__(self) -> str:
        return f"Dataset({self._counted()} in {os.fspath(self._place)!r})"

    def _repr_html_(self) -> str:
        counted = Counter(self._pairs_of_names())
        given = [name for name in PARTS if name in self.splits]
        rows = [[name, *(counted[name, part] for part in given), self.counts[name]] for name in self.classes[:_CLASSES]]
        more = f", of which {_CLASSES} are shown" if len(self.classes) > _CLASSES else ""
        caption = f"{self._counted()}{more}"
        return html_table(["label" if self.several_labels else "class", *given, "pictures"], rows, caption=caption)

    def _pairs_of_names(self) -> Iterator[tuple[str, str | None]]:
        """Yield each label of each picture with the picture's subset."""
        for labels, part in zip(self.labels, self.splits, strict=True):
            for name in labels if self.several_labels else (labels,):
                yield name, part

    def _counted(self) -> str:
        kind = ("label", "labels") if self.several_labels else ("class", "classes")
        return f"{plural(len(self), 'picture')} of {plural(len(self.classes), *kind)}"

    def _check_single(self, name: str) -> None:
        """Refuse what takes one class a picture.

        Raises:
            WrongUsage: a picture may have several labels.
        """
        if self.several_labels:
            raise WrongUsage(
                f"{name} takes one class a picture.",
                "Pictures of this data set may have several labels.",
                "Its paths and labels are dataset.paths and dataset.labels",
            )

    def _chosen(self, split: str | None) -> tuple[tuple[Path, ...], tuple[int, ...]]:
        if split is not None and split not in self.splits:
            given = ", ".join(sorted({part for part in self.splits if part})) or "none"
            raise WrongUsage(
                f"The data has no subset {split!r}.", f"It has {given}.", "Leave split out for all pictures."
            )
        numbers = {name: number for number, name in enumerate(self.classes)}
        own = [candidate for candidate in self._candidates if split in (None, candidate.part)]
        return tuple(candidate.path for candidate in own), tuple(numbers[candidate.label] for candidate in own)


class TorchPictures(Sequence[tuple[Any, int]]):
    """Pictures decoded when they are asked for, as PyTorch's map-style data sets are; also in worker processes."""

    def __init__(
        self, paths: Sequence[Path], numbers: Sequence[int], image_px: int, transform: Callable[[Any], Any] | None
    ) -> None:
        self._paths, self._numbers, self._image_px, self._transform = paths, numbers, image_px, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        path = self._paths[index]
        pixels: Pixels = decode(
            read_regular_file(path), DecodeSettings(image_px=self._image_px), name=os.fspath(path)
        ).pixels
        return (self._transform(pixels) if self._transform else pixels), self._numbers[index]


def as_data(
    data: Any,
    y: Any = None,
    *,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> tuple[str | os.PathLike[str], Mapping[str, str] | None]:
    """Return labelled pictures of any form as DATA that every verb takes, and the columns to look for there.

    Args:
        data: DATA, a `Dataset`, a table, a data set of another library, or pictures with their labels in `y`.
        y: labels of the pictures.
        columns: of a table, as for `Dataset.from_table`.
        classes: names of the L columns of y, where it has several labels for each picture.
        progress: hears how far it is.

    Raises:
        WrongUsage: it is none of these. BadDataset: labels are missing.
    """
    if y is not None:
        return Dataset.from_arrays(data, y, classes=classes, progress=progress), None
    if isinstance(data, str | os.PathLike):
        return data, columns
    library = {base.__module__.partition(".")[0] for base in type(data).__mro__}
    if library & {"pandas", "polars"}:
        return Dataset.from_table(data, columns=columns, progress=progress), None
    if "datasets" in library:
        return Dataset.from_huggingface(data, progress=progress), None
    if "tensorflow" in library and hasattr(data, "as_numpy_iterator"):
        return Dataset.from_tf(data, progress=progress), None
    if library & {"torch", "torchvision"} and hasattr(data, "__getitem__") and not hasattr(data, "__array__"):
        return Dataset.from_torch(data, progress=progress), None
    if isinstance(data, Mapping):
        return Dataset.from_table(data, columns=columns, progress=progress), None
    raise WrongUsage(
        f"Data of type {type(data).__name__} has no labels.",
        "It may be a folder, an archive, a CSV, a table with the columns image and label, or pictures with labels.",
        "Give the labels too: pawsight.train(X, y). Of pairs: X, y = zip(*pairs)",
    )


def _stored(found: Sequence[Any], columns: Mapping[str, Sequence[str]], progress: Progress) -> Path:
    """Store pictures that are no files, with a list of all, in the cache; return the list."""
    with progress.stage("Hashing pictures", len(found), "pictures") as step:
        contents = []
        for source in found:
            contents.append(os.path.abspath(source) if isinstance(source, Path) else _digest(source))
            step.advance()
    rows = _rows(contents, columns)
    digest = sha256_of(repr((tuple(columns), rows)).encode("utf-8", "surrogateescape"))
    folder = cache_folder() / "stored" / digest[:_DIGITS]
    if (folder / _LIST).is_file():
        return folder / _LIST
    width = len(str(len(found)))

    def store(index: int) -> str:
        source = found[index]
        if isinstance(source, Path):
            return os.path.abspath(source)
        content, suffix = _encoded(source)
        name = f"{index:0{width}d}{suffix}"
        (staging / name).write_bytes(content)
        return name

    try:
        with new_folder(folder) as staging, progress.stage("Storing pictures", len(found), "pictures") as step:
            paths = []
            for path in ordered_map(store, range(len(found)), threads=this_machine().cores):
                paths.append(path)
                step.advance()
            text = io.StringIO(newline="")
            csv.writer(text).writerows([("path", *columns), *_rows(paths, columns)])
            write_bytes(staging / _LIST, text.getvalue().encode("utf-8", "surrogateescape"))
    except StorageError:
        if not (folder / _LIST).is_file():  # else another thread or process has stored the same meanwhile
            raise
    return folder / _LIST


def _rows(paths: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    """Return the lines of a list: one for each picture, and of several labels one for each of them."""
    rows = []
    for path, label, *others in zip(paths, *columns.values(), strict=True):
        rows += [(path, name, *others) for name in (label or ("",) if isinstance(label, tuple) else (label,))]
    return rows


def _digest(source: bytes | Image.Image | np.ndarray[Any, Any] | None) -> str:
    if isinstance(source, np.ndarray):
        return sha256_of(repr((source.shape, source.dtype.str)).encode() + np.ascontiguousarray(source).tobytes())
    if isinstance(source, Image.Image):
        about = repr((source.mode, source.size, source.getexif().tobytes(), source.info.get("icc_profile")))
        return sha256_of(about.encode() + source.tobytes() + bytes(source.getpalette() or ()))
    return sha256_of(source or b"")


def _encoded(source: bytes | Image.Image | np.ndarray[Any, Any] | None) -> tuple[bytes, str]:
    """Return the bytes of a file that holds the picture without loss, and the ending of its name."""
    if source is None or isinstance(source, bytes):
        data = source or b""
        return data, next((ending for start, ending in _ENDINGS if data.startswith(start)), "")
    image = source if isinstance(source, Image.Image) else image_of(source, "a picture")
    kind, buffer = "PNG" if image.mode in _IN_PNG else "TIFF", io.BytesIO()
    image.save(buffer, kind, exif=image.getexif(), icc_profile=image.info.get("icc_profile"))
    return buffer.getvalue(), f".{kind.lower()}"


_ENDINGS = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"RIFF", ".webp"))


def labels_of(y: Any, classes: Sequence[str] | None = None) -> list[str]:
    """Return labels as names of classes, empty where one is missing.

    Args:
        y: (N,) names or numbers.
        classes: names of the classes that numbers stand for.

    Raises:
        WrongUsage: y has no single label for each picture, or a number has no name.
    """
    return [_name_of(label, classes) for label in _items(y, "y")]


def label_sets_of(y: Any, classes: Sequence[str] | None = None) -> list[tuple[str, ...]] | None:
    """Return the labels of each picture (N,), sorted, where y has several for each; None where it has one.

    Args:
        y: (N,) sets, lists or tuples of names; or (N, L) zeros and ones: an array or a DataFrame.
        classes: names of the L columns; None: those of a DataFrame, else numbers from 0.

    Raises:
        WrongUsage: there are other numbers than 0 and 1, other than L names, or each picture has one label: that is the
            one-hot form of classes.
    """
    if hasattr(y, "columns"):
        if len(y.columns) < 2:
            return None
        classes, y = classes or [str(name) for name in y.columns], np.asarray(y)
    if isinstance(y, str | bytes | Mapping) or not isinstance(y, Iterable):
        return None
    rows: list[Any] = list(y)
    first: Any = rows[0] if rows else None
    if isinstance(first, _NAMES) and all(isinstance(name, str) for name in first):
        if wrong := [index for index, names in enumerate(rows) if not isinstance(names, _NAMES)]:
            raise WrongUsage(
                f"The labels of the picture at {wrong[0]} are of type {type(rows[wrong[0]]).__name__}.",
                "Those of the first are several names.",
                "Give a set of names for each: [{'red'}, {'red', 'round'}, set()]",
            )
        return [tuple(sorted({_text(name) for name in names})) for names in rows]
    is_table = np.ndim(first) == 1 and np.size(first) > 1 and len({np.size(row) for row in rows}) == 1
    return _named_columns(np.asarray(rows), classes) if is_table else None


def _named_columns(table: NDArray[Any], classes: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Return for each row of zeros and ones the names of the columns with a one.

    Raises:
        WrongUsage: as `label_sets_of`.
    """
    columns = table.shape[1]
    names = [str(name) for name in classes] if classes else [str(number) for number in range(columns)]
    if len(names) != columns:
        raise WrongUsage(f"y has {columns:,} columns and there are {plural(len(names), 'name')} for them.")
    if not np.isin(table, (0, 1)).all():
        raise WrongUsage(
            "y has several values for each picture, and other numbers than 0 and 1.",
            "Of several labels 1 says that a picture has the label, 0 that it has not.",
            "Of scores type y > 0.5; of one class for each picture np.argmax(y, axis=1)",
        )
    if (table.sum(axis=1) == 1).all():
        raise WrongUsage(
            "y has several values for each picture, a single 1 among them.",
            "That is the one-hot form of classes, of which a picture has one.",
            "Of classes type np.argmax(y, axis=1); of several labels give sets of names: [{'red'}, {'red', 'round'}]",
        )
    return [tuple(sorted(name for name, has in zip(names, row, strict=True) if has)) for row in table.tolist()]


def _items(values: Any, name: str) -> list[Any]:
    """Return values of which each picture has one.

    Raises:
        WrongUsage: they are a text, a single value, or rows of several values.
    """
    if hasattr(values, "columns") and len(values.columns) == 1:
        values = values[values.columns[0]]
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable) or hasattr(values, "columns"):
        what = f"{name} is {'None' if values is None else f'of type {type(values).__name__}'}."
        raise WrongUsage(what, "It has one value for each picture.", f"Make it a list: {name}=[...]")
    items = list(values.to_list()) if hasattr(values, "to_list") else list(values)
    if items and (isinstance(items[0], list | tuple) or np.size(items[0]) != 1):
        raise WrongUsage(
            f"{name} has several values for each picture.",
            "It has one value for each picture.",
            f"Of one-hot labels type np.argmax({name}, axis=1)",
        )
    return items


def _check_splits(parts: Sequence[str]) -> None:
    """Refuse subsets that are not known, or known of some pictures alone.

    Raises:
        BadDataset: there is one, at this index.
    """
    if not any(parts):
        return
    for index, part in enumerate(parts):
        if not part_named(part):
            raise BadDataset(
                f"The split of the picture at {index} is {repr(part) if part else 'missing'}.",
                f"It is one of {', '.join(PARTS)} for each picture, or missing for all of them.",
                "Correct it, or leave the column out.",
            )


def _chosen_columns(names: Sequence[Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the name of the column of each role; None for a role without one.

    Raises:
        WrongUsage: a role or a column is not known, or pictures or labels have none.
    """
    chosen: dict[str, Any] = dict.fromkeys(("path", "label", "part", "group"))
    for role, column in dict(columns).items():
        if role not in chosen:
            raise WrongUsage(f"A column cannot be the {role!r}.", f"It is one of {', '.join(chosen)}.", _EXAMPLE)
        if column not in names:
            raise WrongUsage(
                f"The table has no column {column!r}.", f"Its columns are {', '.join(map(str, names))}.", _EXAMPLE
            )
        chosen[role] = column
    for role in ("path", "label"):
        if chosen[role] is None:
            raise WrongUsage(f"columns does not say which column is the {role}.", "Pictures need both.", _EXAMPLE)
    return chosen


def _no_data_set(dataset: Any, kind: str, why: str) -> WrongUsage:
    return WrongUsage(
        f"A value of type {type(dataset).__name__} is no {kind}.",
        why,
        "Of pictures and labels type pawsight.Dataset.from_arrays(X, y)",
    )


def _text(value: Any) -> str:
    """Return a cell as text; one that is missing is empty."""
    if is_missing(value):
        return ""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value.is_integer():  # of whole numbers beside an empty cell, or of Keras
        value = int(value)
    return value.decode("utf-8", "backslashreplace").strip() if isinstance(value, bytes) else str(value).strip()


def _name_of(label: Any, classes: Sequence[str] | None) -> str:
    text = _text(label)
    if classes is None or isinstance(label, str | bytes) or not text.removeprefix("-").isdecimal():
        return text
    if not 0 <= int(text) < len(classes):
        raise WrongUsage(
            f"The label {text} has no name.", f"Classes are numbered from 0 to {len(classes) - 1}.", "Leave it out."
        )
    return str(classes[int(text)])


def _columns(names: Sequence[Any], fix: str = _EXAMPLE) -> tuple[Any, Any]:
    """Return the names of the columns that hold pictures and labels.

    Raises:
        WrongUsage: there is none, or several may be the labels.
    """
    why = f"Its columns are {', '.join(map(str, names)) or 'none'}."
    pictures = picture_column(names)
    if pictures is None:
        raise WrongUsage("The table has no column of pictures.", why, fix)
    labels = [
        name for name, role in zip(names, roles_of([str(name) for name in names]), strict=True) if role == "label"
    ]
    if len(labels) != 1:
        count = "several columns" if labels else "no column"
        raise WrongUsage(f"The table has {count} of labels.", why, fix)
    return pictures, labels[0]


def _pairs(items: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    pictures, labels = [], []
    for index, item in enumerate(items):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise WrongUsage(f"Item {index} of the data set is no pair.", "Items are pairs of a picture and its label.")
        pictures.append(item[0])
        labels.append(item[1])
    return pictures, labels


def _channels_last(picture: Any) -> Any:
    """Return a tensor of PyTorch with its channels last; anything else as it is."""
    if not hasattr(picture, "permute") or getattr(picture, "ndim", 0) != 3:
        return picture
    return picture.permute(1, 2, 0) if picture.shape[0] in (1, 3, 4) and picture.shape[2] not in (1, 3, 4) else picture


def _number(label: Any) -> Any:
    """Return the class of a one-hot label, and what is in an array of one value; anything else as it is."""
    if not np.ndim(label):
        return label
    return int(np.argmax(label)) if np.size(label) > 1 else int(np.reshape(label, ())[()])


def _eight_bits(pictures: Sequence[Any]) -> list[Any]:
    """Return pictures in floats as uint8 where those of all together go from 0 to 255; others as they are."""
    arrays = [np.asarray(picture) for picture in pictures]
    floats = [array for array in arrays if array.dtype.kind == "f" and array.size]
    lowest = min((array.min() for array in floats), default=0)
    highest = max((array.max() for array in floats), default=0)
    if lowest < 0 or not 1 < highest <= 255:
        return arrays
    return [np.rint(array).astype(np.uint8) if array.dtype.kind == "f" else array for array in arrays]


def _require(package: str, needed_by: str) -> None:
    if find_spec(package) is None:
        what = f"{needed_by} needs the library {package}, which is not installed."
        raise MissingExtra(what, "", f"Type: pip install {package}")
