"""Which users of a mix belong to which population: a pure function of (index, users, seed), the same in every process.

Any prefix of a ramp has each population's share, to within one user: users are assigned as a real-time scheduler
assigns slots of a processor (P-fairness; Baruah, Cohen, Plaxton and Varvel, 1996, for one processor, where the earliest
deadline first keeps every window). The sequence is read backwards, which keeps the windows too, and puts the few users
of a small population first: a host is there before its listeners.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from itertools import cycle, islice
from math import gcd, lcm
from typing import Final

from wps_load.workload.seeding import derive
from wps_load.workload.values import Share

MOST_POPULATIONS: Final = 100
_LONGEST_TURN: Final = 1_000_000
_EMPTY: Final = Share(count=0)
_NOBODY: Final = 255
"""Marks a user without a population in the array of populations."""


class Mixture:
    """`sizes`: the requested size of each population; `users`: the total in the end. `counts`: the users of each.

    More users than planned may come, and are assigned in the same proportions: shares go on; numbers beside shares are
    filled up first, if there were too few users for them. If all populations have numbers, these are weights. Only
    numbers, or only shares, are assigned in one endless sequence, whatever is planned.
    """

    def __init__(self, sizes: Sequence[Share], users: int, seed: int) -> None:
        ranks = sorted(range(len(sizes) + 1), key=lambda at: derive(seed, "mix", at))
        self._ranks = {at: rank for rank, at in enumerate(ranks)}
        weights = _weights(sizes)
        alike = len({size.fraction is None for size in sizes if size != _EMPTY}) < 2  # numbers alone, or shares alone
        self._endless = _turn(weights, self._ranks) if alike and sum(weights) <= _LONGEST_TURN else None
        if self._endless is not None:
            turns, rest = divmod(users, len(self._endless))
            found = Counter(self._endless[:rest])
            *counts, self._without = (turns * weight + found[at] for at, weight in enumerate(weights))
        else:
            *counts, self._without = largest_remainders(_wanted(sizes, users), users, self._ranks)
        self.counts = tuple(counts)
        self._planned = users
        self._populations = array("B")
        self._locals = array("L")
        self._indices = tuple(array("L") for _ in sizes)
        self._more = self._dealt(sizes)

    def of(self, index: int) -> tuple[int, int] | None:
        """This user's population, and its number among that population's users; None: it has no population."""
        if index >= len(self._populations):
            self._deal(index + 1)
        population = self._populations[index]
        return None if population == _NOBODY else (population, self._locals[index])

    def index_of(self, population: int, local: int) -> int:
        """The inverse of `of`, for planned users. Raises IndexError for others."""
        if local >= len(self._indices[population]):
            self._deal(self._planned)
        return self._indices[population][local]

    def among(self, population: int, users: int) -> int:
        """How many of the first `users` users belong to this population."""
        self._deal(users)
        return bisect_left(self._indices[population], users)

    def having_one(self, users: int) -> int:
        """How many of the first `users` users have a population."""
        return sum(self.among(each, users) for each in range(len(self._indices)))

    def _deal(self, users: int) -> None:
        for population in islice(self._more, max(0, users - len(self._populations))):
            if population == len(self._indices):
                self._populations.append(_NOBODY)
                self._locals.append(0)
                continue
            indices = self._indices[population]
            self._locals.append(len(indices))
            indices.append(len(self._populations))
            self._populations.append(population)

    def _dealt(self, sizes: Sequence[Share]) -> Iterator[int]:
        if self._endless is not None:
            yield from cycle(self._endless)
        planned = [*self.counts, self._without]
        common = reduce(gcd, planned)
        if common:
            turn = _turn([each // common for each in planned], self._ranks)
            for _ in range(common):
                yield from turn
        missing = [max(0, (size.count or 0) - count) for size, count in zip(sizes, self.counts, strict=True)]
        yield from _turn([*missing, 0], self._ranks)  # there were too few users for all of the numbers
        wanted = _wanted(sizes, self._planned)
        ahead = [count - whole for count, whole in zip(planned, wanted, strict=True)]
        yield from earliest_deadlines(_weights(sizes), self._ranks, ahead)


def _turn(weights: Sequence[int], ranks: Mapping[int, int]) -> list[int]:
    """The populations of this many users of each, read backwards."""
    turn = [*islice(earliest_deadlines(weights, ranks), sum(weights))]
    turn.reverse()
    return turn


def _wanted(sizes: Sequence[Share], users: int) -> list[Fraction]:
    """How many users each population wants, and last, how many users have none; together they are all."""
    numbers = sum(size.count or 0 for size in sizes)
    shares = sum((size.fraction or Fraction(0) for size in sizes), Fraction(0))
    if not shares or numbers > users:  # numbers are weights; with too few users the shares get none
        scale = Fraction(users, numbers) if numbers else Fraction(0)
        wanted = [Fraction(size.count or 0) * scale for size in sizes]
    else:
        scale = min(Fraction(users), (users - numbers) / shares)
        wanted = [Fraction(size.count or 0) if size.fraction is None else size.fraction * scale for size in sizes]
    return [*wanted, users - sum(wanted, Fraction(0))]


def _weights(sizes: Sequence[Share]) -> list[int]:
    """The proportions in which users are assigned, in lowest terms.

    They are the numbers if there are no shares, else the shares alone. Users without a population come last.
    """
    shares = [size.fraction or Fraction(0) for size in sizes]
    if any(shares):
        shares.append(max(Fraction(0), 1 - sum(shares, Fraction(0))))
    else:
        shares = [Fraction(size.count or 0) for size in sizes]
        shares.append(Fraction(0 if any(shares) else 1))
    denominator = lcm(*(share.denominator for share in shares))
    weights = [int(share * denominator) for share in shares]
    return [weight // gcd(*weights) for weight in weights]


def largest_remainders(wanted: Sequence[Fraction], total: int, ranks: Mapping[int, int]) -> list[int]:
    """Whole numbers that add up to `total`, each within one of what is wanted (Hamilton's method).

    `ranks`: the order of those with equal remainders.
    """
    counts = [int(each) for each in wanted]
    left = total - sum(counts)
    by_remainder = sorted(range(len(wanted)), key=lambda at: (counts[at] - wanted[at], ranks[at]))
    for at in by_remainder[:left]:
        counts[at] += 1
    return counts


def earliest_deadlines(
    weights: Sequence[int], ranks: Mapping[int, int], ahead: Sequence[Fraction] | None = None
) -> Iterator[int]:
    """Assigns slots without end, so that after any number of them each has had its share to within one.

    Unit j of weight w of W may be assigned from floor(j W / w) on, and before ceil((j + 1) W / w). `ahead`: how much
    more than its share each has had before.
    """
    whole = sum(weights)
    dealt: list[int | Fraction] = [0] * len(weights) if ahead is None else [*ahead]
    waiting = [(dealt[at] * whole // weight, at) for at, weight in enumerate(weights) if weight]
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []
    slot = 0
    while waiting or ready:
        if not ready:  # earlier slots gave some too much: the first that is due again is next
            slot = max(slot, waiting[0][0])
        while waiting and waiting[0][0] <= slot:
            _, at = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(dealt[at] + 1) * whole // weights[at]), ranks[at], at))
        _, _, at = heapq.heappop(ready)
        yield at
        dealt[at] += 1
        slot += 1
        heapq.heappush(waiting, (dealt[at] * whole // weights[at], at))
