"""What scenarios do to connections on purpose: cuts, slow reading, short lives. These are plans only."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from wps_load.workload.seeding import derive
from wps_load.workload.values import Share, duration_ns, number, size_bytes

CUT_KINDS = ("reset", "close", "silent")
CUT_ALLOWED = (
    "RATE/s or all@TIME, and a kind (reset, silent, close, or close: and 1000 to 1003, 1007 to 1014, 3000 to 4999), "
    "such as '1/s reset' or 'all@10s close:1001'"
)
NORMAL_CLOSURE = 1000
_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""The close codes that a client may send (RFC 6455 section 7.4)."""

SLOW_ALLOWED = "a share of the users and a speed, such as '10% 1KiB/s'"


@dataclass(frozen=True, slots=True)
class CutPlan:
    """Sockets cut in the measure phase: a number per second among all users, or all of them once.

    `kind`: `reset` (TCP RST), `close` (WebSocket close with `code`), `silent` (half-open: no more reading, writing or
    answering). Exactly one of `per_s` and `all_at_ns` (counted from the measure phase's beginning) is set.
    """

    kind: str = "reset"
    per_s: Fraction | None = None
    all_at_ns: int | None = None
    code: int = NORMAL_CLOSURE

    @classmethod
    def parse(cls, text: str) -> CutPlan:
        """Reads `1/s reset`, `all@10s`, `all@10s close:1001`; a kind alone means `1/s`, no kind means `reset`."""
        words = text.split()
        kinds = [word for word in words if word.partition(":")[0] in CUT_KINDS]
        when = [word for word in words if word not in kinds]
        if not words or len(kinds) > 1 or len(when) > 1:
            raise ValueError(CUT_ALLOWED)
        kind, code = _kind((kinds or ["reset"])[0])
        at = (when or ["1/s"])[0]
        try:
            if at.startswith("all@"):
                return cls(kind, all_at_ns=duration_ns(at.removeprefix("all@")), code=code)
            if at.endswith("/s") and (per_s := number(at.removesuffix("/s"))) > 0:
                return cls(kind, per_s=per_s, code=code)
        except ValueError:
            pass
        raise ValueError(CUT_ALLOWED)


def _kind(word: str) -> tuple[str, int]:
    """Reads `close:1001` into kind and close code. Raises ValueError."""
    kind, colon, code = word.partition(":")
    if not colon:
        return kind, NORMAL_CLOSURE
    if kind != "close" or not code.isascii() or not code.isdigit() or int(code) not in _CLOSE_CODES:
        raise ValueError(CUT_ALLOWED)
    return kind, int(code)


@dataclass(frozen=True, slots=True)
class SlowPlan:
    """This `share` of the users, except publishers, reads at `bytes_per_s`."""

    share: Share
    bytes_per_s: int

    @classmethod
    def parse(cls, text: str) -> SlowPlan:
        """Reads `10% 1KiB/s`, `5 512B/s`."""
        match = re.fullmatch(r"\s*(\S+)\s+(\S+)/s\s*", text)
        try:
            if match and (speed := size_bytes(match[2])) > 0:
                return cls(Share.parse(match[1]), speed)
        except ValueError:
            pass
        raise ValueError(SLOW_ALLOWED)


def victims(seed: int, users: Iterable[int], turn: int = 0) -> Iterator[int]:
    """Whom each cut of a run hits: all users in random order, then all again in another order.

    `turn`: how often the set of `users` has changed.

    Nobody is hit twice before everybody has been hit, so a victim has the longest time to recover. Without users the
    sequence is empty.
    """
    shuffle = random.Random(derive(seed, "victims", *([turn] if turn else []))).shuffle
    row = sorted(users) or [0]
    while True:
        shuffle(row)
        yield from row


def lifetimes_ns(mean_ns: int, seed: int, index: int) -> Iterator[int]:
    """The lifetimes of a churning user's connections: exponential, so closes are a Poisson process."""
    uniform = random.Random(derive(seed, "lifetime", index)).random
    while True:
        yield round(-math.log(1.0 - uniform()) * mean_ns)
