"""One worker: a bundle opened once, then a part of the answers for every list of paths that it is handed.

Enters: a `Bundle`, a share of the machine, lists of paths and URLs. Leaves: bytes of parts. Does not know: other
workers, where parts go. Both engines run this very code, so that their answers are the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pawsight.bundle import Bundle
from pawsight.engine import best_precision
from pawsight.errors import UnreadablePicture
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import Loaded, load_one, ordered_map
from pawsight.inference import Prediction, Predictor, unanswered
from pawsight.machine import this_machine
from pawsight.scale import remote
from pawsight.scale.parts import Stamp, part_of

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
        self._stamp, self._feeders = stamp, machine.feeders
        self._precision = best_precision(machine)
        self._predictor = Predictor(bundle, machine=machine)

    def part(self, index: int, paths: Sequence[str]) -> bytes:
        """Answer the paths of one part, in order, and return it as a Parquet file."""
        return part_of(self.rows(paths), self._stamp, index=index, precision=self._precision)

    def rows(self, paths: Sequence[str]) -> Iterator[Row]:
        """Yield hash and answer of each picture, in order; what cannot be read has its error."""
        settings, lane = self._predictor.bundle.card.decode, self._predictor.lane()
        answer = self._predictor.answer
        for name, loaded in ordered_map(lambda path: (path, _load(path, settings)), paths, threads=self._feeders):
            if loaded.decoded is None:
                yield from ((sha256, answer(path, outputs)) for (path, sha256), outputs in lane.drain())
                yield loaded.sha256, unanswered(name, loaded.problem)
            else:
                under_way = lane.push((name, loaded.sha256), loaded.decoded.pixels)
                yield from ((sha256, answer(path, outputs)) for (path, sha256), outputs in under_way)
        yield from ((sha256, answer(path, outputs)) for (path, sha256), outputs in lane.drain())


def _load(name: str, settings: DecodeSettings) -> Loaded:
    """Read and decode a file of this disk or behind an address; problems are told in the result."""
    if not remote.is_url(name):
        return load_one(Path(name), settings)
    sha256 = ""
    try:
        data = remote.read(name)
        sha256 = hashlib.sha256(data).hexdigest()
        return Loaded(Path(name), sha256, decode(data, settings, name=name), "")
    except UnreadablePicture as error:
        return Loaded(Path(name), sha256, None, error.why)
