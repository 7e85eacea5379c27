"""wps-load's part in a Locust process: judges options, starts the emulator, begins, drains and reports runs.

What Locust does, and where that causes trouble, is in docs/decisions/0002-locust.md.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import orjson
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from wps_load import output
from wps_load.client.entra_access import ask_master, serve_forks
from wps_load.clock import NS_PER_S, now_ns
from wps_load.emulator.process import EmulatorFailed, EmulatorProcess
from wps_load.errors import ConfigError, Fault
from wps_load.measure.catalog import message_metric
from wps_load.plurals import counted
from wps_load.settings.options import OptionValues
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import edits, forks, locust_seam, orders, otel_metrics
from wps_load.swarm.agent import Agent
from wps_load.swarm.asked import Asked
from wps_load.swarm.bus import Bus, LocalBus, MasterBus, WorkerBus
from wps_load.swarm.console import Console
from wps_load.swarm.ending import Ending
from wps_load.swarm.engines import judge_network, make_engine, make_network
from wps_load.swarm.exports import Exports
from wps_load.swarm.gate import MasterGate, WorkerGate
from wps_load.swarm.guard import Trouble, trouble
from wps_load.swarm.kinds import restore_task
from wps_load.swarm.locust_stats import LocustTable, WorkersTable, make_precise
from wps_load.swarm.messages import Failed
from wps_load.swarm.otel_spans import with_spans
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.room import EmulatorRoom, Room
from wps_load.swarm.room_check import emulator_room, lacking_growth, lacking_room, own_room
from wps_load.swarm.run import Run
from wps_load.swarm.run_plan import RunPlan, time_left_ns
from wps_load.swarm.shapes import UsersInSteps
from wps_load.swarm.wanted import LocustCrowd

logger = logging.getLogger(__name__)

RUN_ATTRIBUTE = "wps_run"
"""The attribute of Locust's parsed options that carries the run's identity to the workers when users are spawned."""
KEPT_SECONDS, PRINTED_SECONDS = 60, 3600
"""Locust reads the last dozen, and prints all of them with --json and --json-file. A row takes 0.1 KB for each."""


class Lifecycle:
    """The lifecycle of a local process, a master or a worker. There is at most one run at a time."""

    def __init__(self, environment: Environment, runner: Any) -> None:
        self.environment = environment
        self.runner = runner
        self.conducts = not isinstance(runner, WorkerRunner)
        self.has_users = not isinstance(runner, MasterRunner)
        self.console = Console()
        self.asked = Asked(environment, sends=self.conducts)
        self.agent: Agent | None = None
        self.run: Run | None = None
        """The present run, if there is one."""
        self.reporter: Reporter | None = None
        """The reporter of the present, last or prepared run."""
        self.trouble: Trouble | None = None
        self._emulator: EmulatorProcess | None = None
        self.emulator_room: EmulatorRoom | None = None
        self._rooms: list[Room] = []
        """The room of this process's machine before the run, if it has users."""
        self._warned: set[str] = set()
        self._exports = Exports(lambda: self.reporter, say=self.console.say, warn=self._warn)
        self._steps = UsersInSteps(environment, runner)
        self._ending = Ending(self)
        self._bus: Bus = self._make_bus()
        self.gate = MasterGate(self) if isinstance(runner, MasterRunner) else None
        self._worker = WorkerGate(self) if isinstance(runner, WorkerRunner) else None
        if self.parsed.get("otel"):
            otel_metrics.share_the_loop()
        if self.conducts:
            locust_seam.guard_users(runner, self._refused)

    def _make_bus(self) -> Bus:
        if isinstance(self.runner, MasterRunner):
            return MasterBus(self.runner, self.break_off)
        return WorkerBus(self.runner, self.break_off) if isinstance(self.runner, WorkerRunner) else LocalBus()

    def take_signals(self) -> None:
        """Must be called in the main greenlet, before anything that takes time."""
        self._ending.signals.install()

    def prepared(self) -> None:
        """Our part of the start is done."""
        self._ending.signals.prepared = True

    def handlers(self) -> Mapping[str, Callable[..., None]]:
        """The handler of each of Locust's events."""
        return {
            "test_start": self._on_test_start,
            "spawning_complete": self._on_spawning_complete,
            "test_stopping": self._on_test_stopping,
            "test_stop": self._on_test_stop,
            "reset_stats": self._on_reset,
            "quitting": self._on_quitting,
            "quit": self._on_quit,
        }

    # -- options ---------------------------------------------------------------------------------------------

    @property
    def parsed(self) -> OptionValues:
        return self.asked.values

    @property
    def plays_scenario(self) -> bool:
        return self.asked.locustfile.plays_scenario

    def await_page(self) -> None:
        """Leaves the start and the number of users to the web page. Raises ConfigError."""
        self.asked.read_options()
        self.console.say(f"Target: {self.asked.target}, unless the page says otherwise")

    # -- trouble ---------------------------------------------------------------------------------------------

    def break_off(self, found: Trouble) -> None:
        """Reports what went wrong and could not be refused before, and ends the run at once.

        A worker reports it to the master, which ends the run.
        """
        if not self.conducts:
            self._bus.to_coordinator(0, Failed(found.sentence, found.code))
            return
        if self.trouble is None:
            self.trouble = found
            self.environment.process_exit_code = int(found.code)
            self.console.say(f"wps-load: {found.sentence}")
            if self.run is not None:
                self.run.conductor.trouble = found.sentence
            self._steps.end()
            gevent.spawn(self.runner.quit if self._is_batch else self.runner.stop)

    @property
    def _is_batch(self) -> bool:
        """Whether the process ends with its run."""
        return bool(self.parsed.get("headless"))

    # -- start -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.run is not None

    @property
    def ending(self) -> bool:
        """Whether the run drains."""
        return self.run is not None and self.run.conductor.stopping

    @property
    def run_time_s(self) -> float | None:
        """The run time that was requested for the present run."""
        return None if self.run is None else self.run.conductor.plan.config.run_time_s

    @property
    def fixed_users(self) -> str | None:
        """Why nobody may change the number of users now, in a sentence; None: they may."""
        if self.run is None:
            return None
        config = self.run.conductor.plan.config
        return edits.fixed_users(
            searched=config.capacity is not None,
            stages=config.stages is not None,
            shape=self.asked.locustfile.shape,
        )

    def refused_growth(self, users: int) -> str | None:
        """Why the present run cannot have this many users, in a sentence that its report keeps; None: it can."""
        present = self.runner.target_user_count
        if self.run is None or users <= present:
            return None
        conductor = self.run.conductor
        rooms = self._rooms if self.gate is None else self.gate.rooms()
        short = lacking_growth(conductor.plan.config, self.asked.locustfile, rooms, users, self.emulator_room)
        if short is None:
            return None
        conductor.requested.refused = short
        return f"{short}. The run goes on with {counted(present, 'user')}"

    def _refused(self, users: int, of_shape: bool) -> str | None:
        """Why Locust may not change the number of users, for a shape, a key or the page."""
        return (None if of_shape else self.fixed_users) or self.refused_growth(users)

    def keep_end(self) -> None:
        """Ends the run at its requested time although Locust's page forgets that time when its users are edited."""
        run = self.run
        end_ns = None if run is None else run.conductor.planned_end_ns
        if end_ns is None:
            return

        def end() -> None:
            if self.run is run and run is not None and not run.conductor.stopping:
                locust_seam.cancel_run_time(self.environment.web_ui)
                self.runner.stop()

        gevent.spawn_later(max(0.0, (end_ns - now_ns()) / NS_PER_S), end)

    def prepare(self, changed: Mapping[str, object] | None = None) -> None:
        """Options, emulator, report folder: everything that can fail before the first connection.

        Raises ConfigError.
        """
        config = self.asked.read(changed)
        self.asked.adopt(changed)
        self.asked.complete(config)
        self.trouble = None
        judge_network(config)  # an unusable CA file or proxy is reported now
        self._stop_emulator()
        if config.target.is_emulator:
            otel_metrics.judge_emulator(self.parsed, master=not self.has_users)
            try:
                self._emulator = EmulatorProcess.start(faults=config.emulator_faults, units=config.emulator_units)
            except EmulatorFailed as error:
                raise ConfigError([Fault("embedded emulator", None, str(error))]) from error
            self.emulator_room = emulator_room(self._emulator.pid)
            config = config.with_emulator(self._emulator.connection_string)
        if not self.has_users:
            serve_forks(config, make_network(config), self._warn)
        self._steps.install(config)
        self.reporter = Reporter(config, self.console, scenario_users=self.plays_scenario)
        self._exports.prepare(config, otel=bool(self.parsed.get("otel")))
        self.reporter.announce()
        self._rooms = [own_room(config)] if self.has_users else []
        if (short := lacking_room(config, self.asked.locustfile, self._rooms, self.emulator_room)) is not None:
            self.console.say(f"Before the run: {short}")

    def _on_test_start(self, **_: Any) -> None:
        try:
            make_precise(self.environment.stats, courses=bool(self.parsed.get("stats_history_enabled")))
            for cls in self.environment.user_classes:
                restore_task(cls)
            if self.conducts:
                self._begin()
            if self.has_users:
                self._join()
        except Exception as error:
            self.break_off(trouble("the start of the run", error))
            if self.conducts:  # Locust, which is about to spawn users, takes it as the end of its greenlet
                raise gevent.GreenletExit from error

    def ready(self) -> RunConfig:
        """The run that begins next, which is prepared here if it was not before. Raises ConfigError."""
        if self.reporter is None or self.reporter.used:
            self.prepare()
        self.asked.hide_host()
        assert self.reporter is not None
        return self.reporter.config

    def _begin(self) -> None:
        config = self.ready()
        assert self.reporter is not None
        started_ns = now_ns()
        asked_ns = None if self.gate is None or self._steps.in_force else self.gate.asked_ns  # a shape counts by itself
        crowd = LocustCrowd(self.runner, lambda: float(self.parsed.get("spawn_rate") or 1.0))
        plan = RunPlan(
            run_id=secrets.token_hex(4),
            number=secrets.randbits(32),
            config=config,
            users=crowd.requested() or 1,
            started_ns=started_ns,
            run_time_ns=time_left_ns(config.run_time_s, asked_ns or started_ns, started_ns),
            scenario_users=self.plays_scenario,
        )
        table = None if self.has_users else WorkersTable(self._table(config))
        self.run = run = Run(
            plan,
            self._bus,
            crowd,
            self.reporter,
            self._steps,
            say=self.console.say,
            end=self._end_run,
            table=table,
            forget=self._forget_old_seconds,
        )
        setattr(self.environment.parsed_options, RUN_ATTRIBUTE, orjson.dumps(run.identity).decode())
        run.start()
        self._exports.begin()

    def _end_run(self) -> None:
        """Ends the run, because there is nothing more to find out."""
        self._steps.end()
        if not self._steps.in_force:
            gevent.spawn(self.runner.quit if self._is_batch else self.runner.stop)

    def _join(self) -> None:
        """Makes the engine of this process, which has users."""
        text = getattr(self.environment.parsed_options, RUN_ATTRIBUTE, "")
        if not text:
            return
        identity = orders.read(orjson.loads(text), orders.RunIdentity)
        if self.conducts:
            assert self.reporter is not None
            config = self.reporter.config
        else:
            try:
                config = self.asked.read_as_worker(identity)
                if (parent := forks.master()) is not None:
                    ask_master(config, parent)
            except ConfigError as error:
                assert self._worker is not None
                return self._worker.refuse(error)
        self._warned.clear()
        engine = make_engine(
            config,
            self._warn,
            run_id=identity["run_id"],
            number=identity["number"],
            users=identity["users"],
            started_ns=identity["started_ns"],
        )
        table = self._table(config)
        shown = with_spans(config, table.add if self.conducts else table.fire, self._warn)
        self.agent = Agent(engine, self._bus, identity["started_ns"], on_interval=shown, fires=table.fires)
        self.agent.start()

    def _table(self, config: RunConfig) -> LocustTable:
        return LocustTable(self.environment, frozenset({message_metric(config.latencies), "connect"}), config.names)

    def _forget_old_seconds(self) -> None:
        """Drops old seconds of each row of Locust's statistics; its JSON has those that are kept."""
        printed = self.parsed.get("json") or self.parsed.get("json_file")
        locust_seam.forget_old_seconds(self.environment.stats, PRINTED_SECONDS if printed else KEPT_SECONDS)

    def _warn(self, kind: str, sentence: str) -> None:
        """Reports each kind of failure once a run; the tables say how often it occurred."""
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s", sentence)

    def _on_spawning_complete(self, **_: Any) -> None:
        if self.run is not None:
            self.run.spawning_complete()
            if self.environment.reset_stats:  # Locust resets its own without an event
                self.run.reset()

    def _on_reset(self, **_: Any) -> None:
        if self.run is not None:
            self.run.reset()

    # -- end -------------------------------------------------------------------------------------------------

    def _on_test_stopping(self, **_: Any) -> None:
        self.finish()

    def finish(self) -> None:
        """Drains and reports the run, if there is one and nobody has done so."""
        run = self.run
        if run is None:
            return
        run.drain()
        self.run = None
        if self.gate is not None:
            self.gate.close()
        run.report(self._ending.outside())
        self._exports.finish()
        if not self.parsed.get("headless"):
            run.reporter.tell()

    def _on_test_stop(self, **_: Any) -> None:
        if self.agent is not None:
            self.agent.close()
            self.agent = None

    def _on_quitting(self, **_: Any) -> None:
        self._ending.take_over()
        self.finish()
        if self.agent is not None:
            self.agent.close()
        if self.conducts:
            if self.reporter is not None:
                self.reporter.amend(self._ending.outside())
            self.environment.process_exit_code = self._ending.exit_code()

    def _on_quit(self, exit_code: int = 0, **_: Any) -> None:
        self._stop_emulator()  # when `quitting` comes, the workers have closed their connections
        if self.conducts and self.reporter is not None:
            self.reporter.tell(exit_code)  # below Locust's tables, where one looks first
            if self._is_batch and self.reporter.used:
                self._exports.linger(self.reporter.config, self._ending.signals.asked)
        output.settle()

    def _stop_emulator(self) -> None:
        if self._emulator is not None:
            self._emulator.stop()
            self._emulator = None
