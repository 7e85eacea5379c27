"""The sections of report.html, in the order of a reader's questions: HTML fragments made from the summary document.

Each chart is followed by its figures as a table, which scripts fold away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.plurals import counted
from wps_load.report import charts, phases, step_sections, tables
from wps_load.report.charts import thinned
from wps_load.report.command import reproduce
from wps_load.report.connect_parts import connect_anatomy
from wps_load.report.document import Summary
from wps_load.report.elements import NOTHING, columns, details, fitting, of, pairs, section, shortened, table
from wps_load.report.evidence import headline, samples
from wps_load.report.lookup import explored, metric_row
from wps_load.report.next_steps import next_steps
from wps_load.report.page import Page
from wps_load.report.population_sections import PageRoom, each_population, filters, overview
from wps_load.report.second_tables import clock_time, workers_table, worst_seconds
from wps_load.report.step_texts import steps
from wps_load.report.tables import Table

_TIMELINE_ROWS = 120
"""As many rows of the timeline as a person would scroll through; timeline.csv has them all."""


def sections(page: Page) -> Iterator[Markup]:
    """All sections with content, made one by one. For a search or stages, their own sections come first."""
    in_steps = explored(page.summary) is not None
    room = PageRoom()
    order = (
        step_sections.capacity,
        step_sections.stages,
        *([step_sections.units] if in_steps else []),
        users,
        overview,
        slos,
        latency,
        worst,
        distribution,
        messages,
        connections,
        anatomy,
        failures,
        *each_population(page, room),
        generator,
        step_sections.azure,
        *([] if in_steps else [step_sections.units]),
        next_,
        settings,
    )
    several = bool(filters(page.summary))
    for make in order:
        if found := make(page):
            room.taken += len(found)
            yield of("run", found) if several and make in _OF_RUN else found


def users(page: Page) -> Markup:
    """The numbers of users, if there were several."""
    summary = page.summary
    if not phases.user_phases(summary):
        return NOTHING
    said = "Each number of users that was held for some seconds with all of them connected; everything else is a ramp."
    return section("Users that come and go", said, table(phases.users_table(summary)))


def slos(page: Page) -> Markup:
    summary = page.summary
    said = "Of the highest step that held." if tables.is_search(summary) and summary["verdict"] == "pass" else ""
    return section("SLOs", said, shortened(fitting, tables.slo_table(summary))) if summary["slo"] else NOTHING


def latency(page: Page) -> Markup:
    summary = page.summary
    name = headline(summary)
    if not samples(metric_row(summary, name)):
        return NOTHING
    if tables.is_closed_loop(summary):
        said = (
            "Closed loop (--wps-rate max): the next message left when the previous one had come back, so a "
            "slow service got "
            "fewer messages. Read the rate, not the latency, and compare with closed loops only."
        )
    elif METRIC_BY_NAME[name].starts.startswith("due time"):
        said = (
            "Measured from the instant at which the schedule had a message due, so a stall counts for every "
            "message that was due during it."
        )
    else:
        metric = METRIC_BY_NAME[name]
        said = f"{name}: from {metric.starts} to {metric.ends}."
    percentiles = {f"{name}_{p}": f"{p}, ms" for p in ("p50", "p90", "p99")}
    rows = _time_table(summary, {"t_s": "second", f"{name}_count": "per second", **percentiles})
    drawn = [page.chart(charts.latency(summary, metric)) for metric in charts.shown_metrics(summary)]
    return section("Latency over time", said, *drawn, details("As a table", rows))


def worst(page: Page) -> Markup:
    found = worst_seconds(page.summary)
    said = "Where to look in other logs: the UTC time at which each interval began."
    return NOTHING if found is None else section("The worst seconds", said, table(found))


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
    name = headline(summary)
    drawn = page.chart(charts.distribution(page.histograms or {}, name, charts.limits_of(summary, name)))
    return section("Latency distribution", said, drawn, table(tables.metrics_table(summary)))


def messages(page: Page) -> Markup:
    summary = page.summary
    if not summary["messages"]["published"]:
        return NOTHING
    shown = {"t_s": "second", "offered": "due/s", "published": "published/s", "delivered": "delivered/s"}
    rows = _time_table(summary, {**shown, "lost": "missing/s"})
    said = "A delivery is lost when a member that should have received the message had not by the end of the drain."
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
    rows = [[part.label, tables.millis(part.ms)] for part in parts]
    said = "Means, because only means add up; the table of metrics has each part’s percentiles."
    drawn = page.chart(charts.anatomy(summary))
    return section("Anatomy of a connect", said, drawn, details("As a table", tables.table(("part", "ms"), rows)))


def failures(page: Page) -> Markup:
    summary = page.summary
    if not summary["failures"]:
        return NOTHING
    over_time = page.chart(charts.errors(summary))
    return section(
        "Failures", "", over_time, page.chart(charts.failures(summary)), table(tables.failures_table(summary))
    )


def generator(page: Page) -> Markup:
    summary = page.summary
    shown = {
        "t_s": "second",
        "cpu_percent": "CPU, %",
        "loop_lag_ms_p99": "loop lag, ms",
        "send_lag_ms_p99": "send lag, ms",
    }
    said = "The load generator itself: if it is late, its own delay is in the latencies."
    drawn = [page.chart(chart) for chart in charts.generator(summary)]
    if any(row.get(name) is not None for row in summary["timeline"] for name in list(shown)[1:]):
        drawn.append(details("As a table", _time_table(summary, shown)))
    workers = workers_table(summary)
    each = NOTHING if workers is None else table(workers)
    return section("Generator", said, *drawn, pairs(tables.generator_table(summary)), each)


def next_(page: Page) -> Markup:
    found = next_steps(page.summary, page.extras.folder)
    steps = [
        Markup("<p>{}</p><pre>{}</pre>").format(f"{step.why[:1].upper()}{step.why[1:]}:", step.command)
        for step in found
    ]
    return section("What to do next", "", *steps) if steps else NOTHING


def settings(page: Page) -> Markup:
    summary = page.summary
    command = Markup("<pre>{}</pre>").format(reproduce(summary))
    unset = tables.defaults_table(summary)
    folded = details(f"{counted(len(unset.rows), 'setting')} at the default", unset) if unset.rows else NOTHING
    both = columns(table(tables.settings_table(summary)) + folded, table(tables.environment_table(summary)))
    return section("To run it again", "Secrets are not kept: set them in the environment.", command, both)


def _time_table(summary: Summary, columns: Mapping[str, str]) -> Table:
    """Some columns of the timeline, thinned to what a person would scroll through, with the time of day."""
    first, *others = columns.values()
    ends, found = thinned(summary["timeline"], list(columns)[1:], _TIMELINE_ROWS)
    rows = []
    for t_s, *values in zip(ends, *found.values(), strict=True):
        rows.append([tables.number(t_s), clock_time(summary, t_s), *map(tables.number, values)])
    return tables.table((first, "UTC", *others), rows, numeric_from=0)


_OF_RUN = frozenset((slos, latency, worst, distribution, messages, connections, anatomy, failures))
"""Sections that a reader of one population does not need."""
