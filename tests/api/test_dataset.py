"""`Dataset`: labelled pictures from other libraries and back. Each library is tested where it is installed."""

from __future__ import annotations

import csv
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.api import dataset as storing
from pawsight.api.dataset import as_data
from pawsight.api.inputs import picture_column
from pawsight.core.errors import BadDataset, MissingExtra, WrongUsage

from ..conftest import says


@pytest.fixture(scope="module")
def pixels():
    """Six pictures of 8 x 6, two classes."""
    return np.random.default_rng(0).integers(0, 256, (6, 6, 8, 3), np.uint8)


LABELS = ["cat", "dog", "cat", "dog", "cat", "dog"]


def opened(dataset):
    return [np.asarray(Image.open(path)) for path in dataset.paths]


def listed(dataset):
    """The rows of the list that a stored data set has."""
    with Path(dataset).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_found_but_not_read(drawings, cache_folder):
    dataset = pawsight.Dataset.from_folder(drawings)
    assert dataset.counts == {"cats": 26, "dogs": 26}
    assert (dataset.splits.count("train"), dataset.splits.count("validation")) == (32, 20)
    assert os.fspath(dataset) == str(drawings)
    assert not (cache_folder / "cache").exists()


def test_every_verb_takes_a_data_set(warm):
    dataset = pawsight.Dataset.from_folder(warm.data)
    assert pawsight.inspect(dataset).dataset.counts == dataset.counts
    assert pawsight.evaluate(warm.report.run, dataset).metrics.pictures > 0


def test_arrays_are_stored_without_loss_in_their_order_and_once(pixels, cache_folder):
    dataset = pawsight.Dataset.from_arrays(pixels, LABELS)
    assert dataset.labels == tuple(LABELS)
    assert dataset.splits == (None,) * 6
    assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))
    before = {path: path.stat().st_mtime_ns for path in cache_folder.glob("stored/*/*")}
    again = pawsight.Dataset.from_arrays(list(pixels), LABELS)
    assert again.paths == dataset.paths
    assert {path: path.stat().st_mtime_ns for path in cache_folder.glob("stored/*/*")} == before
    assert pawsight.Dataset.from_arrays(pixels, LABELS[::-1]).paths != dataset.paths


@pytest.mark.parametrize(
    ("mode", "ending"), [("L", ".png"), ("RGBA", ".png"), ("P", ".png"), ("CMYK", ".tiff"), ("F", ".tiff")]
)
def test_pictures_of_every_mode_are_stored_without_loss(pixels, mode, ending):
    pictures = [Image.fromarray(array).convert("L" if mode == "F" else "RGB").convert(mode) for array in pixels[:2]]
    dataset = pawsight.Dataset.from_arrays(pictures, LABELS[:2])
    for path, picture in zip(dataset.paths, pictures, strict=True):
        assert path.suffix == ending
        with Image.open(path) as stored:
            assert stored.mode == mode
            assert stored.tobytes() == picture.tobytes()


def test_an_orientation_tag_is_kept(pixels, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels[0]).save(tmp_path / "turned.jpg", exif=exif)
    dataset = pawsight.Dataset.from_arrays([Image.open(tmp_path / "turned.jpg"), pixels[1]], LABELS[:2])
    with Image.open(dataset.paths[0]) as stored:
        assert stored.getexif()[0x0112] == 6


def test_bytes_and_files_stay_what_they_are(pixels, tmp_path):
    Image.fromarray(pixels[0]).save(tmp_path / "a.jpg")
    Image.fromarray(pixels[1]).save(tmp_path / "b.png")
    data = (tmp_path / "a.jpg").read_bytes()
    dataset = pawsight.Dataset.from_arrays([data, tmp_path / "b.png"], LABELS[:2])
    stored = {path.suffix: path for path in dataset.paths}
    assert stored[".jpg"].read_bytes() == data
    assert stored[".png"] == tmp_path / "b.png"


def test_split_group_and_numbers_of_classes_are_listed(pixels):
    splits = ["Train", "train", "validation", "validation", "test", "test"]
    dataset = pawsight.Dataset.from_arrays(
        pixels, [0, 1, 0, 1, 0, 1], splits=splits, groups=[7, 7, 8, 8, 9, 9], classes=["cat", "dog"]
    )
    assert dataset.labels == tuple(LABELS)
    assert dataset.splits == ("train", "train", "validation", "validation", "test", "test")
    assert [row["group"] for row in listed(dataset)] == ["7", "7", "8", "8", "9", "9"]


def test_labels_that_look_like_formulas_or_numbers_stay_as_they_are(pixels):
    labels = ["=1+1", "01", "True", "ünï, code", "a/b", "=1+1"]
    assert pawsight.Dataset.from_arrays(pixels, labels).labels == tuple(labels)


def test_it_goes_to_a_table_and_comes_back(pixels):
    pytest.importorskip("pandas")
    dataset = pawsight.Dataset.from_arrays(pixels, LABELS, splits=["train"] * 4 + ["test"] * 2)
    table = dataset.to_frame()
    assert list(table.columns) == ["path", "label", "split"]
    again = pawsight.Dataset.from_table(table)
    assert (again.paths, again.labels, again.splits) == (dataset.paths, dataset.labels, dataset.splits)


def test_it_goes_to_a_folder_and_comes_back(pixels, tmp_path):
    dataset = pawsight.Dataset.from_arrays(pixels, LABELS, splits=["train"] * 4 + ["validation"] * 2)
    again = pawsight.Dataset.from_folder(dataset.to_folder(tmp_path / "out"))
    assert again.counts == dataset.counts
    assert sorted(again.splits) == sorted(dataset.splits)
    assert {path.read_bytes() for path in again.paths} == {path.read_bytes() for path in dataset.paths}
    with pytest.raises(WrongUsage, match="exists already"):
        dataset.to_folder(tmp_path / "out")
    with pytest.raises(WrongUsage, match=r"\.\."):
        pawsight.Dataset.from_arrays(pixels, ["../evil", "dog"] * 3).to_folder(tmp_path / "evil")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


class Pairs:
    """A map-style data set as PyTorch has them: pictures with their channels first, as floats, and numbers."""

    classes = ("cat", "dog")

    def __init__(self, pixels):
        self.pixels = pixels

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.pixels[index], index % 2


def test_a_map_style_data_set_gives_its_items(pixels):
    dataset = pawsight.Dataset.from_torch(Pairs(pixels))
    assert dataset.labels == tuple(LABELS)
    assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))


def test_of_an_image_folder_of_torchvision_the_files_are_taken(drawings):
    paths = sorted(drawings.glob("train/*/*.jpg"))
    classes = ["cats", "dogs"]
    samples = [(str(path), classes.index(path.parent.name)) for path in paths]
    dataset = pawsight.Dataset.from_torch(SimpleNamespace(samples=samples, classes=classes, __len__=None))
    assert dataset.paths == tuple(paths)
    assert dataset.counts == {"cats": 16, "dogs": 16}


def test_tensors_of_pytorch_and_its_loader(pixels):
    torch = pytest.importorskip("torch")
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    dataset = pawsight.Dataset.from_torch(Pairs(tensors))
    assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))
    batch, numbers = next(iter(torch.utils.data.DataLoader(dataset.to_torch(16), batch_size=6, num_workers=2)))
    assert tuple(batch.shape) == (6, 16, 16, 3)
    assert numbers.tolist() == [0, 1, 0, 1, 0, 1]


def test_pictures_for_a_loader_are_decoded_when_they_are_asked_for(pixels):
    dataset = pawsight.Dataset.from_arrays(pixels, LABELS, splits=["train"] * 4 + ["test"] * 2)
    loaded = dataset.to_torch(16, split="test", transform=lambda picture: picture.astype(np.float32) / 255)
    picture, number = loaded[1]
    assert (picture.shape, picture.dtype, number, len(loaded)) == ((16, 16, 3), np.float32, 1, 2)
    with pytest.raises(WrongUsage) as error:
        dataset.to_torch(split="validation")
    assert says(error.value, "'validation'", "test, train")


def test_a_data_set_of_tensorflow_goes_both_ways(pixels):
    tf = pytest.importorskip("tensorflow")
    made = tf.data.Dataset.from_tensor_slices((pixels.astype(np.float32), np.eye(2)[[0, 1] * 3])).batch(4)
    dataset = pawsight.Dataset.from_tf(made, classes=["cat", "dog"])
    assert dataset.labels == tuple(LABELS)
    assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))
    named = tf.data.Dataset.from_tensor_slices((pixels, LABELS))
    assert os.fspath(as_data(named)[0]) == os.fspath(dataset)
    back = dataset.to_tf(16)
    assert int(back.cardinality()) == 6
    batch, numbers = next(back.batch(6).as_numpy_iterator())
    assert (batch.shape, batch.dtype, numbers.tolist()) == ((6, 16, 16, 3), np.uint8, [0, 1, 0, 1, 0, 1])


def of_keras(pixels, labels):
    """What a data set of TensorFlow gives: one batch of floats and labels."""
    return SimpleNamespace(as_numpy_iterator=lambda: iter([(pixels.astype(np.float32), labels)]))


def test_a_nearly_black_picture_of_tensorflow_stays_nearly_black(pixels):
    pixels = pixels.copy()
    pixels[0] %= 2
    dataset = pawsight.Dataset.from_tf(of_keras(pixels, np.array([0, 1] * 3)), classes=["cat", "dog"])
    assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))


def test_binary_labels_of_keras_are_both_classes(pixels):
    column = np.array([[0], [1]] * 3, np.float32)
    assert pawsight.Dataset.from_tf(of_keras(pixels, column), classes=["cat", "dog"]).labels == tuple(LABELS)


def test_a_data_set_of_hugging_face_goes_both_ways(drawings):
    datasets = pytest.importorskip("datasets")
    dataset = pawsight.Dataset.from_folder(drawings)
    made = dataset.to_huggingface()
    assert isinstance(made, datasets.DatasetDict)
    assert {name: len(rows) for name, rows in made.items()} == {"train": 32, "validation": 20}
    again = as_data(made)[0]
    assert (again.counts, sorted(again.splits)) == (dataset.counts, sorted(dataset.splits))
    assert {path.read_bytes() for path in again.paths} == {path.read_bytes() for path in dataset.paths}


@pytest.mark.parametrize("way", ["to_huggingface", "to_tf"])
def test_a_library_that_is_missing_is_named(pixels, monkeypatch, way):
    from pawsight.api import dataset as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"to_\w+\(\) needs the library"):
        getattr(pawsight.Dataset.from_arrays(pixels, LABELS), way)()


def test_a_notebook_shows_how_many_there_are_of_each_class(pixels):
    dataset = pawsight.Dataset.from_arrays(pixels, ["<b>", "dog"] * 3)
    assert says(repr(dataset), "6 pictures of 2 classes")
    assert says(dataset._repr_html_(), "&lt;b&gt;", ">3<")
    many = pawsight.Dataset.from_arrays(np.repeat(pixels, 100, axis=0), [f"class {index}" for index in range(600)])
    assert len(many._repr_html_().encode()) < 20_000


def test_the_column_of_pictures_is_the_same_one_for_training_and_predicting(pixels):
    for names, column in (
        (["image", "filename"], "image"),
        (["path", "image"], "image"),
        (["url", "photo"], "url"),
        (["img_name"], "img_name"),
    ):
        table = {name: list(pixels) if name == column else ["elsewhere.jpg"] * 6 for name in names}
        dataset = pawsight.Dataset.from_table(table | {"label": LABELS})
        assert all(np.array_equal(array, own) for array, own in zip(opened(dataset), pixels, strict=True))
        assert picture_column([*names, "label"]) == column


def test_two_columns_that_may_be_the_label_are_asked_about(pixels):
    with pytest.raises(WrongUsage, match="several columns of labels"):
        pawsight.Dataset.from_table({"image": list(pixels), "class": LABELS, "category": LABELS[::-1]})
    dataset = pawsight.Dataset.from_table({"image": list(pixels), "label": LABELS, "category": LABELS[::-1]})
    assert dataset.labels == tuple(LABELS)


def test_a_label_that_is_no_number_is_missing_in_every_precision(pixels):
    with pytest.raises(BadDataset, match="no label"):
        pawsight.Dataset.from_arrays(pixels, np.array([0, 1, np.nan, 1, 0, 1], np.float32))


def test_numbers_stand_for_classes_whatever_type_they_have(pixels):
    named = pawsight.Dataset.from_arrays(pixels[:2], [1.0, np.int8(0)], classes=["cat", "dog"])
    assert named.labels == ("dog", "cat")
    assert pawsight.Dataset.from_arrays(pixels[:2], ["1", "0"], classes=["cat", "dog"]).labels == ("1", "0")
    for number in (-1, 2):
        with pytest.raises(WrongUsage, match=str(number)):
            pawsight.Dataset.from_arrays(pixels[:2], [0, number], classes=["cat", "dog"])


def test_labels_of_keras_in_binary_mode_are_both_classes(pixels):
    batches = SimpleNamespace(as_numpy_iterator=lambda: iter([(pixels[:2], np.array([[0.0], [1.0]], np.float32))]))
    assert pawsight.Dataset.from_tf(batches, classes=["cat", "dog"]).labels == ("cat", "dog")


@pytest.mark.parametrize("splits", [["train", None], ["train", "elsewhere"]])
def test_a_split_that_is_no_subset_is_named_by_its_place(pixels, splits):
    with pytest.raises(BadDataset) as error:
        pawsight.Dataset.from_arrays(pixels[:2], LABELS[:2], splits=splits)
    assert says(error.value, "at 1", "train, validation, test")


@pytest.mark.parametrize("way", ["from_table", "from_torch", "from_tf", "from_huggingface"])
@pytest.mark.parametrize("data", [None, 3, iter([(1, 2)])])
def test_what_is_no_data_set_of_a_library_is_refused(way, data):
    with pytest.raises(WrongUsage) as error:
        getattr(pawsight.Dataset, way)(data)
    assert "from_arrays" in error.value.fix


def test_tables_that_cannot_be_read_as_they_are_say_what_to_type(pixels):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table = pd.DataFrame([["cat.png", "cat", "cat.png"]], columns=["path", "label", "path"])
    with pytest.raises(WrongUsage, match="'path'"):
        pawsight.Dataset.from_table(table)
    with pytest.raises(WrongUsage, match="collect"):
        pawsight.Dataset.from_table(pl.DataFrame({"path": ["cat.png"], "label": ["cat"]}).lazy())
    assert pawsight.Dataset.from_arrays(pixels, pd.DataFrame({"label": LABELS})).counts == {"cat": 3, "dog": 3}


def test_threads_that_store_the_same_pictures_at_once_share_them(pixels, monkeypatch):
    waiting = threading.Barrier(3)
    encoded = storing._encoded

    def at_once(source):
        if source is pictures[0]:
            waiting.wait(timeout=30)  # all three are storing by now
        return encoded(source)

    monkeypatch.setattr(storing, "_encoded", at_once)
    pictures = list(pixels)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: pawsight.Dataset.from_arrays(pictures, LABELS), range(3)))
    assert len({os.fspath(dataset) for dataset in made}) == 1
    assert opened(made[0])[0].shape == pixels[0].shape


SETS = [{"red", "round"}, set(), {"round"}, {"red"}, {"red", "round"}, ["round"]]
TABLE = np.array([["red" in names, "round" in names] for names in SETS], int)


@pytest.mark.parametrize("y", [SETS, TABLE, TABLE.astype(bool), TABLE.tolist(), iter(SETS)])
def test_a_picture_in_memory_may_have_several_labels_or_none(pixels, cache_folder, y):
    dataset = pawsight.Dataset.from_arrays(pixels, y, classes=("red", "round"))
    assert dataset.several_labels
    assert dataset.labels == tuple(tuple(sorted(names)) for names in SETS)
    assert (dataset.classes, dataset.counts) == (("red", "round"), {"red": 3, "round": 4})
    assert [labels for _, labels in dataset] == list(dataset.labels)
    assert [row["label"] for row in listed(dataset)] == ["red", "round", "", "round", "red", "red", "round", "round"]
    assert "label" in repr(dataset)
    reading = pawsight.FolderReading(several_labels=True)
    assert pawsight.Dataset.from_folder(os.fspath(dataset), reading=reading).labels == dataset.labels


def test_columns_of_a_frame_name_several_labels(pixels, cache_folder):
    pandas = pytest.importorskip("pandas")
    dataset = pawsight.Dataset.from_arrays(pixels, pandas.DataFrame(TABLE, columns=["red", "round"]))
    assert dataset.labels[0] == ("red", "round")
    frame = pandas.DataFrame({"image": list(pixels), "label": [sorted(names) for names in SETS]})
    assert pawsight.Dataset.from_table(frame).labels == dataset.labels


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.eye(6, 3, dtype=int) + np.eye(6, 3, -3, dtype=int), "np.argmax"),  # one-hot: of classes
        (TABLE * 0.7, "y > 0.5"),
        ([{"red"}, "round", *SETS[2:]], "at 1"),
        (np.concatenate([TABLE, TABLE], axis=1), "4 columns"),
    ],
)
def test_labels_that_may_mean_another_thing_are_refused(pixels, y, told):
    with pytest.raises(WrongUsage) as error:
        pawsight.Dataset.from_arrays(pixels, y, classes=("red", "round") if "column" in told else None)
    says(str(error.value), told)


@pytest.mark.parametrize("way", ["to_folder", "to_huggingface", "to_torch", "to_tf"])
def test_what_takes_one_class_a_picture_refuses_several_labels(pixels, cache_folder, tmp_path, way):
    dataset = pawsight.Dataset.from_arrays(pixels, SETS)
    with pytest.raises(WrongUsage) as error:
        getattr(dataset, way)(*([tmp_path / "new"] if way == "to_folder" else []))
    says(str(error.value), way, "several labels")
