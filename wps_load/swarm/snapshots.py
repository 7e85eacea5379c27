"""Snapshots of a run in its middle, written by a native thread beside the load.

Rendering one takes 10 ms after a minute and 80 ms after an hour: in the hub, that long no message would leave or be
timed. In a thread of gevent's pool the hub waits for Python's lock only, and never longer than the switch interval.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]

from wps_load.measure.histogram_log import interval_lines
from wps_load.measure.snapshot import Snapshot
from wps_load.report.files import write_snapshot
from wps_load.report.model import RunFacts

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep Python's lock from the hub; the default of 5 ms would be seen in latencies."""


def share_the_lock() -> None:
    """Once a process, before the first snapshot."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


class SnapshotWriter:
    """One folder's snapshots. A failure is told by the next call of `failure`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job: Any = None

    @property
    def busy(self) -> bool:
        return self._job is not None and not self._job.ready()

    def write(self, facts: RunFacts) -> None:
        """Returns at once. `facts` must be the thread's own: nothing of them may change any more."""
        self._job = gevent.get_hub().threadpool.spawn(_write, self._folder, facts)

    def failure(self) -> str | None:
        """Why the last one could not be written, once; None: it was, or is being written."""
        if self._job is None or not self._job.ready():
            return None
        reason, self._job = self._job.get(), None
        return str(reason) if reason else None

    def finish(self) -> None:
        """Waits for the one that is being written: the final files must come after it."""
        if self._job is not None:
            self._job.wait()


def _write(folder: Path, facts: RunFacts) -> str | None:
    """In the thread: no logging here, whose lock is the hub's."""
    until_s = float(str(facts.timeline[-1]["t_s"])) if facts.timeline else 0.0
    try:
        write_snapshot(folder, replace(facts, interval_log=[interval_lines(0.0, until_s, facts.snapshot)]))
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def frozen(facts: RunFacts) -> RunFacts:
    """A copy that the run which goes on does not touch."""
    snapshot = Snapshot()
    snapshot.merge(facts.snapshot)
    return replace(facts, snapshot=snapshot, timeline=list(facts.timeline))
