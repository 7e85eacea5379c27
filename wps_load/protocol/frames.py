"""RFC 6455 framing, the client's side: frames out (masked), messages in (unmasked). Pure: bytes to bytes.

    FrameWriter    payload -> one masked frame, with a fresh mask key from a pool of the system's randomness
    FrameReader    bytes as they come -> whole messages and control frames, in order

The reader records errors instead of raising them (as h11 and websockets do): messages before the error are measurements
and must not be lost with it. After each `feed`, look at `error`. No extension is ever offered, so a set RSV bit is a
protocol error.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntEnum

from wps_load.errors import LocalProtocolError, RemoteProtocolError

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled module
    from websockets.utils import apply_mask


class Opcode(IntEnum):
    """RFC 6455 section 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_CONTROL_PAYLOAD_BYTES = 125

# -- out -----------------------------------------------------------------------------------------------------

_HEAD = struct.Struct("!BB4s")
_HEAD_16 = struct.Struct("!BBH4s")
_HEAD_64 = struct.Struct("!BBQ4s")
_pack_head_16 = _HEAD_16.pack


def encode_frame(opcode: int, payload: bytes, mask_key: bytes | None) -> bytes:
    """One final frame. `mask_key`: 4 bytes for a client's frame (RFC 6455 section 5.3), None for a server's.

    Raises LocalProtocolError for a control frame above 125 bytes (section 5.5).
    """
    size = len(payload)
    if opcode >= 0x8 and size > MAX_CONTROL_PAYLOAD_BYTES:
        raise LocalProtocolError(f"control frame of {size} bytes; at most {MAX_CONTROL_PAYLOAD_BYTES}")
    if mask_key is None:
        return server_frame_head(opcode, size) + payload
    if size < 126:
        return _HEAD.pack(0x80 | opcode, 0x80 | size, mask_key) + apply_mask(payload, mask_key)
    if size < 65536:
        return _HEAD_16.pack(0x80 | opcode, 0xFE, size, mask_key) + apply_mask(payload, mask_key)
    return _HEAD_64.pack(0x80 | opcode, 0xFF, size, mask_key) + apply_mask(payload, mask_key)


def server_frame_head(opcode: int, size: int) -> bytes:
    """The bytes before the payload of a final, unmasked frame."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size)
    return struct.pack("!BBQ", 0x80 | opcode, 127, size)


def mask_keys(pool_bytes: int = 4096) -> Iterator[bytes]:
    """Endless 4-byte mask keys from `os.urandom`, as section 10.3 demands; one system call for many keys.

    Make one after a fork, not before: two processes that share a pool send the same keys.
    """
    while True:
        for (key,) in struct.iter_unpack("4s", os.urandom(pool_bytes)):
            yield key


class FrameWriter:
    """Client frames with fresh mask keys. One writer serves all connections of a process (see `mask_keys`)."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterator[bytes] | None = None) -> None:
        self._keys = mask_keys() if keys is None else keys

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """One masked frame, final. Raises LocalProtocolError as `encode_frame` does."""
        key = next(self._keys)
        size = len(payload)
        if 126 <= size < 65536 and opcode < 0x8:  # most messages: one call less
            return _pack_head_16(0x80 | opcode, 0xFE, size, key) + apply_mask(payload, key)
        return encode_frame(opcode, payload, key)

    def close_frame(self, code: int, reason: str = "") -> bytes:
        """Raises LocalProtocolError for a code that may not be sent."""
        return self.frame(Opcode.CLOSE, encode_close(code, reason))


# -- close payloads ------------------------------------------------------------------------------------------

NO_STATUS = 1005
"""RFC 6455 section 7.1.5: the code of a close frame without one; never on the wire."""

_REGISTERED_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def is_valid_close_code(code: int) -> bool:
    """Whether this code may be in a close frame, by RFC 6455 section 7.4 with IANA's registry."""
    return code in _REGISTERED_CODES or 3000 <= code <= 4999


def encode_close(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; the reason is cut to 123 bytes of UTF-8 at a character boundary.

    Raises LocalProtocolError for a code that may not be sent.
    """
    if not is_valid_close_code(code):
        raise LocalProtocolError(f"close code {code} may not be sent (RFC 6455 section 7.4)")
    text = reason.encode("utf-8", "replace")
    room = MAX_CONTROL_PAYLOAD_BYTES - 2
    if len(text) > room:
        text = text[:room].decode("utf-8", "ignore").encode()
    return struct.pack("!H", code) + text


def parse_close(payload: bytes) -> tuple[int, str]:
    """(code, reason) of a close frame; an empty payload gives (1005, "").

    Raises RemoteProtocolError: 1002 for one byte or an invalid code, 1007 for a reason not in UTF-8.
    """
    if not payload:
        return NO_STATUS, ""
    if len(payload) == 1:
        raise RemoteProtocolError(1002, "close frame with a payload of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not is_valid_close_code(code):
        raise RemoteProtocolError(1002, f"close frame with the invalid code {code}")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError(1007, "close reason is not UTF-8") from None


# -- in ------------------------------------------------------------------------------------------------------


class FrameReader:
    """Turns the bytes of one connection into (opcode, payload): whole messages, and control frames where they came.

    Memory: at most one message of `max_message_bytes`, one frame of the same size and one `feed`.
    """

    __slots__ = (
        "_fragment_opcode",
        "_fragments",
        "_max_bytes",
        "_needed",
        "_pending",
        "_short_way_bytes",
        "close_received",
        "error",
    )

    def __init__(self, max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_message_bytes
        self._short_way_bytes = max_message_bytes  # -1 inside a fragmented message, or after the end: never
        self._pending = bytearray()  # an unfinished frame; grows in place, so small reads do not have quadratic cost
        self._needed = 0  # bytes that `_pending` must have before it is worth reading
        self._fragments = bytearray()
        self._fragment_opcode: int | None = None  # of the unfinished message
        self.error: RemoteProtocolError | None = None
        """The protocol error, with the close code to answer. Nothing is read after it."""
        self.close_received = False
        """Whether a close frame came: what follows it is discarded (RFC 6455 section 1.4)."""

    def between_messages(self) -> bool:
        """Whether the next bytes are the beginning of a message or control frame, and will be read."""
        return not self._pending and self._short_way_bytes >= 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """All messages and control frames that `data` completes. Never raises for what the peer sent.

        `data` must be bytes. Text comes as bytes, checked to be UTF-8 over the whole message (section 8.1).
        """
        if not self._pending and len(data) > 4:
            # One whole message and nothing else, as most answers are: `_read`, unrolled.
            size = data[1]
            start = 2 if size < 126 else 0  # 0: not here (a 64-bit length, a masked frame, not the shortest form)
            if size == 126:
                size = data[2] << 8 | data[3]
                start = 4 if size >= 126 else 0
            if start and start + size == len(data) and size <= self._short_way_bytes:
                first = data[0]
                if first == 0x82:
                    return [(0x2, data[start:])]
                if first == 0x81:
                    payload = data[start:]
                    if payload.isascii():
                        return [(0x1, payload)]
        out: list[tuple[int, bytes]] = []
        if self.error is not None or self.close_received:
            return out
        if self._pending:
            self._pending += data
            if len(self._pending) < self._needed:
                return out
            data = bytes(self._pending)
            self._pending.clear()
        try:
            rest = self._read(data, out)
        except RemoteProtocolError as error:
            self.error = error
            self._short_way_bytes = -1
            self._fragments.clear()
            return out
        if rest < len(data) and not self.close_received:
            self._pending += data[rest:] if rest else data
        return out

    def _read(self, data: bytes, out: list[tuple[int, bytes]]) -> int:
        """Reads frames into `out`; returns where an unfinished one begins and sets `_needed` for it.

        Unfragmented text and binary take the fast path: this loop limits what a load generator can receive.
        """
        position = 0
        end = len(data)
        append = out.append
        while end - position >= 2:
            first = data[position]
            size = data[position + 1]
            if size < 126:
                start = position + 2
            elif (
                size == 126 and end - position >= 4 and (medium := data[position + 2] << 8 | data[position + 3]) >= 126
            ):
                start = position + 4
                size = medium
            else:
                start = position + _head_bytes(size)
                if start > end:
                    self._needed = start - position
                    return position
                size = _long_size(data, position, size)
            stop = start + size
            if first == 0x81 and size <= self._short_way_bytes:
                if stop > end:
                    break
                payload = data[start:stop]
                if not payload.isascii():
                    _check_utf8(payload)
                append((0x1, payload))
            elif first == 0x82 and size <= self._short_way_bytes:
                if stop > end:
                    break
                append((0x2, data[start:stop]))
            else:
                self._check_head(first, size)  # before the payload arrives, so nothing too long is awaited
                if stop > end:
                    break
                self._take(first, data[start:stop], out)
                if self.close_received:
                    return stop
            position = stop
        else:
            self._needed = 2
            return position
        self._needed = stop - position
        return position

    def _check_head(self, first: int, size: int) -> None:
        """Checks everything in a frame's header (RFC 6455 sections 5.2, 5.4, 5.5)."""
        if first & 0x70:
            raise RemoteProtocolError(1002, "reserved bit set, as in compressed frames, though no extension was agreed")
        opcode = first & 0xF
        if opcode >= 0x8:
            if opcode > 0xA:
                raise RemoteProtocolError(1002, f"unknown opcode {opcode}")
            if not first & 0x80:
                raise RemoteProtocolError(1002, "fragmented control frame")
            if size > MAX_CONTROL_PAYLOAD_BYTES:
                raise RemoteProtocolError(1002, "control frame above 125 bytes")
            return
        if opcode > 0x2:
            raise RemoteProtocolError(1002, f"unknown opcode {opcode}")
        if opcode == 0x0 and self._fragment_opcode is None:
            raise RemoteProtocolError(1002, "continuation frame without a message")
        if opcode != 0x0 and self._fragment_opcode is not None:
            raise RemoteProtocolError(1002, "new message inside a fragmented one")
        if len(self._fragments) + size > self._max_bytes:
            raise RemoteProtocolError(1009, f"message above {self._max_bytes} bytes")

    def _take(self, first: int, payload: bytes, out: list[tuple[int, bytes]]) -> None:
        """A checked frame off the fast path: control, or part of a fragmented message."""
        opcode = first & 0xF
        if opcode >= 0x8:
            out.append((opcode, payload))
            if opcode == 0x8:
                self.close_received = True
                self._short_way_bytes = -1
            return
        if opcode != 0x0:
            self._fragment_opcode = opcode
            self._short_way_bytes = -1
        self._fragments += payload
        if first & 0x80:
            whole = bytes(self._fragments)
            if self._fragment_opcode == 0x1:
                _check_utf8(whole)
            out.append((self._fragment_opcode or 0x0, whole))
            self._fragments.clear()
            self._fragment_opcode = None
            self._short_way_bytes = self._max_bytes


def _head_bytes(length_byte: int) -> int:
    if length_byte > 127:
        raise RemoteProtocolError(1002, "masked frame from the server")  # section 5.1
    return 4 if length_byte == 126 else 10


def _long_size(data: bytes, position: int, length_byte: int) -> int:
    """A 16- or 64-bit length, which must be the shortest form and below 2^63 (section 5.2)."""
    size = int.from_bytes(data[position + 2 : position + _head_bytes(length_byte)], "big")
    if size >> 63:
        raise RemoteProtocolError(1002, "64-bit length with its highest bit set")
    if size < (126 if length_byte == 126 else 65536):
        raise RemoteProtocolError(1002, "length not in its shortest form")
    return size


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError(1007, "text message is not UTF-8") from None
