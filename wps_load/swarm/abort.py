"""`--wps-slo-abort`: ends a run when nothing that may still happen can make an SLO hold.

Judged once a second after a time of grace, by the best case: all that is still to come is instant and whole. So a run
is never ended on suspicion, and one without `-t`, of which nobody knows how much is still to come, only for what can't
be undone (messages that are lost for certain).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wps_load.clock import NS_PER_S
from wps_load.measure import thresholds
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor

GRACE_S = 10
"""Of the measure phase: a cold start is no verdict."""
UNKNOWN = 1 << 62


class AbortWatch:
    """`hopeless()` once a second: the expression of an SLO that is out of reach, else None."""

    def __init__(self, conductor: Conductor, slos: Sequence[thresholds.Slo]) -> None:
        self._conductor = conductor
        self._collector: Collector = conductor.collector
        self._slos = [slo for slo in slos if not slo.population]  # of a population, the end of the run tells
        drain_s = math.ceil(conductor.plan.config.drain_ns / NS_PER_S) + 1
        self._measured_s: float | None = None
        self._opened: deque[int] = deque(maxlen=drain_s + 1)

    def hopeless(self, now_ns: int) -> str | None:
        self._opened.append(self._collector.running("missing_opened"))
        self._measured_s = measured_s = self._conductor.measured_s(now_ns)
        if measured_s is None or measured_s < GRACE_S or self._conductor.stopping:
            return None
        remaining_s = self._remaining_s(now_ns)
        for slo in self._slos:
            if thresholds.out_of_reach(slo, self, self._remaining(slo, remaining_s), remaining_s):
                return slo.expression
        return None

    def _remaining_s(self, now_ns: int) -> float:
        end_ns = self._conductor.planned_end_ns
        return math.inf if end_ns is None else max(0.0, (end_ns - now_ns) / NS_PER_S)

    def _remaining(self, slo: thresholds.Slo, remaining_s: float) -> int:
        """At most so many values of the SLO's metric are still to come: at twice the pace so far, to be safe."""
        if math.isinf(remaining_s) or not self.measure_s:
            return UNKNOWN
        histogram = self.histogram(slo.subject)
        so_far = histogram.count if histogram is not None else self._collector.running("delivered")
        return round(2 * so_far / self.measure_s * remaining_s) + self._collector.running("missing")

    # -- as thresholds ask for it (LiveSource) -----------------------------------------------------------------

    def row(self, metric: str) -> Mapping[str, Any]:
        return self._collector.total.row(metric)

    def histogram(self, metric: str) -> Histogram | None:
        return self._collector.total.histograms.get(metric)

    @property
    def messages(self) -> LedgerTotals:
        """What is missing may still come: `certain_loss` says what will not."""
        return replace(self._collector.running_totals(), expected=None, lost=None)

    @property
    def connected_share(self) -> float | None:
        return None

    def of(self, population: str) -> None:
        """Not known by populations."""

    @property
    def measure_s(self) -> float | None:
        return self._measured_s

    @property
    def certain_loss(self) -> int:
        """Gaps that are older than the drain. Unsure, and so 0, where a member was away: it may have missed them."""
        counters = self._collector.total.counters
        away = ("connections_dropped", "connections_cut", "connections_closed_by_plan", "connections_reconnected")
        if any(counters.get(name) for name in away) or len(self._opened) < (self._opened.maxlen or 0):
            return 0
        return max(0, self._collector.running("missing") - (self._opened[-1] - self._opened[0]))
