"""A run's identity and state for monitoring systems: its phase, SLOs and verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.family import Family, Kind, Labels
from wps_load.measure.thresholds import evaluate, parse
from wps_load.report.document import SloRow
from wps_load.report.margins import relative
from wps_load.report.model import RunState
from wps_load.report.summary import slo_rows
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.facts import versions
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.so_far import SoFar

PHASES: Final = ("connect", "settle", "warmup", "measure", "drain", "finished")
VERDICTS: Final = ("pass", "fail", "invalid")
SLO_STATES: Final = ("pass", "fail", "no_data")
JUDGE_EVERY_NS: Final = 5 * NS_PER_S
"""The pause between judgements: they need the whole run's histograms, in a process that may also measure messages."""


class RunStanding:
    """The state of a run that has begun. `alone`: the label of its only population; empty if it has several."""

    def __init__(self, reporter: Reporter, conductor: Conductor, alone: str) -> None:
        self._reporter = reporter
        self._conductor = conductor
        self._alone = alone
        self._info: Family | None = None
        self._judged: Sequence[SloRow] = ()
        self._judged_ns: int | None = None

    def read(self) -> Iterator[Family]:
        self._info = self._info or self._identity()  # its hash covers all settings and a file of samples
        yield self._info
        yield self._populations()
        started = self._reporter.started_at.timestamp()
        yield _gauge("run_start_time", "When the run began, in Unix time", (), {(): started}, "seconds")
        yield _states("run_phase", "The phase that the run is in", "phase", PHASES, self._phase())
        summary = self._reporter.summary
        verdict = None if summary is None else summary["verdict"]
        yield _states("run_verdict", "The run's verdict: none until its end", "verdict", VERDICTS, verdict)
        yield Family(
            "statistics_resets", Kind.COUNTER, "Resets of the statistics; the counters here go on", (),
            {(): self._conductor.collector.resets},
        )  # fmt: skip
        yield from self._slos()

    def _identity(self) -> Family:
        config, plan = self._reporter.config, self._conductor.plan
        facts = {
            "run_id": plan.run_id,
            "scenario": self._reporter.scenario,
            "protocol": config.protocols,
            "target": config.target.describe(),
            "emulator": str(config.target.is_emulator).lower(),
            "settings_hash": config.settings_hash,
            "version": versions().get("wps-load", ""),
        }
        return _gauge("run_info", "Which run this is", tuple(facts), {tuple(facts.values()): 1})

    def _populations(self) -> Family:
        config = self._reporter.config
        rows: dict[Labels, float] = {
            (each.name or self._alone, each.scenario, each.protocol): 1 for each in config.populations
        }
        text = "Who belongs to a population: what its users do, and over which protocol"
        return _gauge("population_info", text, ("population", "scenario", "protocol"), rows)

    def _phase(self) -> str:
        return self._conductor.phase_at(now_ns()) if self._reporter.summary is None else "finished"

    def _slos(self) -> Iterator[Family]:
        rows = self._rows()
        named = [(slo["expression"], parse(slo["expression"])[0].population or self._alone, slo) for slo in rows]
        states: dict[Labels, float] = {
            (expression, population, state): float(slo["verdict"] == state)
            for expression, population, slo in named
            for state in SLO_STATES
        }
        text = "Whether the SLO is met so far; at the end, whether it was"
        yield _gauge("slo_state", text, ("slo", "population", "state"), states)
        margins: dict[Labels, float] = {
            (expression, population): margin
            for expression, population, slo in named
            if (margin := relative(slo)) is not None
        }
        text = "What is left to the SLO's limit, as a share of the limit; negative where the SLO is missed"
        yield _gauge("slo_margin", text, ("slo", "population"), margins, "ratio")

    def _rows(self) -> Sequence[SloRow]:
        summary, now = self._reporter.summary, now_ns()
        if summary is not None:
            return summary["slo"]
        if self._judged_ns is None or now - self._judged_ns >= JUDGE_EVERY_NS:
            facts = self._reporter.facts(self._conductor, RunState.RUNNING)
            source = SoFar(facts, self._conductor.collector)
            self._judged, self._judged_ns = slo_rows(evaluate(slo, source) for slo in facts.slos), now
        return self._judged


def _gauge(name: str, text: str, labels: Labels, points: dict[Labels, float], unit: str = "") -> Family:
    return Family(name, Kind.GAUGE, text, labels, points, unit)


def _states(name: str, text: str, label: str, every: Sequence[str], now: str | None) -> Family:
    """One series for each state; the present state's value is 1."""
    return _gauge(name, text, (label,), {(state,): float(state == now) for state in every})
