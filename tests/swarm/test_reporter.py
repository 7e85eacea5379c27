"""The live line of a run shows the latency's SLO beside it."""

from __future__ import annotations

import io

import pytest

from tests.swarm.runs import conducted, planned, second
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import Outside
from wps_load.settings.load import load
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.reporter import Reporter


def measuring() -> Conductor:
    conductor = conducted(planned(started_ns=now_ns(), scenario_users=False))
    conductor.tick(now_ns(), set())
    return conductor


@pytest.mark.parametrize(
    ("slo", "shown"),
    [
        ("", "delivery p50 5.00 p99 5.00 ms ✓ 99.5% below 1,000"),
        ("loss = 0, rtt p50 < 1ms, rtt p99 < 1s", "p99 5.00 ms ✗ 400% above 1.00"),
        ("rtt p99.9 < 1ms, connect p99 < 1ms", "p99 5.00 ms | lost"),
        ("none", "delivery p50 5.00 p99 5.00 ms | lost"),
    ],
)
def test_live_line_shows_the_limit(slo: str, shown: str) -> None:
    values = {"wps_slo": slo, "wps_report_dir": "", "wps_scenario": "small-group"}
    config = load(values, users=10, spawn_rate=None, run_time_s=None, environ={}, sources={})
    rtt = Histogram()
    rtt.record(5 * NS_PER_MS)
    collector = Collector(now_ns(), config)
    collector.write(second(1.0, Snapshot({"rtt": rtt, "delivery": rtt}), published=1, delivered=1))
    stream = io.StringIO()
    reporter = Reporter(config, Console(stream))
    reporter.begin(measuring(), lambda: 1)
    reporter.second(collector)
    assert shown in stream.getvalue()


def test_a_run_about_connections_shows_new_ones_a_second() -> None:
    config = load({"wps_report_dir": "", "wps_scenario": "churn"}, users=10, spawn_rate=None, environ={})
    connect = Histogram()
    connect.record(5 * NS_PER_MS, 24)
    collector = Collector(now_ns(), config)
    collector.write(second(2.0, Snapshot({"connect": connect}), length_s=2.0))
    stream = io.StringIO()
    reporter = Reporter(config, Console(stream))
    reporter.begin(measuring(), lambda: 10)
    reporter.second(collector)
    assert "0/10 connected, 12/s | connect p50 5.00 p99 5.00 ms | closed 0" in stream.getvalue()


class InSteps:
    """What drives stages of users, as the report sees it: no search, and nothing of its own."""

    def summary(self) -> None:
        return None

    best_slo = stages = summary


@pytest.mark.parametrize("steps", [None, InSteps()])
@pytest.mark.parametrize(("stopped_by", "doubts"), [("SIGINT after 4 s", {"stopped_early"}), (None, set())])
def test_a_signal_before_its_time_stands_in_the_doubts_of_every_kind_of_run(
    steps: InSteps | None, stopped_by: str | None, doubts: set[str]
) -> None:
    config = load({"wps_report_dir": ""}, users=10, spawn_rate=None, run_time_s=None, environ={}, sources={})
    reporter = Reporter(config, Console(io.StringIO()))
    conductor = measuring()
    reporter.begin(conductor, lambda: 10, steps)
    reporter.finish(conductor, Outside(stopped_by=stopped_by))
    assert reporter.summary is not None
    assert {doubt["name"] for doubt in reporter.summary["doubts"]} & {"stopped_early"} == doubts
