"""`compare` of mixes: a slowdown of one population is found although the run's own figures hide it."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from tests.report.population_runs import mix
from tests.report.test_report_compare import quick
from wps_load.report import compare_markdown
from wps_load.report.compare import NotComparable, compare
from wps_load.report.run_folder import PastRun
from wps_load.report.summary import build_summary

NAMES = ("hosts", "viewers", "idlers")
DOCUMENT: Any = build_summary(mix(NAMES, measure_s=60))


def run(seed: int, slow: str = "", *, lost: int = 0, names: tuple[str, ...] = NAMES) -> PastRun:
    """Round trips of each population, 100 a second for a minute; `slow` has twice the usual."""
    rng = np.random.default_rng(seed)
    made = {name: quick(rng, 60, 20.0, 2.0 if name == slow else 1.0, 0.0, 0.02) for name in names}
    summary = copy.deepcopy(DOCUMENT)
    summary["populations"] = [each for each in summary["populations"] if each["name"] in names]
    for row in summary["populations"]:
        row["main_metric"] = "rtt"
        row["metrics"]["rtt"] |= {"count": 6000, "failures": 0}
        row["messages"] |= {"expected": 100_000, "lost": lost if row["name"] == slow else 0}
    whole = quick(rng, 60, 20.0, 1.0, 0.0, 0.02)  # of a run in which the others are many more
    log = {**whole.log, **{f"{name}.rtt": each.log["rtt"] for name, each in made.items()}}
    return PastRun(f"run-{seed}", summary, log)


def test_one_population_alone_is_slower_or_loses() -> None:
    found = compare([run(1)], [run(2, "viewers", lost=900)])
    worse = {each.name for each in found.differences if each.verdict == "worse"}
    assert {"viewers.rtt p50", "viewers.rtt p99", "viewers.lost"} <= worse
    assert all(name.startswith("viewers.") for name in worse)
    assert found.regressed
    assert {each.population for each in found.differences} == {"", *NAMES}
    text = compare_markdown.render(found)
    assert text.startswith("## ❌ Regression: viewers.rtt p50")
    assert text.index("| rtt p50 |") < text.index("### By population") < text.index("| hosts.rtt p50 |")
    assert {row["population"] for row in json.loads(json.dumps(found.to_json()))["differences"]} == {"", *NAMES}


def test_equal_mixes_are_not_a_regression() -> None:
    found = compare([run(1), run(2)], [run(3), run(4)])
    assert not found.regressed
    assert "hosts.rtt p50" in {each.name for each in found.differences}


def test_only_the_headline_and_what_was_lost_or_failed_is_of_a_population() -> None:
    own = [each.name for each in compare([run(1)], [run(2)]).differences if each.population == "hosts"]
    assert own == ["hosts.rtt p50", "hosts.rtt p90", "hosts.rtt p99", "hosts.lost", "hosts.connect failures"]


def test_populations_of_one_side_are_named_and_not_compared() -> None:
    """Of a locustfile's classes no setting tells that one is gone."""
    found = compare([run(1)], [run(2, names=("hosts", "idlers"))])
    assert "viewers" not in {each.population for each in found.differences}
    assert "The population viewers is in the base alone: it is not compared." in found.notes
    both = compare([run(1), run(3, names=("hosts", "idlers"))], [run(2)])
    assert "The population viewers is not in all runs: it is not compared." in both.notes


def test_runs_of_one_population_have_no_such_table() -> None:
    rng = np.random.default_rng(5)
    found = compare([quick(rng, 60, 20.0, 1.0, 0.0, 0.02)], [quick(rng, 60, 20.0, 1.0, 0.0, 0.02)])
    assert {each.population for each in found.differences} == {""}
    assert "By population" not in compare_markdown.render(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"users": 99}, "users of viewers: "),
        ({"protocol": "simple"}, "protocol of viewers: json, simple"),
        ({}, "what the mix's file asks of a population"),
    ],
)
def test_other_mixes_are_refused_with_what_differs(change: dict[str, Any], said: str) -> None:
    """The file's name may be the same."""
    other = run(2)
    summary: Any = other.summary
    summary["run"]["settings_hash"] = "another"
    summary["populations"][1].update(change)
    with pytest.raises(NotComparable, match="were different tests") as refused:
        compare([run(1)], [other])
    assert said in str(refused.value)
    fewer = run(3, names=("hosts",))
    fewer.summary["run"]["settings_hash"] = "another"
    with pytest.raises(NotComparable, match="populations: hosts, viewers, idlers and hosts"):
        compare([run(1)], [fewer])
