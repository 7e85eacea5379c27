"""What a run is to be, and what its coordinator knows of each process that takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from wps_load.clock import NS_PER_S
from wps_load.measure.requested import RequestedPart
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.stream_finals import Streams
from wps_load.workload.mixture import Mixture


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is fixed when a run starts. `number`: the 32 bits of the run's id that every stamp carries.

    `scenario_users` False: there are only a locustfile's own tasks, which send when they like. There is nothing to wait
    for, so the measure phase begins at once.
    """

    run_id: str
    number: int
    config: RunConfig
    users: int
    started_ns: int
    run_time_ns: int | None = None
    scenario_users: bool = True


def requested_parts(plan: RunPlan, mixture: Mixture) -> list[RequestedPart]:
    """What is requested of each population of a mix; empty if Locust distributes the users."""
    if plan.config.mix is None:
        return []
    return [
        RequestedPart(
            partial(mixture.among, number),
            plan.started_ns + each.start_ns if each.start_ns else None,
            None if each.stop_ns is None else plan.started_ns + each.stop_ns,
        )
        for number, each in enumerate(plan.config.populations)
    ]


@dataclass(slots=True)
class AgentState:
    """What the coordinator knows of one agent. Only `Roster` changes it."""

    agent: str
    host: str
    claimed: int = 0
    most: int = 0
    """The most users at a time."""
    settled: int = 0
    joiners: int = 0
    joined: int = 0
    timed: bool = False
    """Whether its clock is known, so that it can be given instants."""
    waiting: int = 0
    """Users for which it requested indices and slots before that."""
    finals: Streams | None = None
    hears: Sequence[int] | None = None
    """The audiences of its receivers, as flat ranges; None: unknown."""
    clock: Sequence[Sequence[int]] = ()
    """The agent's timescale, in which the schedules of its finals are."""
    finished: bool = False
    indices: set[int] = field(default_factory=set)


class Expected(NamedTuple):
    """How many users have been requested from Locust, whose classes may include other people's."""

    playing: int
    """Users that play the scenario."""
    connecting: int
    """Users that have a connection: those, and `WebPubSubUser`s."""
    everybody: int


class Crowd(Protocol):
    """The users that are requested from Locust."""

    def spawn_rate(self) -> float:
        """Users a second, as of now."""
        ...

    def expected(self) -> Expected:
        """How many users Locust has started, or is about to start."""
        ...

    def requested(self) -> int:
        """How many users are to play the scenario, whether Locust ever starts them or not."""
        ...


def end_instant(soon_ns: int, planned_ns: int | None) -> int:
    """The instant at which publishing ends if the drain is requested now.

    Locust's own -t fires some milliseconds off the planned instant; the plan wins.
    """
    if planned_ns is None:
        return soon_ns
    return planned_ns if abs(planned_ns - soon_ns) < NS_PER_S else min(soon_ns, planned_ns)


def time_left_ns(run_time_s: float | None, asked_ns: int, started_ns: int) -> int | None:
    """What is left of `-t`, which Locust counts from the request to start, before a master's workers have answered."""
    if not run_time_s:
        return None
    return max(0, round(run_time_s * NS_PER_S) - (started_ns - asked_ns))
