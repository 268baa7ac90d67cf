"""The verb export, as it is typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pawsight.cli import cli

from ..conftest import says


@pytest.fixture
def typed(colour_bundle, tmp_path):
    """Type `pawsight export BUNDLE ... --out OUT`."""

    def run(*words):
        return CliRunner().invoke(cli, ["export", str(colour_bundle), *words, "--out", str(tmp_path / "out")])

    return run


def test_it_prints_a_table_and_where_everything_is(typed, tmp_path):
    done = typed("--to", "openvino,card")
    assert done.exit_code == 0, done.output
    header, openvino, card, last = done.stdout.splitlines()
    assert header.split() == ["export", "opens", "MB", "largest", "difference", "labels", "flipped", "s", "to", "load"]
    assert openvino.startswith("openvino f32  openvino/model.xml")
    assert "0 of 4" in openvino
    assert card.split() == ["card", "card/README.md", "0.0", "-", "-", "-"]
    assert says(last, tmp_path / "out", "pawsight.json")


def test_as_json_it_is_one_object(typed, tmp_path):
    done = typed("--to", "openvino", "--json")
    told = json.loads(done.stdout)
    assert told["out"] == str(tmp_path / "out")
    (one,) = told["exports"]
    assert one["file"] == "model.xml"
    assert one["sitting"]["flips"] == 0
    assert told["int8"] is None


def test_twice_is_as_good_as_once_but_changed_files_are_kept(typed, tmp_path):
    assert typed("--to", "openvino").exit_code == 0
    assert typed("--to", "openvino").exit_code == 0
    (tmp_path / "out" / "openvino" / "model.xml").write_text("mine now")
    done = typed("--to", "openvino")
    assert done.exit_code == 2
    assert "openvino is not overwritten." in done.stderr
    assert (tmp_path / "out" / "openvino" / "model.xml").read_text() == "mine now"


def test_an_unknown_format_ends_with_status_2(typed):
    done = typed("--to", "pickle")
    assert done.exit_code == 2
    assert "There is no export to 'pickle'." in done.stderr


def test_the_public_name_is_the_function_even_after_the_room_was_loaded():
    import pawsight
    import pawsight.exports.targets

    assert callable(pawsight.export)
