"""What the documents say about the code is so: verbs, version, tree, links."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import pawsight
from pawsight.cli import cli

ROOT = Path(__file__).parents[2]
README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"
DOCUMENTS = [README, CHANGELOG, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = sorted(cli.commands)


@pytest.fixture(scope="module")
def tree():
    spec = importlib.util.spec_from_file_location("docs_tree", ROOT / "docs" / "tree.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(title):
    """The text of one section of the README."""
    return README.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_table_of_the_readme(verb):
    rows = [line for line in section("What you can type").splitlines() if line.startswith("| `pawsight ")]
    assert any(re.match(rf"\| `pawsight {verb}\b", row) for row in rows), f"no row for pawsight {verb}"


def test_the_table_of_the_readme_names_no_verb_that_is_not_there():
    assert set(re.findall(r"`pawsight (\w+)", section("What you can type"))) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_option_has_help(verb):
    command = cli.commands[verb]
    assert command.help
    assert command.help.splitlines()[0].endswith(".")
    options = [one for one in command.params if one.param_type_name == "option"]
    unexplained = [one.name for one in options if not one.help and not one.show_default]
    assert unexplained == []


def test_the_newest_version_of_the_changelog_is_that_of_the_package():
    versions = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", CHANGELOG.read_text("utf-8"), re.M)
    assert versions
    assert versions[0] == pawsight.__version__
    assert versions == sorted(versions, key=lambda one: [int(part) for part in one.split(".")], reverse=True)


def test_the_tree_of_the_readme_is_that_of_the_code(tree):
    readme = README.read_text("utf-8")
    assert tree.with_tree(readme, tree.tree()) == readme, "run: python docs/tree.py"


def test_the_tree_has_a_phrase_for_every_module(tree):
    lines = tree.tree().splitlines()[1:]
    assert all(re.fullmatch(r" +\S+ +\S.*", line) for line in lines)
    named = [line.split()[0] for line in lines if line.split()[0].endswith(".py")]
    modules = [path for path in tree.PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent == tree.PACKAGE]
    assert sorted(named) == sorted(path.name for path in modules)


def test_a_readme_without_a_place_for_the_tree_is_refused(tree):
    with pytest.raises(ValueError, match="neither"):
        tree.with_tree("# Pawsight\n", "a tree")


def test_the_placeholder_gives_way_to_the_tree_and_the_tree_to_the_next(tree):
    first = tree.with_tree("above\n\nTREE\n\nbelow\n", "old")
    assert tree.with_tree(first, "new") == f"above\n\n{tree.BEGIN}\n```text\nnew\n```\n{tree.END}\n\nbelow\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", prose)
    assert [target for target in targets if not (document.parent / target).exists()] == []
