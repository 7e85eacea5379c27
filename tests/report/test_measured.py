"""The load of a finished run, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.report.measured import measured_load


def summary(scenario: str = "echo", protocol: str = "json", **changes: Any) -> Any:
    """50 users; a second of warm-up and 10 s of measuring, in which 1,000 messages were delivered."""
    document: dict[str, Any] = {
        "run": {"scenario": scenario, "protocol": protocol, "settings": {"wps-payload": "2KiB"}},
        "connections": {"peak": 50},
        "rates": {"published_per_s": 100.0, "delivered_per_s": 100.0},
        "messages": {"delivered": 1000},
        "bytes": {"received": 1100 * 2200},
        "phases": [{"name": "warmup", "duration_s": 1.0}, {"name": "measure", "duration_s": 10.0}],
    }
    return document | changes


def test_the_warm_up_is_left_out() -> None:
    load = measured_load(summary())
    assert (load.connections, load.inbound_per_s, load.outbound_per_s, load.message_bytes) == (50, 100, 100, 2048)
    assert load.billed_bytes_per_s == pytest.approx(100 * 2200)


@pytest.mark.parametrize(("scenario", "protocol"), [("upstream", "json"), ("echo", "simple")])
def test_calls_of_the_event_handler_are_billed(scenario: str, protocol: str) -> None:
    load = measured_load(summary(scenario, protocol))
    assert load.billed_bytes_per_s == pytest.approx(100 * (2200 + 2048))


def test_samples_of_a_file_are_as_large_as_what_came() -> None:
    document = summary()
    document["run"]["settings"] = {"wps-payload": "2KiB", "wps-payload-file": "lines.txt"}
    assert measured_load(document).message_bytes == pytest.approx(2200)


def test_silence_is_zero() -> None:
    load = measured_load(summary("idle", messages={"delivered": None}))
    assert (load.outbound_per_s, load.billed_per_day) == (0, 0)


def test_unknown_stays_unknown() -> None:
    load = measured_load(summary(rates={"published_per_s": None, "delivered_per_s": None}))
    assert (load.inbound_per_s, load.billed_per_day) == (None, None)
    assert measured_load(summary(bytes={"received": None})).billed_per_day is None
