"""What a report answers: demands first, errors over time, the worst seconds, who made the load, who published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.report.report_runs import facts
from wps_load.measure.snapshot import Snapshot
from wps_load.report import charts, html, tables
from wps_load.report.extras import Extras
from wps_load.report.model import Worker
from wps_load.report.second_tables import workers_table, worst_seconds
from wps_load.report.summary import build_summary
from wps_load.report.tables import Table
from wps_load.report.tiles import figures
from wps_load.report.timeline import timeline_row
from wps_load.report.topology import roles_words


def made(**changes: Any) -> Any:
    return build_summary(facts(**changes))


def texts(found: Table | None) -> list[list[str]]:
    assert found is not None
    return [[cell.text for cell in row] for row in found.rows]


@pytest.mark.parametrize(
    ("slo", "first", "margin"),
    [
        ("rtt p95 < 250ms, loss = 0", "rtt p95", "to spare"),
        ("rtt_service p99 < 1ms", "rtt_service p99", "beyond"),
        ("connected >= 99%", "connections open", "1 point to spare"),
        ("connect p90 < 1s", "connect p90", "to spare"),
    ],
)
def test_the_demanded_figure_comes_first_with_its_margin(slo: str, first: str, margin: str) -> None:
    summary = made(slo=slo)
    name, _, unit = figures(summary)[0]
    assert name == first
    assert unit.endswith(margin)
    metric = first.split()[0]
    if metric == "rtt":
        assert texts(tables.metrics_table(summary))[0][0] == metric
        chart = charts.distribution(facts().snapshot.histograms, metric)
        assert chart is not None
        assert chart.lines[0].label == metric


def test_cuts_and_recoveries_are_figures() -> None:
    connections = replace(facts().connections, cut=7, recovered=6)
    found = {name: value for name, value, _ in figures(made(connections=connections))}
    assert (found["cut"], found["recovered"]) == ("7", "6")
    assert "cut" not in {name for name, *_ in figures(made())}


def test_publishers_and_groups_are_said() -> None:
    def of(scenario: str, **settings: Any) -> list[str]:
        return roles_words(made(scenario=scenario, settings={f"wps-{k}": v for k, v in settings.items()}))

    assert of("echo") == ["50 publishers"]
    assert of("small-group", publishers="20%") == ["10 publishers", "5 groups"]
    assert of("big-group") == ["30 publishers", "10 groups"]
    assert of("broadcast") == ["1 REST sender"]
    assert of("idle") == of("of-tomorrow") == of("echo", publishers="???") == of("echo", mix="a.toml") == []


def failing() -> Any:
    """A run in whose seconds 5 and 6 connections failed, and 6 was slow."""
    run = facts()
    rows: list[Any] = [dict(row) for row in run.timeline]
    for at, count in ((5, 2), (6, 3)):
        interval = Snapshot(failures={("connect", "http_429"): count})
        rows[at] |= {name: n for name, n in _row(interval).items() if name.startswith("failed")}
    rows[6]["rtt_p99"] = 900.0
    summary: Any = build_summary(replace(run, timeline=rows, snapshot=replace_failures(run.snapshot)))
    return summary


def _row(interval: Snapshot) -> dict[str, object]:
    nothing: dict[str, Any] = dict.fromkeys(("users", "offered", "published", "delivered", "lost"))
    return timeline_row(t_s=1.0, interval_s=1.0, phase="measure", interval=interval, **nothing)


def replace_failures(snapshot: Snapshot) -> Snapshot:
    return Snapshot(dict(snapshot.histograms), {("connect", "http_429"): 5, ("rtt", "other"): 1})


def test_failures_over_time_by_label() -> None:
    chart = charts.errors(failing())
    assert chart is not None
    (line,) = [each for each in chart.lines if each.label == "connect · http_429"]
    assert [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if y] == [(6.0, 2.0), (7.0, 3.0)]
    assert line.ys[0] == 0.0, "a second without a failure is no gap"
    assert charts.errors(made(failures={("connect", "http_429"): 5})) is None, "a timeline that does not tell them"


def test_the_worst_seconds_have_a_time_of_day() -> None:
    first, *others = texts(worst_seconds(failing()))
    assert first[:3] == ["6–7", "09:26:59", "slowest"]
    assert first[4] == "900"
    assert ["5–6", "09:26:58", "lost or failed"] in [row[:3] for row in others]
    assert len(others) == 5


def test_a_run_of_one_second_has_no_worst_ones() -> None:
    summary = made()
    summary["timeline"] = summary["timeline"][5:6]
    assert worst_seconds(summary) is None


def test_workers_are_listed() -> None:
    workers = [
        Worker(name="a", host="host 1", users=25, cpu_percent_max=40.0, send_lag_ms_p99=0.5, clock_error_ms=0.0),
        Worker(name="b", host="host 2", users=25, lost=True),
    ]
    a, b = texts(workers_table(made(workers=workers)))
    assert a == ["a", "host 1", "25", "40", "0.500", "0.000", "there to the end"]
    assert b[-1] == "lost"
    assert b[3] == tables.DASH
    assert workers_table(made()) is None


def test_the_page_says_all_that() -> None:
    summary = failing()
    text = html.render(summary, None, Extras(folder="reports/a run")).decode()
    for word in (
        "The worst seconds",
        "What to do next",
        "wps-load doctor",
        'id="chart-errors"',
        '<th scope="col">UTC</th>',
    ):
        assert word in text, word
    assert 'data-started="2026-03-14T09:26:53.000+00:00"' in text
    assert "<title>Passed (EMULATOR): echo over json, 50 connections, 100/s, 2026-03-14 09:26:53 UTC · wps-load" in text
