"""A run of two populations as Prometheus would have recorded it: scrapes five seconds apart, in OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from tests.swarm.scrapes import FedRun, counts, times, two_classes
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Sums
from wps_load.swarm.monitored import Monitored
from wps_load.swarm.prometheus import RunMetrics

EVERY_S = 5
OF_THE_TARGET = {"job": "wps-load", "instance": "localhost:9464"}
"""What Prometheus adds to each series."""
_SCRAPES = 13


def scrapes() -> Iterator[list[Metric]]:
    """The last one after the run's end."""
    run = FedRun(two_classes("display.delivery p99 < 25ms, chat-user.rtt p99 < 1ms, connected >= 99%"))
    registry = CollectorRegistry()
    registry.register(RunMetrics(Monitored(lambda: run.reporter)))
    for number in range(1, _SCRAPES):
        _second(run, number)
        yield list(registry.collect())
    parts = [LedgerTotals(30, 6, 20, 20, 0, 0, 0, missed=0), LedgerTotals(0, 0, 60, 59, 1, 0, 0, missed=0)]
    run.finish(parts[0].plus(parts[1]), parts)
    yield list(registry.collect())


def _second(run: FedRun, number: int) -> None:
    """What came in the `number`-th second; counts are of the run so far."""
    happened = Snapshot(
        failures={("connect", "http_429"): 1},
        counters={f"connections_{name}": 1 for name in ("opened", "failed", "dropped", "recovered")}
        | {"bytes_sent": 2048},
    )
    lags = times("send_lag", 0.2)
    lags.merge(times("loop_lag", 0.3))
    measured = {
        (0, 0): times("rtt", 1, 2),
        (0, 1): times("delivery", 10, 20, 40),
        (1, 1): times("connect", 30),
        None: lags,
    }
    measured[1, 1].merge(happened)
    chat = counts(offered=3 * number, published=2 * number, delivered=2 * number, send_failed_service=number)
    display = counts(delivered=5 * number - 1, missing=1, duplicated=number)
    whole = {name: chat[name] + display[name] for name in chat}
    run.report(
        [EpochReport.of(0, 1, measured)],
        totals=whole,
        populations=[Sums(2, chat, chat, None), Sums(1, display, display, None)],
    )


def openmetrics(end_s: int) -> str:
    """The recording as a text that `promtool tsdb create-blocks-from openmetrics` reads; the last scrape at `end_s`."""
    types: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    recorded = list(scrapes())
    for number, families in enumerate(recorded):
        at_s = end_s - EVERY_S * (len(recorded) - 1 - number)
        for family in families:
            types[family.name] = family.type
            for sample in family.samples:
                labels = {**sample.labels, **OF_THE_TARGET}
                shown = ",".join(f'{name}="{text}"' for name, text in labels.items())
                line = f"{sample.name}{{{shown}}} {float(sample.value)!r} {at_s}"
                lines.setdefault(family.name, []).append(line)
    text = [line for name, kind in types.items() for line in (f"# TYPE {name} {kind}", *lines.get(name, ()))]
    return "\n".join([*text, "# EOF", ""])
