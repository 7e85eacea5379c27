"""The line that moves: never wider than the terminal, complete where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.report.live import LiveState, live_line, progress_bar, settle_line

STATE = LiveState(
    phase="measure",
    elapsed_s=45.0,
    total_s=60.0,
    connections=998,
    target=1000,
    published_per_s=1998.4,
    delivered_per_s=19_984.0,
    metric="rtt",
    p50_ms=3.42,
    p99_ms=12.9,
    lost=0,
    limit_ms=1000.0,
    limit_percentile="p99",
)


def test_terminal() -> None:
    assert live_line(STATE, 160) == (
        "████████████░░░░  measure 15 s left  998/1,000 connected  rtt p50 3.42 p99 12.9 ms ✓ 98.7% below 1,000"
        "  lost 0  out 1,998/s  in 19,984/s"
    )


def test_log() -> None:
    assert live_line(STATE, None) == (
        "measure 15 s left | 998/1,000 connected | rtt p50 3.42 p99 12.9 ms ✓ 98.7% below 1,000 | lost 0"
        " | out 1,998/s | in 19,984/s"
    )


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (90, "measure 15 s left  998/1,000 connected  rtt p50 3.42 p99 12.9 ms ✓ 98.7% below 1,000"),
        (79, "measure 15 s left  rtt p50 3.42 p99 12.9 ms ✓ 98.7% below 1,000"),
        (50, "rtt p50 3.42 p99 12.9 ms ✓ 98.7% below 1,000"),
    ],
)
def test_the_latency_goes_last(width: int, line: str) -> None:
    assert live_line(STATE, width).startswith(line)
    assert "rtt p50 3.42 p99 12.9 ms" in live_line(STATE, width)


def test_connections_as_the_load() -> None:
    connecting = replace(STATE, phase="connect", metric="connect", connects_per_s=41.0, limit_ms=None)
    assert live_line(connecting, None) == (
        "connect 15 s left | 998/1,000 connected, 41/s | connect p50 3.42 p99 12.9 ms"
    )
    failing = replace(connecting, failed={"http_429": 7, "connect_timeout": 2}, counts={"closed": 812})
    assert live_line(failing, 100) == (
        "connect 15 s left  998/1,000 connected, 41/s  failed 9 (http_429 and 1 more)  closed 812"
    )
    assert live_line(failing, 30) == "998/1,000 connected, 41/s"


def test_what_a_scenario_is_about() -> None:
    recovering = replace(STATE, metric="recover", counts={"cuts": 21, "recovered": 20})
    assert "ms ✓ 98.7% below 1,000 | cuts 21 | recovered 20 | lost 0" in live_line(recovering, None)


def test_unknown_is_a_dash_and_an_exceeded_limit_is_seen() -> None:
    start = replace(STATE, total_s=None, p50_ms=None, p99_ms=None, lost=None, published_per_s=None, delivered_per_s=0.5)
    assert live_line(start, None) == (
        "measure 45 s | 998/1,000 connected | rtt p50 – p99 – ms | lost – | out – | in 0.5/s"
    )
    assert "✗ 29% above 10.0" in live_line(replace(STATE, limit_ms=10.0), None)
    assert "✓ 65.8% below 10.0" in live_line(replace(STATE, limit_ms=10.0, limit_percentile="p50"), None)
    assert "10.0" not in live_line(replace(STATE, limit_ms=10.0, limit_percentile="p99.9"), None)


@given(
    width=st.integers(0, 200),
    elapsed=st.floats(0, 1e6),
    total=st.none() | st.floats(0, 1e6),
    lost=st.integers(0),
)
def test_never_wider_never_two_lines(width: int, elapsed: float, total: float | None, lost: int) -> None:
    line = live_line(replace(STATE, elapsed_s=elapsed, total_s=total, lost=lost), width)
    assert len(line) <= width
    assert "\n" not in line


@pytest.mark.parametrize(
    ("share", "bar"),
    [(-1.0, "░░░░"), (0.0, "░░░░"), (0.5, "██░░"), (0.59375, "██▍░"), (1.0, "████"), (7.0, "████")],
)
def test_bar(share: float, bar: str) -> None:
    assert progress_bar(share, 4) == bar


@pytest.mark.parametrize(
    ("in_time", "connected", "joiners", "joined", "line"),
    [
        (True, 20, 0, 0, "Settled after 1.2 s: 20 of 20 connected"),
        (True, 20, 20, 20, "Settled after 1.2 s: 20 of 20 connected, 20 of 20 joined"),
        (
            True, 20, 20, 12, "Settled after 1.2 s: 20 of 20 connected, 12 of 20 joined; users outside their groups "
            "hear nothing: see the failures of join_group",
        ),
        (False, 5, 0, 0, "Not settled after 1.2 s (--wps-settle): 5 of 20 connected"),
    ],
)  # fmt: skip
def test_settling_says_who_connected_and_who_joined(
    in_time: bool, connected: int, joiners: int, joined: int, line: str
) -> None:
    told = settle_line(in_time=in_time, seconds=1.23, users=20, connected=connected, joiners=joiners, joined=joined)
    assert told == line
