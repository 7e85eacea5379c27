"""The first lines of a run."""

from __future__ import annotations

from pathlib import Path

from tests.capacity.test_mix_forecast import APP, HOSTS, VIEWERS
from tests.workload.test_flows import mixed
from wps_load.settings.load import load
from wps_load.swarm.announced import announced


def test_a_mix_says_who_plays_what_and_whose_demands_are_whose(tmp_path: Path) -> None:
    tables = [HOSTS, {**VIEWERS, "slo": "delivery p99 < 1s"}, APP]
    file = dict(mixed(tmp_path, tables, 12).given)["wps-mix"]
    values = {"wps_mix": str(file), "wps_slo": "loss = 0, hosts.rtt p99 < 250ms"}
    config = load(values, users=12, spawn_rate=6.0, environ={})
    assert [*announced(config, "mix")] == [
        "Mix: mix, 12 users; SLO: loss = 0",
        "  hosts:   2 users, big-group over json; SLO: delivery p99 < 1s, loss = 0, misdelivered = 0, "
        "connected >= 99%, rtt p99 < 250ms",
        "  viewers: 10 users (100%), listener over simple, listens to hosts; SLO: delivery p99 < 1s",
        "  app:     an app server, broadcast over json; SLO: rest_publish fail_ratio < 1%",
    ]


def test_a_scenario_says_it_in_one_line() -> None:
    config = load({"wps_slo": "none"}, users=1, spawn_rate=None, environ={})
    assert [*announced(config, "echo")] == ["Scenario: echo over json; SLO: none"]
