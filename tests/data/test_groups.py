"""Groups: as the user names them, and bursts, videos and runs of numbers that are found; never in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawsight.core.errors import WrongUsage
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts
from pawsight.data.folders import find
from pawsight.data.found import Found
from pawsight.data.groups import found_sentence, grouped, is_found, numbers_of
from pawsight.data.named_groups import with_named_groups
from pawsight.data.picture_lists import read_list
from pawsight.data.reading import FolderReading
from pawsight.data.split import make_split, split_into
from pawsight.images.quality import ImageStatistics

NOON = 1_700_000_000.0


def picture(name: str, *, seed: int, place: int | None = None, taken: float | None = None, camera: str = "") -> Picture:
    """A picture of its own; those of one place share its background."""
    looks = ImageStatistics(120.0, 60.0, 0.3, 40.0, camera or ("Own A1" if taken is not None else ""), 1_000, taken)
    chance = np.random.default_rng(seed)
    scene = np.random.default_rng(seed if place is None else 10_000 + place)
    pixels = scene.integers(40, 200, (4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1) + chance.integers(
        -4, 5, (32, 32, 3)
    )
    pixels[8:20, 8:20] = chance.integers(0, 255, 3)  # the subject
    digest = hashlib.sha256(f"{name} {seed}".encode()).hexdigest()
    facts = Facts(10, 10, "JPEG", 1, int(digest[:16], 16), looks, pixels.astype(np.uint8).tobytes())
    return Picture(Path(name), name, name.split("/", maxsplit=1)[0], None, digest, facts)


def dataset(pictures: Iterable[Picture], group_by: str = "") -> Dataset:
    ordered = tuple(sorted(pictures, key=lambda item: item.name))
    return Dataset(Path("photos"), ordered, (), reading=FolderReading(group_by=group_by))


def groups(data: Dataset) -> dict[str, set[str]]:
    """The names of the pictures in each group."""
    found = defaultdict(set)
    for item in data.pictures:
        if item.group:
            found[item.group].add(item.name)
    return dict(found)


def unrelated(label: str, count: int, start: int) -> list[Picture]:
    return [picture(f"{label}/{start + number:04}.jpg", seed=start + number) for number in range(count)]


OTHERS = [*unrelated("cats", 30, 0), *unrelated("dogs", 30, 500)]


# Found without asking


def test_unrelated_pictures_with_consecutive_numbers_are_left_as_they_are():
    data = grouped(dataset(OTHERS))
    assert groups(data) == {}
    assert (data.notes, data.warnings) == ((), ())
    assert make_split(data).digest == make_split(dataset(OTHERS)).digest


def test_a_burst_is_what_one_camera_took_within_three_seconds_in_chains():
    shots = [("a", 0.0), ("b", 2.5), ("c", 5.0), ("d", 8.5), ("e", 9.0)]  # 3.5 s before d
    burst = [picture(f"cats/{name}.jpg", seed=600 + row, taken=NOON + at) for row, (name, at) in enumerate(shots)]
    other = picture("cats/other.jpg", seed=700, taken=NOON + 1, camera="Another B2")
    found = groups(grouped(dataset([*OTHERS, *burst, other])))
    assert found == {
        "burst: cats/a.jpg": {"cats/a.jpg", "cats/b.jpg", "cats/c.jpg"},
        "burst: cats/d.jpg": {"cats/d.jpg", "cats/e.jpg"},
    }
    assert all(map(is_found, found))


def test_times_without_a_camera_and_a_clock_that_stands_still_make_no_burst():
    still = [picture(f"cats/s{number}x.jpg", seed=2_000 + number, taken=NOON) for number in range(61)]
    nameless = [
        replace(item, facts=replace(item.facts, statistics=replace(item.facts.statistics, camera="", taken=NOON)))
        for item in unrelated("dogs", 5, 900)
    ]
    assert groups(grouped(dataset([*OTHERS, *still, *nameless]))) == {}


def test_frames_of_one_video_are_told_by_their_names():
    names = ["cats/clip_0001.jpg", "cats/clip_0250.jpg", "cats/trip.mp4_1.jpg", "cats/trip.mp4_2.jpg"]
    names += ["dogs/clip_0001.jpg", "cats/IMG_0001.jpg", "cats/IMG_0002.jpg"]
    found = groups(grouped(dataset([*OTHERS, *(picture(name, seed=800 + row) for row, name in enumerate(names))])))
    assert found == {
        "video: cats/clip_0001.jpg": {"cats/clip_0001.jpg", "cats/clip_0250.jpg"},
        "video: cats/trip.mp4_1.jpg": {"cats/trip.mp4_1.jpg", "cats/trip.mp4_2.jpg"},
    }


def places(count: int, each: int, labels: tuple[str, ...] = ("cats", "dogs")) -> list[Picture]:
    """A camera that numbers on while it goes from place to place, and what it shows alternates."""
    return [
        picture(f"{labels[number % len(labels)]}/IMG_{number:04}.jpg", seed=3_000 + number, place=number // each)
        for number in range(count * each)
    ]


def test_runs_of_consecutive_numbers_that_are_close_are_kept_together_across_classes():
    found = groups(grouped(dataset(places(12, 6))))
    assert len(found) == 12
    assert all(len({int(name[-8:-4]) // 6 for name in names}) == 1 for names in found.values())
    assert sum(map(len, found.values())) == 72


def test_numbers_that_start_anew_in_each_folder_are_no_run_across_folders():
    first = [picture(f"cats/{number:04}.jpg", seed=number, place=number // 6) for number in range(36)]
    second = [picture(f"dogs/{number:04}.jpg", seed=500 + number, place=100 + number // 6) for number in range(36)]
    found = groups(grouped(dataset([*first, *second])))
    assert len(found) == 12
    assert all(len({name.split("/")[0] for name in names}) == 1 for names in found.values())


def test_a_series_that_is_most_of_a_class_is_not_kept_together_and_a_warning_says_so():
    frames = [picture(f"cats/frame_{number:04}.jpg", seed=4_000 + number) for number in range(20)]
    data = grouped(dataset([*frames, *OTHERS[30:]]))
    assert groups(data) == {}
    assert [("'cats'" in warning, "cats/frame_0000.jpg" in warning) for warning in data.warnings] == [(True, True)]


def test_none_looks_for_nothing():
    assert groups(grouped(dataset(places(12, 6), "none"))) == {}


@given(st.integers(0, 1_000), st.integers(3, 9))
@settings(max_examples=15, deadline=None)
def test_no_group_lies_in_two_parts_whatever_the_seed(seed, each):
    data = grouped(dataset(places(60 // each, each)))
    split = make_split(data, seed=seed)
    assert groups(data)
    assert split.groups_across_parts == {}
    assert min(split.sizes.values()) > 0


def test_what_was_found_is_counted():
    names = ["burst: a", "burst: a", "video: b", "video: b", "run: c", "run: c", "run: d", "run: d", "patient 1", ""]
    assert found_sentence(names) == "8 pictures in 1 burst, 1 video, 2 runs of numbers found"
    assert found_sentence(["patient 1", ""]) == ""


def test_groups_are_numbered_by_their_first_picture_and_others_are_alone():
    assert numbers_of(["", "a", "b", "a", ""]).tolist() == [0, 1, 2, 1, 4]
    assert numbers_of(["", ""]) is None


# Named by the user


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def named(found: Found) -> dict[str, str]:
    return {candidate.name: candidate.group for candidate in found.candidates}


FOLDERS = (
    "train/cats/p1/1.jpg",
    "train/dogs/p1/1.jpg",
    "test/cats/p2/a/1.jpg",
    "test/dogs/2.jpg",
    "train/dogs/p3/1.jpg",
)


def test_by_folder_part_and_class_are_no_group(tmp_path):
    reading = FolderReading(group_by="folder")
    assert named(with_named_groups(find(make(tmp_path, *FOLDERS), reading))) == {
        "train/cats/p1/1.jpg": "p1",
        "train/dogs/p1/1.jpg": "p1",
        "test/cats/p2/a/1.jpg": "p2/a",
        "test/dogs/2.jpg": "",
        "train/dogs/p3/1.jpg": "p3",
    }


@pytest.mark.parametrize("pattern", [r"p\d+", r"/(p\d+)/", r"(cats|dogs)/(?P<group>p\d+)"])
def test_by_pattern_the_group_is_the_named_one_or_the_first_or_all(tmp_path, pattern):
    found = named(with_named_groups(find(make(tmp_path, *FOLDERS), FolderReading(group_by=pattern))))
    assert found["train/cats/p1/1.jpg"] == found["train/dogs/p1/1.jpg"] == "p1"
    assert found["test/cats/p2/a/1.jpg"] == "p2"


@pytest.mark.parametrize("group_by", ["folder", "nobody", "IMG"])
def test_a_way_that_makes_no_groups_is_refused(tmp_path, group_by):
    found = find(make(tmp_path, "cats/IMG1.jpg", "dogs/IMG2.jpg"), FolderReading(group_by=group_by))
    with pytest.raises(WrongUsage, match=f"--group-by {group_by} "):
        with_named_groups(found)


def test_by_folder_a_group_may_be_named_like_a_class_or_a_part(tmp_path):
    files = make(
        tmp_path, "train/cats/cats/1.jpg", "train/dogs/cats/1.jpg", "train/cats/train/1.jpg", "test/dogs/2.jpg"
    )
    assert named(with_named_groups(find(files, FolderReading(group_by="folder")))) == {
        "train/cats/cats/1.jpg": "cats",
        "train/dogs/cats/1.jpg": "cats",
        "train/cats/train/1.jpg": "train",
        "test/dogs/2.jpg": "",
    }


def test_of_a_table_a_column_that_is_missing_is_said(tmp_path):
    found = find(make(tmp_path, "cats/1.jpg", "dogs/2.jpg"), FolderReading(group_by="patient"))
    with pytest.raises(WrongUsage, match="no such column"):
        with_named_groups(replace(found, is_table=True))


def test_a_length_of_time_without_its_unit_is_named():
    with pytest.raises(WrongUsage, match="'5' is not a length of time"):
        FolderReading(group_by="exif-time=5")


@pytest.mark.parametrize("group_by", ["(", "exif-time=soon", "exif-time=-3s", None, 3])
def test_a_way_that_cannot_be_read_is_refused(group_by):
    with pytest.raises(WrongUsage, match="--group-by"):
        FolderReading(group_by=group_by)


@pytest.mark.parametrize(
    ("group_by", "sizes"), [("exif-time", [2, 2, 1]), ("exif-time=10m", [4, 1]), ("exif-time=5s", [1] * 5)]
)
def test_by_time_pictures_of_one_camera_that_follow_each_other_are_a_group(group_by, sizes):
    shots = [picture(f"cats/{row}.jpg", seed=row, taken=NOON + at) for row, at in enumerate([0, 50, 400, 450, 9_000])]
    data = grouped(dataset([*shots, picture("dogs/a.jpg", seed=99)], group_by))
    assert sorted(map(len, groups(data).values()), reverse=True) == sizes
    assert data.pictures[-1].group == ""


def test_by_camera():
    shots = [picture(f"cats/{row}.jpg", seed=row, taken=NOON + 99 * row, camera=f"Own {row % 2}") for row in range(6)]
    assert Counter(item.group for item in grouped(dataset(shots, "camera")).pictures) == {"Own 0": 3, "Own 1": 3}
    with pytest.raises(WrongUsage, match="--group-by camera"):
        grouped(dataset(OTHERS, "camera"))


def test_no_burst_is_found_where_the_user_named_groups():
    shots = [picture(f"cats/{row}.jpg", seed=row, taken=NOON + row) for row in range(4)]
    data = grouped(dataset([replace(item, group=f"person {row}") for row, item in enumerate(shots)]))
    assert [item.group for item in data.pictures] == [f"person {row}" for row in range(4)]


def test_a_column_of_a_table_is_a_group_before_it_is_a_pattern(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("path,label,patient\na1.jpg,cat,x\na2.jpg,cat,y\nb1.jpg,dog,x\n")
    assert [file.group for file in read_list(table, reading=FolderReading(group_by="patient")).candidates] == [
        "x",
        "y",
        "x",
    ]
    assert [file.group for file in read_list(table, reading=FolderReading(group_by="^.")).candidates] == ["a", "a", "b"]
    with pytest.raises(WrongUsage, match="--group-by person"):
        read_list(table, reading=FolderReading(group_by="person"))


def test_given_parts_that_tear_groups_are_told():
    data = dataset([replace(item, group=f"g{row % 20}") for row, item in enumerate(OTHERS)])
    parts = ["train" if row % 20 else ("train", "validation", "test")[row // 20] for row in range(60)]
    torn = split_into(data, parts, how="").groups_across_parts
    assert {name: len(group) for name, group in torn.items()} == {"g0": 3}


def test_the_time_of_a_picture_is_when_the_shutter_opened(tmp_path):
    from pawsight.images.decode import DecodeSettings, decode

    exif = Image.Exif()
    exif[0x0132] = "2020:01:01 00:00:00"  # when it was saved
    exif[0x010F] = "Own"
    exif.get_ifd(0x8769).update({0x9003: "2023:11:14 22:13:20", 0x9291: "25"})
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg", exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    Image.new("RGB", (8, 8)).save(tmp_path / "2.jpg", exif=exif)
    taken = [decode((tmp_path / name).read_bytes(), DecodeSettings(), name=name).taken for name in ("1.jpg", "2.jpg")]
    assert taken == [NOON + 0.25, None]
