"""history.csv: what is written reads back to the same bits, and the best epoch is the one the rule names."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import StorageError
from pawsight.core.history import HISTORY, Epoch, best_epoch, read_history, write_history

from ..conftest import says

FIRST = Epoch(1, 43.5111, 0.5235, 0.6869, 0.5421, 1e-3, 6.1)
FIGURES = st.floats(allow_nan=False)


def bits(epoch: Epoch) -> bytes:
    number, *figures = astuple(epoch)
    return struct.pack("<q6d", number, *figures)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*[FIGURES] * 6), max_size=4))
def test_a_history_reads_back_to_the_same_bits(rows: list[tuple[float, ...]], tmp_path: Path) -> None:
    history = [Epoch(number, *row) for number, row in enumerate(rows, 1)]
    write_history(tmp_path / HISTORY, history)
    assert [bits(epoch) for epoch in read_history(tmp_path / HISTORY)] == [bits(epoch) for epoch in history]


def test_the_table_is_plain_csv_even_where_the_figures_are_numpys(tmp_path: Path) -> None:
    third = np.float64(1) / 3
    write_history(tmp_path / HISTORY, [replace(FIRST, loss=third, accuracy=np.float32(0.1))])
    header, row = (tmp_path / HISTORY).read_text().splitlines()
    assert header.split(",") == [field.name for field in fields(Epoch)]
    assert [float(figure) for figure in row.split(",")] == [1, 1 / 3, float(np.float32(0.1)), *astuple(FIRST)[3:]]


def test_figures_that_are_no_numbers_survive(tmp_path: Path) -> None:
    write_history(tmp_path / HISTORY, [replace(FIRST, loss=math.nan, val_loss=math.inf)])
    (read,) = read_history(tmp_path / HISTORY)
    assert math.isnan(read.loss)
    assert read.val_loss == math.inf


@pytest.mark.parametrize(
    "row",
    ["2,1,1,1,1,1,1", "1,1,1,1,1,1", "1,1,1,1,1,1,1,1", "one,1,1,1,1,1,1", "1,1,1,1,1,1,quick"],
    ids=["wrong number", "cut short", "too long", "number is a word", "figure is a word"],
)
def test_a_table_that_is_no_history_is_refused(row: str, tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    path.write_text(f"number,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n{row}\n")
    with pytest.raises(StorageError) as caught:
        read_history(path)
    assert says(caught.value.what, path)
    assert says(caught.value.why, "Row 1", *(field.name for field in fields(Epoch)))
    assert says(caught.value.fix, "--resume")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text("number,loss\n1,0.5\n")
    with pytest.raises(StorageError, match="is no history"):
        read_history(tmp_path / HISTORY)


def test_a_missing_history_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"history\.csv cannot be read"):
        read_history(tmp_path / HISTORY)


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first() -> None:
    def epoch(number: int, val_accuracy: float, val_loss: float) -> Epoch:
        return replace(FIRST, number=number, val_accuracy=val_accuracy, val_loss=val_loss)

    low, high, better, again = epoch(1, 0.5, 0.1), epoch(2, 0.7, 0.6), epoch(3, 0.7, 0.5), epoch(4, 0.7, 0.5)
    assert best_epoch([low, high]) == high
    assert best_epoch([low, high, better]) == better
    assert best_epoch([low, high, better, again]) == better


def test_a_figure_that_is_no_number_is_never_best() -> None:
    broken = replace(FIRST, val_accuracy=math.nan, val_loss=math.nan)
    second = replace(FIRST, number=2)
    assert best_epoch([broken, second]) == second
    assert best_epoch([replace(FIRST, val_loss=math.nan), second]) == second


def test_an_empty_history_has_no_best_epoch() -> None:
    with pytest.raises(ValueError, match="without epochs"):
        best_epoch([])
