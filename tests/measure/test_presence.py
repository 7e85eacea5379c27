"""Open time against an oracle that looks at every instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.presence import OpenTime, Presence

SPAN = 60

instants = st.integers(0, SPAN)


@given(
    st.lists(st.tuples(instants, instants), max_size=8),
    st.lists(st.tuples(instants, instants), max_size=3),
    instants,
    instants,
    instants,
)
def test_the_integral_is_the_oracles(
    spans: list[tuple[int, int]], gaps: list[tuple[int, int]], announced: int, start: int, end: int
) -> None:
    start, end = min(start, end), max(start, end)
    announced = min(announced, start)
    spans = [(min(pair), max(pair)) for pair in spans]
    gaps = [(min(pair), max(pair)) for pair in gaps]
    time = OpenTime()
    events = [(a, 1, +1) for a, _ in spans] + [(b, 1, -1) for _, b in spans]
    events += [(b, 2, a) for a, b in gaps] + [(announced, 0, 0)]
    for at, kind, value in sorted(events):
        if kind == 0:
            time.window(start, end)
        elif kind == 1:
            time.change(value, at)
        else:
            time.bridge(value, at)
    whole = spans + [gap for gap in gaps if gap[1] >= announced and gap[0] < gap[1]]
    assert time.total_ns(SPAN + 1) == sum(max(0, min(b, end) - max(a, start)) for a, b in whole)
    at_end = sum(a < end <= b for a, b in gaps) + sum(a < end <= b for a, b in spans)
    if end > announced and all(a != b for a, b in spans + gaps):
        assert time.at_end(SPAN + 1) == at_end


def test_before_its_end_nobody_knows_the_number_at_the_end() -> None:
    time = OpenTime()
    time.window(10, 100)
    time.change(+3, 20)
    assert (time.total_ns(50), time.at_end(50)) == (90, None)
    time.change(-1, 99)
    time.change(-2, 100)
    assert (time.total_ns(200), time.at_end(200)) == (79 * 3 + 2, 2)


def test_an_end_that_is_moved_and_learnt_late() -> None:
    time = OpenTime()
    time.window(0, 100)
    time.change(+2, 0)
    time.total_ns(60)
    time.end(50)
    assert (time.total_ns(90), time.at_end(90)) == (100, 2)
    time.end(50)
    assert (time.total_ns(90), time.at_end(90)) == (100, 2)


def test_a_new_window_forgets_the_old_one() -> None:
    time = OpenTime()
    time.window(0, 100)
    time.change(+1, 0)
    time.window(40, 100)
    assert time.total_ns(50) == 10


def test_the_wire() -> None:
    found = Presence(5, 10**18, 1e9 / 3, None, 2.5, 7)
    assert Presence.from_wire(found.to_wire()) == found
