"""The buckets of Locust's own table, for one time or a whole histogram. Pure: importing this patches nothing."""

from __future__ import annotations

import numpy as np

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram

_SPANS_MS = (10, 100, 1_000, 10_000)
"""Buckets are wider from each of these times on."""


def bucket_response_time(response_time: float) -> float:
    """Locust's bucket of a time in ms: three significant digits, and at least 0.01 ms below 10 ms."""
    if response_time < 10:
        return round(response_time, 2)
    if response_time < 100:
        return round(response_time, 1)
    if response_time < 1_000:
        return float(round(response_time))
    if response_time < 10_000:
        return float(round(response_time, -1))
    return float(round(response_time, -2))


def bucketed(histogram: Histogram) -> dict[float, int]:
    """A histogram's counts by Locust's buckets: `bucket_response_time` of all values in one pass.

    A worker does this once a second between its messages, and a histogram may have thousands of buckets in use.
    """
    middles, counts = histogram.buckets()
    times = middles / NS_PER_MS
    # times are ascending, and each span has a step of its own
    spans = np.split(times, np.searchsorted(times, _SPANS_MS))
    rounded = [np.rint(span * per_ms) / per_ms for span, per_ms in zip(spans[:3], (100.0, 10.0, 1.0), strict=True)]
    rounded += [np.rint(span / step) * step for span, step in zip(spans[3:], (10.0, 100.0), strict=True)]
    keys = np.concatenate(rounded)
    first = np.flatnonzero(np.diff(keys, prepend=-1.0))  # also across two spans: 9.999 and 10.01 are both 10.0
    return dict(zip(map(_same, keys[first].tolist()), np.add.reduceat(counts, first).tolist(), strict=True))


_SEEN: dict[float, float] = {}


def _same(bucket: float) -> float:
    """The same object for equal buckets, of which there are some thousands: each row of Locust's table has them all."""
    return _SEEN.setdefault(bucket, bucket)
