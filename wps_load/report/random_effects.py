"""The difference between two sides of runs, with the variance between runs estimated from the runs themselves.

Two runs of the same test differ by more than the noise inside each: neighbours on the host, routes and the placement of
threads change. The model is the usual one of a meta-analysis: run i of a side has the logarithm y_i of its figure,
known to a standard deviation s_i from inside the run, and y_i ~ Normal(side, s_i^2 + tau^2). `tau`, the variation
between runs, is the same on both sides. Two or three runs say little about it, so an estimate of tau by itself is
either far too small or far too large; here every tau is weighed by how well it explains the runs and by a half-Cauchy
prior (Gelman, 2006), and the interval is that of the mixture, as in bayesmeta (Roever, 2020).

With one run on each side tau is unknown. It is then assumed to be 0, and `compare` says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from wps_load.report.significance import Floats

TYPICAL_VARIATION = 0.005
"""The prior's median of tau, 0.5 %; its tail is heavy, so that runs which differ by more are believed. Chosen by
simulation (tests/report/test_report_random_effects.py): with 0.01 two runs on each side find less than one does, and
without a heavy tail, tests that vary by 10 % between runs raise false alarms.
"""
GRID = 64
BISECTIONS = 40


class Estimate(NamedTuple):
    """The logarithm of one run's figure, and its standard deviation from inside the run."""

    log: float
    sd: float


@dataclass(frozen=True, slots=True)
class LogDifference:
    """Both sides' logarithms, and the interval of new - base."""

    base: float
    new: float
    low: float
    high: float


def log_difference(base: Sequence[Estimate], new: Sequence[Estimate], confidence: float) -> LogDifference:
    """New minus base with its interval; each side has at least one run."""
    taus = _grid() if max(len(base), len(new)) > 1 else np.zeros(1)
    (log_a, var_a, like_a), (log_b, var_b, like_b) = (_side(runs, taus) for runs in (base, new))
    likelihood = like_a + like_b
    weights = np.exp(likelihood - likelihood.max())
    weights /= weights.sum()
    centres, widths = log_b - log_a, np.sqrt(var_a + var_b)
    tail = (1 - confidence) / 2
    low, high = (_quantile(weights, centres, widths, share) for share in (tail, 1 - tail))
    return LogDifference(float(weights @ log_a), float(weights @ log_b), low, high)


def _grid() -> Floats:
    """Quantiles of the half-Cauchy prior at even steps, so that each value has the same prior weight."""
    middles: Floats = (np.arange(GRID) + 0.5) / GRID
    return TYPICAL_VARIATION * np.tan(math.pi / 2 * middles)


def _side(runs: Sequence[Estimate], taus: Floats) -> tuple[Floats, Floats, Floats]:
    """For each tau: the side's mean, its variance, and the logarithm of tau's likelihood without the mean."""
    logs = np.array([run.log for run in runs])[:, None]
    variances = np.array([max(run.sd, 1e-6) for run in runs])[:, None] ** 2 + taus**2
    precision = (1 / variances).sum(axis=0)
    mean = (logs / variances).sum(axis=0) / precision
    residuals = ((logs - mean) ** 2 / variances).sum(axis=0)
    return mean, 1 / precision, -0.5 * (np.log(variances).sum(axis=0) + np.log(precision) + residuals)


def _quantile(weights: Floats, centres: Floats, widths: Floats, share: float) -> float:
    """A quantile of a mixture of normal distributions, by bisection."""
    reach = 2 * abs(NormalDist().inv_cdf(min(share, 1 - share) / 2))
    low, high = float((centres - reach * widths).min()), float((centres + reach * widths).max())
    terms = list(zip((weights / 2).tolist(), centres.tolist(), (widths * math.sqrt(2)).tolist(), strict=True))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = sum(weight * math.erfc((centre - middle) / width) for weight, centre, width in terms)
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2
