"""What is open, wanted and missed, seen by whole engines against a real emulator."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import gevent

from tests.client.engine_runs import Run, exchange, until
from wps_load.client.access import ConnectGrant
from wps_load.client.engine import Engine
from wps_load.client.virtual_user import VirtualUser
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.measure.presence import FOREVER


class Refusing:
    """Gives nobody a Client URL."""

    def grant(self, name: str, groups: Sequence[str]) -> ConnectGrant:
        raise ConnectFailure("http_503", "the service is away")


def drop(member: VirtualUser) -> None:
    """Its socket ends, without a request from our side."""
    assert member.link is not None
    sock: Any = member.link.connection._sock
    sock.shutdown(socket.SHUT_RDWR)


def watch(engine: Engine) -> int:
    start_ns = now_ns()
    engine.measure_presence(start_ns, FOREVER)
    return start_ns


def away_ns(engine: Engine, start_ns: int, users: int) -> int:
    """Connections times ns that were not open since `start_ns`."""
    at_ns = now_ns()
    return users * (at_ns - start_ns) - engine.populations[0].connections.open_time.total_ns(at_ns)


def test_every_message_is_expected_by_each_member_or_missed_by_it(live_emulator: str) -> None:
    run = Run(
        live_emulator, 4, engines=2, scenario="small-group", group_size="4", publishers="1", no_echo=True, rate="100"
    ).settle()
    quiet = [m for engine in run.engines for m in engine.populations[0].users.values() if m.publisher is None]
    gevent.spawn_later(0.15, drop, quiet[0])
    done = run.measure(600).finish()
    totals = done.totals
    assert totals.missed is not None
    assert totals.expected is not None
    assert totals.missed > 0
    assert totals.expected + totals.missed == 3 * totals.published
    assert done.counter("connections_dropped") == 1


def test_a_connection_that_is_dropped_is_away_until_it_is_back(live_emulator: str) -> None:
    run = Run(live_emulator, 3, scenario="idle").settle()
    engine = run.engines[0]
    start_ns = watch(engine)
    dropped_ns = now_ns()
    drop(engine.populations[0].users[1])
    until(lambda: engine.populations[0].connections.open_time.count == 2, "it is seen to be gone")
    assert away_ns(engine, start_ns, 3) <= now_ns() - dropped_ns
    until(lambda: engine.populations[0].connections.open_time.count == 3, "it is back")
    assert 0 < away_ns(engine, start_ns, 3) <= now_ns() - dropped_ns
    run.close()


def test_what_the_scenario_ends_itself_is_there_all_the_time(live_emulator: str) -> None:
    run = Run(live_emulator, 5, scenario="churn", lifetime="50ms").settle()
    engine = run.engines[0]
    start_ns = watch(engine)
    until(lambda: engine.run.recorder.peek().counters.get("connections_reconnected", 0) >= 20, "they come and go")
    until(lambda: engine.populations[0].connections.open_time.count == 5, "all are there")
    assert away_ns(engine, start_ns, 5) == 0
    run.close()


def test_a_planned_gap_whose_end_fails_is_none(live_emulator: str) -> None:
    run = Run(live_emulator, 2, scenario="churn", lifetime="20ms").settle()
    engine = run.engines[0]
    start_ns = watch(engine)
    exchange(engine.populations[0].context, access=Refusing())
    until(lambda: engine.run.recorder.peek().failed("connect") >= 2, "both were refused")
    gevent.sleep(0.05)
    assert away_ns(engine, start_ns, 2) >= 2 * 50 * NS_PER_MS
    run.close()


def test_the_number_at_the_end_is_the_one_of_that_instant(live_emulator: str) -> None:
    run = Run(live_emulator, 4, scenario="idle").settle()
    engine = run.engines[0]
    engine.measure_presence(now_ns(), now_ns() + 20 * NS_PER_MS)
    gevent.sleep(0.03)
    run.close()
    until(lambda: not engine.populations[0].connections.open_time.count, "all have left")
    seen = engine.presence(0, now_ns())
    assert seen.open_end == 4
    assert abs(seen.open_s - 4 * 0.02) < 0.02 * NS_PER_S
