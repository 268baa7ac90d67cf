"""The ten cells of docs/notebook.md, run in a kernel: what they show, and that it is small."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from ..conftest import BACKBONE, BACKBONE_PX
from .conftest import GUIDE, blocks

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("pandas")

MOST = 20_000  # bytes of all outputs of a cell
CELLS = blocks(GUIDE / "notebook.md", "python")


# The kernel is a process of its own, and `desk` has the features of a small default recipe in its cache.
STARTUP = f"""
from dataclasses import replace
from pawsight.models import recipes
probe = recipes.RECIPES["probe"]
small = replace(probe, recipe=replace(probe.recipe, backbone={BACKBONE!r}, image_px={BACKBONE_PX}, folds=3))
recipes.RECIPES = {{**recipes.RECIPES, "probe": small}}
"""


@pytest.fixture
def executed(desk, own_jupyter):
    """The notebook with its outputs, executed in `desk` by this Python."""
    startup = Path(os.environ["IPYTHONDIR"], "profile_default", "startup")
    startup.mkdir(parents=True)
    (startup / "small.py").write_text(STARTUP)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    nbclient.NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": os.fspath(desk)}}
    ).execute()
    if keep := os.environ.get("PAWSIGHT_KEEP_NOTEBOOK"):  # to be looked at
        nbformat.write(notebook, Path(keep))
    return notebook


def shown(cell, kind):
    """What a cell shows of one kind, as text."""
    return "".join(output.get("data", {}).get(kind, "") for output in cell.outputs)


def test_ten_cells_show_what_they_are_about_and_none_is_large(executed):
    assert len(executed.cells) == 10
    split, findings, run, test, confusion, reliability, mistakes, table, answers, probabilities = executed.cells
    assert "validation" in shown(split, "text/html")
    assert "indings" in shown(findings, "text/html")
    assert "95 % intervals" in shown(run, "text/html")
    assert "% right of" in shown(test, "text/plain")
    for cell in (confusion, reliability):
        assert base64.b64decode(shown(cell, "image/png")).startswith(b"\x89PNG")
    assert "wrong" in shown(mistakes, "text/html")
    assert "cats" in shown(table, "text/plain")
    assert "data:image/" in shown(answers, "text/html")
    assert "array" in shown(probabilities, "text/plain")
    sizes = [len(json.dumps(cell.outputs)) for cell in executed.cells]
    assert max(sizes) < MOST, sizes
    assert not [output for cell in executed.cells for output in cell.outputs if output.get("name") == "stderr"]
