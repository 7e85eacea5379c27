"""A run's cells in the index, and which runs are drawn as a trend, as tables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.report.capacity_runs import searched
from tests.report.report_runs import facts
from wps_load.report.entry import Entry, entry_of
from wps_load.report.index import MOST_TRENDS, row, trends
from wps_load.report.previous import standing
from wps_load.report.summary import build_summary
from wps_load.report.tables import DASH


def entry(folder: str, run: Any, **changes: Any) -> Entry:
    return replace(entry_of(folder, json.dumps(build_summary(run)).encode()), **changes)


RUN = entry("run", facts(), high_ms=22.0, standing=None)
BASE = entry("base", facts(), high_ms=20.0)
SEARCH = entry("search", searched(), held=880.0, standing=None)


@pytest.mark.parametrize(
    ("run", "load"),
    [
        (replace(RUN, connections=5, offered_per_s=100.0, duration_s=9.0), "5 connections, 100/s, 9 s"),
        (replace(RUN, connections=1, offered_per_s=None, duration_s=9.0), "1 connection, 9 s"),
        (replace(RUN, connections=5, offered_per_s=0.0, duration_s=9.0), "5 connections, 9 s"),
        (replace(SEARCH, connections=5, variable="rate", duration_s=9.0), "5 connections, held 880/s, 9 s"),
        (replace(SEARCH, connections=5, variable="users", duration_s=9.0), "5 connections, held 880 users, 9 s"),
    ],
)
def test_the_load(run: Entry, load: str) -> None:
    assert row(run, None).load == load


@pytest.mark.parametrize(
    ("run", "base", "words", "tone"),
    [
        (RUN, None, "first", ""),
        (RUN, BASE, "+10%", ""),
        (replace(RUN, standing="worse"), BASE, "+10% worse", "fail"),
        (replace(RUN, standing="better", high_ms=10.0), BASE, "-50% better", "pass"),
        (replace(RUN, standing="same"), replace(BASE, metric="delivery"), "same", ""),
        (RUN, replace(BASE, high="p50"), DASH, ""),
        (RUN, replace(BASE, high_ms=None), DASH, ""),
        (replace(RUN, high_ms=None), BASE, DASH, ""),
        (replace(RUN, verdict="invalid", standing="worse"), BASE, DASH, ""),
        (SEARCH, replace(SEARCH, held=800.0), "+10%", ""),
        (SEARCH, replace(SEARCH, held=None), DASH, ""),
        (replace(SEARCH, held=None), SEARCH, DASH, ""),
    ],
)
def test_how_it_stands_against_the_last_good_one(run: Entry, base: Entry | None, words: str, tone: str) -> None:
    found = row(run, base)
    assert (found.standing, found.standing_tone) == (words, tone)


def test_what_was_not_measured_is_a_dash() -> None:
    assert row(replace(RUN, high_ms=None), None).latency == DASH
    assert row(replace(RUN, lost=None), None).lost == row(replace(RUN, lost=0, expected=0), None).lost == DASH
    assert row(replace(RUN, verdict="invalid", unfinished=True), None).verdict == "Unfinished"


def drawn(*runs: Entry) -> list[tuple[str, dict[str, list[float | None]]]]:
    """Title -> label -> values, oldest first; `runs` newest first, as the index has them."""
    return [(title, {line.label: [*line.ys] for line in chart.lines}) for title, chart in trends(runs)]


def test_a_trend_is_of_the_same_settings_and_the_same_figure() -> None:
    run = replace(RUN, p50_ms=2.0, high_ms=5.0, high="p99", metric="rtt", title="echo")
    older = replace(run, high_ms=4.0)
    other = [replace(run, metric="delivery"), replace(run, high="p50"), replace(run, verdict="invalid")]
    assert drawn(run, older) == [("echo", {"rtt p50": [2.0, 2.0], "rtt p99": [4.0, 5.0]})]
    assert drawn(run, *other) == [("echo", {"rtt p50": [None, 2.0, None, 2.0], "rtt p99": [None, None, None, 5.0]})]
    assert drawn(run) == drawn(replace(run, verdict="invalid"), replace(run, verdict="invalid")) == []
    assert drawn(run, replace(older, settings_hash="another")) == []


def test_the_trend_of_searches_is_what_they_held() -> None:
    search = replace(SEARCH, title="search")
    assert drawn(search, replace(search, held=800.0)) == [("search", {"held": [800.0, 880.0]})]


def test_trends_of_one_title_are_distinguished_and_not_more_than_fit() -> None:
    runs = [replace(RUN, title="echo", settings_hash=f"{number:08}") for number in range(MOST_TRENDS + 1)]
    found = [title for title, _ in drawn(*runs, *runs)]
    assert found == [f"echo (settings {number:08})" for number in range(MOST_TRENDS)]


@pytest.mark.parametrize(
    ("found", "base", "sentence"),
    [
        (880.0, 800.0, "Held 880; the previous good run, base, held 800 (+10%)."),
        (880.0, None, f"Held 880; the previous good run, base, held {DASH}."),
        (None, 800.0, "Nothing held; the previous good run, base, held 800."),
    ],
)
def test_what_a_search_held_against_the_last_good_one(found: float | None, base: float | None, sentence: str) -> None:
    summary = build_summary(searched())
    assert summary["capacity"] is not None
    summary["capacity"]["value"] = found
    assert standing(replace(SEARCH, folder="base", held=base), summary, pytest.fail)["sentence"] == sentence


def test_a_comparison_that_breaks_costs_a_run_nothing_else() -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a mistake of the comparison")

    found = standing(BASE, build_summary(facts()), broken)
    assert found["verdict"] is None
    assert found["sentence"] == "Not compared with the previous good run, base: ZeroDivisionError."
