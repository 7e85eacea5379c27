"""Which users belong to which population: exact totals, fair prefixes, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.workload.mixture import Mixture
from wps_load.workload.values import Share

SEED = st.integers(0, 2**40)
PERCENTS = st.lists(st.integers(1, 60), min_size=1, max_size=6).filter(lambda found: sum(found) <= 100)


def shares(*percents: int) -> list[Share]:
    return [Share(fraction=Fraction(percent, 100)) for percent in percents]


def members(mixture: Mixture, users: int, population: int) -> list[int]:
    found = [mixture.of(index) for index in range(users)]
    return [index for index, each in enumerate(found) if each is not None and each[0] == population]


def dealt(mixture: Mixture, users: int) -> Iterator[list[int]]:
    """How many each population has, after each user."""
    seen = [0] * len(mixture.counts)
    for index in range(users):
        found = mixture.of(index)
        if found is not None:
            assert found[1] == seen[found[0]]
            seen[found[0]] += 1
        yield seen


@given(PERCENTS, st.integers(1, 400), st.integers(0, 400), SEED)
def test_every_prefix_has_each_share_to_within_one_user_beyond_what_was_planned(
    percents: list[int], users: int, more: int, seed: int
) -> None:
    mixture = Mixture(shares(*percents), users, seed)
    for total, seen in enumerate(dealt(mixture, users + more), 1):
        for count, percent in zip(seen, percents, strict=True):
            assert abs(count - Fraction(percent * total, 100)) < 1
        if total == users:
            assert tuple(seen) == mixture.counts


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any), st.integers(1, 400), SEED)
def test_numbers_alone_are_dealt_as_shares_of_their_sum(numbers: list[int], users: int, seed: int) -> None:
    mixture = Mixture([Share(count=number) for number in numbers], users, seed)
    for total, seen in enumerate(dealt(mixture, 2 * users), 1):
        for count, number in zip(seen, numbers, strict=True):
            assert abs(count - Fraction(number * total, sum(numbers))) < 1


NUMBERS = st.lists(st.integers(1, 40), min_size=1, max_size=3)


@given(NUMBERS, PERCENTS, st.integers(1, 400), st.integers(0, 400), SEED)
def test_numbers_beside_shares(numbers: list[int], percents: list[int], users: int, more: int, seed: int) -> None:
    mixture = Mixture([*(Share(count=number) for number in numbers), *shares(*percents)], users, seed)
    for total, seen in enumerate(dealt(mixture, users + more), 1):
        if total <= users:
            for count, whole in zip(seen, mixture.counts, strict=True):
                assert abs(count - Fraction(whole * total, users)) < 1
        elif total > sum(numbers):
            assert seen[: len(numbers)] == numbers, "they are complete before anybody else comes"
            if users >= sum(numbers):
                for count, whole, percent in zip(
                    seen[len(numbers) :], mixture.counts[len(numbers) :], percents, strict=True
                ):
                    assert abs(count - whole - Fraction(percent * (total - users), 100)) < 2


@given(PERCENTS, st.integers(1, 300), st.integers(1, 300), SEED)
def test_with_shares_alone_nobody_depends_on_the_plan(percents: list[int], users: int, other: int, seed: int) -> None:
    one, two = (Mixture(shares(*percents), planned, seed) for planned in (users, other))
    assert [one.of(index) for index in range(400)] == [two.of(index) for index in range(400)]


def test_shares_of_a_long_row_are_dealt_without_end() -> None:
    mixture = Mixture([Share(fraction=Fraction(1, 3_000_001)), *shares(60)], 50, 1)
    assert [mixture.among(1, users) for users in (5, 50, 500)] == [3, 30, 300]


@given(PERCENTS, st.integers(0, 400), SEED)
def test_totals_are_exact_to_within_the_remainder(percents: list[int], users: int, seed: int) -> None:
    mixture = Mixture(shares(*percents), users, seed)
    for count, percent in zip(mixture.counts, percents, strict=True):
        assert abs(count - Fraction(users * percent, 100)) < 1
    assert sum(mixture.counts) <= users
    if sum(percents) == 100:
        assert sum(mixture.counts) == users


@given(PERCENTS, st.integers(1, 200), SEED)
def test_each_user_is_found_again_by_its_number_in_the_population(percents: list[int], users: int, seed: int) -> None:
    mixture = Mixture(shares(*percents), users, seed)
    for population, count in enumerate(mixture.counts):
        found = [mixture.index_of(population, local) for local in range(count)]
        assert found == members(mixture, users, population)
        assert mixture.among(population, users) == count


@given(PERCENTS, st.integers(1, 200), SEED)
def test_who_is_who_does_not_depend_on_who_asks_first(percents: list[int], users: int, seed: int) -> None:
    forwards, backwards = (Mixture(shares(*percents), users, seed) for _ in range(2))
    assert [forwards.of(index) for index in range(users)] == [backwards.of(index) for index in reversed(range(users))][
        ::-1
    ]


@given(st.integers(2, 3000), SEED)
def test_the_one_host_is_among_the_first_two_users(users: int, seed: int) -> None:
    mixture = Mixture([Share(count=1), *shares(100)], users, seed)
    assert mixture.counts == (1, users - 1)
    assert members(mixture, users, 0)[0] <= 1


@pytest.mark.parametrize(
    ("sizes", "users", "counts"),
    [
        ([Share(count=1), *shares(100)], 100, (1, 99)),  # the shares divide what the numbers leave
        ([Share(count=10), *shares(80, 20)], 110, (10, 80, 20)),
        ([Share(count=10), *shares(50)], 100, (10, 50)),  # 40 users have no population
        (shares(80, 10), 100, (80, 10)),
        ([Share(count=2), Share(count=1)], 3, (2, 1)),
        ([Share(count=2), Share(count=1)], 300, (200, 100)),  # numbers alone are weights
        ([Share(count=0), *shares(100)], 10, (0, 10)),  # REST senders
        (shares(50, 50), 0, (0, 0)),
    ],
)
def test_numbers_come_first_and_shares_divide_the_rest(sizes: list[Share], users: int, counts: tuple[int, ...]) -> None:
    assert Mixture(sizes, users, 7).counts == counts


def test_more_users_than_planned_find_the_fixed_numbers_full() -> None:
    mixture = Mixture([Share(count=3), *shares(100)], 10, 1)
    assert mixture.among(0, 1000) == 3
    assert mixture.among(1, 1000) == 997


def test_users_without_a_population_are_spread_over_the_ramp_like_the_others() -> None:
    mixture = Mixture(shares(60), 100, 1)
    assert abs(mixture.having_one(50) - 30) < 1
    assert mixture.having_one(100) == 60


def test_the_seed_breaks_ties() -> None:
    found = {tuple(members(Mixture(shares(50, 50), 10, seed), 10, 0)) for seed in range(20)}
    assert found == {(0, 2, 4, 6, 8), (1, 3, 5, 7, 9)}
