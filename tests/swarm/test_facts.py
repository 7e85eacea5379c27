"""A run's facts, of a conductor whose run is in its middle, at its end, or without its workers."""

from __future__ import annotations

import pytest

from tests.swarm.runs import NUMBER, conducted, configured, planned, report
from wps_load.clock import NS_PER_S, utc_now
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import RunFacts, RunState
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.facts import gather
from wps_load.swarm.messages import Accounts, ClockReply, Finals, Hello, ToCoordinator
from wps_load.swarm.stream_finals import NO_STREAMS

END_NS = 12 * NS_PER_S


def measuring(scenario_users: bool = True) -> Conductor:
    """Two agents; the measure phase begins after 2.2 s."""
    conductor = conducted(planned(configured(warmup="2s", settle="0s"), scenario_users=scenario_users))
    for agent in ("a", "b"):
        hear(conductor, agent, Hello("here"), 0)
        hear(conductor, agent, ClockReply(0, 0), 0)
    conductor.spawning_complete()
    conductor.tick(0, {"a", "b"})
    return conductor


def hear(conductor: Conductor, agent: str, message: ToCoordinator, now_ns: int) -> None:
    conductor.received(agent, NUMBER, message, now_ns)


def facts(conductor: Conductor, now_ns: int, state: RunState = RunState.RUNNING) -> RunFacts:
    return gather(conductor, utc_now(), state, target_users=10, now_ns=now_ns)


def test_in_the_middle_phases_go_on_until_now() -> None:
    found = facts(measuring(), 10 * NS_PER_S)
    assert [(phase.name, round(phase.duration_s, 3)) for phase in found.phases] == [
        ("connect", 0.0), ("settle", 0.2), ("warmup", 2.0), ("measure", 7.8),
    ]  # fmt: skip
    assert (found.duration_s, found.measure_s) == (10.0, 7.8)
    assert (found.totals, found.generator.workers, found.generator.workers_lost) == (None, 2, 0)
    assert found.generator.clock_error_ms == 0


def test_at_the_end_accounts_and_connections_are_complete() -> None:
    conductor = measuring()
    begin_ns = conductor.measure_start_ns
    assert begin_ns is not None
    conductor.drain(END_NS - NS_PER_S // 20)
    assert conductor.measure_end_ns == END_NS
    for agent in ("a", "b"):
        hear(conductor, agent, Finals(NO_STREAMS, [[0, 0, 0]], []), END_NS)
    conductor.tick(END_NS, {"a", "b"})
    counters = {"connections_opened": 6, "connections_dropped": 1, "bytes_received": 2049}
    presence = Presence(begin_ns, END_NS, 5 * 9.8, 5)
    for agent in ("a", "b"):
        parts = (EpochReport(0, 1, Snapshot(counters=counters)),)
        hear(conductor, agent, report(12, partial=True, presence=presence, parts=parts), END_NS)
        hear(conductor, agent, Accounts(LedgerTotals(5, 1, 5, 4, 1, 0, 0), 0), END_NS)
    conductor.tick(END_NS, {"a", "b"})
    found = facts(conductor, 99 * NS_PER_S, RunState.FINISHED)
    assert found.duration_s == 12.0, "it does not go on when it is over"
    assert found.totals == LedgerTotals(10, 2, 10, 8, 2, 0, 0)
    assert (found.offered, found.billed_outbound) == (12, 3)
    connections = found.connections
    assert (connections.opened, connections.dropped, connections.peak) == (12, 2, 10)
    assert (connections.open_mean, connections.open_end, connections.requested_end) == (10.0, 10, 10)


def test_a_worker_that_is_gone_is_counted_with_its_last_report() -> None:
    conductor = measuring()
    hear(conductor, "b", report(3, counts={"offered": 7, "published": 6, "delivered": 5}), 3 * NS_PER_S)
    conductor.tick(4 * NS_PER_S, {"a"})
    conductor.drain(5 * NS_PER_S)
    hear(conductor, "a", Finals(NO_STREAMS, [[0, 0, 0]], []), 5 * NS_PER_S)
    conductor.tick(6 * NS_PER_S, {"a"})
    hear(conductor, "a", report(6, partial=True), 6 * NS_PER_S)
    hear(conductor, "a", Accounts(LedgerTotals(3, 0, 3, 3, 0, 0, 0), 0), 6 * NS_PER_S)
    conductor.tick(7 * NS_PER_S, {"a"})
    found = facts(conductor, 8 * NS_PER_S, RunState.FINISHED)
    assert found.generator.workers_lost == 1
    assert found.totals is not None
    assert (found.totals.published, found.totals.delivered, found.totals.send_failed) == (9, 8, 1)


@pytest.mark.parametrize(
    ("scenario_users", "name", "measured", "accounted"),
    [(True, "echo", 5, True), (True, "echo", 0, True), (False, "locustfile", 0, False), (False, "locustfile", 5, True)],
)
def test_tasks_of_a_locustfile_have_accounts_of_what_they_measure(
    scenario_users: bool, name: str, measured: int, accounted: bool
) -> None:
    conductor = measuring(scenario_users)
    hear(conductor, "a", report(1), 1)
    hear(conductor, "a", Accounts(LedgerTotals(measured, 0, measured, measured, 0, 0, 0), 0), 2)
    found = facts(conductor, NS_PER_S)
    assert (found.scenario, found.totals is not None, found.has_messages) == (name, accounted, scenario_users)
    assert found.offered == (measured if accounted else None)
