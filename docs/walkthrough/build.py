"""Makes walkthrough.ipynb from walkthrough.py: runs it, cleans what it printed, and keeps the outputs.

Enters: walkthrough.py, and where data and finished runs lie. Leaves: walkthrough.ipynb. Does not know: what it tells.

    python docs/walkthrough/build.py                                    # on the drawn sample, training everything
    python docs/walkthrough/build.py --data photos/ --runs runs/        # reading the finished runs of a ladder

No place of the machine it ran on stays in the notebook, and no picture but the curves.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from pawsight.core.storage import write_text

HERE = Path(__file__).parent
SCRIPT, NOTEBOOK = HERE / "walkthrough.py", HERE / "walkthrough.ipynb"
# An absolute path; not an address, not a fraction, not </b>.
PLACE = re.compile(r"(?<![\w.:/<])(?:/[\w.+@-]+){2,}/?|\b[A-Z]:\\\\?\w[^\s'\"]*")
PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "image/webp")


def main() -> None:
    """Run the walkthrough as asked, and write the notebook."""
    asked = _asked()
    settings = {
        "WALKTHROUGH_DATA": asked.data,
        "WALKTHROUGH_RUNS": asked.runs,
        "WALKTHROUGH_WEIGHTS": asked.weights,
        "WALKTHROUGH_EPOCHS": asked.epochs,
        "WALKTHROUGH_PICTURES": "no",
    }
    notebook = executed({name: value for name, value in settings.items() if value})
    names = {_absolute(asked.runs): "runs", _absolute(asked.weights): "weights.h5", _absolute(asked.data): "photos"}
    clean(notebook, {place: name for place, name in names.items() if place})
    write_text(NOTEBOOK, nbformat.writes(notebook) + "\n")
    print(f"{NOTEBOOK.name}: {len(notebook.cells)} cells")


def executed(settings: dict[str, str], *, seconds: int | None = None) -> nbformat.NotebookNode:
    """Run the script as a notebook in a folder of its own, in a kernel of this Python.

    Args:
        settings: environment variables of the walkthrough; paths may be relative.
        seconds: the longest that one cell may take.
    """
    notebook = jupytext.read(SCRIPT)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {name: _placed(value) for name, value in settings.items()}
        client = NotebookClient(
            notebook, timeout=seconds, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute(env=environment)
    return notebook


def clean(notebook: nbformat.NotebookNode, names: dict[str, str]) -> None:
    """Leave what every run on the same figures would leave: no noise, no time, no place of this machine.

    Raises:
        SystemExit: a place, or a picture other than the curves, is left.
    """
    version = notebook.metadata.get("language_info", {}).get("name", "python")
    notebook.metadata["language_info"] = {"name": version}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_scrubbed(one, names) for one in cell.outputs if one.get("name") != "stderr"]
            _check(cell)


def _scrubbed(output: nbformat.NotebookNode, names: dict[str, str]) -> nbformat.NotebookNode:
    for place, name in names.items():
        if "text" in output:
            output.text = output.text.replace(place, name)
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                output.data[kind] = value.replace(place, name)
    return output


def _check(cell: nbformat.NotebookNode) -> None:
    for output in cell.outputs:
        told = [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
        left = [place for text in told for place in PLACE.findall(text)]
        pictures = [kind for kind in output.get("data", {}) if kind in PICTURES]
        if left:
            raise SystemExit(f"A place of this machine is left in the outputs: {left[0]}")
        if pictures and "curves" not in cell.metadata.get("tags", []):
            raise SystemExit(f"A picture that is no curve is left in the outputs, in: {cell.source[:60]!r}")


def _placed(value: str) -> str:
    """Return a path that exists as an absolute one, since the notebook runs in another folder; else the value."""
    return str(Path(value).absolute()) if Path(value).exists() else value


def _absolute(value: str | None) -> str:
    return str(Path(value).absolute()) if value and Path(value).exists() else ""


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run docs/walkthrough/walkthrough.py and keep its outputs.")
    parser.add_argument("--data", default="sample", help="as for pawsight train")
    parser.add_argument("--runs", help="folder of finished runs on that data; without it everything is trained")
    parser.add_argument("--weights", help="MobileNetV2's weights (.h5), for training")
    parser.add_argument("--epochs", help="for the recipes that learn by gradients")
    return parser.parse_args()


if __name__ == "__main__":
    main()
