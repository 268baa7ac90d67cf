"""Draws the table of results.json as a picture for the README.

usage: python benchmarks/picture.py [RESULTS [TARGET]]
    Writes docs/bench.png and docs/bench.svg, which can be read at a width of 800 px.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bench_figures
from bench_figures import Figure, cells

ROOT = Path(__file__).parents[1]
WIDTH, LINE = 8.0, 0.175  # inches; at 100 dots an inch the picture is 800 px wide
INK, SOFT, RULE = "#1b1f24", "#57606a", "#d0d7de"
MET, SHORT = "#0b6e4f", "#a3330c"
# title of a column, where it begins (share of the width), characters a line
PLACES = (
    ("what", 0.012, 33),
    ("measured beside", 0.29, 30),
    ("ours", 0.545, 12),
    ("result", 0.66, 14),
    ("aim", 0.795, 17),
)


def lines_of(figure: Figure) -> list[list[str]]:
    """Return the lines of each cell; the spread stands below the result."""
    what, beside, ours, peer, result, spread, aim, _ = cells(figure)
    beside = f"{beside}, {peer}" if peer and not beside.startswith("(") else beside
    spread = f"\n{spread}" if spread else ""
    texts = (what, beside.strip("()"), ours, result + spread, aim)
    return [
        [part for text in whole.split("\n") for part in textwrap.wrap(text, width)]
        for whole, (_, _, width) in zip(texts, PLACES, strict=True)
    ]


def draw(figures: Sequence[Figure], about: Mapping[str, Any], targets: Sequence[Path]) -> None:
    """Draw all figures, a row for each, into as many files as are named."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "pawsight"  # the same results make the same file
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    rows = [lines_of(one) for one in figures]
    heights = [LINE * max(map(len, row)) + 0.13 for row in rows]
    foot = textwrap.wrap(footnote(figures, about), 118)
    total = 0.36 + sum(heights) + LINE * len(foot) + 0.2
    canvas = plt.figure(figsize=(WIDTH, total), facecolor="white")
    top = _head(canvas, total)
    for figure, row, height in zip(figures, rows, heights, strict=True):
        _row(canvas, row, top, total, is_met=figure.is_met)
        top -= height
        _rule(canvas, (top + 0.05) / total)
    for number, text in enumerate(foot):
        canvas.text(0.012, (top - 0.12 - LINE * number) / total, text, size=7.5, color=SOFT, va="center")
    for target in targets:
        dated = {"Date": None} if target.suffix == ".svg" else None
        canvas.savefig(target, dpi=200, facecolor="white", metadata=dated)
    plt.close(canvas)


def _head(canvas: Any, total: float) -> float:
    top = total - 0.36
    for title, left, _ in PLACES:
        canvas.text(left, (total - 0.18) / total, title, size=8.5, weight="bold", color=INK, va="center")
    _rule(canvas, (top + 0.05) / total)
    return top


def _row(canvas: Any, row: list[list[str]], top: float, total: float, *, is_met: bool) -> None:
    colour = MET if is_met else SHORT
    for (title, left, _), lines in zip(PLACES, row, strict=True):
        for number, text in enumerate(lines):
            is_result = title == "result" and not number
            ink = colour if is_result else SOFT if title == "result" else INK
            weight = "bold" if is_result else "normal"
            y = (top - 0.07 - LINE * number) / total
            canvas.text(left, y, text, size=8, color=ink, weight=weight, va="center")
    verdict = "met" if is_met else "short"
    canvas.text(0.988, (top - 0.07) / total, verdict, size=8, color=colour, weight="bold", va="center", ha="right")


def _rule(canvas: Any, y: float) -> None:
    from matplotlib.lines import Line2D

    canvas.add_artist(Line2D([0.012, 0.988], [y, y], color=RULE, linewidth=0.7))


def footnote(figures: Sequence[Figure], about: Mapping[str, Any]) -> str:
    """Return where and when it was measured and how."""
    runs = [len(one.ours) for one in figures if one.kind != bench_figures.FLAT]
    few, many = min(runs, default=0), max(runs, default=0)
    times = f"{few}" if few == many else f"{few} to {many}"
    drawn = " Drawn pictures, no photographs." if any(one.drawn for one in figures) else ""
    return (
        f"{about.get('machine', '')}. Medians of {times} runs taken by turns with what they stand beside, below them the "
        f"least and greatest of single rounds; {str(about.get('date', ''))[:10]}.{drawn}"
    )


def main() -> None:
    """Draw the committed results."""
    source, target = (
        *map(Path, sys.argv[1:]),
        *(ROOT / "benchmarks" / "results.json", ROOT / "docs")[len(sys.argv) - 1 :],
    )
    figures, about = bench_figures.read(source)
    if not figures:
        raise SystemExit(f"There is nothing in {source}: run make bench first.")
    draw(figures, about, [target / "bench.png", target / "bench.svg"])
    met = sum(one.is_met for one in figures)
    print(f"{target / 'bench.png'} and .svg: {met} of {len(figures)} aims met")


if __name__ == "__main__":
    main()
