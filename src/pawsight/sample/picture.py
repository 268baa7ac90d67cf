"""Composes a picture (size, a scene, an animal or something else, things in front, light), and writes the sample."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from random import Random

from PIL import Image

from pawsight.core.errors import WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import new_folder
from pawsight.sample import scenes
from pawsight.sample.animal import Animal, any_animal
from pawsight.sample.body import EXTENT, animal, shadow
from pawsight.sample.drawing import Box, Pen, lit
from pawsight.sample.scenes import Area
from pawsight.sample.things import hiding_place, in_front, something_else

CLASSES = ("cats", "dogs")
KINDS = (*CLASSES, "other")
_FINE = 2  # drawn this many times larger, then reduced, so that edges are smooth
_INSIDE = ((scenes.studio, 20), (scenes.room, 28))
_OUTSIDE = ((scenes.garden, 22), (scenes.beach, 9), (scenes.snow, 7), (scenes.night, 8), (scenes.autumn, 8))


def draw(kind: str, *, seed: int, index: int, part: str = "train", sides: tuple[int, int] = (200, 420)) -> Image.Image:
    """Draw one picture; equal arguments give equal pixels, whatever else was drawn before.

    Args:
        kind: "cats", "dogs", or "other" for a picture that shows neither.
        seed, index: any whole numbers.
        part: "train" or "validation"; the two never share a picture.
        sides: the least and the greatest side, in pixels.

    Returns:
        An RGB picture.

    Raises:
        WrongUsage: there is no such kind.
    """
    return draw_with_place(kind, seed=seed, index=index, part=part, sides=sides)[0]


def draw_with_place(
    kind: str, *, seed: int, index: int, part: str = "train", sides: tuple[int, int] = (200, 420)
) -> tuple[Image.Image, Box]:
    """Draw one picture as `draw` does, and say where in it the animal or thing is.

    Returns:
        The picture and the box (left, top, right, bottom) in its pixels, right and bottom exclusive.
    """
    if kind not in KINDS:
        raise WrongUsage(
            f"The sample cannot draw {kind!r}.",
            f"It draws {', '.join(KINDS)}.",
            f"Type one of them, e.g. draw({KINDS[0]!r}, seed=0, index=0).",
        )
    # A seed of its own for each picture, so that none depends on how many were drawn before it.
    rng = Random(f"pawsight sample {seed} {part} {kind} {index}")  # noqa: S311 - drawings are no secret
    area = _scene(rng, sides)
    subject = _other(area, rng) if kind == "other" else _animal(area, any_animal(kind, rng), rng)
    sheet = area.pen.sheet
    picture = lit(sheet.reduce(_FINE), rng)
    return picture, _seen(subject.touched, sheet.size)


def _scene(rng: Random, sides: tuple[int, int]) -> Area:
    least, greatest = sides
    wide, high = (round(rng.triangular(least, greatest, least + 0.3 * (greatest - least))) for _ in range(2))
    sheet = Image.new("RGB", (wide * _FINE, high * _FINE))
    pen = Pen.over(sheet, (rng.choice((-0.7, 0.7)), -0.75))
    across, down = sheet.width / pen.unit, sheet.height / pen.unit
    paints = _INSIDE + _OUTSIDE
    paint = rng.choices(paints, [share for _, share in paints])[0]
    area = Area(pen, across, down, floor=down * rng.uniform(0.6, 0.76), outside=paint in _OUTSIDE)
    paint[0](area, rng)
    return area


def _animal(area: Area, a: Animal, rng: Random) -> Pen:
    wide, high = EXTENT[a.pose]
    size = rng.uniform(0.7, 1.04) * min(area.wide / wide, area.high / high)
    flip = rng.random() < 0.5
    x, y = _standing(area, a.pose, size, rng, facing=-1 if flip else 1)
    if a.pose not in ("portrait", "peek"):
        shadow(area.pen, x, y, size * wide, size)
    own = area.pen.at(x, y, size=size, turn=rng.gauss(0, 2.5), flip=flip).apart()
    animal(own, a, rng)
    if a.pose == "peek":
        hiding_place(area, x, y, rng)
    elif rng.random() < 0.24:
        in_front(area, x, y, size * high, rng)
    return own


def _standing(area: Area, pose: str, size: float, rng: Random, *, facing: int) -> tuple[float, float]:
    """Return where the animal's origin goes; the frame cuts off the hind part of one in eight."""
    wide, high = EXTENT[pose]
    room = max(0.0, area.wide - wide * size) / 2
    x = area.wide / 2 + rng.uniform(-room, room)
    if rng.random() < 0.12:
        x = area.wide / 2 - facing * (area.wide / 2 - wide * size * rng.uniform(0.2, 0.3))
    if pose == "portrait":
        return x, area.high * rng.uniform(0.96, 1.0) - 0.12 * size
    if pose == "peek":
        return x, max(size * 0.76, area.high * rng.uniform(0.66, 0.78))
    return x, min(area.high - 0.03, max(area.floor + 0.09, size * high * 0.98, area.high * rng.uniform(0.86, 0.95)))


def _other(area: Area, rng: Random) -> Pen:
    size, x = rng.uniform(0.5, 0.9) * min(area.wide, area.high), area.wide * rng.uniform(0.4, 0.6)
    own = area.pen.apart()
    something_else(replace(area, pen=own), x, area.high * rng.uniform(0.86, 0.95), size, rng)
    return own


def _seen(touched: list[Box], size: tuple[int, int]) -> Box:
    """Return the box round all that was touched, within the frame, in pixels of the reduced picture."""
    if not touched:
        return 0, 0, size[0] // _FINE, size[1] // _FINE
    left, top = (max(0, min(box[i] for box in touched)) // _FINE for i in (0, 1))
    right, bottom = (min(size[i], max(box[i + 2] for box in touched)) // _FINE for i in (0, 1))
    return left, top, max(right, left + 1), max(bottom, top + 1)


_QUALITY = 90  # of the JPEG files, 1-95


def write_sample(
    target: Path,
    *,
    train: int = 150,
    validation: int = 50,
    sides: tuple[int, int] = (200, 420),
    seed: int = 0,
    progress: Progress = SILENT,
) -> Path:
    """Draw the sample into `target` as train/cats/cat.0000.jpg and so on: 400 drawings, 10 MB, in about six seconds.

    Args:
        target: a folder that does not exist yet or is empty.
        train, validation: pictures of each class.
        sides: the least and the greatest side, in pixels.
        seed: equal seeds give equal files.
        progress: hears of each picture.

    Returns:
        `target`.

    Raises:
        StorageError: the disk refused, or `target` holds something already; nothing is left behind.
    """
    total = (train + validation) * len(CLASSES)
    with new_folder(target) as folder, progress.stage("drawing the sample", total, "pictures") as step:
        for part, count in (("train", train), ("validation", validation)):
            for kind in CLASSES:
                place = folder / part / kind
                place.mkdir(parents=True)
                for index in range(count):
                    picture = draw(kind, seed=seed, index=index, part=part, sides=sides)
                    picture.save(place / f"{kind[:-1]}.{index:04d}.jpg", "JPEG", quality=_QUALITY)
                    step.advance()
    return target


def drawing_digest() -> str:
    """Name what is drawn after the code that draws it (hex), so that a newer Pawsight does not use older drawings."""
    code = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("**/*.py")):
        code.update(file.read_bytes())
    return code.hexdigest()
