"""Users of several workers close up after others have left: those who are there shall be the first ones. Pure.

Locust chooses the workers whose users leave. Each worker lets its last ones go (`seats`), but the last of one worker
may stand before many of another, and would leave holes: groups that are half full, shares that do not hold any more. So
the last users of all take the places that are free before theirs, each with a connection of its new part.
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
"""For so long another number of users was not asked for before they close up."""


def moves(present: Collection[int], stays: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Who takes whose place: (index, free index), until those who are there are the first ones.

    `stays(index)`: who has this place leaves after all others (a number of publishers stays that number).
    """

    def rank(index: int) -> tuple[bool, int]:
        return not stays(index), index

    there = set(present)
    free = [rank(index) for index in range(max(there, default=0)) if index not in there]
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
    """Whether the user of an index leaves after all others."""
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
    """Of one run. In one process the last users leave anyway."""

    def __init__(self, roster: Roster, requested: Requested, stays: Callable[[int], bool]) -> None:
        self._roster = roster
        self._requested = requested
        self._stays = stays
        self._seen: int | None = None

    def due(self, now_ns: int, per_second: float) -> Actions:
        """The moves to be made now, as many as users come in a second.

        Where the number of users has been held for some time, and others are there than at the last look.
        """
        roster = self._roster
        if len(roster.agents) < 2 or roster.version == self._seen or roster.lost:
            return []  # who is not heard of may come back to the places that it has
        if self._requested.held(now_ns - QUIET_NS, now_ns) != roster.claimed:
            return []
        self._seen = roster.version
        found = islice(moves(set(roster.indices), self._stays), max(1, int(per_second)))
        made = [roster.move(index, to, now_ns, per_second) for index, to in found]
        return [Send(move, agent) for agent, move in filter(None, made)]
