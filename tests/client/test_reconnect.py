from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.client.reconnect import Backoff, BackoffPolicy
from wps_load.errors import ConnectFailure, ConnectionLost


class Seeded:
    """The part of a run that provides a generator: the same one for all clients."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def random(self, index: int, use: str) -> random.Random:
        return random.Random(self._seed)


def backoff(first_s: float = 1.0, longest_s: float = 30.0, seed: int = 1) -> Backoff:
    return Backoff(Seeded(seed), 0, BackoffPolicy(first_s, longest_s))


def test_bounds_double_up_to_the_longest() -> None:
    policy = BackoffPolicy(1.0, 10.0)
    assert [policy.bound_s(attempt) for attempt in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert policy.bound_s(10_000) == 10.0


@given(st.floats(0.001, 10), st.floats(10, 1000), st.integers(0, 2**32), st.integers(1, 100))
def test_every_wait_is_within_its_bound(first_s: float, longest_s: float, seed: int, attempts: int) -> None:
    policy = BackoffPolicy(first_s, longest_s)
    waits = Backoff(Seeded(seed), 0, policy)
    for attempt in range(attempts):
        delay_s = waits.next_delay_s()
        assert delay_s is not None
        assert 0 <= delay_s <= policy.bound_s(attempt) <= longest_s


def test_the_same_seed_waits_the_same_times_and_another_does_not() -> None:
    def waits(seed: int) -> list[float | None]:
        one = backoff(seed=seed)
        return [one.next_delay_s() for _ in range(5)]

    assert waits(1) == waits(1) != waits(2)


def test_jitter_spreads_a_crowd_over_the_whole_bound() -> None:
    delays = [backoff(10.0, seed=seed).next_delay_s() or 0.0 for seed in range(200)]
    assert min(delays) < 1
    assert max(delays) > 9


def test_retry_after_is_waited_for_in_full() -> None:
    delay_s = backoff().next_delay_s(ConnectFailure("http_429", "m", retry_after_s=50))
    assert delay_s is not None
    assert 50 <= delay_s <= 51


def test_a_permanent_failure_is_not_tried_again() -> None:
    one = backoff()
    assert one.next_delay_s(ConnectFailure("http_401", "m", permanent=True)) is None
    assert one.attempts == 0


def test_success_starts_again() -> None:
    one = backoff()
    for _ in range(5):
        one.next_delay_s(ConnectionLost(1006))
    assert one.attempts == 5
    one.reset()
    assert (one.next_delay_s() or 0.0) <= 1.0


@pytest.mark.parametrize(("first_s", "longest_s"), [(0, 1), (2, 1), (-1, 1)])
def test_a_policy_that_makes_no_sense(first_s: float, longest_s: float) -> None:
    with pytest.raises(ValueError, match="first_s"):
        BackoffPolicy(first_s, longest_s)
