"""Users of several workers move up after others have left, so that the present users have the first indices. Pure.

Locust chooses the workers whose users leave. Each worker lets its last users go (`seats`), but the last of one worker
may have a lower index than many of another. It would leave holes: groups that are half full, and shares that are no
longer right. So the last users of all workers take the free places before theirs, each with a new connection.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from functools import cache
from itertools import islice

from wps_load.client.audiences import Audiences
from wps_load.clock import NS_PER_S
from wps_load.measure.requested import Requested
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.actions import Actions, Send
from wps_load.swarm.roster import Roster
from wps_load.workload.mixture import Mixture

QUIET_NS = NS_PER_S
"""The number of users must be unchanged for this long before they move up."""


def moves(
    present: Collection[int], stays: Callable[[int], bool], spent: Collection[int] = ()
) -> Iterator[tuple[int, int]]:
    """The moves (index, free index) after which the present users have the first indices that are not `spent`.

    `stays(index)`: the user in this place leaves after all others (a fixed number of publishers stays the same).
    """

    def rank(index: int) -> tuple[bool, int]:
        return not stays(index), index

    there = set(present)
    free = [rank(index) for index in range(max(there, default=0)) if index not in there and index not in spent]
    if not free:
        return
    heapq.heapify(free)
    last = sorted(map(rank, there))
    while free and last:
        (_, to), (_, index) = heapq.heappop(free), last.pop()
        if rank(index) < rank(to):
            return
        yield index, to


def who_stays(config: RunConfig, run_id: str, mixture: Mixture) -> Callable[[int], bool]:
    """Returns whether the user of an index leaves after all others."""
    if not any(each.publishers is not None and each.publishers.count for each in config.populations) and not any(
        each.scenario_row.publishers is not None and each.scenario_row.publishers.count for each in config.populations
    ):
        return lambda index: False
    audiences = Audiences(config, run_id, mixture)

    @cache
    def stays(index: int) -> bool:
        part = audiences.role_of(index)
        return part is not None and part.stays

    return stays


class ClosingUp:
    """The moves of one run. In one process none are needed, because the last users leave anyway."""

    def __init__(self, roster: Roster, requested: Requested, stays: Callable[[int], bool]) -> None:
        self._roster = roster
        self._requested = requested
        self._stays = stays
        self._seen: int | None = None

    def due(self, now_ns: int, per_second: float) -> Actions:
        """The moves to be made now, as many as users come in a second.

        There are moves only if the number of users has been stable for some time and the set of users has changed since
        the last look.
        """
        roster = self._roster
        if len(roster.agents) < 2 or roster.version == self._seen or roster.lost:
            return []  # a silent worker may come back to its places
        if self._requested.held(now_ns - QUIET_NS, now_ns) != roster.claimed:
            return []
        self._seen = roster.version
        found = islice(moves(set(roster.indices), self._stays, roster.spent), max(1, int(per_second)))
        made = [roster.move(index, to, now_ns, per_second) for index, to in found]
        return [Send(move, agent) for agent, move in filter(None, made)]
