"""Every limit of the service: default, unit, range and reason, and the file of `serve --config` that sets them.

Limits that are often changed have a flag of `pawsight serve`. The size of an upload is `body_mib`, enforced in
uploads.py; megapixels, memory and seconds of decoding are enforced in decode_worker.py.
"""

from __future__ import annotations

import tomllib
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.machine import DEVICES
from pawsight.core.storage import as_path, regular_file

_MIB = 2**20
_LARGEST_CONFIG = 2**16  # bytes
_ADDRESS_KEYS = {
    "host": "a text, e.g. '127.0.0.1'",
    "port": "a whole number from 0 to 65535",
    "token_file": "a text, the path of a file",
    "allow_host": "a list of texts, e.g. ['cats.example']",
    "allow_origin": "a list of texts, e.g. ['https://cats.example']",
    "with_report": "true or false",
    "proxies": "a list of texts, addresses or networks of your proxies, e.g. ['127.0.0.1']",
    "device": f"one of {', '.join(map(repr, DEVICES))}",
}


def _limit(
    default: float, unit: str, description: str, *, least: float = 1, most: float = 10**9, is_flag: bool = False
) -> Any:
    return field(
        default=default, metadata={"unit": unit, "help": description, "least": least, "most": most, "is_flag": is_flag}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one service accepts.

    Raises:
        WrongUsage: a limit is outside its range, or makes another one unreachable.
    """

    body_mib: float = _limit(
        10, "MiB", "Largest request body, counted as it streams; beyond it 413.", least=0.001, is_flag=True
    )
    megapixels: int = _limit(50, "Mpx", "Largest picture, width x height; a bundle may allow less.", most=50)
    files: int = _limit(64, "files", "Most pictures in one request; beyond it 413.", most=10_000, is_flag=True)
    part_header_bytes: int = _limit(4096, "bytes", "Largest header of one part of a form; beyond it 400.", least=256)
    queue: int = _limit(
        100, "pictures", "Most pictures taken in and not yet answered; beyond it 503.", most=100_000, is_flag=True
    )
    batch: int = _limit(8, "pictures", "Most pictures handed to the engine at once.", most=1024)
    batch_wait_ms: float = _limit(
        5, "ms", "Longest that a picture waits for others while the engine computes.", least=0
    )
    requests: int = _limit(
        128,
        "requests",
        "Most requests answered at once, counted from the end of their body; beyond it 503.",
        most=100_000,
        is_flag=True,
    )
    heat_maps: int = _limit(8, "requests", "Most heat maps drawn or waiting for it; beyond it 503.", most=10_000)
    address_percent: float = _limit(
        50,
        "%",
        "Most that one address (of IPv6 its /64) may have of connections, requests, queue, heat_maps and buffer_mib; "
        "beyond it 503. Loopback and proxies are not counted.",
        most=100,
    )
    connections: int = _limit(
        512,
        "connections",
        "Most connections at once; one more takes the place of an idle or the slowest one, or is closed.",
        most=100_000,
    )
    buffer_mib: float = _limit(
        128, "MiB", "Most bytes of bodies held at once; beyond it the slowest body gets 408, or 503."
    )
    head_kib: float = _limit(32, "KiB", "Largest head of a request; beyond it 400.", least=1)
    head_seconds: float = _limit(10, "s", "Longest for the head of a request to arrive; then the connection is closed.")
    receive_seconds: float = _limit(15, "s", "Longest for a body to arrive; then 408.", least=0.1)
    receive_kib: float = _limit(1, "KiB/s", "Least mean rate of a body after its first 3 s; below it 408.", least=0.001)
    request_seconds: float = _limit(
        30, "s", "Longest from the head to the last byte of the answer; then 504.", least=0.1, is_flag=True
    )
    idle_seconds: float = _limit(15, "s", "Longest that a connection is kept between two requests.")
    decoders: int = _limit(
        0, "processes", "Processes that decode; 0 is one for each core.", least=0, most=256, is_flag=True
    )
    decode_seconds: float = _limit(5, "s", "Longest for one picture to decode; then its decoder is killed.", least=0.1)
    decode_mib: float = _limit(1024, "MiB", "Memory of one decoder above what it starts with.", least=64)
    drain_seconds: float = _limit(30, "s", "Longest from the signal to stop to the end of the process.", least=4)
    retry_seconds: int = _limit(1, "s", "What Retry-After says with 503.", least=1)

    def __post_init__(self) -> None:
        problems = [problem for limit in fields(self) if (problem := problem_with(limit, getattr(self, limit.name)))]
        if problems:
            raise WrongUsage("These limits cannot be used.", "\n".join(problems))
        for small, large in (("files", "queue"), ("body_mib", "buffer_mib"), ("receive_seconds", "request_seconds")):
            if getattr(self, small) > getattr(self, large):
                raise WrongUsage(
                    f"{small} {getattr(self, small):g} does not fit into {large} {getattr(self, large):g}.",
                    "A request at the first limit could never be answered.",
                    f"Lower {small} or raise {large}; --config takes a file with every limit.",
                )

    @property
    def body_bytes(self) -> int:
        """Largest request body in bytes."""
        return int(self.body_mib * _MIB)

    @property
    def buffer_bytes(self) -> int:
        """Most bytes of bodies held at once."""
        return int(self.buffer_mib * _MIB)

    def share(self, most: float, least: float = 1) -> int:
        """Return what one address may have of a limit; `least` is what one request may need."""
        return int(max(most * self.address_percent / 100, least))

    @property
    def head_bytes(self) -> int:
        """Largest head of a request in bytes."""
        return int(self.head_kib * 1024)

    @property
    def decode_bytes(self) -> int:
        """Memory of a decoder above its start in bytes."""
        return int(self.decode_mib * _MIB)


def problem_with(limit: Field[Any], value: object) -> str | None:
    """Return why a limit cannot have a value, with its range and unit; None where it can."""
    kinds = (int,) if limit.type == "int" else (int, float)
    least, most, unit = (limit.metadata[name] for name in ("least", "most", "unit"))
    if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
        return None
    number = "whole number" if limit.type == "int" else "number"
    return f"{limit.name} cannot be {value!r}: it is a {number} ({unit}) from {least:g} to {most:,}."


def read_config(path: Path) -> dict[str, Any]:
    """Return the options of `serve` in a TOML file, by name.

    A relative `token_file` is relative to the folder of the file.

    Raises:
        WrongUsage: the file cannot be read, or has unknown keys or values out of range; all of them are named.
    """
    try:
        with open(as_path(path), "rb", opener=regular_file) as file:
            text = file.read(_LARGEST_CONFIG + 1)
        if len(text) > _LARGEST_CONFIG:
            raise ValueError(f"it has more than {_LARGEST_CONFIG:,} bytes")
        values = tomllib.loads(text.decode())
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        why = f"The system says: {error.strerror}." if isinstance(error, OSError) else f"{error}."
        raise WrongUsage(f"{path} cannot be read as TOML.", why) from error
    limits = {limit.name: limit for limit in fields(Limits)}
    problems = [
        problem
        for name, value in values.items()
        if (problem := problem_with(limits[name], value) if name in limits else _problem_with_key(name, value))
    ]
    if problems:
        known = ", ".join((*_ADDRESS_KEYS, *limits))
        raise WrongUsage(f"{path} cannot be used.", "\n".join(problems), f"Its keys may be: {known}.")
    if "token_file" in values:
        values["token_file"] = as_path(path).parent / as_path(values["token_file"])
    return values


def _problem_with_key(name: str, value: object) -> str | None:
    if name not in _ADDRESS_KEYS:
        return f"{name} is not a known key."
    if name == "port":
        good = type(value) is int and 0 <= value <= 65535
    elif name == "with_report":
        good = isinstance(value, bool)
    elif name == "device":
        good = value in DEVICES
    elif name in ("allow_host", "allow_origin", "proxies"):
        good = isinstance(value, list) and all(isinstance(host, str) for host in value)
    else:
        good = isinstance(value, str)
    return None if good else f"{name} cannot be {value!r}: it is {_ADDRESS_KEYS[name]}."
