"""What requests hold of a limit: all of them together, and each address its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address

from pawsight.web.problems import busy


class Quota:
    """Pictures, requests, heat maps or bytes that requests hold of one limit.

    Args:
        nouns: what is held, for the refusal.
        most: all requests together.
        each: those of one address.
        retry_seconds: of the refusal.
    """

    def __init__(self, nouns: str, most: int, *, each: int, retry_seconds: int) -> None:
        self._nouns, self.most, self._each, self._retry_seconds = nouns, most, each, retry_seconds
        self.held = 0
        self._by_address: Counter[str] = Counter()

    def fits(self, count: int) -> bool:
        """Say whether so many more fit, whoever sends them."""
        return self.held + count <= self.most

    def check_share(self, count: int, address: str) -> None:
        """Raise a RequestProblem where an address has its share."""
        if address and self._by_address[address] + count > self._each:
            detail = f"{self._by_address[address]:,} {self._nouns} from your address, which may have {self._each:,}."
            raise busy(detail, seconds=self._retry_seconds)

    def take(self, count: int, address: str) -> None:
        """Hold some for an address, until `release`.

        Args:
            count: how many.
            address: as `share_of` gives it.

        Raises:
            RequestProblem: there is no room, or the address has its share; nothing is taken.
        """
        self.check_share(count, address)
        if not self.fits(count):
            raise busy(f"{self.held:,} {self._nouns}.", seconds=self._retry_seconds)
        self.held += count
        self._by_address[address] += count

    def release(self, count: int, address: str) -> None:
        """Give back what was taken."""
        self.held -= count
        self._by_address[address] -= count
        if not self._by_address[address]:
            del self._by_address[address]

    @contextmanager
    def hold(self, count: int, address: str) -> Iterator[None]:
        """Hold some while a request is answered; as `take`."""
        self.take(count, address)
        try:
            yield
        finally:
            self.release(count, address)


def share_of(host: str | None) -> str:
    """Return what the share of a client's address is counted under.

    That is the address itself, and of IPv6 its /64 network, which one customer has. It is empty, and not counted, where
    there is no address, and for loopback: behind a proxy on this machine it is that of everybody.
    """
    try:
        address = ip_address(host or "")
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return ""
    return str(IPv6Network((int(address) >> 64 << 64, 64)) if isinstance(address, IPv6Address) else address)
