"""Features of a training run computed by a pool of Ray actors, where `train --engine ray` asks for it.

The pool itself is in distributed/ray_actors.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os.path import abspath
from typing import TYPE_CHECKING, Literal

from pawsight.classifier.engine import best_precision
from pawsight.core.cache import Cache
from pawsight.core.errors import WrongUsage, require_extra
from pawsight.data.dataset import FileRead, PixelSink, read_files, store_facts
from pawsight.data.facts import facts_from_bytes, known_facts
from pawsight.data.folders import Candidate
from pawsight.distributed.feature_extraction import CachedFeatures, Extracted, FrozenBackbone, extract_by_pool
from pawsight.distributed.ray_actors import Pool
from pawsight.images.decode import DecodeSettings
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import backbone_onnx, channels_of
from pawsight.models.recipes import FEATURE_METHODS, Recipe
from pawsight.training.features import FeatureSink

if TYPE_CHECKING:
    from pawsight.training.context import RunEnvironment

EngineName = Literal["local", "ray"]
ENGINES = ("local", "ray")


def pool_for(recipe: Recipe, engine: str, actors: int | None, address: str | None) -> Pool | None:
    """Return the pool that the options ask for, None for this process.

    Raises:
        WrongUsage: the options do not fit together, or the recipe has no features to compute.
        MissingExtra: Ray is not installed.
    """
    if engine not in ENGINES:
        raise WrongUsage(f"There is no engine {engine!r}.", "", "Type --engine local or --engine ray")
    if engine == "local":
        if actors or address:
            raise WrongUsage("--actors and --ray-address need Ray.", "This is --engine local.", "Add --engine ray")
        return None
    if recipe.method not in FEATURE_METHODS:
        raise WrongUsage(
            f"--engine ray cannot train the recipe {recipe.name}.",
            "Ray actors compute the features of a frozen backbone, and this recipe has none.",
            f"Leave --engine out, or type one of: {', '.join(f'--recipe {name}' for name in FEATURE_METHODS)}",
        )
    require_extra("ray", "pyarrow", "fsspec", "ray", needed_by="--engine ray")
    return Pool(actors=actors, address=address)


@dataclass(frozen=True, slots=True)
class SeenByPool:
    """A `See` whose workers are Ray actors; what they compute goes into the run's `FeatureSink` and the cache.

    Ray is started when this is called, before a progress bar is shown, and stopped after the last picture, or by
    `until`.
    """

    recipe: Recipe
    place: RunEnvironment
    pool: Pool
    until: ExitStack

    def __call__(
        self,
        candidates: Sequence[Candidate],
        settings: DecodeSettings,
        *,
        cache: Cache,
        threads: int,
        sink: PixelSink | None,
    ) -> Iterator[FileRead]:
        """Return one `FileRead` for each file, in order.

        Raises:
            ValueError: the sink takes no features.
            PawsightError: the backbone or Ray cannot be had.
        """
        if not isinstance(sink, FeatureSink):
            raise ValueError("a pool computes features, and this sink takes none")
        place, recipe = self.place, self.recipe
        with place.stopwatch.stage("backbone"):
            every = channels_of(find_backbone(recipe.backbone), "every")
            graph = backbone_onnx(recipe.backbone, recipe.image_px, every)
            sight = FrozenBackbone(graph, settings, best_precision(place.machine))
        self.until.enter_context(self.pool.running())
        return store_facts(self._seen(candidates, sight, cache, sink), cache)

    def _seen(
        self, candidates: Sequence[Candidate], sight: FrozenBackbone, cache: Cache, sink: FeatureSink
    ) -> Iterator[FileRead]:
        paths = [abspath(candidate.path) for candidate in candidates]
        looks = extract_by_pool(sight, paths, CachedFeatures(cache.folder, sink.space, sink.size), self.pool)
        for candidate, look in zip(candidates, looks, strict=True):
            seen = _taken(candidate, look, cache, sink)
            if seen is None:  # the cache has lost what it had when the worker asked
                (seen,) = read_files([candidate], sight.settings, cache=cache, threads=1, sink=sink)
            yield seen
        self.until.close()


def _taken(candidate: Candidate, look: Extracted, cache: Cache, sink: FeatureSink) -> FileRead | None:
    """Store the features and return the rest; None where the cache has lost something that was known."""
    if look.problem:
        return FileRead(candidate, look.sha256, None, False, None, look.problem)
    if look.features is not None:
        sink.receive(look.sha256, look.features)
    elif sink.wants(look.sha256):
        return None
    facts = known_facts(cache, look.sha256) if look.facts is None else facts_from_bytes(look.facts)
    if facts is None:
        return None
    return FileRead(candidate, look.sha256, facts, look.facts is not None, None, "")
