"""What `make docs` makes at build time: the page of the verbs from click, the walkthrough's page from its notebook.

The pages that people write are beside this file; mkdocs.yml names them in order.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
NOTEBOOK = HERE / "walkthrough" / "walkthrough.ipynb"
VERBS, STORY = "reference/verbs.md", "walkthrough/story.md"
SHARED = ("--config", "--json", "--quiet", "--help", "--help-all")  # of every verb, explained once


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, VERBS, content=verbs_page()))
    text, pictures = story_page(json.loads(NOTEBOOK.read_text("utf-8")))
    files.append(File.generated(config, STORY, content=text))
    for name, content in pictures.items():
        files.append(File.generated(config, f"walkthrough/{name}", content=content))
    return files


def verbs_page() -> str:
    """The reference of all verbs, in the words of their --help."""
    from pawsight.cli import cli

    lines = [
        "# Verbs",
        "",
        "What `pawsight VERB --help-all` says, on one page. Made from the program itself.",
        "",
        "| verb | what it does |",
        "|---|---|",
        *(f"| [`{name}`](#{name}) | {_first_sentence(verb)} |" for name, verb in sorted(cli.commands.items())),
        "",
        "## Options of every verb",
        "",
        "| option | |",
        "|---|---|",
        *(_row(option) for option in _options(cli.commands["train"]) if option.opts[-1] in SHARED),
        "| `-h`, `--help` | Show the options most used and exit. |",
        "",
        "With `--json` one JSON object goes to standard output and nothing else does; `predict` and `review` print one",
        "object for each picture.",
        "",
        "The exit status is 0 when the work is done, 1 when something could not be done, 2 when the command was typed",
        "wrongly, 130 when it was stopped by Ctrl-C and 143 when it was stopped by SIGTERM.",
        "",
    ]
    for name, verb in sorted(cli.commands.items()):
        lines += _verb(name, verb)
    return "\n".join(lines)


def _verb(name: str, verb: click.Command) -> list[str]:
    context = click.Context(verb, info_name=f"pawsight {name}")
    options = [option for option in _options(verb) if option.opts[-1] not in SHARED]
    lines = [f"## {name}", "", "```text", " ".join(context.get_usage().removeprefix("Usage: ").split()), "```", ""]
    for paragraph in re.split(r"\n\s*\n", (verb.help or "").replace("\b", "")):
        lines += [" ".join(_escaped(paragraph).split()), ""]
    if options:
        lines += ["| option | |", "|---|---|", *(_row(option) for option in options), ""]
    return lines


def _options(verb: click.Command) -> list[click.Option]:
    return [option for option in verb.params if isinstance(option, click.Option) and not option.hidden]


def _row(option: click.Option) -> str:
    """One row of a table: the flags with their value, and the words and the default of --help."""
    context = click.Context(click.Command("pawsight"))
    flags, words = option.get_help_record(context) or (", ".join(option.opts), "")
    flags = flags.replace(", --", "`, `--")
    return (
        f"| `{flags.replace('|', '&#124;') if '|' not in flags else flags.replace('|', ' or ')}` | {_escaped(words)} |"
    )


def _first_sentence(verb: click.Command) -> str:
    first = " ".join((verb.help or "").split("\n\n")[0].split())
    return _escaped(re.split(r"(?<!e\.g)\. ", first)[0].rstrip(".") + ".")


def _escaped(words: str) -> str:
    """Words of a terminal as Markdown: no markup of their own, and no end of a table's cell."""
    return re.sub(r"([|<>*_`\[\]])", r"\\\1", " ".join(words.split("\n")) if "\n" not in words.strip() else words)


def story_page(notebook: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """The walkthrough's cells as Markdown, and the pictures that they drew, by name."""
    lines: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).rstrip()
        if cell["cell_type"] == "markdown":
            lines += [source, ""]
            if len(lines) == 2:
                lines += [
                    "This page is [a notebook](walkthrough.ipynb), with what it printed on the exercise's photographs.",
                    "On your pictures: `WALKTHROUGH_DATA=photos/ jupyter lab docs/walkthrough/walkthrough.ipynb`.",
                    "",
                ]
            continue
        lines += ["```python", source, "```", ""]
        for output in cell["outputs"]:
            if text := "".join(output.get("text", "")).rstrip():
                lines += ["```text", text, "```", ""]
            if picture := output.get("data", {}).get("image/png"):
                name = f"curves-{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode("".join(picture))
                lines += [f"![Accuracy and loss of training and validation, epoch by epoch]({name})", ""]
    return "\n".join(lines), pictures
