"""Tables of a report whose rows are seconds or workers: the worst seconds, and the load generators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from wps_load.report.document import Row, Summary, WorkerRow, numbers
from wps_load.report.evidence import headline
from wps_load.report.tables import Cell, Table, millis, number, table

SLOWEST, ODDEST = 5, 3
"""The number of slowest seconds, and of those with the most losses or failures."""


def clock_time(summary: Summary, t_s: float) -> str:
    """The time of day, UTC, this many seconds after the run's start."""
    started = datetime.fromisoformat(summary["run"]["started_at"]).astimezone(UTC)
    return f"{started + timedelta(seconds=t_s):%H:%M:%S}"


def worst_seconds(summary: Summary) -> Table | None:
    """The slowest intervals of the measure phase, and those with the most failures and loss.

    Slow by the headline's p99. Each has the time of day at which it began, for a search in other logs.
    """
    metric = headline(summary)
    column = f"{metric}_p99"
    rows = [numbers(row) for row in summary["timeline"] if row.get("phase") == "measure"]
    rows = rows or [numbers(row) for row in summary["timeline"]]
    slow = sorted((row for row in rows if row.get(column) is not None), key=lambda row: -(row[column] or 0))[:SLOWEST]
    bad = sorted((row for row in rows if _bad(row)), key=lambda row: -_bad(row))[:ODDEST]
    chosen = {row["t_s"]: (row, "slowest") for row in slow} | {
        row["t_s"]: (row, "lost or failed") for row in bad if row not in slow
    }
    if len(rows) <= 1 or not chosen:
        return None
    cells: list[list[str | Cell]] = []
    for row, why in chosen.values():
        ended = row["t_s"] or 0.0
        began = ended - (row.get("interval_s") or 1.0)
        figures = [millis(row.get(f"{metric}_{p}")) for p in ("p50", "p99")]
        counts = [number(row.get(name)) for name in ("delivered", "lost", "failed")]
        machine = [millis(row.get("send_lag_ms_p99")), number(row.get("cpu_percent"))]
        cells.append([f"{number(began)}–{number(ended)}", clock_time(summary, began), why, *figures, *counts, *machine])
    header = (
        "second",
        "UTC",
        "why",
        f"{metric} p50, ms",
        "p99, ms",
        "delivered",
        "lost",
        "failed",
        "send lag, ms",
        "CPU, %",
    )
    return table(header, cells, numeric_from=3)


def _bad(row: Row) -> float:
    return float(max(0, row.get("lost") or 0) + (row.get("failed") or row.get("connect_failed") or 0))


def workers_table(summary: Summary) -> Table | None:
    """Each process that generated load; None if unknown."""
    found = summary.get("workers")
    if not found:
        return None
    header = ("worker", "host", "users", "busiest second, % of a core", "send lag p99, ms", "clock error, ms", "state")
    return table(header, [_worker(each) for each in found], numeric_from=2, numeric_to=6)


def _worker(worker: WorkerRow) -> list[str | Cell]:
    return [
        worker["name"],
        worker["host"] or "",
        number(worker["users"]),
        number(worker["cpu_percent_max"]),
        millis(worker["send_lag_ms_p99"]),
        millis(worker["clock_error_ms"]),
        Cell("lost", tone="fail") if worker["lost"] else "there to the end",
    ]
