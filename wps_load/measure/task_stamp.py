"""The stamp of a message that a locustfile's task sends with `measured=True`, and the numbers that it names.

A scenario's streams and audiences are small numbers that a master assigns. Tasks publish to groups of any name, in any
process, without agreed numbers: so an audience is a hash of its name, and the numbers of clients and streams are
random. All have 62 bits and begin at `TASKS`, above every number of a scenario. The probability that two of a million
are the same is one in a million or less.

48 bytes, big endian: magic u8, epoch u8, flags u8, a spare byte, key u64, stream u64, audience u64, seq u32, due i64
(ns of the run's time), wait u32 (from due to sent, in 1,024 ns), check u32 (CRC-32 of the data). The key is the
exclusive or of the run's mark and of all that follows, as in `measure.stamp`.
"""

from __future__ import annotations

import secrets
from binascii import Error, a2b_base64, b2a_base64
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

MAGIC: Final = 0xA8
RAW_BYTES: Final = 48
TEXT_CHARS: Final = 64
TASKS: Final = 1 << 61
"""Numbers from here on are those of tasks."""
COUNTED: Final = 1
"""The message was due in its epoch; without this flag nobody accounts for it."""
WRAPPED: Final = 2
"""The data were JSON, but not an object, to which a member could be added."""
JSON: Final = 4
"""The data were JSON, whatever type the message that carries them has."""

_POPULATION_SHIFT: Final = 48
_MOST_POPULATIONS: Final = 1 << 12
_MASK: Final = (1 << 64) - 1
_MOST_WAIT: Final = 0xFFFFFFFF
_STRUCT: Final = Struct(">BBBxQQQIqII")


class TaskStamp(NamedTuple):
    """`mark`: that of the run and the epoch. `wait`: in 1,024 ns. `check`: CRC-32 of the data."""

    mark: int
    flags: int
    stream: int
    audience: int
    seq: int
    due_ns: int
    wait: int
    check: int

    @property
    def epoch(self) -> int:
        """The epoch, modulo 256."""
        return self.mark >> 32 & 0xFF

    def pack(self) -> bytes:
        """The 48 bytes."""
        wait = min(max(self.wait, 0), _MOST_WAIT)
        rest = (self.stream, self.audience, self.seq, self.due_ns, wait, self.check)
        return _STRUCT.pack(MAGIC, self.epoch, self.flags, _key(self.mark, self.flags, *rest), *rest)

    def text(self) -> str:
        """The 64 characters of base64, safe in JSON."""
        return b2a_base64(self.pack(), newline=False).decode()


def _key(mark: int, flags: int, stream: int, audience: int, seq: int, due_ns: int, wait: int, check: int) -> int:
    return (mark ^ flags ^ stream ^ audience ^ seq ^ due_ns ^ wait ^ check << 32) & _MASK


def read_raw(raw: bytes) -> TaskStamp | None:
    """Reads a stamp from 48 bytes; None if they are not one. Its mark shows whose it is."""
    if len(raw) != RAW_BYTES or raw[0] != MAGIC:
        return None
    _, epoch, flags, key, *rest = _STRUCT.unpack(raw)
    mark = _key(key, flags, *rest)
    return TaskStamp(mark, flags, *rest) if mark >> 32 == epoch else None


def read_text(text: str) -> TaskStamp | None:
    """As `read_raw`, for 64 characters."""
    try:
        return read_raw(a2b_base64(text, strict_mode=True))
    except (Error, ValueError):
        return None


def new_number(population: int) -> int:
    """A unique number for a client or a stream of this population."""
    return TASKS | population % _MOST_POPULATIONS << _POPULATION_SHIFT | secrets.randbits(_POPULATION_SHIFT)


def population_of(number: int) -> int:
    """The population of a client or stream whose number is above `TASKS`."""
    return (number ^ TASKS) >> _POPULATION_SHIFT


def audience_number(hub: str, kind: str, name: str = "") -> int:
    """The same number in every process. `kind`: group, user, connection or all. Hubs' names are case-insensitive."""
    named = "\0".join((hub.lower(), kind, name)).encode()
    return TASKS | int.from_bytes(blake2b(named, digest_size=8).digest()) & (TASKS - 1)
