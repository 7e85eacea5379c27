"""A feature that nothing ever answered is not there: the run is invalid, and no SLO has failed by it."""

from __future__ import annotations

import pytest

from tests.report.report_runs import facts
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import parse
from wps_load.report.summary import build_summary


def doubts(failures: dict[tuple[str, str], int], answered: int, metric: str = "invoke") -> list[str]:
    snapshot = Snapshot()
    snapshot.failures.update(failures)
    made = facts(rate=2000, snapshot=snapshot, latencies=(metric,))
    if answered:
        snapshot.histograms[metric] = histogram = Histogram()
        histogram.record_many([1_000_000] * answered)
    return [each["name"] for each in build_summary(made)["doubts"] if each["name"] == "not_available"]


@pytest.mark.parametrize(
    ("failures", "answered", "found"),
    [
        ({("invoke", "invoke_timeout"): 9}, 0, ["not_available"]),
        ({("invoke", "invoke_timeout"): 9, ("invoke", "invoke_connection_lost"): 1}, 0, ["not_available"]),
        ({("invoke", "invoke_timeout"): 9, ("invoke", "invoke_forbidden"): 1}, 0, []),
        ({("invoke", "invoke_timeout"): 9}, 1, []),
        ({}, 0, []),
    ],
)
def test_only_silence_says_that_a_feature_is_missing(
    failures: dict[tuple[str, str], int], answered: int, found: list[str]
) -> None:
    assert doubts(failures, answered) == found


def test_streams_whose_start_nothing_answers_are_not_available_either() -> None:
    silent = {("stream_start", "stream_start_timeout"): 3}
    assert doubts(silent, 0, "stream_start") == ["not_available"]
    assert doubts({**silent, ("stream_start", "stream_start_forbidden"): 1}, 0, "stream_start") == []
    assert doubts(silent, 1, "stream_start") == []


@pytest.mark.parametrize("metric", ["invoke", "stream_start"])
def test_what_is_not_there_has_failed_no_demand_and_explains_that_nothing_was_sent(metric: str) -> None:
    slos = parse(f"{metric} fail_ratio = 0%, loss = 0, connected >= 99%")
    snapshot = Snapshot()
    snapshot.failures[metric, f"{metric}_timeout"] = 3
    summary = build_summary(facts(rate=2000, snapshot=snapshot, latencies=(metric,), slos=slos))
    assert [each["verdict"] for each in summary["slo"]] == ["no_data", "no_data", "pass"]
    assert summary["verdict"] == "invalid"
    errors = [each["name"] for each in summary["doubts"] if each["level"] == "error"]
    assert errors == ["not_available"]
    snapshot.failures[metric, f"{metric}_forbidden"] = 1
    known = build_summary(facts(rate=2000, snapshot=snapshot, latencies=(metric,), slos=slos))
    assert known["slo"][0]["verdict"] == "fail"
