"""Clocks of other hosts: a model of two clocks and the way between them, and what the coordinator makes of it.

The truth is a function here, so that every bound can be held against it: lopsided ways, drift, temperature, pauses.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.client.timescale import MAX_LINES, Timescale
from wps_load.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from wps_load.swarm.clocks import EXCHANGES, PATIENCE_NS, ClockSync
from wps_load.swarm.corridor import ClockLine, Corridor
from wps_load.swarm.messages import ClockReply

HOUR_NS = 3600 * NS_PER_S
ways = st.integers(0, 10**8)
steps = st.integers(-(10**5), 10**5)


def in_run(scale: Timescale, local_ns: int) -> int:
    """The run's time at this instant of the scale's own clock."""
    return local_ns + scale.offset_at(local_ns)


@dataclass
class Model:
    """A coordinator and one agent. `true(t)`: the agent's clock at the coordinator's `t`, the inverse of what is asked.

    `way(t)`: there and back in ns. The agent follows the lines that it gets, as the real one does.
    """

    true: Callable[[int], int]
    way: Callable[[int], tuple[int, int]]
    sync: ClockSync = field(default_factory=lambda: ClockSync("here"))
    scale: Timescale | None = None
    told: int = 0

    def __post_init__(self) -> None:
        self.sync.hello("far", "there", 0)

    def run(self, until_ns: int, step_ns: int = 700 * NS_PER_MS) -> Iterator[tuple[int, int]]:
        """(the coordinator's instant, how wrong the agent is about it), each step from when the clock is known."""
        now = 0
        while now < until_ns:
            now = self._exchange(now)
            if self.scale is not None:
                yield now, in_run(self.scale, self.true(now)) - now
            now += step_ns

    def _exchange(self, now: int) -> int:
        while self.sync.due(now):
            there, back = self.way(now)
            self.sync.pong("far", ClockReply(now, self.true(now + there)), now + there + back)
            now += there + back
            for _, line in self.sync.news(now):
                self.told += 1
                if self.scale is None:
                    self.scale = Timescale()
                    self.scale.begin(*line)
                else:
                    self.scale.follow(self.true(now + there), *line)
        return now


def drifting(offset_ns: int, ppm: float, wave_ppm: float = 0.0) -> Callable[[int], int]:
    """A clock whose rate is wrong by `ppm`, and by up to `wave_ppm` more as temperatures come and go."""

    def true(t: int) -> int:
        turns = 2 * math.pi / (600 * NS_PER_S)
        return t - offset_ns + int(t * ppm / 1e6 + wave_ppm / 1e6 / turns * (1 - math.cos(t * turns)))

    return true


def jittery(seed: int, there_us: int, back_us: int, jitter_us: int) -> Callable[[int], tuple[int, int]]:
    chance = random.Random(seed)

    def way(_: int) -> tuple[int, int]:
        there = there_us * 1000 + int(chance.expovariate(1 / (jitter_us * 1000 + 1)))
        return there, back_us * 1000 + int(chance.expovariate(1 / (jitter_us * 1000 + 1)))

    return way


@pytest.mark.parametrize("ppm", [-100.0, 100.0, 400.0])
def test_an_hour_of_drift_stays_within_the_bound(ppm: float) -> None:
    model = Model(drifting(-7 * HOUR_NS, ppm), jittery(1, 60, 90, 20))
    bounds = []
    for now, wrong in model.run(HOUR_NS):
        bound = model.sync.error_ns(now)
        assert bound is not None
        assert abs(wrong) <= bound + NS_PER_US, f"{now / NS_PER_S:.1f} s"
        if now > 10 * NS_PER_S:
            model.sync.start_over()
            bounds.append(abs(wrong))
    assert max(bounds) < 150 * NS_PER_US, "not merely a wide bound: it is followed"
    assert model.told < 1200, "lines are kept for the accounts"


def test_a_measured_hour_has_a_narrow_bound() -> None:
    """The bound that is published is the widest since the measure phase began, some seconds after the hello."""
    model = Model(drifting(HOUR_NS, 100.0), jittery(2, 60, 60, 20))
    widest = 0
    for now, wrong in model.run(HOUR_NS // 2):
        if now < 5 * NS_PER_S:
            model.sync.start_over()
        widest = max(widest, abs(wrong)) if now > 5 * NS_PER_S else 0
    bound = model.sync.error_ns(now)
    assert bound is not None
    assert widest <= bound < NS_PER_MS


@pytest.mark.parametrize("wave_ppm", [0.2, 1.0])
def test_temperatures_change(wave_ppm: float) -> None:
    """Real crystals move by some tenths of a ppm in minutes."""
    model = Model(drifting(5 * NS_PER_S, 30.0, wave_ppm), jittery(3, 100, 100, 50))
    for now, wrong in model.run(HOUR_NS // 2):
        bound = model.sync.error_ns(now)
        assert bound is not None
        assert abs(wrong) <= bound + NS_PER_US


@given(
    st.integers(-(10**15), 10**15),
    st.floats(-300, 300),
    st.lists(st.tuples(ways, ways, st.integers(0, 5 * 10**9)), min_size=1, max_size=30),
)
@settings(deadline=None)
def test_any_way_keeps_the_truth_in_the_corridor(
    offset_ns: int, ppm: float, exchanges: list[tuple[int, int, int]]
) -> None:
    true, corridor, now = drifting(offset_ns, ppm), Corridor(), 0
    for there, back, pause in exchanges:
        corridor.add(now, true(now + there), now + there + back)
        now += there + back
        low, high, slowest, fastest = corridor.at(true(now))
        assert low - 2 <= now - true(now) <= high + 2
        now += pause
        low, high, slowest, fastest = corridor.at(true(now))
        assert low - 2 <= now - true(now) <= high + 2, "and until the next one"
        assert slowest - 1e-9 <= -ppm / 1e6 / (1 + ppm / 1e6) <= fastest + 1e-9


def test_lopsided_ways_are_within_the_bound() -> None:
    model = Model(drifting(0, 50.0), lambda _: (5 * NS_PER_MS, 200 * NS_PER_US))
    for now, wrong in model.run(60 * NS_PER_S):
        bound = model.sync.error_ns(now)
        assert bound is not None
        assert abs(wrong) <= bound
    assert abs(wrong) > NS_PER_MS, "nobody can see that the way there is the longer one"


def test_a_worker_that_paused_is_followed_again() -> None:
    """Its machine was suspended for 20 s, in which its monotonic clock stood still."""

    def true(t: int) -> int:
        return t if t < 100 * NS_PER_S else t - 20 * NS_PER_S

    model = Model(true, jittery(4, 60, 60, 10))
    for now, wrong in model.run(130 * NS_PER_S):
        if now > 102 * NS_PER_S:
            assert abs(wrong) < NS_PER_MS
    bound = model.sync.error_ns(now)
    assert bound is not None
    assert bound >= 19 * NS_PER_S, "what was measured at that moment is wrong by so much"


def test_a_worker_that_does_not_answer_for_a_while_has_a_wider_bound() -> None:
    model = Model(drifting(0, 100.0), jittery(5, 60, 60, 10))
    for now, _ in model.run(60 * NS_PER_S):  # noqa: B007 the last one is what is asked about
        model.sync.start_over()
    before, later = model.sync.error_ns(now), model.sync.error_ns(now + 60 * NS_PER_S)
    assert before is not None
    assert later is not None
    assert before < later < 10 * NS_PER_MS, "but its rate is known"


# -- the coordinator's side -----------------------------------------------------------------------------------------


def test_one_host_has_one_clock() -> None:
    sync = ClockSync("here")
    sync.hello("near", "here", 0)
    assert sync.due(0) == ["near"]
    assert not sync.known("near", 0)
    sync.pong("near", ClockReply(0, 4), 5)
    assert sync.due(HOUR_NS) == [], "it is asked once"
    assert sync.known("near", 0)
    assert sync.news(0) == [("near", ClockLine(0, 0, 0))]
    assert sync.news(1) == [], "once"
    assert sync.error_ns(10 * NS_PER_S) == 0


def test_an_unknown_offset_is_unknown_not_zero() -> None:
    sync = ClockSync("here")
    sync.hello("far", "there", 0)
    sync.hello("near", "here", 0)
    assert not sync.known("far", HOUR_NS)
    sync.pong("near", ClockReply(0, 0), 0)
    assert [name for name, _ in sync.news(HOUR_NS)] == ["near"]
    assert sync.error_ns(0) is None


def test_the_same_identity_with_another_clock_is_another_host() -> None:
    """Two virtual machines from one snapshot have the same boot id."""
    model = Model(drifting(3 * NS_PER_S, 20.0), jittery(6, 60, 60, 10))
    model.sync.hello("far", "here", 0)
    for now, wrong in model.run(20 * NS_PER_S):
        bound = model.sync.error_ns(now)
        assert bound is not None
        assert 0 < abs(wrong) <= bound < NS_PER_S


def test_nothing_is_reported_before_some_exchanges_or_some_patience() -> None:
    sync = ClockSync("here")
    sync.hello("far", "there", 0)
    asked = 0
    for now in range(0, EXCHANGES * NS_PER_MS, NS_PER_MS):
        assert sync.news(now) == []
        assert sync.due(now) == ["far"], "at once when the last one is answered"
        asked += 1
        sync.pong("far", ClockReply(now, now), now + 1)
    assert asked == EXCHANGES
    assert sync.due(now + NS_PER_MS) == [], "more rarely from now on"
    assert len(sync.news(now)) == 1
    slow = ClockSync("here")
    slow.hello("far", "there", 0)
    slow.due(0)
    slow.pong("far", ClockReply(0, 5), NS_PER_S)
    assert not slow.known("far", NS_PER_S)
    assert slow.known("far", PATIENCE_NS + 1)


def test_of_two_far_agents_the_errors_add_up_and_a_lost_one_stays_in_it() -> None:
    sync = ClockSync("here")
    for name in ("a", "b"):
        sync.hello(name, "there", 0)
        for now in range(0, EXCHANGES * NS_PER_MS, NS_PER_MS):
            sync.pong(name, ClockReply(now, now), now + 100_000)
        sync.news(now)
    errors = sync.errors_ns(now + NS_PER_S)
    assert sync.error_ns(now + NS_PER_S) == sum(error or 0 for error in errors.values())
    sync.pong("a", ClockReply(now + NS_PER_S, now + NS_PER_S), now + NS_PER_S + 100_000)
    sync.leave("a")
    sync.leave("b")
    assert sync.error_ns(now + HOUR_NS) == sync.error_ns(now + 2 * HOUR_NS), "it does not age any more"
    assert sync.due(now + HOUR_NS) == []


# -- the agent's side -----------------------------------------------------------------------------------------------


def test_a_shared_clock_is_the_same_time() -> None:
    scale = Timescale()
    for instant in (-5, 0, 1 << 62):
        assert in_run(scale, instant) == scale.to_local(instant) == instant


@given(
    st.lists(st.tuples(st.integers(1, 10**10), steps, steps), max_size=20),
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(-(10**9), 10**12), min_size=1),
)
def test_there_and_back_is_the_same_instant(
    changes: list[tuple[int, int, int]], offset_ns: int, instants: list[int]
) -> None:
    """But for the steps between two lines, which are as small as the bound."""
    scale, now, moved = Timescale(), 0, 1
    scale.begin(0, offset_ns, 0)
    for after_ns, step_ns, ppb in changes:
        now += after_ns
        before = scale.offset_at(now)
        scale.follow(now, now, before + step_ns, ppb)
        moved += abs(step_ns)
    copy = Timescale(scale.to_wire())
    for instant in instants:
        assert abs(copy.to_local(in_run(scale, instant)) - instant) <= 2 * moved + 2


def test_an_instant_of_an_hour_ago_is_where_it_was_put_then() -> None:
    scale = Timescale()
    scale.begin(0, 5 * NS_PER_S, 0)
    scale.follow(HOUR_NS, HOUR_NS, 5 * NS_PER_S + 360 * NS_PER_MS, 100_000)
    assert scale.to_local(in_run(scale, NS_PER_S)) == NS_PER_S
    assert in_run(scale, NS_PER_S) == 6 * NS_PER_S
    assert in_run(scale, 2 * HOUR_NS) == 2 * HOUR_NS + 5 * NS_PER_S + 720 * NS_PER_MS


def test_days_of_lines_stay_bounded_and_close() -> None:
    """A clock whose rate goes up and down by 1 ppm within ten minutes, with a new line each half minute."""
    true, scale = drifting(HOUR_NS, 50.0, 1.0), Timescale()
    scale.begin(true(0), -true(0), 0)
    every_ns = 30 * NS_PER_S
    for now in range(every_ns, 24 * HOUR_NS, every_ns):
        here, ahead = true(now), true(now + NS_PER_S)
        scale.follow(here, here, now - here, round((NS_PER_S - (ahead - here)) / (ahead - here) * 1e9))
    assert len(scale.to_wire()) <= MAX_LINES
    for now in range(HOUR_NS, 24 * HOUR_NS, 97 * NS_PER_S):
        assert abs(in_run(scale, true(now)) - now) < NS_PER_MS
