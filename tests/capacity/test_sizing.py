"""Units and cost of a load and of what was bought, by hand from the guide's figures."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wps_load.capacity.prices import Price, Prices
from wps_load.capacity.sizing import sizing
from wps_load.capacity.units import Load, load_guide

GUIDE = load_guide()
ECHO = Load(400, 800.0, 800.0, 2048, 800 * 2048.0)  # the guide: a unit echoes 500 messages a second


def test_the_load_and_its_growth() -> None:
    found = sizing("upstream", ECHO, GUIDE, [Fraction(5, 2)])
    assert [(row.times, row.size.units, row.load.connections) for row in found.rows] == [(1, 2, 400), (2.5, 5, 1000)]
    assert (found.use_case, found.same_use_case, found.bought) == ("upstream_echo", True, None)


def test_headroom_is_until_four_fifths() -> None:
    row = sizing("upstream", Load(100, 600.0, 600.0, 2048, None), GUIDE).rows[0]
    assert row.size.units == 2
    assert row.headroom == pytest.approx(800 / 600 - 1)
    too_much = sizing("upstream", Load(10, 1e9, 1e9, 2048, None), GUIDE).rows[0]
    assert too_much.headroom < 0


def test_fan_out_grows_without_more_messages_in() -> None:
    found = sizing("broadcast", Load(1000, 2.0, 2000.0, 2048, None), GUIDE, [Fraction(10)])
    assert [(row.load.inbound_per_s, row.load.outbound_per_s) for row in found.rows] == [(2, 2000), (2, 20_000)]


def test_cost_counts_what_is_beyond_the_included_messages() -> None:
    prices = Prices("Moon", "2026-11", "EUR", {"Standard_S1": Price(2.0, 0.5)})
    row = sizing("upstream", ECHO, GUIDE, prices=prices).rows[0]
    assert row.additional_per_day == 800 * 86_400 - 2_000_000
    assert row.cost is not None
    assert row.cost.per_day == pytest.approx(2 * 2.0 + 0.5 * row.additional_per_day / 1e6)


@pytest.mark.parametrize(
    ("units", "sku", "bought", "holds"),
    [
        (2, None, ("Standard_S1", 2), True),
        (200, None, ("Premium_P2", 200), True),
        (None, "Premium_P1", ("Premium_P1", 1), False),
    ],
)
def test_what_was_bought(units: int | None, sku: str | None, bought: tuple[str, int], holds: bool) -> None:
    found = sizing("upstream", ECHO, GUIDE, units=units, sku=sku).bought
    assert found is not None
    assert ((found.sku, found.units), found.holds) == (bought, holds)


def test_without_a_use_case_connections_decide() -> None:
    found = sizing("idle", Load(1700, 0.0, 0.0, 0, 0.0), GUIDE)
    assert (found.use_case, found.rows[0].size.units, found.rows[0].size.row) == (None, 3, None)
