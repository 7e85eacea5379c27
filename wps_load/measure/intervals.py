"""A set of integers as sorted, disjoint, half-open intervals: 16 bytes per interval."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """Numbers of int64 as [lo, hi) intervals; neighbours that touch are one interval.

    `_bounds` is flat: lo0, hi0, lo1, hi1, ... strictly ascending, so that bisection alone answers membership:
    an odd number of bounds at or below x means that x is inside.
    """

    __slots__ = ("_bounds",)

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        """From intervals in ascending order, not overlapping; empty ones are skipped."""
        self._bounds = array("q")
        for lo, hi in intervals:
            self.append(lo, hi)

    def append(self, lo: int, hi: int) -> None:
        """Adds [lo, hi) at the end. Raises ValueError if it begins before the end of the last interval."""
        if lo >= hi:
            return
        bounds = self._bounds
        if bounds and lo <= bounds[-1]:
            if lo < bounds[-1]:
                raise ValueError(f"{lo} is below the end {bounds[-1]}")
            bounds[-1] = hi
        else:
            bounds.append(lo)
            bounds.append(hi)

    def add(self, number: int) -> bool:
        """Adds one number anywhere; returns False if it was in the set already."""
        bounds = self._bounds
        if not bounds or number >= bounds[-1]:
            self.append(number, number + 1)
            return True
        at = bisect_right(bounds, number)
        if at & 1:
            return False
        joins_left = at > 0 and bounds[at - 1] == number
        joins_right = bounds[at] == number + 1
        if joins_left and joins_right:
            del bounds[at - 1 : at + 1]
        elif joins_left:
            bounds[at - 1] = number + 1
        elif joins_right:
            bounds[at] = number
        else:
            bounds[at:at] = array("q", (number, number + 1))
        return True

    def discard(self, number: int) -> bool:
        """Removes one number; returns False if it was not in the set."""
        bounds = self._bounds
        at = bisect_right(bounds, number)
        if not at & 1:
            return False
        lo, hi = bounds[at - 1], bounds[at]
        if lo == number and hi == number + 1:
            del bounds[at - 1 : at + 1]
        elif lo == number:
            bounds[at - 1] = number + 1
        elif hi == number + 1:
            bounds[at] = number
        else:
            bounds[at:at] = array("q", (number, number + 1))
        return True

    def __contains__(self, number: int) -> bool:
        return bisect_right(self._bounds, number) & 1 == 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The intervals, ascending."""
        bounds = iter(self._bounds)
        return zip(bounds, bounds, strict=True)

    def __len__(self) -> int:
        """The number of intervals, which determines the memory; `size` is the number of integers."""
        return len(self._bounds) // 2

    @property
    def size(self) -> int:
        return sum(hi - lo for lo, hi in self)

    def start_of(self, number: int) -> int | None:
        """Where the interval that contains `number` begins; None if there is none."""
        at = bisect_right(self._bounds, number)
        return self._bounds[at - 1] if at & 1 else None

    def within(self, lo: int, hi: int) -> Iterator[tuple[int, int]]:
        """The parts of the intervals that lie in [lo, hi)."""
        bounds = self._bounds
        at = bisect_right(bounds, lo) & ~1
        while at < len(bounds) and bounds[at] < hi:
            start, stop = max(bounds[at], lo), min(bounds[at + 1], hi)
            if start < stop:
                yield start, stop
            at += 2

    def count_within(self, lo: int, hi: int) -> int:
        """How many of the numbers lie in [lo, hi)."""
        return sum(stop - start for start, stop in self.within(lo, hi))

    def complement(self, lo: int, hi: int) -> IntervalSet:
        """The numbers of [lo, hi) that are not in this set."""
        rest = IntervalSet()
        at = lo
        for start, stop in self.within(lo, hi):
            rest.append(at, start)
            at = stop
        rest.append(at, hi)
        return rest

    def to_list(self) -> list[int]:
        """The flat bounds, for the wire."""
        return self._bounds.tolist()

    @classmethod
    def from_list(cls, bounds: Iterable[int]) -> IntervalSet:
        """The inverse of `to_list`. Raises ValueError if the bounds are not ascending pairs."""
        flat = iter(bounds)
        return cls(zip(flat, flat, strict=True))

    def __eq__(self, other: object) -> bool:
        return self._bounds == other._bounds if isinstance(other, IntervalSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"
