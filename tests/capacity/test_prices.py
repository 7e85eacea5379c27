"""Prices: what a file may hold, and costs by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wps_load.capacity.prices import Price, Prices, cost, read_prices
from wps_load.capacity.units import Load, filled, load_guide
from wps_load.errors import ConfigError

GUIDE = load_guide()
GOOD: dict[str, Any] = {
    "region": "Moon", "date": "2026-11-01", "currency": "EUR",
    "tiers": {"Standard_S1": {"unit_day": 1.5, "additional_million_messages": 2}},
}  # fmt: skip


def read(tmp_path: Path, document: object) -> Prices:
    path = tmp_path / "prices.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_prices(str(path), GUIDE.tiers)


def test_a_good_file(tmp_path: Path) -> None:
    found = read(tmp_path, {**GOOD, "note": "mine"})
    assert found == Prices("Moon", "2026-11-01", "EUR", {"Standard_S1": Price(1.5, 2.0)})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "a JSON file"),
        ([], "a JSON object"),
        ({**GOOD, "region": ""}, "it needs region"),
        ({**GOOD, "date": None}, "it needs date"),
        ({**GOOD, "currency": 5}, "it needs currency"),
        ({**GOOD, "tiers": {}}, "it needs tiers"),
        ({**GOOD, "tiers": {"Gold": {}}}, "it has the tier 'Gold'"),
        ({**GOOD, "tiers": {"Free_F1": 1}}, "tiers.Free_F1 must be an object"),
        ({**GOOD, "tiers": {"Free_F1": {"unit_day": -1}}}, "tiers.Free_F1.unit_day must be"),
        ({**GOOD, "tiers": {"Free_F1": {"unit_day": True}}}, "tiers.Free_F1.unit_day must be"),
    ],
)
def test_what_is_wrong_is_said_in_one_fault(tmp_path: Path, document: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, document)
    (fault,) = caught.value.faults
    assert said in str(fault)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a readable file"):
        read_prices(str(tmp_path / "none.json"), GUIDE.tiers)


@pytest.mark.parametrize(
    ("price", "billed", "per_day", "per_month"),
    [
        (Price(1.5, 2.0), 2_000_000, 3.0, 90.0),
        (Price(1.5, 2.0), 5_000_000, 9.0, 270.0),  # two units, and three million messages
        (Price(1.5, None), 2_000_000, 3.0, 90.0),  # no price is needed for what is included
        (Price(1.5, None), 5_000_000, None, None),
        (Price(None, 2.0), 0, None, None),
        (Price(1.5, 2.0), None, None, None),
    ],
)
def test_cost(price: Price, billed: int | None, per_day: float | None, per_month: float | None) -> None:
    size = filled(GUIDE, Load(1, 0.0, 0.0, 0.0, 0.0), None, "Standard_S1", 2)
    found = cost(GUIDE, Prices("Moon", "d", "EUR", {"Standard_S1": price}), size, billed)
    assert (found.per_day, found.per_month) == (per_day, per_month)


def test_a_tier_without_a_price() -> None:
    size = filled(GUIDE, Load(1, 0.0, 0.0, 0.0, 0.0), None, "Free_F1", 1)
    assert cost(GUIDE, Prices("Moon", "d", "EUR", {}), size, 0).per_day is None
