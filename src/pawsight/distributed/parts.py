"""One part of the answers: a Parquet file with a row for each picture, and what its footer says of it.

Enters: predictions in the order of the list, and the `Stamp` of the work they belong to. Leaves: the bytes of a file;
later its `Tally`. Does not know: where the file lies, who computed it.

Columns: `path`, `sha256`, `label`, `probability`, `probabilities` (in the order of the classes, which stand in the
footer), `verdict`, `error`. Where there is an error the others are null, but for the hash if the file could be read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pawsight.classifier.predictor import Prediction
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE

_FOOTER = b"pawsight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which work a part belongs to; equal stamps and equal machines give equal answers."""

    bundle: str  # sha256 of the bundle's card, which has those of all its files
    paths: str  # sha256 over the list of paths
    shard: int  # paths in each part but the last
    pictures: int  # paths in the list
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many pictures got which kind of answer."""

    pictures: int = 0
    answered: int = 0
    unsure: int = 0
    unlike: int = 0  # unlike anything seen
    errors: int = 0

    def __add__(self, other: Tally) -> Tally:
        mine, theirs = asdict(self), asdict(other)
        return Tally(**{name: mine[name] + theirs[name] for name in mine})


def part_of(rows: Iterable[tuple[str, Prediction]], stamp: Stamp, *, index: int, precision: str) -> bytes:
    """Return the Parquet file of one part.

    Args:
        rows: the SHA-256 of each picture's bytes, empty where they could not be read, and the answer.
        index: of the part, from 0.
        precision: of the arithmetic, e.g. "f32".
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = [_row(sha256, answer, stamp.classes) for sha256, answer in rows]
    said = {**asdict(stamp), "part": index, "precision": precision, "tally": asdict(_tally(kept))}
    schema = _schema().with_metadata({_FOOTER: json.dumps(said).encode()})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(kept, schema=schema), out, compression="zstd")
    return out.getvalue()


def tally_of(part: Path, stamp: Stamp, *, index: int) -> Tally | None:
    """Return what a part's footer says, None where this is not that part of this work."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_schema(part).metadata or {}
        said = json.loads(footer[_FOOTER])
        tally = Tally(**said.pop("tally"))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    wanted = json.loads(json.dumps({**asdict(stamp), "part": index}))
    return tally if all(said.get(name) == value for name, value in wanted.items()) else None


def legible(text: str) -> str:
    """Return text that every Parquet reader takes: bytes of file names that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("sha256", pa.string()),
            pa.field("label", pa.string()),
            pa.field("probability", pa.float32()),
            pa.field("probabilities", pa.list_(pa.float32())),
            pa.field("verdict", pa.string()),
            pa.field("error", pa.string()),
        ]
    )


def _row(sha256: str, answer: Prediction, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "path": legible(answer.path),
        "sha256": sha256 or None,
        "label": answer.label,
        "probability": answer.probability,
        "probabilities": answer.probabilities and [answer.probabilities[name] for name in classes],
        "verdict": answer.verdict,
        "error": answer.error and legible(answer.error),
    }


def _tally(rows: Sequence[dict[str, Any]]) -> Tally:
    verdicts = [row["verdict"] for row in rows]
    return Tally(
        pictures=len(rows),
        answered=verdicts.count(ANSWERED),
        unsure=verdicts.count(UNSURE),
        unlike=verdicts.count(UNFAMILIAR),
        errors=sum(row["error"] is not None for row in rows),
    )
