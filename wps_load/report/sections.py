"""The sections of report.html, in the order in which a reader asks: HTML fragments made from the summary
document.

Each chart is an empty element that report.js fills, followed by its figures as a table: that is what there is
without scripts. Every text passes through `escape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wps_load.report import tables
from wps_load.report.charts import thinned
from wps_load.report.command import reproduce
from wps_load.report.doubts import headline
from wps_load.report.tables import Cell, Table

_TIMELINE_ROWS = 120
"""As many rows of the timeline as a person would scroll through; timeline.csv has them all."""

Summary = Mapping[str, Any]


def doubts(summary: Summary) -> str:
    items = [
        f'<li class="{d["level"]}"><p><strong>{escape(d["name"].replace("_", " "))}</strong> · '
        f"{escape(d['message'])}</p>"
        f'<p class="advice">{escape(d["advice"])}</p></li>'
        for d in summary["doubts"]
    ]
    return f'<ul class="doubts" aria-label="Doubts about this run">{"".join(items)}</ul>' if items else ""


def figures(summary: Summary) -> str:
    """The numbers that a reader looks for first."""
    messages, rates, connections = summary["messages"], summary["rates"], summary["connections"]
    name = headline(summary["metrics"])
    row: Mapping[str, Any] = {} if name is None else summary["metrics"][name]
    items = [
        (
            "most connections at once",
            tables.number(connections["peak"]),
            f"of {tables.number(connections['target'])}",
        ),
        (f"{name or 'latency'} p50", tables.millis(row.get("p50")), "ms"),
        (f"{name or 'latency'} p99", tables.millis(row.get("p99")), "ms"),
    ]
    if messages["published"]:
        items += [
            ("published", tables.number(rates["published_per_s"]), "per second"),
            ("delivered", tables.number(rates["delivered_per_s"]), "per second"),
            ("lost", tables.number(messages["lost"]), f"of {tables.number(messages['expected'])}"),
        ]
    cells = (
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)} <small>{escape(unit)}</small></dd></div>"
        for label, value, unit in items
    )
    return f'<dl class="figures">{"".join(cells)}</dl>'


def sections(summary: Summary, data: Mapping[str, Any]) -> list[str]:
    """All sections; one that has nothing to show is left out."""
    return [
        section
        for section in (
            demands(summary),
            latency(summary),
            distribution(summary),
            messages(summary),
            connections(summary),
            anatomy(summary, data),
            failures(summary),
            generator(summary),
            settings(summary),
        )
        if section
    ]


def demands(summary: Summary) -> str:
    return _section("Demands", "", _table(tables.slo_table(summary))) if summary["slo"] else ""


def latency(summary: Summary) -> str:
    name = headline(summary["metrics"])
    if name is None:
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
    return _section(
        "Latency over time", note, _chart("latency", f"{name} over time") + _details("As a table", rows)
    )


def distribution(summary: Summary) -> str:
    if not summary["metrics"]:
        return ""
    note = (
        "On HdrHistogram’s percentile axis: each step to the right is ten times rarer. In italics: "
        "percentiles with fewer "
        "than ten samples above them."
    )
    body = _chart("distribution", "latency by percentile", "tall") if headline(summary["metrics"]) else ""
    return _section("Latency distribution", note, body + _table(tables.metrics_table(summary)))


def messages(summary: Summary) -> str:
    if not summary["messages"]["published"]:
        return ""
    columns = {"t_s": "second", "offered": "due/s", "published": "published/s", "delivered": "delivered/s"}
    rows = _time_table(summary, {**columns, "lost": "missing/s"})
    note = "A delivery is lost when a member who should have had the message never did, even after the drain."
    body = (
        _chart("messages", "messages over time")
        + _details("As a table", rows)
        + _table(tables.messages_table(summary))
    )
    return _section("Messages", note, body)


def connections(summary: Summary) -> str:
    rows = _time_table(
        summary,
        {"t_s": "second", "users": "open", "connect_opened": "opened/s", "connect_failed": "failed/s"},
    )
    body = _chart("connections", "connections over time") + _details("As a table", rows)
    return _section("Connections", "", body + _table(tables.connections_table(summary)))


def anatomy(summary: Summary, data: Mapping[str, Any]) -> str:
    if not data["anatomy"]:
        return ""
    rows = [[part["label"], tables.millis(part["ms"])] for part in data["anatomy"]]
    note = "Means, because only means add up; the table of metrics has each part’s percentiles."
    body = _chart("anatomy", "the parts of a connect", "low") + _details(
        "As a table", tables.table(("part", "ms"), rows)
    )
    return _section("Anatomy of a connect", note, body)


def failures(summary: Summary) -> str:
    if not summary["failures"]:
        return ""
    return _section(
        "Failures",
        "",
        _chart("failures", "failures by label", "low") + _table(tables.failures_table(summary)),
    )


def generator(summary: Summary) -> str:
    columns = {
        "t_s": "second",
        "cpu_percent": "CPU, %",
        "loop_lag_ms_p99": "loop lag, ms",
        "send_lag_ms_p99": "send lag, ms",
    }
    note = "The load generator itself: when it is late, its own delay is in the latencies."
    body = _table(tables.generator_table(summary))
    if any(row.get(name) is not None for row in summary["timeline"] for name in list(columns)[1:]):
        rows = _details("As a table", _time_table(summary, columns))
        body = _chart("generator", "the generator over time") + rows + body
    return _section("Generator", note, body)


def settings(summary: Summary) -> str:
    body = f"<pre>{escape(reproduce(summary))}</pre>"
    body += (
        '<div class="columns">'
        + _table(tables.settings_table(summary))
        + _table(tables.environment_table(summary))
    )
    return _section("To run it again", "Secrets are not kept: set them in the environment.", body + "</div>")


# -- pieces --------------------------------------------------------------------------------------------------


def _section(title: str, note: str, body: str) -> str:
    said = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{title}</h2>{said}{body}</section>"


def _chart(name: str, label: str, size: str = "") -> str:
    return (
        f'<div class="chart {size}" id="chart-{name}" role="img" aria-label="Chart: {escape(label)}"></div>'
    )


def _details(label: str, found: Table) -> str:
    return f"<details open><summary>{label}</summary>{_table(found)}</details>"


def _table(found: Table) -> str:
    head = "".join(
        f'<th scope="col"{_numeric(i, found)}>{escape(text)}</th>' for i, text in enumerate(found.header)
    )
    body = "".join(f"<tr>{''.join(_cells(row, found))}</tr>" for row in found.rows)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table: '
        f'{escape(found.header[0])}"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[Cell], found: Table) -> list[str]:
    cells = [f'<th scope="row">{escape(row[0].text)}</th>']
    for i, cell in enumerate(row[1:], 1):
        text = escape(cell.text)
        cells.append(f"<td{_numeric(i, found)}>{f'<i class=faint>{text}</i>' if cell.faint else text}</td>")
    return cells


def _numeric(column: int, found: Table) -> str:
    return ' class="num"' if column >= found.numeric_from else ""


def _time_table(summary: Summary, columns: Mapping[str, str]) -> Table:
    found = thinned(summary["timeline"], _TIMELINE_ROWS)
    kept = {name: label for name, label in columns.items() if name in found}
    rows = [[tables.number(found[name][i]) for name in kept] for i in range(len(found["t_s"]))]
    return tables.table(tuple(kept.values()), rows, numeric_from=0)
