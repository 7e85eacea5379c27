"""The conductor against tiny agents: workers are lost at every step, say hello late, answer late or never.

Each agent does what the real one does with a message, on a clock of its own, and checks that nothing that it is told
comes too early, twice or out of order. Whatever happens, the run ends in time, and every account that came counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.swarm.runs import NUMBER, FakeCrowd, configured, planned, report
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.ledger import LedgerTotals
from wps_load.swarm.actions import Actions, AskClock, Say
from wps_load.swarm.conductor import ANSWER_NS, LEAD_NS, Conductor, Phase
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Finals,
    Grant,
    Hello,
    Release,
    Reset,
    Status,
    ToAgent,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.stream_finals import NO_STREAMS

AGENTS = ("a", "b", "c")
STEP_NS = 100 * NS_PER_MS
LAST_NS = 60 * NS_PER_S


@dataclass
class Agent:
    """One worker. `offset_ns`: of its clock, unless it is on the coordinator's host."""

    name: str
    offset_ns: int
    alive: bool = False
    mute: bool = False
    """It hears, and says nothing."""
    timed: bool = False
    dead: bool = False
    """It never comes back: else it is only paused, and hears what was said meanwhile."""
    inbox: list[ToAgent] = field(default_factory=list)
    heard: list[ToAgent] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    slots: set[int] = field(default_factory=set)
    claimed: int = 0
    to_say: list[ToCoordinator] = field(default_factory=list)
    """What it will answer when its turn comes."""
    finals: int = 0
    accounts: LedgerTotals | None = None

    def hello(self) -> Hello:
        self.alive = True
        return Hello("here" if not self.offset_ns else self.name)

    def told(self, message: ToAgent, now_ns: int) -> None:
        self.heard.append(message)
        if isinstance(message, ClockRequest):
            self.to_say.append(ClockReply(message.sent_ns, now_ns + self.offset_ns))
        elif isinstance(message, Clock):
            self.timed = True
        elif isinstance(message, Window):
            self._plan(message)
        elif isinstance(message, Grant):
            assert self.timed, "an instant for a clock that nobody knows"
            granted = {slot.user_index for slot in message.slots}
            assert not granted & self.slots
            self.slots |= granted
            self.to_say.append(Status(len(self.slots), len(self.slots), 0, 0))
        elif isinstance(message, End):
            assert sum(isinstance(each, End) for each in self.heard) == 1, "once"
            self.finals += 1
            self.to_say.append(Finals(NO_STREAMS, [[0, self.offset_ns, 0]], []))
        elif isinstance(message, Expect):
            assert any(isinstance(each, End) for each in self.heard), "accounts before the end"
            totals = LedgerTotals(1, 0, 1, 1, 0, 0, 0)
            self.to_say += [report(99, partial=True, counts={"published": 1}), Accounts(totals, 0)]

    def _plan(self, window: Window) -> None:
        assert self.timed, "an instant for a clock that nobody knows"
        assert not any(isinstance(each, End) for each in self.heard), "publishing begins after its end"
        if self.windows:
            before = self.windows[-1]
            assert window.epoch == before.epoch + 1
            assert window.start_ns >= before.start_ns
        self.windows.append(window)


class Run:
    """A run with its agents, on a clock of the test's."""

    def __init__(self, warmup_s: int, offsets_ns: tuple[int, ...], ours: bool) -> None:
        self.now_ns = 0
        config = configured(users=6, settle="2s", warmup=f"{warmup_s}s", drain="3s")
        self.crowd = FakeCrowd(6)
        self.conductor = Conductor(planned(config, scenario_users=ours), self.crowd, own_host="here")
        self.agents = {name: Agent(name, offset) for name, offset in zip(AGENTS, offsets_ns, strict=True)}
        self.interrupted_ns: int | None = None
        self.said = 0
        self.counted: dict[str, LedgerTotals] = {}
        self.greeted: set[str] = set()

    @property
    def alive(self) -> set[str]:
        return {name for name, agent in self.agents.items() if agent.alive}

    def perform(self, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Say):
                self.said += 1
                continue
            message = ClockRequest(self.now_ns) if isinstance(action, AskClock) else action.message
            for name in self.agents if action.agent is None else (action.agent,):
                if name in self.greeted:
                    self.agents[name].inbox.append(message)
                    self._read(self.agents[name])

    def hear(self, agent: Agent, message: ToCoordinator) -> None:
        if self.conductor.phase is not Phase.DONE and isinstance(message, Accounts):
            self.counted[agent.name] = message.totals
        self.perform(self.conductor.received(agent.name, NUMBER, message, self.now_ns))

    def tick(self) -> None:
        self.perform(self.conductor.tick(self.now_ns, self.alive))
        self.judge()

    # -- what may happen -------------------------------------------------------------------------------------

    def step(self, what: str, who: int) -> None:
        agent = self.agents[AGENTS[who]]
        getattr(self, f"_{what}")(agent)
        self.tick()

    def _hello(self, agent: Agent) -> None:
        if agent.name not in self.greeted and self.conductor.phase is not Phase.DONE:
            self.greeted.add(agent.name)
            self.hear(agent, agent.hello())

    def _claim(self, agent: Agent) -> None:
        if agent.alive:
            agent.claimed += 2
            self.hear(agent, Claim(2))

    def _release(self, agent: Agent) -> None:
        if agent.alive and agent.slots:
            self.hear(agent, Release(agent.slots.pop()))

    def _answer(self, agent: Agent) -> None:
        """All that it has to say, what its answers bring included."""
        for _ in range(20):
            if not agent.alive or agent.mute or not agent.to_say:
                return
            self.hear(agent, agent.to_say.pop(0))

    def _read(self, agent: Agent) -> None:
        while agent.alive and agent.inbox:
            agent.told(agent.inbox.pop(0), self.now_ns)

    def _lose(self, agent: Agent) -> None:
        agent.alive, agent.dead = False, True

    def _pause(self, agent: Agent) -> None:
        agent.alive = False

    def _go_on(self, agent: Agent) -> None:
        agent.alive = agent.name in self.greeted and not agent.dead
        self._read(agent)

    def _mute(self, agent: Agent) -> None:
        agent.mute = not agent.mute

    def _spawned(self, _: Agent) -> None:
        self.conductor.spawning_complete()

    def _reset(self, _: Agent) -> None:
        before = self.conductor.epoch
        actions = self.conductor.reset(self.now_ns)
        self.perform(actions)
        measuring = self.conductor.epoch > before
        assert bool(actions) is not self.conductor.stopping
        assert self.conductor.epoch - before == measuring
        resets = [each.message for each in actions if not isinstance(each, AskClock | Say)]
        for reset in resets:
            if isinstance(reset, Reset):
                assert reset == Reset(self.now_ns + LEAD_NS, self.conductor.epoch if measuring else None)

    def _wait(self, _: Agent) -> None:
        for _step in range(10):
            self.now_ns += STEP_NS
            self.tick()

    def _interrupt(self, _: Agent) -> None:
        actions = self.conductor.drain(self.now_ns)
        assert bool(actions) is (self.interrupted_ns is None), "the second one does nothing"
        self.interrupted_ns = self.now_ns if self.interrupted_ns is None else self.interrupted_ns
        self.perform(actions)

    # -- what must hold --------------------------------------------------------------------------------------

    def judge(self) -> None:
        conductor = self.conductor
        roster = conductor.roster
        assert not roster.lost & {name for name, state in roster.agents.items() if state.finished}
        held = [index for state in roster.agents.values() for index in state.indices]
        assert len(held) == len(set(held)), "two users have one index"
        names = [name for name, _ in conductor.phases]
        order = ["connect", "settle", "warmup", "measure", "drain"]
        assert [order.index(name) for name in names] == sorted(order.index(name) for name in names)
        assert conductor.stopping is (self.interrupted_ns is not None)

    def end(self) -> None:
        """Everybody who can answers from now on."""
        self._interrupt_if_not_yet()
        while self.conductor.phase is not Phase.DONE:
            assert self.now_ns < LAST_NS * 10, "the drain has an end"
            for agent in self.agents.values():
                self._answer(agent)
            self.now_ns += STEP_NS
            self.tick()

    def _interrupt_if_not_yet(self) -> None:
        if self.interrupted_ns is None:
            self._interrupt(self.agents["a"])


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "hello",
                "claim",
                "release",
                "answer",
                "answer",
                "lose",
                "pause",
                "go_on",
                "mute",
                "spawned",
                "reset",
                "wait",
                "interrupt",
            ]
        ),
        st.integers(0, 2),
    ),
    max_size=40,
)
offsets = st.tuples(*[st.sampled_from([0, 0, 3600 * NS_PER_S, -7 * NS_PER_S])] * 3)


@given(steps, offsets, st.sampled_from([0, 2]), st.booleans())
@settings(deadline=None, max_examples=150)
def test_whatever_happens_the_run_ends_in_time_and_its_accounts_count(
    taken: list[tuple[str, int]], offsets_ns: tuple[int, ...], warmup_s: int, ours: bool
) -> None:
    run = Run(warmup_s, offsets_ns, ours)
    for what, who in taken:
        run.step(what, who)
    run.end()
    conductor, roster = run.conductor, run.conductor.roster
    assert conductor.ended_ns is not None
    assert conductor.measure_end_ns is not None
    drain_ns = conductor.plan.config.drain_ns
    assert conductor.ended_ns - conductor.measure_end_ns <= 2 * ANSWER_NS + drain_ns + 2 * 10 * STEP_NS
    for name in roster.agents:
        assert roster.agents[name].finished is not (name in roster.lost), "it has answered, or it is lost"
    came = {name for name in run.counted if name in roster.agents}
    totals = conductor.collector.totals()
    assert (0 if totals is None else totals.published) >= len(came)
    assert {name for name, state in roster.agents.items() if state.finished} == came
    told = [agent.windows for agent in run.agents.values() if agent.windows]
    for windows in told:
        for window in windows:
            same = {(each.start_ns, each.until_ns) for all_of in told for each in all_of if each.epoch == window.epoch}
            assert len(same) == 1, "all change at one instant"


@given(st.integers(0, 5), offsets)
@settings(deadline=None)
def test_a_worker_that_is_lost_at_any_step_costs_only_itself(at: int, offsets_ns: tuple[int, ...]) -> None:
    """Two workers go through a whole run; one of them goes before the step `at`."""
    run = Run(2, offsets_ns, ours=True)
    course = ["hello", "claim", "spawned", "wait", "wait", "interrupt"]
    for number, what in enumerate(course):
        if number == at:
            run.step("lose", 1)
        for who in (0, 1) if number < at else (0,):
            run.step(what, who)
            run.step("answer", who)
    run.end()
    finished = {name for name, state in run.conductor.roster.agents.items() if state.finished}
    assert finished == {"a"}
    assert run.conductor.roster.lost == ({"b"} if at else set())
    windows = [each for each in run.agents["a"].windows if each.epoch]
    assert windows, "the other one has published"
    assert windows[0].start_ns - run.agents["a"].windows[0].start_ns == 2 * NS_PER_S
