"""Every user that ever comes in a run has a stream of its own, which nobody takes for a REST sender's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wps_load.workload.population import USER_BASE, population_of_stream
from wps_load.workload.user_streams import INDEX_BITS, incarnations, index_of_stream, user_stream

EDGES = [0, 1, (1 << 14) - 1, 1 << 14, (1 << 18) - 1, 1 << 18, (1 << INDEX_BITS) - 1]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int]:
    index = draw(st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << INDEX_BITS) - 1)))
    most = incarnations(index) - 1
    return index, draw(st.one_of(st.sampled_from((0, most)), st.integers(0, most)))


@given(pairs(), pairs())
def test_no_two_users_share_a_stream_and_each_tells_its_index(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = user_stream(*one), user_stream(*other)
    assert (first == second) is (one == other)
    assert index_of_stream(first) == one[0]
    assert 0 <= first < USER_BASE
    assert population_of_stream(first) is None


def test_the_streams_of_a_run_without_changes_are_the_indices_of_its_first_users() -> None:
    assert [user_stream(index, 0) for index in range(5)] == [0, 1, 2, 3, 4]
