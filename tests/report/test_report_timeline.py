"""The rows of the timeline and their CSV."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from tests.report.report_runs import histogram
from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.measure.snapshot import Snapshot
from wps_load.report.timeline import COLUMNS, FIXED_COLUMNS, csv_head, csv_line, timeline_row


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


def test_csv_has_all_columns_in_every_run_and_empty_fields_for_unknown() -> None:
    rows = [row(Snapshot()), row(Snapshot(histograms={"rtt": histogram([5_000_000])}), 2.0)]
    text = csv_head() + b"".join(map(csv_line, rows))
    read = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    assert list(read[0]) == list(COLUMNS)
    assert set(rows[1]) <= set(COLUMNS)
    assert (read[0]["rtt_p50"], read[0]["delivered"], read[0]["lost"]) == ("", "", "0")
    assert read[1]["rtt_count"] == "1"


def test_the_documentation_names_every_column() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    paragraph = text.partition("Columns of the timeline:")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", paragraph))
    ours = {name for name in COLUMNS if name.rpartition("_")[0] not in METRIC_BY_NAME}
    assert ours - named == set()
