"""Our part in Locust's life, one object a process: options judged, emulator started, runs begun, drained and reported.

What Locust does, and where that bites, is in docs/decisions/0002-locust.md.
"""

from __future__ import annotations

import inspect
import logging
import secrets
import sys
from functools import cache
from typing import Any, NoReturn

import gevent  # type: ignore[import-untyped]
import orjson
from locust import argument_parser
from locust import stats as locust_stats
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from wps_load import output
from wps_load.auth import accept_short_keys
from wps_load.clock import now_ns
from wps_load.emulator.process import EmulatorFailed, EmulatorProcess
from wps_load.errors import ConfigError, ExitCode, Fault, worst
from wps_load.measure.catalog import message_metric
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import forks, options
from wps_load.swarm.abort import AbortWatch
from wps_load.swarm.agent import Agent
from wps_load.swarm.asked import Asked
from wps_load.swarm.buckets import bucket_response_time
from wps_load.swarm.bus import Bus, LocalBus, MasterBus, WorkerBus
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.ending import Ending
from wps_load.swarm.engines import judge_network, make_engine
from wps_load.swarm.explorer import Explorer
from wps_load.swarm.gate import MasterGate, WorkerGate
from wps_load.swarm.guard import Trouble, guarded, trouble, watch_loop
from wps_load.swarm.limits import raise_open_files
from wps_load.swarm.messages import Failed
from wps_load.swarm.plan import RunPlan, time_left_ns
from wps_load.swarm.preflight import look_first
from wps_load.swarm.prometheus import serve
from wps_load.swarm.quiet import keep_quiet
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.secrets import order
from wps_load.swarm.shapes import UsersInSteps
from wps_load.swarm.stats import LocustTable, make_precise
from wps_load.swarm.wanted import LocustCrowd, connecting_users
from wps_load.swarm.web import extend

logger = logging.getLogger(__name__)

RUN_ATTRIBUTE = "wps_run"
"""An attribute of Locust's parsed options, which travel to the workers when users are spawned: the run's identity."""


@cache
def install(events: Any) -> None:
    """Hooks us into a Locust process; again for the same events: does nothing. Before Locust parses its options."""
    output.make_tolerant()

    def on_init(environment: Environment, runner: Any, web_ui: Any, **_: Any) -> None:
        forks.forks_are_made()
        try:
            Lifecycle(environment, runner, web_ui)
        except Exception as error:  # Locust would end with 1, and a traceback
            leave(trouble("the start", error))

    events.init_command_line_parser.add_listener(options.add_arguments)
    events.init_command_line_parser.add_listener(forks.keep_together)
    events.init.add_listener(on_init)


def leave(*troubles: Trouble) -> NoReturn:
    """Ends the process before anything connects."""
    for each in troubles:
        sys.stderr.write(f"wps-load: {each.sentence}\n")
    sys.exit(int(worst([each.code for each in troubles])))


def lifecycle_of(environment: Environment) -> Lifecycle:
    """The process's lifecycle, which `init` has left with the environment."""
    found = getattr(environment, "wps_lifecycle", None)
    assert isinstance(found, Lifecycle), "wps_load is not installed in this environment"
    return found


class Lifecycle:
    """Of a local process, a master or a worker. At most one run at a time."""

    def __init__(self, environment: Environment, runner: Any, web_ui: Any) -> None:
        environment.wps_lifecycle = self  # type: ignore[attr-defined]
        self.environment = environment
        self.runner = runner
        self.conducts = not isinstance(runner, WorkerRunner)
        self.has_users = not isinstance(runner, MasterRunner)
        self.console = Console()
        self.asked = Asked(environment, sends=isinstance(runner, MasterRunner))
        self.agent: Agent | None = None
        self.coordinator: Coordinator | None = None
        self.explorer: Explorer | None = None
        self.reporter: Reporter | None = None
        self._emulator: EmulatorProcess | None = None
        self._most_users = 0
        self._warned: set[str] = set()
        self._scraped = False
        self._abort: AbortWatch | None = None
        self._steps = UsersInSteps(environment, runner)
        self.trouble: Trouble | None = None
        self._ending = Ending(self)
        self._bus: Bus = self._make_bus()
        self.gate = MasterGate(self) if isinstance(runner, MasterRunner) else None
        self._worker = WorkerGate(self) if isinstance(runner, WorkerRunner) else None
        raise_open_files()
        accept_short_keys()
        locust_stats.bucket_response_time = bucket_response_time  # type: ignore[assignment]
        events: Any = environment.events
        for event, handler in (
            (events.test_start, self._on_test_start),
            (events.spawning_complete, self._on_spawning_complete),
            (events.test_stopping, self._on_test_stopping),
            (events.test_stop, self._on_test_stop),
            (events.reset_stats, self._on_reset),
            (events.quitting, self._on_quitting),
            (events.quit, self._on_quit),
        ):
            event.add_listener(guarded(handler, self.break_off))
        watch_loop(self.break_off)
        if self.conducts:
            keep_quiet(environment)
            if web_ui is not None:
                extend(web_ui, self)
            self._prepare_or_exit(waits=web_ui is not None and not self.parsed.get("autostart"))
        else:
            # with each message that spawns users a worker asks for Locust's defaults, once an option, and parsing takes
            # 5 ms: without this its loop stands still for half a second
            argument_parser.default_args_dict = cache(argument_parser.default_args_dict)
        inspect.stack()  # Locust's stop asks who called; the first answer takes 40 ms, amid messages in flight
        self._ending.signals.prepared = True
        # Locust starts the timer of -t next: from the present, not from when this loop last looked at the time
        gevent.get_hub().loop.update_now()

    def _make_bus(self) -> Bus:
        if isinstance(self.runner, MasterRunner):
            return MasterBus(self.runner, self.break_off)
        return WorkerBus(self.runner, self.break_off) if isinstance(self.runner, WorkerRunner) else LocalBus()

    # -- options ---------------------------------------------------------------------------------------------

    @property
    def parsed(self) -> dict[str, Any]:
        return self.asked.values

    @property
    def plays_scenario(self) -> bool:
        return self.asked.locustfile.plays_scenario

    def _prepare_or_exit(self, *, waits: bool) -> None:
        """A wrong option ends the process before anything connects. `waits`: the page begins the run."""
        try:
            if waits:
                self.asked.read_options()
                self.console.say(f"Target: {self.asked.target}, unless the page says otherwise")
            else:
                self.prepare()
                look_first(self)
        except ConfigError as error:
            leave(*(Trouble(str(fault), ExitCode.USAGE) for fault in error.faults))

    # -- trouble ---------------------------------------------------------------------------------------------

    def break_off(self, found: Trouble) -> None:
        """Something went wrong that cannot be told before: says so, and ends the run at once. In a worker: tells the
        master, which does."""
        if not self.conducts:
            self._bus.to_coordinator(0, Failed(found.sentence, found.code))
            return
        if self.trouble is None:
            self.trouble = found
            self.environment.process_exit_code = int(found.code)
            self.console.say(f"wps-load: {found.sentence}")
            if self.coordinator is not None:
                self.coordinator.conductor.trouble = found.sentence
            self._steps.end()
            gevent.spawn(self.runner.quit if self._is_batch else self.runner.stop)

    @property
    def _is_batch(self) -> bool:
        """The process ends with its run."""
        return bool(self.parsed.get("headless"))

    # -- start -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.coordinator is not None

    @property
    def ending(self) -> bool:
        """The run drains."""
        return self.coordinator is not None and self.coordinator.conductor.stopping

    def prepare(self, changed: dict[str, Any] | None = None) -> None:
        """Options, emulator, report folder: all that can fail before the first connection. Raises ConfigError."""
        config = self.asked.read(changed)
        self.trouble = None
        judge_network(config)  # an unusable CA file or proxy is told now
        self._stop_emulator()
        if config.target.is_emulator:
            try:
                self._emulator = EmulatorProcess.start(faults=config.emulator_faults, units=config.emulator_units)
            except EmulatorFailed as error:
                raise ConfigError([Fault("embedded emulator", None, str(error))]) from error
            config = config.with_emulator(self._emulator.connection_string)
        self._steps.install(config)
        self.reporter = Reporter(config, self.console, scenario_users=self.plays_scenario)
        if config.prometheus_port is not None and not self._scraped:
            serve(config.prometheus_port, lambda: self.coordinator.conductor.collector if self.coordinator else None)
            self._scraped = True
        self.reporter.announce()

    def _on_test_start(self, **_: Any) -> None:
        try:
            make_precise(self.environment.stats)
            self._restore_tasks()
            if self.conducts:
                self._begin()
            if self.has_users:
                self._join()
        except Exception as error:
            self.break_off(trouble("the start of the run", error))
            if self.conducts:  # Locust, which is about to spawn users, takes it for the end of its greenlet
                raise gevent.GreenletExit from error

    def _restore_tasks(self) -> None:
        """Locust's --tags has filtered the one task that our users live by, and that they can't be without."""
        from wps_load.swarm.users import ScenarioUser

        for cls in self.environment.user_classes:
            if issubclass(cls, ScenarioUser) and ScenarioUser.live not in cls.tasks:
                cls.tasks = [*cls.tasks, ScenarioUser.live]

    def ready(self) -> RunConfig:
        """The run that begins next, prepared if it was not. Raises ConfigError."""
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
        plan = RunPlan(
            run_id=secrets.token_hex(4),
            number=secrets.randbits(32),
            config=config,
            users=config.peak_users or self.runner.target_user_count or 1,
            started_ns=started_ns,
            run_time_ns=time_left_ns(config.run_time_s, asked_ns or started_ns, started_ns),
            scenario_users=self.plays_scenario,
        )
        self._most_users = 0
        identity = {
            **order(config),  # the secrets that it names are the workers' own
            "run_id": plan.run_id,
            "number": plan.number,
            "users": plan.users,
            "seed": config.seed,
            "started_ns": plan.started_ns,
        }
        setattr(self.environment.parsed_options, RUN_ATTRIBUTE, orjson.dumps(identity).decode())
        crowd = LocustCrowd(self.runner, lambda: float(self.parsed.get("spawn_rate") or 1.0))
        conductor = Conductor(plan, crowd, on_second=self._on_second)
        self.coordinator = coordinator = Coordinator(conductor, self._bus, crowd, say=self.console.say)
        self._abort = AbortWatch(conductor, config.population.slos) if config.slo_abort else None
        self.explorer = None
        if config.capacity is not None or config.stages is not None:
            self.explorer = Explorer(coordinator, set_users=self._steps.want, say=self.console.say, end=self._end_run)
            coordinator.on_publish = self.explorer.begin
        self._steps.begin()
        self.reporter.begin(conductor, lambda: self._most_users or plan.users, self.explorer)
        coordinator.start()

    # -- load that changes -----------------------------------------------------------------------------------

    @property
    def _conductor(self) -> Conductor | None:
        return None if self.coordinator is None else self.coordinator.conductor

    def _on_second(self, collector: Collector) -> None:
        self._steps.look(self._conductor)
        if self.reporter is not None:
            self.reporter.second(collector)
        hopeless = self._abort.hopeless(now_ns()) if self._abort is not None else None
        if hopeless is not None:
            self._abort = None
            self.console.say(f"Out of reach: {hopeless}; the run is stopped (--wps-slo-abort)")
            self._end_run()

    def _end_run(self) -> None:
        """There is nothing more to find out."""
        self._steps.end()
        if not self._steps.in_force:
            gevent.spawn(self.runner.quit if self._is_batch else self.runner.stop)

    def _join(self) -> None:
        """This process has users: makes their engine."""
        identity = orjson.loads(getattr(self.environment.parsed_options, RUN_ATTRIBUTE, "") or "null")
        if identity is None:
            return
        if self.conducts:
            assert self.reporter is not None
            config = self.reporter.config
        else:
            try:
                config = self.asked.read_as_worker(identity)
            except ConfigError as error:
                assert self._worker is not None
                return self._worker.refuse(error)
        self._warned.clear()
        engine = make_engine(config, identity, self._warn)
        table = LocustTable(self.environment, frozenset({message_metric(config.population.latencies), "connect"}))
        self.agent = Agent(engine, self._bus, identity["started_ns"], on_interval=table.add)
        self.agent.start()

    def _warn(self, kind: str, sentence: str) -> None:
        """Each kind of failure is told once a run; how often it was, the tables say."""
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s", sentence)

    def _on_spawning_complete(self, **_: Any) -> None:
        if self.coordinator is not None:
            self._steps.look(self._conductor)
            self._note_users()
            self.coordinator.spawning_complete()
            if self.environment.reset_stats:  # Locust resets its own without telling
                self.coordinator.reset()

    def _note_users(self) -> None:
        """How many connections the run is asked for: other people's users beside ours have none."""
        self._most_users = max(self._most_users, connecting_users(self.runner))

    def _on_reset(self, **_: Any) -> None:
        if self.coordinator is not None:
            self.coordinator.reset()

    # -- end -------------------------------------------------------------------------------------------------

    def _on_test_stopping(self, **_: Any) -> None:
        self.finish()

    def finish(self) -> None:
        """Drains and reports, if a run is on and nobody has."""
        coordinator, reporter = self.coordinator, self.reporter
        if coordinator is None or reporter is None:
            return
        coordinator.drain()
        self.coordinator = None
        reporter.finish(coordinator.conductor, self._ending.outside())
        if not self.parsed.get("headless"):
            reporter.tell()

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
        self._stop_emulator()  # not before the workers have closed their connections, which `quitting` is
        if self.conducts and self.reporter is not None:
            self.reporter.tell(exit_code)  # below Locust's tables, where one looks first
        output.settle()

    def _stop_emulator(self) -> None:
        if self._emulator is not None:
            self._emulator.stop()
            self._emulator = None
