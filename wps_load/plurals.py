"""A number with its noun, in singular or plural."""

from __future__ import annotations


def counted(count: int | str, noun: str) -> str:
    """Returns `1 group`, `2 groups` or `3 processes`. `count` is a text where the number is written in another way."""
    shown = count if isinstance(count, str) else f"{count:,}"
    if shown == "1":
        return f"1 {noun}"
    return f"{shown} {noun}{'es' if noun.endswith('s') else 's'}"
