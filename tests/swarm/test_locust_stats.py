"""wps-load's figures in Locust's table: rows that show tenths, what is added to which row, and what listeners get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.engine_runs import until
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import EpochReport

if TYPE_CHECKING:
    from wps_load.swarm.locust_stats import LocustTable

pytestmark = pytest.mark.usefixtures("unpatched_locust")

MS = 1_000_000


def times(*values_ms: float) -> Histogram:
    found = Histogram()
    found.record_many([int(value * MS) for value in values_ms])
    return found


def told(epoch: int = 1, pairs: Any = None, failures: Any = None, **metrics: Histogram) -> EpochReport:
    return EpochReport(0, epoch, Snapshot(metrics, failures or {}), pairs or {})


@pytest.fixture
def environment() -> Any:
    """Locust's, with our rows."""
    from locust.env import Environment

    from wps_load.swarm.locust_stats import make_precise

    made: Any = Environment()
    made.create_local_runner()
    make_precise(made.stats)
    return made


def table(environment: Any, *names: str) -> LocustTable:
    from wps_load.swarm.locust_stats import LocustTable

    return LocustTable(environment, frozenset({"rtt", "connect"}), names)


def counts(environment: Any) -> dict[str, int]:
    return {name: row.num_requests for (name, _), row in environment.stats.entries.items()}


def test_a_row_of_ours_shows_tenths_of_a_millisecond_and_one_of_others_what_locust_shows(environment: Any) -> None:
    table(environment).add(told(rtt=times(1.24, 3.56)))
    ours = environment.stats.get("rtt", "WPS")
    environment.stats.log_request("GET", "/", 12.3, 0)
    theirs = environment.stats.get("/", "GET")
    assert " 2.4 " in ours.to_string()
    assert " 2.4 " not in theirs.to_string()
    assert " 3.6 " in ours.percentile()
    assert ours.to_dict()["max_response_time"] == pytest.approx(3.56, rel=0.001)
    assert ours.to_string().count("|") == theirs.to_string().count("|")


def test_a_plain_row_that_a_worker_reported_becomes_one_of_ours(environment: Any) -> None:
    from locust.stats import StatsEntry

    plain = StatsEntry(environment.stats, "rtt", "WPS")
    plain.log(2.5, 0)  # type: ignore[arg-type]
    environment.stats.entries["rtt", "WPS"] = plain
    row = environment.stats.entries["rtt", "WPS"]
    assert (row.num_requests, " 2.5 " in row.to_string()) == (1, True)


@pytest.mark.parametrize("courses", [True, False])
def test_the_course_of_a_row_is_kept_where_somebody_reads_it(environment: Any, courses: bool) -> None:
    from wps_load.swarm.locust_stats import make_precise

    make_precise(environment.stats, courses=courses)
    assert environment.stats.get("rtt", "WPS").use_response_times_cache is courses
    assert environment.stats.total.use_response_times_cache, "the charts need it"


def test_metrics_of_people_are_rows_and_those_of_messages_count_in_the_last_one(environment: Any) -> None:
    table(environment).add(told(rtt=times(1, 2), connect=times(5), join_group=times(3), send_lag=times(1)))
    assert counts(environment) == {"rtt": 2, "connect": 1, "join_group": 1}, "the generator's own lag is no request"
    assert environment.stats.total.num_requests == 3


def test_before_the_measure_phase_connections_count_and_messages_do_not(environment: Any) -> None:
    table(environment).add(told(0, rtt=times(1, 2), connect=times(5)))
    assert counts(environment) == {"connect": 1}


def test_failures_are_requests_and_errors_of_one_label_are_one_row(environment: Any) -> None:
    shown = table(environment)
    for count in (3, 2):
        shown.add(told(rtt=times(1), failures={("rtt", "timeout"): count}))
    row = environment.stats.get("rtt", "WPS")
    assert (row.num_requests, row.num_failures) == (7, 5)
    (error,) = environment.stats.errors.values()
    assert (error.name, error.error, error.occurrences) == ("rtt", "timeout", 5)


def test_a_population_has_rows_of_its_own_and_no_second_error(environment: Any) -> None:
    own = Snapshot({"delivery": times(4)}, {("connect", "http_401"): 1})
    whole = told(delivery=times(4), failures={("connect", "http_401"): 1}, pairs={(0, 1): own})
    table(environment, "hosts", "viewers").add(whole)
    assert counts(environment) == {"delivery": 1, "connect": 1, "viewers/delivery": 1, "viewers/connect": 1}
    assert environment.stats.total.num_requests == 1, "of the run's own rows alone"
    assert [each.occurrences for each in environment.stats.errors.values()] == [1]


def test_who_wants_each_request_gets_each_and_nothing_is_added_twice(environment: Any) -> None:
    heard: list[tuple[str, float | None, str | None]] = []

    def listen(name: str, response_time: float | None, exception: str | None, **_: Any) -> None:
        heard.append((name, response_time, exception))

    environment.events.request.add_listener(listen)
    shown = table(environment)
    assert shown.fires()
    shown.add(told(rtt=times(1, 1, 2), send_lag=times(1), failures={("connect", "http_401"): 2}))
    until(lambda: len(heard) == 5, "all of them")
    assert sorted(name for name, _, _ in heard) == ["connect", "connect", "rtt", "rtt", "rtt"]
    assert sorted(round(at) for _, at, _ in heard if at is not None) == [1, 1, 2]
    assert [each for _, _, each in heard if each] == ["http_401"] * 2
    assert counts(environment) == {"rtt": 3, "connect": 2}, "by Locust's own listener"


def test_where_nobody_wants_each_request_none_is_made_up(environment: Any) -> None:
    shown = table(environment)
    assert not shown.fires()
    shown.fire(told(rtt=times(1)))
    assert counts(environment) == {}


def test_what_workers_told_is_shown_at_once_and_not_at_all_where_the_statistics_start_again(environment: Any) -> None:
    from wps_load.swarm.locust_stats import WorkersTable

    workers = WorkersTable(table(environment, "hosts", "viewers"))
    own = Snapshot({"rtt": times(1)})
    for _ in range(2):
        workers.take(told(rtt=times(1), pairs={(1, 1): own}))
    assert counts(environment) == {}
    workers.show()
    workers.show()
    assert counts(environment) == {"rtt": 2, "viewers/rtt": 2}
    workers.take(told(rtt=times(1)))
    workers.forget()
    workers.show()
    assert counts(environment)["rtt"] == 2
