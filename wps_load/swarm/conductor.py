"""Conducts one run, as a pure state machine: it gets messages and the time, and returns what is to be sent.

    CONNECT -> SETTLE -> WARMUP -> MEASURE -> DRAIN_FINALS -> DRAIN_ACCOUNTS -> DONE

Changes of phase are instants in the future, in the coordinator's clock, so that all agents change at the same one. The
drain: `End` (stop publishing at an instant) -> every agent's `Finals` (what its publishers sent) -> `Expect` (the
finals that an agent can hear) -> every agent's `Accounts`, when nothing is outstanding or the time is up. An agent that
does not answer in time, or is gone, is *lost*: its last report counts, and the run is invalid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any, NamedTuple

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.requested import Requested
from wps_load.report.live import settle_line
from wps_load.swarm.actions import Actions, AskClock, Say, Send
from wps_load.swarm.attendance import Attendance
from wps_load.swarm.closing_up import ClosingUp, who_stays
from wps_load.swarm.collector import Collector
from wps_load.swarm.expectations import Expectations
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    End,
    Finals,
    Hello,
    Present,
    Rate,
    Release,
    Report,
    Reset,
    Retry,
    Status,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.roster import Roster
from wps_load.swarm.run_plan import AgentState, Crowd, RunPlan, end_instant, requested_parts

logger = logging.getLogger(__name__)

LEAD_NS = 200 * NS_PER_MS
"""From deciding a phase change to its instant: ample time for a message to every worker of a site."""
ANSWER_NS = 5 * NS_PER_S
"""How long an agent may take, beyond the drain or the connect itself, to answer or to report a user."""
FOREVER_NS = 1 << 62


class Phase(Enum):
    """The phases, each with the event that ends it."""

    CONNECT = auto()
    """Ends when Locust has started all users."""
    SETTLE = auto()
    """Ends when every user has connected, or failed once."""
    WARMUP = auto()
    """Ends at the measure phase's instant; publishing is announced."""
    MEASURE = auto()
    """Ends when the drain is requested."""
    DRAIN_FINALS = auto()
    """Ends when all agents have reported what their publishers sent."""
    DRAIN_ACCOUNTS = auto()
    """Ends when all agents have sent their accounts."""
    DONE = auto()


class Conductor:
    """`on_second(collector)` is called after each second that all agents have reported."""

    def __init__(
        self,
        plan: RunPlan,
        crowd: Crowd,
        *,
        on_second: Callable[[Collector], None] = lambda collector: None,
        own_host: str | None = None,
    ) -> None:
        self.plan = plan
        self.collector = Collector(plan.started_ns, plan.config, on_second)
        self.phase = Phase.CONNECT
        self.phases: list[tuple[str, int]] = []
        """The phases that people are shown, with their beginnings."""
        self.roster = Roster(self.collector, own_host)
        self.mixture = plan.config.mixture(plan.users)
        self.requested = Requested(plan.config.connect_timeout_ns + ANSWER_NS, requested_parts(plan, self.mixture))
        stays = who_stays(plan.config, plan.run_id, self.mixture)
        self._closing_up = ClosingUp(self.roster, self.requested, stays)
        self.epoch = 0
        self.measure_start_ns: int | None = None
        self.measure_end_ns: int | None = None
        self.ended_ns: int | None = None
        self.trouble: str | None = None
        """Why the run was broken off, in one sentence."""
        self.reset_ns: int | None = None
        """The instant of the last reset of the statistics."""
        self._crowd = crowd
        self._spawned = False
        self._windows: list[Window] = []
        self._rate: Rate | None = None
        self._present: Present | None = None
        self._attendance = Attendance(plan.users)
        self._end: End | None = None
        self._expected: Expectations | None = None
        """Set once all finals are known."""
        self._ordinals: dict[str, int] = {}
        self._deadline_ns = 0
        self._enter("connect", plan.started_ns)

    # -- the state for readers -----------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether the drain has begun."""
        return self.phase in (Phase.DRAIN_FINALS, Phase.DRAIN_ACCOUNTS, Phase.DONE)

    def phase_at(self, now_ns: int) -> str:
        """The phase that people are shown."""
        return next((name for name, at in reversed(self.phases) if at <= now_ns), "connect")

    @property
    def planned_end_ns(self) -> int | None:
        """The instant at which `-t` puts the beginning of the drain."""
        run_time_ns = self.plan.run_time_ns
        return None if run_time_ns is None else self.plan.started_ns + run_time_ns

    def measured_s(self, now_ns: int) -> float | None:
        """The length of the measure phase so far, by which every rate is divided; None before it begins."""
        if self.measure_start_ns is None:
            return None
        end_ns = now_ns if self.measure_end_ns is None else self.measure_end_ns
        return max(0, end_ns - self.measure_start_ns) / NS_PER_S or None

    @property
    def settled(self) -> bool:
        """Whether every expected user has connected, or failed once."""
        claimed = self.roster.claimed
        return claimed >= self._crowd.expected().playing and self.roster.settled >= claimed

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int, alive: Iterable[str]) -> Actions:
        """Called a few times a second. `alive`: the agents whose heartbeats arrive."""
        if self.phase is Phase.DONE:
            return []
        self._note_requested(now_ns)
        actions = self._keep_time(now_ns)
        self.roster.hear_of(set(alive))
        while (step := _STEPS.get(self.phase)) is not None and step.over(self, now_ns):
            self.phase = step.following
            actions += step.enter(self, now_ns)
        return actions + self._tell_who_is_there(now_ns)

    def _tell_who_is_there(self, now_ns: int) -> Actions:
        if self.measure_start_ns is None or self.stopping or not self.plan.scenario_users:
            return []
        moves = self._closing_up.due(now_ns, self._crowd.spawn_rate())
        news = self._attendance.news(self.roster.indices, self.roster.version, now_ns, LEAD_NS)
        self._present = news or self._present
        return [*moves, *([Send(news)] if news is not None else [])]

    def spawning_complete(self) -> None:
        """Locust has started all users."""
        self._spawned = True

    def _enter(self, name: str, at_ns: int) -> None:
        self.phases.append((name, at_ns))
        self.collector.phases = self.phases

    def _spawned_all(self, _: int) -> bool:
        return self._spawned or not self.plan.scenario_users

    def _settle(self, now_ns: int) -> Actions:
        if self.plan.scenario_users:
            self._enter("settle", now_ns)
            self._deadline_ns = now_ns + self.plan.config.settle_ns
        return []

    def _settled(self, now_ns: int) -> bool:
        return not self.plan.scenario_users or self.settled or now_ns >= self._deadline_ns

    def _publish(self, now_ns: int) -> Actions:
        """Sets the instants of warm-up and measure phase, and sends them to the agents."""
        says: Actions = [Say(self._how_settled(now_ns))] if self.plan.scenario_users else []
        self._ordinals = {agent: at for at, agent in enumerate(sorted(self.roster.agents))}
        begin = now_ns + (LEAD_NS if self.plan.scenario_users else 0)
        measure = begin + self.plan.config.warmup_ns
        if measure > begin:
            self._enter("warmup", begin)
            says += self._open_window(0, begin, measure)
        self._enter("measure", measure)
        self.epoch = 1
        self.measure_start_ns = measure
        self.requested.measure(measure)
        self.roster.clocks.start_over()
        return says + self._open_window(1, measure, self._publish_until_ns(measure))

    def _how_settled(self, now_ns: int) -> str:
        states, users = self.roster.agents.values(), self._crowd.expected().playing
        return settle_line(
            in_time=self.settled,
            seconds=(now_ns - self.plan.started_ns) / NS_PER_S,
            users=users,
            connected=min(users, self.collector.open),  # a locustfile's own clients are among the open ones
            joiners=sum(state.joiners for state in states),
            joined=sum(state.joined for state in states),
        )

    def _begun(self, now_ns: int) -> bool:
        return self.measure_start_ns is not None and now_ns >= self.measure_start_ns

    def _publish_until_ns(self, start_ns: int) -> int:
        end = self.planned_end_ns
        return FOREVER_NS if end is None else max(end, start_ns)

    def _open_window(self, epoch: int, start_ns: int, until_ns: int) -> Actions:
        window = Window(epoch, start_ns, until_ns)
        self._windows.append(window)
        return [self._window_for(name, window) for name, state in self.roster.agents.items() if state.timed]

    def _window_for(self, agent: str, window: Window) -> Send:
        return Send(window._replace(ordinal=self._ordinals.get(agent), agents=len(self._ordinals)), agent)

    # -- requests ------------------------------------------------------------------------------

    def set_rate(self, per_second: int, at_ns: int) -> Actions:
        """From `at_ns` on, all publishers together send this many messages a second."""
        self._rate = Rate(per_second, at_ns)
        return [Send(self._rate)]

    def retry(self) -> Actions:
        """Makes users that back off retry soon, because the reason for the refusals is gone."""
        return [Send(Retry())]

    def reset(self, now_ns: int) -> Actions:
        """Statistics start again everywhere at one instant: Locust's "reset stats"."""
        if self.stopping:
            return []
        at = self.reset_ns = now_ns + LEAD_NS
        self.collector.reset()
        if not self._begun(at):
            return [Send(Reset(at, None))]
        self.epoch += 1
        self.measure_start_ns = at
        self.requested.measure(at)
        self._enter("measure", at)
        return [Send(Reset(at, self.epoch)), *self._open_window(self.epoch, at, self._publish_until_ns(at))]

    def drain(self, now_ns: int) -> Actions:
        """Stops publishing and requests the agents' accounts. A second call does nothing."""
        if self.stopping:
            return []
        self._note_requested(now_ns)
        self.phase = Phase.DRAIN_FINALS
        self.measure_end_ns = end_instant(now_ns + LEAD_NS // 4, self.planned_end_ns)
        self.requested.end(self.measure_end_ns)
        self._enter("drain", self.measure_end_ns)
        self._deadline_ns = self.measure_end_ns + ANSWER_NS
        self._end = End(self.measure_end_ns)
        return [Send(self._end)]

    def _finals_are_in(self, now_ns: int) -> bool:
        return now_ns >= self._deadline_ns or not self.roster.silent(_has_finals)

    def _ask_for_accounts(self, now_ns: int) -> Actions:
        self.roster.give_up(_has_finals)
        assert self.measure_end_ns is not None
        states, drain_ns = list(self.roster.agents.values()), self.plan.config.drain_ns
        self._deadline_ns = now_ns + drain_ns + ANSWER_NS
        self._expected = expected = Expectations(states, drain_ns, self.measure_end_ns)
        return [Send(expected.of(state.hears), state.agent) for state in states]

    def _accounts_are_in(self, now_ns: int) -> bool:
        return now_ns >= self._deadline_ns or not self.roster.silent(_has_finished)

    def _close(self, now_ns: int) -> Actions:
        self.roster.give_up(_has_finished)
        self.ended_ns = now_ns
        self.collector.close()
        return []

    # -- agents ----------------------------------------------------------------------------------------------

    def received(self, agent: str, run: int, message: ToCoordinator, now_ns: int) -> Actions:
        """Handles an agent's message. `run`: the number of the run that the message belongs to."""
        if run != self.plan.number or self.phase is Phase.DONE:
            return []
        if agent not in self.roster.agents and not isinstance(message, Hello):
            return []  # sent before its hello
        return HEARD[type(message)](self, agent, message, now_ns)

    def _hello(self, agent: str, hello: Hello, now_ns: int) -> Actions:
        self.roster.join(agent, hello.host, now_ns)
        drain = [self._end, None if self._expected is None else self._expected.of(None)]
        return [*(Send(message, agent) for message in drain if message is not None), *self._keep_time(now_ns)]

    def _keep_time(self, now_ns: int) -> Actions:
        """Sends clock requests and new lines; an agent whose clock is known for the first time gets the plan."""
        actions: Actions = [AskClock(agent) for agent in self.roster.clocks.due(now_ns)]
        for agent, line in self.roster.clocks.news(now_ns):
            actions.append(Send(Clock(*line), agent))
            if not self.roster.agents[agent].timed:
                actions += self._plan(agent, now_ns)
        return actions

    def _plan(self, agent: str, now_ns: int) -> Actions:
        waiting = self.roster.time_known(agent)
        actions: Actions = []
        if not self.stopping:  # a window that came after the end would start publishing again
            actions += [self._window_for(agent, window) for window in self._windows]
            actions += [Send(each, agent) for each in (self._rate, self._present) if each is not None]
        return actions + (self._grant(agent, waiting, now_ns) if waiting else [])

    def _claim(self, agent: str, claim: Claim, now_ns: int) -> Actions:
        if self.roster.agents[agent].timed:
            return self._grant(agent, claim.users, now_ns)
        self.roster.wait(agent, claim.users)
        return []

    def _grant(self, agent: str, count: int, now_ns: int) -> Actions:
        self._note_requested(now_ns)  # a request begins with its slots
        return [Send(self.roster.grant(agent, count, now_ns, self._crowd), agent)]

    def _release(self, agent: str, release: Release, _: int) -> Actions:
        self.roster.release(agent, release.user_index)
        return []

    def _status(self, agent: str, status: Status, _: int) -> Actions:
        self.roster.status(agent, status)
        return []

    def _report(self, agent: str, report: Report, _: int) -> Actions:
        self.collector.add(agent, report)
        return []

    def _pong(self, agent: str, pong: ClockReply, now_ns: int) -> Actions:
        self.roster.clocks.pong(agent, pong, now_ns)
        return self._keep_time(now_ns)

    def _finals(self, agent: str, finals: Finals, _: int) -> Actions:
        self.roster.finals(agent, finals)
        return []

    def _accounts(self, agent: str, accounts: Accounts, _: int) -> Actions:
        self.collector.finish(agent, accounts)
        self.roster.finish(agent)
        return []

    def _note_requested(self, now_ns: int) -> None:
        if not self.stopping:
            asked, rate, roster = self._crowd.requested(), self._crowd.spawn_rate(), self.roster
            self.requested.note(asked, rate, roster.claimed, roster.settled, now_ns)


def _has_finals(state: AgentState) -> bool:
    return state.finals is not None


def _has_finished(state: AgentState) -> bool:
    return state.finished


class _Step(NamedTuple):
    """How a phase ends: the condition, the next phase, and what that one begins with."""

    over: Callable[[Conductor, int], bool]
    following: Phase
    enter: Callable[[Conductor, int], Actions]


_STEPS: dict[Phase, _Step] = {
    Phase.CONNECT: _Step(Conductor._spawned_all, Phase.SETTLE, Conductor._settle),
    Phase.SETTLE: _Step(Conductor._settled, Phase.WARMUP, Conductor._publish),
    Phase.WARMUP: _Step(Conductor._begun, Phase.MEASURE, lambda conductor, now_ns: []),
    Phase.DRAIN_FINALS: _Step(Conductor._finals_are_in, Phase.DRAIN_ACCOUNTS, Conductor._ask_for_accounts),
    Phase.DRAIN_ACCOUNTS: _Step(Conductor._accounts_are_in, Phase.DONE, Conductor._close),
}
"""The phases that end by themselves. `drain` ends the phases before it, MEASURE among them."""

HEARD: dict[type[Any], Callable[[Conductor, str, Any, int], Actions]] = {
    Hello: Conductor._hello,
    Claim: Conductor._claim,
    Release: Conductor._release,
    Status: Conductor._status,
    Report: Conductor._report,
    ClockReply: Conductor._pong,
    Finals: Conductor._finals,
    Accounts: Conductor._accounts,
}
"""The conductor's handler of each kind of message from an agent."""
