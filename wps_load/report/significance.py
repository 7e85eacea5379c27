"""The statistics behind `compare` and the drift doubt.

Pure arrays in, numbers out; everything random is seeded.

Why blocks: the seconds of a run are not independent (a slow second follows a slow one), and a bootstrap that draws
single seconds underestimates the error of its means. Drawing runs of neighbouring seconds keeps the dependence inside a
block: the circular block bootstrap (Politis and Romano, 1992). In a run of a minute blocks are short, so part of the
dependence is still cut; `widening` puts it back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z_99 = 2.5758293035489004
"""The 99.5 % quantile of the normal distribution: two-sided 99 %."""

_SINGLE_THREADED = 1 << 18
"""Multiplications up to which OpenBLAS stays in one thread: 4 * 65,536 (its interface/gemm.c)."""

DRIFT_MIN_SECONDS = 24
DRIFT_RELATIVE = 0.10
DRIFT_ABSOLUTE_MS = 0.1
DRIFT_Z = 3.29
"""Two-sided 0.1 %: the test is repeated on every run, and false alarms there cost the reader's trust."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Medians of the first and the last third."""

    first: float
    last: float


def drift(values: Sequence[float]) -> Drift | None:
    """Whether a series of per-second medians (ms) ends at another level than it began: None if it does not.

    All three must hold: the medians of the first and the last third differ by more than 10 %, and by more
    than 0.1 ms, and the Mann-Whitney U test tells the thirds apart at 0.1 %. Fewer than 24 seconds: None.
    """
    if len(values) < DRIFT_MIN_SECONDS:
        return None
    third = len(values) // 3
    first, last = np.asarray(values[:third], np.float64), np.asarray(values[-third:], np.float64)
    # not numpy's median, whose first call imports modules for 100 ms, in which a run in progress would stop
    a, b = median(values[:third]), median(values[-third:])
    floor = max(DRIFT_ABSOLUTE_MS, DRIFT_RELATIVE * min(a, b))
    if abs(a - b) <= floor or abs(mann_whitney_z(first, last)) < DRIFT_Z:
        return None
    return Drift(a, b)


def mann_whitney_z(a: Floats, b: Floats) -> float:
    """The U statistic of two samples in standard deviations from its mean under "no difference".

    Without a correction for ties, which make it smaller, never larger.
    """
    above = (b[:, None] > a[None, :]).sum() + 0.5 * (b[:, None] == a[None, :]).sum()
    n, m = len(a), len(b)
    return float((above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def autocorrelation(values: Floats) -> float:
    """Lag-1 autocorrelation in 0..0.95, taken on the careful side.

    Corrected for the bias of short series, -(1 + 3r) / n (Kendall, 1954), plus one standard error, sqrt((1 - r^2) / n).
    """
    centred = values - values.mean()
    power, n = float(centred @ centred), len(values)
    if n < 5 or power == 0.0:
        return 0.0
    r = (n * float(centred[:-1] @ centred[1:]) / power + 1) / (n - 3)
    careful = r + math.sqrt(max(1 - r * r, 0.0) / n)
    return min(max(careful, 0.0), 0.95)


def block_length(n: int, r: float) -> int:
    """The best length of a block, in seconds, for an AR(1) series of lag-1 correlation r.

    (3/2 n)^(1/3) * (2r / (1 - r^2))^(2/3) in the circular scheme (Politis and White, 2004); at
    least n^(1/3), at most n/4.
    """
    optimum = (1.5 * n) ** (1 / 3) * (2 * r / (1 - r * r)) ** (2 / 3)
    return max(1, min(round(float(max(optimum, n ** (1 / 3)))), n // 4))


def widening(n: int, block: int, r: float) -> float:
    """The factor by which deviations of a block bootstrap fall short for an AR(1) series of n values, at least 1.

    Three things are missing from the resamples: dependence that blocks of this length cut, V = (1 + r) / (1 - r)
    against 1 + 2 sum (1 - k/L) r^k; the variance that a mean taken from the same series hides, V / n of it; and that n
    / V independent values know their own variance badly, for which Student's t stands in for the normal.
    """
    whole = (1 + r) / (1 - r)
    captured = 1 + 2 * sum((1 - k / block) * r**k for k in range(1, block))
    independent = max(n / whole, 2.0)
    hidden = 1 - 1 / independent
    return math.sqrt(whole / captured / hidden) * student_99(independent - 1) / Z_99


def student_99(freedom: float) -> float:
    """The 99.5 % quantile of Student's t, by the expansion in 1 / freedom (Abramowitz and Stegun, 26.7.5).

    Below 3 degrees of freedom, where it fails, that of 3, which is wide enough to never call a regression by itself.
    """
    z, f = Z_99, max(freedom, 3.0)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / f + g2 / f**2 + g3 / f**3 + g4 / f**4


def block_weights(n: int, block: int, draws: int, rng: np.random.Generator) -> Floats:
    """`draws` resamples of n seconds as weights [draws, n]: how often each second was drawn. Rows sum to n."""
    blocks = math.ceil(n / block)
    starts = rng.integers(0, n, size=(draws, blocks))
    index = ((starts[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    flat = index + np.arange(draws)[:, None] * n
    return np.bincount(flat.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)


def product(a: Floats, b: Floats) -> Floats:
    """The matrix product, in pieces of about 2^18 multiplications.

    OpenBLAS distributes larger ones among threads, which then spin and wait for more: that costs as much CPU as the
    rest of a comparison.
    """
    rows = max(1, _SINGLE_THREADED // (b.size or 1))
    found = np.empty((len(a), b.shape[1]))
    for start in range(0, len(a), rows):
        np.matmul(a[start : start + rows], b, out=found[start : start + rows])
    return found


def percentiles_of_counts(counts: Floats, values: Floats, shares: Sequence[float]) -> Floats:
    """The value at or below which each share of a row of counts lies: [rows, shares].

    `counts[rows, bins]` belong to ascending bin values.
    """
    cumulative = np.cumsum(counts, axis=1)
    found = np.empty((len(counts), len(shares)))
    for i, share in enumerate(shares):
        # The small slack keeps 0.99 * 1,000 = 990.0000000000001 from asking for the 991st.
        wanted = np.maximum(share * cumulative[:, -1:], 1.0) * (1 - 1e-12)
        found[:, i] = values[np.argmax(cumulative >= wanted, axis=1)]
    return found


def newcombe(hits_a: float, n_a: float, hits_b: float, n_b: float, z: float = Z_99) -> tuple[float, float]:
    """Confidence interval of the difference of two proportions, b - a (Newcombe 1998, method 10:
    square-and-add of Wilson's intervals), which holds also where nothing was lost."""
    low_a, high_a = wilson(hits_a, n_a, z)
    low_b, high_b = wilson(hits_b, n_b, z)
    a, b = hits_a / n_a, hits_b / n_b
    return (
        (b - a) - math.hypot(b - low_b, high_a - a),
        (b - a) + math.hypot(high_b - b, a - low_a),
    )


def wilson(hits: float, n: float, z: float = Z_99) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927)."""
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def overdispersion(sides: Sequence[Sequence[tuple[int, int]]]) -> float:
    """How much more the runs' shares `hits / of` differ from their side's than binomial chance explains.

    Pearson's statistic over its degrees of freedom, at least 1. With one run on each side it is unknown: 1.
    """
    statistic, freedom = 0.0, 0
    for side in sides:
        runs = [(hits, of) for hits, of in side if of]
        share = sum(hits for hits, _ in runs) / sum(of for _, of in runs)
        if len(runs) < 2 or not 0 < share < 1:
            continue
        statistic += sum((hits - of * share) ** 2 / (of * share * (1 - share)) for hits, of in runs)
        freedom += len(runs) - 1
    return max(1.0, statistic / freedom) if freedom else 1.0


def resampled_counts(counts: Floats, level: Floats, draws: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Resamples one run's counts, summed over its seconds [draws, bins].

    Also returns the factor by which their deviations must be widened.

    `counts`: [seconds, bins]; `level`: the level of each second, whose dependence sets the blocks.
    """
    n, r = len(counts), autocorrelation(level)
    block = block_length(n, r)
    return product(block_weights(n, block, draws, rng), counts), widening(n, block, r)
