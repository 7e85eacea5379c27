"""Attempts to connect that are under way, which must not be forgotten if the run ends before they do.

Otherwise an attempt that fails slowly would count, and one that never ends would not: the worst service would look
best. So an attempt is given up at `--wps-connect-timeout`, or when the run ends, and is a failure with a label. How
long it had waited is kept in `connect_waited`, which comes after all successes in the percentiles of `connect`.
"""

from __future__ import annotations

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.recorder import Recorder

PATIENCE_NS = NS_PER_S
"""At the end of the run, attempts younger than this are waited for, as messages in flight are."""
UNFINISHED = "connect_unfinished"
TIME_LIMITS = frozenset(
    {"connect_timeout", "connect_timeout_snat", "upgrade_timeout", "connected_timeout", "negotiate_timeout"}
)
"""Failures of attempts that might have succeeded later."""


class Attempts:
    """The attempts of one process. `who` is any object of the caller's."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._due: dict[object, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def begin(self, who: object, due_ns: int) -> None:
        """An attempt that was due at `due_ns` begins."""
        self._due[who] = due_ns

    def end(self, who: object) -> None:
        """It has succeeded or failed, or its user was stopped. A second call does nothing."""
        self._due.pop(who, None)

    def gave_up(self, who: object) -> None:
        """Our own time limit has ended it: its true length is unknown, but at least this long."""
        due_ns = self._due.pop(who, None)
        if due_ns is not None:
            self._recorder.buffer("connect_waited").append(now_ns() - due_ns)

    def hopeful(self, end_ns: int) -> bool:
        """Whether some that were due before `end_ns` are so young that waiting for them is fair."""
        young_ns = now_ns() - PATIENCE_NS
        return any(young_ns < due_ns < end_ns for due_ns in self._due.values())

    def abandon(self, end_ns: int) -> int:
        """The run is over: attempts due before `end_ns` have failed. Returns their number."""
        found = [who for who, due_ns in self._due.items() if due_ns < end_ns]
        for who in found:
            self.gave_up(who)
        if found:
            self._recorder.fail("connect", UNFINISHED, len(found))
        return len(found)
