"""The data that a browser gets about the present run, else the last one: `/wps`'s JSON, and the tab's rows.

It must cost the measuring process little: rows are sent once, percentiles are those of the timeline, and doubts and
SLOs, which need the whole run's histograms, are judged every few seconds at most, and only while somebody watches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.thresholds import evaluate
from wps_load.report import tables, tiles
from wps_load.report.charts import latency_limits
from wps_load.report.document import DoubtRow, Row, SloRow, Summary, numbers
from wps_load.report.doubts import Evidence, find_doubts
from wps_load.report.model import RunFacts, RunState
from wps_load.report.summary import doubt_rows, metric_rows, slo_rows
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.live_data import LiveData, LiveFigures, LivePhase, LiveSlo
from wps_load.swarm.populations_view import populations_view
from wps_load.swarm.so_far import SoFar

JUDGE_EVERY_NS = 5 * NS_PER_S
PAGE = "./wps"
REPORT = "./wps/report/report.html"
"""Addresses relative to Locust's page, wherever `--web-base-path` puts it."""

_RATES = ("offered", "published", "delivered", "lost", "connect_opened", "connect_failed")
_LEVELS = ("t_s", "users", "cpu_percent", "loop_lag_ms_p99", "send_lag_ms_p99")
_SO_FAR = {"pass": "✓ met so far", "fail": "✗ not met so far", "no_data": "no data yet"}
_DRAINED = ("loss", "duplicates", "reordered")
"""What only the drain decides: a gap may still be filled."""

Rows = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """SLOs, doubts and metrics as of `at_ns`, as in summary.json."""

    conductor: Conductor
    at_ns: int
    slos: Sequence[SloRow]
    doubts: Sequence[DoubtRow]
    metrics: Mapping[str, Row]


class Reported(Protocol):
    """The part of a run that a page shows; `Reporter` implements it."""

    @property
    def config(self) -> RunConfig: ...

    @property
    def conductor(self) -> Conductor | None: ...

    @property
    def scenario(self) -> str: ...

    @property
    def summary(self) -> Summary | None:
        """The summary of a finished run."""

    @property
    def folder(self) -> Path | None: ...

    def main_metric(self, collector: Collector) -> str: ...

    def target_users(self) -> int: ...

    def facts(self, conductor: Conductor, state: RunState, /) -> RunFacts: ...


class RunView:
    """`current()`: the reporter of the present, last or prepared run; None before the first."""

    def __init__(self, current: Callable[[], Reported | None]) -> None:
        self._current = current
        self._latest: Reported | None = None
        self._judged: Judgement | None = None

    @property
    def reporter(self) -> Reported | None:
        """The reporter of the latest run that has begun: one that is only prepared has nothing to show yet."""
        found = self._current()
        if found is not None and found.conductor is not None:
            self._latest = found
        return self._latest

    @property
    def folder(self) -> Path | None:
        """The latest run's folder, once its report is written."""
        reporter = self.reporter
        return reporter.folder if reporter is not None and reporter.summary is not None else None

    @property
    def runs(self) -> Path | None:
        """The folder of all runs, which can be read during a run."""
        reporter = self.reporter
        return None if reporter is None or reporter.folder is None else reporter.folder.parent

    # -- the page --------------------------------------------------------------------------------------------

    def data(self, key: str, since: int) -> LiveData:
        """The state, and the rows from number `since` on; from the first if `key` does not identify these rows."""
        reporter = self.reporter
        if reporter is None or reporter.conductor is None:
            return {"state": "none"}
        conductor, collector = reporter.conductor, reporter.conductor.collector
        metric = reporter.main_metric(collector)
        here = f"{conductor.plan.run_id}-{metric}"
        new = collector.timeline.since(since) if key == here else None
        judged = self._judge(reporter, conductor)
        summary = reporter.summary
        return {
            "state": "running" if summary is None else "finished",
            "key": here,
            "what": f"{reporter.scenario} over {reporter.config.protocols}",
            "target": f"{_target(reporter)}, hub {reporter.config.population.hub}",
            "verdict": None if summary is None else summary["verdict"],
            "verdict_word": None if summary is None else tables.verdict_word(summary),
            "sentence": None if summary is None else tables.verdict_sentence(summary),
            "report": None if self.folder is None else REPORT,
            "phase": phase_of(reporter, conductor),
            "elapsed_s": round(elapsed_s(conductor), 1),
            "total_s": reporter.config.run_time_s,
            "phases": _phases(conductor),
            "metric": metric,
            "limits": [limit for slo in judged.slos for limit in latency_limits(slo["expression"], metric)],
            "figures": _figures(reporter, collector, judged),
            "tiles": None if summary is None else tiles.figures(summary),
            "so_far": None if summary is not None else _so_far(judged.slos),
            "slos": [_slo(slo, summary is not None) for slo in judged.slos],
            "populations": populations_view(conductor, summary),
            "doubts": list(judged.doubts),
            "generator": _generator(conductor) if summary is None else _generator_at_the_end(summary),
            "first": 0 if new is None else since,
            "next": collector.timeline.count,
            "rows": columns(collector.timeline.rows() if new is None else new, metric),
        }

    # -- the tab ---------------------------------------------------------------------------------------------

    def rows(self) -> Rows:
        """Texts for Locust's table: `what`, `now`, `so_far`."""
        reporter = self.reporter
        if reporter is None or reporter.conductor is None:
            return [_row("live charts", PAGE), _row("phase", "no run yet")]
        conductor = reporter.conductor
        judged = self._judge(reporter, conductor)
        done = reporter.summary is not None
        links = [_row("live charts", PAGE)] + ([_row("report", REPORT)] if self.folder is not None else [])
        slos = [_slo(slo, done) for slo in judged.slos]
        return [
            *links,
            *_state_rows(reporter, conductor),
            *_number_rows(reporter, conductor.collector, judged),
            *(_row(f"SLO {slo['expression']}", slo["words"], slo["value"]) for slo in slos),
            *(_doubt_row(doubt) for doubt in judged.doubts),
        ]

    def _judge(self, reporter: Reported, conductor: Conductor) -> Judgement:
        summary = reporter.summary
        if summary is not None:
            return Judgement(conductor, 0, summary["slo"], summary["doubts"], _rows_of(summary))
        now, judged = now_ns(), self._judged
        if judged is None or judged.conductor is not conductor or now - judged.at_ns >= JUDGE_EVERY_NS:
            self._judged = judged = judge(reporter, conductor)
        return judged


def judge(reporter: Reported, conductor: Conductor) -> Judgement:
    """SLOs and doubts as of now."""
    facts = reporter.facts(conductor, RunState.RUNNING)
    source = SoFar(facts, conductor.collector)
    slos = slo_rows(evaluate(slo, source) for slo in facts.slos)
    metrics = metric_rows(facts)
    doubts = find_doubts(Evidence(facts, metrics))
    return Judgement(
        conductor,
        now_ns(),
        slos,
        doubt_rows(doubt for doubt in doubts if doubt.name != "interrupted"),  # which every run is until it ends
        metrics,
    )


def _target(reporter: Reported) -> str:
    target = reporter.config.target
    return ("EMULATOR: " if target.is_emulator else "") + target.describe()


def phase_of(reporter: Reported, conductor: Conductor) -> str:
    return conductor.phase_at(now_ns()) if reporter.summary is None else "finished"


def elapsed_s(conductor: Conductor) -> float:
    return ((conductor.ended_ns or now_ns()) - conductor.plan.started_ns) / NS_PER_S


def _rows_of(summary: Summary) -> dict[str, Row]:
    return {name: numbers(row) for name, row in summary["metrics"].items()}


def columns(timeline: Sequence[Mapping[str, object]], metric: str) -> dict[str, list[float | None]]:
    """Rows of the timeline as the charts' columns; counts become rates per second."""
    rows = [numbers(row) for row in timeline]
    found: dict[str, list[float | None]] = {name: [row[name] for row in rows] for name in _LEVELS}
    for name in _RATES:
        found[name] = [_per_s(row, name) for row in rows]
    for percentile in ("p50", "p99"):
        found[percentile] = [row.get(f"{metric}_{percentile}") for row in rows]
    return found


def _per_s(row: Row, name: str) -> float | None:
    value, interval_s = row[name], row["interval_s"] or 1.0
    return None if value is None else round(value / interval_s, 3)


def _phases(conductor: Conductor) -> list[LivePhase]:
    started = conductor.plan.started_ns
    return [{"name": name, "started_s": round((at - started) / NS_PER_S, 3)} for name, at in conductor.phases]


def _figures(reporter: Reported, collector: Collector, judged: Judgement) -> LiveFigures:
    whole = judged.metrics.get(reporter.main_metric(collector), {})
    messages = None if reporter.summary is None else reporter.summary["messages"]
    counters = collector.total.counters
    return {
        "open": collector.open if reporter.summary is None else None,
        "peak": collector.peak_open,
        "target": reporter.target_users(),
        "failed": counters.get("connections_failed", 0),
        "dropped": counters.get("connections_dropped", 0),
        "published": collector.running("published"),
        "delivered": collector.running("delivered"),
        "lost": collector.running("missing") if messages is None else messages["lost"],
        "whole": {percentile: whole.get(percentile) for percentile in ("p50", "p99")},
    }


def _generator(conductor: Conductor) -> list[list[str]]:
    """The generator's rows, in the words of the report's own table."""
    collector = conductor.collector
    return [
        ["workers", str(len(conductor.roster.agents))],
        ["workers lost", str(len(conductor.roster.lost))],
        ["busiest second of a worker, % of a core", tables.number(collector.cpu_percent_max)],
        ["longest garbage collection, ms", tables.millis(collector.gc_pause_ns_max / 1e6)],
        ["resident memory of the largest worker", tables.size(collector.rss_bytes_max or None)],
    ]


def _generator_at_the_end(summary: Summary) -> list[list[str]]:
    """The generator's rows as in the report: what agents still send while they close does not belong to the run."""
    return [[name.text, value.text] for name, value in tables.generator_table(summary).rows]


def _so_far(slos: Sequence[SloRow]) -> str:
    """The verdict if this were the end; what only the drain decides does not count yet."""
    known = [slo for slo in slos if slo["verdict"] != "no_data" and slo["expression"].split()[0] not in _DRAINED]
    unmet = sum(slo["verdict"] == "fail" for slo in known)
    if not known:
        return ""
    return f"{unmet} of {len(slos)} SLOs not met so far" if unmet else "SLOs met so far"


def _slo(slo: SloRow, final: bool) -> LiveSlo:
    verdict = slo["verdict"]
    early = not final and slo["expression"].split()[0] in _DRAINED and verdict == "fail"
    words = tables.SLO_WORDS[verdict] if final else "missing so far" if early else _SO_FAR[verdict]
    return {"expression": slo["expression"], "verdict": verdict, "words": words, "value": tables.slo_value(slo)}


def _state_rows(reporter: Reported, conductor: Conductor) -> Rows:
    config, elapsed = reporter.config, elapsed_s(conductor)
    left = "" if config.run_time_s is None else f"{tables.seconds(round(max(0.0, config.run_time_s - elapsed)))} left"
    phase = phase_of(reporter, conductor)
    if reporter.summary is not None:
        phase, left = tables.verdict_word(reporter.summary), tables.verdict_sentence(reporter.summary)
    return [
        _row("scenario", f"{reporter.scenario} over {config.protocols}"),
        _row("target", _target(reporter), f"hub {config.population.hub}"),
        _row("phase", phase, left or tables.seconds(round(elapsed))),
    ]


def _number_rows(reporter: Reported, collector: Collector, judged: Judgement) -> Rows:
    metric, figures = reporter.main_metric(collector), _figures(reporter, collector, judged)
    last = collector.timeline.last if reporter.summary is None else None
    row = numbers(last or dict.fromkeys((*_RATES, "interval_s")))
    rates = {name: tables.number(_per_s(row, name)) for name in _RATES}
    latencies = [
        _row(f"{metric} {p}, ms", tables.millis(row.get(f"{metric}_{p}")), tables.millis(whole))
        for p, whole in figures["whole"].items()
    ]
    unsent = {cause: count for cause, count in collector.not_sent().items() if count}
    not_sent = ", ".join(f"{count:,} by the {cause}" for cause, count in unsent.items())
    return [
        _row(
            "connections",
            f"{tables.number(figures['open'])} of {tables.number(figures['target'])}" if last else tables.DASH,
            f"{tables.number(figures['peak'])} at most, {tables.number(figures['failed'])} attempts failed, "
            f"{tables.number(figures['dropped'])} dropped",
        ),
        _row("published, per second", rates["published"], tables.number(figures["published"])),
        *([_row("not sent", "", not_sent)] if not_sent else []),
        _row("delivered, per second", rates["delivered"], tables.number(figures["delivered"])),
        _row("missing" if last else "lost", rates["lost"], tables.number(figures["lost"])),
        *latencies,
    ]


def _doubt_row(doubt: DoubtRow) -> dict[str, str]:
    return _row(f"doubt: {doubt['name'].replace('_', ' ')}", doubt["level"], doubt["message"].replace("`", ""))


def _row(what: str, now: str, so_far: str = "") -> dict[str, str]:
    return {"what": what, "now": now, "so_far": so_far}
