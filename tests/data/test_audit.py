"""The audit: every problem provoked by drawn pictures, no finding about good ones, and the association test."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from pawsight.core.cache import Cache
from pawsight.data.audit import (
    FEWEST_OF_CLASS,
    PROBLEMS,
    SEVERITIES,
    Finding,
    associations,
    audit,
    chi_square_p_value,
    class_folders,
    cramers_v,
    group_findings,
)
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.parts import PARTS
from pawsight.data.split import Assigned, Split, make_split
from pawsight.images.decode import DecodeSettings
from pawsight.reports.audit_page import EXPLAINED

WIDTH, HEIGHT = 200, 150


def scene(number, size=(WIDTH, HEIGHT)):
    """A picture unlike those of other numbers: coarse patches of colour with sharp shapes on them."""
    chance = random.Random(number)
    coarse = np.random.default_rng(number).integers(30, 226, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, wide = chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randrange(3, 30)
        pen.ellipse((x, y, x + wide, y + wide), fill=tuple(chance.randrange(256) for _ in range(3)))
    return image if size == image.size else image.resize(size)


def exif(orientation=None, camera=None):
    made = Image.Exif()
    if orientation:
        made[0x0112] = orientation
    if camera:
        made[0x010F], made[0x0110] = camera.split(" ", 1)
    return made


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class Folder:
    """A data set in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name, content):
        data = content if isinstance(content, bytes) else encoded(content)
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def audited(self):
        with Cache(self.root.with_name("cache")) as cache:
            dataset = read_dataset(
                find(self.root), DecodeSettings(image_px=32), cache=cache, threads=2, allow_missing=1
            )
        return audit(dataset, make_split(dataset))

    def of(self, problem):
        return {finding.path: finding.value for finding in self.audited() if finding.problem == problem}

    def problems(self):
        return {(finding.path, finding.problem) for finding in self.audited()}


@pytest.fixture
def data(tmp_path):
    """Four cats and four dogs with nothing wrong."""
    folder = Folder(tmp_path / "photos")
    for number in range(4):
        folder.put(f"cats/{number}.jpg", scene(number))
        folder.put(f"dogs/{number}.jpg", scene(100 + number))
    return folder


@pytest.fixture
def parted(tmp_path):
    """The same with train and validation."""
    folder = Folder(tmp_path / "photos")
    for number in range(3):
        for place, label in enumerate(("train/cats", "train/dogs", "validation/cats", "validation/dogs")):
            folder.put(f"{label}/{number}.jpg", scene(100 * place + number))
    return folder


def test_where_nothing_is_wrong_nothing_is_said(data):
    assert data.audited() == ()


def test_every_problem_has_a_severity_and_words():
    assert set(PROBLEMS.values()) <= set(SEVERITIES)
    assert set(EXPLAINED) == set(PROBLEMS)


@pytest.mark.parametrize(
    ("name", "content", "problem", "value"),
    [
        ("cats/x.jpg", encoded(scene(9))[:3000], "truncated", ""),
        ("cats/x.jpg", b"\xff\xd8\xff" + b"x" * 99, "unreadable", "unreadable"),
        ("cats/x.jpg", b"", "unreadable", "empty"),
        ("cats/x.txt", b"hello", "unreadable", "not a picture"),
        ("cats/x.jpg", encoded(scene(9), "PNG"), "wrong-extension", "PNG"),
        ("cats/x.png", encoded(scene(9), "GIF"), "wrong-extension", "GIF"),
        ("cats/x.jpg", scene(9, (50, 40)), "tiny", 40),
        ("cats/x.jpg", scene(9, (600, 200)), "odd-aspect", 3.0),
        ("cats/x.jpg", scene(9, (200, 600)), "odd-aspect", 3.0),
        ("cats/x.jpg", encoded(scene(9), exif=exif(orientation=6)), "rotated", 6),
        ("cats/x.png", encoded(Image.new("RGB", (200, 150), (30, 90, 200)), "PNG"), "single-colour", 0.0),
        ("cats/x.jpg", scene(9).convert("L"), "grey", 0.0),
    ],
)
def test_a_file_that_is_wrong_is_the_one_finding(data, name, content, problem, value):
    data.put(name, content)
    assert data.audited() == (Finding(name, problem, value, PROBLEMS[problem]),)


@pytest.mark.parametrize(
    ("problem", "change"),
    [
        ("dark", lambda image: ImageEnhance.Brightness(image).enhance(0.15)),
        ("bright", lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.85)),
        ("blurry", lambda image: image.filter(ImageFilter.GaussianBlur(6))),
    ],
)
def test_bad_light_and_blur_are_found_with_their_figure(data, problem, change):
    data.put("dogs/x.jpg", change(scene(9)))
    (path, value), *others = data.of(problem).items()
    assert path == "dogs/x.jpg"
    assert isinstance(value, float)
    assert not others
    assert data.problems() == {("dogs/x.jpg", problem)}


def test_a_huge_picture_is_found_with_its_megapixels(data):
    data.put("cats/x.png", encoded(scene(9).resize((5200, 5000), Image.Resampling.NEAREST), "PNG", compress_level=1))
    assert data.of("huge") == {"cats/x.png": 26.0}


def test_names_without_a_suffix_or_with_a_number_for_one_promise_nothing(data):
    data.put("cats/nine", scene(9))
    data.put("cats/cat.12", scene(12))
    data.put("cats/x.JPEG", scene(13))
    assert data.audited() == ()


def test_grey_pictures_are_nothing_special_where_most_are_grey(data):
    for number in range(4):
        data.put(f"cats/{number}.jpg", scene(number).convert("L"))
        data.put(f"dogs/{number}.jpg", scene(100 + number).convert("L"))
    assert data.of("grey") == {}


def test_hidden_files_are_nobody_s_loss(data):
    data.put("cats/.DS_Store", b"x")
    data.put("cats/Thumbs.db", b"x")
    assert data.audited() == ()


def test_files_beside_the_parts_are_told(parted):
    parted.put("more/x.jpg", scene(9))
    assert parted.of("outside-parts") == {"more/x.jpg": "outside train, validation"}


# The same picture more than once


def alike(number):
    """The same scene, saved again: other bytes, nearly the same look."""
    return encoded(scene(number), quality=60)


def test_a_copy_within_a_class_is_a_duplicate_of_the_first(data):
    data.put("cats/copy.jpg", scene(1))
    assert data.audited() == (Finding("cats/copy.jpg", "duplicate", "cats/1.jpg", "medium"),)


def test_a_picture_saved_again_is_a_near_duplicate(data):
    data.put("cats/again.jpg", alike(1))
    assert data.audited() == (Finding("cats/again.jpg", "near-duplicate", "cats/1.jpg", "low"),)


def test_equal_pictures_in_two_classes_are_both_told_since_either_label_may_be_wrong(data):
    data.put("dogs/copy.jpg", scene(1))
    assert data.of("two-labels") == {"cats/1.jpg": "dogs/copy.jpg", "dogs/copy.jpg": "cats/1.jpg"}
    assert {finding.severity for finding in data.audited()} == {"high"}


def test_like_pictures_in_two_classes_are_told(data):
    data.put("dogs/again.jpg", alike(1))
    assert data.of("near-two-labels") == {"cats/1.jpg": "dogs/again.jpg", "dogs/again.jpg": "cats/1.jpg"}


def test_of_equal_pictures_in_two_parts_the_examined_one_is_told(parted):
    parted.put("validation/cats/copy.jpg", scene(1))
    assert parted.audited() == (Finding("validation/cats/copy.jpg", "across-parts", "train/cats/1.jpg", "high"),)


def test_like_pictures_in_two_parts_are_told(parted):
    parted.put("validation/cats/again.jpg", alike(1))
    assert parted.of("near-across-parts") == {"validation/cats/again.jpg": "train/cats/1.jpg"}


def test_the_gravest_of_several_is_said_of_each_picture(parted):
    for name in ("train/cats/copy.jpg", "train/dogs/copy.jpg", "validation/cats/copy.jpg"):
        parted.put(name, scene(1))
    told = {(finding.path, finding.problem) for finding in parted.audited()}
    copies = ("train/cats/1.jpg", "train/cats/copy.jpg", "train/dogs/copy.jpg", "validation/cats/copy.jpg")
    assert told == {(name, "two-labels") for name in copies}


def test_hundreds_of_equal_looks_are_compared_in_no_time(tmp_path):
    folder = Folder(tmp_path / "photos")
    page = encoded(scene(0), "PNG")
    for number in range(300):
        folder.put(f"{'cats' if number % 2 else 'dogs'}/{number}.png", page + str(number).encode())
    told = folder.of("near-two-labels")  # each is compared with the first alone
    assert told == {"cats/1.png": told["cats/1.png"]} | {
        f"dogs/{number}.png": "cats/1.png" for number in range(0, 300, 2)
    }


def test_a_split_that_loses_a_class_in_a_part_says_so(parted):
    for number in range(30):
        parted.put(f"train/dogs/more{number}.jpg", scene(500 + number))
        parted.put(f"validation/cats/more{number}.jpg", scene(600 + number))
    assert set(parted.of("uneven-parts") | parted.of("class-missing")) == {"cats", "dogs"}
    for number in range(4):
        parted.put(f"train/birds/{number}.jpg", scene(700 + number))
    assert "train/birds" in parted.of("class-missing")


# Classes


def test_a_class_with_a_fifth_of_the_pictures_is_lopsided(tmp_path):
    folder = Folder(tmp_path / "photos")
    for number in range(9):
        folder.put(f"cats/{number}.jpg", scene(number))
    for number in range(2):
        folder.put(f"dogs/{number}.jpg", scene(100 + number))
    assert folder.audited() == (Finding("dogs", "lopsided", 4.5, "medium"),)


def classes(folder, cats, dogs, pictures=12):
    """Pictures of two classes, made in two ways."""
    for number in range(pictures):
        for label, make, start in (("cats", cats, 0), ("dogs", dogs, 100)):
            suffix, content = make(start + number)
            folder.put(f"{label}/{number}{suffix}", content)
    return folder


def usual(number):
    return ".jpg", encoded(scene(number), exif=exif(camera="Nikon D70") if number % 2 else b"")


@pytest.mark.parametrize(
    ("shortcut", "make", "told"),
    [
        ("format", lambda n: (".png", encoded(scene(n), "PNG")), "PNG: 100 % of dogs, 0 % of the rest"),
        ("size", lambda n: (".jpg", encoded(scene(n, (160, 160)))), "size 160 x 160: 100 % of dogs, 0 % of the rest"),
        ("camera", lambda n: (".jpg", encoded(scene(n), exif=exif(camera="Canon EOS 5D"))), "Canon EOS 5D: 100 % of dogs"),
        ("colour", lambda n: (".jpg", encoded(scene(n).convert("L"))), "grey: 100 % of dogs, 0 % of the rest"),
        ("rotation", lambda n: (".jpg", encoded(scene(n), exif=exif(6))), "turned by EXIF: 100 % of dogs"),
    ],
)  # fmt: skip
def test_what_gives_a_class_away_is_told_of_its_folder(tmp_path, shortcut, make, told):
    folder = classes(Folder(tmp_path / "photos"), usual, make)
    found = [finding for finding in folder.audited() if finding.problem == f"shortcut-{shortcut}"]
    assert len(found) == 1
    assert found[0].severity == "high"
    assert found[0].path in ("cats", "dogs")
    if found[0].path == "dogs":
        assert found[0].value.startswith(told)
    assert "Cramér's V" in found[0].value


def test_mixed_sizes_formats_and_cameras_give_nothing_away(tmp_path):
    def mixed(number):
        size = [(200, 150), (150, 200), (160, 160)][number % 3]
        return (".png", encoded(scene(number, size), "PNG")) if number % 2 else (".jpg", encoded(scene(number, size)))

    folder = classes(Folder(tmp_path / "photos"), mixed, mixed)
    assert not [finding for finding in folder.audited() if finding.problem.startswith(("shortcut", "rotation"))]


def test_a_small_difference_in_rotation_is_told_less_gravely(tmp_path):
    """14 of 60 against 2 of 60: beyond chance, but no shortcut."""

    def turned(every):
        return lambda n: (".jpg", encoded(scene(n % 1000, (100, 75)), exif=exif(6) if n % 1000 % 60 < every else b""))

    folder = Folder(tmp_path / "photos")
    for number in range(60):
        for label, start, every in (("cats", 0, 2), ("dogs", 120, 14)):
            suffix, content = turned(every)(start + number)
            folder.put(f"{label}/{number}{suffix}", content)
    (found,) = [finding for finding in folder.audited() if finding.problem == "rotation-differs"]
    assert (found.path, found.severity) == ("dogs", "medium")
    assert "23 % of dogs, 3 % of the rest" in found.value
    assert len(folder.of("rotated")) == 16


def test_the_folder_of_a_class_in_several_parts_is_its_name(parted):
    for folder, wanted in ((parted, {"cats": "cats", "dogs": "dogs"}),):
        with Cache(folder.root.with_name("cache")) as cache:
            dataset = read_dataset(find(folder.root), DecodeSettings(image_px=32), cache=cache, threads=1)
        assert class_folders(dataset) == wanted


# Order


def test_findings_come_by_severity_then_problem_then_path_and_the_same_each_time(parted):
    parted.put("validation/cats/copy.jpg", scene(1))
    parted.put("train/dogs/z.jpg", b"")
    parted.put("train/dogs/a.jpg", b"x")
    parted.put("train/cats/tiny.jpg", scene(9, (40, 40)))
    found = parted.audited()
    ranks = [(SEVERITIES.index(item.severity), item.problem, item.path) for item in found]
    assert ranks == sorted(ranks)
    assert [item.path for item in found] == [
        "validation/cats/copy.jpg", "train/dogs/a.jpg", "train/dogs/z.jpg", "train/cats/tiny.jpg"
    ]  # fmt: skip
    assert parted.audited() == found


def test_a_finding_is_plain_json():
    assert Finding("a.jpg", "dark", 12.5, "low").to_json() == {
        "path": "a.jpg", "problem": "dark", "value": 12.5, "severity": "low"
    }  # fmt: skip


def labels(*counts):
    return [name for name, count in zip("abcdef", counts, strict=False) for _ in range(count)]


def test_a_format_of_its_own_is_found_and_named():
    strength, *named, share, elsewhere = associations(labels(20, 20), {"format": ["JPEG"] * 20 + ["PNG"] * 20})[
        "format"
    ]
    assert strength == pytest.approx(1.0, abs=0.02)
    assert (share, elsewhere) == (1.0, 0.0)
    assert named in (["a", "JPEG"], ["b", "PNG"])


def test_the_class_that_stands_out_is_named_with_its_shares():
    values = ["x"] * 50 + ["x"] * 45 + ["y"] * 5 + ["y"] * 40 + ["x"] * 10
    found = associations(labels(50, 50, 50), {"camera": values})["camera"]
    assert found[1:] == ("c", "y", 0.8, 0.05)


def test_what_does_not_vary_and_what_is_the_same_in_each_class_is_no_association():
    values = {"one": ["JPEG"] * 60, "even": ["x", "y"] * 30}
    assert associations(labels(30, 30), values) == {}


def test_rare_categories_are_counted_together():
    """Each picture with a camera of its own: forty categories, and nothing is told."""
    assert associations(labels(20, 20), {"camera": [f"camera {number}" for number in range(40)]}) == {}


@pytest.mark.parametrize("pictures", [60, 3_000])
def test_chance_is_called_an_association_in_one_of_a_hundred_at_most(pictures):
    """60 data sets in which five things are dealt out by chance; Holm's correction keeps all five together below 1 %."""
    chance, wrong = np.random.default_rng(5), 0
    rounds = 60
    for _ in range(rounds):
        features = {name: chance.choice(["p", "q", "r"], pictures).tolist() for name in "uvwxy"}
        wrong += bool(associations(labels(pictures // 2, pictures // 2), features))
    assert wrong <= 3


def test_both_ways_to_a_p_value_agree():
    counts = np.array([[30, 20, 14], [18, 26, 20]])
    by_shuffling = chi_square_p_value(counts)
    from scipy.stats import chi2_contingency

    assert by_shuffling == pytest.approx(chi2_contingency(counts, correction=False).pvalue, abs=0.03)
    many = counts * 40
    assert chi_square_p_value(many) == pytest.approx(chi2_contingency(many, correction=False).pvalue, rel=1e-6)


def test_strength_is_cramers_v_without_its_bias():
    from scipy.stats.contingency import association

    counts = np.array([[3_000, 1_000], [1_500, 2_500]])
    assert cramers_v(counts) == pytest.approx(association(counts, method="cramer"), abs=0.001)
    chance = np.random.default_rng(0)
    by_chance = [cramers_v(chance.multinomial(80, [1 / 8] * 8).reshape(2, 4)) for _ in range(50)]
    assert np.median(by_chance) < 0.05


def test_the_same_data_give_the_same_answer():
    features = {"format": ["JPEG"] * 12 + ["PNG"] * 28}
    assert associations(labels(20, 20), features) == associations(labels(20, 20), features)


def test_a_class_of_a_few_pictures_hides_nothing_and_is_not_called_a_shortcut_itself():
    values = ["upright"] * 40 + ["turned"] * 20 + ["upright"] * 20
    alone = associations(labels(40, 40), {"rotation": values})
    assert associations(labels(40, 40, FEWEST_OF_CLASS - 1), {"rotation": values + ["upright"] * 9}) == alone != {}
    assert associations(labels(9, 9), {"format": ["JPEG"] * 9 + ["PNG"] * 9}) == {}


def test_a_group_in_several_parts_is_told_once():
    pictures = [Assigned(f"{part}/{row}.jpg", str(row), "cats", part, "visit 1") for row, part in enumerate(PARTS)]
    whole = [Assigned(f"train/{row}.jpg", str(row), "cats", "train", "visit 2") for row in (8, 9)]
    assert list(group_findings(Split((*pictures, *whole), how=""))) == [
        Finding("test/2.jpg", "torn-group", "visit 1: 1 train, 1 validation, 1 test", "high")
    ]
