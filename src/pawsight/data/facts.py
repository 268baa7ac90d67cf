"""Facts of a picture: what its bytes say, whoever owns it, found once and kept by content.

Enters: the bytes of a file, and its square where one is at hand. Leaves: `Facts`, and the form in which they lie in the
cache. Does not know: names, classes, which pictures are together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from pawsight.core.cache import Cache
from pawsight.images.decode import DECODER_VERSION, Decoded, DecodeSettings, decode
from pawsight.images.fingerprint import HASHED_PX, grey_of, perceptual_hash
from pawsight.images.quality import ImageStatistics, image_statistics

FACTS_SPACE = f"facts/5/{DECODER_VERSION}/{HASHED_PX}"  # of the cache


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bytes of a picture say, whoever owns it."""

    width: int  # as shown upright, in pixels
    height: int
    format: str  # by content, e.g. "JPEG"
    orientation: int  # EXIF, 1 when none
    phash: int  # 64-bit perceptual hash
    looks: ImageStatistics  # light, sharpness and colour of the square of HASHED_PX


def facts_of(data: bytes, settings: DecodeSettings, decoded: Decoded | None, name: str) -> Facts:
    """Return the facts, decoding anew where the square at hand is not of the side at which all hashes are taken.

    Raises:
        UnreadablePicture: it cannot be decoded.
    """
    if decoded is None or settings.image_px != HASHED_PX:
        decoded = decode(data, replace(settings, image_px=HASHED_PX), name=name)
    grey = grey_of(decoded.pixels)
    looks = image_statistics(decoded.pixels, grey=grey, camera=decoded.camera, file_bytes=len(data))
    phash = perceptual_hash(decoded.pixels, grey=grey)
    return Facts(decoded.width, decoded.height, decoded.format, decoded.orientation, phash, looks)


def known_facts(cache: Cache, sha256: str) -> Facts | None:
    """Return the facts that the cache has of a content."""
    kept = cache.get_many(FACTS_SPACE, [sha256]).get(sha256)
    return None if kept is None else facts_from(kept)


def facts_from(kept: bytes) -> Facts:
    """Return facts that `as_bytes` made bytes of."""
    width, height, kind, orientation, phash, looks = json.loads(kept)
    return Facts(width, height, kind, orientation, phash, ImageStatistics(*looks))


def as_bytes(facts: Facts) -> bytes:
    """Return facts as they lie in the cache."""
    looks = facts.looks
    figures = [looks.brightness, looks.contrast, looks.sharpness, looks.chroma, looks.camera, looks.file_bytes]
    values = [facts.width, facts.height, facts.format, facts.orientation, facts.phash, figures]
    return json.dumps(values).encode()
