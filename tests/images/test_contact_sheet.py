"""Contact sheets and their letters: everything in its place, and any name legible."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawsight.images import contact_sheet
from pawsight.images.contact_sheet import GAP, MARGIN, Row, draw_sheet, fitted, font, legible, png_of

RED, BLUE = (np.full((40, 60, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
LETTERS = font(15)


def sheet(*rows: Row, title: str = "Title", footnote: str = "") -> Image.Image:
    return draw_sheet(title, rows, footnote=footnote)


def places(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((np.asarray(image) == colour).all(axis=-1))


def ink(image: Image.Image) -> int:
    return int((np.asarray(image.convert("L")) < 128).sum())


def test_pictures_are_shown_unchanged_side_by_side() -> None:
    page = sheet(("cats", "2 pictures", ((RED, ""), (BLUE, ""))))
    red, blue = places(page, (255, 0, 0)), places(page, (0, 0, 255))
    assert len(red) == len(blue) == 40 * 60
    assert page.width == 2 * MARGIN + 120 + GAP
    assert red[:, 1].min() == MARGIN
    assert blue[:, 1].min() == MARGIN + 60 + GAP
    assert red[:, 0].min() == blue[:, 0].min()


def test_rows_stand_below_each_other_and_inside_the_page() -> None:
    page = sheet(("a", "", ((RED, "one"),)), ("b", "", ((BLUE, "two"),)), footnote="end")
    red, blue = places(page, (255, 0, 0)), places(page, (0, 0, 255))
    assert red[:, 0].max() < blue[:, 0].min()
    assert blue[:, 0].max() < page.height - MARGIN
    edges = np.asarray(page)[[0, -1]], np.asarray(page)[:, [0, -1]]
    assert all((edge == 255).all() for edge in edges)


def test_a_row_without_a_heading_takes_no_room_for_one() -> None:
    with_heading, without = (sheet((heading, "", ((RED, ""),))).height for heading in ("cats", ""))
    assert without < with_heading


@pytest.mark.parametrize("words", ["title", "subtitle", "heading", "remark", "caption", "footnote"])
def test_all_words_are_drawn(words: str) -> None:
    def drawn(said: str) -> Image.Image:
        told = dict.fromkeys(("title", "subtitle", "heading", "remark", "caption", "footnote"), ".") | {words: said}
        row = (told["heading"], told["remark"], ((BLUE, told["caption"]),))
        return draw_sheet(told["title"], [row], subtitle=told["subtitle"], footnote=told["footnote"])

    assert np.abs(np.asarray(drawn("W"), dtype=int) - np.asarray(drawn("."))).sum() > 1000


def test_a_long_name_stays_in_its_place() -> None:
    page = sheet(("W" * 200, "1000 pictures", ((RED, "M" * 200), (BLUE, ""))), title="Q" * 200)
    assert page.width == 2 * MARGIN + 120 + GAP
    for side in (np.asarray(page)[:, : MARGIN - 2], np.asarray(page)[:, 2 - MARGIN :]):
        assert (side == 255).all()


def test_a_sheet_without_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        sheet(("cats", "", ()))


def test_the_same_sheet_gives_the_same_bytes() -> None:
    one, other = (png_of(sheet(("cats", "", ((RED, ""),)))) for _ in range(2))
    assert one == other
    assert Image.open(io.BytesIO(one)).format == "PNG"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cats", "cats"),
        ("<b>dogs</b> & $x^2$ {{ }}", "<b>dogs</b> & $x^2$ {{ }}"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("bytes \udcff", "bytes \ufffd"),
        ("кошки Ελλάς é 猫 🐈", "кошки Ελλάς é 猫 🐈"),
    ],
)
def test_names_become_legible(text: str, expected: str) -> None:
    assert legible(text) == expected


@given(st.text(max_size=60), st.integers(20, 400))
def test_fitted_text_fits_on_one_line(text: str, width: int) -> None:
    shown = fitted(text, LETTERS, width)
    assert LETTERS.getlength(shown) <= width
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in shown)


def test_a_cut_name_keeps_both_ends() -> None:
    shown = fitted("animals/" + "felines/" * 20 + "lynx", LETTERS, 200)
    assert shown.startswith("animals/fel")
    assert shown.endswith("lynx")
    assert "…" in shown


def test_a_name_that_fits_is_left_alone() -> None:
    assert fitted("cats", LETTERS, LETTERS.getlength("cats")) == "cats"


def test_without_matplotlib_pillows_own_font_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet.importlib.util, "find_spec", lambda name: None)
    font.cache_clear()
    try:
        page = sheet(("cats 🐈", "", ((RED, "one"),)))
        assert ink(page) > 0
        assert font(15).getname()[0] != "DejaVu Sans"
    finally:
        font.cache_clear()


def test_a_matplotlib_without_its_fonts_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(contact_sheet.importlib.util, "find_spec", lambda name: bare)
    font.cache_clear()
    try:
        assert font(15).getname()[0] != "DejaVu Sans"
        font.cache_clear()
        monkeypatch.setattr(contact_sheet.ImageFont, "load_default", lambda size: object())
        with pytest.raises(TypeError, match="Pillow was built without FreeType"):
            font(15)
    finally:
        font.cache_clear()
