from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.intervals import IntervalSet

numbers = st.sets(st.integers(0, 40))


def made(members: set[int]) -> IntervalSet:
    return IntervalSet((n, n + 1) for n in sorted(members))


def listed(intervals: IntervalSet) -> set[int]:
    return {n for lo, hi in intervals for n in range(lo, hi)}


@given(st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.integers(0, 9)), max_size=40))
def test_it_behaves_as_a_set(steps: list[tuple[str, int]]) -> None:
    intervals, plain = IntervalSet(), set[int]()
    for name, number in steps:
        if name == "add":
            assert intervals.add(number) == (number not in plain)
            plain.add(number)
        else:
            assert intervals.discard(number) == (number in plain)
            plain.discard(number)
        assert listed(intervals) == plain
        assert intervals.size == len(plain)
        assert all((n in intervals) == (n in plain) for n in range(11))
        bounds = intervals.to_list()
        assert bounds == sorted(set(bounds)), "disjoint, and neighbours that touch are one"


@given(numbers, st.integers(0, 40), st.integers(0, 40))
def test_parts_and_complement(members: set[int], lo: int, hi: int) -> None:
    intervals = made(members)
    inside = {n for n in members if lo <= n < hi}
    assert listed(IntervalSet(intervals.within(lo, hi))) == inside
    assert intervals.count_within(lo, hi) == len(inside)
    assert listed(intervals.complement(lo, hi)) == set(range(lo, hi)) - members


@given(numbers, st.integers(0, 40))
def test_start_of(members: set[int], number: int) -> None:
    start = made(members).start_of(number)
    if number not in members:
        assert start is None
    else:
        assert start is not None
        assert set(range(start, number + 1)) <= members
        assert start - 1 not in members


@given(numbers)
def test_wire(members: set[int]) -> None:
    intervals = made(members)
    assert IntervalSet.from_list(intervals.to_list()) == intervals


def test_what_is_not_ascending_is_refused() -> None:
    intervals = IntervalSet([(3, 5)])
    with pytest.raises(ValueError, match="below the end"):
        intervals.append(4, 9)
    with pytest.raises(ValueError, match="shorter"):
        IntervalSet.from_list([1, 2, 3])
