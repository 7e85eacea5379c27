"""What a report leaves out where there is nothing to show, and what it says instead where something is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.report.capacity_runs import searched, step
from tests.report.population_runs import mix
from tests.report.report_runs import facts
from tests.report.test_user_phases import followed, steady
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.report import curve_charts, population_tables, previous, sections, tiles
from wps_load.report.compare import Comparison
from wps_load.report.elements import NOTHING
from wps_load.report.entry import Entry
from wps_load.report.figures import Difference
from wps_load.report.next_steps import next_steps
from wps_load.report.page import Page
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary


def made(**changes: Any) -> Any:
    return build_summary(facts(**changes))


EMPTY = Snapshot()
SILENT = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
ENTRY = Entry(
    folder="20260314T092653Z-echo", id="1", started_at="2026-03-14T09:26:53Z", duration_s=30.0, scenario="echo",
    protocol="json", target="wss://a.example", settings_hash="0", title="echo", verdict="pass", unfinished=False,
    connections=50, offered_per_s=100.0, metric="rtt", p50_ms=10.0, high="p99", high_ms=20.0, lost=0, expected=3000,
    is_search=False, held=None, variable=None, standing=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("section", "there", "not_there"),
    [
        (sections.slos, {}, {"slo": ""}),
        (sections.latency, {}, {"snapshot": EMPTY}),
        (sections.distribution, {}, {"snapshot": EMPTY}),
        (sections.anatomy, {}, {"snapshot": EMPTY}),
        (sections.worst, {}, {"timeline": []}),
        (sections.failures, {"failures": {("connect", "http_401"): 3}}, {}),
        (sections.messages, {}, {"totals": SILENT, "offered": 0}),
    ],
)
def test_a_section_without_anything_to_show_is_not_there(section: Any, there: Any, not_there: Any) -> None:
    assert section(Page(made(**there))) != NOTHING
    assert section(Page(made(**not_there))) == NOTHING


def test_a_section_for_users_that_come_and_go_is_there_where_they_did() -> None:
    assert sections.users(Page(made())) == NOTHING
    phases = followed([*steady(20, 10), (40, None), *steady(40, 10)]).found()
    summary = made(user_phases=phases)
    shown = str(sections.users(Page(summary)))
    assert "Users that come and go" in shown
    assert "20 to 40 users" in shown


def test_the_generators_lags_have_a_table_where_they_are_known() -> None:
    known, unknown = made(), made()
    unknown["timeline"] = [
        {name: None if name.endswith("_lag_ms_p99") or name == "cpu_percent" else value for name, value in row.items()}
        for row in unknown["timeline"]
    ]
    assert str(sections.generator(Page(known))).count("<details") == 1
    assert str(sections.generator(Page(unknown))).count("<details") == 0


def test_a_run_without_steps_has_no_curve_and_a_step_without_times_no_chart() -> None:
    assert curve_charts.curve(made()) == ()
    search = build_summary(searched())
    assert len(curve_charts.curve(search)) == 2
    timeless: Any = step(100, 5.0, outcome="held")
    search["timeline"] = []
    assert curve_charts.one_step(search, 1, timeless) is None


def test_populations_of_whom_nobody_heard_anybody_have_no_matrix() -> None:
    assert population_tables.matrix_table(build_summary(mix())) is not None
    assert population_tables.matrix_table(build_summary(replace(mix(), pairs=[]))) is None


def test_tiles_of_messages_are_there_as_far_as_there_were_any() -> None:
    def names(**totals: int) -> set[str]:
        ledger = replace(SILENT, **totals)
        return {name for name, _, _ in tiles.figures(made(totals=ledger, offered=ledger.published))}

    messages = {"published", "delivered", "lost", "missed"}
    assert names() & messages == set()
    assert names(published=5) & messages == {"published", "delivered"}
    assert names(published=5, expected=5, delivered=5) & messages == {"published", "delivered", "lost"}
    assert names(published=5, expected=5, delivered=5, missed=2) & messages == messages


def test_a_search_in_which_nothing_held_goes_on_lower_down_or_with_the_path_to_the_target() -> None:
    low = [each.command for each in next_steps(build_summary(searched((100, 50), limit=10)), "reports/a")]
    assert any("rate:" in command and "..50" in command for command in low)
    lowest = [each.command for each in next_steps(build_summary(searched((1,), limit=0)), "reports/a")]
    assert any("wps-load doctor" in command for command in lowest)


def test_without_a_folder_nothing_is_advised_that_needs_one() -> None:
    summary = made(target="wss://a.example")
    summary["previous"] = {"folder": "before", "id": "1", "started_at": "", "verdict": None, "sentence": "s"}
    with_folder = [each.command for each in next_steps(summary, "reports/now")]
    assert "wps-load compare reports/before reports/now" in with_folder
    assert not any("compare" in each.command for each in next_steps(summary, None))


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Difference("lost", "share", 0.0, 0.00125, verdict="worse"), "lost 0.000% → 0.125%"),
        (Difference("rtt p99", "ms", 10.0, 12.5, change=0.25, verdict="worse"), "rtt p99 10.0 → 12.5 ms (+25.0%)"),
        (Difference("delivery rate", "per second", 200.0, 100.0, verdict="worse"),
         "delivery rate 200 → 100 per second (-50.0%)"),
        (Difference("rtt p99", "ms", None, 12.5, verdict="worse"), "rtt p99 is not known for both"),
    ],
)  # fmt: skip
def test_what_changed_is_said_in_its_unit(monkeypatch: pytest.MonkeyPatch, difference: Difference, said: str) -> None:
    monkeypatch.setattr(previous, "compare", lambda base, new: Comparison((), (), "rtt", (difference,), ()))
    run: Any = None
    found = previous.standing(ENTRY, made(), lambda: (run, run))
    assert found["verdict"] == "worse"
    assert found["sentence"].endswith(f": {said}.")


def test_where_a_document_breaks_its_types_is_said_by_name() -> None:
    summary = made()
    assert first_fault(summary) is None
    assert str(first_fault([])).startswith("the document: expected")
    broken = {**summary, "metrics": {**summary["metrics"], "rtt": {**summary["metrics"]["rtt"], "p99": "slow"}}}
    assert str(first_fault(broken)).startswith("metrics.rtt.p99: expected")
    assert str(first_fault({**summary, "metrics": {"rtt": 7}})).startswith("metrics.rtt: expected")
