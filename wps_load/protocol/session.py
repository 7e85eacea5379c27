"""One client's protocol state, except for MQTT. Pure: payloads in, messages out, time as an argument.

Its states and transitions are in `session_states`. It keeps five things for the caller:

- **Acks.** Take `next_ack_id()`, encode, `expect_ack(...)`, send. An `Ack` that `receive` returns is matched
  with `resolve`. `Duplicate` means that the service had done it before: success.
- **Sequence ids** (reliable). They increase by one. A message whose id is not above the highest seen arrived before:
  it is counted and dropped, but acknowledged again, since the service sends again what it believes unacknowledged.
- **Invocations** (JSON). `invocations` knows which have no response; they end with their socket, recovered or not.
- **Streams** (JSON, protobuf). `streams` knows what of each has been accepted, and sends the rest again.
- **Recovery** (reliable). `lost` -> `may_recover`, connect with `recovery_query()` -> `recovered()`, send
  what it returns. Requests without an answer are sent again under their old ack ids: nothing is done twice.

Source: Azure Web PubSub, "Reliable JSON/Protobuf WebSocket subprotocol" and "Create reliable clients".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from wps_load.clock import NS_PER_S
from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol.frames import Opcode
from wps_load.protocol.invocations import Invocations
from wps_load.protocol.messages import Ack, Connected, DataMessage, Downstream, SequenceAck, StreamMessage
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session_states import TRANSITIONS, SessionEvent, State
from wps_load.protocol.streams import OutgoingStreams
from wps_load.protocol.traits import First

if TYPE_CHECKING:
    from wps_load.protocol.codecs import Codec

RECOVERY_WINDOW_NS = 30 * NS_PER_S
"""The service keeps a lost connection for at least 30 s; later attempts may or may not succeed."""

ACK_AFTER_MESSAGES = 200
"""A fifth of the 1,000 unacknowledged messages after which the service gives up a connection.

At 2,000 messages a second that leaves 400 ms for an ack on its way.
"""

ACK_AFTER_BYTES = 3 * 1024 * 1024
"""A fifth of the other limit, 16 MB."""

ACK_AFTER_NS = NS_PER_S
"""The official SDKs' interval, at which a slow stream is acknowledged."""

CONNECTION_GONE = 1008
"""The close code that answers the recovery of a connection that the service no longer has."""


_CONNECTED = State.CONNECTED  # an Enum's members are slow to look up, and `receive` runs once a message


class AckResult(NamedTuple):
    """The outcome of a request.

    `ok` includes `duplicate`: it was done before. `error`: the service's name. `late`: the caller had been informed
    that it was overdue.
    """

    kind: str
    context: object
    ok: bool
    duplicate: bool
    error: str | None
    late: bool = False


class Session:
    """The state that the module describes. Not thread-safe. Counters only grow."""

    __slots__ = (
        "_ack_sent_ns",
        "_codec",
        "_decoders",
        "_last_ack_id",
        "_last_overdue_id",
        "_last_sequence_id",
        "_lost_ns",
        "_numbered",
        "_overdue",
        "_overdue_kept",
        "_pending",
        "_reconnection_token",
        "_reliable",
        "_unacked_bytes",
        "_unacked_messages",
        "connection_id",
        "duplicates_dropped",
        "invocations",
        "late_acks",
        "sequence_gaps",
        "state",
        "streams",
        "unknown_acks",
        "unknown_messages",
        "user_id",
    )

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._decoders = codec.decoders
        self._reliable = codec.reliable
        self._numbered = codec.traits.numbered
        self.state = State.CONNECTED if codec.traits.speaks_first is First.NOBODY else State.NEW
        self.connection_id: str | None = None
        self.user_id: str | None = None
        self._reconnection_token: str | None = None
        self._last_ack_id = 0
        self._pending: dict[int, PendingAck] = {}
        self._overdue = 0  # forgotten requests whose acks may still come
        self._overdue_kept = 0
        self._last_overdue_id = 0
        self._last_sequence_id = 0
        self._unacked_messages = 0
        self._unacked_bytes = 0
        self._ack_sent_ns: int | None = None
        self._lost_ns = 0
        self.invocations = Invocations()
        self.streams = OutgoingStreams(codec.encode)
        self.unknown_messages = 0
        """Messages of a type that this client does not know."""
        self.duplicates_dropped = 0
        """Messages that arrived again after a recovery (reliable); no caller has seen them twice."""
        self.sequence_gaps = 0
        """Sequence ids that were skipped (reliable): messages that the service numbered but never delivered."""
        self.late_acks = 0
        """Acks of requests that were overdue."""
        self.unknown_acks = 0
        """Acks for an id that nobody waits for: no request of this client, an answered one, or not a number."""

    # -- the protocol's own messages ----------------------------------------------------------------------------

    outgoing = b""
    """The protocol's own answers, which the caller sends; Web PubSub's own protocols have none."""

    @property
    def room(self) -> bool:
        """Whether another request may be in flight."""
        return True

    def hello(self) -> bytes:
        """What is sent first on a new connection; empty: the service speaks first, or nobody does."""
        return b""

    def goodbye(self) -> bytes:
        """What is sent before we close for good."""
        return b""

    def packets(self, payload: bytes) -> Sequence[bytes]:
        """A frame's messages. Web PubSub's own protocols have one in each."""
        return (payload,)

    @property
    def midway(self) -> bool:
        """Whether a frame has begun a message that another frame continues."""
        return False

    # -- receiving -------------------------------------------------------------------------------------------

    def receive(self, opcode: int, payload: bytes) -> Downstream | None:
        """Handles one data frame. None: nothing for the caller (an unknown type, a duplicate of a reliable stream).

        Raises RemoteProtocolError: 1003 for a frame type that the subprotocol does not have, 1007 for a payload that is
        not a message, 1002 for a message before `connected`. LocalProtocolError: no connection.
        """
        decode = self._decoders.get(opcode)
        if decode is None:
            raise RemoteProtocolError(1003, _wrong_frame(opcode, self._codec.name))
        message = decode(payload)
        if message is None:
            self.unknown_messages += 1
        if self.state is not _CONNECTED or type(message) is Connected:
            self._receive_unusual(message)
        elif self._numbered and type(message) is DataMessage and message.sequence_id is not None:
            return message if self._is_fresh(message.sequence_id, len(payload)) else None
        elif type(message) is StreamMessage:
            number = message.sequence_id
            return message if number is None or self._is_fresh(number, len(payload)) else None
        return message

    def _receive_unusual(self, message: Downstream | None) -> None:
        if self.state not in (State.NEW, State.CONNECTED):
            raise LocalProtocolError(f"a message came in while the session is {self.state.name}")
        if type(message) is Connected:
            if self.state is State.NEW:
                self.connection_id = message.connection_id
                self.user_id = message.user_id
            if message.reconnection_token is not None:
                self._reconnection_token = message.reconnection_token
            self._advance(SessionEvent.CONNECTED)
        elif isinstance(message, DataMessage | StreamMessage | Ack):
            raise RemoteProtocolError(1002, "message before `connected`")

    def _is_fresh(self, sequence_id: int, payload_bytes: int) -> bool:
        self._unacked_messages += 1
        self._unacked_bytes += payload_bytes
        behind = sequence_id - self._last_sequence_id
        if behind == 1:
            self._last_sequence_id = sequence_id
            return True
        if behind <= 0:
            self.duplicates_dropped += 1
            return False
        self.sequence_gaps += behind - 1
        self._last_sequence_id = sequence_id
        return True

    # -- acks of requests ----------------------------------------------------------------------------------------

    def next_ack_id(self) -> int:
        """1, 2, 3, ... An id belongs to the logical connection and outlives its recovery."""
        self._last_ack_id += 1
        return self._last_ack_id

    def expect_ack(
        self,
        ack_id: int,
        kind: str,
        context: object,
        payload: bytes | None = None,
        at_ns: int = 0,
        lasting: bool = False,
    ) -> None:
        """An ack for `ack_id` will come. `payload`: what is sent, kept if it may have to be sent again."""
        self._pending[ack_id] = PendingAck(kind, context, payload if self._reliable else None, at_ns, lasting)

    def resolve(self, ack: Ack) -> AckResult | None:
        """The request that the ack answers; None (counted): it is repeated, abandoned, overdue or invented."""
        ack_id = ack.ack_id
        pending = None if ack_id is None else self._pending.pop(ack_id, None)
        if pending is None:
            if ack_id is not None and self._overdue and ack_id <= self._last_overdue_id:
                self._overdue -= 1
                self.late_acks += 1
            else:
                self.unknown_acks += 1
            return None
        if pending.overdue:
            self._overdue_kept -= 1
            self.late_acks += 1
        duplicate = ack.error == "Duplicate"
        return AckResult(pending.kind, pending.context, ack.success or duplicate, duplicate, ack.error, pending.overdue)

    def overdue(self, before_ns: int | None) -> list[PendingAck]:
        """Requests that were sent before `before_ns` (None: all) and have no answer; each is returned once.

        From now on their acks are late. Only those of `lasting` requests are still resolved.
        """
        found = []
        for ack_id, pending in self._pending.items():
            if before_ns is not None and pending.at_ns >= before_ns:
                break
            if not pending.overdue:
                found.append((ack_id, pending))
        for ack_id, pending in found:
            if pending.lasting:
                self._pending[ack_id] = pending._replace(overdue=True)
                self._overdue_kept += 1
            else:
                self.abandon(ack_id)
        return [
            *(pending for _, pending in found),
            *self.invocations.overdue(before_ns),
            *self.streams.overdue(before_ns),
        ]

    def abandon(self, ack_id: int) -> PendingAck | None:
        """Stops waiting for it (the caller's time limit). None if its ack has arrived."""
        pending = self._pending.pop(ack_id, None)
        if pending is not None:
            self._overdue += 1
            self._last_overdue_id = max(self._last_overdue_id, ack_id)
        return pending

    def abandon_all(self) -> list[PendingAck]:
        """Stops waiting for everything, including invocations and streams; after CLOSED no answer will come.

        Returns those that were not overdue, oldest first.
        """
        waiting = [pending for pending in self._pending.values() if not pending.overdue]
        self._pending.clear()
        self._overdue_kept = 0
        return [*waiting, *self.invocations.overdue(None), *self.streams.abandon()]

    @property
    def unanswered(self) -> int:
        """How many requests, invocations, and starts and ends of streams wait for an answer and are not overdue."""
        return len(self._pending) - self._overdue_kept + len(self.invocations) + self.streams.unanswered

    # -- acks of the service's messages ----------------------------------------------------------------------

    def sequence_ack_due(self, now_ns: int) -> bytes | None:
        """The payload of a cumulative ack if one is due, noted as sent. Call it after reads and ticks.

        It is due by messages, by bytes, or a second after the last one: see the constants.
        """
        if not self._unacked_messages:
            return None
        if (
            self._unacked_messages < ACK_AFTER_MESSAGES
            and self._unacked_bytes < ACK_AFTER_BYTES
            and self._ack_sent_ns is not None
            and now_ns - self._ack_sent_ns < ACK_AFTER_NS
        ):
            return None
        if self.state is not State.CONNECTED:
            return None
        self._unacked_messages = 0
        self._unacked_bytes = 0
        self._ack_sent_ns = now_ns
        return self._codec.encode(SequenceAck(self._last_sequence_id))

    # -- losing and recovering -------------------------------------------------------------------------------

    def lost(self, now_ns: int, code: int = 1006) -> None:
        """The socket ended, or an attempt to recover it failed. Afterwards `state` is RECOVERING or CLOSED.

        The recovery window is counted from the first loss, not from a failed attempt.
        """
        recoverable = self.recovery_query() is not None and code != CONNECTION_GONE
        was_connected = self.state is State.CONNECTED
        self._advance(SessionEvent.LOST_RECOVERABLE if recoverable else SessionEvent.LOST)
        if was_connected:
            self._lost_ns = now_ns

    def recovery_query(self) -> dict[str, str] | None:
        """Query parameters that recover this connection; None if it has nothing to recover with. Secret."""
        if not self._reliable or self.connection_id is None or self._reconnection_token is None:
            return None
        return {
            "awps_connection_id": self.connection_id,
            "awps_reconnection_token": self._reconnection_token,
        }

    def may_recover(self, now_ns: int) -> bool:
        """Whether another attempt is worthwhile; False once the window is over: then `close` and connect anew."""
        return self.state is State.RECOVERING and now_ns - self._lost_ns < RECOVERY_WINDOW_NS

    def recovered(self) -> list[bytes]:
        """The upgrade of a recovery was answered. Returns what must be sent again, oldest first.

        The last sequence ack may have been lost with the socket, so the next one is due at once.
        """
        self._advance(SessionEvent.RECOVERED)
        if self._last_sequence_id:
            self._ack_sent_ns = None
            self._unacked_messages = max(self._unacked_messages, 1)
        requests = [pending.payload for pending in self._pending.values() if pending.payload is not None]
        return requests + self.streams.recovered(self._lost_ns)

    def close(self) -> None:
        """We end the connection or give it up.

        Nothing can be recovered then: a clean close frees the service's state.
        """
        self._advance(SessionEvent.CLOSED)

    def _advance(self, event: SessionEvent) -> None:
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            raise LocalProtocolError(f"{event.name} cannot happen to a session that is {self.state.name}")
        self.state = target


def _wrong_frame(opcode: int, protocol: str) -> str:
    kinds = {Opcode.TEXT: ("text", "binary"), Opcode.BINARY: ("binary", "text")}
    came, wanted = kinds.get(Opcode(opcode), ("unknown", "other"))
    return f"a {came} frame, where {protocol} has {wanted} frames only"
