"""Which pictures are one: the second look, what stands out from its neighbours, and groups that are stars."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from pawsight.data.dataset import Picture
from pawsight.data.duplicates import alike_groups, duplicate_groups, duplicate_pairs
from pawsight.data.facts import facts_of
from pawsight.images.decode import DecodeSettings
from pawsight.images.fingerprint import HASHED_PX

NONE = np.empty((0, 2), np.int64)


def saved(image: Image.Image, quality: int = 95) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def picture(number: int, data: bytes, label: str = "a") -> Picture:
    name = f"{number:03}.jpg"
    facts = facts_of(data, DecodeSettings(image_px=HASHED_PX), None, name)
    return Picture(Path(name), name, label, None, hashlib.sha256(data).hexdigest(), facts)


def scene(number: int) -> Image.Image:
    rough = np.random.default_rng(number).integers(0, 210, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((300, 240), Image.Resampling.BICUBIC)


def grain(number: int) -> Image.Image:
    """A bright grain on black, hardly different from the next one."""
    chance = np.random.default_rng(number)
    image = Image.new("RGB", (200, 200))
    (wide, high), (x, y) = chance.uniform((50, 24), (62, 30)), chance.normal(100, 1.5, 2)
    ImageDraw.Draw(image).ellipse((x - wide, y - high, x + wide, y + high), fill=(225, 220, 205))
    return image.rotate(float(chance.normal(0, 6)), Image.Resampling.BICUBIC)


CHANGES = {
    "saved again": lambda image: saved(image, 50),
    "half the size": lambda image: saved(image.resize((150, 120))),
    "brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.15)),
    "cropped": lambda image: saved(image.crop((15, 0, 300, 228))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_is_known_again_among_others(change):
    pictures = [picture(number, saved(scene(number))) for number in range(12)]
    pictures.append(picture(12, CHANGES[change](scene(5))))
    pairs = duplicate_pairs(pictures)
    assert pairs.tolist() == [[5, 12]]
    assert duplicate_groups(pictures, pairs) == [[5, 12]]
    groups = alike_groups(pictures, pairs)
    assert groups[5] == groups[12]


def test_pictures_that_differ_in_colour_alone_are_different():
    pixels = np.asarray(scene(1)) // 2 + 30
    pictures = [
        picture(n, saved(Image.fromarray(pixels[:, :, order]))) for n, order in enumerate([[0, 1, 2], [1, 0, 2]])
    ]
    assert duplicate_pairs(pictures).tolist() == []


def test_where_all_look_alike_only_what_stands_out_is_a_duplicate():
    pictures = [picture(number, saved(grain(number))) for number in range(60)]
    assert len(duplicate_pairs(pictures)) <= 1
    pictures.append(picture(60, saved(grain(7), 60)))
    assert [7, 60] in duplicate_pairs(pictures).tolist()


def test_copies_and_equal_thumbnails_need_no_second_look():
    page = saved(scene(3))
    pictures = [picture(0, page), picture(1, page), picture(2, page + b"\0"), picture(3, saved(scene(4)))]
    pairs = duplicate_pairs(pictures)
    assert pairs.tolist() == [[0, 2]]
    assert duplicate_groups(pictures, pairs) == [[0, 1, 2]]


def test_groups_are_stars_and_never_chains():
    pictures = [picture(number, saved(scene(number))) for number in range(6)]
    chain = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    groups = duplicate_groups(pictures, chain)
    assert groups == [[1, 0, 2], [3, 4]]
    near = {(min(pair), max(pair)) for pair in chain.tolist()}
    assert all((min(group[0], row), max(group[0], row)) in near for group in groups for row in group[1:])
    assert len(set(alike_groups(pictures, chain).tolist())) == 1  # the split keeps them together all the same


def test_no_pictures_have_no_duplicates():
    assert duplicate_pairs([]).shape == duplicate_pairs([picture(0, saved(scene(0)))]).shape == NONE.shape
    assert duplicate_groups([], NONE) == []
    assert alike_groups([], NONE).tolist() == []
