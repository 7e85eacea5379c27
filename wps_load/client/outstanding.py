"""Which of a client's own messages have not come back yet, recognised by their data: the source of a task's `rtt`.

A scenario's messages carry a stamp; a locustfile's are the user's own bytes, and nothing may be added to them. So a
copy or answer is known by where it comes from and by its data: of equal ones the oldest is taken to be back first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import orjson

from wps_load.protocol.messages import DataType

CAPACITY = 1_000
"""The oldest are dropped beyond this number: a message whose copy never comes must not cost memory for ever."""

Key = tuple[str | None, int]
"""(group or None for the event handler, hash of the data)"""


class Sent(NamedTuple):
    """When a message was due and handed to the socket (ns), and the epoch in which it counts."""

    due_ns: int
    sent_ns: int
    epoch: int


class Outstanding:
    """Not thread-safe."""

    __slots__ = ("_order", "_sent", "_serial")

    def __init__(self) -> None:
        self._sent: dict[Key, list[int]] = {}
        self._order: OrderedDict[int, tuple[Key, Sent]] = OrderedDict()
        self._serial = 0

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: Key, sent: Sent) -> None:
        self._serial += 1
        self._order[self._serial] = key, sent
        self._sent.setdefault(key, []).append(self._serial)
        if len(self._order) > CAPACITY:
            self._forget(next(iter(self._order)))

    def take(self, key: Key) -> Sent | None:
        """The oldest message of this key, which is back; None: it was not sent here."""
        serials = self._sent.get(key)
        return None if serials is None else self._forget(serials[0])

    def clear(self) -> None:
        self._sent.clear()
        self._order.clear()

    def _forget(self, serial: int) -> Sent:
        key, sent = self._order.pop(serial)
        serials = self._sent[key]
        serials.remove(serial)
        if not serials:
            del self._sent[key]
        return sent


def data_key(group: str | None, data_type: str, data: object) -> Key:
    """Equal for equal data. JSON data count by value, not text: protocols write them differently."""
    if data_type == DataType.JSON:
        data = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    return group, hash((str(data_type), data))  # a str and its bytes have one hash: the type tells them apart
