"""The agents of a run: presence, clocks, indices, and answers in the drain. The only writer of `AgentState`. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from itertools import chain

from wps_load.swarm.clocks import ClockSync
from wps_load.swarm.collector import Collector
from wps_load.swarm.messages import Finals, Grant, Move, Status
from wps_load.swarm.run_plan import AgentState, Crowd
from wps_load.swarm.slots import SlotAllocator

logger = logging.getLogger(__name__)


class Roster:
    """An agent that is silent, or does not answer in time, is *lost*: the collector no longer waits for it."""

    def __init__(self, collector: Collector, own_host: str | None) -> None:
        self.agents: dict[str, AgentState] = {}
        self.lost: set[str] = set()
        self.away: set[str] = set()
        """Agents that were silent for seconds, and came back."""
        self.clocks = ClockSync(own_host)
        self._collector = collector
        self._slots = SlotAllocator()
        self._expected: frozenset[str] | None = None
        """The agents that were alive when the run began: Locust gives users to each of them."""
        self.version = 0
        """Changes whenever the set of present users changes."""

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

    def time_known(self, agent: str) -> int:
        """The agent's clock is known. Returns the number of users that have waited for it."""
        state = self.agents[agent]
        state.timed = True
        return state.waiting

    def wait(self, agent: str, users: int) -> None:
        """These users wait until the agent's clock is known."""
        self.agents[agent].waiting += users

    # -- users -----------------------------------------------------------------------------------------------

    @property
    def claimed(self) -> int:
        """Users that have a slot."""
        return sum(state.claimed for state in self.agents.values())

    @property
    def indices(self) -> Iterator[int]:
        """The indices of the users that are present."""
        return chain.from_iterable(state.indices for state in self.agents.values())

    @property
    def spent(self) -> Collection[int]:
        """The indices that are never used again."""
        return self._slots.spent

    @property
    def settled(self) -> int:
        """Users that have connected, or failed once."""
        return sum(state.settled for state in self.agents.values())

    def grant(self, agent: str, count: int, now_ns: int, crowd: Crowd) -> Grant:
        """Places for `count` users of this agent, out of the users that `crowd` has requested."""
        if self.claimed + count > crowd.requested():
            self._give_up_places()
        state, slots = self.agents[agent], self._slots.claim(count, now_ns, crowd.spawn_rate())
        state.claimed += count
        state.most = max(state.most, state.claimed)
        state.indices.update(slot.user_index for slot in slots)
        self.version += 1
        return Grant(slots)

    def move(self, index: int, to: int, now_ns: int, per_second: float) -> tuple[str, Move] | None:
        """Moves the user `index` to the free place `to`: returns its agent and the message; None: it has left."""
        agent = next((name for name, state in self.agents.items() if index in state.indices), None)
        if agent is None:
            return None
        state, slot = self.agents[agent], self._slots.take(to, now_ns, per_second)
        state.claimed += 1  # until the old index is released
        state.indices.add(to)
        self.version += 1
        return agent, Move(index, slot)

    def release(self, agent: str, index: int) -> None:
        state = self.agents[agent]
        if index in state.indices:  # else its agent was lost, gave up the index, and is back
            state.indices.remove(index)
            state.claimed -= 1
            self.version += 1
            self._slots.release(index)

    def _give_up_places(self) -> None:
        """Frees the places of silent workers.

        Locust starts their users on other workers, which take over their indices, and so their parts. Until then the
        silent workers may come back to them.
        """
        for agent in self.lost & self.agents.keys():
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
        """`alive`: the agents whose heartbeats arrive. An agent that has sent its accounts may leave."""
        if self._expected is None:
            self._expected = frozenset(alive)
        for agent in self._expected - self.agents.keys() - alive - self.lost:
            logger.warning("A worker went missing before it could begin.")
            self.lost.add(agent)
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
        """A lost agent is back: it was paused or cut off, and still has what it counted meanwhile."""
        if agent in self.lost and agent not in self.agents:
            self.lost.discard(agent)  # it begins now
        elif agent in self.lost:
            logger.warning("A worker that had not answered for some time is back.")
            self.lost.discard(agent)
            self.away.add(agent)
            self.clocks.back(agent)
            self._collector.join(agent)

    def finals(self, agent: str, finals: Finals) -> None:
        """The agent has reported what its publishers sent."""
        state = self.agents[agent]
        state.finals, state.clock, state.hears = finals.streams, finals.clock, finals.hears

    def finish(self, agent: str) -> None:
        """The agent has sent its accounts, even if it was lost."""
        self.agents[agent].finished = True
        self.back(agent)

    def _lose(self, agent: str) -> None:
        self.lost.add(agent)
        self._collector.leave(agent)

    def silent(self, answered: Callable[[AgentState], bool]) -> list[str]:
        """The agents whose answers are still missing."""
        return [name for name, state in self.agents.items() if name not in self.lost and not answered(state)]

    def give_up(self, answered: Callable[[AgentState], bool]) -> None:
        for name in self.silent(answered):
            logger.error("A worker did not answer in the drain; the run is invalid.")
            self._lose(name)
