"""Whether the parts are installed that work at scale needs, and the words when they are not.

Enters: names of packages. Leaves: nothing, or `MissingExtra`. Does not know: what they are for.
"""

from __future__ import annotations

from importlib.util import find_spec

from pawsight.core.errors import MissingExtra

WRITING, POOL = ("pyarrow", "fsspec"), ("ray",)
_FIX = "Type: pip install 'pawsight[ray]'"


def need(*packages: str, by: str = "--out") -> None:
    """Make sure that packages can be imported, which an option needs.

    Raises:
        MissingExtra: with the names of those that cannot.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"{by} needs {' and '.join(missing)}, which is not installed.", "", _FIX)
