"""Conducts one run: phases, slots, the drain. One in the master, or in the only process; the agents follow.

    connect -> settle -> (warm-up) -> measure -> drain

Phase changes are instants in the future, in the coordinator's clock, so that all agents change at the same one.
The drain: "end" (stop publishing at an instant) -> every agent's "finals" (what its publishers sent) -> "expect" (all
finals, to every agent) -> every agent's "final" (its accounts, when nothing is outstanding or the time is up).
An agent that does not answer in time, or is gone, is *lost*: its last snapshot counts, and the run is invalid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]

from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.measure.presence import Requested
from wps_load.report.live import settle_line
from wps_load.swarm.bus import Bus, Data
from wps_load.swarm.clocks import ClockSync
from wps_load.swarm.collector import Collector
from wps_load.swarm.explorer import Explorer
from wps_load.swarm.plan import AgentState, Expected, RunPlan, end_instant
from wps_load.swarm.slots import SlotAllocator

__all__ = ["AgentState", "Coordinator", "Expected", "RunPlan"]

logger = logging.getLogger(__name__)

LEAD_NS = 200 * NS_PER_MS
"""Between deciding a phase change and its instant: ample for a message to every worker of a site."""
ANSWER_NS = 5 * NS_PER_S
"""How long an agent may take to answer in the drain, beyond the drain itself."""
FOREVER_NS = 1 << 62
_POLL_S = 0.02


class Coordinator:
    """`spawn_rate()`: users per second as of now. `expected_users()`: how many users Locust has started, or is
    about to. `requested_users()`: how many that play the scenario it is asked for, whether it ever starts them or not.
    """

    def __init__(
        self,
        plan: RunPlan,
        bus: Bus,
        *,
        spawn_rate: Callable[[], float],
        expected_users: Callable[[], Expected],
        requested_users: Callable[[], int],
        on_second: Callable[[Collector], None] = lambda collector: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.plan = plan
        self.collector = Collector(plan.started_ns, plan.config, on_second)
        self.agents: dict[str, AgentState] = {}
        self.lost: set[str] = set()
        self.away: set[str] = set()
        """Agents that were not heard of for seconds, and came back."""
        self.clocks = ClockSync()
        self.epoch = 0
        self.phases: list[tuple[str, int]] = []
        self._bus = bus
        self._spawn_rate = spawn_rate
        self._say = say
        self.expected_users = expected_users
        self._requested_users = requested_users
        self.requested = Requested()
        self._slots = SlotAllocator()
        self._spawned = Event()
        self._stopping = False
        self._drained = Event()
        self._stints: list[Data] = []
        self._rate: Data | None = None
        self.explorer: Explorer | None = None
        self._ordinals: dict[str, int] = {}
        self.measure_start_ns: int | None = None
        self.measure_end_ns: int | None = None
        self.ended_ns: int | None = None
        bus.on_coordinator = self._received
        self.trouble: str | None = None
        """Why the run was broken off, in a sentence."""
        self.users_asked: list[int] = [plan.users]
        """The numbers of users that Locust was asked for; more than one where somebody has changed it."""
        self._greenlets = [gevent.spawn(self._conduct), gevent.spawn(self._watch)]

    @property
    def stopping(self) -> bool:
        """The drain has begun."""
        return self._stopping

    @property
    def lead_ns(self) -> int:
        """How far ahead an instant must be for all agents to know of it in time."""
        return LEAD_NS

    # -- phases ----------------------------------------------------------------------------------------------

    def spawning_complete(self) -> None:
        self._spawned.set()

    @property
    def phase(self) -> str:
        """The phase of this instant."""
        now = now_ns()
        return next((name for name, at in reversed(self.phases) if at <= now), "connect")

    @property
    def planned_end_ns(self) -> int | None:
        """Where `-t` puts the beginning of the drain."""
        run_time_ns = self.plan.run_time_ns
        return None if run_time_ns is None else self.plan.started_ns + run_time_ns

    @property
    def measured_s(self) -> float | None:
        """Length of the measure phase so far, which every rate is divided by; None before it begins."""
        begin = self.measure_start_ns
        if begin is None:
            return None
        end = now_ns() if self.measure_end_ns is None else self.measure_end_ns
        return max(0, end - begin) / NS_PER_S or None

    def _enter(self, phase: str, at_ns: int) -> None:
        self.phases.append((phase, at_ns))
        self.collector.phases = self.phases

    def _conduct(self) -> None:
        self._enter("connect", self.plan.started_ns)
        if self.plan.scenario_users:
            self._settle()
        if not self._stopping:
            self._publish()

    def _settle(self) -> None:
        """Until every user has connected or failed once."""
        while not self._spawned.wait(_POLL_S) and not self._stopping:
            pass
        self._enter("settle", now_ns())
        deadline = now_ns() + self.plan.config.settle_ns
        while not self._settled() and now_ns() < deadline and not self._stopping:
            gevent.sleep(_POLL_S)
        if not self._stopping:
            self._say(self._how_settled())

    def _how_settled(self) -> str:
        states = self.agents.values()
        users = self.expected_users().playing
        return settle_line(
            in_time=self._settled(),
            seconds=(now_ns() - self.plan.started_ns) / NS_PER_S,
            users=users,
            connected=min(users, self.collector.open),  # a locustfile's own clients are among the open ones
            joiners=sum(state.joiners for state in states),
            joined=sum(state.joined for state in states),
        )

    def _settled(self) -> bool:
        states = self.agents.values()
        claimed = sum(state.claimed for state in states)
        return claimed >= self.expected_users().playing and sum(state.settled for state in states) >= claimed

    def _publish(self) -> None:
        """Sets the instants of warm-up and measure, and tells the agents."""
        self._ordinals = {agent: at for at, agent in enumerate(sorted(self.agents))}
        begin = now_ns() + (LEAD_NS if self.plan.scenario_users else 0)
        measure = begin + self.plan.config.warmup_ns
        if measure > begin:
            self._enter("warmup", begin)
            self._stint(epoch=0, start_ns=begin, until_ns=measure)
        self._enter("measure", measure)
        self.epoch = 1
        self.measure_start_ns = measure
        self.clocks.start_over()
        self._stint(epoch=1, start_ns=measure, until_ns=self._publish_until_ns(measure))
        if self.explorer is not None:
            self.explorer.begin()

    def _publish_until_ns(self, start_ns: int) -> int:
        end = self.planned_end_ns
        return FOREVER_NS if end is None else max(end, start_ns)

    def _stint(self, *, epoch: int, start_ns: int, until_ns: int) -> None:
        stint = {"epoch": epoch, "start_ns": start_ns, "until_ns": until_ns}
        self._stints.append(stint)
        for agent in [agent for agent, state in self.agents.items() if state.timed]:
            self._tell(stint, agent)

    def _tell(self, stint: Data, agent: str) -> None:
        """`ordinal` of `agents`: what no user does, the REST senders' work, is divided over those there at first."""
        part = {"ordinal": self._ordinals.get(agent), "agents": len(self._ordinals)}
        self._bus.to_agents("stint", {**stint, **part}, agent)

    def set_rate(self, per_second: int, at_ns: int) -> None:
        """From `at_ns` on all publishers together are to send so many messages a second."""
        self._rate = {"per_second": per_second, "at_ns": at_ns}
        self._bus.to_agents("rate", self._rate)

    def retry(self) -> None:
        """Users that back off try to connect soon: what refused them is over."""
        self._bus.to_agents("retry", {})

    def await_users(self, count: int, patience_ns: int) -> Expected:
        """Until Locust has `count` users and all who connect are connected, or no more came in `patience_ns`.
        Returns of what kind they are.

        A service that limits new connections a second refuses some, which come back one by one: that takes its time.
        """
        claimed = sum(state.claimed for state in self.agents.values())
        ramp_ns = int(abs(count - claimed) / self._spawn_rate() * NS_PER_S)
        deadline = now_ns() + ramp_ns + self.plan.config.settle_ns
        most, waiting_since = 0, now_ns() + ramp_ns
        while now_ns() < deadline and not self._stopping:
            if self.collector.open > most:
                most, waiting_since = self.collector.open, max(waiting_since, now_ns())
            asked = self.expected_users()
            spawned = asked.everybody == count and self._settled()
            if spawned and (self.collector.open >= asked.connecting or now_ns() - waiting_since > patience_ns):
                return asked
            gevent.sleep(_POLL_S)
        asked = self.expected_users()  # of another count, if Locust is not done: the shares are the same
        if not asked.everybody:
            return Expected(count, count, count)
        return Expected(*(round(kind * count / asked.everybody) for kind in asked))

    def reset(self) -> None:
        """Statistics start anew everywhere, at one instant. In Locust's own words: reset stats."""
        if self._stopping:
            return
        at = now_ns() + LEAD_NS
        begun = self.measure_start_ns is not None and self.measure_start_ns <= at
        if begun:
            self.epoch += 1
            self.measure_start_ns = at
            self._enter("measure", at)
        self.collector.reset()
        self._bus.to_agents("reset", {"at_ns": at, "epoch": self.epoch if begun else None})
        if begun:
            self._stint(epoch=self.epoch, start_ns=at, until_ns=self._publish_until_ns(at))

    # -- agents ----------------------------------------------------------------------------------------------

    def _received(self, agent: str, kind: str, data: Data) -> None:
        state = self.agents.get(agent)
        if kind == "hello":
            self._hello(agent, data)
        elif state is None or data.get("run") != self.plan.number:
            return  # of an earlier run, or from before a worker said hello
        elif kind == "claim":
            self._claim(state, data["count"])
        elif kind == "release":
            self._release(state, data["index"])
        elif kind == "status":
            state.settled = data["settled"]
            state.joiners, state.joined = data["joiners"], data["joined"]
            self.collector.connected(agent, data["open"])
        elif kind == "tick":
            self.collector.add(agent, data)
        elif kind == "pong":
            self.clocks.pong(agent, data, now_ns())
            self._keep_time()
        elif kind == "finals":
            state.finals, state.clock = data["streams"], data["clock"]
        elif kind == "final":
            self.collector.finish(agent, data)
            state.finished = True
            if agent in self.lost:
                self._back(agent)

    def _hello(self, agent: str, data: Data) -> None:
        self.agents[agent] = AgentState(agent, data["host"])
        self.clocks.hello(agent, data["host"], now_ns())
        self.collector.join(agent)
        self._keep_time()

    def _keep_time(self) -> None:
        """Clocks are asked for and told; those that are known for the first time are told what is planned."""
        for agent in self.clocks.converse(self._bus):
            self._plan(self.agents[agent])

    def _plan(self, state: AgentState) -> None:
        state.timed = True
        for stint in self._stints:
            self._tell(stint, state.agent)
        if self._rate is not None:
            self._bus.to_agents("rate", self._rate, state.agent)
        if state.waiting:
            self._claim(state, state.waiting)

    def _claim(self, state: AgentState, count: int) -> None:
        if not state.timed:
            state.waiting += count
            return
        self._note_requested()  # what they are asked for begins with their slots
        slots = self._slots.claim(count, now_ns(), self._spawn_rate())
        state.claimed += count
        state.indices.update(slot.index for slot in slots)
        granted = [[slot.index, slot.incarnation, slot.due_ns] for slot in slots]
        self._bus.to_agents("grant", {"slots": granted}, state.agent)

    def _watch(self) -> None:
        """Clock exchanges, and agents that went away."""
        while not self._drained.is_set():
            self._note_requested()
            self._keep_time()
            self._note_lost()
            gevent.sleep(0.1)

    def _note_requested(self) -> None:
        if not self._stopping and (count := self._requested_users()):
            self.requested.note(count, self._spawn_rate(), now_ns())

    def _note_lost(self) -> None:
        alive = self._bus.agents()
        for agent in set(self.agents) - alive - self.lost:
            if not self.agents[agent].finished:
                logger.warning(
                    "A worker is not heard of. Unless it comes back, its figures end with its last snapshot."
                )
                self.lost.add(agent)
                self.collector.leave(agent)
                self.clocks.leave(agent)
                self._abandon(self.agents[agent])
        for agent in self.lost & alive:
            self._back(agent)

    def _back(self, agent: str) -> None:
        """It was paused, or cut off; what it counted meanwhile it still has."""
        logger.warning("A worker that was not heard of for some time is back.")
        self.lost.discard(agent)
        self.away.add(agent)
        self.clocks.back(agent)
        self.collector.join(agent)

    def _release(self, state: AgentState, index: int) -> None:
        if index in state.indices:  # else it was given up for lost, and is back
            state.indices.remove(index)
            state.claimed -= 1
            self._slots.release(index)

    def _abandon(self, state: AgentState) -> None:
        """Locust starts the lost worker's users on the others: they take over its indices, and so its parts."""
        for index in state.indices:
            self._slots.release(index)
        state.indices.clear()
        state.claimed = state.settled = state.joiners = state.joined = 0

    # -- the end ---------------------------------------------------------------------------------------------

    @property
    def drained(self) -> bool:
        return bool(self._drained.is_set())

    def drain(self) -> None:
        """Stops publishing, waits for messages in flight and for every agent's accounts. Again: does nothing."""
        if self._stopping:
            self._drained.wait()
            return
        self._note_requested()
        self._stopping = True
        self.measure_end_ns = end_instant(now_ns() + LEAD_NS // 4, self.planned_end_ns)
        self._enter("drain", self.measure_end_ns)
        self._bus.to_agents("end", {"at_ns": self.measure_end_ns})
        self._await(lambda state: state.finals is not None, self.measure_end_ns + ANSWER_NS)
        states = list(self.agents.values())
        streams = [[*stream, clock] for clock, state in enumerate(states) for stream in state.finals or ()]
        clocks, drain_ns = [state.clock for state in states], self.plan.config.drain_ns
        expect = {"streams": streams, "clocks": clocks, "drain_ns": drain_ns, "end_ns": self.measure_end_ns}
        self._bus.to_agents("expect", expect)
        self._await(lambda state: state.finished, now_ns() + self.plan.config.drain_ns + ANSWER_NS)
        self.ended_ns = now_ns()
        self._drained.set()
        gevent.killall([each for each in self._greenlets if each is not gevent.getcurrent()], block=False)
        self.collector.close()

    def _await(self, answered: Callable[[AgentState], bool], deadline_ns: int) -> None:
        while now_ns() < deadline_ns:
            self._note_lost()
            if not self._silent(answered):
                return
            gevent.sleep(_POLL_S)
        for name in self._silent(answered):
            logger.error("A worker did not answer in the drain; the run is invalid.")
            self.lost.add(name)
            self.collector.leave(name)

    def _silent(self, answered: Callable[[AgentState], bool]) -> list[str]:
        return [name for name, state in self.agents.items() if name not in self.lost and not answered(state)]
