"""Attempts that were given up while they waited: no percentile looks better because the slow ones never ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import PERCENTILES, Snapshot, rank_of
from wps_load.measure.thresholds import evaluate, parse

MS = 1_000_000


class Connects:
    """A run's `connect`, from times in ms."""

    messages = None
    connected_share = None
    measure_s = 10.0

    def of(self, population: str) -> None:
        """A run with one population."""

    def __init__(self, came: list[int], waited: list[int], refused: int = 0) -> None:
        self.snapshot = Snapshot(
            {name: histogram(times) for name, times in (("connect", came), ("connect_waited", waited)) if times},
            {("connect", "connect_unfinished"): len(waited), ("connect", "http_503"): refused},
        )

    def row(self, metric: str) -> dict[str, float | int | None]:
        return self.snapshot.row(metric)

    def verdict(self, slo: str) -> str:
        return evaluate(parse(slo)[0], self).verdict


def histogram(times_ms: list[int]) -> Histogram:
    found = Histogram()
    found.record_many([ms * MS for ms in times_ms])
    return found


def test_where_nothing_connects_no_demand_on_connect_is_met() -> None:
    hung = Connects([], [8000] * 10)
    assert hung.row("connect") == {
        **hung.row("connect"), "count": 10, "failures": 10, "waited": 10, "p50": hung.row("connect")["p95"],
    }  # fmt: skip
    assert hung.verdict("connect p95 < 2s") == "fail"
    for demand in ("p50 < 10s", "p95 < 1m", "mean < 1m", "min < 1m", "max < 1m"):
        assert hung.verdict(f"connect {demand}") == "no_data"
    assert hung.verdict("connect fail_ratio < 1%") == "fail"


def test_who_waits_stands_behind_who_has_come() -> None:
    mostly = Connects([10] * 70 + [3000], [1000] * 29)
    row = mostly.row("connect")
    assert (row["count"], row["failures"], row["waited"]) == (100, 29, 29)
    assert mostly.verdict("connect p50 < 20ms") == "pass", "fifty of a hundred have shown it"
    assert mostly.verdict("connect p95 < 2s") == "fail", "not better than the slowest that came"
    assert mostly.verdict("connect p95 < 5s") == "no_data", "they may take any time"
    assert mostly.verdict("connect max < 1m") == "no_data"


def test_refusals_have_no_time_still() -> None:
    refused = Connects([10] * 9, [], refused=91)
    assert refused.row("connect")["p99"] == Connects([10] * 9, []).row("connect")["p99"]
    assert "waited" not in refused.row("connect")
    assert refused.verdict("connect p99 < 1s") == "pass"


@given(
    st.lists(st.integers(1, 20_000), max_size=30),
    st.lists(st.integers(1, 20_000), max_size=10),
    st.lists(st.integers(0, 60_000), min_size=10, max_size=10),
    st.integers(1, 20_000),
)
def test_a_pass_would_have_been_one_whatever_the_waiting_had_become(
    came: list[int], waited: list[int], longer: list[int], limit_ms: int
) -> None:
    seen = Connects(came, waited)
    became = Connects(came + [ms + more for ms, more in zip(waited, longer, strict=False)], [])
    for name in PERCENTILES:
        demand = f"connect {name.replace('_', '.')} < {limit_ms}ms"
        if seen.verdict(demand) == "pass":
            assert became.verdict(demand) == "pass"


@given(st.sampled_from(list(PERCENTILES.values())), st.integers(1, 10_000))
def test_a_rank_is_the_histograms(percent: float, count: int) -> None:
    numbers = Histogram()
    numbers.record_many(list(range(1, min(count, 1000) + 1)))
    assert numbers.percentile(percent) == rank_of(percent, numbers.count)
