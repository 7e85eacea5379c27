"""Our monotonic clock in the run's time, which is the coordinator's clock. Pure.

It has a straight line for each period of time: clocks of two hosts drift apart, and the coordinator sends a new line
when it knows better. The whole history is kept, so that an instant of an hour ago is converted as it was then: which
messages were due before somebody joined must not depend on how far the clocks have drifted since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

_BILLION = 1_000_000_000
MAX_LINES = 1000
"""Beyond it every second line of the older half is dropped: a run of days keeps enough, to some microseconds."""


class Timescale:
    """`lines`: `[from_ns, offset_ns, ppb]` each: the offset at `from_ns` of our clock, and how it grows from there.

    The time before the first line uses it too. On one host everything is 0: one clock.
    """

    __slots__ = ("_from", "_lines", "_starts")

    def __init__(self, lines: Sequence[Sequence[int]] = ((0, 0, 0),)) -> None:
        self._lines: list[tuple[int, int, int]] = []
        self._from: list[int] = []
        self._starts: list[int] = []
        for from_ns, offset_ns, ppb in lines:
            self._append(from_ns, offset_ns, ppb)

    def _append(self, from_ns: int, offset_ns: int, ppb: int) -> None:
        self._lines.append((from_ns, offset_ns, ppb))
        self._from.append(from_ns)
        self._starts.append(max(from_ns + offset_ns, *self._starts[-1:], -(1 << 63)))

    def begin(self, from_ns: int, offset_ns: int, ppb: int) -> None:
        """The first known line: earlier ones were guesses."""
        self._lines, self._from, self._starts = [], [], []
        self._append(from_ns, offset_ns, ppb)

    def follow(self, now_ns: int, from_ns: int, offset_ns: int, ppb: int) -> None:
        """Another line from `now_ns` of our clock on."""
        self._append(now_ns, offset_ns + (now_ns - from_ns) * ppb // _BILLION, ppb)
        if len(self._lines) > MAX_LINES:
            self._thin()

    def _thin(self) -> None:
        lines, half = self._lines, len(self._lines) // 2
        kept = [*lines[:half:2], *lines[half:]]
        self._lines, self._from, self._starts = [], [], []
        for at, (from_ns, offset_ns, ppb) in enumerate(kept):
            if at < half // 2:  # a straight line to the next one that remains
                next_ns, next_offset_ns, _ = kept[at + 1]
                ppb = (next_offset_ns - offset_ns) * _BILLION // max(1, next_ns - from_ns)
            self._append(from_ns, offset_ns, ppb)

    def offset_at(self, local_ns: int) -> int:
        """The run's time minus ours at this instant of our clock."""
        return self._offset(max(0, bisect_right(self._from, local_ns) - 1), local_ns)

    def _offset(self, at: int, local_ns: int) -> int:
        from_ns, offset_ns, ppb = self._lines[at]
        return offset_ns + (local_ns - from_ns) * ppb // _BILLION

    def to_local(self, run_ns: int) -> int:
        """The instant of our clock that is `run_ns` of the run's time."""
        at = max(0, bisect_right(self._starts, run_ns) - 1)
        from_ns, offset_ns, ppb = self._lines[at]
        since_ns = run_ns - from_ns - offset_ns
        return from_ns + since_ns - since_ns * ppb // (_BILLION + ppb)

    def to_wire(self) -> list[list[int]]:
        return [list(line) for line in self._lines]
