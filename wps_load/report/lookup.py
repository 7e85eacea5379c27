"""Frequent look-ups of renderers in a summary."""

from __future__ import annotations

from wps_load.report.document import Capacity, Row, StagesSection, Summary, numbers


def explored(summary: Summary) -> Capacity | StagesSection | None:
    """The search or the stages, for a run in steps."""
    return summary["capacity"] or summary.get("stages")


def metric_row(summary: Summary, metric: str) -> Row:
    """The row of a metric; empty: the run has none."""
    return numbers(summary["metrics"].get(metric, {}))
