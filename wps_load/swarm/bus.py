"""How the coordinator (master, or the only process) and the agents (processes with users) communicate.

The bus is direct calls if both are in one process, and Locust's custom messages otherwise; coordinator and agents
cannot tell the difference. Their messages are in `messages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from wps_load.swarm import locust_seam
from wps_load.swarm.guard import Trouble, guarded
from wps_load.swarm.message_wire import message_to_agent, message_to_coordinator, to_wire
from wps_load.swarm.messages import Failed, ToAgent, ToCoordinator

CoordinatorCallback = Callable[[str, int, ToCoordinator], None]
"""An agent, the number of its run, and a message."""
AgentCallback = Callable[[ToAgent], None]

LOCAL_AGENT = "local"
_TO_COORDINATOR = "wps_to_coordinator"
_TO_AGENT = "wps_to_agent"


class Bus(Protocol):
    """`on_coordinator` and `on_agent` receive messages; either may be None (a master has no agent)."""

    on_coordinator: CoordinatorCallback | None
    on_agent: AgentCallback | None

    def to_coordinator(self, run: int, message: ToCoordinator) -> None:
        """`run`: the number of the sender's run."""
        ...

    def to_agents(self, message: ToAgent, agent: str | None = None) -> None:
        """Sends a message to one agent, or to all agents."""
        ...

    def agents(self) -> set[str]:
        """The agents that are alive, as far as this process knows."""
        ...

    def report_to_locust(self) -> None:
        """Sends Locust's own statistics of this process to its master now, before the next message."""
        ...


class LocalBus:
    """Both ends in one process."""

    def __init__(self) -> None:
        self.on_coordinator: CoordinatorCallback | None = None
        self.on_agent: AgentCallback | None = None

    def to_coordinator(self, run: int, message: ToCoordinator) -> None:
        if self.on_coordinator is not None:
            self.on_coordinator(LOCAL_AGENT, run, message)

    def to_agents(self, message: ToAgent, agent: str | None = None) -> None:
        if self.on_agent is not None:
            self.on_agent(message)

    def agents(self) -> set[str]:
        return {LOCAL_AGENT}

    def report_to_locust(self) -> None:
        """Does nothing: there is only one table."""


class MasterBus:
    """The coordinator's end in a Locust master.

    `on_trouble`: called with a worker's failure, and with errors in a message, which Locust would log and ignore.
    """

    def __init__(self, runner: Any, on_trouble: Callable[[Trouble], None]) -> None:
        self.on_coordinator: CoordinatorCallback | None = None
        self.on_agent: AgentCallback | None = None
        self._runner = runner
        self._on_trouble = on_trouble
        runner.register_message(_TO_COORDINATOR, guarded(self._received, on_trouble))

    def to_coordinator(self, run: int, message: ToCoordinator) -> None:
        raise AssertionError("a master has no agent")

    def to_agents(self, message: ToAgent, agent: str | None = None) -> None:
        wire = to_wire(message)
        if agent is None:
            for worker in locust_seam.workers(self._runner):
                self._runner.send_message(_TO_AGENT, wire, worker)
        elif locust_seam.knows_worker(self._runner, agent):
            self._runner.send_message(_TO_AGENT, wire, agent)

    def agents(self) -> set[str]:
        return locust_seam.workers_alive(self._runner)

    def report_to_locust(self) -> None:
        raise AssertionError("a master is who is reported to")

    def _received(self, environment: Any, msg: Any) -> None:
        run, wire = msg.data["run"], msg.data["message"]
        message = message_to_coordinator(wire)
        if isinstance(message, Failed):
            self._on_trouble(Trouble(message.sentence, message.code))
        elif self.on_coordinator is not None:
            self.on_coordinator(msg.node_id, run, message)


class WorkerBus:
    """An agent's end in a Locust worker."""

    def __init__(self, runner: Any, on_trouble: Callable[[Trouble], None]) -> None:
        self.on_coordinator: CoordinatorCallback | None = None
        self.on_agent: AgentCallback | None = None
        self._runner = runner
        runner.register_message(_TO_AGENT, guarded(self._received, on_trouble))

    def to_coordinator(self, run: int, message: ToCoordinator) -> None:
        self._runner.send_message(_TO_COORDINATOR, {"run": run, "message": to_wire(message)})

    def to_agents(self, message: ToAgent, agent: str | None = None) -> None:
        raise AssertionError("a worker has no coordinator")

    def agents(self) -> set[str]:
        return {self._runner.client_id}

    def report_to_locust(self) -> None:
        locust_seam.send_stats(self._runner)

    def _received(self, environment: Any, msg: Any) -> None:
        if self.on_agent is not None:
            self.on_agent(message_to_agent(msg.data))
