from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.emulator.delivery import FaultyDelivery, Stats
from wps_load.workload.faults import (
    FAULTS,
    NO_FAULTS,
    Chance,
    Delay,
    DeliveryFault,
    Dice,
    Disconnection,
    Drop,
    Duplicate,
    FaultSpec,
    FaultSyntaxError,
    Forbid,
    InjectedFault,
    Jitter,
    Outgoing,
    Refuse,
    Reorder,
    ServiceRate,
    Stall,
    Throttle,
    parse_faults,
)


def test_reads_every_fault() -> None:
    text = (
        "delay=20ms, jitter=5ms,drop=1/100,duplicate=1/200,reorder=1/500,stall=2s@10s,"
        "disconnect=1/1000,refuse=1/50,throttle=1/40,service-rate=900,forbid=role:10s,seed=7"
    )
    found = parse_faults(text)
    assert set(found.faults) == {
        Delay(20 * NS_PER_MS),
        Jitter(5 * NS_PER_MS),
        Drop(Fraction(1, 100)),
        Duplicate(Fraction(1, 200)),
        Reorder(Fraction(1, 500)),
        Stall(2 * NS_PER_S, 10 * NS_PER_S),
        Disconnection(Fraction(1, 1000)),
        Refuse(Fraction(1, 50)),
        Throttle(Fraction(1, 40)),
        ServiceRate(900),
        Forbid("role", 10 * NS_PER_S),
    }
    assert [fault.name for fault in found.faults] == list(FAULTS)
    assert found.seed == 7


def test_every_counter_is_one_of_the_emulators() -> None:
    for fault in FAULTS.values():
        if issubclass(fault, Chance):
            Stats().add(fault.counter)


def test_nothing_is_not_a_fault() -> None:
    assert parse_faults("") == NO_FAULTS
    assert not NO_FAULTS.touches_deliveries
    assert not parse_faults("refuse=1/2,disconnect=1/2").touches_deliveries


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
    assert parse_faults(f"delay={text}").faults == (Delay(duration_ns),)


def test_a_stall_without_a_start_begins_with_the_first_message() -> None:
    assert parse_faults("stall=2s").faults == (Stall(2 * NS_PER_S, 0),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("drp=1/2", "'drp' is not a fault; known are service-rate, delay,"),
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
        ("drop=1/2,duplicate=1/2,reorder=1/2", "drop, duplicate, reorder together must not exceed 1"),
        ("refuse=1/2,throttle=2/3", "refuse, throttle together must not exceed 1"),
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


def struck(spec: FaultSpec, count: int) -> list[type[InjectedFault] | None]:
    die = Dice(spec).deliveries
    return [None if (fault := die.thrown()) is None else type(fault) for _ in range(count)]


def test_the_seed_decides_everything() -> None:
    text = "drop=1/10,duplicate=1/10,reorder=1/10,seed="
    first = struck(parse_faults(text + "1"), 1000)
    assert first == struck(parse_faults(text + "1"), 1000)
    assert first != struck(parse_faults(text + "2"), 1000)


def test_shares_come_out_as_asked() -> None:
    drawn = struck(parse_faults("drop=1/10,duplicate=1/5,reorder=1/4"), 20_000)
    for fault, share in ((Drop, 0.1), (Duplicate, 0.2), (Reorder, 0.25), (None, 0.45)):
        assert drawn.count(fault) / len(drawn) == pytest.approx(share, abs=0.015)


def test_a_share_of_one_is_always_and_of_none_never() -> None:
    assert set(struck(parse_faults("drop=1/1"), 100)) == {Drop}
    assert set(struck(parse_faults("drop=0/1"), 100)) == {None}
    dice = Dice(parse_faults("refuse=1/1,disconnect=1/1"))
    assert dice.upgrades.thrown() == Refuse(Fraction(1))
    assert dice.publications.thrown() == Disconnection(Fraction(1))


def test_upgrades_are_refused_and_throttled_apart() -> None:
    die = Dice(parse_faults("refuse=1/4,throttle=1/4")).upgrades
    statuses = [fault.status for _ in range(4000) if (fault := die.thrown())]
    assert statuses.count(503) == pytest.approx(1000, abs=150)
    assert statuses.count(429) == pytest.approx(1000, abs=150)


def test_one_kind_of_fault_does_not_disturb_another() -> None:
    spec = parse_faults("drop=1/10,refuse=1/2,seed=3")
    dice = Dice(spec)
    mixed = []
    for _ in range(200):
        dice.upgrades.thrown()
        fault = dice.deliveries.thrown()
        mixed.append(None if fault is None else type(fault))
    assert mixed == struck(spec, 200)


class Twice(DeliveryFault):
    """A fault of a stranger's: three copies."""

    name, counter = "twice", "duplicated"

    def strike(self, delivery: Outgoing) -> None:
        for counter in (None, self.counter, self.counter):
            delivery.leave(counter)


def test_a_new_fault_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, Twice.name, Twice)
    stats, link = Stats(), Socket()
    line = FaultyDelivery(Dice(parse_faults("twice=1/1")), stats)
    line.submit(link, b"frame", "stream", 0)
    assert (link.written, stats.deliveries, stats.duplicated) == ([b"frame"] * 3, 3, 2)


class Socket:
    open = True

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.due_ns = self.waiting = 0

    def write(self, frame: bytes) -> None:
        self.written.append(frame)
