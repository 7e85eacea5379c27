"""Facts -> summary.json's document ("wps-load.summary/2"), its verdict and the exit code.

Every renderer reads the document, so `wps-load report FOLDER` shows what the run itself showed. `document` has its
types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import cast

from wps_load.clock import NS_PER_MS
from wps_load.measure.catalog import METRICS, PENDING
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.thresholds import Slo, SloResult, evaluate
from wps_load.protocol.traits import RELIABLE
from wps_load.report.document import (
    Capacity,
    ConnectionTotals,
    DoubtRow,
    FailureRow,
    Generator,
    MatrixRow,
    Messages,
    MetricRow,
    PopulationRow,
    Rates,
    Row,
    RunSection,
    SendFailures,
    SloRow,
    Summary,
    Verdict,
    WorkerRow,
)
from wps_load.report.document_course import TimelineRow
from wps_load.report.document_features import InvocationCounts, StreamCounts
from wps_load.report.doubts import find_doubts
from wps_load.report.evidence import Doubt, Evidence, main_metric_of
from wps_load.report.feature_doubts import says_nothing
from wps_load.report.model import GeneratorHealth, PairFacts, RunFacts, RunState, Worker
from wps_load.report.outcome import exit_block
from wps_load.report.phases import phase_rows
from wps_load.report.portion import course_of, without_portions


def build_summary(facts: RunFacts) -> Summary:
    """The whole document. Unknown is None, never 0; times in ms."""
    metrics = metric_rows(facts)
    parts = {name: Evidence(each, metric_rows(each)) for name, each in facts.populations.items()}
    doubts = find_doubts(Evidence(facts, metrics), parts)
    source = FactsSource(facts)
    slos = [_judged(slo, source, facts) for slo in facts.slos] if facts.capacity is None else _searched_slos(facts)
    summary: Summary = {
        "schema": "wps-load.summary/2",
        "run": {**_run(facts), "main_metric": main_metric_of(facts, metrics)},
        "verdict": verdict(doubts, slos, facts.capacity),
        "doubts": doubt_rows(doubts),
        "slo": slo_rows(slos),
        "connections": cast(ConnectionTotals, asdict(facts.connections)),
        "messages": _messages(facts),
        "invocations": _invocations(facts),
        "streams": _streams(facts),
        "bytes": {"sent": facts.bytes_sent, "received": facts.bytes_received},
        "rates": _rates(facts),
        "metrics": {name: cast(MetricRow, row) for name, row in metrics.items()},
        "failures": failure_rows(facts),
        "generator": _generator(facts.generator),
        "workers": None if facts.workers is None else [_worker(each) for each in facts.workers],
        "populations": [_population_row(name, each, slos) for name, each in parts.items()] or None,
        "matrix": [_matrix_row(pair) for pair in facts.pairs] or None,
        "phases": phase_rows(facts, main_metric_of(facts, metrics)),
        "timeline": cast(list[TimelineRow], without_portions(facts.timeline)),
        "capacity": facts.capacity,
        "stages": facts.stages,
    }
    summary["exit"] = exit_block(summary, facts.outside)
    return summary


def _judged(slo: Slo, source: FactsSource, facts: RunFacts) -> SloResult:
    return SloResult(slo.expression, None, "no_data") if says_nothing(slo, facts) else evaluate(slo, source)


def slo_rows(results: Iterable[SloResult]) -> list[SloRow]:
    return [{"expression": slo.expression, "value": slo.value, "verdict": slo.verdict} for slo in results]


def doubt_rows(doubts: Iterable[Doubt]) -> list[DoubtRow]:
    return [{"name": each.name, "level": each.level, "message": each.message, "advice": each.advice} for each in doubts]


def _failure(metric: str, label: str, count: int, sentence: str | None) -> FailureRow:
    """`message`: the first of its kind in words, if there is one."""
    found: FailureRow = {"metric": metric, "label": label, "count": count}
    if sentence:
        found["message"] = sentence
    return found


def _generator(health: GeneratorHealth) -> Generator:
    return {
        "workers": health.workers,
        "cpu_percent_max": health.cpu_percent_max,
        "loop_lag_ms_p99": health.loop_lag_ms_p99,
        "send_lag_ms_p99": health.send_lag_ms_p99,
        "rss_bytes_max": health.rss_bytes_max,
        "clock_error_ms": health.clock_error_ms,
    }


def _worker(worker: Worker) -> WorkerRow:
    return {
        "name": worker.name,
        "host": worker.host,
        "users": worker.users,
        "cpu_percent_max": worker.cpu_percent_max,
        "send_lag_ms_p99": worker.send_lag_ms_p99,
        "clock_error_ms": worker.clock_error_ms,
        "lost": worker.lost,
    }


class FactsSource:
    """The numbers of a run, or of one of its populations, as `thresholds.evaluate` reads them (`SloSource`)."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts

    def of(self, population: str) -> FactsSource | None:
        """The numbers of a population; None: there is no such population."""
        found = self._facts.populations.get(population)
        return None if found is None else FactsSource(found)

    def row(self, metric: str) -> Row | None:
        return self._facts.snapshot.row(metric)

    @property
    def messages(self) -> LedgerTotals | None:
        return self._facts.totals

    @property
    def connected_share(self) -> float | None:
        """Connections open over the measure phase, as a share of those requested."""
        return self._facts.connections.share

    @property
    def measure_s(self) -> float | None:
        return self._facts.measure_s


def _population_row(name: str, seen: Evidence, slos: Iterable[SloResult]) -> PopulationRow:
    """`slos`: the run's, some of which are its own."""
    facts, metrics = seen.facts, seen.metrics
    main = main_metric_of(facts, metrics)
    return {
        "name": name,
        "users": facts.connections.target,
        "scenario": facts.scenario,
        "protocol": facts.protocol,
        "publishers": facts.publishers,
        "groups": facts.groups,
        "connections": cast(ConnectionTotals, asdict(facts.connections)),
        "messages": _messages(facts),
        "bytes": {"sent": facts.bytes_sent, "received": facts.bytes_received},
        "rates": _rates(facts),
        "metrics": {metric: cast(MetricRow, row) for metric, row in metrics.items()},
        "failures": failure_rows(facts),
        "main_metric": main,
        "slo": slo_rows(slo for slo in slos if slo.expression.startswith(f"{name}.")),
        "course": None if facts.state is RunState.RUNNING else course_of(facts.timeline, name, main),
    }


def _matrix_row(pair: PairFacts) -> MatrixRow:
    p50, p99 = pair.delivery.percentiles((50.0, 99.0)) if pair.delivery.count else (None, None)
    return {
        "sender": pair.sender,
        "receiver": pair.receiver,
        "expected": pair.expected,
        "delivered": pair.delivered,
        "lost": None if pair.expected is None else pair.expected - pair.delivered,
        "p50": None if p50 is None else p50 / NS_PER_MS,
        "p99": None if p99 is None else p99 / NS_PER_MS,
    }


def failure_rows(facts: RunFacts) -> list[FailureRow]:
    """Failures by metric and label, the most frequent first."""
    return [
        _failure(metric, label, count, facts.snapshot.sentences.get((metric, label)))
        for (metric, label), count in sorted(facts.snapshot.failures.items(), key=lambda item: (-item[1], item[0]))
    ]


def verdict(doubts: Sequence[Doubt], slos: Sequence[SloResult], capacity: Capacity | None = None) -> Verdict:
    """An error-level doubt makes a run invalid, whatever its SLOs say.

    No data is never a pass. A search passes if a step passed: it finds the limit by steps that fail.
    """
    if any(doubt.level == "error" for doubt in doubts):
        return "invalid"
    if capacity is not None:
        return "fail" if capacity["value"] is None else "pass"
    return "pass" if all(slo.verdict == "pass" for slo in slos) else "fail"


def _searched_slos(facts: RunFacts) -> list[SloResult]:
    """The SLOs of a search are those of the highest step that passed.

    If only its outcome is known: a step that passed has met each of them, and if none passed there is nothing to show.
    """
    if facts.best_slo:
        return [SloResult(slo["expression"], slo["value"], slo["verdict"]) for slo in facts.best_slo]
    held = facts.capacity is not None and facts.capacity["value"] is not None
    return [SloResult(slo.expression, None, "pass" if held else "no_data") for slo in facts.slos]


def metric_rows(facts: RunFacts) -> dict[str, dict[str, float | int | None]]:
    """A row for each metric that has a value or a failure, in the catalogue's order."""
    rows = {metric.name: facts.snapshot.row(metric.name) for metric in METRICS}
    return {name: row for name, row in rows.items() if row["count"]}


def _run(facts: RunFacts) -> RunSection:
    return {
        "id": facts.run_id,
        "started_at": facts.started_at.isoformat(timespec="milliseconds"),
        "duration_s": round(facts.duration_s, 3),
        "reset_s": None if facts.reset_s is None else round(facts.reset_s, 3),
        "scenario": facts.scenario,
        "protocol": facts.protocol,
        "target": facts.target,
        "settings": dict(facts.settings),
        "settings_hash": facts.settings_hash,
        "seed": facts.seed,
        "versions": dict(facts.versions),
        "host": dict(facts.host),
    }


def _messages(facts: RunFacts) -> Messages:
    totals = facts.totals
    known = None if totals is None else totals.send_failed_by
    return {
        "offered": facts.offered,
        "published": _counted(facts, "published") if totals is None else totals.published,
        "send_failed": None if totals is None else totals.send_failed,
        "send_failed_by": None if known is None else cast(SendFailures, {str(k): n for k, n in known.items()}),
        "expected": None if totals is None else totals.expected,
        "delivered": _counted(facts, "delivered") if totals is None else totals.delivered,
        "lost": None if totals is None else totals.lost,
        "missed": None if totals is None else totals.missed,
        "duplicated": None if totals is None else totals.duplicated,
        "reordered": None if totals is None else totals.reordered,
        "replayed": facts.snapshot.counters.get("messages_replayed", 0) if facts.protocol in RELIABLE else None,
        "unknown": None if totals is None else facts.snapshot.counters.get("messages_unknown", 0),
        "foreign": None if totals is None else totals.foreign,
        "misdelivered": None if totals is None else totals.misdelivered,
        "corrupted": None if totals is None else totals.corrupted,
        "billed_outbound": facts.billed_outbound,
    }


def _invocations(facts: RunFacts) -> InvocationCounts | None:
    pending, counters = facts.snapshot.histograms.get(PENDING), facts.snapshot.counters
    if pending is None and "invoke" not in facts.latencies:
        return None
    return {
        "pending_max": None if pending is None else pending.max,
        "cancelled": counters.get("invocations_cancelled", 0),
        "unknown_responses": counters.get("responses_unknown", 0),
    }


def _streams(facts: RunFacts) -> StreamCounts | None:
    counters = facts.snapshot.counters
    found: StreamCounts = {
        "started": counters.get("streams_started", 0),
        "ended": counters.get("streams_ended", 0),
        "failed": counters.get("streams_failed", 0),
        "heard_whole": counters.get("streams_heard_whole", 0),
        "cut_off": counters.get("streams_cut_off", 0),
        "nacks": counters.get("stream_nacks", 0),
        "fragments_replayed": counters.get("fragments_replayed", 0),
        "keepalives": counters.get("stream_keepalives", 0),
        "unknown_answers": counters.get("stream_answers_unknown", 0),
    }
    return found if "stream_start" in facts.latencies or any(found.values()) else None


def _counted(facts: RunFacts, name: str) -> int | None:
    """The count of a locustfile's own tasks, whose messages carry no stamp: nothing else is known of them."""
    return None if facts.has_messages else facts.snapshot.counters.get(f"tasks_{name}")


def _rates(facts: RunFacts) -> Rates:
    def rate(count: int | None) -> float | None:
        return round(count / facts.measure_s, 3) if count is not None and facts.measure_s else None

    totals = facts.totals
    return {
        "offered_per_s": rate(facts.offered),
        "published_per_s": rate(_counted(facts, "published") if totals is None else totals.published),
        "delivered_per_s": rate(_counted(facts, "delivered") if totals is None else totals.delivered),
    }
