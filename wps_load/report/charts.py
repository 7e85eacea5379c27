"""The numbers behind the charts of report.html: columns for lines, points for the percentile axis. No drawing
here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.measure.thresholds import parse
from wps_load.report.azure_tables import azure_lines
from wps_load.report.evidence import headline, samples
from wps_load.report.extras import NONE, Extras
from wps_load.report.steps import curve
from wps_load.report.timeline import FIXED_COLUMNS

MAX_POINTS = 1500
"""Longer timelines are thinned to this many points: more than a screen has pixels, few enough to move
smoothly."""

LATENCY_METRICS = ("rtt", "rtt_service", "delivery", "publish_ack", "rest_publish", "recover", "connect")
CONNECT_PARTS = (
    ("connect_token", "token"),
    ("connect_dns", "DNS"),
    ("connect_tcp", "TCP"),
    ("connect_tls", "TLS"),
    ("connect_upgrade", "upgrade"),
    ("connect_ready", "ready"),
)
_TICKS_PER_DECADE = 24

Columns = dict[str, list[Any]]


def chart_data(
    summary: Mapping[str, Any], histograms: Mapping[str, Histogram], extras: Extras = NONE
) -> dict[str, Any]:
    """All that report.js draws, JSON-able."""
    name = headline(summary)
    return {
        "headline": name if samples(summary["metrics"].get(name, {})) else None,
        "limits": [limit for slo in summary["slo"] for limit in latency_limits(slo["expression"], name)],
        "timeline": thinned(summary["timeline"], _drawn(name)),
        "phases": summary["phases"],
        "distributions": [
            {"name": name, **percentile_curve(histograms[name])}
            for name in LATENCY_METRICS
            if name in histograms and histograms[name].count
        ],
        "anatomy": connect_anatomy(summary["metrics"]),
        "failures": summary["failures"][:20],
        "curve": curve(summary),
        "azure": {} if extras.azure is None else azure_lines(extras.azure),
    }


def latency_limits(expression: str, metric: str | None) -> list[dict[str, Any]]:
    """The limit that an SLO puts on a percentile of `metric`, in ms, for a line in the chart; none for other
    SLOs."""
    return [
        {"expression": expression, "ms": slo.limit_ms}
        for slo in parse(expression)
        if slo.subject == metric and slo.aggregate in ("p50", "p90", "p99")
    ]


def _drawn(metric: str | None) -> list[str]:
    """The columns of the timeline that report.js draws."""
    percentiles = [] if metric is None else [f"{metric}_{p}" for p in ("p50", "p90", "p99")]
    return [name for name in FIXED_COLUMNS if name not in ("interval_s", "phase")] + percentiles


def thinned(rows: Sequence[Mapping[str, Any]], names: Sequence[str], limit: int = MAX_POINTS) -> Columns:
    """Columns of the timeline, at most `limit` long: counts become rates per second; of several rows that
    fall together counts are summed, and of everything else the largest stays, so that no spike disappears."""
    step = max(1, -(-len(rows) // limit))
    groups = [rows[i : i + step] for i in range(0, len(rows), step)]
    columns: Columns = {name: [_together(group, name) for group in groups] for name in names}
    columns["t_s"] = [group[-1]["t_s"] for group in groups]
    return columns


def _together(group: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [value for row in group if (value := row.get(name)) is not None]
    if not values:
        return None
    if name in _COUNTS or name.endswith("_count"):
        span = sum(row.get("interval_s") or 1.0 for row in group)
        return round(float(sum(values)) / span, 3)
    return float(max(values))


_COUNTS = frozenset({"offered", "published", "delivered", "lost", "connect_opened", "connect_failed"})


def connects_per_s(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """New connections a second: of the measure phase where there were some, else from the first to the last of the
    ramp. None: there were none."""
    measured = [row for row in rows if row.get("phase") == "measure"]
    if not any(row["connect_opened"] for row in measured):
        busy = [at for at, row in enumerate(rows) if row["connect_opened"]]
        measured = list(rows[busy[0] : busy[-1] + 1]) if busy else []
    span_s = sum(row.get("interval_s") or 1.0 for row in measured)
    return sum(row["connect_opened"] for row in measured) / span_s if span_s else None


def percentile_curve(histogram: Histogram) -> dict[str, list[float]]:
    """HdrHistogram's percentile plot: x = 1 / (1 - share), so that 90, 99, 99.9 % are equally far apart on a
    log axis; y in ms. It ends where single samples begin: at x = count stands the maximum."""
    xs: list[float] = []
    while not xs or xs[-1] < histogram.count:
        xs.append(min(10 ** (len(xs) / _TICKS_PER_DECADE), float(histogram.count)))
    ys = histogram.percentiles([max(100.0 * (1.0 - 1.0 / x), 1e-9) for x in xs[:-1]] + [100.0])
    return {
        "x": [round(x, 3) for x in xs],
        "y": [round(y / NS_PER_MS, 4) for y in ys if y is not None],
    }


def connect_anatomy(metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean connect, in the parts that add up to it (percentiles would not add up). A part that not every
    connection had, such as TLS or a cached name, weighs as often as it occurred; what no part explains is
    waiting."""
    whole = metrics.get("connect")
    if not whole or whole["mean"] is None:
        return []
    parts = []
    for name, label in CONNECT_PARTS:
        row = metrics.get(name)
        if row and row["mean"] is not None:
            parts.append({"name": name, "label": label, "ms": row["mean"] * samples(row) / samples(whole)})
    rest = whole["mean"] - sum(part["ms"] for part in parts)
    if parts and rest > 0:
        parts.append({"name": "waiting", "label": "waiting", "ms": rest})
    return [{**part, "ms": round(part["ms"], 4)} for part in parts]
