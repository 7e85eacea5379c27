from __future__ import annotations

import pytest

from wps_load.measure import thresholds
from wps_load.measure.catalog import METRIC_BY_NAME, main_metric
from wps_load.protocol.traits import RELIABLE
from wps_load.settings.load import load
from wps_load.workload.scenarios import SCENARIOS, default_roles, metrics_of


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


@pytest.mark.parametrize(
    ("scenario", "options", "main"),
    [
        ("echo", {}, "rtt"),
        ("echo", {"slo": "rtt_service p99 < 1s"}, "rtt_service"),
        ("echo", {"slo": "connect p99 < 1s, loss = 0"}, "rtt"),
        ("echo", {"ack": True, "slo": "publish_ack p99 < 1s"}, "publish_ack"),
        ("small-group", {}, "delivery"),
        ("small-group", {"slo": "none"}, "delivery"),
        ("small-group", {"slo": "rtt p99 < 1s"}, "rtt"),
        ("small-group", {"no_echo": True}, "delivery"),
        ("big-group", {"slo": "delivery rate > 10/s"}, "delivery"),
        ("upstream", {}, "rtt"),
        ("send-to-user", {"slo": "none"}, "delivery"),
        ("broadcast", {"slo": "rest_publish p99 < 1s"}, "rest_publish"),
        ("idle", {}, "connect"),
        ("churn", {}, "connect"),
        ("recovery", {"protocol": "json-reliable"}, "recover"),
        ("recovery", {"protocol": "json-reliable", "slo": "delivery p99 < 2s"}, "delivery"),
        ("slow-consumer", {}, "delivery"),
    ],
)
def test_the_metric_that_a_run_is_about(scenario: str, options: dict[str, object], main: str) -> None:
    key = "Endpoint=http://127.0.0.1:1;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;"
    given = {
        f"wps_{name}": value for name, value in {"scenario": scenario, "connection_string": key, **options}.items()
    }
    config = load(given, users=10, spawn_rate=None, environ={})
    assert config.population.main_metric == main


def test_what_has_values_stands_in_for_what_has_none_unless_an_slo_demands_it() -> None:
    own = ("recover", "delivery", "rtt")
    assert main_metric(own) == "recover"
    assert main_metric(own, timed={"delivery", "connect"}) == "delivery"
    assert main_metric(own, {"recover"}, {"delivery", "connect"}) == "recover"
    assert main_metric(own, timed={"connect"}) == "recover", "nothing came back, and that is said"
    assert main_metric((), {"rtt"}, {"connect"}) == "connect"
