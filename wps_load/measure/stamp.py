"""The stamp that every message of ours carries in its data, so that any receiver can account for it.

30 bytes, big endian: magic u8, epoch u8, run u32, stream u32, seq u32, due i64, sent i64 (ns of the master's
monotonic clock). In text and json they are 40 characters of base64 (30 bytes need no padding), in binary they
are raw. The words are explained in docs/architecture.md.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from struct import Struct, error
from typing import Final

MAGIC: Final = 0xA7
RAW_BYTES: Final = 30
TEXT_CHARS: Final = 40
JSON_MEMBER: Final = "wps"

Stamp = tuple[int, int, int, int, int, int]
"""(epoch, run, stream, seq, due_ns, sent_ns). A plain tuple: one is made for each message that arrives."""

_pack = Struct(">BBIIIqq").pack
_unpack = Struct(">xBIIIqq").unpack  # x: the magic is checked before
_unpack_from = Struct(">xBIIIqq").unpack_from


def pack_binary(epoch: int, run: int, stream: int, seq: int, due_ns: int, sent_ns: int) -> bytes:
    """The 30 raw bytes. `epoch` is taken modulo 256. Raises struct.error when another field does not fit."""
    return _pack(MAGIC, epoch & 0xFF, run, stream, seq, due_ns, sent_ns)


def pack_text(epoch: int, run: int, stream: int, seq: int, due_ns: int, sent_ns: int) -> bytes:
    """The 40 characters as ASCII bytes, safe in JSON."""
    return b2a_base64(_pack(MAGIC, epoch & 0xFF, run, stream, seq, due_ns, sent_ns), newline=False)


def read_text(data: object) -> Stamp | None:
    """The stamp that a text begins with; None when there is none of ours. Never raises."""
    try:
        # Characters outside the alphabet are skipped by a2b_base64, so 30 bytes come from 40 valid ones only.
        raw = a2b_base64(data[:40])  # type: ignore[index]
        return _unpack(raw) if raw[0] == 0xA7 else None
    except (ValueError, TypeError, IndexError, KeyError, error):
        return None


def read_binary(data: object) -> Stamp | None:
    """The stamp that bytes begin with; None when there is none of ours. Never raises."""
    try:
        return _unpack_from(data) if data[0] == 0xA7 else None  # type: ignore[index,arg-type]
    except (ValueError, TypeError, IndexError, KeyError, error):
        return None


def read_json(data: object) -> Stamp | None:
    """The stamp of JSON data: of an object's member `wps`, or of a string that begins with it. Never raises.

    The protobuf subprotocols hand JSON over as its text: there the member is looked for near the beginning.
    """
    if isinstance(data, dict):
        return read_text(data.get(JSON_MEMBER))
    if isinstance(data, str) and data[:1] == "{":
        if data[:8] == '{"wps":"':  # as our own payloads are written
            return read_text(data[8:48])
        member = data.find('"wps"', 0, 64)
        return read_text(data[data.find('"', member + 5) + 1 :][:TEXT_CHARS]) if member > 0 else None
    return read_text(data)
