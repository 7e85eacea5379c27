"""What a long run remembers: every piece is in it once, the recent ones by themselves, and merges are exact."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.measure.histogram import Histogram
from wps_load.measure.retention import EACH, RECENT, Retention


@dataclass
class Span:
    """Originals `lo`..`hi`, and the values that came in them."""

    lo: int
    hi: int
    values: Histogram = field(default_factory=Histogram)

    def absorb(self, later: Span) -> None:
        assert self.hi == later.lo, "pieces are merged with their neighbours, in order"
        self.hi = later.hi
        self.values.merge(later.values)


Row = tuple[int, int, int, int | None]


def view(span: Span) -> Row:
    return span.lo, span.hi, span.values.count, span.values.percentile(99)


def kept(count: int, *, recent: int = RECENT, each: int = EACH) -> Retention[Span, Row]:
    found: Retention[Span, Row] = Retention(view, recent=recent, each=each)
    for number in range(count):
        found.append(Span(number, number + 1))
    return found


@given(st.integers(0, 3000), st.integers(1, 50), st.integers(1, 9))
@settings(deadline=None)
def test_every_piece_is_shown_once_in_order_and_older_ones_are_coarser(count: int, recent: int, each: int) -> None:
    rows = kept(count, recent=recent, each=each).rows()
    assert [lo for lo, *_ in rows] == [0, *(hi for _, hi, *_ in rows)][:-1] if rows else count == 0
    assert rows[-1][1] == count if rows else True
    sizes = [hi - lo for lo, hi, *_ in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size & (size - 1) == 0 for size in sizes), "they double"
    assert sizes.count(1) >= min(count, recent)
    for size in set(sizes) - {1}:
        assert sizes.count(size) <= each + 2


@given(st.lists(st.lists(st.integers(0, 10**10), max_size=5), max_size=200), st.data())
@settings(deadline=None)
def test_a_merged_piece_is_what_its_parts_were_together(pieces: list[list[int]], data: st.DataObject) -> None:
    found: Retention[Span, Row] = Retention(
        view, recent=data.draw(st.integers(1, 20)), each=data.draw(st.integers(1, 5))
    )
    for number, values in enumerate(pieces):
        span = Span(number, number + 1)
        span.values.record_many(values)
        found.append(span)
        if data.draw(st.booleans()):
            found.rows()  # whenever somebody looks
    for lo, hi, count, p99 in found.rows():
        whole = Histogram()
        for values in pieces[lo:hi]:
            whole.record_many(values)
        assert (count, p99) == (whole.count, whole.percentile(99))


def test_a_day_and_a_year_fit() -> None:
    day = kept(86_400)
    assert RECENT <= len(day.rows()) < RECENT + 900
    assert sum(len(level.rows) for level in day._levels) < 3 * RECENT, "what is merged ahead of its time is bounded too"
    assert sum(hi - lo for lo, hi, *_ in day.rows()) == 86_400


@pytest.mark.parametrize(("since", "expected"), [(100, []), (97, [97, 98, 99]), (50, list(range(50, 100)))])
def test_what_came_since_is_given_by_pieces(since: int, expected: list[int]) -> None:
    found = kept(100, recent=50)
    assert [lo for lo, *_ in found.since(since) or []] == expected
    assert found.count == 100
    assert found.last is not None
    assert found.last[0] == 99


@pytest.mark.parametrize("since", [-1, 0, 40, 101])
def test_what_is_merged_by_now_or_yet_to_come_is_not_given_by_pieces(since: int) -> None:
    assert kept(100, recent=50).since(since) is None
