"""Facts of a picture: size, format, perceptual hash and image statistics, cached by content; and its quality flags.

The statistics are measured in images/quality.py. The flags say what is unusual, such as dark, blurry or tiny; the audit
lists such pictures, and the evaluation says how well they are classified.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, field, replace

import numpy as np

from pawsight.core.cache import Cache
from pawsight.images.decode import DECODER_VERSION, Decoded, DecodeSettings, Pixels, decode, space_of_greys
from pawsight.images.fingerprint import HASHED_PX, THUMBNAIL_PX, grey_of, perceptual_hash, thumbnail
from pawsight.images.quality import ImageStatistics, image_statistics

FACTS_SPACE = f"facts/7/{DECODER_VERSION}/{HASHED_PX}"  # of the cache, where greys have the range of their type
QUALITY_FLAGS = ("tiny", "huge", "odd-aspect", "dark", "bright", "blurry", "single-colour", "grey", "rotated")
# Limits of what is usual, measured on the exercise's 3,000 photographs (docs/experiments.md, Audit thresholds)
TINY_PX = 64  # of the shorter side: magnified fourfold for the network; measured: 5 photographs are smaller
HUGE_MEGAPIXELS = 25.0  # width x height, in millions: half of what the decoder accepts
ODD_ASPECT = 2.4  # longer side over shorter: wider than cinema (SMPTE 195, 2.39 : 1); measured: 4 are
DARK = 40.0  # mean luma, 0-255; measured: 5 are darker, all taken at night with a flash
BRIGHT = 210.0  # mean luma, 0-255; measured: 3 are brighter, all overexposed
BLURRY = 0.008  # variance of the Laplacian over that of luma; measured: see there
UNBLURRED_PX = HASHED_PX // 2  # of the shorter side; a smaller picture is soft because it is magnified
SINGLE_COLOUR = 5.0  # standard deviation of the most varied channel, 0-127.5; measured: the least is 18
GREY = 2.5  # mean chroma, 0-255; measured: one photograph is grey and has 0, the next has 3.2


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bytes of a picture say, whatever its name and class."""

    width: int  # as shown upright, in pixels
    height: int
    format: str  # by content, e.g. "JPEG"
    orientation: int  # EXIF, 1 when none
    phash: int  # 64-bit perceptual hash
    statistics: ImageStatistics  # light, sharpness and colour of the square of HASHED_PX
    thumbnail: bytes = field(default=b"", repr=False)  # that square at 32 x 32 x 3, for a second look at duplicates


def facts_of(data: bytes, settings: DecodeSettings, decoded: Decoded | None, name: str) -> Facts:
    """Return the facts, decoding anew where the square at hand is not of the side at which all hashes are taken.

    Raises:
        UnreadablePicture: it cannot be decoded.
    """
    hashed = replace(settings, image_px=HASHED_PX, version=DECODER_VERSION)
    if decoded is None or settings != hashed:
        decoded = decode(data, hashed, name=name)
    grey = grey_of(decoded.pixels)
    statistics = image_statistics(
        decoded.pixels, grey=grey, camera=decoded.camera, file_bytes=len(data), taken=decoded.taken
    )
    phash = perceptual_hash(decoded.pixels, grey=grey)
    small = thumbnail(decoded.pixels).tobytes()
    return Facts(decoded.width, decoded.height, decoded.format, decoded.orientation, phash, statistics, small)


def facts_for_groups(decoded: Decoded) -> Facts:
    """Return the facts by which pictures are grouped, of a square of any side; hash and statistics are 0."""
    statistics = ImageStatistics(0.0, 0.0, 0.0, 0.0, decoded.camera, 0, decoded.taken)
    small = thumbnail(decoded.pixels).tobytes()
    return Facts(decoded.width, decoded.height, decoded.format, decoded.orientation, 0, statistics, small)


def thumbnail_of(facts: Facts) -> Pixels:
    """Return the thumbnail (32, 32, 3) uint8 that facts keep."""
    return np.frombuffer(facts.thumbnail, np.uint8).reshape(THUMBNAIL_PX, THUMBNAIL_PX, 3)


def facts_space(settings: DecodeSettings) -> str:
    """Return the name of the part of the cache that has the facts of pictures decoded so."""
    return FACTS_SPACE + space_of_greys(settings.grey_range)


def known_facts(cache: Cache, sha256: str, settings: DecodeSettings) -> Facts | None:
    """Return the facts of a content, None where the cache has none."""
    kept = cache.get_many(facts_space(settings), [sha256]).get(sha256)
    return None if kept is None else facts_from_bytes(kept)


def facts_from_bytes(kept: bytes) -> Facts:
    """Return the facts that `facts_to_bytes` stored."""
    text, _, small = kept.partition(b"\n")
    width, height, kind, orientation, phash, statistics = json.loads(text)
    return Facts(width, height, kind, orientation, phash, ImageStatistics(*statistics), small)


def facts_to_bytes(facts: Facts) -> bytes:
    """Return facts as they are stored in the cache: a line of JSON, then the thumbnail."""
    values = [facts.width, facts.height, facts.format, facts.orientation, facts.phash, astuple(facts.statistics)]
    return json.dumps(values).encode() + b"\n" + facts.thumbnail


def is_plain(facts: Facts) -> bool:
    """Return whether a picture is of one colour: its perceptual hash then says nothing."""
    return facts.statistics.contrast < SINGLE_COLOUR


def quality_flags(facts: Facts) -> tuple[str, ...]:
    """Return what is unusual about a picture, in the order of `QUALITY_FLAGS`.

    A picture of one colour is not called blurry or grey as well: there is nothing in it that could be sharp. Nor is a
    dark or bright one called grey: its colours are lost with its light.
    """
    statistics, short, long = facts.statistics, *sorted((facts.width, facts.height))
    plain = is_plain(facts)
    well_lit = DARK <= statistics.brightness <= BRIGHT
    holds = (
        short < TINY_PX,
        facts.width * facts.height > HUGE_MEGAPIXELS * 1e6,
        long > ODD_ASPECT * short,
        statistics.brightness < DARK,
        statistics.brightness > BRIGHT,
        statistics.sharpness < BLURRY and short >= UNBLURRED_PX and not plain,
        plain,
        statistics.chroma < GREY and well_lit and not plain,
        facts.orientation > 1,
    )
    return tuple(flag for flag, is_so in zip(QUALITY_FLAGS, holds, strict=True) if is_so)
