"""The frozen network of a recipe, wherever it comes from: an installed package, a user's file or a published one.

Files are kept in the cache by their SHA-256, so that a run finds its backbone again whatever the file is called.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Engine, Precision
from pawsight.classifier.graph_guard import fault_in_graph
from pawsight.core.errors import BundleRefused, DownloadFailed, WeightsUnavailable
from pawsight.core.machine import Device, cache_folder
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path, new_file, refusal, sha256_of, sha256_of_file, write_text
from pawsight.core.text import typed
from pawsight.data.download import DownloadLimits, download, lock_of
from pawsight.models.backbones import BACKBONES, PUBLISHED, PublishedFile, find_backbone
from pawsight.models.efficientnet_lite import Channels, backbone_onnx, channels_of, taps
from pawsight.models.imported import import_network
from pawsight.models.recipes import BLOCKS, LAST, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenBackbone:
    """A pretrained network that is read and not trained."""

    digest: str  # of all that its features depend on besides the picture and its size
    parameters: int
    width: int  # how many numbers every depth has together
    depths: Mapping[str, Channels]  # fixed depth, "last" being one -> which of them it reads
    write: Callable[[Channels | None], bytes]  # the graph that gives some of them, or with None the last layer's


def frozen_backbone(recipe: Recipe) -> FrozenBackbone:
    """Return the backbone of a recipe.

    Raises:
        WeightsUnavailable: its weights are not there, or are no network that can be read.
        MissingExtra: the package onnx is not installed.
    """
    if recipe.backbone in BACKBONES:
        backbone = find_backbone(recipe.backbone)
        return FrozenBackbone(
            digest=sha256_of(f"{backbone.sha256} {taps(backbone)}".encode()),
            parameters=backbone.parameters,
            width=len(channels_of(backbone, "every")),
            depths={depth: channels_of(backbone, depth) for depth in (LAST, BLOCKS)},
            write=partial(backbone_onnx, recipe.backbone, recipe.image_px),
        )
    network = import_network(
        _read_kept(recipe), name=recipe.backbone, image_px=recipe.image_px, mean=recipe.mean, std=recipe.std
    )

    def write(channels: Channels | None) -> bytes:
        graph = network.write(channels)
        if fault := fault_in_graph(graph):
            raise WeightsUnavailable(
                f"{recipe.backbone} cannot be used as a backbone.",
                f"It {fault}.",
                "Use another network, or export this one with standard operators alone.",
            )
        return graph

    return FrozenBackbone(
        digest=sha256_of(f"{recipe.backbone_sha256} {recipe.mean} {recipe.std} {network.taps}".encode()),
        parameters=network.parameters,
        width=network.width,
        depths={depth: network.channels_of(depth) for depth in (LAST, BLOCKS)},
        write=write,
    )


def backbone_engine(recipe: Recipe, graph: bytes, *, precision: Precision, streams: int, device: Device) -> Engine:
    """Return the engine that computes a graph of a recipe's backbone; the arguments are those of `Engine`.

    Raises:
        WeightsUnavailable: OpenVINO cannot compute it; the message names the backbone.
    """
    try:
        return Engine(graph, image_px=recipe.image_px, precision=precision, streams=streams, device=device)
    except BundleRefused as error:
        raise WeightsUnavailable(
            f"{recipe.backbone} cannot be used as a backbone.",
            f"With pictures of {recipe.image_px} px OpenVINO says: {error.why}",
            "Check --image-px, or use another network.",
        ) from error


def check_features(features: NDArray[np.float32], name: str) -> None:
    """Refuse features of a backbone of this name that are no numbers, as where it is fed what it was not trained on.

    Raises:
        WeightsUnavailable: some are infinite or not a number.
    """
    if bad := np.count_nonzero(~np.isfinite(features)):
        raise WeightsUnavailable(
            f"{name} cannot be used as a backbone.",
            f"Of its {features.size:,} features of a picture {bad:,} are infinite or not a number.",
            "Check --mean and --std, or use another network.",
        )


def fetch_backbone(
    recipe: Recipe,
    named: str | os.PathLike[str] | None,
    *,
    progress: Progress = SILENT,
    published: Mapping[str, PublishedFile] = PUBLISHED,
    limits: DownloadLimits = DownloadLimits(),
) -> Recipe:
    """Put the file of a recipe's backbone into the cache; return the recipe, now with the file's SHA-256.

    Args:
        recipe: as `make_recipe` returns it.
        named: the backbone as the user named it; a path where it is a file of theirs.
        progress: hears how far a download is.
        published: what can be downloaded.
        limits: of a download.

    Raises:
        DownloadFailed: it cannot be downloaded. WeightsUnavailable: the file is not the one that was downloaded first.
        StorageError: the disk refused.
    """
    known = published.get(recipe.backbone)
    if known is not None:
        return replace(recipe, backbone_sha256=_fetch_published(known, progress, limits))
    if recipe.backbone_sha256 and named is not None and not _is_whole(recipe.backbone_sha256):
        with new_file(_kept(recipe.backbone_sha256)) as part:
            shutil.copyfile(as_path(named), part)
            if sha256_of_file(part) != recipe.backbone_sha256:
                raise WeightsUnavailable(
                    f"{named} changed while it was read.", "Its SHA-256 is another one.", "Type the same command again."
                )
    return recipe


def kept_digest(file: PublishedFile) -> str:
    """Return the SHA-256 of a published network's file in the cache; "" where it is not there."""
    record = _record(file)
    sha256 = file.sha256 or (record.read_text("ascii", "replace").strip() if record.is_file() else "")
    return sha256 if _kept(sha256).is_file() else ""


def _fetch_published(file: PublishedFile, progress: Progress, limits: DownloadLimits) -> str:
    """Download a file where the cache does not have it; return its SHA-256."""
    if _is_whole(sha256 := kept_digest(file)):
        return sha256
    record, path = _record(file), cache_folder() / "backbones" / f"{file.name}.onnx"

    def check(downloaded: Path) -> None:  # where no digest is known, any page would count as the file from then on
        content = downloaded.read_bytes()
        import_network(content, name=file.name, image_px=file.image_px, mean=file.mean, std=file.std)

    try:
        with lock_of(record, wait=limits.lock_seconds, progress=progress):
            if _is_whole(sha256 := kept_digest(file)):  # by now, thanks to another process
                return sha256
            first = record.read_text("ascii", "replace").strip() if record.is_file() else ""
            expected = file.sha256 or first or None
            download(file.url, path, sha256=expected, check=check, progress=progress, limits=limits)
            sha256 = sha256_of_file(path)
            if not file.sha256:
                write_text(record, f"{sha256}\n")
            path.replace(_kept(sha256))
            return sha256
    except DownloadFailed as error:
        raise DownloadFailed(
            f"The backbone {file.name} cannot be downloaded.",
            f"{error.what}: {error.why}",
            "Download it elsewhere and name the file: "
            f"--backbone FILE.onnx --image-px {file.image_px} --mean {file.mean} --std {file.std}",
        ) from error
    except TimeoutError as error:
        raise DownloadFailed(
            f"The backbone {file.name} cannot be downloaded.",
            f"Another process has been downloading it for {limits.lock_seconds:g} seconds.",
            "Wait for it, or end it, then type the same command again.",
        ) from error
    except OSError as error:
        raise refusal("write", path, error) from error


def _record(file: PublishedFile) -> Path:
    """Return where the cache keeps the SHA-256 of the first download of a file without a known one."""
    return cache_folder() / "backbones" / f"{file.name}.sha256"


def _is_whole(sha256: str) -> bool:
    """Return whether the cache has the file of a backbone as it was put there."""
    return _kept(sha256).is_file() and sha256_of_file(_kept(sha256)) == sha256


def _read_kept(recipe: Recipe) -> bytes:
    """Return the bytes of a backbone's file from the cache."""
    path, sha256 = _kept(recipe.backbone_sha256), recipe.backbone_sha256
    options = ["--backbone", recipe.backbone]
    if recipe.backbone not in PUBLISHED:
        options += ["--image-px", str(recipe.image_px)]
        options += [word for name in ("mean", "std") if (text := getattr(recipe, name)) for word in (f"--{name}", text)]
    again = f"Train with it again: {typed('train', 'DATA', *options)}"
    if not path.is_file():
        raise WeightsUnavailable(
            f"The backbone {recipe.backbone} is not in the cache.",
            f"Its file has the SHA-256 {sha256 or 'unknown'}.",
            again,
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise refusal("read", path, error) from error
    if (found := sha256_of(content)) != sha256:
        raise WeightsUnavailable(
            f"{path} is not the file that was put there.", f"Its SHA-256 is {found} instead of {sha256}.", again
        )
    return content


def _kept(sha256: str) -> Path:
    """Return where the cache keeps the file of a backbone."""
    return cache_folder() / "backbones" / f"{sha256 or 'unknown'}.onnx"
