"""What each agent learns in the drain: the finals of the streams that its receivers can hear, and no others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wps_load.swarm.messages import Expect
from wps_load.swarm.run_plan import AgentState
from wps_load.swarm.stream_finals import NO_STREAMS, FinalsOfAll


class Expectations:
    """`states`: all agents. An agent that has sent no finals is lost: nothing is known of its streams."""

    def __init__(self, states: Iterable[AgentState], drain_ns: int, end_ns: int) -> None:
        states = list(states)
        self._finals = FinalsOfAll([state.finals or NO_STREAMS for state in states])
        self._clocks = [state.clock for state in states]
        self._known = self._finals.known()
        self._drain_ns = drain_ns
        self._end_ns = end_ns

    def of(self, hears: Sequence[int] | None) -> Expect:
        """The finals for an agent that hears these audiences; None: unknown, so it gets those of all streams."""
        streams = self._finals.heard(hears)
        named = set(streams.table["clock"].tolist())
        clocks = [clock if number in named else () for number, clock in enumerate(self._clocks)]
        return Expect(streams, clocks, self._known, self._drain_ns, self._end_ns)
