"""Whole searches and stages: on a service whose limit is known, in seconds that pass as soon as they are waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from tests.client.engine_runs import until
from tests.swarm.runs import FakeCrowd, conducted, planned, second
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import load_stepper
from wps_load.swarm.bus import LocalBus
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.load_stepper import LoadStepper
from wps_load.swarm.run_plan import Expected

BEGAN_NS = 1_000 * NS_PER_S
LATER_NS = NS_PER_MS
"""A second is known a moment after its end."""
SLOW_MS, QUICK_MS = 900, 5


class Told(Coordinator):
    """What a search asks of it. Users come when they are requested."""

    def __init__(self, conductor: Conductor, crowd: FakeCrowd) -> None:
        super().__init__(conductor, LocalBus(), crowd)
        self.rates: list[int] = []
        self.retries = 0

    def set_rate(self, per_second: int, at_ns: int) -> None:
        self.rates.append(per_second)

    def retry(self) -> None:
        self.retries += 1

    def await_users(self, count: int, patience_ns: int) -> Expected:
        return Expected(count, count, count)


class Service(LoadStepper):
    """It carries `limit` messages or users a second; what is above queues up, and makes it slow."""

    def __init__(self, config: RunConfig, *, limit: int, run_time_s: int | None = None) -> None:
        self.now_ns, self.limit = BEGAN_NS, limit
        self.said: list[str] = []
        self.ends = 0
        self.users = 10
        self.asked: list[int] = []
        run_time_ns = None if run_time_s is None else run_time_s * NS_PER_S
        crowd = FakeCrowd(10)
        self.conducted = conducted(
            planned(config, started_ns=BEGAN_NS, run_time_ns=run_time_ns, scenario_users=False), crowd
        )
        self.conducted.tick(BEGAN_NS, set())
        self.told = Told(self.conducted, crowd)
        self._queue = 0
        super().__init__(self.told, set_users=self._have, say=self.said.append, end=self._over)

    def _have(self, count: int) -> None:
        self.users = count
        self.asked.append(count)

    def _over(self) -> None:
        self.ends += 1

    def await_second(self, second: int) -> None:
        while self.conducted.collector.timeline.count < second:
            self._play()
        self.now_ns = max(self.now_ns, BEGAN_NS + second * NS_PER_S + LATER_NS)

    def _play(self) -> None:
        rate = self.told.rates[-1] if self.told.rates else 0
        delivered = min(self.limit, rate + self._queue)
        self._queue += rate - delivered
        times = Histogram()
        times.record((SLOW_MS if self._queue else QUICK_MS) * NS_PER_MS, max(1, delivered))
        at_s = self.conducted.collector.timeline.count + 1.0
        connected = min(self.users, self.limit)
        self.conducted.collector.write(
            second(at_s, Snapshot({"rtt": times}), users=connected, offered=rate, published=rate, delivered=delivered)
        )


Make = Callable[..., Service]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(*, limit: int = 1_000_000, run_time_s: int | None = None, **options: str) -> Service:
        given = {"slo": "rtt p99 < 100ms", **options}
        values = {f"wps_{name}": text for name, text in given.items()}
        config = load(values, users=10, spawn_rate=10.0, run_time_s=run_time_s, environ={}, sources={})
        service = Service(config, limit=limit, run_time_s=run_time_s)
        monkeypatch.setattr(load_stepper, "now_ns", lambda: service.now_ns)
        return service

    return made


def capacity(service: Service) -> dict[str, Any]:
    found: Any = service.summary()
    assert found is not None
    return dict(found)


def test_the_limit_of_a_service_is_bracketed_by_loads_that_held_and_that_did_not(make: Make) -> None:
    service = make(capacity="rate:50..400", limit=140)
    service.search()
    found = capacity(service)
    assert (found["variable"], found["bound_by"]) == ("rate", "service")
    assert found["low"] <= 140 < found["high"] <= 1.2 * 140
    assert found["value"] == found["low"]
    outcomes = {row["load"]: row["outcome"] for row in found["steps"]}
    assert all((outcome == "held") is (load <= 140) for load, outcome in outcomes.items())
    assert service.held is not None
    assert service.held.load == max(load for load in outcomes if load <= 140)
    slos = service.best_slo()
    assert slos is not None
    assert [row["verdict"] for row in slos] == ["pass"]
    assert service.said[-1] == found["answer"]
    assert len(service.said) == len(found["steps"]) + 1


def test_after_a_step_that_failed_the_load_is_the_lowest_until_what_has_queued_up_is_delivered(make: Make) -> None:
    service = make(capacity="rate:50..400", limit=140)
    service.search()
    steps = [row["load"] for row in capacity(service)["steps"]]
    failed = [load for load in steps if load > 140]
    assert failed
    assert service.told.rates == [rate for load in steps for rate in ([load, 50] if load in failed else [load])]


@pytest.mark.parametrize(
    ("limit", "bound_by", "value"),
    [(1_000_000, "range", 400), (10, "range", None)],
    ids=["more than the range", "less than the range"],
)
def test_a_limit_outside_of_the_range_is_said_to_be_there(
    make: Make, limit: int, bound_by: str, value: int | None
) -> None:
    service = make(capacity="rate:50..400", limit=limit)
    service.search()
    found = capacity(service)
    assert (found["value"], value in (None, service.held.load if service.held else None)) == (value, True)
    assert (service.held is None) is (value is None)
    assert (service.best_slo() is None) is (value is None)
    assert value is None or found["bound_by"] == bound_by


def test_a_run_that_has_no_time_for_another_step_says_that_it_was_the_time(make: Make) -> None:
    service = make(capacity="rate:50..400", limit=140, run_time_s=20)
    service.search()
    found = capacity(service)
    assert found["bound_by"] == "time"
    assert len(found["steps"]) < 4


def test_a_search_of_users_asks_for_them_and_for_the_lowest_number_after_a_failure(make: Make) -> None:
    service = make(capacity="users:10..80", scenario="idle", slo="connected >= 99%", limit=33)
    service.search()
    found = capacity(service)
    assert found["variable"] == "users"
    assert found["low"] <= 33 < found["high"]
    assert service.told.retries == sum(row["outcome"] == "failed" for row in found["steps"])
    played = [(row["load"], row["outcome"]) for row in found["steps"]]
    assert service.asked == [users for load, outcome in played for users in ([load, 10][: 1 + (outcome == "failed")])]
    assert service.told.rates == [], "the rate stays"


def test_a_run_that_ends_under_a_step_ends_the_search_without_it(make: Make) -> None:
    service = make(capacity="rate:50..400")
    service.conducted.drain(BEGAN_NS)
    service.search()
    assert capacity(service)["steps"] == []


def test_when_publishing_begins_the_search_does_and_ends_the_run(make: Make) -> None:
    service = make(capacity="rate:50..400", limit=140)
    assert service.summary() is None
    service.begin()
    until(lambda: service.ends, "the run was told to end")
    assert capacity(service)["bound_by"] == "service"
    assert service.stages() is None


def test_stages_of_the_rate_follow_each_other_and_each_has_its_own_figures(make: Make) -> None:
    service = make(stages="rate:50:10s,rate:100:10s", limit=80)
    assert service.stages() is not None
    service.begin()
    gevent.sleep(0)
    assert service.told.rates == [50]
    service.await_second(10)
    until(lambda: len(service.told.rates) == 2, "the second stage was set")
    service.await_second(21)
    until(lambda: service.ends, "the run was told to end")
    found = service.stages()
    assert found is not None
    assert [(row["load"], row["published_per_s"]) for row in found["steps"]] == [(50, 50.0), (100, 100.0)]
    quick, slow = (row["p99"] or 0 for row in found["steps"])
    assert quick < 100 < slow
    assert service.summary() is None


def test_a_stage_that_was_not_reached_has_no_figures(make: Make) -> None:
    service = make(stages="rate:50:10s,rate:100:10s")
    service.begin()
    gevent.sleep(0)
    service.await_second(9)
    service.conducted.drain(service.now_ns)
    found = service.stages()
    assert found is not None
    assert [row["load"] for row in found["steps"]] == [50]
