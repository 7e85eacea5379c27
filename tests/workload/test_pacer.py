from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise
from random import Random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.workload.pacer import (
    ClosedPacer,
    ConstantPacer,
    PoissonPacer,
    Schedule,
    ScheduleCounter,
    count_before,
    counter,
    make_pacer,
)

STARTS = st.integers(0, 2**62)
RATES = st.fractions(min_value=Fraction(1, 1000), max_value=1_000_000, max_denominator=1000)
PHASES = st.floats(0, 1, exclude_max=True)


def over_the_wire(description: object) -> object:
    """As a worker gets it: msgpack turns tuples into lists."""
    return msgpack.unpackb(msgpack.packb(description))


@given(STARTS, RATES, PHASES)
def test_constant_dues_are_exact_and_never_drift(start: int, rate: Fraction, phase: float) -> None:
    pacer = ConstantPacer(start, rate, phase)
    dues = [pacer.next_due() for _ in range(200)]
    assert start <= dues[0] <= start + Fraction(10**9) / rate
    assert dues == [dues[0] + n * 10**9 * rate.denominator // rate.numerator for n in range(200)]


def test_a_million_messages_later_a_third_is_still_a_third() -> None:
    pacer = ConstantPacer(0, Fraction(3))
    for _ in range(1_000_000):
        pacer.next_due()
    assert pacer.next_due() == 1_000_000 * 10**9 // 3


def inverse_holds(dues: list[int], description: object, instants: list[int]) -> None:
    for t in [*instants, *dues, *(due + 1 for due in dues)]:
        if t <= dues[-1]:
            assert count_before(over_the_wire(description), t) == bisect_left(dues, t)  # type: ignore[arg-type]


@given(STARTS, RATES, PHASES, st.data())
def test_count_before_inverts_a_constant_schedule(
    start: int, rate: Fraction, phase: float, data: st.DataObject
) -> None:
    pacer = ConstantPacer(start, rate, phase)
    dues = [pacer.next_due() for _ in range(30)]
    inverse_holds(dues, pacer.describe(), data.draw(st.lists(st.integers(start - 10, dues[-1]), max_size=10)))


@given(STARTS, RATES, st.integers(0, 2**63 - 1), st.data())
def test_count_before_inverts_a_poisson_schedule(start: int, rate: Fraction, seed: int, data: st.DataObject) -> None:
    pacer = PoissonPacer(start, rate, seed)
    dues = [pacer.next_due() for _ in range(30)]
    assert dues == sorted(dues)
    inverse_holds(dues, pacer.describe(), data.draw(st.lists(st.integers(start - 10, dues[-1]), max_size=10)))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=100), st.data())
def test_count_before_inverts_a_closed_loop_while_it_fits(gaps: list[int], data: st.DataObject) -> None:
    pacer = ClosedPacer(5, limit=128)
    dues, now = [pacer.next_due()], 5
    for gap in gaps:
        now += gap
        dues.append(pacer.came_back(now))
    inverse_holds(dues, pacer.describe(), data.draw(st.lists(st.integers(0, dues[-1]), max_size=10)))
    assert count_before(pacer.describe(), dues[-1] + 1) == len(dues)


@settings(max_examples=30)
@given(st.integers(500, 2000), st.randoms(use_true_random=False))
def test_a_long_closed_loop_stays_small_and_off_by_less_than_its_stride(messages: int, random: Random) -> None:
    gaps = [random.randint(1, 100) for _ in range(messages)]
    pacer = ClosedPacer(0, limit=16)
    dues, now = [pacer.next_due()], 0
    for gap in gaps:
        now += gap
        dues.append(pacer.came_back(now))
    _, seqs, checkpoints, count = pacer.describe()
    assert isinstance(seqs, list)
    assert isinstance(checkpoints, list)
    assert count == len(dues)
    assert len(seqs) <= 17 + 1
    stride = max(high - low for low, high in pairwise(seqs))
    assert stride <= 2 * len(dues) / 15
    before = counter(pacer.describe())
    assert all(abs(before(t) - number) < stride for number, t in enumerate(dues))
    assert all(before(t) == bisect_left(dues, t) for t in checkpoints)


def test_nothing_was_due_in_a_closed_loop_that_never_began() -> None:
    assert count_before(ClosedPacer(0).describe(), 10**12) == 0


def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() -> None:
    pacer = PoissonPacer(0, Fraction(1000), seed=42)
    dues = [pacer.next_due() for _ in range(20_000)]
    gaps = [later - due for due, later in pairwise(dues)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1_000_000, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.03)


def test_what_is_not_a_description_is_refused() -> None:
    for nonsense in ((), ("constant", 1), ("uniform", 1, 2, 3), ("poisson", "a", 1, 2)):
        with pytest.raises(ValueError, match="description"):
            count_before(nonsense, 0)


def test_the_option_picks_the_pacer() -> None:
    assert isinstance(make_pacer("constant", 0, Fraction(1)), ConstantPacer)
    assert isinstance(make_pacer("poisson", 0, Fraction(1), seed=1), PoissonPacer)
    assert isinstance(make_pacer("constant", 0, None), ClosedPacer)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 1000), st.booleans()), min_size=1, max_size=5))
def test_a_schedule_of_several_rates_numbers_on_and_is_inverted(stages: list[tuple[int, int, bool]]) -> None:
    dues: list[int] = []
    schedule: Schedule | None = None
    for messages, rate, poisson in stages:
        start = dues[-1] + 1 if dues else 0
        pacer = PoissonPacer(start, Fraction(rate), rate) if poisson else ConstantPacer(start, Fraction(rate))
        if schedule is None:
            schedule = Schedule(pacer)
        else:
            schedule.switch(len(dues), pacer)
        dues += [schedule.next_due() for _ in range(messages)]
        schedule.next_due()  # what was looked at but not sent is forgotten by the switch
    assert schedule is not None
    counted = ScheduleCounter(over_the_wire(schedule.describe()))  # type: ignore[arg-type]
    for t in dues:
        assert counted.before(t) == bisect_left(dues, t)


def test_a_switch_before_the_first_message_replaces_the_schedule() -> None:
    schedule = Schedule(ConstantPacer(0, Fraction(1)))
    schedule.switch(0, ConstantPacer(7, Fraction(2)))
    assert schedule.describe() == [(0, ("constant", 7, 500_000_000, 1))]
    assert schedule.next_due() == 7
