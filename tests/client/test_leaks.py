"""What a client keeps of the connections that it has had: a day of churn and of cuts leaks nothing."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import gevent
import pytest

from tests.client.engine_runs import Run, until
from wps_load.client.connection import Connection
from wps_load.client.epochs import Epoch
from wps_load.client.link import Link
from wps_load.clock import NS_PER_S, now_ns
from wps_load.protocol.session import Session

ROUND = 250
"""Connections between two looks at the memory; the first of them fill what is filled once."""
HOUR_NS = 3600 * NS_PER_S
LOOKS = 10
"""At the memory after each round, of which the least counts: connections that are under way are no growth."""
A_FEW_BYTES = 600
"""Of each connection: less than a session or a link with what belongs to it. On a busy machine times are spread wider,
and so are the histograms."""


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def kept_bytes(run: Run, counter: str) -> float:
    """Bytes kept for each ended connection, by the hub's own objects and ours."""
    engine = run.engines[0]
    start_ns = now_ns()
    engine.announce(Epoch(1, start_ns, start_ns + HOUR_NS))
    engine.measure_presence(start_ns, start_ns + HOUR_NS)
    beat = gevent.spawn(run.beat)
    sizes = []

    def await_ended(connections: int) -> None:
        until(lambda: engine.run.recorder.peek().counters.get(counter, 0) >= connections, counter)

    for goal in (ROUND, 2 * ROUND, 3 * ROUND):
        for ended in range(goal - ROUND + 50, goal, 50):
            await_ended(ended)
        looks = []
        for look in range(LOOKS):
            await_ended(goal + look)
            gc.collect()
            looks.append(tracemalloc.get_traced_memory()[0])
        sizes.append(min(looks))
    beat.kill()
    run.close()
    return (sizes[2] - sizes[1]) / ROUND


@pytest.mark.usefixtures("traced")
def test_nothing_is_kept_of_connections_that_churn(live_emulator: str) -> None:
    run = Run(live_emulator, 10, scenario="churn", lifetime="1ms").settle()
    assert kept_bytes(run, "connections_closed_by_plan") < A_FEW_BYTES


def test_nothing_is_kept_of_connections_that_are_recovered(live_emulator: str) -> None:
    users = 120  # a recovery takes half a second to be proven
    run = Run(live_emulator, users, scenario="recovery", protocol="json-reliable", cut="400/s reset", rate="1").settle()
    engine = run.engines[0]
    engine.announce(Epoch(1, now_ns(), now_ns() + HOUR_NS))
    until(lambda: engine.run.recorder.peek().counters.get("connections_cut", 0) >= 4 * users, "cuts")
    gc.collect()
    kept = Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, Connection | Link | Session))
    run.close()
    assert set(kept) == {"Connection", "Link", "Session"}
    assert max(kept.values()) <= 2 * users, "the present one, and the one that it continues: of five on average"
