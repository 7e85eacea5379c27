"""Where the text is in a delivery whose envelope was met before, without decoding the envelope again.

The deliveries of one group differ in their text only. An envelope that has been decoded once, by the codec, is
remembered by its bytes up to the text; a later payload that begins with the same bytes, and whose text cannot end
earlier or later, means the same. That is decided from the bytes alone, so it holds for any server:

- JSON: the bytes up to the first `"data":"` have left a parser at the beginning of a string, and they do so again.
  If there is no backslash and no quotation mark until the `"}` that ends the payload, the string is what is between.
  (A control character in it, which JSON forbids, is not looked for: servers are read tolerantly.)
- Protobuf: lengths stand before what they measure. The same bytes before the text, and as many behind, are the same
  fields; the text was the last one, and is ASCII, so it is UTF-8.

What is not recognised goes to the codec, malformed messages among it. For sessions that have to look at each
message's sequence id there is `NoEnvelopes`.
"""

from __future__ import annotations

from typing import Protocol

from wps_load.protocol.messages import DataMessage, DataType

MAX_KNOWN = 16_384
"""Envelopes remembered by one process, some 200 bytes each. Those that come later are decoded each time."""

_TEXT = str(DataType.TEXT)
_DATA = b'"data":"'
_MAX_STARTS = 4


class Envelopes(Protocol):
    """One for all connections of a process, as members of a group get the same bytes."""

    def locate(self, payload: bytes) -> int:
        """Where the text of a delivery begins; 0: not recognised. It goes on to the end of the delivery."""
        ...

    def learn(self, payload: bytes, message: DataMessage) -> None:
        """`message` is what the codec has read from `payload`."""
        ...


class NoEnvelopes:
    """Recognises nothing."""

    __slots__ = ()

    def locate(self, payload: bytes) -> int:
        return 0

    def learn(self, payload: bytes, message: DataMessage) -> None:
        pass


class JsonEnvelopes:
    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def locate(self, payload: bytes) -> int:
        find = payload.find
        start = find(_DATA) + 8
        if (
            payload[:start] in self._known
            and find(b'"', start) == len(payload) - 2
            and payload[-1] == 0x7D  # }
            and find(b"\\", start) < 0
        ):
            return start
        return 0

    def learn(self, payload: bytes, message: DataMessage) -> None:
        start = payload.find(_DATA) + 8
        if (
            start >= 8
            and len(self._known) < MAX_KNOWN
            and message.data_type == _TEXT
            and payload[start:] == str(message.data).encode() + b'"}'
        ):
            self._known.add(payload[:start])


class ProtobufEnvelopes:
    __slots__ = ("_known", "_starts")

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._starts: tuple[int, ...] = ()

    def locate(self, payload: bytes) -> int:
        known = self._known
        for start in self._starts:
            if known.get(payload[:start]) == len(payload) and payload[start:].isascii():
                return start
        return 0

    def learn(self, payload: bytes, message: DataMessage) -> None:
        if message.data_type != _TEXT or len(self._known) >= MAX_KNOWN:
            return
        text = str(message.data).encode()
        start = len(payload) - len(text)
        starts = {*self._starts, start}
        if payload.endswith(_text_field(len(text)) + text) and len(starts) <= _MAX_STARTS:
            self._known[payload[:start]] = len(payload)
            self._starts = tuple(starts)


def _text_field(size: int) -> bytes:
    """MessageData's field 1 and its length, as far as two bytes hold it; nothing of ours begins with a NUL."""
    if size < 0x80:
        return bytes((0x0A, size))
    return bytes((0x0A, size & 0x7F | 0x80, size >> 7)) if size < 0x4000 else b"\0"
