"""The run's figures for the official client library of Prometheus, and `--wps-prometheus-port`."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as Source
from prometheus_client.utils import floatToGoString

from wps_load.errors import ConfigError, Fault
from wps_load.measure.family import Family, Kind, TimeFamily
from wps_load.swarm.monitored import Monitored


class RunMetrics(Source):
    """The metric families at the moment of a scrape."""

    def __init__(self, run: Monitored) -> None:
        self._run = run

    def collect(self) -> Iterable[Metric]:
        return map(metric, self._run.families())


def metric(family: Family | TimeFamily) -> Metric:
    """A family in the client library's form."""
    if isinstance(family, TimeFamily):
        return _histogram(family)
    cls = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    found = cls(family.full_name, family.help, labels=family.labels)
    for labels, value in family.points.items():
        found.add_metric(labels, value)
    return found


def _histogram(family: TimeFamily) -> Metric:
    found = HistogramMetricFamily(family.full_name, family.help, labels=family.labels)
    bounds = [*map(floatToGoString, family.bounds_s), "+Inf"]
    for labels, point in family.points.items():
        upto, cumulative = 0, []
        for bound, count in zip(bounds, point.counts, strict=True):
            upto += count
            cumulative.append((bound, float(upto)))
        found.add_metric(labels, cumulative, point.sum_s)
    return found


def serve(host: str, port: int, registry: CollectorRegistry) -> WSGIServer:
    """Serves /metrics as long as the process lives. Raises ConfigError if the address cannot be listened on."""
    # without compression, which would take longer than everything else, and without a pause
    server = WSGIServer((host, port), make_wsgi_app(registry, disable_compression=True), log=None, error_log=None)
    try:
        server.start()
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        if error.errno == errno.EADDRNOTAVAIL:
            fault = Fault("--wps-prometheus-host", host, f"an address of this host ({reason})")
        else:
            fault = Fault("--wps-prometheus-port", str(port), f"a port of {host} that is free ({reason})")
        raise ConfigError([fault]) from error
    return server
