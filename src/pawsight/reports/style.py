"""How charts and pages look: colours for light and dark, Matplotlib settings, SVG, the environment of the templates.

An SVG keeps its words as text and its colours as CSS variables, so one drawing fits both modes. Matplotlib's state
outside the `with` block is not touched, and pyplot is never loaded.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from pawsight.core.text import printable
from pawsight.reports.words import visible, whole

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Each colour is unlike the others in every digit group, since the SVG is searched for it.
INK, MUTED, GRID, PAPER = "#22262b", "#666d75", "#dfe2e6", "#fffffe"
MAIN, SECOND = "#1d6aa5", "#b3560e"  # blue and orange: distinct with any colour vision; line styles differ too
_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", MAIN: "main", SECOND: "second"}
_DARK = {"ink": "#e4e6e9", "muted": "#9aa2ab", "grid": "#333a42", "paper": "#15181c", "main": "#74b6ea"}
_DARK |= {"second": "#eaa35f"}
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x$
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
}


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Draw in the house style; `name` makes the identifiers inside an SVG the same each time."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # what a user's matplotlibrc says is not for reports; rc_context puts it back
        settings: Any = _SETTINGS | {"svg.hashsalt": name}
        mpl.rcParams.update(settings)
        yield


def new_figure(
    width: float, height: float, *, columns: int = 1, heights: Sequence[float] = (1,)
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of `width` x `height` inches and its axes, row by row; `heights` are those of the rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).flat)


def to_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """Return a PNG on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, *, name: str, alt: str) -> str:
    """Return an SVG element to stand inside a page.

    Args:
        figure: what was drawn.
        name: put before each identifier, so that several can stand on one page.
        alt: what the picture says, for those who do not see it.

    The page decides the colours through --chart-ink, --chart-muted, --chart-grid, --chart-paper, --chart-main and
    --chart-second; without them it is drawn for light paper.
    """
    text = _raw_svg(figure)
    body = text[text.index("<g ") : text.rindex("</svg>")]
    box = re.search(r'viewBox="([0-9. ]+)"', text)
    label = html.escape(alt)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{label}" viewBox="{box.group(1) if box else "0 0 100 100"}">'
    )
    body = re.sub(r"<style\b.*?</style>", "", body, flags=re.DOTALL)
    return f"{opening}<title>{label}</title>{re.sub(r'<[^>]*>', lambda tag: _own(tag.group(), name), body)}</svg>"


def to_svg_file(figure: Figure, *, name: str, alt: str) -> str:
    """Return a whole SVG file that follows the viewer's light or dark mode, on paper of its own."""
    light = _variables({label: colour for colour, label in _NAMES.items()})
    style = (
        f"<style>svg{{{light}font-family:sans-serif}}@media(prefers-color-scheme:dark){{svg{{{_variables(_DARK)}}}}}"
    )
    opening, mark, rest = to_svg(figure, name=name, alt=alt).partition("</title>")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{opening}{mark}{style}</style>{rest}\n'


def chart_variables(*, dark: bool) -> str:
    """Return the CSS declarations of the chart colours for a page."""
    return _variables(_DARK if dark else {label: colour for colour, label in _NAMES.items()})


def shortened(text: str, longest: int) -> str:
    """Return a name that fits a chart: cut with an ellipsis, on one line."""
    line = printable(text)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _raw_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():  # a font without a letter is the reader's: text stays text
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _own(tag: str, name: str) -> str:
    """Return one tag of Matplotlib's with identifiers of its own and colours that the page decides."""
    tag = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", tag)
    for colour, label in _NAMES.items():
        tag = tag.replace(colour, f"var(--chart-{label},{colour})")
    return re.sub(r"(font(?:-size)?): ([0-9.]+px)[^;\"]*", r"font-size: \2", tag)


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--chart-{label}:{colour};" for label, colour in colours.items())


@cache  # it keeps its templates compiled, which takes longer than to fill them in
def environment(**filters: Callable[[Any], str]) -> Environment:
    """Return an environment for the templates of this package, with more filters; those named .html.j2 escape."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=ChoiceLoader(  # the second has tokens.css and base.css, which all pages share
            [PackageLoader("pawsight", "reports/templates"), PackageLoader("pawsight", "web/static")]
        ),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default_for_string=True, default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"visible": visible, "whole": whole, **filters}
    return made
