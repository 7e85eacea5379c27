"""`--wps-slo-abort`: ends a run when an SLO can no longer be met, whatever happens next.

SLOs are judged once a second, after a period of grace, for the best case: everything still to come is instant and
complete. So a run is never ended on suspicion. In a run without `-t`, where nobody knows how much is still to come,
only what cannot be undone counts (messages that are certainly lost).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from wps_load.clock import NS_PER_S
from wps_load.measure import thresholds
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.settings.run_config import Population
from wps_load.swarm.books import Books
from wps_load.swarm.conductor import Conductor

GRACE_S = 10
"""Seconds of the measure phase before SLOs are judged: a cold start decides nothing."""
UNKNOWN = 1 << 62


class AbortWatch:
    """`hopeless()`, once a second, returns the expression of an SLO that can no longer be met, else None.

    `slos`: those of the run and of its populations.
    """

    def __init__(self, conductor: Conductor, slos: Sequence[thresholds.Slo]) -> None:
        self._conductor = conductor
        config, collector = conductor.plan.config, conductor.collector
        self._whole = _Judged(collector, conductor)
        several = collector.populations or [collector] * bool(config.names)
        self._parts = {
            population.name: _Judged(books, conductor, population)
            for population, books in zip(config.populations, several, strict=False)
        }
        self._slos = slos

    def hopeless(self, now_ns: int) -> str | None:
        for judged in (self._whole, *self._parts.values()):
            judged.look(now_ns)
        if self._conductor.stopping:
            return None
        for slo in self._slos:
            judged = self._parts[slo.population] if slo.population else self._whole
            if judged.unreachable(slo):
                return slo.expression
        return None


class _Judged:
    """What is known so far of a run, or of one of its populations, in the form that thresholds read (LiveSource)."""

    def __init__(self, books: Books, conductor: Conductor, population: Population | None = None) -> None:
        self._books = books
        self._conductor = conductor
        self._config = conductor.plan.config
        found = self._config.populations if population is None else [population]
        self._start_ns = conductor.plan.started_ns + max(each.start_ns for each in found)
        stops = [each.stop_ns for each in found if each.stop_ns is not None]
        self._stop_ns = conductor.plan.started_ns + max(stops) if len(stops) == len(found) else None
        self._opened: deque[int] = deque(maxlen=math.ceil(self._config.drain_ns / NS_PER_S) + 2)
        self._measured_s: float | None = None
        self._lasted_s = self._remaining_s = 0.0
        """The time that it has been measured, and will still be measured."""

    def look(self, now_ns: int) -> None:
        """Updates the figures, once a second."""
        self._opened.append(self._books.running("missing_opened"))
        self._measured_s = measured_s = self._conductor.measured_s(now_ns)
        late_s = max(0.0, (self._start_ns - (self._conductor.measure_start_ns or 0)) / NS_PER_S)
        self._lasted_s = max(0.0, (measured_s or 0.0) - late_s)
        ends = [each for each in (self._conductor.planned_end_ns, self._stop_ns) if each is not None]
        self._remaining_s = max(0.0, (min(ends) - now_ns) / NS_PER_S) if ends else math.inf

    def unreachable(self, slo: thresholds.Slo) -> bool:
        """Whether nothing that may still happen can meet the SLO; not judged during the period of grace."""
        if self._lasted_s < GRACE_S:
            return False
        return thresholds.out_of_reach(slo, self, self._remaining(slo), self._remaining_s)

    def _remaining(self, slo: thresholds.Slo) -> int:
        """The greatest number of values of the SLO's metric that can still come.

        For safety the rate is assumed to be twice the one so far, and more if there are more users now than on average.
        Stages may reach any rate.
        """
        if math.isinf(self._remaining_s) or self._config.stages is not None:
            return UNKNOWN
        requested = self._conductor.requested
        users = requested.mean(requested.last_ns) if self._conductor.plan.scenario_users else 0.0
        faster = 2 * max(1.0, requested.asked / users if users else 1.0)
        histogram = self.histogram(slo.subject)
        so_far = histogram.count if histogram is not None else self._books.running("delivered")
        return round(faster * so_far / self._lasted_s * self._remaining_s) + self._books.running("missing")

    # -- LiveSource --------------------------------------------------------------------------------------------

    def row(self, metric: str) -> thresholds.Row:
        return self._books.total.row(metric)

    def histogram(self, metric: str) -> Histogram | None:
        return self._books.total.histograms.get(metric)

    @property
    def messages(self) -> LedgerTotals:
        """What is missing may still come: `certain_loss` counts what will not."""
        return replace(self._books.running_totals(), expected=None, lost=None)

    @property
    def connected_share(self) -> float | None:
        return None

    def of(self, population: str) -> None:
        """Each population has a judge of its own."""

    @property
    def measure_s(self) -> float | None:
        return self._measured_s

    @property
    def certain_loss(self) -> int:
        """Gaps older than the drain. The result is 0 if a member was away, because it may have missed them."""
        counters = self._books.total.counters
        away = ("connections_dropped", "connections_cut", "connections_closed_by_plan", "connections_reconnected")
        if any(counters.get(name) for name in away) or len(self._opened) < (self._opened.maxlen or 0):
            return 0
        return max(0, self._books.running("missing") - (self._opened[-1] - self._opened[0]))
