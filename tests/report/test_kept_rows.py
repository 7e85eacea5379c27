"""Rows of a timeline come back as they were, and rows of the same columns share their names."""

from __future__ import annotations

import tracemalloc

from wps_load.report.interval import Interval
from wps_load.report.kept_rows import MOST_KINDS, KeptRows
from wps_load.report.portion import PORTIONS, Portion


def second(number: int, failures: str = "") -> Interval:
    found = Interval(number - 1.0, float(number), {"measure": 1.0}, 5, None, {"published": number})
    found.portions["hosts"] = Portion(5, {"published": number})
    if failures:
        found.snapshot.failures["connect", failures] = 1
    return found


def test_rows_come_back_as_they_were() -> None:
    kept = KeptRows()
    assert (kept.count, kept.last, kept.rows()) == (0, None, [])
    seconds = [second(number, "timeout" if number == 3 else "") for number in range(1, 6)]
    whole = [each.row() for each in seconds]
    rows = [{name: value for name, value in row.items() if name != PORTIONS} for row in whole]
    for each in seconds:
        kept.append(each)
    assert kept.rows(portions=True) == whole
    assert kept.rows() == rows
    assert kept.last == rows[-1]
    assert kept.since(3) == rows[3:]
    assert kept.since(7) is None
    assert [list(row) for row in kept.rows()] == [list(row) for row in rows], "in the same order"
    assert len({id(names) for names, _, _ in kept._kept.rows()}) == 2, "names are kept once for each kind of row"


def test_kinds_of_rows_are_bounded() -> None:
    kept = KeptRows()
    for number in range(1, 2 * MOST_KINDS):
        kept.append(second(number, f"http_{number}"))
        assert len(kept._kinds) <= MOST_KINDS
    assert len(kept.rows()) == kept.count


def test_a_second_takes_half_a_kilobyte() -> None:
    kept = KeptRows()
    seconds = [second(number) for number in range(1, 513)]
    kept.append(second(0))
    tracemalloc.start()
    try:
        for each in seconds:
            kept.append(each)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # a second has a row, and half of one that is merged; 1,070 in a process whose free lists are still empty
    assert grown / len(seconds) < 1200, "bytes a second; measured: 550"
