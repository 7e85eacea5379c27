"""The finals of streams as columns: nothing is lost in them, and each agent gets what it can hear."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.swarm.expectations import Expectations
from wps_load.swarm.message_wire import to_wire
from wps_load.swarm.run_plan import AgentState
from wps_load.swarm.stream_finals import FinalsOfAll, Streams

instants = st.integers(-(1 << 62), 1 << 62)
descriptions = st.one_of(
    st.tuples(st.just("constant"), instants, st.sampled_from([10**9, 10**8]), st.sampled_from([1, 3])),
    st.tuples(st.just("poisson"), st.just(5), st.just(10**9), st.integers(0, (1 << 63) - 1)),
    st.tuples(st.just("closed"), st.just([0, 4]), st.just([7, 9]), st.just(5)),
).map(list)
segments: st.SearchStrategy[list[Any]] = st.one_of(
    st.just([]),
    descriptions.map(lambda one: [[0, one]]),
    st.tuples(descriptions, descriptions).map(lambda two: [[0, two[0]], [9, two[1]]]),
)
finals = st.tuples(
    st.one_of(st.integers(0, 40), st.sampled_from([1 << 61, (1 << 62) - 1])),
    st.one_of(st.integers(0, 12), st.sampled_from([1 << 30, 1 << 31, (1 << 61) + 5, (1 << 62) - 1])),
    st.one_of(st.none(), st.integers(0, 1 << 22), st.just((1 << 62) - 1)),
    st.booleans(),
    st.integers(0, 1 << 40),
    st.sampled_from([[], [], [3, 5], [0, 1, 4, 9]]),
).map(list)
rows = st.lists(st.tuples(finals, segments).map(list), max_size=20)


@given(rows)
@settings(deadline=None)
def test_rows_survive_the_wire(given_rows: list[list[Any]]) -> None:
    wire = msgpack.loads(msgpack.dumps(Streams.of(given_rows).to_wire()), strict_map_key=False)
    assert Streams.from_wire(wire).rows() == [[*row, 0] for row in given_rows]


@given(st.lists(rows, max_size=5), st.one_of(st.none(), st.lists(st.integers(0, 14), unique=True, max_size=6)))
@settings(deadline=None)
def test_an_agent_gets_the_streams_of_its_audiences_each_with_its_clock(
    agents: list[list[list[Any]]], hears: list[int] | None
) -> None:
    everything = [[*row, clock] for clock, each in enumerate(agents) for row in each]
    found = FinalsOfAll([Streams.of(each) for each in agents])
    ranges = None if hears is None else [bound for one in sorted(hears) for bound in (one, one + 1)]
    heard = Streams.from_wire(found.heard(ranges).to_wire()).rows()
    assert heard == [row for row in everything if hears is None or row[0][1] in hears]
    known = found.known()
    assert known == sorted(set(known)), "ascending ranges that do not touch"
    numbers = {number for lo, hi in zip(known[::2], known[1::2], strict=True) for number in range(lo, hi)}
    assert numbers == {row[0][0] for row in everything}


@pytest.mark.parametrize("wire", [[1, b"x", [], []], [1, b"", [], []], [1], None])
def test_what_is_none_is_refused(wire: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Streams.from_wire(wire)


WORKERS, USERS = 400, 500


def final(stream: int, audience: int) -> list[Any]:
    return [[stream, audience, stream, False, 600, []], [[0, ["constant", 10**15 + stream * 7919, 10**9, 3]]]]


@pytest.mark.parametrize(("group_size", "megabytes"), [(1, 10), (10, 50)])
def test_the_drain_of_many_workers_sends_each_what_it_can_hear(group_size: int, megabytes: int) -> None:
    """The users of a group are on different workers: Locust deals them out one by one."""
    sent, states = 0, []
    for worker in range(WORKERS):
        indices = range(worker, WORKERS * USERS, WORKERS)
        said = Streams.of(final(index, index // group_size) for index in indices)
        hears = [bound for group in sorted({i // group_size for i in indices}) for bound in (group, group + 1)]
        sent += len(msgpack.dumps([said.to_wire(), hears]))
        states.append(AgentState(str(worker), "host", finals=said, clock=[[0, 0, 0]], hears=hears))
    expectations = Expectations(states, 5, 6)
    for state in states:
        expect = expectations.of(state.hears)
        sent += len(msgpack.dumps(to_wire(expect)))
        assert len(expect.streams) == USERS * group_size
        assert expect.known == [0, WORKERS * USERS]
        assert set(expect.streams.table["audience"].tolist()) == set((state.hears or [])[::2])
    assert sent < megabytes * 1_000_000
