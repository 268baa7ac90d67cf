"""The graph in 8 bits, and what that costs: calibrated on training pictures, measured on validation pictures.

Enters: a bundle, squares to calibrate on, labelled files to measure on. Leaves: ONNX in 8 bits with its `Cost`. Does
not know: runs, folders of exports.

Chosen by measurement (docs/decisions/0013-exports.md): NNCF on the ONNX graph, whose result serves ONNX Runtime and
OpenVINO alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Engine
from pawsight.core.errors import ExportRefused
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import scratch_folder
from pawsight.data.finder import Candidate
from pawsight.evaluation.comparison import Gain, gain
from pawsight.evaluation.intervals import Interval, wilson
from pawsight.exports.children import run_maker
from pawsight.exports.exam import flips_of
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.images.loader import load
from pawsight.models.trust_graph import UNLIKENESS

CALIBRATION_PICTURES = 300
MOST_LOST = 1.0  # percentage points of accuracy that the interval's lower end may lose
_CHUNK = 128  # squares in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One precision, measured."""

    size: int  # bytes of the ONNX file
    pictures_per_second: float  # by OpenVINO on this machine, decoding left out
    right: int
    accuracy: float
    interval: Interval  # Wilson, 95 %
    unlike: int | None  # pictures called unlike anything seen; None without a guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What 8 bits cost and gain on the same pictures."""

    calibrated_on: int
    pictures: int
    exact: Side
    reduced: Side
    gain: Gain  # of 8 bits over float32
    difference: float  # largest of a probability
    flips: int  # best classes that are others


def quantise(model: bytes, squares: Pixels) -> bytes:
    """Return a graph in 8 bits.

    Args:
        model: ONNX in float32.
        squares: pictures to calibrate on, (N, H, W, 3) uint8.

    Raises:
        ExportRefused: the tool failed.
    """
    with scratch_folder() as folder:
        source, pictures, target = (folder / name for name in ("f32.onnx", "squares.npy", "int8.onnx"))
        source.write_bytes(model)
        np.save(pictures, squares, allow_pickle=False)
        if complaint := run_maker("make_int8", source, pictures, target):
            raise ExportRefused(
                "The model could not be brought to int8.",
                f"NNCF says: {complaint}",
                "Leave --int8 out.",
            )
        return target.read_bytes()


def measure_cost(
    bundle: Bundle,
    reduced: bytes,
    candidates: Sequence[Candidate],
    *,
    calibrated_on: int,
    threads: int,
    cores: int,
    progress: Progress = SILENT,
) -> Cost:
    """Compare float32 and 8 bits, picture by picture, in turns so that both meet the same machine.

    Args:
        bundle: with the graph in float32.
        reduced: the graph in 8 bits.
        candidates: labelled pictures that the bundle has not learnt; those that cannot be read are left out.
        calibrated_on: pictures.
        threads, cores: to decode and to compute with.
        progress: told on the way.

    Raises:
        ExportRefused: there is no picture to measure on.
    """
    settings = bundle.card.decode
    pair = [_Measured(model, bundle, cores) for model in (bundle.model, reduced)]
    truths: list[str] = []
    with progress.stage("Measuring int8", len(candidates), "pictures") as step:
        for labels, squares in _chunks(candidates, settings, threads, step):
            truths += labels
            for one in pair:
                one.answer(squares)
    if not truths:
        raise ExportRefused("int8 cannot be measured.", "No validation picture could be read.", "Leave --int8 out.")
    return _cost(bundle, pair, truths, calibrated_on)


class _Measured:
    """An engine under measurement: its answers, and the seconds they took."""

    def __init__(self, model: bytes, bundle: Bundle, cores: int) -> None:
        self.size, self._seconds = len(model), 0.0
        self._engine = Engine(model, image_px=bundle.card.decode.image_px, precision="f32", streams=cores)
        self._engine.run_all(bundle.exam.pictures)  # the first answers take longer
        self._answers: list[dict[str, NDArray[np.float32]]] = []

    def answer(self, squares: Pixels) -> None:
        begun = perf_counter()
        self._answers.append(self._engine.run_all(squares))
        self._seconds += perf_counter() - begun

    def output(self, name: str) -> NDArray[np.float32]:
        return np.concatenate([one[name] for one in self._answers])

    def side(self, bundle: Bundle, true: NDArray[np.int64]) -> Side:
        """Return the figures."""
        right = int((self.output("probabilities").argmax(axis=1) == true).sum())
        guard = bundle.card.trust.guard
        return Side(
            size=self.size,
            pictures_per_second=len(true) / self._seconds,
            right=right,
            accuracy=right / len(true),
            interval=wilson(right, len(true)),
            unlike=None if guard is None else int((self.output(UNLIKENESS) > guard.threshold).sum()),
        )


def _chunks(
    candidates: Sequence[Candidate], settings: DecodeSettings, threads: int, step: Step
) -> Iterator[tuple[list[str], Pixels]]:
    """Yield labels and squares of the pictures that can be read, some at a time."""
    labels, squares = [], []
    for one, loaded in zip(candidates, load([one.path for one in candidates], settings, threads=threads), strict=True):
        step.advance()
        if loaded.decoded is not None:
            labels.append(one.label)
            squares.append(loaded.decoded.pixels)
        if len(squares) == _CHUNK:
            yield labels, np.stack(squares)
            labels, squares = [], []
    if squares:
        yield labels, np.stack(squares)


def _cost(bundle: Bundle, pair: Sequence[_Measured], truths: Sequence[str], calibrated_on: int) -> Cost:
    index = {name: number for number, name in enumerate(bundle.card.classes)}
    true = np.array([index[label] for label in truths], dtype=np.int64)
    exact, reduced = (one.output("probabilities") for one in pair)
    was, now = exact.argmax(axis=1) == true, reduced.argmax(axis=1) == true
    return Cost(
        calibrated_on=calibrated_on,
        pictures=len(true),
        exact=pair[0].side(bundle, true),
        reduced=pair[1].side(bundle, true),
        gain=gain(int((was & now).sum()), int((was & ~now).sum()), int((~was & now).sum()), int((~was & ~now).sum())),
        difference=float(np.abs(exact - reduced).max()),
        flips=flips_of(exact, reduced),
    )


def check_cost(cost: Cost, *, allow_loss: bool) -> None:
    """Refuse 8 bits that may lose too much.

    Raises:
        ExportRefused: the lower end of the paired interval loses more than `MOST_LOST` points.
    """
    low, high = cost.gain.interval
    if low < -MOST_LOST and not allow_loss:
        raise ExportRefused(
            f"int8 is refused: it may lose {-low:.1f} points of accuracy, {MOST_LOST:g} is allowed.",
            f"On {cost.pictures:,} validation pictures it gains {cost.gain.points:+.1f} points over float32, 95 %"
            f" interval {low:+.1f} to {high:+.1f}: {cost.gain.only_first:,} are right in float32 alone,"
            f" {cost.gain.only_second:,} in int8 alone.",
            "Leave --int8 out, measure on more validation pictures, or take the loss with --allow-loss.",
        )


def twin_of(bundle: Bundle, reduced: bytes) -> NDArray[np.float32]:
    """Return what the graph in 8 bits answers to the bundle's exam where its accuracy is measured, (K, C)."""
    engine = Engine(reduced, image_px=bundle.card.decode.image_px, precision="f32", streams=1)
    return engine.run_all(bundle.exam.pictures)["probabilities"]
