"""What messages carry: sizes, mixes, samples from a file.

Everything is prepared before the run; nothing is generated per message.

    mix  = part *("," part)        part = SIZE ["*" WEIGHT] [":compressible"]        512B*9,16KiB*1

The stamp (40 ASCII characters of base64, or 30 raw bytes where binary data travel raw) replaces content and never adds
to the size requested; only samples of JSON grow, by the member that carries it. Generated text is random by default,
because traffic that compresses flatters every link and proxy on the way; `:compressible` repeats a phrase. Random text
is of base64's alphabet: 6 bits a byte, and safe in JSON without escapes.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from math import gcd

import orjson

from wps_load.protocol.traits import TRAITS
from wps_load.workload.seeding import derive
from wps_load.workload.values import SIZE_ALLOWED, parts, size_bytes

STAMP_TEXT_BYTES = 40
STAMP_BINARY_BYTES = 30
MIN_BYTES = 64
MAX_BYTES = 1024 * 1024
"""The largest WebSocket message: 1 MiB with envelope and base64 (service limit); `wire_bytes` checks it."""
MIX_ALLOWED = f"{SIZE_ALLOWED}, at least 64B and at most 1MiB, or a weighted mix such as 512B*9,16KiB*1"

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PHRASE = b"the quick brown fox jumps over the lazy dog "
_JSON_HEAD, _JSON_MIDDLE, _JSON_TAIL = b'{"wps":"', b'","p":"', b'"}'
_PART = re.compile(r"([^*:]+?)\s*(?:\*\s*([0-9]+))?\s*(:compressible)?", re.ASCII)
_TABLE = 1024
_ENVELOPE_BYTES = 512
_COPIED_BYTES = 1024


@dataclass(frozen=True, slots=True)
class PayloadPart:
    """One kind of generated message, with its weight among all weights."""

    size_bytes: int
    weight: int = 1
    compressible: bool = False


def parse_mix(text: str) -> tuple[PayloadPart, ...]:
    """Reads a size or a weighted mix. Raises ValueError, which says what is allowed."""
    found: list[PayloadPart] = []
    for part in parts(text):
        match = _PART.fullmatch(part)
        try:
            size, weight = (size_bytes(match[1]), int(match[2] or 1)) if match else (0, 0)
        except ValueError:
            size, weight = 0, 0
        if match is None or not MIN_BYTES <= size <= MAX_BYTES or not 1 <= weight <= 1000:
            raise ValueError(MIX_ALLOWED)
        found.append(PayloadPart(size, weight, match[3] is not None))
    if not found:
        raise ValueError(MIX_ALLOWED)
    return tuple(found)


def mean_bytes(mix: Iterable[PayloadPart]) -> float:
    """The mean size of a mix's messages."""
    weighed = [(part.size_bytes * part.weight, part.weight) for part in mix]
    return sum(size for size, _ in weighed) / sum(weight for _, weight in weighed)


def wire_bytes(size: int, data_type: str, protocol: str) -> int:
    """The largest possible payload of a frame: with base64 in JSON subprotocols, and the envelope."""
    traits = TRAITS[protocol]
    return traits.encoded_bytes(size, data_type) + (_ENVELOPE_BYTES if traits.enveloped else 0)


@dataclass(frozen=True, slots=True)
class Filler:
    """One message's content around its stamp. `size_bytes`: of the data itself, before base64 or envelope."""

    head: bytes
    tail: bytes
    size_bytes: int

    def wrap(self, stamp: bytes) -> bytes:
        """The data as the codec needs them.

        They are raw or, for a JSON envelope, the inside of the string (text, binary) or the value (json).
        """
        return self.head + stamp + self.tail


class PayloadPlan:
    """Which content each message of a run carries: a pure function of (seed, stream, seq).

    `envelope` True: for a JSON subprotocol, where text is escaped and binary is base64; False: raw data (`simple`,
    protobuf, REST bodies). `stamp_is_text`: whether `Filler.wrap` wants the 40-character or the 30-byte stamp.
    """

    __slots__ = ("_bodies", "_data_type", "_length", "_table", "envelope", "fillers", "stamp_is_text")

    def __init__(self, fillers: list[Filler], weights: list[int], *, data_type: str, envelope: bool, seed: int) -> None:
        self.fillers = tuple(fillers)
        self.envelope = envelope
        self._data_type = data_type
        self._bodies: dict[int, tuple[object, int]] = {}
        self.stamp_is_text = data_type != "binary" or envelope
        self._table = _shuffled(self.fillers, weights, derive(seed, "payload mix"))
        self._length = len(self._table)

    @classmethod
    def generated(cls, mix: Iterable[PayloadPart], data_type: str, *, envelope: bool, seed: int) -> PayloadPlan:
        """Generated content of the requested sizes."""
        mix = tuple(mix)
        fillers = [_generated(part, data_type, envelope, derive(seed, "pad", at)) for at, part in enumerate(mix)]
        return cls(fillers, [part.weight for part in mix], data_type=data_type, envelope=envelope, seed=seed)

    @classmethod
    def from_samples(cls, samples: Iterable[bytes], data_type: str, *, envelope: bool, seed: int) -> PayloadPlan:
        """Content from a file's lines (see `read_samples`); all lines occur equally often."""
        fillers = [_sample(line, data_type, envelope) for line in samples]
        return cls(fillers, [1] * len(fillers), data_type=data_type, envelope=envelope, seed=seed)

    def around(self, encode: Callable[[bytes], bytes]) -> tuple[bytes, bytes] | None:
        """The result of `encode` before and after the stamp, if it is the same for all messages.

        None: there are several contents, or long ones (each publisher would have a copy), or the stamp does not stay as
        it is (base64).
        """
        if len(self.fillers) > 1 or self.fillers[0].size_bytes > _COPIED_BYTES:
            return None
        mark = bytes(range(0xC0, 0xC0 + (STAMP_TEXT_BYTES if self.stamp_is_text else STAMP_BINARY_BYTES)))
        before, found, behind = encode(self.fillers[0].wrap(mark)).partition(mark)
        return (before, behind) if found else None

    def endings(self) -> tuple[bytes, ...]:
        """What texts of this run end with after their stamps, as `Filler.wrap` writes it."""
        return tuple(dict.fromkeys(filler.tail for filler in self.fillers))

    @property
    def usual_length(self) -> int:
        """The `len` of every message's data as a receiver gets them, if there is only one content; else -1."""
        return self._body_of(self.fillers[0])[1] if len(self.fillers) == 1 else -1

    def intact(self, stream: int, seq: int, data: object) -> bool:
        """Whether data that came as message `seq` of `stream` are what was sent, apart from the stamp.

        `data`: str, bytes, or a JSON object; also an object's text.
        """
        body = self._body_of(self.choose(stream, seq))[0]
        if isinstance(data, bytes) and self._data_type != "binary":  # MQTT 3.1.1 delivers texts as bytes
            data = data.decode(errors="replace")
        if isinstance(body, dict):
            try:
                value = json.loads(data) if isinstance(data, str) else data
            except ValueError:
                return False
            return isinstance(value, dict) and {**value, "wps": ""} == body
        if isinstance(data, str):
            return data[STAMP_TEXT_BYTES:] == body
        return isinstance(data, bytes) and data[STAMP_BINARY_BYTES:] == body

    def _body_of(self, filler: Filler) -> tuple[object, int]:
        """The content beside the stamp as a receiver sees it (an object with an empty stamp), and the total `len`."""
        found = self._bodies.get(id(filler))
        if found is None:
            found = self._bodies[id(filler)] = self._make_body(filler)
        return found

    def _make_body(self, filler: Filler) -> tuple[object, int]:
        if filler.head:
            value = json.loads(filler.wrap(b""))
            return value, len(value)
        if self._data_type == "binary":
            raw = base64.b64decode(filler.tail) if self.envelope else filler.tail
            return raw, len(raw) + STAMP_BINARY_BYTES
        text = json.loads(b'"%b"' % filler.tail) if self.envelope else filler.tail.decode()
        return text, len(text) + STAMP_TEXT_BYTES

    def choose(self, stream: int, seq: int) -> Filler:
        """The content of message `seq` of `stream`. In every full turn of the table the weights hold exactly."""
        return self._table[(stream * 40503 + seq) % self._length]


def _shuffled(fillers: tuple[Filler, ...], weights: list[int], seed: int) -> list[Filler]:
    common = reduce(gcd, weights)
    deck = [filler for filler, weight in zip(fillers, weights, strict=True) for _ in range(weight // common)]
    if len(fillers) == 1:
        return deck[:1]
    shuffle = random.Random(seed).shuffle
    table: list[Filler] = []
    while len(table) < _TABLE:  # deck by deck, so that no range strays far from the weights
        shuffle(deck)
        table += deck
    return table


def _generated(part: PayloadPart, data_type: str, envelope: bool, seed: int) -> Filler:
    size = part.size_bytes
    if data_type == "binary":
        raw = _pad(size - STAMP_BINARY_BYTES, part.compressible, seed, alphabet=bytes(range(256)))
        # 30 bytes are exactly 40 characters of base64, so stamp and pad may be encoded separately.
        return Filler(b"", base64.b64encode(raw) if envelope else raw, size)
    if data_type == "json":
        around = len(_JSON_HEAD) + STAMP_TEXT_BYTES + len(_JSON_MIDDLE) + len(_JSON_TAIL)
        tail = _JSON_MIDDLE + _pad(size - around, part.compressible, seed) + _JSON_TAIL
        return Filler(_JSON_HEAD, tail, size)
    return Filler(b"", _pad(size - STAMP_TEXT_BYTES, part.compressible, seed), size)


def _pad(length: int, compressible: bool, seed: int, alphabet: bytes = _ALPHABET) -> bytes:
    if compressible:
        return (_PHRASE * (length // len(_PHRASE) + 1))[:length]
    if len(alphabet) == 256:
        return random.Random(seed).randbytes(length)
    return random.Random(seed).randbytes(length).translate(alphabet * (256 // len(alphabet)))


def read_samples(content: bytes, data_type: str) -> tuple[bytes, ...]:
    """Reads and checks a payload file's lines (binary: base64, returned decoded).

    ValueError names the first wrong line.

    The stamp replaces the first 40 characters or 30 bytes of text and binary; JSON objects get a first member `wps`.
    """
    samples: list[bytes] = []
    if content.startswith(codecs.BOM_UTF8):
        raise ValueError("the file begins with a byte order mark, which would be sent: save it as UTF-8 without one")
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            samples.append(_judged(line, data_type))
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from None
    if not samples:
        raise ValueError("the file has no message")
    return tuple(samples)


def _judged(line: bytes, data_type: str) -> bytes:
    if data_type == "binary":
        try:
            line = base64.b64decode(line.strip(), validate=True)
        except binascii.Error:
            raise ValueError("is not base64, as binary samples must be") from None
    else:
        try:
            line.decode()
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8") from None
    if data_type == "json":
        line = line.strip()
        try:
            value = orjson.loads(line)  # as strict as the service: no NaN, no half of a surrogate pair
        except orjson.JSONDecodeError as error:
            raise ValueError(f"is not JSON: {error.msg}") from None
        if not isinstance(value, dict):
            raise ValueError("is not a JSON object, which the stamp needs")
        if "wps" in value:
            raise ValueError('has a member "wps", which is the stamp\'s')
    elif len(line) < MIN_BYTES:
        raise ValueError(f"has {len(line)} bytes; the stamp needs at least {MIN_BYTES}")
    if len(line) > MAX_BYTES:
        raise ValueError("is longer than 1MiB")
    return line


def _sample(line: bytes, data_type: str, envelope: bool) -> Filler:
    if data_type == "binary":
        rest = line[STAMP_BINARY_BYTES:]
        return Filler(b"", base64.b64encode(rest) if envelope else rest, len(line))
    if data_type == "json":
        rest = line[1:].lstrip()
        tail = b'"' + (b"" if rest == b"}" else b",") + rest
        return Filler(_JSON_HEAD, tail, len(_JSON_HEAD) + STAMP_TEXT_BYTES + len(tail))
    cut = STAMP_TEXT_BYTES
    while cut < len(line) and line[cut] & 0xC0 == 0x80:  # never inside a character; its bytes become spaces
        cut += 1
    text = " " * (cut - STAMP_TEXT_BYTES) + line[cut:].decode()
    return Filler(b"", json.dumps(text, ensure_ascii=False)[1:-1].encode() if envelope else text.encode(), len(line))
