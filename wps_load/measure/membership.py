"""When a receiver was a member of an audience: the windows that decide what it must have received."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator


class Windows:
    """(joined, left, by plan), ascending: 16 bytes each, as a member that comes and goes for days has thousands."""

    __slots__ = ("_flat",)

    def __init__(self, windows: Iterable[tuple[int, int, bool]] = ()) -> None:
        self._flat = array("q")
        for window in windows:
            self.append(*window)

    def append(self, joined: int, left: int, planned: bool) -> None:
        self._flat.extend((joined, left << 1 | planned))

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        ends = iter(self._flat)
        for joined, left in zip(ends, ends, strict=True):
            yield joined, left >> 1, bool(left & 1)

    def __bool__(self) -> bool:
        return bool(self._flat)

    @property
    def last_left(self) -> int | None:
        """The end of the last window."""
        return self._flat[-1] >> 1 if self._flat else None


class Membership:
    """Windows [joined, left) of one receiver in one audience. `past`: those that have ended.

    `away`: (lost, back), ascending: between two windows, if the first one's connection was dropped. `away_since`: it
    was dropped, and the member is not back yet. A member that leaves by plan, or that never joined, is not away.
    """

    __slots__ = ("away", "away_since", "past", "since")

    def __init__(self) -> None:
        self.since: int | None = None
        self.past = Windows()
        self.away: list[tuple[int, int]] = []
        self.away_since: int | None = None

    def back(self, at_ns: int) -> None:
        """It is no longer away: it is back, or gone for good by plan."""
        if self.away_since is not None:
            self.away.append((self.away_since, at_ns))
            self.away_since = None
