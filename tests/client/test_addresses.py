"""In which order addresses are tried: a table of what was learned, no socket."""

from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from wps_load.client.addresses import REST_NS, Address, Addresses, shown


def four(number: int) -> Address:
    return socket.AF_INET, (f"10.0.0.{number}", 1)


def six(number: int) -> Address:
    return socket.AF_INET6, (f"2001:db8::{number}", 1, 0, 0)


def test_addresses_of_a_family_take_turns() -> None:
    addresses = Addresses([four(1), four(2), four(3)])
    assert [addresses.order(0)[0] for _ in range(6)] == [four(1), four(2), four(3)] * 2


def test_families_take_turns_within_one_order_and_the_first_stays_first() -> None:
    addresses = Addresses([six(1), six(2), four(1), four(2)])
    assert addresses.order(0) == [six(1), four(1), six(2), four(2)]
    assert addresses.order(0) == [six(2), four(2), six(1), four(1)]


def test_one_that_did_not_answer_rests_and_is_then_tried_by_one_connection() -> None:
    addresses = Addresses([six(1), four(1)])
    assert addresses.unanswered(six(1), 0), "news"
    assert not addresses.unanswered(six(1), 1), "known"
    assert addresses.order(2)[0] == four(1)
    later = 1 + REST_NS
    assert [addresses.order(later)[0] for _ in range(3)] == [six(1), four(1), four(1)], "one finds out for all"
    addresses.answered(six(1))
    assert addresses.order(later)[0] == six(1)


@given(
    st.lists(st.sampled_from([four(1), four(2), six(1), six(2)]), min_size=1, unique=True),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * REST_NS))),
)
def test_every_address_stays_a_candidate(found: list[Address], events: list[tuple[int, int]]) -> None:
    addresses, now = Addresses(found), 0
    for which, wait_ns in events:
        now += wait_ns
        addresses.unanswered(found[which % len(found)], now)
        assert sorted(addresses.order(now)) == sorted(found)


def test_an_address_is_shown_without_its_port() -> None:
    assert (shown(four(1)), shown(six(2))) == ("10.0.0.1", "2001:db8::2")
