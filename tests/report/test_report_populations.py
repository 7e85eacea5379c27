"""report.html of a run of several populations: each by itself, all beside each other, and the filter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser_test, chromium_running, looking
from tests.report.population_runs import METRICS, mix
from tests.report.report_runs import facts
from wps_load.report import html, tables, words
from wps_load.report.charts import by_population
from wps_load.report.part import histograms_of, part_of
from wps_load.report.population_tables import populations
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


def test_a_populations_slo_says_nothing_of_the_whole_runs_figures() -> None:
    summary = build_summary(mix())
    assert not [unit for _, _, unit in figures(summary) if "beyond" in unit]


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
