"""Everything random in a run comes from its one seed: the same seed gives the same run, in one process or in eight."""

from __future__ import annotations

import hashlib


def derive(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for one use (`derive(seed, "poisson", stream)`): different parts give unrelated seeds.

    It is a hash, but not `hash()`: it is the same on every machine, process and Python version, and fits msgpack's
    signed 64 bits.
    """
    text = "\x1f".join((str(seed), *map(str, parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
