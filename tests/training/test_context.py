"""Decoded pictures on disk: in order, made once, and never half."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.errors import PicturesChanged
from pawsight.core.progress import SILENT, Silent
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.images.decode import DecodeSettings, decode
from pawsight.training import context as context_module
from pawsight.training.context import mapped_array, stacked_pixels

SETTINGS = DecodeSettings(image_px=32)


@pytest.fixture
def pictures(tmp_path):
    """Five pictures of noise in two classes, read."""
    for number in range(5):
        folder = tmp_path / "data" / ("cats", "dogs")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((40 + number, 50), 90).convert("RGB").save(folder / f"{number}.png")
    with Cache(tmp_path / "facts") as cache:
        return read_dataset(find(tmp_path / "data"), SETTINGS, cache=cache, threads=2).pictures


def flipped(folder, _):
    data = bytearray((folder / "pixels.npy").read_bytes())
    data[-5000] ^= 4
    (folder / "pixels.npy").write_bytes(data)


def cut(folder, _):
    os.truncate(folder / "pixels.npy", 3000)


def swapped(folder, other):
    aside = folder.rename(folder.with_name("aside"))
    other.rename(folder)
    aside.rename(other)


def unsealed(folder, _):
    (folder / "seal.txt").unlink()


SPOILT = {spoil.__name__: spoil for spoil in (flipped, cut, swapped, unsealed)}


def stacked(pictures, cache, *, settings=SETTINGS, progress=SILENT):
    return stacked_pixels(pictures, settings, cache=cache, threads=2, progress=progress)


class Counting(Silent):
    def __init__(self):
        self.stages = []

    def stage(self, name, total, unit=""):
        self.stages.append((name, total, unit))
        return super().stage(name, total, unit)


def test_the_array_has_the_pictures_in_their_order(pictures, tmp_path):
    order = [pictures[index] for index in (3, 0, 4, 1)]
    pixels = stacked(order, tmp_path / "cache")
    assert (pixels.shape, pixels.dtype) == ((4, 32, 32, 3), np.uint8)
    for picture, row in zip(order, pixels, strict=True):
        assert np.array_equal(row, decode(picture.path.read_bytes(), SETTINGS, name=picture.name).pixels)


def test_a_mapped_array_has_all_its_room_before_anything_is_written_to_it(tmp_path):
    array = mapped_array(tmp_path / "a.npy", np.float16, (300, 70, 31))
    assert (array.shape, array.dtype, array.flags.writeable) == ((300, 70, 31), np.float16, True)
    assert not array.any()
    status = (tmp_path / "a.npy").stat()
    assert status.st_blocks * 512 >= status.st_size > array.nbytes
    array[299, 69, 30] = 1
    array.flush()
    assert np.load(tmp_path / "a.npy")[299, 69, 30] == 1


def test_the_array_is_a_map_of_a_file_that_nobody_writes_to(pictures, tmp_path):
    pixels = stacked(pictures, tmp_path / "cache")
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_the_second_time_nothing_is_decoded_even_where_the_pictures_are_gone(pictures, tmp_path):
    first, second = Counting(), Counting()
    before = np.array(stacked(pictures, tmp_path / "cache", progress=first))
    for picture in pictures:
        picture.path.unlink()
    assert np.array_equal(stacked(pictures, tmp_path / "cache", progress=second), before)
    assert first.stages == [("Decoding pictures", 5, "pictures")]
    assert second.stages == []


def test_another_order_another_choice_and_another_size_are_other_arrays(pictures, tmp_path):
    cache = tmp_path / "cache"
    whole = stacked(pictures, cache)
    assert np.array_equal(stacked(pictures[::-1], cache), whole[::-1])
    assert np.array_equal(stacked(pictures[:2], cache), whole[:2])
    assert stacked(pictures, cache, settings=DecodeSettings(image_px=48)).shape == (5, 48, 48, 3)
    assert len(list((cache / "pixels").iterdir())) == 4


def test_a_part_without_pictures_is_an_array_without_rows(tmp_path):
    assert stacked((), tmp_path / "cache").shape == (0, 32, 32, 3)


@pytest.mark.parametrize("spoil", ["other", "broken", "gone"])
def test_a_picture_that_changed_is_told_by_its_name_and_nothing_is_left(pictures, tmp_path, spoil):
    victim = pictures[2]
    if spoil == "other":
        Image.effect_noise((41, 50), 20).convert("RGB").save(victim.path)
    elif spoil == "broken":
        victim.path.write_bytes(b"\x89PNG nonsense")
    else:
        victim.path.unlink()
    with pytest.raises(PicturesChanged) as raised:
        stacked(pictures, tmp_path / "cache")
    assert raised.value.what == "1 picture changed while being used."
    assert raised.value.why == f"{victim.name}: {raised.value.changed[victim.name]}."
    assert raised.value.changed.keys() == {victim.name}
    assert raised.value.fix == "Type the same command again."
    assert list((tmp_path / "cache" / "pixels").iterdir()) == []


def test_a_wrong_hash_is_noticed_though_the_picture_can_be_read(pictures, tmp_path):
    changed = [replace(pictures[0], sha256="0" * 64), *pictures[1:]]
    with pytest.raises(PicturesChanged) as raised:
        stacked(changed, tmp_path / "cache")
    assert raised.value.changed.keys() == {pictures[0].name}
    assert "content" in raised.value.changed[pictures[0].name]


def test_all_pictures_that_changed_are_told_at_once(pictures, tmp_path):
    for picture in pictures[1:]:
        picture.path.unlink()
    with pytest.raises(PicturesChanged) as raised:
        stacked(pictures, tmp_path / "cache")
    assert raised.value.changed == {picture.name: "no such file or directory" for picture in pictures[1:]}
    assert raised.value.what == "4 pictures changed while being used."
    sent = pickle.loads(pickle.dumps(raised.value))
    assert (str(sent), sent.changed) == (str(raised.value), raised.value.changed)


@pytest.mark.parametrize("spoil", [*SPOILT])
def test_an_array_that_is_not_what_was_written_is_made_again(pictures, tmp_path, spoil):
    cache, progress = tmp_path / "cache", Counting()
    before = np.array(stacked(pictures, cache))
    (folder,) = (cache / "pixels").iterdir()
    stacked(pictures[::-1], cache)
    (other,) = set((cache / "pixels").iterdir()) - {folder}
    SPOILT[spoil](folder, other)
    for _ in range(2):
        assert np.array_equal(stacked(pictures, cache, progress=progress), before)
    assert [name for name, _, _ in progress.stages] == ["Decoding pictures"]


def test_of_two_that_make_the_same_array_the_slower_takes_the_quicker_s(pictures, tmp_path, monkeypatch):
    plain = context_module._decode_into

    def overtaken(*arguments):
        plain(*arguments)
        monkeypatch.setattr(context_module, "_decode_into", plain)
        stacked(pictures, tmp_path / "cache")

    monkeypatch.setattr(context_module, "_decode_into", overtaken)
    assert len(stacked(pictures, tmp_path / "cache")) == len(pictures)
    assert len(list((tmp_path / "cache" / "pixels").iterdir())) == 1
