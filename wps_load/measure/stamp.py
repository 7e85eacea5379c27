"""The stamp that every measured message carries in its data, so that any receiver can account for it.

30 bytes, big endian: magic u8, epoch u8, key i64, stream u32, seq u32, due i64 (ns of the master's monotonic clock),
wait u32 (from due to sent, in 1,024 ns). In text and json they are 40 characters of base64 (30 bytes need no padding),
in binary they are raw. The words are explained in docs/architecture.md.

The key is the exclusive or of the run's `mark` (its number and the epoch) and of everything that follows. So one
comparison shows that a stamp is of this run and this epoch, and that no bit of it has changed: a changed bit anywhere
changes a bit of the resulting mark.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from struct import Struct, error
from typing import Final

MAGIC: Final = 0xA7
RAW_BYTES: Final = 30
TEXT_CHARS: Final = 40
JSON_MEMBER: Final = "wps"
_JSON_HEAD: Final = 128
"""The stamp ends within this many bytes of JSON's text."""
WAIT_SHIFT: Final = 10
"""A wait's unit is 2^10 ns."""
DAMAGED_BITS: Final = 6
"""A mark this close to ours was ours: one character of base64 may change this many bits.

Two runs are this close to each other once in 3,000 times.
"""

Stamp = tuple[int, int, int, int, int, int]
"""(epoch, key, stream, seq, due_ns, wait). A plain tuple: one is made for each message that arrives."""

_LAYOUT: Final = ">BBqIIqI"
_pack = Struct(_LAYOUT).pack
_unpack = Struct(_LAYOUT.replace("B", "x", 1)).unpack  # x: the magic is checked before
_unpack_from = Struct(_LAYOUT.replace("B", "x", 1)).unpack_from
_MOST_WAIT: Final = 0xFFFFFFFF
_NO_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]")


def make_mark(epoch: int, run: int) -> int:
    """What the stamps of one epoch of a run have in common. `epoch` is taken modulo 256, `run` has 32 bits."""
    return (epoch & 0xFF) << 32 | run


def mark_of(stamp: Stamp) -> int:
    """The mark that a stamp carries. Hot callers inline this."""
    _, key, stream, seq, due_ns, wait = stamp
    return key ^ stream ^ seq ^ due_ns ^ wait


def pack_binary(epoch: int, key: int, stream: int, seq: int, due_ns: int, lag_ns: int) -> bytes:
    """The 30 raw bytes.

    `epoch`: of the mark, 0..255. `key`: mark ^ stream, the same for all messages of a stream in an epoch. `lag_ns`:
    from due to sent. Raises struct.error when another field does not fit.
    """
    wait = lag_ns >> 10
    try:
        return _pack(0xA7, epoch, key ^ seq ^ due_ns ^ wait, stream, seq, due_ns, wait)
    except error:
        wait = min(max(wait, 0), _MOST_WAIT)
        return _pack(0xA7, epoch, key ^ seq ^ due_ns ^ wait, stream, seq, due_ns, wait)


def pack_text(epoch: int, key: int, stream: int, seq: int, due_ns: int, lag_ns: int) -> bytes:
    """The 40 characters as ASCII bytes, safe in JSON."""
    wait = lag_ns >> 10
    try:
        raw = _pack(0xA7, epoch, key ^ seq ^ due_ns ^ wait, stream, seq, due_ns, wait)
    except error:
        raw = pack_binary(epoch, key, stream, seq, due_ns, lag_ns)
    return b2a_base64(raw, newline=False)


def read_text(data: object) -> Stamp | None:
    """The stamp at the beginning of a text; None if there is none. Never raises."""
    try:
        # Characters outside the alphabet are skipped by a2b_base64, so 30 bytes come from 40 valid ones only.
        raw = a2b_base64(data[:40])  # type: ignore[index]
        return _unpack(raw) if raw[0] == 0xA7 else None
    except (ValueError, TypeError, IndexError, KeyError, error):
        return None


def read_text_at(payload: bytes, start: int) -> Stamp | None:
    """As `read_text`, at an offset in the payload of a known envelope: that saves one slice for each message."""
    try:
        raw = a2b_base64(payload[start : start + 40])
        return _unpack(raw) if raw[0] == 0xA7 else None
    except (ValueError, IndexError, error):
        return None


def read_binary(data: object) -> Stamp | None:
    """The stamp at the beginning of bytes; None if there is none. Never raises."""
    try:
        return _unpack_from(data) if data[0] == 0xA7 else None  # type: ignore[index,arg-type]
    except (ValueError, TypeError, IndexError, KeyError, error):
        return None


def read_bytes(data: object) -> Stamp | None:
    """The stamp of bytes that are binary, a text, or JSON's text, which an MQTT 3.1.1 client cannot know.

    Never raises.
    """
    found = read_binary(data) or read_text(data)
    if found is None and isinstance(data, bytes):
        found = read_json(data[:_JSON_HEAD].decode(errors="replace"))
    return found


def read_json(data: object) -> Stamp | None:
    """The stamp of JSON data: in an object's member `wps`, or at the beginning of a string. Never raises.

    The protobuf subprotocols deliver JSON as its text: there the member is searched near the beginning.
    """
    return read_text(_in_json(data))


def _in_json(data: object) -> object:
    """Where the stamp of JSON data should begin."""
    if isinstance(data, dict):
        return data.get(JSON_MEMBER)
    if isinstance(data, str) and data[:1] == "{":
        if data[:8] == '{"wps":"':  # as our own payloads are written
            return data[8:48]
        member = data.find('"wps"', 0, 64)
        return data[data.find('"', member + 5) + 1 :][:TEXT_CHARS] if member > 0 else data
    return data


def was_ours(data: object, mark: int) -> bool:
    """Whether data begin with a stamp of this mark in which a few bits have changed."""
    data = _in_json(data)
    if isinstance(data, str):
        text = _NO_BASE64.sub("A", data[:TEXT_CHARS])
        raw = a2b_base64(text) if len(text) == TEXT_CHARS else b""
    else:
        raw = bytes(data[:RAW_BYTES]) if isinstance(data, bytes | bytearray) else b""
    if len(raw) < RAW_BYTES:
        return False
    return is_near(mark_of(_unpack(raw)), mark)


def is_near(found: int, mark: int) -> bool:
    """Whether two marks differ in only a few bits."""
    return ((found ^ mark) & 0xFFFFFFFFFFFFFFFF).bit_count() <= DAMAGED_BITS
