"""The sections of report.html, in the order in which a reader asks: HTML fragments made from the summary
document.

Each chart is an empty element that report.js fills, followed by its figures as a table: that is what there is
without scripts. Every text passes through `escape`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from wps_load.report import step_sections, tables
from wps_load.report.charts import connect_anatomy, connects_per_s, thinned
from wps_load.report.command import reproduce
from wps_load.report.elements import chart, details, pairs, section, table
from wps_load.report.evidence import headline, high_percentile, samples, slos_of
from wps_load.report.extras import NONE, Extras
from wps_load.report.steps import steps
from wps_load.report.tables import Table

_TIMELINE_ROWS = 120
"""As many rows of the timeline as a person would scroll through; timeline.csv has them all."""

Summary = Mapping[str, Any]


def _prose(text: str) -> str:
    """A sentence with names in backticks, as the terminal and Markdown show it, as HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def doubts(summary: Summary) -> str:
    items = [
        f'<li class="{d["level"]}"><p><strong>{escape(d["name"].replace("_", " "))}</strong> · '
        f"{_prose(d['message'])}</p>"
        f'<p class="advice">{_prose(d["advice"])}</p></li>'
        for d in summary["doubts"]
    ]
    return f'<ul class="doubts" aria-label="Doubts about this run">{"".join(items)}</ul>' if items else ""


def figures(summary: Summary) -> str:
    """The numbers that a reader looks for first."""
    items = step_sections.figures(summary) or _figures(summary)
    cells = (
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)} <small>{escape(unit)}</small></dd></div>"
        for label, value, unit in items
    )
    return f'<dl class="figures{" six" if len(items) == 6 else ""}">{"".join(cells)}</dl>'


def _figures(summary: Summary) -> list[tuple[str, str, str]]:
    messages, rates, connections = summary["messages"], summary["rates"], summary["connections"]
    name = headline(summary)
    row: Mapping[str, Any] = summary["metrics"].get(name, {})
    high = high_percentile(name, row, slos_of(summary))
    items = [
        (
            "peak connections",
            tables.number(connections["peak"]),
            f"of {tables.number(connections['target'])}",
        ),
        (f"{name} p50", tables.millis(row.get("p50")), "ms"),
        (f"{name} {high.replace('_', '.')}", tables.millis(row.get(high)), "ms"),
    ]
    if name == "connect":
        items += [
            ("new connections", tables.number(connects_per_s(summary["timeline"])), "per second"),
            ("failed attempts", tables.number(connections["failed"]), ""),
            ("ended unasked", tables.number(connections["dropped"]), ""),
        ]
    elif messages["published"]:
        items += [
            ("published", tables.number(rates["published_per_s"]), "per second"),
            ("delivered", tables.number(rates["delivered_per_s"]), "per second"),
            ("lost", tables.number(messages["lost"]), f"of {tables.number(messages['expected'])}"),
        ]
    return items


def sections(summary: Summary, extras: Extras = NONE) -> list[str]:
    """All sections; one that has nothing to show is left out. Of a search or of stages, their own come first."""
    return [
        found
        for found in (
            step_sections.capacity(summary),
            step_sections.stages(summary),
            step_sections.units(summary, extras) if summary["capacity"] or summary.get("stages") else "",
            slos(summary),
            latency(summary),
            distribution(summary),
            messages(summary),
            connections(summary),
            anatomy(summary),
            failures(summary),
            generator(summary),
            step_sections.azure(extras),
            "" if summary["capacity"] or summary.get("stages") else step_sections.units(summary, extras),
            settings(summary),
        )
        if found
    ]


def slos(summary: Summary) -> str:
    note = "Of the highest step that held." if tables.is_search(summary) and summary["verdict"] == "pass" else ""
    return section("SLOs", note, table(tables.slo_table(summary))) if summary["slo"] else ""


def latency(summary: Summary) -> str:
    name = headline(summary)
    if not samples(summary["metrics"].get(name, {})):
        return ""
    if tables.is_closed_loop(summary):
        note = (
            "Closed loop (--wps-rate max): the next message left when the previous one had come back, so a "
            "slow service was "
            "asked less. Read the rate, not the latency, and compare with closed loops only."
        )
    elif name == "connect":
        note = "From the connection’s slot to usable."
    else:
        note = (
            "Counted from the instant a message was due by the schedule, so a stall counts for every "
            "message that should have "
            "gone out during it."
        )
    percentiles = {f"{name}_{p}": f"{p}, ms" for p in ("p50", "p90", "p99")}
    rows = _time_table(summary, {"t_s": "second", f"{name}_count": "per second", **percentiles})
    return section("Latency over time", note, chart("latency", f"{name} over time") + details("As a table", rows))


def distribution(summary: Summary) -> str:
    if not summary["metrics"]:
        return ""
    note = (
        "On HdrHistogram’s percentile axis: each step to the right is ten times rarer. In italics: "
        "percentiles with fewer "
        "than ten samples above them."
    )
    if steps(summary):
        note += " All steps together."
    body = (
        chart("distribution", "latency by percentile", "tall")
        if samples(summary["metrics"].get(headline(summary), {}))
        else ""
    )
    return section("Latency distribution", note, body + table(tables.metrics_table(summary)))


def messages(summary: Summary) -> str:
    if not summary["messages"]["published"]:
        return ""
    columns = {"t_s": "second", "offered": "due/s", "published": "published/s", "delivered": "delivered/s"}
    rows = _time_table(summary, {**columns, "lost": "missing/s"})
    note = "A delivery is lost when a member who should have had the message never did, even after the drain."
    if steps(summary):
        note += " Counts and rates are of all steps together."
    body = chart("messages", "messages over time") + details("As a table", rows) + pairs(tables.messages_table(summary))
    return section("Messages", note, body)


def connections(summary: Summary) -> str:
    rows = _time_table(
        summary,
        {"t_s": "second", "users": "open", "connect_opened": "opened/s", "connect_failed": "failed/s"},
    )
    body = chart("connections", "connections over time") + details("As a table", rows)
    return section("Connections", "", body + pairs(tables.connections_table(summary)))


def anatomy(summary: Summary) -> str:
    parts = connect_anatomy(summary["metrics"])
    if not parts:
        return ""
    rows = [[part["label"], tables.millis(part["ms"])] for part in parts]
    note = "Means, because only means add up; the table of metrics has each part’s percentiles."
    body = chart("anatomy", "the parts of a connect", "low") + details("As a table", tables.table(("part", "ms"), rows))
    return section("Anatomy of a connect", note, body)


def failures(summary: Summary) -> str:
    if not summary["failures"]:
        return ""
    return section(
        "Failures",
        "",
        chart("failures", "failures by label", "low") + table(tables.failures_table(summary)),
    )


def generator(summary: Summary) -> str:
    columns = {
        "t_s": "second",
        "cpu_percent": "CPU, %",
        "loop_lag_ms_p99": "loop lag, ms",
        "send_lag_ms_p99": "send lag, ms",
    }
    note = "The load generator itself: when it is late, its own delay is in the latencies."
    body = pairs(tables.generator_table(summary))
    if any(row.get(name) is not None for row in summary["timeline"] for name in list(columns)[1:]):
        rows = details("As a table", _time_table(summary, columns))
        body = chart("generator", "the generator over time") + rows + body
    return section("Generator", note, body)


def settings(summary: Summary) -> str:
    body = f"<pre>{escape(reproduce(summary))}</pre>"
    body += '<div class="columns">' + table(tables.settings_table(summary)) + table(tables.environment_table(summary))
    return section("To run it again", "Secrets are not kept: set them in the environment.", body + "</div>")


def _time_table(summary: Summary, columns: Mapping[str, str]) -> Table:
    """Some columns of the timeline, thinned to what a person would scroll through."""
    found = thinned(summary["timeline"], list(columns), _TIMELINE_ROWS)
    rows = [[tables.number(value) for value in row] for row in zip(*found.values(), strict=True)]
    return tables.table(tuple(columns.values()), rows, numeric_from=0)
