"""The sections of report.html about capacity: the search, the stages, units and cost, Azure Monitor's view."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from wps_load.capacity.measured import best_step, busiest_step
from wps_load.capacity.units import load_guide
from wps_load.report import steps, tables
from wps_load.report.azure_tables import azure_lines, azure_sentence, azure_table, closes_table
from wps_load.report.elements import chart, pairs, section, table
from wps_load.report.extras import Extras
from wps_load.report.unit_tables import (
    found_sizing,
    guide_table,
    price_note,
    sizes_table,
    units_notes,
    units_sentence,
)

CHARTED_STEPS = 40
"""So many stages get a chart of their own; a page with more is slow to draw, and nobody looks at them all."""
_BOUNDS = {
    "service": "The service was the limit.",
    "range": "The range ended before the service did, or none of it was held.",
    "time": "The time was up (-t) before the limit was bracketed.",
    "generator": "The generator was the limit: the service may hold more.",
}

Summary = Mapping[str, Any]


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """The numbers that a reader of a search or of stages looks for first: (name, value, unit)."""
    if not steps.steps(summary):
        return []
    unit, knee = steps.UNITS[steps.variable(summary)], steps.knee_load(summary)
    found = summary["capacity"]
    if tables.is_search(summary):
        step = best_step(found)
        items = [("held", tables.number(found["value"]), unit), ("did not hold", tables.number(found["high"]), unit)]
    else:
        step = next((s for s in steps.steps(summary) if s["load"] == knee), None) or busiest_step(summary["stages"])
        items = [
            ("steps", tables.number(len(steps.steps(summary))), f"of {unit}"),
            ("busiest" if knee is None else "knee", tables.number(step["load"] if step else None), unit),
        ]
    if step is None:
        return items
    return [
        *items,
        (f"{step['metric']} p50 there", tables.millis(step["p50"]), "ms"),
        (f"{step['metric']} p99 there", tables.millis(step["p99"]), "ms"),
        ("delivered there", tables.number(step["delivered_per_s"]), "per second"),
        ("connections there", tables.number(step["users"]), ""),
    ]


def capacity(summary: Summary) -> str:
    """The search: its answer, the curve, the steps."""
    if not tables.is_search(summary):
        return ""
    found = summary["capacity"]
    note = (
        f"{_BOUNDS.get(found['bound_by'], '')} Steps in the order in which they ran: load grows until a step fails, "
        "then the limit is bracketed, and both ends are tried again. Failing steps are part of the search."
    )
    sentence = tables.capacity_sentence(summary)
    answer = "" if sentence == tables.verdict_sentence(summary) else f'<p class="answer">{escape(sentence)}</p>'
    body = chart("curve", "throughput and latency by load", "tall") if steps.steps(summary) else ""
    return section("Capacity", note, answer + body + table(steps.steps_table(summary)))


def stages(summary: Summary) -> str:
    """The stages together, then each with its own chart and statistics."""
    if not summary.get("stages") or not summary["stages"]["steps"]:
        return ""
    note = "Each step’s own statistics, without the seconds in which its load took effect."
    answer = f'<p class="answer">{escape(steps.knee_sentence(summary))}</p>'
    body = chart("curve", "throughput and latency by load", "tall") + table(steps.steps_table(summary))
    found, unit = steps.steps(summary), steps.UNITS[steps.variable(summary)]
    each = "".join(
        f"<article><h3>Step {i}: {tables.number(step['load'])} {unit}</h3>"
        + chart(f"step-{i}", f"latency during step {i}", "low")
        + pairs(steps.one_step_table(step))
        + "</article>"
        for i, step in enumerate(found[:CHARTED_STEPS], 1)
    )
    left_out = len(found) - CHARTED_STEPS
    more = f'<p class="note">{left_out} more steps stand in the table only.</p>' if left_out > 0 else ""
    return section("Steps", note, answer + body) + section("Each step", "", f'<div class="steps">{each}</div>{more}')


def units(summary: Summary, extras: Extras) -> str:
    """Units, headroom and cost."""
    found = found_sizing(summary, extras)
    if found is None:
        return ""
    notes = units_notes(summary, found, load_guide())
    notes += [price_note(extras.prices)] if extras.prices is not None else []
    body = f'<p class="answer">{escape(units_sentence(summary, found))}</p>'
    body += "".join(f'<p class="note">{escape(text)}</p>' for text in notes)
    body += table(sizes_table(found, extras.prices))
    beside = guide_table(found)
    return section("Units and cost", "", body + (table(beside) if beside is not None else ""))


def azure(extras: Extras) -> str:
    """Azure Monitor's metrics of the run."""
    found = extras.azure
    if found is None:
        return ""
    note = (
        f"From --azure-metrics, cut to the run. A point stands for {found.series[0].interval_s:g} s; the charts "
        "have the time axis of the others."
    )
    labels = {"azure-load": "Server Load and connection quota", "azure-connections": "connections by Azure Monitor"}
    body = f'<p class="answer">{escape(azure_sentence(found))}</p>'
    body += "".join(chart(name, labels[name]) for name in azure_lines(found))
    closes = closes_table(found)
    body += (
        '<div class="columns">' + table(azure_table(found)) + (table(closes) if closes is not None else "") + "</div>"
    )
    return section("Azure Monitor", note, body)
