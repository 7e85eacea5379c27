"""The sections of report.html, in the order in which a reader asks: HTML fragments made from the summary
document.

Each chart is followed by its figures as a table, which scripts fold away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from wps_load.report import charts, step_sections, tables
from wps_load.report.charts import connect_anatomy, connects_per_s, thinned
from wps_load.report.command import reproduce
from wps_load.report.document import Summary, explored, metric_row, numbers
from wps_load.report.elements import NOTHING, columns, details, pairs, section, table
from wps_load.report.evidence import headline, high_percentile, samples, slos_of
from wps_load.report.page import Page
from wps_load.report.steps import steps
from wps_load.report.tables import Table

_TIMELINE_ROWS = 120
"""As many rows of the timeline as a person would scroll through; timeline.csv has them all."""


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """The numbers that a reader looks for first: (name, value, unit)."""
    return step_sections.figures(summary) or _figures(summary)


def _figures(summary: Summary) -> list[tuple[str, str, str]]:
    messages, rates, connections = summary["messages"], summary["rates"], numbers(summary["connections"])
    name = headline(summary)
    row = metric_row(summary, name)
    high = high_percentile(name, row, slos_of(summary))
    known = connections.get("open_mean") is not None and connections.get("requested_mean") is not None
    opened, asked = ("open_mean", "requested_mean") if known else ("peak", "target")
    items = [
        (
            "connections open" if known else "peak connections",
            tables.number(connections[opened]),
            f"of {tables.number(connections[asked])}",
        ),
        (f"{name} p50", tables.millis(row.get("p50")), "ms"),
        (f"{name} {high.replace('_', '.')}", tables.millis(row.get(high)), "ms"),
    ]
    if name == "connect":
        items += [
            ("new connections", tables.number(connects_per_s(summary["timeline"])), "per second"),
            ("failed attempts", tables.number(connections["failed"]), ""),
            ("dropped", tables.number(connections["dropped"]), ""),
        ]
    elif messages["published"]:
        items += [
            ("published", tables.number(rates["published_per_s"]), "per second"),
            ("delivered", tables.number(rates["delivered_per_s"]), "per second"),
        ]
        if messages["expected"] is not None:
            items.append(("lost", tables.number(messages["lost"]), f"of {tables.number(messages['expected'])}"))
    if messages.get("missed"):
        items.append(("missed", tables.number(messages["missed"]), "while disconnected"))
    return items


def sections(page: Page) -> Iterator[Markup]:
    """All sections that have something to show, made one by one. Of a search or of stages, their own come first."""
    in_steps = explored(page.summary) is not None
    order = (
        step_sections.capacity,
        step_sections.stages,
        *([step_sections.units] if in_steps else []),
        slos,
        latency,
        distribution,
        messages,
        connections,
        anatomy,
        failures,
        generator,
        step_sections.azure,
        *([] if in_steps else [step_sections.units]),
        settings,
    )
    yield from (found for make in order if (found := make(page)))


def slos(page: Page) -> Markup:
    summary = page.summary
    said = "Of the highest step that held." if tables.is_search(summary) and summary["verdict"] == "pass" else ""
    return section("SLOs", said, table(tables.slo_table(summary))) if summary["slo"] else NOTHING


def latency(page: Page) -> Markup:
    summary = page.summary
    name = headline(summary)
    if not samples(metric_row(summary, name)):
        return NOTHING
    if tables.is_closed_loop(summary):
        said = (
            "Closed loop (--wps-rate max): the next message left when the previous one had come back, so a "
            "slow service was "
            "asked less. Read the rate, not the latency, and compare with closed loops only."
        )
    elif name == "connect":
        said = "From the connection’s slot to usable."
    else:
        said = (
            "Counted from the instant a message was due by the schedule, so a stall counts for every "
            "message that should have "
            "gone out during it."
        )
    percentiles = {f"{name}_{p}": f"{p}, ms" for p in ("p50", "p90", "p99")}
    rows = _time_table(summary, {"t_s": "second", f"{name}_count": "per second", **percentiles})
    return section("Latency over time", said, page.chart(charts.latency(summary)), details("As a table", rows))


def distribution(page: Page) -> Markup:
    summary = page.summary
    if not summary["metrics"]:
        return NOTHING
    said = (
        "On HdrHistogram’s percentile axis: each step to the right is ten times rarer. In italics: "
        "percentiles with fewer "
        "than ten samples above them."
    )
    if steps(summary):
        said += " All steps together."
    drawn = page.chart(charts.distribution(page.histograms or {}))
    return section("Latency distribution", said, drawn, table(tables.metrics_table(summary)))


def messages(page: Page) -> Markup:
    summary = page.summary
    if not summary["messages"]["published"]:
        return NOTHING
    shown = {"t_s": "second", "offered": "due/s", "published": "published/s", "delivered": "delivered/s"}
    rows = _time_table(summary, {**shown, "lost": "missing/s"})
    said = "A delivery is lost when a member who should have had the message never did, even after the drain."
    if steps(summary):
        said += " Counts and rates are of all steps together."
    drawn = page.chart(charts.messages(summary))
    return section("Messages", said, drawn, details("As a table", rows), pairs(tables.messages_table(summary)))


def connections(page: Page) -> Markup:
    summary = page.summary
    rows = _time_table(
        summary,
        {"t_s": "second", "users": "open", "connect_opened": "opened/s", "connect_failed": "failed/s"},
    )
    drawn = page.chart(charts.connections(summary))
    return section("Connections", "", drawn, details("As a table", rows), pairs(tables.connections_table(summary)))


def anatomy(page: Page) -> Markup:
    summary = page.summary
    parts = connect_anatomy(summary["metrics"])
    if not parts:
        return NOTHING
    rows = [[part["label"], tables.millis(part["ms"])] for part in parts]
    said = "Means, because only means add up; the table of metrics has each part’s percentiles."
    drawn = page.chart(charts.anatomy(summary))
    return section("Anatomy of a connect", said, drawn, details("As a table", tables.table(("part", "ms"), rows)))


def failures(page: Page) -> Markup:
    summary = page.summary
    if not summary["failures"]:
        return NOTHING
    return section("Failures", "", page.chart(charts.failures(summary)), table(tables.failures_table(summary)))


def generator(page: Page) -> Markup:
    summary = page.summary
    shown = {
        "t_s": "second",
        "cpu_percent": "CPU, %",
        "loop_lag_ms_p99": "loop lag, ms",
        "send_lag_ms_p99": "send lag, ms",
    }
    said = "The load generator itself: when it is late, its own delay is in the latencies."
    drawn = [page.chart(chart) for chart in charts.generator(summary)]
    if any(row.get(name) is not None for row in summary["timeline"] for name in list(shown)[1:]):
        drawn.append(details("As a table", _time_table(summary, shown)))
    return section("Generator", said, *drawn, pairs(tables.generator_table(summary)))


def settings(page: Page) -> Markup:
    summary = page.summary
    command = Markup("<pre>{}</pre>").format(reproduce(summary))
    both = columns(table(tables.settings_table(summary)), table(tables.environment_table(summary)))
    return section("To run it again", "Secrets are not kept: set them in the environment.", command, both)


def _time_table(summary: Summary, columns: Mapping[str, str]) -> Table:
    """Some columns of the timeline, thinned to what a person would scroll through."""
    found = thinned(summary["timeline"], list(columns), _TIMELINE_ROWS)
    rows = [[tables.number(value) for value in row] for row in zip(*found.values(), strict=True)]
    return tables.table(tuple(columns.values()), rows, numeric_from=0)
