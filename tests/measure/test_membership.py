"""The windows of a member, as few bytes, and the time that it was away; a stream's numbers on the publisher's side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.causes import Cause
from wps_load.measure.membership import Membership, Windows
from wps_load.measure.outgoing import OutStream, StreamFinal

INSTANTS = st.integers(-(1 << 60), 1 << 60)


@given(st.lists(st.tuples(INSTANTS, INSTANTS, st.booleans())))
def test_windows_are_what_was_put_in(windows: list[tuple[int, int, bool]]) -> None:
    found = Windows(windows)
    assert list(found) == windows
    assert bool(found) is bool(windows)
    assert found.last_left == (windows[-1][1] if windows else None)


def test_a_member_is_away_once_until_it_is_back() -> None:
    member = Membership()
    member.back(5)
    assert member.away == [], "it was not away"
    member.away_since = 10
    member.back(30)
    member.back(40)
    assert member.away == [(10, 30)]


def stream() -> OutStream:
    return OutStream(5, audience=9, owner=None, no_echo=False)


def test_a_number_fails_once_for_the_first_cause_and_skipped_ones_all() -> None:
    out = stream()
    out.take()
    out.failed(0, Cause.SERVICE)
    out.failed(0, Cause.PLAN)
    out.skip(3)
    assert (out.seq, out.send_failed) == (4, 4)
    assert out.failed_by == {Cause.SERVICE: 1, Cause.GENERATOR: 3}
    assert out.final().failed == (0, 4)


def test_what_is_uncertain_counts_as_published_and_is_expected_nowhere() -> None:
    out = stream()
    for _ in range(6):
        out.take()
    out.failed(1)
    for seq in (2, 4):
        out.uncertain(seq)
    assert out.send_failed == 1
    assert out.final().failed == (1, 3, 4, 5)
    out.restart()
    assert (out.final(), out.failed_by) == (StreamFinal(5, 9, None, False, 0, ()), {})


@given(st.builds(StreamFinal, st.integers(0, 1 << 62), st.integers(0, 1 << 62), st.none() | st.integers(0, 1 << 22),
                 st.booleans(), st.integers(0, 1 << 40), st.lists(st.integers(0, 1 << 40)).map(tuple)))  # fmt: skip
def test_a_final_is_the_same_on_the_other_side_of_a_wire(final: StreamFinal) -> None:
    assert StreamFinal.from_wire([list(each) if isinstance(each, tuple) else each for each in final]) == final


@pytest.mark.parametrize(
    "wire",
    [[1, 2, None, False, 3], ["1", 2, None, False, 3, []], [1, 2, "me", False, 3, []], [1, 2, None, False, 3, "0"]],
)
def test_a_final_of_another_shape_is_refused(wire: list[object]) -> None:
    with pytest.raises(ValueError, match=r"stream's final|unpack"):
        StreamFinal.from_wire(wire)
