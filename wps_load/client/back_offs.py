"""Waits before another attempt to connect, which the coordinator may end for all who wait."""

from __future__ import annotations

from gevent.event import Event


class BackOffs:
    """Of one process."""

    def __init__(self) -> None:
        self._end = Event()

    def wait(self, seconds: float) -> bool:
        """Waits in the caller's greenlet. True: it was ended early, the reason to wait is gone."""
        return bool(self._end.wait(seconds))

    def end(self) -> None:
        """Those who wait now go on; whoever waits after this waits."""
        ended, self._end = self._end, Event()
        ended.set()
