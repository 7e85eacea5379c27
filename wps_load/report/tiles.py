"""The main numbers of a report: first those with SLOs, with margins, then the others."""

from __future__ import annotations

from wps_load.measure.thresholds import parse
from wps_load.report import step_sections, tables
from wps_load.report.charts import connects_per_s
from wps_load.report.document import Summary, numbers
from wps_load.report.evidence import headline, high_percentile, slos_of
from wps_load.report.lookup import metric_row
from wps_load.report.margins import margin

Tile = tuple[str, str, str]
"""Its name, value, and unit."""


def figures(summary: Summary) -> list[Tile]:
    """In the order of a reader's questions."""
    return step_sections.figures(summary) or _figures(summary)


def _figures(summary: Summary) -> list[Tile]:
    metric, about = headline(summary), [slo for slo in slos_of(summary) if slo.kind in ("time", "connected")]
    if parts := _of_populations(summary):
        return [*parts, _open(summary), *_messages(summary), *_ways(summary)]
    latency, others, open_ = _latency(summary, metric), _others(summary, metric), _open(summary)
    if about and about[0].subject == "connected":
        first = [open_, *latency, *others]
    elif about and about[0].subject != metric:
        first = [*others, *latency, open_]
    else:
        first = [*latency, *others, open_]
    return [*first, *(_connecting(summary) if metric == "connect" else _messages(summary)), *_ways(summary)]


def _latency(summary: Summary, metric: str) -> list[Tile]:
    row = metric_row(summary, metric)
    high = high_percentile(metric, row, slos_of(summary))
    shown = high.replace("_", ".")
    spare = _spare(summary, metric, shown)
    return [
        (f"{metric} {shown}", tables.millis(row.get(high)), f"ms{spare}"),
        (f"{metric} p50", tables.millis(row.get("p50")), f"ms{_spare(summary, metric, 'p50')}"),
    ]


def _others(summary: Summary, metric: str) -> list[Tile]:
    """Times of further metrics with SLOs."""
    found = dict.fromkeys(
        (slo.subject, str(slo.aggregate)) for slo in slos_of(summary) if slo.kind == "time" and slo.subject != metric
    )
    return [
        (
            f"{name} {shown}",
            tables.millis(metric_row(summary, name).get(shown.replace(".", "_"))),
            f"ms{_spare(summary, name, shown)}",
        )
        for name, shown in [*found][:_MOST_OTHERS]
    ]


_MOST_OTHERS = 3


def _of_populations(summary: Summary) -> list[Tile]:
    """For a mix, the times of its populations' SLOs: failed ones, or those with the smallest margins, first."""
    found: list[tuple[float, Tile]] = []
    for each in summary.get("populations") or []:
        for row in each["slo"]:
            slo = parse(row["expression"])[0]
            if slo.kind == "time" and slo.population and slo.limit_ms and row["value"] is not None:
                unit = " · ".join(filter(None, ("ms", margin(row))))
                tile = (f"{slo.population}.{slo.subject} {slo.aggregate}", tables.millis(row["value"]), unit)
                found.append((-row["value"] / slo.limit_ms, tile))
    return [tile for _, tile in sorted(found)[:_MOST_OTHERS]]


def _open(summary: Summary) -> Tile:
    found = numbers(summary["connections"])
    known = found.get("open_mean") is not None and found.get("requested_mean") is not None
    opened, asked = ("open_mean", "requested_mean") if known else ("peak", "target")
    name = "connections open" if known else "peak connections"
    unit = f"of {tables.number(found[asked])}{_spare(summary, 'connected', None)}"
    return name, tables.number(found[opened]), unit


def _spare(summary: Summary, subject: str, aggregate: str | None) -> str:
    """The margin of this figure's SLO, after its unit."""
    for slo in summary["slo"]:
        demand = parse(slo["expression"])[0]
        about = (demand.subject, demand.aggregate, demand.population)
        if about == (subject, aggregate, "") and (words := margin(slo)):
            return f" · {words}"
    return ""


def _connecting(summary: Summary) -> list[Tile]:
    connections, per_s = summary["connections"], connects_per_s(summary["timeline"])
    return [
        *([] if per_s is None else [("new connections", tables.number(per_s), "per second")]),
        ("failed attempts", tables.number(connections["failed"]), _spare(summary, "connect", "fail_ratio")[3:]),
        ("dropped", tables.number(connections["dropped"]), ""),
    ]


def _messages(summary: Summary) -> list[Tile]:
    messages, rates = summary["messages"], summary["rates"]
    if not messages["published"] and not messages["delivered"]:
        return []
    items = [("published", tables.number(rates["published_per_s"]), "per second")] if messages["published"] else []
    items.append(("delivered", tables.number(rates["delivered_per_s"]), "per second"))
    if messages["expected"]:
        unit = f"of {tables.number(messages['expected'])}{_spare(summary, 'loss', None)}"
        items.append(("lost", tables.number(messages["lost"]), unit))
    if messages.get("missed"):
        items.append(("missed", tables.number(messages["missed"]), "while dropped"))
    return items


def _ways(summary: Summary) -> list[Tile]:
    """What a scenario did to its connections, and the result."""
    found, row = summary["connections"], metric_row(summary, "recover")
    items = []
    if found["cut"]:
        items.append(("cut", tables.number(found["cut"]), "by the scenario"))
    if found["recovered"] or found["cut"]:
        unit = f"p99 {tables.millis(row.get('p99'))} ms" if row.get("p99") is not None else ""
        items.append(("recovered", tables.number(found["recovered"]), unit))
    return items
