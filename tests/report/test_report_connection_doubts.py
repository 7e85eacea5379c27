"""Open connections against requested ones: which runs are valid, and the doubts about the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.report.report_runs import facts
from wps_load.measure.snapshot import Snapshot
from wps_load.report.model import ConnectionCounts, RunFacts, RunState
from wps_load.report.summary import build_summary

SOUND = ConnectionCounts(
    target=50,
    requested_mean=50.0,
    requested_end=50,
    open_mean=50.0,
    open_end=50,
    connecting=0,
    opened=50,
    failed=0,
    dropped=0,
    reconnected=0,
    peak=50,
)
NONE = replace(SOUND, open_mean=0.0, open_end=0, opened=0, peak=0)


def run(connections: ConnectionCounts, **changes: Any) -> RunFacts:
    return facts(rate=2000, connections=connections, **changes)


def doubts(made: RunFacts) -> dict[str, tuple[str, str]]:
    return {d["name"]: (d["message"], d["advice"]) for d in build_summary(made)["doubts"]}


def errors(made: RunFacts) -> dict[str, str]:
    return {d["name"]: d["message"] for d in build_summary(made)["doubts"] if d["level"] == "error"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"open_mean": 25.0}, []),
        ({"open_mean": 24.9}, ["connections_missing"]),
        ({"open_end": 25}, []),
        ({"open_end": 24}, ["connections_missing"]),
        ({"failed": 900, "open_mean": 49.0}, []),
        ({"requested_mean": 120.0}, ["connections_missing"]),
        ({"requested_end": 101}, ["connections_missing"]),
        ({"open_mean": None, "open_end": None}, []),
    ],
)
def test_fewer_than_half_is_another_test(changes: dict[str, Any], found: list[str]) -> None:
    assert list(errors(run(replace(SOUND, **changes)))) == found


@pytest.mark.parametrize(
    ("changes", "failures", "said"),
    [
        (
            {"failed": 9},
            {("connect", "http_401"): 9},
            "None of 9 attempts to connect succeeded, most often with http_401",
        ),
        (
            {"connecting": 50},
            {("connect", "connect_unfinished"): 50},
            "None of 50 attempts to connect succeeded, 50 of them",
        ),
        ({}, {}, "None of 50 connections was attempted"),
    ],
)
def test_nothing_connected_is_invalid_however_it_came(
    changes: dict[str, Any], failures: dict[tuple[str, str], int], said: str
) -> None:
    for measure_s in (30.0, None):
        made = run(replace(NONE, **changes), failures=failures, totals=None, has_messages=False)
        made = replace(made, measure_s=measure_s)
        found = errors(made)
        assert list(found) == ["connections_failed"]
        assert found["connections_failed"].startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dropped": 40, "failed": 12}, "40 dropped; 12 attempts failed, most often with http_503."),
        ({"connecting": 30, "opened": 10, "peak": 10}, "30 attempts never ended; 10 were never tried."),
        ({}, "They opened too late."),
        ({"cut": 8, "recovered": 1}, "What happened: 7 that the scenario cut did not recover."),
    ],
)
def test_what_happened_is_said(changes: dict[str, Any], said: str) -> None:
    failures = {("connect", "http_503"): changes.get("failed", 0), ("connect", "connect_unfinished"): 30}
    made = run(
        replace(SOUND, open_mean=10.0, **changes),
        failures={key: n for key, n in failures.items() if n},
        has_messages=False,
    )
    assert errors(made)["connections_missing"].endswith(said)


@pytest.mark.parametrize("label", ["connect_files_exhausted", "connect_ports_exhausted", "connect_memory_exhausted"])
def test_one_connection_that_this_machine_kept_out_is_too_many(label: str) -> None:
    found = errors(run(SOUND, failures={("connect", label): 1}))
    assert list(found) == ["local_limit"]
    assert "not at the service" in found["local_limit"]


def test_what_a_nat_may_have_dropped_is_a_warning_and_excuses_nobody() -> None:
    made = run(SOUND, failures={("connect", "connect_timeout_snat"): 3, ("connect", "connect_timeout"): 2})
    (doubt,) = [each for each in build_summary(made)["doubts"] if each["name"] == "snat_suspected"]
    assert (doubt["level"], doubt["message"].startswith("3 attempts to connect got no answer")) == ("warning", True)
    assert errors(made) == {}
    without = build_summary(run(SOUND, failures={("connect", "connect_timeout"): 2}))["doubts"]
    assert "snat_suspected" not in {each["name"] for each in without}


def test_a_refusal_of_the_services_is_not_a_limit_of_ours() -> None:
    assert errors(run(SOUND, failures={("connect", "http_429"): 20})) == {}


def test_a_silent_run_without_a_measure_phase_has_measured_nothing() -> None:
    made = replace(run(SOUND, has_messages=False, totals=None), measure_s=None)
    assert "at most 50 of 50 connections" in errors(made)["not_measured"]
    assert errors(replace(made, state=RunState.RUNNING)).keys() == {"interrupted"}
    assert not errors(replace(made, connections=replace(SOUND, requested_end=0, requested_mean=0.0)))


def test_tasks_that_never_did_anything_have_passed_nothing() -> None:
    quiet = replace(NONE, requested_end=0, requested_mean=0.0)
    made = replace(run(quiet, has_messages=False, totals=None, slo="none"), snapshot=Snapshot())
    assert "The tasks of 50 users opened no connection" in errors(made)["not_measured"]
    by_rest = replace(made, snapshot=Snapshot({}, {("rest_publish", "rest_401"): 1}))
    assert not errors(by_rest), "users that send by REST have no connection"
    assert not errors(replace(made, connections=replace(quiet, target=0))), "there were other people's users only"


def test_users_that_never_joined_are_what_is_said() -> None:
    outside = {("join_group", "join_timeout"): 49, ("join_group", "ack_forbidden"): 1}
    nothing_due = {"totals": None, "timeline": (), "failures": outside}
    found = doubts(run(replace(SOUND, open_mean=None, requested_mean=None, open_end=None), **nothing_due))
    said, advice = found["no_messages"]
    assert said.startswith("No user ever joined its group (ack_forbidden 1x, join_timeout 49x), and no message")
    assert "--wps-roles" in advice
    _, advice = doubts(run(replace(SOUND, open_mean=0.0, open_end=0), failures=outside))["connections_missing"]
    assert "--wps-roles" in advice
    one_joined = run(replace(SOUND, open_mean=1.0, open_end=1), failures=outside)
    one_joined.snapshot.histograms["join_group"] = one_joined.snapshot.histograms["rtt"]
    assert "--wps-roles" not in doubts(one_joined)["connections_missing"][1]


def test_a_run_that_waited_for_connections_to_its_end_says_so() -> None:
    hanging = replace(SOUND, opened=8, peak=8, connecting=42, open_mean=None, requested_mean=None, open_end=None)
    found = doubts(replace(run(hanging, totals=None, timeline=()), measure_s=None))
    assert "42 of 50 users had neither connected nor failed" in found["no_messages"][0]
    assert "--wps-settle" in found["no_messages"][1]


def test_a_run_about_recovery_in_which_nothing_was_lost_is_not_a_pass() -> None:
    recovery = {"scenario": "recovery", "latencies": ("recover", "delivery"), "slo": "loss = 0"}
    assert list(errors(run(SOUND, **recovery))) == ["nothing_cut"]
    assert not errors(run(replace(SOUND, cut=3, recovered=3), **recovery))
    assert not errors(run(replace(SOUND, dropped=1), **recovery)), "the service's own losses do as well"
    assert not errors(run(SOUND, latencies=("delivery",), slo="loss = 0"))
    tasks = {**recovery, "scenario": "locustfile"}
    assert not errors(run(SOUND, **tasks)), "tasks over a reliable protocol are about something else"


def test_a_churn_in_which_nobody_left_is_not_a_pass() -> None:
    churn: dict[str, Any] = {"scenario": "churn", "latencies": (), "slo": "connect fail_ratio < 1%"}
    assert list(errors(run(replace(SOUND, closed_by_plan=0), **churn))) == ["nobody_left"]
    assert not errors(run(replace(SOUND, closed_by_plan=2, reconnected=2), **churn))
    assert "nobody_left" not in errors(run(NONE, **churn)), "nothing connected says it all"
    assert not errors(run(replace(SOUND, closed_by_plan=0), scenario="idle", latencies=()))


@pytest.mark.parametrize(
    ("failures", "dropped", "said", "not_said"),
    [
        ({("disconnect", "closed_1013"): 40}, 40, "find it with", "http_429"),
        ({("connect", "http_429"): 40}, 0, "http_429 is throttling", "find it with"),
        ({("connect", "connect_refused"): 40}, 0, "doctor", "http_429"),
    ],
)
def test_the_advice_names_what_was_seen(
    failures: dict[tuple[str, str], int], dropped: int, said: str, not_said: str
) -> None:
    made = run(replace(SOUND, open_mean=10.0, dropped=dropped), failures=failures)
    advice = doubts(made)["connections_missing"][1]
    assert said in advice
    assert not_said not in advice


def test_connected_is_the_mean_of_the_measure_phase_not_its_peak() -> None:
    half = replace(SOUND, open_mean=30.0, open_end=30)
    (slo,) = build_summary(run(half, slo="connected >= 99%"))["slo"]
    assert (slo["value"], slo["verdict"]) == (60.0, "fail")


def test_a_search_is_there_to_find_how_many_connect() -> None:
    capacity: dict[str, Any] = {
        "variable": "users",
        "value": None,
        "low": None,
        "high": 50,
        "bound_by": "range",
        "steps": [],
    }
    made = run(replace(SOUND, open_mean=1.0), capacity=capacity, failures={("connect", "connect_files_exhausted"): 1})
    assert not errors(made)
