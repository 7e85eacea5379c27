"""What a long run remembers of its past: recent pieces one by one, older ones merged into pieces that double. Pure.

Pieces are merged before they grow old, each pair once it is complete, so a merged piece is exactly what its parts were
together, in totals and percentiles. A year of seconds takes some thousand rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

RECENT = 3600
"""The number of single pieces that are kept: an hour of seconds."""
EACH = 64
"""The number of merged pieces of two, then of four, of eight, ...: a day of seconds is in 750 of them."""


class Piece(Protocol):
    """A piece of a run. `absorb(later)`: becomes both together; `later` is not changed."""

    def absorb(self, later: Self, /) -> None: ...


P = TypeVar("P", bound=Piece)
R = TypeVar("R")


class _Level(Generic[P, R]):
    """Pieces of 2^k original ones. `first`: the number of `rows[0]`. `half`: a piece that waits for its other half."""

    __slots__ = ("first", "half", "rows")

    def __init__(self) -> None:
        self.first = 0
        self.rows: deque[R] = deque()
        self.half: P | None = None

    def forget_before(self, number: int) -> None:
        while self.first < number and self.rows:
            self.rows.popleft()
            self.first += 1


class Retention(Generic[P, R]):
    """`view(piece)`: what is kept of a piece. Pieces belong to the retention once they are appended.

    An append costs at most three views and two merges, whatever the length of the run.
    """

    def __init__(self, view: Callable[[P], R], *, recent: int = RECENT, each: int = EACH) -> None:
        self._view = view
        self._recent = recent
        self._each = each
        self._levels: list[_Level[P, R]] = [_Level()]
        self._due: deque[tuple[int, P]] = deque()
        """Complete pieces that wait to become halves of the next level's."""
        self.count = 0
        """The number of pieces that were appended."""
        self.last: R | None = None

    def append(self, piece: P) -> R:
        """Returns its view."""
        row = self._view(piece)
        self._levels[0].rows.append(row)
        self.last = row
        self.count += 1
        self._due.append((1, piece))
        for _ in range(2):  # on average one pair becomes complete with each piece
            self._merge_one()
        self._forget()
        return row

    def rows(self) -> list[R]:
        """Everything that is kept, the oldest first: together the rows cover every appended piece once."""
        while self._due:
            self._merge_one()
        found: list[R] = []
        until = self.count
        for at, (level, start) in enumerate(zip(self._levels, self._starts(), strict=True)):
            found[:0] = list(level.rows)[(start >> at) - level.first : (until >> at) - level.first]
            until = start
        return found

    def since(self, number: int) -> list[R] | None:
        """The appended pieces from `number` on; None if some of them are merged by now."""
        base = self._levels[0]
        if not base.first <= number <= self.count:
            return None
        return list(base.rows)[number - base.first :]

    def _merge_one(self) -> None:
        if not self._due:
            return
        at, piece = self._due.popleft()
        if at == len(self._levels):
            self._levels.append(_Level())
        level = self._levels[at]
        if level.half is None:
            level.half = piece
            return
        whole, level.half = level.half, None
        whole.absorb(piece)
        level.rows.append(self._view(whole))
        self._due.append((at + 1, whole))

    def _starts(self) -> list[int]:
        """The original piece from which each level is shown, up to where the level below it begins."""
        starts, start, size = [], self.count, 1
        for at, _ in enumerate(self._levels):
            keep = self._recent if at == 0 else self._each * size
            size *= 2
            start = max(0, start - keep) // size * size
            starts.append(start)
        return starts

    def _forget(self) -> None:
        for at, (level, start) in enumerate(zip(self._levels, self._starts(), strict=True)):
            level.forget_before(start >> at)
