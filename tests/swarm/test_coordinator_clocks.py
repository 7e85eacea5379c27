"""Nothing that has an instant in it goes to an agent whose clock is not known yet."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from wps_load.clock import NS_PER_S, now_ns
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.clocks import EXCHANGES, host_identity
from wps_load.swarm.coordinator import Coordinator, Expected, RunPlan

PATIENCE_S = 5
HOUR_NS = 3600 * NS_PER_S
NUMBER = 7


class Wire:
    """What the coordinator says to whom; `answers`: those that tell their clock when they are asked."""

    def __init__(self) -> None:
        self.on_coordinator: Any = None
        self.on_agent: Any = None
        self.said: list[tuple[str | None, str, dict[str, Any]]] = []
        self.clocks: dict[str, int] = {}

    def to_agents(self, kind: str, data: dict[str, Any], agent: str | None = None) -> None:
        self.said.append((agent, kind, data))
        if kind == "ping" and agent in self.clocks:
            answer = {"sent_ns": data["sent_ns"], "agent_ns": now_ns() + self.clocks[agent]}
            if self.clocks[agent]:
                gevent.spawn(self.hear, agent, "pong", answer)
            else:
                self.hear(agent, "pong", answer)  # within the call, as in one process

    def to_coordinator(self, kind: str, data: dict[str, Any]) -> None:
        raise AssertionError

    def hear(self, agent: str, kind: str, data: dict[str, Any]) -> None:
        self.on_coordinator(agent, kind, {**data, "run": NUMBER})

    def agents(self) -> set[str]:
        return {"near", "far"}

    def report_to_locust(self) -> None:
        raise AssertionError

    def kinds(self, agent: str) -> list[str]:
        return [kind for to, kind, _ in self.said if to == agent and kind != "ping"]

    def data(self, agent: str, kind: str) -> dict[str, Any]:
        return next(data for to, said, data in self.said if (to, said) == (agent, kind))


def config() -> RunConfig:
    return load({"wps_scenario": "idle", "wps_settle": "0s"}, users=4, spawn_rate=100.0, environ={})


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def coordinator(wire: Wire) -> Any:
    plan = RunPlan("run", NUMBER, config(), 4, now_ns())
    everybody = Expected(4, 4, 4)
    made = Coordinator(
        plan, wire, spawn_rate=lambda: 100.0, expected_users=lambda: everybody, requested_users=lambda: 4
    )
    yield made
    gevent.killall(made._greenlets)


def until(condition: Any) -> None:
    with gevent.Timeout(PATIENCE_S):
        while not condition():
            gevent.sleep(0.005)


def test_a_worker_of_this_host_gets_its_slots_at_once(wire: Wire, coordinator: Coordinator) -> None:
    wire.clocks["near"] = 0
    wire.hear("near", "hello", {"host": host_identity()})
    wire.hear("near", "claim", {"count": 2})
    assert wire.kinds("near") == ["clock", "grant"]
    assert wire.data("near", "clock") == {"line": [0, 0, 0]}


def test_slots_and_schedules_of_another_host_wait_for_its_clock(wire: Wire, coordinator: Coordinator) -> None:
    wire.hear("far", "hello", {"host": "another"})
    wire.hear("far", "claim", {"count": 3})
    coordinator.spawning_complete()
    until(lambda: coordinator.measure_start_ns is not None)  # the settle time is over: publishing is announced
    wire.hear("far", "claim", {"count": 1})
    assert wire.kinds("far") == []
    assert coordinator.clocks.error_ns(now_ns()) is None
    wire.clocks["far"] = HOUR_NS
    answered_ns = now_ns()
    wire.hear("far", "pong", {"sent_ns": answered_ns, "agent_ns": answered_ns + HOUR_NS})
    until(lambda: "grant" in wire.kinds("far"))
    assert wire.kinds("far")[:3] == ["clock", "stint", "grant"]
    slots = wire.data("far", "grant")["slots"]
    assert len(slots) == 4
    assert slots[0][2] >= answered_ns, "due from when they can be met"
    _, offset_ns, _ = wire.data("far", "clock")["line"]
    assert abs(offset_ns + HOUR_NS) < NS_PER_S
    error_ns = coordinator.clocks.error_ns(now_ns())
    assert error_ns is not None
    assert 0 < error_ns < NS_PER_S
    assert sum(kind == "ping" for _, kind, _ in wire.said) >= EXCHANGES


def test_a_worker_that_comes_late_with_another_clock(wire: Wire, coordinator: Coordinator) -> None:
    wire.clocks["near"] = 0
    wire.hear("near", "hello", {"host": host_identity()})
    coordinator.spawning_complete()
    until(lambda: "stint" in wire.kinds("near"))
    wire.clocks["far"] = -HOUR_NS
    wire.hear("far", "hello", {"host": "another"})
    wire.hear("far", "claim", {"count": 1})
    until(lambda: "grant" in wire.kinds("far"))
    assert wire.kinds("far") == ["clock", "stint", "grant"]
    assert wire.data("far", "stint")["start_ns"] == wire.data("near", "stint")["start_ns"]
