"""Decides when the agents learn which users are present, on which division of work among publishers depends.

Users that came or left are announced together, at most once a second and less often while they keep coming and going:
each announcement adds a piece to the schedule of each publisher. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from wps_load.clock import NS_PER_S
from wps_load.measure.intervals import IntervalSet
from wps_load.swarm.messages import Present

LONGEST_S = 5
"""The longest time between two announcements."""


class Attendance:
    """`users`: the run begins with the indices below this number."""

    def __init__(self, users: int) -> None:
        self._told = set(range(users))
        self._seen = 0
        self._due_ns = 0
        self._quiet_ns = 0
        self._wait_s = 0

    def news(self, indices: Iterable[int], version: int, now_ns: int, lead_ns: int) -> Present | None:
        """The announcement that is due now. `version` changes whenever `indices` may have changed."""
        if version == self._seen or now_ns < self._due_ns:
            return None
        self._seen, found = version, set(indices)
        if found == self._told:
            return None
        self._told = found
        self._wait_s = 1 if now_ns > self._quiet_ns else min(LONGEST_S, self._wait_s + 1)
        self._due_ns = now_ns + self._wait_s * NS_PER_S
        self._quiet_ns = self._due_ns + 2 * LONGEST_S * NS_PER_S
        ranges = IntervalSet()
        for index in sorted(found):
            ranges.append(index, index + 1)
        return Present(now_ns + lead_ns, ranges.to_list())
