"""Every limit of the service in one frozen value, each with its unit, its reason and its flag.

Enters: numbers, from flags or from nowhere. Leaves: `Limits` that fit each other. Does not know: who keeps them.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from pawsight.errors import WrongUsage

_MIB = 2**20


def _limit(default: float, unit: str, told: str, *, least: float = 1, most: float = 10**9) -> Any:
    return field(default=default, metadata={"unit": unit, "told": told, "least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process of the service takes upon itself.

    Raises:
        WrongUsage: a limit lies outside its range, or one makes another impossible.
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
    requests: int = _limit(128, "requests", "Most requests with pictures at once; beyond it 503.", most=100_000)
    connections: int = _limit(
        512,
        "connections",
        "Most connections at once; one more takes the place of an idle one, or is closed.",
        most=100_000,
    )
    buffer_mib: float = _limit(128, "MiB", "Most bytes of bodies held at once, all requests together; beyond it 503.")
    head_kib: float = _limit(32, "KiB", "Largest head of a request; beyond it 400.", least=1)
    head_seconds: float = _limit(10, "s", "Longest for the head of a request to arrive; then the connection is closed.")
    receive_seconds: float = _limit(15, "s", "Longest for a body to arrive; then 408.", least=0.1)
    request_seconds: float = _limit(
        30, "s", "Longest from the head to the last byte of the answer; then 504.", least=0.1
    )
    idle_seconds: float = _limit(15, "s", "Longest that a connection is kept between two requests.")
    decoders: int = _limit(0, "processes", "Processes that decode; 0 is one for each core.", least=0, most=256)
    decode_seconds: float = _limit(5, "s", "Longest for one picture to decode; then its decoder is killed.", least=0.1)
    decode_mib: float = _limit(1024, "MiB", "Memory of one decoder above what it starts with.", least=64)
    drain_seconds: float = _limit(30, "s", "Longest from the signal to stop to the end of the process.", least=4)
    retry_seconds: int = _limit(1, "s", "What Retry-After says with 503.", least=1)

    def __post_init__(self) -> None:
        for one in flags():
            value = getattr(self, one.name)
            if not one.metadata["least"] <= value <= one.metadata["most"]:
                raise WrongUsage(
                    f"--{flag_of(one)} cannot be {value:g}.",
                    f"It is counted in {one.metadata['unit']} "
                    f"and goes from {one.metadata['least']:g} to {one.metadata['most']:,.0f}.",
                )
        self._check_together()

    def _check_together(self) -> None:
        for small, large in (("files", "queue"), ("body_mib", "buffer_mib"), ("receive_seconds", "request_seconds")):
            if getattr(self, small) > getattr(self, large):
                first, second = small.replace("_", "-"), large.replace("_", "-")
                raise WrongUsage(
                    f"--{first} {getattr(self, small):g} does not fit into --{second} {getattr(self, large):g}.",
                    "A request that uses the first to the full could never be answered.",
                    f"Lower --{first} or raise --{second}.",
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
    def head_bytes(self) -> int:
        """Largest head of a request in bytes."""
        return int(self.head_kib * 1024)

    @property
    def decode_bytes(self) -> int:
        """Memory of a decoder above its start in bytes."""
        return int(self.decode_mib * _MIB)


def flags() -> tuple[Field[Any], ...]:
    """Return the fields of `Limits`, each with unit, told, least and most in its metadata."""
    return fields(Limits)


def flag_of(limit: Field[Any]) -> str:
    """Return the flag of a limit without its dashes."""
    return limit.name.replace("_", "-")
