from __future__ import annotations

from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.protocol.frames import is_valid_close_code
from wps_load.workload.chaos import CutPlan, SlowPlan, lifetimes_ns, victims
from wps_load.workload.values import Share


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("1/s reset", CutPlan("reset", per_s=Fraction(1))),
        ("0.5/s silent", CutPlan("silent", per_s=Fraction(1, 2))),
        ("close 2/s", CutPlan("close", per_s=Fraction(2))),
        ("close", CutPlan("close", per_s=Fraction(1))),
        ("close:1000", CutPlan("close", per_s=Fraction(1))),
        ("close:1001", CutPlan("close", per_s=Fraction(1), code=1001)),
        ("all@1s close:4999", CutPlan("close", all_at_ns=10**9, code=4999)),
        ("3/s", CutPlan("reset", per_s=Fraction(3))),
        ("all@10s", CutPlan("reset", all_at_ns=10 * 10**9)),
        ("all@10s silent", CutPlan("silent", all_at_ns=10 * 10**9)),
    ],
)
def test_cuts(text: str, plan: CutPlan) -> None:
    assert CutPlan.parse(text) == plan


CODES = ("", "x", "-1", "999", "1004", "1005", "1006", "1015", "2000", "5000", "1001:1", "\u0661\u0660\u0660\u0661")


@pytest.mark.parametrize(
    "text",
    ["", "0/s reset", "1/s reset close", "1/s 2/s", "1/m reset", "all@", "all", "kill", "reset:1001", "silent:1000"]
    + [f"1/s close:{code}" for code in CODES],
)
def test_what_is_not_a_cut_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1/s reset"):
        CutPlan.parse(text)


def test_every_code_that_is_taken_may_be_sent() -> None:
    for code in range(6000):
        try:
            plan = CutPlan.parse(f"close:{code}")
        except ValueError:
            assert not is_valid_close_code(code)
        else:
            assert is_valid_close_code(plan.code)


def test_slow_readers() -> None:
    assert SlowPlan.parse("10% 1KiB/s") == SlowPlan(Share(fraction=Fraction(1, 10)), 1024)
    assert SlowPlan.parse("5 512B/s") == SlowPlan(Share(count=5), 512)
    for text in ("", "10%", "10% 1KiB", "10% 0B/s", "0% 1KiB/s", "1KiB/s 10%"):
        with pytest.raises(ValueError, match="10% 1KiB/s"):
            SlowPlan.parse(text)


def test_lifetimes_have_their_mean_and_come_from_seed_and_index() -> None:
    lives = list(islice(lifetimes_ns(10**9, seed=1, index=7), 20_000))
    assert sum(lives) / len(lives) == pytest.approx(10**9, rel=0.03)
    assert min(lives) >= 0
    assert list(islice(lifetimes_ns(10**9, 1, 7), 5)) == lives[:5]
    assert list(islice(lifetimes_ns(10**9, 1, 8), 5)) != lives[:5]


@given(st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(1, 4))
def test_nobody_is_cut_twice_before_everybody_was_cut_once(seed: int, users: int, rounds: int) -> None:
    row = list(islice(victims(seed, range(users)), users * rounds))
    for start in range(0, len(row), users):
        assert sorted(row[start : start + users]) == list(range(users))
    assert row == list(islice(victims(seed, range(users)), users * rounds)), "the same in every process"


def test_the_order_of_victims_is_the_seeds() -> None:
    orders = {tuple(islice(victims(seed, range(20)), 40)) for seed in range(5)}
    assert len(orders) == 5
    assert all(order[:20] != order[20:] for order in orders), "another order in each round"
