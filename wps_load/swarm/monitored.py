"""The run that monitoring systems see: the present one, else the last one, whose figures remain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.family import Family, TimeFamily
from wps_load.swarm.families import RunFamilies
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.run_state import RunStanding


class Monitored:
    """`current()`: the reporter of the present, last or prepared run; None before the first."""

    def __init__(self, current: Callable[[], Reporter | None]) -> None:
        self._current = current
        self._latest: tuple[Reporter, RunFamilies, RunStanding] | None = None

    @property
    def started_ns(self) -> int:
        """When the run began, in Unix time; 0 before the first run."""
        latest = self._find()
        return 0 if latest is None else round(latest[0].started_at.timestamp() * NS_PER_S)

    def families(self) -> Iterator[Family | TimeFamily]:
        """The metrics as of now; none before the first run. After each family, messages that have arrived are read."""
        latest = self._find()
        if latest is None:
            return
        _, families, standing = latest
        for found in (standing.read(), families.read(now_ns())):
            for family in found:
                yield family
                gevent.sleep(0)

    def _find(self) -> tuple[Reporter, RunFamilies, RunStanding] | None:
        reporter = self._current()
        if reporter is not None and (self._latest is None or self._latest[0] is not reporter):
            conductor = reporter.conductor
            if conductor is not None:
                families = RunFamilies(conductor, reporter.scenario)
                alone = families.names[0] if len(families.names) == 1 else ""
                self._latest = reporter, families, RunStanding(reporter, conductor, alone)
        return self._latest
