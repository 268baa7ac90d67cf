"""Writes the tree of src/pawsight, one phrase a file, into the README.

Enters: the first sentence of every module, and the order of the rooms in pyproject.toml. Leaves: the block between two
marks in README.md. Does not know: what the sentences say.

    python docs/tree.py            # writes it
    python docs/tree.py --print    # shows it
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, README = ROOT / "src" / "pawsight", ROOT / "README.md"
BEGIN, END = "<!-- made by docs/tree.py -->", "<!-- end of the tree -->"
PLACEHOLDER = "TREE"
COLUMN = 28  # where the phrases begin


def tree() -> str:
    """Return the tree: the front door first, then the rooms in the order in which they may import."""
    rooms = _rooms()
    paths = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    paths.sort(key=lambda path: (rooms.index(path.stem) if path.stem in rooms else -1, path.name))
    return "\n".join(["src/pawsight/", *(line for path in paths for line in _lines(path, 1))])


def phrase(path: Path) -> str:
    """Return the first sentence of a module's docstring, without its full stop; a verb's without the verb.

    Raises:
        ValueError: the module has no docstring.
    """
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    if not text:
        raise ValueError(f"{path} has no docstring")
    return re.sub(r"^The verb `\w+`: ", "", text.splitlines()[0].split(". ")[0].rstrip("."))


def with_tree(readme: str, drawn: str) -> str:
    """Return the README with the tree in its place.

    Raises:
        ValueError: it has neither the marks nor the placeholder line.
    """
    block = f"{BEGIN}\n```text\n{drawn}\n```\n{END}"
    if BEGIN in readme and END in readme:
        return readme[: readme.index(BEGIN)] + block + readme[readme.index(END) + len(END) :]
    if f"\n{PLACEHOLDER}\n" in readme:
        return readme.replace(f"\n{PLACEHOLDER}\n", f"\n{block}\n", 1)
    raise ValueError(f"The README has neither {BEGIN} nor a line {PLACEHOLDER}")


def _lines(path: Path, depth: int) -> list[str]:
    indent = "  " * depth
    if path.suffix == ".py":
        return [f"{indent + path.name:<{COLUMN}}{phrase(path)}"]
    inside = sorted(path.iterdir(), key=lambda one: (one.is_dir(), one.name))
    modules = [one for one in inside if one.name != "__init__.py"]
    below = [one for one in modules if one.suffix == ".py" or (one / "__init__.py").exists()]
    head = f"{indent + path.name + '/':<{COLUMN}}{phrase(path / '__init__.py')}"
    return [head, *(line for one in below for line in _lines(one, depth + 1))]


def _rooms() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [name.strip() for layer in layers for name in layer.split("|")]


def main() -> None:
    """Write the tree into the README, or print it."""
    if "--print" in sys.argv[1:]:
        print(tree())
        return
    README.write_text(with_tree(README.read_text("utf-8"), tree()), "utf-8")


if __name__ == "__main__":
    main()
