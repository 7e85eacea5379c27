"""The seconds of the measure phase as arrays: what `compare` resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wps_load.clock import NS_PER_MS
from wps_load.report.load import Run
from wps_load.report.stats import Floats

_BIN_WIDTH = np.log(1.0025)
"""Bins of a quarter of a percent: far below the smallest difference that is judged, and few enough to be
quick."""


@dataclass(frozen=True, slots=True)
class Counted:
    """`hits` of `of`."""

    hits: int
    of: int


def counted_seconds(
    metric: str, base: Sequence[Run], new: Sequence[Run]
) -> tuple[tuple[list[Floats], list[Floats]], Floats]:
    """For each side and run the counts [seconds, bins] of one metric, and the bins' values in ms, ascending.

    Seconds without a value are rows of zeros in between, as a stall must be resampled like anything else, and
    are left out before the first and after the last.
    """
    bins: dict[int, int] = {}
    sides = [[_binned(run, metric) for run in side] for side in (base, new)]
    for key in sorted({key for side in sides for run in side for second in run for key in second}):
        bins[key] = len(bins)
    arrays = tuple([_array(run, bins) for run in side if run] for side in sides)
    values = np.exp(np.array(list(bins), np.float64) * _BIN_WIDTH) / NS_PER_MS
    return (arrays[0], arrays[1]), values


def _binned(run: Run, metric: str) -> list[dict[int, int]]:
    seconds: list[dict[int, int]] = []
    for interval in run.seconds(metric):
        found: dict[int, int] = {}
        if interval.histogram is not None:
            for value_ns, count in interval.histogram.nonzero():
                key = round(float(np.log(max(value_ns, 1))) / _BIN_WIDTH)
                found[key] = found.get(key, 0) + count
        seconds.append(found)
    return seconds


def _array(seconds: list[dict[int, int]], bins: dict[int, int]) -> Floats:
    counts = np.zeros((len(seconds), len(bins)))
    for i, second in enumerate(seconds):
        for key, count in second.items():
            counts[i, bins[key]] = count
    return counts


def rate_seconds(column: str, side: Sequence[Run]) -> list[Floats]:
    """For each run the rates per second of a column of the timeline, in the measure phase."""
    found = []
    for run in side:
        rates = [
            row[column] / (row.get("interval_s") or 1.0)
            for row in run.summary["timeline"]
            if row.get("phase") == "measure" and row.get(column) is not None
        ]
        if rates:
            found.append(np.array(rates, np.float64))
    return found
