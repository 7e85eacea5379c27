"""`--wps-otel-spans`: a span for each measured time, to look at single ones. It is expensive, so it is off by default.

Times are counted once a second, not kept one by one. So a span's length is that of its time (to 0.1 %), and its
position on the time axis is right to the second in which it was measured. OpenTelemetry is imported only here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import gevent

from wps_load.clock import unix_ns
from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.otel_metrics import MISSING

_AT_ONCE: Final = 200
"""After this many spans other greenlets get their turn: some milliseconds."""


Listener = Callable[[EpochReport], None]


def with_spans(config: RunConfig, listener: Listener, warn: Callable[[str, str], None]) -> Listener:
    """The listener of each interval: `listener`, and the spans too if the options request them."""
    if not config.otel_spans:
        return listener
    try:
        spans = Spans(config.names, config.population.scenario)
    except ImportError:
        warn("otel", f"--wps-otel-spans: {MISSING}")
        return listener

    def both(part: EpochReport) -> None:
        listener(part)
        spans.add(part)

    return both


class Spans:
    """The spans of a process with users.

    `names`: of the run's populations; empty if it has one, which is called `alone`.
    """

    def __init__(self, names: Sequence[str], alone: str, tracer: Any = None) -> None:
        from opentelemetry import trace

        self._names = names
        self._alone = alone
        self._tracer = tracer if tracer is not None else trace.get_tracer("wps-load")

    def add(self, part: EpochReport) -> None:
        """Adds the part of the last interval that counts."""
        gevent.spawn(self.send, part, unix_ns())

    def send(self, part: EpochReport, end_ns: int) -> None:
        pairs = part.counted_pairs()
        if not pairs:
            self._send(part.counted(), self._alone, end_ns)
        for (_, receiver), snapshot in pairs.items():
            self._send(snapshot, self._names[receiver] if self._names else self._alone, end_ns)

    def _send(self, snapshot: Snapshot, population: str, end_ns: int) -> None:
        from opentelemetry.trace import Status, StatusCode

        sent = 0
        for name, histogram in snapshot.histograms.items():
            if name not in METRIC_BY_NAME:
                continue
            for value_ns, count in histogram.nonzero():
                for _ in range(count):
                    span = self._span(name, population, end_ns - value_ns)
                    span.end(end_ns)
                    sent += 1
                    if sent % _AT_ONCE == 0:
                        gevent.sleep(0)
        for (metric, label), count in snapshot.failures.items():
            for _ in range(count):
                span = self._span(metric, population, end_ns)
                span.set_attribute("error.type", label)
                span.set_status(Status(StatusCode.ERROR))
                span.end(end_ns)

    def _span(self, metric: str, population: str, start_ns: int) -> Any:
        return self._tracer.start_span(
            f"wps.{metric}", start_time=start_ns, attributes={"population": population}, context=_no_parent()
        )


def _no_parent() -> Any:
    from opentelemetry.context import Context

    return Context()
