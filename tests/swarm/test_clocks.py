from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.swarm.clocks import EXCHANGES, ClockSync


def exchange(sync: ClockSync, *, at_ns: int, there_ns: int, back_ns: int, offset_ns: int) -> None:
    agent_ns = at_ns + there_ns - offset_ns
    sync.pong("far", {"sent_ns": at_ns, "agent_ns": agent_ns}, at_ns + there_ns + back_ns)


def test_one_host_has_one_clock() -> None:
    sync = ClockSync("here")
    sync.hello("near", "here")
    assert sync.due(0) == []
    assert sync.error_ns(10 * NS_PER_S) == 0


def test_unknown_offset_is_unknown_not_zero() -> None:
    sync = ClockSync("here")
    sync.hello("far", "there")
    assert sync.error_ns(0) is None


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)), min_size=1, max_size=20),
)
def test_the_true_offset_is_within_the_bound(offset_ns: int, delays: list[tuple[int, int]]) -> None:
    sync = ClockSync("here")
    sync.hello("far", "there")
    now = 0
    for there, back in delays:
        exchange(sync, at_ns=now, there_ns=there, back_ns=back, offset_ns=offset_ns)
        now += there + back + NS_PER_MS
        ((_, told),) = sync.changed() or [("far", sync._peers["far"].offset_ns)]
        bound = sync.error_ns(now)
        assert bound is not None
        assert abs(told - offset_ns) <= bound + 1


def test_the_quickest_exchange_wins_until_it_has_aged() -> None:
    sync = ClockSync("here")
    sync.hello("far", "there")
    exchange(sync, at_ns=0, there_ns=100_000, back_ns=100_000, offset_ns=5_000)
    assert sync.changed() == [("far", 5_000)]
    exchange(sync, at_ns=NS_PER_S, there_ns=900_000, back_ns=100_000, offset_ns=5_000)
    assert sync.changed() == [], "a slower exchange knows less"
    exchange(sync, at_ns=3600 * NS_PER_S, there_ns=900_000, back_ns=900_000, offset_ns=70_000)
    assert sync.changed() == [("far", 70_000)], "after an hour of drift it knows more"


def test_exchanges_come_quickly_first_and_rarely_then() -> None:
    sync = ClockSync("here")
    sync.hello("far", "there")
    asked = [at for at in range(0, 30 * NS_PER_S, 10 * NS_PER_MS) if sync.due(at)]
    assert asked[EXCHANGES - 1] < NS_PER_S
    assert len(asked) < EXCHANGES + 8
