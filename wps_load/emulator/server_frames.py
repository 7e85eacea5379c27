"""RFC 6455 framing, server side: reads masked client frames, builds unmasked server frames.

It is not the client's reader reversed: an instrument that is checked against its own code would share its mistakes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C extension for this platform
    from websockets.utils import apply_mask

from wps_load.errors import RemoteProtocolError
from wps_load.protocol.frames import Opcode

MAX_MESSAGE_BYTES = 1 << 20
"""The service's limit on one WebSocket message, summed over its fragments."""


TEXT = int(Opcode.TEXT)
BINARY = int(Opcode.BINARY)
_CONTROL = frozenset({0x8, 0x9, 0xA})
_FIN = 0x80
_pack_short, _pack_medium, _pack_long = (struct.Struct(layout).pack for layout in (">BB", ">BBH", ">BBQ"))
_WHOLE = frozenset({_FIN | TEXT, _FIN | BINARY})

Message = tuple[int, bytes]
"""Opcode and unmasked payload of a whole data message (text not yet known to be UTF-8) or a control frame."""


class ConnectionEnd(NamedTuple):
    """How a WebSocket ended. `code`: of the close frame that came first, None if none did."""

    code: int | None
    reason: str
    by_client: bool


def build_frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked, unfragmented frame: the same bytes for every receiver."""
    return build_header(opcode, len(payload)) + payload


def build_header(opcode: int, size: int) -> bytes:
    if size < 126:
        return _pack_short(_FIN | opcode, size)
    if size < 65536:
        return _pack_medium(_FIN | opcode, 126, size)
    return _pack_long(_FIN | opcode, 127, size)


def build_close(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what fits a control frame (123 bytes)."""
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return build_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text)


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1005 when it names none.

    Raises RemoteProtocolError for what RFC 6455 forbids.
    """
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 0
    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) and not 3000 <= code <= 4999:
        raise RemoteProtocolError(1002, "The close frame has an invalid code.")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError(1007, "The close reason is not UTF-8.") from None


class ServerFrameReader:
    """Bytes in, messages out. After an error it reads nothing more."""

    __slots__ = ("_between", "_buffer", "_fragments", "_limit", "_longest_lone", "_opcode", "_size", "error")

    def __init__(self, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit_bytes
        self._longest_lone = min(limit_bytes, 65535)
        self._between = True
        self._buffer = b""
        self._opcode = 0
        self._fragments: list[bytes] = []
        self._size = 0
        self.error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are now complete, in order. A protocol error after them is left in `error`."""
        if self._between:  # one whole short message and nothing else, as clients that wait for an answer send?
            size = len(data) - 8
            if 126 <= size <= self._longest_lone:
                if data[0] in _WHOLE and data[1] == 0xFE and data[2] << 8 | data[3] == size:
                    return [(data[0] & 0x0F, apply_mask(data[8:], data[4:8]))]
            elif -2 < size < 124 and data[1] == size + 0x82 and data[0] in _WHOLE and size + 2 <= self._limit:
                return [(data[0] & 0x0F, apply_mask(data[6:], data[2:6]))]
        messages: list[Message] = []
        if self.error is not None:
            return messages
        buffer = self._buffer + data if self._buffer else data
        try:
            rest = self._read(buffer, messages)
        except RemoteProtocolError as error:
            self.error = error
            rest = len(buffer)
        self._buffer = buffer[rest:] if rest < len(buffer) else b""
        self._between = not self._buffer and not self._opcode and self.error is None
        return messages

    def _read(self, buffer: bytes, messages: list[Message]) -> int:
        """Reads whole frames; returns how many bytes they were."""
        at, end = 0, len(buffer)
        while end - at >= 2:
            first, second = buffer[at], buffer[at + 1]
            if not second & 0x80:
                raise RemoteProtocolError(1002, "Client frames must be masked.")
            size = second & 0x7F
            start = at + 2
            if size > 125:
                width = 2 if size == 126 else 8
                start += width
                if end < start:
                    break
                size = int.from_bytes(buffer[start - width : start], "big")
                if size < (126 if width == 2 else 65536) or size >> 63:
                    raise RemoteProtocolError(1002, "The frame length is not encoded as it must be.")
            plain = first in _WHOLE and not self._opcode and size <= self._limit
            if not plain:
                self._judge(first, size)
            stop = start + 4 + size
            if end < stop:
                break
            payload = apply_mask(buffer[start + 4 : stop], buffer[start : start + 4]) if size else b""
            if plain:
                messages.append((first & 0x0F, payload))
            else:
                self._take(first, payload, messages)
            at = stop
        return at

    def _judge(self, first: int, size: int) -> None:
        """Refuses a frame by its header alone, before its payload arrives."""
        opcode = first & 0x0F
        if first & 0x70:
            raise RemoteProtocolError(1002, "Reserved bits are set, but no extension was agreed on.")
        if opcode in _CONTROL:
            if not first & _FIN or size > 125:
                raise RemoteProtocolError(1002, "A control frame is fragmented or too long.")
            return
        if opcode > BINARY:
            raise RemoteProtocolError(1002, "Unknown opcode.")
        if (opcode == 0) != bool(self._opcode):
            raise RemoteProtocolError(1002, "A fragmented message is continued wrongly.")
        if self._size + size > self._limit:
            raise RemoteProtocolError(1009, "The client message is too large.")

    def _take(self, first: int, payload: bytes, messages: list[Message]) -> None:
        opcode = first & 0x0F
        if opcode in _CONTROL or (first & _FIN and opcode):
            messages.append((opcode, payload))
            return
        self._opcode = self._opcode or opcode
        self._fragments.append(payload)
        self._size += len(payload)
        if first & _FIN:
            messages.append((self._opcode, b"".join(self._fragments)))
            self._opcode, self._fragments, self._size = 0, [], 0
