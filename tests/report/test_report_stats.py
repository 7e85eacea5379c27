"""The significance against published values, numpy, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.report_runs import autocorrelated
from wps_load.report import significance


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 5.841), (5, 4.032), (10, 3.169), (30, 2.750), (120, 2.617)])
def test_student_as_in_tables(freedom: int, quantile: float) -> None:
    assert significance.student_99(freedom) == pytest.approx(quantile, rel=0.03)


def test_wilson_as_published() -> None:
    """Newcombe (1998), table I: 81 of 263 and 0 of 20, at 95 %."""
    assert significance.wilson(81, 263, 1.959964) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert significance.wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_newcombe_as_published() -> None:
    """Newcombe (1998), interval estimation for the difference, table II: method 10 at 95 %."""
    low, high = significance.newcombe(48, 80, 56, 70, 1.959964)
    assert (-high, -low) == pytest.approx((-0.3339, -0.0524), abs=1e-4)
    low, high = significance.newcombe(0, 10, 10, 10, 1.959964)
    assert (low, high) == pytest.approx((0.6075, 1.0), abs=1e-4)


@given(n=st.integers(4, 80), block=st.integers(1, 20), seed=st.integers(0, 1000))
def test_each_resample_draws_n_seconds(n: int, block: int, seed: int) -> None:
    weights = significance.block_weights(n, min(block, n), 7, np.random.default_rng(seed))
    assert weights.shape == (7, n)
    assert (weights.sum(axis=1) == n).all()


def test_all_seconds_are_drawn_equally_often() -> None:
    weights = significance.block_weights(30, 4, 4000, np.random.default_rng(1))
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.1)


@given(values=st.lists(st.integers(1, 50), min_size=1, max_size=60), share=st.sampled_from([0.5, 0.9, 0.99]))
def test_percentiles_of_counts_are_order_statistics(values: list[int], share: float) -> None:
    bins, counts = np.unique(values, return_counts=True)
    found = significance.percentiles_of_counts(counts[None, :].astype(float), bins.astype(float), [share])
    assert found[0, 0] == np.quantile(values, share, method="inverted_cdf")


def test_blocks_grow_with_dependence() -> None:
    lengths = [significance.block_length(60, r) for r in (0.0, 0.5, 0.8, 0.95)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 4
    assert lengths[-1] == 15


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_intervals_of_a_mean_cover_it(phi: float) -> None:
    """99 % intervals from one series of 120 seconds hold the true mean in at least 97 of 100 series."""
    held = 0
    for trial in range(100):
        rng = np.random.default_rng(trial)
        series = autocorrelated(rng, 120, phi, 1.0)
        draws, wider = significance.resampled_counts(np.column_stack((series, np.ones(120))), series, 400, rng)
        mean = series.mean()
        low, high = np.percentile((draws[:, 0] / draws[:, 1] - mean) * wider, [0.5, 99.5])
        held += mean + low <= 0.0 <= mean + high
    assert held >= 97


def test_widening_never_narrows() -> None:
    for n in (10, 60, 600):
        for r in (0.0, 0.3, 0.9, 0.95):
            assert significance.widening(n, significance.block_length(n, r), r) >= 1.0


def test_drift_needs_time_size_and_significance() -> None:
    rng = np.random.default_rng(1)
    steady = (10 + rng.normal(0, 0.3, 60)).tolist()
    assert significance.drift(steady) is None
    assert significance.drift([*[20.0] * 7, *steady[:16]]) is None  # 23 seconds
    assert significance.drift([0.05] * 20 + [0.1] * 40) is None  # twice as much, but 0.05 ms
    assert significance.drift([10.0] * 20 + [10.9] * 40) is None  # 9 %
    found = significance.drift([10.0] * 20 + [11.2] * 40)
    assert (found and found.first, found and found.last) == (10.0, 11.2)


def test_drift_is_seldom_seen_in_noise() -> None:
    alarms = 0
    for trial in range(200):
        series = 10 * np.exp(autocorrelated(np.random.default_rng(trial), 60, 0.5, 0.05))
        alarms += significance.drift(series.tolist()) is not None
    assert alarms <= 4
