"""Snapshots of a run in progress, written between messages.

A thread would take Python's lock each time that the hub releases it, at each system call: the load would stop until the
whole snapshot is made. So it is made in the hub's own thread, one file at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent

from wps_load.measure.snapshot import Snapshot
from wps_load.report.files import write_snapshot
from wps_load.report.model import RunFacts

PAUSE_S = 0.05
"""The pause between two files, for messages that had to wait."""

logger = logging.getLogger(__name__)


class SnapshotWriter:
    """Writes one folder's snapshots, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job: Any = None

    @property
    def busy(self) -> bool:
        return self._job is not None and not self._job.ready()

    def write(self, facts: Callable[[], RunFacts | None], delay_s: float = 0.0) -> None:
        """Returns at once. `facts()` is asked after the delay; None: there is nothing to write any more."""
        self._job = gevent.spawn_later(delay_s, self._write, facts)

    def finish(self) -> None:
        """Gives up the snapshot that is being written: the final files replace it."""
        if self._job is not None:
            self._job.kill()

    def _write(self, facts: Callable[[], RunFacts | None]) -> None:
        found = facts()
        if found is None:
            return
        snapshot = Snapshot()
        snapshot.merge(found.snapshot)  # a copy, as the run goes on
        try:
            write_snapshot(self._folder, replace(found, snapshot=snapshot), _pause)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            logger.error("The snapshot of the run could not be written: %s", reason)


def _pause() -> None:
    gevent.sleep(PAUSE_S)
