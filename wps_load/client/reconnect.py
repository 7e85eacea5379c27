"""When to try again: exponential back-off with full jitter. Pure: it returns how long to wait, but does not wait.

Full jitter (a uniform draw from zero to the bound) is what spreads a crowd of clients that lost a server at
the same instant; see Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Protocol

from wps_load.errors import Finding


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """The bound of the n-th wait is `first_s` x 2^n, at most `longest_s`.

    Raises ValueError unless 0 < first_s <= longest_s.
    """

    first_s: float = 1.0
    longest_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s:
            raise ValueError("a back-off needs 0 < first_s <= longest_s")

    def bound_s(self, attempt: int) -> float:
        """`attempt` counts from 0."""
        doublings = min(attempt, 62)  # beyond it only overflow would be new
        return min(self.longest_s, self.first_s * 2.0**doublings)


class RandomSource(Protocol):
    """The part of a run that provides its seed."""

    def random(self, index: int, use: str) -> random.Random: ...


USUAL: Final = BackoffPolicy()


class Backoff:
    """The waits of one client. `index`: which one; the same client of the same run waits the same times.

    Its generator is made for the first wait, because a generator takes 2.8 KB and most clients never wait.
    """

    __slots__ = ("_index", "_policy", "_rng", "_source", "attempts")

    def __init__(self, source: RandomSource, index: int, policy: BackoffPolicy = USUAL) -> None:
        self._source = source
        self._index = index
        self._policy = policy
        self._rng: random.Random | None = None
        self.attempts = 0
        """Waits since the last success."""

    def next_delay_s(self, failure: Finding | None = None) -> float | None:
        """How long to wait after `failure`; None: another attempt cannot help (a wrong key, a wrong URL).

        A server's `Retry-After` is waited for in full, with the jitter on top: a crowd that got the same number of
        seconds must not come back at once.
        """
        if getattr(failure, "permanent", False):
            return None
        if self._rng is None:
            self._rng = self._source.random(self._index, "backoff")
        delay_s = self._rng.uniform(0.0, self._policy.bound_s(self.attempts))
        self.attempts += 1
        return delay_s + (getattr(failure, "retry_after_s", None) or 0.0)

    def reset(self) -> None:
        """Must be called when a connection has become usable."""
        self.attempts = 0
