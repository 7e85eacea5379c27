"""How many users Locust is to have at each moment, where stages or a search say so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.swarm.runs import configured

if TYPE_CHECKING:
    from wps_load.swarm.shapes import UsersInSteps

pytestmark = pytest.mark.usefixtures("unpatched_locust")

STAGES: dict[str, Any] = {"stages": "2:10s,4:10s"}
SEARCH: dict[str, Any] = {"capacity": "users:3..9", "slo": "connect p95 < 2s"}


def steps(shape: Any = None) -> tuple[UsersInSteps, Any]:
    """And Locust's environment."""
    from locust.env import Environment

    from wps_load.swarm.shapes import UsersInSteps

    environment: Any = Environment(shape_class=shape)
    return UsersInSteps(environment, environment.create_local_runner()), environment


def after(environment: Any, seconds: float) -> Any:
    """The answer of Locust's shape this many seconds after its start."""
    shape = environment.shape_class
    shape.reset_time()
    shape.start_time -= seconds
    return shape.tick()


@pytest.mark.parametrize(
    ("options", "in_force"),
    [(STAGES, True), (SEARCH, True), ({"stages": "rate:30:10s"}, False), ({}, False)],
    ids=["stages of users", "a search of users", "stages of the rate", "one number"],
)
def test_a_shape_is_there_where_the_number_of_users_changes_by_plan(options: dict[str, Any], in_force: bool) -> None:
    found, environment = steps()
    found.install(configured(**STAGES))
    found.install(configured(**options))
    assert found.in_force is in_force, "the last run's shape is gone"
    assert in_force or environment.shape_class is None


def test_a_shape_of_the_locustfiles_own_stays() -> None:
    from locust import LoadTestShape

    class Own(LoadTestShape):
        def tick(self) -> None:
            return None

    own = Own()  # type: ignore[no-untyped-call]
    found, environment = steps(own)
    found.install(configured())
    assert environment.shape_class is own
    assert not found.in_force


def test_stages_are_followed_and_end() -> None:
    found, environment = steps()
    config = configured(2, **STAGES)
    found.install(config)
    found.begin()
    rate = config.spawn_rate
    assert [after(environment, at) for at in (1, 11, 21)] == [(2, rate), (4, rate), None]


def test_a_search_begins_at_the_bottom_and_has_what_it_wants_until_it_ends() -> None:
    found, environment = steps()
    config = configured(**SEARCH)
    found.install(config)
    found.begin()
    assert after(environment, 1) == (3, config.spawn_rate)
    found.want(7)
    assert after(environment, 1) == (7, config.spawn_rate)
    found.end()
    assert after(environment, 1) is None
    found.begin()
    assert after(environment, 1) == (3, config.spawn_rate), "another run"


def test_the_run_time_which_locust_leaves_to_a_shape_is_obeyed() -> None:
    found, environment = steps()
    found.install(configured(run_time_s=60.0, **SEARCH))
    found.begin()
    assert after(environment, 59) is not None
    assert after(environment, 60) is None


def test_a_high_spawn_rate_is_warned_of_once_and_everything_else_each_time() -> None:
    from wps_load.swarm.shapes import Once

    def record(level: int, text: str) -> logging.LogRecord:
        return logging.LogRecord("locust.runners", level, "", 0, text, None, None)

    once, high = Once(), "Your selected spawn rate is very high"
    assert [bool(once.filter(record(logging.WARNING, high))) for _ in range(3)] == [True, False, False]
    assert once.filter(record(logging.WARNING, "Your selected spawn rate is too high")), "another one"
    assert all(once.filter(record(logging.INFO, high)) for _ in range(2))
    assert all(once.filter(record(logging.WARNING, "Worker is missing")) for _ in range(2))
