"""Which population is the worst, and what the live line says of it: a table, and what holds of every order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.test_report_live import STATE
from wps_load.measure.thresholds import holds, parse
from wps_load.report.live import LiveState, live_line
from wps_load.report.live_populations import Demand, PopulationNow, not_met, worst_first


def now(name: str, *demands: Demand, metric: str = "delivery", p99: float | None = 20.0) -> PopulationNow:
    return PopulationNow(name=name, metric=metric, p50_ms=5.0, p99_ms=p99, demands=demands)


def demand(text: str, value: float | None, *, quiet: bool = False) -> Demand:
    return Demand(parse(text)[0], value, quiet)


NEAR = now("near", demand("delivery p99 < 250ms", 240.0), p99=240.0)
FAR = now("far", demand("delivery p99 < 1s", 240.0), p99=240.0)
ABOVE = now("above", demand("delivery p99 < 250ms", 300.0), p99=300.0)
FAR_ABOVE = now("far-above", demand("delivery p99 < 100ms", 300.0), p99=300.0)
LOSING = now("losing", demand("delivery p99 < 1s", 5.0), demand("loss = 0", 3.0))
MISSING_SHARE = now("some", demand("loss < 1%", 1.5))
FEW = now("few", demand("connected >= 99%", 98.5))
ALL = now("everybody", demand("connected >= 99%", 100.0))
SILENT = now("silent", demand("delivery p99 < 1s", None), p99=None)
QUIET = now("quiet", demand("delivery p99 < 1s", None, quiet=True), p99=None)
FREE = now("free")


@pytest.mark.parametrize(
    ("populations", "order"),
    [
        ([FAR, NEAR], ["near", "far"]),  # 4 % are left of one limit, 76 % of the other
        ([NEAR, ABOVE, FAR_ABOVE], ["far-above", "above", "near"]),
        ([FAR_ABOVE, LOSING], ["losing", "far-above"]),  # no loss is allowed: any is infinitely far beyond it
        ([FAR, FEW, MISSING_SHARE], ["few", "some", "far"]),  # both are 50 % beyond: equals stay as they stand
        ([ALL, NEAR], ["near", "everybody"]),  # nobody lacking is all of what may be lacking
        ([FREE, QUIET, NEAR, SILENT, ABOVE], ["above", "silent", "near", "quiet", "free"]),
        ([FREE, now("too", demand("loss = 0", 0.0))], ["too", "free"]),
    ],
)
def test_the_worst_first(populations: list[PopulationNow], order: list[str]) -> None:
    assert [each.name for each in worst_first(populations)] == order


@pytest.mark.parametrize(
    ("population", "text"),
    [
        (NEAR, "near delivery p50 5.00 p99 240 ms ✓ 4% below 250"),
        (ABOVE, "above delivery p50 5.00 p99 300 ms ✗ 20% above 250"),
        (now("a", demand("delivery p50 < 4ms", 5.0)), "a delivery p50 5.00 p99 20.0 ms p50 ✗ 25% above 4.00"),
        (now("a", demand("delivery p99.9 < 1s", 400.0)), "a delivery p99.9 400 ms ✓ 60% below 1,000"),
        (now("a", demand("rtt p99 < 1s", 400.0)), "a rtt p99 400 ms ✓ 60% below 1,000"),
        (now("a", demand("delivery p99 < 1ms", 61.0), p99=61.0), "a delivery p50 5.00 p99 61.0 ms ✗ 6,000% above 1.00"),
        (LOSING, "losing missing 3 ✗ = 0"),
        (MISSING_SHARE, "some missing 1.5% ✗ < 1%"),
        (FEW, "few connected 98.5% ✗ >= 99%"),
        (now("a", demand("connect fail_ratio < 1%", 0.0)), "a connect fail_ratio 0% ✓ < 1%"),
        (now("a", demand("delivery rate >= 3000/s", 2000.0)), "a delivery rate 2,000/s ✗ >= 3000/s"),
        (SILENT, "silent delivery p99 < 1s: no data yet"),
        (QUIET, "quiet delivery p50 5.00 p99 – ms"),
        (FREE, "free delivery p50 5.00 p99 20.0 ms"),
        (now("", demand("loss = 0", 1.0)), "all missing 1 ✗ = 0"),
    ],
)
def test_what_is_said(population: PopulationNow, text: str) -> None:
    assert population.text == text


def of_mix(*populations: PopulationNow) -> LiveState:
    return replace(STATE, populations=populations)


def test_the_line_of_a_mix() -> None:
    line = live_line(of_mix(FAR, LOSING, ABOVE, NEAR), None)
    assert line == (
        "measure 15 s left | losing missing 3 ✗ = 0 | 1 more SLO not met | above delivery p50 5.00 p99 300 ms ✗ 20% "
        "above 250 | near delivery p50 5.00 p99 240 ms ✓ 4% below 250 | far delivery p50 5.00 p99 240 ms ✓ 76% below "
        "1,000 | 998/1,000 connected | lost 0 | out 1,998/s | in 19,984/s"
    )


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (79, "measure 15 s left  above delivery p50 5.00 p99 300 ms ✗ 20% above 250"),
        (55, "above delivery p50 5.00 p99 300 ms ✗ 20% above 250"),
    ],
)
def test_the_worst_goes_last(width: int, line: str) -> None:
    assert live_line(of_mix(FAR, ABOVE, NEAR), width) == line


def test_a_wide_terminal_has_more_of_them_the_worst_first() -> None:
    line = live_line(of_mix(FAR, ABOVE, NEAR), 205)
    assert line.index("above delivery") < line.index("near delivery") < line.index("connected")
    assert "far delivery" not in line


def test_a_log_names_the_worst_of_many() -> None:
    many = [now(f"p{number:02}", demand("delivery p99 < 250ms", 20.0 + number)) for number in range(30)]
    line = live_line(of_mix(*many), None)
    assert [f"p{number:02}" in line for number in (29, 24, 23, 0)] == [True, True, False, False]


def test_who_fails_to_connect() -> None:
    state = replace(STATE, connects_per_s=3.0, failed={"http_429": 7}, failed_most="readers")
    assert "failed 7 (http_429, most of readers)" in live_line(state, None)


KINDS = (
    "delivery p99 < 250ms", "delivery p50 <= 1s", "loss = 0", "loss < 1%", "connected >= 99%", "delivery rate > 10/s",
    "connect fail_ratio < 1%", "connected >= 100%", "loss < 5",
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.none() | st.floats(0, 100)), max_size=8), st.integers(0, 250))
def test_nothing_met_stands_before_what_is_not(found: list[tuple[str, float | None]], width: int) -> None:
    populations = [now(f"p{at}", demand(text, value)) for at, (text, value) in enumerate(found)]
    unmet = [value is not None and not holds(parse(text)[0], value) for text, value in found]
    order = [unmet[int(each.name[1:])] for each in worst_first(populations)]
    assert order == sorted(order, reverse=True)
    assert not_met(populations) == sum(unmet)
    assert len(live_line(of_mix(*populations), width)) <= width
