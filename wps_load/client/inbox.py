"""Messages that an API client has received and its task has not taken yet: for `receive`, or for callbacks in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from gevent.event import Event

from wps_load.client.establish import seconds_until
from wps_load.protocol.messages import DataMessage

logger = logging.getLogger(__name__)

CAPACITY = 256
"""The most messages; a new one then replaces the oldest. A task that only sends never empties its inbox.

At 2 KiB a message this costs half a megabyte per user.
"""

Callback = Callable[[DataMessage], None]
Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """`put` and `wake` are for the hub. `on_error` gets what a callback raises."""

    __slots__ = ("_arrived", "_callbacks", "_messages", "_on_error", "_pump", "dropped")

    def __init__(self, on_error: Callable[[Exception], None] | None = None) -> None:
        self._messages: deque[Item] = deque(maxlen=CAPACITY)
        self._arrived = Event()
        self._callbacks: list[Callable[[Item], None]] = []
        self._pump: Any = None
        self._on_error = on_error or log_error
        self.dropped = 0
        """Messages that newer ones have replaced."""

    @property
    def has_callbacks(self) -> bool:
        return bool(self._callbacks)

    def put(self, message: Item) -> None:
        if len(self._messages) == CAPACITY:
            self.dropped += 1
        self._messages.append(message)
        self._arrived.set()

    @property
    def empty(self) -> bool:
        return not self._messages

    def wake(self) -> None:
        """Waiting callers check again: there may be no more to wait for."""
        self._arrived.set()

    def pop(self) -> Item | None:
        """The oldest message, or None."""
        return self._messages.popleft() if self._messages else None

    def wait(self, deadline_ns: int | None) -> bool:
        """Waits until there may be a message. False: the time is up; `deadline_ns` None: no limit."""
        if self._messages:
            return True
        self._arrived.clear()
        return bool(self._arrived.wait(None if deadline_ns is None else seconds_until(deadline_ns)))

    # -- callbacks ------------------------------------------------------------

    def call(self, callback: Callable[[Item], None]) -> Callable[[Item], None]:
        """From now on messages also go to `callback`, one after the other, in a greenlet of their own."""
        self._callbacks.append(callback)
        if self._pump is None:
            self._pump = gevent.spawn(self._run)
        return callback

    def stop(self) -> None:
        """Ends the callbacks, even in the middle of one. Does not wait."""
        if self._pump is not None:
            self._pump.kill(block=False)
            self._pump = None

    def _run(self) -> None:
        while True:
            while (message := self.pop()) is not None:
                for callback in tuple(self._callbacks):
                    try:
                        callback(message)
                    except Exception as error:
                        self._on_error(error)
            self.wait(None)


def log_error(error: Exception) -> None:
    """Logs what a callback raised, if there is no other handler."""
    logger.error("a callback failed", exc_info=error)
