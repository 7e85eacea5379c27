"""The statistics behind `compare` and the drift doubt. Pure arrays in, numbers out; everything random is
seeded.

Why blocks: the seconds of a run are not independent (a slow second is followed by a slow one), and a
bootstrap that draws single seconds believes its means are better known than they are. Drawing runs of
neighbouring seconds keeps the dependence inside a block: the circular block bootstrap (Politis and Romano,
1992), block length ~ n^(1/3) times a factor that grows with the lag-1 autocorrelation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z_99 = 2.5758293035489004
"""The 99.5 % quantile of the normal distribution: two-sided 99 %."""

DRIFT_MIN_SECONDS = 24
DRIFT_RELATIVE = 0.10
DRIFT_ABSOLUTE_MS = 0.1
DRIFT_Z = 3.29
"""Two-sided 0.1 %: the test is repeated on every run, and a false alarm there costs the reader's trust."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Medians of the first and the last third."""

    first: float
    last: float


def drift(values: Sequence[float]) -> Drift | None:
    """Whether a series of per-second medians (ms) ends at another level than it began: None when it does not.

    All three must hold: the medians of the first and the last third differ by more than 10 %, and by more
    than 0.1 ms, and the Mann-Whitney U test tells the thirds apart at 0.1 %. Fewer than 24 seconds: None.
    """
    if len(values) < DRIFT_MIN_SECONDS:
        return None
    third = len(values) // 3
    first, last = np.asarray(values[:third], np.float64), np.asarray(values[-third:], np.float64)
    a, b = float(np.median(first)), float(np.median(last))
    floor = max(DRIFT_ABSOLUTE_MS, DRIFT_RELATIVE * min(a, b))
    if abs(a - b) <= floor or abs(mann_whitney_z(first, last)) < DRIFT_Z:
        return None
    return Drift(a, b)


def mann_whitney_z(a: Floats, b: Floats) -> float:
    """The U statistic of two samples in standard deviations from its mean under "no difference" (no tie
    correction: ties make it smaller, never larger)."""
    above = (b[:, None] > a[None, :]).sum() + 0.5 * (b[:, None] == a[None, :]).sum()
    n, m = len(a), len(b)
    return float((above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def autocorrelation(values: Floats) -> float:
    """Lag-1 autocorrelation, in 0..0.95 (a negative one is taken as none: the careful side)."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if len(values) < 3 or power == 0.0:
        return 0.0
    return min(max(float(centred[:-1] @ centred[1:]) / power, 0.0), 0.95)


def block_length(values: Floats) -> int:
    """Seconds a block: n^(1/3) * (2r / (1 - r^2))^(2/3), the optimum for an AR(1) series of lag-1 correlation
    r (Politis and White, 2004, for the circular scheme: constant (3/2)^(1/3)); at least n^(1/3), at most
    n/4."""
    n = len(values)
    r = autocorrelation(values)
    optimum = (1.5 * n) ** (1 / 3) * (2 * r / (1 - r * r)) ** (2 / 3)
    return max(1, min(round(float(max(optimum, n ** (1 / 3)))), n // 4))


def block_weights(n: int, block: int, draws: int, rng: np.random.Generator) -> Floats:
    """`draws` resamples of n seconds as weights [draws, n]: how often each second was drawn. Rows sum to
    n."""
    blocks = math.ceil(n / block)
    starts = rng.integers(0, n, size=(draws, blocks))
    index = ((starts[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    flat = index + np.arange(draws)[:, None] * n
    return np.bincount(flat.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)


def percentile_of_counts(counts: Floats, values: Floats, share: float) -> Floats:
    """For each row of counts[rows, bins] over ascending bin values: the value at or below which `share` of
    the row lies."""
    cumulative = np.cumsum(counts, axis=1)
    wanted = np.maximum(share * cumulative[:, -1:], 1.0)
    # The small slack keeps 0.99 * 1,000 = 990.0000000000001 from asking for the 991st.
    found: Floats = values[np.argmax(cumulative >= wanted * (1 - 1e-12), axis=1)]
    return found


def newcombe(hits_a: int, n_a: int, hits_b: int, n_b: int, z: float = Z_99) -> tuple[float, float]:
    """Confidence interval of the difference of two proportions, b - a (Newcombe 1998, method 10:
    square-and-add of Wilson's intervals), which holds also where nothing was lost."""
    low_a, high_a = wilson(hits_a, n_a, z)
    low_b, high_b = wilson(hits_b, n_b, z)
    a, b = hits_a / n_a, hits_b / n_b
    return (
        (b - a) - math.hypot(b - low_b, high_a - a),
        (b - a) + math.hypot(high_b - b, a - low_a),
    )


def wilson(hits: int, n: int, z: float = Z_99) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927)."""
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def resampled_counts(
    runs: Sequence[Floats], draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats, float]:
    """The counts of one side of a comparison: (all seconds summed [bins], its resamples [draws, bins],
    spread).

    `runs`: for each run the counts [seconds, bins]. Seconds are drawn in blocks inside their run; of several
    runs, runs are drawn first (two stages), and `spread` is the factor sqrt(R / (R - 1)) by which deviations
    must be widened, because drawing from R runs shows only (R - 1) / R of the variance between them. For one
    run it is 1: the difference between runs is then unknown, which `compare` says.
    """
    many = len(runs)
    times = np.ones((draws, 1))
    if many > 1:
        chosen = rng.integers(0, many, size=(draws, many)) + np.arange(draws)[:, None] * many
        times = np.bincount(chosen.ravel(), minlength=draws * many).reshape(draws, many).astype(np.float64)
    total = np.zeros((draws, runs[0].shape[1]))
    for r, counts in enumerate(runs):
        weights = block_weights(len(counts), block_length(counts.sum(axis=1)), draws, rng)
        total += (weights * times[:, r : r + 1]) @ counts
    whole = np.sum([counts.sum(axis=0) for counts in runs], axis=0)
    return whole, total, math.sqrt(many / (many - 1)) if many > 1 else 1.0
