"""Streams as a task hears them: each is an object to iterate; timed as in the scenario `stream`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent.pool

from wps_load.client.api_values import deadline
from wps_load.client.context import PopulationContext
from wps_load.client.fragments import StreamName
from wps_load.client.inbox import Inbox, log_error
from wps_load.errors import LocalProtocolError
from wps_load.protocol.messages import DataMessage, StreamError, StreamMessage

LOST = StreamError("ConnectionLost", "The connection ended before the stream did.")
StreamCallback = Callable[["HeardStream"], None]


class HeardStream:
    """A stream of a group. Iterate it for its fragments until it ends; `error` then says why, if it failed.

    `id`, `group`: those of the stream. 256 unread fragments are kept, then the oldest is dropped (`dropped`).
    """

    def __init__(self, stream_id: str, group: str | None) -> None:
        self.id = stream_id
        self.group = group
        self.error: StreamError | None = None
        """Why it was cut off; None: it was not, or not yet."""
        self._over = False
        self._inbox: Inbox[DataMessage] = Inbox()

    @property
    def ended(self) -> bool:
        """Whether it is over and all of it has been read."""
        return self._over and self._inbox.empty

    @property
    def dropped(self) -> int:
        """Fragments that newer ones have replaced."""
        return self._inbox.dropped

    def read(self, timeout: float | None = None) -> DataMessage | None:
        """The next fragment; None: it has `ended`, or none came in `timeout` seconds.

        `timeout` None: waits for ever.
        """
        deadline_ns = deadline(timeout)
        while (fragment := self._inbox.pop()) is None:
            if self._over or not self._inbox.wait(deadline_ns):
                return None
        return fragment

    def __iter__(self) -> Iterator[DataMessage]:
        while (fragment := self.read()) is not None:
            yield fragment

    # -- in the hub ------------------------------------------------------------

    def put(self, fragment: DataMessage) -> None:
        """A fragment has come."""
        self._inbox.put(fragment)

    def end(self, error: StreamError | None) -> None:
        """Nothing more comes."""
        self.error = error
        self._over = True
        self._inbox.wake()


class _Measured:
    """A stream in progress, for its times. `name` None: no client of this run publishes it, or this one does."""

    __slots__ = ("heard", "last_ns", "name")

    def __init__(self, heard: HeardStream, name: StreamName | None) -> None:
        self.heard = heard
        self.name = name
        self.last_ns: int | None = None


class HeardStreams:
    """The streams that one client hears. `own`: the number of its own, which are not timed here.

    `on_error` gets what a callback raises.
    """

    def __init__(self, context: PopulationContext, own: int, on_error: Callable[[Exception], None] | None) -> None:
        self._context = context
        self._own = own
        self._on_error = on_error or log_error
        self._streams: dict[str, _Measured] = {}
        self._new: Inbox[HeardStream] = Inbox()
        self._callbacks: list[StreamCallback] = []
        self._running = gevent.pool.Group()
        self.taken = False
        """Whether the task takes whole streams: from then on it gets their fragments no longer as messages."""

    def next(self, connect: Callable[[], object], timeout: float | None) -> HeardStream | None:
        """A stream that has begun and is not taken yet; None: the time is up, or the connection has ended."""
        if self._callbacks:
            raise LocalProtocolError("streams go to the callbacks of on_stream; receive_stream has none to give")
        deadline_ns = deadline(timeout)
        self.taken = True
        connect()
        found = self._new.pop()
        if found is None and self._new.wait(deadline_ns):
            found = self._new.pop()
        return found

    def call(self, callback: StreamCallback) -> StreamCallback:
        """From now on each stream that begins goes to `callback`, in a greenlet of its own."""
        self.taken = True
        self._callbacks.append(callback)
        return callback

    def stop(self) -> None:
        """Ends the callbacks, even in the middle of one. Does not wait."""
        self._running.kill(block=False)

    def _run(self, callback: StreamCallback, stream: HeardStream) -> None:
        try:
            callback(stream)
        except Exception as error:
            self._on_error(error)

    # -- in the hub ------------------------------------------------------------

    def arrived(self, message: StreamMessage, fragment: DataMessage, arrival_ns: int) -> None:
        """A fragment, or a stream's end. `fragment`: its content in the form that a task gets."""
        found = self._streams.get(message.stream_id)
        if found is None:
            if message.ends:
                return  # nothing of it has arrived
            found = self._streams[message.stream_id] = self._begin(message)
        if message.ends:
            del self._streams[message.stream_id]
            self._ended(found, message.error)
            return
        self._measure(found, message.number, arrival_ns)
        found.heard.put(fragment)

    def lost(self) -> None:
        """The connection is gone for good: unfinished streams were cut off."""
        streams, self._streams = self._streams, {}
        for each in streams.values():
            self._ended(each, LOST)
        self._new.wake()

    def _begin(self, message: StreamMessage) -> _Measured:
        heard = HeardStream(message.stream_id, message.content.group)
        name = StreamName.of(message.stream_id)
        if name is not None and (name.mark & 0xFFFFFFFF != self._context.run.number or name.stream == self._own):
            name = None
        if self._callbacks:
            for callback in self._callbacks:
                self._running.spawn(self._run, callback, heard)
        elif self.taken:
            self._new.put(heard)
        return _Measured(heard, name)

    def _ended(self, found: _Measured, error: StreamError | None) -> None:
        if found.name is not None and found.name.mark == self._context.epochs.mark:
            self._context.recorder.count("streams_heard_whole" if error is None else "streams_cut_off")
        found.heard.end(error)

    def _measure(self, found: _Measured, number: int, arrival_ns: int) -> None:
        context, name = self._context, found.name
        if name is None or name.mark != context.epochs.mark:
            return
        if context.epochs.measured_at(arrival_ns) is None:
            return
        if found.last_ns is not None:
            context.recorder.buffer("fragment_gap").append(arrival_ns - found.last_ns)
        elif number == 1:
            context.recorder.buffer("first_fragment").append(arrival_ns + context.clock.offset_ns - name.due_ns)
        found.last_ns = arrival_ns
