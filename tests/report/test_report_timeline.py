"""The rows of the timeline and their CSV."""

from __future__ import annotations

import csv
import io

import pytest

from tests.report.report_runs import histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.timeline import FIXED_COLUMNS, PIECE_ROWS, columns, timeline_row, to_csv


def row(interval: Snapshot, t_s: float = 1.0) -> dict[str, object]:
    return timeline_row(
        t_s=t_s,
        interval_s=1.0,
        phase="measure",
        users=5,
        interval=interval,
        offered=10,
        published=9,
        delivered=None,
        lost=0,
    )


def test_a_row_has_the_interval_and_nothing_else() -> None:
    interval = Snapshot(
        histograms={
            "rtt": histogram([1_000_000, 2_000_000, 30_000_000]),
            "connect": histogram([5_000_000]),
            "send_lag": histogram([1000]),
        },
        failures={("connect", "http_429"): 2, ("rtt", "answer_timeout"): 1},
    )
    found = row(interval)
    assert (found["rtt_count"], found["rtt_p99"], found["connect_opened"], found["connect_failed"]) == (
        3,
        30.0,
        1,
        2,
    )
    assert found["delivered"] is None
    assert "send_lag_p99" not in found
    assert list(found)[: len(FIXED_COLUMNS)] == list(FIXED_COLUMNS)


def test_csv_has_all_columns_and_empty_for_unknown() -> None:
    rows = [row(Snapshot()), row(Snapshot(histograms={"rtt": histogram([5_000_000])}), 2.0)]
    read = list(csv.DictReader(io.StringIO(b"".join(to_csv(rows)).decode(), newline="")))
    assert list(read[0]) == columns(rows)
    assert (read[0]["rtt_p50"], read[0]["delivered"], read[0]["lost"]) == ("", "", "0")
    assert read[1]["rtt_count"] == "1"


@pytest.mark.parametrize("count", [0, 1, PIECE_ROWS, PIECE_ROWS + 1, 3 * PIECE_ROWS])
def test_csv_comes_in_pieces_of_some_milliseconds(count: int) -> None:
    pieces = list(to_csv([row(Snapshot(), float(n + 1)) for n in range(count)]))
    assert len(pieces) == max(1, -(-count // PIECE_ROWS))
    assert len(b"".join(pieces).splitlines()) == 1 + count
