"""The sections of report.html about capacity: the search, the stages, units and cost, Azure Monitor's view."""

from __future__ import annotations

from markupsafe import Markup

from wps_load.capacity.units import load_guide
from wps_load.report import charts, curve_charts, step_texts, tables
from wps_load.report.azure_tables import azure_lines, azure_sentence, azure_table, closes_table
from wps_load.report.document import Summary
from wps_load.report.elements import NOTHING, columns, note, pairs, section, table
from wps_load.report.measured import best_step, busiest_step
from wps_load.report.page import Page
from wps_load.report.unit_tables import (
    found_sizing,
    guide_table,
    price_note,
    sizes_table,
    units_notes,
    units_sentence,
)

CHARTED_STEPS = 40
"""The most stages with a chart of their own; a page with more is slow to draw, and nobody looks at them all."""
_BOUNDS = {
    "service": "The service was the limit.",
    "range": "The range ended before the service's limit, or no load in it was held.",
    "time": "The time was up (-t) before the limit was bracketed.",
    "generator": "The generator was the limit: the service may hold more.",
}


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """The main numbers of a search or of stages: (name, value, unit)."""
    if not step_texts.steps(summary):
        return []
    unit, knee = step_texts.UNITS[step_texts.variable(summary)], step_texts.knee_load(summary)
    found, stages = summary["capacity"], summary.get("stages")
    if found is not None:
        step = best_step(found)
        items = [("held", tables.number(found["value"]), unit), ("failed", tables.number(found["high"]), unit)]
    else:
        step = next((s for s in step_texts.steps(summary) if s["load"] == knee), None) or (
            None if stages is None else busiest_step(stages)
        )
        items = [
            ("steps", tables.number(len(step_texts.steps(summary))), f"of {unit}"),
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


def capacity(page: Page) -> Markup:
    """The search: its answer, the curve, the steps."""
    summary = page.summary
    found = summary["capacity"]
    if found is None:
        return NOTHING
    said = (
        f"{_BOUNDS.get(found['bound_by'] or '', '')} Steps in the order in which they ran: load grows until a "
        "step fails, then it brackets the limit and tries both ends again. Failing steps are part of the search."
    )
    sentence = tables.capacity_sentence(summary)
    answer = NOTHING if sentence == tables.verdict_sentence(summary) else note(sentence, "answer")
    return section("Capacity", said, answer, *_curve(page), table(step_texts.steps_table(summary)))


def _curve(page: Page) -> list[Markup]:
    return [page.chart(chart) for chart in curve_charts.curve(page.summary)]


def stages(page: Page) -> Markup:
    """The stages together, then each with its own chart and statistics."""
    summary = page.summary
    if summary["capacity"] is not None or not step_texts.steps(summary):
        return NOTHING
    said = "Each step’s own statistics, without the seconds in which its load took effect."
    answer = note(step_texts.knee_sentence(summary), "answer")
    together = section("Steps", said, answer, *_curve(page), table(step_texts.steps_table(summary)))
    found, unit = step_texts.steps(summary), step_texts.UNITS[step_texts.variable(summary)]
    each = NOTHING.join(
        Markup("<article><h3>Step {}: {} {}</h3>{}{}</article>").format(
            i,
            tables.number(step["load"]),
            unit,
            page.chart(curve_charts.one_step(summary, i, step)),
            pairs(step_texts.one_step_table(step)),
        )
        for i, step in enumerate(found[:CHARTED_STEPS], 1)
    )
    left_out = len(found) - CHARTED_STEPS
    more = note(f"{left_out} more steps are in the table only.") if left_out > 0 else NOTHING
    return together + section("Each step", "", Markup('<div class="steps">{}</div>').format(each), more)


def units(page: Page) -> Markup:
    """Units, headroom and cost."""
    summary, extras = page.summary, page.extras
    found = found_sizing(summary, extras)
    if found is None:
        return NOTHING
    notes = units_notes(summary, found, load_guide())
    notes += [price_note(extras.prices)] if extras.prices is not None else []
    beside = guide_table(found)
    return section(
        "Units and cost",
        "",
        note(units_sentence(summary, found), "answer"),
        *(note(text) for text in notes),
        table(sizes_table(found, extras.prices)),
        table(beside) if beside is not None else NOTHING,
    )


def azure(page: Page) -> Markup:
    """Azure Monitor's metrics of the run."""
    found = page.extras.azure
    if found is None:
        return NOTHING
    said = (
        f"From Azure Monitor, cut to the run. Each point covers {found.series[0].interval_s:g} s; the charts "
        "share the time axis of the others."
    )
    labels = {"azure-load": "Server Load and connection quota", "azure-connections": "connections by Azure Monitor"}
    drawn = [
        page.chart(charts.azure(page.summary, name, labels[name], lines)) for name, lines in azure_lines(found).items()
    ]
    closes = closes_table(found)
    both = columns(table(azure_table(found)), table(closes) if closes is not None else NOTHING)
    return section("Azure Monitor", said, note(azure_sentence(found), "answer"), *drawn, both)
