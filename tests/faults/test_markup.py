"""Row 12: names that carry markup, formulas, terminal escapes, line breaks and reversed text, wherever they are shown."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pawsight.core.runs import read_table, write_table
from pawsight.core.text import terminal_text
from pawsight.data.given_split import read_split_file
from pawsight.data.label_patch import RELABEL, Decision, read_patch, write_patch
from pawsight.data.picture_lists import read_list

FORMULAS = ("=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "'=1", "''", "'")
MARKUP = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;{{7*7}}{% raw %}", '"><b>', "`$(id)`")
ESCAPES = ("\x1b[2J\x1b]0;owned\x07", "a\nb", "a\rb", "\u202egpj.exe", "\u2066x\u2069", "\u200b", "\x85x")
NASTY = (*FORMULAS, *MARKUP, *ESCAPES)
SHA = "a" * 64


def is_formula(cell):
    """What a spreadsheet calculates, plain numbers apart."""
    number = re.fullmatch(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|inf|nan)", cell)
    return bool(re.match(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", cell)) and not number


def cells_of(path):
    return [cell for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")) for cell in row]


def test_no_table_of_ours_holds_a_formula_and_all_read_back_to_the_letter(tmp_path):
    rows = [(name, other) for name in NASTY for other in (*NASTY, "-0.5", "1e-7", "")]
    write_table(tmp_path / "t.csv", ("path", "=label"), rows)
    assert [cell for cell in cells_of(tmp_path / "t.csv") if is_formula(cell)] == []
    assert [tuple(row.values()) for row in read_table(tmp_path / "t.csv")] == rows
    assert list(read_table(tmp_path / "t.csv")[0]) == ["path", "=label"]


def test_numbers_stay_numbers(tmp_path):
    write_table(tmp_path / "t.csv", ("n",), [(-1,), (-0.5,), ("-1e-07",), ("nan",), (1.0,)])
    assert (tmp_path / "t.csv").read_text() == "n\n-1\n-0.5\n-1e-07\nnan\n1.0\n"


def test_a_patch_that_we_wrote_is_read_back_to_the_letter(tmp_path):
    decisions = [
        Decision(name, f"{number:064x}", RELABEL, label, "now")
        for number, (name, label) in enumerate(zip(NASTY, reversed(NASTY), strict=True))
    ]
    write_patch(tmp_path / "p.csv", decisions)
    assert [cell for cell in cells_of(tmp_path / "p.csv") if is_formula(cell)] == []
    assert [(decision.path, decision.label) for decision in read_patch(tmp_path / "p.csv").decisions] == [
        (decision.path, decision.label) for decision in decisions
    ]


def test_a_split_that_we_wrote_is_accepted_by_split(tmp_path):
    names = [name for name in NASTY if name.strip()]
    write_table(
        tmp_path / "s.csv",
        ("path", "sha256", "label", "part"),
        [(name, f"{at:064x}", "cats", "train") for at, name in enumerate(names)],
    )
    assert [row.path for row in read_split_file(tmp_path / "s.csv").rows] == names


def test_a_list_of_the_user_is_taken_at_its_word(tmp_path):
    (tmp_path / "l.csv").write_text("path,label\n'=1.jpg,cats\n=2.jpg,dogs\n")
    assert [candidate.path.name for candidate in read_list(tmp_path / "l.csv").candidates] == ["'=1.jpg", "=2.jpg"]


@pytest.mark.parametrize("name", ESCAPES)
def test_the_terminal_is_shown_nothing_that_moves_its_cursor(name):
    assert terminal_text(name, one_line=True).replace("\t", " ").isprintable()


@pytest.fixture(scope="module")
def nasty_data(tmp_path_factory):
    """Pictures in classes, with file names, that nobody would choose; as far as the disk takes them."""
    data = tmp_path_factory.mktemp("nasty") / "data"
    random = np.random.default_rng(12)
    for label in ("=cats", "<b>dogs"):
        (data / label).mkdir(parents=True)
        for number, name in enumerate((*NASTY, *"abcdefgh")):
            safe = f"{name.replace('/', '_')}{number}.png"
            noise = random.integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(noise).save(data / label / safe)
    return data


def test_what_is_shown_of_such_data_stays_what_it_was(nasty_data, tmp_path):
    """`inspect` with its page and its table, as people type it."""
    command = [
        sys.executable,
        "-m",
        "pawsight",
        "inspect",
        str(nasty_data),
        "--report",
        "--out",
        str(tmp_path / "audit"),
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    for text in (done.stdout.decode(), done.stderr.decode()):
        assert "Traceback" not in text
        assert all(letter.isprintable() or letter in "\n\t" for letter in text)
    page = (tmp_path / "audit" / "audit.html").read_text(encoding="utf-8")
    assert_inert(page)
    assert [cell for cell in cells_of(tmp_path / "audit" / "audit.csv") if is_formula(cell)] == []


def assert_inert(page):
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>dogs" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x07]", page)


def test_the_answers_of_predict_are_lines_that_cannot_lie(nasty_data, colour_bundle):
    command = [sys.executable, "-m", "pawsight", "predict", str(colour_bundle), str(nasty_data)]
    plain = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode()
    files = [path for path in nasty_data.rglob("*") if path.is_file()]
    assert len(plain.splitlines()) == len(plain.split("\n")) - 1 == len(files)
    assert all(line.replace("\t", " ").isprintable() for line in plain.splitlines())
    told = subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=120).stdout
    assert told.isascii()
    assert {json.loads(line)["path"] for line in told.decode().splitlines()} == set(map(str, files))


@pytest.mark.slow
def test_a_run_on_such_data_is_whole_and_its_report_inert(nasty_data, cache_folder, tmp_path):
    from pawsight.commands.report import report
    from pawsight.commands.train import train

    run = train(nasty_data, backbone="efficientnet-lite0", image_px=96, depth="last", out=tmp_path / "runs").run
    for name in ("splits.csv", "catalog.csv", "predictions.csv", "audit.csv"):
        assert [cell for cell in cells_of(run / name) if is_formula(cell)] == [], name
    names = {path.relative_to(nasty_data).as_posix() for path in nasty_data.rglob("*.png")}
    assert {row["path"] for row in read_table(run / "catalog.csv")} == names
    again = train(
        nasty_data,
        backbone="efficientnet-lite0",
        image_px=96,
        depth="last",
        out=tmp_path / "runs",
        split=run / "splits.csv",
    ).run
    assert {(row["path"], row["part"]) for row in read_table(again / "splits.csv")} == {
        (row["path"], row["part"]) for row in read_table(run / "splits.csv")
    }
    report([run], quick=True)
    assert_inert((run / "report.html").read_text(encoding="utf-8"))
