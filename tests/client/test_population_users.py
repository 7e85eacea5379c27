"""The users of a population as they come and go: who is waited for, who leaves with it, and whom Locust has still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.client.engine_runs import settings, until
from tests.config_texts import CONNECTION
from wps_load.client.access import UrlAccess
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.population_users import PopulationRunner
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns

HOUR_NS = 3600 * NS_PER_S
USERS = 4


@contextmanager
def running(*, start_ns: int = 0, stop_ns: int | None = None, **options: Any) -> Iterator[PopulationRunner]:
    """Of a run that began just now. `start_ns`, `stop_ns`: of its only population, since then."""
    config = settings(CONNECTION, USERS, **options)
    population = replace(config.population, start_ns=start_ns, stop_ns=stop_ns)
    config = replace(config, populations=(population,))
    run = RunContext.create(
        config, run_id="r", number=7, users=USERS, network=Network.create(insecure=True), warn=lambda *_: None,
        started_ns=now_ns(),
    )  # fmt: skip
    runner = PopulationRunner(PopulationContext.create(run, population, UrlAccess("", in_header=False)))
    try:
        yield runner
    finally:
        runner.close()
        run.scheduler.close()


def counts(runner: PopulationRunner) -> tuple[int, int, int]:
    found = runner.readiness
    return found.settled, found.joiners, found.joined


def test_users_that_join_groups_are_waited_for_until_they_leave() -> None:
    with running(scenario="small-group") as runner:
        first, _ = (runner.admit(index, 0, now_ns()) for index in (0, 1))
        assert (sorted(runner.users), counts(runner)) == ([0, 1], (0, 2, 0))
        runner.dismiss(first)
        assert (sorted(runner.users), counts(runner)) == ([1], (0, 1, 0))
        runner.dismiss(first)
        assert counts(runner) == (0, 1, 0), "it has left"


def test_who_comes_in_the_place_of_another_is_not_dismissed_with_it() -> None:
    with running() as runner:
        old = runner.admit(0, 0, now_ns())
        new = runner.admit(0, 1, now_ns())
        assert new.stream != old.stream
        runner.dismiss(old)
        assert runner.users == {0: new}


def test_nobody_waits_for_users_of_a_population_that_starts_later() -> None:
    with running(start_ns=HOUR_NS, scenario="small-group") as runner:
        user = runner.admit(2, 0, now_ns())
        assert counts(runner) == (1, 0, 0), "it counts as settled at once"
        runner.dismiss(user)
        assert counts(runner) == (0, 0, 0)


def test_a_population_that_has_ended_takes_nobody_in_and_locust_keeps_what_it_has_of_them() -> None:
    with running(stop_ns=0) as runner:
        user = runner.admit(0, 0, now_ns())
        assert runner.users == {}
        assert counts(runner) == (1, 0, 0), "Locust's user is there, and not to be waited for"
        runner.dismiss(user)
        runner.dismiss(user)
        assert counts(runner) == (0, 0, 0)


def test_when_a_population_ends_all_its_users_leave_by_plan() -> None:
    with running(stop_ns=50 * NS_PER_MS) as runner:
        users = [runner.admit(index, 0, now_ns() + HOUR_NS) for index in (0, 1)]
        assert sorted(runner.users) == [0, 1]
        until(lambda: not runner.users, "it ended")
        assert counts(runner) == (2, 0, 0)
        for user in users:
            runner.dismiss(user)
        assert counts(runner) == (0, 0, 0)


def test_a_user_of_no_population_stays_away() -> None:
    with running() as runner:
        bystander = runner.admit_bystander(USERS + 1, now_ns())
        assert runner.users == {USERS + 1: bystander}
        assert (bystander.publisher, bystander.joins) == (None, False)
        assert counts(runner) == (1, 0, 0)
