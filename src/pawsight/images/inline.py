"""Pictures in the terminal, where it is known to show them.

Enters: the bytes of a PNG and the environment. Leaves: the text that makes the terminal show it, or nothing. Does not
know: what is in the picture, whether anybody looks.

Only terminals that say who they are and are known to show pictures are believed: others would print the picture as
thousands of letters. Nothing is sent through tmux or screen, which swallow or break it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Protocol = Literal["kitty", "iterm2", "sixel"]

_KITTY_TERMS, _KITTY_PROGRAMS = ("xterm-kitty", "xterm-ghostty"), ("ghostty",)
_ITERM2_PROGRAMS = ("iTerm.app", "WezTerm", "mintty")
_SIXEL_TERMS = ("foot", "foot-extra", "mlterm", "yaft-256color")
_KITTY_CHUNK = 4096  # letters in one piece, by the protocol's rule
_PX_PER_COLUMN = 9  # about what a letter is wide
_SIXEL_COLOURS = 128


def protocol_of(environ: Mapping[str, str]) -> Protocol | None:
    """Return how this terminal shows pictures, None where it does not say that it does."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("TMUX") or environ.get("STY") or term.startswith(("screen", "tmux")) or term in ("", "dumb"):
        return None
    if program in _ITERM2_PROGRAMS:
        return "iterm2"
    if term in _KITTY_TERMS or program in _KITTY_PROGRAMS or environ.get("KITTY_WINDOW_ID"):
        return "kitty"
    return "sixel" if term in _SIXEL_TERMS else None


def inline(png: bytes, environ: Mapping[str, str], *, columns: int) -> str:
    """Return the text that shows a picture in this terminal.

    Args:
        png: the whole file.
        environ: the environment variables.
        columns: how many letters the terminal is wide; a wider picture is made to fit.

    Returns:
        escape sequences, to be written to a terminal as they are; empty where it shows no pictures.
    """
    protocol = protocol_of(environ)
    if protocol is None:
        return ""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        across = max(1, min(columns, image.width // _PX_PER_COLUMN))
        if protocol == "sixel":
            return _sixel(image.convert("RGB"), across * _PX_PER_COLUMN)
    return _kitty(png, across) if protocol == "kitty" else _iterm2(png, across)


def _kitty(png: bytes, across: int) -> str:
    """Send the file in pieces; a=T shows it at once, f=100 says PNG, q=2 asks for no answer."""
    text = base64.standard_b64encode(png).decode("ascii")
    pieces = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    keys = [f"a=T,f=100,q=2,c={across},"] + [""] * (len(pieces) - 1)
    more = [1] * (len(pieces) - 1) + [0]
    told = zip(keys, more, pieces, strict=True)
    return "".join(f"\x1b_G{key}m={follows};{piece}\x1b\\" for key, follows, piece in told)


def _iterm2(png: bytes, across: int) -> str:
    text = base64.standard_b64encode(png).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(png)};width={across};preserveAspectRatio=1:{text}\x07"


def _sixel(image: Image.Image, width: int) -> str:
    """Draw in bands six pixels high, one colour after the other, as DEC's VT340 did."""
    height = max(1, round(image.height * width / image.width))
    few = image.resize((width, height), Image.Resampling.BILINEAR).quantize(_SIXEL_COLOURS)
    palette = np.array(few.getpalette() or [], dtype=np.int64).reshape(-1, 3) * 100 // 255
    colours = "".join(f"#{number};2;{r};{g};{b}" for number, (r, g, b) in enumerate(palette.tolist()))
    pixels = np.asarray(few)
    bands = "-".join("$".join(_band(pixels[top : top + 6])) for top in range(0, height, 6))
    return f'\x1bPq"1;1;{width};{height}{colours}{bands}\x1b\\'


def _band(rows: NDArray[np.uint8]) -> Iterator[str]:
    """Yield for each colour of up to six rows which pixels of every column have it."""
    weights = 1 << np.arange(len(rows))
    for colour in np.unique(rows).tolist():
        letters = (63 + weights @ (rows == colour)).tolist()
        runs = ((chr(letter), len(list(same))) for letter, same in groupby(letters))
        yield f"#{colour}" + "".join(f"!{count}{letter}" if count > 3 else letter * count for letter, count in runs)
