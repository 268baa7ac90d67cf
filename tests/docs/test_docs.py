"""What the documents promise: links lead somewhere, every verb and option is explained, what they say to type works."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

import pawsight
from pawsight.cli import cli

from .conftest import CHANGELOG, GUIDE, README, ROOT, blocks, commands

DOCUMENTS = [README, CHANGELOG, ROOT / "CONTRIBUTING.md", ROOT / "tests" / "README.md", *sorted(GUIDE.rglob("*.md"))]
VERBS = sorted(cli.commands)
TAUGHT = [page for page in DOCUMENTS if "decisions" not in page.parts and commands(page)]
# What is typed in a document and not run here, and where it is run instead.
ELSEWHERE = {
    r"^pawsight (serve |review |label (?!.*--json))": "it goes on until it is stopped: tests/web",
    r"(s3|gs|https)://|cats-and-dogs": "it needs a network: tests/data, tests/distributed",
    r"--engine ray|--ray-address": "it starts Ray: tests/distributed",
    r"--to .*(keras|litert|saved-model|web)|--int8": "it takes long: tests/exports",
    r"^pawsight ladder |--recipe (?!majority)": "it trains networks: tests/test_cli_ladder.py",
    r"^pawsight train sample": "it draws 400 pictures: tests/test_cli.py",
    r"--backbone (auto|dinov2-small|model\.onnx)": "a download, a file, three networks: tests/classifier, tests/training",
    r"--resume": "nothing here was stopped: tests/distributed, tests/training",
}


@pytest.fixture(scope="module")
def hooks():
    """docs/hooks.py, which makes the page of the verbs."""
    spec = importlib.util.spec_from_file_location("docs_hooks", GUIDE / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What is there


def test_the_readme_is_short():
    assert len(README.read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document):
    prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", prose) + re.findall(
        r'(?:src|srcset)="(?!http)([^"]+)"', prose
    )
    made = {GUIDE / "reference" / "verbs.md", GUIDE / "walkthrough" / "story.md"}
    lost = [
        target for target in targets if not (place := document.parent / target).exists() and place.resolve() not in made
    ]
    assert lost == []


def test_every_page_of_the_guide_is_in_its_navigation():
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    text = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)["nav"]
    named = set(re.findall(r"[\w/-]+\.md", str(text)))
    assert {str(page.relative_to(GUIDE)) for page in GUIDE.rglob("*.md")} <= named


def test_the_newest_version_of_the_changelog_is_that_of_the_package_and_of_the_citation():
    versions = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", CHANGELOG.read_text("utf-8"), re.M)
    assert versions
    assert versions[0] == pawsight.__version__
    assert versions == sorted(versions, key=lambda version: [int(part) for part in version.split(".")], reverse=True)
    assert f"version = {{{pawsight.__version__}}}" in README.read_text("utf-8")


def test_the_guide_builds_without_a_warning(tmp_path):
    if importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("pawsight[docs] is not installed")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'id="pawsight.train"' in (tmp_path / "site" / "reference" / "python.html").read_text("utf-8")


# The reference


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_option_has_help(verb):
    command = cli.commands[verb]
    assert command.help
    assert command.help.split("\n\n")[0].rstrip().endswith(".")
    options = [option for option in command.params if option.param_type_name == "option"]
    assert [option.name for option in options if not option.help and not option.show_default] == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_reference_has_every_verb_with_every_option(hooks, verb):
    page = hooks.verbs_page()
    told = page.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
    shared = page.partition("\n## Options of every verb\n")[2].partition("\n## ")[0]
    flags = {flag for option in cli.commands[verb].params for flag in option.opts if flag.startswith("--")}
    assert told
    assert [flag for flag in flags if not re.search(rf"{flag}[`, ]", told + shared)] == []


def test_the_reference_of_the_api_names_every_public_name():
    page = (GUIDE / "reference" / "python.md").read_text("utf-8")
    assert sorted(re.findall(r"^::: pawsight\.(\w+)$", page, re.M)) == sorted(pawsight.__all__)


def test_the_story_holds_every_cell_of_the_notebook(hooks):
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# A title"]},
            {
                "cell_type": "code",
                "source": ["print(1)"],
                "outputs": [{"text": ["1\n"]}, {"data": {"image/png": "aGk="}}],
            },
        ]
    }
    text, pictures = hooks.story_page(notebook)
    assert text.startswith("# A title\n")
    assert "```python\nprint(1)\n```\n\n```text\n1\n```\n\n![" in text
    assert pictures == {"curves-1.png": b"hi"}


# What is typed


@pytest.mark.parametrize("page", TAUGHT, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_is_one_that_can_be_typed(desk, page):
    for line in commands(page):
        _, verb, *words = shlex.split(line.replace(" ...", ""))
        assert cli.commands[verb].make_context(verb, words).command.name == verb, line  # else a usage error names it


@pytest.mark.parametrize("page", TAUGHT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_work_one_after_the_other(desk, page):
    for line in commands(page):
        if any(re.search(pattern, line) for pattern in ELSEWHERE):
            continue
        done = CliRunner().invoke(cli, shlex.split(line)[1:])
        unread = "letter.jpg" in line  # which is no picture: the others are answered, and the status says 1
        assert done.exit_code == int(unread), f"{line}\n{done.output}"


def test_the_session_of_the_readme_prints_such_lines(desk):
    """The same kinds of lines in the same order; the figures are those of photographs that are not here."""
    (session,) = blocks(README, "console")
    for typed in re.split(r"^\$ ", session, flags=re.M)[1:]:
        line, *told = typed.splitlines()
        printed = CliRunner().invoke(cli, shlex.split(line)[1:]).stdout.splitlines()
        kinds = [text.split(" ")[0] for text in printed]
        assert [text.split(" ")[0] for text in told if text.split(" ")[0] not in kinds] == []
        assert [len(re.findall(r"\d+ %", text)) > 0 for text in told] == [
            len(re.findall(r"\d+ %", printed[kinds.index(text.split(" ")[0])])) > 0 for text in told
        ]


@pytest.mark.parametrize("name", ["python.md", "unsure.md", "several-labels.md"])
def test_the_python_of_the_guide_runs(desk, name, capsys):
    code = "\n".join(blocks(GUIDE / name, "python"))
    exec(compile(code, name, "exec"), {})
    assert capsys.readouterr().out.strip()


# What is quoted


def test_the_messages_of_the_troubleshooting_page_are_messages_of_the_program():
    page = (GUIDE / "troubleshooting.md").read_text("utf-8")
    quoted = re.findall(r"^### `(.+)`$", page, re.M)
    said = " ".join(" ".join(texts(path)) for path in sorted((ROOT / "src").rglob("*.py")))
    scripts = " ".join(path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.js")))
    said += re.sub(r'" \+\s+"', "", scripts)
    unknown = [
        message
        for message in quoted
        if any(piece.strip() not in said for piece in message.split("...") if piece.strip())
    ]
    assert quoted
    assert unknown == [], "no text in src says so any more: quote what it says now"


def texts(path):
    """Every text in a module, as it is said; what is filled in is left out."""
    return [
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
