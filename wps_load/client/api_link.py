"""One logical connection of a `WebPubSubClient`: its socket, its protocol session, its recovery.

What arrives is handled in the hub. A caller's greenlet only waits: for `passable` before it sends, for an answer after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import gevent
from gevent.event import AsyncResult, Event

from wps_load.client import oddities
from wps_load.client.access import ConnectGrant
from wps_load.client.connection import Connection, Cut
from wps_load.client.connections import Connections
from wps_load.client.dial import Dialed
from wps_load.client.quote import quote
from wps_load.client.recovery import recover
from wps_load.clock import now_ns
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.protocol.messages import (
    Ack,
    Connected,
    DataMessage,
    Disconnected,
    Ended,
    InvokeResponse,
    Pong,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamMessage,
    StreamNack,
)
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import State
from wps_load.protocol.sessions import new_session
from wps_load.protocol.streams import IDLE_TIMEOUT_MS, KIND, OutgoingStream, StreamChange


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The outcome of a request. `lost`: the connection ended before the ack came."""

    ok: bool = False
    error: str | None = None
    arrival_ns: int = 0
    lost: ConnectionLost | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request in flight, whose ack will be in `answer`."""

    ack_id: int
    answer: Any = field(default_factory=AsyncResult)


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation in flight. `answer`: its response and arrival time, or how its connection was lost."""

    number: int
    answer: Any = field(default_factory=AsyncResult)


class StreamOwner(Protocol):
    """The owner of a stream. Called in the hub."""

    def answered(self, change: StreamChange, answer: StreamAck | StreamNack | StreamClosed, arrival_ns: int) -> None:
        """The service has answered about the stream."""
        ...

    def lost(self, lost: ConnectionLost) -> None:
        """The connection is gone for good."""
        ...

    def pump(self) -> None:
        """The connection accepts messages."""
        ...

    def beat(self, at_ns: int) -> None:
        """Some time has passed."""
        ...


class ApiLink:
    """`on_data(message, arrival_ns)` and `on_end(link, lost_ns)` are called in the hub and must not block.

    `connected`: set when it is usable, or has ended. `ended`: set when it has ended for good, after a recovery was
    tried if the protocol has one; `lost` says how.
    """

    __slots__ = (
        "_closing",
        "_connections",
        "_context",
        "_farewell",
        "_grant",
        "_numbered",
        "_on_data",
        "_on_end",
        "_recovery",
        "_told",
        "connected",
        "connection",
        "ended",
        "groups",
        "interrupted",
        "lost",
        "passable",
        "proven",
        "session",
        "up",
    )

    def __init__(
        self,
        connections: Connections,
        grant: ConnectGrant,
        dialed: Dialed,
        *,
        on_data: Callable[[DataMessage | StreamMessage, int], None],
        on_end: Callable[[ApiLink, int], None],
    ) -> None:
        self._connections = connections
        self._context = context = connections.context
        self._grant = grant
        self._on_data = on_data
        self._on_end = on_end
        self._numbered = context.codec.traits.numbered
        self._closing = False
        self._farewell = ""
        self._recovery: Any = None
        self.proven = Event()
        """Set when a message has come since a recovery was tried, or its socket has ended."""
        self.session = new_session(context.codec)
        self._told = oddities.met(self.session)
        self.connected = Event()
        self.ended = Event()
        self.passable = Event()
        """Set while the connection accepts messages, or when it has ended."""
        self.lost: ConnectionLost | None = None
        self.interrupted: ConnectionLost | None = None
        """How its socket ended, while a recovery is under way."""
        self.groups: set[str] = set()
        """Groups joined on this connection, by acks."""
        self.up = False
        """Whether there is a socket that has not ended."""
        self._open(dialed)
        if hello := self.session.hello():
            self.send(hello, context.codec.opcode)

    def _open(self, dialed: Dialed) -> None:
        self.up = True
        on_message = self._on_packets if self._context.codec.traits.is_mqtt else self._on_message
        self.connection = Connection(dialed, on_message, self._on_close, on_writable=self._pass)
        self.connection.start(dialed.leftover, dialed.upgraded_ns)
        self._pass()

    def _pass(self) -> None:
        if self.ended.is_set() or (self.up and self.connection.writable):
            self.passable.set()
        for owner in self._owners():
            owner.pump()

    # -- out ------------------------------------------------------------

    def send(self, payload: bytes, opcode: int) -> bool:
        """Sends one data frame; False: it was refused and will never leave. Wait for `passable` first."""
        sent = self.connection.send(self._context.frame(opcode, payload))
        if not self.connection.writable:
            self.passable.clear()
        return sent

    def request(self, ack_id: int, payload: bytes, opcode: int) -> Request:
        """Sends a request. If the socket refuses it, the connection's end or its recovery answers it."""
        request = Request(ack_id)
        self.session.expect_ack(ack_id, "request", request, payload)
        self.send(payload, opcode)
        return request

    def invoke(self, number: int, payload: bytes, opcode: int) -> Invocation:
        """Sends an invocation. If the socket refuses it, the connection's end answers it."""
        invocation = Invocation(number)
        self.session.invocations.expect(number, invocation, now_ns())
        self.send(payload, opcode)
        return invocation

    def publish(self, stream_id: str, start: StartStream, owner: StreamOwner, due_ns: int) -> OutgoingStream:
        """Begins a stream. Its owner pumps it, and gets its answers."""
        self._connections.streaming.add(self)
        idle_ms = IDLE_TIMEOUT_MS if start.idle_timeout_ms is None else start.idle_timeout_ms
        return self.session.streams.start(stream_id, start, owner, due_ns, idle_ms)

    def beat(self, at_ns: int) -> None:
        """Does what is due by time in its streams."""
        for owner in self._owners():
            owner.beat(at_ns)
        if not len(self.session.streams):
            self._connections.streaming.discard(self)

    def _owners(self) -> list[StreamOwner]:
        return [cast(StreamOwner, each.context) for each in self.session.streams]

    def acknowledge(self, at_ns: int) -> None:
        """Reliable protocols: acknowledges received messages when it is time to."""
        payload = self.session.sequence_ack_due(at_ns)
        if payload is not None:
            self.send(payload, self._context.codec.opcode)
            self._count_oddities()

    def _count_oddities(self) -> None:
        self._told = oddities.count(self._context.recorder, self.session, self._told)

    def close(self) -> None:
        """Starts the close handshake; nothing is recovered any more. A second call does nothing."""
        if self._closing or self.ended.is_set():
            return
        self._closing = True
        self._context.recorder.count("connections_closed_by_plan")
        if self._recovery is None:
            if goodbye := self.session.goodbye():
                self.send(goodbye, self._context.codec.opcode)
            self.connection.close()
            return
        self._recovery.kill(block=False)
        self._recovery = None
        self.session.close()
        self.connection.cut(Cut.RESET)
        self._end(ConnectionLost(1006), now_ns())

    @property
    def closing(self) -> bool:
        """Whether it ends, or has ended, by plan."""
        return self._closing

    def discard(self) -> None:
        """Ends a connection that never became usable."""
        self._closing = True
        self.connection.cut(Cut.RESET)

    def has_joined(self, group: str) -> None:
        """A join was acknowledged."""
        self.groups.add(group)

    def leaves(self, group: str) -> None:
        """It must no longer be in this group."""
        self.groups.discard(group)

    # -- in ------------------------------------------------------------

    def _on_packets(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        """MQTT: a frame holds part of a packet, or several. The protocol's own answers leave at once."""
        for packet in self.session.packets(payload):
            self._on_message(opcode, packet, arrival_ns)
        if self.session.outgoing:
            self.acknowledge(arrival_ns)

    def _on_message(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        message = self.session.receive(opcode, payload)
        if self._recovery is not None:
            self.proven.set()
        if isinstance(message, DataMessage | StreamMessage):
            self._on_data(message, arrival_ns)
            if self._numbered:
                self.acknowledge(arrival_ns)
        elif type(message) is Ack:
            found = self.session.resolve(message)
            if found is None:
                self._count_oddities()
            else:
                cast(Request, found.context).answer.set(RequestOutcome(found.ok, found.error, arrival_ns))
        elif type(message) is Connected:
            self.connected.set()
        elif type(message) is Ended:
            lost = ConnectionLost(message.code, quote(message.reason), EndedBy(message.how))
            self.connection.cut(Cut.RESET, lost)
        elif type(message) is Disconnected:
            self._farewell = quote(message.reason)
        elif type(message) is InvokeResponse:
            invoked = self.session.invocations.resolve(message)
            if invoked is None:
                self._context.recorder.count("responses_unknown")
            else:
                cast(Invocation, invoked.context).answer.set((message, arrival_ns))
        elif isinstance(message, StreamAck | StreamNack | StreamClosed):
            change = self.session.streams.receive(message, arrival_ns)
            if change is None:
                self._context.recorder.count("stream_answers_unknown")
            else:
                cast(StreamOwner, change.stream.context).answered(change, message, arrival_ns)
        elif type(message) is Pong:
            self._context.recorder.count("pongs_received")
            self._context.ping_words.answered()
        elif message is None:
            self._count_oddities()

    def _on_close(self, lost: ConnectionLost, asked: bool) -> None:
        lost_ns = now_ns()
        lost = lost.after(self._farewell)
        self._count_oddities()
        self.up = False
        self.passable.clear()
        usable = self.session.state is State.CONNECTED
        if self._closing:
            self.session.close()
        else:
            self.session.lost(lost_ns, lost.code)
        for pending in self.session.invocations.overdue(None):  # they end with their socket, recovered or not
            cast(Invocation, pending.context).answer.set(lost)
        provoked = asked or self._connections.ping_refused(self, lost)
        self._connections.closed(self, lost, counted=usable and not provoked and self._recovery is None)
        self.proven.set()
        if self._recovery is not None:
            return  # an attempt to recover has failed: its greenlet continues
        if self.session.state is State.RECOVERING:
            self.interrupted = lost
            self._recovery = gevent.spawn(self._recover, lost, lost_ns)
        else:
            self._end(lost, lost_ns)

    def _end(self, lost: ConnectionLost, lost_ns: int) -> None:
        if self.ended.is_set():
            return
        self.lost = lost
        self.ended.set()
        self.connected.set()
        self.passable.set()
        self._connections.streaming.discard(self)
        for pending in self.session.abandon_all():
            self._abandoned(pending, lost)
        self._on_end(self, lost_ns)

    def _abandoned(self, pending: PendingAck, lost: ConnectionLost) -> None:
        if pending.kind == KIND:
            cast(StreamOwner, cast(OutgoingStream, pending.context).context).lost(lost)
        else:
            cast(Request, pending.context).answer.set(RequestOutcome(lost=lost))

    # -- recovery ------------------------------------------------------------

    def _recover(self, lost: ConnectionLost, lost_ns: int) -> None:
        """Continues the connection in a greenlet of its own, or ends it for good."""
        recovered = recover(self._context, self._grant, self.session, lost_ns, self)
        self._recovery = self.interrupted = None
        if recovered:
            self._connections.opened(self)
        else:
            self._end(lost, lost_ns)

    @property
    def gives_up(self) -> bool:
        return self._closing

    def reopen(self, dialed: Dialed, session: Session, unanswered: list[bytes]) -> ApiLink:
        self.proven.clear()
        self._open(dialed)
        for payload in unanswered:
            self.send(payload, self._context.codec.opcode)
        return self

    def not_recovered(self) -> None:
        """Callers that wait for `passable` keep waiting."""
