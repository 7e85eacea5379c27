"""`compare` against known truth: silent on equal runs, sure of a real slowdown, and of what may not be
compared."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.capacity_runs import searched
from tests.report.report_runs import MadeRun, autocorrelated, facts, write
from wps_load.errors import ExitCode
from wps_load.measure.histogram import Histogram
from wps_load.report import compare_markdown
from wps_load.report.compare import NotComparable, compare
from wps_load.report.model import GeneratorHealth
from wps_load.report.run_folder import MetricInterval, PastRun, load_run
from wps_load.report.summary import build_summary

SUMMARY = build_summary(facts(measure_s=10))


def quick(rng: np.random.Generator, seconds: int, median_ms: float, slowdown: float, phi: float, sd: float) -> PastRun:
    """A run of lognormal round trips whose level wanders by an AR(1) series: 100 a second."""
    level = median_ms * slowdown * np.exp(autocorrelated(rng, seconds, phi, sd))
    times = (level[:, None] * rng.lognormal(0.0, 0.3, (seconds, 100)) * 1e6).astype(np.int64)
    log = []
    for i in range(seconds):
        histogram = Histogram()
        histogram.record_many(times[i].tolist())
        log.append(MetricInterval(float(i), 1.0, histogram))
    row = {"count": seconds * 100, "failures": 0, "p50": 1.0, "p90": 1.0, "p99": 1.0}
    timeline = [
        {"t_s": i + 1.0, "interval_s": 1.0, "phase": "measure", "delivered": int(n)}
        for i, n in enumerate(rng.poisson(100, seconds))
    ]
    summary: Any = SUMMARY | {"metrics": {"rtt": row}, "timeline": timeline}
    return PastRun("made", summary, {"rtt": log})


def test_the_answer_is_about_what_the_runs_are_about() -> None:
    """A run whose SLO is about deliveries has round trips too: they say nothing about what is demanded."""
    rng = np.random.default_rng(5)
    runs = [quick(rng, 120, 20.0, 1.0, 0.0, 0.02) for _ in range(2)]
    about: list[PastRun] = []
    for run in runs:
        summary: Any = copy.deepcopy(run.summary)
        summary["run"]["main_metric"] = "delivery"
        summary["metrics"]["delivery"] = summary["metrics"]["rtt"]
        about.append(replace(run, summary=summary, log={**run.log, "delivery": run.log["rtt"]}))
    found = compare(about[:1], about[1:])
    assert {each.name.split()[0] for each in found.would_have_seen} == {"delivery"}
    assert found.to_json()["main_metric"] == "delivery"
    assert found.differences[0].name.startswith("delivery")
    assert {each.name.split()[0] for each in compare(runs[:1], runs[1:]).would_have_seen} == {"rtt"}


def regressions(trials: int, slowdown: float, noises: Sequence[tuple[float, float]], runs: int = 1) -> int:
    """In how many of `trials` a regression is found; `noises`: (phi, sd) of the trials in turn."""
    found = 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        phi, sd = noises[trial % len(noises)]
        base = [quick(rng, 60, 20.0, 1.0, phi, sd) for _ in range(runs)]
        new = [quick(rng, 60, 20.0, slowdown, phi, sd) for _ in range(runs)]
        found += compare(base, new, seed=trial).regressed
    return found


def test_equal_runs_raise_few_false_alarms() -> None:
    assert regressions(100, 1.0, [(0.0, 0.05), (0.5, 0.08), (0.7, 0.05), (0.9, 0.04)]) <= 5


def test_a_slowdown_of_ten_percent_is_found() -> None:
    assert regressions(60, 1.1, [(0.0, 0.05), (0.5, 0.04), (0.7, 0.03)]) >= 57


def test_several_runs_a_side_find_more_than_one() -> None:
    noises = [(0.5, 0.08), (0.9, 0.04)]
    assert regressions(20, 1.0, noises, runs=3) == 0
    assert regressions(20, 1.1, noises, runs=3) > regressions(20, 1.1, noises, runs=1)


def test_the_answer_names_what_it_would_have_seen() -> None:
    rng = np.random.default_rng(5)
    long = [quick(rng, 120, 20.0, 1.0, 0.0, 0.02) for _ in range(2)]
    answer = compare_markdown.render(compare(long[:1], long[1:])).splitlines()[0]
    assert answer.startswith("## ✅ No regression: a slowdown would have been seen in rtt p50 from 5.0%, rtt p90 from")
    assert answer.endswith("; 4 of 7 figures are unclear")  # no connect was timed in a made-up run
    wild = [quick(rng, 12, 20.0, 1.0, 0.9, 0.5) for _ in range(2)]
    blind = compare(wild[:1], wild[1:])
    assert blind.would_have_seen == ()
    assert compare_markdown.render(blind).startswith("## Unclear: these runs could not have shown a slowdown")


def test_losses_that_come_in_bursts_are_not_a_regression_of_themselves() -> None:
    """One run of three lost a second's worth: pooled and taken for independent it would be significant."""
    rng = np.random.default_rng(6)

    def lossy(lost: int) -> PastRun:
        run = quick(rng, 30, 20.0, 1.0, 0.0, 0.02)
        return replace(run, summary=run.summary | {"messages": run.summary["messages"] | {"lost": lost}})

    found = compare([lossy(n) for n in (0, 3, 0)], [lossy(n) for n in (0, 15, 0)])
    assert next(d for d in found.differences if d.name == "lost").verdict == "unclear"


def written(tmp_path: Path, name: str, run: MadeRun) -> PastRun:
    folder = tmp_path / name
    folder.mkdir()
    write(folder, run)
    return load_run(folder)


def test_from_folders_with_every_direction(tmp_path: Path) -> None:
    base = written(tmp_path, "base", facts(rate=400, median_ms=10.0, measure_s=60))
    new = written(tmp_path, "new", facts(rate=400, median_ms=14.0, measure_s=60, seed=2, lost=240))
    found = compare([base], [new])
    verdicts = {difference.name: difference.verdict for difference in found.differences}
    assert verdicts == {
        "rtt p50": "worse",
        "rtt p90": "worse",
        "rtt p99": "worse",
        "connect p50": "unclear",
        "connect p90": "unclear",
        "connect p99": "unclear",
        "delivered": "same",
        "lost": "worse",
        "duplicated": "same",
        "connect failures": "unclear",
    }
    assert found.exit_code == ExitCode.REGRESSION
    p50 = found.differences[0]
    assert p50.change == pytest.approx(0.4, abs=0.02)
    assert p50.low is not None
    assert p50.high is not None
    assert p50.low < 0.4 < p50.high
    back = compare([new], [base])
    assert {d.name for d in back.differences if d.verdict == "better"} == {
        "rtt p50",
        "rtt p90",
        "rtt p99",
        "lost",
    }
    assert back.exit_code == ExitCode.PASSED


def test_a_rate_that_falls_is_worse() -> None:
    rng = np.random.default_rng(1)
    base, new = (quick(rng, 60, 20.0, 1.0, 0.0, 0.01) for _ in range(2))
    summary: Any = new.summary
    slower = [row | {"delivered": row["delivered"] // 2} for row in summary["timeline"]]
    found = compare([base], [replace(new, summary=summary | {"timeline": slower})])
    delivered = next(d for d in found.differences if d.name == "delivered")
    assert delivered.verdict == "worse"
    assert delivered.change == pytest.approx(-0.5, abs=0.03)


def test_small_differences_below_the_floor_are_the_same() -> None:
    rng = np.random.default_rng(2)
    base, new = (quick(rng, 600, 20.0, slowdown, 0.0, 0.01) for slowdown in (1.0, 1.02))
    assert {d.verdict for d in compare([base], [new]).differences if d.name == "rtt p50"} == {"same"}


def test_the_same_seed_gives_the_same_answer() -> None:
    rng = np.random.default_rng(3)
    base, new = (quick(rng, 60, 20.0, 1.0, 0.5, 0.05) for _ in range(2))
    assert compare([base], [new], seed=7) == compare([base], [new], seed=7)


def test_a_stall_is_resampled_with_the_rest() -> None:
    rng = np.random.default_rng(4)
    run = quick(rng, 30, 20.0, 1.0, 0.0, 0.01)
    gap = [second for second in run.log["rtt"] if not 10 <= second.started_s < 14]
    seconds = replace(run, log={"rtt": gap}).seconds("rtt")
    assert len(seconds) == 30
    assert [s.started_s for s in seconds if s.histogram is None] == [10.0, 11.0, 12.0, 13.0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settings_hash": "f", "protocol": "protobuf"}, r"different tests: protocol: json, protobuf\."),
        (
            {"settings_hash": "f", "settings": {**facts().settings, "wps-payload": "16KiB", "wps-seed": "43"}},
            r"different tests: wps-payload: 2KiB, 16KiB\.",
        ),
        (
            {"settings_hash": "f", "target": "https://a.example"},
            r"target: embedded emulator at .*, https://a.example",
        ),
        ({"settings_hash": "f"}, "the settings' hash"),
        ({"generator": GeneratorHealth(workers_lost=1)}, r"invalid \(worker_lost\)"),
        (
            {"capacity": searched().capacity},
            r"new is a search, .*: compare the answers \(Capacity: 931 messages/s, below 966",
        ),
    ],
)
def test_refuses(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    base = written(tmp_path, "base", facts())
    new = written(tmp_path, "new", facts(**changes))
    with pytest.raises(NotComparable, match=reason):
        compare([base], [new])


def test_markdown_and_json(tmp_path: Path) -> None:
    base = written(tmp_path, "base", facts(measure_s=40, seed=1))
    new = written(tmp_path, "new", facts(measure_s=40, seed=2, median_ms=18.0))
    found = compare([base], [new])
    text = compare_markdown.render(found)
    assert text.startswith("## ❌ Regression: rtt p50, rtt p90, rtt p99\n\nBase: base. New: new.")
    assert "| rtt p50 | ❌ worse | 1" in text
    assert "three or more a side" in text
    document = json.loads(json.dumps(found.to_json()))
    assert document["schema"] == "wps-load.comparison/1"
    assert document["regressed"] is True
    assert document["differences"][0]["name"] == "rtt p50"


def alone(tmp_path: Path, name: str, run: MadeRun) -> PastRun:
    """A run of which only the summary was kept, such as a stored baseline."""
    written(tmp_path, name, run)
    (tmp_path / name / "summary.json").rename(tmp_path / f"{name}.json")
    return load_run(tmp_path / f"{name}.json")


def test_lone_summaries_are_judged_by_their_timelines(tmp_path: Path) -> None:
    base = alone(tmp_path, "base", facts(measure_s=60))
    assert (base.name, base.log) == ("base.json", {})
    same = compare([base], [alone(tmp_path, "same", facts(measure_s=60, seed=2))])
    assert not same.regressed
    slow = written(tmp_path, "slow", facts(measure_s=60, seed=3, median_ms=15.0))
    found = {d.name: d for d in compare([base], [slow]).differences}
    assert [found[f"rtt {p}"].verdict for p in ("p50", "p90", "p99")] == ["worse"] * 3
    assert found["rtt p50"].change == pytest.approx(0.25, abs=0.03)


def test_a_side_without_data_is_said(tmp_path: Path) -> None:
    base = written(tmp_path, "base", facts(measure_s=30))
    silent = replace(base, summary=base.summary | {"metrics": {}, "timeline": []}, log={})
    found = {d.name: d for d in compare([base], [silent]).differences}
    assert (found["rtt p50"].verdict, found["rtt p50"].reason) == ("unclear", "the base alone has data")


def test_a_service_that_delivers_nothing_is_worse(tmp_path: Path) -> None:
    base = written(tmp_path, "base", facts(measure_s=30))
    mute = [row | {"delivered": 0} for row in base.summary["timeline"]]
    found = compare([base], [replace(base, summary=base.summary | {"timeline": mute})])
    assert next(d for d in found.differences if d.name == "delivered").verdict == "worse"
