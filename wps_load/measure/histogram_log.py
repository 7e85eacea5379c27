"""HdrHistogram's log (`.hlog`), version 1.3: a line for each metric and interval, the metric as the line's tag.

    #[Histogram log format version 1.3]
    #[BaseTime: 1700000000.000 (seconds since epoch)]
    #[StartTime: 1700000000.000 (seconds since epoch), 2023-11-14T22:13:20+00:00]
    "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
    Tag=rtt,0.000,1.000,2.769,HISTFAAAA...

Times are seconds after the base time, the maximum is in ms, values in the histogram are ns. HdrHistogram's
own tools (Java's HistogramLogProcessor, hdrh's HistogramLogReader, the plotters on the web) read it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from wps_load.clock import NS_PER_MS
from wps_load.measure.catalog import PENDING
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot

_LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


class LogEntry(NamedTuple):
    """One line: `tag` is the metric's name; `started_s` counts from the start of the run."""

    tag: str
    started_s: float
    length_s: float
    histogram: Histogram


def log_header(started_at: datetime) -> str:
    """The head of a log; `started_at` must be time zone aware."""
    epoch_s = started_at.timestamp()
    text = started_at.isoformat(timespec="milliseconds")
    return (
        "#[Histogram log format version 1.3]\n"
        f"#[BaseTime: {epoch_s:.3f} (seconds since epoch)]\n"
        f"#[StartTime: {epoch_s:.3f} (seconds since epoch), {text}]\n"
        f"{_LEGEND}\n"
    )


def interval_lines(started_s: float, length_s: float, interval: Snapshot, prefix: str = "") -> str:
    """A line for each histogram of one interval that has values, ordered by name. `prefix`: of the tags."""
    return "".join(
        log_line(LogEntry(prefix + name, started_s, length_s, histogram))
        for name, histogram in sorted(interval.histograms.items())
        if histogram.count and name != PENDING  # no times
    )


def log_line(entry: LogEntry) -> str:
    """One line. Raises ValueError for a tag that the format can't carry, or a negative time."""
    if not entry.tag or any(char in entry.tag for char in ", \r\n\t"):
        raise ValueError(f"not a tag: {entry.tag!r}")
    if entry.started_s < 0 or entry.length_s < 0:
        raise ValueError("an interval before the start of the run")
    max_ms = (entry.histogram.max or 0) / NS_PER_MS
    blob = entry.histogram.encode().decode("ascii")
    return f"Tag={entry.tag},{entry.started_s:.3f},{entry.length_s:.3f},{max_ms:.6f},{blob}\n"


def read_log(text: str) -> list[LogEntry]:
    """The lines of a log; one without a tag has the tag "".

    Raises ValueError, naming the line, for one that is not an interval. Counts are exact; a histogram's min, max and
    sum are those of its buckets.
    """
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        rest = line.strip()
        if not rest or rest.startswith(("#", '"')):
            continue
        tag = ""
        if rest.startswith("Tag="):
            tag, _, rest = rest[4:].partition(",")
        try:
            started, length, _, blob = rest.split(",")
            entries.append(LogEntry(tag, float(started), float(length), Histogram.decode(blob)))
        except ValueError as error:
            raise ValueError(f"line {number} is not an interval of a histogram log") from error
    return entries
