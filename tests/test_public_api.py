"""The public names, and every example in a docstring or the README, typed as it stands."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

import pawsight

from .conftest import small_default

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.S | re.M) if README.exists() else []
FUNCTIONS = [name for name in pawsight.__all__ if inspect.isfunction(getattr(pawsight, name))]


@pytest.fixture(scope="session")
def made_desk(once):
    """What `desk` copies: pictures of two classes that any backbone tells apart, one of the first, a run, its cache."""

    def make(place):
        desk = place / "desk"
        for number in range(12):
            for kind, picture in (("cats", _speckled(number)), ("dogs", _shaded(number))):
                (desk / "photos" / kind).mkdir(parents=True, exist_ok=True)
                picture.save(desk / "photos" / kind / f"{number}.png")
        _speckled(100).save(desk / "cat.jpg")
        with small_default(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
            pawsight.train(desk / "photos", out=desk / "runs")

    return once("examples", make)


@pytest.fixture
def desk(made_desk, tmp_path, monkeypatch):
    """A working folder with all that examples mention, and a default recipe that is quick; `sample` is a small one."""
    place = shutil.copytree(made_desk, tmp_path / "made", symlinks=True)
    monkeypatch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
    _make_the_sample_small(monkeypatch)
    monkeypatch.chdir(place / "desk")
    with small_default():
        yield place / "desk"


def _speckled(seed):
    return Image.effect_noise((100 + seed % 7, 100), 60 + seed % 50).convert("RGB")


def _shaded(seed):
    return Image.linear_gradient("L").resize((100, 100 + seed % 7)).rotate(15 * seed).convert("RGB")


def _make_the_sample_small(monkeypatch):
    from pawsight import sample

    small = partial(sample.write_sample, train=8, validation=5, sides=(96, 120))
    monkeypatch.setattr(sample, "write_sample", small)


@pytest.mark.parametrize("name", ["train", "Classifier"])
def test_examples_in_docstrings_give_what_they_say(desk, name):
    thing = getattr(pawsight, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(thing, name, globs={"pawsight": pawsight})
    assert example.examples
    told = []
    outcome = doctest.DocTestRunner().run(example, out=told.append)
    assert outcome.failed == 0, "".join(told)


def test_the_example_on_top_of_the_package_runs(desk):
    lines = [line for line in pawsight.__doc__.splitlines() if line.startswith("    ")]
    names = {}
    exec("\n".join(line.strip() for line in lines), names)
    assert list(names["labels"]) == ["cats"]


def test_every_python_block_of_the_readme_runs(desk, capsys):
    if not BLOCKS:
        pytest.skip("there is no README yet, or no Python in it")
    names = {}
    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), names)
    assert capsys.readouterr().out.strip()


def test_every_verb_that_makes_something_is_a_function_of_the_package_too():
    """`predict` is a method of what `load` returns; `recipes` and `doctor` are for reading at a terminal."""
    from pawsight.cli import cli

    assert set(cli.commands) & set(FUNCTIONS) >= {"train", "evaluate", "inspect", "ladder", "preview", "report"}


def test_a_ladder_is_climbed_and_reported_again_from_python(desk):
    climbed = pawsight.ladder("photos/", recipes=["majority", "probe"])
    assert isinstance(climbed, pawsight.LadderOutcome)
    assert [rung.recipe for rung in climbed.report.candidates] == ["majority", "probe"]
    assert climbed.report.chosen == "probe"
    again = pawsight.report([candidate.run for candidate in climbed.report.candidates], out=desk / "again")
    assert isinstance(again, pawsight.LadderReport)
    assert (again.chosen, again.test) == (climbed.report.chosen, climbed.report.test)
    assert again.report == desk / "again" / "report.html"


def test_sheets_are_drawn_from_python(desk):
    sheets = pawsight.preview("photos/", out="sheets")
    assert isinstance(sheets, pawsight.PreviewReport)
    assert sheets.grid == desk / "sheets" / "grid.png"
    assert sheets.grid.is_file()


@pytest.mark.parametrize("name", pawsight.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(pawsight, name)
    assert inspect.getdoc(thing)
    assert thing.__module__.startswith("pawsight.")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_typed_and_say_what_they_raise(name):
    function = getattr(pawsight, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(value.annotation is not inspect.Parameter.empty for value in signature.parameters.values())
    assert "Raises:" in function.__doc__


@pytest.mark.parametrize("name", [name for name in pawsight.__all__ if is_dataclass(getattr(pawsight, name))])
def test_public_values_cannot_be_changed(name):
    assert getattr(pawsight, name).__dataclass_params__.frozen


def test_an_unknown_name_is_refused_as_python_does_it():
    with pytest.raises(AttributeError, match="no attribute 'tame'"):
        _ = pawsight.tame


def test_names_are_listed_before_anything_is_loaded():
    code = "import pawsight, sys; print(*dir(pawsight)); print('numpy' in sys.modules, 'click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    names, loaded = done.stdout.splitlines()
    assert set(pawsight.__all__) <= set(names.split())
    assert loaded == "False False"


def test_type_checkers_see_the_names_that_the_package_lists():
    tree = ast.parse(Path(pawsight.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {(alias.asname, node.module) for node in block.body for alias in node.names}
    assert seen == {(name, getattr(pawsight, name).__module__) for name in pawsight.__all__}


def test_what_verbs_return_is_small_as_the_last_line_of_a_cell(desk):
    run = pawsight.train("photos/")
    shown = {
        "train": run,
        "inspect": pawsight.inspect("photos/"),
        "evaluate": pawsight.evaluate(run, slices=True),
        "compare": pawsight.compare([run, "runs/001"]),
        "preview": pawsight.preview("photos/", out="sheets"),
        "export": pawsight.export(run, "onnx", out="exported"),
        "report": pawsight.report([run]),
        "embed": pawsight.embed("photos/", out="features.npz", run=run),
        "review": pawsight.review(run),
    }
    sizes = {verb: len(repr(thing)) for verb, thing in shown.items()}
    assert max(sizes.values()) < 4_000, sizes
