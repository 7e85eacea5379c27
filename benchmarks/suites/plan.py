"""What all suites are given, and kinds of rows that several of them have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Row

CONNECTIONS = 100
SETTLE_S = 1.5


@dataclass(frozen=True)
class Plan:
    """`window_s`: how long each is measured, `rounds` times; `folder`: for logs and reports of the runs."""

    rounds: int
    window_s: float
    folder: Path
    say: Callable[[str], None]


def capacity(suite: str, name: str, goal: float) -> Row:
    """What one core does when it does nothing else: 1 s through the CPU of one. Does not depend on the peer's speed."""
    return Row(suite, name, "a second of CPU", goal=goal, better="more")
