"""What a unit of the service allows. Pure: time is an argument.

Source: Azure subscription limits and the scale-up guide; the connect rates are the sibling SignalR
service's, published by its maintainers in 2021, as no figure is published for Web PubSub.
"""

from __future__ import annotations

from dataclasses import dataclass

from wps_load.clock import NS_PER_S

BILLED_MESSAGE_BYTES = 2048
_CONNECT_RATES = ((1, 400), (20, 600), (50, 2000), (100, 8000))
_REST_RATE_PER_UNIT = 1000
_DAY_NS = 86_400 * NS_PER_S


class TokenBucket:
    """A rate with a burst of one second's worth."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._tokens = per_s
        self._at_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        if self._at_ns is not None:
            earned = (now_ns - self._at_ns) * self._per_s / NS_PER_S
            self._tokens = min(self._per_s, self._tokens + earned)
        self._at_ns = now_ns
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Tier:
    """What was bought. `messages_per_day`: where the service stops; None: it goes on and bills."""

    connections: int
    connects_per_s: float
    rest_per_s: float
    messages_per_day: int | None

    @classmethod
    def standard(cls, units: int) -> Tier:
        """Raises ValueError for a number of units that cannot be bought (valid: 1 to 1,000)."""
        if not 1 <= units <= 1000:
            raise ValueError("units must be a number from 1 to 1000")
        rate = next(rate for least, rate in reversed(_CONNECT_RATES) if units >= least)
        return cls(units * 1000, rate, units * _REST_RATE_PER_UNIT, None)

    @classmethod
    def free(cls) -> Tier:
        return cls(20, 20, _REST_RATE_PER_UNIT, 20_000)


class Limits:
    """Counts against a tier."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self._connects = TokenBucket(tier.connects_per_s)
        self._rest = TokenBucket(tier.rest_per_s)
        self._day_start: tuple[int, int] | None = None

    def may_connect(self, connections: int, bytes_out: int, now_ns: int) -> bool:
        return self.has_room(connections) and self._connects.take(now_ns) and not self.quota_used_up(bytes_out, now_ns)

    def has_room(self, connections: int) -> bool:
        return connections < self.tier.connections

    def may_call(self, now_ns: int) -> bool:
        return self._rest.take(now_ns)

    def quota_used_up(self, bytes_out: int, now_ns: int) -> bool:
        """Whether a day's messages (2 KB of outbound traffic each) are spent; a day counts from the first question."""
        quota = self.tier.messages_per_day
        if quota is None:
            return False
        if self._day_start is None or now_ns - self._day_start[0] >= _DAY_NS:
            self._day_start = (now_ns, bytes_out if self._day_start else 0)
        return (bytes_out - self._day_start[1]) // BILLED_MESSAGE_BYTES >= quota
