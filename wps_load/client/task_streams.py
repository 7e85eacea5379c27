"""The streams of a process's tasks: their numbers, and when each message was due."""

from __future__ import annotations

from typing import Any, Final

from wps_load.measure.causes import Cause
from wps_load.measure.ledger import Ledger, OutStream
from wps_load.workload.pacer import ClosedPacer, Schedule

LOG_LIMIT: Final = 1 << 16
"""The most instants that a stream keeps: 1 MB.

With more messages it keeps every second one, every fourth, ..., and assumes even distances in between.
"""


class TaskStream:
    """One client's messages to one audience. Its schedule, in this process's clock, is the log of due times."""

    __slots__ = ("_log", "_newest_ns", "out")

    def __init__(self, out: OutStream) -> None:
        self.out = out
        self.restart()

    def restart(self) -> None:
        """A new epoch: numbers start anew."""
        self._log = ClosedPacer(0, LOG_LIMIT)
        self._newest_ns = 0

    def take(self, due_ns: int) -> int:
        """The number of the message that is handed to the socket now.

        `due_ns` may be before the previous one's, if one of a client's greenlets had to wait; messages count in the
        order in which they left.
        """
        self._newest_ns = max(self._newest_ns, due_ns)
        self._log.came_back(self._newest_ns)
        return self.out.take()

    def schedule(self) -> list[Any]:
        return Schedule(self._log).describe()


class Sending:
    """One message on its way. `epoch`: the measured one in which it is due; None: it counts in none."""

    __slots__ = ("due_ns", "epoch", "seq", "stream")

    def __init__(self, stream: TaskStream, due_ns: int, epoch: int | None) -> None:
        self.stream = stream
        self.due_ns = due_ns
        self.epoch = epoch
        self.seq: int | None = None

    def take(self, epoch: int) -> int | None:
        """Its sequence number, if it counts in the present epoch; else None."""
        if self.epoch != epoch:
            return None
        if self.seq is None:
            self.seq = self.stream.take(self.due_ns)
        return self.seq

    def failed(self, epoch: int, cause: Cause) -> None:
        """It was due, but nobody can expect it."""
        seq = self.take(epoch)
        if seq is not None:
            self.stream.out.failed(seq, cause)

    def forget(self, epoch: int) -> None:
        """It could not be sent at all, which only the locustfile caused: it is expected nowhere."""
        self.failed(epoch, Cause.GENERATOR)

    def uncertain(self, epoch: int) -> None:
        """It is expected only where it arrives."""
        if self.epoch == epoch and self.seq is not None:
            self.stream.out.uncertain(self.seq)


class TaskStreams:
    """The task streams of one process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._streams: dict[int, TaskStream] = {}

    def open(self, number: int, audience: int, owner: int | None, no_echo: bool) -> TaskStream:
        out = self._ledger.open_stream(number, audience, owner, no_echo)
        stream = self._streams[number] = TaskStream(out)
        return stream

    def restart(self) -> None:
        """A new epoch."""
        for stream in self._streams.values():
            stream.restart()

    def schedules(self) -> dict[int, Any]:
        """As `PublishPlan.schedules`."""
        return {number: stream.schedule() for number, stream in self._streams.items() if stream.out.seq}
