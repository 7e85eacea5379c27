"""How the coordinator (master, or the only process) and the agents (processes with users) talk.

Direct calls where both live in one process, Locust's custom messages otherwise; coordinator and agents can't tell the
difference. Data is what msgpack carries: None, bool, int, float, str, bytes, lists and dicts with str keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from wps_load.errors import ExitCode
from wps_load.swarm.guard import Trouble, guarded

Data = dict[str, Any]
ToCoordinator = Callable[[str, str, Data], None]
"""`(agent id, kind, data)`"""
ToAgent = Callable[[str, Data], None]
"""`(kind, data)`"""

LOCAL_AGENT = "local"
_TO_COORDINATOR = "wps_to_coordinator"
_TO_AGENT = "wps_to_agent"
TROUBLE = "trouble"
"""The kind of message with which a worker ends the run: `sentence`, `code`."""


class Bus(Protocol):
    """`on_coordinator`, `on_agent`: who receives; either may be None (a master has no agent)."""

    on_coordinator: ToCoordinator | None
    on_agent: ToAgent | None

    def to_coordinator(self, kind: str, data: Data) -> None: ...

    def to_agents(self, kind: str, data: Data, agent: str | None = None) -> None:
        """To one agent, or to all that there are."""
        ...

    def agents(self) -> set[str]:
        """The agents that are alive, as far as is known."""
        ...

    def report_to_locust(self) -> None:
        """Locust's own statistics of this process go to its master now, before what is sent next."""
        ...


class LocalBus:
    """Both in one process."""

    def __init__(self) -> None:
        self.on_coordinator: ToCoordinator | None = None
        self.on_agent: ToAgent | None = None

    def to_coordinator(self, kind: str, data: Data) -> None:
        if self.on_coordinator is not None:
            self.on_coordinator(LOCAL_AGENT, kind, data)

    def to_agents(self, kind: str, data: Data, agent: str | None = None) -> None:
        if self.on_agent is not None:
            self.on_agent(kind, data)

    def agents(self) -> set[str]:
        return {LOCAL_AGENT}

    def report_to_locust(self) -> None:
        """There is one table only."""


class MasterBus:
    """The coordinator's end in a Locust master.

    `on_trouble`: what a worker could not do; and what goes wrong with a message, which Locust would log and forget.
    """

    def __init__(self, runner: Any, on_trouble: Callable[[Trouble], None]) -> None:
        self.on_coordinator: ToCoordinator | None = None
        self.on_agent: ToAgent | None = None
        self._runner = runner
        self._on_trouble = on_trouble
        runner.register_message(_TO_COORDINATOR, guarded(self._received, on_trouble))

    def to_coordinator(self, kind: str, data: Data) -> None:
        raise AssertionError("a master has no agent")

    def to_agents(self, kind: str, data: Data, agent: str | None = None) -> None:
        if agent is None:
            # also to those that are not heard of: a paused one reads it when it goes on
            for node in list(self._runner.clients.all):
                self._runner.send_message(_TO_AGENT, {"kind": kind, "data": data}, node.id)
        elif agent in self._runner.clients:
            self._runner.send_message(_TO_AGENT, {"kind": kind, "data": data}, agent)

    def agents(self) -> set[str]:
        return {node.id for node in self._runner.clients.all if node.state != "missing"}

    def report_to_locust(self) -> None:
        raise AssertionError("a master is who is reported to")

    def _received(self, environment: Any, msg: Any) -> None:
        kind, data = msg.data["kind"], msg.data["data"]
        if kind == TROUBLE:
            self._on_trouble(Trouble(data["sentence"], ExitCode(data["code"])))
        elif self.on_coordinator is not None:
            self.on_coordinator(msg.node_id, kind, data)


class WorkerBus:
    """An agent's end in a Locust worker."""

    def __init__(self, runner: Any, on_trouble: Callable[[Trouble], None]) -> None:
        self.on_coordinator: ToCoordinator | None = None
        self.on_agent: ToAgent | None = None
        self._runner = runner
        runner.register_message(_TO_AGENT, guarded(self._received, on_trouble))

    def to_coordinator(self, kind: str, data: Data) -> None:
        self._runner.send_message(_TO_COORDINATOR, {"kind": kind, "data": data})

    def to_agents(self, kind: str, data: Data, agent: str | None = None) -> None:
        raise AssertionError("a worker has no coordinator")

    def agents(self) -> set[str]:
        return {self._runner.client_id}

    def report_to_locust(self) -> None:
        self._runner._send_stats()  # Locust's worker reports each 3 s, and when it quits, which its master may miss

    def _received(self, environment: Any, msg: Any) -> None:
        if self.on_agent is not None:
            self.on_agent(msg.data["kind"], msg.data["data"])
