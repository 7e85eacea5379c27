"""Agents that are not heard of: lost for good, or back with their accounts."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.clock import now_ns
from wps_load.settings.load import load
from wps_load.swarm.collector import PAUSE_S, Collector
from wps_load.swarm.coordinator import Coordinator, Expected, RunPlan


class FakeBus:
    """Who is alive is said by the test."""

    def __init__(self, *alive: str) -> None:
        self.alive = set(alive)
        self.on_coordinator: Any = None
        self.on_agent: Any = None
        self.sent: list[str] = []

    def to_coordinator(self, kind: str, data: Any) -> None:
        raise AssertionError

    def to_agents(self, kind: str, data: Any, agent: str | None = None) -> None:
        self.sent.append(kind)

    def agents(self) -> set[str]:
        return self.alive

    def report_to_locust(self) -> None:
        raise AssertionError


def tick(second: int, *, partial: bool = False) -> dict[str, Any]:
    zeros = dict.fromkeys(
        ("offered", "published", "send_failed_service", "send_failed_plan", "delivered", "missing", "missing_opened",
         "duplicated", "reordered"), 0,
    )  # fmt: skip
    health = {"cpu_percent": 1.0, "rss_bytes": 1, "gc_pause_ns": 0}
    return {"second": second, "partial": partial, "open": 5, "epoch": 1, "deltas": zeros, "totals": zeros,
            "health": health, "presence": None, "parts": []}  # fmt: skip


@pytest.fixture
def two() -> Any:
    bus = FakeBus("a", "b")
    config = load({"wps_report_dir": ""}, users=10, spawn_rate=None, environ={})
    plan = RunPlan("run", 7, config, 10, now_ns(), scenario_users=False)
    coordinator = Coordinator(
        plan, bus, spawn_rate=lambda: 10.0, expected_users=lambda: Expected(10, 10, 10), requested_users=lambda: 10
    )
    for agent in ("a", "b"):
        bus.on_coordinator(agent, "hello", {"host": "h", "run": 7})
    yield coordinator, bus
    import gevent

    gevent.killall(coordinator._greenlets)


def test_an_agent_that_comes_back_is_away_and_not_lost(two: Any) -> None:
    coordinator, bus = two
    bus.alive = {"a"}
    coordinator._note_lost()
    assert (coordinator.lost, coordinator.away) == ({"b"}, set())
    bus.alive = {"a", "b"}
    coordinator._note_lost()
    assert (coordinator.lost, coordinator.away) == (set(), {"b"})
    assert coordinator._silent(lambda state: state.finished) == ["a", "b"], "the drain waits for it again"


def test_an_agent_whose_accounts_came_is_not_lost_whatever_was_thought_of_it(two: Any) -> None:
    coordinator, bus = two
    bus.alive = {"a"}
    coordinator._note_lost()
    bus.on_coordinator("b", "final", {"run": 7, "totals": [3, 0, 3, 3, 0, 0, 0], "connecting": 0})
    coordinator._note_lost()
    assert (coordinator.lost, coordinator.away) == (set(), {"b"})


@pytest.mark.parametrize(("seconds", "paused"), [((1, 2, 3), {}), ((1, 4), {}), ((1, 2, 6, 7), {"a": PAUSE_S + 1})])
def test_seconds_without_a_report_are_a_pause(seconds: tuple[int, ...], paused: dict[str, int]) -> None:
    collector = Collector(0, load({}, users=1, spawn_rate=None, environ={}))
    collector.join("a")
    for second in seconds:
        collector.add("a", tick(second))
    assert collector.paused_s == paused
