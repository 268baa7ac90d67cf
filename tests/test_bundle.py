"""Bundles: what was written comes back, and nothing else is ever believed. The text of every refusal is pinned."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from contextlib import suppress

import numpy as np
import pytest

from pawsight.bundle import card_summary, find_bundle, read_bundle, to_jsonable, write_bundle
from pawsight.errors import BundleRefused, StorageError

FIX = "Train again, or copy the whole bundle folder once more."


@pytest.fixture
def bundle(colour_bundle, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(colour_bundle, tmp_path / "bundle")


@pytest.fixture
def refusal(bundle):
    """Why the spoilt bundle is refused."""

    def read():
        with pytest.raises(BundleRefused) as told:
            read_bundle(bundle)
        assert told.value.what == f"{bundle} is not a usable bundle."
        assert told.value.fix == FIX
        return told.value.why

    return read


def edit_card(bundle, **changes):
    path = bundle / "bundle.json"
    card = json.loads(path.read_text())
    card.update(changes)
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not ...}))


def replace_file(bundle, name, content):
    """Put another file in place of one and make the card agree, as a forger would."""
    (bundle / name).write_bytes(content)
    files = json.loads((bundle / "bundle.json").read_text())["files"]
    edit_card(bundle, files=files | {name: hashlib.sha256(content).hexdigest()})


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def questions(count=1, side=8):
    return np.zeros((count, side, side, 3), np.uint8)


def answers(count=1, classes=3):
    return np.full((count, classes), 1 / classes, np.float32)


def test_what_was_written_comes_back(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    copy = write_bundle(tmp_path / "copy", first.card, model=first.model, exam=first.exam, trained=first.trained)
    second = read_bundle(copy)
    assert second.card == first.card
    assert second.model == first.model
    assert second.trained == first.trained == {"a" * 64}
    assert np.array_equal(second.exam.pictures, first.exam.pictures)
    assert np.array_equal(second.exam.probabilities, first.exam.probabilities)
    assert second.card.classes == ("red", "green", "blue")
    assert second.card.decode.image_px == 8


def test_a_bundle_is_four_files_and_each_has_its_digest_in_the_card(colour_bundle):
    names = {path.name for path in colour_bundle.iterdir()}
    card = json.loads((colour_bundle / "bundle.json").read_text())
    assert names == {"bundle.json", "model.onnx", "exam.npz", "trained.txt"}
    assert card["files"] == {
        name: hashlib.sha256((colour_bundle / name).read_bytes()).hexdigest() for name in names - {"bundle.json"}
    }
    assert card["format"] == 1


def test_a_bundle_is_found_by_its_own_name_or_by_its_run(bundle):
    assert find_bundle(bundle) == bundle
    assert find_bundle(bundle.parent) == bundle


def test_a_bundle_that_cannot_be_written_whole_is_not_there(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(StorageError, match="Could not write the folder"):
        write_bundle(tmp_path / "taken", first.card, model=first.model, exam=first.exam, trained=first.trained)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_bundle_sums_itself_up_in_a_line(colour_bundle):
    assert card_summary(read_bundle(colour_bundle)) == "probe at 8 px, 3 classes, split 555555555555, made 2026-11-22"


def test_the_card_as_json_is_what_lies_in_the_file(colour_bundle):
    written = json.loads((colour_bundle / "bundle.json").read_text())
    assert to_jsonable(read_bundle(colour_bundle).card) == {
        key: value for key, value in written.items() if key not in ("format", "files")
    }


def test_a_place_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleRefused) as told:
        read_bundle(tmp_path)
    assert str(told.value) == (
        f"{tmp_path} is not a usable bundle.\nThere is no bundle.json in it, nor in a folder bundle/ below it.\n{FIX}"
    )


def test_a_place_whose_name_the_system_refuses_is_refused(tmp_path):
    with pytest.raises(BundleRefused, match="It cannot be read: File name too long"):
        read_bundle(tmp_path / ("n" * 300))


@pytest.mark.parametrize("name", ["model.onnx", "exam.npz", "trained.txt"])
def test_a_missing_file_is_named(bundle, refusal, name):
    (bundle / name).unlink()
    assert refusal() == f"{name} is missing."


@pytest.mark.parametrize("name", ["model.onnx", "exam.npz", "trained.txt"])
def test_one_altered_byte_is_noticed(bundle, refusal, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert refusal() == f"{name} is not the file that was written: its SHA-256 differs."


def test_a_cut_file_is_noticed(bundle, refusal):
    content = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(content[:-1])
    assert refusal() == "model.onnx is not the file that was written: its SHA-256 differs."


@pytest.mark.parametrize("name", ["model.onnx.data", "run_me.py", "__pycache__"])
def test_an_added_file_is_named(bundle, refusal, name):
    (bundle / name).write_text("")
    assert refusal() == f"It holds {name}, which belongs to no bundle."


@pytest.mark.parametrize(("given", "told"), [(2, "2"), (0, "0"), ("1", "'1'"), (..., "None")])
def test_another_format_is_refused(bundle, refusal, given, told):
    edit_card(bundle, format=given)
    assert refusal() == f"It has format {told}; this Pawsight reads 1."


@pytest.mark.parametrize("content", ["", "{", "nonsense", "[" * 100_000])
def test_a_card_that_is_no_json_is_refused(bundle, refusal, content):
    (bundle / "bundle.json").write_text(content)
    assert refusal().startswith("bundle.json is not JSON: ")


def test_a_card_that_is_no_utf8_is_refused(bundle, refusal):
    (bundle / "bundle.json").write_bytes(b'{"classes": ["caf\xe9"]}')
    assert refusal().startswith("bundle.json is not JSON: ")


@pytest.mark.parametrize("content", ["[]", "3", "null", "{}", '{"files": []}'])
def test_a_card_without_files_is_refused(bundle, refusal, content):
    (bundle / "bundle.json").write_text(content)
    assert refusal() == "bundle.json lists no files."


def test_a_card_too_large_to_be_one_is_not_read(bundle, refusal, monkeypatch):
    monkeypatch.setattr("pawsight.bundle_checks.MAX_CARD_BYTES", 100)
    assert refusal() == "bundle.json is larger than 100 bytes."


def test_a_model_too_large_to_be_one_is_not_read(bundle, refusal, monkeypatch):
    monkeypatch.setattr("pawsight.bundle_checks.MAX_FILE_BYTES", 100)
    assert refusal() == "model.onnx is larger than 100 bytes."


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (..., "has no list of classes"),
        ("cats", "has no list of classes"),
        ([], "has no list of classes"),
        (["cats"], "has no list of classes"),
        (["cats", 3], "has a class name that is no text of 1 to 1,024 characters"),
        (["cats", ""], "has a class name that is no text of 1 to 1,024 characters"),
        (["cats", "d" * 1025], "has a class name that is no text of 1 to 1,024 characters"),
        (["cats", "do\ngs"], "has a class name that has control characters"),
        (["cats", "\x1b[31mdogs"], "has a class name that has control characters"),
        (["cats", "dogs\x9b"], "has a class name that has control characters"),
        (["cats", "dogs\udce9"], "has a class name that is not UTF-8"),
        (["cats", "dogs", "cats"], "names a class twice"),
    ],
)
def test_bad_class_names_are_refused(bundle, refusal, classes, told):
    edit_card(bundle, classes=classes)
    assert refusal() == f"bundle.json {told}."


@pytest.mark.parametrize("key", ["decode", "recipe", "precision", "split_digest", "data_fingerprint", "created"])
def test_a_card_that_lacks_something_is_refused(bundle, refusal, key):
    edit_card(bundle, **{key: ...})
    assert refusal() == f"bundle.json lacks or misstates '{key}'."


@pytest.mark.parametrize("key", ["decode", "recipe", "precision", "split_digest", "created", "versions"])
@pytest.mark.parametrize("value", [None, 3, [1], {"a": None}, "text", True, 1e400])
def test_a_card_with_nonsense_in_it_is_read_or_refused_but_never_trips(bundle, key, value):
    edit_card(bundle, **{key: value})
    with suppress(BundleRefused):
        assert getattr(read_bundle(bundle).card, key) == value


@pytest.mark.parametrize(
    ("decode", "told"),
    [
        ({"image_px": "8"}, "decode.image_px, which is '8'"),
        ({"image_px": True}, "decode.image_px, which is True"),
        ({"image_px": 0}, "decode.image_px, which is 0"),
        ({"image_px": 10**9}, "decode.image_px, which is 1000000000"),
        ({"image_px": 8, "max_megapixels": 1.5}, "decode.max_megapixels, which is 1.5"),
        ({"image_px": 8, "version": 2}, "decode.version: it needs decoder 2, this Pawsight has 1"),
    ],
)
def test_decode_settings_that_cannot_be_obeyed_are_refused(bundle, refusal, decode, told):
    edit_card(bundle, decode=decode)
    assert refusal() == f"bundle.json lacks or misstates {told}."


def test_an_unknown_decode_setting_is_refused(bundle, refusal):
    edit_card(bundle, decode={"image_px": 8, "sharpen": True})
    assert "sharpen" in refusal()


def test_an_exam_with_python_objects_in_it_is_refused_unopened(bundle, refusal):
    class Trap:
        def __reduce__(self):
            return open, (str(bundle / "sprung"), "w")

    trap = np.array([Trap()], dtype=object)
    replace_file(bundle, "exam.npz", npz(pictures=trap, probabilities=answers()))
    assert refusal() == "exam.npz cannot be read: Object arrays cannot be loaded when allow_pickle=False."
    assert not (bundle / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x93NUMPY nonsense", npz(pictures=questions())])
def test_an_exam_that_is_none_is_refused(bundle, refusal, content):
    replace_file(bundle, "exam.npz", content)
    assert refusal().startswith("exam.npz cannot be read: ")


@pytest.mark.parametrize(
    ("pictures", "probabilities"),
    [
        (questions(side=9), answers()),
        (questions(side=1), answers()),
        (questions()[0], answers()),
        (questions().astype(np.float32), answers()),
        (questions(2), answers(1)),
        (questions(0), answers(0)),
        (np.uint8(3), answers()),
        (questions(), answers(classes=2)),
        (questions(), answers().astype("U3")),
        (questions(), np.float32(1)),
    ],
)
def test_an_exam_of_the_wrong_shape_is_refused(bundle, refusal, pictures, probabilities):
    replace_file(bundle, "exam.npz", npz(pictures=pictures, probabilities=probabilities))
    assert refusal() == "exam.npz has arrays of the wrong shape or kind, or no pictures."
