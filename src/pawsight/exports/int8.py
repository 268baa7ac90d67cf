"""The graph in 8 bits, calibrated on training pictures, and its cost, measured on validation pictures.

NNCF quantises the ONNX graph; the result runs in ONNX Runtime and OpenVINO (docs/decisions/0013-exports.md has the
measurements). subprocesses/make_int8.py calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Engine
from pawsight.classifier.trust import HAS, UNFAMILIAR
from pawsight.core.errors import ExportRefused
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import scratch_folder
from pawsight.data.found import Candidate
from pawsight.data.label_sets import truth_of
from pawsight.evaluation.comparison import Gain, gain
from pawsight.evaluation.intervals import Interval, wilson
from pawsight.exports.subprocesses import run_maker
from pawsight.exports.verify import flips_of
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.images.loader import load
from pawsight.models.graph import OOD_SCORE

CALIBRATION_PICTURES = 300
MOST_LOST = 1.0  # percentage points of accuracy that the interval's lower end may lose
_CHUNK = 128  # squares in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionFigures:
    """Figures of one precision."""

    size: int  # bytes of the ONNX file
    pictures_per_second: float  # by OpenVINO on this machine, without decoding
    right: int  # with several labels: pictures of which every label is right
    accuracy: float
    interval: Interval  # Wilson, 95 %
    unlike: int | None  # pictures called unfamiliar; None without a detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """8 bits compared with float32 on the same pictures."""

    calibrated_on: int
    pictures: int
    exact: PrecisionFigures
    reduced: PrecisionFigures
    gain: Gain  # of 8 bits over float32
    difference: float  # largest of a probability
    flips: int  # pictures whose best class is another, or any of whose labels is


def quantise(model: bytes, squares: Pixels) -> bytes:
    """Return a graph in 8 bits.

    Args:
        model: ONNX in float32.
        squares: pictures to calibrate on, (N, H, W, 3) uint8.

    Raises:
        ExportRefused: NNCF failed.
    """
    with scratch_folder() as folder:
        source, pictures, target = (folder / name for name in ("f32.onnx", "squares.npy", "int8.onnx"))
        source.write_bytes(model)
        np.save(pictures, squares, allow_pickle=False)
        if error := run_maker("make_int8", source, pictures, target):
            raise ExportRefused(
                "The model cannot be quantised to int8.",
                f"NNCF says: {error}",
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
    """Compare float32 and 8 bits on the same pictures, alternately, so that the load of the machine is the same.

    Args:
        bundle: with the graph in float32.
        reduced: the graph in 8 bits.
        candidates: labelled pictures that were not trained on; those that cannot be read are left out.
        calibrated_on: number of pictures that `reduced` was calibrated on.
        threads, cores: for decoding and for computing.
        progress: advanced with each picture.

    Raises:
        ExportRefused: there is no picture that can be read.
    """
    settings = bundle.card.decode
    pair = [_MeasuredEngine(model, bundle, cores) for model in (bundle.model, reduced)]
    truths: list[str] = []
    with progress.stage("Measuring int8", len(candidates), "pictures") as step:
        for labels, squares in _chunks(candidates, settings, threads, step):
            truths += labels
            for engine in pair:
                engine.answer(squares)
    if not truths:
        raise ExportRefused("int8 cannot be measured.", "No validation picture could be read.", "Leave --int8 out.")
    exact, small = (engine.output("probabilities") for engine in pair)
    was, now = (_right(bundle, table, truths) for table in (exact, small))
    return Cost(
        calibrated_on=calibrated_on,
        pictures=len(truths),
        exact=pair[0].figures(bundle, was),
        reduced=pair[1].figures(bundle, now),
        gain=gain(int((was & now).sum()), int((was & ~now).sum()), int((~was & now).sum()), int((~was & ~now).sum())),
        difference=float(np.abs(exact - small).max()),
        flips=flips_of(exact, small, bundle.card.trust),
    )


def _right(bundle: Bundle, table: NDArray[np.float32], truths: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each picture (N,) has its right class, or with several labels every label right by its threshold.

    Args:
        bundle: with classes and thresholds.
        table: probabilities (N, C).
        truths: labels of the pictures (N,), as a run keeps them.
    """
    classes, trust = bundle.card.classes, bundle.card.trust
    if trust.labels:
        decided = trust.answering_all().decide_labels(table) == HAS
        return np.asarray((decided == truth_of(truths, classes)).all(axis=1))
    index = {name: number for number, name in enumerate(classes)}
    return np.asarray(table.argmax(axis=1) == [index[label] for label in truths])


class _MeasuredEngine:
    """An engine with its answers, and the seconds they took."""

    def __init__(self, model: bytes, bundle: Bundle, cores: int) -> None:
        self.size, self._seconds = len(model), 0.0
        self._engine = Engine(model, image_px=bundle.card.decode.image_px, precision="f32", streams=cores)
        self._engine.run_all(bundle.golden.pictures)  # the first answers take longer
        self._answers: list[dict[str, NDArray[np.float32]]] = []

    def answer(self, squares: Pixels) -> None:
        start = perf_counter()
        self._answers.append(self._engine.run_all(squares))
        self._seconds += perf_counter() - start

    def output(self, name: str) -> NDArray[np.float32]:
        return np.concatenate([outputs[name] for outputs in self._answers])

    def figures(self, bundle: Bundle, is_right: NDArray[np.bool_]) -> PrecisionFigures:
        table, trust = self.output("probabilities"), bundle.card.trust
        right, unlike = int(is_right.sum()), None
        if trust.detector is not None:
            scores = self.output(OOD_SCORE).ravel().tolist()
            decisions = [trust.decide(row, score) for row, score in zip(table, scores, strict=True)]
            unlike = decisions.count(UNFAMILIAR)
        return PrecisionFigures(
            size=self.size,
            pictures_per_second=len(table) / self._seconds,
            right=right,
            accuracy=right / len(table),
            interval=wilson(right, len(table)),
            unlike=unlike,
        )


def _chunks(
    candidates: Sequence[Candidate], settings: DecodeSettings, threads: int, step: Step
) -> Iterator[tuple[list[str], Pixels]]:
    """Yield labels and squares of the pictures that can be read, a chunk at a time."""
    labels, squares = [], []
    paths = [candidate.path for candidate in candidates]
    for candidate, loaded in zip(candidates, load(paths, settings, threads=threads), strict=True):
        step.advance()
        if loaded.decoded is not None:
            labels.append(candidate.label)
            squares.append(loaded.decoded.pixels)
        if len(squares) == _CHUNK:
            yield labels, np.stack(squares)
            labels, squares = [], []
    if squares:
        yield labels, np.stack(squares)


def check_cost(cost: Cost, *, allow_loss: bool) -> None:
    """Refuse 8 bits that may lose too much accuracy.

    Raises:
        ExportRefused: the lower end of the paired interval is a loss of more than `MOST_LOST` points.
    """
    low, high = cost.gain.interval
    if low < -MOST_LOST and not allow_loss:
        raise ExportRefused(
            f"int8 is refused: it may lose {-low:.1f} points of accuracy, {MOST_LOST:g} is allowed.",
            f"On {cost.pictures:,} validation pictures it gains {cost.gain.points:+.1f} points over float32, 95 %"
            f" interval {low:+.1f} to {high:+.1f}: {cost.gain.only_first:,} are right in float32 alone,"
            f" {cost.gain.only_second:,} in int8 alone.",
            "Leave --int8 out, measure on more validation pictures, or accept the loss with --allow-loss.",
        )


def int8_reference(bundle: Bundle, reduced: bytes) -> NDArray[np.float32]:
    """Return the 8-bit graph's probabilities (K, C) for the self-test, in the engine that measures its accuracy."""
    engine = Engine(reduced, image_px=bundle.card.decode.image_px, precision="f32", streams=1)
    return engine.run_all(bundle.golden.pictures)["probabilities"]
