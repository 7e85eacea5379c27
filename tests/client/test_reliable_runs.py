"""Reliable clients in a hurry and in trouble: 2,000 messages a second, recoveries that are refused for a while."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.client.engine_runs import Run, play, until
from wps_load.client.dial import dial
from wps_load.errors import ConnectFailure
from wps_load.protocol.traits import RELIABLE, TRAITS

REFUSALS = ("connect_refused", "http_503")


@pytest.mark.parametrize("protocol", [name for name in RELIABLE if TRAITS[name].numbered])
def test_a_recovery_is_tried_again_after_network_errors_and_5xx(
    live_emulator: str, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    attempts: Counter[str] = Counter()

    def unlucky(spec: Any, network: Any) -> Any:
        _, found, identity = spec.url.partition("awps_connection_id=")
        if found:
            attempts[identity] += 1
            if attempts[identity] <= len(REFUSALS):
                raise ConnectFailure(REFUSALS[attempts[identity] - 1], "not now")
        return dial(spec, network)

    monkeypatch.setattr("wps_load.client.recovery.dial", unlucky)
    monkeypatch.setattr("wps_load.client.recovery.RECOVERY_RETRY_S", 0.02)
    run = Run(live_emulator, 4, scenario="recovery", protocol=protocol, cut="all@50ms", rate="50").settle()
    run.measure(200)
    until(lambda: run.engines[0].open == 4, "everybody back")
    done = run.finish()

    assert list(attempts.values()) == [len(REFUSALS) + 1] * 4
    assert done.totals.published > 0
    assert (done.totals.lost, done.totals.duplicated) == (0, 0)
    assert done.counter("connections_cut") == done.counter("connections_recovered") == 4
    assert done.counter("connections_reconnected") == 0


@pytest.mark.parametrize("protocol", RELIABLE)
def test_two_thousand_messages_a_second_on_one_connection_never_overflow_the_queue(
    live_emulator: str, protocol: str
) -> None:
    """Twice as many as the service's queue holds: without acknowledgements in time it would end the connection."""
    options: dict[str, Any] = {
        "scenario": "small-group",
        "group_size": "2",
        "publishers": "1",
        "rate": "2000",
        "payload": "100B",
    }
    done = play(live_emulator, 2, duration_ms=1_000, protocol=protocol, **options)

    assert done.totals.published == 2_000
    done.assert_whole()
    assert done.counter("connections_dropped") == done.counter("sequence_gaps") == 0
