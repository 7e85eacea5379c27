"""Searches and stages as page, markdown and junit.xml show them: the answer, the knee, the steps, units and cost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.report.capacity_runs import searched, staged
from tests.report.report_runs import facts
from wps_load.capacity.prices import read_prices
from wps_load.capacity.units import load_guide
from wps_load.report import html, junit, markdown, tables, words
from wps_load.report.curve_charts import curve
from wps_load.report.extras import NONE, Extras
from wps_load.report.model import RunFacts
from wps_load.report.step_texts import knee_load, knee_sentence, steps_table
from wps_load.report.summary import build_summary
from wps_load.report.tables import Table
from wps_load.report.unit_tables import found_sizing, guide_table, sizes_table, units_notes, units_sentence

PRICES = read_prices(str(Path(__file__).parents[2] / "docs" / "prices.example.json"), load_guide().tiers)


def page(run: RunFacts, extras: Extras = NONE) -> str:
    return html.render(build_summary(run), None, extras).decode()


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def settings(run: RunFacts, **changes: str) -> RunFacts:
    return replace(run, settings={**run.settings, **{name.replace("_", "-"): value for name, value in changes.items()}})


class TestSearch:
    def test_the_answer_is_the_verdicts_sentence(self) -> None:
        summary = build_summary(searched())
        assert (
            tables.verdict_sentence(summary) == "Capacity: 931 messages/s, below 966. SLO: rtt p99 < 100ms, loss = 0."
        )
        assert "searched rate:100..1000" in words.what_ran(summary)
        assert "client-bound" in tables.verdict_sentence(build_summary(searched((100, 600), bound_by="generator")))

    def test_steps_say_what_failed_them(self) -> None:
        table = steps_table(build_summary(searched()))
        rows = texts(table)
        assert len(rows) == 10
        assert (rows[2][:2], rows[2][-1]) == (["1,000", "✗ failed"], "rtt p99 < 100ms")
        assert rows[-2][:4] == ["931", "✓ held", "10.1", "67.0"]
        assert rows[0][-2:] == ["5–10", ""]
        assert [table.is_numeric(i) for i in (0, 1, 2, 9, 10)] == [False, False, True, True, False]
        assert [cell.faint for cell in table.rows[0]][2:4] == [True, True]  # 500 samples do not carry a p99

    def test_connections_have_a_column_where_they_differ(self) -> None:
        summary: Any = build_summary(searched())
        assert "connections" not in steps_table(summary).header
        summary["capacity"]["steps"][0]["users"] += 1
        assert "connections" in steps_table(summary).header

    def test_the_curve_has_every_step_and_the_mean_of_each_load(self) -> None:
        throughput, latency = curve(build_summary(searched()))
        assert [(rule.at, rule.label) for rule in throughput.rules] == [(931.0, "answer: 931")]
        for chart in (throughput, latency):
            assert (len(chart.marks), len(chart.lines[0].xs)) == (10, 8)
            assert list(chart.lines[0].xs) == sorted({mark.x for mark in chart.marks})

    def test_the_page_begins_with_the_search(self) -> None:
        text = page(searched())
        headings = [part.split("<")[0] for part in text.split("<h2>")[1:]]
        assert headings[:3] == ["Capacity", "Units and cost", "SLOs"]
        assert "All steps together." in text
        assert "<dt>held</dt><dd><strong>931</strong> messages/s</dd>" in text
        assert text.count("Capacity: 931 messages/s") == 1

    def test_with_other_doubts_the_answer_is_said_as_well(self) -> None:
        run = searched()
        text = page(replace(run, generator=replace(run.generator, workers_lost=1)))
        assert "cannot be trusted: worker lost." in text
        assert "Capacity: 931 messages/s" in text

    def test_where_nothing_held_there_are_no_units(self) -> None:
        text = page(searched((1100,)))
        assert "Units and cost" not in text
        assert "Capacity: below 1100 messages/s" in text

    def test_junit_counts_a_search_as_a_test_of_its_own(self) -> None:
        for run, failures in ((searched(), 0), (replace(searched((1100,)), slos=()), 1)):
            root = ET.fromstring(junit.render(build_summary(run)))
            cases = root.findall(".//testcase")
            assert (len(cases), len(root.findall(".//failure"))) == (int(root.attrib["tests"]), failures)
            assert int(root.attrib["failures"]) == failures
            assert cases[1].attrib["name"] == "a step of the search held"


class TestStages:
    def test_the_knee_is_where_power_is_greatest(self) -> None:
        summary: Any = build_summary(staged())
        power = {s["load"]: s["delivered_per_s"] / s["p50"] for s in summary["stages"]["steps"]}
        assert knee_load(summary) == max(power, key=lambda load: power[load]) == 600
        assert [row[1] for row in texts(steps_table(summary))] == ["", "", "knee", "", "", ""]
        assert "The knee is at 600 messages/s: 600 deliveries/s at a median of 1.75 ms." in knee_sentence(summary)

    def test_no_knee_is_said(self) -> None:
        summary = build_summary(staged((10, 20, 30), "users"))
        assert knee_load(summary) is None
        assert knee_sentence(summary).startswith("No knee was reached")
        assert texts(steps_table(summary))[0][:2] == ["10", "0.707"]

    def test_each_step_has_its_chart_and_figures(self) -> None:
        text = page(staged())
        assert [f'id="chart-step-{i}"' in text for i in range(1, 8)] == [True] * 6 + [False]
        assert "<h3>Step 3: 600 messages/s</h3>" in text
        assert "<dt>knee</dt><dd><strong>600" in text
        assert [len(chart.marks) for chart in curve(build_summary(staged()))] == [6, 6]

    def test_very_many_steps_do_not_get_charts_each(self) -> None:
        run = staged((200, 300))
        assert run.stages is not None
        steps = run.stages["steps"]
        text = page(replace(run, stages={"variable": "rate", "steps": list(steps) * 30}))
        assert text.count('id="chart-step-') == 40
        assert "20 more steps are in the table only." in text

    def test_stages_that_never_ran(self) -> None:
        text = page(staged(()))
        assert "<h2>Steps</h2>" not in text


class TestUnits:
    def test_an_ordinary_run_shows_them_when_asked(self) -> None:
        run = facts(measure_s=2)
        assert "Units and cost" not in page(run)
        assert "Units and cost" in page(run, Extras(growth=(Fraction(2),)))
        assert "Units and cost" in page(settings(run, wps_units="2"))

    def test_growth_and_cost(self) -> None:
        summary, extras = build_summary(searched()), Extras((Fraction(2), Fraction(10)), PRICES)
        found = found_sizing(summary, extras)
        assert found is not None
        rows = texts(sizes_table(found, PRICES))
        # 931/s of the 500/s that the guide says of a unit: three at 80 %, with room for 1,200 / 931
        assert rows[0][:4] == ["this load", "3 × Standard_S1", "outbound 62%", "+29%"]
        assert [row[0] for row in rows] == ["this load", "2 times", "10 times"]
        price = PRICES.tiers["Standard_S1"]
        additional = int(rows[0][8].replace(",", ""))
        day = 3 * (price.unit_day or 0) + (price.additional_million_messages or 0) * additional / 1e6
        assert (rows[0][9], rows[0][10]) == (f"{day:,.2f}", f"{day * 30:,.2f}")
        assert units_sentence(summary, found).startswith(
            "The highest load that held, 50 connections with 931 messages/s"
        )

    def test_without_units_nothing_is_said_per_unit(self) -> None:
        found = found_sizing(build_summary(searched()), NONE)
        assert found is not None
        assert texts(guide_table(found)) == [
            ["measured", "–", "50", "931", "931"],
            ["between published rows", "3", "3,000", "1,500", "1,500"],
        ]

    def test_what_was_bought_stands_beside_the_published_row(self) -> None:
        summary = build_summary(settings(searched(), wps_units="2", wps_tier="standard"))
        found = found_sizing(summary, NONE)
        assert found is not None
        assert texts(guide_table(found)) == [
            ["measured", "2", "50", "931", "931"],
            ["published", "2", "2,000", "1,000", "1,000"],
            ["measured, of published", "", "2%", "93%", "93%"],
        ]
        notes = " ".join(units_notes(summary, found, load_guide()))
        assert "Bought: 2 × Standard_S1, too little for it: " in notes
        assert "The target was the emulator" in notes

    def test_a_load_beyond_all_tiers(self) -> None:
        run = searched()
        capacity: Any = run.capacity
        huge = [{**step, "delivered_per_s": 1e9} for step in capacity["steps"]]
        summary = build_summary(replace(run, capacity=capacity | {"steps": huge}))
        found = found_sizing(summary, Extras(prices=PRICES))
        assert found is not None
        assert "is more than any tier holds: outbound messages/s" in units_sentence(summary, found)
        assert texts(sizes_table(found, PRICES))[0][8:] == ["–", "–", "–"]

    def test_tasks_of_ones_own_have_no_known_load(self) -> None:
        run = facts(measure_s=2, scenario="locustfile")
        assert found_sizing(build_summary(run), Extras(growth=(Fraction(2),))) is None

    def test_idle_users_are_judged_by_connections(self) -> None:
        run = facts(measure_s=2, scenario="idle", has_messages=False, totals=None, offered=None, rate=0, slo="")
        summary = build_summary(run)
        found = found_sizing(summary, Extras(growth=(Fraction(30),)))
        assert found is not None
        assert [row[1] for row in texts(sizes_table(found, None))] == ["1 × Standard_S1", "2 × Standard_S1"]
        assert guide_table(found) is None
        assert "connections alone decide" in units_notes(summary, found, load_guide())[0]


@pytest.mark.parametrize("run", [searched(), staged()])
def test_markdown_has_the_same_in_short(run: RunFacts) -> None:
    text = markdown.render(build_summary(run), Extras((Fraction(2),), PRICES))
    assert "| 2 times | " in text
    assert ("### Capacity" in text) is (run.capacity is not None)
    assert ("The knee is at 600 messages/s" in text) is (run.stages is not None)
