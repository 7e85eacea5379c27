from __future__ import annotations

import pytest

from wps_load.measure import thresholds
from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.workload.scenarios import RELIABLE, SCENARIOS, default_roles, metrics_of


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_default_slo_can_be_read_and_has_data(name: str) -> None:
    row = SCENARIOS[name]
    for slo in thresholds.parse(row.slo):
        for protocol in row.protocols:
            assert thresholds.check(slo, metrics_of(name, protocol)) is None


@pytest.mark.parametrize("name", SCENARIOS)
def test_metrics_come_from_the_catalogue(name: str) -> None:
    for protocol in SCENARIOS[name].protocols:
        assert metrics_of(name, protocol, ack=True) <= set(METRIC_BY_NAME)


def test_metrics_follow_the_options() -> None:
    assert "publish_ack" in metrics_of("echo", "json", ack=True)
    assert "publish_ack" not in metrics_of("echo", "json")
    assert "publish_ack" not in metrics_of("broadcast", "json", ack=True)
    assert "rtt" not in metrics_of("small-group", "json", no_echo=True)
    assert "connect_ready" not in metrics_of("echo", "simple")
    assert "recover" in metrics_of("echo", "json-reliable")


def test_roles_are_the_least_that_do() -> None:
    assert default_roles("echo", "json") == ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
    assert default_roles("recovery", "json-reliable") == default_roles("echo", "json")
    for scenario in ("upstream", "idle", "churn", "broadcast", "send-to-user"):
        assert default_roles(scenario, "json") == ()
    assert default_roles("echo", "simple") == ()


def test_who_needs_what() -> None:
    assert [row.name for row in SCENARIOS.values() if row.needs_key] == ["send-to-user", "broadcast"]
    assert [row.name for row in SCENARIOS.values() if not row.publishes] == ["idle", "churn"]
    assert SCENARIOS["recovery"].protocols == RELIABLE
