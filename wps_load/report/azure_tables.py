"""Azure Monitor's metrics of a run: a sentence, tables, and the columns of its charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wps_load.report.azure import CLOSED, HEALTHY_LOAD_PERCENT, METRICS, AzureMetrics, Series
from wps_load.report.tables import Cell, Table, number, size, table

CHARTS: Mapping[str, tuple[str, ...]] = {
    "azure-load": ("ServerLoad", "ConnectionQuotaUtilization"),
    "azure-connections": ("ConnectionCount", "ConnectionOpenCount", CLOSED),
}
"""Chart -> its metrics: metrics with the same unit share a chart."""


def azure_sentence(found: AzureMetrics) -> str:
    """Whether the service was healthy, by Server Load."""
    loads = [series.highest for series in found.of("ServerLoad")]
    if not loads:
        return "The file has no Server Load: add ServerLoad to --metrics."
    highest = max(loads)
    verdict = "healthy" if highest < HEALTHY_LOAD_PERCENT else "too high: add units, or expect latency to grow"
    return f"Server Load was {number(highest)} % at most, {verdict} (healthy: below {HEALTHY_LOAD_PERCENT:.0f} %)."


def azure_table(found: AzureMetrics) -> Table:
    """One row per metric, over the intervals that overlap the run."""
    rows: list[list[str | Cell]] = []
    for metric, (words, _) in METRICS.items():
        series = found.of(metric)
        if not series:
            continue
        sums = series[0].aggregate in ("total", "count")
        shown = size if metric.endswith("Traffic") else number
        highest = max(each.highest for each in series)
        tone = "fail" if metric == "ServerLoad" and highest >= HEALTHY_LOAD_PERCENT else ""
        total = shown(sum(each.total for each in series)) if sums else ""
        rows.append([words, series[0].aggregate, Cell(shown(highest), tone=tone), total])
    return table(
        ("Azure Monitor", "aggregate", f"highest in {found.series[0].interval_s:g} s", "sum"), rows, numeric_from=2
    )


def closes_table(found: AzureMetrics) -> Table | None:
    """Why Azure closed connections; None if the file has no close counts by category."""
    closed = [series for series in found.of(CLOSED) if series.category]
    if not closed:
        return None
    rows = [[series.category, number(series.total)] for series in sorted(closed, key=lambda s: -s.total)]
    return table(("closed because", "connections"), rows)


@dataclass(frozen=True, slots=True)
class AzureLine:
    """One line of a chart."""

    name: str
    xs: list[float]
    ys: list[float]


def azure_lines(found: AzureMetrics) -> dict[str, list[AzureLine]]:
    """Each chart's lines as steps: a point covers its whole interval, so its value is repeated at the end.

    The first interval may have begun before the run: then its line begins with the run.
    """
    return {
        chart: lines for chart, metrics in CHARTS.items() if (lines := [_line(s) for m in metrics for s in found.of(m)])
    }


def _line(series: Series) -> AzureLine:
    words = METRICS[series.metric][0].removesuffix(", %")
    last = series.points[-1]
    return AzureLine(
        f"{words}: {series.category}" if series.category else words,
        [round(max(point.t_s, 0.0), 3) for point in series.points] + [round(last.t_s + series.interval_s, 3)],
        [point.value for point in series.points] + [last.value],
    )
