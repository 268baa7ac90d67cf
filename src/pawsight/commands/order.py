"""What is wanted of a training run besides its recipe, and the command that makes it again.

Enters: what the user typed. Leaves: an `Order`, a command line. Does not know: how training is done.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pawsight.classifier.trust import SelectiveOptions
from pawsight.core.errors import WrongUsage
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch
from pawsight.distributed.ray_actors import Pool
from pawsight.models.recipes import RecipeOptions

_BOTH = ("validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a recipe is to be trained, apart from the recipe."""

    runs: Path  # folder that holds the run folders
    command: str  # what makes the same run again
    weights: Path | None = None  # of MobileNetV2
    parts: tuple[str, ...] = _BOTH  # held-out parts to measure; without "test" the test part stays sealed
    resume: bool = False
    given: SplitFile | None = None  # the split, where it is not to be cut by a seed
    patch: Patch | None = None  # decisions about labels
    caution: SelectiveOptions | None = None  # what is asked of the answers
    data: str = ""  # as the user named it
    latest: bool = False  # whether the name `latest` is to lead to the run
    pool: Pool | None = None  # who computes features; None is this process


def command_for(
    data: str,
    recipe: str,
    wishes: RecipeOptions,
    weights: str | os.PathLike[str] | None,
    *,
    split: str | os.PathLike[str] | None = None,
    patch: str | os.PathLike[str] | None = None,
    caution: SelectiveOptions | None = None,
) -> str:
    """Return the command line that makes the same run again."""
    wished: Mapping[str, Any] = {key: value for key, value in asdict(wishes).items() if value not in (None, False)}
    options = [f"--{key.replace('_', '-')}" + ("" if value is True else f" {value}") for key, value in wished.items()]
    files = {"weights": weights, "split": split, "patch": patch}
    given = [f"--{key} {shlex.quote(os.fspath(file))}" for key, file in files.items() if file is not None]
    asked = asdict(caution) if caution else {}
    shares = [f"--{key.replace('_', '-')} {100 * share:.10g}%" for key, share in asked.items()]
    return " ".join(["pawsight train", shlex.quote(data), f"--recipe {recipe}", *options, *given, *shares])


def existing(weights: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a weights file.

    Raises:
        WrongUsage: there is no such file.
    """
    path = Path(weights).expanduser() if weights is not None else None
    if path is not None and not path.is_file():
        what = f"{path} is not a regular file." if path.exists() else f"There is no file {path}."
        raise WrongUsage(what, "--weights wants MobileNetV2's weights (.h5).", "Check the path.")
    return path
