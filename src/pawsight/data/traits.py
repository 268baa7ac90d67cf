"""What is unusual about a picture, by name: dark, blurred, tiny, turned by EXIF.

Enters: `Facts` of a picture. Leaves: names of traits. Does not know: labels, other pictures, whether it matters.

One table of limits serves the audit, which lists such pictures, and the evaluation, which says how well they are told.
"""

from __future__ import annotations

from dataclasses import dataclass

from pawsight.data.facts import Facts
from pawsight.images.fingerprint import HASHED_PX

TRAITS = ("tiny", "huge", "odd-aspect", "dark", "bright", "blurry", "single-colour", "grey", "rotated")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitLimits:
    """Where usual ends; measured means on the exercise's 3,000 photographs: docs/experiments.md, Audit thresholds."""

    tiny_px: int = 64  # of the shorter side: magnified fourfold for the network; measured: 5 photographs are smaller
    huge_megapixels: float = 25.0  # width x height, in millions: half of what the decoder accepts
    odd_aspect: float = 2.4  # longer side over shorter: wider than cinema (SMPTE 195, 2.39 : 1); measured: 4 are
    dark: float = 40.0  # mean luma, 0-255; measured: 5 are darker, all taken at night with a flash
    bright: float = 210.0  # mean luma, 0-255; measured: 3 are brighter, all overexposed
    blurry: float = 0.008  # variance of the Laplacian over that of luma; measured: see there
    unblurred_px: int = HASHED_PX // 2  # of the shorter side; a smaller picture is soft because it is magnified
    single_colour: float = 5.0  # standard deviation of the most varied channel, 0-127.5; measured: the least is 18
    grey: float = 2.5  # mean chroma, 0-255; measured: one photograph is grey and has 0, the next has 3.2


USUAL = TraitLimits()


def is_plain(facts: Facts, limits: TraitLimits = USUAL) -> bool:
    """Return whether a picture is of one colour: its perceptual hash then says nothing."""
    return facts.looks.contrast < limits.single_colour


def traits_of(facts: Facts, limits: TraitLimits = USUAL) -> tuple[str, ...]:
    """Return the traits of a picture, in the order of `TRAITS`.

    A picture of one colour is not called blurry or grey as well: there is nothing in it that could be sharp. Nor is a
    dark or bright one called grey: its colours are lost with its light.
    """
    looks, short, long = facts.looks, *sorted((facts.width, facts.height))
    plain = is_plain(facts, limits)
    well_lit = limits.dark <= looks.brightness <= limits.bright
    holds = (
        short < limits.tiny_px,
        facts.width * facts.height > limits.huge_megapixels * 1e6,
        long > limits.odd_aspect * short,
        looks.brightness < limits.dark,
        looks.brightness > limits.bright,
        looks.sharpness < limits.blurry and short >= limits.unblurred_px and not plain,
        plain,
        looks.chroma < limits.grey and well_lit and not plain,
        facts.orientation > 1,
    )
    return tuple(trait for trait, is_so in zip(TRAITS, holds, strict=True) if is_so)
