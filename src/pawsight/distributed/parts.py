"""One part of the answers: a Parquet file with a row for each picture, and a footer that says what it belongs to.

Columns: `path`, `sha256`, `label`, `probability`, `probabilities` (in the order of the classes in the footer),
`verdict`, `error`. Where there is an error the others are null, except the hash where the file could be read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pawsight.classifier.predictor import Prediction
from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, UNSURE

_FOOTER = b"pawsight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a part belongs to; equal manifests on equal machines give equal answers."""

    bundle: str  # sha256 of the bundle's card, which holds those of its files
    paths: str  # sha256 of the list of paths
    shard: int  # paths in each part but the last
    pictures: int  # paths in the list
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many pictures got each kind of answer."""

    pictures: int = 0
    answered: int = 0
    unsure: int = 0
    unlike: int = 0  # like nothing in the training pictures
    errors: int = 0

    def __add__(self, other: Tally) -> Tally:
        left, right = asdict(self), asdict(other)
        return Tally(**{name: left[name] + right[name] for name in left})


def part_of(rows: Iterable[tuple[str, Prediction]], manifest: Manifest, *, index: int, precision: str) -> bytes:
    """Return the Parquet file of one part.

    Args:
        rows: the SHA-256 of each picture's bytes, empty where they could not be read, and the answer.
        index: of the part, from 0.
        precision: of the arithmetic, e.g. "f32".
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("probabilities", pa.list_(pa.float32())),
        pa.field("verdict", pa.string()),
        pa.field("error", pa.string()),
    ]
    table = [
        {
            "path": legible(answer.path),
            "sha256": sha256 or None,
            "label": answer.label,
            "probability": answer.probability,
            "probabilities": answer.probabilities and [answer.probabilities[name] for name in manifest.classes],
            "verdict": answer.decision,
            "error": answer.error and legible(answer.error),
        }
        for sha256, answer in rows
    ]
    decisions = [row["verdict"] for row in table]
    tally = Tally(
        pictures=len(table),
        answered=decisions.count(ANSWERED),
        unsure=decisions.count(UNSURE),
        unlike=decisions.count(UNFAMILIAR),
        errors=sum(row["error"] is not None for row in table),
    )
    footer = {**asdict(manifest), "part": index, "precision": precision, "tally": asdict(tally)}
    schema = pa.schema(columns, metadata={_FOOTER: json.dumps(footer).encode()})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table, schema=schema), out, compression="zstd")
    return out.getvalue()


def tally_of(part: Path, manifest: Manifest, *, index: int) -> Tally | None:
    """Return the tally in a part's footer, None where the file is not that part of this manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = json.loads((pq.read_schema(part).metadata or {})[_FOOTER])
        tally = Tally(**footer.pop("tally"))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    expected = json.loads(json.dumps({**asdict(manifest), "part": index}))
    return tally if all(footer.get(name) == value for name, value in expected.items()) else None


def legible(text: str) -> str:
    """Return text that every Parquet reader accepts: bytes of file names that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
