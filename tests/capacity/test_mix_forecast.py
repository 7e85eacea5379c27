"""A mix's plan: by population and in sum, by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.workload.test_flows import mixed
from wps_load.capacity.forecast import FrameSizes
from wps_load.capacity.mix_forecast import MixForecast, mix_forecast
from wps_load.capacity.sizing import sizing
from wps_load.capacity.units import BILLED_MESSAGE_BYTES, Load, filled, load_guide, smallest
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig

HOSTS: dict[str, Any] = {
    "name": "hosts", "users": 2, "scenario": "big-group", "groups": 1, "publishers": "100%", "rate": 5,
}  # fmt: skip
VIEWERS: dict[str, Any] = {"name": "viewers", "users": "100%", "protocol": "simple", "listens-to": "hosts"}
APP: dict[str, Any] = {"name": "app", "users": 0, "scenario": "broadcast", "total-rate": 3}
SIZES = {pair: FrameSizes(1000.0, 1100.0, 1200.0 if pair[1] == 0 else 1010.0, 10.0 if pair[0] == 0 else 0.0)
         for pair in ((0, 0), (0, 1), (2, 0), (2, 1), (2, 2))}  # fmt: skip


def again(config: RunConfig, users: int = 12, **options: Any) -> RunConfig:
    """The same mix with a time, stages or a search; spawned in 2 s."""
    run_time_s = options.pop("run_time_s", None)
    values = {f"wps_{name}": value for name, value in options.items()}
    file = dict(config.given)["wps-mix"]
    return load(
        {"wps_mix": str(file), "wps_seed": "5", **values}, users=users, spawn_rate=users / 2, run_time_s=run_time_s,
        environ={},
    )  # fmt: skip


def future(folder: Path, *tables: dict[str, Any], **options: Any) -> MixForecast:
    return mix_forecast(again(mixed(folder, [*tables], 12), **options), SIZES)


def test_deliveries_belong_to_who_gets_them(tmp_path: Path) -> None:
    found = future(tmp_path, HOSTS, VIEWERS, APP, run_time_s=12.0)
    hosts, viewers, app = found.populations
    assert (hosts.connections, viewers.connections, app.connections) == (2, 10, 0)
    assert (hosts.publishers, viewers.publishers, app.publishers) == (2, 0, 1)
    assert (hosts.inbound_per_s, viewers.inbound_per_s, app.inbound_per_s) == (10.0, 0.0, 3.0)
    assert hosts.outbound_per_s == 10 * 2 + 3 * 2
    assert viewers.outbound_per_s == 10 * 10 + 3 * 10
    assert app.outbound_per_s == 0.0
    assert (hosts.published, app.published) == (100.0, 30.0), "in the ten seconds behind the ramp"
    assert viewers.delivered == 1300.0
    assert hosts.billed_bytes == 260 * 1200 + 100 * 10
    assert viewers.billed_bytes == 1300 * 1010


def test_the_sum_of_the_populations_is_the_run(tmp_path: Path) -> None:
    found = future(tmp_path, HOSTS, VIEWERS, APP, run_time_s=12.0)
    for name in ("published", "delivered", "billed_bytes"):
        assert getattr(found.whole, name) == sum(getattr(each, name) for each in found.populations), name
    peak = found.whole.peak
    assert (peak.connections, peak.inbound_per_s, peak.outbound_per_s) == (12, 13.0, 156.0)
    assert peak.billed_bytes_per_s == sum(each.billed_bytes_per_s or 0 for each in found.populations)
    assert (found.whole.publishers, found.whole.connecting_s, found.whole.total_s) == (3, 2.0, 17.0)


def test_who_comes_later_or_leaves_earlier_hears_less(tmp_path: Path) -> None:
    late = {**VIEWERS, "start": "7s"}
    found = future(tmp_path, HOSTS, late, run_time_s=12.0)
    viewers = found.populations[1]
    assert viewers.delivered == pytest.approx(100 * (12 - 7 - 10 / 6 / 2)), "half of them are there after 0.83 s"
    assert viewers.outbound_per_s == 100.0, "once they are there"
    assert viewers.connects_per_s == 6.0, "all of the spawn rate is theirs then"
    early = future(tmp_path, HOSTS, {**VIEWERS, "stop": "7s"}, run_time_s=12.0)
    assert early.populations[1].delivered == 100.0 * 5
    assert early.populations[0].published == 100.0


def test_the_peak_is_of_those_who_are_there_together(tmp_path: Path) -> None:
    morning = {"name": "am", "users": "50%", "listens-to": "hosts", "stop": "6s"}
    evening = {"name": "pm", "users": "50%", "listens-to": "hosts", "start": "8s"}
    sizes = {pair: FrameSizes(1000.0, 1100.0, 1200.0) for pair in ((0, 0), (0, 1), (0, 2))}
    found = mix_forecast(again(mixed(tmp_path, [HOSTS, morning, evening], 12), run_time_s=12.0), sizes)
    assert [each.outbound_per_s for each in found.populations] == [20.0, 50.0, 50.0]
    assert (found.whole.peak.connections, found.whole.peak.outbound_per_s) == (7, 70.0)


def test_stages_scale_the_mix_and_a_search_has_no_sums(tmp_path: Path) -> None:
    staged = future(tmp_path, HOSTS, VIEWERS, stages="6:10s,12:10s")
    assert [step.connections for step in staged.whole.steps] == [6, 12]
    assert [step.inbound_per_s for step in staged.whole.steps] == [10.0, 10.0], "two hosts, as a number"
    assert staged.whole.delivered == 10 * 10 * 6 + 10 * 10 * 12
    searched = future(tmp_path, HOSTS, VIEWERS, capacity="users:6..120", slo="loss = 0", run_time_s=600.0)
    assert searched.whole.peak.connections == 120
    assert (searched.whole.published, searched.whole.billed_bytes) == (None, None)


def test_a_run_that_ends_in_its_ramp_publishes_nothing_and_has_its_rates(tmp_path: Path) -> None:
    config = replace(again(mixed(tmp_path, [HOSTS, VIEWERS], 12), run_time_s=12.0), run_time_s=1.0)
    found = mix_forecast(config, SIZES)
    assert (found.whole.published, found.whole.delivered) == (0.0, 0.0)
    assert (found.whole.peak.inbound_per_s, found.whole.peak.outbound_per_s) == (10.0, 120.0)


def test_a_closed_loop_is_unknown_and_no_zero(tmp_path: Path) -> None:
    found = future(tmp_path, {**HOSTS, "rate": "max"}, VIEWERS, APP, run_time_s=12.0)
    assert found.populations[0].inbound_per_s is None
    assert found.populations[1].delivered is None
    assert found.populations[2].inbound_per_s == 3.0
    assert (found.whole.peak.outbound_per_s, found.whole.delivered) == (None, None)


def test_use_cases_share_the_units() -> None:
    """Half of what a unit broadcasts, and half of what it sends to big groups, fill it."""
    guide = load_guide()
    rows = {name: guide.row(name, 1) for name in ("send_to_big_group", "rest_broadcast")}
    halves = tuple(
        (name, Load(0, each.inbound_per_s / 2, each.outbound_per_s / 2, BILLED_MESSAGE_BYTES, None))
        for name, each in rows.items()
    )
    load_ = Load(10, 1.0, 1.0, BILLED_MESSAGE_BYTES, 1e9, halves)
    full = filled(guide, load_, None, "Standard_S1", 1)
    assert full.fullest.name == "outbound messages/s of 2 KB"
    assert full.fullest.share == pytest.approx(1.0)
    assert full.fullest.demand == sum(each.outbound_per_s / 2 for each in rows.values())
    assert smallest(guide, load_, None).units == 2
    alone = Load(10, 1.0, 1.0, BILLED_MESSAGE_BYTES, 1e9, halves[:1])
    assert filled(guide, alone, None, "Standard_S1", 1).fullest.share == pytest.approx(0.5)
    grown = sizing("", load_, guide, [Fraction(4)]).rows[1]
    assert grown.load.parts[0][1].outbound_per_s == pytest.approx(4 * (halves[0][1].outbound_per_s or 0))
