"""One population's share of a run as a summary of its own, so that whatever shows a run shows a population, too."""

from __future__ import annotations

from collections.abc import Mapping

from wps_load.measure.histogram import Histogram
from wps_load.report.document import PopulationRow, SloRow, Summary


def part_of(summary: Summary, row: PopulationRow) -> Summary:
    """The run as far as it is the population's: its counts, metrics, failures and SLOs; doubts are the run's."""
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
        "timeline": [],
        "populations": None,
        "matrix": None,
        "capacity": None,
        "stages": None,
    }


def histograms_of(histograms: Mapping[str, Histogram], population: str) -> dict[str, Histogram]:
    """Those of a population, which are called `POPULATION.METRIC` beside the run's own."""
    start = f"{population}."
    return {name.removeprefix(start): found for name, found in histograms.items() if name.startswith(start)}
