"""What a reliable connection has not acknowledged yet. Pure."""

from __future__ import annotations

from collections import deque

MAX_MESSAGES = 1000
MAX_BYTES = 16 * 1024 * 1024
"""The service's limits on one connection's unacknowledged messages; beyond either it cannot be recovered."""


class ReliableQueue:
    """Numbers deliveries from 1 and keeps their frames until they are acknowledged."""

    __slots__ = ("_entries", "_size_bytes", "next_id")

    def __init__(self) -> None:
        self._entries: deque[tuple[int, bytes, int | None]] = deque()
        self._size_bytes = 0
        self.next_id = 1

    def __len__(self) -> int:
        return len(self._entries)

    def number(self, message: object) -> int:
        """Of the delivery that is about to be made."""
        return self.next_id

    def add(self, frame: bytes, expires_ns: int | None) -> bool:
        """Keeps the frame of message `next_id`; False when the queue is over its limits."""
        self._entries.append((self.next_id, frame, expires_ns))
        self._size_bytes += len(frame)
        self.next_id += 1
        return len(self._entries) <= MAX_MESSAGES and self._size_bytes <= MAX_BYTES

    def acknowledge(self, sequence_id: int) -> None:
        """All up to this one have arrived (cumulative); a number not yet given out means all."""
        entries = self._entries
        while entries and entries[0][0] <= sequence_id:
            self._size_bytes -= len(entries.popleft()[1])

    def unacked(self, now_ns: int) -> list[bytes]:
        """The frames to send again, oldest first, without those whose time to live has passed."""
        return [frame for _, frame, expires_ns in self._entries if expires_ns is None or expires_ns > now_ns]
