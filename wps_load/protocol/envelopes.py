"""Finds the text in a delivery whose envelope was met before, without decoding the envelope again.

The deliveries of one group differ only in their text, and the endings of a run's texts are known before it begins:
everything after the stamp in their first 40 characters. An envelope that the codec has decoded once is remembered by
its bytes up to the text. A later payload that begins with the same bytes, and ends with one of the known endings, means
the same, and its content is what was sent. That follows from the bytes alone, so it holds for any server:

- JSON: the bytes up to the first `"data":"` have left a parser at the beginning of a string, and they do so again. The
  stamp is base64, or it is not read; what follows was written by our own encoder, up to the `"}` that ends the payload.
- Protobuf: lengths precede what they measure. The same bytes before the text, and as many after it, are the same
  fields; the text was the last one, and it is ours. MQTT's are known in the same way.

Payloads that are not recognised, including malformed messages, go to the codec. Sessions that must look at each
message's sequence id use `NoEnvelopes`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Protocol

from wps_load.protocol.messages import DataMessage, DataType

HEAD_CHARS = 40
"""The part that differs between texts: the stamp."""
Endings = Sequence[bytes]
"""The endings of a run's texts, as they are on the wire."""
MAX_KNOWN = 16_384
"""The most envelopes that one process remembers, some 200 bytes each. Later ones are decoded each time."""

_TEXT = str(DataType.TEXT)
_DATA = b'"data":"'
_MAX_STARTS = 4


class Envelopes(Protocol):
    """One for all connections of a process, because members of a group get the same bytes."""

    def locate(self, payload: bytes) -> int:
        """Where the text of a delivery begins; 0: not recognised. The text extends to the end of the delivery."""
        ...

    def learn(self, payload: bytes, message: DataMessage) -> None:
        """Remembers an envelope: `message` is what the codec has read from `payload`."""
        ...


class NoEnvelopes:
    """Recognises nothing."""

    __slots__ = ()

    def __init__(self, endings: Endings | None = None) -> None:
        pass

    def locate(self, payload: bytes) -> int:
        return 0

    def learn(self, payload: bytes, message: DataMessage) -> None:
        pass


class JsonEnvelopes:
    __slots__ = ("_endings", "_known", "_usual")

    def __init__(self, endings: Endings) -> None:
        self._known: set[bytes] = set()
        self._usual = 0
        """Where the text began in the first envelope: in most runs most messages need no search."""
        self._endings = _quick([ending + b'"}' for ending in endings])

    def locate(self, payload: bytes) -> int:
        start = self._usual
        if payload[:start] in self._known and payload[start + HEAD_CHARS :] in self._endings:
            return start
        start = payload.find(_DATA) + 8
        if payload[:start] in self._known and payload[start + HEAD_CHARS :] in self._endings:
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
            self._usual = self._usual or start


class ProtobufEnvelopes:
    __slots__ = ("_endings", "_known", "_others", "_start")

    def __init__(self, endings: Endings) -> None:
        self._endings = endings
        self._known: dict[bytes, Container[bytes]] = {}
        """The endings of the only length that the lengths in an envelope allow."""
        self._start = 0
        """Where the text began in the first envelope: most runs have one length, and a loop costs a sixth."""
        self._others: tuple[int, ...] = ()

    def locate(self, payload: bytes) -> int:
        start = self._start
        endings = self._known.get(payload[:start])
        if endings is not None and payload[start + HEAD_CHARS :] in endings:
            return start
        for start in self._others:
            endings = self._known.get(payload[:start])
            if endings is not None and payload[start + HEAD_CHARS :] in endings:
                return start
        return 0

    def learn(self, payload: bytes, message: DataMessage) -> None:
        if message.data_type != _TEXT or len(self._known) >= MAX_KNOWN:
            return
        text = str(message.data).encode()
        if payload.endswith(_text_field(len(text)) + text):
            self._remember(payload[: len(payload) - len(text)], len(text))

    def _remember(self, envelope: bytes, text_bytes: int) -> None:
        start = len(envelope)
        others = {*self._others, start} - {self._start or start}
        if len(others) < _MAX_STARTS:
            self._known[envelope] = _quick([each for each in self._endings if len(each) == text_bytes - HEAD_CHARS])
            self._start, self._others = self._start or start, tuple(others)


class MqttEnvelopes(ProtobufEnvelopes):
    """Publications of QoS 0: their lengths come first, and no number changes from one to the next."""

    __slots__ = ()

    def learn(self, payload: bytes, message: DataMessage) -> None:
        data = message.data
        text = data.encode() if isinstance(data, str) else data
        if payload[0] != 0x30 or not isinstance(text, bytes) or len(self._known) >= MAX_KNOWN:
            return
        self._remember(payload[: len(payload) - len(text)], len(text))


def _quick(endings: Sequence[bytes]) -> Container[bytes]:
    """Few endings are compared one by one, which usually ends at the first byte; a hash is quicker for many."""
    return tuple(endings) if len(endings) <= 8 else frozenset(endings)


def _text_field(size: int) -> bytes:
    """MessageData's field 1 and its length, if it fits two bytes; no text of a run begins with a NUL."""
    if size < 0x80:
        return bytes((0x0A, size))
    return bytes((0x0A, size & 0x7F | 0x80, size >> 7)) if size < 0x4000 else b"\0"
