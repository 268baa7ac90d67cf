"""What a classifier gives for many pictures: a list of predictions that notebooks and tables can show."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pawsight.classifier.predictor import Prediction
from pawsight.classifier.trust import ANSWERED
from pawsight.core.errors import MissingExtra, UnreadablePicture
from pawsight.core.text import percent, plural, visible
from pawsight.images.decode import Decoded, Pixels

if TYPE_CHECKING:
    from pawsight.explanation.heatmap import HeatMap

SHOWN = 8  # pictures in a notebook: a cell stays below 20 kB
_THUMBNAIL_PX = 64
_CARD = "display:inline-block;vertical-align:top;width:7em;margin:0 .5em .5em 0;overflow-wrap:anywhere"
_LINES = 10  # of a repr
_DRAWN_PX = 256  # longer side of a heat map in a notebook


class Predictions(list[Prediction]):
    """Predictions in the order of their pictures.

    Args:
        predictions: one for each picture.
        pictures: the first `SHOWN`, None for one that cannot be read; small copies are kept.
    """

    def __init__(self, predictions: Iterable[Prediction], pictures: Sequence[Decoded | None] = ()) -> None:
        super().__init__(predictions)
        self._thumbnails = [picture and _smaller(picture) for picture in pictures]

    def to_frame(self) -> Any:
        """Return a DataFrame of pandas, or of polars where that alone is installed, with one row a picture.

        Its columns are path, label, probability, decision, error, `set` where the classifier gives sets, and `p(NAME)`
        for each class. With several labels `labels` and `unsure`, tuples, take the place of label and probability.

        Raises:
            MissingExtra: neither is installed.
        """
        several = any(prediction.labels is not None for prediction in self)
        answer = ("labels", "unsure") if several else ("label", "probability")
        fields = ("path", *answer, "decision", "error")
        columns = {name: [getattr(prediction, name) for prediction in self] for name in fields}
        if any(prediction.set is not None for prediction in self):
            columns["set"] = [prediction.set for prediction in self]
        for name in next((prediction.probabilities for prediction in self if prediction.probabilities), {}):
            columns[f"p({name})"] = [(prediction.probabilities or {}).get(name) for prediction in self]
        return frame(columns)

    def counts(self) -> dict[str, int]:
        """Return how many pictures have each label, the commonest first; unreadable ones count as `unreadable`."""
        return dict(Counter(label for prediction in self for label in _labels(prediction)).most_common())

    def __repr__(self) -> str:
        lines = [repr(prediction) for prediction in self[:_LINES]]
        if len(self) > _LINES:
            lines.append(f"... {len(self) - _LINES:,} more; {self._summary()}")
        return "[" + ",\n ".join(lines) + "]"

    def _repr_html_(self) -> str:
        cards = [
            _card(picture, _THUMBNAIL_PX, _line(prediction), f"{prediction.path}: {_shares(prediction)}")
            for prediction, picture in zip(self, self._thumbnails, strict=False)
        ]
        return f"<div>{''.join(cards)}<div>{_html(self._summary())}</div></div>"

    def _summary(self) -> str:
        counts = list(self.counts().items())
        more = f" and {plural(len(counts) - _LINES, 'other label')}" if len(counts) > _LINES else ""
        named = ", ".join(f"{count:,} {label}" for label, count in counts[:_LINES])
        return f"{plural(len(self), 'picture')}: {named}{more}" if counts else "0 pictures"


def frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return a DataFrame of pandas, or of polars where that alone is installed.

    Raises:
        MissingExtra: neither is installed.
    """
    for library in ("pandas", "polars"):
        with suppress(ImportError):
            return import_module(library).DataFrame(columns)
    raise MissingExtra(
        "There is no library for tables here.",
        "to_frame() makes a DataFrame of pandas or polars, and neither is installed.",
        "Type: pip install pandas",
    )


def _smaller(picture: Decoded) -> Decoded:
    """Return a picture with a square of 12 kB: a program may keep thousands of answers."""
    square = Image.fromarray(picture.pixels).resize((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BILINEAR)
    return replace(picture, pixels=np.asarray(square))


def _card(picture: Decoded | None, side: int, line: str, title: str) -> str:
    """Return a picture with a line below it, and a text that is shown when the mouse stands on it."""
    from pawsight.reports.pictures import data_address  # which loads what draws reports

    image = f'<img alt="" src="{data_address(picture, side=side)[0]}">' if picture else "(no picture)"
    return f'<span style="{_CARD}" title="{_html(title)}">{image}<br>{_html(line)}</span>'


def _html(text: object) -> str:
    return escape(visible(text))


def _labels(prediction: Prediction) -> tuple[str, ...]:
    """Return what a prediction counts as: its label, each of several, or why it has none."""
    if prediction.labels is None:
        return (prediction.label or "unreadable",)
    return prediction.labels or ("no label" if prediction.decision == ANSWERED else str(prediction.decision),)


def _line(prediction: Prediction) -> str:
    if prediction.error is not None:
        return prediction.error
    if prediction.labels is not None:
        return ", ".join((*_labels(prediction), *(f"{name}?" for name in prediction.unsure or ())))
    if prediction.probability is None or prediction.decision not in (None, ANSWERED):
        return str(prediction.label)
    return f"{prediction.label} {percent(prediction.probability)}"


def _shares(prediction: Prediction) -> str:
    if prediction.probabilities is None:
        return prediction.error or ""
    ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])[:3]
    return ", ".join(f"{name} {percent(value)}" for name, value in ranked)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Explanation:
    """Where in one picture a classifier sees a class, or why that cannot be said. Notebooks show it as a picture."""

    path: str  # as a Prediction has it
    label: str | None  # the class that is explained
    probability: float | None  # of that class
    heat: HeatMap | None
    error: str | None
    pixels: Pixels | None  # the square that the classifier saw, (image_px, image_px, 3) uint8

    def image(self) -> Image.Image:
        """Draw the heat map on the picture, in the picture's proportions, its longer side 640 pixels at most.

        Raises:
            UnreadablePicture: the picture could not be read.
        """
        from pawsight.explanation.overlay import overlay

        if self.heat is None or self.pixels is None:
            raise UnreadablePicture(f"Could not read {self.path} as a picture.", self.error or "")
        with Image.open(io.BytesIO(overlay(self.pixels, self.heat))) as drawn:
            return drawn.convert("RGB")

    def __repr__(self) -> str:
        if self.heat is None or self.probability is None:
            return f"Explanation({self.path!r}, error={self.error!r})"
        where = "nowhere" if self.heat.silent else self.heat.place()
        return f"Explanation({self.path!r}, {self.label!r}, {self.probability:.3f}, {where})"

    def _repr_html_(self) -> str:
        if self.heat is None or self.pixels is None:
            return f"<div>{_html(repr(self))}</div>"
        drawn = self.image()
        return (
            f"<div>{_card(Decoded(np.asarray(drawn), *drawn.size, 'PNG', 1), _DRAWN_PX, repr(self), self.path)}</div>"
        )
