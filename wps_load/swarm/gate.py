"""Where a master and its workers agree before a run, so that no run starts with half of its workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import gevent

from wps_load.clock import now_ns
from wps_load.errors import ConfigError, ExitCode
from wps_load.settings.options import OptionValues
from wps_load.settings.run_config import RunConfig
from wps_load.swarm import locust_seam, secrets
from wps_load.swarm.asked import Asked
from wps_load.swarm.engines import judge_network
from wps_load.swarm.guard import Trouble, trouble
from wps_load.swarm.orders import Order
from wps_load.swarm.rehearsal import Rehearsal, Rehearsed
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.room import EmulatorRoom, Room
from wps_load.swarm.room_check import lacking_room, own_room

logger = logging.getLogger(__name__)


class GatedProcess(Protocol):
    """The part of a process's lifecycle that is needed here."""

    environment: Any
    runner: Any
    asked: Asked
    reporter: Reporter | None
    emulator_room: EmulatorRoom | None

    @property
    def running(self) -> bool: ...

    def ready(self) -> RunConfig: ...

    def break_off(self, found: Trouble) -> None: ...


class MasterGate:
    """Lets a run begin when every worker is fit for it."""

    def __init__(self, process: GatedProcess) -> None:
        self._process = process
        self._rehearsal = Rehearsal(process.runner, self._admit)
        self._start = process.runner.start
        self.asked_ns: int | None = None
        """When Locust was requested to start the run, from which its `-t` counts: workers answer meanwhile."""
        process.runner.start = self._start_if_fit

    def refusal(self, config: RunConfig, changed: Mapping[str, object] | None = None) -> Trouble | None:
        """Why the run cannot begin; waits for the workers' answers.

        `changed`: what the page's form changes in Locust's parsed options.
        """
        process = self._process
        order: Order = {
            **secrets.order(config),
            "traits": process.asked.traits(config),
            "mix": config.mix_source,
            "users": config.peak_users,
            "seed": config.seed,
        }
        options = secrets.shareable({**process.asked.values, **(changed or {})})
        unfit, silent = self._rehearsal.faults(order, options)
        if not unfit and not silent:
            short = lacking_room(config, process.asked.locustfile, self._rehearsal.rooms(), process.emulator_room)
            if short is None:
                return None
            unfit = [short]
        self._rehearsal.close()
        if process.reporter is not None:
            process.reporter.discard()
            process.reporter = None
        return Trouble("; ".join(unfit + silent), ExitCode.USAGE if unfit else ExitCode.INVALID)

    def rooms(self) -> list[Room]:
        """The workers' room for connections before the run."""
        return self._rehearsal.rooms()

    def close(self) -> None:
        """The run is over."""
        self._rehearsal.close()

    def _admit(self, worker: str, fault: str | None) -> None:
        """Lets a worker that came late have users, or turns it away."""
        if fault is None:
            locust_seam.admit_worker(self._process.runner, worker)
        elif self._process.running:
            logger.warning("A worker that came late takes no part: %s", fault)
            locust_seam.dismiss_worker(self._process.runner, worker)

    def _start_if_fit(self, user_count: int, *args: Any, **kwargs: Any) -> None:
        if not self._process.running and user_count:
            self.asked_ns = now_ns()
            try:
                refused = self.refusal(self._process.ready())
            except ConfigError as error:
                refused = trouble("the start of the run", error)
            if refused is not None:
                self._process.break_off(refused)
                return
        self._start(user_count, *args, **kwargs)


class WorkerGate:
    """Answers whether this worker could play its part, and tells its own user if it could not."""

    def __init__(self, process: GatedProcess) -> None:
        self._process = process
        Rehearsed(process.runner, self._judge, self._tell)

    def refuse(self, error: ConfigError) -> None:
        """Refuses a run that has begun without this worker, which leaves again."""
        self._tell([str(fault) for fault in error.faults])
        gevent.spawn(self._process.runner.quit)

    def _tell(self, faults: list[str]) -> None:
        for fault in faults:
            logger.error("This worker cannot take part: %s", fault)
        self._process.environment.process_exit_code = int(ExitCode.USAGE) if faults else None

    def _judge(self, order: Order, given: OptionValues) -> Room:
        config = self._process.asked.read_as_worker(order, given)
        judge_network(config)  # an unusable CA file or proxy is reported now
        return own_room(config)
