"""`--wps-prometheus-port`: the run's figures for a scraper, by the official client library."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Source

from wps_load.clock import NS_PER_S
from wps_load.errors import ConfigError, Fault
from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.swarm.collector import Collector

QUANTILES = (0.5, 0.9, 0.99, 0.999)
_MESSAGES = ("offered", "published", "delivered")


class RunMetrics(Source):
    """Families as of the moment of a scrape. `current()`: the run's collector, None while there is none."""

    def __init__(self, current: Callable[[], Collector | None]) -> None:
        self._current = current

    def collect(self) -> Iterable[Metric]:
        collector = self._current()
        if collector is None:
            return
        yield GaugeMetricFamily("wps_connections_open", "Connections open now", value=collector.open)
        messages = CounterMetricFamily("wps_messages", "Messages of the measured epoch so far", labels=["kind"])
        for kind in _MESSAGES:
            messages.add_metric([kind], collector.running(kind))
        yield messages
        yield self._not_sent(collector)
        yield GaugeMetricFamily(
            "wps_messages_missing", "Gaps in sequence numbers not filled yet", value=collector.running("missing")
        )
        yield from self._latencies(collector)
        failures = CounterMetricFamily("wps_failures", "Failures by metric and label", labels=["metric", "label"])
        for (metric, label), count in collector.total.failures.items():
            failures.add_metric([metric, label], count)
        yield failures
        for name, help_text in (("bytes_sent", "Bytes sent"), ("bytes_received", "Bytes received")):
            yield CounterMetricFamily(f"wps_{name}", help_text, value=collector.total.counters.get(name, 0))
        yield GaugeMetricFamily(
            "wps_generator_cpu_percent_max", "Busiest worker's busiest second, percent of a core",
            value=collector.cpu_percent_max,
        )  # fmt: skip

    def _not_sent(self, collector: Collector) -> Metric:
        family = CounterMetricFamily(
            "wps_messages_not_sent", "Messages due and not sent so far, by whose doing it is", labels=["cause"]
        )
        for cause, count in collector.not_sent().items():
            family.add_metric([str(cause)], count)
        return family

    def _latencies(self, collector: Collector) -> Iterable[Metric]:
        quantiles = GaugeMetricFamily(
            "wps_latency_seconds", "Latency since the start, by metric and quantile", labels=["metric", "quantile"]
        )
        counts = CounterMetricFamily("wps_latency_count", "Timed samples by metric", labels=["metric"])
        sums = CounterMetricFamily("wps_latency_sum_seconds", "Sum of the samples by metric", labels=["metric"])
        for name, histogram in collector.total.histograms.items():
            if name not in METRIC_BY_NAME or not histogram.count:
                continue
            values = histogram.percentiles([quantile * 100 for quantile in QUANTILES])
            for quantile, value in zip(QUANTILES, values, strict=True):
                if value is not None:
                    quantiles.add_metric([name, f"{quantile:g}"], value / NS_PER_S)
            counts.add_metric([name], histogram.count)
            sums.add_metric([name], histogram.sum / NS_PER_S)
        yield quantiles
        yield counts
        yield sums


def serve(host: str, port: int, current: Callable[[], Collector | None]) -> None:
    """Serves /metrics for as long as the process lives. Raises ConfigError if the address cannot be listened on."""
    registry = CollectorRegistry()
    registry.register(RunMetrics(current))
    try:
        start_http_server(port, host, registry=registry)
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        if error.errno == errno.EADDRNOTAVAIL:
            fault = Fault("--wps-prometheus-host", host, f"an address of this host ({reason})")
        else:
            fault = Fault("--wps-prometheus-port", str(port), f"a port of {host} that is free ({reason})")
        raise ConfigError([fault]) from error
