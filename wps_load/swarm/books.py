"""What all agents have reported of a run, or of one of its populations: measured, counted, open, and final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from wps_load.measure.causes import Cause
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot

_UNSENT = ("send_failed_service", "send_failed_plan")


class ReportedPart(Protocol):
    """The part of an agent's report that is about a run or about one of its populations."""

    @property
    def open(self) -> int: ...
    @property
    def deltas(self) -> Mapping[str, int]: ...
    @property
    def totals(self) -> Mapping[str, int]: ...
    @property
    def presence(self) -> Presence | None: ...


class Books:
    """`total`: what was measured since the last reset of the statistics; `before`: what was measured until then.

    `earlier`: messages of measured epochs that are over. `peak_open`: the most connections at one time.
    """

    def __init__(self) -> None:
        self.total = Snapshot()
        self.before = Snapshot()
        self.earlier: Counter[str] = Counter()
        self.peak_open = 0
        self._open: dict[str, int] = {}
        self._presence: dict[str, Presence] = {}
        self._running: dict[str, tuple[int, Mapping[str, int]]] = {}
        self._finals: dict[str, LedgerTotals] = {}

    def count(self, agent: str, epoch: int, reported: ReportedPart) -> None:
        """Records an agent's messages of this epoch so far, and its connections."""
        last_epoch, last = self._running.get(agent, (0, {}))
        if 0 < last_epoch < epoch:  # what came since the last report, but not in this epoch, belongs to the last one
            for name in {*last, *reported.deltas}:  # a missing name counts 0
                came = last.get(name, 0) + reported.deltas.get(name, 0)
                self.earlier[name] += came - reported.totals.get(name, 0)
        self._running[agent] = epoch, reported.totals
        if reported.presence is not None:
            self._presence[agent] = reported.presence
        self.connected(agent, reported.open)

    def connected(self, agent: str, count: int) -> None:
        """Records an agent's open connections, which it reports when they change, a few times a second at most."""
        self._open[agent] = count
        self.peak_open = max(self.peak_open, sum(self._open.values()))

    def gone(self, agent: str) -> None:
        """Removes the connections of an agent that is lost."""
        self._open.pop(agent, None)

    def settle(self, agent: str, totals: LedgerTotals) -> None:
        """Records an agent's final totals."""
        self._finals[agent] = totals

    def start_over(self) -> None:
        """Statistics start again from zero."""
        self.before.merge(self.total)
        self.total = Snapshot(sentences=self.total.sentences)

    def running_totals(self) -> LedgerTotals:
        """The messages so far: what is missing now counts as lost, until it arrives."""
        names = ("offered", "published", "delivered", "missing", "duplicated", "reordered", "misdelivered")
        offered, published, delivered, missing, duplicated, reordered, astray = map(self.running, names)
        return LedgerTotals(
            published=published,
            send_failed=offered - published,
            expected=delivered + missing,
            delivered=delivered,
            lost=missing,
            duplicated=duplicated,
            reordered=reordered,
            misdelivered=astray,
        )

    @property
    def reported(self) -> bool:
        """Whether any agent has reported its messages yet."""
        return bool(self._running)

    @property
    def open(self) -> int:
        """Open connections by the agents' last reports."""
        return sum(self._open.values())

    def presence(self, start_ns: int, end_ns: int | None) -> Presence:
        """All agents' connections since `start_ns`; a lost agent's count until it was lost.

        `end_ns` None: the phase goes on, and the result is as of the newest report.
        """
        return Presence.together([*self._presence.values()], start_ns, end_ns)

    def running(self, name: str) -> int:
        """`offered`, `published`, `delivered` or `missing` of the newest epoch so far."""
        newest = max((epoch for epoch, _ in self._running.values()), default=0)
        return sum(totals.get(name, 0) for epoch, totals in self._running.values() if epoch == newest)

    def ever(self, name: str) -> int:
        """As `running`, for all measured epochs together: it never decreases unless the count itself does."""
        return self.earlier[name] + sum(totals.get(name, 0) for epoch, totals in self._running.values() if epoch)

    def not_sent(self) -> dict[Cause, int]:
        """Messages of the newest epoch that were due but not sent so far, by cause."""
        service, plan = map(self.running, _UNSENT)
        missed = self.running("offered") - self.running("published")
        return {Cause.SERVICE: service, Cause.PLAN: plan, Cause.GENERATOR: max(0, missed - service - plan)}

    def totals(self) -> LedgerTotals | None:
        """All agents' final totals.

        For a lost agent they are its last report, in which what had arrived was expected.
        """
        if not self._finals:
            return None
        found = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
        for totals in self._finals.values():
            found = found.plus(totals)
        newest = max(epoch for epoch, _ in self._running.values())
        for agent, (epoch, so_far) in self._running.items():
            if agent not in self._finals and epoch == newest:
                published, delivered = so_far.get("published", 0), so_far.get("delivered", 0)
                failed = so_far.get("offered", 0) - published
                unsent = {name: so_far.get(name, 0) for name in _UNSENT}
                found = found.plus(LedgerTotals(published, failed, delivered, delivered, 0, 0, 0, **unsent))
        return found

    def offered(self) -> int | None:
        """Messages due in the measured epoch, whether they were handed to a socket or not."""
        totals = self.totals()
        return None if totals is None else totals.published + totals.send_failed
