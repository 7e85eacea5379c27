"""Runs in steps, `--wps-capacity` and `--wps-stages`: their sentences, tables and curve, from the summary document."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.capacity.knee import Point, knee
from wps_load.report.document import StepRow, Summary
from wps_load.report.lookup import explored
from wps_load.report.tables import Cell, Table, is_search, millis, number, table

UNITS = {"rate": "messages/s", "users": "connections"}
_OUTCOMES = {"held": "✓ held", "failed": "✗ failed", "generator": "! generator"}
_TONES = {"held": "pass", "failed": "fail", "generator": "fail"}


def variable(summary: Summary) -> str:
    """What the steps change: "rate" or "users"."""
    found = explored(summary)
    assert found is not None, "only of runs in steps"
    return found["variable"]


def steps(summary: Summary) -> Sequence[StepRow]:
    """The steps in the order in which they ran; none for runs without steps."""
    found = explored(summary)
    return found["steps"] if found else ()


def knee_load(summary: Summary) -> float | None:
    """For stages: the load of the step with the greatest power, deliveries a second divided by the median latency.

    None: no knee was reached, or the run has no stages.
    """
    if is_search(summary):
        return None
    points = [
        Point(step["load"], step["delivered_per_s"], step["p50"])
        for step in steps(summary)
        if step["delivered_per_s"] and step["p50"]
    ]
    found = knee(points)
    return None if found is None else found.load


def knee_sentence(summary: Summary) -> str:
    """Where the knee is, and what it means there."""
    load = knee_load(summary)
    unit = UNITS[variable(summary)]
    if load is None:
        return "No knee was reached: up to the last step, more load still bought more throughput than latency."
    step = next(step for step in steps(summary) if step["load"] == load)
    return (
        f"The knee is at {number(load)} {unit}: {number(step['delivered_per_s'])} deliveries/s at a median of "
        f"{millis(step['p50'])} ms. Beyond it, more load buys more latency than throughput (Kleinrock’s power)."
    )


def steps_table(summary: Summary) -> Table:
    """One row per step. For a search, whether the load passed, and if not, why; for stages, which one is the knee."""
    found, knee_at = steps(summary), knee_load(summary)
    searched = is_search(summary)
    # only for a rate, and if they say more than the top of the page does
    counted = variable(summary) == "rate" and len({step["users"] for step in found}) > 1
    marked, explained = searched or knee_at is not None, any(step["reasons"] for step in found)
    metric = found[0]["metric"] if found else ""
    rows: list[list[str | Cell]] = []
    for step in found:
        mark = (
            Cell(_OUTCOMES.get(step["outcome"] or "", ""), tone=_TONES.get(step["outcome"] or "", ""))
            if searched
            else Cell("knee" if step["load"] == knee_at else "")
        )
        end_s = step["from_s"] + step["duration_s"]
        rows.append(
            [
                number(step["load"]),
                *([mark] if marked else []),
                *(Cell(millis(latency), faint=step["few_samples"]) for latency in (step["p50"], step["p99"])),
                *(number(step[key]) for key in ("published_per_s", "delivered_per_s", "lost")),
                *([number(step["users"])] if counted else []),
                *(number(step[key]) for key in ("cpu_percent_max", "samples")),
                f"{step['from_s']:g}–{end_s:g}",
                *(["; ".join(step["reasons"])] if explained else []),
            ]
        )
    header = [UNITS[variable(summary)], *(["outcome" if searched else ""] if marked else [])]
    header += [f"{metric} p50, ms", f"{metric} p99, ms", "published/s", "delivered/s", "lost"]
    header += [*(["connections"] if counted else []), "CPU, %", "samples", "seconds", *(["why"] if explained else [])]
    return table(header, rows, 2 if marked else 1, len(header) - explained)


def one_step_table(step: StepRow) -> Table:
    """One step's own statistics, as names and values."""
    rows = [
        [f"{step['metric']} p50, ms", millis(step["p50"])],
        [f"{step['metric']} p99, ms", millis(step["p99"])],
        ["published/s", number(step["published_per_s"])],
        ["delivered/s", number(step["delivered_per_s"])],
        ["lost", number(step["lost"])],
        ["connections", number(step["users"])],
    ]
    return table(("step", ""), rows)
