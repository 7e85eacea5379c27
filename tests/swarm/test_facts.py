"""What the report is told of each worker."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.swarm.runs import NUMBER, conducted, planned, report
from wps_load.clock import NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import RunState
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.facts import gather
from wps_load.swarm.messages import Hello, Vitals


def late(by_ms: int) -> EpochReport:
    histogram = Histogram()
    histogram.record_many([by_ms * 1_000_000] * 100)
    return EpochReport(0, 1, Snapshot(histograms={"send_lag": histogram}))


def two_workers(*, scenario_users: bool = True) -> Conductor:
    conductor = conducted(planned(scenario_users=scenario_users))
    for name, host in (("quick", "here"), ("slow", "elsewhere"), ("beside", "here")):
        conductor.received(name, NUMBER, Hello(host), 0)
    conductor.roster.grant("quick", 3, 0, 10.0)
    conductor.roster.grant("slow", 7, 0, 10.0)
    conductor.roster.release("slow", 4)
    for name, by_ms, cpu in (("quick", 1, 20.0), ("slow", 30, 90.0), ("quick", 1, 10.0)):
        conductor.collector.add(name, report(1, parts=(late(by_ms),))._replace(vitals=Vitals(cpu, 1, 0)))
    conductor.roster.lost.add("slow")
    return conductor


def test_each_worker_has_a_row_of_its_own() -> None:
    conductor = two_workers()
    facts = gather(conductor, datetime.now(UTC), RunState.FINISHED, target_users=10, now_ns=5 * NS_PER_S)
    summary = build_summary(facts)
    assert first_fault(summary) is None
    quick, slow, beside = list(summary["workers"] or [])
    assert (quick["name"], quick["host"], quick["users"], quick["cpu_percent_max"], quick["lost"]) == (
        "quick", "host 1", 3, 20.0, False,
    )  # fmt: skip
    assert (slow["name"], slow["host"], slow["users"], slow["cpu_percent_max"], slow["lost"]) == (
        "slow", "host 2", 7, 90.0, True,
    )  # fmt: skip
    assert 0.9 < (quick["send_lag_ms_p99"] or 0) < 1.1
    assert 29 < (slow["send_lag_ms_p99"] or 0) < 31
    assert {each["clock_error_ms"] for each in (quick, slow)} == {None}, "no exchange has shown it yet"
    assert (beside["host"], beside["cpu_percent_max"], beside["send_lag_ms_p99"]) == ("host 1", None, None)
    assert summary["generator"]["cpu_percent_max"] == 90.0


def test_of_tasks_of_a_locustfile_the_users_are_unknown() -> None:
    facts = gather(
        two_workers(scenario_users=False), datetime.now(UTC), RunState.FINISHED, target_users=10, now_ns=NS_PER_S
    )
    assert {worker.users for worker in facts.workers or ()} == {None}
