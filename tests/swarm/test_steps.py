from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.swarm.runs import second
from wps_load.capacity.search import Outcome
from wps_load.measure import thresholds
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.load_steps import describe
from wps_load.report.step_doubts import GENERATOR_TOO
from wps_load.swarm.measured_steps import StepSeconds, cut, hopeless, judge
from wps_load.swarm.watch import WatchedSeconds

MS = 1_000_000
SLOS = thresholds.parse("rtt p99 < 100ms, loss = 0")


def seconds(count: int, **columns: int) -> list[dict[str, Any]]:
    usual = {"offered": 100, "published": 100, "delivered": 100, "lost": 0, "users": 10, "cpu_percent": 20.0}
    return [{"t_s": float(t + 1), **usual, **columns} for t in range(count)]


def step(rows: list[dict[str, Any]], *, rtt_ms: float = 5.0, lag_ms: float = 0.1, fan_out: float = 1.0) -> StepSeconds:
    snapshot = Snapshot()
    snapshot.histograms["rtt"] = rtt = Histogram()
    rtt.record(round(rtt_ms * MS), 1_000)
    snapshot.histograms["send_lag"] = lag = Histogram()
    lag.record(round(lag_ms * MS), 1_000)
    return StepSeconds(100, 0, len(rows), rows, snapshot, target_users=10, fan_out=fan_out)


def test_a_load_that_keeps_the_slo_is_held() -> None:
    assert judge(step(seconds(10)), SLOS, "rtt") == (Outcome.HELD, [])


def test_a_broken_slo_fails_and_is_named() -> None:
    assert judge(step(seconds(10), rtt_ms=250), SLOS, "rtt") == (Outcome.FAILED, ["rtt p99 < 100ms"])


def test_deliveries_that_fall_behind_fail_before_any_latency_does() -> None:
    outcome, reasons = judge(step(seconds(10, delivered=95)), SLOS, "rtt")
    assert outcome is Outcome.FAILED
    assert reasons == ["deliveries fell behind publications by 5.0%"]


def test_a_hiccup_as_the_step_ends_is_not_a_queue() -> None:
    rows = [*seconds(9), {**seconds(1)[0], "delivered": 80, "t_s": 10.0}]
    assert judge(step(rows), SLOS, "rtt") == (Outcome.HELD, [])


def test_what_is_on_its_way_when_a_short_step_ends_is_not_a_queue_nor_are_two_messages() -> None:
    three = step([{**row, "delivered": 95} if row["t_s"] == 1.0 else row for row in seconds(3)])
    assert judge(three, SLOS, "rtt") == (Outcome.HELD, [])
    assert judge(step(seconds(3, delivered=95)), SLOS, "rtt")[0] is Outcome.FAILED
    slow = [
        {**row, "delivered": 8} if row["t_s"] == 1.0 else row
        for row in seconds(3, offered=10, published=10, delivered=10)
    ]
    assert judge(step(slow), SLOS, "rtt") == (Outcome.HELD, [])


def failing(rows: list[dict[str, Any]], failures: dict[tuple[str, str], int], **times: float) -> StepSeconds:
    made = step(rows, **times)
    return replace(made, failures=failures)


SHED = {
    "ended": ({("disconnect", "closed_1006"): 3}, {}, "the service ended 3 connections (closed_1006)"),
    "ended once": ({("disconnect", "closed_1013"): 1}, {}, "the service ended 1 connection (closed_1013)"),
    "throttled": ({("connect", "http_429"): 2}, {}, "the service refused 2 connections (http_429)"),
    "unavailable": ({("connect", "http_503"): 2}, {}, "the service refused 2 connections (http_503)"),
    "no answer": ({("connect", "upgrade_timeout"): 2}, {}, "the service refused 2 connections (upgrade_timeout)"),
    "hangs": (
        {},
        {"published": 90, "delivered": 90, "send_failed_service": 10},
        "100 of 1,000 messages due could not be",
    ),
}


@pytest.mark.parametrize("way", list(SHED))
def test_a_service_that_gets_rid_of_load_has_failed_whatever_was_left_unsent_for_it(way: str) -> None:
    failures, columns, reason = SHED[way]
    shed = failing(seconds(10, **columns), failures)
    outcome, reasons = judge(shed, SLOS, "rtt")
    assert outcome is Outcome.FAILED
    assert reasons[0].startswith(reason)
    assert (shed.carried is None) is (way in ("ended", "ended once", "hangs")), "refusals say how many were let in"


def test_where_both_are_at_their_limit_it_says_both_and_the_service_has_failed() -> None:
    both = failing(seconds(10), {("disconnect", "closed_1006"): 3}, rtt_ms=250, lag_ms=200)
    outcome, reasons = judge(both, SLOS, "rtt")
    assert (outcome, reasons[-1][: len(GENERATOR_TOO)]) == (Outcome.FAILED, GENERATOR_TOO)


@pytest.mark.parametrize("columns", [{"send_failed_service": 1}, {"send_failed_plan": 50}])
def test_a_few_that_the_service_kept_from_being_sent_and_any_that_our_plan_did_are_not_a_failure(
    columns: dict[str, int],
) -> None:
    published = 100 - sum(columns.values())
    rows = seconds(10, published=published, delivered=published, **columns)
    assert judge(step(rows), SLOS, "rtt") == (Outcome.HELD, [])


def test_of_users_who_was_refused_while_a_crowd_connected_may_be_there_by_now() -> None:
    refused = failing(seconds(10), {("connect", "http_429"): 2})
    assert judge(refused, SLOS, "rtt", of_users=True) == (Outcome.HELD, [])
    ended = failing(seconds(10), {("disconnect", "closed_1001"): 2})
    assert judge(ended, SLOS, "rtt", of_users=True)[0] is Outcome.FAILED


def test_a_worker_that_used_up_its_core_says_nothing_about_the_service() -> None:
    saturated = step(seconds(10, delivered=80, cpu_percent=99))
    outcome, reasons = judge(saturated, SLOS, "rtt")
    assert (outcome, reasons[-1]) == (Outcome.GENERATOR, "a worker used 99 % of a core")
    busy_once = step([{**row, "cpu_percent": 99 if row["t_s"] < 4 else 40} for row in seconds(10, delivered=80)])
    assert judge(busy_once, SLOS, "rtt")[0] is Outcome.FAILED


def test_a_step_is_hopeless_when_a_tenth_did_not_arrive_or_could_not_be_sent() -> None:
    assert not hopeless(seconds(3), 1.0)
    assert hopeless(seconds(3, delivered=80), 1.0)
    assert hopeless(seconds(3, published=80, delivered=80, send_failed_service=20), 1.0)


def test_users_that_were_requested_must_be_there_whatever_the_slo_says() -> None:
    absent = step(seconds(10, users=4))
    assert judge(absent, SLOS, "rtt", of_users=True) == (Outcome.FAILED, ["only 4 of 10 users connected"])
    assert judge(absent, SLOS, "rtt") == (Outcome.HELD, []), "of a rate it is the rate that counts"
    assert judge(step(seconds(10)), SLOS, "rtt", of_users=True) == (Outcome.HELD, [])


def test_users_that_come_and_go_were_there() -> None:
    rows = [{**row, "users": 9 if row["t_s"] % 2 else 10} for row in seconds(10)]
    assert judge(step(rows), SLOS, "rtt", of_users=True) == (Outcome.HELD, [])


def test_of_users_that_come_and_go_some_are_away_and_some_may_be_refused() -> None:
    away = step(seconds(10, users=8))
    assert judge(away, SLOS, "rtt", of_users=True, come_and_go=True) == (Outcome.HELD, [])
    away.snapshot.failures["connect", "http_429"] = 30
    assert judge(away, SLOS, "rtt", of_users=True, come_and_go=True)[0] is Outcome.FAILED


def test_connects_of_a_step_are_those_since_its_users_were_requested() -> None:
    def watched(from_s: int, to_s: int) -> WatchedSeconds:
        found = WatchedSeconds(from_s, to_s)
        for at in range(1, 30):
            snapshot = Snapshot({"rtt": Histogram()})
            snapshot.histograms["rtt"].record(MS)
            if at in (2, 12):
                snapshot.histograms["connect"] = Histogram()
                snapshot.histograms["connect"].record(at * MS)
            if at == 12:
                snapshot.failures["connect", "http_429"] = 7
            found.add(second(float(at), snapshot, published=1))
        return found

    def connects(since_s: int, from_s: int, to_s: int) -> tuple[int, float, int]:
        asked, whole = watched(since_s, to_s), watched(0, to_s)
        found = cut(10, watched(from_s, to_s), target_users=10, fan_out=1.0, connects=[asked, whole])
        assert found.row("rtt")["count"] == found.total("published") == to_s - from_s
        row = found.row("connect")
        return int(row["count"] or 0), round(float(row["max"] or 0)), int(row["failures"] or 0)

    assert connects(10, 15, 20) == (8, 12, 7), "the failures are counted too"
    assert connects(1, 5, 10) == (1, 2, 0)
    assert connects(20, 22, 25) == (9, 12, 7), "all were there already: what is known of the run"


def test_a_stretch_that_is_not_over_ends_where_it_was_seen_last() -> None:
    watch = WatchedSeconds(3.0, 100.0)
    for at in range(1, 8):
        watch.add(second(float(at), published=2))
    found = cut(10, watch, target_users=10, fan_out=1.0)
    assert (found.from_s, found.to_s, found.total("published")) == (3, 7, 8)


def test_users_that_this_machine_could_not_connect_say_nothing_about_the_service() -> None:
    absent = step(seconds(10, users=4, offered=200))
    absent.snapshot.failures["connect", "connect_ports_exhausted"] = 6
    outcome, reasons = judge(absent, SLOS, "rtt", of_users=True)
    assert outcome is Outcome.GENERATOR
    assert reasons[1] == "this machine's limit: connect_ports_exhausted"


def test_users_that_a_late_generator_could_not_connect_say_nothing_about_the_service() -> None:
    absent = step(seconds(10, users=4), rtt_ms=250, lag_ms=130)
    assert judge(absent, SLOS, "rtt", of_users=True)[0] is Outcome.GENERATOR


def test_users_that_the_service_refused_are_its_limit_though_the_generator_was_late_as_well() -> None:
    rows = [{**row, "users": 4} for row in seconds(10)]
    refused = failing(rows, {("connect", "http_429"): 60}, rtt_ms=250, lag_ms=130)
    outcome, reasons = judge(refused, SLOS, "rtt", of_users=True)
    assert outcome is Outcome.FAILED
    assert reasons[:2] == ["only 4 of 10 users connected", "the service refused 60 connections (http_429)"]
    assert reasons[2].startswith(GENERATOR_TOO)
    silent = failing(rows, {("connect", "upgrade_timeout"): 60}, rtt_ms=250, lag_ms=130)
    assert judge(silent, SLOS, "rtt", of_users=True)[0] is Outcome.GENERATOR, "it may have missed the answers"
    mixed = failing(rows, {("connect", "http_429"): 60, ("connect", "connect_ports_exhausted"): 1})
    assert judge(mixed, SLOS, "rtt", of_users=True)[0] is Outcome.GENERATOR


def test_what_was_carried_is_the_load_without_what_fell_behind_or_was_not_connected() -> None:
    assert step(seconds(10)).carried == 100
    assert step(seconds(10, delivered=60)).carried == pytest.approx(60)
    assert step(seconds(10, users=4)).carried == pytest.approx(40)
    assert step(seconds(10, users=12)).carried == 100


def test_falling_behind_counts_deliveries_to_all_members() -> None:
    assert judge(step(seconds(10, delivered=1_000), fan_out=10.0), SLOS, "rtt") == (Outcome.HELD, [])
    assert judge(step(seconds(10, delivered=900), fan_out=10.0), SLOS, "rtt")[0] is Outcome.FAILED


@pytest.mark.parametrize(("rtt_ms", "lag_ms", "published"), [(5.0, 0.1, 97), (250.0, 130.0, 100)], ids=["rate", "lag"])
def test_a_generator_that_cannot_keep_up_says_nothing_about_the_service(
    rtt_ms: float, lag_ms: float, published: int
) -> None:
    rows = seconds(10, published=published, delivered=published)
    assert judge(step(rows, rtt_ms=rtt_ms, lag_ms=lag_ms), SLOS, "rtt")[0] is Outcome.GENERATOR


def test_a_load_that_is_held_by_a_late_generator_is_held_all_the_more() -> None:
    assert judge(step(seconds(10), lag_ms=30.0), SLOS, "rtt") == (Outcome.HELD, [])


def test_a_step_without_data_is_not_held() -> None:
    empty = StepSeconds(100, 0, 3, seconds(3, offered=0, published=0, delivered=0), Snapshot(), 10, 1.0)
    assert judge(empty, SLOS, "rtt")[0] is Outcome.FAILED


def test_a_step_as_the_summary_shows_it() -> None:
    row = describe(step(seconds(4)), "rtt", Outcome.HELD, [])
    assert (row["load"], row["duration_s"], row["published_per_s"], row["outcome"]) == (100, 4.0, 100.0, "held")
    assert row["p99"] == pytest.approx(5.0, rel=1e-3)
