"""The data of the web pages: rows once, rates per second, judged rarely, in words that are true so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.report.report_runs import facts
from tests.swarm.runs import NUMBER, conducted, configured, planned, report, second
from wps_load.clock import NS_PER_MS, now_ns
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.report import tiles
from wps_load.report.document import Summary
from wps_load.report.doubts import Doubt
from wps_load.report.interval import Interval
from wps_load.report.model import RunFacts, RunState
from wps_load.report.summary import build_summary
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import web_view
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.messages import Hello
from wps_load.swarm.so_far import SoFar
from wps_load.swarm.web_view import PAGE, REPORT, Judgement, RunView, columns


def histogram(*values_ms: float) -> Histogram:
    found = Histogram()
    for value in values_ms:
        found.record(int(value * NS_PER_MS))
    return found


def at(to_s: int, **counts: int) -> Interval:
    numbers = {"offered": 10, "published": 10, "delivered": 10, **counts}
    return second(float(to_s), Snapshot({"rtt": histogram(2.0, 2.0, 8.0)}), **numbers)


@dataclass
class Reporter:
    """Of a run in its middle, or after it; None: of one that is only prepared."""

    conductor: Conductor | None
    config: RunConfig = field(default_factory=configured)
    summary: Summary | None = None
    found: RunFacts = field(default_factory=facts)
    scenario: str = "echo"
    folder: Path | None = Path("reports/a-run")

    def main_metric(self, collector: Collector) -> str:
        return "rtt"

    def target_users(self) -> int:
        return 5

    def facts(self, conductor: Conductor, state: RunState, /) -> RunFacts:
        return self.found

    @property
    def collector(self) -> Collector:
        assert self.conductor is not None
        return self.conductor.collector


def conducted_for(seconds: int, config: RunConfig) -> Conductor:
    conductor = conducted(planned(config, started_ns=now_ns(), scenario_users=False))
    conductor.tick(now_ns(), set())
    for to_s in range(1, seconds + 1):
        conductor.collector.write(at(to_s))
    conductor.collector.total.histograms["rtt"] = histogram(2.0, 2.0, 8.0)
    return conductor


def run(seconds: int, *, summary: Summary | None = None) -> Reporter:
    config = configured(5, 60.0)
    return Reporter(conducted_for(seconds, config), config, summary)


SUMMARY: Any = {**build_summary(facts(slo="loss = 0", lost=3)), "doubts": []}
SUMMARY["metrics"]["rtt"] |= {"p50": 2.0, "p99": 8.0}


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Instants at which a run was judged; the judgement has a lost message and a doubt."""
    instants: list[int] = []

    def judge(_: Any, conductor: Any) -> Judgement:
        instants.append(now_ns())
        slo: Any = {"expression": "loss = 0", "value": 1.0, "verdict": "fail"}
        doubt: Any = {"name": "few_samples", "level": "warning", "message": "Few `rtt`.", "advice": "Run longer."}
        return Judgement(conductor, now_ns(), [slo], [doubt], SUMMARY["metrics"])

    monkeypatch.setattr(web_view, "judge", judge)
    return instants


def texts(view: RunView) -> dict[str, tuple[str, str]]:
    return {each["what"]: (each["now"], each["so_far"]) for each in view.rows()}


def test_before_the_first_run() -> None:
    for find in (lambda: None, lambda: Reporter(None)):
        view = RunView(find)
        assert view.data("", 0) == {"state": "none"}
        assert texts(view) == {"live charts": (PAGE, ""), "phase": ("no run yet", "")}
        assert (view.folder, view.runs) == (None, None)


@pytest.mark.usefixtures("judged")
def test_rows_are_sent_once() -> None:
    reporter = run(3)
    view = RunView(lambda: reporter)
    first = view.data("", 0)
    assert (first["first"], first["rows"]["t_s"]) == (0, [1.0, 2.0, 3.0])
    assert view.data(first["key"], 3)["rows"]["t_s"] == []

    reporter.collector.write(at(4))
    news = view.data(first["key"], first["next"])
    assert (news["first"], news["next"], news["rows"]["t_s"]) == (3, 4, [4.0])


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("key", "since"), [("of another run", 2), ("run-rtt", 99), ("run-rtt", -1)])
def test_who_knows_other_rows_gets_all(key: str, since: int) -> None:
    found = RunView(lambda: run(3)).data(key, since)
    assert (found["first"], len(found["rows"]["t_s"])) == (0, 3)


@pytest.mark.usefixtures("judged")
def test_a_run_in_preparation_leaves_the_last_one_in_sight() -> None:
    reporters = [run(2)]
    view = RunView(lambda: reporters[-1])
    assert view.data("", 0)["state"] == "running"
    reporters.append(Reporter(None))
    assert len(view.data("", 0)["rows"]["t_s"]) == 2


def test_a_run_is_judged_every_five_seconds_at_most(judged: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, instant = run(1), 10**12
    monkeypatch.setattr(web_view, "now_ns", lambda: instant)
    monkeypatch.setattr(f"{__name__}.now_ns", lambda: instant)
    view = RunView(lambda: reporter)
    for _ in range(3):
        view.data("", 0)
        view.rows()
    assert len(judged) == 1
    instant += web_view.JUDGE_EVERY_NS
    view.data("", 0)
    assert len(judged) == 2
    reporter = run(1)
    view.rows()
    assert len(judged) == 3, "another run"


@pytest.mark.usefixtures("judged")
def test_a_run_in_words_while_it_goes_on() -> None:
    found = texts(RunView(lambda: run(3)))
    assert found["phase"] == ("measure", "1 min left")
    assert found["published, per second"] == ("10", "0")
    assert found["rtt p99, ms"] == ("8.00", "8.00")
    assert found["SLO loss = 0"] == ("missing so far", "1"), "it may still come"
    assert found["doubt: few samples"] == ("warning", "Few rtt.")
    assert "report" not in found


def test_a_run_in_words_when_it_is_over() -> None:
    view = RunView(lambda: run(3, summary=SUMMARY))
    found = texts(view)
    assert found["phase"] == ("Failed (EMULATOR)", "1 of 1 SLOs not met: loss = 0.")
    assert found["SLO loss = 0"] == ("✗ not met", "3")
    assert found["lost"] == ("–", "3")
    assert found["rtt p50, ms"] == ("–", "2.00")
    assert found["report"] == (REPORT, "")
    data = view.data("", 0)
    assert (data["state"], data["verdict"], data["report"]) == ("finished", "fail", REPORT)
    assert data["figures"]["whole"] == {"p50": 2.0, "p99": 8.0}


def test_at_the_end_it_shows_what_the_report_shows() -> None:
    """What agents report while they close is not part of the run."""
    reporter = run(3, summary=SUMMARY)
    reporter.collector.busiest["late"] = 99.0
    reporter.collector.rss_bytes_max = 1 << 40
    data = RunView(lambda: reporter).data("", 0)
    assert data["tiles"] == tiles.figures(SUMMARY)
    assert dict(data["generator"])["busiest second of a worker, % of a core"] == "31"
    assert dict(data["generator"])["resident memory of the largest worker"] == "92.0 MiB"
    assert data["so_far"] is None


@pytest.mark.parametrize(
    ("slos", "words"),
    [
        ((), ""),
        ((("rtt p99 < 1s", "pass"), ("loss = 0", "fail")), "SLOs met so far"),
        ((("rtt p99 < 1s", "fail"), ("connected >= 99%", "pass")), "1 of 2 SLOs not met so far"),
        ((("rtt p99 < 1s", "no_data"),), ""),
    ],
)
def test_the_header_says_how_it_stands(slos: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Any = [{"expression": expression, "value": 1.0, "verdict": verdict} for expression, verdict in slos]
    judgement = lambda _, conductor: Judgement(conductor, now_ns(), rows, [], {})  # noqa: E731
    monkeypatch.setattr(web_view, "judge", judgement)
    assert RunView(lambda: run(1)).data("", 0)["so_far"] == words


def test_counts_become_rates_and_unknown_stays_unknown() -> None:
    late = at(5, published=30).row() | {"interval_s": 2.0, "delivered": None}
    found = columns([at(3).row(), late], "delivery")
    assert found["published"] == [10.0, 15.0]
    assert found["delivered"] == [10.0, None]
    assert found["p50"] == [None, None]
    assert columns([at(3).row()], "rtt")["p99"] == [8.0]


def test_what_is_missing_counts_as_lost_so_far() -> None:
    counts = {"offered": 12, "published": 10, "delivered": 7, "missing": 3, "duplicated": 1, "reordered": 2}
    counts["misdelivered"] = 4
    conductor = conducted()
    conductor.received("a", NUMBER, Hello("here"), 0)
    collector = conductor.collector
    collector.add("a", report(1, counts=counts))
    assert SoFar(facts(), collector).messages == LedgerTotals(10, 2, 10, 7, 3, 1, 2, misdelivered=4)


def test_every_run_is_interrupted_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = [Doubt("interrupted", "error", "", ""), Doubt("cpu", "warning", "", "")]
    monkeypatch.setattr(web_view, "find_doubts", lambda _: doubts)
    monkeypatch.setattr(web_view, "metric_rows", lambda _: {})
    conductor = conducted_for(1, configured())
    found = web_view.judge(Reporter(conductor, found=facts(slo="rest_publish p99 < 1s")), conductor)
    assert [doubt["name"] for doubt in found.doubts] == ["cpu"]
    assert found.slos == [{"expression": "rest_publish p99 < 1s", "value": None, "verdict": "no_data"}]
