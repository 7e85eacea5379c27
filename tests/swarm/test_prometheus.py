from __future__ import annotations

import socket
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from wps_load.errors import ConfigError
from wps_load.measure.causes import Cause
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.prometheus import RunMetrics, serve


class FakeCollector:
    def __init__(self) -> None:
        self.open = 12
        self.cpu_percent_max = 34.5
        self.total = Snapshot(failures={("connect", "http_429"): 3}, counters={"bytes_sent": 1_000})
        self.total.histograms["rtt"] = histogram = Histogram()
        histogram.record(2_000_000, 100)
        self.total.histograms["send_lag"] = histogram

    def not_sent(self) -> dict[Cause, int]:
        return {Cause.SERVICE: 4, Cause.PLAN: 0, Cause.GENERATOR: 1}

    def running(self, name: str) -> int:
        return {"offered": 110, "published": 105, "delivered": 100, "missing": 5}[name]


def scrape(collector: Any) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(RunMetrics(lambda: collector))
    lines = generate_latest(registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_a_run_as_a_scraper_sees_it() -> None:
    found = scrape(FakeCollector())
    assert found["wps_connections_open"] == 12
    assert found['wps_messages_total{kind="delivered"}'] == 100
    assert found["wps_messages_missing"] == 5
    assert found['wps_messages_not_sent_total{cause="service"}'] == 4
    assert found['wps_messages_not_sent_total{cause="generator"}'] == 1
    assert abs(found['wps_latency_seconds{metric="rtt",quantile="0.99"}'] - 0.002) < 1e-5
    assert found['wps_latency_count_total{metric="rtt"}'] == 100
    assert found['wps_failures_total{label="http_429",metric="connect"}'] == 3
    assert found["wps_bytes_sent_total"] == 1_000


def test_the_generators_own_times_are_no_latency_of_the_service() -> None:
    assert not [name for name in scrape(FakeCollector()) if "send_lag" in name]


@pytest.mark.parametrize(
    ("host", "port", "option", "said"),
    [
        ("127.0.0.1", None, "--wps-prometheus-port", "a port of 127.0.0.1 that is free"),
        ("192.0.2.1", 1, "--wps-prometheus-host", "an address of this host"),
    ],
)
def test_an_address_that_cannot_be_listened_on(host: str, port: int | None, option: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError) as refused:
        serve(host, port or taken.getsockname()[1], lambda: None)
    (fault,) = refused.value.faults
    assert fault.option == option
    assert said in fault.allowed


def test_between_runs_there_is_nothing() -> None:
    assert scrape(None) == {}
