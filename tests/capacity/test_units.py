"""Units against the guide's own rows, and the arithmetic around them."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.capacity import units
from wps_load.capacity.units import Load, billed_messages, filled, in_guide_messages, load_guide, smallest
from wps_load.workload.scenarios import SCENARIOS, Topology

GUIDE = load_guide()
DOCUMENT = json.loads(files("wps_load.capacity").joinpath("capacity.json").read_text("utf-8"))
USE_CASE_NAMES = sorted(GUIDE.use_cases)


def load_of(row: units.UnitsRow, share: float = 1.0) -> Load:
    return Load(
        connections=int(row.connections * share),
        inbound_per_s=row.inbound_per_s * share,
        outbound_per_s=row.outbound_per_s * share,
        message_bytes=2048,
        billed_bytes_per_s=row.outbound_per_s * share * 2048,
    )


def test_every_row_of_the_guide_is_read_as_it_is_published() -> None:
    for name, rows in GUIDE.use_cases.items():
        published = DOCUMENT["performance"]["newest"][name]["rows"]
        assert [(row.units, row.connections, row.inbound_per_s, row.outbound_per_s) for row in rows] == [
            (row["units"], row["connections"], row["inbound_msg_s"], row["outbound_msg_s"]) for row in published
        ]


def test_constants_are_those_of_the_data() -> None:
    assert DOCUMENT["limits"]["billing_message_bytes"] == units.BILLED_MESSAGE_BYTES
    assert DOCUMENT["limits"]["planning_utilization_max_percent"] / 100 == units.PLANNED_SHARE
    assert DOCUMENT["performance"]["method"]["message_bytes"] == units.GUIDE_MESSAGE_BYTES
    assert DOCUMENT["performance"]["method"]["small_message_floor_bytes"] == units.SMALL_MESSAGE_BYTES


def test_every_scenario_that_publishes_has_a_use_case() -> None:
    cases = {name: row.use_case for name, row in SCENARIOS.items() if row.use_case is not None}
    assert set(cases) == {name for name, row in SCENARIOS.items() if row.topology is not Topology.SILENT}
    assert set(cases.values()) <= set(GUIDE.use_cases)
    assert (cases["big-group"], cases["stream"]) == ("send_to_big_group", "send_to_small_group")


@pytest.mark.parametrize("use_case", USE_CASE_NAMES)
def test_a_published_row_fills_its_units_and_needs_more_at_80_percent(use_case: str) -> None:
    for row in GUIDE.use_cases[use_case]:
        sku = "Standard_S1" if row.units <= 100 else "Premium_P2"
        size = filled(GUIDE, load_of(row), use_case, sku, row.units)
        assert size.fullest.share == pytest.approx(1.0)
        assert not size.holds
        assert filled(GUIDE, load_of(row, 0.8), use_case, sku, row.units).holds


@pytest.mark.parametrize(
    ("connections", "sku", "count"),
    [
        (16, "Free_F1", 1), (17, "Standard_S1", 1), (800, "Standard_S1", 1), (801, "Standard_S1", 2),
        (8000, "Standard_S1", 10), (8001, "Standard_S1", 20), (80_000, "Standard_S1", 100),
        (80_001, "Premium_P2", 200), (800_000, "Premium_P2", 1000),
    ],
)  # fmt: skip
def test_units_by_connections_alone(connections: int, sku: str, count: int) -> None:
    size = smallest(GUIDE, Load(connections, 0.0, 0.0, 0.0, 0.0), None)
    assert (size.sku, size.units, size.holds) == (sku, count, True)


def test_more_than_there_is() -> None:
    size = smallest(GUIDE, Load(800_001, 0.0, 0.0, 0.0, 0.0), None)
    assert not size.holds
    assert size.fullest.name == "connections"


def test_the_free_tier_needs_its_day_of_messages_to_be_enough() -> None:
    def size(billed_per_day: float | None) -> units.Size:
        per_s = None if billed_per_day is None else billed_per_day * 2048 / units.DAY_S
        return smallest(GUIDE, Load(1, 0.1, 0.1, 2048, per_s), "upstream_echo")

    assert size(15_999).sku == "Free_F1"
    assert size(15_999).row is None
    assert size(16_002).sku == "Standard_S1"
    assert size(None).sku == "Standard_S1"


def test_fixed_inbound_rates_are_not_judged() -> None:
    """The guide's 30 a second at any size does not limit the inbound rate: it is the rate that causes the fan-out."""
    assert [name for name in USE_CASE_NAMES if GUIDE.fixed_inbound(name)] == ["rest_broadcast", "send_to_big_group"]
    size = filled(GUIDE, Load(100, 300.0, 300.0, 2048, 0.0), "send_to_big_group", "Standard_S1", 1)
    assert [use.name for use in size.uses] == ["connections", "outbound messages/s of 2 KB"]


def test_between_rows_is_interpolated_and_says_so() -> None:
    row = GUIDE.row("send_to_big_group", 6)
    assert (row.connections, row.inbound_per_s, row.outbound_per_s, row.interpolated) == (6000, 30, 18_000, True)
    assert not GUIDE.row("send_to_big_group", 10).interpolated


def test_the_sample_bill_of_the_documentation() -> None:
    """100 KB are 50 messages; 4 KB to 10 clients and one event handler are 22."""
    assert billed_messages(100 * 1024) == 50
    assert billed_messages(11 * 4096) == 22
    assert billed_messages(0) == 0
    assert billed_messages(1) == 1


def test_messages_of_other_sizes() -> None:
    assert in_guide_messages(100, 2048) == 100
    assert in_guide_messages(100, 16) == in_guide_messages(100, 1024) == 50
    assert in_guide_messages(100, 20_480) == 1000


def test_additional_messages() -> None:
    size = filled(GUIDE, Load(1, 0.0, 0.0, 0.0, 0.0), None, "Standard_S1", 2)
    assert units.additional_messages(GUIDE, size, 2_000_000) == 0
    assert units.additional_messages(GUIDE, size, 2_000_001) == 1


@given(
    connections=st.integers(1, 500_000),
    rate=st.floats(0, 200_000),
    factor=st.floats(1, 4),
    use_case=st.sampled_from(["send_to_big_group", "upstream_echo", "rest_send_to_user", "rest_broadcast"]),
)
def test_more_load_never_needs_fewer_units(connections: int, rate: float, factor: float, use_case: str) -> None:
    load = Load(connections, rate / 10, rate, 2048, rate * 2048)
    more = load.times(factor, fixed_inbound=GUIDE.fixed_inbound(use_case))
    size, larger = (smallest(GUIDE, each, use_case) for each in (load, more))
    assert larger.units >= size.units
    assert size.holds or not larger.holds


def test_growth_keeps_what_is_unknown_unknown() -> None:
    load = Load(10, None, None, 2048, None).times(3, fixed_inbound=False)
    assert (load.connections, load.outbound_per_s, load.billed_per_day) == (30, None, None)


def test_growth_of_fan_out_leaves_the_inbound_rate() -> None:
    load = Load(10, 5.0, 50.0, 2048, 100.0)
    assert load.times(3, fixed_inbound=True).inbound_per_s == 5
    assert load.times(3, fixed_inbound=False).inbound_per_s == 15
    assert load.times(3, fixed_inbound=True).outbound_per_s == 150
