from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.capacity.search import BoundBy, CapacitySearch, Found, Outcome


def explore(
    search: CapacitySearch, limit: float, *, noise: float = 0.0, seed: int = 0, carries: float | None = None
) -> list[int]:
    """A service that holds loads up to `limit`, give or take `noise` each time, and is seen to carry `carries` times
    that of a higher one; None: nothing is seen."""
    chance, loads = random.Random(seed), []
    while (load := search.next_load()) is not None:
        holds = load <= limit * (1 + chance.uniform(-noise, noise))
        seen = None if carries is None else min(load, limit * carries * (1 + chance.uniform(-noise, noise)))
        search.record(load, Outcome.HELD if holds else Outcome.FAILED, seen)
        loads.append(load)
        assert len(loads) < 40
    return loads


@given(st.integers(1, 1_000), st.floats(2.0, 300.0), st.floats(0.0, 1.0), st.none() | st.floats(0.01, 3.0))
def test_the_limit_is_found_within_five_percent_and_bracketed(
    low: int, ratio: float, where: float, carries: float | None
) -> None:
    """Whatever an overloaded service is seen to carry: that is a hint, never an answer."""
    high = round(low * ratio) + 1
    limit = low * (high / low) ** where
    search = CapacitySearch(low, high)
    explore(search, limit, carries=carries)
    found = search.found()
    assert found.value is not None
    assert found.value <= limit
    if found.high is None:
        assert found == Found(high, high, None, BoundBy.RANGE)
    else:
        assert found.bound_by is BoundBy.SERVICE
        assert found.value <= limit < found.high
        assert found.high - found.value <= max(1, found.value * 0.0501 + 1)


LIMITS = [100, 137, 450, 900, 1_100, 2_345, 9_999, 15_000, 19_000]


@pytest.mark.parametrize("limit", LIMITS)
def test_twelve_steps_are_enough_where_nothing_is_seen_of_what_is_carried(limit: int) -> None:
    search = CapacitySearch(100, 20_000)
    assert len(explore(search, limit)) <= 12


@pytest.mark.parametrize("limit", LIMITS)
def test_what_an_overloaded_service_carries_saves_steps_and_is_more_precise(limit: int) -> None:
    search = CapacitySearch(100, 20_000)
    assert len(explore(search, limit, carries=1.0)) <= 10
    found = search.found().value
    assert found is not None
    assert found >= 0.96 * limit


def test_a_load_that_held_at_the_limit_itself_needs_no_bisecting() -> None:
    search = CapacitySearch(500, 1_500)
    assert explore(search, 1_000, carries=1.0) == [500, 1_000, 1_500, 1_050, 1_000, 1_050]


def test_after_a_hint_that_was_wrong_it_bisects() -> None:
    search = CapacitySearch(100, 1_600)
    for load in (100, 200, 400):
        search.record(load, Outcome.HELD)
    search.record(800, Outcome.FAILED, 700.0)
    assert search.next_load() == 686
    search.record(686, Outcome.FAILED, 680.0)
    assert search.next_load() == round((400 * 686) ** 0.5)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_service_that_always_carries_most_of_what_is_asked_leads_nowhere_once_only(limit: int) -> None:
    """It loses 3 % above its limit, whatever the load: each hint is wrong."""
    search = CapacitySearch(100, 20_000)
    loads = []
    while (load := search.next_load()) is not None:
        search.record(load, Outcome.HELD if load <= limit else Outcome.FAILED, 0.97 * load)
        loads.append(load)
    assert len(loads) <= 14


def test_a_step_that_failed_by_latency_alone_is_a_hint_of_little_use() -> None:
    """What comes back late is carried all the same: the search must not creep down from there."""
    search = CapacitySearch(100, 20_000)
    loads = []
    while (load := search.next_load()) is not None:
        search.record(load, Outcome.HELD if load <= 450 else Outcome.FAILED, float(load))
        loads.append(load)
    assert len(loads) <= 12


def test_growth_goes_up_by_one_factor_and_never_beyond_the_range() -> None:
    search = CapacitySearch(100, 1_600)
    assert explore(search, 10_000) == [100, 200, 400, 800, 1_600, 1_600]
    assert search.found() == Found(1_600, 1_600, None, BoundBy.RANGE)


def test_a_range_that_never_holds_ends_with_below() -> None:
    search = CapacitySearch(100, 1_600)
    assert explore(search, 50) == [100, 100]
    assert search.found() == Found(None, None, 100, BoundBy.RANGE)


def test_both_ends_are_confirmed_and_a_contradiction_gets_a_third_try() -> None:
    search = CapacitySearch(100, 110, precision=0.1)
    outcomes = iter([Outcome.HELD, Outcome.FAILED, Outcome.FAILED, Outcome.HELD, Outcome.FAILED])
    tried = []
    while (load := search.next_load()) is not None:
        tried.append(load)
        search.record(load, next(outcomes))
    assert tried == [100, 110, 100, 100, 110]
    assert search.found() == Found(100, 100, 110, BoundBy.SERVICE)


def test_a_step_that_the_generator_limited_ends_the_search() -> None:
    search = CapacitySearch(100, 1_600)
    search.record(100, Outcome.HELD)
    search.record(200, Outcome.GENERATOR)
    assert search.next_load() == 200, "once may be chance"
    search.record(200, Outcome.GENERATOR)
    assert search.next_load() is None
    assert search.found() == Found(100, 100, None, BoundBy.GENERATOR)


def test_out_of_time_says_what_is_known() -> None:
    search = CapacitySearch(100, 1_600)
    search.record(100, Outcome.HELD)
    assert search.found(out_of_time=True) == Found(100, 100, None, BoundBy.TIME)


def test_ten_noisy_searches_agree_within_five_percent() -> None:
    values: list[int] = []
    for seed in range(10):
        search = CapacitySearch(100, 5_000)
        explore(search, 900, noise=0.01, seed=seed, carries=1.0)
        value = search.found().value
        assert value is not None
        values.append(value)
    assert max(values) <= 1.05 * min(values)


@pytest.mark.parametrize(("low", "high"), [(0, 5), (5, 5), (6, 5)])
def test_an_empty_range_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="low < high"):
        CapacitySearch(low, high)


@given(st.integers(2, 300), st.floats(0.0, 1.0), st.booleans())
def test_the_steps_left_are_about_right_and_end_at_nought(ratio: int, where: float, seen: bool) -> None:
    search = CapacitySearch(100, 100 * ratio)
    planned = search.steps_left()
    taken = len(explore(search, 100 * ratio**where, carries=1.0 if seen else None))
    assert search.steps_left() == 0
    assert planned <= 10
    assert taken <= planned + 5
