"""The verb `explain`: draws a heat map over each picture. The maps are computed in explanation/."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pawsight.classifier.predictor import load_predictor
from pawsight.commands.named_pictures import NamedPicture, count_of, named_pictures
from pawsight.core.errors import UnreadablePicture
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import check_order, mark_output
from pawsight.core.storage import as_path, path_texts, write_bytes
from pawsight.data.reading import is_picture
from pawsight.explanation.heatmap import Box, Explainer, MethodChoice
from pawsight.explanation.overlay import LARGEST_PX, overlay
from pawsight.images.decode import decode

ENDING = ".explained.png"
_LONGEST_NAME = 120  # letters of a picture's name that are kept, so that the file name fits any disk


@dataclass(frozen=True, slots=True)
class Explained:
    """What speaks for a class in one picture, or why that cannot be said."""

    path: str
    file: str | None = None  # the picture with the map on it
    label: str | None = None  # the class that is explained
    probability: float | None = None  # of that class
    method: str | None = None
    place: str | None = None  # in words, of the smallest area that holds half of all that speaks for the class
    box: Box | None = None  # round that area: left, top, right, bottom, in pixels of the upright picture
    size: tuple[int, int] | None = None  # of the upright picture: width, height
    values: list[list[float]] | None = None  # the map, rows from the top
    bias: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `explain --json` prints them."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    def line(self) -> str:
        """Return the answer as a line of text."""
        if self.error is not None or self.probability is None:
            return f"{self.path}: not explained, {self.error}"
        share = f"{self.label} {100 * self.probability:.1f} %"
        if self.box is None:
            return f"{self.path}: {share}; nothing in the picture speaks for it; {self.file}"
        return f"{self.path}: {share}, seen {self.place}; {self.file}"


def explain(
    run: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] = "explained",
    label: str = "",
    method: MethodChoice = "auto",
    max_megapixels: int | None = None,
    progress: Progress = SILENT,
) -> Iterator[Explained]:
    """Draw heat maps of what speaks for a class, as NAME.explained.png for each picture; no file is overwritten.

    Args:
        run: a run or bundle folder.
        pictures: files, and folders of them.
        out: folder for the files; made if it is missing.
        label: the class to explain; empty for each picture's most likely class.
        method: "cam", exact, for networks that end in an average and one linear layer; "occlusion" for any; or "auto".
        max_megapixels: as for `predict`.
        progress: hears how far it is.

    Returns:
        an iterator of one `Explained` for each picture, in order; one that cannot be read has an `error`. A picture is
        drawn when the next one is asked for; what is wrong with the call is raised by the call.

    Raises:
        BundleRefused: the run has no bundle that can be trusted.
        WrongUsage: there is no such class or method, or the network does not allow it.
        NoPictures: folders were named and none holds a file.
        StorageError: the disk refused.
    """
    typed = path_texts(pictures, "Of pictures in memory: pawsight.load(run).explain(X)")
    check_order("explain", as_path(run), [Path(name) for name in typed])
    predictor = load_predictor(run, max_megapixels=max_megapixels)
    explainer = Explainer(predictor)
    explainer.check(label, method)
    settings, named = predictor.bundle.card.decode, named_pictures(typed)

    def explained(picture: NamedPicture) -> Explained | None:
        """Explain one picture; None where it is another file of a folder."""
        data = b""
        try:
            data = picture.read()
            square = decode(data, settings, name=picture.name)
            large = decode(data, replace(settings, image_px=LARGEST_PX), name=picture.name)
        except UnreadablePicture as error:
            is_other = picture.is_found and bool(data) and not is_picture(picture.name, error.why)
            return None if is_other else Explained(picture.name, error=error.why)
        size = square.width, square.height
        heat, probability = explainer.answer(square.pixels, size=size, label=label, method=method)
        mark_output(Path(out))
        file = free_name(Path(out), Path(picture.name))
        write_bytes(file, overlay(large.pixels, heat))
        return Explained(
            path=picture.name,
            file=os.fspath(file),
            label=heat.label,
            probability=probability,
            method=heat.method,
            place=heat.place() if not heat.silent else None,
            box=heat.box(),
            size=heat.size,
            values=[[float(value) for value in row] for row in heat.values],
            bias=heat.bias,
        )

    def explanations() -> Iterator[Explained]:
        with progress.stage("Explaining", count_of(typed), "pictures") as step:
            for picture in named:
                drawn = explained(picture)
                step.advance()
                if drawn is not None:
                    yield drawn

    return explanations()


def free_name(folder: Path, picture: Path) -> Path:
    """Return the first free name for a picture's explanation: NAME.explained.png, NAME-2.explained.png, ..."""
    stem = picture.name[:_LONGEST_NAME].encode("utf-8", "surrogateescape")[:_LONGEST_NAME].decode("utf-8", "replace")
    target, number = folder / f"{stem}{ENDING}", 1
    while target.exists() or target.is_symlink():
        number += 1
        target = folder / f"{stem}-{number}{ENDING}"
    return target
