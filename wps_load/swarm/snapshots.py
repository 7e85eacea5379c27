"""Snapshots of a run in progress, written between messages.

A thread would take Python's lock each time that the hub releases it, at each system call: the load would stop until the
whole snapshot is made. So it is made in the hub's own thread, one file at a time.
"""

from __future__ import annotations

import logging
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

    def write(self, facts: RunFacts) -> None:
        """Returns at once. The run may go on, because the writer has a copy of what changes."""
        snapshot = Snapshot()
        snapshot.merge(facts.snapshot)
        self._job = gevent.spawn(self._write, replace(facts, snapshot=snapshot))

    def finish(self) -> None:
        """Gives up the snapshot that is being written: the final files replace it."""
        if self._job is not None:
            self._job.kill()

    def _write(self, facts: RunFacts) -> None:
        try:
            write_snapshot(self._folder, facts, _pause)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            logger.error("The snapshot of the run could not be written: %s", reason)


def _pause() -> None:
    gevent.sleep(PAUSE_S)
