"""Flips and rotations: laws that hold for every picture, and the same pixels and odds as Keras's own layers."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.images.augment import Augmentation, augment, flipped, generator_for, turned
from pawsight.images.decode import Pixels
from pawsight.sample import draw

NOTHING = Augmentation(flip_horizontal=False, flip_vertical=False, rotation=0.0, fill="nearest")
EVERYTHING = Augmentation(flip_horizontal=True, flip_vertical=True, rotation=0.5, fill="reflect")
EACH_ITS_COIN = Augmentation(flip_horizontal=True, flip_vertical=True, rotation=0, fill="nearest", flips_together=False)
CORNERS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
WAYS = [(False, False), (True, False), (False, True), (True, True)]

sides = st.integers(1, 24)
fills = st.sampled_from(["nearest", "reflect"])
turns = st.floats(-2, 2)
flips = st.sampled_from(WAYS)
words = st.integers(0, 2**64 - 1)


@st.composite
def pictures(draw_from: st.DrawFn, square: bool = False) -> Pixels:
    height = draw_from(sides)
    width = height if square else draw_from(sides)
    noise = np.random.default_rng(draw_from(st.integers(0, 99)))
    return noise.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def drawing() -> Pixels:
    """A smooth picture that is wider than high."""
    return np.asarray(draw("cats", seed=1, index=1).resize((160, 128)), dtype=np.uint8)


def flip(pixels: Pixels, way: tuple[bool, bool]) -> Pixels:
    return flipped(pixels, horizontal=way[0], vertical=way[1])


def kind_of(picture: Pixels) -> tuple[bool, bool]:
    return next(way for way in WAYS if np.array_equal(flip(CORNERS, way), picture))


@given(pictures(), turns, fills)
def test_turning_keeps_shape_type_and_range_and_leaves_the_original_alone(pixels: Pixels, turn: float, fill) -> None:
    before = pixels.copy()
    after = turned(pixels, turn, fill)
    assert (after.shape, after.dtype) == (pixels.shape, np.uint8)
    assert int(pixels.min()) - 1 <= after.min() <= after.max() <= pixels.max()
    assert np.array_equal(pixels, before)


@given(pictures(), words, words, words, fills)
def test_augmenting_keeps_shape_and_type(pixels: Pixels, seed: int, epoch: int, index: int, fill) -> None:
    how = Augmentation(flip_horizontal=True, flip_vertical=True, rotation=0.5, fill=fill)
    after = augment(pixels, how, generator_for(seed, epoch, index))
    assert (after.shape, after.dtype) == (pixels.shape, np.uint8)


@given(pictures(), flips, flips)
def test_two_flips_are_one_of_the_four_and_each_undoes_itself(pixels: Pixels, one, other) -> None:
    together = (one[0] != other[0], one[1] != other[1])
    assert np.array_equal(flip(flip(pixels, one), other), flip(pixels, together))
    assert np.array_equal(flip(flip(pixels, one), one), pixels)


def test_the_four_flips_are_what_their_names_say() -> None:
    assert np.array_equal(flip(CORNERS, (True, False)), np.fliplr(CORNERS))
    assert np.array_equal(flip(CORNERS, (False, True)), np.flipud(CORNERS))


@given(pictures(square=True), st.integers(-4, 4), fills)
def test_a_quarter_turn_is_rot90(pixels: Pixels, quarters: int, fill) -> None:
    difference = turned(pixels, quarters / 4, fill).astype(int) - np.rot90(pixels, quarters).astype(int)
    assert np.abs(difference).max() <= 1


@given(pictures(), st.integers(-2, 2), fills)
def test_a_half_turn_is_both_flips_in_pictures_of_any_shape(pixels: Pixels, whole: int, fill) -> None:
    difference = turned(pixels, whole + 0.5, fill).astype(int) - flip(pixels, (True, True))
    assert np.abs(difference).max() <= 1


@given(pictures(), st.integers(-3, 3), fills)
def test_whole_turns_change_nothing(pixels: Pixels, whole: int, fill) -> None:
    assert turned(pixels, float(whole), fill) is pixels


@given(pictures(), words, words)
def test_with_everything_off_nothing_changes(pixels: Pixels, epoch: int, index: int) -> None:
    assert np.array_equal(augment(pixels, NOTHING, generator_for(0, epoch, index)), pixels)


@given(pictures(), words, words, words)
def test_the_same_place_gives_the_same_picture(pixels: Pixels, seed: int, epoch: int, index: int) -> None:
    one, other = (augment(pixels, EVERYTHING, generator_for(seed, epoch, index)) for _ in range(2))
    assert np.array_equal(one, other)


@given(st.tuples(words, words, words), st.tuples(words, words, words))
def test_different_places_get_different_numbers(one, other) -> None:
    same = np.array_equal(generator_for(*one).random(4), generator_for(*other).random(4))
    assert same == (one == other)


@pytest.mark.parametrize("place", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (2**64, 0, 0)])
def test_numbers_beyond_64_bits_are_refused(place: tuple[int, int, int]) -> None:
    with pytest.raises(OverflowError):
        generator_for(*place)


def test_neither_order_nor_threads_change_what_comes_out(drawing: Pixels) -> None:
    def one(index: int) -> bytes:
        return augment(drawing, EVERYTHING, generator_for(3, 1, index)).tobytes()

    in_order = [one(index) for index in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, reversed(range(12)))) == in_order[::-1]
    assert len(set(in_order)) == 12


def test_a_flip_falls_the_same_way_whatever_the_rotation() -> None:
    bare = Augmentation(flip_horizontal=True, flip_vertical=False, rotation=0.0, fill="nearest")
    also_up = Augmentation(flip_horizontal=True, flip_vertical=True, rotation=0.0, fill="nearest", flips_together=False)
    for index in range(40):
        one, other = (kind_of(augment(CORNERS, how, generator_for(0, 0, index))) for how in (bare, also_up))
        assert one[0] == other[0]


def test_coins_of_their_own_give_all_four_flips_alike() -> None:
    seen = Counter(kind_of(augment(CORNERS, EACH_ITS_COIN, generator_for(0, 0, index))) for index in range(2000))
    assert set(seen) == set(WAYS)
    assert all(420 < times < 580 for times in seen.values())  # 500 expected, 19 a standard deviation


def test_angles_are_even_between_the_largest_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    angles: list[float] = []
    monkeypatch.setattr("pawsight.images.augment.turned", lambda pixels, turn, fill: angles.append(turn))
    how = Augmentation(flip_horizontal=False, flip_vertical=False, rotation=0.2, fill="reflect")
    for index in range(2000):
        augment(CORNERS, how, generator_for(0, 0, index))
    counts, _ = np.histogram(angles, bins=10, range=(-0.2, 0.2))
    assert counts.sum() == 2000
    assert counts.min() > 145
    assert counts.max() < 255


@pytest.mark.parametrize(
    ("fill", "expected"),
    [("nearest", [0, 0, 0, 50, 100, 150, 150, 150]), ("reflect", [50, 0, 0, 50, 100, 150, 150, 100])],
)
def test_nearest_repeats_the_edge_and_reflect_mirrors_it(fill, expected: list[int]) -> None:
    """Four rows, turned upright in a frame eight wide: two columns at either end come from outside."""
    rows = np.zeros((4, 8, 3), dtype=np.uint8) + np.array([0, 50, 100, 150], dtype=np.uint8)[:, None, None]
    difference = turned(rows, 0.25, fill).astype(int) - np.array(expected)[None, :, None]
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("fill", ["nearest", "reflect"])
@pytest.mark.parametrize("turn", [0.25, -0.25, 0.1, -0.37, 0.5, 0.013])
def test_pixels_are_those_of_keras(drawing: Pixels, turn: float, fill) -> None:
    keras = pytest.importorskip("keras")
    layer = keras.layers.RandomRotation((turn, turn), fill_mode=fill)
    expected = np.asarray(layer(drawing[None].astype(np.float32), training=True))[0]
    difference = turned(drawing, turn, fill) - expected
    assert np.abs(difference).mean() < 0.5  # of 255; Pillow rounds down
    assert np.abs(difference).max() < 1.5


def test_the_flips_that_come_are_those_of_keras() -> None:
    keras = pytest.importorskip("keras")
    many = np.repeat(CORNERS[None].astype(np.float32), 400, axis=0)
    theirs = Counter(kind_of(item) for item in np.asarray(keras.layers.RandomFlip(seed=1)(many, training=True)))
    how = Augmentation(flip_horizontal=True, flip_vertical=True, rotation=0.0, fill="nearest")
    ours = Counter(kind_of(augment(CORNERS, how, generator_for(0, 0, index))) for index in range(400))
    assert set(ours) == set(theirs)
    assert all(abs(ours[way] - theirs[way]) < 90 for way in ours)
