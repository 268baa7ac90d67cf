"""DICOM: window, rescaling, colours and frames; what would need a codec or unbounded memory is refused by name."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawsight.core.errors import UnreadablePicture
from pawsight.images.decode import DecodeSettings, decode, is_readable_type

pydicom = pytest.importorskip("pydicom", reason="needs pawsight[dicom]")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SETTINGS = DecodeSettings(image_px=16)
EXPLICIT, RLE, JPEG = (f"1.2.840.10008.1.2.{end}" for end in ("1", "5", "4.50"))
RAMP = np.linspace(0, 4095, 256).reshape(16, 16).astype("<u2")


def dicom(values: np.ndarray = RAMP, syntax: str = EXPLICIT, **elements: Any) -> bytes:
    """A file of one frame, 12 bits of 16 by default; `elements` are added or replaced."""
    from pydicom.dataset import Dataset, FileMetaDataset

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = "1.2.3.4"
    file.Rows, file.Columns, file.SamplesPerPixel = (*values.shape[:2], 1 if values.ndim == 2 else 3)
    file.BitsAllocated, file.PixelRepresentation = 8 * values.itemsize, int(values.dtype.kind == "i")
    file.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    file.BitsStored = 12 if values.itemsize == 2 else 8
    file.PlanarConfiguration = 0
    file.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    file.HighBit = file.BitsStored - 1
    out = io.BytesIO()
    file.save_as(out, enforce_file_format=True)
    return out.getvalue()


def encapsulated(frame: bytes, syntax: str, **elements: Any) -> bytes:
    from pydicom.encaps import encapsulate

    return dicom(np.zeros((16, 16), "u1"), syntax, PixelData=encapsulate([frame]), **elements)


def pixels(data: bytes, settings: DecodeSettings = SETTINGS) -> np.ndarray:
    return decode(data, settings, name="x.dcm").pixels


def reason(data: bytes, settings: DecodeSettings = SETTINGS) -> str:
    with pytest.raises(UnreadablePicture) as error:
        decode(data, settings, name="x.dcm")
    return error.value.why


def grey(values: Any) -> np.ndarray:
    return np.repeat(np.asarray(values)[..., None], 3, axis=2)


def test_without_a_window_the_stored_bits_are_the_range():
    decoded = decode(dicom(), SETTINGS, name="x.dcm")
    assert (decoded.width, decoded.height, decoded.format, decoded.orientation) == (16, 16, "DICOM", 1)
    assert np.array_equal(decoded.pixels, grey(np.rint(RAMP * (255 / 4095)).astype(np.uint8)))
    assert is_readable_type(dicom()[:200])


def test_a_data_set_s_range_comes_before_that_of_the_bits_and_after_a_window():
    scaled = DecodeSettings(image_px=16, grey_range=(0.0, 1023.0))
    assert np.array_equal(pixels(dicom(), scaled), grey(np.clip(np.rint(RAMP * (255 / 1023)), 0, 255).astype(np.uint8)))
    windowed = dicom(WindowCenter=2048, WindowWidth=4096)
    assert np.array_equal(pixels(windowed, scaled), pixels(windowed))


def test_the_window_is_applied_after_the_rescaling():
    hounsfield = dicom(RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    shown = pixels(hounsfield)[..., 0]
    values = RAMP.astype(int) - 1024
    assert (shown[values <= -160] == 0).all()
    assert (shown[values > 240] == 255).all()
    middle = (values > -100) & (values < 200)
    # PS3.3, C.11.2.1.2.1
    assert np.abs(shown[middle] - ((values[middle] - 39.5) / 399 + 0.5) * 255).max() <= 0.51


def test_monochrome_1_is_turned():
    assert np.array_equal(pixels(dicom(PhotometricInterpretation="MONOCHROME1")), 255 - pixels(dicom()))


def test_signed_values_are_read():
    shown = pixels(dicom((RAMP.astype(int) - 2048).astype("<i2")))
    assert np.array_equal(shown, pixels(dicom()))


def test_colours_are_read_raw_and_in_jpeg():
    colours = np.random.default_rng(1).integers(0, 256, (4, 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    assert np.array_equal(pixels(dicom(colours)), colours)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "JPEG", quality=95, subsampling=0)
    whole = encapsulated(file.getvalue(), JPEG, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422")
    decoded = decode(whole, SETTINGS, name="x.dcm")
    assert decoded.format == "DICOM"
    assert np.array_equal(decoded.pixels, pixels(file.getvalue()))


def test_of_several_frames_the_first_is_taken():
    two = dicom(RAMP, NumberOfFrames=2, PixelData=RAMP.tobytes() + bytes(RAMP.nbytes))
    assert np.array_equal(pixels(two), pixels(dicom()))


def test_runs_are_unpacked():
    from pydicom import dcmread

    file = dcmread(io.BytesIO(dicom()))
    file.compress(RLE, generate_instance_uid=False)
    out = io.BytesIO()
    file.save_as(out)
    assert np.array_equal(pixels(out.getvalue()), pixels(dicom()))


@pytest.mark.parametrize("syntax", ["4.70", "4.80", "4.90", "1.99"])
def test_what_needs_a_codec_or_may_unpack_to_any_size_is_refused_by_name_with_what_to_type(syntax):
    data = dicom().replace(b"1.2.840.10008.1.2.1\0", f"1.2.840.10008.1.2.{syntax}".encode()[:20].ljust(20, b"\0"))
    assert "gdcmconv --raw" in reason(data)


def test_a_jpeg_with_a_window_and_a_file_without_a_picture_are_refused():
    assert "in JPEG with a window" in reason(encapsulated(b"\xff\xd8", JPEG, WindowCenter=1, WindowWidth=2))
    assert reason(dicom(Rows=0)) == "DICOM without a picture"


def test_size_and_memory_are_refused_before_anything_is_unpacked():
    assert reason(dicom(Rows=9000, Columns=9000)).startswith("81.0 megapixels, 50 allowed")
    assert "MiB of memory" in reason(dicom(Rows=7000, Columns=7000))
    runs = encapsulated(bytes(9 * 2**20), RLE)
    assert "MiB of memory" in reason(runs)
    bomb = io.BytesIO()
    Image.new("L", (9000, 9000)).save(bomb, "JPEG")
    assert reason(encapsulated(bomb.getvalue(), JPEG)).startswith("81.0 megapixels, 50 allowed")


@given(st.data())
def test_a_mutated_dicom_ends_in_a_refusal_or_an_array(data):
    mutated = bytearray(dicom(RescaleSlope=2, RescaleIntercept=-5, WindowCenter=40, WindowWidth=400))
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(132, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnreadablePicture):
        assert pixels(bytes(mutated)).shape == (16, 16, 3)
