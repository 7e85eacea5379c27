"""Message counts of one process, or of one of its populations: in total, and since the last report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wps_load.measure.causes import Cause
from wps_load.measure.ledger import Running


def counts_of(running: Running, held: Mapping[Cause, int]) -> dict[str, int]:
    """The messages of the present epoch so far.

    `missing`: gaps that are not filled yet. Messages that are `held` back are not sent yet, but may still be.
    """
    return {
        "duplicated": running.duplicated,
        "misdelivered": running.misdelivered,
        "corrupted": running.corrupted,
        "reordered": running.reordered,
        "offered": running.published + running.send_failed,
        "published": running.published - sum(held.values()),
        "send_failed_service": running.send_failed_service + held.get(Cause.SERVICE, 0),
        "send_failed_plan": running.send_failed_plan + held.get(Cause.PLAN, 0),
        "delivered": running.delivered,
        "missing": running.missing,
        "missing_opened": running.missing_opened,
    }


class Counting:
    """`now()` returns the present epoch's counts so far; they start from 0 in each epoch."""

    def __init__(self, now: Callable[[], dict[str, int]]) -> None:
        self._now = now
        self.totals = now()
        self._deltas = dict.fromkeys(self.totals, 0)

    def close(self) -> None:
        """Assigns what was counted until now to the present epoch."""
        now = self._now()
        for name, value in now.items():
            self._deltas[name] += value - self.totals[name]
        self.totals = now

    def start_over(self) -> None:
        """Begins a new epoch."""
        self.totals = dict.fromkeys(self.totals, 0)

    def take(self) -> dict[str, int]:
        """Returns the counts since the last call."""
        deltas, self._deltas = self._deltas, dict.fromkeys(self.totals, 0)
        return deltas
