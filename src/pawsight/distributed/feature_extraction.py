"""Features of a training run computed on Ray's actors, where `train --engine ray` asks for it.

A worker decodes as `data.dataset.read_files` does and computes on one stream of `Engine`, so that facts and features
are the same bits as without a pool. It asks the coordinator, a few contents at once, what the cache knows already.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from os.path import abspath
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from pawsight.classifier.backbone import frozen_backbone
from pawsight.classifier.engine import Engine, InferenceQueue, Precision, best_precision
from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture, WrongUsage
from pawsight.core.machine import Machine
from pawsight.core.progress import Stopwatch
from pawsight.data.dataset import FileRead, PixelSink, read_files, store_facts
from pawsight.data.facts import facts_from_bytes, facts_of, facts_to_bytes, known_facts
from pawsight.data.found import Candidate
from pawsight.distributed.ray_actors import CORES_EACH, Ask, Pool, parts_from_actors
from pawsight.distributed.remote import Fetched, fetched_ahead
from pawsight.images.decode import DecodeSettings, Pixels, decode
from pawsight.models.recipes import Recipe

_CHUNK = 64  # files in a part: a third of a second of work, so that handing it out costs little
_ASKED_AT_ONCE = 8  # files in memory while the coordinator is asked


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a worker found in one file."""

    sha256: str  # empty where it could not be read
    facts: bytes | None  # as the cache keeps them; None where they are known, or there is a problem
    features: bytes | None  # little-endian float32; likewise
    problem: str  # empty where there is none


@runtime_checkable
class FeatureReceiver(PixelSink, Protocol):
    """A sink that takes features instead of pixels, and says where the cache keeps those that are known."""

    space: str  # their name in the cache
    size: int  # bytes a picture

    def receive(self, sha256: str, features: bytes) -> None:
        """Take the features of one content, little-endian float32."""


def check_recipe(recipe: Recipe) -> None:
    """Check that a pool has something to compute.

    Raises:
        WrongUsage: the recipe has no features.
    """
    if recipe.method != "probe":
        raise WrongUsage(
            f"--engine ray cannot train the recipe {recipe.name}.",
            "Ray actors compute the features of a frozen backbone, and this recipe has none.",
            "Leave --engine out, or type --recipe probe",
        )


def read_files_by_pool(
    candidates: Sequence[Candidate],
    settings: DecodeSettings,
    *,
    cache: Cache,
    threads: int,
    sink: PixelSink | None,
    recipe: Recipe,
    machine: Machine,
    stopwatch: Stopwatch,
    pool: Pool,
    until: ExitStack,
) -> Generator[FileRead, None, None]:
    """Return one `FileRead` for each file, in order, as `data.dataset.read_files` does; `train` binds the last five.

    Features go to the sink, facts into the cache.

    Args:
        candidates: the files.
        settings: how they are decoded.
        cache: what is known is not computed again.
        threads: not used; the pool has its own.
        sink: gets the features.
        recipe: names the backbone.
        machine: chooses the arithmetic.
        stopwatch: of the run.
        pool: Ray is started now, before a progress bar is shown.
        until: stops Ray; closed after the last file, or by the caller.

    Raises:
        ValueError: the sink takes no features.
        PawsightError: the backbone or Ray cannot be had.
    """
    if not isinstance(sink, FeatureReceiver):
        raise ValueError("a pool computes features, and this sink takes none")
    with stopwatch.stage("backbone"):
        backbone = frozen_backbone(recipe)
        model = backbone.write(np.arange(backbone.width))
    until.enter_context(pool.running())
    paths = [abspath(candidate.path) for candidate in candidates]
    extracted = extract_by_pool(
        model,
        settings,
        best_precision(machine),
        paths,
        cache=cache.folder,
        space=sink.space,
        size=sink.size,
        pool=pool,
    )
    return store_facts(taken(candidates, extracted, settings, cache, sink, until), cache, settings)


def taken(
    candidates: Sequence[Candidate],
    extracted: Iterable[Extracted],
    settings: DecodeSettings,
    cache: Cache,
    sink: FeatureReceiver,
    until: ExitStack,
) -> Iterator[FileRead]:
    """Pass features on to the sink and yield the rest; a file that the cache has lost since is read here."""
    for candidate, found in zip(candidates, extracted, strict=True):
        if found.problem:
            yield FileRead(candidate, found.sha256, None, False, None, found.problem)
            continue
        facts = known_facts(cache, found.sha256, settings) if found.facts is None else facts_from_bytes(found.facts)
        if found.features is not None:
            sink.receive(found.sha256, found.features)
        if facts is None or (found.features is None and sink.wants(found.sha256)):
            yield from read_files([candidate], settings, cache=cache, threads=1, sink=sink)
        else:
            yield FileRead(candidate, found.sha256, facts, found.facts is not None, None, "")
    until.close()


def extract_by_pool(
    model: bytes,
    settings: DecodeSettings,
    precision: Precision,
    paths: Sequence[str],
    *,
    cache: Path,
    space: str,
    size: int,
    pool: Pool,
) -> Iterator[Extracted]:
    """Yield what is in each file, in order.

    Args:
        model: a frozen backbone, ONNX with the output `features`.
        settings: how pictures are decoded for it.
        precision: of its arithmetic.
        paths: the files, absolute.
        cache: folder of what is known.
        space: name of the backbone's features there.
        size: how many bytes a picture has there.
        pool: the actors.

    Raises:
        PawsightError: Ray is not available, or the actors failed.
    """
    finished = parts_from_actors(
        pool,
        range(-(-len(paths) // _CHUNK)),
        worker=_Extractor,
        shared=(model, settings, precision),
        coordinator=_CacheLookup,
        coordinator_args=(list(paths), cache, space, size, settings),
        remedy="Leave --engine out to continue without Ray; most of what was computed is kept.",
    )
    waiting: dict[int, list[Extracted]] = {}
    following = 0
    for index, part in finished:
        waiting[index] = _unpacked(part)
        while following in waiting:
            yield from waiting.pop(following)
            following += 1


class _CacheLookup:
    """Knows the list of paths and the cache on the driver's machine."""

    def __init__(self, paths: list[str], cache: Path, space: str, size: int, settings: DecodeSettings) -> None:
        self._paths, self._cache, self._space, self._size = paths, Cache(cache), space, size
        self._settings = settings

    def paths(self, index: int) -> list[str]:
        return self._paths[index * _CHUNK : (index + 1) * _CHUNK]

    def lacking(self, hashes: list[str]) -> list[tuple[bool, bool]]:
        """Return for each content whether its facts and whether its features are missing."""
        known = self._cache.get_many(self._space, hashes)
        return [
            (known_facts(self._cache, sha256, self._settings) is None, len(known.get(sha256, b"")) != self._size)
            for sha256 in hashes
        ]


class _Extractor:
    """A backbone on one core, where decoding and inference alternate."""

    def __init__(self, shared: tuple[bytes, DecodeSettings, Precision]) -> None:
        model, self._settings, precision = shared
        self._queue = InferenceQueue(
            Engine(model, image_px=self._settings.image_px, precision=precision, streams=CORES_EACH)
        )

    def part(self, index: int, ask: Ask) -> bytes:
        files = fetched_ahead(ask("paths", index))
        extracted: list[Extracted] = []
        while group := list(islice(files, _ASKED_AT_ONCE)):
            lacking = ask("lacking", [file.sha256 for file in group])
            extracted += [self._extract(file, *missing) for file, missing in zip(group, lacking, strict=True)]
        return _packed(extracted)

    def _extract(self, file: Fetched, lacks_facts: bool, lacks_features: bool) -> Extracted:
        if file.problem:
            return Extracted("", None, None, file.problem)
        try:
            decoded = decode(file.data, self._settings, name=file.name) if lacks_features else None
            facts = facts_to_bytes(facts_of(file.data, self._settings, decoded, file.name)) if lacks_facts else None
        except UnreadablePicture as error:
            return Extracted(file.sha256, None, None, error.why)
        return Extracted(file.sha256, facts, self._features(decoded.pixels) if decoded else None, "")

    def _features(self, pixels: Pixels) -> bytes:
        ((_, outputs),) = [*self._queue.push(None, pixels), *self._queue.drain()]
        return outputs["features"].astype("<f4").tobytes()


def _packed(extracted: Sequence[Extracted]) -> bytes:
    """Return rows as an Arrow stream."""
    import pyarrow as pa

    kinds = {"sha256": pa.string(), "facts": pa.binary(), "features": pa.binary(), "problem": pa.string()}
    schema, out = pa.schema(list(kinds.items())), io.BytesIO()
    columns = {name: [getattr(row, name) for row in extracted] for name in kinds}
    with pa.ipc.new_stream(out, schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
    return out.getvalue()


def _unpacked(part: bytes) -> list[Extracted]:
    import pyarrow as pa

    with pa.ipc.open_stream(part) as reader:
        return [Extracted(**row) for row in reader.read_all().to_pylist()]
