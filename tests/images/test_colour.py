"""Colour profiles: what they mean is seen, and none costs a picture."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageEnhance

from pawsight.images import colour
from pawsight.images.decode import DecodeSettings, decode
from pawsight.sample import draw

from ..colour_profiles import ADOBE_PRIMARIES, PROFILES, SRGB, converted, curve, of_primaries, profile, saved, xyz

SETTINGS = DecodeSettings(image_px=64)
VERSION_2 = DecodeSettings(image_px=64, version=2)
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
DRAWING = ImageEnhance.Color(draw("cats", seed=5, index=0, sides=(120, 160))).enhance(3)
P3 = PROFILES["Display P3"]


def pixels(data: bytes, settings: DecodeSettings = SETTINGS) -> np.ndarray:
    return decode(data, settings, name="x").pixels.astype(int)


def off(found: np.ndarray, image: Image.Image = DRAWING) -> float:
    return float(np.abs(found - pixels(saved(image))).mean())


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_picture_with_a_profile_looks_as_it_does_in_srgb(name: str, kind: str) -> None:
    data = saved(converted(DRAWING, name), kind, icc_profile=PROFILES[name], **LOSSLESS[kind])
    assert off(pixels(data)) < 0.2 < 2 < off(pixels(data, VERSION_2))


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95, "subsampling": 0}), ("AVIF", {"quality": 95})])
def test_lossy_files_have_profiles_too(kind: str, options: dict[str, object]) -> None:
    data = saved(converted(DRAWING, "ProPhoto"), kind, icc_profile=PROFILES["ProPhoto"], **options)
    assert off(pixels(data)) < 3 < off(pixels(data, VERSION_2))


def test_palettes_and_transparency_are_converted_as_they_are_shown() -> None:
    wide = converted(DRAWING, "Adobe RGB")
    palette = wide.quantize(64)
    same_colours = saved(palette.convert("RGB"), icc_profile=PROFILES["Adobe RGB"])
    assert (pixels(saved(palette, icc_profile=PROFILES["Adobe RGB"])) == pixels(same_colours)).all()
    clear = wide.copy()
    clear.putalpha(0)
    assert (pixels(saved(clear, icc_profile=PROFILES["Adobe RGB"])) == 255).all()


def test_of_a_large_picture_the_square_is_converted() -> None:
    large = DRAWING.resize((2200, 2000), Image.Resampling.BICUBIC)
    data = saved(converted(large, "ProPhoto"), icc_profile=PROFILES["ProPhoto"], compress_level=1)
    assert off(pixels(data), large) < 1


def test_a_turned_picture_is_converted_and_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = converted(DRAWING, "ProPhoto").transpose(Image.Transpose.ROTATE_90)
    assert off(pixels(saved(turned, icc_profile=PROFILES["ProPhoto"], exif=exif.tobytes()))) < 0.3


@pytest.mark.parametrize("same", [SRGB, of_primaries((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708),
                                                     (0.14307, 0.06061, 0.71410), curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))])  # fmt: skip
def test_an_srgb_profile_changes_nothing(same: bytes) -> None:
    assert (pixels(saved(DRAWING, icc_profile=same)) == pixels(saved(DRAWING))).all()


def test_grey_with_a_profile_of_grey_is_converted() -> None:
    ramp = Image.linear_gradient("L")
    data = saved(ramp, icc_profile=profile({b"kTRC": curve(1.0)}, space=b"GRAY"))
    linear = np.asarray(ramp.resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=2.0)) / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    wrong = np.abs(pixels(data) - 255 * srgb[..., None])
    assert wrong[linear > 0.05].max() <= 2  # where it is darker one step of the file is many on the screen
    assert (pixels(data, VERSION_2)[..., 0] == np.rint(255 * linear)).all()


def adobe_rgb_by_exif(mark: object) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: mark}
    return saved(converted(DRAWING, "Adobe RGB"), "JPEG", quality=95, subsampling=0, exif=exif.tobytes())


def test_a_camera_that_says_adobe_rgb_in_exif_alone_is_believed() -> None:
    options = {"quality": 95, "subsampling": 0, "icc_profile": PROFILES["Adobe RGB"]}
    embedded = pixels(saved(converted(DRAWING, "Adobe RGB"), "JPEG", **options))
    assert np.abs(pixels(adobe_rgb_by_exif("R03")) - embedded).max() <= 1
    assert np.abs(pixels(adobe_rgb_by_exif("R98")) - embedded).max() > 9
    said_elsewhere = Image.Exif()
    said_elsewhere[0x010F] = "R03"
    plain = saved(DRAWING, "JPEG")
    assert (pixels(saved(DRAWING, "JPEG", exif=said_elsewhere.tobytes())) == pixels(plain)).all()


def test_an_embedded_profile_goes_before_exif() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    tagged = saved(DRAWING, "JPEG", exif=exif.tobytes(), icc_profile=SRGB)
    assert (pixels(tagged) == pixels(saved(DRAWING, "JPEG"))).all()


UNUSABLE = {
    "empty": b"",
    "a header": P3[:128],
    "truncated": P3[:200],
    "noise": np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes(),
    "of CMYK": P3[:16] + b"CMYK" + P3[20:],
    "of Lab": P3[:16] + b"Lab " + P3[20:],
    "of grey on a coloured picture": profile({b"kTRC": curve(1.0)}, space=b"GRAY"),
    "of named colours": P3[:12] + b"nmcl" + P3[16:],
    "a link between devices": P3[:12] + b"link" + P3[16:],
    "without curves": profile({b"rXYZ": xyz(1, 0, 0), b"gXYZ": xyz(0, 1, 0), b"bXYZ": xyz(0, 0, 1)}),
    "with a curve of four billion points": P3.replace(b"para", b"curv").replace(struct.pack(">Hxx", 3), b"\xff" * 4),
    "huge": profile({b"rXYZ": xyz(1, 0, 0)}, size=3 * 2**20),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("what", UNUSABLE)
def test_a_profile_that_cannot_be_used_is_passed_over(what: str, kind: str) -> None:
    found = pixels(saved(DRAWING, kind, icc_profile=UNUSABLE[what]))
    assert (found == pixels(saved(DRAWING, kind))).all()


def test_a_grey_picture_with_a_coloured_profile_stays_as_it_is() -> None:
    grey = DRAWING.convert("L")
    assert (pixels(saved(grey, icc_profile=P3)) == pixels(saved(grey))).all()


def test_a_profile_on_16_bit_grey_is_passed_over() -> None:
    deep = Image.fromarray(257 * np.asarray(DRAWING.convert("L"), np.uint16))
    assert deep.mode == "I;16"
    linear = profile({b"kTRC": curve(1.0)}, space=b"GRAY")
    assert (pixels(saved(deep, icc_profile=linear)) == pixels(saved(deep))).all()


def test_colours_that_a_png_names_by_number_alone_are_read_as_srgb() -> None:
    plain, content = saved(DRAWING), bytes([12, 13, 0, 1])  # Display P3 with the curve of sRGB (ITU-T H.273)
    chunk = struct.pack(">I", len(content)) + b"cICP" + content + struct.pack(">I", zlib.crc32(b"cICP" + content))
    assert (pixels(plain[:33] + chunk + plain[33:]) == pixels(plain)).all()


@pytest.mark.parametrize(
    "content", [b"x\0\0" + zlib.compress(bytes(50 * 2**20)), b"x\0\7abc", b"", b"x\0\0" + b"\xff" * 99]
)
def test_a_png_is_not_refused_over_its_profile(content: bytes) -> None:
    plain = saved(DRAWING)
    chunk = struct.pack(">I", len(content)) + b"iCCP" + content + struct.pack(">I", zlib.crc32(b"iCCP" + content))
    for place in (33, len(plain) - 12):  # before the pixels, where it belongs, and after them
        assert (pixels(plain[:place] + chunk + plain[place:]) == pixels(plain)).all()


def test_without_littlecms_profiles_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(ImageCms, "buildTransform", fail)
    other = of_primaries(*ADOBE_PRIMARIES, curve(1.234))
    assert (pixels(saved(DRAWING, icc_profile=other)) == pixels(saved(DRAWING))).all()


def test_a_transform_that_breaks_down_leaves_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def apply(self, image: Image.Image) -> Image.Image:
            raise ValueError

    monkeypatch.setattr(colour, "_transform", lambda profile, mode: Broken())
    assert (pixels(saved(DRAWING, icc_profile=P3)) == pixels(saved(DRAWING))).all()


@given(st.data())
def test_no_spoiled_profile_does_more_than_change_colours(data: st.DataObject) -> None:
    spoiled = bytearray(data.draw(st.sampled_from([*PROFILES.values(), SRGB])))
    for _ in range(data.draw(st.integers(1, 8))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    source = Image.new("RGB", (8, 8), (200, 40, 90))
    source.info["icc_profile"] = bytes(spoiled[: data.draw(st.integers(0, len(spoiled)))])
    conversion = colour.srgb_conversion(source)
    if conversion is not None:
        assert (conversion(source).mode, conversion(source).size) == ("RGB", (8, 8))


def test_threads_convert_alike() -> None:
    files = [saved(converted(DRAWING, name), icc_profile=PROFILES[name]) for name in PROFILES] * 20
    alone = [pixels(data) for data in files[: len(PROFILES)]] * 20
    with ThreadPoolExecutor(8) as pool:
        for found, expected in zip(pool.map(pixels, files), alone, strict=True):
            assert (found == expected).all()
