from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from wps_load.measure.histogram import MAX_NS, Histogram
from wps_load.measure.histogram_log import LogEntry, interval_lines, log_header, log_line, read_log
from wps_load.measure.snapshot import Snapshot

STARTED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def of(*values: int) -> Histogram:
    histogram = Histogram()
    histogram.record_many(values)
    return histogram


SECONDS = [
    Snapshot({"rtt": of(1_000_000, 2_000_000), "connect": of(30_000_000), "recover": Histogram()}),
    Snapshot({"rtt": of(3_000_000)}),
]
TEXT = log_header(STARTED) + "".join(interval_lines(float(n), 1.0, part) for n, part in enumerate(SECONDS))


def test_the_official_reader_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "histograms.hlog"
    path.write_text(TEXT)
    reader = HistogramLogReader(str(path), HdrHistogram(1, MAX_NS, 3))
    read = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        start_s = histogram.get_start_time_stamp() / 1000 - STARTED.timestamp()
        read.append((histogram.get_tag(), round(start_s, 3), histogram.get_total_count()))
    reader.input_file.close()
    assert read == [("connect", 0.0, 1), ("rtt", 0.0, 2), ("rtt", 1.0, 1)]
    assert reader.get_start_time_sec() == STARTED.timestamp()


def test_we_read_what_we_write() -> None:
    entries = read_log(TEXT)
    assert [(e.tag, e.started_s, e.length_s) for e in entries] == [
        ("connect", 0.0, 1.0),
        ("rtt", 0.0, 1.0),
        ("rtt", 1.0, 1.0),
    ]
    assert [e.histogram.encode() for e in entries if e.tag == "rtt"] == [
        part.histograms["rtt"].encode() for part in SECONDS
    ]


def test_a_line_of_another_tool_has_no_tag() -> None:
    line = log_line(LogEntry("x", 0.5, 1.0, of(5))).removeprefix("Tag=x,")
    assert [(e.tag, e.started_s) for e in read_log(line)] == [("", 0.5)]


@pytest.mark.parametrize("tail", ["Tag=rtt,0.0,1.0", "x,1,2,HIST", "Tag=rtt,0.0,1.0,2.0,HISTFAAA", "nonsense"])
def test_a_broken_line_is_named(tail: str) -> None:
    with pytest.raises(ValueError, match="line 8 is not an interval"):
        read_log(TEXT + tail)


def test_what_the_format_cannot_carry_is_refused() -> None:
    for entry in (LogEntry("a,b", 0, 1, of(1)), LogEntry("", 0, 1, of(1)), LogEntry("a", -1, 1, of(1))):
        with pytest.raises(ValueError, match=r"tag|start"):
            log_line(entry)
