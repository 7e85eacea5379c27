"""Waits before another attempt to connect, which the coordinator may end for all at once."""

from __future__ import annotations

from gevent.event import Event


class BackOffs:
    """The back-offs of one process."""

    def __init__(self) -> None:
        self._end = Event()

    def wait(self, seconds: float) -> bool:
        """Waits in the caller's greenlet. True: it was ended early, because the reason to wait is gone."""
        return bool(self._end.wait(seconds))

    def end(self) -> None:
        """Ends all present waits; later ones are not affected."""
        ended, self._end = self._end, Event()
        ended.set()
