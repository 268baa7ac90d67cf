"""Pictures in the terminal: only where it is known to show them, and whole when they arrive."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pawsight.images.inline import inline, protocol_of


def png(width: int = 90, height: int = 45) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "linux"}, None),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, None),
        ({}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, None),
        ({"TERM": "screen.xterm-256color", "TERM_PROGRAM": "iTerm.app"}, None),
    ],
)
def test_only_terminals_known_to_show_pictures_are_believed(environ: dict[str, str], protocol: str | None) -> None:
    assert protocol_of(environ) == protocol
    assert bool(inline(png(9, 9), environ, columns=80)) == (protocol is not None)


def test_kitty_gets_the_whole_file_in_pieces() -> None:
    file = png()
    sent = inline(file, {"TERM": "xterm-kitty"}, columns=80)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    assert "".join(f"\x1b_G{keys};{text}\x1b\\" for keys, text in pieces) == sent
    assert len(pieces) > 1
    assert pieces[0][0] == "a=T,f=100,q=2,c=10,m=1"
    assert [keys for keys, _ in pieces[1:]] == ["m=1"] * (len(pieces) - 2) + ["m=0"]
    assert all(len(text) <= 4096 for _, text in pieces)
    assert base64.b64decode("".join(text for _, text in pieces)) == file


def test_iterm2_gets_the_whole_file_and_its_size() -> None:
    file = png()
    sent = inline(file, {"TERM": "xterm", "TERM_PROGRAM": "iTerm.app"}, columns=80)
    found = re.fullmatch(r"\x1b]1337;File=inline=1;size=(\d+);width=10;preserveAspectRatio=1:([^\x07]*)\x07", sent)
    assert found
    assert int(found[1]) == len(file)
    assert base64.b64decode(found[2]) == file


def test_a_picture_wider_than_the_terminal_is_made_to_fit() -> None:
    assert ",c=4," in inline(png(), {"TERM": "xterm-kitty"}, columns=4)
    assert '"1;1;36;18' in inline(png(), {"TERM": "foot"}, columns=4)


def test_sixels_draw_the_picture() -> None:
    pixels = np.zeros((16, 18, 3), dtype=np.uint8)
    pixels[3:9, 5:] = (255, 0, 0)
    pixels[9:, :4] = (0, 0, 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    sent = inline(file.getvalue(), {"TERM": "foot"}, columns=80)
    assert np.array_equal(seen_on_a_vt340(sent), pixels)


def seen_on_a_vt340(sent: str) -> np.ndarray:
    """Draw what a sixel terminal would draw."""
    head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', sent)
    width, height = int(head[1]), int(head[2])
    screen = np.zeros((height + 6, width, 3), dtype=np.uint8)
    palette, colour, x, y = {}, 0, 0, 0
    tokens = r"#(\d+;2;\d+;\d+;\d+)|#(\d+)|(?:!(\d+))?([?-~])|([$-])"
    for define, pick, times, letter, move in re.findall(tokens, sent[head.end() : -2]):
        if define:
            number, _, *rgb = map(int, define.split(";"))
            palette[number] = [value * 255 // 100 for value in rgb]
        elif pick:
            colour = int(pick)
        elif letter:
            end = x + int(times or 1)
            for row in range(6):
                if (ord(letter) - 63) >> row & 1:
                    screen[y + row, x:end] = palette[colour]
            x = end
        else:
            x, y = 0, y + 6 * (move == "-")
    return screen[:height]
