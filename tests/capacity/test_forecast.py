"""Forecasts: fan-out against the roles that the run will really deal out, and sums by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.capacity.forecast import Forecast, FrameSizes, fan_out, forecast
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.workload.population import role

SIZES = FrameSizes(data=2048, inbound=2100, outbound=2200)


def settings(users: int | None = 100, *, run_time_s: float | None = None, **options: Any) -> RunConfig:
    values = {f"wps_{name}": str(value) for name, value in options.items()}
    return load({"wps_seed": "7", **values}, users=users, spawn_rate=50.0, run_time_s=run_time_s, environ={})


def plan(*arguments: Any, sizes: FrameSizes = SIZES, **options: Any) -> Forecast:
    return forecast(settings(*arguments, **options), sizes)


def counted_fan_out(config: RunConfig, users: int) -> float:
    """By the roles themselves: how many members each publisher's group has."""
    roles = [role(config.population, "r", index, users) for index in range(users)]
    members: dict[int, int] = {}
    for each in roles:
        for audience in each.audiences:
            members[audience] = members.get(audience, 0) + 1
    heard = [members[each.publication.audience] - each.publication.no_echo for each in roles if each.publication]
    return sum(heard) / len(heard)


@given(
    users=st.integers(2, 120),
    scenario=st.sampled_from(["echo", "upstream", "small-group", "big-group"]),
    data=st.data(),
)
def test_with_all_publishing_fan_out_is_what_the_roles_say(users: int, scenario: str, data: st.DataObject) -> None:
    options: dict[str, Any] = {"publishers": "100%"}
    if scenario == "small-group":
        options["group_size"] = data.draw(st.integers(1, users))
    elif scenario == "big-group":
        options["groups"] = data.draw(st.integers(1, users))
    if scenario.endswith("group") and data.draw(st.booleans()):
        options["no_echo"] = "true"
        options["slo"] = "none"
    config = settings(users, scenario=scenario, **options)
    assert fan_out(config, users) == pytest.approx(counted_fan_out(config, users))


def test_the_guides_rows() -> None:
    """One unit's rows of the performance guide: rates in and out."""
    for options, inbound, outbound in (
        ({"scenario": "big-group"}, 30, 3000),
        ({"scenario": "small-group", "publishers": "20%"}, 200, 2000),
        ({"scenario": "upstream", "publishers": "50%"}, 500, 500),
        ({"scenario": "send-to-user", "total_rate": 180}, 180, 180),
        ({"scenario": "broadcast", "total_rate": 3}, 3, 3000),
    ):
        peak = plan(1000, **options).peak
        assert (peak.connections, peak.inbound_per_s, peak.outbound_per_s) == (1000, inbound, outbound)


def test_sums_of_a_run() -> None:
    found = plan(100, run_time_s=12.0, rate=2)  # 2 s of connecting, then 10 s at 200 a second
    assert (found.connecting_s, found.total_s) == (2.0, 17.0)
    assert (found.published, found.delivered) == (2000, 2000)
    assert (found.bytes_in, found.bytes_out, found.billed_bytes) == (4_200_000, 4_400_000, 4_400_000)


def test_event_handlers_and_acks_are_billed() -> None:
    billed = plan(10, scenario="upstream", rate=1).peak.billed_bytes_per_s
    assert billed == 10 * (2200 + 2048)
    simple = plan(10, scenario="echo", protocol="simple", rate=1).peak.billed_bytes_per_s
    assert simple == billed
    acked = plan(10, sizes=FrameSizes(2048, 2100, 2200, ack=50), ack="true").peak.billed_bytes_per_s
    assert acked == 10 * (2200 + 50)


def test_without_an_end_sums_are_unknown() -> None:
    found = plan(100)
    assert (found.published, found.bytes_out, found.total_s) == (None, None, None)
    assert found.peak.outbound_per_s == 100


def test_a_closed_loop_is_unknown() -> None:
    found = plan(100, run_time_s=60.0, rate="max")
    assert (found.peak.inbound_per_s, found.peak.billed_per_day, found.published) == (None, None, None)


def test_silence_is_zero_not_unknown() -> None:
    found = plan(100, scenario="idle")
    assert (found.published, found.delivered, found.peak.outbound_per_s, found.peak.billed_per_day) == (0, 0, 0, 0)


def test_stages_of_users() -> None:
    found = plan(1, stages="50:10s,100:20s", rate=2)
    assert [(step.connections, step.inbound_per_s) for step in found.steps] == [(50, 100), (100, 200)]
    assert found.published == 100 * 10 + 200 * 20
    assert found.peak.connections == 100


def test_a_search_is_taken_at_its_upper_end() -> None:
    found = plan(100, run_time_s=600.0, capacity="rate:100..5000")
    assert found.peak.inbound_per_s == 5000
    assert (found.published, found.total_s) == (None, 605.0)
    assert plan(1, capacity="users:50..2000").peak.connections == 2000


def test_the_fan_out_of_a_mix_is_the_mean_over_its_publishers(tmp_path: Path) -> None:
    """Two hosts at 5/s whom 12 viewers hear beside themselves, and 3/s to everybody: (10 x 14 + 3 x 14) / 13."""
    file = tmp_path / "mix.toml"
    hosts = 'name = "hosts"\nusers = 2\nscenario = "big-group"\ngroups = 1\npublishers = "100%"\nrate = 5\n'
    viewers = 'name = "viewers"\nusers = "100%"\nprotocol = "simple"\nlistens-to = "hosts"\n'
    app = 'name = "app"\nusers = 0\nscenario = "broadcast"\ntotal-rate = 3\n'
    file.write_text("".join(f"[[population]]\n{table}" for table in (hosts, viewers, app)))
    config = load({"wps_mix": str(file)}, users=14, spawn_rate=14.0, environ={})
    assert fan_out(config, 14) == pytest.approx(14.0)
    file.write_text(file.read_text().replace("groups = 1", "groups = 2"))
    config = load({"wps_mix": str(file)}, users=14, spawn_rate=14.0, environ={})
    assert fan_out(config, 14) == pytest.approx((10 * 13 + 3 * 14) / 13), "viewers join both groups, hosts one each"
