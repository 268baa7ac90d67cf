"""Bundles: what was written comes back, and nothing else is ever believed. The text of every refusal is pinned."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.bundle import add_figures, card_checksum, find_bundle, read_bundle, to_jsonable, write_bundle
from pawsight.core.errors import BundleRefused, StorageError, WrongUsage
from pawsight.images.fingerprint import fingerprint, thumbnail

from ..conftest import says

FIX = "Train again, or copy the whole bundle folder again."


@pytest.fixture
def bundle(colour_bundle, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(colour_bundle, tmp_path / "bundle")


@pytest.fixture
def refusal(bundle):
    """Why the spoilt bundle is refused."""

    def read():
        with pytest.raises(BundleRefused) as raised:
            read_bundle(bundle)
        assert raised.value.what == f"{bundle} is not a usable bundle."
        assert raised.value.fix == FIX
        return raised.value.why

    return read


def edit_card(bundle, **changes):
    """Change a card and seal it anew, so that what else is wrong with it comes to light; ... takes a key away."""
    path = bundle / "bundle.json"
    card = json.loads(path.read_text()) | changes
    card = {key: value for key, value in card.items() if value is not ...}
    path.write_text(json.dumps(card | {"seal": card_checksum(card)}))


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
    copy = write_bundle(tmp_path / "copy", first.card, model=first.model, golden=first.golden, trained=first.trained)
    second = read_bundle(copy)
    assert second.card == first.card
    assert second.model == first.model
    assert second.trained == first.trained == {"a" * 64}
    assert np.array_equal(second.golden.pictures, first.golden.pictures)
    assert np.array_equal(second.golden.probabilities, first.golden.probabilities)
    assert second.card.classes == ("red", "green", "blue")
    assert second.card.decode.image_px == 8


def test_fingerprints_come_back_and_a_bundle_without_any_is_read(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    assert first.fingerprints.shape == (0, 64)
    assert not first.may_be_trained(np.zeros((8, 8, 3), np.uint8))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    known = {fingerprint(thumbnail(pixels))}
    values = {"model": first.model, "golden": first.golden, "trained": first.trained, "fingerprints": known}
    second = read_bundle(write_bundle(tmp_path / "known", first.card, **values))
    assert second.trained == first.trained
    assert second.may_be_trained(pixels)
    assert not second.may_be_trained(255 - pixels)


def test_a_line_that_is_no_fingerprint_is_refused(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    trained = first.trained | {"z" * 128}
    altered = write_bundle(tmp_path / "odd", first.card, model=first.model, golden=first.golden, trained=trained)
    with pytest.raises(BundleRefused, match=r"trained\.txt"):
        read_bundle(altered)


def test_a_bundle_is_four_files_and_each_has_its_digest_in_the_card(colour_bundle):
    names = {path.name for path in colour_bundle.iterdir()}
    card = json.loads((colour_bundle / "bundle.json").read_text())
    assert names == {"bundle.json", "model.onnx", "exam.npz", "trained.txt"}
    assert card["files"] == {
        name: hashlib.sha256((colour_bundle / name).read_bytes()).hexdigest() for name in names - {"bundle.json"}
    }
    assert card["format"] == 2


def test_a_bundle_is_found_by_its_own_name_or_by_its_run(bundle):
    assert find_bundle(bundle) == bundle
    assert find_bundle(bundle.parent) == bundle


def test_a_bundle_that_cannot_be_written_whole_is_not_there(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(StorageError, match="Could not write the folder"):
        write_bundle(tmp_path / "taken", first.card, model=first.model, golden=first.golden, trained=first.trained)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_card_as_json_is_what_lies_in_the_file(colour_bundle):
    written = json.loads((colour_bundle / "bundle.json").read_text())
    assert to_jsonable(read_bundle(colour_bundle).card) == {
        key: value for key, value in written.items() if key not in ("format", "files", "seal")
    }


def test_a_place_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(WrongUsage) as raised:
        read_bundle(tmp_path)
    assert says(raised.value.what, tmp_path)
    assert says(raised.value.why, "bundle.json", "metrics.json")
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(BundleRefused) as raised:
        read_bundle(tmp_path)
    assert says(raised.value.why, "bundle.json", "bundle/")
    assert raised.value.fix == FIX


def test_a_place_whose_name_the_system_refuses_is_refused(tmp_path):
    with pytest.raises(StorageError, match="File name too long"):
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
    assert says(refusal(), name, "SHA-256")


def test_a_cut_file_is_noticed(bundle, refusal):
    content = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(content[:-1])
    assert says(refusal(), "model.onnx", "SHA-256")


@pytest.mark.parametrize("name", ["model.onnx.data", "run_me.py", "__pycache__"])
def test_an_added_file_is_named(bundle, refusal, name):
    (bundle / name).write_text("")
    assert refusal() == f"It holds {name}, which belongs to no bundle."


@pytest.mark.parametrize(("given", "text"), [(1, "1"), (0, "0"), ("1", "'1'"), (..., "None")])
def test_another_format_is_refused(bundle, refusal, given, text):
    edit_card(bundle, format=given)
    assert refusal() == f"It has format {text}; this Pawsight reads 2."


@pytest.mark.parametrize("content", ["", "{", "nonsense", "[" * 100_000])
def test_a_card_that_is_no_json_is_refused(bundle, refusal, content):
    (bundle / "bundle.json").write_text(content)
    assert refusal().startswith("bundle.json is not JSON: ")


def test_a_card_that_is_no_utf8_is_refused(bundle, refusal):
    (bundle / "bundle.json").write_bytes(b'{"classes": ["caf\xe9"]}')
    assert refusal().startswith("bundle.json is not JSON: ")


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_a_card_that_is_no_object_is_refused(bundle, refusal, content):
    (bundle / "bundle.json").write_text(content)
    assert refusal() == "bundle.json lists no files."


@pytest.mark.parametrize("files", [..., [], None])
def test_a_card_without_files_is_refused(bundle, refusal, files):
    edit_card(bundle, files=files)
    assert refusal() == "bundle.json lists no files."


def test_the_seal_covers_all_else_that_the_card_says(colour_bundle):
    card = json.loads((colour_bundle / "bundle.json").read_text())
    seal = card.pop("seal")
    plain = json.dumps(card, sort_keys=True, separators=(",", ":"))
    assert seal == hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["green", "red", "blue"]},
        {"decode": {"image_px": 8, "max_megapixels": 51, "version": 1}},
        {"precision": "bf16"},
        {"format": 1},
        {"files": {}},
        {"more": None},
        {"seal": "0" * 64},
        {"seal": None},
    ],
)
def test_a_card_altered_after_it_was_written_is_refused(bundle, refusal, change):
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert says(refusal(), "bundle.json", "altered")


@pytest.mark.parametrize("content", ["{}", '{"files": []}'])
def test_a_card_without_a_seal_is_refused(bundle, refusal, content):
    (bundle / "bundle.json").write_text(content)
    assert says(refusal(), "bundle.json", "altered")


def test_the_layout_of_the_card_is_nobody_s_concern(bundle):
    path = bundle / "bundle.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(card.items())), indent=7))
    assert to_jsonable(read_bundle(bundle).card).items() <= card.items()


def test_names_that_are_awkward_in_json_do_not_break_the_seal(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    card = replace(first.card, recipe={"name": "\U0001f431 caf\udce9", "rate": 1e-05, "2": [1, 2.0, None]})
    copy = write_bundle(tmp_path / "copy", card, model=first.model, golden=first.golden, trained=first.trained)
    assert read_bundle(copy).card == card


FIGURES = {"subset": "test", "pictures": 192, "accuracy": 0.99, "interval": [0.97, 1.0]}


def test_figures_travel_with_a_bundle_and_change_nothing_else(bundle):
    before = read_bundle(bundle)
    assert before.card.measured is None
    add_figures(bundle, None)
    assert read_bundle(bundle).card == before.card
    add_figures(bundle, FIGURES)
    after = read_bundle(bundle)
    assert after.card == replace(before.card, measured=FIGURES)
    assert (after.model, after.trained) == (before.model, before.trained)


@pytest.mark.parametrize(
    "change",
    [
        {"subset": "train"},
        {"pictures": 0},
        {"pictures": True},
        {"accuracy": 1.1},
        {"accuracy": "0.9"},
        {"interval": [0.5]},
        {"interval": None},
    ],
)
def test_figures_that_are_none_are_refused(bundle, refusal, change):
    add_figures(bundle, FIGURES | change)
    assert says(refusal(), "bundle.json")


def test_a_card_too_large_to_be_one_is_not_read(bundle, refusal, monkeypatch):
    monkeypatch.setattr("pawsight.classifier.bundle.MAX_CARD_BYTES", 100)
    assert refusal() == "bundle.json is larger than 100 bytes."


def test_a_model_too_large_to_be_one_is_not_read(bundle, refusal, monkeypatch):
    monkeypatch.setattr("pawsight.classifier.bundle.MAX_FILE_BYTES", 100)
    assert refusal() == "model.onnx is larger than 100 bytes."


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (..., "has no list of classes"),
        ("cats", "has no list of classes"),
        ([], "has no list of classes"),
        (["cats"], "has no list of classes"),
        (["cats", 3], "has a class name that is not a text of 1 to 1,024 characters"),
        (["cats", ""], "has a class name that is not a text of 1 to 1,024 characters"),
        (["cats", "d" * 1025], "has a class name that is not a text of 1 to 1,024 characters"),
        (["cats", "do\ngs"], "has a class name that has control characters"),
        (["cats", "\x1b[31mdogs"], "has a class name that has control characters"),
        (["cats", "dogs\x9b"], "has a class name that has control characters"),
        (["cats", "dogs\udce9"], "has a class name that is not UTF-8"),
        (["cats", "dogs", "cats"], "names a class twice"),
    ],
)
def test_bad_class_names_are_refused(bundle, refusal, classes, text):
    edit_card(bundle, classes=classes)
    assert refusal() == f"bundle.json {text}."


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
    ("decode", "text"),
    [
        ({"image_px": "8"}, "decode.image_px, which is '8'"),
        ({"image_px": True}, "decode.image_px, which is True"),
        ({"image_px": 0}, "decode.image_px, which is 0"),
        ({"image_px": 10**9}, "decode.image_px, which is 1000000000"),
        ({"image_px": 8, "max_megapixels": 1.5}, "decode.max_megapixels, which is 1.5"),
        ({"image_px": 8, "version": 4}, "decode.version: it needs decoder 4, this Pawsight has 2 to 3"),
    ],
)
def test_decode_settings_that_cannot_be_obeyed_are_refused(bundle, refusal, decode, text):
    edit_card(bundle, decode=decode)
    assert refusal() == f"bundle.json lacks or misstates {text}."


def test_the_range_of_16_bit_pictures_comes_back_and_a_bundle_without_one_is_read(colour_bundle, bundle, tmp_path):
    first = read_bundle(colour_bundle)
    assert first.card.decode.grey_range is None
    decode = replace(first.card.decode, grey_range=(-10.5, 4095.0))
    values = {"model": first.model, "golden": first.golden, "trained": first.trained}
    second = write_bundle(tmp_path / "scaled", replace(first.card, decode=decode), **values)
    assert read_bundle(second).card.decode == decode
    edit_card(bundle, decode={"image_px": 8, "max_megapixels": 50, "version": 3})  # as earlier versions wrote it
    assert read_bundle(bundle).card.decode == first.card.decode


@pytest.mark.parametrize("greys", [5, [0], [0, 0], [9, 1], ["0", "1"], [0, 1e400], [False, True], [0, 1, 2]])
def test_a_range_that_is_none_is_refused(bundle, refusal, greys):
    edit_card(bundle, decode={"image_px": 8, "grey_range": greys})
    assert says(refusal(), "decode.grey_range")


def test_an_unknown_decode_setting_is_refused(bundle, refusal):
    edit_card(bundle, decode={"image_px": 8, "sharpen": True})
    assert "sharpen" in refusal()


def test_an_exam_with_python_objects_in_it_is_refused_unopened(bundle, refusal):
    class Trap:
        def __reduce__(self):
            return open, (str(bundle / "sprung"), "w")

    trap = np.array([Trap()], dtype=object)
    replace_file(bundle, "exam.npz", npz(pictures=trap, probabilities=answers()))
    assert says(refusal(), "exam.npz", "pictures.npy", "Python objects")
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
    assert says(refusal(), "exam.npz", "wrong shape or kind")


@pytest.mark.parametrize("reduced", [answers(2), answers(classes=2), answers().astype(np.float64), np.float32(1)])
def test_answers_in_bfloat16_of_the_wrong_shape_are_refused(bundle, refusal, reduced):
    replace_file(bundle, "exam.npz", npz(pictures=questions(), probabilities=answers(), reduced=reduced))
    assert says(refusal(), "exam.npz", "wrong shape or kind")


def test_answers_in_bfloat16_come_back_where_there_are_some(colour_bundle, tmp_path):
    first = read_bundle(colour_bundle)
    exam = replace(first.golden, reduced=first.golden.probabilities[::-1].copy())
    again = read_bundle(
        write_bundle(tmp_path / "again", first.card, model=first.model, golden=exam, trained=first.trained)
    )
    assert first.golden.reduced is None
    assert np.array_equal(again.golden.reduced, exam.reduced)


def claiming(shape, *, content=b"", kind="|u1", version=(1, 0)):
    """A .npy whose header says what one likes."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(header)) + header + content


def zipped(members, how=zipfile.ZIP_DEFLATED):
    """A zip of names and contents, which may name one twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


EXAM = (("pictures.npy", npy(questions())), ("probabilities.npy", npy(answers())))


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_exam_may_be_packed_or_not(bundle, how):
    replace_file(bundle, "exam.npz", zipped(EXAM[::-1], how))
    exam = read_bundle(bundle).golden
    assert np.array_equal(exam.pictures, questions())
    assert np.array_equal(exam.probabilities, answers())


def test_an_exam_written_by_columns_is_read_as_it_was_meant(bundle):
    pictures = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    replace_file(bundle, "exam.npz", npz(pictures=np.asfortranarray(pictures), probabilities=answers(2)))
    assert np.array_equal(read_bundle(bundle).golden.pictures, pictures)


@pytest.mark.parametrize(
    "shape", [(10**5, 8, 8, 3), (2**40, 8, 8, 3), (2**70,), (1, 8, 8, 3), (-1, -1), (-1, 0), (1, 8, 8, 4)]
)
def test_an_exam_that_claims_more_than_it_holds_is_refused_before_room_is_made(bundle, refusal, shape, monkeypatch):
    content = b"\0" * (math.prod(shape) if shape[0] < 0 else 191)
    replace_file(bundle, "exam.npz", zipped([("pictures.npy", claiming(shape, content=content)), EXAM[1]]))
    for name in ("empty", "ndarray", "frombuffer"):
        monkeypatch.delattr(f"numpy.{name}")
    assert says(refusal(), "exam.npz", "pictures.npy", "header")


def test_an_exam_that_would_fill_the_memory_is_refused_unpacked(bundle, refusal, monkeypatch):
    content = zipped([("pictures.npy", claiming((300 * 2**20,), content=bytes(300 * 2**20))), EXAM[1]])
    assert len(content) < 2**20
    replace_file(bundle, "exam.npz", content)
    monkeypatch.delattr("zipfile.ZipFile.open")
    assert says(refusal(), "exam.npz", "268,435,456 bytes")


def test_two_arrays_count_together(bundle, refusal, monkeypatch):
    monkeypatch.setattr("pawsight.classifier.bundle.MAX_ARRAY_BYTES", sum(len(content) for _, content in EXAM))
    replace_file(bundle, "exam.npz", zipped(EXAM))
    read_bundle(bundle)
    monkeypatch.setattr("pawsight.classifier.bundle.MAX_ARRAY_BYTES", sum(len(content) for _, content in EXAM) - 1)
    assert "it unpacks to more than" in refusal()


def test_an_exam_whose_directory_claims_more_than_is_packed_is_refused(bundle, refusal):
    lie = claiming((200 * 2**20,))
    content = bytearray(zipped([("pictures.npy", lie), EXAM[1]]))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", len(lie) + 200 * 2**20)
    replace_file(bundle, "exam.npz", bytes(content))
    assert says(refusal(), "exam.npz", "pictures.npy", "ends early")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [
        EXAM[:1],
        [*EXAM, ("more.npy", npy(answers()))],
        [*EXAM, EXAM[1]],
        [EXAM[0], EXAM[0]],
        [*EXAM, ("reduced.npy", npy(answers())), ("reduced.npy", npy(answers()))],
        [EXAM[0], ("reduced.npy", npy(answers()))],
        [("pictures", EXAM[0][1]), EXAM[1]],
        [("deep/pictures.npy", EXAM[0][1]), EXAM[1]],
    ],
)
def test_an_exam_holds_two_arrays_and_at_most_one_known_other(bundle, refusal, members):
    replace_file(bundle, "exam.npz", zipped(members))
    assert says(refusal(), "exam.npz", "something else")


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_exam_packed_in_another_way_is_refused(bundle, refusal, how):
    replace_file(bundle, "exam.npz", zipped(EXAM, how))
    assert says(refusal(), "exam.npz", "pictures.npy", "packed")


def test_an_exam_of_another_version_of_npy_is_refused(bundle, refusal):
    replace_file(bundle, "exam.npz", zipped([("pictures.npy", claiming((0,), version=(3, 0))), EXAM[1]]))
    assert says(refusal(), "exam.npz", "pictures.npy", "version")


@pytest.fixture
def pointing(colour_model, tmp_path):
    """The model with its weights in another file, as `onnx.save` writes it."""
    import onnx

    path = tmp_path / "pointing" / "model.onnx"
    path.parent.mkdir()
    model = onnx.load_from_string(colour_model)
    onnx.save(model, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    assert (path.parent / "weights.data").is_file()
    return path.read_bytes()


OUTSIDE = "model.onnx keeps weights in another file, which no bundle does."


def test_a_model_with_weights_in_another_file_is_refused(bundle, refusal, pointing, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "pointing")
    replace_file(bundle, "model.onnx", pointing)
    assert refusal() == OUTSIDE


@pytest.mark.parametrize("padded", [b"\x0a\x88\x00", b"\x8a\x00\x08", b"\x8a\x80\x80\x00\x88\x80\x00"])
def test_numbers_written_longer_than_need_be_hide_no_other_file(bundle, refusal, pointing, padded):
    assert b"\x0a\x08location" in pointing
    replace_file(bundle, "model.onnx", pointing.replace(b"\x0a\x08location", padded + b"location"))
    assert refusal() == OUTSIDE


@pytest.mark.parametrize("name", ["location", "allocation/weights", "\x08location"])
def test_a_model_may_speak_of_locations(bundle, colour_model, name):
    import onnx

    model = onnx.load_from_string(colour_model)
    model.doc_string = name
    replace_file(bundle, "model.onnx", model.SerializeToString())
    assert read_bundle(bundle).model == model.SerializeToString()


@pytest.mark.parametrize(
    ("trust", "text"),
    [
        (..., "bundle.json lacks or misstates 'trust'."),
        (None, "bundle.json lacks or misstates trust, which is None."),
        ({"temperature": 1.0}, "bundle.json lacks or misstates 'trust.fitted_on'."),
        (
            {"temperature": -1.0, "fitted_on": "", "promise": None, "guard": None},
            "bundle.json lacks or misstates trust.temperature, which is -1.0.",
        ),
        (
            {"temperature": 1.0, "fitted_on": "", "promise": {}, "guard": None},
            "bundle.json lacks or misstates 'trust.promise.answered'.",
        ),
    ],
)
def test_trust_that_is_missing_or_nonsense_is_refused(bundle, refusal, trust, text):
    edit_card(bundle, trust=trust)
    assert refusal() == text
