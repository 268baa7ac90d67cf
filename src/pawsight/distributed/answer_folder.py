"""The folder of answers to a list of pictures: manifest and list first, then its parts, each whole or absent.

    predictions/
      _manifest.json                digests, classes, size of a shard
      _paths.parquet                the list of paths, a row group for each shard
      part-00000-of-00489.parquet   answers, in the order of the list
      _lock                         locked while a process writes

Readers of Parquet folders skip names that begin with an underscore. A part has a row for each picture, with the columns
`path`, `sha256`, `label`, `probability`, `probabilities` (in the order of the classes in the footer), `verdict` and
`error`; with several labels a picture also `labels` and `unsure`. Where there is an error the others are null, except
the hash where the file could be read. Its footer says what it belongs to.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pawsight.classifier.predictor import Prediction
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE
from pawsight.core.errors import NoPictures, StorageError, WrongUsage
from pawsight.core.progress import Progress
from pawsight.core.storage import file_lock, new_folder, write_bytes, write_json
from pawsight.core.text import legible
from pawsight.data.reading import is_picture

Parts = Generator[tuple[int, bytes], None, None]  # numbers of finished parts, with their files
FORMAT = 1
SHARD = 2_048  # paths in a part by default
MANIFEST, PATHS, LOCK = "_manifest.json", "_paths.parquet", "_lock"
_HALF_WRITTEN = re.compile(r"\.part-\d+-of-\d+\.parquet\.[0-9a-f-]{8,}\.part")
_FOOTER = b"pawsight"
_ANOTHER = "Choose another folder, or remove this one first."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a part belongs to; equal manifests on equal machines give equal answers."""

    bundle: str  # sha256 of the bundle's card, which holds those of its files
    paths: str  # sha256 of the list of paths
    shard: int  # paths in each part but the last
    pictures: int  # paths in the list
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many pictures got each kind of answer."""

    pictures: int = 0
    answered: int = 0
    unsure: int = 0
    unlike: int = 0  # unfamiliar
    errors: int = 0
    not_pictures: int = 0  # of the errors: no pictures, neither by their endings nor by their content

    def __add__(self, other: Tally) -> Tally:
        left, right = asdict(self), asdict(other)
        return Tally(**{name: left[name] + right[name] for name in left})


@dataclass(frozen=True, slots=True)
class AnswerFolder:
    """Answers to a list of pictures, some of them perhaps still missing."""

    folder: Path
    manifest: Manifest

    @property
    def parts(self) -> int:
        """How many parts there will be."""
        return -(-self.manifest.pictures // self.manifest.shard)

    def size(self, index: int) -> int:
        """Return how many paths a part has."""
        return min(self.manifest.shard, self.manifest.pictures - index * self.manifest.shard)

    def path(self, index: int) -> Path:
        """Return the path of a finished part."""
        return self.folder / f"part-{index:05d}-of-{self.parts:05d}.parquet"

    def add(self, index: int, part: bytes) -> None:
        """Write a finished part; one that exists already is the same and stays."""
        if not self.path(index).exists():
            write_bytes(self.path(index), part)

    def missing(self) -> list[int]:
        """Return the numbers of the missing parts."""
        return [index for index in range(self.parts) if not self.path(index).exists()]

    def tally(self) -> Tally:
        """Add up the tallies of the finished parts.

        Raises:
            StorageError: a part is damaged, or belongs elsewhere.
        """
        total = Tally()
        for index in range(self.parts):
            path = self.path(index)
            if not path.exists():
                continue
            tally = tally_of(path, self.manifest, index=index)
            if tally is None or tally.pictures != self.size(index):
                fix = "Remove that file and type the same command with --resume: the part is made again."
                raise StorageError(f"{path} is damaged or belongs elsewhere.", "", fix)
            total += tally
        return total


def begin(
    folder: Path, paths: Iterable[str], *, bundle: str, classes: tuple[str, ...], shard: int, progress: Progress
) -> None:
    """Write the manifest and the list of paths into a new or empty folder.

    Raises:
        StorageError: the folder is not empty, or cannot be written.
        NoPictures: there are no paths.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / MANIFEST).exists():
        fix = "Type the same command with --resume to make the missing parts, or choose another folder."
        raise StorageError(f"{folder} already holds answers.", "", fix)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not empty.", "Existing files are never overwritten.", _ANOTHER)
    with new_folder(folder) as part:
        listing = _Listing(shard)
        schema = pa.schema([pa.field("path", pa.binary(), nullable=False)])  # file names need not be UTF-8
        plain = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
        with (
            progress.stage("Listing", None, "pictures") as step,
            pq.ParquetWriter(part / PATHS, schema, **plain) as writer,
        ):
            for chunk in listing.shards(paths):
                step.advance(len(chunk))
                writer.write_table(pa.table({"path": chunk}, schema=schema), row_group_size=len(chunk))
        if not listing.pictures:
            raise NoPictures("No pictures found in the inputs.", "", "Name pictures, or folders of pictures.")
        manifest = Manifest(
            bundle=bundle, paths=listing.digest(), shard=shard, pictures=listing.pictures, classes=classes
        )
        write_json(part / MANIFEST, {"format": FORMAT, **asdict(manifest)})


def opened(folder: Path) -> AnswerFolder:
    """Open a folder that `begin` has written.

    Raises:
        StorageError: it has no manifest that can be read.
    """
    try:
        values = json.loads((folder / MANIFEST).read_bytes())
        if values.pop("format") != FORMAT:
            raise ValueError("unknown format")
        return AnswerFolder(folder, Manifest(**{**values, "classes": tuple(values["classes"])}))
    except FileNotFoundError as error:
        raise StorageError(f"{folder} holds nothing to resume.", f"It has no {MANIFEST}.", _ANOTHER) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{folder / MANIFEST} cannot be read.", f"{error}.", _ANOTHER) from error


def resume(
    folder: Path, paths: Iterable[str], *, bundle: str, classes: tuple[str, ...], shard: int | None, progress: Progress
) -> AnswerFolder:
    """Open a folder that was begun with the same bundle and the same list, and remove half-written parts.

    Raises:
        WrongUsage: bundle, list or size of a shard is another; the message says which.
        StorageError: the folder has no manifest that can be read.
    """
    begun = opened(folder).manifest
    if begun.bundle != bundle:
        why = f"Its bundle is {begun.bundle[:12]}, this one is {bundle[:12]}."
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
        why = f"Its list has {begun.pictures:,} pictures, this one {listing.pictures:,}"
        why += "." if listing.pictures != begun.pictures else " with other names or in another order."
        raise WrongUsage(f"{folder} holds answers for another list of pictures.", why, _ANOTHER)
    for entry in folder.iterdir():
        if _HALF_WRITTEN.fullmatch(entry.name):  # by a process that was killed
            with suppress(OSError):
                entry.unlink()
    return AnswerFolder(folder, begun)


def part_of(
    rows: Iterable[tuple[str, Prediction]],
    manifest: Manifest,
    *,
    index: int,
    precision: str,
    several_labels: bool = False,
) -> bytes:
    """Return the Parquet file of one part.

    Args:
        rows: the SHA-256 of each picture's bytes, empty where they could not be read, and the answer.
        index: of the part, from 0.
        precision: of the arithmetic, e.g. "f32".
        several_labels: a picture may have several.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(rows)
    columns = [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("probabilities", pa.list_(pa.float32())),
        pa.field("verdict", pa.string()),
        pa.field("set", pa.list_(pa.string())),
        pa.field("error", pa.string()),
    ]
    several = ("labels", "unsure") if several_labels else ()
    columns += [pa.field(name, pa.list_(pa.string())) for name in several]
    table = [
        {
            "path": legible(answer.path),
            "sha256": sha256 or None,
            "label": answer.label,
            "probability": answer.probability,
            "probabilities": answer.probabilities and [answer.probabilities[name] for name in manifest.classes],
            "verdict": answer.decision,
            "set": answer.set and list(answer.set),
            "error": answer.error and legible(answer.error),
            **{name: getattr(answer, name) for name in several},
        }
        for sha256, answer in rows
    ]
    decisions = [row["verdict"] for row in table]
    tally = Tally(
        pictures=len(table),
        answered=decisions.count(ANSWERED),
        unsure=decisions.count(UNSURE),
        unlike=decisions.count(UNFAMILIAR),
        errors=sum(answer.error is not None for _, answer in rows),
        not_pictures=sum(
            bool(sha256) and not is_picture(answer.path, answer.error)
            for sha256, answer in rows
            if answer.error is not None
        ),
    )
    footer = {**asdict(manifest), "part": index, "precision": precision, "tally": asdict(tally)}
    schema = pa.schema(columns, metadata={_FOOTER: json.dumps(footer).encode()})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table, schema=schema), out, compression="zstd")
    return out.getvalue()


def tally_of(part: Path, manifest: Manifest, *, index: int) -> Tally | None:
    """Return the tally in a part's footer, None where the file is not that part of this manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = json.loads((pq.read_schema(part).metadata or {})[_FOOTER])
        tally = Tally(**footer.pop("tally"))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    expected = json.loads(json.dumps({**asdict(manifest), "part": index}))
    return tally if all(footer.get(name) == value for name, value in expected.items()) else None


def read_shard(path_list: Any, index: int) -> list[str]:
    """Return the paths of one shard from an open `_paths.parquet` (a `pyarrow.parquet.ParquetFile`)."""
    return [os.fsdecode(path) for path in path_list.read_row_group(index).column(0).to_pylist()]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes that write into it.

    Raises:
        StorageError: another process holds the lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / LOCK))
        except TimeoutError as error:
            raise StorageError(
                f"Another process is writing into {folder}.", "", "Wait until it ends, or stop it."
            ) from error
        yield


class _Listing:
    """Cuts a list into shards, counts and digests it on the way; the list is never held in memory."""

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
