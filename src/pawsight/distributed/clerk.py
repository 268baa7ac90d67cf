"""One worker: a bundle opened once, then a part of the answers for every list of paths that it is handed.

Enters: a `Bundle`, a share of the machine, lists of paths and URLs. Leaves: bytes of parts. Does not know: other
workers, where parts go. Both engines run this very code, so that their answers are the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Outputs, best_precision
from pawsight.classifier.predictor import Prediction, Predictor, unanswered
from pawsight.core.machine import this_machine
from pawsight.core.thread_pool import ordered_map
from pawsight.distributed.fetching import decoded, fetch, fetched_ahead
from pawsight.distributed.parts import Stamp, part_of
from pawsight.images.loader import Loaded

Row = tuple[str, Prediction]


class Clerk:
    """A predictor for lists of paths.

    Args:
        bundle: sits its exam here.
        stamp: of the work.
        cores: on which to compute; None is all that there are.
    """

    def __init__(self, bundle: Bundle, stamp: Stamp, *, cores: int | None = None) -> None:
        machine = this_machine()
        machine = replace(machine, cores=min(cores or machine.cores, machine.cores))
        self._stamp, self._feeders, self._in_turn = stamp, machine.feeders, machine.cores == 1
        self._precision = best_precision(machine)
        self._predictor = Predictor(bundle, machine=machine)

    def part(self, index: int, paths: Sequence[str]) -> bytes:
        """Answer the paths of one part, in order, and return it as a Parquet file."""
        return part_of(self.rows(paths), self._stamp, index=index, precision=self._precision)

    def rows(self, paths: Sequence[str]) -> Iterator[Row]:
        """Yield hash and answer of each picture, in order; what cannot be read has its error.

        On one core decoder and network take turns: with a thread each they would take a second core from another
        worker.
        """
        lane = self._predictor.queue()
        for name, loaded in self._loaded(paths):
            if loaded.decoded is None:
                yield from self._answers(lane.drain())
                yield loaded.sha256, unanswered(name, loaded.problem)
            else:
                yield from self._answers(lane.push((name, loaded.sha256), loaded.decoded.pixels))
            if self._in_turn:
                yield from self._answers(lane.drain())
        yield from self._answers(lane.drain())

    def _loaded(self, paths: Sequence[str]) -> Iterator[tuple[str, Loaded]]:
        settings = self._predictor.bundle.card.decode
        if self._in_turn:
            for fetched in fetched_ahead(paths):
                yield fetched.name, decoded(fetched, settings)
        else:
            yield from ordered_map(lambda path: (path, decoded(fetch(path), settings)), paths, threads=self._feeders)

    def _answers(self, outputs: Iterator[tuple[tuple[str, str], Outputs]]) -> Iterator[Row]:
        return ((sha256, self._predictor.prediction(name, one)) for (name, sha256), one in outputs)
