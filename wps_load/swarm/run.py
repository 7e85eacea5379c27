"""One run in the process that conducts it: what drives, watches and reports it."""

from __future__ import annotations

from collections.abc import Callable

from wps_load.clock import now_ns
from wps_load.report.model import Outside
from wps_load.swarm.abort import AbortWatch
from wps_load.swarm.bus import Bus
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.load_stepper import LoadStepper
from wps_load.swarm.locust_stats import WorkersTable
from wps_load.swarm.orders import RunIdentity
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.run_plan import RunPlan
from wps_load.swarm.secrets import order
from wps_load.swarm.shapes import UsersInSteps
from wps_load.swarm.wanted import LocustCrowd

FORGET_EVERY = 60
"""Seconds after which Locust's old figures are forgotten."""


class Run:
    """`end()` ends the run when there is nothing more to find out.

    `forget()` drops Locust's old figures. `table`: in a master, the part of Locust's that its workers have measured.
    """

    def __init__(
        self,
        plan: RunPlan,
        bus: Bus,
        crowd: LocustCrowd,
        reporter: Reporter,
        users: UsersInSteps,
        *,
        say: Callable[[str], None],
        end: Callable[[], None],
        table: WorkersTable | None,
        forget: Callable[[], None],
    ) -> None:
        config = plan.config
        self.reporter = reporter
        self._table = table
        self._forget = forget
        self.conductor = Conductor(plan, crowd, on_second=self._second)
        if table is not None:
            self.conductor.collector.on_counted = table.take
        self.explorer: LoadStepper | None = None
        self._coordinator = Coordinator(self.conductor, bus, crowd, say=say)
        self._abort = AbortWatch(self.conductor, config.slos) if config.slo_abort else None
        self._crowd = crowd
        self._users = users
        self._most_users = 0
        self._say = say
        self._end = end
        if config.capacity is not None or config.stages is not None:
            self.explorer = LoadStepper(self._coordinator, set_users=users.want, say=say, end=end)
            self._coordinator.on_publish = self.explorer.begin

    @property
    def identity(self) -> RunIdentity:
        """The identity that workers receive; the secrets that it names are their own."""
        plan = self.conductor.plan
        return {
            **order(plan.config),
            "traits": {},
            "mix": None,
            "run_id": plan.run_id,
            "number": plan.number,
            "users": plan.users,
            "seed": plan.config.seed,
            "started_ns": plan.started_ns,
        }

    def start(self) -> None:
        self._users.begin()
        requested = self._crowd.connections()
        self.reporter.begin(self.conductor, lambda: self._most_users or requested, self.explorer)
        self._coordinator.start()

    def spawning_complete(self) -> None:
        """Locust has started all users that were last requested."""
        # other people's users beside ours have no connections
        self._most_users = max(self._most_users, self._crowd.expected().connecting)
        self._coordinator.spawning_complete()

    def reset(self) -> None:
        """Statistics start again."""
        if self._table is not None:
            self._table.forget()
        self._coordinator.reset()
        self.reporter.restart()

    def _second(self, collector: Collector) -> None:
        if self._table is not None:
            self._table.show()
        if not collector.timeline.count % FORGET_EVERY:
            self._forget()
        self.reporter.second(collector)
        hopeless = self._abort.hopeless(now_ns()) if self._abort is not None else None
        if hopeless is not None:
            self._abort = None
            self._say(f"Out of reach: {hopeless}; the run is stopped (--wps-slo-abort)")
            self._end()

    def drain(self) -> None:
        """Returns when all accounts have arrived or are given up for lost. A second caller waits with the first."""
        self._coordinator.drain()
        if self._table is not None:
            self._table.show()

    def report(self, outside: Outside) -> None:
        self.reporter.finish(self.conductor, outside)
