"""Patterns of group names in roles: compiled once, matched in time that is linear in the name. Pure.

A set of positions in the pattern, one bit each, moves over the name a character at a time ("shift-and"). A regular
expression would try every way of sharing the name among the stars, which takes minutes for `*a*a*a*a*b`.

Source: documentation, "Wildcard group roles": `?` is one character but `.`, `*` zero or more but `.`, `**` zero or
more; a backslash before one of these or itself makes it literal. The limits: Microsoft's emulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

MAX_STARS = 5
MAX_PATTERN_CHARACTERS = 1024


@dataclass(frozen=True, eq=False)
class GroupPattern:
    """Bit n of each mask is the place before the n-th character of the pattern, not counting stars."""

    literals: dict[str, int]
    """Character -> the places where it is expected."""
    singles: int
    """Places of `?`."""
    segments: int
    """Places where `*` waits: it accepts any character but `.`."""
    everything: int
    """Places where `**` waits."""
    end: int
    """The place behind the last character, as a mask."""


@lru_cache(maxsize=8192)  # clients publish to few groups again and again
def matches(pattern: GroupPattern, group: str) -> bool:
    """Whether the whole name matches the pattern."""
    places = 1
    for char in group:
        takes, waits = pattern.literals.get(char, 0), pattern.everything
        if char != ".":
            takes, waits = takes | pattern.singles, waits | pattern.segments
        places = (places & takes) << 1 | places & waits
        if not places:
            return False
    return bool(places & pattern.end)


@lru_cache(maxsize=4096)  # one pattern is compiled once for all connections whose tokens carry it
def compile_pattern(text: str) -> GroupPattern | None:
    """A role's pattern; None if the service would refuse it."""
    if not text or len(text) > MAX_PATTERN_CHARACTERS:
        return None
    literals: dict[str, int] = {}
    singles = segments = everything = stars = at = 0
    place = 1
    while at < len(text):
        char = text[at]
        if char == "*":
            double = text.startswith("**", at)
            stars += 1 + double
            at += double
            if double:
                everything |= place
            else:
                segments |= place
        else:
            if char == "?":
                singles |= place
            else:
                if char == "\\":
                    at += 1
                    if at == len(text) or text[at] not in "*?\\":
                        return None
                literals[text[at]] = literals.get(text[at], 0) | place
            place <<= 1
        at += 1
    return None if stars > MAX_STARS else GroupPattern(literals, singles, segments, everything, end=place)
