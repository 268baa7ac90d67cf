"""Predictions in one file, a row a picture: CSV, JSON, JSON Lines or Parquet. Millions go to a folder of parts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from pawsight.classifier.predictor import Prediction
from pawsight.core.errors import StorageError, require_extra
from pawsight.core.storage import new_file, table_text
from pawsight.core.text import legible
from pawsight.data.label_sets import SEPARATOR

ENDINGS = (".csv", ".json", ".jsonl", ".parquet")
_COLUMNS = ("path", "label", "confidence", "decision", "error")
_SET = "set"
_OF_SEVERAL = ("path", "labels", "unsure", "decision", "error")
_SEPARATORS = {_SET: "|", "labels": SEPARATOR, "unsure": SEPARATOR}  # between the names of a cell
_ROWS_AT_ONCE = 1_024


def columns_of(
    classes: Sequence[str], top: int | None, *, has_sets: bool = False, several_labels: bool = False
) -> tuple[str, ...]:
    """Return the columns of an answer file.

    Args:
        classes: in the bundle's order.
        top: most likely classes that have columns of their own; 0 is none. None: all classes, each in its column.
        has_sets: there is a column for the prediction set.
        several_labels: of a picture; without `top` all have columns of their own.
    """
    columns = _OF_SEVERAL if several_labels else (*_COLUMNS, *((_SET,) if has_sets else ()))
    if top is None or (several_labels and not top):
        return (*columns, *(f"probability_{name}" for name in classes))
    ranks = range(1, min(top, len(classes)) + 1)
    return (*columns, *(column for rank in ranks for column in (f"class_{rank}", f"confidence_{rank}")))


def row_of(
    prediction: Prediction,
    classes: Sequence[str],
    top: int | None,
    *,
    has_sets: bool = False,
    several_labels: bool = False,
) -> tuple[str | float | tuple[str, ...] | None, ...]:
    """Return a prediction as a row under `columns_of`; the confidence is that of the most likely class."""
    by_class = prediction.probabilities or {}
    ranked = sorted(by_class.items(), key=lambda pair: -pair[1])
    confidence = ranked[0][1] if ranked else None
    row: tuple[str | float | tuple[str, ...] | None, ...]
    if several_labels:
        row = tuple(getattr(prediction, name) for name in _OF_SEVERAL)
    else:
        row = (prediction.path, prediction.label, confidence, prediction.decision, prediction.error)
        row = (*row, *((prediction.set,) if has_sets else ()))
    if top is None or (several_labels and not top):
        return (*row, *(by_class.get(name) for name in classes))
    best = [*ranked, *[(None, None)] * len(classes)][: min(top, len(classes))]
    return (*row, *(value for pair in best for value in pair))


def check_answer_file(path: Path) -> None:
    """Refuse a file that is there already, or a kind that cannot be written here.

    Raises:
        StorageError: it exists. MissingExtra: Parquet is not installed.
    """
    if path.exists() or path.is_symlink():
        raise StorageError(f"{path} exists already.", "Nothing is written over.", "Give another name with --out.")
    if path.suffix.lower() == ".parquet":
        require_extra("ray", "pyarrow", needed_by="A .parquet file", why="A file that ends in .csv needs no package.")


def write_answers(
    path: Path,
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    *,
    top: int | None,
    has_sets: bool = False,
    several_labels: bool = False,
) -> None:
    """Write predictions as they come; the file appears when it is whole.

    Args:
        path: a new file with one of `ENDINGS`.
        predictions: consumed lazily.
        classes, top, has_sets, several_labels: as for `columns_of`.

    Raises:
        StorageError: the disk refused.
    """
    kind = {"has_sets": has_sets, "several_labels": several_labels}
    columns = columns_of(classes, top, **kind)
    rows = (row_of(prediction, classes, top, **kind) for prediction in predictions)
    write = {".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix.lower(), _write_json)
    with new_file(path) as part:
        write(part, columns, rows, path.suffix.lower() == ".jsonl")


def _write_csv(file: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]], is_lines: bool) -> None:
    with file.open("xb") as opened:
        opened.write(table_text(columns, ()).encode())
        for row in rows:
            cells = [_one_text(name, cell) for name, cell in zip(columns, row, strict=True)]
            opened.write(table_text(cells, ()).encode("utf-8", "surrogateescape"))


def _write_json(file: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]], is_lines: bool) -> None:
    before, between, after = ("", "\n", "\n") if is_lines else ("[\n", ",\n", "\n]\n")
    with file.open("x", encoding="ascii") as opened:
        opened.write(before)
        for number, row in enumerate(rows):
            record = dict(zip(columns, row, strict=True))
            opened.write((between if number else "") + json.dumps(record, allow_nan=False))
        opened.write(after)


def _write_parquet(file: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]], is_lines: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_number = [name.startswith(("confidence", "probability_")) for name in columns]
    kinds = [pa.float32() if number else pa.string() for number in is_number]
    schema = pa.schema([pa.field(name, kind) for name, kind in zip(columns, kinds, strict=True)])
    with ExitStack() as stack:
        writer = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        while held := list(islice(rows, _ROWS_AT_ONCE)):
            texts = ([_in_parquet(name, cell) for name, cell in zip(columns, row, strict=True)] for row in held)
            arrays = [pa.array(values, kind) for values, kind in zip(zip(*texts, strict=True), kinds, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))


def _one_text(column: str, cell: Any) -> Any:
    return _SEPARATORS[column].join(cell) if isinstance(cell, tuple) else cell


def _in_parquet(column: str, cell: Any) -> Any:
    cell = _one_text(column, cell)
    return legible(cell) if isinstance(cell, str) else cell
