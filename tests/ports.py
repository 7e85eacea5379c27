"""Ports for programs that must be told theirs: each process of pytest has some of its own.

A port that the system gave a moment ago may be somebody else's when the program binds it, the more often the more tests
run beside each other. These are below the range from which systems give ports (32,768, or 49,152).
"""

from __future__ import annotations

import os
import random
import socket
from itertools import count

FIRST, EACH = 12_000, 1_000
_turn = count(random.randrange(EACH))  # another suite may run on this machine


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; no other test of this suite gets it meanwhile."""
    first = FIRST + EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 20)
    for _ in range(EACH):
        port = first + next(_turn) % EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no port from {first} to {first + EACH - 1} is free")
