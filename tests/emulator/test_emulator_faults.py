from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.workload.faults import NO_FAULTS, Dice, Fate, FaultSpec, FaultSyntaxError, parse_faults


def test_reads_every_fault() -> None:
    text = (
        "delay=20ms, jitter=5ms,drop=1/100,duplicate=1/200,reorder=1/500,stall=2s@10s,"
        "disconnect=1/1000,refuse=1/50,throttle=1/40,service-rate=900,seed=7"
    )
    assert parse_faults(text) == FaultSpec(
        delay_ns=20 * NS_PER_MS,
        jitter_ns=5 * NS_PER_MS,
        drop=Fraction(1, 100),
        duplicate=Fraction(1, 200),
        reorder=Fraction(1, 500),
        stall_ns=2 * NS_PER_S,
        stall_after_ns=10 * NS_PER_S,
        disconnect=Fraction(1, 1000),
        refuse=Fraction(1, 50),
        throttle=Fraction(1, 40),
        service_rate=900,
        seed=7,
    )


def test_nothing_is_no_fault() -> None:
    assert parse_faults("") == NO_FAULTS
    assert not NO_FAULTS.touches_deliveries


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("1us", 1_000),
        ("1.5ms", 1_500_000),
        ("250ms", 250_000_000),
        ("5s", 5 * NS_PER_S),
        ("2m", 120 * NS_PER_S),
        ("1h", 3600 * NS_PER_S),
    ],
)
def test_durations(text: str, duration_ns: int) -> None:
    assert parse_faults(f"delay={text}").delay_ns == duration_ns


def test_a_stall_without_a_start_begins_with_the_first_message() -> None:
    assert parse_faults("stall=2s").stall_after_ns == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("drp=1/2", "'drp' is not a fault; known are delay,"),
        ("delay=20", "delay=20: a duration such as"),
        ("delay", "delay=: a duration"),
        ("drop=2/1", "drop=2/1: a share"),
        ("drop=1/0", "drop=1/0: a share"),
        ("drop=0.1", "drop=0.1: a share"),
        ("stall=2s@", "stall=2s@: two durations"),
        ("service-rate=0", "service-rate=0: a number"),
        ("service-rate=nan", "service-rate=nan: a number"),
        ("seed=x", "seed=x: a whole number"),
        ("drop=1/2,drop=1/3", "drop is given twice"),
        ("drop=1/2,duplicate=1/2,reorder=1/2", "together must not exceed 1"),
    ],
)
def test_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(FaultSyntaxError) as caught:
        parse_faults(text)
    assert says in str(caught.value)
    assert len(caught.value.faults) == 1


def test_names_all_faults_at_once() -> None:
    with pytest.raises(FaultSyntaxError) as caught:
        parse_faults("drp=1,delay=5,seed=x")
    assert len(caught.value.faults) == 3


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        spec = parse_faults(text)
    except FaultSyntaxError as error:
        faults: tuple[str, ...] = error.faults
    else:
        faults = ()
        assert isinstance(spec, FaultSpec)
    assert all("\n" not in fault or "\n" in text for fault in faults)


def fates(spec: FaultSpec, count: int) -> list[Fate]:
    dice = Dice(spec)
    return [dice.fate() for _ in range(count)]


def test_the_seed_decides_everything() -> None:
    text = "drop=1/10,duplicate=1/10,reorder=1/10,seed="
    first = fates(parse_faults(text + "1"), 1000)
    assert first == fates(parse_faults(text + "1"), 1000)
    assert first != fates(parse_faults(text + "2"), 1000)


def test_shares_come_out_as_asked() -> None:
    drawn = fates(parse_faults("drop=1/10,duplicate=1/5,reorder=1/4"), 20_000)
    for fate, share in ((Fate.DROP, 0.1), (Fate.DUPLICATE, 0.2), (Fate.REORDER, 0.25), (Fate.WRITE, 0.45)):
        assert drawn.count(fate) / len(drawn) == pytest.approx(share, abs=0.015)


def test_a_share_of_one_is_always() -> None:
    assert set(fates(parse_faults("drop=1/1"), 100)) == {Fate.DROP}
    dice = Dice(parse_faults("refuse=1/1,disconnect=1/1"))
    assert dice.upgrade_status() == 503
    assert dice.cuts_sender()


def test_upgrades_are_refused_and_throttled_apart() -> None:
    dice = Dice(parse_faults("refuse=1/4,throttle=1/4"))
    statuses = [dice.upgrade_status() for _ in range(4000)]
    assert statuses.count(503) == pytest.approx(1000, abs=150)
    assert statuses.count(429) == pytest.approx(1000, abs=150)


def test_one_kind_of_fault_does_not_disturb_another() -> None:
    spec = parse_faults("drop=1/10,refuse=1/2,seed=3")
    dice = Dice(spec)
    mixed = []
    for _ in range(200):
        dice.upgrade_status()
        mixed.append(dice.fate())
    assert mixed == fates(spec, 200)
