"""The load of a finished run, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.report.measured import guided_by, measured_load


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


def mix(*scenarios: str) -> Any:
    """Each publishes as much as the others, and all is heard by the last one; the first is heard three times as much
    as the others."""
    rows = [
        {"name": f"p{at}", "scenario": scenario, "protocol": "json", "messages": {"published": 500}}
        for at, scenario in enumerate(scenarios)
    ]
    matrix = [{"sender": f"p{at}", "receiver": f"p{len(rows) - 1}", "delivered": 100 if at else 300}
              for at in range(len(rows))]  # fmt: skip
    document = summary("chat", populations=rows, matrix=matrix)
    document["run"]["settings"]["wps-mix"] = "chat.toml"
    return document


def test_of_a_mix_each_use_case_has_what_its_publishers_sent_and_what_was_heard_of_it() -> None:
    load = measured_load(mix("big-group", "broadcast"))
    assert (load.connections, load.inbound_per_s, load.outbound_per_s) == (50, 100, 100)
    parts = {name: (part.inbound_per_s, part.outbound_per_s) for name, part in load.parts}
    assert parts == {"send_to_big_group": (50, 75), "rest_broadcast": (50, 25)}
    assert load.billed_bytes_per_s == pytest.approx(100 * 2200)
    assert guided_by(mix("big-group", "broadcast")) == ""
    assert guided_by(summary()) == "echo"


def test_of_a_mix_calls_of_the_event_handler_are_billed() -> None:
    assert measured_load(mix("upstream", "broadcast")).billed_bytes_per_s == pytest.approx(100 * 2200 + 50 * 2200)


def test_a_mix_of_idle_users_is_zero_and_tasks_are_unknown() -> None:
    assert measured_load(mix("idle", "churn")).outbound_per_s == 0
    assert measured_load(mix("locustfile", "locustfile")).outbound_per_s is None
    assert measured_load(summary("locustfile")).outbound_per_s is None
