"""What X may be: every line of the tables in docs/inputs.md, and what a table cannot show."""

from __future__ import annotations

import asyncio
import functools
import http.server
import io
import os
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.core.errors import DataError, PawsightError, StorageError, UnreadablePicture, WrongUsage
from pawsight.images import loader

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"
ROWS = re.findall(r"^\| `(.+?)` \| .+ \| (.+?) \|$", PAGE.read_text("utf-8"), re.M)
LIBRARIES = {"pd": "pandas", "pl": "polars", "torch": "torch"}


class OnlyDLPack:
    """What gives its numbers through DLPack and in no other way."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with cat.png, cats.zip and photos/ (two pictures and a text), which a server of this machine shows."""
    folder = tmp_path_factory.mktemp("desk")
    noise = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)
    Image.fromarray(noise).resize((61, 42)).save(folder / "cat.png")
    (folder / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (folder / "photos" / name).write_bytes((folder / "cat.png").read_bytes())
    (folder / "photos" / "notes.txt").write_text("no picture, and none is meant")
    with zipfile.ZipFile(folder / "cats.zip", "w") as archive:
        archive.write(folder / "cat.png", "cat.png")
    return folder


@pytest.fixture(scope="module")
def port(desk):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=desk)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def classifier(colour_bundle):
    return pawsight.load(colour_bundle)


@pytest.fixture
def names(desk, monkeypatch):
    """What the tables speak of."""
    monkeypatch.chdir(desk)
    data = Path("cat.png").read_bytes()
    image = Image.open(io.BytesIO(data))
    array = np.array(image)
    return {
        "np": np,
        "io": io,
        "zipfile": zipfile,
        "Path": Path,
        "Image": Image,
        "OnlyDLPack": OnlyDLPack,
        "data": data,
        "image": image,
        "array": array,
        "grey": array[..., 1].copy(),
    }


@pytest.mark.parametrize(("typed", "gives"), ROWS, ids=[typed[:40] for typed, _ in ROWS])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a line of a table closes no file
def test_a_line_of_the_tables_gives_what_it_says(classifier, names, port, typed, gives):
    for name, library in LIBRARIES.items():
        if re.search(rf"\b{name}\.", typed):
            names[name] = pytest.importorskip(library)
    given = eval(typed.replace("PORT", str(port)), names)
    if gives in ("WrongUsage", "NoPictures"):
        with pytest.raises(getattr(pawsight.core.errors, gives)) as caught:
            classifier.predict_proba(given)
        assert caught.value.what
        return
    table = classifier.predict_proba(given)
    (expected,) = classifier.predict_proba("cat.png")
    told = [] if gives == "nothing" else gives.split(", ")
    if gives.isdigit():
        assert table.shape == (int(gives), 3)
        assert not np.isnan(table).any()
        return
    assert (table.shape, table.dtype) == ((len(told), 3), np.float32)
    for row, text in zip(table, told, strict=True):
        if text == "same":
            assert np.array_equal(row, expected)
        else:
            assert np.isnan(row).all()
    reasons = [text.removeprefix("error: ") for text in told if text != "same"]
    if reasons:
        again = eval(typed.replace("PORT", str(port)), names)
        assert [answer.error for answer in classifier.answers(again) if answer.error] == reasons
        with pytest.raises(UnreadablePicture) as unreadable:
            classifier.predict(again, errors="raise")
        assert unreadable.value.why == reasons[0]


def test_the_tables_have_fifty_lines():
    assert len(ROWS) >= 50


def test_pictures_in_memory_are_named_by_where_they_are(classifier, names):
    answers = classifier.answers([names["array"], "photos", names["data"], None])
    assert [answer.path for answer in answers] == ["[0]", "photos/a.png", "photos/b.png", "[3]", "[4]"]


def test_a_photograph_gives_the_same_as_file_and_as_array(trained):
    classifier = pawsight.load(trained.report.run)
    paths = sorted(trained.data.glob("validation/*/*.jpg"))[:6]
    arrays = [np.asarray(Image.open(path)) for path in paths]
    assert np.array_equal(classifier.predict_proba(paths), classifier.predict_proba(arrays))
    assert np.array_equal(classifier.embed(paths), classifier.embed([array / 255 for array in arrays]))


def test_a_picture_opened_with_pil_is_turned_as_its_tag_says_and_left_as_it_is(classifier, desk):
    image = Image.open(desk / "cat.png")
    exif = image.getexif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    image.save(turned, "PNG", exif=exif)
    opened = Image.open(turned)
    given = classifier.predict_proba([turned, opened])
    assert np.array_equal(given[0], given[1])
    assert (opened.size, opened.getexif()[0x0112]) == (image.size, 6)


def test_a_file_object_stands_afterwards_where_it_stood(classifier, names):
    file = io.BytesIO(names["data"])
    file.seek(0, io.SEEK_END)
    rows = [classifier.predict_proba(file) for _ in range(2)]
    assert np.array_equal(*rows)
    assert file.tell() == len(names["data"])


def test_an_upload_that_cannot_be_turned_back_is_read_once(classifier, names):
    class Upload:
        def __init__(self, content):
            self.read = io.BytesIO(content).read

    assert np.array_equal(classifier.predict_proba(Upload(names["data"])), classifier.predict_proba("cat.png"))


def test_an_upload_that_is_read_asynchronously_is_refused_with_what_to_type(classifier, names):
    class Upload:
        async def read(self, size=-1):
            return names["data"]

    with pytest.raises(WrongUsage, match=r"await upload\.read"):
        classifier.predict(Upload())
    assert len(classifier.predict(asyncio.run(Upload().read()))) == 1


def test_a_buffer_may_be_filled_again_for_the_next_picture(classifier):
    """As programs do that read a video."""
    buffer = np.zeros((20, 20, 3), np.uint8)

    def frames():
        for number in range(200):
            buffer[:] = 0
            buffer[..., number % 3] = 250
            yield buffer

    assert list(classifier.predict(frames())) == [classifier.classes_[number % 3] for number in range(200)]


def test_an_iterator_is_taken_as_answers_leave(classifier):
    taken = []
    arrays = (taken.append(0) or np.zeros((9, 9), np.uint8) for _ in range(10_000))
    stream = classifier.stream(arrays)
    for _ in range(100):
        next(stream)
    assert len(taken) < 1_000


def test_an_iterator_may_come_upon_what_is_no_picture(classifier):
    stream = classifier.stream(item for item in [np.zeros((9, 9), np.uint8), 3])
    with pytest.raises(WrongUsage, match=r"X\[1\]"):
        list(stream)


@pytest.mark.parametrize("item", [3, (np.zeros((9, 9), np.uint8), 1), object(), {"a": 1}, np.zeros(5), ["cat.png"]])
def test_what_is_no_picture_is_named_by_its_place(classifier, names, item):
    with pytest.raises(WrongUsage) as caught:
        classifier.stream(["cat.png", item])
    assert "X[1]" in caught.value.what


def test_a_tensor_that_is_on_another_device_says_what_to_type(classifier):
    class Elsewhere:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nMore of it.")

    with pytest.raises(WrongUsage) as caught:
        classifier.predict(Elsewhere())
    assert caught.value.why == "can't convert cuda:0 device type tensor to numpy."
    assert ".cpu()" in caught.value.fix


def test_an_address_that_cannot_be_had_is_an_error_in_its_place(classifier, port):
    address = f"http://127.0.0.1:{port}/missing.png"
    (answer,) = classifier.answers(address)
    assert answer.path == address
    assert "404" in answer.error


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(colour_bundle):
    small = pawsight.load(colour_bundle, max_megapixels=1)
    over = np.zeros((1001, 1000, 3), np.uint8)
    answers = small.answers([over, Image.fromarray(over), over[1:]])
    assert ["1 allowed" in (answer.error or "") for answer in answers] == [True, True, False]


def test_a_file_that_is_too_large_is_not_read(classifier, monkeypatch):
    monkeypatch.setattr("pawsight.api.inputs.MAX_FILE_BYTES", 100)
    (answer,) = classifier.answers(io.BytesIO(bytes(101)))
    assert answer.error == "too large"


def test_a_share_that_does_not_answer_ends_it(classifier, names, monkeypatch):
    def broken(path):
        raise UnreadablePicture(f"Could not read {path}.", "input/output error")

    monkeypatch.setattr("pawsight.api.inputs.read_regular_file", broken)
    assert "input/output error" in loader._STORAGE_PROBLEMS
    with pytest.raises(StorageError):
        classifier.predict(["cat.png"] * 5)


def test_every_refusal_is_one_of_the_tree():
    assert issubclass(UnreadablePicture, DataError)
    assert issubclass(WrongUsage, PawsightError)


def test_a_file_object_without_sizes_and_what_only_looks_like_one_are_refused(classifier):
    class Whole:
        def read(self):
            return b""

    for file in (Whole(), os):  # os has a function read
        with pytest.raises(WrongUsage):
            list(classifier.stream(file))


def test_a_table_with_the_same_column_twice_says_so(classifier):
    pd = pytest.importorskip("pandas")
    with pytest.raises(WrongUsage, match="several columns"):
        classifier.predict(pd.DataFrame([["cat.png", "cat.png"]], columns=["path", "path"]))
