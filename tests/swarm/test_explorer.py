"""The steps of a search, on seconds that are there already."""

from __future__ import annotations

import pytest

from tests.swarm.runs import FakeCrowd, conducted, planned
from tests.swarm.runs import second as interval
from wps_load.capacity.forecast import fan_out
from wps_load.clock import NS_PER_S, now_ns
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.bus import LocalBus
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.load_stepper import (
    LONGEST_S,
    SETTLE_S,
    SHORTEST_S,
    USUAL_S,
    LoadStepper,
    come_and_go,
    deliveries_of_one,
    step_seconds,
)
from wps_load.swarm.run_plan import Expected

LOAD = 100


def configured(**options: str) -> RunConfig:
    chosen = {"capacity": "rate:50..200", "slo": "connect p95 < 2s", **options}
    given = {f"wps_{name}": text for name, text in chosen.items()}
    return load(given, users=10, spawn_rate=None, run_time_s=None, environ={}, sources={})


class FakeCoordinator(Coordinator):
    """The coordinator of a run whose seconds exist already: users come when they are requested."""

    def __init__(self, conductor: Conductor, crowd: FakeCrowd) -> None:
        super().__init__(conductor, LocalBus(), crowd)
        self.waits: list[str] = []

    def retry(self) -> None:
        self.waits.append("retry")

    def await_users(self, count: int, patience_ns: int) -> Expected:
        self.waits.append(f"{count} users")
        return self.crowd.expected()._replace(everybody=count)


class Foreseen(LoadStepper):
    """Of a run whose next minute is known already: each second comes when it is waited for."""

    delivered = LOAD

    def __init__(self, coordinator: FakeCoordinator) -> None:
        super().__init__(coordinator, set_users=lambda count: None, say=lambda text: None, end=lambda: None)
        self.waits, self.conducted = coordinator.waits, coordinator.conductor

    def await_second(self, second: int) -> None:
        collector = self.conducted.collector
        for at in range(collector.timeline.count + 1, second + 1):
            collector.write(interval(float(at), users=10, offered=LOAD, published=LOAD, delivered=self.delivered))


def explorer(
    *, delivered: int = LOAD, left_s: float | None = None, stopping: bool = False, ours: int = 10, **options: str
) -> Foreseen:
    """Of a coordinator whose next minute is known already: each second `delivered` of a hundred messages arrive."""
    started_ns = now_ns()
    run_time_ns = None if left_s is None else int(left_s * NS_PER_S)
    crowd = FakeCrowd(10, ours=ours)
    conductor = conducted(planned(configured(**options), started_ns=started_ns, run_time_ns=run_time_ns), crowd)
    if stopping:
        conductor.drain(started_ns)
    found = Foreseen(FakeCoordinator(conductor, crowd))
    found.delivered = delivered
    return found


def test_a_step_is_measured_after_its_load_has_taken_effect() -> None:
    step = explorer().step("rate", LOAD, 10)
    assert step is not None
    assert step.measure_s == 10.0
    assert step.from_s >= SETTLE_S
    assert [row["t_s"] for row in step.rows] == [step.from_s + n for n in range(1, 11)]


def test_a_hopeless_step_ends_at_once_and_a_bad_one_does_not() -> None:
    hopeless, bad = explorer(delivered=50).step("rate", LOAD, 10), explorer(delivered=95).step("rate", LOAD, 10)
    assert hopeless is not None
    assert hopeless.measure_s == SHORTEST_S
    assert bad is not None
    assert bad.measure_s == 10.0


@pytest.mark.parametrize(("still_open", "low", "asked", "quiet_s"), [(10, 50, 0, 1), (4, 50, 1, 2), (4, 1, 1, 10)])
def test_after_a_step_that_cost_connections_the_next_one_waits_for_them(
    still_open: int, low: int, asked: int, quiet_s: int
) -> None:
    """And for what was lost with them to be known: ten publishers at `low` messages a second tell with their next."""
    found = explorer()
    found.conducted.collector.connected("a", still_open)
    assert found.reconnect(low) == quiet_s
    assert found.waits == ["retry", "10 users"] * asked


def test_a_step_that_the_end_of_the_run_cut_short_is_none() -> None:
    assert explorer(stopping=True).step("rate", LOAD, 10) is None


@pytest.mark.parametrize(
    ("left_s", "steps_left", "recovery_s", "seconds"),
    [
        (None, 8, 0.0, USUAL_S),
        (110.0, 8, 0.0, 8),
        (20.0, 8, 0.0, SHORTEST_S),
        (3600.0, 8, 0.0, LONGEST_S),
        (110.0, 2, 0.0, 24),
        (110.0, 8, 6.0, 5),
    ],
)
def test_the_steps_to_come_share_the_time_that_is_left(
    left_s: float | None, steps_left: int, recovery_s: float, seconds: int
) -> None:
    """Recovering from those that fail takes its time too."""
    assert step_seconds(left_s, steps_left, recovery_s) == seconds


def test_of_users_those_of_other_classes_are_not_requested() -> None:
    step = explorer(capacity="users:10..40", ours=10).step("users", 20, 3)
    assert step is not None
    assert step.load == 20
    assert step.target_users == 10
    assert step.users_missing() is None


@pytest.mark.parametrize(
    ("scenario", "by_plan"),
    [("echo", False), ("idle", False), ("churn", True), ("slow-consumer", True)],
)
def test_where_users_come_and_go_by_plan(scenario: str, by_plan: bool) -> None:
    assert come_and_go(configured(capacity="users:10..40", scenario=scenario)) is by_plan


def test_what_slow_readers_get_is_not_waited_for() -> None:
    slow = configured(scenario="slow-consumer", slow="20% 1KiB/s")
    assert deliveries_of_one(slow, 100) == pytest.approx(0.8 * fan_out(slow, 100))
    usual = configured(scenario="big-group")
    assert deliveries_of_one(usual, 100) == fan_out(usual, 100)
