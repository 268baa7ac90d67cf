"""The checkpoint comes back bit for bit, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import random
import zipfile

import numpy as np
import pytest

from pawsight.core.errors import StorageError
from pawsight.core.runs import Epoch
from pawsight.training import checkpoint as room
from pawsight.training.checkpoint import FILE, Checkpoint, load_checkpoint, save_checkpoint

IDENTITY = "5" * 64
HISTORY = (
    Epoch(1, 0.1 + 0.2, 1 / 3, float("inf"), 0.5, 1e-3, 0.25),
    Epoch(2, 1e-300, 2 / 3, float("nan"), np.nextafter(1.0, 0.0).item(), 9.99e-4, 1.5),
)


def some(*, identity=IDENTITY, history=HISTORY, remarks=("stuck",)):
    """One of each kind of variable that a model and its optimizer have."""
    rng = np.random.default_rng(3)
    state = [
        rng.normal(size=(3, 3, 3, 4)).astype(np.float32),
        np.array(7, np.int64),
        np.array([5, 2**32 - 1], np.uint32),  # a dropout's random state
        np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
        np.zeros((0, 4), np.float32),
    ]
    best = [rng.normal(size=(2, 5)).astype(np.float32), np.array([1, 2], np.uint32)]
    return Checkpoint(identity, state, best, history, remarks)


def bits(checkpoint):
    """Everything in a checkpoint in a form in which NaN equals itself and -0 is not 0."""
    arrays = [
        [(array.dtype.str, array.shape, array.tobytes()) for array in group]
        for group in (checkpoint.state, checkpoint.best)
    ]
    return checkpoint.identity, arrays, repr(checkpoint.history), checkpoint.remarks


def sealed(archive):
    """An archive as `save_checkpoint` would write it."""
    return archive.getvalue() + hashlib.sha256(archive.getvalue()).digest()


@pytest.fixture
def saved(tmp_path):
    save_checkpoint(tmp_path, some())
    return tmp_path


def test_a_checkpoint_comes_back_bit_for_bit(saved):
    assert bits(load_checkpoint(saved, identity=IDENTITY)) == bits(some())


def test_a_checkpoint_before_the_first_epoch_and_without_remarks_comes_back(tmp_path):
    early = some(history=(), remarks=())
    save_checkpoint(tmp_path, early)
    assert bits(load_checkpoint(tmp_path, identity=IDENTITY)) == bits(early)


def test_more_than_a_thousand_variables_keep_their_order(tmp_path):
    state = [np.array(index) for index in range(1203)]
    save_checkpoint(tmp_path, Checkpoint(IDENTITY, state, state[:5], ()))
    assert [int(array) for array in load_checkpoint(tmp_path, identity=IDENTITY).state] == list(range(1203))


def test_the_last_checkpoint_replaces_the_one_before_and_leaves_nothing_else(saved):
    later = some(history=HISTORY[:1])
    save_checkpoint(saved, later)
    assert bits(load_checkpoint(saved, identity=IDENTITY)) == bits(later)
    assert [path.name for path in saved.iterdir()] == [FILE]


def test_no_checkpoint_and_no_folder_are_no_checkpoint(tmp_path):
    assert load_checkpoint(tmp_path, identity=IDENTITY) is None
    assert load_checkpoint(tmp_path / "nowhere", identity=IDENTITY) is None
    (tmp_path / FILE).mkdir()
    assert load_checkpoint(tmp_path, identity=IDENTITY) is None


def test_a_checkpoint_of_another_run_is_none_of_ours(saved):
    assert load_checkpoint(saved, identity="6" * 64) is None
    assert load_checkpoint(saved, identity="") is None


def test_a_checkpoint_cut_at_any_length_is_none(saved):
    whole = (saved / FILE).read_bytes()
    for length in {*range(0, len(whole), 37), *range(len(whole) - 40, len(whole))}:
        (saved / FILE).write_bytes(whole[:length])
        assert load_checkpoint(saved, identity=IDENTITY) is None, length


def test_a_flipped_bit_is_noticed_wherever_it_is(saved):
    """The archive's own checksums do not cover its table of contents, where a flip moved one array to another."""
    whole, chance = (saved / FILE).read_bytes(), random.Random(1)
    for position in chance.sample(range(8 * len(whole)), 1500):
        spoilt = bytearray(whole)
        spoilt[position // 8] ^= 1 << position % 8
        (saved / FILE).write_bytes(spoilt)
        assert load_checkpoint(saved, identity=IDENTITY) is None, f"bit {position % 8} of byte {position // 8}"


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00", os.urandom(4096)])
def test_files_that_are_something_else_are_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert load_checkpoint(tmp_path, identity=IDENTITY) is None


def test_a_pickle_in_a_checkpoint_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (os.fspath(tmp_path / "sprung"),)

    arrays = {"identity": np.array(IDENTITY), "history": np.empty((0, 7)), "told": np.array((), np.str_)}
    buffer = io.BytesIO()
    np.savez(buffer, state_00000=np.array([Trap()], dtype=object), **arrays)
    (tmp_path / FILE).write_bytes(sealed(buffer))
    assert load_checkpoint(tmp_path, identity=IDENTITY) is None
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_without_one_of_its_tables_is_none(saved):
    with zipfile.ZipFile(io.BytesIO((saved / FILE).read_bytes()[:-32])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for missing in ("identity.npy", "history.npy", "told.npy"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                if name != missing:
                    archive.writestr(name, content)
        (saved / FILE).write_bytes(sealed(buffer))
        assert load_checkpoint(saved, identity=IDENTITY) is None, missing


def test_a_disk_that_refuses_leaves_the_checkpoint_before(saved, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"bytes to .*checkpoint\.npz"):
        save_checkpoint(saved, some(history=()))
    monkeypatch.undo()
    assert bits(load_checkpoint(saved, identity=IDENTITY)) == bits(some())
    assert [path.name for path in saved.iterdir()] == [FILE]


def test_a_checkpoint_is_renamed_into_place_when_it_is_whole(saved, monkeypatch):
    before = (saved / FILE).read_bytes()
    seen = []

    def renamed(source, target):
        seen.append((source.name, target.name, target.read_bytes() == before, len(source.read_bytes())))
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", renamed)
    room.save_checkpoint(saved, some(history=()))
    (source, target, stood, length) = seen[0]
    assert len(seen) == 1
    assert source != target == FILE
    assert stood
    assert length == len((saved / FILE).read_bytes())
