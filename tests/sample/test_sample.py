"""The built-in sample: the same from the same seed, shared colours, whole or not at all."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.progress import Silent
from pawsight.sample import CLASSES, KINDS, draw, draw_with_place, write_sample

SMALL: dict[str, Any] = {"train": 3, "validation": 2, "sides": (64, 96)}
TOTAL = 2 * (3 + 2)
SIDES = (80, 120)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Listener(Silent):
    """A progress that remembers; it may raise in the middle, as Ctrl-C would."""

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.total, self.done, self.fail_at = 0, 0, fail_at

    def stage(self, name, total, unit=""):  # type: ignore[no-untyped-def]
        self.total = total
        return self

    def __enter__(self):  # type: ignore[no-untyped-def]
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        if self.done == self.fail_at:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        return None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "drawings", **SMALL, seed=4)


@pytest.fixture(scope="module")
def drawings() -> list[tuple[str, Image.Image]]:
    return [(kind, draw(kind, seed=11, index=index, sides=SIDES)) for index in range(110) for kind in CLASSES]


def test_the_default_has_the_400_pictures_the_documentation_promises(tmp_path: Path) -> None:
    write_sample(tmp_path / "whole", sides=(16, 17))
    folders = sorted((tmp_path / "whole").glob("*/*"))
    counts = {"/".join(folder.parts[-2:]): len(list(folder.iterdir())) for folder in folders}
    assert counts == {"train/cats": 150, "train/dogs": 150, "validation/cats": 50, "validation/dogs": 50}


def test_folders_names_and_counts_are_those_asked_for(written: Path) -> None:
    expected = [f"train/{kind}s/{kind}.{i:04d}.jpg" for kind in ("cat", "dog") for i in range(3)]
    expected += [f"validation/{kind}s/{kind}.{i:04d}.jpg" for kind in ("cat", "dog") for i in range(2)]
    assert list(hashes(written)) == sorted(expected)


def test_the_same_seed_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    assert hashes(write_sample(tmp_path / "again", **SMALL, seed=4)) == hashes(written)


def test_another_seed_writes_other_pictures(written: Path, tmp_path: Path) -> None:
    other = write_sample(tmp_path / "other", **SMALL, seed=5)
    assert not set(hashes(other).values()) & set(hashes(written).values())


def test_no_two_pictures_are_the_same(written: Path, drawings: list[tuple[str, Image.Image]]) -> None:
    assert len(set(hashes(written).values())) == TOTAL
    assert len({picture.tobytes() for _, picture in drawings}) == len(drawings)


def test_a_picture_does_not_depend_on_how_many_are_drawn(written: Path, tmp_path: Path) -> None:
    few = hashes(write_sample(tmp_path / "few", train=1, validation=1, sides=(64, 96), seed=4))
    many = hashes(written)
    assert few.items() <= many.items()


def test_what_is_written_is_what_draw_draws(written: Path) -> None:
    file = io.BytesIO()
    draw("dogs", seed=4, index=1, part="validation", sides=(64, 96)).save(file, "JPEG", quality=90)
    assert (written / "validation/dogs/dog.0001.jpg").read_bytes() == file.getvalue()


def test_files_are_rgb_jpegs_without_metadata(written: Path) -> None:
    for path in written.rglob("*.jpg"):
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            assert not picture.getexif()
            assert 64 <= min(picture.size) <= max(picture.size) <= 96


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_vary_and_the_box_lies_inside_the_frame(kind: str) -> None:
    sizes = set()
    for index in range(24):
        picture, (left, top, right, bottom) = draw_with_place(kind, seed=2, index=index, sides=SIDES)
        assert picture.mode == "RGB"
        assert 0 <= left < right <= picture.width
        assert 0 <= top < bottom <= picture.height
        sizes.add(picture.size)
    assert len(sizes) > 12
    assert {wide > high for wide, high in sizes} == {True, False}


def test_the_box_holds_the_animal() -> None:
    """The picture's detail is denser inside the box than outside, taken over many pictures."""
    inside, outside = [], []
    for index in range(16):
        picture, (left, top, right, bottom) = draw_with_place("cats", seed=3, index=index, sides=(120, 160))
        grey = np.asarray(picture.convert("L"), dtype=np.float64)
        edges = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
        held = np.zeros(grey.shape, dtype=bool)
        held[top:bottom, left:right] = True
        inside.append(edges[held].mean())
        outside.append(edges[~held].mean() if (~held).any() else 0.0)
    assert np.mean(inside) > 1.5 * np.mean(outside)


def test_the_most_common_size_of_animal_fills_a_good_part_of_the_picture() -> None:
    shares = []
    for index in range(40):
        picture, (left, top, right, bottom) = draw_with_place("dogs", seed=6, index=index, sides=SIDES)
        shares.append((right - left) * (bottom - top) / (picture.width * picture.height))
    assert 0.3 < np.median(shares) < 0.9


def colours(picture: Image.Image) -> np.ndarray:
    """Mean, spread and a 4 x 4 x 4 histogram of the colours: all that colour alone can say."""
    pixels = np.asarray(picture).reshape(-1, 3)
    cells = (pixels >> 6) @ np.array([16, 4, 1])
    share = np.bincount(cells, minlength=64) / len(pixels)
    return np.concatenate([pixels.mean(axis=0) / 255, pixels.std(axis=0) / 255, np.sqrt(share)])


def guessed(features: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(model, features, labels, cv=folds).mean())


def test_colour_does_not_tell_a_cat_from_a_dog(drawings: list[tuple[str, Image.Image]]) -> None:
    features = np.stack([colours(picture) for _, picture in drawings])
    labels = np.array([kind == "dogs" for kind, _ in drawings])
    assert guessed(features, labels) < 0.62


def test_file_size_and_frame_hardly_tell_a_cat_from_a_dog(
    drawings: list[tuple[str, Image.Image]],
) -> None:
    rows = []
    for _, picture in drawings:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        area = picture.width * picture.height
        rows.append([len(file.getvalue()), len(file.getvalue()) / area, picture.width, picture.height])
    # Whiskers cost a few bytes, so that a little is left to guess by; the frame says nothing.
    labels = np.array([kind == "dogs" for kind, _ in drawings])
    assert guessed(np.array(rows, dtype=np.float64), labels) < 0.65


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(WrongUsage) as caught:
        draw("horses", seed=0, index=0)
    assert "'horses'" in caught.value.what
    assert "cats, dogs, other" in caught.value.why
    assert "draw('cats', seed=0, index=0)" in caught.value.fix


def test_progress_is_told_of_every_picture(tmp_path: Path) -> None:
    listener = Listener()
    write_sample(tmp_path / "told", **SMALL, progress=listener)
    assert (listener.total, listener.done) == (10, 10)


def test_a_write_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "stopped", **SMALL, progress=Listener(fail_at=4))
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_target_is_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(StorageError):
        write_sample(target, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (target / "holiday.jpg").read_bytes() == b"precious"
