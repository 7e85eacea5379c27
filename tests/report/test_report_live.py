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
    assert live_line(STATE, 140) == (
        "████████████░░░░ measure 15 s left  998/1,000 connections  rtt p50 3.42 p99 12.9 ms ✓ p99 1,000"
        "  lost 0  out 1,998/s  in 19,984/s"
    )


def test_log() -> None:
    assert live_line(STATE, None) == (
        "measure 15 s left | 998/1,000 connections | rtt p50 3.42 p99 12.9 ms ✓ p99 1,000 | lost 0"
        " | out 1,998/s | in 19,984/s"
    )


def test_whole_parts_are_left_out() -> None:
    assert live_line(STATE, 60) == "████████████░░░░ measure 15 s left  998/1,000 connections"


def test_unknown_is_a_dash_and_an_exceeded_limit_is_seen() -> None:
    start = replace(STATE, total_s=None, p50_ms=None, p99_ms=None, lost=None, published_per_s=None, delivered_per_s=0.5)
    assert live_line(start, None) == (
        "measure 45 s | 998/1,000 connections | rtt p50 – p99 – ms | lost – | out – | in 0.5/s"
    )
    assert "✗ p99 10.0" in live_line(replace(STATE, limit_ms=10.0), None)
    assert "✓ p50 10.0" in live_line(replace(STATE, limit_ms=10.0, limit_percentile="p50"), None)
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
            True, 20, 20, 12, "Settled after 1.2 s: 20 of 20 connected, 12 of 20 joined; who has not joined hears "
            "nothing: see the failures of join_group",
        ),
        (False, 5, 0, 0, "Not settled after 1.2 s (--wps-settle): 5 of 20 connected"),
    ],
)  # fmt: skip
def test_settling_says_who_connected_and_who_joined(
    in_time: bool, connected: int, joiners: int, joined: int, line: str
) -> None:
    told = settle_line(in_time=in_time, seconds=1.23, users=20, connected=connected, joiners=joiners, joined=joined)
    assert told == line
