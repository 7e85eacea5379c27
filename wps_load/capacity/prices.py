"""Prices from a file that the user gives: they differ by region and agreement, and change. Format: docs/capacity.md."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from wps_load.capacity.units import MONTH_DAYS, Guide, Size, additional_messages
from wps_load.errors import ConfigError, Fault


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one tier, in the file's currency. None: not given."""

    unit_day: float | None
    additional_million_messages: float | None


@dataclass(frozen=True, slots=True)
class Prices:
    region: str
    date: str
    currency: str
    tiers: Mapping[str, Price]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost per day in the prices' currency; None: the file lacks a price that is needed."""

    units_per_day: float | None
    messages_per_day: float | None

    @property
    def per_day(self) -> float | None:
        if self.units_per_day is None or self.messages_per_day is None:
            return None
        return self.units_per_day + self.messages_per_day

    @property
    def per_month(self) -> float | None:
        """The cost of 30 days."""
        return None if self.per_day is None else self.per_day * MONTH_DAYS


def cost(guide: Guide, prices: Prices, size: Size, billed_per_day: int | None) -> Cost:
    """The cost of `size` per day if it sends `billed_per_day` messages; None: the rate is unknown."""
    price = prices.tiers.get(size.sku, Price(None, None))
    units = None if price.unit_day is None else price.unit_day * size.units
    if billed_per_day is None:
        return Cost(units, None)
    more = additional_messages(guide, size, billed_per_day)
    if more == 0:
        return Cost(units, 0.0)
    million = price.additional_million_messages
    return Cost(units, None if million is None else million * more / 1e6)


def read_prices(path: str, known: Collection[str]) -> Prices:
    """Reads a prices file; `known`: the known tiers. Raises ConfigError, which says in one sentence what is wrong."""
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"a readable file ({error.strerror or 'it cannot be read'})") from None
    except ValueError:
        raise _wrong(path, "a JSON file, as docs/capacity.md describes it") from None
    if not isinstance(document, dict):
        raise _wrong(path, "a JSON object, as docs/capacity.md describes it")
    region, date, currency = (_word(path, document, name) for name in ("region", "date", "currency"))
    tiers = document.get("tiers")
    if not isinstance(tiers, dict) or not tiers:
        raise _wrong(path, f"it needs tiers, an object with any of {', '.join(known)}")
    rows = {sku: _price(path, sku, row, known) for sku, row in tiers.items()}
    return Prices(region, date, currency, rows)


def _word(path: str, document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(path, f"it needs {name}, a text: prices mean nothing without it")
    return value


def _price(path: str, sku: str, row: object, known: Collection[str]) -> Price:
    if sku not in known:
        raise _wrong(path, f"it has the tier {sku!r}; there are {', '.join(known)}")
    if not isinstance(row, dict):
        raise _wrong(path, f"tiers.{sku} must be an object with unit_day and additional_million_messages")
    found = []
    for name in ("unit_day", "additional_million_messages"):
        value = row.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise _wrong(path, f"tiers.{sku}.{name} must be a number of at least 0, or null for unknown")
        found.append(None if value is None else float(value))
    return Price(*found)


def _wrong(path: str, allowed: str) -> ConfigError:
    return ConfigError([Fault("--prices", path, allowed)])
