"""How many connections were open, and how many were asked for, integrated over the measure phase. Exact and pure.

Each process integrates its own connections; the coordinator integrates what was asked for. Their quotient is the SLO
`connected`: a time-weighted mean, in which a connection that was never begun counts as much as one that was dropped.
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
        """Starts anew: from now on the integral is over [start, end)."""
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._total_ns = 0
        self._at_end: int | None = None
        self._bridged = 0

    def end(self, at_ns: int) -> None:
        """Moves the window's end. Learnt late, it is exact but for changes since then."""
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
        """One more was there from `from_ns` to `to_ns`, which is only known now: a planned gap that was closed."""
        self._advance(to_ns)
        self._total_ns += max(0, min(to_ns, self._end_ns) - max(from_ns, self._start_ns))
        self._bridged += from_ns < self._end_ns <= to_ns

    def total_ns(self, at_ns: int) -> int:
        """Connections times ns until `at_ns`."""
        self._advance(at_ns)
        return self._total_ns

    def at_end(self, at_ns: int) -> int | None:
        """The number at the window's end; None while that is to come."""
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

    `open_s`, `wanted_s`: connections times seconds; `wanted` are those that tasks of a locustfile's own asked for, of
    which nobody else knows. `open_end`, `wanted_end`: at the window's end, None while that is to come.
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


@dataclass(frozen=True, slots=True)
class _Change:
    at_ns: int
    count: int
    per_second: float


class Requested:
    """How many connections were asked for, and since when: what `-u`, the stages or a shape say.

    The first number holds at once. Later ones are reached along the ramp that the spawn rate gives, if the number
    stands long enough for the ramp to arrive; else the whole of it was asked for at once, and never came.
    """

    def __init__(self) -> None:
        self._changes: list[_Change] = []

    def note(self, count: int, per_second: float, at_ns: int) -> None:
        """From `at_ns` on `count` connections are asked for; the same number again changes nothing."""
        if not self._changes or self._changes[-1].count != count:
            self._changes.append(_Change(at_ns, count, per_second))

    @property
    def count(self) -> int:
        """Asked for at present."""
        return self._changes[-1].count if self._changes else 0

    @property
    def most(self) -> int:
        return max((change.count for change in self._changes), default=0)

    def total_ns(self, start_ns: int, end_ns: int) -> int:
        """Connections asked for, times ns, over [start, end)."""
        total, before = 0.0, None
        for at, change in enumerate(self._changes):
            until_ns = self._changes[at + 1].at_ns if at + 1 < len(self._changes) else end_ns
            total += _area(change, before, until_ns, start_ns, end_ns)
            before = change.count
        return round(total)


def _area(change: _Change, before: int | None, until_ns: int, start_ns: int, end_ns: int) -> float:
    """Of the stretch from a change to the next one, at `until_ns`, what lies in [start, end)."""
    lo, hi = max(change.at_ns, start_ns), min(until_ns, end_ns)
    if hi <= lo:
        return 0.0
    flat = float(change.count * (hi - lo))
    if before is None or change.per_second <= 0:
        return flat
    step = change.count - before
    slot_ns = 1e9 / change.per_second
    if step > 0 and change.at_ns + step * slot_ns > until_ns:
        return flat
    # the first slot is at once and each holds for its whole length: the line through the middles of the stairs
    ramp_ns = (abs(step) - 0.5) * slot_ns
    ramp_hi = min(float(hi), change.at_ns + ramp_ns)
    if ramp_hi <= lo:
        return flat
    per_ns = (abs(step) - 0.5) / ramp_ns * (1 if step > 0 else -1)
    # what the ramp still owes, in its mean between its two ends
    owed = sum(per_ns * (change.at_ns + ramp_ns - at) for at in (lo, ramp_hi)) / 2
    return flat - owed * (ramp_hi - lo)
