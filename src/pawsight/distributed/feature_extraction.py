"""Extracts features of training pictures on Ray's actors: hash, facts and features of each file, where not yet cached.

A worker decodes as `data.dataset.read_files` does and computes on one stream of `Engine`, so that facts and features
are the same bits as without a pool. It asks the coordinator, a few contents at once, what the cache knows already.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pawsight.classifier.engine import Engine, InferenceQueue, Precision
from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture
from pawsight.data.facts import facts_of, facts_to_bytes, known_facts
from pawsight.distributed.ray_actors import CORES_EACH, Ask, Pool, parts_from_actors
from pawsight.distributed.remote import Fetched, fetched_ahead
from pawsight.images.decode import DecodeSettings, Pixels, decode

_CHUNK = 64  # files in a part: a third of a second of work, so that handing it out costs little
_ASKED_AT_ONCE = 8  # files in memory while the coordinator is asked


@dataclass(frozen=True, slots=True)
class FrozenBackbone:
    """A frozen backbone, and how pictures are decoded for it."""

    model: bytes  # ONNX with the output `features`
    settings: DecodeSettings
    precision: Precision


@dataclass(frozen=True, slots=True)
class CachedFeatures:
    """Where known features are: in this cache, under this name, with this many bytes each."""

    cache: Path
    space: str
    size: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a worker found in one file."""

    sha256: str  # empty where it could not be read
    facts: bytes | None  # as the cache keeps them; None where they are known, or there is a problem
    features: bytes | None  # little-endian float16; likewise
    problem: str  # empty where there is none


def extract_by_pool(
    backbone: FrozenBackbone, paths: Sequence[str], cached: CachedFeatures, pool: Pool
) -> Iterator[Extracted]:
    """Yield what is in each file, in order.

    Raises:
        PawsightError: Ray is not available, or the actors failed.
    """
    finished = parts_from_actors(
        pool,
        range(-(-len(paths) // _CHUNK)),
        worker=_Extractor,
        shared=backbone,
        coordinator=_CacheLookup,
        coordinator_args=(list(paths), cached),
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

    def __init__(self, paths: list[str], cached: CachedFeatures) -> None:
        self._paths, self._cached, self._cache = paths, cached, Cache(cached.cache)

    def paths(self, index: int) -> list[str]:
        return self._paths[index * _CHUNK : (index + 1) * _CHUNK]

    def lacking(self, hashes: list[str]) -> list[tuple[bool, bool]]:
        """Return for each content whether its facts and whether its features are missing."""
        known = self._cache.get_many(self._cached.space, hashes)
        return [
            (known_facts(self._cache, sha256) is None, len(known.get(sha256, b"")) != self._cached.size)
            for sha256 in hashes
        ]


class _Extractor:
    """A backbone on one core, where decoding and inference alternate."""

    def __init__(self, backbone: FrozenBackbone) -> None:
        settings = backbone.settings
        self._settings = settings
        self._lane = InferenceQueue(
            Engine(backbone.model, image_px=settings.image_px, precision=backbone.precision, streams=CORES_EACH)
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
        ((_, outputs),) = [*self._lane.push(None, pixels), *self._lane.drain()]
        return outputs["features"].astype("<f2").tobytes()


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
