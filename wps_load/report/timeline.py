"""The course of a run, one row a second: the columns of `timeline` in summary.json and of timeline.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from wps_load.clock import NS_PER_MS
from wps_load.measure.catalog import METRIC_BY_NAME, METRICS
from wps_load.measure.snapshot import Snapshot

FIXED_COLUMNS = (
    "t_s",
    "interval_s",
    "phase",
    "users",
    "offered",
    "published",
    "delivered",
    "lost",
    "connect_opened",
    "connect_failed",
    "loop_lag_ms_p99",
    "send_lag_ms_p99",
    "cpu_percent",
    "failed",
)
QUANTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0))


@cache
def failed_column(metric: str, label: str) -> str:
    """The column of one kind of failure, which a row has if there were some. The same text object each time."""
    return f"failed_{metric}_{label}"


def timeline_row(
    *,
    t_s: float,
    interval_s: float,
    phase: str,
    users: int | None,
    interval: Snapshot,
    offered: int | None,
    published: int | None,
    delivered: int | None,
    lost: int | None,
    loop_lag_ms_p99: float | None = None,
    send_lag_ms_p99: float | None = None,
    cpu_percent: float | None = None,
) -> dict[str, object]:
    """The row of the interval that ended `t_s` seconds after the start and lasted `interval_s`.

    `users` is the number of connections open at its end; the counts are those of the interval alone. `lost` is what
    looks lost so far, gaps in the sequence numbers, and may turn negative for an interval in which stragglers came in.
    `failed`: failures of any kind; each kind has a column of its own as well, where there were some. `interval` has the
    interval's own histograms; metrics without a value in it get no column in this row.
    """
    connect = interval.histograms.get("connect")
    row: dict[str, object] = {
        "t_s": round(t_s, 3),
        "interval_s": round(interval_s, 3),
        "phase": phase,
        "users": users,
        "offered": offered,
        "published": published,
        "delivered": delivered,
        "lost": lost,
        "connect_opened": 0 if connect is None else connect.count,
        "connect_failed": sum(n for (metric, _), n in interval.failures.items() if metric == "connect"),
        "loop_lag_ms_p99": loop_lag_ms_p99,
        "send_lag_ms_p99": send_lag_ms_p99,
        "cpu_percent": cpu_percent,
        "failed": sum(interval.failures.values()),
    }
    row.update({failed_column(metric, label): count for (metric, label), count in interval.failures.items()})
    for name, histogram in interval.histograms.items():
        if histogram.count == 0 or name not in METRIC_BY_NAME:
            continue
        count, *quantiles = _TIMED[name]
        row[count] = histogram.count
        values = histogram.percentiles([percent for _, percent in QUANTILES])
        for column, value in zip(quantiles, values, strict=True):
            row[column] = None if value is None else round(value / NS_PER_MS, 3)
    return row


_TIMED: Final = {
    metric.name: (f"{metric.name}_count", *(f"{metric.name}_{label}" for label, _ in QUANTILES)) for metric in METRICS
}
"""The columns of each metric with times. One text object for all rows: a run keeps thousands of them."""

COLUMNS: Final = (
    *FIXED_COLUMNS,
    "send_failed_service",
    "send_failed_plan",
    "duplicated",
    "reordered",
    "misdelivered",
    "corrupted",
    *(column for metric in METRICS if metric.timed for column in _TIMED[metric.name]),
)
"""The columns of timeline.csv: all of them in every run, because its head is written before anything is measured."""


def csv_head() -> bytes:
    """The names of the columns, RFC 4180."""
    return _csv(COLUMNS)


def csv_line(row: Mapping[str, object]) -> bytes:
    """One row; an unknown value is an empty field."""
    return _csv(["" if (value := row.get(name)) is None else value for name in COLUMNS])


def _csv(values: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue().encode()
