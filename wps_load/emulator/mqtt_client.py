"""One MQTT client of the emulator: its packets on one WebSocket, and the session of the hub that they belong to.

A session is a connection of the hub, named by the client's id; it outlives its socket for 30 s, if the client requested
that. Source: OASIS MQTT 3.1.1 and 5.0; Azure Web PubSub, "MQTT support status" and "MQTT cloud events". The codes with
which the service refuses are not documented; those here are the standard's nearest.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from wps_load.clock import NS_PER_S, now_ns
from wps_load.emulator.event_contract import ConnectAnswer, ConnectRequest, HandlerFailed
from wps_load.emulator.hub import Hub
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.mqtt_wire import MQTT, MQTT5, NOT_AUTHORIZED, MqttQueue, MqttWire, ack_id, upstream_of
from wps_load.emulator.server_frames import BINARY, ConnectionEnd
from wps_load.emulator.service import Service, ServiceLink, new_id
from wps_load.emulator.tokens import ClientClaims
from wps_load.emulator.valid_names import valid_group
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.messages import SendToGroup
from wps_load.protocol.mqtt_packets import (
    PINGREQ,
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Granted,
    Packet,
    PacketKind,
    Property,
    Publish,
    PublishResponse,
    Subscribe,
    Unsubscribe,
    Will,
)
from wps_load.protocol.mqtt_reader import PacketReader, decode
from wps_load.protocol.traits import SERVER_TOPICS

SESSION_S: Final = 30
MAX_KEEP_ALIVE_S: Final = 180
_MAX_WILL_BYTES: Final = 2000
_CLIENT_ID: Final = re.compile(r"[0-9a-zA-Z]{1,128}", re.ASCII)
_CODES: Final[Mapping[str, tuple[int, int]]] = {
    "version": (1, 0x84), "identifier": (2, 0x85), "value": (3, 0x83), "busy": (3, 0x97),
}  # fmt: skip
"""Why a CONNECT is refused: 3.1.1's code and 5.0's."""
_BY_STATUS: Final = {400: (4, 0x86), 401: (5, 0x87), 403: (5, 0x87)}
_HANDLER_FAILED: Final = (3, 0x80)
_TAKEN_OVER, _SILENT, _NO_RETAIN, _NO_ALIAS, _BAD_TOPIC = 0x8E, 0x8D, 0x9A, 0x94, 0x90
_WITH_WILL: Final = 0x04


class MqttClient:
    """`message` receives the link's frames instead of the service; `lost` gets its end."""

    def __init__(self, service: Service, link: ServiceLink, hub: Hub, claims: ClientClaims, asked: ConnectRequest):
        self._service = service
        self._link = link
        self._hub = hub
        self._claims = claims
        self._asked = asked
        self._reader = PacketReader(2 * 1024 * 1024)
        self._wire = MQTT5
        self._connection: HubConnection | None = None
        self._queue = MqttQueue()
        self._waiting: list[bytes] | None = None
        """Packets that arrived while the event handler is asked about CONNECT."""
        self._will: Will | None = None
        self._silence_s = 0.0
        self._heard_s = service.loop.time()
        self._serials = count(1)

    # -- the link tells --------------------------------------------------------------------------------------

    def message(self, link: ServiceLink, opcode: int, payload: bytes) -> None:
        """Raises RemoteProtocolError."""
        if opcode != BINARY:
            raise RemoteProtocolError(1003, "MQTT requires binary messages.")
        self._heard_s = self._service.loop.time()
        for packet in self._reader.feed(payload):
            if not self._link.open:
                return
            if self._waiting is None:
                self._take(packet)
            else:
                self._waiting.append(packet)

    def lost(self, end: ConnectionEnd) -> None:
        """The socket has ended: without a DISCONNECT the will is published."""
        will, self._will = self._will, None
        connection = self._connection
        if will is not None and connection is not None and connection.alive and connection.link is self._link:
            self._publish(Publish(will.topic, will.payload, will.qos, properties=will.properties), None)

    # -- connecting ------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        if self._connection is None:
            packet = decode(data, V5)
            if not isinstance(packet, Connect):
                raise RemoteProtocolError(1002, "The first packet must be CONNECT.")
            self._connect(packet)
        else:
            self._receive(self._connection, decode(data, self._wire.version))

    def _connect(self, packet: Connect) -> None:
        self._wire = MQTT if packet.version == V311 else MQTT5
        wrong = _wrong(packet)
        if wrong is None and self._service.limits is not None:
            wrong = None if self._service.limits.has_room(self._service.stats.connections) else "busy"
        if wrong is not None:
            self._refuse(_CODES[wrong])
            return
        client_id = packet.client_id or new_id().replace("-", "").replace("_", "")
        if self._service.handlers is None:
            self._accept(packet, client_id, ConnectAnswer())
            return
        self._waiting = []
        self._service.spawn(self._consult(packet, client_id))

    async def _consult(self, packet: Connect, client_id: str) -> None:
        """Asks the event handler, then processes what arrived meanwhile."""
        handlers = self._service.handlers
        assert handlers is not None
        asked = replace(self._asked, connection_id=client_id, mqtt=_as_json(packet), physical_id=new_id())
        try:
            answer = await handlers.connect(asked)
        except HandlerFailed as failed:
            self._refuse(_BY_STATUS.get(failed.status, _HANDLER_FAILED))
            return
        if not self._link.open:
            handlers.forget(client_id)
            return
        self._accept(packet, client_id, answer)
        waiting, self._waiting = self._waiting or [], None
        for each in waiting:
            self._take(each)

    def _accept(self, packet: Connect, client_id: str, answer: ConnectAnswer) -> None:
        hub, link = self._hub, self._link
        five = packet.version == V5
        expiry = packet.properties.get(Property.SESSION_EXPIRY, 0) if five else SESSION_S * (not packet.clean)
        user_id = self._claims.user_id if answer.user_id is None else answer.user_id
        earlier = hub.connections.get(client_id)
        goes_on = (
            earlier is not None
            and not packet.clean
            and earlier.user_id == user_id
            and isinstance(earlier.queue, MqttQueue)
        )
        if earlier is not None:
            self._replace(earlier, goes_on)
        welcome = self._wire.frame(self._welcome(packet, client_id, goes_on))
        if goes_on and earlier is not None and isinstance(earlier.queue, MqttQueue):
            connection, self._queue = earlier, earlier.queue
            link.carry(connection)
            link.write(welcome)
            hub.recover(connection, link, now_ns())
        else:
            roles = self._claims.roles if answer.roles is None else answer.roles
            groups = answer.groups or self._claims.groups
            connection = hub.connect(client_id, self._wire, link, user_id, roles, groups, mqtt=(welcome, self._queue))
            link.carry(connection)
            self._service.spawn_connected(connection)
        connection.keeps_ns = min(int(str(expiry)), SESSION_S) * NS_PER_S
        self._connection = connection
        self._will = packet.will
        self._service.opened(link)
        self._watch(packet.keep_alive_s)

    def _replace(self, earlier: HubConnection, goes_on: bool) -> None:
        """The same client is back: its older socket ends and, if it starts a new session, the old session too."""
        older = earlier.link
        if older is not None and isinstance(earlier.wire, MqttWire):
            if earlier.wire.version == V5:
                older.write(earlier.wire.frame(Disconnect(_TAKEN_OVER)))
            older.close(1000, "")
        if not goes_on:
            self._hub.remove(earlier, "The client has begun a new session.")

    def _welcome(self, packet: Connect, client_id: str, goes_on: bool) -> ConnAck:
        found: dict[int, object] = {
            Property.RETAIN_AVAILABLE: 0,
            Property.WILDCARD_AVAILABLE: 0,
            Property.SHARED_AVAILABLE: 0,
        }
        if not packet.client_id:
            found[Property.ASSIGNED_CLIENT_ID] = client_id
        if not 0 < packet.keep_alive_s <= MAX_KEEP_ALIVE_S:
            found[Property.SERVER_KEEP_ALIVE] = MAX_KEEP_ALIVE_S
        return ConnAck(0, goes_on, found)

    def _refuse(self, codes: tuple[int, int]) -> None:
        code = codes[1] if self._wire.version == V5 else codes[0]
        self._link.write(self._wire.frame(ConnAck(code)))
        self._link.close(1000, "")

    # -- keep alive ------------------------------------------------------------------------------------------

    def _watch(self, keep_alive_s: int) -> None:
        self._silence_s = 1.5 * (keep_alive_s if 0 < keep_alive_s <= MAX_KEEP_ALIVE_S else MAX_KEEP_ALIVE_S)
        self._service.loop.call_later(self._silence_s, self._look)

    def _look(self) -> None:
        """A client that was silent for half as long again as its keep alive is gone."""
        if not self._link.open:
            return
        left_s = self._heard_s + self._silence_s - self._service.loop.time()
        if left_s > 0:
            self._service.loop.call_later(left_s, self._look)
        else:
            self._end(_SILENT)

    def _end(self, code: int) -> None:
        """The service ends the socket; the session may go on."""
        if self._wire.version == V5:
            self._link.write(self._wire.frame(Disconnect(code)))
        self._link.close(1000, "")

    # -- packets ---------------------------------------------------------------------------------------------

    def _receive(self, connection: HubConnection, packet: Packet) -> None:
        match packet:
            case Publish():
                self._published(connection, packet)
            case PublishResponse():
                answer = self._queue.respond(packet)
                if answer is not None:
                    self._send(answer)
            case Subscribe():
                codes = tuple(self._subscribe(connection, *each) for each in packet.filters)
                self._send(Granted(PacketKind.SUBACK, packet.packet_id, codes))
            case Unsubscribe():
                codes = tuple(self._unsubscribe(connection, name) for name in packet.filters)
                self._send(Granted(PacketKind.UNSUBACK, packet.packet_id, codes))
            case Disconnect():
                self._leave(connection, packet)
            case _ if packet == PINGREQ:
                self._link.write(self._wire.pong())
            case _:
                raise RemoteProtocolError(1002, "A packet that a client cannot send now.")

    def _send(self, packet: Packet) -> None:
        self._link.write(self._wire.frame(packet))

    def _leave(self, connection: HubConnection, packet: Disconnect) -> None:
        if packet.code != _WITH_WILL:
            self._will = None
        expiry = packet.properties.get(Property.SESSION_EXPIRY)
        if expiry is not None:
            connection.keeps_ns = min(int(str(expiry)), SESSION_S) * NS_PER_S
        self._link.close(1000, "")

    def _subscribe(self, connection: HubConnection, name: str, options: int) -> int:
        five = self._wire.version == V5
        code = 0
        if name.startswith("$share/"):
            code = 0x9E
        elif "+" in name or "#" in name:
            code = 0xA2
        elif not valid_group(name):
            code = 0x8F
        elif not name.startswith(SERVER_TOPICS) and not connection.permissions.join_leave.covers(name):
            code = NOT_AUTHORIZED
        if code:
            return code if five else 0x80
        self._queue.subscriptions[name] = options & 3
        (self._queue.no_local.add if options & 4 else self._queue.no_local.discard)(name)
        if not name.startswith(SERVER_TOPICS):
            self._hub.join(connection, name)
        return options & 3

    def _unsubscribe(self, connection: HubConnection, name: str) -> int:
        if not name.startswith(SERVER_TOPICS) and not connection.permissions.join_leave.covers(name):
            return NOT_AUTHORIZED
        known = self._queue.subscriptions.pop(name, None) is not None
        self._hub.leave(connection, name)
        return 0 if known else 0x11

    # -- publications ----------------------------------------------------------------------------------------

    def _published(self, connection: HubConnection, packet: Publish) -> None:
        if packet.retain or Property.TOPIC_ALIAS in packet.properties:
            self._end(_NO_RETAIN if packet.retain else _NO_ALIAS)
            return
        number = packet.packet_id
        if number is None:
            self._publish(packet, None)
        elif packet.qos == 2 and number in self._queue.incoming:
            self._send(PublishResponse(PacketKind.PUBREC, number))
        else:
            if packet.qos == 2:
                self._queue.incoming.add(number)
            self._publish(packet, number)

    def _publish(self, packet: Publish, number: int | None) -> None:
        connection = self._connection
        assert connection is not None
        topic = packet.topic
        asked = None if number is None else ack_id(next(self._serials), packet.qos, number)
        upstream = upstream_of(packet, asked, quiet=topic in self._queue.no_local)
        if isinstance(upstream, SendToGroup) and not connection.permissions.send.covers(topic):
            upstream = None
        if upstream is None:
            self._forbid(packet, asked)
        elif isinstance(upstream, SendToGroup) and (not valid_group(topic) or "+" in topic or "#" in topic):
            self._end(_BAD_TOPIC)
        else:
            self._service.take(self._link, connection, upstream)

    def _forbid(self, packet: Publish, asked: int | None) -> None:
        """QoS 0 ends the connection; above, the answer refuses it, if the version has a code for that."""
        if asked is None:
            self._end(NOT_AUTHORIZED)
        else:
            self._queue.incoming.discard(packet.packet_id or 0)
            self._link.write(self._wire.ack(asked, "Forbidden", ""))


def _wrong(packet: Connect) -> str | None:
    """What the service does not accept, as a key of `_CODES`."""
    if packet.version not in (V311, V5):
        return "version"
    if not _CLIENT_ID.fullmatch(packet.client_id) and (packet.client_id or packet.version == V311):
        return "identifier"
    if packet.version == V311 and not 1 <= packet.keep_alive_s <= MAX_KEEP_ALIVE_S:
        return "value"
    will = packet.will
    if will is not None and (not valid_group(will.topic) or len(will.payload) > _MAX_WILL_BYTES):
        return "value"
    return None


def _as_json(packet: Connect) -> Mapping[str, object]:
    """The event handler's information about a CONNECT."""
    pairs = packet.properties.get(Property.USER_PROPERTY, ())
    assert isinstance(pairs, tuple)
    password = packet.password
    return {
        "protocolVersion": packet.version,
        "cleanStart": packet.clean,
        "username": packet.username,
        "password": None if password is None else base64.b64encode(password).decode(),
        "userProperties": [{"name": name, "value": value} for name, value in pairs] if packet.version == V5 else None,
    }
