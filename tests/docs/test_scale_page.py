"""docs/scale.md: its example reads what the command wrote, its tables name what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from pawsight.commands.predict import predict_to

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text("utf-8")


def test_the_example_reads_the_answers_without_pawsight(colour_bundle, tmp_path):
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    (tmp_path / "words.docx").write_text("no picture")
    predict_to(colour_bundle, [tmp_path / "red.png", tmp_path / "words.docx"], tmp_path / "predictions")
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
    guard = "import sys; sys.modules['pawsight'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", guard + example], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path / 'red.png'} red {{'red': ")
    assert second == f"{tmp_path / 'words.docx'} could not be read: not a picture"


def test_the_table_names_the_columns_there_are(colour_bundle, tmp_path):
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    predict_to(colour_bundle, [tmp_path / "red.png"], tmp_path / "out")
    columns = PAGE.partition("| column |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", columns, re.M) == pq.read_schema(next((tmp_path / "out").glob("part-*"))).names
