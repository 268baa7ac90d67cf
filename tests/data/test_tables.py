"""The reader of tables: whatever dialect and encoding a program writes, the cells are what they were."""

from __future__ import annotations

import contextlib
import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.data.tables import Table, TableError, columns_text, readable

LETTERS = st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])
CELLS = st.text(LETTERS, max_size=12)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6)


def rows_of(data: bytes, name: str = "a.csv", **options):
    table = Table(io.BytesIO(data), name=name, **options)
    return table.columns, [row for _, row in table if row]


@settings(max_examples=150)
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_dialect_and_encoding_is_read_back(rows, delimiter, encoding, newline, quoting):
    out = io.StringIO(newline="")
    # The csv module leaves a lone carriage return unquoted, and so no program reads it back.
    rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting).writerows(
        [("Label", "path", "note"), *rows]
    )
    columns, cells = rows_of(out.getvalue().encode(encoding))
    assert columns == ["label", "path", "note"]
    assert [[cell.strip() for cell in row] for row in cells] == [[cell.strip() for cell in row] for row in rows]


@settings(max_examples=60)
@given(rows=ROWS, kind=st.sampled_from(["json", "jsonl", "parquet"]))
def test_any_text_is_read_back_from_json_and_parquet(rows, kind):
    names = ("path", "label", "note")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    if kind == "parquet":
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), file)
        data = file.getvalue()
    else:
        text = json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records))
        data = text.encode()
    assert rows_of(data, f"a.{kind}") == (list(names), [list(row) for row in rows])


@settings(max_examples=100)
@given(data=st.binary(max_size=300), kind=st.sampled_from(["csv", "tsv", "txt", "json", "jsonl", "parquet"]))
def test_random_bytes_are_read_or_refused(data, kind):
    with contextlib.suppress(TableError):
        columns, cells = rows_of(data, f"a.{kind}")
        assert all(isinstance(cell, str) for row in [columns, *cells] for cell in row)


@pytest.mark.parametrize(
    ("text", "columns", "cells"),
    [
        ("path, label\n1.jpg, cat\n", ["path", "label"], ["1.jpg", "cat"]),
        ('path,label\n1.jpg, "a, b"\n', ["path", "label"], ["1.jpg", "a, b"]),
        ("sep=;\npath;label\n1.jpg;cat\n", ["path", "label"], ["1.jpg", "cat"]),
        ("path\na, b; c.jpg\n", ["path"], ["a, b; c.jpg"]),
        ("a;b;c,path,label\nx;y,1.jpg,cat\n", ["a;b;c", "path", "label"], ["x;y", "1.jpg", "cat"]),
    ],
)
def test_the_delimiter_is_seen_in_the_header(text, columns, cells):
    found, (row,) = rows_of(text.encode())
    assert (found, [cell.strip() for cell in row]) == (columns, cells)


def test_spaces_delimit_a_text_file_alone():
    assert rows_of(b"a.jpg 1\nb.jpg 0\n", "a.txt", columns={"path": "1", "label": "2"})[1] == [
        ["a.jpg", "1"],
        ["b.jpg", "0"],
    ]
    assert rows_of(b"a b.jpg\n", "a.csv", columns={"path": "1"})[1] == [["a b.jpg"]]


def test_lines_are_those_of_the_file():
    assert [line for line, _ in Table(io.BytesIO(b"sep=,\npath,label\n\na,b\n"), name="a.csv")] == [3, 4]


def test_bytes_that_are_not_utf8_are_windows_1252_or_refused():
    assert readable("bo\udcee tes", 1) == "boî tes"
    assert readable("boî", 1) == "boî"
    with pytest.raises(TableError, match="Windows-1252"):
        readable("\udc81", 7)


def test_columns_are_typed_as_they_are_read():
    assert columns_text({"path": "my file", "label": "2"}) == "path=my file,label=2"
    assert columns_text(None) is None
