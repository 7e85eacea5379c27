"""Facts -> summary.json's document ("wps-load.summary/2"), its verdict and the exit code.

The document is what every renderer reads, so that `wps-load report FOLDER` shows what the run itself showed.
summary.schema.json is its grammar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from wps_load.measure.catalog import METRICS
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.thresholds import SloResult, evaluate
from wps_load.protocol.traits import RELIABLE
from wps_load.report.doubts import find_doubts
from wps_load.report.evidence import Doubt, Evidence, Row, main_metric_of
from wps_load.report.model import RunFacts
from wps_load.report.outcome import exit_block

SCHEMA = "wps-load.summary/2"
Summary = dict[str, Any]
"""The document as json.loads gives it."""

Verdict = Literal["pass", "fail", "invalid"]


def build_summary(facts: RunFacts) -> Summary:
    """The whole document. Unknown is None, never 0; times in ms."""
    metrics = metric_rows(facts)
    doubts = find_doubts(Evidence(facts, metrics))
    source = FactsSource(facts)
    slos = [evaluate(slo, source) for slo in facts.slos] if facts.capacity is None else _searched_slos(facts)
    summary: Summary = {
        "schema": SCHEMA,
        "run": {**_run(facts), "main_metric": main_metric_of(facts, metrics)},
        "verdict": verdict(doubts, slos, facts.capacity),
        "doubts": [asdict(doubt) for doubt in doubts],
        "slo": [{"expression": s.expression, "value": s.value, "verdict": s.verdict} for s in slos],
        "connections": asdict(facts.connections),
        "messages": _messages(facts),
        "bytes": {"sent": facts.bytes_sent, "received": facts.bytes_received},
        "rates": _rates(facts),
        "metrics": metrics,
        "failures": [
            _failure(metric, label, count, facts.snapshot.sentences.get((metric, label)))
            for (metric, label), count in sorted(facts.snapshot.failures.items(), key=lambda item: (-item[1], item[0]))
        ],
        "generator": {name: getattr(facts.generator, name) for name in GENERATOR_KEYS},
        "phases": [asdict(phase) for phase in facts.phases],
        "timeline": [dict(row) for row in facts.timeline],
        "capacity": _without(facts.capacity, "best_slo"),
        "stages": _without(facts.stages),
    }
    return summary | {"exit": exit_block(summary, facts.outside)}


def _without(found: Mapping[str, object] | None, *names: str) -> Summary | None:
    return None if found is None else {name: value for name, value in found.items() if name not in names}


def _failure(metric: str, label: str, count: int, sentence: str | None) -> Summary:
    """`message`: the first of its kind in words, where there are any."""
    return {"metric": metric, "label": label, "count": count} | ({"message": sentence} if sentence else {})


GENERATOR_KEYS = ("workers", "cpu_percent_max", "loop_lag_ms_p99", "send_lag_ms_p99", "rss_bytes_max", "clock_error_ms")


class FactsSource:
    """The numbers of a run as `thresholds.evaluate` asks for them (`SloSource`)."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts

    def row(self, metric: str) -> Row | None:
        return self._facts.snapshot.row(metric)

    @property
    def messages(self) -> LedgerTotals | None:
        return self._facts.totals

    @property
    def connected_share(self) -> float | None:
        """Connections open over the measure phase, as a share of those requested."""
        found = self._facts.connections
        if found.open_mean is None or not found.requested_mean:
            return None
        return min(1.0, found.open_mean / found.requested_mean)  # of fewer users, the old ones take a moment to leave

    @property
    def measure_s(self) -> float | None:
        return self._facts.measure_s


def verdict(
    doubts: Sequence[Doubt], slos: Sequence[SloResult], capacity: Mapping[str, object] | None = None
) -> Verdict:
    """An error-level doubt makes a run invalid, whatever its SLOs say. No data is never a pass. A search passes
    when a step held: steps that fail are how it finds the limit."""
    if any(doubt.level == "error" for doubt in doubts):
        return "invalid"
    if capacity is not None:
        return "fail" if capacity.get("value") is None else "pass"
    return "pass" if all(slo.verdict == "pass" for slo in slos) else "fail"


def _searched_slos(facts: RunFacts) -> list[SloResult]:
    """The SLOs of a search are those of the highest step that held. Where only its outcome is known: a step that
    held has met each of them, and where none held there is nothing to show."""
    capacity = facts.capacity or {}
    best: Any = capacity.get("best_slo")
    if best:
        return [SloResult(slo["expression"], slo["value"], slo["verdict"]) for slo in best]
    known: Literal["pass", "no_data"] = "no_data" if capacity.get("value") is None else "pass"
    return [SloResult(slo.expression, None, known) for slo in facts.slos]


def metric_rows(facts: RunFacts) -> dict[str, dict[str, float | int | None]]:
    """A row for each metric that has a value or a failure, in the catalogue's order."""
    rows = {metric.name: facts.snapshot.row(metric.name) for metric in METRICS}
    return {name: row for name, row in rows.items() if row["count"]}


def _run(facts: RunFacts) -> Summary:
    return {
        "id": facts.run_id,
        "started_at": facts.started_at.isoformat(timespec="milliseconds"),
        "duration_s": round(facts.duration_s, 3),
        "scenario": facts.scenario,
        "protocol": facts.protocol,
        "target": facts.target,
        "settings": dict(facts.settings),
        "settings_hash": facts.settings_hash,
        "seed": facts.seed,
        "versions": dict(facts.versions),
        "host": dict(facts.host),
    }


def _messages(facts: RunFacts) -> Summary:
    names = (
        "published",
        "send_failed",
        "expected",
        "delivered",
        "lost",
        "missed",
        "duplicated",
        "reordered",
        "foreign",
        "misdelivered",
        "corrupted",
    )
    return {
        "offered": facts.offered,
        **{name: None if facts.totals is None else getattr(facts.totals, name) for name in names},
        **({} if facts.totals is not None else {name: _counted(facts, name) for name in ("published", "delivered")}),
        "send_failed_by": None if facts.totals is None else {str(k): n for k, n in facts.totals.send_failed_by.items()},
        "replayed": facts.snapshot.counters.get("messages_replayed", 0) if facts.protocol in RELIABLE else None,
        "billed_outbound": facts.billed_outbound,
    }


def _counted(facts: RunFacts, name: str) -> int | None:
    """Of a locustfile's own tasks, whose messages carry no stamp: how many there were, and no more than that."""
    return None if facts.has_messages else facts.snapshot.counters.get(f"tasks_{name}")


def _rates(facts: RunFacts) -> Summary:
    def rate(count: int | None) -> float | None:
        return round(count / facts.measure_s, 3) if count is not None and facts.measure_s else None

    totals = facts.totals
    return {
        "offered_per_s": rate(facts.offered),
        "published_per_s": rate(_counted(facts, "published") if totals is None else totals.published),
        "delivered_per_s": rate(_counted(facts, "delivered") if totals is None else totals.delivered),
    }
