"""What each receiver must have received of a stream, decided when its final count is known: from windows to numbers.

The theory is "Exact accounting" in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from wps_load.measure.intervals import IntervalSet
from wps_load.measure.membership import Membership
from wps_load.measure.receiver import ENDLESS, Receiver, Tail

if TYPE_CHECKING:
    from wps_load.measure.outgoing import StreamFinal


def settle_stream(final: StreamFinal, members: Sequence[Receiver], before: dict[int, int], drain_ns: int) -> None:
    """Gives each member what it must have received of one stream, and what it missed.

    `before`: `evaluate` of `instants`.
    """
    published = IntervalSet.from_list(final.failed).complement(0, final.count)
    parts: dict[tuple[int, int], IntervalSet] = {(0, final.count): published}

    def part(lo: int, hi: int) -> IntervalSet:
        """The published numbers in [lo, hi); shared, because most members have the same windows."""
        found = parts.get((lo, hi))
        if found is None:
            found = parts[lo, hi] = IntervalSet(published.within(lo, hi))
        return found

    for receiver in members:
        if final.no_echo and receiver.index == final.owner:
            continue
        if receiver.complete(final.stream, final.count):
            continue
        membership = receiver.memberships[final.audience]
        if not membership.past and not membership.away and membership.since is not None:
            firm = part(min(before[membership.since], final.count), final.count)
            tails: tuple[Tail, ...] = ()
        else:
            firm, tails = _expected(membership, before, final.count, drain_ns, part)
        receiver.watch(final.stream, firm, tails, _away(membership, before, final.count, part))


def _expected(
    membership: Membership,
    before: dict[int, int],
    count: int,
    drain_ns: int,
    part: Callable[[int, int], IntervalSet],
) -> tuple[IntervalSet, tuple[Tail, ...]]:
    """What several windows make expected: firmly, and in the tails of those that ended by plan.

    A message that was still sent to a leaving member shows that the tail before it was due as well. After a rejoin it
    shows nothing about the time before, so a tail there is judged by the messages due before its end.
    """
    firm = IntervalSet()
    tails = []
    for joined, left, planned in membership.past:
        lo, hi = min(before[joined], count), min(before[left], count)
        sure = max(lo, min(before[left - drain_ns], count)) if planned else hi
        for interval in part(lo, sure):
            firm.append(*interval)
        if sure < hi and (tail := part(sure, hi)):
            final_exit = membership.since is None and left == membership.past.last_left
            tails.append((tail, ENDLESS if final_exit else hi))
    if membership.since is not None:
        for interval in part(min(before[membership.since], count), count):
            firm.append(*interval)
    return firm, tuple(tails)


def _away(
    membership: Membership,
    before: dict[int, int],
    count: int,
    part: Callable[[int, int], IntervalSet],
) -> IntervalSet | None:
    """What was due while the member's connection was dropped; None: it never was."""
    if not membership.away and membership.away_since is None:
        return None
    found = IntervalSet()
    for lost, back in membership.away:
        for interval in part(min(before[lost], count), min(before[back], count)):
            found.append(*interval)
    if membership.away_since is not None:
        for interval in part(min(before[membership.away_since], count), count):
            found.append(*interval)
    return found


def instants(members: Iterable[Receiver], audience: int, drain_ns: int) -> list[int]:
    """Every instant for which `settle_stream` asks the schedule, ascending."""
    instants = set()
    for receiver in members:
        membership = receiver.memberships[audience]
        if membership.since is not None:
            instants.add(membership.since)
        for joined, left, planned in membership.past:
            instants.update((joined, left, left - drain_ns) if planned else (joined, left))
        for gap in membership.away:
            instants.update(gap)
        if membership.away_since is not None:
            instants.add(membership.away_since)
    return sorted(instants)


def evaluate(rising: Callable[[int], int], points: Sequence[int]) -> dict[int, int]:
    """`rising` at each of the ascending `points`, with few calls: between two equal values all are equal.

    A Poisson schedule is replayed for each call, and thousands of members join before the first message is due.
    """
    if not points:
        return {}
    values = {point: rising(point) for point in {points[0], points[-1]}}
    spans = [(0, len(points) - 1)]
    while spans:
        a, b = spans.pop()
        if values[points[a]] == values[points[b]]:
            values.update(dict.fromkeys(points[a:b], values[points[a]]))
        elif b - a > 1:
            middle = (a + b) // 2
            values[points[middle]] = rising(points[middle])
            spans += [(a, middle), (middle, b)]
    return values
