"""How many of something, in words."""

from __future__ import annotations


def counted(count: int | str, noun: str) -> str:
    """`1 group`, `2 groups`, `3 processes`; a figure that is written in another way is given as its text."""
    shown = count if isinstance(count, str) else f"{count:,}"
    if shown == "1":
        return f"1 {noun}"
    return f"{shown} {noun}{'es' if noun.endswith('s') else 's'}"
