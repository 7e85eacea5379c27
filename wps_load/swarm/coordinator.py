"""Carries out the conductor's decisions, and feeds it messages and time, in the master or the only process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from wps_load.clock import now_ns
from wps_load.swarm.actions import Action, Actions, AskClock, Say
from wps_load.swarm.bus import Bus
from wps_load.swarm.conductor import Conductor, Phase
from wps_load.swarm.gathering import Gathering
from wps_load.swarm.messages import ClockRequest, ToCoordinator
from wps_load.swarm.run_plan import Crowd, Expected

_POLL_S = 0.02
"""The polling interval while somebody waits for the next state."""
_WATCH_S = 0.1
"""The polling interval otherwise: for clocks, and for agents that are lost."""


class Coordinator:
    """`say(sentence)` writes to the terminal."""

    def __init__(
        self,
        conductor: Conductor,
        bus: Bus,
        crowd: Crowd,
        *,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.conductor = conductor
        self.crowd = crowd
        self._bus = bus
        self._say = say
        self.on_publish: Callable[[], None] | None = None
        """Called once, when the instants of publishing are set."""
        self._queue: deque[Action] = deque()
        self._sends = False
        self._wake = Event()

    def start(self) -> None:
        """The run begins."""
        self._bus.on_coordinator = self._received
        gevent.spawn(self._beats)

    def _beats(self) -> None:
        while not self.conductor.stopping:
            self._tick()
            self._wake.wait(_POLL_S if self.conductor.phase is Phase.SETTLE else _WATCH_S)
            self._wake.clear()

    def _tick(self) -> None:
        self._perform(self.conductor.tick(now_ns(), self._bus.agents()))
        if self.on_publish is not None and self.conductor.measure_start_ns is not None:
            on_publish, self.on_publish = self.on_publish, None
            on_publish()

    def _received(self, agent: str, run: int, message: ToCoordinator) -> None:
        self._perform(self.conductor.received(agent, run, message, now_ns()))

    def _perform(self, actions: Actions) -> None:
        """Carries out actions in the order of their decisions, even if sending lets other greenlets run."""
        self._queue.extend(actions)
        if self._sends:
            return  # the caller that is performing continues with these
        self._sends = True
        try:
            while self._queue:
                self._carry_out(self._queue.popleft())
        finally:
            self._sends = False

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, AskClock):
            self._bus.to_agents(ClockRequest(now_ns()), action.agent)
        elif isinstance(action, Say):
            self._say(action.sentence)
        else:
            self._bus.to_agents(action.message, action.agent)

    # -- requests ------------------------------------------------------------------------------

    def spawning_complete(self) -> None:
        self.conductor.spawning_complete()
        self._wake.set()

    def set_rate(self, per_second: int, at_ns: int) -> None:
        self._perform(self.conductor.set_rate(per_second, at_ns))

    def retry(self) -> None:
        self._perform(self.conductor.retry())

    def reset(self) -> None:
        self._perform(self.conductor.reset(now_ns()))

    def await_users(self, count: int, patience_ns: int) -> Expected:
        """Waits until Locust has `count` users that have connected, or until no more came in `patience_ns`.

        Returns the number of users of each kind.
        """
        gathering = Gathering(self.conductor, self.crowd, count, patience_ns, now_ns())
        while (found := gathering.over(now_ns())) is None:
            gevent.sleep(_POLL_S)
        return found

    def drain(self) -> None:
        """Stops publishing and waits for messages in flight and all accounts. A second caller waits with the first."""
        self._perform(self.conductor.drain(now_ns()))
        self._wake.set()
        while self.conductor.phase is not Phase.DONE:
            self._tick()
            gevent.sleep(_POLL_S)
