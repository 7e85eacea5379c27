"""One population's part of a run as a summary of its own, so that everything that shows a run can show a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

from wps_load.measure.histogram import Histogram
from wps_load.report.document import PopulationRow, SloRow, Summary
from wps_load.report.document_course import TimelineRow
from wps_load.report.timeline import COLUMNS


def part_of(summary: Summary, row: PopulationRow) -> Summary:
    """The population's part of the run: its counts, metrics, failures and SLOs; doubts belong to the run."""
    slos: list[SloRow] = [
        {**slo, "expression": slo["expression"].removeprefix(f"{row['name']}.")} for slo in row["slo"]
    ]
    return {
        **summary,
        "run": {
            **summary["run"],
            "scenario": row["scenario"],
            "protocol": row["protocol"],
            "main_metric": row["main_metric"],
        },
        "slo": slos,
        "connections": row["connections"],
        "messages": row["messages"],
        "bytes": row["bytes"],
        "rates": row["rates"],
        "metrics": row["metrics"],
        "failures": row["failures"],
        "timeline": _timeline(row),
        "populations": None,
        "matrix": None,
        "capacity": None,
        "stages": None,
    }


def _timeline(row: PopulationRow) -> list[TimelineRow]:
    """The population's intervals as rows, without values that are known only for the run; none if none are known."""
    course, metric = row.get("course"), row["main_metric"]
    if course is None:
        return []
    ends = course["t_s"]
    unknown = dict.fromkeys(COLUMNS)
    columns: dict[str, Sequence[float | None]] = {
        "t_s": ends,
        "interval_s": [end - begin for begin, end in pairwise([0.0, *ends])],
        **{name: course[name] for name in ("users", "published", "delivered", "lost")},
        f"{metric}_p50": course["p50"],
        f"{metric}_p99": course["p99"],
    }
    rows = [unknown | dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return cast(list[TimelineRow], rows)


def histograms_of(histograms: Mapping[str, Histogram], population: str) -> dict[str, Histogram]:
    """The histograms of a population, which are called `POPULATION.METRIC` beside the run's own."""
    start = f"{population}."
    return {name.removeprefix(start): found for name, found in histograms.items() if name.startswith(start)}
