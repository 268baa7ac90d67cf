"""The verb `embed`: the features of pictures as numbers, for search, clusters and other models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.backbone import backbone_engine, check_features, fetch_backbone, frozen_backbone
from pawsight.classifier.engine import best_precision
from pawsight.classifier.predictor import load_predictor, outputs_of
from pawsight.core.errors import NoPictures, WrongUsage, require_extra
from pawsight.core.machine import CPU, Device, cache_folder, this_machine
from pawsight.core.progress import ProgressLike, progress_of
from pawsight.core.storage import as_path, new_file
from pawsight.core.text import legible, plural, typed
from pawsight.data.dataset import grey_range_of, is_lost
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.reading import BESIDE, NO_CLASS, OUTSIDE, UNLABELLED, FolderReading, is_picture_name
from pawsight.data.sources import resolve
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import load
from pawsight.models.graph import FEATURES
from pawsight.models.recipes import AUTO, BLOCKS, LAST, RecipeOptions, make_recipe

ENDINGS = (".npz", ".parquet")
_ROWS_AT_ONCE = 1024  # of a Parquet file

Row = tuple[str, str, NDArray[np.float32]]  # path, label or "", features (D,)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedReport:
    """What a file of features holds."""

    out: Path
    pictures: int  # rows of the file
    features: int  # numbers of a picture
    network: str  # the run or the backbone they are of
    depth: str | None  # where the backbone is read; None: where the run's classifier reads it
    left_out: tuple[LeftOut, ...]  # files that could not be read

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `embed --json` prints them."""
        return {
            "out": str(self.out),
            "pictures": self.pictures,
            "features": self.features,
            "network": self.network,
            "depth": self.depth,
            "left_out": [{"path": file.name, "reason": file.reason} for file in self.left_out],
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        where = f", depth '{self.depth}'" if self.depth else ""
        return [
            *(f"{file.name}: not embedded, {file.reason}" for file in self.left_out),
            f"Features    {self.features:,} a picture, of {self.network}{where}",
            f"Written     {self.out}, {self.pictures:,} rows",
        ]


def embed(
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    run: str | os.PathLike[str] | None = None,
    backbone: str | os.PathLike[str] | None = None,
    image_px: int | None = None,
    mean: str | Sequence[float] | None = None,
    std: str | Sequence[float] | None = None,
    depth: str | None = None,
    reading: FolderReading | None = None,
    max_megapixels: int | None = None,
    device: Device = CPU,
    progress: ProgressLike = None,
) -> EmbedReport:
    """Write the features of pictures to a file, a row a picture: path, label where one is known, D numbers.

    Args:
        data: what `train` takes; pictures without a class folder have no label. Several labels are one text with
            semicolons between.
        out: a new file, `.parquet` (columns path, label, features) or `.npz` (arrays of these names; features are
            (N, D) float32, labels are empty where not known). A Parquet file is written as features come; those of an
            `.npz` are held in memory.
        run: a run or bundle folder, for the features that its classifier reads; None for those of a backbone.
        backbone: without a run, the pretrained network, a name or the path of an ONNX file; None is that of the recipe
            probe.
        image_px: without a run, side of the square pictures that it sees, in pixels; None is its native size.
        mean, std: of the pixels that such a file was trained on, as for `train`: "0.485,0.456,0.406" or three numbers.
        depth: without a run, where the backbone is read, "last" layer or the outputs of all "blocks"; None is "last".
        reading: as for `train`.
        max_megapixels: as for `predict`.
        device: as for `predict`; without a run, as for `train`.
        progress: as for `train`.

    Raises:
        WrongUsage: the file exists or has another ending, or options contradict each other.
        NoPictures: no picture can be read. MissingExtra: a package is not installed.
        PawsightError: the data, the run or the backbone cannot be used.
    """
    progress = progress_of(progress)
    place = as_path(out)
    _check_options(
        place, run, {"--backbone": backbone, "--image-px": image_px, "--depth": depth, "--mean": mean, "--std": std}
    )
    source = resolve(data, cache=cache_folder(), reading=reading, progress=progress)
    found = source.find()
    pictures = _all_pictures(found)
    machine = this_machine()
    if run is not None:
        predictor = load_predictor(run, max_megapixels=max_megapixels, device=device, progress=progress)
        computed = predictor.outputs(picture.path for picture in pictures)
        network, depth = os.fspath(run), None
    else:
        from pawsight.training.features import trusted_device

        options = RecipeOptions(backbone=backbone, image_px=image_px, mean=mean, std=std)
        recipe, depth = fetch_backbone(make_recipe("probe", options), backbone, progress=progress), depth or LAST
        network = f"{recipe.backbone} at {recipe.image_px} px"
        network_read = frozen_backbone(recipe)
        graph = network_read.write(network_read.depths[depth])
        device = trusted_device(recipe, device, machine, progress)
        precision = best_precision(machine) if device == CPU else "f32"
        engine = backbone_engine(recipe, graph, precision=precision, streams=machine.cores, device=device)
        settings = DecodeSettings(image_px=recipe.image_px)
        if max_megapixels is not None:
            settings = DecodeSettings(image_px=recipe.image_px, max_megapixels=max_megapixels)
        embedded = replace(found, candidates=tuple(pictures))
        greys = grey_range_of(embedded, settings, threads=machine.feeders, progress=progress)
        settings = replace(settings, grey_range=greys)
        files = load((picture.path for picture in pictures), settings, threads=machine.feeders)
        computed = outputs_of(engine, files)
    left_out = [file for file in found.left_out if is_lost(file)]

    def rows() -> Iterator[Row]:
        with progress.stage("Embedding", len(pictures), "pictures") as step:
            for picture, (loaded, outputs) in zip(pictures, computed, strict=True):
                step.advance()
                if outputs is None:
                    left_out.append(LeftOut(picture.name, loaded.problem))
                else:
                    check_features(outputs[FEATURES], network)
                    yield legible(picture.name), legible(picture.label), outputs[FEATURES]

    with new_file(place) as part:
        write = _write_parquet if place.suffix.lower() == ".parquet" else _write_npz
        count, width = write(part, rows())
        if not count:
            reasons = ", ".join(sorted({file.reason for file in left_out}))
            raise NoPictures(
                f"No picture of {source.name} can be embedded.",
                f"{plural(len(left_out), 'file')} could not be read: {reasons}." if left_out else "It holds no files.",
                "Name a folder with pictures.",
            )
    return EmbedReport(
        out=place, pictures=count, features=width, network=network, depth=depth, left_out=tuple(left_out)
    )


def _all_pictures(found: Found) -> list[Candidate]:
    """Return the pictures with a class, then those that training leaves out since they have none."""
    classless = (BESIDE, UNLABELLED, NO_CLASS, OUTSIDE)
    others = [file.name for file in found.left_out if file.reason.startswith(classless) and is_picture_name(file.name)]
    unlabelled = (Candidate(found.root / name, name, "", None) for name in (*found.loose, *others))
    return [*found.candidates, *(picture for picture in unlabelled if picture.path.is_file())]


def _check_options(out: Path, run: str | os.PathLike[str] | None, of_a_backbone: Mapping[str, object]) -> None:
    if out.suffix.lower() not in ENDINGS:
        raise WrongUsage(
            f"--out cannot be {out}.",
            f"Features are written to files that end in {' or '.join(ENDINGS)}.",
            "Type for example --out features.npz",
        )
    if out.exists() or out.is_symlink():
        raise WrongUsage(f"{out} exists already.", "Nothing is written over.", "Give another name with --out.")
    idle = next((option for option, value in of_a_backbone.items() if value is not None), None)
    if of_a_backbone["--backbone"] == AUTO:
        raise WrongUsage(
            "--backbone auto chooses by labels, and embed uses none.",
            "Training chooses, and a run knows what was chosen.",
            "Name a backbone, or a run that was trained with it: --run runs/latest",
        )
    depth = of_a_backbone["--depth"]
    if depth not in (None, LAST, BLOCKS):
        raise WrongUsage(
            f"--depth cannot be {depth!r}.",
            f"It is {LAST} or {BLOCKS}; which features are selected, training chooses by labels.",
            f"Type --depth {BLOCKS}, or name a run: --run runs/latest",
        )
    if run is not None and idle is not None:
        raise WrongUsage(
            f"{idle} and --run exclude each other.",
            "The features of a run are those that its classifier reads.",
            f"Leave one out, e.g. {typed('embed', 'DATA', '--out', str(out), '--run', os.fspath(run))}",
        )
    if out.suffix.lower() == ".parquet":
        require_extra("ray", "pyarrow", needed_by="A .parquet file", why="A file that ends in .npz needs no package.")


def _write_npz(file: Path, rows: Iterator[Row]) -> tuple[int, int]:
    """Write all rows at once; return how many there are and how many features each has, nothing without rows."""
    held = list(rows)
    if not held:
        return 0, 0
    table = np.stack([features for _, _, features in held])
    with file.open("xb") as opened:
        paths, labels = (np.array([row[column] for row in held], np.str_) for column in (0, 1))
        np.savez(opened, path=paths, label=labels, features=table)
    return len(held), table.shape[1]


def _write_parquet(file: Path, rows: Iterator[Row]) -> tuple[int, int]:
    """Write 1,024 rows at a time, so that memory does not grow with them; return what `_write_npz` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, width = 0, 0
    with ExitStack() as stack:
        while held := list(islice(rows, _ROWS_AT_ONCE)):
            if not count:
                width = len(held[0][2])
                kinds = {"path": pa.string(), "label": pa.string(), "features": pa.list_(pa.float32(), width)}
                schema = pa.schema(list(kinds.items()))
                writer = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
            columns = {
                "path": [path for path, _, _ in held],
                "label": [label or None for _, label, _ in held],
                "features": pa.FixedSizeListArray.from_arrays(np.concatenate([row for _, _, row in held]), width),
            }
            writer.write_table(pa.table(columns, schema=schema))
            count += len(held)
    return count, width
