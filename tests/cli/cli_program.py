"""What a call of the program gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]
"""Runs the program with these arguments; the fixture `run`."""
