"""The variance between runs: power grows with runs, false alarms stay few, and one run a side is judged by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.report.random_effects import Estimate, log_difference
from wps_load.report.significance import overdispersion

COMPARISONS = 200
WITHIN = 0.016
"""The deviation that makes one run a side find ten percent in 93 of 100 comparisons."""


def found(runs: int, *, slowdown: float, between: float) -> float:
    """In which share of simulated comparisons a slowdown is called, with the floor of 5 % that `compare` has."""
    rng = np.random.default_rng(runs)
    deviation = math.hypot(WITHIN, between)
    calls = 0
    for _ in range(COMPARISONS):
        base, new = (
            [Estimate(rng.normal(centre, deviation), WITHIN * rng.uniform(0.9, 1.2)) for _ in range(runs)]
            for centre in (0.0, math.log1p(slowdown))
        )
        difference = log_difference(base, new, 0.99)
        calls += difference.low > 0 and math.expm1(difference.new - difference.base) > 0.05
    return calls / COMPARISONS


def test_power_grows_with_the_runs() -> None:
    one, two, three, four = (found(runs, slowdown=0.10, between=0.0) for runs in (1, 2, 3, 4))
    assert one <= two < three <= four
    assert three > 0.98


def test_runs_that_vary_a_little_still_show_a_slowdown() -> None:
    assert found(2, slowdown=0.10, between=0.01) >= 0.8
    assert found(3, slowdown=0.10, between=0.01) > 0.95


@pytest.mark.parametrize("between", [0.0, 0.02, 0.05, 0.15])
@pytest.mark.parametrize("runs", [2, 3])
def test_false_alarms_are_few_however_much_runs_vary(runs: int, between: float) -> None:
    assert found(runs, slowdown=0.0, between=between) <= 0.05


def test_one_run_a_side_is_judged_by_its_own_deviation() -> None:
    difference = log_difference([Estimate(0.0, 0.03)], [Estimate(0.2, 0.04)], 0.99)
    assert (difference.base, difference.new) == (0.0, 0.2)
    assert (difference.low, difference.high) == pytest.approx((0.2 - 2.5758 * 0.05, 0.2 + 2.5758 * 0.05), abs=1e-3)


def test_runs_that_disagree_widen_the_interval_and_those_that_agree_narrow_it() -> None:
    def width(*logs: float) -> float:
        difference = log_difference([Estimate(x, 0.01) for x in logs], [Estimate(x, 0.01) for x in logs], 0.99)
        return difference.high - difference.low

    assert width(0.0, 0.001) < width(0.0) < width(0.0, 0.2)


@given(logs=st.lists(st.floats(-1, 1), min_size=1, max_size=4), shift=st.floats(-2, 2))
def test_the_difference_is_antisymmetric_and_moves_with_a_side(logs: list[float], shift: float) -> None:
    a = [Estimate(x, 0.02) for x in logs]
    b = [Estimate(x + shift, 0.02) for x in logs]
    there, back = log_difference(a, b, 0.99), log_difference(b, a, 0.99)
    assert there.new - there.base == pytest.approx(shift, abs=1e-9)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-6)


def test_shares_that_differ_by_more_than_chance_count_for_less() -> None:
    assert overdispersion([[(5, 1000)], [(50, 1000)]]) == 1.0  # one run a side: unknown
    assert overdispersion([[(10, 1000), (11, 1000)], [(9, 1000), (10, 1000)]]) == 1.0
    assert overdispersion([[(0, 1000), (40, 1000)], [(0, 1000), (0, 1000)]]) == pytest.approx(40.8, abs=0.1)
