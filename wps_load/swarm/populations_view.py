"""The populations of a run on its live page: the last second's, the worst first; after the end, the report's."""

from __future__ import annotations

from wps_load.report.document import Summary
from wps_load.report.live_populations import PopulationNow, worst_first
from wps_load.report.population_tables import populations, populations_table
from wps_load.report.portion import Portion
from wps_load.report.tables import DASH, Cell, Table, millis, number, table
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.live_data import LiveTable
from wps_load.swarm.populations_now import populations_now

_HEADER = (
    "population", "connections", "published/s", "delivered/s", "missing so far", "latency", "p50, ms", "p99, ms",
    "its SLO with the smallest margin",
)  # fmt: skip


def populations_view(conductor: Conductor, summary: Summary | None) -> LiveTable | None:
    """A table for the page; None: the run has only one population. `summary`: that of a finished run."""
    if summary is not None:
        return _shown(populations_table(summary)) if populations(summary) else None
    found = populations_now(conductor, conductor.collector)
    newest = conductor.collector.newest
    if newest is None or not any(each.name for each in found):
        return None
    length_s = newest.to_s - newest.from_s or 1.0
    missing = {each.name: books.running("missing") for each, books in zip(
        conductor.plan.config.populations, conductor.collector.populations, strict=False)}  # fmt: skip
    rows = [
        _row(each, newest.portions.get(each.name), missing.get(each.name), length_s)
        for each in worst_first(found)
        if each.name
    ]
    return _shown(table(_HEADER, rows, numeric_from=1, numeric_to=8))


def _row(now: PopulationNow, second: Portion | None, missing: int | None, length_s: float) -> list[str | Cell]:
    counts = {} if second is None else second.counts
    worst = now.worst
    met = None if worst is None else worst.met
    said = "none" if worst is None else now.text.removeprefix(f"{now.name} ")
    return [
        now.name,
        DASH if second is None else number(second.users),
        *(DASH if second is None else number(counts.get(name, 0) / length_s) for name in ("published", "delivered")),
        number(missing),
        now.metric,
        millis(now.p50_ms),
        millis(now.p99_ms),
        Cell(said, tone="" if met is None else "pass" if met else "fail"),
    ]


def _shown(found: Table) -> LiveTable:
    """A table for JSON."""
    return {
        "columns": [{"text": text, "numeric": found.is_numeric(at)} for at, text in enumerate(found.header)],
        "rows": [[{"text": cell.text, "tone": cell.tone} for cell in row] for row in found.rows],
    }
