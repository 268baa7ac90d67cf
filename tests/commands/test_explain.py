"""`pawsight explain`: files with telling names, none overwritten, bad pictures told, from the shell and from Python."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import pawsight
from pawsight.cli import cli
from pawsight.commands.explain import explain
from pawsight.core.errors import NoPictures, StorageError, WrongUsage


@pytest.fixture
def corner_red(tmp_path):
    """A picture of 80 x 40 that is red at its top right and grey elsewhere."""
    pixels = np.full((40, 80, 3), 120, np.uint8)
    pixels[:20, 40:] = (250, 5, 5)
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    return tmp_path / "corner.png"


def typed(*words):
    result = CliRunner().invoke(cli, ["explain", *map(os.fspath, words)], prog_name="pawsight")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_run_that_stands_after_the_pictures_is_told_with_the_line_to_type(colour_bundle, tmp_path):
    (tmp_path / "x.png").touch()
    with pytest.raises(WrongUsage) as error:
        next(explain(tmp_path / "x.png", [colour_bundle]))
    assert f"pawsight explain {colour_bundle} {tmp_path / 'x.png'}" in error.value.fix


def test_a_picture_gets_a_picture_with_its_map_and_a_line_that_says_where(colour_bundle, corner_red, tmp_path):
    result = typed(colour_bundle, corner_red, "-o", tmp_path / "out", "--quiet")
    made = tmp_path / "out" / "corner.png.explained.png"
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{corner_red}: red ")
    assert result.stdout.endswith(f"; {made}\n")
    assert result.stdout.count("\n") == 1
    with Image.open(made) as drawn:
        assert drawn.size == (320, 160)
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["corner.png.explained.png"]


def test_json_says_what_the_line_says_and_gives_the_map(colour_bundle, corner_red, tmp_path):
    result = typed(colour_bundle, corner_red, "-o", tmp_path / "out", "--json", "--quiet")
    told = json.loads(result.stdout)
    assert set(told) == set(pawsight.Explained.__slots__)
    assert (told["label"], told["method"], told["size"], told["error"]) == ("red", "cam", [80, 40], None)
    assert "13 %" in told["place"]
    left, top, right, bottom = told["box"]
    assert (left >= 38, top, right, bottom <= 22) == (True, 0, 80, True)
    assert np.shape(told["values"]) == (8, 8)
    assert np.mean(told["values"]) + told["bias"] > 0


def test_nothing_is_overwritten_and_equal_names_are_told_apart(colour_bundle, corner_red, tmp_path):
    (tmp_path / "deeper").mkdir()
    twin = tmp_path / "deeper" / "corner.png"
    twin.write_bytes(corner_red.read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    (out / "corner.png.explained.png").write_text("mine")
    files = [item.file for item in explain(colour_bundle, [corner_red, twin], out=out)]
    assert files == [str(out / "corner.png-2.explained.png"), str(out / "corner.png-3.explained.png")]
    assert (out / "corner.png.explained.png").read_text() == "mine"


def test_the_picture_itself_is_left_alone_in_its_own_folder(colour_bundle, corner_red):
    before = corner_red.read_bytes()
    (one,) = explain(colour_bundle, [corner_red], out=corner_red.parent)
    assert one.file == f"{corner_red}.explained.png"
    assert corner_red.read_bytes() == before


def test_pictures_that_cannot_be_read_are_told_and_the_rest_go_on(colour_bundle, corner_red, tmp_path, snapshot):
    (empty := tmp_path / "empty.jpg").touch()
    (cut := tmp_path / "cut.png").write_bytes(corner_red.read_bytes()[:-30])
    os.mkfifo(pipe := tmp_path / "pipe.jpg")
    bad = [empty, cut, pipe, tmp_path / "missing.jpg"]
    result = typed(colour_bundle, *bad, corner_red, "-o", tmp_path / "out")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.replace(str(tmp_path), "PLACE") for line in lines[:4]] == snapshot
    assert ": red " in lines[4]
    assert re.search(r"\b4\b", result.stderr.splitlines()[-1])
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def test_a_class_that_nothing_speaks_for_is_said_so(colour_bundle, tmp_path):
    Image.new("RGB", (30, 30), (250, 5, 5)).save(tmp_path / "red.png")
    (one,) = explain(colour_bundle, [tmp_path / "red.png"], out=tmp_path / "out", label="blue")
    assert (one.label, one.box, one.place) == ("blue", None, None)
    assert one.line().startswith(f"{tmp_path / 'red.png'}: blue 0.0 %; ")
    assert one.line().endswith(f"; {one.file}")


def test_occlusion_may_be_asked_for(colour_bundle, corner_red, tmp_path):
    (one,) = explain(colour_bundle, [corner_red], out=tmp_path / "out", method="occlusion")
    assert one.method == "occlusion"
    assert one.bias == 0


def test_turned_pictures_are_explained_upright(colour_bundle, corner_red, tmp_path):
    """EXIF 6: to be turned a quarter clockwise, which brings the top right to the bottom right."""
    with Image.open(corner_red) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "turned.png", exif=exif)
    (one,) = explain(colour_bundle, [tmp_path / "turned.png"], out=tmp_path / "out")
    assert one.size == (40, 80)
    assert one.place.startswith("bottom right")
    with Image.open(one.file) as drawn:
        assert drawn.size == (160, 320)


@pytest.mark.parametrize("name", ["n" * 230 + ".png", "ä" * 110 + ".png", "new\nline.png", "-o.png"])
def test_odd_names_are_no_trouble(colour_bundle, corner_red, tmp_path, name):
    (folder := tmp_path / "odd").mkdir()
    (folder / name).write_bytes(corner_red.read_bytes())
    (one,) = explain(colour_bundle, [folder], out=tmp_path / "out")
    assert one.error is None
    assert one.file.endswith(".explained.png")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def test_what_cannot_be_meant_is_refused_before_any_picture_is_read(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage, match="'cow'"):
        next(explain(colour_bundle, [tmp_path / "missing.png"], label="cow"))
    with pytest.raises(WrongUsage):
        next(explain(colour_bundle, [""]))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NoPictures, match=re.escape(str(tmp_path / "nothing"))):
        list(explain(colour_bundle, [tmp_path / "nothing"]))
    assert typed(colour_bundle, "x.png", "--method", "magic").exit_code == 2
    assert typed(colour_bundle, "x.png", "--class", "cow").exit_code == 2


def test_a_folder_that_cannot_be_made_is_named(colour_bundle, corner_red, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=re.escape(str(tmp_path / "file"))):
        list(explain(colour_bundle, [corner_red], out=tmp_path / "file"))


def test_it_is_a_function_of_the_package():
    assert pawsight.explain is explain
