"""What a run tells: target and SLOs at the start, a live line, snapshots in case it is killed, the report."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wps_load.clock import NS_PER_S, now_ns, utc_now
from wps_load.config import RunConfig
from wps_load.errors import ExitCode
from wps_load.report.files import append_step_summary, prepare, write_run, write_snapshot
from wps_load.report.live import LiveState
from wps_load.report.model import RunState
from wps_load.report.summary import Summary, build_summary, exit_code
from wps_load.report.tables import slo_value
from wps_load.swarm.collector import Collector
from wps_load.swarm.console import Console
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.facts import gather, scenario_name

logger = logging.getLogger(__name__)

SNAPSHOT_EVERY_S = 10
EARLY_S = 1.0
"""A run that ends so much before its -t was stopped by somebody."""


class Reporter:
    """Of one run. `config` is complete: its emulator runs. Raises ConfigError if the report folder can't be used."""

    def __init__(self, config: RunConfig, console: Console, *, scenario_users: bool = True) -> None:
        self.config = config
        self._scenario = scenario_name(config, scenario_users)
        self.used = False
        self.summary: Summary | None = None
        self._told = False
        self._lost: str | None = None
        self._console = console
        self._coordinator: Coordinator | None = None
        self._target_users: Callable[[], int] = lambda: 0
        self._started_at = utc_now()
        self.folder: Path | None = prepare(config.report_dir or "", self._scenario, self._started_at)

    def announce(self) -> None:
        config = self.config
        self._console.say(f"Target: {config.target.describe()}, hub {config.hub}")
        self._console.say(f"Scenario: {self._scenario} over {config.protocol}; SLO: {config.slo or 'none'}")

    def begin(self, coordinator: Coordinator, target_users: Callable[[], int]) -> None:
        """`target_users`: how many connections the run was asked for."""
        self._target_users = target_users
        self.used = True
        self._started_at = utc_now()
        self._coordinator = coordinator

    # -- while it runs ---------------------------------------------------------------------------------------

    def second(self, collector: Collector) -> None:
        """Once a second, after the collector has made its row."""
        coordinator = self._coordinator
        if coordinator is None or not collector.rows:
            return
        self._console.live(self._live(coordinator, collector))
        if self.folder is not None and not coordinator.drained and len(collector.rows) % SNAPSHOT_EVERY_S == 0:
            try:
                write_snapshot(self.folder, self._facts(coordinator, RunState.RUNNING))
            except OSError as error:
                logger.error("The snapshot of the run could not be written: %s", error.strerror)

    def _live(self, coordinator: Coordinator, collector: Collector) -> LiveState:
        row: Any = collector.rows[-1]
        metric = next((m for m in ("rtt", "delivery", "connect") if f"{m}_p50" in row), self._main_metric())
        elapsed_s = (now_ns() - coordinator.plan.started_ns) / NS_PER_S
        interval_s = float(row["interval_s"]) or 1.0
        return LiveState(
            phase=coordinator.phase,
            elapsed_s=elapsed_s,
            total_s=self.config.run_time_s,
            connections=collector.open,
            target=self._target_users(),
            published_per_s=row["published"] / interval_s,
            delivered_per_s=row["delivered"] / interval_s,
            metric=metric,
            p50_ms=row.get(f"{metric}_p50"),
            p99_ms=row.get(f"{metric}_p99"),
            lost=collector.running("missing"),
        )

    def _main_metric(self) -> str:
        metrics = self.config.scenario_row.metrics
        return next((name for name in ("rtt", "delivery") if name in metrics), "connect")

    def _facts(self, coordinator: Coordinator, state: RunState) -> Any:
        return gather(coordinator, self._started_at, state, target_users=self._target_users())

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self, coordinator: Coordinator) -> None:
        """Writes everything; `tell` says what came out."""
        planned, end = coordinator.planned_end_ns, coordinator.measure_end_ns
        early = planned is not None and end is not None and end < planned - EARLY_S * NS_PER_S
        facts = self._facts(coordinator, RunState.STOPPED if early else RunState.FINISHED)
        self.summary = build_summary(facts)
        if self.folder is None:
            return
        try:
            write_run(self.folder, facts)
            append_step_summary(os.environ, self.summary)
        except OSError as error:
            self._lost = f"wps-load: the report could not be written to {self.folder}: {error.strerror}"

    def tell(self) -> None:
        """The verdict, what was demanded, what is doubtful, and where the report is. Once."""
        summary = self.summary
        if summary is None or self._told:
            return
        self._told = True
        self._console.say(f"Verdict: {summary['verdict']}")
        for slo in summary["slo"]:
            self._console.say(f"  {slo['verdict']:8}{slo['expression']}  (measured: {slo_value(slo)})")
        for doubt in summary["doubts"]:
            self._console.say(f"  {doubt['level']}: {doubt['message']} {doubt['advice']}")
        if self._lost is not None:
            self._console.say(self._lost)
        elif self.folder is not None:
            self._console.say(f"Report: {self.folder / 'report.html'}")

    def exit_code(self, request_failures: bool, exit_code_on_error: int) -> int:
        if self.summary is None:
            return int(ExitCode.PASSED)
        return exit_code(self.summary, request_failures, exit_code_on_error)
