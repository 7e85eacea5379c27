"""A process's exports to monitoring systems, which serve and push the figures of its runs one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from prometheus_client import CollectorRegistry

from wps_load.clock import NS_PER_S
from wps_load.errors import ConfigError, Fault
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import otel_metrics
from wps_load.swarm.engines import make_network
from wps_load.swarm.monitored import Monitored
from wps_load.swarm.prometheus import RunMetrics, serve
from wps_load.swarm.pushgateway import PushFailed, Pushgateway
from wps_load.swarm.reporter import Reporter

PUSH_EVERY_S = 15.0


class Exports:
    """`current()`: the reporter of the present, last or prepared run. `warn(kind, sentence)`: warns once a run."""

    def __init__(
        self,
        current: Callable[[], Reporter | None],
        *,
        say: Callable[[str], None],
        warn: Callable[[str, str], None],
    ) -> None:
        self._say = say
        self._warn = warn
        self._run = Monitored(current)
        self._registry = CollectorRegistry()
        self._registry.register(RunMetrics(self._run))
        self._otel = False
        self._flush: Callable[[], object] | None = None
        self._served: str | None = None
        self._gateway: Pushgateway | None = None
        self._pushing: Any = None

    def prepare(self, config: RunConfig, *, otel: bool = False) -> None:
        """Prepares the exports of the next run.

        `otel`: Locust's option. Raises ConfigError if the address cannot be listened on, or spans cannot be sent.
        """
        if config.otel_spans and not otel:
            raise ConfigError([Fault("--wps-otel-spans", None, "it needs Locust's --otel, by which spans are sent")])
        if otel and not self._otel:
            self._otel = True
            try:
                self._flush = otel_metrics.join(self._run)
            except otel_metrics.Unavailable as why:
                self._say(f"wps-load: {why}")
        if config.prometheus_port is not None and self._served is None:
            serve(config.prometheus_host, config.prometheus_port, self._registry)
            host = f"[{config.prometheus_host}]" if ":" in config.prometheus_host else config.prometheus_host
            self._served = f"http://{host}:{config.prometheus_port}/metrics"
        if config.prometheus_push is not None:
            self._gateway = Pushgateway(config.prometheus_push, make_network(config), self._registry)

    def begin(self) -> None:
        """The run begins."""
        if self._gateway is not None and self._pushing is None:
            self._pushing = gevent.spawn(self._push_often)

    def finish(self) -> None:
        """The run has its verdict."""
        if self._pushing is not None:
            self._pushing.kill()
            self._pushing = None
        if self._gateway is not None:
            self._push()
            self._gateway.close()
            self._gateway = None
        if self._flush is not None:
            try:
                self._flush()
            except Exception as error:  # the SDK raises nothing narrower
                kind = type(error).__name__
                self._warn("otel", f"OpenTelemetry's last export failed ({kind}); the report has everything")

    def _push_often(self) -> None:
        while True:
            gevent.sleep(PUSH_EVERY_S)
            self._push()

    def _push(self) -> None:
        assert self._gateway is not None
        try:
            self._gateway.push()
        except PushFailed as failure:
            self._warn("push", f"{failure}; the run is not affected, its report has everything")

    def linger(self, config: RunConfig, asked: Event) -> None:
        """Serves for a last scrape, until `asked` is set because somebody wants the process to end."""
        seconds = config.prometheus_linger_ns / NS_PER_S
        if self._served is not None and seconds and not asked.is_set():
            self._say(
                f"The metrics stay at {self._served} for {seconds:g} s (--wps-prometheus-linger); Ctrl-C ends that"
            )
            asked.wait(seconds)
