"""Measures where the audit's limits lie among photographs, and how often photographs made bad on purpose are found.

usage: python benchmarks/audit_thresholds.py FOLDER [--changed 500]
    FOLDER has JPEG photographs somewhere below it. Prints percentiles of each figure over all of them, the traits found,
    and for each change made to a random few hundred the share with each trait.
"""

from __future__ import annotations

import argparse
import io
import random
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from pawsight.data.facts import UNBLURRED_PX, Facts, quality_flags
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.fingerprint import HASHED_PX
from pawsight.images.quality import image_statistics

PERCENTILES = (0, 0.1, 0.5, 1, 5, 50, 95, 99, 99.5, 99.9, 100)
CHANGES = {
    "as they are": lambda image: image,
    "blurred, sigma 0.5 % of the shorter side": lambda image: blurred(image, 0.005),
    "blurred, sigma 1 %": lambda image: blurred(image, 0.01),
    "blurred, sigma 2 %": lambda image: blurred(image, 0.02),
    "a quarter of the light": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
    "three times the light": lambda image: ImageEnhance.Brightness(image).enhance(3),
    "without colour": lambda image: image.convert("L").convert("RGB"),
}


def blurred(image: Image.Image, share: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def facts(data: bytes) -> Facts:
    decoded = decode(data, DecodeSettings(image_px=HASHED_PX), name="a photograph")
    return Facts(
        decoded.width, decoded.height, decoded.format, decoded.orientation, 0, image_statistics(decoded.pixels)
    )


def saved(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--changed", type=int, default=500)
    asked = parser.parse_args()
    files = sorted(asked.folder.rglob("*.jpg"))
    every = [facts(path.read_bytes()) for path in files]
    print(f"{len(every):,} photographs; percentiles {PERCENTILES}")
    for name in ("brightness", "contrast", "sharpness", "chroma"):
        values = np.percentile([getattr(one.statistics, name) for one in every], PERCENTILES)
        print(f"  {name:<10}", *(f"{value:9.4g}" for value in values))
    sides = np.array([sorted((one.width, one.height)) for one in every])
    print(f"  {'shorter':<10}", *(f"{value:9.4g}" for value in np.percentile(sides[:, 0], PERCENTILES)))
    print(f"  {'aspect':<10}", *(f"{value:9.4g}" for value in np.percentile(sides[:, 1] / sides[:, 0], PERCENTILES)))
    print("traits:", dict(Counter(trait for one in every for trait in quality_flags(one)).most_common()))
    images = [
        Image.open(path).convert("RGB") for path in random.Random(1).sample(files, min(asked.changed, len(files)))
    ]
    images = [image for image in images if min(image.size) >= UNBLURRED_PX]
    for name, change in CHANGES.items():
        found = Counter(trait for image in images for trait in quality_flags(facts(saved(change(image)))))
        print(f"{name} ({len(images)}):", {trait: f"{100 * n / len(images):.1f} %" for trait, n in found.most_common()})


if __name__ == "__main__":
    main()
