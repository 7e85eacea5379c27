"""What one receiver got of each stream, and when it was a member of which audience.

The theory is "Exact accounting" in docs/architecture.md. This is the hot path of every delivery: a message that arrives
in order costs one lookup and one store; `_irregular` handles all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from wps_load.measure.intervals import IntervalSet
from wps_load.measure.membership import Membership, Windows

FRESH: Final = 0
REORDERED: Final = 1
"""Also fresh, but below the highest sequence number seen of its stream at this receiver."""
DUPLICATE: Final = 2
MISDELIVERED: Final = 3
"""Of a stream to whose audience this receiver does not belong."""

# No sequence number is equal to these, so such pairs always take the irregular path.
_WATCHED: Final = -1
_ALIEN: Final = -2
ENDLESS: Final = 1 << 62


class Tally:
    """The sums over all receivers of a population, updated with each message so that reading them costs nothing."""

    __slots__ = (
        "corrupted",
        "duplicated",
        "foreign",
        "fresh",
        "gaps",
        "gaps_limit",
        "misdelivered",
        "missed",
        "missing",
        "missing_opened",
        "outstanding",
        "reordered",
        "unrecorded",
    )

    def __init__(self, gaps_limit: int) -> None:
        self.gaps_limit = gaps_limit
        self.reset()

    @classmethod
    def sum(cls, tallies: Sequence[Tally]) -> Tally:
        """The sums of all of them."""
        whole = cls(sum([each.gaps_limit for each in tallies]))
        for name in cls.__slots__:
            setattr(whole, name, sum([getattr(each, name) for each in tallies]))
        return whole

    def reset(self) -> None:
        self.fresh = 0
        self.reordered = 0
        self.duplicated = 0
        self.misdelivered = 0
        self.missing = 0
        self.missing_opened = 0
        self.outstanding = 0
        self.missed = 0
        self.unrecorded = 0
        self.gaps = 0
        self.foreign = 0
        self.corrupted = 0


class _Gaps(IntervalSet):
    """The missing numbers of a pair. `unsure`: those, and earlier ones, that `Tally.missing` leaves out."""

    __slots__ = ("unsure",)

    def __init__(self) -> None:
        super().__init__()
        self.unsure: IntervalSet | None = None


Tail = tuple[IntervalSet, int]
"""Numbers due shortly before a planned end: each is expected only if a higher one, below the bound, arrived."""


class OutstandingPair:
    """A pair with outstanding messages after `settle`.

    `firm`: expected whether they arrived or not. `away`: due while the receiver's connection was dropped; `missed`: how
    many of those did not arrive.
    """

    __slots__ = ("away", "firm", "missed", "next", "outstanding", "tails")

    def __init__(
        self,
        after: int,
        gaps: IntervalSet | None,
        firm: IntervalSet,
        tails: tuple[Tail, ...],
        away: IntervalSet | None = None,
    ) -> None:
        self.next = after
        self.firm = firm
        self.tails = tails
        self.away = away
        self.missed = 0 if away is None else self._absent(away, gaps)
        self.outstanding = self._absent(firm, gaps) + self._tails_absent(gaps)

    def arrived(self, seq: int, gaps: IntervalSet | None) -> int:
        """Records a fresh arrival; returns the change in the number of outstanding messages."""
        before = self.outstanding
        if self.tails:
            self.outstanding = self._absent(self.firm, gaps) + self._tails_absent(gaps)
        elif seq in self.firm:
            self.outstanding -= 1
        return self.outstanding - before

    def _absent(self, numbers: IntervalSet, gaps: IntervalSet | None) -> int:
        """How many of `numbers` did not arrive."""
        count = numbers.count_within(self.next, ENDLESS)
        for lo, hi in gaps or ():
            count += numbers.count_within(lo, hi)
        return count

    def _tails_absent(self, gaps: IntervalSet | None) -> int:
        count = 0
        for tail, bound in self.tails:
            highest = min(self.next, bound) - 1
            gap = gaps.start_of(highest) if gaps else None
            if gap is not None:
                highest = gap - 1
            count += self._absent(IntervalSet(tail.within(0, highest)), gaps)
        return count


class Receiver:
    """One simulated connection's side of the ledger; survives reconnects. Made by `Ledger.receiver`."""

    __slots__ = (
        "_before",
        "_enrol",
        "_entitled",
        "_gaps",
        "_next",
        "_tally",
        "_unrecorded",
        "_watched",
        "index",
        "memberships",
    )

    def __init__(
        self, index: int, tally: Tally, enrol: Callable[[int, Receiver], None], entitled: Callable[[int, int], bool]
    ) -> None:
        self.index = index
        self._entitled = entitled
        self.memberships: dict[int, Membership] = {}
        self._tally = tally
        self._enrol = enrol
        self._next: dict[int, int] = {}
        self._before: dict[int, int] = {}
        """As `_next`, for streams that have not arrived again since this receiver left an audience by plan."""
        self._gaps: dict[int, _Gaps] = {}
        self._watched: dict[int, OutstandingPair] | None = None
        self._unrecorded: dict[int, int] | None = None

    # -- arrivals (hot) --------------------------------------------------------------------------------------

    def arrive(self, stream: int, seq: int) -> int:
        """Accounts for one message of this epoch: FRESH, REORDERED (fresh as well), DUPLICATE or MISDELIVERED."""
        after = self._next
        if seq == after.get(stream):
            after[stream] = seq + 1
            self._tally.fresh += 1
            return FRESH
        return self._irregular(stream, seq)

    def _irregular(self, stream: int, seq: int) -> int:
        tally = self._tally
        watch = self._watched.get(stream) if self._watched else None
        continues = stream in self._next
        after = self._next_of(stream) if watch is None else watch.next
        if after == _ALIEN:
            self._next[stream] = _ALIEN
            tally.misdelivered += 1
            return MISDELIVERED
        if seq >= after:
            if seq > after:
                self._open_gap(stream, after, seq, continues)
            if watch is None:
                self._next[stream] = seq + 1
            else:
                watch.next = seq + 1
            verdict = FRESH
        elif self._fill_gap(stream, seq):
            tally.reordered += 1
            verdict = REORDERED
        else:
            tally.duplicated += 1
            return DUPLICATE
        tally.fresh += 1
        if watch is not None:
            tally.outstanding += watch.arrived(seq, self._gaps.get(stream))
            if watch.away is not None and seq in watch.away:
                watch.missed -= 1
                tally.missed -= 1
        return verdict

    def overtaken(self) -> None:
        """The last arrival does not count as reordered: the stream that overtook it owes it no order."""
        self._tally.reordered -= 1

    def _next_of(self, stream: int) -> int:
        """Whether a stream may arrive here at all is checked once, at its first message."""
        after = self._next.get(stream)
        if after is not None:
            return after
        if stream in self._before:
            after = self._next[stream] = self._before.pop(stream)
            return after
        return 0 if self._entitled(self.index, stream) else _ALIEN

    def _open_gap(self, stream: int, lo: int, hi: int, continues: bool) -> None:
        tally = self._tally
        if tally.gaps >= tally.gaps_limit:
            tally.unrecorded += hi - lo
            self._unrecorded = self._unrecorded or {}
            self._unrecorded[stream] = self._unrecorded.get(stream, 0) + hi - lo
            return
        gaps = self._gaps.get(stream)
        if gaps is None:
            gaps = self._gaps[stream] = _Gaps()
        gaps.append(lo, hi)
        tally.gaps += 1
        if continues:
            tally.missing += hi - lo
            tally.missing_opened += hi - lo
            return
        # Messages before the first arrival may have been sent before this receiver (re)joined. Whether they
        # were expected is known only in the end, so the live count of missing messages leaves them out.
        gaps.unsure = gaps.unsure or IntervalSet()
        gaps.unsure.append(lo, hi)

    def _fill_gap(self, stream: int, seq: int) -> bool:
        gaps = self._gaps.get(stream)
        if gaps is None:
            return False
        before = len(gaps)
        if not gaps.discard(seq):
            return False
        self._tally.gaps += len(gaps) - before
        if gaps.unsure is None or seq not in gaps.unsure:
            self._tally.missing -= 1
        if not gaps:
            del self._gaps[stream]
        return True

    # -- membership ------------------------------------------------------------------------------------------

    def joined(self, audience: int, at_ns: int) -> None:
        """Membership of `audience` was confirmed at `at_ns`. Does nothing while a window is open."""
        membership = self.memberships.get(audience)
        if membership is None:
            membership = self.memberships[audience] = Membership()
            self._enrol(audience, self)
        if membership.since is None:
            membership.since = at_ns
            membership.back(at_ns)

    def left(self, audience: int, at_ns: int, planned: bool) -> None:
        """Membership ended: by plan (leave, stop, churn), or because the connection was dropped.

        By plan, for a member whose connection was dropped: it will not come back, so it misses nothing from now on.
        """
        membership = self.memberships.get(audience)
        if membership is None:
            return
        if membership.since is not None:
            membership.past.append(membership.since, at_ns, planned)
            membership.since = None
            if not planned:
                membership.away_since = at_ns
        elif planned:
            membership.back(at_ns)

    def left_all(self, at_ns: int, planned: bool) -> None:
        """As `left`, for each audience: the connection ended."""
        for audience in self.memberships:
            self.left(audience, at_ns, planned)
        if planned:
            self.begin_apart()

    def begin_apart(self) -> None:
        """What the next message of each stream skips does not count as missing: it may have arrived while away.

        A member has left an audience by plan. Nobody here knows which streams belong to it, so this applies to all.
        """
        self._gather()
        self._before, self._next = self._next, {}

    def _gather(self) -> None:
        """Moves all streams into `_next` again."""
        if self._before:
            self._next.update(self._before)
            self._before = {}

    # -- the ledger's side -----------------------------------------------------------------------------------

    def complete(self, stream: int, count: int) -> bool:
        """Whether all of [0, count) arrived, from the two lookups that the usual case needs."""
        return self._next.get(stream, 0) == count and stream not in self._gaps

    def watch(self, stream: int, firm: IntervalSet, tails: tuple[Tail, ...], away: IntervalSet | None = None) -> None:
        """From now on counts what is outstanding of `firm` and `tails`, and what was missed of `away`."""
        watch = OutstandingPair(self._next.get(stream, 0), self._gaps.get(stream), firm, tails, away)
        if watch.outstanding == 0 and not tails and not watch.missed:
            return
        if self._watched is None:
            self._watched = {}
        self._watched[stream] = watch
        self._next[stream] = _WATCHED
        self._tally.outstanding += watch.outstanding
        self._tally.missed += watch.missed

    def unwatch(self) -> None:
        """Undoes each `watch`; the ledger resets the tally's outstanding and missed."""
        self._gather()
        for stream, watch in (self._watched or {}).items():
            self._next[stream] = watch.next
        self._watched = None

    def gapped(self) -> list[int]:
        """The streams with something missing below their highest number seen."""
        return list(self._gaps)

    def seen(self, stream: int) -> int:
        """The highest number seen of `stream`, plus one; not for a watched pair."""
        return self._next.get(stream, 0)

    def accounts(self) -> Iterator[tuple[int, int, int, int]]:
        """For each stream: its number, and how many of its messages were delivered, lost so far, and missed."""
        self._gather()
        for stream, after in self._next.items():
            if after == _ALIEN:
                continue
            watch = self._watched.get(stream) if self._watched else None
            gaps = self._gaps.get(stream)
            unrecorded = self._unrecorded.get(stream, 0) if self._unrecorded else 0
            seen = after if watch is None else watch.next
            outstanding, missed = (0, 0) if watch is None else (watch.outstanding, watch.missed)
            yield stream, seen - (gaps.size if gaps else 0) - unrecorded, outstanding + unrecorded, missed

    def forget(self, closed_before_ns: int) -> None:
        """Starts an epoch: no counts, and no windows that ended before `closed_before_ns`."""
        self._next.clear()
        self._before.clear()
        self._gaps.clear()
        self._watched = None
        self._unrecorded = None
        for membership in self.memberships.values():
            membership.past = Windows(window for window in membership.past if window[1] >= closed_before_ns)
            membership.away = [gap for gap in membership.away if gap[1] >= closed_before_ns]
