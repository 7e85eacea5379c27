"""REST senders that send to single users: whose turn it is, as users come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest

from tests.client.contexts import population_context
from wps_load.client.rest_publisher import SLOW_NS, RestPublisher, RestSenders
from wps_load.measure.causes import Cause
from wps_load.workload.population import USER_BASE

USERS = 6


@contextmanager
def senders(scenario: str = "send-to-user", *, ordinal: int = 0, processes: int = 1) -> Iterator[RestSenders]:
    """Two of them, for six users."""
    with population_context(users=USERS, scenario=scenario, publishers="2") as context:
        made = RestSenders(context, 2, ordinal, processes)
        yield made
        made.close()


def users(publishers: list[RestPublisher]) -> list[int]:
    return sorted(each.audience - USER_BASE for each in publishers)


def turns(publishers: list[RestPublisher]) -> list[list[int]]:
    """Of each sender, the users that it sends to one after the other, from the lowest on."""
    rest, found = {each.stream: each for each in publishers}, []
    while rest:
        first = min(rest.values(), key=lambda each: each.audience)
        row, at = [first.audience - USER_BASE], first.follows
        del rest[first.stream]
        while at is not first:
            row.append(at.audience - USER_BASE)
            del rest[at.stream]
            at = at.follows
        found.append(row)
    return found


def test_each_user_is_one_senders_and_a_sender_has_them_in_turn() -> None:
    with senders() as made:
        assert users(made.publishers) == list(range(USERS))
        assert [sorted(row) for row in turns(made.publishers)] == [[0, 2, 4], [1, 3, 5]]
        assert {each.share for each in made.publishers} == {Fraction(1, 3)}
        assert sum(each.ready for each in made.publishers) == 2, "closed loop: one message of each sender is in flight"


def test_senders_are_dealt_out_to_processes() -> None:
    found = []
    for ordinal in range(3):
        with senders(ordinal=ordinal, processes=3) as made:
            found.append(users(made.publishers))
    assert found == [[0, 2, 4], [1, 3, 5], []]


def test_who_comes_has_a_turn_and_who_goes_has_none() -> None:
    with senders() as made:
        new = made.follow(0, [6, 9], [2])
        assert new is not None
        assert users(new) == [6, 9]
        present = [each for each in (*made.publishers, *new) if each.audience != USER_BASE + 2]
        assert [sorted(row) for row in turns(present)] == [[0, 4, 6], [1, 3, 5, 9]]
        assert {each.share for each in present if each.audience % 2} == {Fraction(1, 4)}
        gone = next(each for each in made.publishers if each.audience == USER_BASE + 2)
        assert gone.newcomer, "it begins with no epoch"
        assert not any(each.newcomer for each in new)


def test_who_comes_back_goes_on_with_its_own_stream() -> None:
    with senders() as made:
        gone = next(each for each in made.publishers if each.audience == USER_BASE + 2)
        made.follow(0, [], [2])
        new = made.follow(0, [2], [])
        assert new == [gone]
        assert not gone.newcomer


def test_where_nothing_changes_for_a_sender_its_turns_stay() -> None:
    with senders() as made:
        before = turns(made.publishers)
        assert made.follow(0, [], [99]) == []
        assert turns(made.publishers) == before
        assert all(each.new_turn() is None for each in made.publishers)
        made.follow(0, [], [2])
        moved = {each.audience - USER_BASE for each in made.publishers if each.new_turn() is not None}
        assert moved == {0, 4}, "of the sender that had that user, those who stay"


def test_a_broadcast_is_nobodys_turn() -> None:
    with senders("broadcast") as made:
        assert made.follow(0, [6], [2]) is None
        assert len(made.publishers) == 2


@pytest.mark.parametrize(("waited_ns", "cause"), [(SLOW_NS, Cause.GENERATOR), (SLOW_NS + 1, Cause.SERVICE)])
def test_no_free_request_is_the_services_doing_where_it_takes_seconds(waited_ns: int, cause: Cause) -> None:
    with senders() as made:
        assert made.busy_with(waited_ns) is cause
