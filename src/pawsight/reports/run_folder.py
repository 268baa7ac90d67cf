"""A run folder, read for a report.

Enters: the folder of a finished run. Leaves: a `Rung`. Does not know: other runs, pages.

Runs outlive versions of Pawsight, so what a run does not say, or says in another shape, is simply not there; only a
folder that is no run at all is refused.
"""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core.errors import PawsightError, WrongUsage
from pawsight.core.history import HISTORY, Epoch, read_history
from pawsight.core.runs import LOOKS, METRICS, PREDICTIONS, RECIPE, SOURCE, SPLITS, read_table
from pawsight.evaluation.comparison import Answered


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run answered to one validation picture."""

    path: str  # below the root of the data
    answered: Answered
    probability: float  # of the answer; NaN where the run does not say


@dataclass(frozen=True, slots=True)
class Placed:
    """One picture's place in the split."""

    path: str
    sha256: str
    label: str
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A run's figures on one part."""

    pictures: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, shares
    log_loss: float  # NaN where the run does not say
    baseline: float | None
    plain: Mapping[str, Any]  # everything the run says, as JSON values


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One finished run, as far as it tells about itself."""

    folder: Path
    recipe: str
    plain: Mapping[str, Any]  # metrics.json
    settings: Mapping[str, Any]  # recipe.toml
    validation: Scored | None
    test: Scored | None
    answers: tuple[Answer, ...]  # to the validation part
    history: tuple[Epoch, ...]
    versions: Mapping[str, str]
    root: Path | None  # of the pictures
    looks_at_test: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the answers."""
        return tuple(str(name) for name in listing(self.plain.get("classes")))

    @property
    def digest(self) -> str:
        """SHA-256 of the split, empty where the run does not say."""
        return str(mapping(self.plain.get("split")).get("digest", ""))

    def number(self, *keys: str) -> float | None:
        """Return a finite number of metrics.json by its keys from outside in, None where there is none."""
        value: Any = self.plain
        for key in keys:
            value = mapping(value).get(key)
        return finite(value)


def read_rung(folder: Path) -> Rung:
    """Read one run.

    Raises:
        WrongUsage: the folder holds no finished run.
    """
    place = folder.expanduser().resolve()
    plain = mapping(read_json(place / METRICS))
    if not plain:
        raise WrongUsage(
            f"{folder} is no finished run.",
            f"There is no {METRICS} in it that can be read.",
            "Name finished runs, e.g. pawsight report runs/001 runs/002",
        )
    settings = _toml(place / RECIPE)
    root = mapping(read_json(place / SOURCE)).get("root")
    looks = finite(mapping(read_json(place / LOOKS)).get("looks_at_test"))
    return Rung(
        folder=place,
        recipe=str(plain.get("recipe") or settings.get("name") or place.name),
        plain=plain,
        settings=settings,
        validation=_scored(plain.get("validation")),
        test=_scored(plain.get("test")),
        answers=_answers(place / PREDICTIONS),
        history=_history(place / HISTORY),
        versions={str(key): str(value) for key, value in _versions(place).items()},
        root=Path(root) if isinstance(root, str) and root else None,
        looks_at_test=int(looks or 0),
    )


def read_split(rung: Rung) -> tuple[Placed, ...]:
    """Return every picture of a run's split, nothing where the run does not hold it."""
    return tuple(
        Placed(row.get("path") or "", row.get("sha256") or "", row.get("label") or "", row.get("part") or "")
        for row in read_rows(rung.folder / SPLITS)
    )


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: object) -> list[Any]:
    """Return a list as it is and anything else as an empty one."""
    return value if isinstance(value, list) else []


def finite(value: object) -> float | None:
    """Return a finite number as a float and anything else as None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def _scored(value: object) -> Scored | None:
    plain = mapping(value)
    accuracy, pictures = finite(plain.get("accuracy")), finite(plain.get("pictures"))
    ends = [finite(end) for end in listing(plain.get("interval"))]
    if accuracy is None or not pictures or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    loss = finite(plain.get("log_loss"))
    return Scored(
        pictures=int(pictures),
        accuracy=accuracy,
        interval=(ends[0], ends[1]),
        log_loss=math.nan if loss is None else loss,
        baseline=finite(plain.get("baseline")),
        plain=plain,
    )


def _answers(path: Path) -> tuple[Answer, ...]:
    return tuple(_answer(row) for row in read_rows(path) if row.get("part") == "validation")


def _answer(row: Mapping[str, str]) -> Answer:
    predicted = row.get("predicted") or ""
    probability = math.nan
    with suppress(ValueError, TypeError):
        probability = float(row.get(f"p({predicted})") or "nan")
    answered = Answered(row.get("sha256") or "", row.get("label") or "", predicted)
    return Answer(row.get("path") or "", answered, probability)


def _history(path: Path) -> tuple[Epoch, ...]:
    try:
        return read_history(path) if path.is_file() else ()
    except (PawsightError, ValueError):
        return ()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table, none where it is missing or no table."""
    try:
        return read_table(path) if path.is_file() else []
    except (PawsightError, csv.Error):
        return []


def _versions(place: Path) -> Mapping[str, Any]:
    return mapping(mapping(read_json(place / "bundle" / "bundle.json")).get("versions"))


def read_json(path: Path) -> object:
    """Return the values of a JSON file, None where it is missing or no JSON."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return None
    return value


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
