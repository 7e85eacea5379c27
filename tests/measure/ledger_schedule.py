"""When each message of a ledger's test was due."""

from __future__ import annotations

from wps_load.measure.ledger import StreamFinal

PERIOD_NS = 10
DRAIN_NS = 25


def due_ns(stream: int, seq: int) -> int:
    return 20 + stream + seq * PERIOD_NS


def count_before(final: StreamFinal, t_ns: int) -> int:
    return max(0, -((20 + final.stream - t_ns) // PERIOD_NS))
