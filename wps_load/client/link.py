"""One established connection of a virtual user, with its protocol session: what arrives on it, and what leaves.

Everything here runs in the hub. `_on_message` is the hot path of the whole program: once for each message that arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gevent.event import Event

from wps_load.client import fragments, invoking, oddities, requests
from wps_load.client.connection import Connection, Cut
from wps_load.client.context import PopulationContext
from wps_load.client.dial import Dialed
from wps_load.client.echo import Echo
from wps_load.client.hearing import Hearing
from wps_load.client.publisher import Publisher
from wps_load.client.quote import quote
from wps_load.clock import now_ns
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.measure.causes import Cause
from wps_load.measure.ledger import DUPLICATE, Receiver
from wps_load.measure.stamp import TEXT_CHARS, read_text_at
from wps_load.protocol import invocations, streams
from wps_load.protocol.envelopes import NoEnvelopes
from wps_load.protocol.messages import (
    Ack,
    Connected,
    DataMessage,
    Disconnected,
    Downstream,
    Ended,
    InvokeResponse,
    JoinGroup,
    Pong,
    StreamAck,
    StreamClosed,
    StreamMessage,
    StreamNack,
    Upstream,
)
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import State
from wps_load.workload.chaos import NORMAL_CLOSURE
from wps_load.workload.population import Role


class LinkOwner(Protocol):
    """The connection's owner: the same receiver and publisher through all of its connections. Called in the hub."""

    @property
    def role(self) -> Role: ...

    @property
    def stream(self) -> int: ...

    @property
    def receiver(self) -> Receiver: ...

    @property
    def publisher(self) -> Publisher | None: ...

    @property
    def hearing(self) -> Hearing: ...

    def joined(self, audience: int, at_ns: int | None) -> None:
        """A join was answered; `at_ns` None: it was refused, or not answered in time."""
        ...

    def joined_late(self, audience: int, at_ns: int) -> None:
        """A join that had failed without an answer was acknowledged after all."""
        ...

    def writable(self) -> None:
        """The connection accepts messages again."""
        ...

    def link_lost(self, link: Link, lost: ConnectionLost, asked: bool) -> None:
        """The connection has ended. `asked`: by plan, or cut by the scenario."""
        ...


_NOTHING = NoEnvelopes()
_HAPPENED = Event()  # takes the place of events that were set: each has 144 bytes, and none is ever cleared
_HAPPENED.set()


class Link:
    """A connection with its session.

    `connected`: set when the session is usable, or the connection has ended. `ended`: set at its end, `lost`: how.
    `proven`: set when a message has come, or it has ended. `closed_cleanly`: we closed it by the handshake;
    `comes_back`: with a code after which the service keeps it for a recovery, which is `tentative` until it accepts it.
    """

    __slots__ = (
        "_arrive",
        "_context",
        "_delivery",
        "_farewell",
        "_full_window",
        "_groups",
        "_is_mqtt",
        "_learn",
        "_locate",
        "_locate_usually",
        "_numbered",
        "_opcode",
        "_owner",
        "_receive",
        "_stalled",
        "_stream",
        "_told",
        "closed_cleanly",
        "comes_back",
        "connected",
        "connection",
        "echo",
        "ended",
        "lost",
        "lost_ns",
        "proven",
        "session",
        "tentative",
    )

    def __init__(
        self, context: PopulationContext, owner: LinkOwner, session: Session, dialed: Dialed, *, tentative: bool = False
    ) -> None:
        self._context = context
        self._owner = owner
        self.session = session
        self._receive: Callable[[int, bytes], Downstream | None] = self._receive_first
        self._numbered = context.codec.traits.numbered
        self._opcode = context.codec.opcode
        self._is_mqtt = context.codec.traits.is_mqtt
        self._locate_usually: Callable[[bytes], int] = _NOTHING.locate  # until `connected` has come
        self._locate: Callable[[bytes], int] = self._locate_usually
        self._learn = context.envelopes.learn
        self._arrive = owner.receiver.arrive
        self._stream = owner.stream
        # a simple client's messages do not say of which group they are
        self._groups: frozenset[str | None] | None = None
        self.belongs_to(owner.role)
        self.echo = None if owner.publisher is None else Echo(context, owner.publisher, owner.receiver)
        self._delivery = context.delivery
        self.connected = Event()
        self.ended = Event()
        self.proven = Event()
        self.closed_cleanly = False
        self.comes_back = False
        self.tentative = tentative
        self.lost: ConnectionLost | None = None
        self.lost_ns = 0
        self._farewell = ""
        self._full_window = False
        self._told = oddities.met(session)
        self._stalled: tuple[Publisher, int] | None = None
        """The publisher's message of which only a part may have left, if the connection stalled on one."""
        on_message = self._on_slow_message if owner.role.slow else self._on_message
        self.connection = Connection(dialed, on_message, self._on_close, self.echo, on_writable=self._on_writable)

    # -- out -------------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> bool:
        """Sends one data frame of the subprotocol; False: the connection accepts nothing any more."""
        return self.connection.send(self._context.frame(self._opcode, payload))

    def greet(self) -> None:
        """Sends the client's first message, if the protocol has one."""
        if hello := self.session.hello():
            self.send(hello)

    def request(self, message: Upstream, ack_id: int, kind: str, context: object) -> bool:
        """Sends a request; the owner gets its ack, however late it comes."""
        payload = self._context.codec.encode(message)
        self.session.expect_ack(ack_id, kind, context, payload, now_ns(), lasting=True)
        self._context.run.answers.askers.add(self)
        return self.send(payload)

    def unanswered(self, pending: PendingAck, why: str) -> None:
        """An answer that did not come. `why`: `timeout`, `connection_lost`."""
        if pending.kind == invocations.KIND:
            invoking.unanswered(self._context, self, pending, why)
        elif pending.kind == streams.KIND:
            fragments.unanswered(self._context, self, pending, why)
        else:
            requests.unanswered(self._context, self._owner, pending, why)

    def belongs_to(self, part: Role) -> None:
        """Messages that may arrive belong to these groups."""
        if self._context.codec.enveloped:
            self._groups = part.sources

    def join(self, group: str, audience: int) -> None:
        ack_id = self.session.next_ack_id()
        self.request(JoinGroup(group, ack_id), ack_id, "join", (now_ns(), audience))

    def acknowledge(self, at_ns: int) -> None:
        """Reliable protocols: acknowledges received messages when it is time to."""
        payload = self.session.sequence_ack_due(at_ns)
        if payload is not None:
            self.send(payload)
            self._count_oddities()

    def _count_oddities(self) -> None:
        self._told = oddities.count(self._context.recorder, self.session, self._told)

    def window_full(self) -> None:
        """Whether the publisher must hold messages back until an answer comes."""
        self._full_window = True

    def stalled_on(self, publisher: Publisher, seq: int) -> None:
        """The peer no longer reads; only a part of the publisher's message `seq` may have left."""
        self._stalled = publisher, seq

    def close(self, code: int = NORMAL_CLOSURE, *, comes_back: bool = False) -> None:
        """Starts the close handshake. `comes_back`: after `code` the service keeps the connection."""
        self.comes_back = comes_back
        if not comes_back and (goodbye := self.session.goodbye()):
            self.send(goodbye)
        self.connection.close(code)

    def discard(self) -> None:
        """Ends a connection that its owner no longer knows."""
        self.connection.cut(Cut.RESET)

    # -- in --------------------------------------------------------------------------------------------------

    def _on_message(self, opcode: int, payload: bytes, arrival_ns: int, cut_out: bool = False) -> None:
        """Handles a message. `cut_out`: an MQTT packet; other MQTT frames are cut into packets, unless known."""
        context = self._context
        locate, arrive = self._locate, self._arrive  # local names, see Connection._on_readable
        start = locate(payload)
        if start and opcode == self._opcode:
            stamp = read_text_at(payload, start)
            data: object = None
        elif self._is_mqtt and not cut_out:
            self._on_packets(opcode, payload, arrival_ns)
            return
        else:
            message = self._receive(opcode, payload)
            if type(message) is not DataMessage:
                if message is not None:
                    self._on_protocol(message, arrival_ns)
                else:
                    self._count_oddities()
                return
            decoded = message
            data = message[3]
            read = context.stamp_readers.get(message[2])
            stamp = None if read is None else read(data)
        if stamp is None:
            context.unreadable(
                payload[start : start + TEXT_CHARS].decode("latin-1") if start and data is None else data
            )
            return
        epoch, key, stream, seq, due_ns, wait = stamp
        mark = key ^ stream ^ seq ^ due_ns ^ wait
        ours = mark == context.epochs.mark or context.of_now(epoch, mark)
        if ours and (start or self._is_sound(stream, seq, payload, decoded)) and arrive(stream, seq) < DUPLICATE:
            echo = self.echo
            if echo is not None and stream == self._stream:
                if start and not echo.ready:
                    echo.learn(opcode, payload, start)
                echo.back(seq, due_ns, wait, arrival_ns)
            else:
                latency_ns = arrival_ns + context.clock.offset_ns - due_ns
                delivery = self._delivery
                if delivery is None:
                    context.deliveries[stream].append(latency_ns)
                else:
                    delivery.append(latency_ns)
        if self._numbered:
            self.acknowledge(arrival_ns)

    def _on_packets(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        """MQTT: a frame holds part of a packet, or several. The protocol's own answers leave at once."""
        session = self.session
        for packet in session.packets(payload):
            self._on_message(opcode, packet, arrival_ns, cut_out=True)
        # inside a packet no frame can be a known one: it continues the packet
        self._locate = _NOTHING.locate if session.midway else self._locate_usually
        if session.midway and self.echo is not None:
            self.echo.forget()
        if session.outgoing:
            self.acknowledge(arrival_ns)

    def _is_sound(self, stream: int, seq: int, payload: bytes, message: DataMessage) -> bool:
        """Whether a message whose envelope was not recognised is intact; then the envelope is remembered."""
        if not self.is_intact(stream, seq, message):
            return False
        self._learn(payload, message)
        return True

    def is_intact(self, stream: int, seq: int, message: DataMessage) -> bool:
        """Whether a message of this run's groups is what was sent, by its length, or at times by its content."""
        context, data = self._context, message[3]
        if self._groups is not None and message[1] not in self._groups:
            context.run.ledger.misdelivered(context.number)
            return False
        heard = context.heard
        same_length = len(data) == heard.usual_length  # type: ignore[arg-type]
        if not (same_length and seq % context.checked_each) and not heard.intact(stream, seq, data):
            context.run.ledger.damaged(context.number)
            return False
        return True

    def _receive_first(self, opcode: int, payload: bytes) -> Downstream | None:
        """Handles the first message; the session handles later ones itself."""
        self._receive = self.session.receive
        message = self._receive(opcode, payload)
        self.proven.set()
        self.proven = _HAPPENED
        return message

    def _on_slow_message(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        """A slow reader: what it reads late is its own fault, so it is neither timed nor accounted for."""
        message = self._receive(opcode, payload)
        if message is not None and type(message) is not DataMessage:
            self._on_protocol(message, arrival_ns)
        if self._numbered:
            self.acknowledge(arrival_ns)

    def _on_protocol(self, message: Downstream, arrival_ns: int) -> None:
        if type(message) is Ack:
            answered = self.session.resolve(message)
            if answered is None or answered.late:
                self._count_oddities()
            if answered is None:
                return
            if self._full_window:
                self._owner.writable()  # MQTT's window of publications in flight has room again
            requests.answered(self._context, self._owner, answered, arrival_ns)
        elif type(message) is Connected:
            self._locate = self._locate_usually = self._context.envelopes.locate
            self.connected.set()
            self.connected = _HAPPENED
        elif type(message) is Ended:
            lost = ConnectionLost(message.code, quote(message.reason), EndedBy(message.how))
            self.connection.cut(Cut.RESET, lost)
        elif type(message) is Disconnected:
            self._farewell = quote(message.reason)
        elif type(message) is StreamMessage:
            if not self._owner.role.slow:
                self._owner.hearing.arrived(self, message, arrival_ns)
            if self._numbered:
                self.acknowledge(arrival_ns)
        elif isinstance(message, StreamAck | StreamNack | StreamClosed):
            fragments.answered(self._context, self, message, arrival_ns)
        elif type(message) is InvokeResponse:
            invoking.answered(self._context, self, message, arrival_ns)
        elif type(message) is Pong:
            self._context.recorder.count("pongs_received")
            self._context.ping_words.answered()

    def _on_writable(self) -> None:
        self._stalled = None
        self._owner.writable()

    def _on_close(self, lost: ConnectionLost, asked: bool) -> None:
        self.lost_ns = now_ns()
        self.lost = lost = lost.after(self._farewell)
        self._count_oddities()
        self.closed_cleanly = asked and lost.code != 1006
        invoking.lost(self._context, self, counted=not asked)
        self._owner.link_lost(self, lost, asked)
        for event in (self.connected, self.ended, self.proven):
            event.set()

    def settle(self, cause: Cause, *, unplanned: bool) -> None:
        """The connection is gone for good, and with it a message of which only a part had left.

        That one was never published, and unanswered requests never will be answered. `unplanned`: it was not planned.
        """
        self._context.run.answers.lost(self, counted=unplanned)
        if self._stalled is not None and self.connection.unsent_frames:
            publisher, seq = self._stalled
            publisher.fail(seq, cause)
        self._stalled = None

    @property
    def owner(self) -> LinkOwner:
        return self._owner

    @property
    def recoverable(self) -> bool:
        return self.session.state is State.RECOVERING

    @property
    def up(self) -> bool:
        """It has not ended."""
        return not self.ended.is_set()

    def confirm(self) -> None:
        """The service has accepted the recovery."""
        self.tentative = False
