"""The address of the page as a QR code, read back by OpenCV."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="needs pawsight[video] to read codes")
ADDRESS = "http://192.0.2.17:8000/"


def read(is_dark: np.ndarray) -> str:
    """What a phone reads in a grid of modules."""
    import cv2

    pixels = np.kron(np.where(is_dark, 0, 255).astype(np.uint8), np.ones((8, 8), np.uint8))
    return cv2.QRCodeDetector().detectAndDecode(pixels)[0]


def grid_of(svg: str) -> np.ndarray:
    """The dark modules of an SVG whose path draws them in rows."""
    side = int(re.search(r"M0 0h(\d+)v", svg)[1])
    is_dark, column, row = np.zeros((side, side), bool), 0, 0.0
    for move, across, down in re.findall(
        r"([Mmh])(-?\d+)(?: (-?[\d.]+))?", re.search(r'qrline"[^>]* d="([^"]+)"', svg)[1]
    ):
        if move == "h":
            is_dark[int(row), column : column + int(across)] = True
            column += int(across)
        else:
            column, row = (int(across), float(down)) if move == "M" else (column + int(across), row + float(down))
    return is_dark


def test_a_terminal_shows_a_code_that_can_be_read():
    from pawsight.web.qr_code import lines_of

    halves = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0), "\xa0": (0, 0)}
    lines = [line for line in lines_of(ADDRESS) if line]
    light = np.array([[halves[letter] for letter in line] for line in lines]).transpose(0, 2, 1)
    assert read(light.reshape(-1, light.shape[2]) == 0) == ADDRESS


def test_the_page_shows_a_code_that_can_be_read_where_it_is_shared(make_client):
    with make_client(share=ADDRESS) as client:
        answer = client.get("/share.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert read(grid_of(answer.text)) == ADDRESS
        assert client.get("/api/v1/model").json()["share"] == ADDRESS


def test_a_page_that_is_not_shared_has_no_code(make_client):
    with make_client() as client:
        answer = client.get("/share.svg")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        assert client.get("/api/v1/model").json()["share"] is None
