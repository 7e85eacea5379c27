"""The small grammars of option values: text in, integers out.

Each function raises ValueError, which says what is allowed.

Results are integers and exact fractions, never floats: a rate of 0.1/s is 1/10, and a schedule made from it does not
drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from wps_load.clock import NS_PER_MS, NS_PER_S, NS_PER_US

_NS = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_BYTES = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h)")
_SIZE = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)")

DURATION_ALLOWED = "a duration such as 1us, 250ms, 5s, 2m or 1h"
SIZE_ALLOWED = "a size such as 64B, 2KiB, 16KiB or 1MB"
SHARE_ALLOWED = "a whole number or a share such as 10%"


def parts(text: str) -> Iterator[str]:
    """The comma-separated parts of a list, stripped, without empty ones."""
    return (part for raw in text.split(",") if (part := raw.strip()))


def number(text: str) -> Fraction:
    """Reads a decimal number without sign or exponent, exactly."""
    if not re.fullmatch(_NUMBER, text.strip(), re.ASCII):
        raise ValueError("a number such as 5 or 0.5")
    return Fraction(text.strip())


def duration_ns(text: str) -> int:
    """Reads `1us`, `250ms`, `5s`, `2m`, `1h`, also joined (`1h30m`), and `0`, as nanoseconds."""
    text = text.strip()
    if text == "0":
        return 0
    if not _DURATION.fullmatch(text):
        raise ValueError(DURATION_ALLOWED)
    return int(sum(Fraction(value) * _NS[unit] for value, unit in _DURATION_PART.findall(text)))


def positive_duration_ns(text: str) -> int:
    """Reads a duration above zero, as nanoseconds."""
    value = duration_ns(text)
    if value == 0:
        raise ValueError(f"{DURATION_ALLOWED}, above zero")
    return value


def size_bytes(text: str) -> int:
    """Reads `64B`, `2KiB` (1,024), `16KB` (1,000), `1MB`, `1MiB`; a number alone is bytes."""
    match = _SIZE.fullmatch(text.strip())
    unit = _BYTES.get(match[2].lower()) if match else None
    if match is None or unit is None or (size := Fraction(match[1]) * unit).denominator != 1:
        raise ValueError(SIZE_ALLOWED)
    return int(size)


def whole(text: str, low: int = 1, high: int | None = None) -> int:
    """Reads a whole number from `low` to `high`."""
    text = text.strip()
    allowed = f"a whole number from {low} to {high:,}" if high is not None else f"a whole number of at least {low}"
    if not (text.isascii() and text.isdigit()) or int(text) < low or (high is not None and int(text) > high):
        raise ValueError(allowed)
    return int(text)


def rate(text: str) -> Fraction:
    """Reads messages per second, above zero: `5`, `0.1`, also `5/s`."""
    allowed = "messages per second above zero, such as 5 or 0.1"
    try:
        value = number(text.strip().removesuffix("/s"))
    except ValueError:
        raise ValueError(allowed) from None
    if not 0 < value <= 1_000_000_000:
        raise ValueError(allowed)
    return value


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole: a number, or a fraction of it. Exactly one of the two is set."""

    count: int | None = None
    fraction: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> Share:
        text = text.strip()
        try:
            if not text.endswith("%"):
                return cls(count=whole(text))
            fraction = number(text[:-1]) / 100
        except ValueError:
            raise ValueError(SHARE_ALLOWED) from None
        if not 0 < fraction <= 1:
            raise ValueError(f"{SHARE_ALLOWED}, above 0% and at most 100%")
        return cls(fraction=fraction)

    @property
    def is_part(self) -> bool:
        """Whether it is a fraction of the whole, and not all of it."""
        return self.fraction is not None and self.fraction < 1

    def of(self, total: int) -> int:
        """The part of `total`, at most all of it.

        A fraction rounds to the nearest (half up), and to at least one unless `total` is 0.
        """
        if self.count is not None:
            return min(self.count, total)
        assert self.fraction is not None
        return min(
            total,
            max(
                1,
                (2 * self.fraction.numerator * total + self.fraction.denominator) // (2 * self.fraction.denominator),
            ),
        )

    def __str__(self) -> str:
        return str(self.count) if self.fraction is None else f"{float(self.fraction * 100):g}%"
