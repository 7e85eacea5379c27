"""One hub: connections, groups, users, rights, acks, reliable queues.

No socket, no clock: time is an argument.

It decides; bytes leave through each connection's `ClientLink` (system messages, acks) and through the `Delivery`
(messages, which faults may touch). Source of the rules: the subprotocols' documentation; where that is
silent, docs/emulator.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable

from wps_load.clock import NS_PER_S
from wps_load.emulator import invoke_calls
from wps_load.emulator.delivery import Delivery
from wps_load.emulator.hub_connection import ClientLink, HubConnection, may_come_back
from wps_load.emulator.mqtt_wire import MqttQueue, answered
from wps_load.emulator.permissions import Permissions
from wps_load.emulator.server_frames import ConnectionEnd
from wps_load.emulator.streaming import HubStreams
from wps_load.emulator.wires import Reply, RoutedMessage, Wire
from wps_load.protocol.messages import (
    CancelInvocation,
    EndStream,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamData,
    Upstream,
)

ACK_MEMORY = 1000
RECOVERY_WINDOW_NS = 30 * NS_PER_S
"""The client specification, Microsoft's emulator and its .NET client agree on it."""

_INTERNAL_ERROR = "Internal server error"
_NO_RAW_SENDS = "The connection is not authorized for raw sendToGroup mode."


class Hub:
    """`gone` gets each connection that has ended for good, with the reason."""

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        new_id: Callable[[], str],
        gone: Callable[[HubConnection, str], None],
        recovery_window_ns: int = RECOVERY_WINDOW_NS,
    ) -> None:
        self.name = name
        self.connections: dict[str, HubConnection] = {}
        self.groups: dict[str, dict[str, HubConnection]] = {}
        self.users: dict[str, dict[str, HubConnection]] = {}
        self._delivery = delivery
        self._new_id = new_id
        self._gone = gone
        self._recovery_window_ns = recovery_window_ns
        self._lost: dict[str, HubConnection] = {}
        self.streams = HubStreams(self)

    # -- a connection's life -------------------------------------------------------------------------------

    def connect(
        self,
        connection_id: str,
        wire: Wire,
        link: ClientLink,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        mqtt: tuple[bytes, MqttQueue] | None = None,
    ) -> HubConnection:
        """Adds a connection, which is usable at once. Its first frame is `connected`, if its kind has one.

        `mqtt`: an MQTT session's CONNACK and queue.
        """
        connection = HubConnection(self.name, connection_id, wire, user_id, Permissions(roles))
        connection.link = link
        if wire.reliable:
            connection.reconnection_token = self._new_id()
        self.connections[connection.id] = connection
        if user_id is not None:
            self.users.setdefault(user_id, {})[connection.id] = connection
        if mqtt is None:
            hello = wire.connected(connection.id, user_id, connection.reconnection_token)
        else:
            hello, connection.queue = mqtt
        if hello:
            link.write(hello)
        for group in groups:
            self.join(connection, group)
        return connection

    def recoverable(self, connection_id: str, token: str, now_ns: int) -> HubConnection | None:
        """The connection that a client may continue; None: gone, or not the client's: close with 1008."""
        self.expire(now_ns)
        connection = self.connections.get(connection_id)
        if connection is None or connection.queue is None or token != connection.reconnection_token:
            return None
        return connection

    def recover(self, connection: HubConnection, link: ClientLink, now_ns: int) -> None:
        """The connection continues on its new socket, and unacknowledged messages are sent again.

        It keeps its subprotocol, whatever the client offered. A second socket for a connection that still has one
        replaces it.
        """
        assert connection.queue is not None
        if connection.link is not None:
            connection.link.abort()
        self._lost.pop(connection.id, None)
        connection.lost_ns = None
        connection.link = link
        if connection.streams:  # the JavaScript client resumes its streams only when it gets this
            link.write(connection.wire.connected(connection.id, connection.user_id, connection.reconnection_token))
        for frame in connection.queue.unacked(now_ns):
            self._delivery.replay(link, frame, now_ns)

    def lose(self, connection: HubConnection, link: ClientLink, end: ConnectionEnd, now_ns: int) -> None:
        """Its socket ended. A reliable connection may come back, unless the end was meant."""
        if connection.link is not link:
            return
        connection.link = None
        connection.invocations.clear()  # they end with the socket that they came on
        keeps = may_come_back(end) if connection.keeps_ns is None else connection.keeps_ns > 0
        if connection.queue is None or not keeps:
            self.remove(connection, end.reason)
        elif connection.alive:
            connection.lost_ns = now_ns
            self._lost[connection.id] = connection

    def expire(self, now_ns: int) -> None:
        """Removes connections that were lost too long ago, and idle streams. Call it a few times a second.

        Other clients then learn that they left.
        """
        for session in [each for each in self._lost.values() if each.keeps_ns is not None]:
            if session.lost_ns is not None and now_ns - session.lost_ns >= (session.keeps_ns or 0):
                self.remove(session, "The session has expired.")
        while self._lost:
            oldest = next(iter(self._lost.values()))  # they are in the order of their loss
            assert oldest.lost_ns is not None
            if now_ns - oldest.lost_ns < self._recovery_window_ns:
                break
            self.remove(oldest, "The recovery window has passed.")
        self.streams.expire(now_ns)

    def close(self, connection: HubConnection, reason: str, code: int = 1000) -> None:
        """The service ends a connection: `disconnected`, then the close frame. It cannot be recovered."""
        if connection.link is not None and (farewell := connection.wire.disconnected(reason)):
            connection.link.write(farewell)
        self._break(connection, code, "", reason)

    def _break(self, connection: HubConnection, code: int, said: str, reason: str) -> None:
        """The close frame alone, with what it says. It cannot be recovered."""
        link = connection.link
        self.remove(connection, reason)
        if link is not None:
            link.close(code, said)

    def remove(self, connection: HubConnection, reason: str) -> None:
        """Removes a connection for good. A second call does nothing."""
        if not connection.alive:
            return
        connection.alive = False
        connection.link = None
        self._lost.pop(connection.id, None)
        self.streams.orphan(connection)
        self.connections.pop(connection.id, None)
        for group in list(connection.groups):
            self.leave(connection, group)
        if connection.user_id is not None:
            _discard(self.users, connection.user_id, connection.id)
        self._gone(connection, reason)

    def join(self, connection: HubConnection, group: str) -> None:
        if connection.alive:
            self.groups.setdefault(group, {})[connection.id] = connection
            connection.groups.add(group)

    def leave(self, connection: HubConnection, group: str) -> None:
        if group in connection.groups:
            connection.groups.discard(group)
            _discard(self.groups, group, connection.id)

    # -- what clients send ---------------------------------------------------------------------------------

    def receive(self, connection: HubConnection, message: Upstream, now_ns: int) -> SendEvent | None:
        """Carries out a client's message. An event is returned: the caller asks the handler, then calls `answer`."""
        if type(message) is SendToGroup and message.ack_id is None:  # the hot path
            self._publish(connection, message, now_ns)
            return None
        if isinstance(message, SequenceAck):
            if connection.queue is not None:
                connection.queue.acknowledge(message.sequence_id)
            return None
        if isinstance(message, Ping):
            self._send(connection, connection.wire.pong())
            return None
        if isinstance(message, Invoke):
            return invoke_calls.event_of(connection, message)
        if isinstance(message, CancelInvocation):
            connection.invocations.discard(message.invocation_id)
            return None
        if isinstance(message, StartStream | StreamData | EndStream):
            self.streams.receive(connection, message, now_ns)
            return None
        ack_id = message.ack_id
        if ack_id is not None and ack_id in connection.acked:
            self._ack(connection, ack_id, "Duplicate", f"Message with ack-id: {ack_id} has been processed")
            return None
        if isinstance(message, SendEvent):
            return message
        if isinstance(message, SendToGroup):
            self._publish(connection, message, now_ns)
        else:
            self._change_membership(connection, message)
        return None

    def answer(self, connection: HubConnection, event: SendEvent, reply: Reply | None, now_ns: int) -> None:
        """The handler accepted an event: its reply, if it has one, is delivered before the ack."""
        if event.invocation_id is not None:
            invoke_calls.respond(self._delivery, connection, event.invocation_id, reply, now_ns)
            return
        if event.mqtt is not None:
            self.deliver((connection,), answered(event, reply, 200), (connection.id, None), now_ns)
        elif reply is not None:
            message = tuple.__new__(RoutedMessage, ("server", None, None, *reply, None, None))
            self.deliver((connection,), message, (connection.id, None), now_ns)
        if event.ack_id is not None:
            self._acked(connection, event.ack_id)

    def fail(self, connection: HubConnection, event: SendEvent, now_ns: int = 0, *, closes: bool = False) -> None:
        """There is no handler, or it failed: simple clients are closed, others too if `closes`, or get an error ack.

        An invocation is answered with the error, whatever `closes` says.
        """
        if event.invocation_id is not None:
            invoke_calls.refuse(connection, event.invocation_id, "InternalServerError", _INTERNAL_ERROR)
            return
        if event.mqtt is not None:
            self.deliver((connection,), answered(event, None, 500), (connection.id, None), now_ns)
        if connection.wire.subprotocol is None or closes:
            self._break(connection, 1011, _INTERNAL_ERROR, _INTERNAL_ERROR)
        elif event.ack_id is not None:
            self._ack(connection, event.ack_id, "InternalServerError", _INTERNAL_ERROR)

    def _publish(self, connection: HubConnection, message: SendToGroup, now_ns: int) -> None:
        group, data_type, data, ack_id, no_echo, ttl_s, metadata, mqtt = message
        if not connection.permissions.send.covers(group):
            if connection.wire.subprotocol is None:
                self._break(connection, 1008, _NO_RAW_SENDS, _NO_RAW_SENDS)
            else:
                self._forbid(connection, ack_id, f"send to group '{group}'")
            return
        members = self.groups.get(group)
        if members:
            name = connection.id
            publication = tuple.__new__(
                RoutedMessage, ("group", group, connection.user_id, data_type, data, metadata, mqtt, None)
            )
            ttl_ns = ttl_s * NS_PER_S if ttl_s else None
            self.deliver(members.values(), publication, (name, group), now_ns, (name,) if no_echo else (), ttl_ns)
        if ack_id is not None:
            self._acked(connection, ack_id)

    def _change_membership(self, connection: HubConnection, message: JoinGroup | LeaveGroup) -> None:
        joins = isinstance(message, JoinGroup)
        if not connection.permissions.join_leave.covers(message.group):
            self._forbid(connection, message.ack_id, f"{'join' if joins else 'leave'} group '{message.group}'")
            return
        if joins:
            self.join(connection, message.group)
        else:
            self.leave(connection, message.group)
        if message.ack_id is not None:
            self._acked(connection, message.ack_id)

    # -- what clients receive ------------------------------------------------------------------------------

    def deliver(
        self,
        receivers: Iterable[HubConnection],
        message: RoutedMessage,
        stream: Hashable,
        now_ns: int,
        excluded: Collection[str] = (),
        ttl_ns: int | None = None,
    ) -> None:
        """Sends one message to many receivers. Each distinct frame is built once and shared.

        `stream` names publisher and audience, for the faults that swap a publisher's messages.
        """
        frames: dict[Wire | tuple[Wire, int | None], bytes] = {}
        submit = self._delivery.submit
        wire: Wire | None = None
        for receiver in tuple(receivers):  # an overflowing queue removes its connection from the group
            if excluded and receiver.id in excluded:
                continue
            queue = receiver.queue
            if queue is not None:
                wire, number = receiver.wire, queue.number(message)
                frame = frames.get((wire, number)) or frames.setdefault((wire, number), wire.message(message, number))
                if not queue.add(frame, None if ttl_ns is None else now_ns + ttl_ns):
                    self.close(receiver, "Too many messages are unacknowledged.", 1008)
                    continue
            elif receiver.wire is not wire:
                wire = receiver.wire
                frame = frames.get(wire) or frames.setdefault(wire, wire.message(message, None))
            if (link := receiver.link) is not None:
                submit(link, frame, stream, now_ns)

    def _send(self, connection: HubConnection, frame: bytes) -> None:
        if connection.link is not None:
            connection.link.write(frame)

    def _acked(self, connection: HubConnection, ack_id: int) -> None:
        acked = connection.acked
        acked[ack_id] = None
        if len(acked) > ACK_MEMORY:
            del acked[next(iter(acked))]
        self._ack(connection, ack_id, None, "")

    def _ack(self, connection: HubConnection, ack_id: int, error: str | None, message: str) -> None:
        self._send(connection, connection.wire.ack(ack_id, error, message))

    def _forbid(self, connection: HubConnection, ack_id: int | None, deed: str) -> None:
        if ack_id is not None:
            self._ack(connection, ack_id, "Forbidden", f"The client does not have permission to {deed}.")


def _discard(index: dict[str, dict[str, HubConnection]], key: str, connection_id: str) -> None:
    """Removes an entry and, when it was the last one, its key: groups and users exist while they have connections."""
    members = index.get(key)
    if members is not None:
        members.pop(connection_id, None)
        if not members:
            del index[key]
