"""Facts of a picture, how they are cached, and the quality flags."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture
from pawsight.core.progress import SILENT
from pawsight.data.dataset import facts_by_name
from pawsight.data.facts import (
    FACTS_SPACE,
    QUALITY_FLAGS,
    UNBLURRED_PX,
    Facts,
    facts_from_bytes,
    facts_of,
    facts_to_bytes,
    known_facts,
    quality_flags,
)
from pawsight.data.found import Candidate
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.fingerprint import HASHED_PX
from pawsight.images.quality import ImageStatistics, image_statistics

FIGURES = st.floats(0, 1e6)
any_looks = st.builds(ImageStatistics, FIGURES, FIGURES, FIGURES, FIGURES, st.text(), st.integers(0, 2**40))
any_facts = st.builds(
    Facts, st.integers(1), st.integers(1), st.text(), st.integers(1, 8), st.integers(0, 2**64 - 1), any_looks
)


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    place = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save(place)
    return place.read_bytes()


@given(any_facts)
def test_facts_come_back_from_the_cache_as_they_were(facts: Facts) -> None:
    assert facts_from_bytes(facts_to_bytes(facts)) == facts


def test_a_square_of_another_size_gives_the_same_facts(picture: bytes) -> None:
    fitting, other = DecodeSettings(image_px=HASHED_PX), DecodeSettings(image_px=32)
    own = facts_of(picture, fitting, decode(picture, fitting, name="p"), "p")
    assert (
        own == facts_of(picture, fitting, None, "p") == facts_of(picture, other, decode(picture, other, name="p"), "p")
    )
    assert (own.width, own.height, own.format, own.orientation) == (90, 60, "PNG", 1)


def test_what_is_no_picture_has_no_facts() -> None:
    with pytest.raises(UnreadablePicture):
        facts_of(b"text", DecodeSettings(image_px=32), None, "name")


def test_facts_are_known_by_content_alone(tmp_path: Path, picture: bytes) -> None:
    facts = facts_of(picture, DecodeSettings(image_px=32), None, "p")
    with Cache(tmp_path / "cache") as cache:
        assert known_facts(cache, "one", DecodeSettings()) is None
        cache.put_many(FACTS_SPACE, {"one": facts_to_bytes(facts)})
        assert (known_facts(cache, "one", DecodeSettings()), known_facts(cache, "two", DecodeSettings())) == (
            facts,
            None,
        )


def test_files_that_are_no_pictures_have_no_facts(tmp_path):
    Image.new("RGB", (30, 20), "white").save(tmp_path / "white.png")
    (tmp_path / "text.png").write_text("no picture")
    files = [Candidate(tmp_path / name, name, "cats", None) for name in ("text.png", "white.png", "gone.png")]
    with Cache(tmp_path / "cache") as cache:
        facts = facts_by_name(files, cache=cache, threads=2, progress=SILENT)
    assert list(facts) == ["white.png"]
    assert (facts["white.png"].width, facts["white.png"].height) == (30, 20)


LOOKS = ImageStatistics(brightness=120.0, contrast=60.0, sharpness=0.2, chroma=40.0, camera="", file_bytes=20_000)
FACTS = Facts(500, 375, "JPEG", 1, 0, LOOKS)


def looking(**figures):
    return replace(FACTS, statistics=replace(LOOKS, **figures))


def test_a_usual_photograph_has_no_traits():
    assert quality_flags(FACTS) == ()


@pytest.mark.parametrize(
    ("trait", "facts"),
    [
        ("tiny", replace(FACTS, width=63, height=63)),
        ("huge", replace(FACTS, width=6000, height=4200)),
        ("odd-aspect", replace(FACTS, width=1000, height=400)),
        ("odd-aspect", replace(FACTS, width=400, height=1000)),
        ("dark", looking(brightness=39.9)),
        ("bright", looking(brightness=210.1)),
        ("blurry", looking(sharpness=0.0079)),
        ("single-colour", looking(contrast=4.9, sharpness=0.0, chroma=0.0)),
        ("grey", looking(chroma=2.4)),
        ("rotated", replace(FACTS, orientation=6)),
    ],
)
def test_each_trait_is_found_alone(trait, facts):
    assert quality_flags(facts) == (trait,)


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, width=64, height=64),
        replace(FACTS, width=5000, height=5000),
        replace(FACTS, width=960, height=400),
        looking(brightness=40.0),
        looking(brightness=210.0),
        looking(sharpness=0.008),
        looking(contrast=5.0),
        looking(chroma=2.5),
    ],
)
def test_what_stands_at_its_limit_is_usual(facts):
    assert quality_flags(facts) == ()


def test_small_pictures_are_soft_because_they_are_magnified_and_not_called_blurry():
    assert quality_flags(replace(looking(sharpness=0.001), width=119, height=119)) == ()
    assert quality_flags(replace(looking(sharpness=0.001), width=120, height=120)) == ("blurry",)


def test_dark_and_bright_pictures_are_not_called_grey():
    assert quality_flags(looking(brightness=10.0, chroma=0.5)) == ("dark",)
    assert quality_flags(looking(brightness=250.0, chroma=0.5)) == ("bright",)


def test_several_traits_come_in_the_order_of_the_list():
    all_of_them = replace(looking(brightness=10.0), width=150, height=20, orientation=3)
    found = quality_flags(all_of_them)
    assert found == ("tiny", "odd-aspect", "dark", "rotated")
    assert sorted(found, key=QUALITY_FLAGS.index) == list(found)


@pytest.fixture(scope="module")
def some_photographs(request):
    """Every fortieth of the exercise's photographs, opened."""
    place = request.getfixturevalue("photographs")
    if place.is_dir():
        files = {path.name: path.read_bytes() for path in place.rglob("*.jpg")}
    else:
        with zipfile.ZipFile(place) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::40]
            files = {name: archive.read(name) for name in names}
    chosen = [files[name] for name in sorted(files)][:: max(1, len(files) // 75)]
    opened = [Image.open(io.BytesIO(data)).convert("RGB") for data in chosen]
    return [image for image in opened if min(image.size) >= UNBLURRED_PX]


def share(images, trait, change):
    """Of photographs that were changed and saved, the share that has a trait."""
    found = 0
    for image in images:
        file = io.BytesIO()
        change(image).save(file, "JPEG", quality=85)
        pixels = decode(file.getvalue(), DecodeSettings(image_px=HASHED_PX), name="x").pixels
        found += trait in quality_flags(Facts(*image.size, "JPEG", 1, 0, image_statistics(pixels)))
    return found / len(images)


@pytest.mark.parametrize(
    ("trait", "change", "least"),
    [
        ("blurry", lambda image: image.filter(ImageFilter.GaussianBlur(0.02 * min(image.size))), 0.95),
        ("dark", lambda image: ImageEnhance.Brightness(image).enhance(0.2), 0.9),
        ("grey", lambda image: image.convert("L").convert("RGB"), 0.9),
    ],
)
def test_photographs_made_so_are_found_and_others_hardly_ever(some_photographs, trait, change, least):
    assert share(some_photographs, trait, change) >= least
    assert share(some_photographs, trait, lambda image: image) <= 0.03
