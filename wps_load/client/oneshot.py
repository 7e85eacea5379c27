"""A timer of gevent's hub that can be set, moved and stopped, and is created only when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OneShot:
    """Calls back in the hub, once for each `start`, to the millisecond; due times use the scheduler instead."""

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._timer: Any = None

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Replaces an earlier start that has not come due."""
        self.stop()
        self._timer = self._loop.timer(seconds)
        self._timer.start(callback, update=True)  # the hub's idea of now may be old: count from here

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
