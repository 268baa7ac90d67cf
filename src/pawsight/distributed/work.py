"""The folder of a work: the list of paths and the manifest first, then a part for each shard, each whole or not there.

Enters: paths one after the other, a bundle's digest and classes; later finished parts. Leaves: a `Work` that knows what
is missing. Does not know: who computes parts, what the paths lead to.

    predictions/
      _manifest.json                what the work is: digests, classes, size of a shard
      _paths.parquet                the list, a row group for each shard
      part-00000-of-00489.parquet   answers, in the order of the list
      _lock                         held while somebody writes

Readers of Parquet folders leave out names that begin with an underscore.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pawsight.core.errors import NoPictures, StorageError, WrongUsage
from pawsight.core.progress import Progress
from pawsight.core.storage import file_lock, new_folder, write_bytes, write_json
from pawsight.distributed.parts import Stamp, Tally, tally_of

Parts = Generator[tuple[int, bytes], None, None]  # numbers of parts with their files, as they are finished
FORMAT = 1
SHARD = 2_048  # paths in a part, unless somebody says otherwise
MANIFEST, PATHS, LOCK = "_manifest.json", "_paths.parquet", "_lock"
_HALF_WRITTEN = re.compile(r"\.part-\d+-of-\d+\.parquet\.[0-9a-f-]{8,}\.part")
_ANOTHER = "Choose another folder, or remove this one first."


@dataclass(frozen=True, slots=True)
class Work:
    """A list of pictures on its way to being answered."""

    folder: Path
    stamp: Stamp

    @property
    def parts(self) -> int:
        """How many parts there will be."""
        return -(-self.stamp.pictures // self.stamp.shard)

    def size(self, index: int) -> int:
        """Return how many paths a part has."""
        return min(self.stamp.shard, self.stamp.pictures - index * self.stamp.shard)

    def place(self, index: int) -> Path:
        """Return where a part lies once it is finished."""
        return self.folder / f"part-{index:05d}-of-{self.parts:05d}.parquet"

    def keep(self, index: int, part: bytes) -> None:
        """Write a finished part under its name; one that is there already is the same and stays."""
        if not self.place(index).exists():
            write_bytes(self.place(index), part)

    def missing(self) -> list[int]:
        """Return which parts are still to be made."""
        return [index for index in range(self.parts) if not self.place(index).exists()]

    def tally(self) -> Tally:
        """Add up what the finished parts say.

        Raises:
            StorageError: one of them is damaged, or no part of this work.
        """
        total = Tally()
        for index in range(self.parts):
            if self.place(index).exists():
                total += self._checked(index)
        return total

    def _checked(self, index: int) -> Tally:
        found = tally_of(self.place(index), self.stamp, index=index)
        if found is None or found.pictures != self.size(index):
            fix = "Remove that file and type the same command with --resume: it is made again."
            raise StorageError(f"{self.place(index)} is damaged or belongs elsewhere.", "", fix)
        return found


def begin(
    folder: Path, paths: Iterable[str], *, bundle: str, classes: tuple[str, ...], shard: int, progress: Progress
) -> None:
    """Write list and manifest into a new or empty folder.

    Raises:
        StorageError: the folder holds something, or the disk refused.
        NoPictures: there are no paths.
    """
    _refuse_what_is_there(folder)
    with new_folder(folder) as part:
        listing = _Listing(shard)
        with progress.stage("Listing", None, "pictures") as step:
            _write_paths(part / PATHS, _counted(listing.shards(paths), step.advance))
        if not listing.pictures:
            raise NoPictures(
                "There are no pictures in what you named.", "", "Name pictures, or folders that hold some."
            )
        stamp = Stamp(bundle=bundle, paths=listing.digest(), shard=shard, pictures=listing.pictures, classes=classes)
        write_json(part / MANIFEST, {"format": FORMAT, **asdict(stamp)})


def opened(folder: Path) -> Work:
    """Open the folder of a work that was begun.

    Raises:
        StorageError: it holds no work.
    """
    return Work(folder, _read_manifest(folder))


def resume(
    folder: Path, paths: Iterable[str], *, bundle: str, classes: tuple[str, ...], shard: int | None, progress: Progress
) -> Work:
    """Open the folder of a work that was begun with the same bundle and the same list.

    Raises:
        WrongUsage: with what is different.
        StorageError: it holds no such work.
    """
    begun = opened(folder).stamp
    if begun.bundle != bundle:
        why = f"It was begun with the bundle {begun.bundle[:12]}, this one is {bundle[:12]}."
        raise WrongUsage(f"{folder} holds answers of another classifier.", why, _ANOTHER)
    if shard not in (None, begun.shard):
        why = f"Its parts have {begun.shard:,} pictures, not {shard:,}."
        raise WrongUsage(
            f"{folder} was begun with another --shard.", why, f"Type --shard {begun.shard}, or leave it out."
        )
    listing = _Listing(begun.shard)
    with progress.stage("Listing", begun.pictures, "pictures") as step:
        for chunk in listing.shards(paths):
            step.advance(len(chunk))
    if (listing.digest(), classes) != (begun.paths, begun.classes):
        why = f"It was begun with {begun.pictures:,} pictures, and these are {listing.pictures:,}"
        why += "." if listing.pictures != begun.pictures else " with other names or in another order."
        raise WrongUsage(f"{folder} holds answers for another list of pictures.", why, _ANOTHER)
    _sweep(folder)
    return Work(folder, begun)


def read_shard(listing: Any, index: int) -> list[str]:
    """Return the paths of one shard from an open `_paths.parquet` (a `pyarrow.parquet.ParquetFile`)."""
    return [os.fsdecode(path) for path in listing.read_row_group(index).column(0).to_pylist()]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep every other process from writing into a work's folder.

    Raises:
        StorageError: one is writing.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / LOCK))
        except TimeoutError as error:
            raise StorageError(
                f"Another process is writing into {folder}.", "", "Wait for it to end, or stop it."
            ) from error
        yield


class _Listing:
    """A list that passes by: cut into shards, counted and digested, never held."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._sum = hashlib.sha256()
        self.pictures = 0

    def shards(self, paths: Iterable[str]) -> Iterator[list[bytes]]:
        remaining = iter(paths)
        while chunk := [os.fsencode(path) for path in islice(remaining, self._shard)]:
            for path in chunk:
                self._sum.update(len(path).to_bytes(4, "big") + path)
            self.pictures += len(chunk)
            yield chunk

    def digest(self) -> str:
        return self._sum.hexdigest()


def _write_paths(place: Path, shards: Iterable[list[bytes]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field("path", pa.binary(), nullable=False)])  # file names need not be UTF-8
    with pq.ParquetWriter(place, schema, compression="zstd", use_dictionary=False, write_statistics=False) as writer:
        for chunk in shards:
            writer.write_table(pa.table({"path": chunk}, schema=schema), row_group_size=len(chunk))


def _counted(shards: Iterable[list[bytes]], advance: Any) -> Iterator[list[bytes]]:
    for chunk in shards:
        advance(len(chunk))
        yield chunk


def _refuse_what_is_there(folder: Path) -> None:
    if (folder / MANIFEST).exists():
        fix = "Type the same command with --resume to make the missing parts, or choose another folder."
        raise StorageError(f"{folder} holds answers already.", "", fix)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} holds something else.", "Nothing of yours is overwritten.", _ANOTHER)


def _read_manifest(folder: Path) -> Stamp:
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
        if said.pop("format") != FORMAT:
            raise ValueError("another format")
        return Stamp(**{**said, "classes": tuple(said["classes"])})
    except FileNotFoundError as error:
        raise StorageError(
            f"{folder} holds nothing that could be resumed.", f"It has no {MANIFEST}.", _ANOTHER
        ) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{folder / MANIFEST} cannot be read.", f"{error}.", _ANOTHER) from error


def _sweep(folder: Path) -> None:
    """Remove what a killed process had half written."""
    for entry in folder.iterdir():
        if _HALF_WRITTEN.fullmatch(entry.name):
            with suppress(OSError):
                entry.unlink()
