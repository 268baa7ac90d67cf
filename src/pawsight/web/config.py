"""Reads what `serve --config FILE` takes from a TOML file: the address, the token's file and every limit."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.storage import regular_file
from pawsight.web.limits import Limits, what_is_wrong

_LIMITS = {limit.name: limit for limit in fields(Limits)}
_PLACE = {
    "host": "a text, e.g. '127.0.0.1'",
    "port": "a whole number from 0 to 65535",
    "token_file": "a text, the path of a file",
    "allow_host": "a list of texts, e.g. ['cats.example']",
}
_LARGEST = 2**16  # bytes


def read_config(path: Path) -> dict[str, Any]:
    """Return options of `serve` by name: those of the file, and no others.

    A relative `token_file` is looked for beside the file.

    Raises:
        WrongUsage: the file cannot be read, or has keys or values that mean nothing; all of them are named.
    """
    try:
        with open(path.expanduser(), "rb", opener=regular_file) as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        values = tomllib.loads(text.decode())
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        why = f"The system says: {error.strerror}." if isinstance(error, OSError) else f"{error}."
        raise WrongUsage(f"{path} cannot be read as TOML.", why) from error
    said = [wrong for name, value in values.items() if (wrong := _what_is_wrong(name, value))]
    if said:
        known = ", ".join((*_PLACE, *_LIMITS))
        raise WrongUsage(f"{path} cannot be used.", "\n".join(said), f"Its keys may be: {known}.")
    if "token_file" in values:
        values["token_file"] = path.expanduser().parent / Path(values["token_file"]).expanduser()
    return values


def _what_is_wrong(name: str, value: object) -> str | None:
    if name in _LIMITS:
        return what_is_wrong(_LIMITS[name], value)
    if name not in _PLACE:
        return f"{name} is no key of it."
    if name == "port":
        good = type(value) is int and 0 <= value <= 65535
    elif name == "allow_host":
        good = isinstance(value, list) and all(isinstance(host, str) for host in value)
    else:
        good = isinstance(value, str)
    return None if good else f"{name} cannot be {value!r}: it is {_PLACE[name]}."
