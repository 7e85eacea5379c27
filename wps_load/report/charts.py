"""The charts of report.html, made from the summary document and the histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict, TypeVar

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.measure.thresholds import Slo, parse
from wps_load.report import axes
from wps_load.report.azure import HEALTHY_LOAD_PERCENT
from wps_load.report.azure_tables import AzureLine
from wps_load.report.connect_parts import connect_anatomy
from wps_load.report.document import PopulationRow, Row, Summary, numbers
from wps_load.report.document_course import TimelineRow
from wps_load.report.drawing import Band, Bar, Bars, Chart, Polyline, Rule
from wps_load.report.evidence import headline, samples, slos_of
from wps_load.report.lookup import metric_row
from wps_load.report.margins import margin
from wps_load.report.step_texts import steps
from wps_load.report.timeline import failed_column

MAX_POINTS = 600
"""Longer timelines are thinned to this many points: as many as a chart has pixels."""
NEAR = 4
"""A limit this many times above everything measured is left out of the chart: it would flatten the curves."""
NAMED = 8
"""The most numbers of users whose names fit in a chart."""

LATENCY_METRICS = ("rtt", "rtt_service", "delivery", "publish_ack", "rest_publish", "recover", "connect")
_SLOTS = dict(zip(LATENCY_METRICS, (1, 6, 3, 5, 7, 2, 4), strict=True))
_TICKS_PER_DECADE = 24
_SECONDS = "seconds since the start"

T = TypeVar("T")


class Limit(TypedDict):
    """A line across a chart of times."""

    expression: str
    ms: float


class ThinnedColumns(NamedTuple):
    """Columns of the timeline, each with a value for each of `t_s`."""

    t_s: list[float]
    columns: dict[str, list[float | None]]


def latency_limits(expression: str, metric: str | None) -> list[Limit]:
    """The limit that an SLO sets for a percentile of `metric`, in ms, as a line in the chart; none for other SLOs."""
    return [
        {"expression": expression, "ms": slo.limit_ms}
        for slo in parse(expression)
        if slo.limit_ms is not None
        and slo.subject == metric
        and slo.aggregate in ("p50", "p90", "p99")
        and not slo.population
    ]


def limits_of(summary: Summary, metric: str) -> list[tuple[Slo, str]]:
    """The whole run's SLOs on the times of a metric, each with its words: the expression, and its margin."""
    return [
        (slo, " · ".join(filter(None, (row["expression"], margin(row)))))
        for row in summary["slo"]
        for slo in parse(row["expression"])
        if slo.kind == "time" and slo.subject == metric and not slo.population
    ]


# -- over time -----------------------------------------------------------------------------------------------


def shown_metrics(summary: Summary) -> list[str]:
    """The latencies with a chart over time: those with SLOs on times, and the headline; at most three."""
    asked = [slo.subject for slo in slos_of(summary) if slo.kind == "time"]
    return [name for name in dict.fromkeys((*asked, headline(summary))) if samples(metric_row(summary, name))][:3]


def latency(summary: Summary, metric: str, points: int = MAX_POINTS) -> Chart | None:
    """The percentiles of a metric, second by second, with the limits that are close."""
    lines = [(f"{metric}_{p}", f"{metric} {p}", slot) for p, slot in (("p50", 1), ("p90", 5), ("p99", 2))]
    limits: list[Limit] = [
        {"expression": words, "ms": slo.limit_ms}
        for slo, words in limits_of(summary, metric)
        if slo.limit_ms is not None and slo.aggregate in ("p50", "p90", "p99")
    ]
    return _over_time(summary, f"latency-{metric}", f"{metric} over time", lines, "ms", limits, points=points)


def messages(summary: Summary, points: int = MAX_POINTS) -> Chart | None:
    lines = [
        ("offered", "due", 6),
        ("published", "published", 1),
        ("delivered", "delivered", 3),
        ("lost", "missing so far", 4),
    ]
    return _over_time(summary, "messages", "messages over time", lines, "per second", wide="offered", points=points)


def connections(summary: Summary) -> Chart | None:
    lines = [
        ("users", "open", 1),
        ("connect_opened", "opened per second", 3),
        ("connect_failed", "failed per second", 4),
    ]
    return _over_time(summary, "connections", "connections over time", lines, "connections")


def generator(summary: Summary) -> Iterator[Chart]:
    """CPU, and below it the lags: two units, two charts."""
    lags = [("loop_lag_ms_p99", "loop lag p99", 2), ("send_lag_ms_p99", "send lag p99", 5)]
    cpu = _over_time(
        summary, "generator", "CPU of the generator", [("cpu_percent", "CPU", 1)], "% of a core", size="low"
    )
    lag = _over_time(summary, "lag", "lag of the generator", lags, "ms", size="low")
    yield from (chart for chart in (cpu, lag) if chart is not None)


def _over_time(
    summary: Summary,
    name: str,
    label: str,
    columns: Sequence[tuple[str, str, int]],
    unit: str,
    limits: Sequence[Limit] = (),
    *,
    rows: Sequence[Row] | None = None,
    wide: str = "",
    size: str = "",
    points: int = MAX_POINTS,
) -> Chart | None:
    """Columns of the timeline, or of other `rows`, as lines; None if none has a value."""
    names = [column for column, _, _ in columns]
    seconds, found = thinned(summary["timeline"] if rows is None else rows, names, points)
    lines = [
        Polyline(words, seconds, found[column], slot, wide=column == wide)
        for column, words, slot in columns
        if any(value is not None for value in found[column])
    ]
    if not lines:
        return None
    top = max(axes.extent(line.ys for line in lines))
    near = [Rule("y", limit["ms"], limit["expression"], "fail") for limit in limits if limit["ms"] <= NEAR * top]
    y = axes.of_values([*axes.extent(line.ys for line in lines), *(rule.at for rule in near)], unit)
    rules = [*near, *(Rule("x", step["from_s"]) for step in _few(steps(summary))), *_users(summary)]
    return Chart(
        name,
        label,
        _time_axis(summary),
        y,
        lines,
        list(_phases(summary)),
        rules,
        unit=unit,
        size=size,
        linked=True,
        started=summary["run"]["started_at"],
    )


def _time_axis(summary: Summary) -> axes.Axis:
    return axes.linear(
        0.0, max((row["t_s"] for row in summary["timeline"]), default=1.0), _SECONDS, wanted=6, fitted=True
    )


def _phases(summary: Summary) -> Iterator[Band]:
    """All phases but the measure phase, which is not shaded; a name only if it fits."""
    end = max((row["t_s"] for row in summary["timeline"]), default=1.0)
    for phase in summary["phases"]:
        if phase["name"] != "measure" and "users" not in phase and phase["duration_s"] > 0:
            roomy = phase["duration_s"] > 0.09 * end
            begin = min(phase["started_s"], end)
            yield Band(begin, min(begin + phase["duration_s"], end), phase["name"] if roomy else "")


def _users(summary: Summary) -> Iterator[Rule]:
    """Where a new number of users began to be held, or a ramp to it. Stages are marked as steps."""
    found = [phase for phase in summary["phases"] if "users" in phase] if not steps(summary) else []
    for phase in _few(found)[1:]:
        yield Rule("x", phase["started_s"], phase["name"] if phase["users"] is not None and len(found) <= NAMED else "")


def _few(found: Sequence[T]) -> Sequence[T]:
    """Too many lines would hide the curves."""
    return found if len(found) <= 40 else ()


def thinned(rows: Sequence[Mapping[str, object]], names: Sequence[str], limit: int = MAX_POINTS) -> ThinnedColumns:
    """Columns of the timeline, at most `limit` long: counts become rates per second.

    If several rows are merged, counts are summed, and of everything else the largest is kept, so that no spike
    disappears.
    """
    step = max(1, -(-len(rows) // limit))
    groups = [[numbers(row) for row in rows[i : i + step]] for i in range(0, len(rows), step)]
    ends = [group[-1]["t_s"] or 0.0 for group in groups]
    return ThinnedColumns(ends, {name: [_together(group, name) for group in groups] for name in names})


def _together(group: Sequence[Row], name: str) -> float | None:
    values = [value for row in group if (value := row.get(name)) is not None]
    if not values:
        return None
    if name in _COUNTS or name.endswith("_count") or name.startswith("failed"):
        span = sum(row.get("interval_s") or 1.0 for row in group)
        return round(float(sum(values)) / span, 3)
    return float(max(values))


_COUNTS = frozenset({"offered", "published", "delivered", "lost", "connect_opened", "connect_failed"})


def connects_per_s(rows: Sequence[TimelineRow]) -> float | None:
    """New connections per second in the measure phase, or else in the ramp.

    For the ramp, from the first to the last one. None: there were none.
    """
    measured = [row for row in rows if row.get("phase") == "measure"]
    if not any(row.get("connect_opened") for row in measured):
        busy = [at for at, row in enumerate(rows) if row.get("connect_opened")]
        measured = list(rows[busy[0] : busy[-1] + 1]) if busy else []
    span_s = sum(row.get("interval_s") or 1.0 for row in measured)
    return sum(row.get("connect_opened") or 0 for row in measured) / span_s if span_s else None


# -- whole run -----------------------------------------------------------------------------------------------


def distribution(
    histograms: Mapping[str, Histogram],
    first: str = LATENCY_METRICS[0],
    limits: Sequence[tuple[Slo, str]] = (),
) -> Chart | None:
    """Every latency on HdrHistogram's percentile axis; `first`: the run's main latency, with its limits."""
    lines = [
        Polyline(name, curve["x"], curve["y"], _SLOTS[name])
        for name in dict.fromkeys((first, *LATENCY_METRICS))
        if name in _SLOTS and name in histograms and histograms[name].count
        for curve in (percentile_curve(histograms[name]),)
    ]
    if not lines:
        return None
    return _by_percentile("distribution", "latency by percentile", lines, limits)


def populations_over_time(summary: Summary, rows: Sequence[PopulationRow], points: int) -> Chart | None:
    """The p99 of each population's main latency, for as many populations as there are colours."""
    courses = {row["name"]: course for row in rows if (course := row.get("course")) and any(course["p99"])}
    shown = dict([*courses.items()][:_COLOURS])
    if len(shown) < 2:
        return None
    made: dict[float, dict[str, float | None]] = {}
    for name, course in shown.items():
        for t_s, p99 in zip(course["t_s"], course["p99"], strict=True):
            made.setdefault(t_s, {"t_s": t_s})[name] = p99
    metrics = {row["name"]: row["main_metric"] for row in rows}
    lines = [(name, f"{name} {metrics[name]} p99", slot) for slot, name in enumerate(shown, 1)]
    return _over_time(
        summary,
        "populations-time",
        "p99 of each population over time",
        lines,
        "ms",
        rows=[made[t_s] for t_s in sorted(made)],
        points=points,
    )


def by_population(rows: Sequence[PopulationRow], histograms: Mapping[str, Histogram]) -> Chart | None:
    """Each population's main latency on one percentile axis, for as many populations as there are colours.

    None if there is nothing to compare.
    """
    found = [(row, histograms.get(f"{row['name']}.{row['main_metric']}")) for row in rows]
    lines = [
        Polyline(f"{row['name']} {row['main_metric']}", curve["x"], curve["y"], slot)
        for slot, (row, curve) in enumerate(
            (
                (row, percentile_curve(histogram))
                for row, histogram in found
                if histogram is not None and histogram.count
            ),
            1,
        )
        if slot <= _COLOURS
    ]
    if len(lines) < 2:
        return None
    return _by_percentile("populations", "latency of each population by percentile", lines)


_COLOURS = 7


def _by_percentile(name: str, label: str, lines: Sequence[Polyline], limits: Sequence[tuple[Slo, str]] = ()) -> Chart:
    top = max(axes.extent(line.ys for line in lines))
    near = [
        Rule("y", slo.limit_ms, words, "fail") for slo, words in limits if slo.limit_ms and slo.limit_ms <= NEAR * top
    ]
    x = axes.percentile_axis(max(line.xs[-1] for line in lines))
    y = axes.of_values([*axes.extent(line.ys for line in lines), *(rule.at for rule in near)], "ms", may_be_log=True)
    return Chart(name, label, x, y, lines, rules=near, unit="ms", size="tall")


def errors(summary: Summary) -> Chart | None:
    """The most frequent failures over time, by label; None if the timeline does not have them."""
    found = summary["failures"][: len(_ERROR_SLOTS)]
    if len(summary["timeline"]) < 2 or not any("failed" in row for row in summary["timeline"]):
        return None
    names = {failed_column(each["metric"], each["label"]): f"{each['metric']} · {each['label']}" for each in found}
    # of each row what the lines need: none of a kind is 0
    rows: list[Row] = [
        {"t_s": row["t_s"], "interval_s": row.get("interval_s"), **{name: numbers(row).get(name, 0) for name in names}}
        for row in summary["timeline"]
    ]
    lines = [(column, words, slot) for (column, words), slot in zip(names.items(), _ERROR_SLOTS, strict=False)]
    if not any(row[column] for row in rows for column in names):
        return None
    return _over_time(summary, "errors", "failures over time", lines, "per second", rows=rows, size="low")


_ERROR_SLOTS = (4, 2, 5, 7, 3, 1)


def anatomy(summary: Summary) -> Bars | None:
    parts = connect_anatomy(summary["metrics"])
    if not parts:
        return None
    colours = (1, 3, 7, 5, 2, 4)
    stacked = [(p.label, p.ms, 6 if p.name == "waiting" else colours[i % 6]) for i, p in enumerate(parts)]
    return Bars("anatomy", "the parts of a connect", [Bar("connect", stacked)], "ms")


def failures(summary: Summary) -> Bars | None:
    rows = summary["failures"][:20]
    bars = [Bar(f"{row['metric']} · {row['label']}", [(row["label"], row["count"], 4)]) for row in rows]
    return Bars("failures", "failures by label", bars) if bars else None


def azure(summary: Summary, name: str, label: str, found: Sequence[AzureLine]) -> Chart:
    """Azure Monitor's points, each of which covers a whole interval."""
    slots = (1, 3, 5, 4, 2, 7, 6)
    lines = [Polyline(each.name, each.xs, each.ys, slots[i % 7], stepped=True) for i, each in enumerate(found)]
    load = name == "azure-load"
    unit = "%" if load else "connections"
    limit = float(HEALTHY_LOAD_PERCENT)
    rules = [Rule("y", limit, f"healthy: below {limit:.0f} %", "fail")] if load else []
    y = axes.of_values([*axes.extent(line.ys for line in lines), *(rule.at for rule in rules)], unit)
    return Chart(name, label, _time_axis(summary), y, lines, list(_phases(summary)), rules, unit=unit, linked=True)


def percentile_curve(histogram: Histogram) -> dict[str, list[float]]:
    """HdrHistogram's percentile plot: x = 1 / (1 - share), so that 90, 99, 99.9 % are equally far apart on a log axis.

    Y is in ms. It ends where single samples begin: the maximum is at x = count.
    """
    xs: list[float] = []
    while not xs or xs[-1] < histogram.count:
        xs.append(min(10 ** (len(xs) / _TICKS_PER_DECADE), float(histogram.count)))
    ys = histogram.percentiles([max(100.0 * (1.0 - 1.0 / x), 1e-9) for x in xs[:-1]] + [100.0])
    return {
        "x": [round(x, 3) for x in xs],
        "y": [round(y / NS_PER_MS, 4) for y in ys if y is not None],
    }
