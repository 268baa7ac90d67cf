"""Precision and recall of "looks the same", on five kinds of pictures, with the perceptual hash alone beside it.

    python benchmarks/alike.py --signs sign_digits.zip --photographs cats_and_dogs_filtered.zip

Some pictures of each kind are there a second time, changed in one way; every pair that is reported and does not come
from one picture is an error. `--sheets FOLDER` draws the groups that are reported, to be looked at. The reports on the
pictures as they are, without copies, stand in the first row of a kind.
"""

from __future__ import annotations

import argparse
import colorsys
import io
import random
import zipfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from pawsight.data.dataset import Picture
from pawsight.data.duplicates import duplicate_groups, duplicate_pairs
from pawsight.data.facts import facts_of, is_plain
from pawsight.images.decode import DecodeSettings
from pawsight.images.fingerprint import HASHED_PX, groups_of, near_pairs

SIDE = 200
SETTINGS = DecodeSettings(image_px=HASHED_PX)


def textures(rng: np.random.Generator, number: int) -> Image.Image:
    """Stripes, bands, checks, noise or clouds."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    turn, phase, kind = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi), number % 5
    if kind == 0:
        waves = np.sin(rng.uniform(20, 80) * (x * np.cos(turn) + y * np.sin(turn)) + phase)
    elif kind == 1:
        waves = np.sign(np.sin(2 * np.pi * rng.integers(4, 12) * x + phase))
    elif kind == 2:
        cells = 2 * np.pi * rng.integers(3, 10)
        waves = np.sign(np.sin(cells * x + phase) * np.sin(cells * y + rng.uniform(0, 2 * np.pi)))
    elif kind == 3:
        waves = rng.normal(0, 1, (SIDE, SIDE))
    else:
        waves = soft(rng, int(rng.integers(4, 20)))
    base = np.array([128.0, 120.0, 110.0]) if kind == 3 else rng.uniform(90, 160, 3)
    return picture_of(base + rng.uniform(20, 50) * waves[..., None] + rng.normal(0, 4, (SIDE, SIDE, 3)))


def grains(rng: np.random.Generator, number: int) -> Image.Image:
    """A grain of rice on black; one of two kinds, hardly turned or moved."""
    around = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = 1 + 0.04 * np.sin(2 * around + rng.uniform(0, 6)) + 0.03 * np.sin(3 * around + rng.uniform(0, 6))
    long, wide = (
        (rng.uniform(55, 65), rng.uniform(26, 32)) if number % 2 else (rng.uniform(62, 75), rng.uniform(22, 28))
    )
    turn = rng.normal(0, 0.12)
    along, across = long * radius * np.cos(around), wide * radius * np.sin(around)
    x = SIDE / 2 + rng.normal(0, 1.5) + along * np.cos(turn) - across * np.sin(turn)
    y = SIDE / 2 + rng.normal(0, 1.5) + along * np.sin(turn) + across * np.cos(turn)
    image = Image.new("RGB", (SIDE, SIDE))
    light = rng.uniform(200, 235)
    outline = list(zip(x, y, strict=True))
    ImageDraw.Draw(image).polygon(outline, fill=(int(light), int(0.97 * light), int(0.9 * light)))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5))).astype(float)
    return picture_of(pixels * (1 + 0.06 * soft(rng, 20)[..., None]) + rng.normal(0, 2, (SIDE, SIDE, 1)))


def colours(rng: np.random.Generator, number: int) -> Image.Image:
    """Discs of one of eight hues and of equal luma; pictures of all eight hues have the same discs."""
    discs = np.random.default_rng(number // 8)
    hue = np.array(colorsys.hsv_to_rgb((number % 8 / 8 + rng.uniform(-0.02, 0.02)) % 1, 0.6, 1.0))
    colour = tuple(int(min(255, level)) for level in hue * 110 / (hue @ [0.299, 0.587, 0.114]))
    image = Image.new("RGB", (SIDE, SIDE), (220, 220, 220))
    for _ in range(5):
        x, y, radius = discs.uniform(30, 170), discs.uniform(30, 170), discs.uniform(15, 45)
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture_of(np.asarray(image) + rng.normal(0, 3, (SIDE, SIDE, 3)))


def soft(rng: np.random.Generator, cells: int) -> np.ndarray:
    small = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def picture_of(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def saved(image: Image.Image, quality: int = 90) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def cropped(image: Image.Image, chance: random.Random) -> Image.Image:
    """Cut 5 % of each side away, by chance more at one end or the other."""
    wide, high = image.size
    left, top = chance.uniform(0, 0.05 * wide), chance.uniform(0, 0.05 * high)
    return image.crop((round(left), round(top), round(left + 0.95 * wide), round(top + 0.95 * high)))


CHANGES: dict[str, Callable[[Image.Image, random.Random], bytes]] = {
    "saved at quality 50": lambda image, chance: saved(image, 50),
    "saved at quality 70": lambda image, chance: saved(image, 70),
    "saved at quality 90": lambda image, chance: saved(image, 90),
    "cropped by 5 %": lambda image, chance: saved(cropped(image, chance)),
    "half the size": lambda image, chance: saved(image.resize((image.width // 2, image.height // 2))),
    "brightened by 10 %": lambda image, chance: saved(ImageEnhance.Brightness(image).enhance(1.1)),
    "brightened by 20 %": lambda image, chance: saved(ImageEnhance.Brightness(image).enhance(1.2)),
}


def measured(data: bytes, source: int, name: str) -> Picture:
    return Picture(Path(name), name, "", None, f"{name}", facts_of(data, SETTINGS, None, str(source)))


def reported(pictures: list[Picture]) -> set[tuple[int, int]]:
    """Pairs that are reported now: those of the first of a group with each other."""
    groups = duplicate_groups(pictures, duplicate_pairs(pictures))
    return {(min(group[0], row), max(group[0], row)) for group in groups for row in group[1:]}


def reported_before(pictures: list[Picture]) -> set[tuple[int, int]]:
    """Pairs that the perceptual hash alone reports: all of a chain."""
    varied = np.array([row for row, picture in enumerate(pictures) if not is_plain(picture.facts)])
    pairs = varied[near_pairs(np.array([pictures[row].facts.phash for row in varied], dtype=np.uint64))]
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(groups_of(len(pictures), pairs).tolist()):
        groups.setdefault(group, []).append(row)
    return {pair for rows in groups.values() for pair in combinations(rows, 2)}


def kinds(asked: argparse.Namespace) -> Iterator[tuple[str, list[tuple[bytes, Image.Image]]]]:
    for kind, place in (("hand signs", asked.signs), ("photographs", asked.photographs)):
        if place:
            with zipfile.ZipFile(place) as archive:
                names = sorted(name for name in archive.namelist() if name.lower().endswith(".jpg"))
                data = [archive.read(name) for name in random.Random(1).sample(names, min(asked.most, len(names)))]
            yield kind, [(content, Image.open(io.BytesIO(content)).convert("RGB")) for content in data]
    for number, draw in enumerate((textures, grains, colours)):
        images = [draw(np.random.default_rng([number, index]), index) for index in range(asked.drawn)]
        yield draw.__name__, [(saved(image, 95), image) for image in images]


def sheet(kind: str, images: list[Image.Image], groups: list[list[int]], folder: Path) -> None:
    """Draw a row for each group, 100 rows a sheet."""
    for start in range(0, len(groups), 30):
        rows = groups[start : start + 30]
        page = Image.new("RGB", (100 * max(map(len, rows)), 100 * len(rows)), "white")
        for y, group in enumerate(rows):
            for x, row in enumerate(group):
                page.paste(images[row].resize((96, 96)), (100 * x, 100 * y))
        page.save(folder / f"{kind.replace(' ', '-')}-{start:04}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signs", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--most", type=int, default=3_000, help="photographs of a kind")
    parser.add_argument("--drawn", type=int, default=400, help="drawings of a kind")
    parser.add_argument("--copies", type=int, default=300, help="pictures that are there twice")
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()
    print(
        "| pictures | there twice, one of them | reported: right / wrong | precision | recall | hash alone: right / wrong | precision | recall |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind, own in kinds(asked):
        originals = [measured(data, row, f"{row}") for row, (data, _) in enumerate(own)]
        twice = sorted(random.Random(2).sample(range(len(own)), min(asked.copies, len(own))))
        totals = np.zeros((2, 3), dtype=int)
        for change in ("", *CHANGES):
            chance = random.Random(3)
            copies = [CHANGES[change](own[row][1], chance) for row in twice] if change else []
            pictures = originals + [
                measured(data, row, f"{row} {change}") for row, data in zip(twice, copies, strict=False)
            ]
            sources = [*range(len(own)), *twice][: len(pictures)]
            cells = []
            for way, report in enumerate((reported, reported_before)):
                pairs = report(pictures)
                right = sum(sources[a] == sources[b] for a, b in pairs)
                totals[way] += (right, len(pairs) - right, len(copies)) if change else 0
                cells.append(row_of(right, len(pairs) - right, len(copies)))
            print(f"| {kind} | {change or '-'} |{'|'.join(cells)}|", flush=True)
            if asked.sheets and not change:
                images = [image for _, image in own]
                sheet(kind, images, duplicate_groups(pictures, duplicate_pairs(pictures)), asked.sheets)
        print(
            f"| **{kind}** | **all** |{'|'.join(row_of(*(int(count) for count in total)) for total in totals)}|",
            flush=True,
        )


def row_of(right: int, wrong: int, there: int) -> str:
    precision = f"{right / (right + wrong):.3f}" if right + wrong else "-"
    return f" {right:,} / {wrong:,} | {precision} | {f'{right / there:.3f}' if there else '-'} "


if __name__ == "__main__":
    main()
