"""Each doubt: raised just above its limit, silent at it, at the contract's level."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wps_load
from tests.report.report_runs import facts, histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import parse
from wps_load.report.document import Level
from wps_load.report.doubts import CHECKS, thin_percentiles
from wps_load.report.evidence import high_percentile
from wps_load.report.model import ConnectionCounts, GeneratorHealth, RunState, Worker
from wps_load.report.summary import build_summary

PACKAGE = Path(wps_load.__file__).parent


def levels(**changes: Any) -> dict[str, Level]:
    """Name -> level of the doubts about a run that is sound but for `changes`."""
    made = {"rate": 2000, "measure_s": 30, **changes}
    found = {doubt["name"]: doubt["level"] for doubt in build_summary(facts(**made))["doubts"]}
    found.pop("few_samples", None) if "rate" not in changes else None
    return found


def health(**values: Any) -> dict[str, Any]:
    return {"generator": GeneratorHealth(**values)}


def worker(**values: Any) -> Worker:
    return Worker(**{"name": "vm_1", "users": 4, **values})


def totals(published: int, send_failed: int = 0, **more: int) -> LedgerTotals:
    return LedgerTotals(published, send_failed, published, published, 0, 0, 0, **more)


def test_a_sound_run_has_none() -> None:
    assert levels() == {}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"state": RunState.RUNNING}, {"interrupted": "error"}),
        ({"state": RunState.STOPPED}, {"stopped_early": "warning"}),
        ({"trouble": "_on_second failed (KeyError)"}, {"broken_off": "error"}),
        ({"refused_users": "20 connections do not fit"}, {"users_refused": "warning"}),
        (health(workers_lost=1), {"worker_lost": "error"}),
        ({"workers": [worker(most_open=4), worker(most_open=0)]}, {"worker_unconnected": "warning"}),
        ({"workers": [worker(most_open=4), worker(most_open=1)]}, {}),
        ({"workers": [worker(most_open=4), worker(most_open=None)]}, {}),
        ({"workers": [worker(most_open=4), worker(most_open=0, users=0)]}, {}),
        ({"workers": [worker(most_open=4), worker(most_open=0, lost=True)]}, {}),
        ({"workers": [worker(most_open=0), worker(most_open=0)]}, {}),
        ({"totals": None, "timeline": ()}, {"no_messages": "error"}),
        (health(workers_lost=1) | {"totals": None}, {"worker_lost": "error"}),
        (health(workers_away=1, away_s_max=6.0), {"worker_away": "warning"}),
        ({"totals": totals(0), "offered": 0}, {"no_messages": "error"}),
        ({"totals": None, "timeline": (), "has_messages": False}, {}),
        ({"offered": 60_000, "totals": totals(59_400)}, {}),
        ({"offered": 60_000, "totals": totals(59_399)}, {"rate_missed": "error"}),
        ({"offered": 60_000, "totals": totals(50_000), "closed_loop": True}, {}),
        ({"offered": 60_000, "totals": totals(40_000, 20_000, send_failed_service=20_000)}, {}),
        ({"offered": 60_000, "totals": totals(40_000, 20_000, send_failed_plan=20_000)}, {}),
        ({"offered": 60_000, "totals": totals(40_000, 20_000, send_failed_service=19_400)}, {}),
        ({"offered": 60_000, "totals": totals(40_000, 20_000, send_failed_service=19_399)}, {"rate_missed": "error"}),
        (health(send_lag_ms_p99=10.0), {}),
        (health(send_lag_ms_p99=10.1), {"send_lag": "error"}),
        (health(send_lag_ms_p99=10.1) | {"median_ms": 150.0}, {}),
        (health(send_lag_ms_p99=10.1) | {"closed_loop": True}, {"send_lag": "warning"}),
        (health(cpu_percent_max=90.0), {}),
        (health(cpu_percent_max=90.1), {"cpu": "warning"}),
        (health(cpu_percent_max=99.0) | {"closed_loop": True}, {"cpu": "warning"}),
        (health(loop_lag_ms_p99=10.1), {"loop_lag": "warning"}),
        (health(send_stalls=1), {"send_stalled": "warning"}),
        (health(gc_pause_ms_max=10.1), {"gc_pauses": "warning"}),
        ({"totals": totals(60_000, unrecorded=1)}, {"ledger_full": "warning"}),
        ({"tls_verified": False}, {"tls_unverified": "warning"}),
        ({"tls_verified": True}, {}),
    ],
)
def test_limits(changes: dict[str, Any], found: dict[str, str]) -> None:
    assert levels(**changes) == found


def test_clock_error_is_judged_by_the_delivery_it_blurs() -> None:
    run = facts(**health(clock_error_ms=1.0))
    assert build_summary(run)["doubts"] == []
    histograms = run.snapshot.histograms
    histograms["delivery"] = histograms["rtt"]
    blurred = replace(run, **health(clock_error_ms=1.3))
    names = [doubt["name"] for doubt in build_summary(blurred)["doubts"]]
    assert names[0] == "clock_error"


def paused(*lags_ms: float, of: int = 12_400, q: str = "p99.9", limit_ms: float = 250, **more: Any) -> dict[str, str]:
    """Doubts about a run with an SLO at `q`, in which each message left as late as its part of `lags_ms` says."""
    values = [round(lag * 1e6) for lag in lags_ms] + [100_000] * (of - len(lags_ms))
    made = facts(slo=f"rtt {q} < {limit_ms}ms", rate=of // 31, measure_s=31)
    late = [round((12 + lag) * 1e6) for lag in lags_ms] + [12_000_000] * (of - len(lags_ms))
    snapshot = Snapshot({"rtt": histogram(late), "send_lag": histogram(values)})
    run = replace(made, snapshot=snapshot, timeline=[], **more)
    return {d["name"]: d["level"] for d in build_summary(run)["doubts"] if d["name"] in ("send_lag", "loop_lag")}


def test_a_pause_shorter_than_a_hundredth_of_the_run_is_seen_where_the_slo_looks() -> None:
    half_a_second = [500 - i * 5 for i in range(100)]
    assert paused(*half_a_second) == {"send_lag": "error"}
    assert paused(*half_a_second, q="max", limit_ms=400) == {"send_lag": "error"}
    assert paused(*half_a_second, q="p99") == {}, "nobody asks for what it broke"


def test_single_late_messages_are_chance_unless_an_slo_was_missed_by_them() -> None:
    assert paused(300.0, q="max", limit_ms=1000) == {"send_lag": "warning"}
    assert paused(300.0, q="max", limit_ms=200) == {"send_lag": "error"}
    assert paused(300.0, 300.0, 300.0, of=1_000, q="p99.9", limit_ms=1000) == {"send_lag": "warning"}
    assert paused(300.0, of=12_400, q="p99.9") == {}


def test_the_lags_of_few_messages_are_chance_however_many_deliveries_they_have() -> None:
    delivery, lags = histogram([56_000_000] * 3_000), histogram([100_000] * 29 + [11_700_000])
    made = facts(slo="delivery p99 < 1s", rate=100, measure_s=30)
    run = replace(made, snapshot=Snapshot({"delivery": delivery, "send_lag": lags}), timeline=[])
    assert {d["name"]: d["level"] for d in build_summary(run)["doubts"]} == {"send_lag": "warning"}


def test_a_worker_that_only_listens_and_stood_still_is_seen_among_many() -> None:
    """Nothing left late: what it read late is in the latency all the same."""
    still = histogram([500_000_000 - i * 10_000_000 for i in range(50)] + [100_000] * 6_150)
    fine = histogram([100_000] * 6_200)
    delivery = histogram([12_000_000] * 12_300 + [510_000_000] * 100)

    def judged(limit_ms: int, *workers: Any) -> dict[str, str]:
        made = facts(slo=f"delivery p99.9 < {limit_ms}ms", rate=400, measure_s=31)
        lags = [{"send_lag": fine, "loop_lag": each} for each in workers]
        merged = histogram([])
        for each in workers:
            merged.merge(each)
        snapshot = Snapshot({"delivery": delivery, "send_lag": fine, "loop_lag": merged})
        run = replace(made, snapshot=snapshot, timeline=[], generator=GeneratorHealth(lags=lags))
        return {d["name"]: d["level"] for d in build_summary(run)["doubts"]}

    assert judged(250, still, *[fine] * 9) == {"loop_lag": "error"}
    assert judged(250, *[fine] * 10) == {}, "then it was the service"
    assert judged(600, still, *[fine] * 9) == {}, "the SLO was met all the same"


@pytest.mark.parametrize(("factor", "word"), [(3.0, "fell"), (1 / 3, "rose")])
def test_drift_is_seen_both_ways(factor: float, word: str) -> None:
    course = [factor] * 10 + [1.0] * 20
    doubt = next(d for d in build_summary(facts(levels=course))["doubts"] if d["name"] == "drift")
    assert (doubt["level"], word in doubt["message"]) == ("warning", True)


def test_noise_is_not_drift() -> None:
    noisy = 1 + 0.05 * np.random.default_rng(5).normal(size=30)
    assert "drift" not in levels(levels=noisy)


@pytest.mark.parametrize(
    ("count", "thin"),
    [(0, []), (1000, ["p99_9", "p99_99"]), (999, ["p99", "p99_9", "p99_99"]), (100_000, [])],
)
def test_ten_samples_beyond(count: int, thin: list[str]) -> None:
    assert thin_percentiles({"count": count + 7, "failures": 7}) == thin


@pytest.mark.parametrize(
    ("rate", "slo", "named"),
    [
        (40, "rtt p99.9 < 1s", "rtt p99.9 (1,200 samples)"),
        (40, "rtt p99 < 1s", None),
        (10, "none", None),
        (10, "connect p99 < 1s", "connect p99 (50 samples)"),
        (10, "rtt p50 < 1s, loss = 0", None),
    ],
)
def test_few_samples_speaks_of_what_an_slo_or_the_headline_names(rate: int, slo: str, named: str | None) -> None:
    found = {d["name"]: d["message"] for d in build_summary(facts(rate=rate, slo=slo))["doubts"]}
    assert found == {} if named is None else named in found["few_samples"]


@pytest.mark.parametrize(
    ("count", "slo", "shown"),
    [
        (1_000, "", "p99"),
        (999, "", "p95"),
        (200, "", "p95"),
        (199, "", "p90"),
        (99, "", "max"),
        (99, "rtt p99 < 1s", "p99"),
        (99, "rtt p99 < 1s, rtt p99.9 < 2s", "p99_9"),
        (1_000, "connect p99.9 < 1s", "p99"),
    ],
)
def test_the_headline_shows_what_is_demanded_or_else_what_the_samples_carry(count: int, slo: str, shown: str) -> None:
    assert high_percentile("rtt", {"count": count, "failures": 0}, parse(slo)) == shown


def test_few_samples_names_the_percentiles() -> None:
    doubt = next(d for d in build_summary(facts(rate=10))["doubts"] if d["name"] == "few_samples")
    assert "rtt p99 (300 samples)" in doubt["message"]


def test_errors_come_first_and_each_has_advice() -> None:
    everything = facts(
        rate=10,
        state=RunState.STOPPED,
        tls_verified=False,
        generator=GeneratorHealth(workers_lost=2, cpu_percent_max=100.0, loop_lag_ms_p99=50.0, send_stalls=2),
    )
    found = build_summary(everything)["doubts"]
    assert [doubt["level"] for doubt in found] == sorted(doubt["level"] for doubt in found)
    assert all(doubt["advice"] and doubt["message"].endswith(".") for doubt in found)


def test_silent_connections_are_reported() -> None:
    run = facts()
    run.snapshot.counters["connections_silent"] = 2
    doubt = next(d for d in build_summary(run)["doubts"] if d["name"] == "connections_silent")
    assert doubt["level"] == "warning"
    assert doubt["message"].startswith("2 times a connection received no byte for three ping intervals")


def test_each_doubt_stands_in_the_docs_and_nothing_else_does() -> None:
    raised = {
        name
        for module in (PACKAGE / "report").glob("*.py")
        for name in re.findall(r'\bDoubt\(\s*"(\w+)"', module.read_text("utf-8"))
    }
    section = (PACKAGE.parent / "docs/metrics.md").read_text("utf-8").split("## Doubts", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \| (?:error|warning) \|", section, re.MULTILINE)) == raised
    assert len(set(CHECKS)) == len(CHECKS)


def test_nothing_connected_comes_first_and_alone_explains_what_follows() -> None:
    made = facts(
        connections=ConnectionCounts(target=50, opened=0, failed=50, peak=0),
        totals=totals(0),
        offered=900,
        **health(workers_lost=1),
        failures={("connect", "http_401"): 48, ("connect", "timeout"): 2, ("rtt", "x"): 99},
    )
    doubts = build_summary(made)["doubts"]
    assert [d["name"] for d in doubts if d["level"] == "error"] == ["connections_failed", "worker_lost"]
    assert doubts[0]["message"].startswith("None of 50 attempts to connect succeeded, most often with http_401:")


def test_addresses_that_did_not_answer_are_named() -> None:
    run = facts()
    for number in range(1, 6):
        run.snapshot.sentences["address", f"10.0.0.{number}"] = f"the address 10.0.0.{number} did not answer"
    (doubt,) = [found for found in build_summary(run)["doubts"] if found["name"] == "address_unanswered"]
    assert doubt["level"] == "warning"
    assert "10.0.0.1 did not answer; the address 10.0.0.2" in doubt["message"]
    assert "(2 more)" in doubt["message"]


def test_a_worker_that_came_back_is_reported_as_it_was() -> None:
    def told(**values: Any) -> str:
        found = build_summary(facts(**health(workers_away=1, **values)))["doubts"]
        return str(next(d["message"] for d in found if d["name"] == "worker_away"))

    assert told(workers=1, away_s_max=6.0).startswith("The generator stood still for up to 6 s, and then went on")
    assert told(workers=2, away_s_max=12.0).startswith("1 of 2 workers stood still or did not reach the master for up")
    assert told(workers=2).startswith("1 of 2 workers stood still or did not reach the master, and then went on")
