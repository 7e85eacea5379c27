"""Locust's `--otel`: our figures as OpenTelemetry metrics, beside its own and in the same exports.

The SDK expects each single value, which would cost some microseconds a message, and has no way to accept what is
already counted (the specification's MetricProducer). So we intercept its readers: what a reader collects from the SDK
is passed on with our families added, as the SDK's own data classes. That uses parts of the SDK that are not public; if
a version has other ones, `join` says so, and the run goes on without.

OpenTelemetry is imported by `join`, and so only if it is requested.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from wps_load.clock import unix_ns
from wps_load.errors import ConfigError, Fault
from wps_load.measure.family import Buckets, Family, Kind, Labels, TimeFamily
from wps_load.swarm.monitored import Monitored

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData

logger = logging.getLogger(__name__)

SCOPE: Final = "wps-load"
_UNITS: Final = {"seconds": "s", "bytes": "By", "ratio": "1", "": ""}
MISSING: Final = "the packages of OpenTelemetry are not installed, so nothing is sent: pip install 'wps-load[otel]'"
UNKNOWN: Final = "--otel: this version of OpenTelemetry's SDK does not accept our metrics; Locust's own are sent"


class Unavailable(Exception):
    """Why there is no export, in one sentence."""


def join(run: Monitored) -> Callable[[], object] | None:
    """Adds the run's figures to each export of the process from now on.

    Returns a function that exports at once, which may take seconds if nobody accepts the export; None if Locust was
    told to export no metrics. Raises Unavailable.
    """
    try:
        from opentelemetry.metrics import get_meter_provider
        from opentelemetry.sdk.metrics import MeterProvider
    except ImportError:
        raise Unavailable(f"--otel: {MISSING}") from None
    provider = get_meter_provider()
    if not isinstance(provider, MeterProvider):
        return None
    add_to(provider, run)
    flush: Callable[[], object] = provider.force_flush
    return flush


def share_the_loop() -> None:
    """Makes gRPC wait for its peer within gevent; it is the default protocol of exports.

    Otherwise a collector that does not answer would block all messages of the process for seconds.
    """
    if "grpc" in sys.modules:
        import_module("grpc.experimental.gevent").init_gevent()


def judge_emulator(options: Mapping[str, object], *, master: bool) -> None:
    """The SDK's behaviour in a fork would leave the emulator's process running for ever as a copy of its master.

    Raises ConfigError where that would happen.
    """
    if options.get("otel") and master:
        allowed = "a master cannot start the embedded emulator with it: start `wps-load emulator`, give its string"
        raise ConfigError([Fault("--otel", None, allowed)])


def add_to(provider: Any, run: Monitored) -> None:
    """Gives each reader of `provider` the run's figures too. Raises Unavailable."""
    try:
        config = provider._sdk_config
        readers = [*(provider._metric_readers if hasattr(provider, "_metric_readers") else config.metric_readers)]
        joined = [_Joined(run, reader._collect, _temporality(reader), config) for reader in readers]
    except AttributeError:
        raise Unavailable(UNKNOWN) from None
    for reader, collect in zip(readers, joined, strict=True):
        reader._set_collect_callback(collect)


def _temporality(reader: Any) -> dict[str, Any]:
    """The temporality that a reader wants of each kind of instrument: since the start, or since its last collection.

    `Counter` and `Histogram` are among them.
    """
    return {kind.__name__.lstrip("_"): wanted for kind, wanted in reader._instrument_class_temporality.items()}


@dataclass
class _Joined:
    """What one reader collects: the SDK's metrics and ours."""

    run: Monitored
    collect: Callable[..., MetricsData | None]
    temporality: dict[str, Any]
    config: Any
    _before: dict[tuple[str, Labels], Any] = field(default_factory=dict)
    _before_ns: int = 0

    def __call__(self, reader: Any, timeout_millis: float = 10_000) -> MetricsData | None:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        theirs = self.collect(reader, timeout_millis=timeout_millis)
        try:
            metrics = list(self._ours())
        except Exception:  # an exception would end the reader's thread
            logger.exception("the run's figures are not in this export of OpenTelemetry's")
            return theirs
        if not metrics:
            return theirs
        scope = ScopeMetrics(InstrumentationScope(SCOPE), metrics, schema_url="")
        resource = self.config.resource
        of_theirs = () if theirs is None else theirs.resource_metrics
        same = [each for each in of_theirs if each.resource == resource]  # exporters keep one of each resource
        scopes = [*(found for each in same for found in each.scope_metrics), scope]
        others = [each for each in of_theirs if each.resource != resource]
        return MetricsData([*others, ResourceMetrics(resource, scopes, schema_url="")])

    def _ours(self) -> Iterator[Metric]:
        started_ns, now_ns = self.run.started_ns, unix_ns()
        if started_ns > self._before_ns:  # another run: it begins at 0
            self._before, self._before_ns = {}, started_ns
        for family in self.run.families():
            yield self._metric(family, now_ns)
        self._before_ns = now_ns

    def _metric(self, family: Family | TimeFamily, now_ns: int) -> Metric:
        from opentelemetry.sdk.metrics import export as data

        unit = _UNITS[family.unit]
        if isinstance(family, TimeFamily):
            wanted = self.temporality["Histogram"]
            points = [
                self._histogram_point(family, labels, point, wanted, now_ns) for labels, point in family.points.items()
            ]
            return data.Metric(family.dotted, family.help, unit, data.Histogram(points, wanted))
        if family.kind is Kind.GAUGE:
            levels = [self._point(family, labels, value, now_ns) for labels, value in family.points.items()]
            return data.Metric(family.dotted, family.help, unit, data.Gauge(levels))
        wanted = self.temporality["Counter"]
        numbers = [
            self._point(family, labels, self._since(family, labels, value, wanted), now_ns, wanted)
            for labels, value in family.points.items()
        ]
        return data.Metric(family.dotted, family.help, unit, data.Sum(numbers, wanted, is_monotonic=True))

    def _point(self, family: Family, labels: Labels, value: Any, now_ns: int, wanted: Any = None) -> Any:
        from opentelemetry.sdk.metrics.export import NumberDataPoint

        return NumberDataPoint(_attributes(family, labels), self._start_ns(wanted), now_ns, value)

    def _histogram_point(self, family: TimeFamily, labels: Labels, point: Buckets, wanted: Any, now_ns: int) -> Any:
        from opentelemetry.sdk.metrics.export import HistogramDataPoint

        found: Buckets = self._since(family, labels, point, wanted)
        unknown: Any = None  # the minimum and maximum of an interval
        return HistogramDataPoint(
            _attributes(family, labels),
            self._start_ns(wanted),
            now_ns,
            found.count,
            found.sum_s,
            list(found.counts),
            list(family.bounds_s),
            min=unknown,
            max=unknown,
        )

    def _start_ns(self, wanted: Any) -> int:
        return self._before_ns if _is_delta(wanted) else self.run.started_ns

    def _since(self, family: Family | TimeFamily, labels: Labels, value: Any, wanted: Any) -> Any:
        """The change since the start of the run, or since the last collection."""
        if not _is_delta(wanted):
            return value
        key = family.name, labels
        before, self._before[key] = self._before.get(key), value
        if before is None:
            return value
        return value.plus(before, -1) if isinstance(value, Buckets) else max(0, value - before)


def _is_delta(temporality: Any) -> bool:
    from opentelemetry.sdk.metrics.export import AggregationTemporality

    return temporality is AggregationTemporality.DELTA


def _attributes(family: Family | TimeFamily, labels: Labels) -> dict[str, str]:
    return dict(zip(family.labels, labels, strict=True))
