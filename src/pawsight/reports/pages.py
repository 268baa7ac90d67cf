"""How templates become pages: escaping is on, a name that is missing is an error, and text cannot turn a line round.

Enters: nothing. Leaves: a Jinja environment over templates/. Does not know: any page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawsight.core.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """Return an environment for the templates of this package; those named .html.j2 escape what they are given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("pawsight", "reports/templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default_for_string=True, default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["visible"] = visible
    return made
