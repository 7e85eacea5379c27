"""The seconds of the measure phase as arrays: what `compare` resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wps_load.clock import NS_PER_MS
from wps_load.report.document import Row, numbers
from wps_load.report.run_folder import PastRun
from wps_load.report.significance import Floats

Ints = NDArray[np.int64]

_BIN_WIDTH = float(np.log(1.01))
"""Bins of one percent, for the resamples only: well below the smallest difference that is judged, and quick.

The figures themselves are exact.
"""
_NONE: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Counted:
    """`hits` of `of`."""

    hits: int
    of: int


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: for each run the counts [seconds, bins] and each second's level."""

    runs: list[Floats]
    levels: list[Floats]

    @property
    def seconds(self) -> int:
        return sum(len(run) for run in self.runs)


def counted_seconds(metric: str, base: Sequence[PastRun], new: Sequence[PastRun]) -> tuple[Side, Side, Floats]:
    """The counts of one metric on both sides, and the bins' values in ms, ascending.

    Seconds without a value are rows of zeros, because a stall must be resampled like anything else; before the first
    value and after the last there are none.
    """
    binned = [[_binned(run, metric) for run in side if run.log.get(metric)] for side in (base, new)]
    used = np.unique(np.concatenate([keys for side in binned for _, keys, _, _ in side] or [_NONE]))
    values = np.exp(used * _BIN_WIDTH) / NS_PER_MS
    sides = []
    for side in binned:
        runs = [_matrix(seconds, np.searchsorted(used, keys), rows, n, len(used)) for seconds, keys, rows, n in side]
        sides.append(Side(runs, [_levels(run, np.log(values)) for run in runs]))
    return sides[0], sides[1], values


def _binned(run: PastRun, metric: str) -> tuple[int, Ints, Ints, Ints]:
    """(seconds, and for each bucket in use its bin, its second, its count)."""
    seconds = run.seconds(metric)
    filled = [(row, second.histogram) for row, second in enumerate(seconds) if second.histogram is not None]
    buckets = [histogram.buckets() for _, histogram in filled]
    values = np.concatenate([values_ns for values_ns, _ in buckets] or [_NONE])
    counts = np.concatenate([counts for _, counts in buckets] or [_NONE])
    rows = np.repeat([row for row, _ in filled], [len(counts) for _, counts in buckets]).astype(np.int64)
    keys = np.round(np.log(np.maximum(values, 1)) / _BIN_WIDTH).astype(np.int64)
    return len(seconds), keys, rows, counts


def _matrix(seconds: int, columns: Ints, rows: Ints, counts: Ints, width: int) -> Floats:
    flat = np.bincount(rows * width + columns, weights=counts, minlength=seconds * width)
    return flat.astype(np.float64).reshape(seconds, width)


def _levels(counts: Floats, logs: Floats) -> Floats:
    """The mean logarithm of each second's values; for a second without values, the mean of the others."""
    sums = counts.sum(axis=1)
    filled = sums > 0
    levels = np.full(len(counts), 0.0)
    levels[filled] = (counts[filled] @ logs) / sums[filled]
    levels[~filled] = levels[filled].mean() if filled.any() else 0.0
    return levels


def rates_of(column: str, side: Sequence[PastRun]) -> list[Floats]:
    """For each run with data, the rates per second of a count in the timeline, in the measure phase."""
    rows = [[(row, row.get("interval_s") or 1.0) for row in _measured(run)] for run in side]
    return _filled([[value / span for row, span in run if (value := row.get(column)) is not None] for run in rows])


def columns_of(column: str, side: Sequence[PastRun]) -> list[Floats]:
    """For each run with data, the values of a column of the timeline; a connect's are from all phases."""
    rows = [_rows(run) if column.startswith("connect") else _measured(run) for run in side]
    return _filled([[value for row in run if (value := row.get(column)) is not None] for run in rows])


def _rows(run: PastRun) -> list[Row]:
    return [numbers(row) for row in run.summary["timeline"]]


def _measured(run: PastRun) -> list[Row]:
    return [numbers(row) for row in run.summary["timeline"] if row.get("phase") == "measure"]


def _filled(runs: list[list[float]]) -> list[Floats]:
    return [np.array(run, np.float64) for run in runs if run]
