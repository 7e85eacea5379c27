"""What the time since a connection's last byte asks for: as a table, and as a life by the second."""

from __future__ import annotations

import pytest

from wps_load.protocol.keepalive import Keepalive, KeepaliveStep, ObservedClock

S = 1_000_000_000
OFFICIAL = Keepalive(20 * S, 120 * S)


@pytest.mark.parametrize(
    ("keepalive", "quiet_s", "since_ping_s", "step"),
    [
        (OFFICIAL, 19, None, KeepaliveStep.WAIT),
        (OFFICIAL, 20, None, KeepaliveStep.PING),
        (OFFICIAL, 39, 19, KeepaliveStep.WAIT),
        (OFFICIAL, 40, 20, KeepaliveStep.PING),
        (OFFICIAL, 119, 19, KeepaliveStep.WAIT),
        (OFFICIAL, 120, 20, KeepaliveStep.GIVE_UP),
        (OFFICIAL, 5, 25, KeepaliveStep.WAIT),  # the ping was answered, or something else came
        (Keepalive(0, 120 * S), 1000, None, KeepaliveStep.WAIT),
        (Keepalive(20 * S, 0), 1000, 10, KeepaliveStep.WAIT),
        (Keepalive(20 * S, 0), 1000, 20, KeepaliveStep.PING),
    ],
)
def test_a_step_follows_from_three_instants(
    keepalive: Keepalive, quiet_s: int, since_ping_s: int | None, step: KeepaliveStep
) -> None:
    now = 5000 * S
    pinged = 0 if since_ping_s is None else now - since_ping_s * S
    assert keepalive.step(now, now - quiet_s * S, pinged) is step


def test_a_silent_peer_is_pinged_five_times_and_given_up_at_the_time_limit() -> None:
    heard, pinged, pings = 1000 * S, 0, []
    for second in range(1000, 1200):
        step = OFFICIAL.step(second * S, heard, pinged)
        if step is KeepaliveStep.PING:
            pinged = second * S
            pings.append(second - 1000)
        elif step is KeepaliveStep.GIVE_UP:
            break
    assert pings == [20, 40, 60, 80, 100]
    assert second - 1000 == 120


@pytest.mark.parametrize(("interval_s", "suspicious_s"), [(20, 60), (5, 15), (0, 60)])
def test_three_intervals_without_a_byte_are_suspicious(interval_s: int, suspicious_s: int) -> None:
    keepalive = Keepalive(interval_s * S, 0)
    assert not keepalive.suspicious(suspicious_s * S - 1, 0)
    assert keepalive.suspicious(suspicious_s * S, 0)


def test_connections_are_looked_at_often_enough_for_short_times() -> None:
    assert OFFICIAL.resolution_ns == 2 * S
    assert Keepalive(S, 3 * S).resolution_ns == S // 8
    assert Keepalive(0, 0).resolution_ns == 2 * S


def test_time_in_which_nothing_could_be_read_does_not_count() -> None:
    clock = ObservedClock(7 * S)
    assert clock.advance(7 * S + S // 10) == 7 * S + S // 10
    assert clock.advance(600 * S) == 8 * S + S // 10, "the process was stopped for ten minutes"
    assert clock.advance(601 * S) == 9 * S + S // 10
