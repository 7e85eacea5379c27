"""Capacity searches and stages: what passes, what is doubted, what the summary keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.report.capacity_runs import searched, staged
from tests.report.report_runs import facts
from wps_load.measure.ledger import LedgerTotals
from wps_load.report.measured import measured_load
from wps_load.report.model import ConnectionCounts, GeneratorHealth, Outside, RunFacts, RunState
from wps_load.report.schema import first_fault, json_schema
from wps_load.report.step_doubts import GENERATOR_TOO
from wps_load.report.summary import build_summary


def names(run: RunFacts) -> list[str]:
    return [doubt["name"] for doubt in build_summary(run)["doubts"]]


OVERLOADED: dict[str, Any] = {
    "offered": 60_000,
    "totals": LedgerTotals(40_000, 20_000, 40_000, 30_000, 10_000, 0, 0, unrecorded=5),
    "generator": GeneratorHealth(cpu_percent_max=99.0, loop_lag_ms_p99=50.0, send_lag_ms_p99=500.0, send_stalls=9),
}


class TestVerdict:
    def test_a_search_passes_though_steps_failed(self) -> None:
        summary: Any = build_summary(replace(searched(), outside=Outside(failed=3, exceptions=1)))
        assert (summary["verdict"], summary["exit"]["code"]) == ("pass", 0)
        assert [slo["verdict"] for slo in summary["slo"]] == ["pass", "pass"]
        assert summary["slo"][0]["value"] == summary["capacity"]["steps"][-2]["p99"]

    def test_it_fails_when_no_step_held(self) -> None:
        summary = build_summary(searched((1100, 1100)))
        assert (summary["verdict"], summary["exit"]["code"]) == ("fail", 3)
        assert {slo["verdict"] for slo in summary["slo"]} == {"no_data"}

    def test_also_without_slos(self) -> None:
        summary = build_summary(replace(searched((1100, 1100)), slos=()))
        assert (summary["verdict"], summary["exit"]["code"]) == ("fail", 3)

    def test_a_step_that_held_has_met_what_is_not_told(self) -> None:
        slos = build_summary(replace(searched(), best_slo=None))["slo"]
        assert [(slo["value"], slo["verdict"]) for slo in slos] == [(None, "pass")] * 2

    def test_the_generators_limit_is_not_an_answer(self) -> None:
        summary = build_summary(searched((100, 316, 600), bound_by="generator"))
        assert (summary["verdict"], summary["exit"]["code"]) == ("invalid", 4)
        doubt = summary["doubts"][0]
        assert (doubt["name"], doubt["level"]) == ("client_bound", "error")
        assert "at 600 (messages left 23.1 ms or more late)" in doubt["message"]
        assert "Add workers" in doubt["advice"]

    def test_where_both_were_at_their_limit_the_answer_stands_and_is_doubted(self) -> None:
        run = searched()
        capacity: Any = dict(run.capacity or {})
        last = capacity["high"]
        reasons = ["the service ended 3 connections (closed_1006)", f"{GENERATOR_TOO}a worker used 99 % of a core"]
        capacity["steps"] = [{**s, "reasons": reasons} if s["load"] == last else s for s in capacity["steps"]]
        summary = build_summary(replace(run, capacity=capacity))
        assert summary["verdict"] == "pass"
        doubt = next(d for d in summary["doubts"] if d["name"] == "client_bound")
        assert (doubt["level"], "99 %" in doubt["message"]) == ("warning", True)


class TestDoubts:
    def test_what_failing_steps_provoke_is_left_out(self) -> None:
        assert names(searched(**OVERLOADED)) == []
        assert {"rate_missed", "cpu", "loop_lag", "send_stalled", "ledger_full"} <= set(names(facts(**OVERLOADED)))

    def test_cpu_is_that_of_the_answers_step(self) -> None:
        run = searched()
        capacity: Any = run.capacity
        steps = [{**step, "cpu_percent_max": 95.0} for step in capacity["steps"]]
        assert names(replace(run, capacity=capacity | {"steps": steps})) == ["cpu"]

    @pytest.mark.parametrize(("bound_by", "found"), [("service", []), ("time", ["stopped_early"])])
    def test_a_search_may_end_before_its_time(self, bound_by: str, found: list[str]) -> None:
        assert names(searched(bound_by=bound_by, state=RunState.STOPPED)) == found

    def test_refused_users_are_what_a_search_of_users_looks_for(self) -> None:
        refused = ConnectionCounts(target=5000, opened=1000, failed=4000, peak=1000)
        assert names(searched(connections=refused)) == []

    def test_short_steps_at_the_brackets_ends(self) -> None:
        assert names(searched((100, 1000), limit=950)) == ["few_samples"]
        doubt = build_summary(searched((100, 1000), limit=950))["doubts"][0]
        assert "500 of `rtt` at 100." in doubt["message"]

    def test_stages_change_the_level_and_are_not_drift(self) -> None:
        run = staged((250, 300, 400, 600, 900, 900))
        assert names(run) == []
        assert "drift" in names(replace(run, stages=None))

    def test_short_stages(self) -> None:
        assert names(staged((100, 300))) == ["few_samples"]


class TestDocument:
    @pytest.mark.parametrize("run", [searched(), staged(), searched((1100,)), facts(measure_s=2)])
    def test_it_keeps_to_the_schema(self, run: RunFacts) -> None:
        document = json.loads(json.dumps(build_summary(run)))
        jsonschema.validate(document, json_schema())
        assert first_fault(document) is None

    @pytest.mark.parametrize(
        ("place", "value", "fault"),
        [
            ("few_samples", 1, "capacity.steps[0].few_samples: expected `bool`, got `int`"),
            ("outcome", "won", "capacity.steps[0].outcome: invalid enum value 'won'"),
            ("load", True, "capacity.steps[0].load: expected `float`, got `bool`"),
        ],
    )
    def test_a_broken_step_is_named(self, place: str, value: Any, fault: str) -> None:
        document = json.loads(json.dumps(build_summary(searched())))
        document["capacity"]["steps"][0][place] = value
        assert first_fault(document) == fault

    def test_a_summary_without_stages_is_read(self) -> None:
        document = json.loads(json.dumps(build_summary(facts(measure_s=2))))
        del document["stages"]
        assert first_fault(document) is None


class TestMeasuredLoad:
    def test_of_a_search_the_highest_step_that_held(self) -> None:
        load = measured_load(build_summary(searched()))
        assert (load.connections, load.inbound_per_s, load.outbound_per_s) == (50, 931.0, 931.0)

    def test_of_stages_the_busiest(self) -> None:
        load = measured_load(build_summary(staged((200, 950, 400), "users")))
        assert (load.connections, load.inbound_per_s, load.outbound_per_s) == (950, 950.0, 950.0)

    def test_where_nothing_held_no_rate_is_known(self) -> None:
        load = measured_load(build_summary(searched((1100,))))
        assert (load.inbound_per_s, load.billed_per_day) == (None, None)
