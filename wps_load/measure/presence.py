"""How many connections were open, and how many were requested, integrated over the measure phase. Exact and pure.

Each process integrates its own connections; the coordinator integrates what was requested (`requested`). Their quotient
is the SLO `connected`: a time-weighted mean, in which a connection that was never begun counts as much as one that was
dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

FOREVER: Final = 1 << 62


class OpenTime:
    """A number that changes at instants, integrated over a window that may be set and moved while it changes.

    Instants are ns of one clock and must not go back. Nothing is integrated before `window` was called.
    """

    __slots__ = ("_at_end", "_bridged", "_end_ns", "_last_ns", "_start_ns", "_total_ns", "count")

    def __init__(self) -> None:
        self.count = 0
        self._last_ns = 0
        self.window(FOREVER, FOREVER)

    def window(self, start_ns: int, end_ns: int) -> None:
        """Starts again: from now on the integral is over [start, end)."""
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._total_ns = 0
        self._at_end: int | None = None
        self._bridged = 0

    @property
    def end_ns(self) -> int:
        """The end of the window."""
        return self._end_ns

    def end(self, at_ns: int) -> None:
        """Moves the window's end. If the call is late, the result is exact except for changes in between."""
        if at_ns == self._end_ns:
            return
        counted_ns, due_ns = (max(min(self._last_ns, end), self._start_ns) for end in (self._end_ns, at_ns))
        self._total_ns += self.count * (due_ns - counted_ns)
        self._at_end = self.count if at_ns <= self._last_ns else None
        self._end_ns = at_ns

    def change(self, delta: int, at_ns: int) -> None:
        self._advance(at_ns)
        self.count += delta

    def bridge(self, from_ns: int, to_ns: int) -> None:
        """Adds one connection from `from_ns` to `to_ns`, which is only known now: a planned gap that was closed."""
        self._advance(to_ns)
        self._total_ns += max(0, min(to_ns, self._end_ns) - max(from_ns, self._start_ns))
        self._bridged += from_ns < self._end_ns <= to_ns

    def total_ns(self, at_ns: int) -> int:
        """Connections times ns until `at_ns`."""
        self._advance(at_ns)
        return self._total_ns

    def at_end(self, at_ns: int) -> int | None:
        """The number at the window's end; None before it."""
        self._advance(at_ns)
        return None if self._at_end is None else self._at_end + self._bridged

    def _advance(self, at_ns: int) -> None:
        until_ns = min(at_ns, self._end_ns)
        since_ns = max(self._last_ns, self._start_ns)
        if until_ns > since_ns:
            self._total_ns += self.count * (until_ns - since_ns)
        if self._at_end is None and at_ns >= self._end_ns:
            self._at_end = self.count
        self._last_ns = max(self._last_ns, at_ns)


@dataclass(frozen=True, slots=True)
class Presence:
    """One process's share of a window that began at `start_ns` of the coordinator's clock, until `until_ns`.

    `open_s`, `wanted_s`: connections times seconds; `wanted` are those that a locustfile's own tasks requested, which
    nobody else knows. `open_end`, `wanted_end`: at the window's end, None before it.
    """

    start_ns: int
    until_ns: int
    open_s: float
    open_end: int | None
    wanted_s: float = 0.0
    wanted_end: int | None = None

    def to_wire(self) -> list[Any]:
        """For msgpack, whose integers would not hold a day of 100,000 connections in ns."""
        return [self.start_ns, self.until_ns, self.open_s, self.open_end, self.wanted_s, self.wanted_end]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> Presence:
        return cls(*wire)

    @classmethod
    def together(cls, parts: Sequence[Presence], start_ns: int, end_ns: int | None) -> Presence:
        """The presence of several processes since `start_ns`.

        `end_ns` None: the phase goes on, and the result is as of the newest part.
        """
        found = [each for each in parts if each.start_ns == start_ns]
        newest_ns = max((each.until_ns for each in found), default=start_ns)
        return cls(
            start_ns,
            newest_ns if end_ns is None else end_ns,
            sum(each.open_s for each in found),
            None if end_ns is None else sum(each.open_end or 0 for each in found),
            sum(each.wanted_s for each in found),
            None if end_ns is None else sum(each.wanted_end or 0 for each in found),
        )
