"""Which options go together, and which do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config_texts import CLIENT_URL, CONNECTION, NEGOTIATE, read, refused


@pytest.mark.parametrize(
    ("options", "flag", "says"),
    [
        ({"scenario": "recovery"}, "--wps-protocol", "json-reliable, protobuf-reliable"),
        ({"scenario": "big-group", "protocol": "simple"}, "--wps-protocol", "cannot publish to a group"),
        ({"scenario": "broadcast", "client_url": CLIENT_URL}, "--wps-scenario", "connection string"),
        ({"scenario": "send-to-user", "negotiate_url": NEGOTIATE}, "--wps-scenario", "connection string"),
        (
            {"client_url": CLIENT_URL, "roles": "webpubsub.sendToGroup"},
            "--wps-roles",
            "has its roles already",
        ),
        ({"cut": "1/s reset"}, "--wps-cut", "it is for stream, idle, recovery"),
        ({"slow": "10% 1KiB/s"}, "--wps-slow", "it is for slow-consumer"),
        ({"lifetime": "5s"}, "--wps-lifetime", "it is for churn"),
        ({"groups": "3"}, "--wps-groups", "small-group"),
        ({"scenario": "idle", "publishers": "10%"}, "--wps-publishers", "publishes nothing"),
        ({"scenario": "broadcast", "publishers": "10%"}, "--wps-publishers", "a number of REST senders"),
        ({"publishers": "101"}, "--wps-publishers", "100"),
        ({"scenario": "small-group", "users": 1}, "--users", "at least 2"),
        ({"scenario": "small-group", "groups": "101"}, "--wps-groups", "100"),
        ({"scenario": "small-group", "group_size": "101"}, "--wps-group-size", "100"),
        ({"no_echo": True}, "--wps-no-echo", "only for group scenarios"),
        ({"ack": True, "protocol": "simple"}, "--wps-ack", "no acks"),
        ({"ack": True, "scenario": "broadcast"}, "--wps-ack", "no user publishes"),
        ({"rate": "max", "total_rate": "5"}, "--wps-rate", "closed loop"),
        ({"rate": "max", "arrival": "poisson"}, "--wps-arrival", "no arrivals"),
        ({"rate": "max", "no_echo": True, "scenario": "small-group", "slo": "none"}, "--wps-no-echo", "own copy"),
        ({"scenario": "slow-consumer", "publishers": "100%"}, "--wps-publishers", "do not read slowly"),
        ({"rate": "max", "stages": "rate:5:5s"}, "--wps-rate", "closed loop"),
        ({"stages": "5:5s", "capacity": "users:5..9"}, "--wps-stages and --wps-capacity", "only one"),
        ({"capacity": "rate:5..9", "total_rate": "5"}, "--wps-capacity", "--wps-total-rate"),
        ({"capacity": "rate:5..9", "slo": "none"}, "--wps-capacity", "an SLO"),
        ({"scenario": "idle", "stages": "rate:5:5s"}, "--wps-stages", "publishes nothing"),
        (
            {"client_url": CLIENT_URL, "protocol": "mqtt5"},
            "--wps-protocol",
            "clients of mqtt5 connect at /clients/mqtt/hubs/HUB, and the Client URL leads to /client/hubs/HUB",
        ),
        (
            {"client_url": CLIENT_URL.replace("/client/", "/clients/mqtt/")},
            "--wps-protocol",
            "clients of json connect at /client/hubs/HUB, and the Client URL leads to /clients/mqtt/hubs/HUB",
        ),
        ({"emulator_faults": "drop=1/9", "client_url": CLIENT_URL}, "--wps-emulator-faults", "emulator"),
        ({"payload": "1MiB"}, "--wps-payload", "1MiB on the wire"),
        ({"payload": "800KiB", "data_type": "binary"}, "--wps-payload", "base64"),
        ({"slo": "viewers.rtt p99 < 1s"}, "--wps-slo", "no population is called viewers"),
        ({"slo": "delivery p99 < 1s"}, "--wps-slo", "not measured"),
        ({"scenario": "idle", "slo": "loss = 0"}, "--wps-slo", "no messages"),
        ({"scenario": "small-group", "no_echo": True, "slo": "rtt p99 < 1s"}, "--wps-slo", "not measured"),
        ({"keepalive_interval": "30s", "keepalive_timeout": "30s"}, "--wps-keepalive-timeout", "answered in time"),
        ({"units": "2", "tier": "free"}, "--wps-units", "Free_F1 has at most 1"),
    ],
)
def test_bad_combinations_are_refused_in_one_sentence(options: dict[str, Any], flag: str, says: str) -> None:
    fault = refused(**options)
    assert fault.option == flag
    assert says in fault.allowed


@pytest.mark.parametrize(
    "options",
    [
        {"client_url": CLIENT_URL, "users": 50},
        {"client_url": CLIENT_URL.replace("/client/", "/clients/mqtt/"), "protocol": "mqtt"},
        {"scenario": "broadcast", "connection_string": CONNECTION, "protocol": "simple"},
        {"scenario": "recovery", "protocol": "protobuf-reliable", "cut": "all@10s"},
        {"payload": "800KiB", "data_type": "binary", "protocol": "protobuf"},
        {"scenario": "small-group", "users": None},
        {"scenario": "idle", "run_time_s": 4},
        {"rate": "1", "total_rate": "50", "arrival": "poisson"},
        {"slo": "rtt p99 < 250ms, loss = 0, connect p95 <= 2s, connected >= 99.9%"},
        {"roles": "none"},
        {"units": "100", "tier": "Premium_P2"},
        {"scenario": "big-group", "users": 10},
        {"groups": "", "cut": None},
        {"keepalive_interval": "0", "keepalive_timeout": "1s"},
        {"keepalive_interval": "1s", "keepalive_timeout": "0"},
    ],
)
def test_good_combinations_are_not(options: dict[str, Any]) -> None:
    read(**options)
