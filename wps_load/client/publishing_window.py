"""A publishing window: one stream's part in one epoch, with its schedule and its end.

Open loop: the scheduler calls `due` at each message's time. Closed loop: what comes back calls `advance`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from wps_load.measure.causes import Cause
from wps_load.measure.ledger import OutStream
from wps_load.workload.pacer import ClosedPacer, Pacer, Schedule, ScheduleCounter


class MessageSource(Protocol):
    """The owner of a PublishingWindow's messages: a user's Publisher, or a REST sender's stream."""

    @property
    def window(self) -> PublishingWindow | None:
        """The present one."""
        ...

    @property
    def ready(self) -> bool:
        """Closed loop: whether it can begin."""
        ...

    def publish(self, due_ns: int) -> None: ...


class PublishingWindow:
    """One window: nothing due at `until_ns` or later is published."""

    __slots__ = ("_next_due", "_publish", "closed", "last_due_ns", "out", "publisher", "schedule", "until_ns")

    def __init__(self, publisher: MessageSource, schedule: Schedule, out: OutStream, until_ns: int) -> None:
        self.publisher = publisher
        self.schedule = schedule
        self.out = out
        self.until_ns = until_ns
        self.closed = schedule.pacer if isinstance(schedule.pacer, ClosedPacer) else None
        self.last_due_ns: int | None = None
        """Closed loop: when the message in flight was due; None: nothing is in flight."""
        self._next_due: Callable[[], int] = schedule.next_due
        self._publish = publisher.publish

    def due(self, due_ns: int) -> int | None:
        """Open loop, called by the scheduler: publishes the message that is due and returns when the next one is."""
        next_due, publish = self._next_due, self._publish
        if due_ns >= self.until_ns:
            return None
        publish(due_ns)
        return next_due()

    def change(self, pacer: Pacer) -> int:
        """Open loop: from the next message on `pacer` gives the times; returns when that message is due."""
        self.schedule.switch(self.out.seq, pacer)
        self._next_due = self.schedule.next_due
        return self._next_due()

    def left_of_period(self, at_ns: int) -> float | None:
        """The part of a period until the next message after `at_ns`; None: its schedule has no period."""
        return self.schedule.left_of_period(self.out.seq, at_ns)

    def start_closed(self, due_ns: int) -> None:
        """Closed loop, called by the scheduler: the first message."""
        if self.publisher.ready:
            self.advance(due_ns)

    def advance(self, at_ns: int) -> None:
        """Closed loop: publishes the next message, due at `at_ns`."""
        publish, closed = self._publish, self.closed
        assert closed is not None
        if at_ns >= self.until_ns or self.publisher.window is not self:
            self.last_due_ns = None
            return
        self.last_due_ns = closed.came_back(at_ns)
        publish(at_ns)

    def miss(self, end_ns: int) -> None:
        """Messages that were due before `end_ns` and for which this worker was too late: offered, and failed."""
        if self.closed is None:
            due = ScheduleCounter(self.schedule.describe()).before(min(end_ns, self.until_ns))
            if due > self.out.seq:
                self.out.skip(due - self.out.seq, Cause.GENERATOR)

    # -- its end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing of it leaves any more."""
        self.until_ns = 0

    def reopen(self, until_ns: int) -> None:
        """The window goes on, until this instant."""
        self.until_ns = until_ns

    def end_at(self, at_ns: int) -> None:
        """The window ends at this instant, if not before."""
        self.until_ns = min(self.until_ns, at_ns)

    def move_end(self, at_ns: int) -> None:
        """The window ends at this instant, unless it is closed."""
        if self.until_ns:
            self.until_ns = at_ns

    def lost(self) -> None:
        """Closed loop: the message in flight will not come back."""
        self.last_due_ns = None
