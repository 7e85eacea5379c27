"""The streams that a client publishes: what is sent when, what is sent again, and when each is over.

Pure: answers in, payloads to be sent out, time as an argument.

                 first streamAck           end()              streamClosed
    STARTING ---------------------> OPEN ---------> ENDING -----------------> CLOSED
        |                             |                |                         ^
        +-----------------------------+----------------+-------------------------+
                        streamClosed with an error, an impossible ack, the connection is gone

- Fragments are numbered from 1. Before the first ack none is sent; afterwards none waits for another's ack.
- An ack names the next fragment that the service expects: what is below has been accepted, and is forgotten here.
- A nack names the same: all from there on is sent again, in order. A nack that repeats what has been answered
  already (each fragment behind a gap is refused) is answered after a back-off only.
- The end is sent behind the last fragment. It has no number, and is repeated as fragments are.
- After a recovery all that is not acknowledged is sent again, the start and the end among it. A service that does not
  know the stream any more although the end had been sent has ended it: its `streamClosed` died with the socket.
- A stream that says nothing for half of its idle time-out sends a keepalive.

Source: Azure Web PubSub client specification, section 3.6; npm `@azure/web-pubsub-client` 1.1.0 for
back-offs and impossible acks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from wps_load.protocol.messages import (
    MALFORMED,
    EndStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamNack,
    Upstream,
)
from wps_load.protocol.pending import PendingAck

KIND = "stream"
"""The kind of pending starts and ends of streams, which tells them from requests with acks."""

IDLE_TIMEOUT_MS = 300_000
"""The service's own idle time-out, if a start names none."""
_FIRST_BACK_OFF_NS = 10_000_000
_LONGEST_BACK_OFF_NS = 5_000_000_000

VIOLATION = StreamError("ProtocolViolation", "The acknowledged number is not one of this stream.", "ProtocolViolation")
"""The error with which a client ends a stream whose service acknowledges what was never sent."""
_NOT_FOUND = "StreamNotFound"


class StreamState(Enum):
    STARTING = auto()
    OPEN = auto()
    ENDING = auto()
    CLOSED = auto()


class OutgoingStream:
    """One stream. `context` is the caller's own. `due_ns`: when it was due to start, in the caller's clock.

    What is written is sent by `take`, so that the caller can wait until its connection accepts it.
    """

    __slots__ = (
        "_back_off_ns",
        "_end",
        "_end_lost",
        "_end_sent",
        "_ever_ended",
        "_highest",
        "_keepalive",
        "_nacked",
        "_next",
        "_replay_due_ns",
        "_said_ns",
        "_sent",
        "_start",
        "_start_sent",
        "_unacked",
        "accepted",
        "asked_ns",
        "context",
        "due_ns",
        "idle_timeout_ms",
        "overdue",
        "replayed",
        "state",
        "stream_id",
    )

    def __init__(
        self, stream_id: str, start: bytes, keepalive: bytes, context: object, due_ns: int, idle_timeout_ms: int
    ) -> None:
        self.stream_id = stream_id
        self.context = context
        self.due_ns = due_ns
        self.idle_timeout_ms = idle_timeout_ms
        self.state = StreamState.STARTING
        self.asked_ns: int | None = None
        """When the unanswered start or end was sent; None: there is none."""
        self.accepted = False
        """Whether the service has answered its start."""
        self.overdue = False
        """Whether the caller has been informed that its start or end is overdue."""
        self.replayed = 0
        """Fragments that were sent again."""
        self._start = start
        self._start_sent = False
        self._keepalive = keepalive
        self._unacked: deque[bytes] = deque()
        self._next = 1  # of the next fragment to be written
        self._sent = 1  # of the next fragment to be sent
        self._highest = 1  # above all that were ever sent
        self._end: bytes | None = None
        self._end_sent = False
        self._ever_ended = False  # the end was sent at least once
        self._end_lost = False  # it was sent on a socket that was lost
        self._nacked = 0
        self._back_off_ns = _FIRST_BACK_OFF_NS
        self._replay_due_ns: int | None = None
        self._said_ns = 0

    @property
    def next_number(self) -> int:
        """The number of the next fragment to be written."""
        return self._next

    @property
    def oldest_unacked(self) -> int:
        return self._next - len(self._unacked)

    @property
    def outstanding(self) -> int:
        """Fragments that have been written and not been acknowledged."""
        return len(self._unacked)

    @property
    def never_sent(self) -> int:
        """Fragments that were written but never sent: the last ones."""
        return self._next - self._highest

    def write(self, payload: bytes) -> None:
        """Writes the fragment `next_number`."""
        self._unacked.append(payload)
        self._next += 1

    def end(self, payload: bytes) -> None:
        """Ends the stream: nothing more will be written. A second call does nothing."""
        if self._end is None:
            self._end = payload

    @property
    def ended(self) -> bool:
        """Whether nothing can be written any more."""
        return self._end is not None or self.state is StreamState.CLOSED

    # -- what is to be sent --------------------------------------------------------------------------------------

    def take(self, now_ns: int) -> Iterator[bytes]:
        """What can be sent now, one payload after the other; each counts as sent when it is taken."""
        if self.state is StreamState.CLOSED:
            return
        self._said_ns = now_ns
        if not self._start_sent:
            self._start_sent = True
            self._asks(now_ns)
            yield self._start
        if self.state is StreamState.STARTING:
            return
        while self._sent < self._next:
            self._sent += 1
            self._highest = max(self._highest, self._sent)
            yield self._unacked[self._sent - 1 - self.oldest_unacked]
        if self._end is not None and self._end_due:
            self._end_sent = self._ever_ended = True
            self.state = StreamState.ENDING
            self._asks(now_ns)
            yield self._end

    def _asks(self, now_ns: int) -> None:
        if self.asked_ns is None:
            self.asked_ns = now_ns

    @property
    def ready(self) -> bool:
        """Whether `take` has something."""
        if self.state is StreamState.CLOSED:
            return False
        if self.state is StreamState.STARTING:
            return not self._start_sent
        return self._sent < self._next or self._end_due

    @property
    def _end_due(self) -> bool:
        """The end does not overtake fragments that must be sent again."""
        return self._end is not None and not self._end_sent and self._replay_due_ns is None

    def beat(self, now_ns: int) -> bytes | None:
        """What is due by time: a keepalive, and fragments to be sent again, which `take` then returns."""
        if self._replay_due_ns is not None and now_ns >= self._replay_due_ns:
            self._replay_due_ns = None
            self._rewind(self.oldest_unacked)
        if self.state is not StreamState.OPEN or now_ns - self._said_ns < self.idle_timeout_ms * 500_000:
            return None
        self._said_ns = now_ns
        return self._keepalive

    # -- what comes ----------------------------------------------------------------------------------------------

    def acked(self, expected: int) -> bool:
        """False: the service acknowledges what was never sent, or withdraws what it had accepted."""
        if not self.oldest_unacked <= expected <= self._highest:
            return False
        if self.state is StreamState.STARTING:
            self.state = StreamState.OPEN
            self.accepted = True
            self.asked_ns = None
            self.overdue = False
        if expected > self.oldest_unacked:
            for _ in range(expected - self.oldest_unacked):
                self._unacked.popleft()
            self._sent = max(self._sent, expected)
            self._back_off_ns = _FIRST_BACK_OFF_NS
            self._replay_due_ns = None
        return True

    def nacked(self, expected: int, now_ns: int) -> bool:
        """As `acked`; everything from `expected` on must be sent again."""
        if not self.acked(expected):
            return False
        if expected != self._nacked:
            self._nacked = expected
            self._rewind(expected)
        elif self._replay_due_ns is None and self._unacked:
            self._replay_due_ns = now_ns + self._back_off_ns
            self._back_off_ns = min(2 * self._back_off_ns, _LONGEST_BACK_OFF_NS)
        return True

    def _rewind(self, number: int) -> None:
        self.replayed += max(0, self._sent - number)
        self._sent = min(self._sent, number)
        self._end_sent = False

    def recovered(self) -> None:
        """The connection continues on another socket: what is not acknowledged must be sent again."""
        self._start_sent = self.state is not StreamState.STARTING
        self._end_lost |= self._end_sent
        self._nacked = 0
        self._replay_due_ns = None
        self._rewind(self.oldest_unacked)

    def closed(self, error: StreamError | None) -> StreamError | None:
        """The stream is over. Returns why it failed; None: it did not."""
        self.state = StreamState.CLOSED
        if error is None:
            return None if self._ever_ended else StreamError(MALFORMED, "The stream was closed before its end.")
        return None if error.name == _NOT_FOUND and self._end_lost else error


class StreamChange(NamedTuple):
    """What an answer has changed.

    `started`: it accepts the stream. `over`: the stream has been removed; `error`: why it failed. `farewell`: to be
    sent.
    """

    stream: OutgoingStream
    started: bool = False
    over: bool = False
    error: StreamError | None = None
    farewell: bytes | None = None


class OutgoingStreams:
    """All streams that one client publishes. `unknown` only grows."""

    __slots__ = ("_encode", "_streams", "unknown")

    def __init__(self, encode: Callable[[Upstream], bytes]) -> None:
        self._encode = encode
        self._streams: dict[str, OutgoingStream] = {}
        self.unknown = 0
        """Answers to no stream of this client, or to one that was over."""

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[OutgoingStream]:
        return iter(tuple(self._streams.values()))

    def start(
        self, stream_id: str, start: Upstream, context: object, due_ns: int, idle_timeout_ms: int = IDLE_TIMEOUT_MS
    ) -> OutgoingStream:
        """Starts a stream whose id is not in use. Its start is the first payload that `take` has."""
        keepalive = self._encode(StreamData(stream_id))
        stream = OutgoingStream(stream_id, self._encode(start), keepalive, context, due_ns, idle_timeout_ms)
        self._streams[stream_id] = stream
        return stream

    def receive(self, answer: StreamAck | StreamNack | StreamClosed, now_ns: int) -> StreamChange | None:
        """Handles an answer; None (counted): it is about no stream of this client."""
        stream = self._streams.get(answer.stream_id)
        if stream is None:
            self.unknown += 1
            return None
        if isinstance(answer, StreamClosed):
            del self._streams[answer.stream_id]
            return StreamChange(stream, over=True, error=stream.closed(answer.error))
        was_starting = stream.state is StreamState.STARTING
        if isinstance(answer, StreamNack):
            possible = stream.nacked(answer.expected, now_ns)
        else:
            possible = stream.acked(answer.expected)
        if possible:
            return StreamChange(stream, started=was_starting)
        return StreamChange(stream, over=True, error=VIOLATION, farewell=self.give_up(stream, VIOLATION))

    def give_up(self, stream: OutgoingStream, why: StreamError) -> bytes:
        """Gives a stream up. Returns the payload that informs the service."""
        self._streams.pop(stream.stream_id, None)
        stream.state = StreamState.CLOSED
        return self._encode(EndStream(stream.stream_id, why))

    def recovered(self, now_ns: int) -> list[bytes]:
        """What must be sent on the new socket, stream by stream."""
        for stream in self:
            stream.recovered()
        return [payload for stream in self for payload in stream.take(now_ns)]

    def overdue(self, before_ns: int | None) -> list[PendingAck]:
        """Unanswered starts and ends that were sent before `before_ns` (None: all), each of them once."""
        found = []
        for stream in self:
            asked_ns = stream.asked_ns
            if asked_ns is None or stream.overdue or (before_ns is not None and asked_ns >= before_ns):
                continue
            stream.overdue = True
            found.append(PendingAck(KIND, stream, None, asked_ns, overdue=True))
        return found

    @property
    def unanswered(self) -> int:
        """The number of starts and ends that wait for an answer and are not overdue."""
        return sum(stream.asked_ns is not None and not stream.overdue for stream in self)

    def abandon(self) -> list[PendingAck]:
        """The connection is gone for good, with all its streams: removes and returns them."""
        gone = list(self)
        self._streams.clear()
        for stream in gone:
            stream.state = StreamState.CLOSED
        return [PendingAck(KIND, stream, None, stream.asked_ns or 0, overdue=stream.overdue) for stream in gone]
