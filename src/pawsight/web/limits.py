"""Every limit of the service: default, unit, range and reason. Each is an option of `pawsight serve`.

The size of an upload is `body_mib`, enforced in
uploads.py; megapixels, memory and seconds of decoding are enforced in decode_worker.py.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from pawsight.core.errors import WrongUsage

_MIB = 2**20


def _limit(default: float, unit: str, description: str, *, least: float = 1, most: float = 10**9) -> Any:
    return field(default=default, metadata={"unit": unit, "help": description, "least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one service accepts.

    Raises:
        WrongUsage: a limit is outside its range, or makes another one unreachable.
    """

    body_mib: float = _limit(10, "MiB", "Largest request body, counted as it streams; beyond it 413.", least=0.001)
    megapixels: int = _limit(50, "Mpx", "Largest picture, width x height; a bundle may allow less.", most=50)
    files: int = _limit(64, "files", "Most pictures in one request; beyond it 413.", most=10_000)
    part_header_bytes: int = _limit(4096, "bytes", "Largest header of one part of a form; beyond it 400.", least=256)
    queue: int = _limit(100, "pictures", "Most pictures taken in and not yet answered; beyond it 503.", most=100_000)
    batch: int = _limit(8, "pictures", "Most pictures handed to the engine at once.", most=1024)
    batch_wait_ms: float = _limit(
        5, "ms", "Longest that a picture waits for others while the engine computes.", least=0
    )
    requests: int = _limit(
        128,
        "requests",
        "Most requests answered at once, counted from the end of their body; beyond it 503.",
        most=100_000,
    )
    heat_maps: int = _limit(8, "requests", "Most heat maps drawn or waiting for it; beyond it 503.", most=10_000)
    address_percent: float = _limit(
        50,
        "%",
        "Most of connections, requests, queue, heat_maps, buffer_mib and feedback_pictures that one address may have.",
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
        30, "s", "Longest from the head to the last byte of the answer; then 504.", least=0.1
    )
    idle_seconds: float = _limit(15, "s", "Longest that a connection is kept between two requests.")
    decoders: int = _limit(0, "processes", "Processes that decode; 0 is one for each core.", least=0, most=256)
    decode_seconds: float = _limit(5, "s", "Longest for one picture to decode; then its decoder is killed.", least=0.1)
    decode_mib: float = _limit(1024, "MiB", "Memory of one decoder above what it starts with.", least=64)
    drain_seconds: float = _limit(30, "s", "Longest from the signal to stop to the end of the process.", least=4)
    window: int = _limit(
        500, "pictures", "Latest pictures that are compared with those of validation.", least=10, most=20_000
    )
    feedback_pictures: int = _limit(
        10_000, "pictures", "Most pictures that --feedback keeps; beyond it 507.", most=10**6
    )
    feedback_mib: float = _limit(1024, "MiB", "Most bytes of pictures that --feedback keeps; beyond it 507.")
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
                    f"Lower {small} or raise {large}; pawsight serve --help-all shows every limit.",
                )

    @property
    def body_bytes(self) -> int:
        """Largest request body in bytes."""
        return int(self.body_mib * _MIB)

    @property
    def buffer_bytes(self) -> int:
        """Most bytes of bodies held at once."""
        return int(self.buffer_mib * _MIB)

    @property
    def feedback_bytes(self) -> int:
        """Most bytes of pictures that are kept."""
        return int(self.feedback_mib * _MIB)

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
    least, most = limit.metadata["least"], limit.metadata["most"]
    if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
        return None
    return f"{limit.name} cannot be {value!r}: it is {range_text(limit)}."


def range_text(limit: Field[Any]) -> str:
    """Return what a value of a limit is, with its range and unit."""
    number = "whole number" if limit.type == "int" else "number"
    return f"a {number} ({limit.metadata['unit']}) from {limit.metadata['least']:g} to {limit.metadata['most']:,}"
