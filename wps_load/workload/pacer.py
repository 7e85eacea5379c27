"""When messages are due: schedules that the service cannot slow down, and their inverse.

The ledger asks "how many sequence numbers of that stream were due before t?" (`count_before`) on every worker with
receivers, so a schedule travels as a short tuple of integers and strings, its *description*, and no instant is logged.
Instants are nanoseconds; the n-th message (from 0) of a description is due at

    constant   first + floor(n * period)                      period = 1/rate, exact: nothing accumulates
    poisson    start + the sum of n + 1 exponential gaps       replayed from the seed
    closed     whenever the previous one was back             known at checkpoints, in between interpolated
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Protocol, cast

from wps_load.clock import NS_PER_S

Description = Sequence[object]
"""`("constant", first_ns, period_num, period_den)`, `("poisson", start_ns, mean_ns, seed)` or
`("closed", seqs, dues, count)`: msgpack-able, and as msgpack gives it back (lists for tuples)."""


class Pacer(Protocol):
    """Gives the due times of one stream, in order."""

    def next_due(self) -> int:
        """The next message's due time in ns; each call advances by one message."""
        ...

    def describe(self) -> tuple[object, ...]:
        """This schedule, from its first message on, for `count_before`."""
        ...


class ConstantPacer:
    """`rate_per_s` messages a second, the first one `phase` (0 <= phase < 1) of a period after `start_ns`."""

    __slots__ = ("_den", "_due", "_num", "_rest", "_step", "_step_rest", "first_ns")

    def __init__(self, start_ns: int, rate_per_s: Fraction, phase: float = 0.0) -> None:
        period = Fraction(NS_PER_S) / rate_per_s
        self._num, self._den = period.numerator, period.denominator
        self.first_ns = start_ns + int(phase * self._num / self._den)
        # floor(n * num / den) by steps: whole nanoseconds, and a remainder that carries when it reaches den.
        self._step, self._step_rest = divmod(self._num, self._den)
        self._due, self._rest = self.first_ns, 0

    def next_due(self) -> int:
        due = self._due
        self._due = due + self._step
        if self._step_rest:
            self._rest += self._step_rest
            if self._rest >= self._den:
                self._rest -= self._den
                self._due += 1
        return due

    def periods_until(self, number: int, at_ns: int) -> float:
        """The periods from `at_ns` to the due time of the message with this number."""
        return (self.first_ns - at_ns) * self._den / self._num + number

    def describe(self) -> tuple[object, ...]:
        return ("constant", self.first_ns, self._num, self._den)


class PoissonPacer:
    """A Poisson process of `rate_per_s`: exponential gaps, also before the first message; `seed` reproduces it."""

    __slots__ = ("_dues", "_mean_ns", "_seed", "next_due", "start_ns")

    def __init__(self, start_ns: int, rate_per_s: Fraction, seed: int) -> None:
        self.start_ns = start_ns
        self._mean_ns = max(1, round(NS_PER_S / rate_per_s))
        self._seed = seed
        self._dues = _poisson_dues(start_ns, self._mean_ns, seed)
        self.next_due = self._dues.__next__

    def describe(self) -> tuple[object, ...]:
        return ("poisson", self.start_ns, self._mean_ns, self._seed)


def _poisson_dues(start_ns: int, mean_ns: int, seed: int) -> Iterator[int]:
    # By inversion of random(), whose sequence for a seed Python promises to keep; expovariate's it does not.
    uniform, log = random.Random(seed).random, math.log
    due = start_ns
    while True:
        due += round(-log(1.0 - uniform()) * mean_ns)
        yield due


class ClosedPacer:
    """The closed loop: a message is due when the previous one is back, so the caller provides the instants.

    Keeps at most `limit` checkpoints (sequence number, due time), every `stride`-th message, the stride doubling as the
    run grows: `count_before` is exact at checkpoints and off by less than the stride between them.
    """

    __slots__ = ("_count", "_dues", "_last", "_limit", "_seqs", "_start_ns", "_stride")

    def __init__(self, start_ns: int, limit: int = 128) -> None:
        self._start_ns = start_ns
        self._count = 0
        self._last: int | None = None
        self._stride = 1
        self._limit = limit
        self._seqs: list[int] = []
        self._dues: list[int] = []

    def came_back(self, at_ns: int) -> int:
        """The previous message is back (or given up) at `at_ns`; returns that instant, at which the next one is due."""
        count = self._count
        if count % self._stride == 0:
            self._seqs.append(count)
            self._dues.append(at_ns)
            if len(self._seqs) > self._limit:
                self._stride *= 2
                del self._seqs[1::2], self._dues[1::2]
        self._count = count + 1
        self._last = at_ns
        return at_ns

    def next_due(self) -> int:
        """The first message, due at the start. A caller that knows when one came back calls `came_back` instead."""
        return self.came_back(self._start_ns)

    def describe(self) -> tuple[object, ...]:
        seqs, dues = list(self._seqs), list(self._dues)
        if self._last is not None and seqs[-1] != self._count - 1:
            seqs.append(self._count - 1)
            dues.append(self._last)
        return ("closed", seqs, dues, self._count)


def make_pacer(
    arrival: str, start_ns: int, rate_per_s: Fraction | None, *, phase: float = 0.0, seed: int = 0
) -> ConstantPacer | PoissonPacer | ClosedPacer:
    """The pacer of `--wps-arrival` at a rate; None: `--wps-rate max`, the closed loop."""
    if rate_per_s is None:
        return ClosedPacer(start_ns)
    if arrival == "poisson":
        return PoissonPacer(start_ns, rate_per_s, seed)
    return ConstantPacer(start_ns, rate_per_s, phase)


def counter(description: Description) -> Callable[[int], int]:
    """`count_before` of one description, for many instants: a Poisson process is replayed once."""
    match list(description):
        case ["constant", int(first_ns), int(num), int(den)]:
            # For whole d, floor(n * num / den) < d <=> n < d * den / num; from 0 on, its ceiling many.
            return lambda t_ns: max(0, -(-(t_ns - first_ns) * den // num))
        case ["poisson", int(start_ns), int(mean_ns), int(seed)]:
            return _PoissonReplay(start_ns, mean_ns, seed)
        case ["closed", [*seqs], [*dues], int(count)]:
            return partial(_closed_before, cast("list[int]", seqs), cast("list[int]", dues), count)
    raise ValueError("not a schedule's description")


def count_before(description: Description, t_ns: int) -> int:
    """How many messages of the described schedule are due before `t_ns`. Raises ValueError for anything else."""
    return counter(description)(t_ns)


class _PoissonReplay:
    __slots__ = ("_dues", "_replay")

    def __init__(self, start_ns: int, mean_ns: int, seed: int) -> None:
        self._replay = _poisson_dues(start_ns, mean_ns, seed)
        self._dues = [next(self._replay)]

    def __call__(self, t_ns: int) -> int:
        while self._dues[-1] < t_ns:
            self._dues.append(next(self._replay))
        return bisect_left(self._dues, t_ns)


def _closed_before(seqs: Sequence[int], dues: Sequence[int], count: int, t_ns: int) -> int:
    at = bisect_left(dues, t_ns)  # the first checkpoint that is not before t
    if at == 0:
        return 0
    if at == len(dues):
        return count
    low_ns, high_ns = (
        dues[at - 1],
        dues[at],
    )  # low < t <= high; just after low one more is due, at high all between
    between = seqs[at] - seqs[at - 1] - 1
    return seqs[at - 1] + 1 + between * (t_ns - low_ns - 1) // max(1, high_ns - low_ns - 1)


class Schedule:
    """A stream's schedules, one after the other: rates change when a stage begins or publishers come and go.

    Sequence numbers go on: segment i has those from its first one up to the next segment's first one.
    """

    __slots__ = ("_pacer", "_segments", "next_due")

    def __init__(self, pacer: Pacer) -> None:
        self._segments: list[tuple[int, Pacer]] = []
        self.switch(0, pacer)

    def switch(self, first_seq: int, pacer: Pacer) -> None:
        """From `first_seq` on, `pacer` gives the instants. What the old one gave from there on is discarded."""
        while self._segments and self._segments[-1][0] >= first_seq:
            self._segments.pop()
        self._segments.append((first_seq, pacer))
        self._pacer = pacer
        self.next_due = pacer.next_due

    @property
    def pacer(self) -> Pacer:
        return self._pacer

    def left_of_period(self, seq: int, at_ns: int) -> float | None:
        """The part of a period between `at_ns` and the due time of `seq`; None: the present pacer has no periods."""
        pacer = self._pacer
        if not isinstance(pacer, ConstantPacer):
            return None
        return min(0.999999, max(0.0, pacer.periods_until(seq - self._segments[-1][0], at_ns)))

    def describe(self) -> list[tuple[int, tuple[object, ...]]]:
        """`[(first_seq, description), ...]`, msgpack-able."""
        return [(first, pacer.describe()) for first, pacer in self._segments]


class ScheduleCounter:
    """`count_before` of a whole `Schedule.describe()`."""

    __slots__ = ("_counters", "_firsts")

    def __init__(self, segments: Sequence[tuple[int, Description]]) -> None:
        self._firsts = [first for first, _ in segments]
        self._counters = [counter(description) for _, description in segments]

    def before(self, t_ns: int) -> int:
        """How many sequence numbers are due before `t_ns`; each segment counts for at most its own length."""
        total = 0
        for at, count_before_t in enumerate(self._counters):
            count = count_before_t(t_ns)
            if at + 1 < len(self._firsts):
                count = min(count, self._firsts[at + 1] - self._firsts[at])
            total += count
        return total
