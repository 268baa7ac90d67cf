"""Colour profiles for tests: three primaries adapted to D50 and one curve, as ICC.1:2022 lays them out."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageCms


def curve(gamma: float, *rest: float) -> bytes:
    """A parametric curve: a gamma, or with four more numbers that of sRGB."""
    numbers = [round(65_536 * number) for number in (gamma, *rest)]
    return struct.pack(f">4s4xHxx{len(numbers)}i", b"para", 3 if rest else 0, *numbers)


def xyz(*values: float) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(65_536 * value) for value in values))


def profile(elements: dict[bytes, bytes], *, device: bytes = b"mntr", space: bytes = b"RGB ", size: int = 0) -> bytes:
    """Lay elements out behind a header; `size` appends zeros."""
    elements = {b"wtpt": xyz(0.9642, 1, 0.8249), **elements}
    start, table, content = 132 + 12 * len(elements), b"", b""
    for name, element in elements.items():
        table += name + struct.pack(">II", start + len(content), len(element))
        content += element
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(content) + size, 0x04000000, device, space, b"XYZ ", b"acsp")
    white = xyz(0.9642, 1, 0.8249)[8:]
    return head + white + bytes(48) + struct.pack(">I", len(elements)) + table + content + bytes(size)


def of_primaries(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], tone: bytes) -> bytes:
    elements = {b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue)}
    return profile(elements | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone))


SRGB_CURVE = curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
ADOBE_PRIMARIES = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
PROFILES = {
    "Display P3": of_primaries(
        (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), SRGB_CURVE
    ),
    "Adobe RGB": of_primaries(*ADOBE_PRIMARIES, curve(563 / 256)),
    "ProPhoto": of_primaries((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03135, 0.00009, 0.82521), curve(1.8)),
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def converted(image: Image.Image, name: str, *, of: str = "sRGB") -> Image.Image:
    """The same colours as the numbers of another profile: what a device that knows it would save."""
    ends = (ImageCms.ImageCmsProfile(io.BytesIO(PROFILES.get(end, SRGB))) for end in (of, name))
    changed = ImageCms.profileToProfile(image, *ends)
    assert changed is not None
    changed.info.clear()  # what is saved says what it is told to say
    return changed


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
