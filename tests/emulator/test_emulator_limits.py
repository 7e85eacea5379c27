from __future__ import annotations

import pytest

from wps_load.clock import NS_PER_S
from wps_load.emulator.limits import BILLED_MESSAGE_BYTES, Limits, Tier


@pytest.mark.parametrize(
    ("units", "connections", "per_s"),
    [(1, 1000, 400), (10, 10_000, 400), (20, 20_000, 600), (50, 50_000, 2000), (100, 100_000, 8000)],
)
def test_what_units_allow(units: int, connections: int, per_s: int) -> None:
    tier = Tier.standard(units)
    assert (tier.connections, tier.connects_per_s, tier.messages_per_day) == (connections, per_s, None)


@pytest.mark.parametrize("units", [0, -1, 1001])
def test_units_that_nobody_sells(units: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        Tier.standard(units)


def test_connections_are_limited_in_number_and_rate() -> None:
    limits = Limits(Tier.standard(1))
    assert not limits.may_connect(1000, 0, 0)
    assert sum(limits.may_connect(0, 0, 0) for _ in range(500)) == 400
    assert sum(limits.may_connect(0, 0, NS_PER_S // 10) for _ in range(500)) == 40


def test_rest_calls_are_limited_in_rate() -> None:
    limits = Limits(Tier.standard(2))
    assert sum(limits.may_call(0) for _ in range(3000)) == 2000


def test_the_free_tier_ends_with_its_messages_until_the_next_day() -> None:
    limits = Limits(Tier.free())
    spent = 20_000 * BILLED_MESSAGE_BYTES
    assert not limits.quota_used_up(spent - 1, 0)
    assert limits.quota_used_up(spent, 1)
    assert not limits.may_connect(0, spent, 1)
    assert not limits.quota_used_up(spent, 86_400 * NS_PER_S)
    assert not Limits(Tier.standard(1)).quota_used_up(10**15, 0)
