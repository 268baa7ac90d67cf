"""Perceptual hashes: near for what looks the same, far for what does not, and groups that chains make."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.fingerprint import (
    HASHED_PX,
    NEAR_BITS,
    fingerprint,
    fingerprints_of,
    grey_of,
    groups_of,
    is_known,
    near_pairs,
    perceptual_hash,
    thumbnail,
)

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=12)


def hash_of(image: Image.Image, kind: str = "PNG", **options: object) -> int:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return perceptual_hash(decode(file.getvalue(), DecodeSettings(image_px=HASHED_PX), name="x").pixels)


def apart(first: int, second: int) -> int:
    return (first ^ second).bit_count()


@pytest.fixture(scope="module")
def pictures(drawings: Path) -> list[Image.Image]:
    return [Image.open(io.BytesIO(path.read_bytes())).convert("RGB") for path in sorted(drawings.rglob("*.jpg"))]


def test_a_hash_is_64_bits_and_the_same_every_time(pictures: list[Image.Image]) -> None:
    hashes = [hash_of(picture) for picture in pictures[:5]]
    assert hashes == [hash_of(picture) for picture in pictures[:5]]
    assert all(0 <= item < 2**64 for item in hashes)
    assert max(hashes) >= 2**56


def test_the_bits_are_those_of_the_library_that_everyone_uses(pictures: list[Image.Image]) -> None:
    import imagehash

    for picture in pictures:
        grey = grey_of(np.asarray(picture.resize((256, 256))))
        theirs = imagehash.phash(grey.reduce(4)).hash
        assert perceptual_hash(np.asarray(picture.resize((256, 256)))) == int.from_bytes(np.packbits(theirs).tobytes())


@pytest.mark.parametrize("grey", [1, 77, 255])
def test_a_plain_picture_has_no_frequency_but_the_lowest(grey: int) -> None:
    assert perceptual_hash(np.full((HASHED_PX, HASHED_PX, 3), grey, np.uint8)) == 1 << 63


@pytest.mark.parametrize("px", [32, 64, 96, 224, HASHED_PX, 299])
def test_pixels_of_any_side_can_be_hashed(px: int) -> None:
    ramp = np.linspace(0, 255, px).astype(np.uint8)
    pixels = np.broadcast_to(ramp[:, None, None], (px, px, 3)).copy()
    assert apart(perceptual_hash(pixels), perceptual_hash(np.repeat(np.repeat(pixels, 2, 0), 2, 1))) <= NEAR_BITS


@pytest.mark.parametrize("quality", [90, 60, 40])
def test_a_picture_that_was_compressed_again_is_near(pictures: list[Image.Image], quality: int) -> None:
    for picture in pictures[:20]:
        assert apart(hash_of(picture), hash_of(picture, "JPEG", quality=quality)) <= NEAR_BITS


@pytest.mark.parametrize("scale", [0.7, 2.0])
def test_a_picture_that_was_resized_is_near(pictures: list[Image.Image], scale: float) -> None:
    for picture in pictures[:20]:
        other = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        assert apart(hash_of(picture), hash_of(other)) <= NEAR_BITS


def test_a_picture_that_was_made_a_little_brighter_is_near(pictures: list[Image.Image]) -> None:
    for picture in pictures[:20]:
        assert apart(hash_of(picture), hash_of(ImageEnhance.Brightness(picture).enhance(1.05))) <= NEAR_BITS


def test_different_drawings_are_far(pictures: list[Image.Image]) -> None:
    hashes = np.array([hash_of(picture) for picture in pictures], dtype=np.uint64)
    assert len(near_pairs(hashes)) == 0


def test_a_mirrored_drawing_is_another_picture(pictures: list[Image.Image]) -> None:
    mirrored = [hash_of(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) for picture in pictures[:20]]
    assert all(apart(hash_of(picture), other) > NEAR_BITS for picture, other in zip(pictures, mirrored, strict=False))


def test_the_default_recipe_decodes_at_the_side_that_is_hashed() -> None:
    """Else every picture of a first run would be decoded twice."""
    from pawsight.models.recipes import Recipe

    assert Recipe().image_px == HASHED_PX


def brute_force(hashes: list[int], bits: int) -> set[tuple[int, int]]:
    return {(i, j) for j in range(len(hashes)) for i in range(j) if apart(hashes[i], hashes[j]) <= bits}


@given(HASHES, st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), max_size=9)), max_size=12))
def test_near_pairs_are_those_that_comparing_each_with_each_finds(
    hashes: list[int], copies: list[tuple[int, set[int]]]
) -> None:
    for source, flipped in copies:
        if source < len(hashes):
            hashes.append(hashes[source] ^ sum(1 << bit for bit in flipped))
    pairs = near_pairs(np.array(hashes, dtype=np.uint64))
    assert pairs.shape == (len(pairs), 2)
    assert pairs.dtype == np.int64
    assert sorted(map(tuple, pairs.tolist())) == sorted(brute_force(hashes, NEAR_BITS))


@pytest.mark.parametrize("bits", [0, 1, 10, 64])
def test_how_near_is_near_can_be_said(bits: int) -> None:
    hashes = [int(value) for value in np.random.default_rng(bits).integers(0, 2**64, 40, dtype=np.uint64)]
    hashes += [hashes[0], hashes[1] ^ 1, hashes[2] ^ 0b1111111111]
    assert {tuple(pair) for pair in near_pairs(np.array(hashes, np.uint64), bits=bits).tolist()} == brute_force(
        hashes, bits
    )


def test_comparing_in_blocks_misses_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pawsight.images.fingerprint._COMPARED", 100)
    hashes = np.random.default_rng(0).integers(0, 40, 30).astype(np.uint64)
    found = {tuple(pair) for pair in near_pairs(hashes, bits=1).tolist()}
    assert found == brute_force([int(item) for item in hashes], 1)


def reference_groups(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Spread the smallest number along the pairs until nothing changes."""
    groups = list(range(count))
    for _ in range(count):
        for first, second in pairs:
            groups[first] = groups[second] = min(groups[first], groups[second])
    return groups


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw(st.integers(1, 14))
    node = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(node, node), max_size=20))


def as_pairs(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False))
def test_groups_are_what_chains_of_pairs_connect(graph: tuple[int, list[tuple[int, int]]], random: object) -> None:
    count, pairs = graph
    groups = groups_of(count, as_pairs(pairs))
    assert groups.tolist() == reference_groups(count, pairs)
    random.shuffle(pairs)  # type: ignore[attr-defined]
    assert groups_of(count, as_pairs([(second, first) for first, second in pairs])).tolist() == groups.tolist()


def test_without_pairs_everything_stands_alone() -> None:
    assert groups_of(4, as_pairs([])).tolist() == [0, 1, 2, 3]
    assert groups_of(0, as_pairs([])).tolist() == []


def test_a_long_chain_is_one_group() -> None:
    chain = [(number, number + 1) for number in reversed(range(20_000 - 1))]
    assert not groups_of(20_000, as_pairs(chain)).any()


def fingerprint_of(picture, kind="PNG", px=HASHED_PX, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return fingerprint(thumbnail(decode(file.getvalue(), DecodeSettings(image_px=px), name="x").pixels))


def test_a_fingerprint_knows_a_picture_that_was_resized_or_saved_again(pictures):
    known = fingerprints_of(fingerprint_of(picture).hex() for picture in pictures)
    assert len(known) == len(pictures) > 5
    for number, picture in enumerate(pictures):
        others = np.delete(known, number, axis=0)
        small = picture.resize((picture.width // 2, picture.height // 2))
        for found in (
            fingerprint_of(picture, "JPEG", quality=60),
            fingerprint_of(small),
            fingerprint_of(picture, px=160),
        ):
            assert is_known(found, known)
            assert not is_known(found, others)


def test_a_fingerprint_tells_colours_apart():
    rough = np.random.default_rng(0).integers(0, 200, (6, 6), dtype=np.uint8)
    red = np.zeros((240, 240, 3), np.uint8)
    red[..., 0] = np.asarray(Image.fromarray(rough).resize((240, 240)))
    known = fingerprints_of([fingerprint(thumbnail(red)).hex()])
    assert is_known(fingerprint(thumbnail(red)), known)
    assert not is_known(fingerprint(thumbnail(np.ascontiguousarray(red[..., ::-1]))), known)


def test_what_is_no_fingerprint_is_refused():
    assert fingerprints_of([]).shape == (0, 64)
    for text in ("zz" * 64, "00" * 63):
        with pytest.raises(ValueError, match=r"."):
            fingerprints_of([text])
