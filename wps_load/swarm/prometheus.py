"""The run's figures as the official client library of Prometheus has them, and `--wps-prometheus-port`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator

import gevent
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as Source
from prometheus_client.utils import floatToGoString

from wps_load.clock import now_ns
from wps_load.errors import ConfigError, Fault
from wps_load.measure.family import Family, Kind, TimeFamily
from wps_load.swarm.families import RunFamilies
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.run_state import RunStanding


class RunMetrics(Source):
    """Families as of the moment of a scrape: of the run that goes on, else of the last one, whose figures stay.

    `current()`: the reporter of the run that is on, was last, or is prepared; None before the first.
    """

    def __init__(self, current: Callable[[], Reporter | None]) -> None:
        self._current = current
        self._latest: tuple[Reporter, RunFamilies, RunStanding] | None = None

    def collect(self) -> Iterable[Metric]:
        for family in self.families():
            yield metric(family)
            gevent.sleep(0)  # messages that have come meanwhile are read before the next family

    def families(self) -> Iterator[Family | TimeFamily]:
        """Nothing before the first run."""
        reporter = self._current()
        if reporter is not None and (self._latest is None or self._latest[0] is not reporter):
            conductor = reporter.conductor
            if conductor is not None:
                families = RunFamilies(conductor, reporter.scenario)
                alone = families.names[0] if len(families.names) == 1 else ""
                self._latest = reporter, families, RunStanding(reporter, conductor, alone)
        if self._latest is not None:
            _, families, standing = self._latest
            yield from standing.read()
            yield from families.read(now_ns())


def metric(family: Family | TimeFamily) -> Metric:
    """As the client library has it."""
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
    """Serves /metrics for as long as the process lives. Raises ConfigError if the address cannot be listened on."""
    # without compression, which would take longer than all the rest, in one go
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
