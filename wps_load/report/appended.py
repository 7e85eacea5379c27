"""The files that grow with a run: `timeline.csv` and `histograms.hlog`.

Lines are appended and never rewritten, so both can be read at any moment. Their intervals grow longer with the run: a
file has a fixed number of lines for each doubling of the run's length.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from wps_load.measure.histogram_log import interval_lines, log_header
from wps_load.report import timeline
from wps_load.report.interval import Interval

CSV_BY_SECONDS = 3600
LOG_BY_SECONDS = 600
"""This many seconds have lines of their own; then the intervals double with the length of the run.

A histogram takes a kilobyte, and a third of a millisecond to be read.
"""

TIMELINE, LOG = "timeline.csv", "histograms.hlog"


class Growing:
    """Merges a run's seconds into intervals of 1 s up to `dense` seconds, of 2 s up to twice as long, then of 4 s..."""

    def __init__(self, dense: int) -> None:
        self._dense = dense
        self._open: Interval | None = None

    def add(self, second: Interval) -> Interval | None:
        """The interval that this second completes, if there is one."""
        whole = self._open
        if whole is not None:
            whole.absorb(second)
        elif second.to_s >= self._end(second.from_s):
            return second
        else:
            whole = self._open = second.copy()
        return self.rest() if whole.to_s >= self._end(whole.from_s) else None

    def rest(self) -> Interval | None:
        """The incomplete rest, which no following interval will have."""
        whole, self._open = self._open, None
        return whole

    def _end(self, from_s: float) -> float:
        length = float(1 << int(from_s // self._dense).bit_length())
        return float(from_s // length + 1) * length


class AppendedFile:
    """A file that only grows. `error`: why it could not; from then on it remains as it is, without half a line."""

    def __init__(self, path: Path, head: Callable[[], bytes]) -> None:
        self._path = path
        self._head = head
        self.error: OSError | None = None

    def append(self, lines: bytes) -> None:
        """Appends lines; a folder that was removed meanwhile is created again."""
        if self.error is None:
            try:
                self._append(lines)
            except OSError as error:
                self.error = error

    def _append(self, lines: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "ab", buffering=0) as file:
            size = file.tell()
            whole = lines if size else self._head() + lines
            try:
                _write(file.fileno(), whole)
            except OSError:
                os.truncate(self._path, size)
                raise


def _write(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


class AppendedFiles:
    """Both files of one run."""

    def __init__(self, folder: Path, started_at: Callable[[], datetime]) -> None:
        self._rows = Growing(CSV_BY_SECONDS)
        self._lines = Growing(LOG_BY_SECONDS)
        self._csv = AppendedFile(folder / TIMELINE, timeline.csv_head)
        self._log = AppendedFile(folder / LOG, lambda: log_header(started_at()).encode())

    @property
    def error(self) -> OSError | None:
        """Why one of them ends before the run does."""
        return self._csv.error or self._log.error

    def add(self, second: Interval) -> None:
        """Called once for every second, in order."""
        self._write(self._rows.add(second), self._lines.add(second))

    def close(self) -> None:
        """The run is over: an incomplete interval becomes a line too. A run without a second has empty files."""
        self._write(self._rows.rest(), self._lines.rest())
        self._csv.append(b"")
        self._log.append(b"")

    def _write(self, row: Interval | None, histograms: Interval | None) -> None:
        if row is not None:
            self._csv.append(timeline.csv_line(row.row()))
        if histograms is not None:
            began, length = histograms.from_s, histograms.to_s - histograms.from_s
            lines = interval_lines(began, length, histograms.snapshot)
            for name, portion in histograms.portions.items():
                lines += interval_lines(began, length, portion.snapshot, f"{name}.")
            self._log.append(lines.encode())
