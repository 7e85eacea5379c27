"""report.html of a run of several populations: each by itself, all beside each other, and the filter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import browser_test, chromium_running, looking
from tests.report.population_runs import METRICS, mix
from tests.report.report_runs import MadeRun, facts, histogram
from wps_load.measure.retention import EACH, RECENT
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import parse
from wps_load.report import files, html, tables, words
from wps_load.report.charts import by_population
from wps_load.report.interval import Interval
from wps_load.report.model import RunState
from wps_load.report.part import histograms_of, part_of
from wps_load.report.population_tables import populations
from wps_load.report.portion import PORTIONS, Portion, PortionView, course_of
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary
from wps_load.report.tiles import figures


def page(run: Any) -> str:
    return html.render(build_summary(run), run.histograms).decode()


def test_a_population_is_shown_as_a_run_is() -> None:
    run = mix()
    summary = build_summary(run)
    hosts, viewers, _ = populations(summary)
    part = part_of(summary, viewers)
    assert [slo["expression"] for slo in part["slo"]] == ["rtt p99 < 20ms"]
    assert part["metrics"] == viewers["metrics"]
    assert part["connections"]["target"] == 6
    (name, value, unit), *_ = figures(part)
    assert (name, value) == ("rtt p99", tables.millis(viewers["metrics"]["rtt"]["p99"]))
    assert unit.endswith("% beyond"), "the SLO's margin"
    assert set(histograms_of(run.histograms, "hosts")) == set(METRICS)
    assert part_of(summary, hosts)["failures"] == []


def test_a_population_that_only_connects_has_no_rate_that_nobody_counted() -> None:
    summary = build_summary(mix())
    for row in populations(summary):
        part = part_of(summary, {**row, "main_metric": "connect", "slo": []})
        assert part["timeline"]
        names = [name for name, _, _ in figures(part)]
        assert "failed attempts" in names
        assert "new connections" not in names


def test_a_mix_begins_with_its_populations_slos_the_tightest_first() -> None:
    names = [(name, "beyond" in unit) for name, _, unit in figures(build_summary(mix()))]
    assert names[:4] == [
        ("viewers.rtt p99", True), ("idlers.rtt p99", False), ("hosts.rtt p99", False), ("connections open", False),
    ]  # fmt: skip


def test_the_headline_names_the_populations_with_publishers_and_groups() -> None:
    said = words.what_ran(build_summary(mix()))
    assert said.startswith(
        "mix chat.toml over json, 50 connections in 3 populations: hosts (5 users, big-group over json, "
    )
    assert "2 publishers, 2 groups); viewers (6 users, big-group over json); idlers (" in said
    many = words.what_ran(build_summary(mix(tuple(f"p{i}" for i in range(10)))))
    assert "; 4 more" in many


def test_without_scripts_each_population_is_there_to_read() -> None:
    text = page(mix())
    for name in ("hosts", "viewers", "idlers"):
        assert f'<div data-of="{name}" id="population-{name}">' in text
        assert f'href="#population-{name}"' in text
        assert f'id="chart-{name}-distribution"' in text
    assert 'aria-label="Populations shown" hidden>' in text, "buttons that would do nothing"
    assert 'id="chart-populations"' in text


def test_a_run_of_one_population_has_no_filter() -> None:
    text = page(facts())
    assert "data-shows" not in text
    assert "data-of=" not in text.replace('data-of="run"', "")


def test_populations_are_compared_where_there_are_two_with_times() -> None:
    run = mix()
    summary = build_summary(run)
    drawn = by_population(populations(summary), run.histograms)
    assert drawn is not None
    assert [line.label for line in drawn.lines] == ["hosts rtt", "viewers rtt", "idlers rtt"]
    assert by_population(populations(summary)[:1], run.histograms) is None


def test_a_populations_course_is_beside_the_runs_timeline() -> None:
    summary = build_summary(mix())
    course = populations(summary)[1]["course"]
    assert course is not None
    assert {len(column) for column in course.values() if isinstance(column, list)} == {30}
    assert (course["t_s"][:2], course["p99"][:2]) == ([4.0, 5.0], [26.0, 26.0]), "from the measure phase on"
    assert not [row for row in summary["timeline"] if "populations" in row]
    assert first_fault(summary) is None
    rows: Any = part_of(summary, populations(summary)[1])["timeline"]
    assert (rows[1]["rtt_p99"], rows[1]["users"], rows[1]["published"], rows[1]["interval_s"]) == (26.0, 6, 10, 1.0)


def test_a_long_course_loses_no_count_and_no_spike() -> None:
    views = [PortionView(users=at, counts={"published": 1, "delivered": 2, "lost": 0}, times={}) for at in range(1500)]
    views[777]["times"] = {"rtt": [5.0, 500.0]}
    course = course_of([{"t_s": at + 1.0, PORTIONS: {"a": view}} for at, view in enumerate(views)], "a", "rtt")
    assert course is not None
    assert len(course["t_s"]) == 500
    assert (sum(n or 0 for n in course["published"]), sum(n or 0 for n in course["delivered"])) == (1500, 3000)
    assert (course["t_s"][-1], course["users"][-1]) == (1500.0, 1499)
    assert [p99 for p99 in course["p99"] if p99 is not None] == [500.0]


def test_during_a_run_there_is_no_course() -> None:
    run = mix()
    parts = {name: replace(each, state=RunState.RUNNING) for name, each in run.populations.items()}
    summary = build_summary(replace(run, state=RunState.RUNNING, populations=parts))
    assert populations(summary)[0]["course"] is None
    assert part_of(summary, populations(summary)[0])["timeline"] == []
    assert not [row for row in summary["timeline"] if "populations" in row]


def test_portions_add_up_as_intervals_do() -> None:
    def interval(at: int, ms: int) -> Interval:
        portion = Portion(at, {"published": at, "missing": 1}, Snapshot({"rtt": histogram([ms * 1_000_000])}))
        return Interval(at - 1.0, float(at), {"measure": 1.0}, at, 1.0, {}, Snapshot(), {"hosts": portion})

    whole, later = interval(1, 10), interval(2, 30)
    whole.absorb(later)
    whole.absorb(Interval(2.0, 3.0, {"drain": 1.0}, 0, 1.0, {}))
    row: Any = whole.row()
    view = row[PORTIONS]["hosts"]
    assert (view["users"], view["counts"]) == (2, {"published": 3, "delivered": 0, "lost": 2})
    assert view["times"]["rtt"] == pytest.approx([10.0, 30.0], rel=0.01)
    assert later.portions["hosts"].counts == {"published": 2, "missing": 1}, "left as it is"
    copy = whole.copy()
    copy.absorb(later)
    assert whole.portions["hosts"].counts["published"] == 3


TEN = ("alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett")


@pytest.fixture(scope="module")
def long_mix() -> MadeRun:
    """An hour by seconds and what is older than that, ten populations, six metrics, each value another."""
    run = mix(TEN)
    rng, rows = np.random.default_rng(3), []
    for at in range(RECENT + 10 * EACH):
        row: dict[str, Any] = {**run.timeline[10], "t_s": float(at + 1)}
        for metric in METRICS:
            spread = {p: round(float(rng.gamma(4.0, 10.0)), 3) for p in ("p50", "p90", "p99")}
            row |= {f"{metric}_count": 200, **{f"{metric}_{p}": value for p, value in spread.items()}}
        row |= {name: round(float(rng.gamma(4.0)), 3) for name in ("loop_lag_ms_p99", "send_lag_ms_p99", "cpu_percent")}
        row["failed_connect_http_429"] = int(rng.integers(3))
        row[PORTIONS] = {
            name: PortionView(
                users=50,
                counts={"published": int(rng.integers(100)), "delivered": int(rng.integers(1000)), "lost": 0},
                times={"rtt": [round(float(rng.gamma(4.0, 9.0)), 3), round(float(rng.gamma(4.0, 30.0)), 3)]},
            )
            for name in TEN
        }
        rows.append(row)
    parts = {name: replace(each, timeline=rows) for name, each in run.populations.items()}
    return replace(run, timeline=rows, populations=parts)


def test_a_hundred_populations_make_a_small_report_that_shows_what_failed() -> None:
    names = tuple(f"p{number}-of-a-hundred-populations" for number in range(130))
    run = mix(names)
    demands = {name: [slo.of(name) for slo in parse("rtt p99 < 60s")] for name in names[:-1]}
    demands[names[-1]] = [slo.of(names[-1]) for slo in parse("rtt p99 < 1us")]
    made = {name: replace(run.populations[name], slos=demands[name]) for name in names}
    run = replace(run, populations=made, slos=tuple(slo for slos in demands.values() for slo in slos))
    content = html.render(build_summary(run), {})
    assert len(content) < 500_000
    text = content.decode()
    assert f'id="chart-{names[0]}-messages"' in text, "the first ones have all of it"
    assert f">{names[-1]}.rtt p99 &lt; 1us<" in text, "what failed is not left out for what did not"
    assert "more: see summary.json" in text
    targets = set(re.findall(r'href="#([^"]+)"', text))
    assert len(targets) > 90, "the table's rows are links"
    assert targets <= set(re.findall(r'id="([^"]+)"', text)), "each leads somewhere"


def test_many_populations_and_a_long_run_make_a_small_report(long_mix: MadeRun, tmp_path: Path) -> None:
    files.write_run(tmp_path, long_mix)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["report.html"] < 500_000
    assert sizes["summary.json"] < 5_000_000
    text = (tmp_path / "report.html").read_text()
    for name in TEN:
        for chart in ("latency-rtt", "messages", "distribution"):
            assert f'id="chart-{name}-{chart}"' in text
    for chart in ("latency-rtt", "messages", "connections", "generator", "errors", "populations", "populations-time"):
        assert f'id="chart-{chart}"' in text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with chromium_running() as browser:
        yield browser


@pytest.mark.program
class TestInABrowser:
    pytestmark = browser_test

    def test_the_filter_shows_one_population_or_all(self, chromium: Any, tmp_path: Path) -> None:
        target = tmp_path / "report.html"
        target.write_text(page(mix()))
        with looking(chromium) as seen:
            seen.goto(target.as_uri())
            seen.locator('html[data-drawn="yes"]').wait_for(state="attached")
            heading = seen.get_by_role("heading", level=2)
            all_headings = heading.all_inner_texts()
            assert {"Messages", "hosts", "viewers", "Populations"} <= set(all_headings)

            seen.get_by_role("button", name="viewers").click()
            shown = heading.all_inner_texts()
            assert "viewers" in shown
            assert "Populations" in shown
            assert not {"hosts", "idlers", "Messages", "SLOs"} & {text for text in shown if text}
            rows = [text.split("\t")[:2] for text in seen.locator('[data-of="any"] tbody tr:visible').all_inner_texts()]
            assert [row[0] for row in rows] == ["viewers", "hosts"], "its own row, and what it heard"
            assert seen.url.endswith("#population-viewers")

            seen.reload()
            seen.get_by_role("button", name="viewers", pressed=True).wait_for()
            seen.get_by_role("button", name="all populations").click()
            assert heading.all_inner_texts() == all_headings
            seen.get_by_role("link", name="hosts").click()
            seen.get_by_role("button", name="hosts", pressed=True).wait_for()
