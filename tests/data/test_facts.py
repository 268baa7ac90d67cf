"""Facts of a picture: as they lie in the cache, and where one square serves for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture
from pawsight.data.facts import FACTS_SPACE, Facts, as_bytes, facts_from, facts_of, known_facts
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.fingerprint import HASHED_PX
from pawsight.images.quality import ImageStatistics

FIGURES = st.floats(0, 1e6)
LOOKS = st.builds(ImageStatistics, FIGURES, FIGURES, FIGURES, FIGURES, st.text(), st.integers(0, 2**40))
FACTS = st.builds(Facts, st.integers(1), st.integers(1), st.text(), st.integers(1, 8), st.integers(0, 2**64 - 1), LOOKS)


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    place = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save(place)
    return place.read_bytes()


@given(FACTS)
def test_facts_come_back_from_the_cache_as_they_were(facts: Facts) -> None:
    assert facts_from(as_bytes(facts)) == facts


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
        assert known_facts(cache, "one") is None
        cache.put_many(FACTS_SPACE, {"one": as_bytes(facts)})
        assert (known_facts(cache, "one"), known_facts(cache, "two")) == (facts, None)
