"""The golden outputs of a bundle: drawn pictures, so that no photograph travels with it, and the model's outputs."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pawsight.classifier.bundle import GoldenOutputs
from pawsight.classifier.engine import Engine, Precision
from pawsight.core.cache import Cache
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Pixels
from pawsight.sample import draw, drawing_digest
from pawsight.training.context import Floats, TrainingContext

_SEED = 20261122
_DRAWN = (("cats", 0), ("cats", 1), ("cats", 2), ("dogs", 0), ("dogs", 1), ("dogs", 2), ("other", 0), ("other", 1))


def golden_outputs(context: TrainingContext, graph: bytes) -> tuple[GoldenOutputs, Engine]:
    """Return the golden outputs of a graph, and the graph compiled for this machine."""
    with Cache(context.env.cache / "cache") as cache:
        pictures = golden_pictures(context.recipe.image_px, cache)

    def compute(precision: Precision) -> tuple[Engine, Floats]:
        engine = context.engine(graph, precision)
        return engine, engine.run_all(pictures)["probabilities"]

    # Compiling is work for one core, so two arithmetics are compiled side by side.
    precisions = dict.fromkeys((context.precision, "f32"))
    (engine, probabilities), *exact = ordered_map(compute, precisions, threads=2)
    if not exact:
        return GoldenOutputs(pictures, probabilities), engine
    return GoldenOutputs(pictures, exact[0][1], reduced=probabilities), engine


def golden_pictures(image_px: int, cache: Cache) -> Pixels:
    """Return drawn pictures (8, image_px, image_px, 3) uint8, the same at every call.

    Drawing them takes a third of a second, a tenth of a run whose features are known, so they are cached.

    Raises:
        StorageError: the cache cannot be used.
    """
    space, key, shape = f"exam/{drawing_digest()}", f"{image_px} px", (len(_DRAWN), image_px, image_px, 3)
    stored = cache.get_many(space, [key]).get(key)
    if stored is not None and len(stored) == np.prod(shape):
        return np.frombuffer(stored, dtype=np.uint8).reshape(shape)
    drawings = [
        draw(kind, seed=_SEED, index=index).resize((image_px, image_px), Image.Resampling.BILINEAR)
        for kind, index in _DRAWN
    ]
    pictures = np.stack([np.asarray(drawing, dtype=np.uint8) for drawing in drawings])
    cache.put_many(space, {key: pictures.tobytes()})
    return pictures
