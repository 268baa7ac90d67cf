"""What a format is to an export: how it is made, what opens it, what it needs.

Enters: nothing. Leaves: the dataclasses that pass between the modules of this room. Does not know: any format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pawsight.classifier.bundle import Bundle

EXACT, REDUCED = "f32", "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be exported, whatever the format."""

    bundle: Bundle
    run: Path | None  # the run that the bundle lies in; None for a bundle alone
    licence: str = "unknown"  # of the weights, as an SPDX name; a classifier's licence is for its owner to choose
    model: bytes | None = None  # ONNX to write instead of the bundle's own, in a reduced precision
    precision: str = EXACT
    browser_runtime: Path | None = None  # folder of the npm package onnxruntime-web, for the target web

    @property
    def onnx(self) -> bytes:
        """The graph to write."""
        return self.bundle.model if self.model is None else self.model


Make = Callable[[Order, Mapping[str, Path]], None]  # by target, the path of the file or folder to write


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One format."""

    name: str
    file: str  # what is opened, below the target's folder
    says: str
    make: Make  # targets with the same function are made in one go
    needs: tuple[str, ...] = ()  # modules
    runtime: str | None = None  # in child/answers.py; None for what answers nothing
    has_reduced: bool = False  # can hold 8 bits
    model: str = ""  # what the runtime opens, where that is another file


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """How an export did in the bundle's exam, and how fast."""

    runtime: str  # with its version
    pictures: int
    difference: float  # largest of a probability
    flips: int  # pictures whose best class is another
    load_seconds: float  # the runtime itself already imported
    pictures_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One export that stands."""

    target: str
    precision: str
    folder: Path
    files: Mapping[str, int]  # name -> bytes
    sitting: Sitting | None  # None for what answers nothing

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())
