"""The addresses of one name: the order in which they are tried, and which of them did not answer. Pure.

RFC 8305 ("Happy Eyeballs"): families alternate, the resolver's first family first (section 4); the next address is
tried if the previous one has not answered in 250 ms (section 5), and results are remembered (section 9.2: history).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from wps_load.clock import NS_PER_MS, NS_PER_S

Address = tuple[int, Any]
"""Family and socket address, as `getaddrinfo` gives them."""

ATTEMPT_DELAY_NS: Final = 250 * NS_PER_MS
"""RFC 8305's Connection Attempt Delay."""
REST_NS: Final = 60 * NS_PER_S
"""How long an address that did not answer comes last, before one connection tries it first again."""


class Addresses:
    """The addresses of each family rotate from connection to connection, as name servers rotate them, to spread load.

    Another family never comes first: RFC 6724 has put them in order.
    """

    __slots__ = ("_families", "_resting")

    def __init__(self, found: Sequence[Address]) -> None:
        self._families: dict[int, list[Address]] = {}
        for address in dict.fromkeys(found):
            self._families.setdefault(address[0], []).append(address)
        self._resting: dict[Address, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._families.values()))

    @property
    def first(self) -> Address | None:
        """Any of them."""
        return next((each[0] for each in self._families.values()), None)

    def order(self, now_ns: int) -> list[Address]:
        """The addresses for one connection."""
        for addresses in self._families.values():
            addresses.append(addresses.pop(0))
        order = list(_by_turns([[*each[-1:], *each[:-1]] for each in self._families.values()]))
        if not self._resting:
            return order
        first: list[Address] = []
        last: list[Address] = []
        for address in order:
            until_ns = self._resting.get(address)
            if until_ns is not None and now_ns >= until_ns:
                self._resting[address] = now_ns + REST_NS  # this connection tries it; the others need not wait for it
                until_ns = None
            (first if until_ns is None else last).append(address)
        return first + last

    def answered(self, address: Address) -> None:
        self._resting.pop(address, None)

    def unanswered(self, address: Address, now_ns: int) -> bool:
        """Another address was used instead. Returns True if this is news."""
        known = address in self._resting
        self._resting[address] = now_ns + REST_NS
        return not known


def _by_turns(lists: Sequence[Sequence[Address]]) -> Iterator[Address]:
    for at in range(max(map(len, lists), default=0)):
        for addresses in lists:
            if at < len(addresses):
                yield addresses[at]


def shown(address: Address) -> str:
    """The address without its port, for people."""
    return str(address[1][0])
