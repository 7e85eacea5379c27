"""One MQTT client's protocol state, with the interface of all sessions. Pure: packets in, messages and packets out.

    connection          hello() -> CONNECT                       CONNACK 0 -> Connected, else Ended
    lost, comes back    recovered() -> CONNECT, clean start 0    session present -> Connected, and what was not
                                                                 acknowledged is in `outgoing`; else Ended: it is gone

The service keeps a session for 30 s. `outgoing` holds the protocol's own packets (PUBACK, PUBREC, PUBREL, PUBCOMP),
which the caller sends. Source: OASIS MQTT 3.1.1 and 5.0; Azure Web PubSub, "MQTT support".
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wps_load.clock import NS_PER_S
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import Ack, Connected, DataMessage, Downstream, Ended, Pong
from wps_load.protocol.mqtt import packet_id, read_publish
from wps_load.protocol.mqtt_packets import (
    MAX_PACKET_ID,
    PINGREQ,
    V5,
    Bare,
    ConnAck,
    Connect,
    Disconnect,
    Granted,
    Packet,
    PacketKind,
    Property,
    Publish,
    PublishResponse,
    encode,
)
from wps_load.protocol.mqtt_reader import PacketReader, decode
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import SessionEvent, State
from wps_load.protocol.traits import SERVER_TOPICS

if TYPE_CHECKING:
    from wps_load.protocol.codecs import Codec

KEEP_ALIVE_S: Final = 60
"""The service accepts 1 to 180 from 3.1.1 clients, and ends a connection that is silent for half as long again."""
SESSION_EXPIRY_S: Final = 30
"""The service keeps no session longer than this."""
REFUSED: Final = 0x80
"""Reason codes from here on are failures."""


class MqttSession(Session):
    """`outgoing`: packets that are due. `room`: another publication may be in flight (Receive Maximum)."""

    __slots__ = (
        "_by_packet",
        "_client_id",
        "_gone",
        "_pinged_ns",
        "_reader",
        "_receive_maximum",
        "_released",
        "_resuming",
        "_uncompleted",
        "_version",
        "keep_alive_s",
        "outgoing",
    )

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self._version = codec.traits.mqtt_version
        self._client_id = secrets.token_hex(16)  # letters and digits only: the service accepts nothing else
        self._reader = PacketReader()
        self._by_packet: dict[int, int] = {}
        self._released: set[int] = set()
        """QoS 2, our publications: the service has them, and PUBREL was sent."""
        self._uncompleted: set[int] = set()
        """QoS 2, the service's publications: identifiers that have arrived and are not released."""
        self._gone = False
        self._resuming = False
        self._receive_maximum = MAX_PACKET_ID
        self._pinged_ns: int | None = None
        self.keep_alive_s = KEEP_ALIVE_S
        self.outgoing = b""

    # -- connecting ------------------------------------------------------------------------------------------

    def hello(self) -> bytes:
        """CONNECT. The session outlives its connection: in 5.0 by its expiry, in 3.1.1 by not being clean."""
        return self._connect(clean=self._version == V5)

    def _connect(self, *, clean: bool) -> bytes:
        expiry: dict[int, object] = {Property.SESSION_EXPIRY: SESSION_EXPIRY_S} if self._version == V5 else {}
        return encode(Connect(self._client_id, self._version, clean, KEEP_ALIVE_S, expiry), self._version)

    def goodbye(self) -> bytes:
        """DISCONNECT; in 5.0 the session ends with it."""
        expiry: dict[int, object] = {Property.SESSION_EXPIRY: 0} if self._version == V5 else {}
        return encode(Disconnect(0, expiry), self._version)

    def recovery_query(self) -> dict[str, str] | None:
        """Nothing is added to the URL: the client's id names the session."""
        return None if self._gone or self.connection_id is None else {}

    def recovered(self) -> list[bytes]:
        """The upgrade was answered: returns the CONNECT that requests the session; the rest waits for its answer."""
        self._advance(SessionEvent.RECOVERED)
        self._resuming = True
        self._reader = PacketReader()
        self.outgoing = b""
        return [self._connect(clean=False)]

    # -- receiving -------------------------------------------------------------------------------------------

    def packets(self, payload: bytes) -> Sequence[bytes]:
        """The packets that are complete with this frame's bytes. Raises RemoteProtocolError."""
        return self._reader.feed(payload)

    @property
    def midway(self) -> bool:
        return self._reader.midway

    def receive(self, opcode: int, payload: bytes) -> Downstream | None:
        """Handles one packet. Raises RemoteProtocolError: 1003 for a text frame, 1002 for a protocol error."""
        if opcode != Opcode.BINARY:
            raise RemoteProtocolError(1003, "a text frame, where MQTT has binary frames only")
        packet = decode(payload, self._version)
        if self.state is State.NEW or self._resuming:
            if not isinstance(packet, ConnAck):
                raise RemoteProtocolError(1002, "a packet before CONNACK")
            return self._connected(packet)
        return self._received(packet)

    def _connected(self, packet: ConnAck) -> Connected | Ended:
        reason = str(packet.properties.get(Property.REASON_STRING, ""))
        if packet.code:
            return Ended("connack", packet.code, reason)
        if self._resuming and not packet.session_present:
            self._gone = True
            return Ended("session", 0, "the service had no session to continue")
        found = packet.properties.get(Property.RECEIVE_MAXIMUM)
        self._receive_maximum = found if isinstance(found, int) and found else MAX_PACKET_ID
        keep_alive = packet.properties.get(Property.SERVER_KEEP_ALIVE)
        self.keep_alive_s = keep_alive if isinstance(keep_alive, int) else KEEP_ALIVE_S
        assigned = packet.properties.get(Property.ASSIGNED_CLIENT_ID)
        if isinstance(assigned, str) and assigned:
            self._client_id = assigned
        self.connection_id = self._client_id
        if self._resuming:
            self._resuming = False
            self._send_again()
        self._advance(SessionEvent.CONNECTED)
        return Connected(self._client_id)

    def _send_again(self) -> None:
        """Everything that was not acknowledged, in its order (MQTT 5.0, section 4.4)."""
        for ack_id, pending in self._pending.items():
            payload = pending.payload
            if payload is None:
                continue
            if ack_id in self._released:
                payload = encode(PublishResponse(PacketKind.PUBREL, packet_id(ack_id)), self._version)
            elif payload[0] >> 4 == PacketKind.PUBLISH:
                payload = bytes((payload[0] | 8,)) + payload[1:]
            self.outgoing += payload

    def _received(self, packet: Packet) -> Downstream | None:
        match packet:
            case Publish():
                return self._published(packet)
            case PublishResponse():
                return self._answered(packet)
            case Granted():
                code = packet.codes[0] if packet.codes else 0
                return self._ack(packet.packet_id, code if code >= REFUSED else 0)
            case Bare(kind=PacketKind.PINGRESP):
                return Pong()
            case Disconnect():
                return Ended("disconnect", packet.code, str(packet.properties.get(Property.REASON_STRING, "")))
        raise RemoteProtocolError(1002, "a packet that only clients send")

    def _published(self, packet: Publish) -> DataMessage | Ack | None:
        number = packet.packet_id
        if packet.qos == 1 and number is not None:
            self.outgoing += encode(PublishResponse(PacketKind.PUBACK, number), self._version)
        elif number is not None:
            self.outgoing += encode(PublishResponse(PacketKind.PUBREC, number), self._version)
            if number in self._uncompleted:
                self.duplicates_dropped += 1
                return None
            self._uncompleted.add(number)
        if packet.topic.startswith(SERVER_TOPICS) and packet.topic.endswith("/failed"):
            return Ack(None, False, str(_status(packet)))
        return read_publish(packet)

    def _answered(self, packet: PublishResponse) -> Ack | None:
        if packet.kind is PacketKind.PUBREL:
            self._uncompleted.discard(packet.packet_id)
            self.outgoing += encode(PublishResponse(PacketKind.PUBCOMP, packet.packet_id), self._version)
            return None
        if packet.kind is PacketKind.PUBREC and packet.code < REFUSED:
            ack_id = self._by_packet.get(packet.packet_id)
            if ack_id is not None:
                self._released.add(ack_id)
            self.outgoing += encode(PublishResponse(PacketKind.PUBREL, packet.packet_id), self._version)
            return None
        return self._ack(packet.packet_id, packet.code)

    def _ack(self, number: int, code: int) -> Ack:
        ack_id = self._by_packet.pop(number, None)
        if ack_id is not None:
            self._released.discard(ack_id)
        return Ack(ack_id, code < REFUSED, None if code < REFUSED else f"0x{code:02x}")

    # -- sending ---------------------------------------------------------------------------------------------

    @property
    def room(self) -> bool:
        return len(self._by_packet) < self._receive_maximum

    def expect_ack(
        self,
        ack_id: int,
        kind: str,
        context: object,
        payload: bytes | None = None,
        at_ns: int = 0,
        lasting: bool = False,
    ) -> None:
        self._by_packet[packet_id(ack_id)] = ack_id
        super().expect_ack(ack_id, kind, context, payload, at_ns, lasting)

    def sequence_ack_due(self, now_ns: int) -> bytes | None:
        """Everything that is due: packets of the protocol's own, and a ping at half the keep alive."""
        due, self.outgoing = self.outgoing, b""
        if self.state is State.CONNECTED and not self._resuming and self.keep_alive_s:
            if self._pinged_ns is None:
                self._pinged_ns = now_ns
            elif now_ns - self._pinged_ns >= self.keep_alive_s * NS_PER_S // 2:
                self._pinged_ns = now_ns
                due += encode(PINGREQ, self._version)
        return due or None


def _status(packet: Publish) -> object:
    """The event handler's status for an event that failed."""
    pairs = packet.properties.get(Property.USER_PROPERTY, ())
    assert isinstance(pairs, tuple)
    return next((value for name, value in pairs if name == "azure-status-code"), "")
