"""Pictures to train on, seen by a pool of actors: hash, facts and features of each, as far as they are not known yet.

Enters: a `Sight`, paths, a cache that knows some contents, a `Pool`. Leaves: a `Look` for each file, in order. Does not
know: labels, what is trained.

A worker decodes as `data.catalog.see_files` does and computes as one stream of `Engine`, so that facts and features are
the same bits as without a pool. What is known already it asks a desk, a few contents at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pawsight.classifier.engine import Engine, InferenceQueue, Precision
from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture
from pawsight.data.facts import as_bytes, facts_of, known_facts
from pawsight.distributed.fetching import Fetched, fetched_ahead
from pawsight.distributed.pool import CORES_EACH, Ask, Crew, Pool, made_by
from pawsight.images.decode import DecodeSettings, Pixels, decode

_CHUNK = 64  # files in a part: a third of a second of work, beside which handing it out is little
_ASKED_AT_ONCE = 8  # of them in memory while the desk is asked
_REMEDY = "Leave --engine out to go on without Ray; most of what was computed is kept."


@dataclass(frozen=True, slots=True)
class Sight:
    """What sees: a frozen backbone and how pictures are made ready for it."""

    model: bytes  # ONNX with the output `features`
    settings: DecodeSettings
    precision: Precision


@dataclass(frozen=True, slots=True)
class Kept:
    """Where known features lie: in this cache, under this name, this many numbers each."""

    cache: Path
    space: str
    width: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker found in one file."""

    sha256: str  # empty where it could not be read
    facts: bytes | None  # as the cache keeps them; None where they are known, or there is a problem
    features: bytes | None  # little-endian float32; likewise
    problem: str  # empty when all is well


def looks_by_pool(sight: Sight, paths: Sequence[str], kept: Kept, pool: Pool) -> Iterator[Look]:
    """Yield what is in each file, in order.

    Raises:
        PawsightError: Ray cannot be had, or the pool could not go on.
    """
    crew = Crew(worker=_Seer, large=sight, desk=_Desk, place=(list(paths), kept), remedy=_REMEDY)
    waiting: dict[int, list[Look]] = {}
    following = 0
    for index, part in made_by(pool, crew, range(-(-len(paths) // _CHUNK))):
        waiting[index] = _unpacked(part)
        while following in waiting:
            yield from waiting.pop(following)
            following += 1


class _Desk:
    """Has the list and the cache of the driver's machine."""

    def __init__(self, paths: list[str], kept: Kept) -> None:
        self._paths, self._kept, self._cache = paths, kept, Cache(kept.cache)

    def paths(self, index: int) -> list[str]:
        return self._paths[index * _CHUNK : (index + 1) * _CHUNK]

    def lacking(self, hashes: list[str]) -> list[tuple[bool, bool]]:
        """Say of each content whether its facts and whether its features are not known."""
        known = self._cache.get_many(self._kept.space, hashes)
        return [
            (known_facts(self._cache, sha256) is None, len(known.get(sha256, b"")) != 4 * self._kept.width)
            for sha256 in hashes
        ]


class _Seer:
    """A backbone on one core; decoder and network take turns on it."""

    def __init__(self, sight: Sight) -> None:
        settings = sight.settings
        self._settings = settings
        self._lane = InferenceQueue(
            Engine(sight.model, image_px=settings.image_px, precision=sight.precision, streams=CORES_EACH)
        )

    def part(self, index: int, ask: Ask) -> bytes:
        files = fetched_ahead(ask("paths", index))
        looks: list[Look] = []
        while group := list(islice(files, _ASKED_AT_ONCE)):
            lacking = ask("lacking", [one.sha256 for one in group])
            looks += [self._look(one, *wanted) for one, wanted in zip(group, lacking, strict=True)]
        return _packed(looks)

    def _look(self, file: Fetched, lacks_facts: bool, lacks_features: bool) -> Look:
        if file.problem:
            return Look("", None, None, file.problem)
        try:
            decoded = decode(file.data, self._settings, name=file.name) if lacks_features else None
            facts = as_bytes(facts_of(file.data, self._settings, decoded, file.name)) if lacks_facts else None
        except UnreadablePicture as error:
            return Look(file.sha256, None, None, error.why)
        return Look(file.sha256, facts, self._features(decoded.pixels) if decoded else None, "")

    def _features(self, pixels: Pixels) -> bytes:
        ((_, outputs),) = [*self._lane.push(None, pixels), *self._lane.drain()]
        return outputs["features"].astype("<f4").tobytes()


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"sha256": pa.string(), "facts": pa.binary(), "features": pa.binary(), "problem": pa.string()}
    return pa.schema(list(kinds.items()))


def _packed(looks: Sequence[Look]) -> bytes:
    import pyarrow as pa

    schema, out = _schema(), io.BytesIO()
    columns = {name: [getattr(look, name) for look in looks] for name in schema.names}
    with pa.ipc.new_stream(out, schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
    return out.getvalue()


def _unpacked(part: bytes) -> list[Look]:
    import pyarrow as pa

    with pa.ipc.open_stream(part) as reader:
        return [Look(**row) for row in reader.read_all().to_pylist()]
