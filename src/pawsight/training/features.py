"""Pictures -> features of a frozen backbone, each computed once and kept.

Enters: pixels, as they are decoded. Leaves: features by content hash. Does not know: labels, parts, heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Engine, InferenceQueue
from pawsight.core.cache import Cache
from pawsight.images.decode import Pixels

Features = NDArray[np.float32]
_WRITE_EVERY = 512  # features stored in one transaction


class FeatureSink:
    """A `PixelSink` that turns pixels into features.

    Args:
        make_engine: called once, when the first picture is met whose features are not known.
        cache: where known features lie.
        space: names all that features depend on besides the picture's content.
        width: how many numbers a picture's features have.
    """

    def __init__(self, make_engine: Callable[[], Engine], *, cache: Cache, space: str, width: int) -> None:
        self._make_engine, self._cache, self.space, self.width = make_engine, cache, space, width
        self._lane: InferenceQueue | None = None
        self._known: dict[str, Features] = {}
        self._fresh: dict[str, bytes] = {}
        self.computed = 0  # pictures that had to go through the backbone

    def wants(self, sha256: str) -> bool:
        """Say whether a picture's features are neither in memory nor in the cache."""
        if sha256 in self._known:
            return False
        stored = self._cache.get_many(self.space, [sha256]).get(sha256)
        if stored is None or len(stored) != 4 * self.width:
            return True
        self._known[sha256] = np.frombuffer(stored, dtype="<f4")
        return False

    def take(self, sha256: str, pixels: Pixels) -> None:
        """Send one picture through the backbone; its features arrive while later ones are sent."""
        if self._lane is None:
            self._lane = InferenceQueue(self._make_engine())
        for key, outputs in self._lane.push(sha256, pixels):
            self._keep(key, outputs["features"])

    def receive(self, sha256: str, features: bytes) -> None:
        """Keep features that somebody else computed as this sink would have: its width in little-endian float32."""
        if len(features) != 4 * self.width:
            raise ValueError(f"{len(features)} bytes are not {self.width} features")
        if sha256 not in self._known:
            self._keep(sha256, np.frombuffer(features, dtype="<f4"))

    def features_of(self, hashes: Sequence[str]) -> Features:
        """Wait for all features and return those of the given contents (N, width)."""
        if self._lane is not None:
            for key, outputs in self._lane.drain():
                self._keep(key, outputs["features"])
        self._store()
        if not hashes:
            return np.empty((0, self.width), np.float32)
        return np.stack([self._known[sha256] for sha256 in hashes])

    def _keep(self, sha256: str, computed: Features) -> None:
        features = np.ascontiguousarray(computed, dtype="<f4")
        self._known[sha256] = features
        self._fresh[sha256] = features.tobytes()
        self.computed += 1
        if len(self._fresh) >= _WRITE_EVERY:
            self._store()

    def _store(self) -> None:
        if self._fresh:
            self._cache.put_many(self.space, self._fresh)
            self._fresh = {}
