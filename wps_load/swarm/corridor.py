"""What clock exchanges with another host prove about its clock: offset, rate, and a reliable bound. Pure.

An exchange: a ping leaves at t1, the agent's clock reads w, and the answer is back at t2. The w was read somewhere in
[t1, t2], so that at w the offset (coordinator minus agent) was in [t1 - w, t2 - w], however asymmetric the path was.
Clocks drift apart at a rate that hardly changes in a minute, so all offsets lie on one straight line, and a line that
misses one of the intervals is wrong. The lines that remain form a corridor; its middle is the estimate and half its
width is the bound. (Of the estimators of clock skew this is the one with linear programming: Moon, Skelly, Towsley,
INFOCOM 1999.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wps_load.clock import NS_PER_S

PPM = 1_000_000
PPB = 1_000_000_000
MAX_RATE_PPM = 500
"""The fastest drift between two clocks: NTP's own limit for a clock that it steers."""
WANDER_PPM = 0.5
"""How far an offset may leave its straight line for each unit of an exchange's age: temperatures change."""
WINDOW_NS = 60 * NS_PER_S
BUCKET_NS = 3 * NS_PER_S
"""Of the exchanges in each such period only the tightest is kept: pairs are compared, and others add little."""


class ClockLine(NamedTuple):
    """Offsets from `from_ns` of the agent's clock on: `offset_ns` there, plus `ppb` billionths of the time since."""

    from_ns: int
    offset_ns: int
    ppb: int

    def at(self, agent_ns: int) -> int:
        return self.offset_ns + (agent_ns - self.from_ns) * self.ppb // PPB


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange: the offset was in [low_ns, high_ns] when the agent's clock was `agent_ns`."""

    agent_ns: int
    low_ns: int
    high_ns: int

    @property
    def width_ns(self) -> int:
        return self.high_ns - self.low_ns


class Bounds(NamedTuple):
    """The bounds of the offset at an instant, and of its rate (1 = a nanosecond a nanosecond)."""

    low_ns: int
    high_ns: int
    slowest: float
    fastest: float


class Corridor:
    """The last minute's exchanges with one agent."""

    __slots__ = ("_kept", "_slopes")

    def __init__(self) -> None:
        self._kept: list[Exchange] = []
        self._slopes = (0.0, 0.0)

    @property
    def known(self) -> bool:
        return bool(self._kept)

    def add(self, sent_ns: int, agent_ns: int, received_ns: int) -> None:
        """Adds an exchange. One that contradicts older ones wins: a clock was stopped, or has changed its rate."""
        new = Exchange(agent_ns, sent_ns - agent_ns, received_ns - agent_ns)
        kept = [each for each in self._kept if 0 <= agent_ns - each.agent_ns <= WINDOW_NS]
        if kept and kept[-1].agent_ns // BUCKET_NS == agent_ns // BUCKET_NS:
            if not _as_tight(kept[-1], new):
                kept.pop()
            elif _slopes([*kept, new]) is not None:
                return
        kept.append(new)
        while (slopes := _slopes(kept)) is None:
            kept.pop(0)
        self._kept, self._slopes = kept, slopes

    def at(self, agent_ns: int) -> Bounds:
        """The bounds of the offset at this instant of the agent's clock, which is not before the last exchange."""
        slowest, fastest = self._slopes
        ages = [(each, max(0, agent_ns - each.agent_ns)) for each in self._kept]
        low = max(each.low_ns + int(age * (slowest - WANDER_PPM / PPM)) - 1 for each, age in ages)
        high = min(each.high_ns + int(age * (fastest + WANDER_PPM / PPM)) + 1 for each, age in ages)
        return Bounds(min(low, high), max(low, high), slowest, fastest)

    def line(self, agent_ns: int) -> ClockLine:
        """The middle of the corridor, from this instant on."""
        low, high, slowest, fastest = self.at(agent_ns)
        return ClockLine(agent_ns, (low + high) // 2, round((slowest + fastest) / 2 * PPB))


def _as_tight(kept: Exchange, new: Exchange) -> bool:
    age_ns = new.agent_ns - kept.agent_ns
    return kept.width_ns + 2 * age_ns * MAX_RATE_PPM // PPM <= new.width_ns


def _slopes(exchanges: Sequence[Exchange]) -> tuple[float, float] | None:
    """The slowest and the fastest line that every pair of intervals allows; None if there is no line."""
    slowest, fastest = -MAX_RATE_PPM / PPM, MAX_RATE_PPM / PPM
    for at, later in enumerate(exchanges):
        for earlier in exchanges[:at]:
            apart_ns = later.agent_ns - earlier.agent_ns
            wander_ns = apart_ns * WANDER_PPM / PPM
            least, most = later.low_ns - earlier.high_ns - wander_ns, later.high_ns - earlier.low_ns + wander_ns
            if not apart_ns:
                if least > 0 or most < 0:
                    return None
                continue
            slowest, fastest = max(slowest, least / apart_ns), min(fastest, most / apart_ns)
    return (slowest, fastest) if slowest <= fastest else None
