"""What is wanted at each moment, looked at ten times a second as the conductor does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.requested import Requested, RequestedPart

S = 1_000_000_000
PATIENCE_S = 17


def followed(
    asks: Sequence[tuple[float, int]], rate: float, until_s: float, settled: Callable[[int], int] = lambda due: due
) -> Requested:
    """`asks`: (since, number). `settled(n)`: of n users that are due, how many have connected, or failed, by then."""
    requested = Requested(PATIENCE_S * S)
    requested.measure(0)
    here = 0
    for tick in range(round(until_s * 10)):
        asked = [count for since, count in asks if since <= tick / 10][-1]
        if tick == 0:
            here = asked
        elif here < asked:
            here = min(asked, here + max(1, round(rate / 10)))
        elif here > asked:
            here = max(asked, here - max(1, round(rate / 10)))
        requested.note(asked, rate, here, settled(here), tick * S // 10)
    requested.end(round(until_s * S))
    return requested


def test_what_was_requested_first_is_requested_at_once() -> None:
    requested = followed([(0, 2000)], 5.0, 10, settled=lambda due: 0)
    assert requested.mean(10 * S) == 2000
    assert (requested.asked, requested.count, requested.most) == (2000, 2000, 2000)


def test_a_user_that_is_not_due_yet_is_not_missing() -> None:
    requested = followed([(0, 100), (20, 200)], 10.0, 25)
    assert requested.mean(25 * S) == pytest.approx((20 * 100 + 5 * 125) / 25, abs=0.3)
    assert not requested.steady
    assert followed([(0, 100), (20, 200)], 10.0, 40).steady


def test_a_number_that_is_out_of_reach_of_its_ramp_is_wanted_as_far_as_it_is_due() -> None:
    requested = followed([(0, 10), (5, 2000)], 2.0, 25)
    assert requested.count == pytest.approx(50, abs=2)


def test_who_connects_for_the_first_time_is_not_missing_and_who_failed_is() -> None:
    slow = followed([(0, 100), (5, 200)], 100.0, 10, settled=lambda due: min(due, 100))
    assert slow.mean(10 * S) == 100
    failed = followed([(0, 100), (5, 200)], 100.0, 15)
    assert failed.at_end(15 * S) == 200


def test_who_is_never_heard_of_is_missing_in_the_end() -> None:
    requested = followed([(0, 100), (5, 200)], 100.0, 30, settled=lambda due: min(due, 100))
    assert requested.at_end(30 * S) == 200
    climbing = followed([(second, 10 + second) for second in range(40)], 5.0, 40, settled=lambda due: min(due, 10))
    assert climbing.at_end(40 * S) == pytest.approx(49 - PATIENCE_S, abs=2), "also where the number changes each second"


def test_who_leaves_is_not_missing_while_others_still_have_to_go() -> None:
    requested = followed([(0, 100), (10, 50)], 10.0, 15, settled=lambda due: due + 3)
    assert requested.mean(15 * S) == pytest.approx((10 * 100 + 5 * 75) / 15, abs=0.5)


def test_who_was_stopped_in_a_burst_is_not_missing() -> None:
    requested = Requested(PATIENCE_S * S)
    for at_s, asked, present in ((0, 100, 100), (10, 50, 100), (11, 50, 80), (12, 50, 50)):
        requested.note(asked, 10.0, present, present, at_s * S)
        assert requested.count == {0: 100, 10: 99, 11: 80, 12: 50}[at_s]


def test_all_may_leave() -> None:
    requested = followed([(0, 2), (5, 0)], 100.0, 10)
    assert (requested.count, requested.asked, requested.steady) == (0, 0, True)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 20)), min_size=1, max_size=4),
    st.integers(10, 30),
    st.booleans(),
)
def test_what_is_wanted_lies_between_the_numbers_requested(
    stages: list[tuple[int, int]], rate: int, connected: bool
) -> None:
    asks, at = [], 0
    for count, length_s in stages:
        asks.append((at, count))
        at += length_s
    found = followed(asks, rate, at, settled=(lambda due: due) if connected else (lambda due: 0)).mean(at * S)
    low, high = (limit(count for count, _ in stages) for limit in (min, max))
    assert low <= round(found, 6) <= high


def half(users: int) -> int:
    return (users + 1) // 2


def test_of_each_population_its_users_among_the_first_are_wanted_while_it_is_there() -> None:
    start, second = 10 * S, S
    parts = [
        RequestedPart(half),
        RequestedPart(lambda users: users // 2, start_ns=start + 4 * second, stop_ns=start + 8 * second),
    ]
    requested = Requested(5 * second, parts)
    requested.note(21, 2.0, 21, 21, start)
    requested.measure(start)
    for tick in range(1, 101):
        asked = 21 if tick < 60 else 9
        requested.note(asked, 1000.0 if tick >= 60 else 2.0, asked, asked, start + tick * second // 10)
    requested.end(start + 10 * second)
    assert parts[0].mean(start + 10 * second) == pytest.approx((11 * 6 + 5 * 4) / 10, abs=0.1)
    # one at once and two a second from second 4 to 6, then four until second 8
    assert parts[1].mean(start + 10 * second) == pytest.approx((1.5 + 2.5 + 3.5 + 4.5) / 2 / 10 + 4 * 2 / 10, abs=0.3)
    assert (parts[0].at_end(start + 10 * second), parts[1].at_end(start + 10 * second)) == (5, 0)


def test_a_population_leaves_at_its_instant_however_late_that_is_noted() -> None:
    part = RequestedPart(lambda users: users, stop_ns=15 * S)
    part.note(10, 1.0, 10 * S)
    part.measure(10 * S)
    part.note(10, 1.0, 19 * S)
    assert part.mean(20 * S) == 5.0
