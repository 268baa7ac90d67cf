"""The browser's decoder against the decoder: resizing bit for bit, whole files within what decoders differ by."""

from __future__ import annotations

import base64
import io
import json
import shutil
from importlib.resources import files

import numpy as np
import PIL
import pytest
from PIL import Image

from pawsight.images.decode import DECODER_VERSION, DecodeSettings, decode

from ..colour_profiles import PROFILES, SRGB, converted
from . import browser

PRELUDE = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const text = (found) => { let out = ""; for (const one of found) out += String.fromCharCode(one); return btoa(out); };
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A blank page beside the scripts of the export."""
    folder = tmp_path_factory.mktemp("scripts")
    for home in ("web", "exports"):
        shutil.copytree(files("pawsight") / home / "static", folder / "static", dirs_exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><title>blank</title>")
    driver = browser.chromium(tmp_path_factory.mktemp("profile"))
    try:
        with browser.Host(folder) as host:
            yield browser.Page(driver, host.address)
    finally:
        driver.quit()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def resized(page, arrays: list[np.ndarray], sides: list[int]) -> list[np.ndarray]:
    given = [
        {"width": array.shape[1], "height": array.shape[0], "side": side, "data": text(array.tobytes())}
        for array, side in zip(arrays, sides, strict=True)
    ]
    found = page.run(
        f"""{PRELUDE} const {{square}} = await import("/static/resize.js");
        return {json.dumps(given)}.map(({{width, height, side, data}}) => text(square({{width, height, data: bytes(data)}}, side).data));"""
    )
    assert isinstance(found, list), found
    return [
        np.frombuffer(base64.b64decode(item), np.uint8).reshape(side, side, 3)
        for item, side in zip(found, sides, strict=True)
    ]


def decoded(page, data: bytes, side: int = 48, version: int = DECODER_VERSION) -> np.ndarray | str:
    found = page.run(
        f"""{PRELUDE} const {{decode}} = await import("/static/decode.js");
        const file = new File([bytes("{text(data)}")], "x");
        return decode(file, {{side: {side}, maxMegapixels: 50, version: {version}}}).then(text, (error) => error.constructor.name + ": " + error.message);"""
    )
    if ":" in found:
        return found
    return np.frombuffer(base64.b64decode(found), np.uint8).reshape(side, side, 3)


def drawing(width: int = 150, height: int = 110) -> Image.Image:
    """Waves of colour with a corner of its own, smooth enough that JPEG keeps them."""
    x, y = np.meshgrid(np.linspace(0, 5, width), np.linspace(0, 4, height))
    waves = np.stack([np.sin(x + y), np.cos(x * 1.5), np.sin(y * 2 - x)], axis=-1)
    pixels = (127.5 + 120 * waves).astype(np.uint8)
    pixels[: height // 3, : width // 4] = (250, 20, 20)
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def difference(page, data: bytes, side: int = 48) -> tuple[float, int]:
    """Mean and largest difference of a value in 0..255."""
    found = decoded(page, data, side)
    assert not isinstance(found, str), found
    off = np.abs(found.astype(int) - decode(data, DecodeSettings(image_px=side), name="x").pixels)
    return float(off.mean()), int(off.max())


def test_resizing_is_pillows_bit_for_bit_on_any_shape(page):
    """Of Pillow 13; earlier ones always went across first, which rounds otherwise by one step in tall pictures."""
    steps = 0 if int(PIL.__version__.partition(".")[0]) >= 13 else 1
    generator = np.random.default_rng(6)
    shapes = [
        (1, 1),
        (1, 300),
        (300, 1),
        (24, 24),
        (48, 24),
        (24, 48),
        (23, 25),
        (95, 97),
        (96, 96),
        (97, 480),
        (511, 33),
    ]
    shapes += [tuple(generator.integers(1, 260, 2)) for _ in range(25)]
    arrays = [generator.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    sides = [24] * 11 + [int(side) for side in generator.integers(1, 64, 25)]
    for array, side, found in zip(arrays, sides, resized(page, arrays, sides), strict=True):
        expected = Image.fromarray(array).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        off = np.abs(found.astype(int) - np.asarray(expected))
        assert off.max() <= steps, (array.shape, side)


def test_black_and_white_stay_what_they_are(page):
    arrays = [np.full((77, 41, 3), value, np.uint8) for value in (0, 255)]
    black, white = resized(page, arrays, [16, 16])
    assert black.max() == 0
    assert white.min() == 255


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("GIF", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95, "subsampling": 0})],
    ids=["png", "bmp", "gif", "webp", "jpeg"],
)
def test_files_become_the_same_pixels(page, kind, options):
    assert difference(page, saved(drawing(80, 70), kind, **options)) == (0.0, 0)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("times", [1, 2, 4, 9])
def test_a_jpeg_that_pillow_makes_smaller_while_decoding_differs_little(page, subsampling, times):
    mean, most = difference(page, saved(drawing(60 * times, 50 * times), "JPEG", quality=90, subsampling=subsampling))
    assert mean < 1.0
    assert most <= 40  # at the edge of a colour, where the two spread it otherwise


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_set_upright_as_by_the_command_line(page, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(drawing(90, 60), "JPEG", quality=95, subsampling=0, exif=exif.tobytes())
    assert difference(page, data) == (0.0, 0)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("L", "JPEG"), ("L", "BMP")], ids="-".join
)
def test_grey_and_palette_become_the_same_pixels(page, mode, kind):
    mean, most = difference(page, saved(drawing().convert(mode), kind))
    assert mean < 0.6
    assert most <= 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_shown_on_white(page, kind):
    image = drawing().convert("RGBA")
    ramp = np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))
    image.putalpha(Image.fromarray(ramp))
    mean, most = difference(page, saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert mean < 0.6
    assert most <= 2


def test_an_avif_differs_little(page):
    pytest.importorskip("PIL._avif", reason="this Pillow was built without AVIF")
    mean, most = difference(page, saved(drawing(), "AVIF", quality=95))
    assert mean < 1.5
    assert most <= 30


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 95, "subsampling": 0})])
def test_a_colour_profile_is_brought_to_srgb_as_by_the_command_line(page, name, kind, options):
    data = saved(converted(drawing(), name), kind, icc_profile=PROFILES[name], **options)
    mean, most = difference(page, data)
    assert mean < 0.9
    assert most <= 25  # of colours that sRGB does not have
    assert np.abs(decoded(page, data).astype(int) - decoded(page, data, version=2)).mean() > 3


def test_a_profile_of_srgb_changes_nothing(page):
    assert difference(page, saved(drawing(), "PNG", icc_profile=SRGB)) == (0.0, 0)


@pytest.mark.parametrize("broken", [PROFILES["ProPhoto"][:200], bytes(500)])
def test_a_broken_profile_is_passed_over(page, broken):
    assert difference(page, saved(drawing(), "PNG", icc_profile=broken)) == (0.0, 0)


def test_a_bundle_of_the_decoder_before_profiles_gets_the_colours_it_was_trained_on(page):
    data = saved(drawing(), "PNG", icc_profile=PROFILES["ProPhoto"])
    found = decoded(page, data, version=2)
    assert np.array_equal(found, decode(data, DecodeSettings(image_px=48, version=2), name="x").pixels)


def test_a_picture_larger_than_a_strip_is_read_whole(page):
    mean, most = difference(page, saved(drawing(2600, 2100), "PNG", compress_level=1), side=32)
    assert (mean, most) == (0.0, 0)


def test_hostile_bytes_are_unreadable_and_nothing_else(page):
    generator = np.random.default_rng(3)
    whole = [saved(drawing(40, 30), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")]
    for data in whole:
        for _ in range(8):
            broken = bytearray(data[: int(generator.integers(1, len(data) + 1))])
            for place in generator.integers(0, len(broken), 3):
                broken[place] = int(generator.integers(0, 256))
            found = decoded(page, bytes(broken), 16)
            assert not isinstance(found, str) or found.startswith("Unreadable: "), found


def test_a_short_film_behind_a_photograph_is_not_taken_for_scans(page):
    film = b"\xff\xda" * 3000
    assert difference(page, saved(drawing(80, 70), "JPEG", quality=95, subsampling=0) + film) == (0.0, 0)


def test_a_worker_that_cannot_open_its_model_says_so_each_time(page):
    script = """const {WorkerClient} = await import("/static/worker_client.js");
    const {inBlobs} = await import("/static/load_model.js");
    const own = await inBlobs(new URL("/static/worker.js", location));
    const helper = new WorkerClient(own, {runtime: "/static/none.js", wasm: new ArrayBuffer(1), graph: new ArrayBuffer(1), facts: {}});
    const told = () => helper.ask("selfTest", new ArrayBuffer(4)).catch((error) => `${error.constructor.name}: ${error.message}`);
    return [await told(), ...(await Promise.all([told(), told()]))];"""
    found = page.run(script)
    assert len(found) == 3
    assert all(item.startswith("Refused: The classifier broke down") for item in found), found
