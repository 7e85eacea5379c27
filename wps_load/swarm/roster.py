"""The agents of a run: who is there, whose clock is known, who has which index, who is lost, who has answered. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain

from wps_load.swarm.clocks import ClockSync
from wps_load.swarm.collector import Collector
from wps_load.swarm.messages import Grant, Move, Status
from wps_load.swarm.run_plan import AgentState, Crowd
from wps_load.swarm.slots import SlotAllocator

logger = logging.getLogger(__name__)


class Roster:
    """An agent that is not heard of, or does not answer in time, is *lost*: the collector waits for it no more."""

    def __init__(self, collector: Collector, own_host: str | None) -> None:
        self.agents: dict[str, AgentState] = {}
        self.lost: set[str] = set()
        self.away: set[str] = set()
        """Agents that were not heard of for seconds, and came back."""
        self.clocks = ClockSync(own_host)
        self._collector = collector
        self._slots = SlotAllocator()
        self.version = 0
        """Another one whenever other users are there."""

    def join(self, agent: str, host: str, now_ns: int) -> None:
        if agent in self.agents:
            self._abandon(self.agents[agent])
        self.agents[agent] = AgentState(agent, host)
        self.clocks.hello(agent, host, now_ns)
        self._collector.join(agent)

    def status(self, agent: str, status: Status) -> None:
        state = self.agents[agent]
        state.settled, state.joiners, state.joined = status.settled, status.joiners, status.joined
        self._collector.connected(agent, status.open)

    # -- users -----------------------------------------------------------------------------------------------

    @property
    def claimed(self) -> int:
        """Users that have a slot."""
        return sum(state.claimed for state in self.agents.values())

    @property
    def indices(self) -> Iterator[int]:
        """Of the users that are there."""
        return chain.from_iterable(state.indices for state in self.agents.values())

    @property
    def settled(self) -> int:
        """Users that have connected, or failed once."""
        return sum(state.settled for state in self.agents.values())

    def grant(self, agent: str, count: int, now_ns: int, crowd: Crowd) -> Grant:
        """Places for `count` users of this agent, of those that `crowd` is asked for."""
        if self.claimed + count > crowd.requested():
            self._give_up_places()
        state, slots = self.agents[agent], self._slots.claim(count, now_ns, crowd.spawn_rate())
        state.claimed += count
        state.most = max(state.most, state.claimed)
        state.indices.update(slot.user_index for slot in slots)
        self.version += 1
        return Grant(slots)

    def move(self, index: int, to: int, now_ns: int, per_second: float) -> tuple[str, Move] | None:
        """The user `index` is to take the free place `to`: by which agent, and how; None: it is not there any more."""
        agent = next((name for name, state in self.agents.items() if index in state.indices), None)
        if agent is None:
            return None
        state, slot = self.agents[agent], self._slots.take(to, now_ns, per_second)
        state.claimed += 1  # until the old one is released
        state.indices.add(to)
        self.version += 1
        return agent, Move(index, slot)

    def release(self, agent: str, index: int) -> None:
        state = self.agents[agent]
        if index in state.indices:  # else it was given up for lost, and is back
            state.indices.remove(index)
            state.claimed -= 1
            self.version += 1
            self._slots.release(index)

    def _give_up_places(self) -> None:
        """The places of workers that are not heard of are free again.

        Locust starts their users on others, which take over their indices, and so their parts. Until then these workers
        may come back to them.
        """
        for agent in self.lost:
            self._abandon(self.agents[agent])

    def _abandon(self, state: AgentState) -> None:
        if not state.claimed:
            return
        for index in state.indices:
            self._slots.release(index)
        state.indices.clear()
        self.version += 1
        state.claimed = state.settled = state.joiners = state.joined = 0

    # -- who is there ----------------------------------------------------------------------------------------

    def hear_of(self, alive: set[str]) -> None:
        """`alive`: the agents that are heard of now. One that has sent its accounts may go."""
        for agent in set(self.agents) - alive - self.lost:
            if not self.agents[agent].finished:
                logger.warning(
                    "A worker does not answer. Unless it comes back, its figures end with its last snapshot."
                )
                self._lose(agent)
                self.clocks.leave(agent)
        for agent in self.lost & alive:
            self.back(agent)

    def back(self, agent: str) -> None:
        """It was paused, or cut off; what it counted meanwhile it still has."""
        if agent in self.lost:
            logger.warning("A worker that had not answered for some time is back.")
            self.lost.discard(agent)
            self.away.add(agent)
            self.clocks.back(agent)
            self._collector.join(agent)

    def _lose(self, agent: str) -> None:
        self.lost.add(agent)
        self._collector.leave(agent)

    def silent(self, answered: Callable[[AgentState], bool]) -> list[str]:
        """Those whose answer is still waited for."""
        return [name for name, state in self.agents.items() if name not in self.lost and not answered(state)]

    def give_up(self, answered: Callable[[AgentState], bool]) -> None:
        for name in self.silent(answered):
            logger.error("A worker did not answer in the drain; the run is invalid.")
            self._lose(name)
