"""Streams, the service's side: fragments that are numbered, acknowledged and published to a group in order. Pure.

Source: Azure Web PubSub client specification, section 3.6; what it leaves open is decided in docs/emulator.md. A stream
belongs to the connection that started it and outlives its sockets, as long as the connection may be recovered.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol

from wps_load.clock import NS_PER_MS
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.wires import RoutedMessage, StreamInfo
from wps_load.protocol.messages import (
    DataType,
    EndStream,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamNack,
)
from wps_load.protocol.streams import IDLE_TIMEOUT_MS

NEVER = 1 << 63

_USER_ERROR = "UserError"
_NOT_FOUND = StreamError("StreamNotFound", "The connection has no such stream.")
_BAD_ID = StreamError("BadRequest", "A stream with this id is active.")
_BAD_TIMEOUT = StreamError("BadRequest", "The idle timeout must be positive.")
_BAD_DATA = StreamError("BadRequest", "A fragment has streamSequenceId, dataType and data, or none of them.")
_IDLE = StreamError("IdleTimeout", "The stream was idle for too long.")
_CANCELLED = StreamError("Cancelled", "The publisher has gone, or its stream was closed.")


@dataclass(slots=True)
class Stream:
    """An active stream.

    `expected`: the number of the next fragment. `active_ns`: when something of it was last accepted; `idle_ns`: how
    long it may be idle.
    """

    connection: HubConnection
    stream_id: str
    group: str
    no_echo: bool
    idle_ns: int
    active_ns: int
    expected: int = 1


class Audience(Protocol):
    """The hub."""

    @property
    def groups(self) -> dict[str, dict[str, HubConnection]]: ...

    def deliver(
        self,
        receivers: Iterable[HubConnection],
        message: RoutedMessage,
        stream: Hashable,
        now_ns: int,
        excluded: Collection[str] = (),
    ) -> None: ...


class HubStreams:
    """All streams of one hub."""

    def __init__(self, house: Audience) -> None:
        self._house = house
        self._streams: dict[tuple[str, str], Stream] = {}
        self._orphans: list[Stream] = []
        self._idle_from_ns = NEVER

    def __len__(self) -> int:
        return len(self._streams)

    # -- what publishers send --------------------------------------------------------------------------------

    def receive(self, connection: HubConnection, message: StartStream | StreamData | EndStream, now_ns: int) -> None:
        if isinstance(message, StartStream):
            self._start(connection, message, now_ns)
            return
        stream = self._streams.get((connection.id, message.stream_id))
        if stream is None:
            _tell(connection, StreamClosed(message.stream_id, _NOT_FOUND))
        elif isinstance(message, EndStream):
            error = message.error and message.error._replace(name=_USER_ERROR)
            self._finish(stream, None, error, now_ns)
        elif not connection.permissions.send.covers(stream.group):
            self._forbid(stream, now_ns)
        else:
            self._take(stream, message, now_ns)

    def _start(self, connection: HubConnection, message: StartStream, now_ns: int) -> None:
        group, stream_id, idle_timeout_ms, no_echo = message
        key = (connection.id, stream_id)
        active = self._streams.get(key)
        if active is not None:
            if (active.group, active.no_echo, active.expected) == (group, no_echo, 1):
                _tell(connection, StreamAck(stream_id, 1))  # sent again: the first answer may have been lost
            else:
                self._finish(active, _BAD_ID, _CANCELLED, now_ns)
        elif idle_timeout_ms is not None and idle_timeout_ms <= 0:
            _tell(connection, StreamClosed(stream_id, _BAD_TIMEOUT))
        elif not connection.permissions.send.covers(group):
            _tell(connection, StreamClosed(stream_id, _forbidden(group)))
        else:
            idle_ns = (idle_timeout_ms or IDLE_TIMEOUT_MS) * NS_PER_MS
            self._streams[key] = Stream(connection, stream_id, group, no_echo, idle_ns, now_ns)
            connection.streams.add(stream_id)
            self._idle_from_ns = min(self._idle_from_ns, now_ns + idle_ns)
            _tell(connection, StreamAck(stream_id, 1))

    def _take(self, stream: Stream, message: StreamData, now_ns: int) -> None:
        stream_id, number, data_type, data = message
        if number is None and data_type is None and data is None:
            stream.active_ns = now_ns
        elif number is None or data_type is None or not isinstance(data, bytes):
            self._finish(stream, _BAD_DATA, _CANCELLED, now_ns)
        elif number > stream.expected:
            told = f"Expected {stream.expected}, got {number}."
            _tell(stream.connection, StreamNack(stream_id, stream.expected, "InvalidSequenceId", told))
        else:
            if number == stream.expected:
                stream.active_ns = now_ns
                stream.expected += 1
                self._publish(stream, data_type, data, StreamInfo(stream_id, number), now_ns)
            _tell(stream.connection, StreamAck(stream_id, stream.expected))

    # -- how they end ----------------------------------------------------------------------------------------

    def expire(self, now_ns: int) -> None:
        """Ends streams that were idle for too long, and informs subscribers of those whose connections are gone.

        Call it often: it determines how exactly the time-out is kept.
        """
        orphans, self._orphans = self._orphans, []
        for stream in orphans:
            self._tell_subscribers(stream, _CANCELLED, now_ns)
        if now_ns < self._idle_from_ns:
            return
        for stream in tuple(self._streams.values()):
            if now_ns - stream.active_ns >= stream.idle_ns:
                self._finish(stream, _IDLE, _IDLE, now_ns)
        self._idle_from_ns = min((each.active_ns + each.idle_ns for each in self._streams.values()), default=NEVER)

    def orphan(self, connection: HubConnection) -> None:
        """The connection is gone for good, and so are its streams. The next `expire` informs subscribers."""
        for stream_id in connection.streams:
            stream = self._streams.pop((connection.id, stream_id), None)
            if stream is not None:
                self._orphans.append(stream)
        connection.streams.clear()

    def _forbid(self, stream: Stream, now_ns: int) -> None:
        error = _forbidden(stream.group)
        self._finish(stream, error, error, now_ns)

    def _finish(self, stream: Stream, error: StreamError | None, said: StreamError | None, now_ns: int) -> None:
        """`error`: what its publisher gets; `said`: what its subscribers get; None: it has ended normally."""
        del self._streams[stream.connection.id, stream.stream_id]
        stream.connection.streams.discard(stream.stream_id)
        self._tell_subscribers(stream, said, now_ns)
        _tell(stream.connection, StreamClosed(stream.stream_id, error))

    def _tell_subscribers(self, stream: Stream, error: StreamError | None, now_ns: int) -> None:
        """With a type and no text: the JavaScript client drops messages without a type."""
        info = StreamInfo(stream.stream_id, stream.expected, ends=True, error=error)
        self._publish(stream, DataType.TEXT, b"", info, now_ns)

    def _publish(self, stream: Stream, data_type: DataType, data: bytes, info: StreamInfo, now_ns: int) -> None:
        """Clients whose protocol has no streams get fragments as ordinary messages, and nothing at their end."""
        members = self._house.groups.get(stream.group)
        if not members:
            return
        connection = stream.connection
        message = RoutedMessage("group", stream.group, connection.user_id, data_type, data, stream=info)
        receivers = [each for each in members.values() if each.wire.streams] if info.ends else members.values()
        excluded = (connection.id,) if stream.no_echo else ()
        self._house.deliver(receivers, message, (connection.id, stream.group), now_ns, excluded)


def _forbidden(group: str) -> StreamError:
    return StreamError("Forbidden", f"The client does not have permission to send to group '{group}'.")


def _tell(connection: HubConnection, answer: StreamAck | StreamNack | StreamClosed) -> None:
    if connection.link is not None:
        connection.link.write(connection.wire.stream(answer))
