"""What a run is to be, and what its coordinator knows of each process that takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wps_load.config import RunConfig


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is fixed when a run starts. `number`: the 32 bits of the run's id that every stamp carries.

    `scenario_users` False: there are only a locustfile's own tasks, which send when they like. There is nothing to
    settle for, so that the measure phase begins at once.
    """

    run_id: str
    number: int
    config: RunConfig
    users: int
    started_ns: int
    run_time_ns: int | None = None
    scenario_users: bool = True


@dataclass(slots=True)
class AgentState:
    """What the coordinator knows of one agent."""

    agent: str
    host: str
    claimed: int = 0
    settled: int = 0
    joiners: int = 0
    joined: int = 0
    finals: list[Any] | None = None
    finished: bool = False
    indices: set[int] = field(default_factory=set)


class Expected(NamedTuple):
    """How many users Locust has been asked for. Other people's classes may be beside ours."""

    playing: int
    """They play the scenario."""
    connecting: int
    """They have a connection: those, and `WebPubSubUser`s."""
    everybody: int
