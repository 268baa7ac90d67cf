"""DICOM to a picture: its first frame with its rescaling and its window. decode.py calls it where pydicom is installed.

A transfer syntax is read where the header bounds the memory that it takes. A deflated file may unpack to any size, and
Pillow has no codec for lossless JPEG: such files are refused by name, with the command that unpacks them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.images.header_limits import ReadLimitedFile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

HAS_DICOM = find_spec("pydicom") is not None  # the extra [dicom]
GREY_RANGE = "grey_range"  # in a picture's info: the least and greatest value that its file can store
_PREAMBLE = 128  # bytes of anything (PS3.10, 7.1)
_RLE, _JPEG_BASELINE = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"
_UNPACKED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_BYTES_A_VALUE = 28  # at most: as stored, unpacked, rescaled, and in a window twice in float64
_RUN = 64  # times that a byte of RLE is repeated at most, in two bytes (PS3.5, G.3)


class UnsupportedDicom(Exception):
    """A kind of DICOM that is not read; the text says which, and what unpacks it."""


def is_dicom(data: bytes) -> bool:
    """Say whether a file says that it is DICOM (PS3.10, 7.1)."""
    return data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def open_dicom(data: bytes, check: Callable[[int, int, float], None]) -> Image.Image | bytes:
    """Return the first frame of a DICOM file.

    Args:
        data: the file.
        check: is given width, height and the bytes of memory that decoding takes, before it begins; it may raise.

    Returns:
        L where the file has a window or a VOI table (PS3.3, C.11.2), RGB where it has colours; else F in the units of
        its rescaling (PS3.3, C.11.1), with the values that it can store as `info[GREY_RANGE]`. High values are bright,
        also where MONOCHROME1 says the opposite of the stored ones. Of a frame in JPEG, the bytes of the JPEG.

    Raises:
        UnsupportedDicom: it is compressed in a way that is not read, or holds no picture. Whatever else pydicom trips
        over in broken files.
    """
    from pydicom import dcmread  # takes 0.2 s
    from pydicom.encaps import get_frame
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    syntax = _transfer_syntax(data)
    if syntax not in (*_UNPACKED, _RLE, _JPEG_BASELINE):
        raise _unsupported(f"with the transfer syntax {syntax}" if syntax else "with no transfer syntax")
    header = dcmread(ReadLimitedFile(data))
    width, height, samples = (int(header.get(name) or 0) for name in ("Columns", "Rows", "SamplesPerPixel"))
    if not (width and height and samples and "PixelData" in header):
        raise UnsupportedDicom("DICOM without a picture")
    needed = len(data) + width * height * samples * _BYTES_A_VALUE
    if syntax in (_RLE, _JPEG_BASELINE):
        frame = get_frame(header.PixelData, 0, number_of_frames=int(header.get("NumberOfFrames") or 1))
        if syntax == _JPEG_BASELINE:
            if header.PhotometricInterpretation == "MONOCHROME1" or _has_window(header):
                raise _unsupported("in JPEG with a window")
            return frame
        needed += _RUN * len(frame)
    check(width, height, needed)
    values: NDArray[Any] = pixel_array(header, index=0)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, header)
    if values.ndim == 3:
        return Image.fromarray((values >> (8 * values.itemsize - 8)).astype(np.uint8))
    return _grey(values, header)


def _unsupported(what: str) -> UnsupportedDicom:
    return UnsupportedDicom(f"DICOM {what} is not read; unpack it: gdcmconv --raw IN.dcm OUT.dcm")


def _has_window(header: Dataset) -> bool:
    return "WindowCenter" in header or "VOILUTSequence" in header


def _grey(values: NDArray[Any], header: Dataset) -> Image.Image:
    """Return greys as `open_dicom` does: rescaled, then through the window where there is one."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    low, high = _storable(header)
    values = apply_modality_lut(values, header)
    if _has_window(header):
        values = apply_voi_lut(values, header)
        if "VOILUTSequence" in header:
            low, high = 0.0, 2.0 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1.0
    if header.PhotometricInterpretation == "MONOCHROME1":
        values = low + high - values.astype(np.float64)
    if _has_window(header):
        return Image.fromarray(np.clip(np.rint((values - low) * (255.0 / (high - low))), 0, 255).astype(np.uint8))
    picture = Image.fromarray(values.astype(np.float32))
    picture.info[GREY_RANGE] = low, high
    return picture


def _storable(header: Dataset) -> tuple[float, float]:
    """Return the least and the greatest value that the file can store, rescaled (PS3.3, C.7.6.3.1 and C.11.1)."""
    if header.get("ModalityLUTSequence"):
        return 0.0, 2.0 ** int(header.ModalityLUTSequence[0].LUTDescriptor[2]) - 1.0
    half = 2.0 ** (int(header.BitsStored) - 1)
    slope, intercept = float(header.get("RescaleSlope") or 1.0), float(header.get("RescaleIntercept") or 0.0)
    least, most = (-half, half - 1.0) if header.PixelRepresentation else (0.0, 2.0 * half - 1.0)
    ends = sorted((least * slope + intercept, most * slope + intercept))
    return ends[0], ends[1]


def _transfer_syntax(data: bytes) -> str:
    """Return how the file is packed, by the group of elements before the data set, which never is packed."""
    from pydicom.filereader import read_dataset

    file = ReadLimitedFile(data)
    file.seek(_PREAMBLE + 4)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    return str(meta.get("TransferSyntaxUID", ""))
