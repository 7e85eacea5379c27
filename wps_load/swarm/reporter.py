"""A run's output: target and SLOs at the start, a live line, snapshots in case it is killed, and the report."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wps_load.client.azure_monitor import metrics_of
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_S, now_ns, utc_now
from wps_load.errors import ExitCode, Finding, WpsLoadError
from wps_load.measure import thresholds
from wps_load.measure.catalog import LATENCIES, main_metric
from wps_load.report.appended import AppendedFiles
from wps_load.report.azure import of_documents
from wps_load.report.closing import closing
from wps_load.report.document import Summary, numbers
from wps_load.report.extras import NONE, Extras
from wps_load.report.files import append_step_summary, prepare, summarize, write_run
from wps_load.report.index import INDEX, write_index
from wps_load.report.interval import Interval
from wps_load.report.live import LiveState
from wps_load.report.model import Outside, RunFacts, RunState
from wps_load.report.summary import build_summary
from wps_load.report.templates import preload
from wps_load.report.user_phases import UserPhases
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.announced import announced
from wps_load.swarm.books import Books
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.facts import Steps, gather, scenario_name, versions
from wps_load.swarm.populations_now import populations_now
from wps_load.swarm.snapshots import SnapshotWriter

logger = logging.getLogger(__name__)

SNAPSHOT_EVERY_S, SNAPSHOT_AT_LEAST_S = 10, 60
SNAPSHOT_LATER_S = 0.3
"""The delay after the second's other work, so that messages wait for only one of the two."""
EARLY_S = 1.0
"""A run that ends this long before its -t was stopped by somebody."""


class Reporter:
    """The reporter of one run.

    `config` has its running emulator. Raises ConfigError if the report folder is unusable.
    """

    def __init__(self, config: RunConfig, console: Console, *, scenario_users: bool = True) -> None:
        self.config = config
        self.scenario = scenario_name(config, scenario_users)
        self._scenario_users = scenario_users
        self.used = False
        self.summary: Summary | None = None
        self._told = False
        self._next_snapshot_s = SNAPSHOT_EVERY_S
        self._facts: RunFacts | None = None
        self._extras = NONE
        self._lost: str | None = None
        """Why the report could not be written."""
        self._incomplete: str | None = None
        """Why the timeline and the log end before the run does."""
        self._unlisted: str | None = None
        """That the index of all runs could not be written, and why."""
        self._console = console
        self.conductor: Conductor | None = None
        self.target_users: Callable[[], int] = lambda: 0
        """The number of connections that were requested."""
        self._steps: Steps | None = None
        self._users = UserPhases()
        self._slos = config.slos
        self._started_at = utc_now()
        self.folder: Path | None = prepare(config.report_dir or "", self.scenario, self._started_at)
        self._snapshots = SnapshotWriter(self.folder) if self.folder is not None else None
        self._course = AppendedFiles(self.folder, lambda: self._started_at) if self.folder is not None else None
        if self._snapshots is not None:
            preload()

    def discard(self) -> None:
        """Removes the folder that was made for the run, which will not begin."""
        if self.folder is not None and not self.used:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def announce(self) -> None:
        config = self.config
        hub = f", hub {config.population.hub}" if config.target.has_key else ""  # else the Client URL decides
        emulator = "; EMULATOR: these figures say nothing about Azure" if config.target.is_emulator else ""
        self._console.say(f"Target: {config.target.describe()}{hub}{emulator}")
        for line in announced(config, self.scenario):
            self._console.say(line)

    def begin(self, conductor: Conductor, target_users: Callable[[], int], steps: Steps | None = None) -> None:
        """`target_users`: the number of connections requested. `steps`: the driver of its load in steps."""
        self._steps = steps
        self.target_users = target_users
        self.used = True
        self._started_at = utc_now()
        self.conductor = conductor
        versions()  # looked up now: in the middle of the run that would delay messages

    @property
    def started_at(self) -> datetime:
        """When the run began, or was prepared."""
        return self._started_at

    # -- while it runs ---------------------------------------------------------------------------------------

    def restart(self) -> None:
        """The statistics start again."""
        self._users = UserPhases()

    def second(self, collector: Collector) -> None:
        """Called once a second, after the collector has made its row."""
        conductor = self.conductor
        if conductor is None or collector.newest is None:
            return
        self._append(collector.newest)
        self._note_users(conductor, collector.newest)
        self._console.live(self._live(conductor, collector))
        seconds = collector.timeline.count
        writer = self._snapshots
        if writer is None or conductor.stopping or seconds < self._next_snapshot_s or writer.busy:
            return
        # a longer run's snapshot takes longer, up to a bound
        self._next_snapshot_s = seconds + min(max(SNAPSHOT_EVERY_S, seconds // 20), SNAPSHOT_AT_LEAST_S)
        writer.write(lambda: self._facts_so_far(conductor), SNAPSHOT_LATER_S)

    def _append(self, second: Interval | None) -> None:
        """Appends to the files that grow with the run. `second` None: there are no more seconds."""
        if self._course is None:
            return
        if second is None:
            self._course.close()
        else:
            self._course.add(second)
        if self._incomplete is None and self._course.error is not None:
            self._incomplete = self._not_written(self._course.error)
            logger.error("The run goes on, but %s", self._incomplete)

    def _note_users(self, conductor: Conductor, second: Interval | None) -> None:
        """Records the number of users that a whole second of the measure phase had."""
        plan, begun_ns, end_ns = conductor.plan, conductor.measure_start_ns, conductor.measure_end_ns
        if second is None or begun_ns is None or plan.config.capacity is not None:  # a search has its steps
            return
        from_ns, to_ns = (plan.started_ns + round(at * NS_PER_S) for at in (second.from_s, second.to_s))
        if from_ns >= begun_ns and (end_ns is None or to_ns <= end_ns):
            requested = conductor.requested
            asked = requested.asked_at(from_ns), requested.asked_at(to_ns)
            self._users.add(second, *asked, requested.held(from_ns, to_ns))

    def _facts_so_far(self, conductor: Conductor) -> RunFacts | None:
        """None: the run ends, so that its final files come."""
        return None if conductor.stopping else self.facts(conductor, RunState.RUNNING)

    def _live(self, conductor: Conductor, collector: Collector) -> LiveState:
        row = numbers(collector.timeline.last or {})
        metric = self.main_metric(collector)
        now = now_ns()
        phase = conductor.phase_at(now)
        connects = metric == "connect" or phase in ("connect", "settle")
        populations = () if phase in ("connect", "settle") else populations_now(conductor, collector)
        connects = connects and not populations
        if connects:
            metric = "connect"
        elapsed_s = (now - conductor.plan.started_ns) / NS_PER_S
        limit_ms, percentile = self._limit(metric)
        interval_s = row.get("interval_s") or 1.0
        return LiveState(
            phase=phase,
            elapsed_s=elapsed_s,
            total_s=self.config.run_time_s,
            connections=collector.open,
            target=max(0, self.target_users() - (conductor.requested.most - conductor.requested.asked)),
            published_per_s=(row.get("published") or 0) / interval_s,
            delivered_per_s=(row.get("delivered") or 0) / interval_s,
            metric=metric,
            p50_ms=row.get(f"{metric}_p50"),
            p99_ms=row.get(f"{metric}_p99"),
            lost=collector.running("missing"),
            limit_ms=limit_ms,
            limit_percentile=percentile,
            connects_per_s=(row.get("connect_opened") or 0) / interval_s if connects else None,
            failed=_connect_failures(collector),
            failed_most=_failed_most(self.config, collector),
            counts=_counts(self.scenario, collector),
            populations=populations,
        )

    def _limit(self, metric: str) -> tuple[float | None, str | None]:
        """The first SLO on a percentile of `metric` that the line shows."""
        for slo in self._slos:
            if slo.subject == metric and slo.aggregate in ("p50", "p99") and not slo.population:
                return slo.limit_ms, slo.aggregate
        return None, None

    def main_metric(self, collector: Collector) -> str:
        """The run's main latency, as far as it is known."""
        timed = {name for name, histogram in collector.total.histograms.items() if histogram.count}
        own = self.config.latencies if self._scenario_users else [name for name in LATENCIES if name in timed]
        return main_metric(own, thresholds.demanded(self._slos), timed)

    def facts(self, conductor: Conductor, state: RunState) -> RunFacts:
        """The facts of the run as of now."""
        users = self.target_users()
        return gather(
            conductor,
            self._started_at,
            state,
            target_users=users,
            now_ns=now_ns(),
            steps=self._steps,
            user_phases=self._users.found(),
        )

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self, conductor: Conductor, outside: Outside) -> None:
        """Writes everything; `tell` prints the result."""
        planned, end = conductor.planned_end_ns, conductor.measure_end_ns
        ends_itself = self._steps is not None
        cut_short = planned is not None and end is not None and end < planned - EARLY_S * NS_PER_S
        early = outside.stopped_by is not None or (cut_short and not ends_itself)
        facts = self.facts(conductor, RunState.STOPPED if early else RunState.FINISHED)
        self._facts = facts = replace(facts, outside=outside)
        if self._snapshots is not None:
            self._snapshots.finish()
        self._append(None)
        self._extras = self._monitored(facts)
        self._write(facts)

    def _monitored(self, facts: RunFacts) -> Extras:
        """Adds Azure Monitor's view of the run, if a resource was named, as far as Azure has it by now."""
        resource = self.config.azure_resource
        if resource is None or self.folder is None:
            return NONE
        try:
            network = Network.create(environ=os.environ)
            documents = metrics_of(resource, facts.started_at, facts.duration_s, network)
            return Extras(azure=of_documents(documents, facts.started_at, facts.duration_s))
        except (WpsLoadError, ValueError) as error:
            advice = f"; {error.advice}" if isinstance(error, Finding) and error.advice else ""
            self._console.say(
                f"Azure Monitor's metrics are not in the report: {error}{advice}. Azure needs some minutes for a run's "
                f"last points: wps-load report {self.folder} --azure-resource ..."
            )
            return NONE

    def amend(self, outside: Outside) -> None:
        """Adds what else affects the exit code at the process's end: the report is written again if it differs."""
        facts = self._facts
        if facts is None or facts.outside == outside:
            return
        self._facts = facts = replace(facts, outside=outside)
        self._write(facts)

    def _write(self, facts: RunFacts) -> None:
        """Writes the summary and, if there is a folder, its files and the index of all runs beside it."""
        if self.folder is None:
            self.summary = build_summary(facts)
            return
        facts = replace(facts, outside=replace(facts.outside, unwritten=self._incomplete))
        self.summary = summarize(self.folder, facts)
        self._lost = self._incomplete
        try:
            write_run(self.folder, facts, self.summary, self._extras)
        except OSError as error:
            self._lost = self._not_written(error)
            self.summary = summarize(self.folder, replace(facts, outside=replace(facts.outside, unwritten=self._lost)))
            with contextlib.suppress(OSError):  # the files that can be written report it
                write_run(self.folder, facts, self.summary, self._extras)
        self._unlisted = _list(self.folder.parent)

    def _not_written(self, error: OSError) -> str:
        return f"the report could not be written to {self.folder}: {error.strerror or type(error).__name__}"

    def tell(self, code: int | None = None) -> None:
        """Prints the verdict, the SLOs, the doubts, other reasons of the exit code, and the report's path.

        It prints once. `code`: the process's exit code, if it ends with the run.
        """
        summary = self.summary
        if summary is None or self._told:
            return
        self._told = True
        if code is not None and code != self.exit_code and self._facts is not None:
            self.amend(replace(self._facts.outside, set_code=code))
        append_step_summary(os.environ, self.summary or summary)
        report = None if self.folder is None or self._lost is not None else str(self.folder / "report.html")
        notes = [] if self._unlisted is None or self._lost is not None else [self._unlisted]
        self._console.close(closing(self.summary or summary, report=report, notes=notes))

    @property
    def exit_code(self) -> int:
        """The exit code of the process if it ends with this run."""
        if self.summary is None:  # nothing was run, or its accounts could not be completed
            return int(ExitCode.INVALID if self.used else ExitCode.PASSED)
        return int(self.summary["exit"]["code"])


def _list(folder: Path) -> str | None:
    """Updates the index of all runs; returns why that failed, which does not make the run fail."""
    try:
        write_index(folder)
    except OSError as error:
        return f"  {folder / INDEX} could not be written: {error.strerror or type(error).__name__}"
    except Exception as error:
        logger.exception("the index of all runs could not be written")
        return f"  {folder / INDEX} could not be made: {type(error).__name__}"
    return None


_COUNTED = {
    "recovery": {"cuts": "cut", "recovered": "recovered"},
    "slow-consumer": {"dropped readers": "dropped"},
    "churn": {"closed": "closed_by_plan"},
}
"""The main figures of scenarios that are about more than latencies: words by counter of connections."""


def _counts(scenario: str, collector: Collector) -> dict[str, int]:
    counters = collector.total.counters
    return {words: counters.get(f"connections_{name}", 0) for words, name in _COUNTED.get(scenario, {}).items()}


def _failed_most(config: RunConfig, collector: Collector) -> str:
    """The population with the most failed attempts to connect; empty: there is only one, or no attempt failed."""
    counts = [sum(_connect_failures(books).values()) for books in collector.populations]
    return config.names[counts.index(max(counts))] if any(counts) else ""


def _connect_failures(books: Books) -> dict[str, int]:
    return {label: count for (metric, label), count in books.total.failures.items() if metric == "connect"}
