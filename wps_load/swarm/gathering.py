"""Waits until a step's users are connected, or no more of them come. Pure.

A service that limits new connections per second refuses some, which come back one by one: that takes time.
"""

from __future__ import annotations

from wps_load.clock import NS_PER_S
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.run_plan import Crowd, Expected


class Gathering:
    """`count` users were requested at `now_ns`; `patience_ns`: the longest wait for the next refused one."""

    def __init__(self, conductor: Conductor, crowd: Crowd, count: int, patience_ns: int, now_ns: int) -> None:
        self._conductor = conductor
        self._crowd = crowd
        self._count = count
        self._patience_ns = patience_ns
        ramp_ns = int(abs(count - conductor.roster.claimed) / crowd.spawn_rate() * NS_PER_S)
        self._deadline_ns = now_ns + ramp_ns + conductor.plan.config.settle_ns
        self._most, self._waiting_since = 0, now_ns + ramp_ns

    def over(self, now_ns: int) -> Expected | None:
        """The users by kind, when the wait is over; None before."""
        if now_ns >= self._deadline_ns or self._conductor.stopping:
            return self._shares()
        open_now = self._conductor.collector.open
        if open_now > self._most:
            self._most, self._waiting_since = open_now, max(self._waiting_since, now_ns)
        asked = self._crowd.expected()
        spawned = asked.everybody == self._count and self._conductor.settled
        late = now_ns - self._waiting_since > self._patience_ns
        return asked if spawned and (open_now >= asked.connecting or late) else None

    def _shares(self) -> Expected:
        """Users by kind, in proportion to another count if Locust is not done: the shares are the same."""
        asked, count = self._crowd.expected(), self._count
        if not asked.everybody:
            return Expected(count, count, count)
        return Expected(*(round(kind * count / asked.everybody) for kind in asked))
