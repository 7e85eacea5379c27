"""A figure's estimate from each single run: its logarithm, and how exactly the run's own seconds determine it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.report import significance
from wps_load.report.random_effects import Estimate
from wps_load.report.run_folder import PastRun, merged
from wps_load.report.series import Side, columns_of, counted_seconds

DRAWS = 1000
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
MIN_SECONDS = 10
"""With fewer seconds of data on a side, nothing is known about how seconds vary."""

Sides = tuple[list[Estimate], list[Estimate]]
"""Each run's logarithm of a figure: the base's runs, and the new ones."""


def from_histograms(
    metric: str, base: Sequence[PastRun], new: Sequence[PastRun], rng: np.random.Generator
) -> dict[str, Sides] | None:
    """From the histograms of resampled seconds, run by run; None with too few seconds."""
    a, b, values = counted_seconds(metric, base, new)
    if min(a.seconds, b.seconds) < MIN_SECONDS:
        return None
    estimates = [_percentiles(side, runs, metric, values, rng) for side, runs in ((a, base), (b, new))]
    return {name: (estimates[0][i], estimates[1][i]) for i, name in enumerate(PERCENTILES)}


def _percentiles(
    side: Side, runs: Sequence[PastRun], metric: str, values: significance.Floats, rng: np.random.Generator
) -> list[list[Estimate]]:
    """For each percentile one estimate per run: exact in its figure, resampled in its deviation."""
    shares = list(PERCENTILES.values())
    found: list[list[Estimate]] = [[] for _ in shares]
    measured = (run for run in runs if run.log.get(metric))
    for run, counts, level in zip(measured, side.runs, side.levels, strict=True):
        draws, wider = significance.resampled_counts(counts, level, DRAWS, rng)
        spreads = np.log(significance.percentiles_of_counts(draws, values, shares)).std(axis=0) * wider
        whole = merged(run.log[metric])
        for i, share in enumerate(shares):
            found[i].append(Estimate(math.log(_ms(whole, share)), float(spreads[i])))
    return found


def _ms(histogram: Histogram, share: float) -> float:
    return max(histogram.percentile(share * 100) or 0, 1) / NS_PER_MS


def from_timelines(
    metric: str, base: Sequence[PastRun], new: Sequence[PastRun], rng: np.random.Generator
) -> dict[str, Sides] | None:
    """From the percentiles of each second, if only a summary is known: their geometric mean over the seconds."""
    found: dict[str, Sides] = {}
    for name in PERCENTILES:
        sides = []
        for side in (base, new):
            seconds = [np.log(np.maximum(run, 1e-6)) for run in columns_of(f"{metric}_{name}", side)]
            if sum(map(len, seconds)) < MIN_SECONDS:
                return None
            sides.append([Estimate(*mean_of(run, rng)) for run in seconds])
        found[name] = sides[0], sides[1]
    return found


def mean_of(seconds: significance.Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The mean of a run's seconds, and its standard deviation by resampling."""
    rows = np.column_stack((seconds, np.ones(len(seconds))))
    draws, wider = significance.resampled_counts(rows, seconds, DRAWS, rng)
    return float(seconds.mean()), float((draws[:, 0] / draws[:, 1]).std() * wider)
