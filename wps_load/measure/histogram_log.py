"""HdrHistogram's log (`.hlog`), version 1.3: a line for each metric and interval, the metric as the line's
tag.

    #[Histogram log format version 1.3]
    #[BaseTime: 1700000000.000 (seconds since epoch)]
    #[StartTime: 1700000000.000 (seconds since epoch), 2023-11-14T22:13:20+00:00]
    "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
    Tag=rtt,0.000,1.000,2.769,HISTFAAAA...

Times are seconds after the base time, the maximum is in ms, values in the histogram are ns. HdrHistogram's
own tools (Java's HistogramLogProcessor, hdrh's HistogramLogReader, the plotters on the web) read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram

_LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


class Interval(NamedTuple):
    """One line: `tag` is the metric's name; `start_s` counts from the start of the run."""

    tag: str
    start_s: float
    length_s: float
    histogram: Histogram


def log_header(started_at: datetime, comment: str = "") -> str:
    """The head of a log; `started_at` must be aware. `comment`: one line, for people."""
    epoch_s = started_at.timestamp()
    lines = [f"#{line}\n" for line in comment.splitlines()[:1]]
    lines += [
        "#[Histogram log format version 1.3]\n",
        f"#[BaseTime: {epoch_s:.3f} (seconds since epoch)]\n",
        f"#[StartTime: {epoch_s:.3f} (seconds since epoch), {started_at.isoformat(timespec='milliseconds')}]\n",
        _LEGEND + "\n",
    ]
    return "".join(lines)


def log_line(interval: Interval) -> str:
    """One interval's line. Raises ValueError for a tag that the format can't carry, or a negative time."""
    if not interval.tag or any(char in interval.tag for char in ", \r\n\t"):
        raise ValueError(f"not a tag: {interval.tag!r}")
    if interval.start_s < 0 or interval.length_s < 0:
        raise ValueError("an interval before the start of the run")
    max_ms = (interval.histogram.max or 0) / NS_PER_MS
    blob = interval.histogram.encode().decode("ascii")
    return f"Tag={interval.tag},{interval.start_s:.3f},{interval.length_s:.3f},{max_ms:.6f},{blob}\n"


def read_log(lines: Iterable[str]) -> Iterator[Interval]:
    """The intervals of a log that `log_line` wrote; a line without a tag has the tag "".

    Raises ValueError, naming the line, for one that is no interval. Counts are exact; a histogram's min, max
    and sum are those of its buckets.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(("#", '"')):
            continue
        tag = ""
        if text.startswith("Tag="):
            tag, _, text = text[4:].partition(",")
        try:
            start, length, _, blob = text.split(",")
            yield Interval(tag, float(start), float(length), Histogram.decode(blob))
        except ValueError as error:
            raise ValueError(f"line {number} is no interval of a histogram log") from error
